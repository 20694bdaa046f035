"""The pod network, and the load balancer with its address pools."""

from __future__ import annotations

from typing import Any, Final

from wizards.setup.answers import value_of
from wizards.setup.catalog import catalog
from wizards.setup.proposals import Address, gateway_of, parse_address, propose_pool, propose_ranges
from wizards.setup.questions import Answers, Option, Question, QuestionKind, Step
from wizards.setup.steps_place import is_local, known_addresses, node_rows

_SERVER_CNIS: Final = ("cilium", "calico", "flannel", "kube-router", "none")
_LOCAL_CNIS: Final = ("kindnet", "cilium")
_CILIUM_BALANCERS: Final = ("cilium-l2", "cilium-bgp")
_LB_PATH: Final = "load_balancer.kind"
VIRTUAL_IP_PATH: Final = "endpoint.address"

CNI = Question(
    path="network.cni",
    title="Pod network",
    kind=QuestionKind.CHOICE,
    help=(
        "The network plugin (CNI) gives each pod, a group of containers, an address and connects it "
        "to all others."
    ),
    default=lambda answers: "kindnet" if is_local(answers) else "cilium",
    options=lambda answers: catalog().options(
        "network.cni", _LOCAL_CNIS if is_local(answers) else _SERVER_CNIS
    ),
)


def cni_of(answers: Answers) -> str:
    """Return the network plugin that is chosen."""
    return str(value_of(CNI, answers))


def is_cilium(answers: Answers) -> bool:
    """Tell whether Cilium is chosen."""
    return cni_of(answers) == "cilium"


KUBE_PROXY_REPLACEMENT = Question(
    path="network.cilium.kube_proxy_replacement",
    title="Replace kube-proxy",
    kind=QuestionKind.SWITCH,
    help=(
        "kube-proxy sends traffic for a Service to its pods. Cilium can do it in its place, faster "
        "with many Services."
    ),
    default=lambda _answers: False,
    when=is_cilium,
)
HUBBLE = Question(
    path="network.cilium.hubble",
    title="See traffic (Hubble)",
    kind=QuestionKind.SWITCH,
    help="Hubble shows which pod talks to which, and what was dropped. About 100 MiB memory in all.",
    default=lambda _answers: True,
    when=is_cilium,
)
HUBBLE_UI = Question(
    path="network.cilium.hubble_ui",
    title="Hubble's web page",
    kind=QuestionKind.SWITCH,
    help="A map of all traffic in the browser. Reached from your machine only, by a port-forward.",
    default=lambda _answers: False,
    when=lambda answers: is_cilium(answers) and bool(value_of(HUBBLE, answers)),
)
ROUTING = Question(
    path="network.cilium.routing",
    title="Traffic between nodes",
    kind=QuestionKind.CHOICE,
    help="How a packet gets from a pod on one node to a pod on another.",
    default=lambda _answers: "tunnel",
    options=lambda _answers: catalog().options("network.cilium.routing"),
    when=is_cilium,
)
ENCRYPTION = Question(
    path="network.cilium.encryption",
    title="Encryption between nodes",
    kind=QuestionKind.CHOICE,
    help="Encrypts what pods send each other across the network, without touching the applications.",
    default=lambda _answers: "none",
    options=lambda _answers: catalog().options(
        "network.cilium.encryption",
        blocked={"ipsec": "It wants a key in a Secret before Cilium starts, which Slipway does not make."},
    ),
    when=is_cilium,
)
CALICO_MODE = Question(
    path="network.calico.mode",
    title="Traffic between nodes",
    kind=QuestionKind.CHOICE,
    help="How a packet gets from a pod on one node to a pod on another.",
    default=lambda _answers: "vxlan",
    options=lambda _answers: catalog().options("network.calico.mode"),
    when=lambda answers: cni_of(answers) == "calico",
)
CALICO_ASN = Question(
    path="network.calico.asn",
    title="AS number of the nodes",
    kind=QuestionKind.NUMBER,
    help="The number your routers know the nodes by in BGP. 64512 to 65534 are free for private use.",
    default=lambda _answers: 64512,
    when=lambda answers: cni_of(answers) == "calico" and value_of(CALICO_MODE, answers) == "bgp",
)
FLANNEL_BACKEND = Question(
    path="network.flannel.backend",
    title="Traffic between nodes",
    kind=QuestionKind.CHOICE,
    help="How a packet gets from a pod on one node to a pod on another.",
    default=lambda _answers: "vxlan",
    options=lambda _answers: catalog().options("network.flannel.backend"),
    when=lambda answers: cni_of(answers) == "flannel",
)


