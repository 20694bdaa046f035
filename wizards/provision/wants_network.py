"""What the network between the nodes, and from them to the world, must carry: ports, peers, downloads. Pure.

Ports and hosts are those of Kubespray v2.31, kubeadm and the charts (facts: components.md). Istio's ports
(15008, 15012, 15017, …) are those of pods: no node listens on them, and the pod network carries them.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any, Final
from urllib.parse import urlsplit

from wizards.setup.proposals import is_ip, parse_address
from wizards.setup.rules_pools import LAYER_2, METALLB
from wizards.setup.spec import (
    ClusterSpec,
    Cni,
    EndpointKind,
    Engine,
    LoadBalancerKind,
    MeshKind,
    Node,
    Role,
    Runtime,
)
from wizards.setup.values import parse_range

_KUBELET: Final = 10250
_CONTROL_PLANE: Final = (10257, 10259)
_ETCD_CLIENT: Final = 2379
_ETCD_PEER: Final = 2380
_KUBE_PROXY: Final = (10249, 10256)
_LOCAL_PROXY_HEALTH: Final = 8081
_NODE_LOCAL_DNS: Final = (9253, 9254)
_BGP: Final = 179
_METALLB: Final = 7946
_MAYASTOR: Final = (10124, 8420, 4421)
_CILIUM_HEALTH: Final = 4240
_HUBBLE: Final = 4244
_CILIUM_AGENT: Final = 9879
_FELIX: Final = 9099
_POOL_SAMPLE: Final = 64
"""Pool addresses that are asked for by ARP: all of a small pool, a spread of a big one."""
_ASKERS: Final = 3
"""Nodes that ask for each of them: enough for nodes on two networks, and one that hears nothing."""


def wanted_ports(node: Node, spec: ClusterSpec) -> tuple[int, ...]:
    """Return the TCP ports that must be free on `node`: those it will listen on, on whatever address."""
    ports = {_KUBELET}
    if node.has(Role.CONTROL_PLANE):
        ports |= {spec.endpoint.port, *_CONTROL_PLANE}
    elif spec.endpoint.kind is EndpointKind.LOCAL_PROXY:
        # The proxy on each node that is no control plane takes the API server's own port.
        ports |= {spec.endpoint.port, _LOCAL_PROXY_HEALTH}
    if node.has(Role.ETCD):
        ports |= {_ETCD_CLIENT, _ETCD_PEER}
    if has_kube_proxy(spec):
        ports |= set(_KUBE_PROXY)
    if spec.kubernetes.node_local_dns:
        ports |= set(_NODE_LOCAL_DNS)
    if spec.network.cni is Cni.CILIUM:
        ports.add(_CILIUM_AGENT)
    if spec.network.cni is Cni.CALICO:
        ports.add(_FELIX)
    return tuple(sorted(ports | {*_shared_tcp(node, spec)}))


def has_kube_proxy(spec: ClusterSpec) -> bool:
    """Tell whether kube-proxy runs on the nodes."""
    return not (spec.network.cni is Cni.CILIUM and spec.network.cilium.kube_proxy_replacement)


def has_metallb(spec: ClusterSpec) -> bool:
    """Tell whether MetalLB answers Services."""
    return spec.load_balancer.kind in METALLB


def _shared_tcp(node: Node, spec: ClusterSpec) -> Iterator[int]:
    """Return the ports of `node` that every other node connects to, whatever both do, the kubelet's aside."""
    if spec.network.cni is Cni.CILIUM:
        yield _CILIUM_HEALTH
        if spec.network.cilium.hubble:
            yield _HUBBLE
    bgp = spec.network.cni is Cni.CALICO and spec.network.calico.mode != "vxlan"
    if bgp or spec.network.cni is Cni.KUBE_ROUTER:
        yield _BGP
    if has_metallb(spec):
        yield _METALLB
    if Engine.MAYASTOR in spec.storage.engines and node.has(Role.WORKER):
        yield from _MAYASTOR


