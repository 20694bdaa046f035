"""Other faces of the same object: the two event APIs, metadata only, and tables for kubectl."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from wizards.practice.api.resources import ResourceType
from wizards.practice.api.values import Json, dig

# events.k8s.io/v1 on the left, core/v1 (as they are stored) on the right.
_EVENT_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "deprecatedSource": "source",
    "reportingController": "reportingComponent",
}
_FROM_CORE = {core: new for new, core in _EVENT_NAMES.items()}


def present(rtype: ResourceType, obj: Json) -> Json:
    """A stored object as this version of the resource shows it."""
    if rtype.group == "events.k8s.io":
        obj = {_FROM_CORE.get(key, key): value for key, value in obj.items()}
    obj.pop("kind", None)
    obj.pop("apiVersion", None)
    return {"kind": rtype.kind, "apiVersion": rtype.api_version, **obj}


def absorb(rtype: ResourceType, obj: Json) -> Json:
    """The opposite of `present`: the object as it is stored."""
    if rtype.group != "events.k8s.io":
        return obj
    return {
        **{_EVENT_NAMES.get(key, key): value for key, value in obj.items()},
        "apiVersion": "v1",
        "kind": "Event",
    }


def converts(rtype: ResourceType) -> bool:
    """Whether the stored JSON text cannot be sent as it is."""
    return rtype.group == "events.k8s.io"


def partial(obj: Json) -> Json:
    """Only the metadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _column(name: str, description: str, kind: str = "string", form: str = "") -> Json:
    return {"name": name, "type": kind, "format": form, "description": description, "priority": 0}


_NAME = _column("Name", "Name must be unique within a namespace.", form="name")
_AGE = _column("Age", "Time since the object was created.")
_MORE: dict[tuple[str, str], list[str]] = {
    ("", "pods"): ["Ready", "Status", "Restarts"],
    ("", "nodes"): ["Status", "Roles", "Version"],
    ("", "namespaces"): ["Status"],
    ("", "services"): ["Type", "Cluster-IP", "External-IP"],
    ("apps", "deployments"): ["Ready", "Up-to-date", "Available"],
    ("apps", "statefulsets"): ["Ready"],
    ("apps", "daemonsets"): ["Desired", "Current", "Ready"],
}


def table(rtype: ResourceType, objects: list[Json], metadata: Json, *, include: str = "Metadata") -> Json:
    """A `meta.k8s.io/v1` Table.

    Args:
        rtype: The resource, which decides the columns.
        objects: The rows.
        metadata: The list's metadata.
        include: What to send with each row: None, Metadata or Object.
    """
    more = _MORE.get(rtype.storage, [])
    columns = [_NAME, *(_column(name, name) for name in more), _AGE]
    rows: list[Json] = []
    for obj in objects:
        cells = [obj["metadata"]["name"], *(_cell(rtype, obj, name) for name in more), age(obj)]
        row: Json = {"cells": cells}
        if include == "Object":
            row["object"] = obj
        elif include != "None":
            row["object"] = partial(obj)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    }


def _cell(rtype: ResourceType, obj: Json, column: str) -> Any:
    return _CELLS[rtype.plural](obj).get(column, "")


def _pod_cells(obj: Json) -> Json:
    containers = dig(obj, "status", "containerStatuses") or []
    wanted = len(dig(obj, "spec", "containers") or ())
    waiting = [dig(item, "state", "waiting", "reason") for item in containers]
    reason = next((text for text in waiting if text), dig(obj, "status", "phase"))
    return {
        "Ready": f"{sum(bool(item.get('ready')) for item in containers)}/{wanted}",
        "Status": "Terminating" if obj["metadata"].get("deletionTimestamp") else reason,
        "Restarts": str(sum(int(item.get("restartCount", 0)) for item in containers)),
    }


def _node_cells(obj: Json) -> Json:
    ready = [c["status"] for c in dig(obj, "status", "conditions") or () if c["type"] == "Ready"]
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    roles = sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))
    state = "Ready" if ready == ["True"] else "NotReady"
    if dig(obj, "spec", "unschedulable"):
        state += ",SchedulingDisabled"
    version = dig(obj, "status", "nodeInfo", "kubeletVersion")
    return {"Status": state, "Roles": ",".join(roles) or "<none>", "Version": version}


def _service_cells(obj: Json) -> Json:
    ingress = dig(obj, "status", "loadBalancer", "ingress") or ()
    spec = obj["spec"]
    pending = "<pending>" if spec.get("type") == "LoadBalancer" else "<none>"
    outside = ",".join(str(item.get("ip") or item.get("hostname")) for item in ingress) or pending
    return {"Type": spec.get("type"), "Cluster-IP": spec.get("clusterIP"), "External-IP": outside}


def _scaled_cells(obj: Json) -> Json:
    status = obj.get("status") or {}
    return {
        "Ready": f"{status.get('readyReplicas', 0)}/{dig(obj, 'spec', 'replicas') or 0}",
        "Up-to-date": status.get("updatedReplicas", 0),
        "Available": status.get("availableReplicas", 0),
    }


def _daemon_cells(obj: Json) -> Json:
    status = obj.get("status") or {}
    return {
        "Desired": status.get("desiredNumberScheduled", 0),
        "Current": status.get("currentNumberScheduled", 0),
        "Ready": status.get("numberReady", 0),
    }


_CELLS = {
    "pods": _pod_cells,
    "nodes": _node_cells,
    "namespaces": lambda obj: {"Status": dig(obj, "status", "phase")},
    "services": _service_cells,
    "deployments": _scaled_cells,
    "statefulsets": _scaled_cells,
    "daemonsets": _daemon_cells,
}


def age(obj: Json) -> str:
    """How old an object is, in kubectl's short form."""
    made = obj["metadata"].get("creationTimestamp")
    if not made:
        return "<unknown>"
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(made)).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"
