"""The kubelet's care for its Node object, its lease, and the node controller's taints."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import ClassVar

from wizards.practice.api.engine import Controller, Watches, itself
from wizards.practice.api.objects import FAULT, NODE_FACTS, PREFIX
from wizards.practice.api.tables import Change, Key
from wizards.practice.api.values import (
    Json,
    clone,
    condition,
    dig,
    find_condition,
    is_true,
    micro_timestamp,
    set_condition,
    timestamp,
)

LEASES = "kube-node-lease"
HEARTBEAT = 300.0
"""Seconds after which an unchanged node status is posted again (kubelet's own default)."""

_POD_NETWORK = ipaddress.IPv4Network("10.233.64.0/18")
_MORE_PODS = ipaddress.IPv4Network("10.128.0.0/9")
_NETWORK_READY = {
    "cilium": ("CiliumIsUp", "Cilium is running on this node"),
    "calico-node": ("CalicoIsUp", "Calico is running on this node"),
    "kube-flannel": ("FlannelIsUp", "Flannel is running on this node"),
    "kube-flannel-ds": ("FlannelIsUp", "Flannel is running on this node"),
}
_PRESSURES = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}
_READY = ("True", "KubeletReady", "kubelet is posting ready status")
_PRACTICE = "practice fault: "
_FAULTS = {
    "NotReady": ("False", "KubeletNotReady", f"{_PRACTICE}container runtime is down"),
    "Unreachable": ("Unknown", "NodeStatusUnknown", f"{_PRACTICE}Kubelet stopped posting node status."),
}
_TAINTS = {"False": "node.kubernetes.io/not-ready", "Unknown": "node.kubernetes.io/unreachable"}
_OWN_TAINTS = {*_TAINTS.values(), "node.kubernetes.io/unschedulable"}


