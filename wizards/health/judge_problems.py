"""Say what is wrong, since when, and what to do about it: one list, worst first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wizards.health.model import Health, NodeHealth, Problem
from wizards.health.state import State

NODES: Final = "Nodes"
"""What `Unread.what` calls the nodes."""


def problems(health: Health) -> tuple[Problem, ...]:
    """Return all that is not as it should be, worst first."""
    return tuple(sorted(_problems(health), key=lambda problem: -problem.state.rank))


def _problems(health: Health) -> Iterator[Problem]:
    plane = health.control_plane
    if plane.state not in (State.HEALTHY, State.UNKNOWN):
        message = f"The control plane is not ready: {plane.reason}."
        yield Problem(plane.state, "control-plane", "control plane", message, _LOOK_AT_CONTROL_PLANE)
    yield from _node_problems(health)
    yield from _component_problems(health)
    yield from _address_problems(health)
    yield from _storage_problems(health)
    for api in health.apis:
        message = f"The API {api.name} does not answer: {api.reason}."
        yield Problem(
            api.state, "apis", api.name, message, f"Look at the pods behind {api.service}.", api.since
        )


_LOOK_AT_CONTROL_PLANE: Final = "On a control plane: crictl ps -a, and journalctl -u kubelet (or -u etcd)."


def _node_problems(health: Health) -> Iterator[Problem]:
    if not health.nodes and not any(item.what == NODES for item in health.unread):
        message = "No node has joined the cluster."
        yield Problem(State.BROKEN, "nodes", "nodes", message, "Run the set-up again.")
    fatal = not any(node.ready for node in health.nodes) or any(
        workload.by_nodes and workload.state is State.BROKEN
        for part in health.components
        for workload in part.workloads
    )
    for node in health.nodes:
        state = node.state
        if state in (State.HEALTHY, State.UNKNOWN):
            continue
        if state in (State.BROKEN, State.MISSING):
            # Without one node the cluster goes on with less room, unless something ran there only.
            state = State.BROKEN if fatal else State.DEGRADED
        not_ready = " is not ready" if node.ready is False else ""
        message = f"Node {node.name}{not_ready}: {node.reason}."
        yield Problem(state, "nodes", node.name, message, _node_remedy(node), node.since)


def _node_remedy(node: NodeHealth) -> str:
    if node.state is State.PROGRESSING:
        return "Wait: it joined only minutes ago."
    if node.state is State.MISSING:
        return "Look at the last run; then Retry, or add the node again."
    if node.ready:
        return f"kubectl describe node {node.name}"
    return f"On {node.name}: systemctl status kubelet, and journalctl -u kubelet."


def _component_problems(health: Health) -> Iterator[Problem]:
    for part in health.components:
        if part.state in (State.HEALTHY, State.UNKNOWN):
            continue
        state = State.BROKEN if part.state is State.MISSING else part.state
        worst = part.workloads[0]
        remedy = "Wait: it is being brought up." if state is State.PROGRESSING else "Run the set-up again."
        since = None
        if worst.pods:
            pod = worst.pods[0]
            remedy = f"kubectl -n {pod.namespace} describe pod {pod.name}"
            since = pod.since
        yield Problem(state, "components", part.title, f"{part.title}: {part.reason}.", remedy, since)
    for pod in health.pods:
        message = f"Pod {pod.namespace}/{pod.name}: {pod.reason}, {pod.message}."
        remedy = f"kubectl -n {pod.namespace} describe pod {pod.name}"
        yield Problem(State.DEGRADED, "components", pod.name, message, remedy, pod.since)


def _address_problems(health: Health) -> Iterator[Problem]:
    for pool in health.addresses.pools:
        if pool.state is State.HEALTHY:
            continue
        remedy = "Give the pool more addresses." if pool.free == 0 else "Run the set-up again."
        message = f"Address pool {pool.name}: {pool.reason}."
        yield Problem(State.DEGRADED, "addresses", pool.name, message, remedy)
    for service in health.addresses.services:
        if service.state is not State.HEALTHY:
            name = f"{service.namespace}/{service.name}"
            message = f"Service {name} has no address: {service.reason}."
            remedy = f"kubectl -n {service.namespace} describe service {service.name}"
            yield Problem(service.state, "addresses", name, message, remedy, service.created)


def _storage_problems(health: Health) -> Iterator[Problem]:
    storage = health.storage
    if storage.reason:
        remedy = "Let exactly one StorageClass carry storageclass.kubernetes.io/is-default-class."
        yield Problem(State.DEGRADED, "storage", "StorageClasses", f"Storage: {storage.reason}.", remedy)
    for claim in storage.claims:
        if claim.state is State.HEALTHY:
            continue
        name = f"{claim.namespace}/{claim.name}"
        remedy = f"kubectl -n {claim.namespace} describe pvc {claim.name}"
        message = f"Claim {name} is not bound: {claim.reason}."
        yield Problem(claim.state, "storage", name, message, remedy, claim.created)
