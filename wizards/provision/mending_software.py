"""Changes that may need a package: the clock, tools, kernel modules, iSCSI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from wizards.provision.checks.components import wanted_modules
from wizards.provision.mending_case import MODULES_FILE, Case, Proposal, plain
from wizards.setup.spec import Engine

KINDS: Final = ("time-sync", "packages", "modules", "iscsi")
_NAMES: Final = {
    "lvm2": {"apt": "lvm2", "dnf": "lvm2", "yum": "lvm2", "zypper": "lvm2"},
    "iscsi": {
        "apt": "open-iscsi",
        "dnf": "iscsi-initiator-utils",
        "yum": "iscsi-initiator-utils",
        "zypper": "open-iscsi",
    },
    "time": {"apt": "systemd-timesyncd", "dnf": "chrony", "yum": "chrony", "zypper": "chrony"},
    "apparmor": {"apt": "apparmor", "zypper": "apparmor-parser"},
    "selinux": {
        "apt": "python3-selinux",
        "dnf": "python3-libselinux",
        "yum": "python3-libselinux",
        "zypper": "python3-selinux",
    },
}
"""What for → the package's name by package manager."""
_TIME_UNITS: Final = {"systemd-timesyncd": "systemd-timesyncd.service", "chrony": "chronyd.service"}
_RED_HAT: Final = {"fedora", "rhel", "centos", "rocky", "almalinux", "ol"}


def _time_sync(case: Case) -> Iterator[Proposal]:
    found = case.node.mapping("time_sync")
    service = found.get("service")
    if not case.own_kernel or not isinstance(service, str) or found.get("synchronized") is True:
        return  # a clock that follows a time server already is not the one that is wrong
    packages: tuple[str, ...] = ()
    if not service and (name := _NAMES["time"].get(case.packages)):
        packages, service = (name,), _TIME_UNITS[name]
    unit = service if service.endswith(".service") else f"{service}.service"
    if plain(unit):
        chrony = unit.startswith("chrony")
        step = ("chronyc waitsync 10 0 0 2", "chronyc makestep") if chrony else (f"systemctl restart {unit}",)
        yield Proposal(
            "time-sync",
            "time-sync",
            f"Keep the clock by {unit.removesuffix('.service')}, and set it now",
            (*case.install(packages), f"systemctl enable --now {unit}", *step),
            f"{case.remove(packages) if packages else f'systemctl disable --now {unit}'}.",
            {**case.software(packages), "unit": unit, "chrony": chrony},
        )


def _package(what: str, title: str) -> Callable[[Case], Iterator[Proposal]]:
    def make(case: Case) -> Iterator[Proposal]:
        if name := _NAMES[what].get(case.packages):
            yield _installed(case, name, title)

    return make


def _installed(case: Case, name: str, title: str) -> Proposal:
    data = case.software((name,))
    undo = f"{case.remove((name,))}."
    return Proposal(f"package:{name}", "packages", f"Install {title}", case.install((name,)), undo, data)


def _lvm(case: Case) -> Iterator[Proposal]:
    if case.node.texts("volume_groups") is None:
        yield from _package("lvm2", "LVM's tools")(case)


def _zfs(case: Case) -> Iterator[Proposal]:
    """ZFS' tools; Debian and Red Hat do not bring them, and building a module is not a small change."""
    if (
        case.node.texts("zfs_pools") is None
        and case.packages == "apt"
        and case.node.text("os_id") == "ubuntu"
    ):
        yield _installed(case, "zfsutils-linux", "ZFS' tools")


def _modules(case: Case) -> Iterator[Proposal]:
    wanted = wanted_modules(case.spec)
    missing = [name for name in case.node.texts("modules_missing") or () if name in wanted]
    packages = _module_packages(case)
    if missing and packages:
        yield from _loaded(case, missing, packages)


def _modules_loaded(case: Case) -> Iterator[Proposal]:
    """Modules that are there and not loaded."""
    loaded, missing = case.node.texts("modules_loaded"), case.node.texts("modules_missing") or ()
    if loaded is not None:
        wanted = [name for name in wanted_modules(case.spec) if name not in (*loaded, *missing)]
        yield from _loaded(case, wanted, ())


def _loaded(case: Case, names: list[str], packages: tuple[str, ...]) -> Iterator[Proposal]:
    if not names or not case.own_kernel:
        return
    loads = [line for name in names for line in (f"modprobe {name}", f"{MODULES_FILE}: {name}")]
    more = f", then {case.remove(packages)}" if packages else ""
    yield Proposal(
        f"modules:{names[0]}" if len(names) == 1 else "modules",
        "modules",
        f"Load {', '.join(names)}, now and at boot",
        (*case.install(packages), *loads),
        f"Remove the lines in {MODULES_FILE}, reboot{more}.",
        {**case.software(packages), "names": names},
    )


def _module_packages(case: Case) -> tuple[str, ...]:
    """Return the packages with the rest of this kernel's modules; none where a new kernel would be needed."""
    kernel, system = case.node.text("kernel"), case.node.text("os_id").lower()
    if not plain(kernel):
        return ()
    if case.packages == "apt" and system == "ubuntu":
        return (f"linux-modules-extra-{kernel}",)
    if case.packages in {"dnf", "yum"} and system in _RED_HAT:
        return (f"kernel-modules-{kernel}", f"kernel-modules-extra-{kernel}")
    return ()


def _iscsi(case: Case) -> Iterator[Proposal]:
    if not {Engine.JIVA, Engine.CSTOR} & {*case.spec.storage.engines}:
        return
    there = case.node.flag("iscsi_name") is True
    name = "" if there else _NAMES["iscsi"].get(case.packages, "")
    if not there and not name:
        return
    packages = (name,) if name else ()
    yield Proposal(
        "iscsi",
        "iscsi",
        "Start the iSCSI initiator, now and at boot",
        (*case.install(packages), "systemctl enable --now iscsid.service"),
        f"{case.remove(packages) if packages else 'systemctl disable --now iscsid.service'}.",
        {**case.software(packages), "unit": "iscsid.service"},
    )


MAKERS: Final[tuple[tuple[str, Callable[[Case], Iterator[Proposal]]], ...]] = (
    ("clock-skew", _time_sync),
    ("time-sync", _time_sync),
    ("volume-group", _lvm),
    ("zfs-pool", _zfs),
    ("kernel-modules", _modules),
    ("modules-loaded", _modules_loaded),
    ("iscsi", _iscsi),
)
