"""Judge a cluster: from what was read to what it means, and to one verdict. Pure: nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from wizards.health.judge_addresses import judge_addresses
from wizards.health.judge_events import group_warnings, judge_apis
from wizards.health.judge_nodes import judge_control_plane, judge_nodes
from wizards.health.judge_pods import created
from wizards.health.judge_problems import NODES, problems
from wizards.health.judge_storage import judge_storage
from wizards.health.judge_workloads import Ground, judge_components, stray_pods
from wizards.health.model import Health, Problem, Unread
from wizards.health.snapshot import Denied, Gap, Missing, NotYet, Snapshot, items
from wizards.health.state import State
from wizards.setup.components import all_components, chosen_components
from wizards.setup.spec import ClusterSpec, Target

_WORDS: Final = {
    State.HEALTHY: "Healthy",
    State.PROGRESSING: "Progressing",
    State.DEGRADED: "Degraded",
    State.BROKEN: "Broken",
    State.UNKNOWN: "Unknown",
}


def judge(snapshot: Snapshot, spec: ClusterSpec | None, now: float | None = None) -> Health:
    """Return the health of the cluster that `snapshot` was taken of.

    Args:
        snapshot: What was read.
        spec: The answers it was made from; without them the components are those that are found.
        now: The time of judgement by this machine's clock, in seconds since the epoch, where it is later than
            the snapshot.
    """
    health = _judge_parts(snapshot, spec, snapshot.at if now is None else now)
    found = problems(health)
    verdict = _verdict(health, snapshot, found)
    return replace(health, verdict=verdict, sentence=_sentence(health, verdict, found), problems=found)


def _judge_parts(snapshot: Snapshot, spec: ClusterSpec | None, at: float) -> Health:
    named = spec is not None and spec.target is Target.BARE_METAL
    nodes = judge_nodes(snapshot, (node.name for node in spec.nodes) if named and spec else ())
    expected = all_components() if spec is None else chosen_components(spec)
    ground = Ground(
        now=snapshot.now,
        nodes=len(snapshot.nodes) if isinstance(snapshot.nodes, tuple) else None,
        unready=frozenset(node.name for node in nodes if node.ready is not True),
        newest=max((born for node in items(snapshot.nodes) if (born := created(node))), default=None),
    )
    return Health(
        verdict=State.UNKNOWN,
        sentence="",
        at=at,
        read_at=snapshot.at,
        cluster=spec.name if spec else "",
        server=snapshot.server,
        unreachable=snapshot.unreachable,
        control_plane=judge_control_plane(snapshot),
        nodes=nodes,
        components=judge_components(
            expected, snapshot.workloads, snapshot.pods, ground, chosen=spec is not None
        ),
        addresses=judge_addresses(snapshot, spec),
        storage=judge_storage(snapshot, spec),
        apis=judge_apis(snapshot),
        pods=stray_pods(expected, snapshot.workloads, snapshot.pods, ground),
        warnings=group_warnings(snapshot),
        unread=tuple(_unread(snapshot)),
    )


# What was not looked at: said, and never red.


def _unread(snapshot: Snapshot) -> Iterator[Unread]:
    parts: dict[str, object] = {
        "Version": snapshot.version,
        "Readiness of the control plane": snapshot.readyz,
        NODES: snapshot.nodes,
        "Heartbeats of the nodes": snapshot.leases,
        "Services": snapshot.services,
        "StorageClasses": snapshot.storage_classes,
        "PersistentVolumeClaims": snapshot.claims,
        "Events": snapshot.events,
        "APIServices": snapshot.apis,
    }
    parts |= {f"{kind}s in {namespace}": part for (kind, namespace), part in snapshot.workloads.items()}
    parts |= {f"Pods in {namespace}": part for namespace, part in snapshot.pods.items()}
    parts |= dict(snapshot.resources)
    for what, part in parts.items():
        if isinstance(part, Gap) and not isinstance(part, Missing):
            yield Unread(what, part.reason, isinstance(part, Denied), isinstance(part, NotYet))


# The verdict.


def _verdict(health: Health, snapshot: Snapshot, found: tuple[Problem, ...]) -> State:
    if health.unreachable or isinstance(snapshot.nodes, NotYet):
        return State.UNKNOWN
    if found:
        return found[0].state
    blind = not isinstance(snapshot.nodes, tuple) or isinstance(snapshot.readyz, NotYet)
    if blind or any(part.state is State.UNKNOWN for part in health.components):
        return State.UNKNOWN
    return State.HEALTHY


def _sentence(health: Health, verdict: State, found: tuple[Problem, ...]) -> str:
    counts = _counts(health)
    if health.unreachable:
        seen = f" Last seen {_ago(health.age)} ago: {counts}." if health.nodes else ""
        return f"Unknown: {health.unreachable}{seen}"
    if verdict is State.UNKNOWN and any(item.pending for item in health.unread):
        return "Unknown: the cluster is still being read."
    if verdict is State.UNKNOWN:
        hidden = sum(part.state is State.UNKNOWN for part in health.components)
        what = "the nodes"
        if hidden:
            what = "1 component" if hidden == 1 else f"{hidden} components"
        return f"Unknown: {what} could not be looked at; {counts}."
    if verdict is State.HEALTHY or not found:
        return f"{_WORDS[verdict]}: {counts}."
    more = "" if len(found) == 1 else f"; {len(found) - 1} more problem{'s' if len(found) > 2 else ''}"
    return f"{_WORDS[verdict]}: {_first_words(found[0])}{more}; {counts}."


def _first_words(problem: Problem) -> str:
    text = problem.message.rstrip(".")
    return text if text[:2].isupper() or problem.area == "components" else text[0].lower() + text[1:]


def _counts(health: Health) -> str:
    ready = sum(node.ready is True for node in health.nodes)
    fine = sum(part.state is State.HEALTHY for part in health.components)
    text = f"{ready} of {len(health.nodes)} nodes ready"
    return f"{text}, {fine} of {len(health.components)} components healthy" if health.components else text


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{int(seconds)} s"
    return f"{int(seconds // 60)} min" if seconds < 7200 else f"{int(seconds // 3600)} h"
