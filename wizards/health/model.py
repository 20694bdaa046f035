"""What is known about a cluster's health, as values: made by `judge`, shown by any front end.

All times are seconds since the epoch (UTC); in JSON they are ISO 8601 strings ending in ``Z``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from wizards.health.state import State as State  # noqa: PLC0414 - the word belongs to the model too
from wizards.health.state import iso
from wizards.setup.components import Category

SCHEMA: Final = 1
"""Version of `Health.to_json`; it grows when a field changes its meaning or goes away."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps the cluster from being healthy.

    Attributes:
        state: How bad it is.
        area: ``control-plane``, ``nodes``, ``components``, ``addresses``, ``storage`` or ``apis``.
        subject: What it is about, such as a node's or a component's name.
        message: What is wrong, in one sentence.
        remedy: What to do about it, empty when there is nothing general to say.
        since: Since when it is so, where the cluster says.
    """

    state: State
    area: str
    subject: str
    message: str
    remedy: str = ""
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """A part that was not looked at, and why; never a fault by itself.

    Attributes:
        what: The part in words, such as ``PersistentVolumeClaims``.
        reason: Why, in words.
        denied: The user of the kubeconfig has no permission (and not: it failed).
        pending: It is only not read yet.
    """

    what: str
    reason: str
    denied: bool = False
    pending: bool = False


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """One node.

    Attributes:
        name: Its name in the cluster.
        state: Ready without complaint, or how bad it is; missing when it was chosen and has not joined.
        ready: The Ready condition; None when the cluster has no such node or it never reported.
        reason: Why it is not healthy, in words; empty when it is.
        since: Since when its Ready condition is as it is.
        roles: Its roles, ``control-plane`` first; ``worker`` when it carries none.
        version: Version of its kubelet, such as ``v1.35.4``.
        created: When it joined.
        pressures: The conditions it complains of: memory, disk, processes, network.
        schedulable: False when it is cordoned.
        heard: When its kubelet last renewed its lease, where that could be read.
        address: Its internal IP address.
        os: Its operating system.
    """

    name: str
    state: State
    ready: bool | None
    reason: str = ""
    since: float | None = None
    roles: tuple[str, ...] = ()
    version: str = ""
    created: float | None = None
    pressures: tuple[str, ...] = ()
    schedulable: bool = True
    heard: float | None = None
    address: str = ""
    os: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``/readyz?verbose``."""

    name: str
    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The control plane, as the API server reports it.

    Attributes:
        state: Healthy, broken, or unknown when it may not be asked.
        reason: What fails, in words.
        version: Version of the API server.
        checks: Every readiness check, failing ones first.
        leaders: Who leads the scheduler and the controller manager (``kube-scheduler``: host name).
    """

    state: State
    reason: str = ""
    version: str = ""
    checks: tuple[Check, ...] = ()
    leaders: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PodHealth:
    """A pod that keeps a workload from being healthy, or that fails in a component's namespace.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        state: Progressing while it starts, broken when it cannot.
        reason: The short word Kubernetes has for it, such as ``CrashLoopBackOff``.
        message: What that means here, in words.
        node: Where it runs, empty when it was given no node.
        restarts: How often its containers were restarted.
        since: Since when, where the cluster says.
    """

    namespace: str
    name: str
    state: State
    reason: str
    message: str = ""
    node: str = ""
    restarts: int = 0
    since: float | None = None


@dataclass(frozen=True, slots=True)
class WorkloadHealth:
    """A workload of a component.

    Attributes:
        kind: ``Deployment``, ``DaemonSet`` or ``StatefulSet``.
        namespace: Its namespace.
        name: Its name in the cluster; what the chart calls it when it is missing.
        state: How it is.
        reason: Why, in words; empty when healthy.
        desired: How many pods it wants.
        ready: How many of them are ready.
        updated: How many run the newest template.
        pods: The pods that keep it from being healthy, at most ten.
        by_nodes: It lacks pods only because nodes are not ready.
    """

    kind: str
    namespace: str
    name: str
    state: State
    reason: str = ""
    desired: int = 0
    ready: int = 0
    updated: int = 0
    pods: tuple[PodHealth, ...] = ()
    by_nodes: bool = False


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """A chosen component with the workloads behind it.

    Attributes:
        id: As in `wizards.setup.components`.
        title: Name for people.
        category: What it is part of.
        state: The worst of its workloads.
        reason: Why, in words; empty when healthy.
        workloads: What it consists of, worst first.
    """

    id: str
    title: str
    category: Category
    state: State
    reason: str = ""
    workloads: tuple[WorkloadHealth, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """A Service of type LoadBalancer.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        state: Healthy with an address, progressing while it waits for one, degraded when that lasts.
        addresses: Its external addresses or host names.
        ports: Its ports, such as ``443/TCP``.
        pool: The MetalLB pool the address is from, where that is known.
        node: The node that answers for it on layer 2, where MetalLB says.
        reason: Why it has no address, in words.
        created: When it was made.
    """

    namespace: str
    name: str
    state: State
    addresses: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    pool: str = ""
    node: str = ""
    reason: str = ""
    created: float | None = None


@dataclass(frozen=True, slots=True)
class PoolUse:
    """An address pool.

    Attributes:
        name: Its name.
        state: Degraded when it is used up or announced to nobody.
        ranges: What it consists of, as written.
        assigned: Addresses in use.
        free: Addresses left; None when it is not known.
        auto_assign: Whether Services that ask for none get one from it.
        advertised: Whether anything announces it; None when that could not be read.
        reason: Why it is not healthy, in words.
    """

    name: str
    state: State
    ranges: tuple[str, ...] = ()
    assigned: int = 0
    free: int | None = None
    auto_assign: bool = True
    advertised: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses for Services of type LoadBalancer: who has one, and what is left."""

    services: tuple[ServiceAddress, ...] = ()
    pools: tuple[PoolUse, ...] = ()


