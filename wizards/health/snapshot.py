"""What was read from a cluster, before anybody judges it.

Each part is either the objects, trimmed to what `judge` looks at and cleaned of control sequences, or the
reason why it is not there. "I may not look" and "there is no such thing" are not faults of the cluster, and
the judge must be able to tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON data."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The user of the kubeconfig may not look at it (HTTP 403)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The cluster does not know such things (HTTP 404): the definitions are not installed."""

    reason: str = "not known to this cluster"


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not be read, though it may be there: a time-out, a server error."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """It has not been read yet: the watcher has only just begun."""

    reason: str = "not read yet"


Gap: TypeAlias = Denied | Missing | Failed | NotYet
Part: TypeAlias = tuple[Object, ...] | Gap


def items(part: Part) -> tuple[Object, ...]:
    """Return the objects of `part`, none where it is a gap."""
    return part if isinstance(part, tuple) else ()


@dataclass(frozen=True, slots=True)
class Readyz:
    """The answer of ``/readyz?verbose``.

    Attributes:
        ok: Whether the API server says it is ready (the HTTP code decides, not the lines).
        lines: Its lines, such as ``[+]etcd ok``.
    """

    ok: bool
    lines: tuple[str, ...] = ()


WorkloadKey: TypeAlias = tuple[str, str]
"""Kind and namespace."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that was read, as it was at about one moment.

    Attributes:
        at: When, in seconds since the epoch by this machine's clock.
        server: URL of the API server.
        skew: Seconds by which the API server's clock is ahead of this machine's.
        unreachable: Why the API server does not answer now, as a sentence; empty while it does.
        version: ``gitVersion`` of the API server, or why it is not known.
        readyz: Its readiness checks.
        nodes: Nodes.
        leases: Leases of ``kube-node-lease``: the heartbeats.
        leases_at: When they were read, by the API server's clock.
        system_leases: Leases of ``kube-system``: the leaders.
        workloads: By kind and namespace.
        pods: By namespace: those that are not running, and those of workloads that are not ready.
        services: Services of type LoadBalancer.
        resources: Custom resources by plural name and group, such as ``ipaddresspools.metallb.io``.
        storage_classes: StorageClasses.
        claims: PersistentVolumeClaims that are not bound.
        events: Events of type Warning.
        apis: APIServices.
    """

    at: float
    server: str = ""
    skew: float = 0.0
    unreachable: str = ""
    version: str | Gap = NotYet()
    readyz: Readyz | Gap = NotYet()
    nodes: Part = NotYet()
    leases: Part = NotYet()
    leases_at: float = 0.0
    system_leases: Part = NotYet()
    workloads: Mapping[WorkloadKey, Part] = field(default_factory=dict)
    pods: Mapping[str, Part] = field(default_factory=dict)
    services: Part = NotYet()
    resources: Mapping[str, Part] = field(default_factory=dict)
    storage_classes: Part = NotYet()
    claims: Part = NotYet()
    events: Part = NotYet()
    apis: Part = NotYet()

    @property
    def now(self) -> float:
        """`at` by the API server's clock: what timestamps of objects are compared with."""
        return self.at + self.skew
