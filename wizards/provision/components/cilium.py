"""Cilium: values of its chart for a local cluster, and its own load balancer's objects on any cluster.

On servers Kubespray installs Cilium, from variables (`wizards.provision.group_vars`); facts: section 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from wizards.provision.components.text import Data, kube_object
from wizards.setup.spec import Advertisement, ClusterSpec, LoadBalancerKind, MeshKind, Peer, Pool
from wizards.setup.values import parse_range

ALL: Final = "slipway"
API_PORT: Final = 6443
"""Port of the API server inside a kind cluster."""
_POOL_LABEL: Final = "slipway.dev/pool"
_NAMESPACE_LABEL: Final = "io.kubernetes.service.namespace"
_METALLB: Final = (LoadBalancerKind.METALLB_L2, LoadBalancerKind.METALLB_BGP)


def values(spec: ClusterSpec) -> Data:
    """Return the chart's values for a kind cluster; what another choice asks for is set (rules 2, 3, 7-9)."""
    cilium = spec.network.cilium
    chosen: Data = {
        "ipam": {"mode": "kubernetes"},
        "image": {"pullPolicy": "IfNotPresent"},
        "operator": {"replicas": 1},
        "kubeProxyReplacement": "true" if cilium.kube_proxy_replacement else "false",
        "hubble": {
            "enabled": cilium.hubble,
            "relay": {"enabled": cilium.hubble},
            "ui": {"enabled": cilium.hubble and cilium.hubble_ui},
        },
        "bpf": {"masquerade": cilium.bpf_masquerade and spec.mesh.kind is not MeshKind.ISTIO_AMBIENT},
        **_routing(spec),
        **_balancing(spec),
    }
    if cilium.kube_proxy_replacement:
        chosen |= {"k8sServiceHost": _api_host(spec), "k8sServicePort": API_PORT}
    if cilium.encryption != "none":
        chosen["encryption"] = {"enabled": True, "type": cilium.encryption}
    if spec.mesh.kind is not MeshKind.NONE:
        chosen |= {"cni": {"exclusive": False}, "socketLB": {"hostNamespaceOnly": True}}
    return chosen


def _api_host(spec: ClusterSpec) -> str:
    """Return the container that answers for the API: kind puts a balancer before several control planes."""
    return f"{spec.name}-{'external-load-balancer' if spec.local.control_planes > 1 else 'control-plane'}"


def _routing(spec: ClusterSpec) -> Data:
    cilium = spec.network.cilium
    if cilium.routing == "native":
        return {
            "routingMode": "native",
            "autoDirectNodeRoutes": True,
            "ipv4NativeRoutingCIDR": cilium.native_cidr or spec.network.pods,
        }
    return {"routingMode": "tunnel", "tunnelProtocol": cilium.tunnel}


def _balancing(spec: ClusterSpec) -> Data:
    """One owner of the load balancers' addresses: Cilium's own, or MetalLB, never both."""
    kind = spec.load_balancer.kind
    if kind is LoadBalancerKind.CILIUM_L2:
        # Each announced address is a lease that is renewed every few seconds.
        return {"l2announcements": {"enabled": True}, "k8sClientRateLimit": {"qps": 50, "burst": 100}}
    if kind is LoadBalancerKind.CILIUM_BGP:
        return {"bgpControlPlane": {"enabled": True}}
    if kind in _METALLB:
        return {"enableLBIPAM": False, "defaultLBServiceIPAM": "none"}
    return {}


def objects(spec: ClusterSpec) -> list[Data]:
    """Return Cilium's address pools and how they are announced; empty where something else balances."""
    kind = spec.load_balancer.kind
    pools = [_pool(pool) for pool in spec.load_balancer.pools]
    if kind is LoadBalancerKind.CILIUM_L2:
        return [*pools, _announcement(spec)]
    if kind is LoadBalancerKind.CILIUM_BGP:
        return [*pools, *_bgp(spec)]
    return []


