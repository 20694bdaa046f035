"""Is the system one that Kubernetes runs on: distribution, kernel, systemd, control groups, security?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from wizards.provision.checks.judging import each, few, release, trouble
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble
from wizards.provision.wants import wanted_kernel_config
from wizards.provision.wants_network import has_kube_proxy
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec, Cni, Engine, KubeProxy

_DISTRIBUTIONS: Final = {
    "rhel": 9,
    "centos": 9,
    "fedora": 39,
    "ubuntu": 22,
    "debian": 11,
    "flatcar": 0,
    "sles": 0,
    "sled": 0,
    "opensuse-leap": 15,
    "opensuse-tumbleweed": 0,
    "clear-linux-os": 0,
    "ol": 9,
    "almalinux": 9,
    "rocky": 9,
    "amzn": 2,
    "kylin": 0,
    "uos": 0,
    "openeuler": 0,
}
"""os-release's ID of what Kubespray v2.31.0 asserts, and the oldest release that its README names."""
_RED_HAT: Final = ("rhel", "centos", "fedora", "ol", "almalinux", "rocky", "amzn", "openeuler", "kylin")
_CONTROLLERS: Final = ("cpu", "cpuset", "pids")
"""What kubeadm's preflight requires beside memory, which has a check of its own."""
_SELINUX: Final = "Run 'setenforce 0' and set SELINUX=permissive in /etc/selinux/config."
_CGROUP_V2_FROM: Final = (1, 35)


def is_red_hat(node: NodeReport) -> bool:
    """Tell whether a node runs Red Hat's system or one of its kin."""
    return node.text("os_id").lower() in _RED_HAT


