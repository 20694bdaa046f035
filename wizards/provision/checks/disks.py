"""Is there room for images, data and volumes, and is it fast enough for etcd?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wizards.provision.checks.judging import each, few, gib, trouble
from wizards.provision.checks.model import (
    Check,
    Group,
    NodeReport,
    Seen,
    Trouble,
    as_mapping,
    as_number,
    words,
)
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec, Engine, Role, Runtime

FREE_MIB: Final = {"/var/lib": 10 * 1024, "/usr/local/bin": 1024, "/tmp": 512}  # noqa: S108 - looked at
"""Free space in MiB that downloads, images and etcd want, by folder; of one disk the largest counts."""
_IMAGES_MIB: Final = 8 * 1024
_ETCD_MIB: Final = 2 * 1024
"""Where images and etcd's data have a disk of their own; etcd's own limit is 2 GiB."""
_VOLUMES_MIB: Final = 5 * 1024
_LOCAL_PATH: Final = "/opt/local-path-provisioner"
EVICTION_PERCENT: Final = 15.0
"""The kubelet calls a node full when less than this is free where images lie (imagefs.available)."""
INODES_PERCENT: Final = 5.0
"""The kubelet's own limit too (nodefs.inodesFree)."""
FSYNC_WARN: Final = 10.0
FSYNC_BLOCK: Final = 250.0
"""Milliseconds of the slowest in a hundred writes: what etcd's guide asks for, and Kubespray's heartbeat."""
_NO_OVERLAY: Final = ("nfs", "nfs4", "cifs", "smb3", "overlay", "fuse", "fuse.sshfs", "vfat", "9p")


def _free(node: NodeReport, path: str, name: str = "free_mib") -> float | None:
    """Return the number that is known of a folder, None where it is not."""
    return as_number(node.mapping(name).get(path))


def _nearest(node: NodeReport, path: str) -> str:
    """Return the nearest folder above `path`, or itself, whose free space is known; empty where none is."""
    above = [
        one
        for one in node.mapping("free_mib")
        if (path == one or path.startswith(one.rstrip("/") + "/")) and _free(node, one) is not None
    ]
    return max(above, key=len, default="")


def _wanted_space(node: NodeReport, spec: ClusterSpec) -> dict[str, int]:
    """Return the free space in MiB that is wanted by folder; of folders on one disk the largest counts."""
    runtime = {Runtime.CONTAINERD: "containerd", Runtime.CRIO: "containers", Runtime.DOCKER: "docker"}
    more = {f"/var/lib/{runtime[spec.kubernetes.runtime]}": _IMAGES_MIB}
    return FREE_MIB | more | ({"/var/lib/etcd": _ETCD_MIB} if node.node.has(Role.ETCD) else {})


