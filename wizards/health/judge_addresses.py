"""Judge load-balancer addresses: Services that want one, and the pools they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from wizards.health.judge_events import said_about
from wizards.health.judge_pods import GRACE, created, labels, matches
from wizards.health.model import Addresses, PoolUse, ServiceAddress
from wizards.health.snapshot import Gap, Missing, Object, Part, Snapshot, items
from wizards.health.state import State
from wizards.setup.spec import ClusterSpec, LoadBalancerKind
from wizards.setup.values import parse_range

POOLS: Final = "ipaddresspools.metallb.io"
L2: Final = "l2advertisements.metallb.io"
BGP: Final = "bgpadvertisements.metallb.io"
L2_STATUS: Final = "servicel2statuses.metallb.io"
CILIUM_POOLS: Final = "ciliumloadbalancerippools.cilium.io"

_FROM_POOL: Final = ("metallb.io/ip-allocated-from-pool", "metallb.universe.tf/ip-allocated-from-pool")
_METALLB: Final = (LoadBalancerKind.METALLB_L2, LoadBalancerKind.METALLB_BGP)


def judge_addresses(snapshot: Snapshot, spec: ClusterSpec | None) -> Addresses:
    """Judge the Services of type LoadBalancer and the address pools, each worst first."""
    services = [_service(service, snapshot, spec) for service in items(snapshot.services)]
    used = Counter(service.pool for service in services for _ in service.addresses if service.pool)
    pools = [
        *(_pool(pool, used, snapshot) for pool in items(snapshot.resources.get(POOLS, ()))),
        *(_cilium_pool(pool) for pool in items(snapshot.resources.get(CILIUM_POOLS, ()))),
        *_absent_pools(snapshot.resources.get(POOLS, Missing()), spec),
    ]
    return Addresses(
        tuple(sorted(services, key=lambda it: (-it.state.rank, it.namespace, it.name))),
        tuple(sorted(pools, key=lambda pool: (-pool.state.rank, pool.name))),
    )


def _service(service: Object, snapshot: Snapshot, spec: ClusterSpec | None) -> ServiceAddress:
    meta = service["metadata"]
    namespace, name = meta.get("namespace", ""), meta["name"]
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    addresses = tuple(text for text in (i.get("ip") or i.get("hostname") for i in ingress) if text)
    notes, born = meta.get("annotations") or {}, created(service)
    state, reason = State.HEALTHY, ""
    if not addresses:
        waiting = born is not None and snapshot.now - born < GRACE
        state = State.PROGRESSING if waiting else State.DEGRADED
        reason = _why_pending(namespace, name, snapshot, spec)
    return ServiceAddress(
        namespace=namespace,
        name=name,
        state=state,
        addresses=addresses,
        ports=tuple(_port(port) for port in (service.get("spec") or {}).get("ports") or ()),
        pool=next((notes[key] for key in _FROM_POOL if key in notes), ""),
        node=_announcer(namespace, name, snapshot.resources.get(L2_STATUS, ())),
        reason=reason,
        created=born,
    )


def _port(port: Object) -> str:
    return f"{port.get('port')}/{port.get('protocol', 'TCP')}"


def _announcer(namespace: str, name: str, part: Part) -> str:
    for item in items(part):
        status = item.get("status") or {}
        if (status.get("serviceNamespace"), status.get("serviceName")) == (namespace, name):
            return str(status.get("node") or "")
    return ""


def _why_pending(namespace: str, name: str, snapshot: Snapshot, spec: ClusterSpec | None) -> str:
    if said := said_about(snapshot, "Service", namespace, name):
        return said
    if spec is not None and spec.load_balancer.kind is LoadBalancerKind.NONE:
        return "no load balancer was chosen, so nothing gives it an address"
    return "no address has been given to it"


def _pool(pool: Object, used: Counter[str], snapshot: Snapshot) -> PoolUse:
    name, spec, status = pool["metadata"]["name"], pool.get("spec") or {}, pool.get("status") or {}
    ranges = tuple(str(text) for text in spec.get("addresses") or ())
    if "availableIPv4" in status or "availableIPv6" in status:
        assigned = int(status.get("assignedIPv4") or 0) + int(status.get("assignedIPv6") or 0)
        free: int | None = int(status.get("availableIPv4") or 0) + int(status.get("availableIPv6") or 0)
    else:
        assigned = used[name]
        size = _size(ranges)
        free = None if size is None else max(0, size - assigned)
    advertised = _advertised(pool, snapshot)
    state, reason = State.HEALTHY, ""
    if advertised is False:
        state, reason = State.DEGRADED, "no advertisement names it, so nobody answers for its addresses"
    elif free == 0:
        state, reason = State.DEGRADED, f"all {assigned} addresses are in use"
    return PoolUse(name, state, ranges, assigned, free, spec.get("autoAssign", True), advertised, reason)


def _size(ranges: Iterable[str]) -> int | None:
    """Count the addresses of ranges as MetalLB writes them; None when one is not understood."""
    total = 0
    for text in ranges:
        try:
            first, last = parse_range(text)
        except ValueError:
            return None
        total += int(last) - int(first) + 1
    return total


def _advertised(pool: Object, snapshot: Snapshot) -> bool | None:
    """Tell whether an advertisement covers `pool`; None when that could not be read."""
    parts = [snapshot.resources.get(kind, Missing()) for kind in (L2, BGP)]
    if any(_covers(item, pool) for part in parts for item in items(part)):
        return True
    if all(isinstance(part, tuple | Missing) for part in parts) and any(isinstance(p, tuple) for p in parts):
        return False
    return None


def _covers(advertisement: Object, pool: Object) -> bool:
    spec = advertisement.get("spec") or {}
    names, selectors = spec.get("ipAddressPools") or (), spec.get("ipAddressPoolSelectors") or ()
    if not names and not selectors:
        return True
    return pool["metadata"]["name"] in names or any(matches(item, labels(pool)) for item in selectors)


def _cilium_pool(pool: Object) -> PoolUse:
    """Judge a CiliumLoadBalancerIPPool; its conditions carry the counts as messages."""
    spec = pool.get("spec") or {}
    counts: dict[str, int] = {}
    for condition in (pool.get("status") or {}).get("conditions") or ():
        message = str(condition.get("message") or "")
        if message.isdigit():
            counts[str(condition.get("type"))] = int(message)
    ranges = tuple(
        str(block.get("cidr") or f"{block.get('start')}-{block.get('stop')}")
        for block in spec.get("blocks") or ()
    )
    free = counts.get("cilium.io/IPsAvailable")
    assigned = counts.get("cilium.io/IPsUsed", 0)
    full = free == 0
    return PoolUse(
        name=pool["metadata"]["name"],
        state=State.DEGRADED if full else State.HEALTHY,
        ranges=ranges,
        assigned=assigned,
        free=free,
        auto_assign=not spec.get("disabled", False),
        reason=f"all {assigned} addresses are in use" if full else "",
    )


def _absent_pools(part: Part | Gap, spec: ClusterSpec | None) -> list[PoolUse]:
    """Return the chosen pools that are not in the cluster, where the cluster could be asked."""
    if spec is None or spec.load_balancer.kind not in _METALLB or not isinstance(part, tuple):
        return []
    there = {pool["metadata"]["name"] for pool in part}
    return [
        PoolUse(pool.name, State.MISSING, pool.addresses, reason="it was chosen and is not in the cluster")
        for pool in spec.load_balancer.pools
        if pool.name not in there
    ]
