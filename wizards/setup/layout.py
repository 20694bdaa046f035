"""What the present layout of servers survives, and why the roles are proposed as they are: sentences.

The facts: etcd takes a change only while a majority of its members (n // 2 + 1) answers, and the Kubernetes
API answers while one control plane does. While either is missing nothing can be changed, but what runs on the
workers goes on running.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wizards.setup.proposals import propose_roles


def quorum(members: int) -> int:
    """Return how many of `members` etcd members must answer for a change to be taken."""
    return members // 2 + 1


def losses_survived(rows: Sequence[Mapping[str, Any]]) -> int:
    """Return how many servers, whichever they are, may fail while the cluster can still be changed.

    `rows` are node mappings as in cluster.yaml; those without roles have the proposed ones. 0 also when the
    layout cannot work at all.
    """
    roles = _roles(rows)
    planes, members = _count(roles, "control-plane"), _count(roles, "etcd")
    return max(0, min(members - quorum(members), planes - 1))


def survival(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the layout in `rows` survives, in one or two sentences; nothing for no servers.

    `rows` are node mappings as in cluster.yaml; those without roles have the proposed ones.
    """
    roles = _roles(rows)
    if not roles:
        return ""
    if len(roles) == 1 and len(roles[0]) == 3:
        return "One server does everything: when it fails, all stops until it is back."
    return f"{_control(roles)} {_work(roles)}"


def _roles(rows: Sequence[Mapping[str, Any]]) -> list[frozenset[str]]:
    proposed = propose_roles(len(rows))
    return [frozenset(row.get("roles") or own) for row, own in zip(rows, proposed, strict=True)]


def _count(roles: Iterable[frozenset[str]], role: str) -> int:
    return sum(role in one for one in roles)


def _control(roles: Sequence[frozenset[str]]) -> str:
    """Return the sentence on control planes and etcd."""
    planes, members = _count(roles, "control-plane"), _count(roles, "etcd")
    if not planes:
        return "No server is a control plane: nothing would run Kubernetes itself."
    if not members:
        return "No server has the role etcd: nothing would keep the cluster's memory."
    if members % 2 == 0:
        less = "less than one" if members == 2 else f"no more losses than {members - 1}"
        return f"{members} etcd members survive {less}: {members - 1} or {members + 1} would be right."
    together = all(("control-plane" in one) == ("etcd" in one) for one in roles)
    return _together(members) if together else _apart(planes, members)


def _together(count: int) -> str:
    if count == 1:
        return "One control plane: when it fails the cluster cannot be changed until it is back."
    return f"Any {count - quorum(count)} of {count} control planes may fail."


def _apart(planes: int, members: int) -> str:
    """Return the sentence for etcd members that are not just the control planes; `members` is odd."""
    if planes == 1 and members == 1:
        return "One control plane and one etcd member: without either the cluster cannot be changed."
    if members == 1:
        return f"{planes} control planes, but one etcd member: without it the cluster cannot be changed."
    losses = f"Any {members - quorum(members)} of {members} etcd members may fail"
    if planes == 1:
        return f"{losses}, but not the one control plane."
    return f"{losses}, and all but one of {planes} control planes."


def _work(roles: Sequence[frozenset[str]]) -> str:
    """Return the sentence on the servers that run applications."""
    workers = _count(roles, "worker")
    if not workers:
        return "No worker: nothing would run applications."
    if workers == 1:
        return "One worker: applications stop while it is down."
    others = "the other one" if workers == 2 else f"the other {workers - 1}"
    return f"When a worker fails, its applications move to {others}."


def proposal_reason(count: int) -> str:
    """Return why `propose_roles` proposes what it does for `count` servers."""
    if count <= 0:
        return (
            "Roles are proposed from the number of servers: one is enough to start, three survive the loss "
            "of one."
        )
    if count == 1:
        return "One server does everything: it is the control plane, keeps etcd and runs applications."
    if count == 2:
        return (
            "The first is the control plane, the second only works: etcd, the cluster's memory, decides by "
            "majority, so that two members survive less than one."
        )
    if count <= 5:
        others = (
            ""
            if count == 3
            else f" The other {'one' if count == 4 else 'two'} only work{'s' * (count == 4)}."
        )
        return (
            "Three control planes that also work: etcd, the cluster's memory, needs an odd number to decide "
            f"by majority, and three survive the loss of one.{others}"
        )
    return (
        "Three control planes that do nothing else, since six and more servers can spare them: etcd needs an "
        f"odd number, and three survive the loss of one. The other {count - 3} run applications."
    )
