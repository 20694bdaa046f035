"""Rules about the pod network, kube-proxy, the control plane's endpoint, and who balances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wizards.setup.proposals import parse_address, subnet_of
from wizards.setup.rules_nodes import is_bare_metal
from wizards.setup.rules_pools import METALLB
from wizards.setup.rules_ranges import ranges, title_of
from wizards.setup.ruling import Fault, block, fix, rules_in, warn
from wizards.setup.spec import (
    ClusterSpec,
    Cni,
    EndpointKind,
    KubeProxy,
    LoadBalancerKind,
    MeshKind,
    Role,
)
from wizards.setup.words import listing

_LOCAL_CNIS: Final = (Cni.KINDNET, Cni.CILIUM)
_CILIUM_BALANCERS: Final = (LoadBalancerKind.CILIUM_L2, LoadBalancerKind.CILIUM_BGP)


def is_cilium(spec: ClusterSpec) -> bool:
    """Tell whether Cilium is the pod network."""
    return spec.network.cni is Cni.CILIUM


def replaces_kube_proxy(spec: ClusterSpec) -> bool:
    """Tell whether Cilium does kube-proxy's work."""
    return is_cilium(spec) and spec.network.cilium.kube_proxy_replacement


@block("cni-target")
def cni_target(spec: ClusterSpec) -> Iterator[Fault]:
    """Kindnet is kind's; the others but Cilium are Kubespray's."""
    cni = spec.network.cni
    if is_bare_metal(spec) and cni is Cni.KINDNET:
        yield Fault(
            "network.cni",
            "kindnet is part of kind and does not run on servers.",
            "Choose cilium, or another network for servers.",
            ("target",),
        )
    if not is_bare_metal(spec) and cni not in _LOCAL_CNIS:
        yield Fault(
            "network.cni",
            f"On this machine {cni.value} is not set up: there it is kindnet or cilium.",
            "Choose kindnet or cilium, or set target to bare-metal.",
            ("target",),
        )


@block("needs-network")
def needs_network(spec: ClusterSpec) -> Iterator[Fault]:
    """Without a pod network no pod starts, so nothing that runs in pods can be installed."""
    if not is_bare_metal(spec) or spec.network.cni is not Cni.NONE:
        return
    wants = {
        "load_balancer.kind": ("a load balancer", spec.load_balancer.kind is not LoadBalancerKind.NONE),
        "storage.engines": ("storage", bool(spec.storage.engines)),
        "mesh.kind": ("a service mesh", spec.mesh.kind is not MeshKind.NONE),
    }
    for path, (what, is_wanted) in wants.items():
        if is_wanted:
            yield Fault(
                path,
                f"Slipway cannot install {what} before your own pod network is there.",
                "Leave it out for now, or choose a pod network.",
                ("network.cni",),
            )


@block("hubble-ui-alone")
def hubble_ui_alone(spec: ClusterSpec) -> Iterator[Fault]:
    """Hubble's page shows what Hubble sees."""
    cilium = spec.network.cilium
    if is_cilium(spec) and cilium.hubble_ui and not cilium.hubble:
        yield Fault(
            "network.cilium.hubble_ui",
            "Hubble's web page needs Hubble, which is off.",
            "Switch hubble on, or hubble_ui off.",
            ("network.cilium.hubble",),
        )


@block("ipsec-key")
def ipsec_key(spec: ClusterSpec) -> Iterator[Fault]:
    """Cilium's IPsec wants its key in a Secret before Cilium starts; nothing makes it (Kubespray v2.31.0)."""
    if is_cilium(spec) and spec.network.cilium.encryption == "ipsec":
        yield Fault(
            "network.cilium.encryption",
            "IPsec wants a key in a Secret before Cilium starts, which Slipway does not make.",
            "Choose wireguard: it makes and renews its keys itself.",
        )


@fix("native-cidr")
def native_cidr(spec: ClusterSpec) -> Iterator[Fault]:
    """Native routing wants to know which addresses it routes."""
    cilium = spec.network.cilium
    if is_cilium(spec) and cilium.routing == "native" and not cilium.native_cidr:
        yield Fault(
            "network.cilium.native_cidr",
            f"Native routing takes the pod addresses, {spec.network.pods}.",
            others=("network.cilium.routing", "network.pods"),
        )


@warn("native-segments")
def native_segments(spec: ClusterSpec) -> Iterator[Fault]:
    """Plain routes lead to neighbours only."""
    homes = _homes(spec)
    network = spec.network
    plain = {
        "network.cilium.routing": is_cilium(spec) and network.cilium.routing == "native",
        "network.flannel.backend": network.cni is Cni.FLANNEL and network.flannel.backend == "host-gw",
    }
    for path, is_plain in plain.items():
        if is_plain and len(homes) > 1:
            yield Fault(
                path,
                f"The nodes are in {listing(homes[:3])}, and without a tunnel they must share one segment.",
                "Choose a tunnel, unless all these are one segment.",
                ("nodes",),
            )