def wanted_udp(spec: ClusterSpec) -> tuple[int, ...]:
    """Return the UDP ports that every node sends to on every other: tunnels, encryption, MetalLB."""
    network = spec.network
    ports = {_METALLB} if has_metallb(spec) else set()
    if network.cni is Cni.CILIUM:
        if network.cilium.routing == "tunnel":
            ports.add(8472 if network.cilium.tunnel == "vxlan" else 6081)
        if network.cilium.encryption == "wireguard":
            ports.add(51871)
    if network.cni is Cni.CALICO and network.calico.mode == "vxlan":
        ports.add(4789)
    if network.cni is Cni.FLANNEL:
        ports |= {"vxlan": {8472}, "wireguard": {51820}}.get(network.flannel.backend, set())
    return tuple(sorted(ports))


def wanted_reach(spec: ClusterSpec) -> dict[str, Any]:
    """Return who must reach whom: ``nodes`` by name, and ``rules`` that say which ports between which kinds.

    Not a list of peers for each node: of 300 nodes that would be 90,000 entries in every plan. The playbook's
    action plugin works a node's peers out.
    """
    if len(spec.nodes) < 2:
        return {}
    nodes = {
        node.name: {
            "address": node.ip,
            "kinds": ["node", *(role.value for role in node.roles)],
        }
        for node in spec.nodes
    }
    return {"nodes": nodes, "rules": list(_reach_rules(spec))}


def _reach_rules(spec: ClusterSpec) -> Iterator[dict[str, Any]]:
    control_plane, etcd, worker = Role.CONTROL_PLANE.value, Role.ETCD.value, Role.WORKER.value
    both = [port for port in _shared_tcp(spec.nodes[0], spec) if port not in _MAYASTOR]
    # metrics-server runs anywhere and asks every kubelet.
    yield {"from": "node", "to": "node", "tcp": sorted({_KUBELET, *both}), "udp": list(wanted_udp(spec))}
    yield {"from": "node", "to": control_plane, "tcp": [spec.endpoint.port], "udp": []}
    yield {"from": control_plane, "to": etcd, "tcp": [_ETCD_CLIENT], "udp": []}
    yield {"from": etcd, "to": etcd, "tcp": [_ETCD_CLIENT, _ETCD_PEER], "udp": [], "etcd": True}
    if Engine.MAYASTOR in spec.storage.engines:
        yield {"from": "node", "to": worker, "tcp": sorted(_MAYASTOR), "udp": []}


def wanted_urls(spec: ClusterSpec) -> tuple[str, ...]:
    """Return the places the nodes download from: the mirrors where they are named, else the originals.

    Helm charts and console tools are fetched by the console and are not among them.
    """
    mirrors = spec.mirrors
    urls = [mirrors.files] if mirrors.files else list(_file_urls(spec))
    if mirrors.registry:
        scheme = "http" if mirrors.registry_insecure else "https"
        urls.append(f"{scheme}://{mirrors.registry.split('/', 1)[0]}/v2/")
    else:
        urls += [f"https://{host}/v2/" for host in _registries(spec)]
    return tuple(dict.fromkeys(urls))


def _file_urls(spec: ClusterSpec) -> Iterator[str]:
    yield f"https://dl.k8s.io/release/v{spec.kubernetes.version}/bin/linux/amd64/kubelet.sha256"
    yield "https://github.com/"
    # Where GitHub sends who downloads a release.
    yield "https://release-assets.githubusercontent.com/"
    if spec.kubernetes.runtime is Runtime.CRIO:
        yield "https://storage.googleapis.com/cri-o/"
    if spec.kubernetes.runtime is Runtime.DOCKER:
        yield "https://download.docker.com/"


def _registries(spec: ClusterSpec) -> tuple[str, ...]:
    docker = "registry-1.docker.io"
    hosts = {"registry.k8s.io"}
    if spec.network.cni in (Cni.CILIUM, Cni.CALICO) or has_metallb(spec):
        hosts.add("quay.io")
    if spec.network.cni in (Cni.FLANNEL, Cni.KUBE_ROUTER) or _has_local_proxy(spec):
        hosts.add(docker)
    if {*spec.storage.engines} - {Engine.STANDARD}:
        hosts.add(docker)
    if spec.endpoint.kind is EndpointKind.KUBE_VIP:
        hosts.add("ghcr.io")
    if spec.mesh.kind is not MeshKind.NONE:
        hosts.add("registry.istio.io")
        hosts |= {docker, "quay.io"} if spec.mesh.addons else set()
    return tuple(sorted(hosts))


