"""Judge workloads and the components made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from wizards.health.judge_pods import condition_of, created, labels, matches, trouble
from wizards.health.model import ComponentHealth, PodHealth, WorkloadHealth
from wizards.health.snapshot import NotYet, Object, Part, WorkloadKey, items
from wizards.health.state import State, worst
from wizards.setup.components import CATEGORIES, Component, Workload

YOUNG: Final = 600.0
"""Seconds for which a workload short of pods is being brought up: a Deployment's own progress deadline."""
JOINING: Final = 120.0
"""Seconds after the last node joined during which per-node pods may still be on their way."""
_SHOWN_PODS: Final = 10
_BY_NODES: Final = ", because of nodes that are not ready"


@dataclass(frozen=True, slots=True)
class Ground:
    """What workloads stand on.

    Attributes:
        now: The time, by the API server's clock.
        nodes: How many nodes there are; None when that could not be read.
        unready: The nodes that are not ready: pods there are not ready through no fault of theirs.
        newest: When the last node joined.
    """

    now: float
    nodes: int | None = None
    unready: frozenset[str] = frozenset()
    newest: float | None = None


@dataclass(frozen=True, slots=True)
class _Counts:
    desired: int
    ready: int
    updated: int
    available: int
    observed: bool
    old: int = 0

    @property
    def settled(self) -> bool:
        return (
            self.observed and not self.old and min(self.ready, self.updated, self.available) >= self.desired
        )


def _counts(obj: Object) -> _Counts:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    observed = status.get("observedGeneration", 0) >= obj["metadata"].get("generation", 0)
    if obj["kind"] == "DaemonSet":
        desired = status.get("desiredNumberScheduled", 0)
        by_hand = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
        return _Counts(
            desired=desired,
            ready=status.get("numberReady", 0),
            # With OnDelete old pods stay on purpose (Mayastor's io-engine).
            updated=desired if by_hand else status.get("updatedNumberScheduled", 0),
            available=status.get("numberAvailable", 0),
            observed=observed,
        )
    desired = spec.get("replicas", 1)
    by_hand = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
    updated = desired if by_hand else status.get("updatedReplicas", 0)
    # In a rollout that is stuck the old pods go on serving, and every other count looks right.
    old = status.get("replicas", 0) - updated if obj["kind"] == "Deployment" else 0
    return _Counts(
        desired=desired,
        ready=status.get("readyReplicas", 0),
        updated=updated,
        available=status.get("availableReplicas", 0),
        observed=observed,
        old=max(0, old),
    )


def is_settled(obj: Object) -> bool:
    """Tell whether all pods that a workload wants are up to date and ready."""
    return _counts(obj).settled


def judge_components(
    expected: Iterable[Component],
    workloads: Mapping[WorkloadKey, Part],
    pods: Mapping[str, Part],
    ground: Ground,
    *,
    chosen: bool,
) -> tuple[ComponentHealth, ...]:
    """Judge the components that have workloads, worst first.

    Args:
        expected: The components that were chosen, or all that are known.
        workloads: The workloads that were read, by kind and namespace.
        pods: The pods that were read, by namespace.
        ground: The nodes they stand on, and the time.
        chosen: Whether what is not found is missing. Otherwise it was never there, and is left out.
    """
    found = []
    for component in expected:
        parts = _judge_expected(component, workloads, pods, ground, chosen=chosen)
        if parts:
            found.append(_component(component, parts))
    return tuple(
        sorted(found, key=lambda part: (-part.state.rank, CATEGORIES.index(part.category), part.title))
    )


def _judge_expected(
    component: Component,
    workloads: Mapping[WorkloadKey, Part],
    pods: Mapping[str, Part],
    ground: Ground,
    *,
    chosen: bool,
) -> list[WorkloadHealth]:
    judged: list[WorkloadHealth] = []
    for workload in component.workloads:
        part = workloads.get((workload.kind, workload.namespace), NotYet())
        matched = _matched(workload, items(part))
        if matched:
            near = items(pods.get(workload.namespace, ()))
            judged.extend(_judge_matched(workload, matched, near, ground))
        elif not chosen:
            continue
        elif isinstance(part, tuple):
            judged.append(_bare(workload, State.MISSING, "it is not in the cluster"))
        else:
            judged.append(_bare(workload, State.UNKNOWN, part.reason))
    return judged


