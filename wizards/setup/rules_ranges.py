"""Rules about the ranges of pods and Services: no overlap, and room for all nodes."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from itertools import combinations
from typing import Final

from wizards.setup.proposals import parse_address
from wizards.setup.ranges import Span, span_of
from wizards.setup.rules_nodes import is_bare_metal
from wizards.setup.ruling import Fault, block, rules_in, warn
from wizards.setup.spec import ClusterSpec, Cni, Role
from wizards.setup.words import listing

_KIND_NODE_PREFIX: Final = 24
_FARTHEST: Final = 16
"""kube-controller-manager refuses a node prefix more than this many bits longer than the range's."""
_LARGEST_SERVICE_BITS: Final = 20
"""The API server refuses a Service range with more than 2^20 addresses."""
_SMALLEST_SERVICES: Final = 16
_FEW_PODS: Final = 32
_ENGINE_NETWORKS: Final = Span(ipaddress.ip_address("172.16.0.0"), ipaddress.ip_address("172.31.255.255"))
_EXAMPLES: Final = {4: "10.233.64.0/18", 6: "fd85:ee78:d8a6::/112"}
_TITLES: Final = {
    "network.pods": "pod addresses",
    "network.services": "Service addresses",
    "network.pods_v6": "IPv6 pod addresses",
    "network.services_v6": "IPv6 Service addresses",
}


def ranges(spec: ClusterSpec) -> dict[str, tuple[str, Span]]:
    """Return the cluster's own ranges: path to what stands there and the addresses it spans."""
    network = spec.network
    texts = {
        "network.pods": network.pods,
        "network.services": network.services,
        "network.pods_v6": network.pods_v6,
        "network.services_v6": network.services_v6,
    }
    spans = {path: (text, span_of(text)) for path, text in texts.items() if text}
    return {path: (text, span) for path, (text, span) in spans.items() if span is not None}


def title_of(path: str) -> str:
    """Return what the range at `path` is called."""
    return _TITLES[path]


@block("ranges-overlap")
def ranges_overlap(spec: ClusterSpec) -> Iterator[Fault]:
    """Pods and Services have addresses of their own."""
    for (path, (text, span)), (other, (other_text, other_span)) in combinations(ranges(spec).items(), 2):
        if span.overlaps(other_span):
            yield Fault(
                other,
                f"The {title_of(other)} {other_text} overlap the {title_of(path)} {text}.",
                "Give each a range of its own.",
                (path,),
            )


@block("range-over-nodes")
def range_over_nodes(spec: ClusterSpec) -> Iterator[Fault]:
    """Packets for a node must not end in the cluster's own network."""
    if not is_bare_metal(spec):
        return
    addresses = [(index, node, parse_address(node.ip)) for index, node in enumerate(spec.nodes)]
    for path, (text, span) in ranges(spec).items():
        inside = [(index, node) for index, node, address in addresses if address and address in span]
        if inside:
            names = [node.name for _, node in inside[:3]] + (
                [f"{len(inside) - 3} more"] if inside[3:] else []
            )
            yield Fault(
                path,
                f"The {title_of(path)} {text} cover the addresses of {listing(names)}.",
                "Take a range that nothing in your network uses.",
                tuple(f"nodes[{index}].address" for index, _ in inside[:4]),
            )


@block("range-over-dns")
def range_over_dns(spec: ClusterSpec) -> Iterator[Fault]:
    """Name servers outside must stay outside."""
    for index, text in enumerate(spec.kubernetes.upstream_dns):
        address = parse_address(text)
        for path, (shown, span) in ranges(spec).items():
            if address and address in span:
                yield Fault(
                    path,
                    f"The {title_of(path)} {shown} cover the name server {text}.",
                    "Take a range that nothing in your network uses.",
                    (f"kubernetes.upstream_dns[{index}]",),
                )


@block("range-unusable")
def range_unusable(spec: ClusterSpec) -> Iterator[Fault]:
    """Some addresses cannot be anybody's."""
    for path, (text, span) in ranges(spec).items():
        network = ipaddress.ip_network(text)
        if network.is_multicast or network.is_loopback or network.is_link_local or network.prefixlen == 0:
            yield Fault(
                path,
                f"The {title_of(path)} {text} are not addresses that machines can have.",
                "Take a private range, such as 10.233.64.0/18."
                if span.version == 4
                else "Take a private range, such as fd85:ee78:d8a6::/112.",
            )


@block("range-family")
def range_family(spec: ClusterSpec) -> Iterator[Fault]:
    """Pods and Services go by the same families; the second family is IPv6."""
    network = spec.network
    versions = {path: span.version for path, (_, span) in ranges(spec).items()}
    if versions["network.pods"] != versions["network.services"]:
        yield Fault(
            "network.services",
            "Pods and Services have addresses of different families.",
            f"Give Services an IPv{versions['network.pods']} range too.",
            ("network.pods",),
        )
    for path in ("network.pods_v6", "network.services_v6"):
        if versions.get(path) == 4:
            yield Fault(path, f"The {title_of(path)} are IPv4.", "Give an IPv6 range, such as fd85::/112.")
    if network.pods_v6 and versions["network.pods"] == 6:
        yield Fault(
            "network.pods_v6",
            "The pod addresses are IPv6 already; a second IPv6 range has no place.",
            "Leave pods_v6 and services_v6 out, or make pods and services IPv4.",
            ("network.pods",),
        )


@block("half-dual-stack")
def half_dual_stack(spec: ClusterSpec) -> Iterator[Fault]:
    """Two families need both ranges of both."""
    pods, services = spec.network.pods_v6, spec.network.services_v6
    if bool(pods) != bool(services):
        there, missing = ("pods_v6", "services_v6") if pods else ("services_v6", "pods_v6")
        yield Fault(
            f"network.{missing}",
            f"{there} is given and {missing} is not; two families need both.",
            f"Add {missing}, or leave {there} out.",
            (f"network.{there}",),
        )


