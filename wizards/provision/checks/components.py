"""Do the nodes have what the chosen network, storage and mesh need (facts: components.md)?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec, Cni, Engine, KubeProxy, MeshKind, Role

HUGE_PAGES: Final = 1024
"""Free 2 MiB pages: Mayastor's 2 GiB."""
_ISTIO: Final = ("br_netfilter", "iptable_nat", "iptable_mangle", "xt_REDIRECT", "xt_conntrack", "xt_owner")


def wanted_modules(spec: ClusterSpec) -> dict[str, str]:
    """Return the kernel modules that the answers ask for, each with what needs it."""
    network, engines = spec.network, spec.storage.engines
    cilium = network.cni is Cni.CILIUM
    wants = {"overlay": "containers", "br_netfilter": "Kubernetes"}
    if network.kube_proxy is KubeProxy.IPVS and not (cilium and network.cilium.kube_proxy_replacement):
        wants |= {"ip_vs": "kube-proxy with IPVS", "nf_conntrack": "kube-proxy"}
    if cilium and network.cilium.routing == "tunnel":
        wants[network.cilium.tunnel] = "Cilium's tunnel"
    if cilium and network.cilium.encryption == "wireguard":
        wants["wireguard"] = "Cilium's encryption"
    if network.cni in (Cni.CALICO, Cni.FLANNEL) and "vxlan" in (network.calico.mode, network.flannel.backend):
        wants["vxlan"] = network.cni.value.capitalize()
    if spec.mesh.kind is not MeshKind.NONE:
        wants |= dict.fromkeys(_ISTIO, "Istio")
    if Engine.LVM in engines:
        wants["dm_snapshot"] = "LVM volumes"
    if Engine.MAYASTOR in engines:
        wants["nvme_tcp"] = "Mayastor"
    if {Engine.JIVA, Engine.CSTOR} & {*engines}:
        wants["iscsi_tcp"] = "Jiva and cStor"
    return wants


def _modules(seen: Seen) -> Iterator[Trouble]:
    wants = wanted_modules(seen.spec)
    for node in seen.looked:
        missing = [name for name in node.texts("modules_missing") or () if name in wants]
        if missing:
            named = ", ".join(f"{name} (for {wants[name]})" for name in missing)
            yield Trouble(node.name, f"kernel modules are missing: {named}")


def _storage_nodes(seen: Seen, engine: Engine) -> tuple[NodeReport, ...]:
    """Return the nodes that pods with volumes of `engine` may run on."""
    if engine not in seen.spec.storage.engines:
        return ()
    return tuple(node for node in seen.looked if node.node.has(Role.WORKER))


def _volume_group(seen: Seen) -> Iterator[Trouble]:
    wanted = seen.spec.storage.lvm.volume_group
    for node in _storage_nodes(seen, Engine.LVM):
        groups = node.texts("volume_groups")
        if groups is None and node.root:
            yield Trouble(node.name, "LVM's tools are not installed (package lvm2)")
        elif groups is not None and wanted not in groups:
            yield Trouble(node.name, f"there is no volume group {wanted}")


def _zfs_pool(seen: Seen) -> Iterator[Trouble]:
    wanted = seen.spec.storage.zfs.pool.partition("/")[0]
    for node in _storage_nodes(seen, Engine.ZFS):
        pools = node.texts("zfs_pools")
        if pools is None:
            yield Trouble(node.name, "ZFS' tools are not installed (package zfsutils-linux)")
        elif wanted not in pools:
            yield Trouble(node.name, f"there is no ZFS pool {wanted}")


def _iscsi(seen: Seen) -> Iterator[Trouble]:
    for engine in (Engine.JIVA, Engine.CSTOR):
        for node in _storage_nodes(seen, engine):
            if node.flag("iscsi_name") is False:
                yield Trouble(node.name, f"there is no iSCSI initiator, which {engine.value} needs")


def _sse(seen: Seen) -> Iterator[Trouble]:
    for node in _storage_nodes(seen, Engine.MAYASTOR):
        if node.flag("sse4_2") is False:
            yield Trouble(node.name, "its processor lacks SSE4.2, which Mayastor needs")


