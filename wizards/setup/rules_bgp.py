"""Rules about BGP: the routers, and what they are told (facts: components.md section 1, webhook rules)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from wizards.setup.proposals import parse_address
from wizards.setup.ranges import Span, span_of
from wizards.setup.rules_pools import BGP, LAYER_2
from wizards.setup.ruling import Fault, block, rules_in, warn
from wizards.setup.spec import Advertisement, ClusterSpec, Pool


def _speaks(spec: ClusterSpec) -> bool:
    return spec.load_balancer.kind in BGP


@block("peer-missing")
def peer_missing(spec: ClusterSpec) -> Iterator[Fault]:
    """BGP needs somebody to speak to."""
    if _speaks(spec) and not spec.load_balancer.peers:
        yield Fault(
            "load_balancer.peers",
            "BGP needs at least one router to speak to.",
            "Give a router's address and AS number, or choose layer 2.",
            ("load_balancer.kind",),
        )


@warn("peers-unused")
def peers_unused(spec: ClusterSpec) -> Iterator[Fault]:
    """Routers and advertisements mean nothing without BGP."""
    balancer = spec.load_balancer
    for name, there in (("peers", balancer.peers), ("advertisements", balancer.advertisements)):
        if there and not _speaks(spec):
            yield Fault(
                f"load_balancer.{name}",
                f"The {name} are not used: the load balancer is {balancer.kind.value}.",
                "Leave them out, or choose metallb-bgp.",
                ("load_balancer.kind",),
            )


@warn("interfaces-unused")
def interfaces_unused(spec: ClusterSpec) -> Iterator[Fault]:
    """Interfaces are chosen for layer 2 only."""
    if spec.load_balancer.interfaces and spec.load_balancer.kind not in LAYER_2:
        yield Fault(
            "load_balancer.interfaces",
            f"The interfaces are not used: the load balancer is {spec.load_balancer.kind.value}.",
            "Leave them out, or choose metallb-l2.",
            ("load_balancer.kind",),
        )


@block("duplicate-peer")
def duplicate_peer(spec: ClusterSpec) -> Iterator[Fault]:
    """Each router stands in the list once, under a name of its own."""
    names: dict[str, int] = {}
    places: dict[tuple[str, int], int] = {}
    for index, peer in enumerate(spec.load_balancer.peers):
        if (first := names.setdefault(peer.name, index)) != index:
            yield Fault(
                f"load_balancer.peers[{index}].name",
                f"Two routers are called {peer.name}.",
                "Give each router its own name.",
                (f"load_balancer.peers[{first}].name",),
            )
        elif (first := places.setdefault((peer.address, peer.port), index)) != index:
            yield Fault(
                f"load_balancer.peers[{index}].address",
                f"The router {peer.address} stands in the list twice.",
                "Name each router once.",
                (f"load_balancer.peers[{first}].address",),
            )


@block("peer-my-asn")
def peer_my_asn(spec: ClusterSpec) -> Iterator[Fault]:
    """The nodes have one AS number for all routers."""
    peers = spec.load_balancer.peers
    for index, peer in enumerate(peers):
        if peer.my_asn != peers[0].my_asn:
            yield Fault(
                f"load_balancer.peers[{index}].my_asn",
                f"The cluster has AS number {peer.my_asn} here and {peers[0].my_asn} for {peers[0].name}.",
                "Use one number of the cluster for all routers.",
                ("load_balancer.peers[0].my_asn",),
            )


@block("peer-multihop")
def peer_multihop(spec: ClusterSpec) -> Iterator[Fault]:
    """Several hops are a matter of external BGP."""
    for index, peer in enumerate(spec.load_balancer.peers):
        if peer.ebgp_multihop and peer.asn == peer.my_asn:
            yield Fault(
                f"load_balancer.peers[{index}].ebgp_multihop",
                f"{peer.name} has the cluster's own AS number, so ebgp_multihop has no meaning.",
                "Leave ebgp_multihop out, or correct one of the AS numbers.",
                (f"load_balancer.peers[{index}].asn",),
            )


@block("peer-is-node")
def peer_is_node(spec: ClusterSpec) -> Iterator[Fault]:
    """A router is not one of the nodes."""
    nodes = {parse_address(node.ip): index for index, node in enumerate(spec.nodes)}
    for index, peer in enumerate(spec.load_balancer.peers):
        node = nodes.get(parse_address(peer.address))
        if _speaks(spec) and node is not None:
            yield Fault(
                f"load_balancer.peers[{index}].address",
                f"{peer.address} is the address of {spec.nodes[node].name}, not of a router.",
                "Give the address of the router that the nodes speak to.",
                (f"nodes[{node}].address",),
            )


@block("advertisement-unknown")
def advertisement_unknown(spec: ClusterSpec) -> Iterator[Fault]:
    """An advertisement names pools and routers that there are."""
    balancer = spec.load_balancer
    known = {"pools": {pool.name for pool in balancer.pools}, "peers": {peer.name for peer in balancer.peers}}
    for index, advertisement in enumerate(balancer.advertisements):
        for field, names in (("pools", advertisement.pools), ("peers", advertisement.peers)):
            for at, name in enumerate(names):
                if name not in known[field]:
                    yield Fault(
                        f"load_balancer.advertisements[{index}].{field}[{at}]",
                        f"There is no {'pool' if field == 'pools' else 'router'} called {name}.",
                        f"Take one of {', '.join(sorted(known[field])) or 'none, as there are none'}.",
                        (f"load_balancer.{field}",),
                    )


@block("aggregation-length")
def aggregation_length(spec: ClusterSpec) -> Iterator[Fault]:
    """What is told to routers is not wider than a pool's own ranges."""
    for index, advertisement in enumerate(spec.load_balancer.advertisements):
        for number, pool in enumerate(spec.load_balancer.pools):
            told, longest = advertisement.aggregation_length, _longest_prefix(pool)
            if _covers(advertisement, pool) and told < longest:
                yield Fault(
                    f"load_balancer.advertisements[{index}].aggregation_length",
                    f"A range of pool {pool.name} is a /{longest}, finer than /{told}.",
                    f"Take {longest} or more; 32 tells each address by itself.",
                    (f"load_balancer.pools[{number}].addresses",),
                )