def _has_local_proxy(spec: ClusterSpec) -> bool:
    dedicated = any(not node.has(Role.CONTROL_PLANE) for node in spec.nodes)
    return spec.endpoint.kind is EndpointKind.LOCAL_PROXY and dedicated


def wanted_hosts(spec: ClusterSpec) -> tuple[str, ...]:
    """Return the names that the nodes must be able to look up; behind a proxy, the proxy looks them up."""
    proxies = [url for url in (spec.proxy.http, spec.proxy.https) if url]
    urls = list(wanted_urls(spec))
    mirrors = [url for url in (spec.mirrors.files,) if url]
    hosts = [urlsplit(url).hostname or "" for url in ([*proxies, *mirrors] if proxies else urls)]
    if spec.endpoint.address:
        hosts.append(spec.endpoint.address)
    return tuple(dict.fromkeys(host for host in hosts if host and not is_ip(host)))


def wanted_proxy(spec: ClusterSpec) -> dict[str, str]:
    """Return the proxy for downloads, and what is reached without it, as the usual variables."""
    chosen = {"http_proxy": spec.proxy.http, "https_proxy": spec.proxy.https}
    found = {name: url for name, url in chosen.items() if url}
    if found and spec.proxy.no_proxy:
        found["no_proxy"] = ",".join(spec.proxy.no_proxy)
    return found


def wanted_outside(spec: ClusterSpec) -> dict[str, Any]:
    """Return what of the operator's own the nodes must reach: a load balancer, and BGP routers."""
    found: dict[str, Any] = {}
    if spec.endpoint.kind is EndpointKind.EXTERNAL and spec.endpoint.address:
        found["endpoint"] = [spec.endpoint.address, spec.endpoint.port]
    if spec.load_balancer.kind in (LoadBalancerKind.METALLB_BGP, LoadBalancerKind.CILIUM_BGP):
        found["bgp"] = [[peer.address, peer.port] for peer in spec.load_balancer.peers]
    return found


def wanted_free_addresses(spec: ClusterSpec) -> dict[str, list[str]]:
    """Return by node what no machine may answer for: the virtual address, and a sample of the pools.

    Only IPv4 and only what is announced by ARP: BGP's pools belong to no network.
    """
    virtual = [spec.endpoint.address] if spec.endpoint.kind is EndpointKind.KUBE_VIP else []
    asked: dict[str, list[str]] = {
        node.name: [one for one in virtual if one and _is_ip4(one)] for node in spec.nodes
    }
    names = list(asked)
    for number, address in enumerate(_pool_sample(spec)):
        for turn in range(min(_ASKERS, len(names))):
            asked[names[(number + turn) % len(names)]].append(address)
    return {name: addresses for name, addresses in asked.items() if addresses}


def _pool_sample(spec: ClusterSpec) -> tuple[str, ...]:
    """Return up to `_POOL_SAMPLE` addresses of the layer 2 pools, spread evenly, the ends included."""
    if spec.load_balancer.kind not in LAYER_2:
        return ()
    parsed = (parse_range(text) for pool in spec.load_balancer.pools for text in pool.addresses)
    ranges = [(int(first), int(last)) for first, last in parsed if first.version == 4]
    total = sum(last - first + 1 for first, last in ranges)
    wanted = min(total, _POOL_SAMPLE)
    places = {round(number * (total - 1) / max(1, wanted - 1)) for number in range(wanted)}
    found, start = [], 0
    for first, last in ranges:
        size = last - first + 1
        found += [first + place - start for place in sorted(places) if start <= place < start + size]
        start += size
    return tuple(str(IPv4Address(one)) for one in found)


def _is_ip4(text: str) -> bool:
    address = parse_address(text)
    return address is not None and address.version == 4
