"""The kubelet's care for pods: they start after a moment, run, end, or fail as ordered."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from typing import ClassVar

from wizards.practice.api import podstatus
from wizards.practice.api.engine import Controller, Timing, Watches, itself
from wizards.practice.api.recorder import Recorder
from wizards.practice.api.store import PODS, Deletion, Store
from wizards.practice.api.tables import Change, Key
from wizards.practice.api.values import Json, dig

CRASH_AGAIN = 10.0
"""Seconds between two crashes of a pod that is told to crash."""


class Pods(Controller):
    """Takes every pod that is bound to a node through its life."""

    name: ClassVar[str] = "kubelet"

    def __init__(self, store: Store, timing: Timing, events: Recorder) -> None:
        super().__init__(store, timing, events)
        self._due: dict[Key, tuple[str, float]] = {}
        self._crashed: dict[str, float] = {}

    def watches(self) -> Watches:
        """Pods; and nodes, because a pod is not ready where the node is not."""
        return {PODS: itself, ("", "nodes"): self._on_node}

    def _on_node(self, change: Change) -> list[Key]:
        if change.type == "MODIFIED" and change.previous is not None:
            before, now = change.previous.obj, change.entry.obj
            if podstatus.node_ready(before) == podstatus.node_ready(now):
                return []
        return self.store.tables.pods_on(change.entry.key[1])

    def reconcile(self, key: Key) -> float | None:
        """Move one pod along."""
        entry = self.store.tables.get(PODS, key)
        if entry is None:
            self._due.pop(key, None)
            return None
        pod = entry.obj
        node_name = dig(pod, "spec", "nodeName")
        if not node_name:
            return None
        node = self.store.tables.get(("", "nodes"), ("", node_name))
        if pod["metadata"].get("deletionTimestamp"):
            return self._stop(key, pod, node_gone=node is None)
        if node is None or dig(pod, "status", "phase") in {"Succeeded", "Failed"}:
            return None
        if dig(pod, "status", "phase") == "Pending":
            return self._start(key, pod, node.obj)
        return self._keep(key, pod, node.obj)

    def _wait(self, key: Key, what: str, seconds: float) -> float:
        """How long it still takes until `what`, which takes so many seconds from its first mention."""
        planned = self._due.get(key)
        if planned is None or planned[0] != what:
            planned = self._due[key] = (what, time.monotonic() + seconds)
        return max(planned[1] - time.monotonic(), 0.0)

    def _write(self, key: Key, change: Callable[[Json], None]) -> None:
        self.store.modify("v1", "Pod", key[1], lambda obj: change(obj.setdefault("status", {})), key[0])

    def _stop(self, key: Key, pod: Json, *, node_gone: bool) -> float | None:
        left = 0.0 if node_gone else self._wait(key, f"stop {pod['metadata']['uid']}", self.timing.pod_stop)
        if left > 0:
            return left
        if not pod["metadata"].get("finalizers"):
            self.store.delete("v1", "Pod", key[1], key[0], Deletion(grace=0))
        return None

    def _start(self, key: Key, pod: Json, node: Json) -> float | None:
        if not podstatus.node_ready(node):
            return None
        if not dig(pod, "status", "startTime"):
            self._write(key, lambda status: podstatus.accepted(status, pod, node))
        if not self._volumes_ready(key[0], pod):
            return 0.2
        left = self._wait(key, f"start {pod['metadata']['uid']}", self.timing.pod_delay())
        if left > 0:
            return left
        fault = podstatus.fault_of(pod)
        if fault == "ImagePullBackOff":
            return self._report(key, pod, fault)
        ip = podstatus.node_address(node) if pod["spec"].get("hostNetwork") else self._free_ip(node)
        self._write(key, lambda status: podstatus.running(status, pod, ip))
        host = node["metadata"]["name"]
        for container in pod["spec"]["containers"]:
            text = f"Started container {container['name']}"
            self.events.record(pod, "Started", text, component="kubelet", host=host)
        return 0.0  # what a running pod needs is settled at the next look

    def _volumes_ready(self, namespace: str, pod: Json) -> bool:
        for name in claims_of(pod):
            entry = self.store.tables.get(("", "persistentvolumeclaims"), (namespace, name))
            if entry is None or dig(entry.obj, "status", "phase") != "Bound":
                return False
        return True

    def _keep(self, key: Key, pod: Json, node: Json) -> float | None:
        if not dig(pod, "status", "containerStatuses"):
            return None  # made with a status of its own: not ours to complete
        fault = podstatus.fault_of(pod)
        if fault == "Failed":
            self._write(key, lambda status: podstatus.finished(status, "Failed"))
            return None
        self._write(key, lambda status: podstatus.readiness(status, node, fault))
        if fault is not None:
            return self._report(key, pod, fault)
        if pod["spec"].get("restartPolicy") == "Always":
            return None
        left = self._wait(key, f"work {pod['metadata']['uid']}", self.timing.job_run)
        if left <= 0:
            self._write(key, lambda status: podstatus.finished(status, "Succeeded"))
        return left or None

    def _report(self, key: Key, pod: Json, fault: str) -> float | None:
        """Say once in a while that a pod does not come up, and count its restarts."""
        if fault not in podstatus.WAITING:
            return None
        uid = pod["metadata"]["uid"]
        left = self._crashed.get(uid, 0.0) + CRASH_AGAIN - time.monotonic()
        if uid in self._crashed and left > 0:
            return left
        self._crashed[uid] = time.monotonic()
        self._write(key, lambda status: podstatus.backing_off(status, fault))
        host = pod["spec"]["nodeName"]
        text = podstatus.WAITING[fault]
        self.events.record(pod, "BackOff", text, warning=True, component="kubelet", host=host)
        return CRASH_AGAIN

    def _free_ip(self, node: Json) -> str:
        block = dig(node, "spec", "podCIDR")
        if not block:
            return ""
        used: set[str | None] = set()
        for key in self.store.tables.pods_on(node["metadata"]["name"]):
            entry = self.store.tables.get(PODS, key)
            used.add(dig(entry.obj, "status", "podIP") if entry else None)
        hosts = ipaddress.ip_network(block).hosts()
        return next((str(ip) for ip in hosts if str(ip) not in used), "")


def claims_of(pod: Json) -> list[str]:
    """The PersistentVolumeClaims that a pod mounts."""
    volumes = dig(pod, "spec", "volumes") or ()
    names = (dig(volume, "persistentVolumeClaim", "claimName") for volume in volumes)
    return [str(name) for name in names if name]
