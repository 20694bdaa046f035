"""Health as rows: a sign, what, one line, and the detail that follows the highlighted row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wizards.health.model import ComponentHealth, Health, NodeHealth, State, WarningGroup, WorkloadHealth
from wizards.health.text import span, symbol

MOST_NODES = 60


@dataclass(frozen=True, slots=True)
class HealthRow:
    """One line of the health view. `state` is None for a heading, which cannot be highlighted."""

    id: str
    title: str
    text: str = ""
    state: State | None = None
    detail: str = ""

    @property
    def sign(self) -> str:
        """The row's symbol."""
        return symbol(self.state) if self.state is not None else ""


def health_rows(health: Health) -> tuple[HealthRow, ...]:
    """Return the rows of a health view: what is wrong first, then section by section."""
    return tuple(_rows(health))


def _rows(health: Health) -> Iterator[HealthRow]:
    if health.problems:
        yield HealthRow("h-problems", "What to do")
        for number, one in enumerate(health.problems[:8]):
            yield HealthRow(
                f"problem-{number}", one.subject, one.message, one.state, f"{one.message}\n{one.remedy}"
            )
    yield HealthRow("h-control", "Control plane")
    yield _control_plane(health)
    yield HealthRow(
        "h-nodes", f"Nodes ({sum(one.ready is True for one in health.nodes)} of {len(health.nodes)} ready)"
    )
    for node in health.nodes[:MOST_NODES]:
        yield _node(node, health)
    if len(health.nodes) > MOST_NODES:
        yield HealthRow(
            "nodes-more", f"and {len(health.nodes) - MOST_NODES} more", "none of them worse", State.HEALTHY
        )
    if health.components:
        yield HealthRow("h-components", "What was chosen")
    for part in health.components:
        yield _component(part)
    yield from _addresses(health)
    yield from _storage(health)
    if health.warnings:
        yield HealthRow("h-warnings", "Warnings of the last hour")
    for number, group in enumerate(health.warnings[:20]):
        yield _warning(number, group, health)
    for gap in health.unread:
        text = f"not looked at: {gap.reason}"
        yield HealthRow(f"unread-{gap.what}", gap.what, text, State.UNKNOWN, gap.reason)


def _control_plane(health: Health) -> HealthRow:
    plane = health.control_plane
    passed = sum(one.ok for one in plane.checks)
    lines = [f"Kubernetes {plane.version}"] if plane.version else []
    lines += [f"✓ {one.name}" if one.ok else f"✗ {one.name} {one.message}".rstrip() for one in plane.checks]
    lines += [f"{who} is led by {leader}" for who, leader in plane.leaders]
    text = plane.reason or f"{passed} of {len(plane.checks)} readiness checks pass  {plane.version}"
    return HealthRow("control-plane", "API server", text, plane.state, "\n".join(lines))


def _node(node: NodeHealth, health: Health) -> HealthRow:
    word = {True: "ready", False: "not ready", None: node.state.value}[node.ready]
    age = f"{span(health.at - node.created)} old" if node.created is not None else ""
    facts = [word, ", ".join(node.roles), node.version, age, "" if node.schedulable else "cordoned"]
    text = node.reason or "  ".join(one for one in facts if one)
    pressure = ", ".join(node.pressures) or "none"
    detail = [
        f"{node.name}: {word}" + (f" for {span(health.at - node.since)}" if node.since else ""),
        f"Roles {', '.join(node.roles)} · kubelet {node.version} · {age}",
        f"Address {node.address} · {node.os}",
        f"Pressure: {pressure}" + (f" · heard {span(health.at - node.heard)} ago" if node.heard else ""),
    ]
    if node.reason:
        detail.insert(1, node.reason)
    return HealthRow(f"node-{node.name}", node.name, text, node.state, "\n".join(detail))


def _component(part: ComponentHealth) -> HealthRow:
    ready = sum(one.ready for one in part.workloads)
    desired = sum(one.desired for one in part.workloads)
    text = part.reason or f"{part.state}  {ready} of {desired} pods ready"
    lines = [line for one in part.workloads for line in _workload(one)]
    return HealthRow(f"component-{part.id}", part.title, text, part.state, "\n".join(lines))


def _workload(one: WorkloadHealth) -> Iterator[str]:
    ready = f"{one.ready} of {one.desired} ready"
    yield f"{symbol(one.state)} {one.kind} {one.namespace}/{one.name}: {ready} {one.reason}".rstrip()
    for pod in one.pods:
        yield f"    {pod.name} on {pod.node or 'no node'}: {pod.reason} {pod.message}"


def _addresses(health: Health) -> Iterator[HealthRow]:
    pools, services = health.addresses.pools, health.addresses.services
    if not pools and not services:
        return
    yield HealthRow("h-addresses", "Load-balancer addresses")
    for pool in pools:
        free = "" if pool.free is None else f", {pool.free} free"
        text = pool.reason or f"{', '.join(pool.ranges)}  {pool.assigned} in use{free}"
        yield HealthRow(f"pool-{pool.name}", f"pool {pool.name}", text, pool.state, text)
    for one in services[:20]:
        text = one.reason or f"{', '.join(one.addresses)}  {', '.join(one.ports)}"
        detail = f"{text}\nPool {one.pool or '-'}, answered by {one.node or '-'}"
        yield HealthRow(
            f"service-{one.namespace}-{one.name}", f"{one.namespace}/{one.name}", text, one.state, detail
        )


def _storage(health: Health) -> Iterator[HealthRow]:
    storage = health.storage
    if not storage.classes and not storage.reason:
        return
    yield HealthRow("h-storage", "Storage")
    if storage.reason:
        yield HealthRow("storage", "StorageClasses", storage.reason, storage.state, storage.reason)
    for one in storage.classes:
        text = f"{one.provisioner}{'  (default)' if one.default else ''}"
        yield HealthRow(f"class-{one.name}", one.name, text, State.HEALTHY, text)
    for claim in storage.claims[:20]:
        name = f"{claim.namespace}/{claim.name}"
        yield HealthRow(
            f"claim-{claim.namespace}-{claim.name}", name, claim.reason, claim.state, claim.reason
        )


def _warning(number: int, group: WarningGroup, health: Health) -> HealthRow:
    text = f"{group.count}x on {group.kind} {group.example}, {span(health.at - group.last)} ago"
    return HealthRow(f"warning-{number}", group.reason, text, State.DEGRADED, f"{text}\n{group.message}")
