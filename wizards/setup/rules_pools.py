"""Rules about the load balancer's address pools: nobody else may have an address of theirs."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final, NamedTuple

from wizards.setup.proposals import parse_address, subnet_of
from wizards.setup.ranges import Span, span_of
from wizards.setup.rules_nodes import is_bare_metal
from wizards.setup.rules_ranges import ranges, title_of
from wizards.setup.ruling import Fault, block, fix, rules_in, warn
from wizards.setup.spec import ClusterSpec, LoadBalancerKind, Pool
from wizards.setup.words import listing

METALLB: Final = (LoadBalancerKind.METALLB_L2, LoadBalancerKind.METALLB_BGP)
LAYER_2: Final = (LoadBalancerKind.METALLB_L2, LoadBalancerKind.CILIUM_L2)
BGP: Final = (LoadBalancerKind.METALLB_BGP, LoadBalancerKind.CILIUM_BGP)


class PoolRange(NamedTuple):
    """One range of one pool, and where it stands."""

    path: str
    pool: Pool
    text: str
    span: Span


def uses_pools(spec: ClusterSpec) -> bool:
    """Tell whether the chosen load balancer gives addresses from pools."""
    return spec.load_balancer.kind in (*LAYER_2, *BGP)


def pool_ranges(spec: ClusterSpec) -> list[PoolRange]:
    """Return every range of every pool, where pools are used."""
    if not uses_pools(spec):
        return []
    return [
        PoolRange(f"load_balancer.pools[{number}].addresses[{index}]", pool, text, span)
        for number, pool in enumerate(spec.load_balancer.pools)
        for index, text in enumerate(pool.addresses)
        if (span := span_of(text)) is not None
    ]


@block("pool-missing")
def pool_missing(spec: ClusterSpec) -> Iterator[Fault]:
    """A load balancer without addresses gives none."""
    if spec.nodes and is_bare_metal(spec) and uses_pools(spec) and not spec.load_balancer.pools:
        yield Fault(
            "load_balancer.pools",
            "The load balancer has no addresses to give away.",
            "Give a range of free addresses in the nodes' network, or set the load balancer to none.",
            ("load_balancer.kind",),
        )


@fix("pool-from-kind")
def pool_from_kind(spec: ClusterSpec) -> Iterator[Fault]:
    """Kind's network is known only once it is there."""
    if not is_bare_metal(spec) and uses_pools(spec) and not spec.load_balancer.pools:
        yield Fault(
            "load_balancer.pools", "The addresses are taken from kind's own network when the cluster is made."
        )


@warn("pools-unused")
def pools_unused(spec: ClusterSpec) -> Iterator[Fault]:
    """Pools without a load balancer that takes them."""
    if spec.load_balancer.pools and not uses_pools(spec):
        yield Fault(
            "load_balancer.pools",
            f"The pools are not used: the load balancer is {spec.load_balancer.kind.value}.",
            "Leave them out, or choose metallb-l2.",
            ("load_balancer.kind",),
        )


@block("duplicate-pool-name")
def duplicate_pool_name(spec: ClusterSpec) -> Iterator[Fault]:
    """Each pool has a name of its own."""
    first: dict[str, int] = {}
    for index, pool in enumerate(spec.load_balancer.pools):
        if first.setdefault(pool.name, index) != index:
            yield Fault(
                f"load_balancer.pools[{index}].name",
                f"Two pools are called {pool.name}.",
                "Give each pool its own name.",
                (f"load_balancer.pools[{first[pool.name]}].name",),
            )


@block("pools-overlap")
def pools_overlap(spec: ClusterSpec) -> Iterator[Fault]:
    """MetalLB refuses ranges that overlap, in one pool or across them (facts: components, section 1)."""
    ordered = sorted(pool_ranges(spec), key=lambda one: (one.span.version, int(one.span.first)))
    widest: PoolRange | None = None
    for one in ordered:
        if widest and one.span.overlaps(widest.span):
            yield Fault(
                one.path,
                f"{one.text} of pool {one.pool.name} overlaps {widest.text} of {_pool(widest, one)}.",
                "Let every address stand in one range only.",
                (widest.path,),
            )
        if widest is None or _reach(one) > _reach(widest):
            widest = one


def _reach(one: PoolRange) -> tuple[int, int]:
    return one.span.version, int(one.span.last)


def _pool(one: PoolRange, other: PoolRange) -> str:
    return "the same pool" if one.pool is other.pool else f"pool {one.pool.name}"


@block("pool-over-node")
def pool_over_node(spec: ClusterSpec) -> Iterator[Fault]:
    """MetalLB does not keep a node's address out of a pool; the node would lose it."""
    if not is_bare_metal(spec):
        return
    places = [
        (f"nodes[{index}].{field}", node.name, text, address)
        for index, node in enumerate(spec.nodes)
        for field, text in (
            ("address", node.address),
            ("internal_address", node.internal_address),
            ("internal_address_v6", node.internal_address_v6),
        )
        if text and (address := parse_address(text)) is not None
    ]
    for one in pool_ranges(spec):
        hit = {name: (path, text) for path, name, text, address in places if address in one.span}
        if hit:
            names = [f"{name} ({text})" for name, (_, text) in list(hit.items())[:3]]
            more = [f"{len(hit) - 3} more"] if len(hit) > 3 else []
            yield Fault(
                one.path,
                f"{one.text} of pool {one.pool.name} covers the address of {listing(names + more)}.",
                "Take addresses that no machine has.",
                tuple(path for path, _ in list(hit.values())[:4]),
            )