def _distribution(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    name = node.text("os_id").lower()
    if name in _DISTRIBUTIONS or not isinstance(node.seen.get("os_id"), str):
        return None
    shown = node.text("os_name") or name or "a system without a name"
    return trouble(f"it runs {shown}, which Kubespray does not support", shown, "one that Kubespray supports")


def _old_release(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    name, found = node.text("os_id").lower(), release(node.text("os_version"))
    least = _DISTRIBUTIONS.get(name, 0)
    if not found or not least or found[0] >= least:
        return None
    shown = node.text("os_name") or f"{name} {node.text('os_version')}"
    return trouble(f"it runs {shown}, and Kubespray tests {least} and newer", shown, f"{least} or newer")


def _systemd(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    if node.flag("systemd") is not False:
        return None
    return trouble("systemd is not its init", "another init", "systemd")


def _systemd_state(node: NodeReport, _: ClusterSpec) -> Iterator[tuple[Severity, str]]:
    state = node.text("system_state").lower()
    failed = few(node.texts("failed_units") or ())
    if state == "degraded":
        yield Severity.WARN, f"services on it have failed{': ' if failed else ''}{failed}"
    if state in ("initializing", "starting"):
        yield Severity.WARN, "it is still starting"
    if state in ("maintenance", "stopping"):
        yield Severity.BLOCK, "it is shutting down" if state == "stopping" else "it is in rescue mode"


def _systemd_states(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        for severity, message in _systemd_state(node, seen.spec):
            state = node.text("system_state")
            yield Trouble(node.name, message, severity=severity, measured=state, required="running")


def _kernel(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    least, reason = _least_kernel(spec)
    shown = node.text("kernel")
    found = release(shown)
    if len(found) < 2 or found >= least or _accepted(shown, reason):
        return None
    needed = ".".join(map(str, least))
    message = f"its kernel is {shown}, and {needed} is needed for {reason}"
    return trouble(message, shown, f"{needed} or newer")


def _least_kernel(spec: ClusterSpec) -> tuple[tuple[int, int], str]:
    """Return the newest kernel that any choice asks for, and that choice."""
    wants: list[tuple[tuple[int, int], str]] = [((4, 19), "Kubernetes")]
    if spec.network.cni is Cni.CILIUM:
        wants.append(((5, 10), "Cilium"))
    if spec.network.kube_proxy is KubeProxy.NFTABLES and has_kube_proxy(spec):
        wants.append(((5, 13), "kube-proxy with nftables"))
    if Engine.MAYASTOR in spec.storage.engines:
        wants.append(((5, 13), "Mayastor"))
    return max(wants)


def _accepted(shown: str, reason: str) -> bool:
    """Red Hat's 4.18 carries what Cilium needs (facts: components.md section 2), not all of 5.13."""
    return bool(re.match(r"4\.18\..*\.el8", shown)) and reason in {"Cilium", "Kubernetes"}


def _kernel_config(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    options = node.mapping("kernel_config")
    off = [name for name in wanted_kernel_config(spec) if options.get(name) == "n"]
    if not off:
        return None
    return trouble(f"its kernel was built without what Cilium needs: {few(off)}", few(off), "built in")


def _cgroup_memory(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    if node.flag("cgroup_memory") is not False:
        return None
    return trouble("the kernel does not account memory to groups (memory cgroup is off)", "off", "on")


def _cgroup_version(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    wanted = release(spec.kubernetes.version)[:2]
    if wanted < _CGROUP_V2_FROM or node.number("cgroup_version") != 1:
        return None
    version = ".".join(map(str, wanted))
    return trouble(f"it uses cgroup v1, which Kubernetes {version} refuses", "v1", "v2")


def _cgroup_controllers(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.texts("cgroup_controllers")
    missing = [name for name in _CONTROLLERS if name not in found] if found else []
    if not missing:
        return None
    return trouble(f"the kernel's control groups lack {few(missing)}", few(found or ()), few(_CONTROLLERS))


def _selinux(seen: Seen) -> Iterator[Trouble]:
    """Tell what Kubespray will set by itself, and warn where it leaves it alone (Red Hat's kin only)."""
    chosen = seen.spec.kubespray_vars.get("preinstall_selinux_state")
    for node in seen.looked:
        if node.text("selinux") != "enforcing":
            continue
        if not is_red_hat(node) or chosen == "enforcing":
            message = "SELinux is enforcing and stays so, and Kubespray has no rules for it"
            yield Trouble(node.name, message, remedy=_SELINUX, measured="enforcing", required="permissive")
        elif chosen is None:
            message = "SELinux is enforcing; Kubespray sets it to permissive"
            yield Trouble(
                node.name, message, severity=Severity.FIX, measured="enforcing", required="permissive"
            )


def _selinux_python(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    if node.flag("python_selinux") is not False or node.text("selinux") not in ("enforcing", "permissive"):
        return None
    message = "SELinux is on, and Python has no module for it (package python3-libselinux)"
    return trouble(message, "missing", "python3-libselinux")


def _apparmor(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    state = node.mapping("apparmor")
    if state.get("enabled") is not True or state.get("parser") is not False:
        return None
    message = "AppArmor is on in the kernel, and its tool apparmor_parser is not installed"
    return trouble(message, "no apparmor_parser", "apparmor_parser")


def _fips(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    wireguard = spec.network.cni is Cni.CILIUM and spec.network.cilium.encryption == "wireguard"
    flannel = spec.network.cni is Cni.FLANNEL and spec.network.flannel.backend == "wireguard"
    if not node.flag("fips") or not (wireguard or flannel):
        return None
    return trouble("its kernel is in FIPS mode, in which WireGuard does not work", "FIPS on", "FIPS off")


def _ipv6(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    wanted = bool(spec.network.pods_v6) or ":" in spec.network.pods
    if not wanted or node.flag("ipv6") is not False:
        return None
    return trouble("IPv6 is switched off on it, and pods shall have IPv6 addresses", "off", "on")


CHECKS: Final = (
    Check(
        id="os-supported",
        title="Distribution",
        wants="a distribution that Kubespray v2.31 supports",
        why="Kubespray knows packages and paths for these only, and refuses others.",
        remedy="Install Debian, Ubuntu, Rocky, AlmaLinux, Fedora, openSUSE or another it supports.",
        severity=Severity.BLOCK,
        judge=each(_distribution),
        group=Group.SYSTEM,
    ),
    Check(
        id="os-release-old",
        title="Release",
        wants="a release that Kubespray v2.31 is tested with",
        why="Packages that it installs are missing in older ones, or too old.",
        remedy="Upgrade the system: Debian 11, Ubuntu 22.04, Rocky, AlmaLinux, RHEL 9, Fedora 39 or newer.",
        severity=Severity.WARN,
        judge=each(_old_release),
        group=Group.SYSTEM,
    ),
    Check(
        id="systemd",
        title="systemd",
        wants="systemd as init",
        why="The kubelet, the container runtime and etcd are systemd services.",
        remedy="Use a system that boots with systemd; a container is not enough.",
        severity=Severity.BLOCK,
        judge=each(_systemd),
        group=Group.SYSTEM,
    ),
    Check(
        id="systemd-state",
        title="State of the system",
        wants="a system that is up, with no failed service",
        why="What failed or is still starting may be the network, a disk or the clock.",
        remedy="See 'systemctl --failed'; mend it or run 'systemctl reset-failed', and look again.",
        severity=Severity.WARN,
        judge=_systemd_states,
        group=Group.SYSTEM,
    ),
    Check(
        id="kernel",
        title="Kernel",
        wants="4.19; 5.10 for Cilium; 5.13 for kube-proxy with nftables and for Mayastor",
        why="Older kernels lack what the choices are built on.",
        remedy="Install a newer kernel and reboot, or choose otherwise.",
        severity=Severity.BLOCK,
        judge=each(_kernel),
        group=Group.SYSTEM,
    ),
    Check(
        id="kernel-config",
        title="Kernel options",
        wants="the kernel options that Cilium needs",
        why="Cilium's programs run inside the kernel and are refused without them.",
        remedy="Install the distribution's own kernel, or choose Calico or Flannel.",
        severity=Severity.BLOCK,
        judge=each(_kernel_config),
        group=Group.SYSTEM,
    ),
    Check(
        id="cgroup-memory",
        title="Memory accounting",
        wants="the kernel's memory cgroup",
        why="Limits on containers rest on it; kubeadm refuses a node without.",
        remedy="Boot with 'cgroup_enable=memory' (Raspberry Pi: in cmdline.txt).",
        severity=Severity.BLOCK,
        judge=each(_cgroup_memory),
        group=Group.SYSTEM,
    ),
    Check(
        id="cgroup-version",
        title="Control groups",
        wants="cgroup v2 for Kubernetes 1.35 and newer",
        why="The kubelet no longer starts on cgroup v1.",
        remedy="Boot with 'systemd.unified_cgroup_hierarchy=1', or use a newer system.",
        severity=Severity.BLOCK,
        judge=each(_cgroup_version),
        group=Group.SYSTEM,
    ),
    Check(
        id="cgroup-controllers",
        title="Controllers",
        wants="the controllers cpu, cpuset and pids",
        why="The kubelet does not start without them; kubeadm refuses the node.",
        remedy="Remove 'cgroup_disable=' from the kernel's command line and reboot.",
        severity=Severity.BLOCK,
        judge=each(_cgroup_controllers),
        group=Group.SYSTEM,
    ),
    Check(
        id="selinux",
        title="SELinux",
        wants="you know that it becomes permissive",
        why="Kubespray turns enforcement off for Kubernetes' sake.",
        remedy="Set preinstall_selinux_state under kubespray_vars if it must stay.",
        severity=Severity.WARN,
        judge=_selinux,
        group=Group.SYSTEM,
    ),
    Check(
        id="selinux-python",
        title="Python for SELinux",
        wants="Python's module for SELinux where SELinux is on",
        why="Ansible refuses to write files on such a node without it.",
        remedy="Install python3-libselinux.",
        severity=Severity.WARN,
        judge=each(_selinux_python),
        group=Group.SYSTEM,
    ),
    Check(
        id="apparmor",
        title="AppArmor",
        wants="apparmor_parser where AppArmor is on",
        why="The container runtime then starts no container.",
        remedy="Install the package apparmor (openSUSE: apparmor-parser).",
        severity=Severity.WARN,
        judge=each(_apparmor),
        group=Group.SYSTEM,
    ),
    Check(
        id="fips",
        title="FIPS mode",
        wants="no FIPS mode where traffic is encrypted with WireGuard",
        why="The kernel then refuses WireGuard's ciphers, and nodes do not reach each other's pods.",
        remedy="Choose IPsec or no encryption.",
        severity=Severity.BLOCK,
        judge=each(_fips),
        group=Group.SYSTEM,
    ),
    Check(
        id="ipv6-enabled",
        title="IPv6",
        wants="IPv6 switched on where pods shall have IPv6 addresses",
        why="Neither the kubelet nor the network plugin starts with a family that the kernel has not.",
        remedy="Remove 'ipv6.disable=1' from the kernel's command line and set disable_ipv6 to 0.",
        severity=Severity.BLOCK,
        judge=each(_ipv6),
        group=Group.SYSTEM,
    ),
)