@dataclass(frozen=True, slots=True)
class StorageClassHealth:
    """A StorageClass: its name, who provisions it, and whether claims without a class get it."""

    name: str
    provisioner: str
    default: bool = False
    waits_for_pod: bool = False


@dataclass(frozen=True, slots=True)
class ClaimHealth:
    """A PersistentVolumeClaim that is not bound.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        state: Healthy when it rightly waits for its first pod, else progressing, degraded or broken.
        storage_class: The class it asks for.
        reason: Why it is not bound, in words.
        created: When it was made.
    """

    namespace: str
    name: str
    state: State
    storage_class: str = ""
    reason: str = ""
    created: float | None = None


@dataclass(frozen=True, slots=True)
class StorageHealth:
    """Where volumes come from.

    Attributes:
        state: The worst of classes and claims.
        reason: What is wrong with the classes, in words; empty when nothing is.
        classes: All StorageClasses, the default first.
        claims: The claims that are not bound, worst first.
    """

    state: State = State.HEALTHY
    reason: str = ""
    classes: tuple[StorageClassHealth, ...] = ()
    claims: tuple[ClaimHealth, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiHealth:
    """An aggregated API that does not answer, such as ``v1beta1.metrics.k8s.io``."""

    name: str
    state: State
    service: str = ""
    reason: str = ""
    since: float | None = None


@dataclass(frozen=True, slots=True)
class WarningGroup:
    """Warning events of the last hour with one reason on one kind of object.

    Attributes:
        reason: The events' reason, such as ``FailedScheduling``.
        kind: The kind of object they are about.
        count: How many times it was reported.
        objects: How many different objects it was reported for.
        example: Namespace and name of the last one.
        message: The last one's message, on one line.
        first: When it was first reported.
        last: When it was last reported.
    """

    reason: str
    kind: str
    count: int
    objects: int
    example: str
    message: str
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a cluster at one moment.

    Attributes:
        verdict: ``healthy``, ``progressing``, ``degraded``, ``broken`` or ``unknown``.
        sentence: The verdict in words, with what is wrong first.
        at: When this was judged.
        read_at: When the cluster was last heard; older than `at` when it does not answer.
        cluster: Name of the cluster, empty when it is not one of Slipway's.
        server: URL of the API server.
        unreachable: Why the API server does not answer now, as a sentence; empty while it does.
        control_plane: What the API server says about itself.
        nodes: The nodes, worst first.
        components: The chosen components, worst first, then in the order of their categories.
        addresses: Load-balancer addresses.
        storage: StorageClasses and claims that are not bound.
        apis: Aggregated APIs that do not answer.
        pods: Failing pods in the components' namespaces that belong to no component's workload.
        warnings: Warning events of the last hour, grouped, the latest first.
        problems: All that is wrong, worst first; empty when healthy.
        unread: What was not looked at.
    """

    verdict: State
    sentence: str
    at: float
    read_at: float
    cluster: str = ""
    server: str = ""
    unreachable: str = ""
    control_plane: ControlPlane = ControlPlane(State.UNKNOWN)
    nodes: tuple[NodeHealth, ...] = ()
    components: tuple[ComponentHealth, ...] = ()
    addresses: Addresses = Addresses()
    storage: StorageHealth = StorageHealth()
    apis: tuple[ApiHealth, ...] = ()
    pods: tuple[PodHealth, ...] = ()
    warnings: tuple[WarningGroup, ...] = ()
    problems: tuple[Problem, ...] = ()
    unread: tuple[Unread, ...] = ()

    @property
    def age(self) -> float:
        """How old what is shown is, in seconds."""
        return max(0.0, self.at - self.read_at)

    def to_json(self) -> dict[str, Any]:
        """Return plain data: every attribute under its own name, plus ``schema``.

        States are their words, times ISO 8601 in UTC or null, tuples lists; ``control_plane.leaders`` is a
        mapping. Fields may be added; one that changes or goes away raises ``schema``.
        """
        data: dict[str, Any] = {"schema": SCHEMA} | _plain(self)
        data["control_plane"]["leaders"] = dict(self.control_plane.leaders)
        return data


_TIMES: Final = frozenset({"at", "read_at", "since", "created", "heard", "first", "last"})


def _plain(value: Any, name: str = "") -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name), field.name) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if name in _TIMES and isinstance(value, (int, float)):
        return iso(value)
    return str(value) if isinstance(value, State) else value
