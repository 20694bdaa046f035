"""Objects that depend on what a cluster answered, made by filters: data in, data out."""

from __future__ import annotations

from typing import Any

Data = dict[str, Any]


def place(name: str, namespace: str) -> Data:
    """Return where an object is, as slipway_ready wants it."""
    return {"namespace": namespace, "name": name}


def service(name: str, namespace: str, labels: Data) -> Data:
    """Return a Service that wants an address."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "LoadBalancer", "selector": labels, "ports": [{"name": "http", "port": 80}]},
    }


def claim(storage_class: str, namespace: str) -> Data:
    """Return a small claim on a StorageClass."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"try-{storage_class}", "namespace": namespace},
        "spec": {
            "storageClassName": storage_class,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "64Mi"}},
        },
    }


def pod(name: str, namespace: str, labels: Data, spec: Data, claims: list[str]) -> Data:
    """Return a pod with the one container of `spec`; it mounts the claim of its own name, if there is one."""
    spec, container = dict(spec), dict(spec["containers"][0])
    if name in claims:
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {**spec, "containers": [container]},
    }


def _device_names(devices: list[Data], disks: dict[str, list[str]]) -> dict[tuple[str, str], str]:
    """Return (node, path of a disk in the answers) → the name cStor gave it, for those that are free."""
    names: dict[tuple[str, str], str] = {}
    for device in devices:
        spec, status = device.get("spec") or {}, device.get("status") or {}
        node = (spec.get("nodeAttributes") or {}).get("nodeName", "")
        links = [link for kind in spec.get("devlinks") or () for link in kind.get("links") or ()]
        for path in disks.get(node, ()):
            if path in [spec.get("path"), *links] and status.get("claimState") == "Unclaimed":
                names[node, path] = device["metadata"]["name"]
    return names


def cstor_missing(devices: list[Data], disks: dict[str, list[str]]) -> list[str]:
    """Return the disks of the answers that are not among the free `devices`, as ``node:path``."""
    names = _device_names(devices, disks)
    return [f"{node}:{path}" for node, paths in disks.items() for path in paths if (node, path) not in names]


def cstor_cluster(devices: list[Data], name: str, disks: dict[str, list[str]]) -> Data:
    """Return the pool cluster: on each node one pool, striped over its disks."""
    names = _device_names(devices, disks)
    pools = [
        {
            "nodeSelector": {"kubernetes.io/hostname": node},
            "dataRaidGroups": [{"blockDevices": [{"blockDeviceName": names[node, path]} for path in paths]}],
            "poolConfig": {"dataRaidGroupType": "stripe"},
        }
        for node, paths in disks.items()
    ]
    return {
        "apiVersion": "cstor.openebs.io/v1",
        "kind": "CStorPoolCluster",
        "metadata": {"name": name, "namespace": "openebs"},
        "spec": {"pools": pools},
    }


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names that playbooks use."""
        return {
            "slipway_place": place,
            "slipway_service": service,
            "slipway_claim": claim,
            "slipway_pod": pod,
            "slipway_cstor_missing": cstor_missing,
            "slipway_cstor_cluster": cstor_cluster,
        }
