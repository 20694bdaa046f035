"""Is the machine strong enough for what it will do, and a machine at all?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wizards.provision.checks.judging import each, gib, odd_ones, storage_nodes, trouble
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble
from wizards.setup.finding import Severity
from wizards.setup.spec import (
    ClusterSpec,
    Cni,
    EndpointKind,
    Engine,
    LoadBalancerKind,
    MeshAddon,
    MeshKind,
    Role,
    Runtime,
)

MEMORY_CONTROL_PLANE_MIB: Final = 1700
"""kubeadm's own minimum (ControlPlaneMem); Kubespray asserts 1,500 and then lets kubeadm fail."""
MEMORY_WORKER_MIB: Final = 1024
"""Kubespray's own minimum (facts: kubespray.md, what it asserts)."""
CPUS_CONTROL_PLANE: Final = 2
"""kubeadm's preflight refuses fewer."""
STEAL_PERCENT: Final = 10.0
LOAD_PER_CPU: Final = 2.0
COSTS_MIB: Final = {
    Cni.CILIUM: 400,
    Cni.CALICO: 250,
    Cni.FLANNEL: 50,
    Cni.KUBE_ROUTER: 100,
    LoadBalancerKind.METALLB_L2: 150,
    LoadBalancerKind.METALLB_BGP: 300,
    EndpointKind.LOCAL_PROXY: 20,
    Runtime.DOCKER: 100,
}
"""Memory that a choice takes on each node; the figures that catalog.yaml shows (held together by a test)."""
MESH_MIB: Final = {MeshKind.ISTIO_SIDECAR: 4096, MeshKind.ISTIO_AMBIENT: 3072}
ADDONS_MIB: Final = {
    MeshAddon.PROMETHEUS: 500,
    MeshAddon.KIALI: 150,
    MeshAddon.GRAFANA: 150,
    MeshAddon.JAEGER: 250,
}
"""Memory that a choice takes once, on whichever workers."""
_MAYASTOR_MIB: Final = 2048
_MESH_CPUS: Final = 2
_BASE_CONTROL_PLANE_MIB: Final = 1200
_BASE_WORKER_MIB: Final = 512
"""What the system, the kubelet and, on control planes, API server and etcd take when nothing runs yet."""
_ARCHITECTURES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_CONTAINERS: Final = (
    "lxc",
    "lxc-libvirt",
    "openvz",
    "docker",
    "podman",
    "systemd-nspawn",
    "rkt",
    "wsl",
    "proot",
    "pouch",
    "container-other",
)
"""Words of systemd-detect-virt for what shares a kernel with others; virtual machines are fine."""


