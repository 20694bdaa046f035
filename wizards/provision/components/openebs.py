"""OpenEBS 4.6, and the archived Jiva and cStor 3.6: values, StorageClasses, disk pools (facts: section 4)."""

from __future__ import annotations

from typing import Final

from wizards.provision.components.text import Data, kube_object
from wizards.setup.spec import ClusterSpec, Engine, Node, Role

NAMESPACE: Final = "openebs"
ENGINE_LABEL: Final = "openebs.io/engine"
DEFAULT_ANNOTATION: Final = "storageclass.kubernetes.io/is-default-class"
CHART_ENGINES: Final = (Engine.HOSTPATH, Engine.LVM, Engine.ZFS, Engine.MAYASTOR)
"""Engines of the one chart ``openebs``."""
_KUBELET: Final = "/var/lib/kubelet/"
_NEEDS_HOSTPATH: Final = (Engine.HOSTPATH, Engine.MAYASTOR, Engine.JIVA)


def wants_chart(spec: ClusterSpec) -> bool:
    """Tell whether the chart ``openebs`` is installed: Mayastor and Jiva build on its hostpath volumes."""
    return any(engine in spec.storage.engines for engine in (*CHART_ENGINES, Engine.JIVA))


def values(spec: ClusterSpec, default_class: str) -> Data:
    """Return the chart's values with every engine said explicitly, because all are on by default.

    Rules 18 (Mayastor keeps hostpath on), 20 (one hostpath provisioner), 22 (snapshot definitions once) and
    24 (no Loki, no MinIO). Reports to the project ("analytics", "call home") are off.
    """
    engines, hostpath = spec.storage.engines, spec.storage.hostpath
    return {
        "engines": {
            "local": {
                "hostpath": {"enabled": any(engine in engines for engine in _NEEDS_HOSTPATH)},
                "lvm": {"enabled": Engine.LVM in engines},
                "zfs": {"enabled": Engine.ZFS in engines},
                "rawfile": {"enabled": False},
            },
            "replicated": {"mayastor": {"enabled": Engine.MAYASTOR in engines}},
        },
        "openebs-crds": {"csi": {"volumeSnapshots": {"enabled": True, "keep": True}}},
        "localpv-provisioner": {
            "analytics": {"enabled": False},
            "localpv": {"basePath": hostpath.base_path},
            "hostpathClass": {
                "enabled": Engine.HOSTPATH in engines or Engine.JIVA in engines,
                "name": hostpath.class_name,
                "isDefaultClass": default_class == hostpath.class_name,
                "reclaimPolicy": hostpath.reclaim_policy,
                "basePath": hostpath.base_path,
            },
        },
        "lvm-localpv": {"lvmNode": {"kubeletDir": _KUBELET}, "analytics": {"enabled": False}},
        "zfs-localpv": {"zfsNode": {"kubeletDir": _KUBELET}, "analytics": {"enabled": False}},
        "mayastor": _mayastor(spec),
        "loki": {"enabled": False, "localpvScConfig": {"enabled": False}},
        "alloy": {"enabled": False},
    }


def _mayastor(spec: ClusterSpec) -> Data:
    return {
        "obs": {"callhome": {"enabled": False}},
        "csi": {"node": {"kubeletDir": _KUBELET}},
        "etcd": {
            "replicaCount": 3,
            "clusterDomain": spec.kubernetes.domain,
            "localpvScConfig": {"enabled": Engine.MAYASTOR in spec.storage.engines},
        },
    }


def storage_class_objects(spec: ClusterSpec, default_class: str) -> list[Data]:
    """Return the StorageClasses that the chart does not make: LVM, ZFS, replicated Mayastor, cStor."""
    makers = {
        Engine.LVM: _lvm_class,
        Engine.ZFS: _zfs_class,
        Engine.MAYASTOR: _mayastor_class,
        Engine.CSTOR: _cstor_class,
    }
    classes = [makers[engine](spec) for engine in spec.storage.engines if engine in makers]
    for one in classes:
        one["metadata"]["annotations"] = {
            DEFAULT_ANNOTATION: "true" if one["metadata"]["name"] == default_class else "false"
        }
    return classes


