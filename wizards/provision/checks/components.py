"""Do the nodes have what the chosen network, storage and mesh need (facts: components.md)?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wizards.provision.checks.judging import each, few, odd_ones, release, storage_nodes, trouble
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble, as_number, words
from wizards.provision.checks.network import MAYASTOR_PORTS, port_words, taken_ports
from wizards.provision.checks.raw_disks import spare_disks
from wizards.provision.wants import wanted_modules
from wizards.provision.wants_network import has_kube_proxy
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec, Cni, Engine, KubeProxy

HUGE_PAGES: Final = 1024
"""Free 2 MiB pages: Mayastor's 2 GiB."""
_MAYASTOR_CPUS: Final = 3
"""Its engine keeps two processors busy all the time; one is left for everything else."""
_VOLUME_GROUP_GIB: Final = 1.0
_NFT: Final = (1, 0, 1)


def _modules(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    reported = node.texts("modules_missing")
    wants = wanted_modules(spec) if reported else {}
    missing = [name for name in reported or () if name in wants]
    if not missing:
        return None
    named = ", ".join(f"{name} (for {wants[name]})" for name in missing)
    return trouble(f"kernel modules are missing: {named}", f"no {few(missing)}", few(missing))


def _nft(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    shown = node.text("nft_version")
    found = release(shown)
    if spec.network.kube_proxy is not KubeProxy.NFTABLES or not has_kube_proxy(spec):
        return None
    if len(found) < 2 or found >= _NFT:
        return None
    return trouble(f"its nft is {shown}, and 1.0.1 reads what kube-proxy writes", shown, "1.0.1 or newer")


def _bpf(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    if spec.network.cni is not Cni.CILIUM or node.flag("bpf_mounted") is not False:
        return None
    return trouble("/sys/fs/bpf is not mounted, where Cilium keeps its programs", "not mounted", "mounted")


def _lacks(node: NodeReport, *commands: str) -> bool:
    return bool({*commands} & {*(node.texts("commands_missing") or ())})


def _volume_group(seen: Seen) -> Iterator[Trouble]:
    wanted = seen.spec.storage.lvm.volume_group
    for node in storage_nodes(seen, Engine.LVM):
        groups = node.texts("volume_groups")
        if groups is None and _lacks(node, "vgs", "lvcreate"):
            message = "LVM's tools are not installed (package lvm2)"
            yield Trouble(node.name, message, measured="no lvm2", required="lvm2")
        elif groups is not None and wanted not in groups:
            message = f"there is no volume group {wanted}"
            yield Trouble(node.name, message, measured=few(groups) or "none", required=wanted)


def _volume_group_space(seen: Seen) -> Iterator[Trouble]:
    wanted = seen.spec.storage.lvm.volume_group
    for node in storage_nodes(seen, Engine.LVM):
        free = as_number(node.mapping("volume_groups_free").get(wanted))
        if free is not None and free < _VOLUME_GROUP_GIB and not node.settled:
            message = f"its volume group {wanted} has {free:.1f} GiB left"
            yield Trouble(node.name, message, measured=f"{free:.1f} GiB", required="room for volumes")


def _thin(seen: Seen) -> Iterator[Trouble]:
    for node in storage_nodes(seen, Engine.LVM) if seen.spec.storage.lvm.thin else ():
        if _lacks(node, "thin_check"):
            message = "the tools for thin volumes are not installed (thin_check)"
            yield Trouble(node.name, message, measured="no thin_check", required="thin_check")


def _pool_name(seen: Seen) -> str:
    return seen.spec.storage.zfs.pool.partition("/")[0]


def _zfs_pool(seen: Seen) -> Iterator[Trouble]:
    wanted = _pool_name(seen)
    for node in storage_nodes(seen, Engine.ZFS):
        pools = node.texts("zfs_pools")
        if pools is None and _lacks(node, "zfs", "zpool"):
            message = "ZFS' tools are not installed (package zfsutils-linux)"
            yield Trouble(node.name, message, measured="no zfsutils-linux", required="zfsutils-linux")
        elif pools is not None and wanted not in pools:
            message = f"there is no ZFS pool {wanted}"
            yield Trouble(node.name, message, measured=few(pools) or "none", required=wanted)


def _zfs_health(seen: Seen) -> Iterator[Trouble]:
    wanted = _pool_name(seen)
    for node in storage_nodes(seen, Engine.ZFS):
        health = words(node.mapping("zpool_health").get(wanted)).upper()
        if health and health != "ONLINE":
            # A degraded pool still works; any other state does not.
            severity = Severity.WARN if health == "DEGRADED" else Severity.BLOCK
            message = f"its ZFS pool {wanted} is {health}"
            yield Trouble(node.name, message, severity=severity, measured=health, required="ONLINE")


def _zfs_version(seen: Seen) -> Iterator[Trouble]:
    nodes = storage_nodes(seen, Engine.ZFS)
    usual, odd = odd_ones({node.name: node.text("zfs_version") for node in nodes})
    for name, found in odd.items():
        message = f"its ZFS is {found}, and most nodes have {usual}"
        yield Trouble(name, message, measured=found, required=usual)


def _iscsi(seen: Seen) -> Iterator[Trouble]:
    for engine in (Engine.JIVA, Engine.CSTOR):
        for node in storage_nodes(seen, engine):
            if node.flag("iscsi_name") is False:
                message = f"there is no iSCSI initiator, which {engine.value} needs"
                yield Trouble(node.name, message, measured="none", required="open-iscsi")


def _service(node: NodeReport, name: str) -> str:
    return words(node.mapping("services").get(name))


def _iscsid(seen: Seen) -> Iterator[Trouble]:
    for node in storage_nodes(seen, Engine.JIVA, Engine.CSTOR):
        if _service(node, "iscsid") == "inactive" and node.flag("iscsi_name") is not False:
            message = "its iSCSI service iscsid is off"
            yield Trouble(node.name, message, measured="inactive", required="active")


def _multipathd(seen: Seen) -> Iterator[Trouble]:
    for node in storage_nodes(seen, Engine.JIVA, Engine.CSTOR):
        if _service(node, "multipathd") == "active":
            message = "multipathd runs on it and takes the volumes' disks for its own"
            yield Trouble(node.name, message, measured="active", required="off, or told to leave them")


def _import_scan(seen: Seen) -> Iterator[Trouble]:
    for node in storage_nodes(seen, Engine.CSTOR):
        if _service(node, "zfs-import-scan") == "active":
            message = "zfs-import-scan runs on it and takes cStor's pools at the next boot"
            yield Trouble(node.name, message, measured="active", required="off")


def _huge_pages(seen: Seen) -> Iterator[Trouble]:
    for node in storage_nodes(seen, Engine.MAYASTOR):
        free = node.number("hugepages_free")
        # What Mayastor itself uses already is not free.
        if free is not None and free < HUGE_PAGES and not node.settled:
            message = f"{free:.0f} huge pages are free, and Mayastor wants {HUGE_PAGES}"
            yield Trouble(node.name, message, measured=f"{free:.0f}", required=f"at least {HUGE_PAGES}")


def _nvme(seen: Seen) -> Iterator[Trouble]:
    for node in storage_nodes(seen, Engine.MAYASTOR):
        if node.text("nvme_multipath").upper() in ("N", "0"):
            message = "its kernel has NVMe multipath switched off"
            yield Trouble(node.name, message, measured="N", required="Y")


def _mayastor_cpus(seen: Seen) -> Iterator[Trouble]:
    for node in storage_nodes(seen, Engine.MAYASTOR):
        found = node.number("cpus")
        if found is not None and found < _MAYASTOR_CPUS:
            message = f"it has {found:.0f} processors, and Mayastor keeps two for itself alone"
            yield Trouble(node.name, message, measured=f"{found:.0f}", required=f"at least {_MAYASTOR_CPUS}")


def _mayastor_ports(seen: Seen) -> Iterator[Trouble]:
    for node in storage_nodes(seen, Engine.MAYASTOR):
        taken = {port: by for port, by in taken_ports(node).items() if port in MAYASTOR_PORTS}
        if taken and not node.settled:
            named = port_words(taken)
            message = f"something listens on Mayastor's port {named} already"
            yield Trouble(node.name, message, measured=named, required="nothing listens")


def _no_disks(seen: Seen) -> Iterator[Trouble]:
    """Only disks that the answers name become pools of cStor; Mayastor's pools can be made later."""
    if Engine.CSTOR not in seen.spec.storage.engines or any(node.disks for node in seen.spec.nodes):
        return
    spare = [f"{node.name} {disk}" for node in seen.looked for disk in spare_disks(node)[:1]]
    remedy = f"Name raw disks under the nodes; empty are: {few(spare)}." if spare else ""
    message = "cStor was chosen and no node names a disk for it"
    yield Trouble("", message, remedy=remedy, path="nodes", measured="none", required="at least one disk")


CHECKS: Final = (
    Check(
        id="kernel-modules",
        title="Kernel modules",
        wants="the modules that network, storage and mesh load",
        why="What needs them starts and then fails in its own log.",
        remedy="Install the distribution's full set of modules (linux-modules-extra, kernel-modules).",
        severity=Severity.BLOCK,
        judge=each(_modules),
        group=Group.COMPONENTS,
    ),
    Check(
        id="bpf-mounted",
        title="BPF file system",
        wants="/sys/fs/bpf is mounted, for Cilium",
        why="Programs that are not kept there are gone when Cilium restarts, and connections break.",
        remedy="Mount it: 'mount -t bpf bpf /sys/fs/bpf', and add it to /etc/fstab.",
        severity=Severity.WARN,
        judge=each(_bpf),
        group=Group.COMPONENTS,
    ),
    Check(
        id="nftables-version",
        title="nft",
        wants="nft 1.0.1 or newer where kube-proxy uses nftables",
        why="An older one on the node cannot read kube-proxy's tables and may damage them.",
        remedy="Upgrade the package nftables, or choose another mode of kube-proxy.",
        severity=Severity.WARN,
        judge=each(_nft),
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
        id="volume-group-space",
        title="Room in the volume group",
        wants="room for volumes in the volume group",
        why="Volumes that find no room wait for ever, and their pods with them.",
        remedy="Add a disk to it: 'vgextend NAME /dev/disk/by-id/…'.",
        severity=Severity.WARN,
        judge=_volume_group_space,
        group=Group.COMPONENTS,
    ),
    Check(
        id="lvm-thin",
        title="Thin volumes",
        wants="the tools for thin volumes where they were chosen",
        why="LVM refuses to switch on a thin pool that it cannot check.",
        remedy="Install thin-provisioning-tools (device-mapper-persistent-data).",
        severity=Severity.BLOCK,
        judge=_thin,
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
        id="zfs-pool-health",
        title="Health of the ZFS pool",
        wants="the ZFS pool is ONLINE",
        why="A pool that lost a disk may lose all that is on it next.",
        remedy="See 'zpool status' for which disk, and replace it.",
        severity=Severity.BLOCK,
        judge=_zfs_health,
        group=Group.COMPONENTS,
    ),
    Check(
        id="zfs-version-same",
        title="Version of ZFS",
        wants="the same version of ZFS on all workers",
        why="A snapshot of a newer one cannot be received by an older one.",
        remedy="Upgrade ZFS on those that are behind.",
        severity=Severity.WARN,
        judge=_zfs_version,
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
        id="iscsi-service",
        title="iSCSI service",
        wants="iscsid runs on each worker",
        why="A volume that is attached without it does not come back after an interruption.",
        remedy="Run 'systemctl enable --now iscsid'.",
        severity=Severity.WARN,
        judge=_iscsid,
        group=Group.COMPONENTS,
    ),
    Check(
        id="multipath-service",
        title="multipathd",
        wants="no multipathd on workers of Jiva and cStor",
        why="A volume's disk that it has taken cannot be mounted: 'already mounted or mount point busy'.",
        remedy="Switch it off, or exclude these disks in /etc/multipath.conf (blacklist).",
        severity=Severity.WARN,
        judge=_multipathd,
        group=Group.COMPONENTS,
    ),
    Check(
        id="zfs-import-scan",
        title="zfs-import-scan",
        wants="zfs-import-scan is off on workers of cStor",
        why="cStor's pools are ZFS pools: what the node imports itself, cStor cannot, and data is damaged.",
        remedy="Run 'systemctl disable --now zfs-import-scan.service'.",
        severity=Severity.BLOCK,
        judge=_import_scan,
        group=Group.COMPONENTS,
    ),
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
        id="mayastor-cpus",
        title="Processors for Mayastor",
        wants=f"{_MAYASTOR_CPUS} processors on nodes that run Mayastor",
        why="Its engine asks for two whole ones; where they are not free its pod waits for ever.",
        remedy="Give the machine more processors, or choose another engine.",
        severity=Severity.BLOCK,
        judge=_mayastor_cpus,
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
        id="nvme-multipath",
        title="NVMe multipath",
        wants="NVMe multipath switched on, for Mayastor",
        why="Without, a volume stops when the node that serves it does, though copies are left.",
        remedy="Boot with 'nvme_core.multipath=Y'.",
        severity=Severity.WARN,
        judge=_nvme,
        group=Group.COMPONENTS,
    ),
    Check(
        id="mayastor-ports",
        title="Mayastor's ports",
        wants="10124, 8420 and 4421 are free on nodes that run Mayastor",
        why="Its engine listens there and does not start when something else does.",
        remedy="Stop what listens there ('ss -ltnp' names it).",
        severity=Severity.BLOCK,
        judge=_mayastor_ports,
        group=Group.COMPONENTS,
    ),
)
