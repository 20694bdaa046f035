"""Is the machine fit: system, kernel, memory, processors, disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble
from wizards.setup.finding import Severity
from wizards.setup.spec import Cni, Engine, KubeProxy, Role

MEMORY_CONTROL_PLANE_MIB: Final = 1500
MEMORY_WORKER_MIB: Final = 1024
"""Kubespray's own minimum (facts: kubespray.md, what it asserts)."""
CPUS_CONTROL_PLANE: Final = 2
"""kubeadm's preflight refuses fewer."""
FREE_MIB: Final = {"/var/lib": 10 * 1024, "/usr/local/bin": 1024, "/tmp": 512}  # noqa: S108 - looked at
"""Free space in MiB that downloads, images and etcd want, by folder; of one disk the largest counts."""
_DISTRIBUTIONS: Final = {
    "rhel",
    "centos",
    "fedora",
    "ubuntu",
    "debian",
    "flatcar",
    "sles",
    "sled",
    "opensuse-leap",
    "opensuse-tumbleweed",
    "clear-linux-os",
    "ol",
    "almalinux",
    "rocky",
    "amzn",
    "kylin",
    "uos",
    "openeuler",
}
"""os-release's ID of what Kubespray v2.31.0 asserts (roles/kubernetes/preinstall)."""
_ARCHITECTURES: Final = ("x86_64", "aarch64", "arm64")


def version(text: str) -> tuple[int, int] | None:
    """Return major and minor of a kernel's release, None where it has none."""
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def _each(fault: Callable[[NodeReport], str | None]) -> Callable[[Seen], Iterator[Trouble]]:
    """Return a judgement that asks `fault` about each node: a sentence where something is wrong."""

    def judge(seen: Seen) -> Iterator[Trouble]:
        for node in seen.looked:
            if message := fault(node):
                yield Trouble(node.name, message)

    return judge


def _distribution(node: NodeReport) -> str | None:
    name = node.text("os_id").lower()
    if name in _DISTRIBUTIONS:
        return None
    return f"it runs {node.text('os_name') or name or 'an unknown system'}, which Kubespray does not support"


def _architecture(node: NodeReport) -> str | None:
    name = node.text("architecture")
    return None if name in _ARCHITECTURES else f"its processor is {name or 'unknown'}"


def _systemd(node: NodeReport) -> str | None:
    return "systemd is not its init" if node.flag("systemd") is False else None


def _memory(node: NodeReport) -> str | None:
    least = MEMORY_CONTROL_PLANE_MIB if node.node.has(Role.CONTROL_PLANE) else MEMORY_WORKER_MIB
    found = node.number("memory_mib")
    if found is None or found >= least:
        return None
    return f"it has {found:.0f} MiB of memory, and {least} MiB are required for what it does"


def _cpus(node: NodeReport) -> str | None:
    found = node.number("cpus")
    if found is None or found >= CPUS_CONTROL_PLANE or not node.node.has(Role.CONTROL_PLANE):
        return None
    return f"it has {found:.0f} processor, and a control plane wants {CPUS_CONTROL_PLANE}"


def _disk(node: NodeReport) -> str | None:
    free = node.mapping("free_mib")
    short = [
        f"{path} has {free[path] / 1024:.1f} of {least / 1024:.1f} GiB"
        for path, least in FREE_MIB.items()
        if isinstance(free.get(path), int) and free[path] < least
    ]
    return f"too little space is free: {', '.join(short)}" if short else None


def _swap(node: NodeReport) -> str | None:
    found = node.number("swap_mib")
    return f"{found:.0f} MiB of swap are on; Kubespray will turn them off" if found else None


def _cgroup(node: NodeReport) -> str | None:
    if node.flag("cgroup_memory") is False:
        return "the kernel does not account memory to groups (memory cgroup is off)"
    return None


def _cgroup_v1(seen: Seen) -> Iterator[Trouble]:
    wanted = version(seen.spec.kubernetes.version)
    if wanted is None or wanted < (1, 35):
        return
    for node in seen.looked:
        if node.number("cgroup_version") == 1:
            yield Trouble(node.name, f"it uses cgroup v1, which Kubernetes {wanted[0]}.{wanted[1]} refuses")


def _kernel(seen: Seen) -> Iterator[Trouble]:
    least, reason = _least_kernel(seen)
    for node in seen.looked:
        release = node.text("kernel")
        found = version(release)
        if found is not None and found < least and not _accepted(release, seen):
            needed = f"{least[0]}.{least[1]} is needed for {reason}"
            yield Trouble(node.name, f"its kernel is {release}, and {needed}")


def _least_kernel(seen: Seen) -> tuple[tuple[int, int], str]:
    """Return the newest kernel that any choice asks for, and that choice."""
    network = seen.spec.network
    wants: list[tuple[tuple[int, int], str]] = [((4, 19), "Kubernetes")]
    if network.cni is Cni.CILIUM:
        wants.append(((5, 10), "Cilium"))
    if network.kube_proxy is KubeProxy.NFTABLES and not _no_kube_proxy(seen):
        wants.append(((5, 13), "kube-proxy with nftables"))
    if Engine.MAYASTOR in seen.spec.storage.engines:
        wants.append(((5, 13), "Mayastor"))
    return max(wants)


