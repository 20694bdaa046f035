"""Raw Kubernetes objects for tests of the judge, shaped as the API server sends them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wizards.health.snapshot import Object, Part, Readyz, Snapshot
from wizards.health.state import iso
from wizards.setup.components import Workload, chosen_components
from wizards.setup.spec import ClusterSpec

NOW = 1_800_000_000.0
OLD = NOW - 86_400


def spec(**parts: Any) -> ClusterSpec:
    """Three servers with all roles and one pool, unless `parts` says otherwise."""
    data = {
        "name": "demo",
        "nodes": [{"name": f"node-{n}", "address": f"10.0.0.1{n}"} for n in (1, 2, 3)],
        "load_balancer": {"pools": [{"name": "default", "addresses": ["10.0.0.240-10.0.0.250"]}]},
    }
    return ClusterSpec.model_validate(data | parts)


def node(name: str, *, ready: str = "True", since: float = OLD, born: float = OLD, **more: Any) -> Object:
    conditions = [
        {
            "type": "Ready",
            "status": ready,
            "reason": more.get("reason", "KubeletReady" if ready == "True" else "KubeletNotReady"),
            "message": more.get("message", ""),
            "lastTransitionTime": iso(since),
        },
        *({"type": kind, "status": "True"} for kind in more.get("pressure", ())),
    ]
    return {
        "kind": "Node",
        "metadata": {
            "name": name,
            "creationTimestamp": iso(born),
            "labels": more.get("labels", {"node-role.kubernetes.io/control-plane": ""}),
        },
        "spec": {"unschedulable": True} if more.get("cordoned") else {},
        "status": {
            "conditions": conditions,
            "nodeInfo": {"kubeletVersion": "v1.35.4", "osImage": "Debian GNU/Linux 12"},
            "addresses": [{"type": "InternalIP", "address": "10.0.0.11"}],
        },
    }


def lease(name: str, renewed: float, namespace: str = "kube-node-lease", **spec_parts: Any) -> Object:
    return {
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"renewTime": iso(renewed).replace("Z", ".000000Z"), "holderIdentity": name} | spec_parts,
    }


def workload(
    wanted: Workload,
    *,
    desired: int = 1,
    ready: int | None = None,
    updated: int | None = None,
    born: float = OLD,
    **more: Any,
) -> Object:
    """A workload that answers to `wanted`, with `ready` of `desired` pods (all, when not said)."""
    ready = desired if ready is None else ready
    updated = desired if updated is None else updated
    generation = more.get("generation", 1)
    status: dict[str, Any] = {"observedGeneration": more.get("observed", generation)}
    template: dict[str, Any] = {"metadata": {"labels": wanted.labels}}
    body: dict[str, Any] = {"selector": {"matchLabels": wanted.labels}, "template": template}
    if wanted.kind == "DaemonSet":
        body["updateStrategy"] = {"type": more.get("strategy", "RollingUpdate")}
        status |= {
            "desiredNumberScheduled": desired,
            "numberReady": ready,
            "numberAvailable": ready,
            "updatedNumberScheduled": updated,
        }
    else:
        body["replicas"] = desired
        status |= {
            "replicas": more.get("replicas", desired),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updatedReplicas": updated,
        }
    status["conditions"] = list(more.get("conditions", ()))
    return {
        "kind": wanted.kind,
        "metadata": {
            "name": more.get("name", wanted.name),
            "namespace": wanted.namespace,
            "labels": more.get("labels", wanted.labels),
            "generation": generation,
            "creationTimestamp": iso(born),
        },
        "spec": body,
        "status": status,
    }


def pod(wanted: Workload, name: str, *, node_name: str = "node-1", born: float = OLD, **more: Any) -> Object:
    meta = {
        "name": name,
        "namespace": wanted.namespace,
        "labels": wanted.labels,
        "creationTimestamp": iso(born),
    }
    return {
        "kind": "Pod",
        "metadata": meta | more.get("metadata", {}),
        "spec": {"nodeName": node_name, "initContainers": more.get("init", [])},
        "status": {"phase": "Running"} | more.get("status", {}),
    }


def waiting(name: str, reason: str, message: str = "", **more: Any) -> Object:
    return {
        "name": name,
        "ready": False,
        "image": "registry.lan/image:1",
        "state": {"waiting": {"reason": reason, "message": message}},
    } | more


def service(name: str, ip: str = "", *, born: float = OLD, pool: str = "", namespace: str = "web") -> Object:
    notes = {"metallb.io/ip-allocated-from-pool": pool} if pool else {}
    return {
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": iso(born),
            "annotations": notes,
        },
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "protocol": "TCP"}]},
        "status": {"loadBalancer": {"ingress": [{"ip": ip}] if ip else []}},
    }


def pool(name: str = "default", assigned: int = 1, free: int = 10, **more: Any) -> Object:
    return {
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": "metallb-system", "labels": more.get("labels", {})},
        "spec": {"addresses": more.get("addresses", ["10.0.0.240-10.0.0.250"])},
        "status": more.get("status", {"assignedIPv4": assigned, "availableIPv4": free}),
    }


def advertisement(**spec_parts: Any) -> Object:
    return {"kind": "L2Advertisement", "metadata": {"name": "all"}, "spec": spec_parts}


def storage_class(name: str = "openebs-hostpath", *, default: bool = True, binding: str = "") -> Object:
    notes = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": notes},
        "provisioner": "openebs.io/local",
        "volumeBindingMode": binding or "WaitForFirstConsumer",
    }


def claim(name: str, wanted: str | None = "fast", *, phase: str = "Pending", born: float = OLD) -> Object:
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "web", "creationTimestamp": iso(born)},
        "spec": {"storageClassName": wanted} if wanted is not None else {},
        "status": {"phase": phase},
    }


def event(
    reason: str, about: tuple[str, str, str], *, last: float = NOW - 60, count: int = 1, **more: Any
) -> Object:
    kind, namespace, name = about
    return {
        "kind": "Event",
        "type": "Warning",
        "metadata": {"name": f"{name}.{reason}", "namespace": namespace, "creationTimestamp": iso(last)},
        "reason": reason,
        "involvedObject": {"kind": kind, "namespace": namespace, "name": name},
        "count": count,
        "firstTimestamp": iso(more.get("first", last)),
        "lastTimestamp": iso(last),
        "message": more.get("message", reason),
    }


def workloads(
    chosen: ClusterSpec, *, nodes: int = 3, instead: Iterable[Object] = (), without: str = ""
) -> dict[tuple[str, str], Part]:
    """All workloads of `chosen`, healthy; those in `instead` take the place of their namesakes."""
    given = {(obj["kind"], obj["metadata"]["name"]): obj for obj in instead}
    found: dict[tuple[str, str], list[Object]] = {}
    for part in chosen_components(chosen):
        for wanted in part.workloads:
            here = found.setdefault((wanted.kind, wanted.namespace), [])
            if wanted.name == without:
                continue
            desired = nodes if wanted.kind == "DaemonSet" else wanted.minimum
            own = workload(wanted, desired=desired)
            here.append(given.pop((wanted.kind, wanted.name), own))
    for (kind, _), obj in given.items():
        found.setdefault((kind, obj["metadata"]["namespace"]), []).append(obj)
    return {key: tuple(objects) for key, objects in found.items()}


def wanted(chosen: ClusterSpec, name: str) -> Workload:
    """The expected workload called `name`."""
    return next(w for part in chosen_components(chosen) for w in part.workloads if w.name == name)


def snapshot(chosen: ClusterSpec | None = None, **parts: Any) -> Snapshot:
    """A healthy cluster of three nodes, except for `parts`."""
    whole: dict[str, Any] = {
        "at": NOW,
        "server": "https://10.0.0.11:6443",
        "version": "v1.35.4",
        "readyz": Readyz(True, ("[+]ping ok", "[+]etcd ok", "readyz check passed")),
        "nodes": tuple(node(f"node-{n}") for n in (1, 2, 3)),
        "leases": tuple(lease(f"node-{n}", NOW - 5) for n in (1, 2, 3)),
        "leases_at": NOW,
        "system_leases": (),
        "workloads": workloads(chosen or spec()),
        "pods": {},
        "services": (),
        "resources": {
            "ipaddresspools.metallb.io": (pool(),),
            "l2advertisements.metallb.io": (advertisement(),),
        },
        "storage_classes": (storage_class(),),
        "claims": (),
        "events": (),
        "apis": (),
    }
    return Snapshot(**(whole | parts))
