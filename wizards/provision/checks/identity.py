"""Can the nodes be told apart, by all that Kubernetes, the network and storage tell them apart by?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from wizards.provision.checks.judging import address_of, each, few, storage_nodes, trouble, twins
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec, Engine

_HOST_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""Kubespray's own pattern (roles/kubernetes/preinstall, 0040-verify-settings)."""
_LOCAL_NAMES: Final = ("localhost", "localhost.localdomain", "localhost6", "localhost6.localdomain6")
_NO_MAC: Final = ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")


def _same(name: str, what: str) -> Callable[[Seen], Iterator[Trouble]]:
    """Return a judgement that finds nodes with the same text where each must have its own."""

    def judge(seen: Seen) -> Iterator[Trouble]:
        for node, value, others in twins(seen.looked, lambda one: one.text(name)):
            yield Trouble(
                node.name, f"it has the same {what} as {others}", measured=value, required="one of its own"
            )

    return judge


def _no_machine_id(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.seen.get("machine_id")
    if not node.root or not isinstance(found, str) or found.strip() not in ("", "uninitialized"):
        return None
    return trouble("/etc/machine-id is empty", "empty", "a machine-id")


def _same_mac(seen: Seen) -> Iterator[Trouble]:
    owners: dict[str, list[str]] = {}
    for node in seen.looked:
        macs = {str(mac).lower() for mac in node.mapping("macs").values() if isinstance(mac, str)}
        for mac in sorted(macs):
            if mac not in _NO_MAC:
                owners.setdefault(mac, []).append(node.name)
    for mac, names in owners.items():
        for name in names if len(names) > 1 else ():
            others = few(other for other in names if other != name)
            message = f"a network card of it has the same MAC address as one of {others}"
            yield Trouble(name, message, measured=mac, required="one of its own")


def _same_address(seen: Seen) -> Iterator[Trouble]:
    """Find nodes that have the address by which the answers name another node."""
    owner = {address: node.name for node in seen.spec.nodes if (address := address_of(node.ip))}
    for node in seen.looked:
        for text in node.texts("addresses") or ():
            address = address_of(text)
            named = owner.get(address, node.name) if address else node.name
            if named != node.name:
                message = f"{text}, the address of {named}, is one of its own addresses"
                yield Trouble(node.name, message, measured=text, required=f"only {named} has it")


def _keeps_host_names(spec: ClusterSpec) -> bool:
    """Tell whether Kubespray was told to leave host names alone; else it sets them to the nodes' names."""
    return spec.kubespray_vars.get("override_system_hostname") is False


def _host_name(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    name = node.text("node_name")
    if not name or not _keeps_host_names(spec) or _HOST_NAME.fullmatch(name):
        return None
    message = f"its host name is {name!r}, and only a-z, 0-9, '-' and '.' are allowed"
    return trouble(message, name, "a-z, 0-9, '-' and '.'")


def _host_name_local(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    name = node.text("node_name").lower()
    if name not in _LOCAL_NAMES or not _keeps_host_names(spec):
        return None
    return trouble(f"its host name is {name}, which every machine has", name, "a name of its own")


def _same_host_name(seen: Seen) -> Iterator[Trouble]:
    for node, name, others in twins(seen.looked, lambda one: one.text("node_name")):
        if _keeps_host_names(seen.spec) and name not in _LOCAL_NAMES:
            message = f"it has the same host name as {others}: {name}"
            yield Trouble(node.name, message, measured=name, required="a name of its own")


def _host_name_differs(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    name = node.text("node_name")
    if not name or _keeps_host_names(spec) or name.partition(".")[0] == node.name:
        return None
    return trouble(f"its host name is {name}; Kubespray will change it to {node.name}", name, node.name)


def _own_name(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    """Judge what the node's own name leads to: nothing, or another machine."""
    found, own = node.texts("hostname_resolves"), node.texts("addresses")
    name = node.text("node_name") or "its own name"
    if found is None:
        return None
    if not found:
        return trouble(f"it cannot look up its own name, {name}", "no address", "an address of its own")
    addresses = [address for text in found if (address := address_of(text))]
    mine = {address_of(text) for text in own or ()}
    if own is None or not addresses or any(one.is_loopback or one in mine for one in addresses):
        return None
    leads = few(str(one) for one in addresses)
    return trouble(
        f"its own name, {name}, leads to {leads}, which it does not have", leads, "its own address"
    )


def _same_initiator(seen: Seen) -> Iterator[Trouble]:
    nodes = storage_nodes(seen, Engine.JIVA, Engine.CSTOR)
    for node, name, others in twins(nodes, lambda one: one.text("iscsi_initiator")):
        message = f"it has the same iSCSI initiator name as {others}"
        yield Trouble(node.name, message, measured=name, required="one of its own")


def _remains(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.texts("remains")
    if not found or node.known_cluster:
        return None
    return trouble(
        f"Kubernetes was here before: {few(found)}", few(found, 1), "nothing of an earlier cluster"
    )


CHECKS: Final = (
    Check(
        id="machine-id-unique",
        title="Machine id",
        wants="a machine-id of its own on each node",
        why="Clones share it; network addresses and node identities then collide.",
        remedy="On the clone: remove /etc/machine-id, run systemd-machine-id-setup, reboot.",
        severity=Severity.BLOCK,
        judge=_same("machine_id", "machine-id"),
        group=Group.IDENTITY,
    ),
    Check(
        id="machine-id-there",
        title="Machine id there",
        wants="/etc/machine-id is not empty",
        why="The kubelet names the node by it.",
        remedy="Run systemd-machine-id-setup.",
        severity=Severity.WARN,
        judge=each(_no_machine_id),
        group=Group.IDENTITY,
    ),
    Check(
        id="product-uuid-unique",
        title="Product UUID",
        wants="a product_uuid of its own on each node",
        why="kubeadm asks for it; storage and network plugins tell nodes apart by it.",
        remedy="Give the virtual machine a new UUID in its hypervisor.",
        severity=Severity.BLOCK,
        judge=_same("product_uuid", "product_uuid"),
        group=Group.IDENTITY,
    ),
    Check(
        id="mac-unique",
        title="MAC address",
        wants="MAC addresses of its own on each node",
        why="The network sends the packets of both to one of them, now here, now there.",
        remedy="Give the clone's network card a new MAC address in its hypervisor.",
        severity=Severity.BLOCK,
        judge=_same_mac,
        group=Group.IDENTITY,
    ),
    Check(
        id="address-unique",
        title="Address of one node",
        wants="no node has an address that the answers give to another",
        why="Two machines answer for it, and the cluster's members talk to the wrong one.",
        remedy="Take the address off the machine that it does not belong to, or correct the answers.",
        severity=Severity.BLOCK,
        judge=_same_address,
        group=Group.IDENTITY,
    ),
    Check(
        id="host-name-form",
        title="Form of the host name",
        wants="lower-case letters, digits, '-' and '.'",
        why="It becomes the node's name in Kubernetes, since override_system_hostname is false.",
        remedy="Set another with hostnamectl.",
        severity=Severity.BLOCK,
        judge=each(_host_name),
        group=Group.IDENTITY,
    ),
    Check(
        id="host-name-localhost",
        title="Host name localhost",
        wants="a host name that is not localhost",
        why="Every machine means itself by it, and override_system_hostname is false, so it would stay.",
        remedy="Set another with hostnamectl.",
        severity=Severity.BLOCK,
        judge=each(_host_name_local),
        group=Group.IDENTITY,
    ),
    Check(
        id="host-name-unique",
        title="Host name of one node",
        wants="a host name of its own on each node",
        why="A second node of the same name takes the place of the first, since they are not renamed.",
        remedy="Set another with hostnamectl, or let Kubespray set them (override_system_hostname).",
        severity=Severity.BLOCK,
        judge=_same_host_name,
        group=Group.IDENTITY,
    ),
    Check(
        id="host-name-changes",
        title="New host name",
        wants="you know that it becomes the node's name",
        why="Kubespray sets the host name to the name in the answers.",
        remedy="Nothing to do, unless something else on the machine goes by its name.",
        severity=Severity.WARN,
        judge=each(_host_name_differs),
        group=Group.IDENTITY,
    ),
    Check(
        id="own-name-resolves",
        title="Its own name",
        wants="each node's own name leads to itself",
        why="sudo and Ansible look it up again and again; without an answer each time waits for a time-out.",
        remedy="Add '127.0.1.1 NAME' to /etc/hosts.",
        severity=Severity.WARN,
        judge=each(_own_name),
        group=Group.IDENTITY,
    ),
    Check(
        id="ssh-host-key-unique",
        title="SSH host key",
        wants="an SSH host key of its own on each node",
        why="Whoever has one of the machines can pass for the others.",
        remedy="On the clone: remove /etc/ssh/ssh_host_*, run 'ssh-keygen -A', restart sshd.",
        severity=Severity.WARN,
        judge=_same("ssh_host_key", "SSH host key"),
        group=Group.IDENTITY,
    ),
    Check(
        id="iscsi-name-unique",
        title="iSCSI name",
        wants="an iSCSI initiator name of its own on each node",
        why="Storage takes two nodes for one, and both write to the same volume.",
        remedy="Write 'InitiatorName=' and the output of iscsi-iname to /etc/iscsi/initiatorname.iscsi.",
        severity=Severity.BLOCK,
        judge=_same_initiator,
        group=Group.IDENTITY,
    ),
    Check(
        id="remains",
        title="An earlier cluster",
        wants="no Kubernetes from before",
        why="Certificates, etcd data and network settings of another cluster get in the way.",
        remedy="After an interrupted run: go on. From another cluster: reset that cluster first.",
        severity=Severity.WARN,
        judge=each(_remains),
        group=Group.IDENTITY,
    ),
)