def _covers(advertisement: Advertisement, pool: Pool) -> bool:
    return not advertisement.pools or pool.name in advertisement.pools


def _longest_prefix(pool: Pool) -> int:
    """Return the prefix of the smallest of a pool's IPv4 ranges, as MetalLB compares it."""
    spans = (span_of(text) for text in pool.addresses)
    return max((_prefix(span) for span in spans if span and span.version == 4), default=0)


def _prefix(span: Span) -> int:
    """Return the prefix of the largest network in a range (MetalLB v0.16.1: config.go, lowestMask)."""
    first, last = ipaddress.IPv4Address(int(span.first)), ipaddress.IPv4Address(int(span.last))
    return min(network.prefixlen for network in ipaddress.summarize_address_range(first, last))


@warn("pool-not-advertised")
def pool_not_advertised(spec: ClusterSpec) -> Iterator[Fault]:
    """Addresses of a pool that no router is told of are answered by nobody."""
    advertisements = spec.load_balancer.advertisements
    if not _speaks(spec) or not advertisements:
        return
    for index, pool in enumerate(spec.load_balancer.pools):
        if not any(_covers(advertisement, pool) for advertisement in advertisements):
            yield Fault(
                f"load_balancer.pools[{index}].name",
                f"No advertisement tells the routers of pool {pool.name}: nobody would reach its addresses.",
                "Add it to an advertisement.",
                ("load_balancer.advertisements",),
            )


RULES: Final = rules_in(globals())
