"""DaemonSets (a pod on every fitting node) and StatefulSets (pods with names and volumes)."""

from __future__ import annotations

from typing import ClassVar

from wizards.practice.api import owned
from wizards.practice.api.engine import Controller, Watches, itself, owner_keys
from wizards.practice.api.scheduler import intolerable, selects_node
from wizards.practice.api.store import PODS
from wizards.practice.api.tables import Change, Key
from wizards.practice.api.values import Json, clone, dig

_DAEMONS = ("apps", "daemonsets")
_STATEFUL = ("apps", "statefulsets")
_CLAIMS = ("", "persistentvolumeclaims")
_REVISION = "controller-revision-hash"
_DAEMON_TOLERATIONS: list[Json] = [
    {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect}
    for name, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
]
# A daemon pod is bound at once, ready node or not; the real one gets there because the scheduler
# ignores the NoSchedule twins of these taints for it only where the DaemonSet tolerates them.
_LIFECYCLE = [
    {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": "NoSchedule"}
    for name in ("not-ready", "unreachable")
]


class DaemonSets(Controller):
    """Keeps one pod of each DaemonSet on every node that takes it."""

    name: ClassVar[str] = "daemonset-controller"
    settle: ClassVar[bool] = True

    def watches(self) -> Watches:
        """DaemonSets, their pods, and nodes."""
        return {_DAEMONS: itself, PODS: owner_keys("DaemonSet"), ("", "nodes"): self._on_node}

    def _on_node(self, change: Change) -> list[Key]:
        before = change.previous.obj if change.previous else None
        now = change.entry.obj
        same = before is not None and before.get("spec") == now.get("spec")
        same = same and dig(before, "metadata", "labels") == now["metadata"].get("labels")
        if same and change.type == "MODIFIED":
            return []
        return [entry.key for entry in self.store.entries(_DAEMONS)]

    def reconcile(self, key: Key) -> float | None:
        """Create, delete and renew pods, and report."""
        entry = self.store.tables.get(_DAEMONS, key)
        if entry is None or entry.obj["metadata"].get("deletionTimestamp"):
            return None
        obj = entry.obj
        wanted = self._nodes(obj)
        present = owned.template_hash(obj["spec"]["template"])
        pods = owned.live_pods(self.store, obj)
        by_node: dict[str, Json] = {}
        for pod in pods:
            node = dig(pod, "spec", "nodeName") or ""
            if node not in wanted or node in by_node:
                owned.delete_pod(self.store, pod)
            else:
                by_node[node] = pod
        self._renew(obj, present, by_node)
        leaving = {dig(e.obj, "spec", "nodeName") for e in owned.owned(self.store, obj, PODS)}
        missing = sorted(wanted - by_node.keys() - leaving)
        for node in missing[: owned.BURST]:
            self._create(obj, present, node)
        self._report(key, obj, wanted, present)
        return 0.0 if len(missing) > owned.BURST else None

    def _nodes(self, obj: Json) -> set[str]:
        spec = obj["spec"]["template"]["spec"]
        tolerations = [*(spec.get("tolerations") or ()), *_DAEMON_TOLERATIONS, *_LIFECYCLE]
        return {
            entry.key[1]
            for entry in self.store.entries(("", "nodes"))
            if not entry.obj["metadata"].get("deletionTimestamp")
            and intolerable(tolerations, entry.obj) is None
            and selects_node(spec, entry.obj)
        }

    def _renew(self, obj: Json, present: str, by_node: dict[str, Json]) -> None:
        """Delete pods of an older template, as many at a time as may be missing."""
        strategy = obj["spec"]["updateStrategy"]
        if strategy["type"] != "RollingUpdate":
            return
        total = len(by_node)
        allowed = max(owned.share(strategy["rollingUpdate"]["maxUnavailable"], total, up=True), 1)
        allowed -= sum(not owned.ready(pod) for pod in by_node.values() if _revision(pod) == present)
        allowed -= len(owned.owned(self.store, obj, PODS)) - len(owned.live_pods(self.store, obj))
        old = [pod for pod in by_node.values() if _revision(pod) != present]
        for pod in sorted(old, key=owned.ready)[: max(allowed, 0)]:
            owned.delete_pod(self.store, pod)

    def _create(self, obj: Json, present: str, node: str) -> None:
        pod = owned.pod_from(obj, obj["spec"]["template"], labels={_REVISION: present})
        pod["spec"]["nodeName"] = node
        pod["spec"]["tolerations"] = [*(pod["spec"].get("tolerations") or ()), *clone(_DAEMON_TOLERATIONS)]
        self.store.add(pod)
        text = f"Created pod: {pod['metadata']['name']}"
        self.events.record(obj, "SuccessfulCreate", text, component=self.name)

    def _report(self, key: Key, obj: Json, wanted: set[str], present: str) -> None:
        pods = owned.live_pods(self.store, obj)
        count = owned.count_ready(pods)
        status: Json = {
            "currentNumberScheduled": len(pods),
            "desiredNumberScheduled": len(wanted),
            "numberMisscheduled": 0,
            "numberReady": count,
            "observedGeneration": obj["metadata"]["generation"],
        }
        more = {
            "numberAvailable": count,
            "numberUnavailable": len(wanted) - count,
            "updatedNumberScheduled": sum(_revision(pod) == present for pod in pods),
        }
        status.update({name: number for name, number in more.items() if number > 0})
        self.store.modify("apps/v1", "DaemonSet", key[1], lambda new: new.update(status=status), key[0])


def _revision(pod: Json) -> str:
    return str(dig(pod, "metadata", "labels", _REVISION) or "").rpartition("-")[2]


class StatefulSets(Controller):
    """Keeps the numbered pods of each StatefulSet and their volume claims."""

    name: ClassVar[str] = "statefulset-controller"
    settle: ClassVar[bool] = True

    def watches(self) -> Watches:
        """StatefulSets and their pods."""
        return {_STATEFUL: itself, PODS: owner_keys("StatefulSet")}

    def reconcile(self, key: Key) -> float | None:
        """Create the next pod, delete the last, renew from the top, and report."""
        entry = self.store.tables.get(_STATEFUL, key)
        if entry is None or entry.obj["metadata"].get("deletionTimestamp"):
            return None
        obj = entry.obj
        revision = f"{key[1]}-{owned.template_hash(obj['spec']['template'])}"
        by_name = {entry.key[1]: entry.obj for entry in owned.owned(self.store, obj, PODS)}
        first = int(dig(obj, "spec", "ordinals", "start") or 0)
        wanted = [f"{key[1]}-{first + index}" for index in range(int(obj["spec"]["replicas"]))]
        ordered = obj["spec"]["podManagementPolicy"] == "OrderedReady"
        complete = self._fill(obj, revision, wanted, by_name, ordered=ordered)
        surplus = sorted((name for name in by_name if name not in wanted), key=_ordinal, reverse=True)
        for name in surplus[: 1 if ordered else None]:
            if not owned.gone(by_name[name]):
                owned.delete_pod(self.store, by_name[name])
        if complete and not surplus:
            self._renew(obj, revision, wanted, by_name)
        self._report(key, obj, revision)
        return None

    def _fill(
        self, obj: Json, revision: str, wanted: list[str], by_name: dict[str, Json], *, ordered: bool
    ) -> bool:
        """Create missing pods; whether all are there and ready."""
        for name in wanted:
            pod = by_name.get(name)
            if pod is not None and dig(pod, "status", "phase") in {"Succeeded", "Failed"}:
                owned.delete_pod(self.store, pod)
            if pod is None:
                self._create(obj, revision, name)
            if ordered and (pod is None or owned.gone(pod) or not owned.ready(pod)):
                return False
        pods = [by_name.get(name) for name in wanted]
        return all(pod is not None and not owned.gone(pod) and owned.ready(pod) for pod in pods)

    def _create(self, obj: Json, revision: str, name: str) -> None:
        namespace = obj["metadata"]["namespace"]
        labels = {
            _REVISION: revision,
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(_ordinal(name)),
        }
        pod = owned.pod_from(obj, obj["spec"]["template"], name, labels)
        spec = pod["spec"]
        spec["hostname"] = name
        if obj["spec"].get("serviceName"):
            spec["subdomain"] = obj["spec"]["serviceName"]
        for claim in obj["spec"].get("volumeClaimTemplates") or ():
            volume = claim["metadata"]["name"]
            claim_name = f"{volume}-{name}"
            volumes = [item for item in spec.get("volumes") or () if item["name"] != volume]
            spec["volumes"] = [*volumes, {"name": volume, "persistentVolumeClaim": {"claimName": claim_name}}]
            if self.store.tables.get(_CLAIMS, (namespace, claim_name)) is None:
                self.store.add(
                    {
                        "apiVersion": "v1",
                        "kind": "PersistentVolumeClaim",
                        "metadata": {
                            "name": claim_name,
                            "namespace": namespace,
                            "labels": clone(dig(obj, "spec", "selector", "matchLabels") or {}),
                        },
                        "spec": clone(claim["spec"]),
                    }
                )
        self.store.add(pod)
        text = f"create Pod {name} in StatefulSet {obj['metadata']['name']} successful"
        self.events.record(obj, "SuccessfulCreate", text, component=self.name)

    def _renew(self, obj: Json, revision: str, wanted: list[str], by_name: dict[str, Json]) -> None:
        strategy = obj["spec"]["updateStrategy"]
        if strategy["type"] != "RollingUpdate":
            return
        partition = int(dig(strategy, "rollingUpdate", "partition") or 0)
        for name in reversed(wanted):
            if (
                _ordinal(name) >= partition
                and dig(by_name[name], "metadata", "labels", _REVISION) != revision
            ):
                owned.delete_pod(self.store, by_name[name])
                return

    def _report(self, key: Key, obj: Json, revision: str) -> None:
        pods = owned.live_pods(self.store, obj)
        count = owned.count_ready(pods)
        updated = sum(dig(pod, "metadata", "labels", _REVISION) == revision for pod in pods)
        wanted = int(obj["spec"]["replicas"])
        before = dig(obj, "status", "currentRevision")
        done = updated == wanted and count == wanted
        current = revision if done or not before else str(before)
        same = sum(dig(pod, "metadata", "labels", _REVISION) == current for pod in pods)
        status: Json = {
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": len(pods),
            "availableReplicas": count,
            "collisionCount": 0,
            "currentRevision": current,
            "updateRevision": revision,
        }
        more = {"readyReplicas": count, "currentReplicas": same, "updatedReplicas": updated}
        status.update({name: number for name, number in more.items() if number})
        self.store.modify("apps/v1", "StatefulSet", key[1], lambda new: new.update(status=status), key[0])


def _ordinal(name: str) -> int:
    tail = name.rpartition("-")[2]
    return int(tail) if tail.isdigit() else -1