def _no_kube_proxy(seen: Seen) -> bool:
    network = seen.spec.network
    return network.cni is Cni.CILIUM and network.cilium.kube_proxy_replacement


def _accepted(release: str, seen: Seen) -> bool:
    """Red Hat's 4.18 carries what Cilium needs (facts: components.md section 2), not all of 5.13."""
    return bool(re.match(r"4\.18\..*\.el8", release)) and _least_kernel(seen)[1] in {"Cilium", "Kubernetes"}


def _noexec(node: NodeReport) -> str | None:
    return "programs in /tmp may not run (noexec)" if node.flag("tmp_noexec") else None


def _selinux(node: NodeReport) -> str | None:
    if node.text("selinux") == "enforcing":
        return "SELinux is enforcing; Kubespray sets it to permissive"
    return None


CHECKS: Final = (
    Check(
        id="os-supported",
        title="Distribution",
        wants="a distribution that Kubespray v2.31 supports",
        why="Kubespray knows packages and paths for these only, and refuses others.",
        remedy="Install Debian, Ubuntu, Rocky, AlmaLinux, Fedora, openSUSE or another it supports.",
        severity=Severity.BLOCK,
        judge=_each(_distribution),
        group=Group.SYSTEM,
    ),
    Check(
        id="architecture",
        title="Processor type",
        wants="x86-64 or 64-bit ARM",
        why="There are no programs for others.",
        remedy="Use another machine.",
        severity=Severity.BLOCK,
        judge=_each(_architecture),
        group=Group.SYSTEM,
    ),
    Check(
        id="systemd",
        title="systemd",
        wants="systemd as init",
        why="The kubelet, the container runtime and etcd are systemd services.",
        remedy="Use a system that boots with systemd; a container is not enough.",
        severity=Severity.BLOCK,
        judge=_each(_systemd),
        group=Group.SYSTEM,
    ),
    Check(
        id="memory",
        title="Memory",
        wants=f"{MEMORY_CONTROL_PLANE_MIB} MiB on control planes, {MEMORY_WORKER_MIB} MiB on workers",
        why="With less, the API server or the kubelet is killed under load.",
        remedy="Give the machine more memory, or less to do.",
        severity=Severity.BLOCK,
        judge=_each(_memory),
        group=Group.SYSTEM,
    ),
    Check(
        id="cpus",
        title="Processors",
        wants=f"{CPUS_CONTROL_PLANE} on control planes",
        why="etcd and the API server starve each other on one.",
        remedy="Give the machine another processor.",
        severity=Severity.BLOCK,
        judge=_each(_cpus),
        group=Group.SYSTEM,
    ),
    Check(
        id="disk-space",
        title="Free space",
        wants="10 GiB at /var/lib, 1 GiB at /usr/local/bin, 0.5 GiB at /tmp",
        why="Images and etcd's data lie there; a full disk takes the node out.",
        remedy="Free or add space.",
        severity=Severity.BLOCK,
        judge=_each(_disk),
        group=Group.SYSTEM,
    ),
    Check(
        id="swap",
        title="Swap",
        wants="no swap",
        why="The kubelet does not start with it.",
        remedy="Nothing to do, unless something else on the node needs its swap.",
        severity=Severity.WARN,
        judge=_each(_swap),
        group=Group.SYSTEM,
    ),
    Check(
        id="cgroup-memory",
        title="Memory accounting",
        wants="the kernel's memory cgroup",
        why="Limits on containers rest on it; Kubespray refuses a node without.",
        remedy="Boot with 'cgroup_enable=memory' (Raspberry Pi: in cmdline.txt).",
        severity=Severity.BLOCK,
        judge=_each(_cgroup),
        group=Group.SYSTEM,
    ),
    Check(
        id="cgroup-version",
        title="Control groups",
        wants="cgroup v2 for Kubernetes 1.35 and newer",
        why="The kubelet no longer starts on cgroup v1.",
        remedy="Boot with 'systemd.unified_cgroup_hierarchy=1', or use a newer system.",
        severity=Severity.BLOCK,
        judge=_cgroup_v1,
        group=Group.SYSTEM,
    ),
    Check(
        id="kernel",
        title="Kernel",
        wants="4.19; 5.10 for Cilium; 5.13 for kube-proxy with nftables and for Mayastor",
        why="Older kernels lack what the choices are built on.",
        remedy="Install a newer kernel and reboot, or choose otherwise.",
        severity=Severity.BLOCK,
        judge=_kernel,
        group=Group.SYSTEM,
    ),
    Check(
        id="tmp-noexec",
        title="/tmp",  # noqa: S108 - looked at
        wants="programs in /tmp may run",
        why="Kubespray downloads to /tmp and runs programs from there.",
        remedy="Remount it without noexec ('mount -o remount,exec /tmp') and change /etc/fstab.",
        severity=Severity.WARN,
        judge=_each(_noexec),
        group=Group.SYSTEM,
    ),
    Check(
        id="selinux",
        title="SELinux",
        wants="you know that it becomes permissive",
        why="Kubespray turns enforcement off for Kubernetes' sake.",
        remedy="Set preinstall_selinux_state under kubespray_vars if it must stay.",
        severity=Severity.WARN,
        judge=_each(_selinux),
        group=Group.SYSTEM,
    ),
)
