"""Are the addresses of pods, Services, pools and the virtual IP nobody else's, and in the right network?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from wizards.provision.checks.judging import address_of, each, few, interface_of, span, trouble
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble, words
from wizards.setup.finding import Severity
from wizards.setup.proposals import Address
from wizards.setup.ranges import Span
from wizards.setup.rules_pools import LAYER_2, pool_ranges
from wizards.setup.rules_ranges import ranges, title_of
from wizards.setup.spec import ClusterSpec, EndpointKind, Role

_POOLS: Final = "load_balancer.pools"
_OF_PODS: Final = (
    "cilium",
    "lxc",
    "cali",
    "vxlan.calico",
    "tunl",
    "flannel",
    "cni0",
    "kube",
    "nodelocaldns",
    "wireguard.cali",
    "lo",
)
"""How the links of pod networks begin: what an interrupted run, or this cluster, left there itself."""
_OF_ENGINES: Final = ("docker", "br-", "virbr", "podman", "lxcbr", "lxdbr", "cni-podman")
"""How the links of container engines and hypervisors on the node begin."""


def _pool_spans(spec: ClusterSpec) -> list[Span]:
    return [one.span for one in pool_ranges(spec)]


def _in_pools(text: str, spans: Iterable[Span]) -> bool:
    address = address_of(text)
    return address is not None and any(address in one for one in spans)


def _virtual_ip(spec: ClusterSpec) -> Address | None:
    if spec.endpoint.kind is not EndpointKind.KUBE_VIP or not spec.endpoint.address:
        return None
    return address_of(spec.endpoint.address)


def _networks(node: NodeReport, only: str = "") -> list[Span]:
    """Return the networks of the node's links, or of the one link called `only`."""
    found = []
    for link in node.rows("links"):
        name, addresses = words(link.get("name")), link.get("addresses")
        if (only and name != only) or name.startswith(_OF_PODS) or not isinstance(addresses, list):
            continue
        interfaces = [interface_of(one) for one in addresses if isinstance(one, str)]
        found += [Span(one.network[0], one.network[-1]) for one in interfaces if one]
    return [one for one in found if one.first != one.last]


def _routes(node: NodeReport) -> Iterator[tuple[str, str, Span]]:
    """Yield network in words, link and addresses of each route and link of the node that is no pod's."""
    rows = [(words(row.get("to")), words(row.get("dev"))) for row in node.rows("routes")]
    for link in node.rows("links"):
        addresses = link.get("addresses")
        name = words(link.get("name"))
        for one in addresses if isinstance(addresses, list) else ():
            interface = interface_of(one) if isinstance(one, str) else None
            if interface:
                rows.append((str(interface.network), name))
    told = set()
    for to, dev in rows:
        where = span(to) if to and to != "default" else None
        whole = where is None or int(where.first) == 0 or str(where.first).startswith(("fe80:", "ff"))
        if whole or where is None or dev.startswith(_OF_PODS) or (to, dev) in told:
            continue
        told.add((to, dev))
        yield to, dev, where


def _pool_on_a_node(seen: Seen) -> Iterator[Trouble]:
    """Find pool addresses that a node has already, on any of its interfaces."""
    spans = _pool_spans(seen.spec)
    for node in seen.looked if spans else ():
        found = [one for one in node.texts("addresses") or () if _in_pools(one, spans)]
        if found and not node.settled:
            message = f"its address {few(found)} lies in a pool of the load balancer"
            yield Trouble(node.name, message, path=_POOLS, measured=few(found), required="outside the pools")


def _answers(seen: Seen) -> dict[str, str]:
    """Return which of the asked addresses answered by ARP, and from which MAC address."""
    found: dict[str, str] = {}
    for node in seen.looked:
        if not node.known_cluster:
            found |= {words(ip): words(mac) for ip, mac in node.mapping("arp").items() if mac}
    return found


def _pool_free(seen: Seen) -> Iterator[Trouble]:
    spans = _pool_spans(seen.spec)
    own = {address_of(one) for node in seen.looked for one in node.texts("addresses") or ()}
    answers = _answers(seen) if spans else {}
    taken = {ip: mac for ip, mac in answers.items() if _in_pools(ip, spans) and address_of(ip) not in own}
    if taken:
        told = few(f"{ip} ({mac})" for ip, mac in taken.items())
        message = f"machines answer for addresses of the pools already: {told}"
        yield Trouble("", message, path=_POOLS, measured=told, required="nobody answers")


def _virtual_ip_free(seen: Seen) -> Iterator[Trouble]:
    virtual = _virtual_ip(seen.spec)
    if virtual is None:
        return
    path = "endpoint.address"
    for node in seen.looked:
        if virtual in {address_of(one) for one in node.texts("addresses") or ()} and not node.known_cluster:
            message = f"it has the address {virtual}, which is to be the virtual IP"
            yield Trouble(node.name, message, path=path, measured=str(virtual), required="nobody has it")
            return
    mac = next((mac for ip, mac in _answers(seen).items() if address_of(ip) == virtual), "")
    if mac:
        message = f"a machine answers for the virtual IP {virtual} already ({mac})"
        yield Trouble("", message, path=path, measured=mac, required="nobody answers")