def replaces_kube_proxy(answers: Answers) -> bool:
    """Tell whether Cilium does kube-proxy's work."""
    return is_cilium(answers) and bool(value_of(KUBE_PROXY_REPLACEMENT, answers))


KUBE_PROXY = Question(
    path="network.kube_proxy",
    title="Mode of kube-proxy",
    kind=QuestionKind.CHOICE,
    help="How traffic for a Service, a stable name for a set of pods, is sent to one of them.",
    default=lambda answers: "iptables" if is_local(answers) else "ipvs",
    options=lambda _answers: catalog().options("network.kube_proxy"),
    when=lambda answers: not replaces_kube_proxy(answers),
)


def _proposed_ranges(answers: Answers) -> tuple[str, str]:
    addresses = known_addresses(answers)
    return propose_ranges(addresses, len(node_rows(answers)))


PODS = Question(
    path="network.pods",
    title="Pod addresses",
    kind=QuestionKind.TEXT,
    help="A range that nothing else in your network uses. Each node takes a piece of it for its pods.",
    default=lambda answers: _proposed_ranges(answers)[0],
    placeholder="10.233.64.0/18",
    advanced=True,
)
SERVICES = Question(
    path="network.services",
    title="Service addresses",
    kind=QuestionKind.TEXT,
    help="A range that nothing else in your network uses, for the addresses of Services inside the cluster.",
    default=lambda answers: _proposed_ranges(answers)[1],
    placeholder="10.233.0.0/18",
    advanced=True,
)
NODE_PREFIX = Question(
    path="network.node_prefix",
    title="Piece per node",
    kind=QuestionKind.NUMBER,
    help=(
        "Prefix length of each node's piece of the pod addresses: 24 gives a node 254 pods, 25 gives it 126."
    ),
    default=lambda _answers: 24,
    advanced=True,
)
NATIVE_CIDR = Question(
    path="network.cilium.native_cidr",
    title="Range routed natively",
    kind=QuestionKind.TEXT,
    help="Addresses that pods reach without their own address being replaced. Usually the pod addresses.",
    default=lambda answers: value_of(PODS, answers),
    when=lambda answers: is_cilium(answers) and value_of(ROUTING, answers) == "native",
    placeholder="10.233.64.0/18",
    advanced=True,
)

NETWORK_STEP = Step(
    id="network",
    title="Network",
    intro=(
        "Pods, the groups of containers that are your applications, run on all nodes and must reach "
        "each other. A network plugin sees to it. The one proposed here suits nearly every cluster, "
        "and its other answers as well. It cannot be exchanged later without interruption."
    ),
    questions=(
        CNI,
        KUBE_PROXY_REPLACEMENT,
        HUBBLE,
        HUBBLE_UI,
        ROUTING,
        NATIVE_CIDR,
        ENCRYPTION,
        CALICO_MODE,
        CALICO_ASN,
        FLANNEL_BACKEND,
        KUBE_PROXY,
        PODS,
        SERVICES,
        NODE_PREFIX,
    ),
)


