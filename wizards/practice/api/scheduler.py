"""The scheduler: which node a pod may run on, and the binding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from wizards.practice.api import podstatus, selectors
from wizards.practice.api.engine import Controller, Watches
from wizards.practice.api.kubelet import claims_of
from wizards.practice.api.store import PODS
from wizards.practice.api.tables import Change, Key
from wizards.practice.api.values import Json, dig

_CLAIMS = ("", "persistentvolumeclaims")
SELECTED_NODE = "volume.kubernetes.io/selected-node"


def tolerates(tolerations: Iterable[Json], taint: Json) -> bool:
    """Whether one of the tolerations accepts the taint."""
    for item in tolerations:
        if item.get("effect") and item["effect"] != taint.get("effect"):
            continue
        if item.get("operator", "Equal") == "Exists":
            if not item.get("key") or item["key"] == taint["key"]:
                return True
        elif item.get("key") == taint["key"] and (item.get("value") or "") == (taint.get("value") or ""):
            return True
    return False


def intolerable(tolerations: Iterable[Json], node: Json) -> Json | None:
    """The first taint of a node that keeps a pod away, or None."""
    held = list(tolerations)
    for taint in dig(node, "spec", "taints") or ():
        if taint.get("effect") in {"NoSchedule", "NoExecute"} and not tolerates(held, taint):
            return dict(taint)
    return None


def selects_node(spec: Json, node: Json) -> bool:
    """Whether nodeSelector and required node affinity allow the node."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    required = dig(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_term_matches(term, node, labels) for term in required.get("nodeSelectorTerms") or ())


def _term_matches(term: Json, node: Json, labels: Json) -> bool:
    by_label = selectors.from_object({"matchExpressions": term.get("matchExpressions") or ()})
    by_field = selectors.from_object({"matchExpressions": term.get("matchFields") or ()})
    fields = {"metadata.name": node["metadata"]["name"]}
    if not by_label and not by_field:
        return False
    return selectors.select(by_label, labels) and selectors.select(by_field, fields)


