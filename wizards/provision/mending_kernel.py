"""Changes that need no download: swap, kernel settings, huge pages, /tmp, systemd-networkd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from wizards.provision.checks.components import HUGE_PAGES
from wizards.provision.mending_case import (
    FSTAB_MARK,
    NETWORKD_FILE,
    SYSCTL_FILE,
    ZRAM_FILE,
    Case,
    Proposal,
    plain,
)

Maker = Callable[[Case], Iterator[Proposal]]

KINDS: Final = ("swap", "tmp-exec", "sysctl", "huge-pages", "networkd", "bpf-mount")
HUGE_PAGE_MIB: Final = 2
HUGE_PAGES_MEMORY_MIB: Final = 3840
"""Least memory for 2 GiB of huge pages: a machine of 4 GiB, which shows a little less than it has."""
SPARE_MIB: Final = 1024
"""Memory that must stay available beside the huge pages."""
_UNDO_FSTAB: Final = f"remove '{FSTAB_MARK}' in /etc/fstab"


def _swap(case: Case) -> Iterator[Proposal]:
    boot = case.node.texts("swap_at_boot") or ()
    now = case.own_kernel and bool(case.node.number("swap_mib"))
    fstab = any(path.startswith("/etc/fstab") for path in boot)
    zram = any(path.endswith("/zram-generator.conf") for path in boot)
    # A unit that lies in /etc is the administrator's own, and cannot be masked.
    own = [unit for path in boot if (unit := _unit_in("/etc/systemd/system/", path))]
    brought = [unit for path in boot if (unit := _unit_in("/usr/lib/systemd/system/", path))]
    brought += [
        unit for path in boot if (unit := _unit_in("/lib/systemd/system/", path)) and unit not in brought
    ]
    brought += ["zramswap.service"] if "/etc/default/zramswap" in boot else []
    steps = [
        *([("swapoff -a", "")] if now else []),
        *(
            [(f"/etc/fstab: '{FSTAB_MARK}' before each line of type swap (a copy is kept)", _UNDO_FSTAB)]
            if fstab
            else []
        ),
        *(
            [(f"{ZRAM_FILE}: empty (a copy of what was in it is kept)", f"remove {ZRAM_FILE}")]
            if zram
            else []
        ),
        *((f"systemctl disable --now {unit}", f"systemctl enable {unit}") for unit in own),
        *((f"systemctl mask --now {unit}", f"systemctl unmask {unit}") for unit in brought),
    ]
    if not steps:
        return
    undo = "; ".join([*(back for _, back in steps if back), "swapon -a"])
    yield Proposal(
        "swap-off",
        "swap",
        f"Turn swap off, {_when(now, len(steps) > now)}",
        tuple(step for step, _ in steps),
        f"{undo[0].upper()}{undo[1:]}." if undo.startswith("remove") else f"{undo}.",
        {"now": now, "fstab": fstab, "zram": zram, "disable": own, "mask": brought},
    )


def _unit_in(folder: str, path: str) -> str:
    """Return the swap unit that `path` names in `folder`; empty where it is none or not plainly named."""
    unit = path.removeprefix(folder)
    return unit if unit != path and unit.endswith(".swap") and plain(unit) else ""


def _when(now: bool, boot: bool) -> str:
    return "now and at boot" if now and boot else "now" if now else "at boot"


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


def _bpf(case: Case) -> Iterator[Proposal]:
    """Mount what systemd mounts by itself when it starts (and refuses a unit for)."""
    if case.own_kernel and case.node.flag("bpf_mounted") is False:
        yield Proposal(
            "bpf-mount",
            "bpf-mount",
            "Mount the BPF file system",
            ("mount -t bpf bpf /sys/fs/bpf",),
            "umount /sys/fs/bpf.",
        )


def _setting(case: Case, name: str) -> int | None:
    """Return a kernel setting as a number; None where it is not known, or is its host's alone to change."""
    if case.node.flag("sysctls_settable") is False or not (case.own_kernel or name.startswith("net.")):
        return None
    value = str(case.node.mapping("sysctls").get(name, "")).strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def _sysctl(name: str, wanted: int, title: str, wrong: Callable[[int], bool]) -> Maker:
    """Return what sets the kernel setting `name` to `wanted` where its present value is `wrong`."""

    def make(case: Case) -> Iterator[Proposal]:
        found = _setting(case, name)
        if found is None or not wrong(found):
            return
        yield Proposal(
            f"sysctl:{name}",
            "sysctl",
            title,
            (f"{SYSCTL_FILE}: {name}={wanted}", f"sysctl -w {name}={wanted}"),
            f"Remove the line in {SYSCTL_FILE}, then sysctl -w {name}={found}.",
            {"name": name, "value": str(wanted)},
        )

    return make


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


_WATCHES: Final = "fs.inotify.max_user_watches"
_INSTANCES: Final = "fs.inotify.max_user_instances"
MAKERS: Final[tuple[tuple[str, Maker], ...]] = (
    ("swap", _swap),
    ("swap-at-boot", _swap),
    ("tmp-noexec", _tmp_exec),
    ("inotify-limits", _sysctl(_WATCHES, 524_288, "Let more files be watched", lambda now: now < 8192)),
    ("inotify-limits", _sysctl(_INSTANCES, 8192, "Let more programs watch files", lambda now: now < 128)),
    ("pid-max", _sysctl("kernel.pid_max", 4_194_304, "Let more processes run", lambda now: now < 32_768)),
    (
        "rp-filter",
        _sysctl(
            "net.ipv4.conf.all.rp_filter",
            2,
            "Accept replies that come by another network",
            lambda now: now == 1,
        ),
    ),
    ("huge-pages", _huge_pages),
    ("networkd-foreign-routes", _networkd),
    ("bpf-mounted", _bpf),
)
"""The check, and what proposes changes for its finding; thresholds are the kernel's defaults, as there."""