def _pool(pool: Pool) -> Data:
    spec: Data = {
        "blocks": [_block(text) for text in pool.addresses],
        "allowFirstLastIPs": "No" if pool.avoid_buggy_ips else "Yes",
    }
    if pool.namespaces:
        among = {"key": _NAMESPACE_LABEL, "operator": "In", "values": list(pool.namespaces)}
        spec["serviceSelector"] = {"matchExpressions": [among]}
    if not pool.auto_assign:
        # Cilium has no "only on request": the Service asks by this label.
        spec.setdefault("serviceSelector", {})["matchLabels"] = {_POOL_LABEL: pool.name}
    return kube_object("cilium.io/v2", "CiliumLoadBalancerIPPool", pool.name, spec=spec)


def _block(text: str) -> Data:
    if "/" in text:
        return {"cidr": text}
    first, last = parse_range(text)
    return {"start": str(first), "stop": str(last)}


def _announcement(spec: ClusterSpec) -> Data:
    content: Data = {"loadBalancerIPs": True, "externalIPs": False}
    if spec.load_balancer.interfaces:
        content["interfaces"] = [f"^{re.escape(name)}$" for name in spec.load_balancer.interfaces]
    return kube_object("cilium.io/v2alpha1", "CiliumL2AnnouncementPolicy", ALL, spec=content)


def _bgp(spec: ClusterSpec) -> Iterator[Data]:
    """One BGP instance for each of the cluster's own AS numbers, and a configuration for each peer."""
    peers = spec.load_balancer.peers
    instances = [
        {"name": f"as-{asn}", "localASN": asn, "peers": [_peer(peer) for peer in peers if peer.my_asn == asn]}
        for asn in sorted({peer.my_asn for peer in peers})
    ]
    yield kube_object("cilium.io/v2", "CiliumBGPClusterConfig", ALL, spec={"bgpInstances": instances})
    for peer in peers:
        yield kube_object("cilium.io/v2", "CiliumBGPPeerConfig", peer.name, spec=_peer_config(peer))
    for number, advertisement in enumerate(spec.load_balancer.advertisements or (Advertisement(),), start=1):
        told = advertisement.peers or tuple(peer.name for peer in peers)
        yield kube_object(
            "cilium.io/v2",
            "CiliumBGPAdvertisement",
            f"{ALL}-{number}",
            labels={_peer_label(name): "yes" for name in told},
            spec={"advertisements": [_advertised(advertisement)]},
        )


def _peer_label(name: str) -> str:
    return f"peer.slipway.dev/{name}"


def _peer(peer: Peer) -> Data:
    return {
        "name": peer.name,
        "peerASN": peer.asn,
        "peerAddress": peer.address,
        "peerConfigRef": {"name": peer.name},
    }


def _peer_config(peer: Peer) -> Data:
    families = [
        {
            "afi": "ipv6" if ":" in peer.address else "ipv4",
            "safi": "unicast",
            "advertisements": {"matchLabels": {_peer_label(peer.name): "yes"}},
        }
    ]
    content: Data = {"transport": {"peerPort": peer.port}, "families": families}
    if peer.hold_time is not None:
        content["timers"] = {"holdTimeSeconds": peer.hold_time, "keepAliveTimeSeconds": peer.hold_time // 3}
    if peer.ebgp_multihop:
        content["ebgpMultihop"] = 4
    if peer.password_secret:
        content["authSecretRef"] = peer.password_secret
    return content


def _advertised(advertisement: Advertisement) -> Data:
    # A selector must be there; this one matches every Service.
    every = {"matchExpressions": [{"key": "slipway.dev/not-announced", "operator": "DoesNotExist"}]}
    content: Data = {
        "advertisementType": "Service",
        "service": {"addresses": ["LoadBalancerIP"]},
        "selector": every,
    }
    attributes: Data = {}
    large = [text.removeprefix("large:") for text in advertisement.communities if text.startswith("large:")]
    standard = [text for text in advertisement.communities if not text.startswith("large:")]
    communities = {key: found for key, found in (("standard", standard), ("large", large)) if found}
    if communities:
        attributes["communities"] = communities
    if advertisement.local_pref is not None:
        attributes["localPreference"] = advertisement.local_pref
    if attributes:
        content["attributes"] = attributes
    return content