def _component(component: Component, parts: list[WorkloadHealth]) -> ComponentHealth:
    parts.sort(key=lambda part: -part.state.rank)
    state = worst(*(part.state for part in parts))
    if parts and all(part.state is State.MISSING for part in parts):
        reason = f"it is not in namespace {component.namespace}"
    elif state is State.MISSING:
        # Something of it is there: it is not absent, it lacks a part.
        state, reason = State.BROKEN, f"{parts[0].kind} {parts[0].name} is missing"
    else:
        reason = next((f"{part.name}: {part.reason}" for part in parts if part.state is state), "")
    return ComponentHealth(
        component.id,
        component.title,
        component.category,
        state,
        "" if state is State.HEALTHY else reason,
        tuple(parts),
    )


def _bare(workload: Workload, state: State, reason: str) -> WorkloadHealth:
    return WorkloadHealth(workload.kind, workload.namespace, workload.name, state, reason)


def _matched(workload: Workload, objects: tuple[Object, ...]) -> list[Object]:
    """Return the objects meant by `workload`: by their own labels, or by those they give their pods."""
    found = [
        obj for obj in objects if workload.selects(labels(obj)) or workload.selects(_template_labels(obj))
    ]
    # Flannel comes as one DaemonSet per architecture; those of absent architectures rightly want no pods.
    return [obj for obj in found if _counts(obj).desired] or found


def _template_labels(obj: Object) -> dict[str, str]:
    template = (obj.get("spec") or {}).get("template") or {}
    return (template.get("metadata") or {}).get("labels") or {}


def _judge_matched(
    workload: Workload, matched: list[Object], pods: tuple[Object, ...], ground: Ground
) -> list[WorkloadHealth]:
    judged = [_judge_one(obj, pods, ground) for obj in matched]
    if all(_counts(obj).observed for obj in matched):
        judged[0] = _judge_extent(workload, judged[0], sum(_counts(obj).desired for obj in matched), ground)
    return judged


def _judge_extent(workload: Workload, judged: WorkloadHealth, desired: int, ground: Ground) -> WorkloadHealth:
    """Say so when a workload wants fewer pods than the component needs: it would look ready otherwise."""
    verdict = _extent(workload, desired, ground)
    if verdict is None or verdict[0].rank <= judged.state.rank:
        return judged
    return replace(judged, state=verdict[0], reason=verdict[1])


def _extent(workload: Workload, desired: int, ground: Ground) -> tuple[State, str] | None:
    if workload.kind != "DaemonSet":
        if desired >= workload.minimum:
            return None
        if desired == 0:
            return State.BROKEN, "it is scaled to no pods"
        return State.DEGRADED, f"it wants {desired} of the {workload.minimum} pods it needs"
    needed = max(workload.minimum, (ground.nodes or 0) if workload.every_node else 0)
    if desired >= needed:
        return None
    if ground.nodes == 0 or (ground.newest is not None and ground.now - ground.newest < JOINING):
        return State.PROGRESSING, f"nodes are joining; it runs on {desired} of {needed} so far"
    if desired == 0:
        return State.BROKEN, "it runs on no node (no node has its label, or taints keep it off)"
    return State.DEGRADED, f"it runs on {desired} of the {needed} nodes it should"


def _judge_one(obj: Object, pods: tuple[Object, ...], ground: Ground) -> WorkloadHealth:
    counts = _counts(obj)
    troubled = _troubles(obj, pods, ground.now)
    if counts.settled:
        state, reason = State.HEALTHY, ""
        troubled = []
    else:
        state, reason = _short_of_pods(obj, counts, troubled, ground)
    return WorkloadHealth(
        kind=obj["kind"],
        namespace=obj["metadata"].get("namespace", ""),
        name=obj["metadata"]["name"],
        state=state,
        reason=reason,
        desired=counts.desired,
        ready=counts.ready,
        updated=counts.updated,
        pods=tuple(troubled[:_SHOWN_PODS]),
        by_nodes=reason.endswith(_BY_NODES),
    )