@block("family-of-nodes")
def family_of_nodes(spec: ClusterSpec) -> Iterator[Fault]:
    """Pods have an address of the nodes' family, among theirs."""
    if not is_bare_metal(spec):
        return
    versions = {span.version for path, (_, span) in ranges(spec).items() if "pods" in path}
    for index, node in enumerate(spec.nodes):
        address = parse_address(node.ip)
        if address and address.version not in versions:
            yield Fault(
                "network.pods",
                f"The servers have IPv{address.version} addresses, and pods have none of that family.",
                f"Give pods and Services IPv{address.version} ranges.",
                (f"nodes[{index}].address",),
            )
            return


def _pieces(
    spec: ClusterSpec,
) -> Iterator[tuple[str, str, int, ipaddress.IPv4Network | ipaddress.IPv6Network]]:
    """Yield path of a pod range, path of the prefix of each node's piece, that prefix, and the range."""
    network = spec.network
    for path, text in (("network.pods", network.pods), ("network.pods_v6", network.pods_v6)):
        if not text:
            continue
        whole = ipaddress.ip_network(text)
        if not is_bare_metal(spec):
            if whole.version == 4:
                yield path, path, _KIND_NODE_PREFIX, whole
        elif whole.version == 4:
            yield path, "network.node_prefix", network.node_prefix, whole
        else:
            yield path, "network.node_prefix_v6", network.node_prefix_v6, whole


@block("node-prefix")
def node_prefix(spec: ClusterSpec) -> Iterator[Fault]:
    """A node's piece is a part of the pod range. Calico cuts its pieces itself."""
    for path, prefix_path, prefix, whole in _pieces(spec):
        if prefix < whole.prefixlen and spec.network.cni is not Cni.CALICO:
            yield Fault(
                prefix_path,
                f"A piece of /{prefix} for each node is larger than all {title_of(path)}, {whole}.",
                f"Take a prefix from {whole.prefixlen + 1} up, or a larger range.",
                (path,),
            )


@block("pods-too-few")
def pods_too_few(spec: ClusterSpec) -> Iterator[Fault]:
    """The pod range has a piece for each node (asserted by Kubespray, not for Calico)."""
    count = _members(spec)
    for path, prefix_path, prefix, whole in _pieces(spec):
        bits = prefix - whole.prefixlen
        if spec.network.cni is Cni.CALICO or bits < 0 or count <= 2**bits:
            continue
        wanted = prefix - (count - 1).bit_length()
        yield Fault(
            path,
            f"{whole} has {2**bits} pieces of /{prefix}, too few for {count} nodes.",
            f"Take a range of /{wanted} or larger, or smaller pieces.",
            () if prefix_path == path else (prefix_path,),
        )


def _members(spec: ClusterSpec) -> int:
    if not is_bare_metal(spec):
        return spec.local.control_planes + spec.local.workers
    return sum(node.has(Role.CONTROL_PLANE) or node.has(Role.WORKER) for node in spec.nodes)


@block("node-prefix-far")
def node_prefix_far(spec: ClusterSpec) -> Iterator[Fault]:
    """Kubernetes cuts a range into at most 2^16 pieces."""
    for path, prefix_path, prefix, whole in _pieces(spec):
        if prefix - whole.prefixlen > _FARTHEST and spec.network.cni is not Cni.CALICO:
            yield Fault(
                prefix_path,
                f"{whole} cannot be cut into pieces of /{prefix}: at most 16 bits may lie between.",
                f"Take a prefix of at most {whole.prefixlen + _FARTHEST}, or a smaller range.",
                (path,),
            )


@warn("node-prefix-small")
def node_prefix_small(spec: ClusterSpec) -> Iterator[Fault]:
    """The system's own pods take about ten addresses of each node."""
    for _, prefix_path, prefix, whole in _pieces(spec):
        room = 2 ** (whole.max_prefixlen - prefix) - 2
        if prefix >= whole.prefixlen and room < _FEW_PODS and spec.network.cni is not Cni.CALICO:
            yield Fault(
                prefix_path,
                f"A piece of /{prefix} has room for {room} pods a node, and the system takes about ten.",
                "Take 24 or 25, unless the nodes are very small.",
            )


@block("services-size")
def services_size(spec: ClusterSpec) -> Iterator[Fault]:
    """The API server takes a Service range of some sizes only."""
    for path, (text, span) in ranges(spec).items():
        if "services" not in path:
            continue
        if len(span) > 2**_LARGEST_SERVICE_BITS:
            longest = (32 if span.version == 4 else 128) - _LARGEST_SERVICE_BITS
            yield Fault(
                path, f"{text} is larger than Kubernetes takes for Services.", f"Take /{longest} or smaller."
            )
        elif len(span) < _SMALLEST_SERVICES:
            yield Fault(path, f"{text} has only {len(span)} addresses for Services.", "Take /18, or /24.")


@warn("range-over-engine")
def range_over_engine(spec: ClusterSpec) -> Iterator[Fault]:
    """Docker and its like take their networks from 172.16.0.0/12, kind's among them."""
    if is_bare_metal(spec):
        return
    for path, (text, span) in ranges(spec).items():
        if span.overlaps(_ENGINE_NETWORKS):
            yield Fault(
                path,
                f"The {title_of(path)} {text} lie where container engines have their networks.",
                "Take a range outside 172.16.0.0/12, such as 10.244.0.0/16.",
            )


RULES: Final = rules_in(globals())
