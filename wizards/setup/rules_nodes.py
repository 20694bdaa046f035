"""Rules about the servers: names, addresses, roles, the login."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from wizards.setup.proposals import parse_address
from wizards.setup.ruling import Fault, block, rules_in, warn
from wizards.setup.spec import Become, ClusterSpec, Node, Role, Target
from wizards.setup.words import listing

_GROUPS: Final = frozenset({"all", "ungrouped", "etcd", "bastion", "localhost"})
"""Names that mean something else in Kubespray's inventory: groups, and the machine Ansible runs on."""
_MANY_MEMBERS: Final = 7


def is_bare_metal(spec: ClusterSpec) -> bool:
    """Tell whether the cluster runs on servers."""
    return spec.target is Target.BARE_METAL


def _doubles(keys: Iterable[tuple[int, Hashable]]) -> Iterator[tuple[int, int]]:
    """Yield (index, index of the first with the same key) for every key that was there before."""
    first: dict[Hashable, int] = {}
    for index, key in keys:
        if key in first:
            yield index, first[key]
        else:
            first[key] = index


@block("no-nodes")
def no_nodes(spec: ClusterSpec) -> Iterator[Fault]:
    """A cluster on servers has at least one."""
    if is_bare_metal(spec) and not spec.nodes:
        yield Fault("nodes", "There is no server in the list.", "Add at least one, with its address.")


@warn("nodes-on-local")
def nodes_on_local(spec: ClusterSpec) -> Iterator[Fault]:
    """A local cluster makes its own nodes."""
    if not is_bare_metal(spec) and spec.nodes:
        yield Fault(
            "nodes",
            "The servers in the list take no part: a cluster on this machine makes its own nodes.",
            "Leave the list out, or set target to bare-metal.",
            ("target",),
        )


@block("duplicate-node-name")
def duplicate_node_name(spec: ClusterSpec) -> Iterator[Fault]:
    """Each node has a name of its own."""
    for index, first in _doubles((i, node.name) for i, node in enumerate(spec.nodes)):
        name = spec.nodes[index].name
        yield Fault(
            f"nodes[{index}].name",
            f"Two servers are called {name}.",
            f"Give one of them another name, such as {_free_name(spec)}.",
            (f"nodes[{first}].name",),
        )


def _free_name(spec: ClusterSpec) -> str:
    taken = {node.name for node in spec.nodes}
    return next(name for number in range(1, len(taken) + 2) if (name := f"node-{number}") not in taken)


@block("duplicate-node-address")
def duplicate_node_address(spec: ClusterSpec) -> Iterator[Fault]:
    """SSH reaches each node at an address and port of its own."""
    places = ((i, (node.address.lower(), node.port)) for i, node in enumerate(spec.nodes))
    for index, first in _doubles(places):
        node, other = spec.nodes[index], spec.nodes[first]
        yield Fault(
            f"nodes[{index}].address",
            f"{other.name} and {node.name} have the same address, {node.address} port {node.port}.",
            "Give each server its own address.",
            (f"nodes[{first}].address",),
        )


@block("duplicate-internal-address")
def duplicate_internal_address(spec: ClusterSpec) -> Iterator[Fault]:
    """Nodes reach each other at addresses of their own; in practice, on loopback, ports tell them apart."""
    seen: dict[str, int] = {}
    for index, node in enumerate(spec.nodes):
        first = seen.setdefault(node.ip.lower(), index)
        other = spec.nodes[first]
        if first == index or _is_loopback(node) or _same_place(node, other):
            continue
        field = "internal_address" if node.internal_address else "address"
        yield Fault(
            f"nodes[{index}].{field}",
            f"{other.name} and {node.name} would both use {node.ip} inside the cluster.",
            "Give each server an internal_address of its own.",
            (f"nodes[{first}].{'internal_address' if other.internal_address else 'address'}",),
        )


def _same_place(node: Node, other: Node) -> bool:
    return (node.address.lower(), node.port) == (other.address.lower(), other.port)


def _is_loopback(node: Node) -> bool:
    address = parse_address(node.ip)
    return address is not None and address.is_loopback


@block("reserved-node-name")
def reserved_node_name(spec: ClusterSpec) -> Iterator[Fault]:
    """A node must not be called as a group of the inventory, nor localhost, which Ansible does not reach."""
    for index, node in enumerate(spec.nodes):
        if node.name in _GROUPS:
            yield Fault(
                f"nodes[{index}].name",
                f"A server cannot be called {node.name}: the name means something else to Ansible.",
                f"Give it another name, such as {_free_name(spec)}.",
            )


@block("mixed-families")
def mixed_families(spec: ClusterSpec) -> Iterator[Fault]:
    """All nodes use addresses of one family between them."""
    by_version: dict[int, list[int]] = defaultdict(list)
    for index, node in enumerate(spec.nodes):
        address = parse_address(node.ip)
        if address is not None:
            by_version[address.version].append(index)
    if len(by_version) > 1:
        few = min(by_version.values(), key=len)
        yield Fault(
            f"nodes[{few[0]}].address",
            "Some servers have IPv4 addresses and some IPv6; they would not all reach each other.",
            "Give all of them addresses of one family, or an internal_address of it.",
            tuple(f"nodes[{index}].address" for index in few[1:4]),
        )