def _architecture(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    name = node.text("architecture")
    if not name or name in _ARCHITECTURES:
        return None
    return trouble(f"its processor is {name}, for which there are no programs", name, "x86_64 or aarch64")


def _mixed(seen: Seen) -> Iterator[Trouble]:
    kinds = {node.name: _ARCHITECTURES.get(node.text("architecture"), "") for node in seen.looked}
    usual, odd = odd_ones(kinds)
    for name, kind in odd.items():
        yield Trouble(
            name, f"its processor is {kind}, and most nodes are {usual}", measured=kind, required=usual
        )


def _virtualization(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    kind = node.text("virtualization").lower()
    if kind not in _CONTAINERS:
        return None
    return trouble(f"it is a container ({kind}), and shares its kernel with others", kind, "a machine")


def _least_memory(node: NodeReport) -> int:
    return MEMORY_CONTROL_PLANE_MIB if node.node.has(Role.CONTROL_PLANE) else MEMORY_WORKER_MIB


def _memory(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    least, found = _least_memory(node), node.number("memory_mib")
    if found is None or found >= least:
        return None
    message = f"it has {found:.0f} MiB of memory, and {least} MiB are required for what it does"
    return trouble(message, f"{found:.0f} MiB", f"at least {least} MiB")


def memory_wanted(node: NodeReport, spec: ClusterSpec) -> float:
    """Return the memory in MiB that the choices take on `node`, Kubernetes and the system among them."""
    base = _BASE_CONTROL_PLANE_MIB if node.node.has(Role.CONTROL_PLANE) else _BASE_WORKER_MIB
    choices = (spec.network.cni, spec.load_balancer.kind, spec.endpoint.kind, spec.kubernetes.runtime)
    wanted = base + sum(COSTS_MIB.get(choice, 0) for choice in choices)
    if Engine.MAYASTOR in spec.storage.engines and node.node.has(Role.WORKER):
        wanted += _MAYASTOR_MIB
    return wanted


def _memory_for_choices(seen: Seen) -> Iterator[Trouble]:
    room = 0.0
    for node in seen.looked:
        found, wanted = node.number("memory_mib"), memory_wanted(node, seen.spec)
        if found is None or found < _least_memory(node):
            continue
        if node.node.has(Role.WORKER):
            room += max(0.0, found - wanted)
        if found < wanted:
            message = f"it has {found:.0f} MiB of memory, and the choices take about {wanted:.0f} MiB of it"
            yield Trouble(node.name, message, measured=f"{found:.0f} MiB", required=f"about {wanted:.0f} MiB")
    yield from _memory_for_mesh(seen, room)


def _memory_for_mesh(seen: Seen, room: float) -> Iterator[Trouble]:
    """Judge what runs once, on any worker; only when all workers were seen."""
    spec, workers = seen.spec, [node for node in seen.looked if node.node.has(Role.WORKER)]
    wanted = MESH_MIB.get(spec.mesh.kind, 0)
    known = all(node.number("memory_mib") is not None for node in workers)
    if not wanted or not known or len(workers) < len(spec.with_role(Role.WORKER)):
        return
    wanted += sum(ADDONS_MIB.get(addon, 0) for addon in spec.mesh.addons)
    if room < wanted:
        message = (
            f"the mesh takes about {gib(wanted)} of memory, and the workers have {gib(room)} left for it"
        )
        yield Trouble("", message, path="mesh.kind", measured=gib(room), required=f"about {gib(wanted)}")


def _memory_available(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    total, available = node.number("memory_mib"), node.number("memory_available_mib")
    wanted = memory_wanted(node, spec) - _MAYASTOR_MIB * (Engine.MAYASTOR in spec.storage.engines)
    if total is None or available is None or node.settled or total < wanted or total < _least_memory(node):
        return None
    # What the system itself takes is part of `wanted` and already gone from what is available.
    if available >= wanted - 256:
        return None
    message = f"{gib(available)} of its {gib(total)} of memory are free, and about {gib(wanted)} are needed"
    return trouble(message, f"{gib(available)} free", f"about {gib(wanted)} free")


def _cpus(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.number("cpus")
    if found is None or found >= CPUS_CONTROL_PLANE or not node.node.has(Role.CONTROL_PLANE):
        return None
    message = f"it has {found:.0f} processor, and a control plane wants {CPUS_CONTROL_PLANE}"
    return trouble(message, f"{found:.0f}", f"at least {CPUS_CONTROL_PLANE}")


def _cpus_for_choices(seen: Seen) -> Iterator[Trouble]:
    """Istio's pods ask for processors that something else may not have taken already."""
    workers = [node for node in seen.looked if node.node.has(Role.WORKER)]
    counts = [node.number("cpus") for node in workers]
    if seen.spec.mesh.kind is MeshKind.NONE or len(workers) < len(seen.spec.with_role(Role.WORKER)):
        return
    known = [count for count in counts if count is not None]
    wanted = len(workers) + _MESH_CPUS
    if len(known) == len(workers) and sum(known) < wanted:
        message = f"the workers have {sum(known):.0f} processors in all, and with a mesh {wanted} are wanted"
        yield Trouble(
            "", message, path="mesh.kind", measured=f"{sum(known):.0f}", required=f"at least {wanted}"
        )


def _sse(seen: Seen) -> Iterator[Trouble]:
    for node in storage_nodes(seen, Engine.MAYASTOR):
        if node.flag("sse4_2") is False:
            message = "its processor lacks SSE4.2, which Mayastor needs"
            yield Trouble(node.name, message, measured="no sse4_2", required="sse4_2")


def _steal(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.number("steal_percent")
    if found is None or found < STEAL_PERCENT:
        return None
    message = f"its host gives {found:.0f} % of its processors' time to others (steal)"
    return trouble(message, f"{found:.0f} %", f"below {STEAL_PERCENT:.0f} %")


def _load(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.number("load_per_cpu")
    if found is None or found < LOAD_PER_CPU or node.settled:
        return None
    message = f"{found:.1f} processes wait for each of its processors"
    return trouble(message, f"{found:.1f} per processor", f"below {LOAD_PER_CPU:.0f}")


CHECKS: Final = (
    Check(
        id="virtualization",
        title="A machine of its own",
        wants="a real or a virtual machine, not a container",
        why="The kubelet loads kernel modules and sets the kernel's settings; a container may not.",
        remedy="Use a virtual machine (KVM, VMware, Xen) or a real one; on WSL choose a local cluster.",
        severity=Severity.BLOCK,
        judge=each(_virtualization),
        group=Group.HARDWARE,
    ),
    Check(
        id="architecture",
        title="Processor type",
        wants="x86-64 or 64-bit ARM",
        why="There are no programs for others.",
        remedy="Use another machine.",
        severity=Severity.BLOCK,
        judge=each(_architecture),
        group=Group.HARDWARE,
    ),
    Check(
        id="architecture-mixed",
        title="One processor type",
        wants="the same type of processor on all nodes",
        why="A pod whose image is built for one type only fails on nodes of the other.",
        remedy="Use images built for both, or keep pods apart by the label kubernetes.io/arch.",
        severity=Severity.WARN,
        judge=_mixed,
        group=Group.HARDWARE,
    ),
    Check(
        id="cpus",
        title="Processors",
        wants=f"{CPUS_CONTROL_PLANE} on control planes",
        why="etcd and the API server starve each other on one; kubeadm refuses it.",
        remedy="Give the machine another processor.",
        severity=Severity.BLOCK,
        judge=each(_cpus),
        group=Group.HARDWARE,
    ),
    Check(
        id="memory",
        title="Memory",
        wants=f"{MEMORY_CONTROL_PLANE_MIB} MiB on control planes, {MEMORY_WORKER_MIB} MiB on workers",
        why="With less, kubeadm or Kubespray refuses the node, and pods would be killed under load.",
        remedy="Give the machine more memory, or less to do.",
        severity=Severity.BLOCK,
        judge=each(_memory),
        group=Group.HARDWARE,
    ),
    Check(
        id="memory-for-choices",
        title="Memory for the choices",
        wants="memory for all that was chosen: network, load balancer, storage, mesh",
        why="Pods that find no memory wait for ever, and nodes that run out of it kill some.",
        remedy="Give the machine more memory, or choose a lighter network, storage or no mesh.",
        severity=Severity.WARN,
        judge=_memory_for_choices,
        group=Group.HARDWARE,
    ),
    Check(
        id="cpus-for-choices",
        title="Processors for the choices",
        wants="one on each worker, and two more in all with a mesh",
        why="Pods ask for a share of a processor; those that find none wait for ever.",
        remedy="Add processors or workers, or choose no mesh.",
        severity=Severity.WARN,
        judge=_cpus_for_choices,
        group=Group.HARDWARE,
    ),
    Check(
        id="memory-available",
        title="Free memory",
        wants="the memory that the choices need is free now",
        why="Something else on the machine uses it, and will not give it to Kubernetes.",
        remedy="See what uses it ('ps aux --sort=-rss | head') and stop it, or give the machine more.",
        severity=Severity.WARN,
        judge=each(_memory_available),
        group=Group.HARDWARE,
    ),
    Check(
        id="sse42",
        title="SSE4.2",
        wants="SSE4.2 on nodes that run Mayastor",
        why="Its engine is built for it and stops at once without.",
        remedy="Use other machines, pass the processor's features on to the virtual ones, or another engine.",
        severity=Severity.BLOCK,
        judge=_sse,
        group=Group.HARDWARE,
    ),
    Check(
        id="cpu-steal",
        title="Stolen time",
        wants=f"less than {STEAL_PERCENT:.0f} % of the processors' time stolen by the host",
        why="etcd loses its leader when it is not run for a while.",
        remedy="Give the virtual machine processors of its own, or move it to a host with room.",
        severity=Severity.WARN,
        judge=each(_steal),
        group=Group.HARDWARE,
    ),
    Check(
        id="load",
        title="Load",
        wants=f"a load below {LOAD_PER_CPU:.0f} per processor",
        why="A machine this busy answers late, and steps of the set-up run out of time.",
        remedy="See what it is busy with ('top'), wait for it or stop it, and look again.",
        severity=Severity.WARN,
        judge=each(_load),
        group=Group.HARDWARE,
    ),
)
