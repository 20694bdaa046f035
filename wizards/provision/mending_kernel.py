"""Changes that need no download: swap, kernel settings, huge pages, /tmp, systemd-networkd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from wizards.provision.checks.components import HUGE_PAGES
from wizards.provision.mending_case import FSTAB_MARK, NETWORKD_FILE, SYSCTL_FILE, Case, Proposal, plain

KINDS: Final = ("swap", "tmp-exec", "sysctl", "huge-pages", "networkd")
HUGE_PAGE_MIB: Final = 2
HUGE_PAGES_MEMORY_MIB: Final = 3840
"""Least memory for 2 GiB of huge pages: a machine of 4 GiB, which shows a little less than it has."""
SPARE_MIB: Final = 1024
"""Memory that must stay available beside the huge pages."""


def _swap(case: Case) -> Iterator[Proposal]:
    boot = case.node.texts("swap_at_boot") or ()
    units = [name for name in boot if name.endswith((".swap", ".service")) and plain(name)]
    fstab = any("fstab" in name for name in boot)
    now = case.own_kernel and bool(case.node.number("swap_mib"))
    exact = [
        *(("swapoff -a",) if now else ()),
        *((f"/etc/fstab: '{FSTAB_MARK}' before each line of type swap (a copy is kept)",) if fstab else ()),
        *(f"systemctl mask --now {unit}" for unit in units),
    ]
    undo = [
        *((f"remove '{FSTAB_MARK}' in /etc/fstab",) if fstab else ()),
        *(f"systemctl unmask {unit}" for unit in units),
        "swapon -a",
    ]
    if exact:
        data = {"now": now, "fstab": fstab, "units": units}
        yield Proposal("swap-off", "swap", "Turn swap off, now and at boot", tuple(exact), _steps(undo), data)


def _steps(steps: list[str]) -> str:
    text = ", then ".join(steps)
    return f"{text[0].upper()}{text[1:]}." if steps[0].startswith("remove") else f"{text}."


def _tmp_exec(case: Case) -> Iterator[Proposal]:
    if case.node.flag("tmp_noexec") is True:
        yield Proposal(
            "tmp-exec",
            "tmp-exec",
            "Let programs in /tmp run, until the next boot",
            ("mount -o remount,exec /tmp",),
            "mount -o remount,noexec /tmp; the next boot does it too.",
        )


def _huge_pages(case: Case) -> Iterator[Proposal]:
    node = case.node
    free, total = node.number("hugepages_free"), node.number("hugepages_total")
    if free is None or not case.own_kernel or node.text("architecture") != "x86_64":
        return
    missing = HUGE_PAGES - int(free)
    available = node.number("memory_available_mib")
    needed = missing * HUGE_PAGE_MIB + SPARE_MIB
    if (node.number("memory_mib") or 0) < HUGE_PAGES_MEMORY_MIB or (
        available is not None and available < needed
    ):
        return
    # Pages that something uses already stay its own.
    pages = max(HUGE_PAGES, int(total or free) + missing)
    kubelet = ("systemctl restart kubelet: not done; a running kubelet counts them only after it",)
    yield Proposal(
        "huge-pages",
        "huge-pages",
        f"Set {pages} huge pages of 2 MiB aside",
        (
            f"{SYSCTL_FILE}: vm.nr_hugepages={pages}",
            f"sysctl -w vm.nr_hugepages={pages}",
            *(kubelet if node.known_cluster or node.texts("remains") else ()),
        ),
        f"Remove the line in {SYSCTL_FILE}, then sysctl -w vm.nr_hugepages={int(total or 0)}.",
        {"name": "vm.nr_hugepages", "value": str(pages), "free": HUGE_PAGES},
    )


def _networkd(case: Case) -> Iterator[Proposal]:
    if case.node.flag("networkd") is True and case.node.flag("networkd_foreign") is False:
        yield Proposal(
            "networkd-routes",
            "networkd",
            "Let systemd-networkd leave the routes of others alone",
            (
                f"{NETWORKD_FILE}: [Network]",
                f"{NETWORKD_FILE}: ManageForeignRoutes=no",
                f"{NETWORKD_FILE}: ManageForeignRoutingPolicyRules=no",
                "systemctl restart systemd-networkd: not done; it reads the file when it starts next",
            ),
            f"Remove {NETWORKD_FILE}.",
        )


MAKERS: Final[tuple[tuple[str, Callable[[Case], Iterator[Proposal]]], ...]] = (
    ("swap", _swap),
    ("tmp-noexec", _tmp_exec),
    ("huge-pages", _huge_pages),
    ("networkd-routes", _networkd),
)