class Scheduler(Controller):
    """Binds pods to the least loaded node that takes them, or says why none does."""

    name: ClassVar[str] = "default-scheduler"

    def watches(self) -> Watches:
        """Pods without a node; and whatever may open a way for them."""
        return {PODS: self._on_pod, ("", "nodes"): self._on_node, _CLAIMS: self._on_claim}

    def _on_pod(self, change: Change) -> list[Key]:
        bound = dig(change.entry.obj, "spec", "nodeName")
        if not bound:
            return [change.entry.key]
        # A pod that goes may free a place that anti-affinity kept, or one of the node's 110.
        return self.store.tables.pods_on("") if change.type == "DELETED" else []

    def _on_node(self, change: Change) -> list[Key]:
        if change.previous is not None and _shape(change.previous.obj) == _shape(change.entry.obj):
            return []
        return self.store.tables.pods_on("")

    def _on_claim(self, change: Change) -> list[Key]:
        return [key for key in self.store.tables.pods_on("") if key[0] == change.entry.key[0]]

    def reconcile(self, key: Key) -> float | None:
        """Find a node for one pod."""
        entry = self.store.tables.get(PODS, key)
        if entry is None or dig(entry.obj, "spec", "nodeName"):
            return None
        pod = entry.obj
        if pod["metadata"].get("deletionTimestamp") or dig(pod, "status", "phase") != "Pending":
            return None
        reasons: Counter[str] = Counter()
        best: tuple[int, str] | None = None
        for node in self.store.entries(("", "nodes")):
            why = self._objection(pod, node.obj)
            if why:
                reasons[why] += 1
                continue
            candidate = (self.store.tables.count_on(node.key[1]), node.key[1])
            best = min(best, candidate) if best else candidate
        if best is None:
            self._refuse(pod, reasons)
            return None
        waiting = self._volumes(pod, best[1])
        if waiting:
            self._refuse(pod, Counter({waiting: 1}))
            return None
        self._bind(key, pod, best[1])
        return None

    def _objection(self, pod: Json, node: Json) -> str:
        spec = pod["spec"]
        if dig(node, "spec", "unschedulable") and not tolerates(
            spec.get("tolerations") or (), {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        ):
            return "node(s) were unschedulable"
        taint = intolerable(spec.get("tolerations") or (), node)
        if taint is not None:
            return f"node(s) had untolerated taint(s) {{{taint['key']}: {taint.get('value') or ''}}}"
        if not podstatus.node_ready(node):
            return "node(s) were not ready"
        if not selects_node(spec, node):
            return "node(s) didn't match Pod's node affinity/selector"
        if self.store.tables.count_on(node["metadata"]["name"]) >= _room(node):
            return "Too many pods"
        if self._keeps_away(pod, node["metadata"]["name"]):
            return "node(s) didn't match pod anti-affinity rules"
        return ""

    def _keeps_away(self, pod: Json, node: str) -> bool:
        required = dig(
            pod, "spec", "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"
        )
        for term in required or ():
            if term.get("topologyKey") != "kubernetes.io/hostname":
                continue
            wanted = selectors.from_object(term.get("labelSelector"))
            for key in self.store.tables.pods_on(node):
                other = self.store.tables.get(PODS, key)
                here = key[0] in (term.get("namespaces") or [pod["metadata"]["namespace"]])
                if here and other and selectors.select(wanted, other.obj["metadata"].get("labels")):
                    return True
        return False

    def _volumes(self, pod: Json, node: str) -> str:
        """Ask for the volumes of a pod on a node; what is still missing, or an empty string."""
        namespace = pod["metadata"]["namespace"]
        for name in claims_of(pod):
            entry = self.store.tables.get(_CLAIMS, (namespace, name))
            if entry is None:
                return f'persistentvolumeclaim "{name}" not found'
            if dig(entry.obj, "status", "phase") == "Bound":
                continue
            if not self._waits_for_consumer(entry.obj):
                return "pod has unbound immediate PersistentVolumeClaims"

            def choose(claim: Json) -> None:
                claim["metadata"].setdefault("annotations", {})[SELECTED_NODE] = node

            self.store.modify("v1", "PersistentVolumeClaim", name, choose, namespace)
        return ""

    def _waits_for_consumer(self, claim: Json) -> bool:
        name = dig(claim, "spec", "storageClassName") or ""
        found = self.store.tables.get(("storage.k8s.io", "storageclasses"), ("", name))
        return found is not None and found.obj.get("volumeBindingMode") == "WaitForFirstConsumer"

    def _refuse(self, pod: Json, reasons: Counter[str]) -> None:
        total = len(list(self.store.entries(("", "nodes"))))
        listed = ", ".join(f"{count} {why}" for why, count in sorted(reasons.items()))
        text = f"0/{total} nodes are available: {listed}." if total else "no nodes available to schedule pods"
        if total and any(why.startswith(("pod has", "persistentvolumeclaim")) for why in reasons):
            text = f"0/{total} nodes are available: {next(iter(reasons))}."
        metadata = pod["metadata"]
        held: Json = next(
            (c for c in dig(pod, "status", "conditions") or () if c["type"] == "PodScheduled"), {}
        )
        if held.get("message") == text:
            return
        self.store.modify(
            "v1",
            "Pod",
            metadata["name"],
            lambda obj: podstatus.unschedulable(obj.setdefault("status", {}), text),
            metadata["namespace"],
        )
        self.events.record(pod, "FailedScheduling", text, warning=True, component=self.name)

    def _bind(self, key: Key, pod: Json, node: str) -> None:
        def bind(obj: Json) -> None:
            obj["spec"]["nodeName"] = node
            podstatus.scheduled(obj.setdefault("status", {}))

        self.store.modify("v1", "Pod", key[1], bind, key[0])
        text = f"Successfully assigned {key[0]}/{key[1]} to {node}"
        self.events.record(pod, "Scheduled", text, component=self.name)


def _room(node: Json) -> int:
    return int(dig(node, "status", "allocatable", "pods") or 110)


def _shape(node: Json) -> tuple[object, ...]:
    """What of a node decides whether a pod fits."""
    return (
        podstatus.node_ready(node),
        node.get("spec"),
        node["metadata"].get("labels"),
        dig(node, "status", "allocatable"),
    )