@block("no-control-plane")
def no_control_plane(spec: ClusterSpec) -> Iterator[Fault]:
    """Something must run Kubernetes itself."""
    if spec.nodes and is_bare_metal(spec) and not spec.with_role(Role.CONTROL_PLANE):
        yield Fault(
            "nodes",
            "No server is a control plane, so nothing would run Kubernetes itself.",
            "Give at least one server the role control-plane; three survive the loss of one.",
            ("nodes[0].roles",),
        )


@block("no-etcd")
def no_etcd(spec: ClusterSpec) -> Iterator[Fault]:
    """Something must keep the cluster's memory."""
    if spec.nodes and is_bare_metal(spec) and not spec.with_role(Role.ETCD):
        yield Fault(
            "nodes",
            "No server has the role etcd, so nothing would keep the cluster's memory.",
            "Give the role etcd to the control planes, in an odd number.",
            ("nodes[0].roles",),
        )


@block("etcd-even")
def etcd_even(spec: ClusterSpec) -> Iterator[Fault]:
    """Etcd decides by majority: an even member adds a risk and no safety. Kubespray refuses it."""
    members = [index for index, node in enumerate(spec.nodes) if node.has(Role.ETCD)]
    if is_bare_metal(spec) and members and len(members) % 2 == 0:
        count, last = len(members), spec.nodes[members[-1]].name
        planes = len(spec.with_role(Role.CONTROL_PLANE))
        who = f"{planes} control planes with " if planes == count else ""
        yield Fault(
            f"nodes[{members[-1]}].roles",
            f"{who}{count} etcd members survive no more losses than {count - 1}: etcd decides by majority.",
            f"Take the role etcd from {last}, or give it to one more server: 1, 3 or 5 are right.",
            tuple(f"nodes[{index}].roles" for index in members[:-1]),
        )


@warn("etcd-many")
def etcd_many(spec: ClusterSpec) -> Iterator[Fault]:
    """Every write waits for a majority, so that many members are slow."""
    members = spec.with_role(Role.ETCD)
    if len(members) > _MANY_MEMBERS:
        yield Fault(
            "nodes",
            f"{len(members)} etcd members make every change slow; more than 7 are not recommended.",
            "Keep the role etcd on 3 or 5 servers.",
        )


@warn("two-control-planes")
def two_control_planes(spec: ClusterSpec) -> Iterator[Fault]:
    """Two control planes with one etcd member look safer than they are."""
    planes = [index for index, node in enumerate(spec.nodes) if node.has(Role.CONTROL_PLANE)]
    members = spec.with_role(Role.ETCD)
    if is_bare_metal(spec) and len(planes) == 2 and len(members) == 1:
        yield Fault(
            f"nodes[{planes[1]}].roles",
            f"Two control planes survive no more than one: all depends on etcd on {members[0].name}.",
            "Have one control plane, or three that all have the role etcd.",
            (f"nodes[{planes[0]}].roles",),
        )


@warn("local-control-planes-even")
def local_control_planes_even(spec: ClusterSpec) -> Iterator[Fault]:
    """On this machine each control plane has an etcd member."""
    count = spec.local.control_planes
    if not is_bare_metal(spec) and count % 2 == 0:
        yield Fault(
            "local.control_planes",
            f"{count} control planes survive no more losses than {count - 1}: etcd decides by majority.",
            f"Take {count - 1} or {count + 1}.",
        )


@block("no-worker")
def no_worker(spec: ClusterSpec) -> Iterator[Fault]:
    """Something must run the applications."""
    if spec.nodes and is_bare_metal(spec) and not spec.with_role(Role.WORKER):
        yield Fault(
            "nodes",
            "No server is a worker, so nothing would run applications.",
            "Give at least one server the role worker; a control plane may have it too.",
            ("nodes[0].roles",),
        )


@warn("workers-tainted")
def workers_tainted(spec: ClusterSpec) -> Iterator[Fault]:
    """A taint on every worker keeps out what Slipway itself installs."""
    workers = [index for index, node in enumerate(spec.nodes) if node.has(Role.WORKER)]
    if is_bare_metal(spec) and workers and all(_keeps_out(spec.nodes[index]) for index in workers):
        yield Fault(
            f"nodes[{workers[0]}].taints",
            "Every worker has a taint that keeps pods out, so nothing but tolerating pods would run.",
            "Leave at least one worker without NoSchedule and NoExecute.",
            tuple(f"nodes[{index}].taints" for index in workers[1:4]),
        )


def _keeps_out(node: Node) -> bool:
    return any(taint.endswith((":NoSchedule", ":NoExecute")) for taint in node.taints)


@block("duplicate-disk")
def duplicate_disk(spec: ClusterSpec) -> Iterator[Fault]:
    """A disk stands once in a node's list."""
    for index, node in enumerate(spec.nodes):
        for at, first in _doubles(enumerate(node.disks)):
            yield Fault(
                f"nodes[{index}].disks[{at}]",
                f"The disk {node.disks[at]} of {node.name} stands in the list twice.",
                "Name each disk once.",
                (f"nodes[{index}].disks[{first}]",),
            )


@warn("not-root")
def not_root(spec: ClusterSpec) -> Iterator[Fault]:
    """Installing needs root; on loopback, as in practice, nothing is installed."""
    users = {node.user or spec.access.user for node in spec.nodes if not _is_loopback(node)} - {"root"}
    if is_bare_metal(spec) and users and spec.access.become is Become.NONE:
        yield Fault(
            "access.become",
            f"Installing Kubernetes needs root, and {listing(sorted(users))} is not root.",
            "Choose sudo, or log in as root.",
            ("access.user",),
        )


RULES: Final = rules_in(globals())
