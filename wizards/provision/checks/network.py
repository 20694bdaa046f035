"""Can the nodes reach each other and the world, on addresses and ports that are theirs?"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from wizards.provision.checks.model import Check, Group, Seen, Trouble
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec, Cni, LoadBalancerKind, Node, Role

_CONTROL_PLANE_PORTS: Final = (10257, 10259)
_ETCD_PORTS: Final = (2379, 2380)
_NODE_PORTS: Final = (10250,)
_KUBE_PROXY_PORTS: Final = (10249, 10256)


def wanted_ports(node: Node, spec: ClusterSpec) -> tuple[int, ...]:
    """Return the TCP ports that must be free on `node` (facts: components.md; kubeadm's list)."""
    ports = set(_NODE_PORTS)
    if node.has(Role.CONTROL_PLANE):
        ports |= {spec.endpoint.port, *_CONTROL_PLANE_PORTS}
    if node.has(Role.ETCD):
        ports |= set(_ETCD_PORTS)
    cilium = spec.network.cni is Cni.CILIUM
    if cilium:
        ports |= {4240, 4244} if spec.network.cilium.hubble else {4240}
    if not (cilium and spec.network.cilium.kube_proxy_replacement):
        ports |= set(_KUBE_PROXY_PORTS)
    if spec.load_balancer.kind in (LoadBalancerKind.METALLB_L2, LoadBalancerKind.METALLB_BGP):
        ports.add(7946)
    return tuple(sorted(ports))


def _own_address(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        addresses = node.texts("addresses")
        if addresses is None or not _is_ip(node.node.ip):
            continue
        if ip_address(node.node.ip) not in {ip_address(one) for one in addresses if _is_ip(one)}:
            yield Trouble(node.name, f"{node.node.ip} is none of its addresses ({_listed(addresses)})")


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _listed(addresses: tuple[str, ...]) -> str:
    useful = [one for one in addresses if not one.startswith(("127.", "fe80:")) and one != "::1"]
    return ", ".join(useful[:4]) or "it has none beside loopback"


def _default_route(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        if node.flag("default_route") is False:
            yield Trouble(node.name, "it has no default route")


def _name_server(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        if node.texts("name_servers") == ():
            yield Trouble(node.name, "/etc/resolv.conf names no name server")


def _ports(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        taken = node.seen.get("ports_taken")
        if not isinstance(taken, list) or not taken or node.known_cluster:
            continue
        ports = ", ".join(str(port) for port in taken)
        # What an interrupted run left behind will be taken over by the next one.
        severity = Severity.WARN if node.texts("remains") else Severity.BLOCK
        yield Trouble(node.name, f"something listens on port {ports} already", severity=severity)


def _firewall(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        if name := node.text("firewall"):
            yield Trouble(node.name, f"the firewall {name} is on")


def _pool_on_a_node(seen: Seen) -> Iterator[Trouble]:
    """Find pool addresses that a node has already, on any of its interfaces."""
    from wizards.setup.values import parse_range

    ranges = [parse_range(text) for pool in seen.spec.load_balancer.pools for text in pool.addresses]
    for node in seen.looked:
        for address in node.texts("addresses") or ():
            if _is_ip(address) and any(_within(address, first, last) for first, last in ranges):
                message = f"its address {address} lies in a pool of the load balancer"
                yield Trouble(node.name, message, path="load_balancer.pools")


def _within(address: str, first: object, last: object) -> bool:
    found, low, high = ip_address(address), ip_address(str(first)), ip_address(str(last))
    return found.version == low.version and int(low) <= int(found) <= int(high)


CHECKS: Final = (
    Check(
        id="own-address",
        title="Address",
        wants="the address in the answers is one of the node's own",
        why="etcd and the kubelet bind to it; behind address translation it is another one.",
        remedy="Set the node's internal_address to the address it has itself.",
        severity=Severity.BLOCK,
        judge=_own_address,
        group=Group.NETWORK,
    ),
    Check(
        id="default-route",
        title="Default route",
        wants="a default route",
        why="kubeadm and the network plugin pick the node's address by it, even without internet.",
        remedy="Set a gateway, even one that leads nowhere.",
        severity=Severity.BLOCK,
        judge=_default_route,
        group=Group.NETWORK,
    ),
    Check(
        id="name-server",
        title="Name server",
        wants="a name server in /etc/resolv.conf",
        why="Kubespray refuses a node without; downloads need names.",
        remedy="Set one, or set kubernetes.upstream_dns.",
        severity=Severity.BLOCK,
        judge=_name_server,
        group=Group.NETWORK,
    ),
    Check(
        id="ports-free",
        title="Ports",
        wants="6443, 2379, 2380, 10250 and the others Kubernetes uses are free",
        why="A service that is already there keeps Kubernetes' own from starting.",
        remedy="Stop what listens there ('ss -ltnp' names it).",
        severity=Severity.BLOCK,
        judge=_ports,
        group=Group.NETWORK,
    ),
    Check(
        id="firewall",
        title="Firewall",
        wants="no firewall of the node's own, or one that lets the nodes talk to each other",
        why="Nodes reach each other on many ports; a firewall breaks pods in ways that are hard to find.",
        remedy="Turn it off, or allow all traffic between the nodes and the pod and Service ranges.",
        severity=Severity.WARN,
        judge=_firewall,
        group=Group.NETWORK,
    ),
    Check(
        id="pool-on-node",
        title="Pool addresses",
        wants="no node has an address of the pools",
        why="Two machines would answer for it; MetalLB does not notice.",
        remedy="Choose a range that no machine uses.",
        severity=Severity.BLOCK,
        judge=_pool_on_a_node,
        group=Group.NETWORK,
    ),
)