def _space(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    whole, short = _free(node, "/var/lib"), {}
    for path, least in _wanted_space(node, spec).items():
        free = _free(node, path)
        # What lies on the same disk as /var/lib is part of what is wanted there.
        if free is not None and free < least and (path in FREE_MIB or free != whole):
            short[path] = (free, least)
    # This cluster's own images and data lie there already.
    if not short or node.settled:
        return None
    told = ", ".join(f"{path} has {free / 1024:.1f} of {gib(least)}" for path, (free, least) in short.items())
    measured = ", ".join(f"{path} {gib(free)}" for path, (free, _) in short.items())
    required = ", ".join(f"{path} {gib(least)}" for path, (_, least) in short.items())
    return trouble(f"too little space is free: {told}", measured, f"at least {required}")


def _pressure(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    path = "/var/lib"
    free, total = _free(node, path), _free(node, path, "total_mib")
    if free is None or total is None or total <= 0 or free < FREE_MIB[path]:
        return None
    percent = 100 * free / total
    if percent >= EVICTION_PERCENT:
        return None
    message = f"{percent:.0f} % of {path} is free; below {EVICTION_PERCENT:.0f} % the kubelet removes pods"
    return trouble(message, f"{percent:.0f} %", f"at least {EVICTION_PERCENT:.0f} %")


def _inodes(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = {path: _free(node, path, "free_inodes_percent") for path in FREE_MIB}
    low = {path: n for path, n in found.items() if n is not None and 0 <= n < INODES_PERCENT}
    if not low:
        return None
    told = few(f"{path} has {n:.0f} %" for path, n in low.items())
    message = f"few more files can be made: {told} of its inodes free"
    return trouble(message, told, f"at least {INODES_PERCENT:.0f} %")


def _overlay(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    for path, found in node.mapping("fs").items():
        kind = words(as_mapping(found).get("type")).lower()
        if not str(path).startswith("/var/lib"):
            continue
        if kind == "xfs" and as_mapping(found).get("ftype") in (0, False, "0"):
            return trouble(f"{words(path)} is XFS made with ftype=0", "ftype=0", "ftype=1")
        if kind in _NO_OVERLAY:
            return trouble(
                f"{words(path)} is {kind}, on which layers of images do not work", kind, "ext4 or XFS"
            )
    return None


def _fsync(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.number("etcd_fsync_ms")
    if found is None or found <= FSYNC_WARN or not node.node.has(Role.ETCD):
        return None
    kind = (
        " (a rotating disk)" if node.flag("etcd_rotational") and node.text("virtualization") == "none" else ""
    )
    message = f"etcd's disk takes {found:.0f} ms to keep a write{kind}, and {FSYNC_WARN:.0f} ms are asked for"
    return trouble(message, f"{found:.0f} ms", f"at most {FSYNC_WARN:.0f} ms")


def _fsyncs(seen: Seen) -> Iterator[Trouble]:
    for one in each(_fsync)(seen):
        node = next(node for node in seen.looked if node.name == one.host)
        severe = (node.number("etcd_fsync_ms") or 0) >= FSYNC_BLOCK
        yield Trouble(
            one.host,
            one.message,
            severity=Severity.BLOCK if severe else Severity.WARN,
            measured=one.measured,
            required=one.required,
        )


def _rotational(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    """Judge the kind of disk only where its speed is not known; virtual disks all say that they rotate."""
    real = node.text("virtualization") == "none"
    if not node.flag("etcd_rotational") or not node.node.has(Role.ETCD) or not real:
        return None
    if node.number("etcd_fsync_ms") is not None:
        return None
    return trouble("etcd's data would lie on a rotating disk", "rotating", "an SSD or NVMe")


def _folder(spec: ClusterSpec) -> str:
    if Engine.HOSTPATH in spec.storage.engines:
        return spec.storage.hostpath.base_path
    return _LOCAL_PATH if Engine.LOCAL_PATH in spec.storage.engines else ""


def _hostpath(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    folder = _folder(spec) if node.node.has(Role.WORKER) and not node.settled else ""
    where = _nearest(node, folder) if folder else ""
    free = _free(node, where) if where else None
    # What is too little for the node itself is a finding of its own.
    if free is None or free >= _VOLUMES_MIB or free < FREE_MIB.get(where, 0):
        return None
    message = f"{gib(free)} are free for volumes in {folder}"
    return trouble(message, gib(free), f"at least {gib(_VOLUMES_MIB)}")


CHECKS: Final = (
    Check(
        id="disk-space",
        title="Free space",
        wants="10 GiB at /var/lib, 1 GiB at /usr/local/bin, 0.5 GiB at /tmp",
        why="Images and etcd's data lie there; a full disk takes the node out.",
        remedy="Free or add space.",
        severity=Severity.BLOCK,
        judge=each(_space),
        group=Group.DISKS,
    ),
    Check(
        id="disk-pressure",
        title="Share that is free",
        wants=f"at least {EVICTION_PERCENT:.0f} % of /var/lib free",
        why="Below it the kubelet removes images and pods, however many GiB that is.",
        remedy="Free space, or give /var/lib a disk of its own.",
        severity=Severity.BLOCK,
        judge=each(_pressure),
        group=Group.DISKS,
    ),
    Check(
        id="disk-inodes",
        title="Free inodes",
        wants=f"at least {INODES_PERCENT:.0f} % of the inodes free",
        why="Without, no file can be made, however much space is free; the kubelet removes pods.",
        remedy="Remove the many small files ('du --inodes -x / | sort -n'), or make the file system anew.",
        severity=Severity.BLOCK,
        judge=each(_inodes),
        group=Group.DISKS,
    ),
    Check(
        id="overlay-file-system",
        title="File system for images",
        wants="a file system under /var/lib on which overlays work: ext4, or XFS with ftype=1",
        why="Images are laid over each other; where that does not work, no container starts.",
        remedy="Put /var/lib on ext4 or on XFS made with 'mkfs.xfs -n ftype=1'.",
        severity=Severity.BLOCK,
        judge=each(_overlay),
        group=Group.DISKS,
    ),
    Check(
        id="etcd-disk-speed",
        title="Speed of etcd's disk",
        wants=f"writes that are kept within {FSYNC_WARN:.0f} ms (99 of 100)",
        why="Every change of the cluster waits for this disk; too slow, and etcd keeps changing its leader.",
        remedy="Put /var/lib/etcd on an SSD or NVMe that nothing else writes to.",
        severity=Severity.WARN,
        judge=_fsyncs,
        group=Group.DISKS,
    ),
    Check(
        id="etcd-disk-rotational",
        title="Kind of etcd's disk",
        wants="an SSD or NVMe for etcd",
        why="A rotating disk needs longer for a write than etcd waits.",
        remedy="Put /var/lib/etcd on an SSD or NVMe.",
        severity=Severity.WARN,
        judge=each(_rotational),
        group=Group.DISKS,
    ),
    Check(
        id="hostpath-space",
        title="Space for volumes",
        wants=f"{gib(_VOLUMES_MIB)} for volumes that are folders on the node",
        why="They have no limit of their own: a full volume fills the node's disk.",
        remedy="Mount a disk of its own there, or choose another base_path.",
        severity=Severity.WARN,
        judge=each(_hostpath),
        group=Group.DISKS,
    ),
)