def _homes(spec: ClusterSpec) -> list[str]:
    if not is_bare_metal(spec):
        return []
    addresses = [address for node in spec.nodes if (address := parse_address(node.ip)) is not None]
    return list(dict.fromkeys(str(subnet_of(address)) for address in addresses))


@fix("strict-arp")
def strict_arp(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 1: with IPVS every node would answer for every address."""
    wants = {
        "load_balancer.kind": ("MetalLB layer 2", spec.load_balancer.kind is LoadBalancerKind.METALLB_L2),
        "endpoint.kind": ("the virtual IP", spec.endpoint.kind is EndpointKind.KUBE_VIP),
    }
    who = [(path, title) for path, (title, is_chosen) in wants.items() if is_chosen]
    is_ipvs = spec.network.kube_proxy is KubeProxy.IPVS and not replaces_kube_proxy(spec)
    if is_bare_metal(spec) and is_ipvs and who:
        titles = listing([title for _, title in who])
        yield Fault(
            "network.kube_proxy",
            f"Strict ARP is switched on, because {titles} with IPVS {'need' if who[1:] else 'needs'} it.",
            others=tuple(path for path, _ in who),
        )


@warn("strict-arp-local")
def strict_arp_local(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 1 on this machine: kind does not set strict ARP by itself."""
    is_ipvs = spec.network.kube_proxy is KubeProxy.IPVS and not replaces_kube_proxy(spec)
    if not is_bare_metal(spec) and is_ipvs and spec.load_balancer.kind is LoadBalancerKind.METALLB_L2:
        yield Fault(
            "network.kube_proxy",
            "MetalLB layer 2 with IPVS needs strict ARP, which kind does not switch on.",
            "Set it to iptables, kind's own default.",
            ("load_balancer.kind",),
        )


@fix("kube-proxy-replaced")
def kube_proxy_replaced(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 2: two would do the same work."""
    if replaces_kube_proxy(spec):
        yield Fault(
            "network.cilium.kube_proxy_replacement",
            "kube-proxy is left out, and Cilium is told where the API server is.",
            others=("network.kube_proxy",),
        )


@fix("one-balancer")
def one_balancer(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 3: Cilium would take addresses back that MetalLB gave."""
    if is_cilium(spec) and spec.load_balancer.kind in METALLB:
        yield Fault(
            "load_balancer.kind",
            "Cilium's own load balancing is switched off, because MetalLB gives the addresses.",
            others=("network.cni",),
        )


@block("cilium-balancer")
def cilium_balancer(spec: ClusterSpec) -> Iterator[Fault]:
    """Cilium's load balancing is part of Cilium."""
    kind = spec.load_balancer.kind
    if kind in _CILIUM_BALANCERS and not is_cilium(spec):
        yield Fault(
            "load_balancer.kind",
            f"{kind.value} needs Cilium as pod network, and it is {spec.network.cni.value}.",
            "Choose cilium, or metallb-l2.",
            ("network.cni",),
        )
    elif kind is LoadBalancerKind.CILIUM_L2 and not replaces_kube_proxy(spec):
        yield Fault(
            "load_balancer.kind",
            "Cilium answers for addresses only in kube-proxy's place.",
            "Switch kube_proxy_replacement on, or choose metallb-l2.",
            ("network.cilium.kube_proxy_replacement",),
        )


@block("balancer-target")
def balancer_target(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 6 and its like: each load balancer has its place."""
    kind = spec.load_balancer.kind
    if is_bare_metal(spec) and kind is LoadBalancerKind.CLOUD_PROVIDER_KIND:
        yield Fault(
            "load_balancer.kind",
            "cloud-provider-kind is for a cluster on this machine only.",
            "Choose metallb-l2, or none.",
            ("target",),
        )
    if not is_bare_metal(spec) and kind in (LoadBalancerKind.METALLB_BGP, LoadBalancerKind.CILIUM_BGP):
        yield Fault(
            "load_balancer.kind",
            "There is no router to speak BGP with in a cluster on this machine.",
            "Choose metallb-l2, cloud-provider-kind or none.",
            ("target",),
        )


@fix("excluded-from-balancing")
def excluded_from_balancing(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 25: control planes carry a label that keeps load balancers away from them."""
    workers = spec.with_role(Role.WORKER)
    if not is_bare_metal(spec) or spec.load_balancer.kind not in METALLB or not workers:
        return
    if all(node.has(Role.CONTROL_PLANE) for node in workers):
        yield Fault(
            "load_balancer.kind",
            "MetalLB is told to use the control planes too, because no other node could answer.",
            others=("nodes",),
        )


@fix("one-operator")
def one_operator(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 26: two of Cilium's operators refuse to share a node."""
    if is_bare_metal(spec):
        is_alone = len(spec.nodes) == 1
    else:
        is_alone = spec.local.control_planes + spec.local.workers == 1
    if is_cilium(spec) and is_alone:
        yield Fault(
            "network.cni",
            "Cilium's operator runs once instead of twice, because there is one node.",
            others=("nodes" if is_bare_metal(spec) else "local.workers",),
        )


@fix("waits-for-network")
def waits_for_network(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 31: kind would wait in vain for nodes that have no network yet."""
    if not is_bare_metal(spec) and spec.network.cni in _LOCAL_CNIS and spec.network.cni is not Cni.KINDNET:
        yield Fault(
            "network.cni",
            "The nodes are waited for after Cilium is installed, not by kind, which would wait in vain.",
            others=("target",),
        )


def _has_address(spec: ClusterSpec) -> bool:
    return spec.endpoint.kind in (EndpointKind.KUBE_VIP, EndpointKind.EXTERNAL)


@block("endpoint-address")
def endpoint_address(spec: ClusterSpec) -> Iterator[Fault]:
    """A virtual IP, or a load balancer of one's own, has an address."""
    if not is_bare_metal(spec) or not _has_address(spec):
        return
    virtual = spec.endpoint.kind is EndpointKind.KUBE_VIP
    if not spec.endpoint.address:
        yield Fault(
            "endpoint.address",
            f"The {'virtual IP' if virtual else 'load balancer of your own'} has no address.",
            "Give a free address in the nodes' network." if virtual else "Give its address or host name.",
            ("endpoint.kind",),
        )
    elif virtual and parse_address(spec.endpoint.address) is None:
        yield Fault(
            "endpoint.address",
            f"The virtual IP is {spec.endpoint.address}, which is a host name.",
            "Give an IP address in the nodes' network.",
            ("endpoint.kind",),
        )


@block("endpoint-is-node")
def endpoint_is_node(spec: ClusterSpec) -> Iterator[Fault]:
    """A virtual IP moves between nodes, so that it belongs to none of them."""
    address = parse_address(spec.endpoint.address)
    if not is_bare_metal(spec) or spec.endpoint.kind is not EndpointKind.KUBE_VIP or not address:
        return
    for index, node in enumerate(spec.nodes):
        if address in (parse_address(node.ip), parse_address(node.address)):
            yield Fault(
                "endpoint.address",
                f"The virtual IP {address} is the address of {node.name}.",
                "Give an address that no machine has.",
                (f"nodes[{index}].address",),
            )
            return


@block("endpoint-in-range")
def endpoint_in_range(spec: ClusterSpec) -> Iterator[Fault]:
    """The control plane is reached from outside the cluster's own network."""
    address = parse_address(spec.endpoint.address)
    if not is_bare_metal(spec) or not _has_address(spec) or not address:
        return
    for path, (text, span) in ranges(spec).items():
        if address in span:
            yield Fault(
                "endpoint.address",
                f"{address} lies in the {title_of(path)} {text}.",
                "Give an address in the nodes' network.",
                (path,),
            )


@warn("endpoint-outside-subnet")
def endpoint_outside_subnet(spec: ClusterSpec) -> Iterator[Fault]:
    """A virtual IP is answered in the nodes' own network only."""
    address = parse_address(spec.endpoint.address)
    homes = _homes(spec)
    if (
        spec.endpoint.kind is EndpointKind.KUBE_VIP
        and address
        and homes
        and str(subnet_of(address)) not in homes
    ):
        yield Fault(
            "endpoint.address",
            f"The virtual IP {address} is not in {listing(homes[:3])}, where the nodes are.",
            "It reaches the nodes' own network only: check that both are in one.",
            ("nodes",),
        )


@warn("endpoint-unused")
def endpoint_unused(spec: ClusterSpec) -> Iterator[Fault]:
    """An address without a use."""
    if spec.endpoint.address and (not is_bare_metal(spec) or not _has_address(spec)):
        what = spec.endpoint.kind.value if is_bare_metal(spec) else "local"
        yield Fault(
            "endpoint.address",
            f"The address {spec.endpoint.address} is not used: the endpoint is {what}.",
            "Leave it out, or choose kube-vip or external.",
            ("endpoint.kind",),
        )


@warn("endpoint-single")
def endpoint_single(spec: ClusterSpec) -> Iterator[Fault]:
    """One endpoint for several control planes is the first one's."""
    planes = [index for index, node in enumerate(spec.nodes) if node.has(Role.CONTROL_PLANE)]
    if is_bare_metal(spec) and spec.endpoint.kind is EndpointKind.SINGLE and len(planes) > 1:
        yield Fault(
            "endpoint.kind",
            f"All depends on {spec.nodes[planes[0]].name}, although there are {len(planes)} control planes.",
            "Choose local-proxy, or kube-vip with a free address.",
            tuple(f"nodes[{index}].roles" for index in planes[1:4]),
        )


@warn("l7-and-mesh")
def l7_and_mesh(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 11: what the mesh encrypts, Cilium cannot read."""
    if is_cilium(spec) and spec.network.cilium.l7_policies and spec.mesh.kind is not MeshKind.NONE:
        yield Fault(
            "network.cilium.l7_policies",
            "Cilium's HTTP-aware policies see only encrypted traffic between services in the mesh.",
            "Write such rules as Istio's AuthorizationPolicy.",
            ("mesh.kind",),
        )


RULES: Final = rules_in(globals())
