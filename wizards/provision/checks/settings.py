"""How the system is set up: swap, packages, mounts, the kernel's settings, and what else runs on it."""

from __future__ import annotations

from typing import Final

from wizards.provision.checks.judging import each, few, trouble
from wizards.provision.checks.model import Check, Group, NodeReport, Trouble
from wizards.provision.checks.model import words as cleaned
from wizards.provision.wants import COMMANDS
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec, Cni, Runtime

_NO_PACKAGES: Final = ("flatcar", "clear-linux-os")
_ENGINES: Final = ("docker", "containerd", "crio", "cri-o")
_DISTRIBUTIONS: Final = {
    "k3s": "k3s",
    "k3s-agent": "k3s",
    "rke2-server": "RKE2",
    "rke2-agent": "RKE2",
    "snap.microk8s.daemon-kubelite": "MicroK8s",
}
"""Services of other distributions of Kubernetes, and what they are called."""
_LEAST_SYSCTLS: Final = {"fs.inotify.max_user_watches": 8192, "fs.inotify.max_user_instances": 128}
"""The kernel's own defaults; Kubespray raises the instances; nothing raises watches that were lowered."""
_LEAST_PIDS: Final = 32768
_STRICT: Final = 1


def _setting(node: NodeReport, name: str) -> int | None:
    """Return a kernel setting as a number, None where it is not known."""
    value = node.mapping("sysctls").get(name)
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _swap(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.number("swap_mib")
    if not found:
        return None
    on = few(node.texts("swaps") or ())
    where = f" ({on})" if on else ""
    return trouble(
        f"{found:.0f} MiB of swap are on{where}; Kubespray will turn them off", f"{found:.0f} MiB", "none"
    )


def _swap_at_boot(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.texts("swap_at_boot")
    if not found or node.number("swap_mib") != 0:
        return None
    return trouble(f"swap is off, and comes back at the next boot: {few(found)}", few(found), "none")


def _package_manager(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    state = node.mapping("package_manager")
    if not state or node.text("os_id").lower() in _NO_PACKAGES:
        return None
    name = state.get("name")
    if name == "":
        return trouble("no package manager was found on it", "none", "apt, dnf, yum or zypper")
    if state.get("works") is not False:
        return None
    problem = cleaned(state.get("problem")) or "it says nothing of why"
    return trouble(f"{cleaned(name) or 'its package manager'} does not work: {problem}", problem, "it works")


def _package_manager_busy(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    state = node.mapping("package_manager")
    if state.get("busy") is not True:
        return None
    name = cleaned(state.get("name")) or "its package manager"
    return trouble(f"{name} is at work on it just now", "busy", "idle")


def _reboot(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    if not node.flag("reboot_required"):
        return None
    return trouble("it waits for a reboot after an update", "reboot wanted", "rebooted")


def _commands(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    missing = [name for name in node.texts("commands_missing") or () if name in COMMANDS]
    if not missing:
        return None
    return trouble(f"commands are missing: {few(missing)}", f"no {few(missing)}", few(missing))


def _other_runtime(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    """Judge services that own containers already; Docker brings containerd, and Podman has none."""
    if node.known_cluster:
        return None
    chosen = {spec.kubernetes.runtime.value}
    if spec.kubernetes.runtime is Runtime.DOCKER:
        chosen.add("containerd")
    if spec.kubernetes.runtime is Runtime.CRIO:
        chosen.add("cri-o")
    running = [name for name in node.texts("runtimes") or () if name in _ENGINES]
    others = [name for name in running if name not in chosen]
    if not others:
        return None
    chose = spec.kubernetes.runtime.value
    return trouble(f"{few(others)} runs on it already, and {chose} was chosen", few(others), f"{chose} alone")


def _other_kubernetes(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    services = node.mapping("services")
    running = [shown for name, shown in _DISTRIBUTIONS.items() if services.get(name) == "active"]
    if not running:
        return None
    named = few(dict.fromkeys(running))
    return trouble(f"another Kubernetes runs on it: {named}", named, "none")


def _read_only(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    flatcar = node.text("os_id").lower() == "flatcar"
    found = [path for path in node.texts("read_only") or () if not (flatcar and path.startswith("/usr"))]
    if not found:
        return None
    return trouble(f"{few(found)} cannot be written to: mounted read-only", "read-only", "writable")


def _noexec(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = [path for path in node.texts("noexec") or () if path not in ("/tmp", "/etc")]  # noqa: S108
    if not found:
        return None
    return trouble(f"programs in {few(found)} may not run (noexec)", "noexec", "without noexec")


def _sysctls_settable(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    if node.flag("sysctls_settable") is not False:
        return None
    return trouble("the kernel's settings cannot be changed on it", "read-only", "/proc/sys is writable")


def _inotify(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = {name: _setting(node, name) for name in _LEAST_SYSCTLS}
    low = {name: value for name, value in found.items() if value is not None and value < _LEAST_SYSCTLS[name]}
    if not low:
        return None
    measured = few(f"{name} is {value}" for name, value in low.items())
    required = few(f"{name} {_LEAST_SYSCTLS[name]}" for name in low)
    return trouble(
        f"{measured}, and at least {few(str(_LEAST_SYSCTLS[name]) for name in low)} is usual",
        measured,
        f"at least {required}",
    )


def _pids(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = _setting(node, "kernel.pid_max")
    if found is None or found >= _LEAST_PIDS:
        return None
    message = f"it can have {found} processes and threads, and {_LEAST_PIDS} is the least that is usual"
    return trouble(message, f"{found}", f"at least {_LEAST_PIDS}")


def _rp_filter(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    """Judge the strict filter where it bites: replies that come in by another link. Cilium sets it itself."""
    if spec.network.cni is Cni.CILIUM or _setting(node, "net.ipv4.conf.all.rp_filter") != _STRICT:
        return None
    real = node.mapping("macs")
    links = [
        cleaned(row.get("name"))
        for row in node.rows("links")
        if row.get("up") is True and cleaned(row.get("name")) in real and _has_ipv4(row.get("addresses"))
    ]
    if len(links) < 2:
        return None
    message = (
        f"it is on several networks ({few(links)}) and drops replies by another way (rp_filter is strict)"
    )
    return trouble(message, "rp_filter 1", "rp_filter 2 or 0")


def _has_ipv4(addresses: object) -> bool:
    return isinstance(addresses, list) and any(isinstance(one, str) and "." in one for one in addresses)


def _umask(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.number("umask")
    if found is None or found < 0 or not int(found) & 0o005:
        return None
    message = f"files that root makes cannot be read by others (umask {int(found):04o})"
    return trouble(message, f"{int(found):04o}", "0022")


CHECKS: Final = (
    Check(
        id="sysctls-settable",
        title="Kernel settings",
        wants="the kernel's settings can be changed",
        why="Forwarding and bridging must be switched on; without, no pod reaches another.",
        remedy="Use a machine with a kernel of its own instead of a container.",
        severity=Severity.BLOCK,
        judge=each(_sysctls_settable),
        group=Group.SYSTEM,
    ),
    Check(
        id="read-only",
        title="Folders to write to",
        wants="/etc, /opt, /usr/local/bin and /var/lib can be written to",
        why="Programs, settings and data of Kubernetes go there.",
        remedy="Remount them for writing ('mount -o remount,rw PATH'); see 'dmesg' when a disk failed.",
        severity=Severity.BLOCK,
        judge=each(_read_only),
        group=Group.SYSTEM,
    ),
    Check(
        id="noexec-system",
        title="Folders to run from",
        wants="programs in /opt, /usr/local/bin and /var/lib may run",
        why="Kubernetes' own programs, its network plugins and all containers are run from there.",
        remedy="Remount them without noexec and change /etc/fstab.",
        severity=Severity.BLOCK,
        judge=each(_noexec),
        group=Group.SYSTEM,
    ),
    Check(
        id="commands",
        title="Commands",
        wants="the usual commands of a Linux system",
        why="Kubespray and kubeadm call them before anything is installed.",
        remedy="Install iproute2, kmod, procps, util-linux, passwd and tar.",
        severity=Severity.BLOCK,
        judge=each(_commands),
        group=Group.SYSTEM,
    ),
    Check(
        id="package-manager",
        title="Packages",
        wants="a package manager that works",
        why="Kubespray installs conntrack, socat, ipset and others with it.",
        remedy="Run 'apt-get update' (dnf, zypper) by hand; mend its sources or half-done packages.",
        severity=Severity.BLOCK,
        judge=each(_package_manager),
        group=Group.SYSTEM,
    ),
    Check(
        id="package-manager-busy",
        title="Packages being installed",
        wants="no other program installs packages",
        why="Two cannot; Kubespray waits a minute for it and then fails.",
        remedy="Wait until it is done (unattended-upgrades after a first boot), and look again.",
        severity=Severity.WARN,
        judge=each(_package_manager_busy),
        group=Group.SYSTEM,
    ),
    Check(
        id="reboot-required",
        title="Reboot",
        wants="no reboot is waiting",
        why="Modules of a kernel that was replaced cannot be loaded, and the reboot will come at a bad time.",
        remedy="Reboot it now, before it is part of a cluster.",
        severity=Severity.WARN,
        judge=each(_reboot),
        group=Group.SYSTEM,
    ),
    Check(
        id="swap",
        title="Swap",
        wants="no swap",
        why="The kubelet does not start with it.",
        remedy="Nothing to do, unless something else on the node needs its swap.",
        severity=Severity.WARN,
        judge=each(_swap),
        group=Group.SYSTEM,
    ),
    Check(
        id="swap-at-boot",
        title="Swap at the next boot",
        wants="swap stays off after a reboot",
        why="The kubelet does not start with it, so the node would not come back.",
        remedy="Remove its line from /etc/fstab, and mask swap units ('systemctl mask NAME.swap').",
        severity=Severity.WARN,
        judge=each(_swap_at_boot),
        group=Group.SYSTEM,
    ),
    Check(
        id="other-kubernetes",
        title="Another Kubernetes",
        wants="no k3s, RKE2 or MicroK8s runs",
        why="Both would own the same ports, network settings and firewall rules.",
        remedy="Remove it with its own uninstaller (k3s-uninstall.sh, 'snap remove microk8s') and reboot.",
        severity=Severity.BLOCK,
        judge=each(_other_kubernetes),
        group=Group.SYSTEM,
    ),
    Check(
        id="other-runtime",
        title="Another container engine",
        wants="no other container engine runs",
        why="Both change the same firewall rules and control groups; Kubespray may replace what it uses.",
        remedy="Remove it when nothing needs it, or choose it as kubernetes.runtime.",
        severity=Severity.WARN,
        judge=each(_other_runtime),
        group=Group.SYSTEM,
    ),
    Check(
        id="umask",
        title="umask",
        wants="files of root that others can read",
        why="Programs of the cluster that do not run as root cannot read what Kubespray installs.",
        remedy="Set 'umask 022' for root in ~root/.bashrc, /etc/profile.d or /etc/login.defs.",
        severity=Severity.WARN,
        judge=each(_umask),
        group=Group.SYSTEM,
    ),
    Check(
        id="inotify-limits",
        title="inotify",
        wants="no lowered limits of inotify",
        why="Pods end with 'too many open files' where files can no longer be watched.",
        remedy="Put 'fs.inotify.max_user_watches=524288' into /etc/sysctl.d and run 'sysctl --system'.",
        severity=Severity.WARN,
        judge=each(_inotify),
        group=Group.SYSTEM,
    ),
    Check(
        id="pid-max",
        title="Processes",
        wants=f"room for at least {_LEAST_PIDS} processes and threads",
        why="A hundred pods have thousands of threads; then nothing can be started, not even a login.",
        remedy="Put 'kernel.pid_max=4194304' into /etc/sysctl.d and run 'sysctl --system'.",
        severity=Severity.WARN,
        judge=each(_pids),
        group=Group.SYSTEM,
    ),
    Check(
        id="rp-filter",
        title="Reverse path filter",
        wants="no strict reverse path filter on nodes with several networks",
        why="Packets for pods and load balancer addresses come in by one network and leave by another.",
        remedy="Put 'net.ipv4.conf.all.rp_filter=2' into /etc/sysctl.d and run 'sysctl --system'.",
        severity=Severity.WARN,
        judge=each(_rp_filter),
        group=Group.SYSTEM,
    ),
)
