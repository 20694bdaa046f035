"""Deployments and ReplicaSets: pods in number, and new ones for old ones."""

from __future__ import annotations

from typing import ClassVar

from wizards.practice.api import owned
from wizards.practice.api.engine import Controller, Watches, itself, owner_keys
from wizards.practice.api.store import PODS
from wizards.practice.api.tables import Key
from wizards.practice.api.values import Json, clone, condition, dig, find_condition, set_condition, timestamp

_SETS = ("apps", "replicasets")
_HASH = "pod-template-hash"
_REVISION = "deployment.kubernetes.io/revision"


class ReplicaSets(Controller):
    """Keeps the wanted number of pods of each ReplicaSet."""

    name: ClassVar[str] = "replicaset-controller"
    settle: ClassVar[bool] = True

    def watches(self) -> Watches:
        """ReplicaSets and their pods."""
        return {_SETS: itself, PODS: owner_keys("ReplicaSet")}

    def reconcile(self, key: Key) -> float | None:
        """Create or delete pods, and report."""
        entry = self.store.tables.get(_SETS, key)
        if entry is None or entry.obj["metadata"].get("deletionTimestamp"):
            return None
        obj = entry.obj
        pods = owned.live_pods(self.store, obj)
        wanted = int(obj["spec"].get("replicas", 1))
        for _ in range(min(wanted - len(pods), owned.BURST)):
            pod = owned.pod_from(obj, obj["spec"]["template"])
            self.store.add(pod)
            text = f"Created pod: {pod['metadata']['name']}"
            self.events.record(obj, "SuccessfulCreate", text, component=self.name)
        if len(pods) > wanted:
            for pod in sorted(pods, key=owned.ready)[: min(len(pods) - wanted, owned.BURST)]:
                owned.delete_pod(self.store, pod)
                text = f"Deleted pod: {pod['metadata']['name']}"
                self.events.record(obj, "SuccessfulDelete", text, component=self.name)
        self._report(key, obj)
        return 0.0 if abs(wanted - len(pods)) > owned.BURST else None

    def _report(self, key: Key, obj: Json) -> None:
        pods = owned.live_pods(self.store, obj)
        count = owned.count_ready(pods)
        status: Json = {"replicas": len(pods), "observedGeneration": obj["metadata"]["generation"]}
        if pods:
            status["fullyLabeledReplicas"] = len(pods)
        if count:
            status["readyReplicas"] = status["availableReplicas"] = count
        self.store.modify("apps/v1", "ReplicaSet", key[1], lambda new: new.update(status=status), key[0])


