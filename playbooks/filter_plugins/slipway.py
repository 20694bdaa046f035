"""The objects of the trial that verify.yml makes, as filters: data in, data out."""

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


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names that playbooks use."""
        return {
            "slipway_place": place,
            "slipway_service": service,
            "slipway_claim": claim,
            "slipway_pod": pod,
        }
