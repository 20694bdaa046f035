"""What Kubespray's own roles assert of a node and nothing else here asks: it would stop there, minutes later.

The table tests/provision/kubespray_assertions.py says which check covers which assertion.
"""

from __future__ import annotations

from typing import Final

from wizards.provision.checks.judging import each, few, release, trouble
from wizards.provision.checks.model import Check, Group, NodeReport, Trouble
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec, Cni, Role, Runtime

_WIREGUARD: Final = (5, 6)
_DOCKER_SERVERS: Final = 3
_DOCKER_DOMAINS: Final = 6
_DOCKER_DOMAINS_LENGTH: Final = 256
"""roles/container-engine/docker: its names come from /etc/resolv.conf, and two of the cluster's are added."""


def _cgroups(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    if node.number("cgroup_version") != 0:
        return None
    return trouble("no control groups are mounted at /sys/fs/cgroup", "none", "mounted")


def _wireguard(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    flannel = spec.network.cni is Cni.FLANNEL and spec.network.flannel.backend == "wireguard"
    cilium = spec.network.cni is Cni.CILIUM and spec.network.cilium.encryption == "wireguard"
    shown = node.text("kernel")
    found = release(shown)
    if not (flannel or cilium) or len(found) < 2 or found >= _WIREGUARD:
        return None
    return trouble(f"its kernel is {shown}, and 5.6 is needed for WireGuard", shown, "5.6 or newer")


def _flatcar(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    names = ("download_run_once", "download_force_cache")
    chosen = [name for name in names if spec.kubespray_vars.get(name)]
    if not chosen or node.text("os_id").lower() != "flatcar":
        return None
    message = f"it runs Flatcar, for which Kubespray does not support {few(chosen)}"
    return trouble(message, "Flatcar", "another system", path=f"kubespray_vars.{chosen[0]}")


def _least_memory(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    """Kubespray's own limits can be raised, and then they count."""
    roles = {"minimal_master_memory_mb": Role.CONTROL_PLANE, "minimal_node_memory_mb": Role.WORKER}
    found = node.number("memory_mib")
    for name, role in roles.items():
        least = spec.kubespray_vars.get(name)
        if found is None or not isinstance(least, int | float) or not node.node.has(role) or found >= least:
            continue
        message = f"it has {found:.0f} MiB of memory, and {name} asks for {least}"
        return trouble(message, f"{found:.0f} MiB", f"at least {least} MiB", path=f"kubespray_vars.{name}")
    return None


def _docker_dns(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    if spec.kubernetes.runtime is not Runtime.DOCKER:
        return None
    servers = {*(node.texts("name_servers") or ()), *spec.kubernetes.upstream_dns}
    strict = spec.kubespray_vars.get("docker_dns_servers_strict") is not False
    if len(servers) > _DOCKER_SERVERS and strict:
        message = f"{len(servers)} name servers are set, and Kubespray's Docker takes {_DOCKER_SERVERS}"
        return trouble(message, f"{len(servers)}", f"at most {_DOCKER_SERVERS}")
    ours = [f"default.svc.{spec.kubernetes.domain}", f"svc.{spec.kubernetes.domain}"]
    domains = [*ours, *(node.texts("search_domains") or ())]
    if len(domains) > _DOCKER_DOMAINS or len(" ".join(domains)) > _DOCKER_DOMAINS_LENGTH:
        length = len(" ".join(domains))
        message = (
            f"with the cluster's it has {len(domains)} search domains of {length} characters,"
            f" and Kubespray's Docker takes {_DOCKER_DOMAINS} of {_DOCKER_DOMAINS_LENGTH}"
        )
        return trouble(message, f"{len(domains)}", f"at most {_DOCKER_DOMAINS}")
    return None


CHECKS: Final = (
    Check(
        id="cgroups-mounted",
        title="Control groups mounted",
        wants="control groups, mounted at /sys/fs/cgroup",
        why="Containers are kept apart by them; Kubespray refuses a node without.",
        remedy="Boot with systemd and an ordinary kernel; a container may need them from its host.",
        severity=Severity.BLOCK,
        group=Group.SYSTEM,
        judge=each(_cgroups),
    ),
    Check(
        id="kernel-wireguard",
        title="Kernel for WireGuard",
        wants="5.6 where the pod network encrypts with WireGuard",
        why="Older kernels have no WireGuard of their own, and Kubespray refuses them.",
        remedy="Install a newer kernel and reboot, or choose another encryption.",
        severity=Severity.BLOCK,
        group=Group.SYSTEM,
        judge=each(_wireguard),
    ),
    Check(
        id="flatcar-download",
        title="Downloads on Flatcar",
        wants="no download_run_once and no download_force_cache with Flatcar",
        why="Kubespray cannot hand files from one Flatcar node to another.",
        remedy="Leave both out of kubespray_vars: each node then downloads by itself.",
        severity=Severity.BLOCK,
        group=Group.SYSTEM,
        judge=each(_flatcar),
    ),
    Check(
        id="memory-asked",
        title="Memory asked for",
        wants="the memory that minimal_node_memory_mb and minimal_master_memory_mb ask for",
        why="Kubespray compares it with what the node has, and stops.",
        remedy="Give the machine more memory, or leave the variable out.",
        severity=Severity.BLOCK,
        group=Group.HARDWARE,
        judge=each(_least_memory),
    ),
    Check(
        id="docker-dns",
        title="Names for Docker",
        wants=f"at most {_DOCKER_SERVERS} name servers and {_DOCKER_DOMAINS} search domains, with Docker",
        why="Kubespray writes them into Docker's settings and refuses more.",
        remedy="Shorten /etc/resolv.conf, or choose containerd.",
        severity=Severity.BLOCK,
        group=Group.NETWORK,
        judge=each(_docker_dns),
    ),
)
