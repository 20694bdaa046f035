"""Health as plain lines: for ``slipway health``, the end of a run, and terminals without a screen.

Every line carries its state as a sign and as a word, so that no colour is needed, and fits its width.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

from wizards.health.model import Health, NodeHealth, PoolUse, ServiceAddress
from wizards.health.state import State

WIDTH: Final = 80
_MOST: Final = 20
"""Lines of one kind that are shown before the rest is counted; the worst come first."""

_SIGNS: Final = {
    State.HEALTHY: "✓",
    State.PROGRESSING: "!",
    State.DEGRADED: "!",
    State.BROKEN: "✗",
    State.MISSING: "✗",
    State.UNKNOWN: "?",
}
_ASCII: Final = {"✓": "+", "✗": "x"}


def symbol(state: State, *, ascii_only: bool = False) -> str:
    """Return the sign for `state`: ✓, !, ✗ or ?; with `ascii_only` +, !, x or ?."""
    sign = _SIGNS[state]
    return _ASCII.get(sign, sign) if ascii_only else sign


def span(seconds: float) -> str:
    """Return a length of time in its largest whole unit, such as ``3 h``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def health_lines(health: Health, *, width: int = WIDTH, ascii_only: bool = False) -> list[str]:
    """Return `health` as lines of at most `width` characters, the verdict first."""
    lines = [
        line
        for text in (health.sentence, _about(health))
        for line in textwrap.wrap(text, width, break_long_words=True)
    ]
    if health.control_plane.version or health.nodes:
        for title, rows in _sections(health, ascii_only=ascii_only):
            body = list(rows)
            if body:
                lines += ["", title, *_fit(body, width)]
    lines += _what_to_do(health, width)
    if health.unread:
        what = ", ".join(f"{item.what} ({item.reason})" for item in health.unread)
        lines += ["", *textwrap.wrap(f"Not looked at: {what}", width, subsequent_indent="  ")]
    return [_plain(line) if ascii_only else line for line in lines]


def _plain(line: str) -> str:
    for sign, instead in (("✓", "+"), ("✗", "x"), ("…", "..."), ("×", "x")):
        line = line.replace(sign, instead)
    return line.encode("ascii", "replace").decode()


def _about(health: Health) -> str:
    parts = [f"Cluster {health.cluster}" if health.cluster else "Cluster"]
    if health.server:
        parts.append(f"at {health.server}")
    if health.control_plane.version:
        parts.append(f"Kubernetes {health.control_plane.version}")
    return f"{parts[0]} {', '.join(parts[1:])}".strip()


def _fit(rows: Iterable[str], width: int) -> Iterator[str]:
    for row in rows:
        yield from textwrap.wrap(row, width, initial_indent="  ", subsequent_indent="    ") or [""]


def _sections(health: Health, *, ascii_only: bool) -> Iterator[tuple[str, Iterable[str]]]:
    def sign(state: State) -> str:
        return symbol(state, ascii_only=ascii_only)

    plane = health.control_plane
    passed = sum(check.ok for check in plane.checks)
    checks = f"ready, {passed} checks passed" if plane.state is State.HEALTHY else plane.reason
    yield "Control plane", [f"{sign(plane.state)} {plane.state:<11} {checks}"]
    yield (
        "Nodes",
        _limited([f"{sign(node.state)} {_node(node, health)}" for node in health.nodes], "nodes"),
    )
    yield (
        "Components",
        [
            f"{sign(part.state)} {part.title:<24} {part.state}{f': {part.reason}' if part.reason else ''}"
            for part in health.components
        ],
    )
    pools = [f"{sign(pool.state)} {_pool(pool)}" for pool in health.addresses.pools]
    services = [f"{sign(service.state)} {_service(service)}" for service in health.addresses.services]
    yield "Load-balancer addresses", pools + list(_limited(services, "Services"))
    yield "Storage", _storage(health, sign(State.HEALTHY))
    yield "Warnings of the last hour", _limited(_warnings(health), "warnings")


def _limited(rows: list[str], what: str) -> list[str]:
    return rows if len(rows) <= _MOST else [*rows[:_MOST], f"… and {len(rows) - _MOST} more {what}"]


def _node(node: NodeHealth, health: Health) -> str:
    word = {True: "ready", False: "not ready", None: node.state.value}[node.ready]
    facts = [", ".join(node.roles), node.version]
    if node.created is not None:
        facts.append(f"{span(health.at - node.created)} old")
    if not node.schedulable:
        facts.append("cordoned")
    text = f"{node.name:<16} {word:<9} {'  '.join(fact for fact in facts if fact)}"
    return f"{text.rstrip()}: {node.reason}" if node.reason else text.rstrip()


def _pool(pool: PoolUse) -> str:
    free = "" if pool.free is None else f", {pool.free} free"
    text = f"pool {pool.name}: {', '.join(pool.ranges)}, {pool.assigned} in use{free}"
    return f"{text}: {pool.reason}" if pool.reason else text


def _service(service: ServiceAddress) -> str:
    text = f"{service.namespace}/{service.name}: {', '.join(service.addresses) or 'no address'}"
    if service.pool:
        text += f" from pool {service.pool}"
    return f"{text}: {service.reason}" if service.reason else text


def _storage(health: Health, healthy: str) -> list[str]:
    rows = [
        f"{healthy} {item.name}{' (default)' if item.default else ''}: {item.provisioner}"
        for item in health.storage.classes
    ]
    rows += [f"{symbol(health.storage.state)} {health.storage.reason}"] if health.storage.reason else []
    claims = [
        f"{symbol(claim.state)} claim {claim.namespace}/{claim.name} ({claim.storage_class or 'no class'}): "
        f"{claim.reason}"
        for claim in health.storage.claims
    ]
    return rows + _limited(claims, "claims")


def _warnings(health: Health) -> list[str]:
    rows = []
    for group in health.warnings:
        where = f" ({group.objects} objects)" if group.objects > 1 else ""
        rows.append(
            f"! {group.count}× {group.reason} on {group.kind} {group.example}{where}, "
            f"last {span(health.at - group.last)} ago: {_short(group.message)}"
        )
    return rows


def _short(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _what_to_do(health: Health, width: int) -> list[str]:
    told = [problem for problem in health.problems if problem.remedy]
    if not told:
        return []
    lines = ["", "What to do"]
    for number, problem in enumerate(told[:_MOST], start=1):
        lines += textwrap.wrap(
            f"{number}. {_short(problem.message, 240)} {problem.remedy}",
            width,
            initial_indent="  ",
            subsequent_indent="     ",
        )
    return lines
