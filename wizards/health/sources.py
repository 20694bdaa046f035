"""What is read from a cluster: where it stands in the API, and what is kept of each object.

Objects are trimmed as soon as their page has come: a node is 10 kB and a pod 5 to 15 kB as they are sent, and
a tenth of that is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wizards.health.client import Keep
from wizards.health.judge_addresses import BGP, CILIUM_POOLS, L2, L2_STATUS, POOLS
from wizards.health.judge_pods import condition_of
from wizards.health.snapshot import Failed, Gap, NotYet, Object, Part, Readyz, Snapshot
from wizards.setup.components import Component, all_components, chosen_components
from wizards.setup.spec import ClusterSpec

_NOTES: Final = (
    "metallb.io/",
    "metallb.universe.tf/",
    "storageclass.kubernetes.io/",
    "volume.kubernetes.io/selected-node",
)
"""Annotations that are looked at; the others may be as large as a whole manifest."""


def _meta(obj: Object) -> Object:
    meta = obj.get("metadata") or {}
    kept = {
        key: meta[key]
        for key in (
            *("name", "namespace", "uid", "resourceVersion", "generation"),
            *("labels", "creationTimestamp", "deletionTimestamp"),
        )
        if meta.get(key) is not None
    }
    notes = {k: v for k, v in (meta.get("annotations") or {}).items() if k.startswith(_NOTES)}
    if notes:
        kept["annotations"] = notes
    kept.setdefault("name", "")
    return kept


def _some(value: object, *keys: str) -> Object:
    return {key: value[key] for key in keys if key in value} if isinstance(value, dict) else {}


def keep_node(obj: Object) -> Object:
    """Keep a node's conditions, addresses, taints and versions."""
    status = _some(obj.get("status"), "conditions", "addresses", "capacity", "allocatable")
    status["nodeInfo"] = _some(
        (obj.get("status") or {}).get("nodeInfo"), "kubeletVersion", "osImage", "architecture"
    )
    return {
        "metadata": _meta(obj),
        "spec": _some(obj.get("spec"), "unschedulable", "taints"),
        "status": status,
    }


def keep_workload(kind: str) -> Keep:
    """Return what keeps a workload's counts, conditions and selectors, and tells it its kind."""

    def keep(obj: Object) -> Object:
        spec = _some(obj.get("spec"), "replicas", "selector", "updateStrategy")
        template = (obj.get("spec") or {}).get("template") or {}
        spec["template"] = {"metadata": _some(template.get("metadata"), "labels")}
        return {"kind": kind, "metadata": _meta(obj), "spec": spec, "status": obj.get("status") or {}}

    return keep


def keep_pod(obj: Object) -> Object:
    """Keep a pod's node, phase, conditions and container statuses."""
    spec = _some(obj.get("spec"), "nodeName")
    spec["initContainers"] = [
        _some(container, "name", "restartPolicy")
        for container in (obj.get("spec") or {}).get("initContainers") or ()
    ]
    status = _some(
        obj.get("status"),
        *("phase", "reason", "message", "conditions", "containerStatuses", "initContainerStatuses"),
    )
    meta = _meta(obj)
    owners = (obj.get("metadata") or {}).get("ownerReferences") or ()
    meta["ownerReferences"] = [_some(owner, "kind", "name") for owner in owners]
    return {"metadata": meta, "spec": spec, "status": status}


def keep_unready_pod(obj: Object) -> Object | None:
    """Keep a pod that is not ready."""
    ready = condition_of(obj, "Ready")
    return None if ready and ready.get("status") == "True" else keep_pod(obj)


def keep_service(obj: Object) -> Object:
    """Keep a Service's ports and addresses."""
    return {
        "metadata": _meta(obj),
        "spec": _some(obj.get("spec"), "type", "ports", "loadBalancerClass"),
        "status": obj.get("status") or {},
    }


def keep_unbound(obj: Object) -> Object | None:
    """Keep a claim that is not bound."""
    status = obj.get("status") or {}
    if status.get("phase") == "Bound":
        return None
    spec = _some(obj.get("spec"), "storageClassName", "volumeName")
    return {"metadata": _meta(obj), "spec": spec, "status": _some(status, "phase")}


def keep_event(obj: Object) -> Object:
    """Keep an event without its sources."""
    names = ("type", "reason", "message", "count", "firstTimestamp", "lastTimestamp", "eventTime", "series")
    about = _some(obj.get("involvedObject"), "kind", "namespace", "name")
    return {"metadata": _meta(obj), "involvedObject": about} | _some(obj, *names)


def keep_plain(obj: Object) -> Object:
    """Keep a small object as it is, without its bookkeeping."""
    return {**obj, "metadata": _meta(obj)}


@dataclass(frozen=True, slots=True)
class Source:
    """A collection of the API.

    Attributes:
        key: Its place in a snapshot, such as ``nodes`` or ``workloads/DaemonSet/kube-system``.
        path: Its path.
        keep: What is kept of each object.
        query: Selectors.
        pages: How many pages of 500 are read at most.
        watched: Whether the watcher follows it; the others are read again now and then.
    """

    key: str
    path: str
    keep: Keep
    query: Mapping[str, str] = field(default_factory=dict)
    pages: int = 400
    watched: bool = False