def _troubles(obj: Object, pods: tuple[Object, ...], now: float) -> list[PodHealth]:
    selector = (obj.get("spec") or {}).get("selector")
    mine = (
        trouble(pod, now)
        for pod in pods
        if pod["metadata"].get("namespace") == obj["metadata"].get("namespace")
        and matches(selector, labels(pod))
    )
    return sorted((pod for pod in mine if pod), key=lambda pod: (-pod.state.rank, pod.name))


def _short_of_pods(
    obj: Object, counts: _Counts, troubled: list[PodHealth], ground: Ground
) -> tuple[State, str]:
    """Judge a workload that lacks pods: is it on its way, hurt, or not working at all?"""
    if not counts.observed:
        return State.PROGRESSING, "a change is about to be carried out"
    tally = f"{counts.ready} of {counts.desired} pods ready"
    if counts.ready >= counts.desired:
        tally = f"{min(counts.ready, counts.updated)} of {counts.desired} pods updated"
        if counts.old and counts.updated >= counts.desired:
            tally = "the new pods are not ready, so the old ones still serve"
    bad = State.BROKEN if counts.ready == 0 else State.DEGRADED
    broken = [pod for pod in troubled if pod.state is State.BROKEN and pod.node not in ground.unready]
    if broken:
        return bad, f"{tally}; {broken[0].name}: {broken[0].reason}, {broken[0].message}"
    if failure := _failure(obj):
        return bad, f"{tally}; {failure}"
    if _blamed_on_nodes(counts, troubled, ground):
        return bad, f"{tally}{_BY_NODES}"
    if (
        counts.updated < counts.desired
        or (counts.old and not troubled)
        or _on_the_way(obj, troubled, ground.now)
    ):
        return State.PROGRESSING, tally
    return bad, tally


def _failure(obj: Object) -> str:
    """Return what the controller itself reports as failed, in words."""
    replica = condition_of(obj, "ReplicaFailure")
    if replica and replica.get("status") == "True":
        return f"pods cannot be made: {replica.get('message', '')}"
    progress = condition_of(obj, "Progressing")
    if progress and progress.get("reason") == "ProgressDeadlineExceeded":
        return "the rollout did not finish in its time (ProgressDeadlineExceeded)"
    return ""


def _blamed_on_nodes(counts: _Counts, troubled: list[PodHealth], ground: Ground) -> bool:
    if not ground.unready or not counts.desired > counts.ready:
        return False
    if troubled:
        return all(pod.node in ground.unready for pod in troubled)
    return counts.desired - counts.ready <= len(ground.unready)


def _on_the_way(obj: Object, troubled: list[PodHealth], now: float) -> bool:
    if troubled:
        return all(pod.state is State.PROGRESSING for pod in troubled)
    since = created(obj)
    available = condition_of(obj, "Available")
    if available and available.get("status") == "False":
        from_condition = available.get("lastTransitionTime")
        since = created({"metadata": {"creationTimestamp": from_condition}}) or since
    return since is not None and now - since < YOUNG


def stray_pods(
    expected: Iterable[Component],
    workloads: Mapping[WorkloadKey, Part],
    pods: Mapping[str, Part],
    ground: Ground,
) -> tuple[PodHealth, ...]:
    """Return failing pods in the components' namespaces that no expected workload accounts for.

    Static pods (kube-vip, the API proxy) are such. Pods that ended and are only not tidied away (evicted, of
    jobs) are not counted, nor are pods on nodes that are not ready.
    """
    selectors = [
        (obj["metadata"].get("namespace"), (obj.get("spec") or {}).get("selector"))
        for component in expected
        for workload in component.workloads
        for obj in _matched(workload, items(workloads.get((workload.kind, workload.namespace), ())))
    ]
    found = []
    for namespace, part in pods.items():
        for pod in items(part):
            if any(ns == namespace and matches(selector, labels(pod)) for ns, selector in selectors):
                continue
            static = any(o.get("kind") == "Node" for o in pod["metadata"].get("ownerReferences") or ())
            if (pod.get("status") or {}).get("phase") == "Failed" and not static:
                continue
            judged = trouble(pod, ground.now)
            if judged and judged.state.rank >= State.DEGRADED.rank and judged.node not in ground.unready:
                found.append(judged)
    return tuple(sorted(found, key=lambda pod: (-pod.state.rank, pod.namespace, pod.name)))