def _virtual_ip_subnet(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    virtual = _virtual_ip(spec)
    networks = _networks(node, spec.endpoint.interface or "")
    if virtual is None or not networks or not node.node.has(Role.CONTROL_PLANE):
        return None
    if any(virtual in one for one in networks):
        return None
    shown = few(str(one) for one in networks)
    message = f"the virtual IP {virtual} lies in none of its networks ({shown})"
    return trouble(message, shown, f"a network with {virtual}", path="endpoint.address")


def _gateway_in_pool(seen: Seen) -> Iterator[Trouble]:
    spans = _pool_spans(seen.spec)
    found: dict[str, str] = {}
    for node in seen.looked if spans else ():
        for gateway in node.texts("gateways") or ():
            if _in_pools(gateway, spans):
                found.setdefault(gateway, node.name)
    for gateway, name in found.items():
        message = f"{gateway}, the router of {name}, lies in a pool of the load balancer"
        yield Trouble("", message, path=_POOLS, measured=gateway, required="outside the pools")


def _pool_subnet(seen: Seen) -> Iterator[Trouble]:
    """Judge by the nodes' real networks what the setup rules could only guess: layer 2 ends at a router."""
    if seen.spec.load_balancer.kind not in LAYER_2:
        return
    networks = {one for node in seen.looked for one in _networks(node)}
    for one in pool_ranges(seen.spec) if networks else ():
        if not any(one.span.overlaps(network) for network in networks):
            message = f"{one.text} of pool {one.pool.name} lies in no network of any node"
            shown = few(sorted(str(network) for network in networks if network.version == one.span.version))
            yield Trouble("", message, path=one.path, measured=shown, required=f"a network with {one.text}")


def _range_overlaps(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    if node.known_cluster:
        return None
    for to, link, where in _routes(node):
        for path, (text, mine) in ranges(spec).items():
            if where.overlaps(mine):
                message = f"the {title_of(path)} {text} overlap its network {to} ({link or 'a route'})"
                return trouble(message, to, f"nothing inside {text}", path=path)
    return None


def _pool_overlaps(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    spans = _pool_spans(spec)
    for to, link, where in _routes(node) if spans else ():
        if link.startswith(_OF_ENGINES) and any(where.overlaps(one) for one in spans):
            message = f"addresses of the pools lie in {to}, a network inside the node ({link})"
            return trouble(message, f"{to} on {link}", "a network outside the node", path=_POOLS)
    return None


CHECKS: Final = (
    Check(
        id="range-overlaps-route",
        title="Ranges of pods and Services",
        wants="no network that the nodes know lies in the ranges of pods and Services",
        why="Nodes would send packets for that network to pods, or for pods into that network.",
        remedy="Choose another range, or remove that network (Docker's: 'bip' in /etc/docker/daemon.json).",
        severity=Severity.BLOCK,
        judge=each(_range_overlaps),
        group=Group.NETWORK,
    ),
    Check(
        id="virtual-ip-free",
        title="Virtual IP",
        wants="no machine answers for the virtual IP",
        why="Two machines would answer for it, and the API server is reached by chance.",
        remedy="Choose an address that no machine uses, outside what DHCP gives away.",
        severity=Severity.BLOCK,
        judge=_virtual_ip_free,
        group=Group.NETWORK,
    ),
    Check(
        id="virtual-ip-subnet",
        title="Network of the virtual IP",
        wants="the virtual IP lies in a network of each control plane",
        why="It is announced by ARP, which does not pass a router: nobody would find it.",
        remedy="Choose an address in the nodes' network, or another kind of endpoint.",
        severity=Severity.BLOCK,
        judge=each(_virtual_ip_subnet),
        group=Group.NETWORK,
    ),
    Check(
        id="pool-on-node",
        title="Pool addresses of nodes",
        wants="no node has an address of the pools",
        why="Two machines would answer for it; MetalLB does not notice.",
        remedy="Choose a range that no machine uses.",
        severity=Severity.BLOCK,
        judge=_pool_on_a_node,
        group=Group.NETWORK,
    ),
    Check(
        id="gateway-in-pool",
        title="Router and pools",
        wants="no router's address in the pools",
        why="A Service that gets it takes the router's place, and the nodes lose their way out.",
        remedy="Leave that address out of the pools.",
        severity=Severity.BLOCK,
        judge=_gateway_in_pool,
        group=Group.NETWORK,
    ),
    Check(
        id="pool-free",
        title="Pool addresses",
        wants="no machine answers for an address of the pools",
        why="Two machines would answer for it, and Services are reached by chance.",
        remedy="Choose a range that no machine uses, outside what DHCP gives away.",
        severity=Severity.BLOCK,
        judge=_pool_free,
        group=Group.NETWORK,
    ),
    Check(
        id="pool-subnet",
        title="Network of the pools",
        wants="pools of layer 2 lie in a network of the nodes",
        why="They are announced by ARP, which does not pass a router: only a route of your own leads there.",
        remedy="Choose a range in the nodes' network, or BGP.",
        severity=Severity.WARN,
        judge=_pool_subnet,
        group=Group.NETWORK,
    ),
    Check(
        id="pool-overlaps-route",
        title="Pools and the nodes' inner networks",
        wants="no pool lies in a network of a container engine or hypervisor on a node",
        why="That node would look for the Service's address inside itself.",
        remedy="Choose a range in the network that connects the nodes.",
        severity=Severity.WARN,
        judge=each(_pool_overlaps),
        group=Group.NETWORK,
    ),
)
