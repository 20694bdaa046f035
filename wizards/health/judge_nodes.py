"""Judge nodes and the control plane."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from wizards.health.judge_pods import condition_of, created, labels
from wizards.health.model import Check, ControlPlane, NodeHealth
from wizards.health.snapshot import Denied, Missing, NotYet, Object, Readyz, Snapshot, items
from wizards.health.state import State, epoch

JOINING: Final = 300.0
"""Seconds for which a node that is not ready yet counts as joining: its network plugin is being started."""
_FIRST_READY: Final = 2.0
"""Seconds after it joined within which a node's first condition is set."""
LEASE: Final = 40.0
"""Seconds a kubelet's lease lasts where it does not say (nodeLeaseDurationSeconds' default). It is renewed
every 10 s, so an expired one tells of a silent kubelet before the node controller's grace (50 s) is over."""
LEADERLESS: Final = 60.0
"""Seconds after which a leader that does not renew its lease is gone (they last 15 s)."""

_ROLE: Final = "node-role.kubernetes.io/"
_PRESSURES: Final = {
    "MemoryPressure": "memory runs short",
    "DiskPressure": "disk space runs short",
    "PIDPressure": "too many processes",
    "NetworkUnavailable": "its network is not set up",
}
_LEADERS: Final = {"kube-scheduler": "scheduler", "kube-controller-manager": "controller manager"}


def judge_nodes(snapshot: Snapshot, chosen: Iterable[str] = ()) -> tuple[NodeHealth, ...]:
    """Judge the nodes, worst first; `chosen` names those that ought to be there."""
    heard = {lease["metadata"]["name"]: _renewed(lease) for lease in items(snapshot.leases)}
    judged = [
        _judge_node(node, heard.get(node["metadata"]["name"]), snapshot) for node in items(snapshot.nodes)
    ]
    if isinstance(snapshot.nodes, tuple):
        names = {node.name for node in judged}
        judged.extend(
            NodeHealth(name, State.MISSING, None, "it has not joined the cluster")
            for name in chosen
            if name not in names
        )
    return tuple(sorted(judged, key=lambda node: (-node.state.rank, _natural(node.name))))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _renewed(lease: Object) -> tuple[float | None, float]:
    spec = lease.get("spec") or {}
    return epoch(spec.get("renewTime")), float(spec.get("leaseDurationSeconds") or LEASE)


def _judge_node(node: Object, lease: tuple[float | None, float] | None, snapshot: Snapshot) -> NodeHealth:
    status, spec = node.get("status") or {}, node.get("spec") or {}
    condition = condition_of(node, "Ready")
    pressures = tuple(
        words
        for kind, words in _PRESSURES.items()
        if (condition_of(node, kind) or {}).get("status") == "True"
    )
    heard = lease[0] if lease else None
    silent = snapshot.leases_at - heard if lease and heard is not None else 0.0
    ready = None if condition is None else condition.get("status") == "True"
    state, reason = _node_state(node, condition, snapshot.now)
    if state is State.HEALTHY and lease and silent > lease[1]:
        state, reason = State.DEGRADED, f"its kubelet has not been heard for {int(silent)} s"
    elif state is State.HEALTHY and pressures:
        state, reason = State.DEGRADED, ", ".join(pressures)
    info = status.get("nodeInfo") or {}
    return NodeHealth(
        name=node["metadata"]["name"],
        state=state,
        ready=ready,
        reason=reason,
        since=epoch((condition or {}).get("lastTransitionTime")),
        roles=_roles(labels(node)),
        version=info.get("kubeletVersion", ""),
        created=created(node),
        pressures=pressures,
        schedulable=not spec.get("unschedulable", False),
        heard=heard,
        address=next(
            (a["address"] for a in status.get("addresses") or () if a.get("type") == "InternalIP"), ""
        ),
        os=info.get("osImage", ""),
    )


def _node_state(node: Object, condition: Object | None, now: float) -> tuple[State, str]:
    if condition is not None and condition.get("status") == "True":
        return State.HEALTHY, ""
    born = created(node)
    since = epoch((condition or {}).get("lastTransitionTime"))
    # A node that was ready once and is not any more does not join: it fails.
    failed = since is not None and born is not None and since - born > _FIRST_READY
    young = born is not None and now - born < JOINING and not failed
    if condition is None:
        return (State.PROGRESSING if young else State.BROKEN), "it has not reported yet"
    if condition.get("status") == "Unknown":
        return State.BROKEN, "its kubelet stopped reporting (NodeStatusUnknown)"
    reason, message = condition.get("reason") or "NotReady", condition.get("message") or ""
    words = "its pod network is not up yet" if "cni" in message.lower() else message
    text = f"{' '.join(words.split())} ({reason})" if words else f"its kubelet says {reason}"
    return (State.PROGRESSING if young else State.BROKEN), text


def _roles(having: Mapping[str, str]) -> tuple[str, ...]:
    found = {key.removeprefix(_ROLE) for key in having if key.startswith(_ROLE)} - {"", "master"}
    return tuple(sorted(found, key=lambda role: (role != "control-plane", role))) or ("worker",)


_LINE: Final = re.compile(r"\[(?P<mark>[+-])\](?P<name>\S+)\s*(?P<rest>.*)")
_WORDS: Final = {
    "etcd": "etcd does not answer",
    "etcd-readiness": "etcd is not ready",
    "informer-sync": "its caches are not filled yet",
    "shutdown": "it is shutting down",
}


def judge_control_plane(snapshot: Snapshot) -> ControlPlane:
    """Judge the control plane by ``/readyz?verbose`` and the leaders' leases."""
    version = snapshot.version if isinstance(snapshot.version, str) else ""
    leaders = tuple(
        (lease["metadata"]["name"], _holder(lease))
        for lease in items(snapshot.system_leases)
        if lease["metadata"]["name"] in _LEADERS
    )
    answer = snapshot.readyz
    if not isinstance(answer, Readyz):
        failed = not isinstance(answer, Denied | Missing | NotYet)
        state = State.BROKEN if failed else State.UNKNOWN
        return ControlPlane(state, answer.reason, version, (), leaders)
    checks = tuple(sorted(_checks(answer.lines), key=lambda check: check.ok))
    if not answer.ok:
        failing = [_WORDS.get(check.name, f"{check.name} fails") for check in checks if not check.ok]
        reason = ", ".join(failing) or "it says that it is not ready"
        return ControlPlane(State.BROKEN, reason, version, checks, leaders)
    gone = _leaderless(snapshot)
    return ControlPlane(State.DEGRADED if gone else State.HEALTHY, gone, version, checks, leaders)


def _checks(lines: Iterable[str]) -> Iterable[Check]:
    for line in lines:
        if match := _LINE.fullmatch(line.strip()):
            yield Check(match["name"], match["mark"] == "+", match["rest"])


def _holder(lease: Object) -> str:
    """Return the host a leader runs on: its identity is ``host_uuid``."""
    return str((lease.get("spec") or {}).get("holderIdentity") or "").rsplit("_", 1)[0]


def _leaderless(snapshot: Snapshot) -> str:
    """Name the leaders that have not renewed their lease for a minute."""
    silent = []
    for lease in items(snapshot.system_leases):
        who, renewed = _LEADERS.get(lease["metadata"]["name"]), _renewed(lease)[0]
        if who and renewed is not None and snapshot.leases_at - renewed > LEADERLESS:
            silent.append(f"the {who} has not been heard for {int(snapshot.leases_at - renewed)} s")
    return ", ".join(silent)