class Deployments(Controller):
    """Keeps one ReplicaSet for the present template of each Deployment, and empties the others.

    The roll-out is simpler than the real one: all new pods are started at once and the old ones go
    when the new ones are ready (`Recreate`: before they are started).
    """

    name: ClassVar[str] = "deployment-controller"
    settle: ClassVar[bool] = True

    def watches(self) -> Watches:
        """Deployments and their ReplicaSets."""
        return {("apps", "deployments"): itself, _SETS: owner_keys("Deployment")}

    def reconcile(self, key: Key) -> float | None:
        """Scale the sets and report."""
        entry = self.store.tables.get(("apps", "deployments"), key)
        if entry is None or entry.obj["metadata"].get("deletionTimestamp"):
            return None
        obj = entry.obj
        present = f"{key[1]}-{owned.template_hash(obj['spec']['template'])}"
        sets = [entry.obj for entry in owned.owned(self.store, obj, _SETS)]
        old = [item for item in sets if item["metadata"]["name"] != present]
        again = None if obj["spec"].get("paused") else self._roll(obj, present, sets, old)
        self._prune(obj, old)
        self._report(key, obj, present)
        return again

    def _roll(self, obj: Json, present: str, sets: list[Json], old: list[Json]) -> float | None:
        """Scale the present set up and the old ones down; seconds to wait for old pods that still stop."""
        wanted = int(obj["spec"]["replicas"])
        current = next((item for item in sets if item["metadata"]["name"] == present), None)
        if obj["spec"]["strategy"]["type"] == "Recreate":
            for item in old:
                self._scale(obj, item, 0)
            if any(owned.owned(self.store, item, PODS) for item in old):
                return self.timing.pod_stop
        if current is None:
            self._create_set(obj, present, wanted, sets)
            return None
        self._scale(obj, current, wanted)
        if int(dig(current, "status", "availableReplicas") or 0) >= wanted:
            for item in old:
                self._scale(obj, item, 0)
        return None

    def _create_set(self, obj: Json, name: str, replicas: int, sets: list[Json]) -> None:
        digest = name.rpartition("-")[2]
        template = clone(obj["spec"]["template"])
        template["metadata"].setdefault("labels", {})[_HASH] = digest
        selector = clone(obj["spec"]["selector"])
        selector.setdefault("matchLabels", {})[_HASH] = digest
        revision = 1 + max((int(_notes(item).get(_REVISION, 0)) for item in sets), default=0)
        self.store.add(
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {
                    "name": name,
                    "namespace": obj["metadata"]["namespace"],
                    "labels": clone(template["metadata"]["labels"]),
                    "annotations": {_REVISION: str(revision)},
                    "ownerReferences": [owned.owner_reference(obj)],
                },
                "spec": {"replicas": replicas, "selector": selector, "template": template},
            }
        )
        self._tell_scaled(obj, name, 0, replicas)

    def _scale(self, obj: Json, item: Json, replicas: int) -> None:
        name = item["metadata"]["name"]
        before = int(item["spec"]["replicas"])
        if before == replicas:
            return

        def scale(new: Json) -> None:
            new["spec"]["replicas"] = replicas

        self.store.modify("apps/v1", "ReplicaSet", name, scale, item["metadata"]["namespace"])
        self._tell_scaled(obj, name, before, replicas)

    def _tell_scaled(self, obj: Json, name: str, before: int, after: int) -> None:
        word = "up" if after > before else "down"
        text = f"Scaled {word} replica set {name} from {before} to {after}"
        self.events.record(obj, "ScalingReplicaSet", text, component=self.name)

    def _prune(self, obj: Json, old: list[Json]) -> None:
        """Forget old, empty sets beyond the history limit."""
        empty = [item for item in old if not dig(item, "status", "replicas") and not item["spec"]["replicas"]]
        empty.sort(key=lambda item: int(_notes(item).get(_REVISION, 0)))
        surplus = len(empty) - int(obj["spec"].get("revisionHistoryLimit", 10))
        for item in empty[: max(surplus, 0)]:
            metadata = item["metadata"]
            self.store.delete("apps/v1", "ReplicaSet", metadata["name"], metadata["namespace"])

    def _report(self, key: Key, obj: Json, present: str) -> None:
        sets = [entry.obj for entry in owned.owned(self.store, obj, _SETS)]
        current = next((item for item in sets if item["metadata"]["name"] == present), None)
        numbers = _numbers(obj, sets, current)
        revision = _notes(current).get(_REVISION) if current else None

        def write(new: Json) -> None:
            if revision:
                new["metadata"].setdefault("annotations", {})[_REVISION] = revision
            conditions = dig(new, "status", "conditions") or []
            new["status"] = {"observedGeneration": obj["metadata"]["generation"], **numbers}
            new["status"]["conditions"] = conditions
            _conditions(new, present)

        self.store.modify("apps/v1", "Deployment", key[1], write, key[0])


def _notes(obj: Json | None) -> Json:
    return dig(obj, "metadata", "annotations") or {}


def _numbers(obj: Json, sets: list[Json], current: Json | None) -> Json:
    def total(field: str) -> int:
        return sum(int(dig(item, "status", field) or 0) for item in sets)

    replicas, available = total("replicas"), total("availableReplicas")
    updated = int(dig(current, "status", "replicas") or 0)
    unavailable = max(int(obj["spec"]["replicas"]), replicas) - available
    found = {
        "replicas": replicas,
        "updatedReplicas": updated,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(unavailable, 0),
    }
    return {name: count for name, count in found.items() if count}


def _conditions(obj: Json, present: str) -> None:
    spec, status = obj["spec"], obj["status"]
    wanted, available = int(spec["replicas"]), int(status.get("availableReplicas", 0))
    allowed = dig(spec, "strategy", "rollingUpdate", "maxUnavailable")
    missing = 0 if allowed is None else owned.share(allowed, wanted, up=False)
    if available >= wanted - missing:
        text = "Deployment has minimum availability."
        _condition(status, condition("Available", "True", "MinimumReplicasAvailable", text))
    else:
        text = "Deployment does not have minimum availability."
        _condition(status, condition("Available", "False", "MinimumReplicasUnavailable", text))
    done = available == wanted == status.get("updatedReplicas", 0) == status.get("replicas", 0)
    if done:
        text = f'ReplicaSet "{present}" has successfully progressed.'
        _condition(status, condition("Progressing", "True", "NewReplicaSetAvailable", text))
    else:
        text = f'ReplicaSet "{present}" is progressing.'
        _condition(status, condition("Progressing", "True", "ReplicaSetUpdated", text))


def _condition(status: Json, new: Json) -> None:
    held = find_condition({"status": status}, new["type"])
    if held is None or held["reason"] != new["reason"] or held["message"] != new["message"]:
        set_condition(status, {**new, "lastUpdateTime": timestamp()})
