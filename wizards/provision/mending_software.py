"""Changes that may need a package: the clock, tools, kernel modules, iSCSI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from wizards.provision.mending_case import MODULES_FILE, Case, Proposal, plain
from wizards.provision.wants import wanted_modules
from wizards.setup.spec import Engine

KINDS: Final = ("time-sync", "packages", "modules", "iscsi")
_APT_DNF_ZYPPER: Final = ("apt", "dnf", "zypper")
_NAMES: Final[dict[str, tuple[str, str, str]]] = {
    "apparmor": ("apparmor", "", "apparmor-parser"),
    "iscsi": ("open-iscsi", "iscsi-initiator-utils", "open-iscsi"),
    "lvm": ("lvm2", "lvm2", "lvm2"),
    "selinux": ("python3-selinux", "python3-libselinux", "python3-selinux"),
    "time": ("systemd-timesyncd", "chrony", "chrony"),
}
"""What for → the package with apt, dnf (and yum) and zypper; empty where there is none."""
_COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "groupadd": ("passwd", "shadow-utils", "shadow"),
    "ip": ("iproute2", "iproute", "iproute2"),
    "modprobe": ("kmod", "kmod", "kmod"),
    "mount": ("mount", "util-linux", "util-linux"),
    "nsenter": ("util-linux", "util-linux", "util-linux"),
    "swapoff": ("mount", "util-linux", "util-linux"),
    "sysctl": ("procps", "procps-ng", "procps"),
    "tar": ("tar", "tar", "tar"),
    "useradd": ("passwd", "shadow-utils", "shadow"),
    "thin_check": ("thin-provisioning-tools", "device-mapper-persistent-data", "thin-provisioning-tools"),
}
"""Command → its package, as above. ZFS' own are installed by `_zfs`."""
_CLOCKS: Final = ("chronyd", "chrony", "systemd-timesyncd", "ntpsec", "ntpd", "ntp", "openntpd")
_TIME_UNITS: Final = {"systemd-timesyncd": "systemd-timesyncd.service", "chrony": "chronyd.service"}
_RED_HAT: Final = {"fedora", "rhel", "centos", "rocky", "almalinux", "ol"}


def _time_sync(case: Case) -> Iterator[Proposal]:
    found = case.node.mapping("time_sync")
    service = found.get("service")
    if not case.own_kernel or not isinstance(service, str) or found.get("synchronized") is True:
        return  # a clock that follows a time server already is not the one that is wrong
    packages: tuple[str, ...] = ()
    service = service or _stopped_clock(case)
    if not service and (name := _package_of(_NAMES["time"], case)):
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


def _stopped_clock(case: Case) -> str:
    """Return the time service that is installed and does not run; the best where there are several."""
    services = case.node.mapping("services")
    return next((name for name in _CLOCKS if services.get(name) == "inactive"), "")


def _package_of(names: tuple[str, str, str], case: Case) -> str:
    """Return the package's name on that node; empty where it has none, or none can be installed."""
    manager = "dnf" if case.packages == "yum" else case.packages
    return dict(zip(_APT_DNF_ZYPPER, names, strict=True)).get(manager, "")


def _installed(case: Case, name: str, title: str) -> Iterator[Proposal]:
    if name:
        data = case.software((name,))
        undo = f"{case.remove((name,))}."
        yield Proposal(f"package:{name}", "packages", f"Install {title}", case.install((name,)), undo, data)


def _lvm(case: Case) -> Iterator[Proposal]:
    if case.node.texts("volume_groups") is None:
        yield from _installed(case, _package_of(_NAMES["lvm"], case), "LVM's tools")


def _tools(*names: str) -> Callable[[Case], Iterator[Proposal]]:
    """Return what installs those of the commands `names` that are missing, each package once."""

    def make(case: Case) -> Iterator[Proposal]:
        tools: dict[str, list[str]] = {}
        for command in case.node.texts("commands_missing") or ():
            if command in names and (name := _package_of(_COMMANDS[command], case)):
                tools.setdefault(name, []).append(command)
        for name, commands in tools.items():
            yield from _installed(case, name, f"{name}, for {', '.join(commands)}")

    return make


def _apparmor(case: Case) -> Iterator[Proposal]:
    found = case.node.mapping("apparmor")
    if found.get("enabled") is True and found.get("parser") is False:
        yield from _installed(case, _package_of(_NAMES["apparmor"], case), "AppArmor's parser")


def _selinux(case: Case) -> Iterator[Proposal]:
    if case.node.flag("python_selinux") is False and case.node.text("selinux") in {"enforcing", "permissive"}:
        yield from _installed(case, _package_of(_NAMES["selinux"], case), "Python's SELinux library")


def _zfs(case: Case) -> Iterator[Proposal]:
    """ZFS' tools; Debian and Red Hat do not bring them, and building a module is not a small change."""
    if (
        case.node.texts("zfs_pools") is None
        and case.packages == "apt"
        and case.node.text("os_id") == "ubuntu"
    ):
        yield from _installed(case, "zfsutils-linux", "ZFS' tools")


def _modules(case: Case) -> Iterator[Proposal]:
    wanted = wanted_modules(case.spec)
    missing = [name for name in case.node.texts("modules_missing") or () if name in wanted]
    packages = _module_packages(case)
    if missing and packages:
        yield from _loaded(case, missing, packages)


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
    name = "" if there else _package_of(_NAMES["iscsi"], case)
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


_LVM_THIN: Final = "thin_check"
MAKERS: Final[tuple[tuple[str, Callable[[Case], Iterator[Proposal]]], ...]] = (
    ("clock-skew", _time_sync),
    ("time-sync", _time_sync),
    ("commands", _tools(*(name for name in _COMMANDS if name != _LVM_THIN))),
    ("apparmor", _apparmor),
    ("selinux-python", _selinux),
    ("volume-group", _lvm),
    ("lvm-thin", _tools(_LVM_THIN)),
    ("zfs-pool", _zfs),
    ("kernel-modules", _modules),
    ("iscsi", _iscsi),
    ("iscsi-service", _iscsi),
)
"""The check, and what proposes changes for its finding."""