def _class(name: str, provisioner: str, parameters: dict[str, str], reclaim: str, *, wait: bool) -> Data:
    """Return a StorageClass; with `wait`, volumes are made where the first pod is scheduled."""
    return kube_object(
        "storage.k8s.io/v1",
        "StorageClass",
        name,
        provisioner=provisioner,
        parameters=parameters,
        reclaimPolicy=reclaim,
        allowVolumeExpansion=True,
        volumeBindingMode="WaitForFirstConsumer" if wait else "Immediate",
    )


def _lvm_class(spec: ClusterSpec) -> Data:
    lvm = spec.storage.lvm
    return _class(
        lvm.class_name,
        "local.csi.openebs.io",
        {
            "storage": "lvm",
            "volgroup": lvm.volume_group,
            "fsType": lvm.fs_type,
            "thinProvision": "yes" if lvm.thin else "no",
        },
        lvm.reclaim_policy,
        wait=True,
    )


def _zfs_class(spec: ClusterSpec) -> Data:
    zfs = spec.storage.zfs
    parameters = {
        "poolname": zfs.pool,
        "fstype": zfs.fs_type,
        "compression": "on" if zfs.compression else "off",
        "thinprovision": "yes" if zfs.thin else "no",
    }
    # A dataset has records, a volume with another file system on it has blocks.
    parameters |= {"recordsize": "128k"} if zfs.fs_type == "zfs" else {"volblocksize": "16k"}
    return _class(
        zfs.class_name,
        "zfs.csi.openebs.io",
        parameters,
        zfs.reclaim_policy,
        wait=True,
    )


def _mayastor_class(spec: ClusterSpec) -> Data:
    mayastor = spec.storage.mayastor
    return _class(
        mayastor.class_name,
        "io.openebs.csi-mayastor",
        {
            "protocol": "nvmf",
            "repl": str(mayastor.replicas),
            "thin": "true" if mayastor.thin else "false",
            "fsType": mayastor.fs_type,
        },
        mayastor.reclaim_policy,
        wait=False,
    )


def _cstor_class(spec: ClusterSpec) -> Data:
    cstor = spec.storage.cstor
    return _class(
        cstor.class_name,
        "cstor.csi.openebs.io",
        {
            "cas-type": "cstor",
            "cstorPoolCluster": cstor.pool_name,
            "replicaCount": str(cstor.replicas),
        },
        "Delete",
        wait=False,
    )


def disk_nodes(spec: ClusterSpec) -> tuple[Node, ...]:
    """Return the nodes that give Mayastor disks; where none is named, all workers run its engine."""
    named = tuple(node for node in spec.nodes if node.disks)
    return named or spec.with_role(Role.WORKER)


def engine_nodes(spec: ClusterSpec) -> list[Data]:
    """Return the nodes with the label by which Mayastor's engine finds them: a patch for each."""
    return [
        kube_object("v1", "Node", node.name, labels={ENGINE_LABEL: "mayastor"}) for node in disk_nodes(spec)
    ]


def disk_pools(spec: ClusterSpec) -> list[Data]:
    """Return one DiskPool for each disk that the answers give: Mayastor takes one disk per pool."""
    return [
        kube_object(
            "openebs.io/v1beta3",
            "DiskPool",
            f"pool-{node.name}-{number}",
            namespace=NAMESPACE,
            spec={"node": node.name, "disks": [f"aio://{disk}"]},
        )
        for node in spec.nodes
        for number, disk in enumerate(node.disks, start=1)
    ]


def jiva_values(spec: ClusterSpec, default_class: str) -> Data:
    """Return the values of the archived chart ``jiva``; its replicas live on hostpath volumes (rule 20)."""
    jiva = spec.storage.jiva
    return {
        "openebsLocalpv": {"enabled": False},
        "defaultPolicy": {"replicas": jiva.replicas, "replicaSC": spec.storage.hostpath.class_name},
        "storageClass": {"name": jiva.class_name, "isDefaultClass": default_class == jiva.class_name},
        "csiNode": {"kubeletDir": _KUBELET},
        "analytics": {"enabled": False},
    }


def cstor_values(spec: ClusterSpec) -> Data:
    """Return the values of the archived chart ``cstor``.

    The image of its clean-up job moved to another name after the chart was archived.
    """
    return {
        "openebsNDM": {"enabled": True},
        "crd": {"volumeSnapshot": not wants_chart(spec)},
        "csiNode": {"kubeletDir": _KUBELET},
        "cleanup": {"image": {"repository": "bitnamilegacy/kubectl"}},
        "analytics": {"enabled": False},
    }