class Nodes(Controller):
    """Completes nodes, renews their leases, and taints those that are not ready.

    A Ready condition that a client sets is left as it is: that is how a broken node is practised,
    beside the fault annotation.
    """

    name: ClassVar[str] = "kubelet"
    version: str = "v0.0.0"
    _ranges: Iterator[str] | None = None

    def watches(self) -> Watches:
        """Nodes, and the DaemonSets of kube-system, one of which may be the pod network."""
        return {("", "nodes"): itself, ("apps", "daemonsets"): self._network_changed}

    def _network_changed(self, change: Change) -> list[Key]:
        namespace, name = change.entry.key
        if namespace != "kube-system" or name not in _NETWORK_READY or change.type == "MODIFIED":
            return []
        return [entry.key for entry in self.store.entries(("", "nodes"))]

    def reconcile(self, key: Key) -> float | None:
        """Register the node when it is new, then keep it alive."""
        entry = self.store.tables.get(("", "nodes"), key)
        lease = self.store.tables.get(("coordination.k8s.io", "leases"), (LEASES, key[1]))
        if entry is None:
            if lease is not None:
                self.store.tables.remove(("coordination.k8s.io", "leases"), lease.key)
            return None
        age = _seconds_since(entry.obj["metadata"]["creationTimestamp"])
        if find_condition(entry.obj, "Ready") is None and age < self.timing.node_register:
            return self.timing.node_register - max(age, 0)
        self.store.modify("v1", "Node", key[1], self._update)
        entry = self.store.tables.get(("", "nodes"), key)
        if entry is not None and is_true(entry.obj, "Ready"):
            self._renew(key[1], entry.obj["metadata"]["uid"])
        return self.timing.lease_renew

    def _update(self, obj: Json) -> None:
        spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
        labels = obj["metadata"].setdefault("labels", {})
        for key, value in (("hostname", obj["metadata"]["name"]), ("os", "linux"), ("arch", "amd64")):
            labels.setdefault(f"kubernetes.io/{key}", value)
        if not spec.get("podCIDR"):
            spec["podCIDR"] = self._free_range()
            spec["podCIDRs"] = [spec["podCIDR"]]
        self._fill_status(obj["metadata"], status)
        self._conditions(obj["metadata"], status)
        _taint(spec, status)

    def _free_range(self) -> str:
        if self._ranges is None:
            used = {dig(entry.obj, "spec", "podCIDR") for entry in self.store.entries(("", "nodes"))}
            blocks = itertools.chain(*(net.subnets(new_prefix=24) for net in (_POD_NETWORK, _MORE_PODS)))
            self._ranges = (str(block) for block in blocks if str(block) not in used)
        return next(self._ranges, "")

    def _fill_status(self, metadata: Json, status: Json) -> None:
        wanted = _standard_status(metadata["name"], metadata["uid"], self.version)
        notes: Json = metadata.get("annotations") or {}
        for key in ("capacity", "allocatable", "nodeInfo", "daemonEndpoints"):
            status[key] = {**wanted[key], **(status.get(key) or {})}
        for note, path in NODE_FACTS.items():
            if note in notes and len(path) == 2:
                status[path[0]][path[1]] = notes[note]
                if path[0] == "capacity":
                    status["allocatable"][path[1]] = notes[note]
        address = notes.get(f"{PREFIX}address")
        known = {item["type"] for item in status.get("addresses") or ()}
        if address or not known:
            inside = [{"type": "InternalIP", "address": address}] if address else []
            kept = [i for i in status.get("addresses") or () if i["type"] not in {"InternalIP", "Hostname"}]
            status["addresses"] = [*inside, {"type": "Hostname", "address": metadata["name"]}, *kept]

    def _conditions(self, metadata: Json, status: Json) -> None:
        held = {item["type"]: item for item in status.get("conditions") or ()}
        stale = "Ready" not in held or _seconds_since(held["Ready"].get("lastHeartbeatTime")) > HEARTBEAT
        beat = {"lastHeartbeatTime": timestamp()}
        network = self._network()
        if "NetworkUnavailable" not in held or held["NetworkUnavailable"]["reason"] != network[0]:
            set_condition(status, condition("NetworkUnavailable", "False", *network, **beat))
        for kind, (reason, message) in _PRESSURES.items():
            if kind not in held or (stale and held[kind]["status"] == "False"):
                set_condition(status, condition(kind, "False", reason, message, **beat))
        wanted = self._readiness(metadata, held.get("Ready"))
        if wanted is not None and (stale or held["Ready"]["reason"] != wanted[1]):
            set_condition(status, condition("Ready", *wanted, **beat))

    def _readiness(self, metadata: Json, held: Json | None) -> tuple[str, str, str] | None:
        """What the Ready condition should say; None to leave what somebody else has set."""
        fault = (metadata.get("annotations") or {}).get(FAULT)
        if fault in _FAULTS:
            return _FAULTS[fault]
        if held is None or held["status"] == "True" or str(held.get("message")).startswith(_PRACTICE):
            return _READY
        return None

    def _network(self) -> tuple[str, str]:
        for name, answer in _NETWORK_READY.items():
            if self.store.tables.get(("apps", "daemonsets"), ("kube-system", name)):
                return answer
        return ("RouteCreated", "practice network is ready")

    def _renew(self, name: str, uid: str) -> None:
        storage = ("coordination.k8s.io", "leases")
        entry = self.store.tables.get(storage, (LEASES, name))
        if entry is not None:
            if _seconds_since(dig(entry.obj, "spec", "renewTime")) >= self.timing.lease_renew * 0.9:
                new = clone(entry.obj)
                new["spec"]["renewTime"] = micro_timestamp()
                self.store.tables.put(storage, new)
            return
        if self.store.tables.get(("", "namespaces"), ("", LEASES)) is None:
            return
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": LEASES, "ownerReferences": [owner]},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": micro_timestamp()},
        }
        self.store.add(lease)


def _seconds_since(moment: str | None) -> float:
    if not moment:
        return float("inf")
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def _taint(spec: Json, status: Json) -> None:
    ready = find_condition({"status": status}, "Ready")
    wanted: list[Json] = []
    key = _TAINTS.get(ready["status"]) if ready else None
    if key:
        wanted = [{"key": key, "effect": "NoSchedule"}, {"key": key, "effect": "NoExecute"}]
    if spec.get("unschedulable"):
        wanted.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    held: list[Json] = spec.get("taints") or []
    mine = [item for item in held if item["key"] in _OWN_TAINTS]
    if [(item["key"], item["effect"]) for item in mine] == [(i["key"], i["effect"]) for i in wanted]:
        return
    for item in wanted:
        item["timeAdded"] = timestamp()
    spec["taints"] = [item for item in held if item["key"] not in _OWN_TAINTS] + wanted
    if not spec["taints"]:
        del spec["taints"]


def _standard_status(name: str, uid: str, version: str) -> Json:
    capacity = {
        "cpu": "4",
        "memory": "8146168Ki",
        "ephemeral-storage": "51290592Ki",
        "hugepages-2Mi": "0",
        "pods": "110",
    }
    return {
        "capacity": capacity,
        "allocatable": {**capacity, "cpu": "3900m", "memory": "7593208Ki", "ephemeral-storage": "47269409Ki"},
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": uid,
            "containerRuntimeVersion": "containerd://2.2.3",
            "kernelVersion": "6.1.0-practice",
            "kubeProxyVersion": "",
            "kubeletVersion": version,
            "machineID": uid.replace("-", ""),
            "operatingSystem": "linux",
            "osImage": f"Practice Linux ({name})",
            "systemUUID": uid,
        },
    }