def _huge_pages(seen: Seen) -> Iterator[Trouble]:
    for node in _storage_nodes(seen, Engine.MAYASTOR):
        free = node.number("hugepages_free")
        if free is not None and free < HUGE_PAGES:
            yield Trouble(node.name, f"{free:.0f} huge pages are free, and Mayastor wants {HUGE_PAGES}")


def _disks(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        for path, found in node.mapping("disks").items():
            if path not in node.node.disks or not isinstance(found, dict):
                continue
            if not found.get("there"):
                yield Trouble(node.name, f"there is no disk {path}")
            elif found.get("holds"):
                yield Trouble(node.name, f"the disk {path} is not empty: {found['holds']}")


def _no_disks(seen: Seen) -> Iterator[Trouble]:
    """Only disks that the answers name become pools of cStor; Mayastor's pools can be made later."""
    if Engine.CSTOR in seen.spec.storage.engines and not any(node.disks for node in seen.spec.nodes):
        yield Trouble("", "cStor was chosen and no node names a disk for it", path="nodes")


CHECKS: Final = (
    Check(
        id="cstor-disks",
        title="Disks for cStor",
        wants="at least one node names a disk",
        why="cStor makes its pools of whole disks, and takes only those in the answers.",
        remedy="Name raw disks by their /dev/disk/by-id path under the nodes.",
        severity=Severity.BLOCK,
        judge=_no_disks,
        group=Group.COMPONENTS,
    ),
    Check(
        id="kernel-modules",
        title="Kernel modules",
        wants="the modules that network, storage and mesh load",
        why="What needs them starts and then fails in its own log.",
        remedy="Install the distribution's full set of modules (linux-modules-extra, kernel-modules).",
        severity=Severity.BLOCK,
        judge=_modules,
        group=Group.COMPONENTS,
    ),
    Check(
        id="volume-group",
        title="LVM",
        wants="the volume group on each worker",
        why="LVM volumes are cut from it; Slipway never takes a disk by itself.",
        remedy="Install lvm2 and make it: 'vgcreate NAME /dev/disk/by-id/…'.",
        severity=Severity.BLOCK,
        judge=_volume_group,
        group=Group.COMPONENTS,
    ),
    Check(
        id="zfs-pool",
        title="ZFS",
        wants="the ZFS pool on each worker",
        why="ZFS volumes are cut from it; Slipway never takes a disk by itself.",
        remedy="Install zfsutils-linux and make it: 'zpool create NAME /dev/disk/by-id/…'.",
        severity=Severity.BLOCK,
        judge=_zfs_pool,
        group=Group.COMPONENTS,
    ),
    Check(
        id="iscsi",
        title="iSCSI",
        wants="an iSCSI initiator on each worker",
        why="Jiva and cStor attach their volumes by iSCSI.",
        remedy="Install open-iscsi (iscsi-initiator-utils) and start iscsid.",
        severity=Severity.BLOCK,
        judge=_iscsi,
        group=Group.COMPONENTS,
    ),
    Check(
        id="sse42",
        title="SSE4.2",
        wants="SSE4.2 on nodes that run Mayastor",
        why="Its engine is built for it and stops at once without.",
        remedy="Use other machines, pass the processor's features on to the virtual ones, or another engine.",
        severity=Severity.BLOCK,
        judge=_sse,
        group=Group.COMPONENTS,
    ),
    Check(
        id="huge-pages",
        title="Huge pages",
        wants=f"{HUGE_PAGES} free huge pages of 2 MiB on nodes that run Mayastor",
        why="Its engine keeps its buffers there and does not start without.",
        remedy="Put 'vm.nr_hugepages=1024' into /etc/sysctl.d, run 'sysctl --system', restart the kubelet.",
        severity=Severity.BLOCK,
        judge=_huge_pages,
        group=Group.COMPONENTS,
    ),
    Check(
        id="disks-empty",
        title="Disks for storage",
        wants="each disk in the answers is there and empty",
        why="Storage takes the whole disk: what is on it would be lost.",
        remedy="Check the path; when the disk may really go, clear it by hand with 'wipefs'.",
        severity=Severity.BLOCK,
        judge=_disks,
        group=Group.COMPONENTS,
    ),
)
