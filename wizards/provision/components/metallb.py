"""MetalLB 0.16: values of its chart, address pools and how they are announced (facts: section 1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wizards.provision.components.text import Data, kube_object
from wizards.setup.spec import Advertisement, ClusterSpec, LoadBalancerKind, Peer, Pool, Role, Target

NAMESPACE: Final = "metallb-system"
ALL: Final = "slipway"
"""Name of the objects that are there once: the advertisement of all pools, the BFD profile."""


def values(spec: ClusterSpec) -> Data:
    """Return the chart's values: FRR-K8s only where BGP wants it, and no deprecated FRR sidecar."""
    bgp = spec.load_balancer.kind is LoadBalancerKind.METALLB_BGP
    speaker: Data = {"frr": {"enabled": False}}
    if _only_control_planes(spec):
        # Rule 25: kubeadm labels control planes "exclude from external load balancers".
        speaker["ignoreExcludeLB"] = True
    return {"frrk8s": {"enabled": bgp}, "speaker": speaker}


def _only_control_planes(spec: ClusterSpec) -> bool:
    if spec.target is Target.LOCAL:
        return spec.local.workers == 0
    return all(node.has(Role.CONTROL_PLANE) for node in spec.nodes)


def objects(spec: ClusterSpec) -> list[Data]:
    """Return pools and their announcement: layer 2, or BGP peers, profile and advertisements."""
    pools = [_pool(pool) for pool in spec.load_balancer.pools]
    if spec.load_balancer.kind is LoadBalancerKind.METALLB_BGP:
        return [*pools, *_bgp(spec)]
    return [*pools, _layer2(spec)]


def _object(kind: str, name: str, spec: Data, version: str = "v1beta1") -> Data:
    return kube_object(f"metallb.io/{version}", kind, name, namespace=NAMESPACE, spec=spec)


def _pool(pool: Pool) -> Data:
    spec: Data = {
        "addresses": list(pool.addresses),
        "autoAssign": pool.auto_assign,
        "avoidBuggyIPs": pool.avoid_buggy_ips,
    }
    if pool.namespaces:
        spec["serviceAllocation"] = {"namespaces": list(pool.namespaces)}
    return _object("IPAddressPool", pool.name, spec)


def _layer2(spec: ClusterSpec) -> Data:
    # It names no pool, so that it counts for pools that are added later as well: a pool without any
    # advertisement hands out addresses that nobody answers for.
    interfaces = spec.load_balancer.interfaces
    return _object("L2Advertisement", ALL, {"interfaces": list(interfaces)} if interfaces else {})


def _bgp(spec: ClusterSpec) -> Iterator[Data]:
    balancer = spec.load_balancer
    if any(peer.bfd for peer in balancer.peers):
        yield _object("BFDProfile", ALL, {})
    for peer in balancer.peers:
        yield _object("BGPPeer", peer.name, _peer(peer), version="v1beta2")
    for number, advertisement in enumerate(balancer.advertisements or (Advertisement(),), start=1):
        yield _object("BGPAdvertisement", f"{ALL}-{number}", _advertisement(advertisement))


def _peer(peer: Peer) -> Data:
    spec: Data = {
        "myASN": peer.my_asn,
        "peerASN": peer.asn,
        "peerAddress": peer.address,
        "peerPort": peer.port,
    }
    if peer.hold_time is not None:
        spec["holdTime"] = f"{peer.hold_time}s"
    if peer.ebgp_multihop:
        spec["ebgpMultiHop"] = True
    if peer.bfd:
        spec["bfdProfile"] = ALL
    if peer.password_secret:
        spec["passwordSecret"] = {"name": peer.password_secret, "namespace": NAMESPACE}
    return spec


def _advertisement(advertisement: Advertisement) -> Data:
    spec: Data = {"aggregationLength": advertisement.aggregation_length}
    if advertisement.pools:
        spec["ipAddressPools"] = list(advertisement.pools)
    if advertisement.peers:
        spec["peers"] = list(advertisement.peers)
    if advertisement.communities:
        spec["communities"] = list(advertisement.communities)
    if advertisement.local_pref is not None:
        spec["localPref"] = advertisement.local_pref
    return spec