@block("pool-over-endpoint")
def pool_over_endpoint(spec: ClusterSpec) -> Iterator[Fault]:
    """The control plane's address is not for Services."""
    address = parse_address(spec.endpoint.address)
    for one in pool_ranges(spec):
        if is_bare_metal(spec) and address and address in one.span:
            yield Fault(
                one.path,
                f"{one.text} of pool {one.pool.name} covers the control plane's address {address}.",
                "Leave that address out of the pool, or give the control plane another.",
                ("endpoint.address",),
            )


@block("pool-over-range")
def pool_over_range(spec: ClusterSpec) -> Iterator[Fault]:
    """Addresses inside the cluster cannot be reached from outside."""
    for one in pool_ranges(spec):
        for path, (text, span) in ranges(spec).items():
            if one.span.overlaps(span):
                yield Fault(
                    one.path,
                    f"{one.text} of pool {one.pool.name} overlaps the {title_of(path)} {text}.",
                    "Take addresses of the network that the nodes are in.",
                    (path,),
                )


@block("pool-over-peer")
def pool_over_peer(spec: ClusterSpec) -> Iterator[Fault]:
    """A router's own address is not for Services."""
    for one in pool_ranges(spec):
        for index, peer in enumerate(spec.load_balancer.peers):
            address = parse_address(peer.address)
            if spec.load_balancer.kind in BGP and address and address in one.span:
                yield Fault(
                    one.path,
                    f"{one.text} of pool {one.pool.name} covers the router {peer.name} ({address}).",
                    "Take addresses that no machine has.",
                    (f"load_balancer.peers[{index}].address",),
                )


@block("pool-unusable")
def pool_unusable(spec: ClusterSpec) -> Iterator[Fault]:
    """Some addresses cannot be anybody's; loopback is for practice only, where the nodes are there too."""
    loopback = any((address := parse_address(node.ip)) and address.is_loopback for node in spec.nodes)
    for one in pool_ranges(spec):
        if any(_is_unusable(end, loopback=loopback) for end in (one.span.first, one.span.last)):
            yield Fault(
                one.path,
                f"{one.text} of pool {one.pool.name} holds addresses that no machine can have.",
                "Take addresses of the network that the nodes are in.",
            )


def _is_unusable(address: ipaddress.IPv4Address | ipaddress.IPv6Address, *, loopback: bool) -> bool:
    if address.is_loopback:
        return not loopback
    return address.is_multicast or address.is_unspecified or address.is_link_local or address.is_reserved


@warn("pool-outside-subnet")
def pool_outside_subnet(spec: ClusterSpec) -> Iterator[Fault]:
    """Layer 2 answers in the nodes' own network only."""
    addresses = [address for node in spec.nodes if (address := parse_address(node.ip)) is not None]
    homes = list(dict.fromkeys(subnet_of(address) for address in addresses))
    if not is_bare_metal(spec) or spec.load_balancer.kind not in LAYER_2 or not homes:
        return
    spans = [Span(home[0], home[-1]) for home in homes]
    for one in pool_ranges(spec):
        if not any(one.span.overlaps(span) for span in spans):
            where = listing([str(home) for home in homes[:3]])
            yield Fault(
                one.path,
                f"{one.text} of pool {one.pool.name} is not in {where}, where the nodes are.",
                "Layer 2 reaches the nodes' own network only: check that both are in one.",
                ("nodes",),
            )


@warn("pool-over-gateway")
def pool_over_gateway(spec: ClusterSpec) -> Iterator[Fault]:
    """The first address of a network is usually the router's, the last one is its broadcast address."""
    addresses = [address for node in spec.nodes if (address := parse_address(node.ip)) is not None]
    homes = list(dict.fromkeys(subnet_of(address) for address in addresses))
    if not is_bare_metal(spec):
        return
    for one in pool_ranges(spec):
        taken = [
            str(end) for home in homes if home.version == 4 for end in (home[1], home[-1]) if end in one.span
        ]
        if taken:
            yield Fault(
                one.path,
                f"{one.text} of pool {one.pool.name} holds {listing(taken)}, which is usually taken.",
                "Leave out the router's address and the network's last one.",
            )


@warn("pool-family")
def pool_family(spec: ClusterSpec) -> Iterator[Fault]:
    """A Service gets an address of a family that Services have."""
    versions = {span.version for path, (_, span) in ranges(spec).items() if "services" in path}
    for one in pool_ranges(spec):
        if one.span.version not in versions:
            yield Fault(
                one.path,
                f"{one.text} is IPv{one.span.version}, and Services have no such addresses here.",
                "Give Services a range of that family, or leave this one out.",
                ("network.services",),
            )


@warn("no-automatic-pool")
def no_automatic_pool(spec: ClusterSpec) -> Iterator[Fault]:
    """A Service that asks for no pool waits for ever."""
    pools = spec.load_balancer.pools
    if uses_pools(spec) and pools and not any(pool.auto_assign for pool in pools):
        yield Fault(
            "load_balancer.pools[0].auto_assign",
            "No pool gives addresses by itself; Services that do not name a pool would wait for ever.",
            "Set auto_assign to true on one pool.",
        )


RULES: Final = rules_in(globals())