def _balancers(answers: Answers) -> tuple[Option, ...]:
    # Cilium's own load balancing is not proposed yet, but a file may ask for it.
    given = answers.given.get(_LB_PATH)
    extra = (str(given),) if given in _CILIUM_BALANCERS and is_cilium(answers) else ()
    if is_local(answers):
        return catalog().options("load_balancer.kind", ("metallb-l2", "cloud-provider-kind", *extra, "none"))
    without_network = "A load balancer cannot start before your own pod network is there."
    needs = ("metallb-l2", "metallb-bgp")
    blocked = dict.fromkeys(needs, without_network) if cni_of(answers) == "none" else {}
    return catalog().options("load_balancer.kind", (*needs, *extra, "none"), blocked=blocked)


LB_KIND = Question(
    path=_LB_PATH,
    title="Load balancer",
    kind=QuestionKind.CHOICE,
    help="Gives a Service an address of its own that machines outside the cluster can reach.",
    default=lambda answers: "none" if cni_of(answers) == "none" else "metallb-l2",
    options=_balancers,
)


def balancer_of(answers: Answers) -> str:
    """Return the load balancer that is chosen."""
    return str(value_of(LB_KIND, answers))


def _uses_pools(answers: Answers) -> bool:
    return balancer_of(answers) in {"metallb-l2", "metallb-bgp", *_CILIUM_BALANCERS}


def _proposed_pools(answers: Answers) -> list[dict[str, Any]]:
    """Propose addresses from the nodes' network; on this machine kind's network is known only at the run."""
    virtual_ip = parse_address(answers.given.get(VIRTUAL_IP_PATH))
    avoid: list[Address] = [virtual_ip] if virtual_ip else []
    pair = propose_pool(known_addresses(answers), avoid)
    return [] if pair is None else [{"name": "default", "addresses": [f"{pair[0]}-{pair[1]}"]}]


POOLS = Question(
    path="load_balancer.pools",
    title="Address pool",
    kind=QuestionKind.POOLS,
    help=(
        "Addresses to give to Services: free ones in the nodes' network, outside what its DHCP server "
        "gives away."
    ),
    default=_proposed_pools,
    when=_uses_pools,
    placeholder="10.0.0.240-10.0.0.250",
)


def _speaks_bgp(answers: Answers) -> bool:
    return balancer_of(answers) in {"metallb-bgp", "cilium-bgp"}


PEER_NAME = Question(
    path="load_balancer.peers[0].name",
    title="Name of the router",
    kind=QuestionKind.TEXT,
    help="Any name; it only tells routers apart.",
    default=lambda _answers: "router-1",
    when=_speaks_bgp,
    advanced=True,
)
PEER_ADDRESS = Question(
    path="load_balancer.peers[0].address",
    title="Address of the router",
    kind=QuestionKind.TEXT,
    help="The router that speaks BGP with the nodes. Proposed is the first address of their network.",
    default=lambda answers: str(gateway_of(known_addresses(answers)) or "") or None,
    when=_speaks_bgp,
    placeholder="10.0.0.1",
)
PEER_ASN = Question(
    path="load_balancer.peers[0].asn",
    title="AS number of the router",
    kind=QuestionKind.NUMBER,
    help="The number the router has in BGP. Whoever runs it knows; it cannot be guessed.",
    default=lambda _answers: None,
    when=_speaks_bgp,
    placeholder="64513",
)
MY_ASN = Question(
    path="load_balancer.peers[0].my_asn",
    title="AS number of the cluster",
    kind=QuestionKind.NUMBER,
    help="The number the router shall know the nodes by. 64512 to 65534 are free for private use.",
    default=lambda _answers: 64512,
    when=_speaks_bgp,
)

LOAD_BALANCER_STEP = Step(
    id="load-balancer",
    title="Load balancer",
    intro=(
        "Applications that people use from outside get an address in your network. In a cloud the "
        "provider gives it; on servers of your own MetalLB does, from a pool of free addresses that "
        "you set aside. Take addresses that no machine has and no DHCP server gives away."
    ),
    questions=(LB_KIND, POOLS, PEER_ADDRESS, PEER_ASN, MY_ASN, PEER_NAME),
)