LEASES: Final = Source("leases", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", keep_plain)
_FIXED: Final = (
    Source("nodes", "/api/v1/nodes", keep_node, watched=True),
    Source(
        "services",
        "/api/v1/services",
        keep_service,
        {"fieldSelector": "spec.type=LoadBalancer"},
        watched=True,
    ),
    Source("events", "/api/v1/events", keep_event, {"fieldSelector": "type=Warning"}, pages=10, watched=True),
    LEASES,
    Source(
        "system_leases", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", keep_plain, pages=2
    ),
    Source("storage_classes", "/apis/storage.k8s.io/v1/storageclasses", keep_plain),
    Source("claims", "/api/v1/persistentvolumeclaims", keep_unbound),
    Source("apis", "/apis/apiregistration.k8s.io/v1/apiservices", keep_plain),
)
_PLURALS: Final = {"Deployment": "deployments", "DaemonSet": "daemonsets", "StatefulSet": "statefulsets"}
_RESOURCES: Final = {
    "metallb": {
        POOLS: "/apis/metallb.io/v1beta1/ipaddresspools",
        L2: "/apis/metallb.io/v1beta1/l2advertisements",
        BGP: "/apis/metallb.io/v1beta1/bgpadvertisements",
        L2_STATUS: "/apis/metallb.io/v1beta1/servicel2statuses",
    },
    "cilium": {CILIUM_POOLS: "/apis/cilium.io/v2/ciliumloadbalancerippools"},
}
"""Custom resources that are read for a component, by name and path."""

_NOT_WELL: Final = {"fieldSelector": "status.phase!=Running,status.phase!=Succeeded"}


def sources(spec: ClusterSpec | None) -> tuple[Source, ...]:
    """Return what is read of a cluster made from `spec`, or of one that Slipway did not make."""
    components = all_components() if spec is None else chosen_components(spec)
    found = list(_FIXED)
    for kind, namespace in sorted({(w.kind, w.namespace) for part in components for w in part.workloads}):
        path = f"/apis/apps/v1/namespaces/{namespace}/{_PLURALS[kind]}"
        found.append(Source(f"workloads/{kind}/{namespace}", path, keep_workload(kind), watched=True))
    for namespace in _namespaces(components):
        path = f"/api/v1/namespaces/{namespace}/pods"
        found.append(Source(f"pods/{namespace}", path, keep_pod, _NOT_WELL, pages=4, watched=True))
    for part in components:
        found += [
            Source(f"resources/{name}", path, keep_plain)
            for name, path in _RESOURCES.get(part.id, {}).items()
        ]
    return tuple(found)


def _namespaces(components: Iterable[Component]) -> list[str]:
    return sorted({workload.namespace for part in components for workload in part.workloads})


def pods_of(workload: Object) -> Source | None:
    """Return where the pods of a workload are read, of which those that are not ready are kept.

    None when it selects them by expressions only.
    """
    meta = workload["metadata"]
    chosen = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    if not chosen:
        return None
    namespace, kind = meta.get("namespace", ""), workload["kind"]
    return Source(
        f"unready/{namespace}/{kind}/{meta['name']}",
        f"/api/v1/namespaces/{namespace}/pods",
        keep_unready_pod,
        {"labelSelector": ",".join(f"{key}={value}" for key, value in sorted(chosen.items()))},
        pages=20,
    )


def assemble(parts: Mapping[str, Part], **more: Any) -> Snapshot:
    """Put `parts` together to a snapshot; `more` are its fields that are not parts."""
    workloads: dict[tuple[str, str], Part] = {}
    pods: dict[str, Part] = {}
    resources: dict[str, Part] = {}
    fixed: dict[str, Any] = {}
    for key, part in parts.items():
        group, _, rest = key.partition("/")
        if group == "workloads":
            kind, _, namespace = rest.partition("/")
            workloads[kind, namespace] = part
        elif group == "pods":
            pods[rest] = part
        elif group == "resources":
            resources[rest] = part
        elif group != "unready":
            fixed[key] = part
    for key, part in parts.items():
        group, _, rest = key.partition("/")
        if group == "unready" and isinstance(part, tuple):
            namespace = rest.partition("/")[0]
            pods[namespace] = _joined(pods.get(namespace, ()), part)
    return Snapshot(workloads=workloads, pods=pods, resources=resources, **fixed, **more)


def _joined(first: Part, second: tuple[Object, ...]) -> Part:
    known = first if isinstance(first, tuple) else ()
    seen = {pod["metadata"].get("uid") for pod in known}
    return known + tuple(pod for pod in second if pod["metadata"].get("uid") not in seen)


def readyz_of(status: int, text: str, denied: Gap | None) -> Readyz | Gap:
    """Return what an answer of ``/readyz?verbose`` means: its status decides, its lines explain."""
    if denied is not None and status in (403, 404):
        return denied
    lines = tuple(line for line in text.splitlines() if line.strip())
    if status == 200 or any(line.startswith("[") for line in lines):
        return Readyz(status == 200, lines)
    return denied or Failed(f"/readyz answered {status}")


def version_of(body: Object | Gap) -> str | Gap:
    """Return the API server's version from the body of ``/version``."""
    if not isinstance(body, dict):
        return body
    return str(body.get("gitVersion") or "") or NotYet("it does not say its version")
