"""What every cluster has from its first second on."""

from __future__ import annotations

from wizards.practice.api.errors import ApiError
from wizards.practice.api.lifecycle import CRDS, add_api_service, serve
from wizards.practice.api.objects import namespace
from wizards.practice.api.store import Store
from wizards.practice.api.values import Json, is_true

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_PRIORITIES = {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
_ROLES: dict[str, list[Json]] = {
    "cluster-admin": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ],
    "view": [{"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list", "watch"]}],
}
API_ADDRESS = "10.233.0.1"
"""The Service `kubernetes`: the first address of the service range."""


def prepare(store: Store, host: str, port: int) -> None:
    """Make what is missing, and write down where the API is now.

    Args:
        store: Empty, or filled from an earlier run.
        host: The address on which the API is served.
        port: Its port.
    """
    for entry in list(store.entries(CRDS)):
        if is_true(entry.obj, "Established"):
            serve(store, entry.obj)
    for name in _NAMESPACES:
        _ensure(store, namespace(name))
    for group, versions in {"": ["v1"], **store.registry.groups()}.items():
        for version in versions:
            add_api_service(store, group, version)
    for name, value in _PRIORITIES.items():
        metadata = {"name": name}
        _ensure(
            store,
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": metadata,
                "value": value,
            },
        )
    for name, rules in _ROLES.items():
        metadata = {"name": name}
        _ensure(
            store,
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": metadata,
                "rules": rules,
            },
        )
    _prepare_service(store, host, port)


def _ensure(store: Store, obj: Json) -> None:
    try:
        store.create(obj)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise


def _prepare_service(store: Store, host: str, port: int) -> None:
    metadata = {"name": "kubernetes", "namespace": "default"}
    labels = {"component": "apiserver", "provider": "kubernetes"}
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]
    _ensure(
        store,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**metadata, "labels": labels},
            "spec": {"clusterIP": API_ADDRESS, "ports": ports},
        },
    )
    target = {"name": "https", "port": port, "protocol": "TCP"}
    endpoints: Json = {"apiVersion": "v1", "kind": "Endpoints", "metadata": dict(metadata)}
    subsets = [{"addresses": [{"ip": host}], "ports": [target]}]
    _ensure(store, endpoints)
    store.modify("v1", "Endpoints", "kubernetes", lambda new: new.update(subsets=subsets), "default")
    slice_: Json = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
    }
    _ensure(store, slice_)
    now = {"endpoints": [{"addresses": [host], "conditions": {"ready": True}}], "ports": [target]}
    store.modify("discovery.k8s.io/v1", "EndpointSlice", "kubernetes", lambda new: new.update(now), "default")
