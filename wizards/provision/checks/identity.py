"""Can the nodes be told apart, do they agree on the time, and were they something else before?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble
from wizards.setup.finding import Severity

SKEW_WARN: Final = 2.0
SKEW_BLOCK: Final = 30.0
"""Seconds between two clocks. The look itself is good to about a second on a slow line."""
_HOST_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def _twins(seen: Seen, name: str, what: str) -> Iterator[Trouble]:
    """Find nodes that give the same answer where each must have its own."""
    groups: dict[str, list[NodeReport]] = {}
    for node in seen.looked:
        if value := node.text(name).lower():
            groups.setdefault(value, []).append(node)
    for group in groups.values():
        for node in group if len(group) > 1 else ():
            others = ", ".join(other.name for other in group if other is not node)
            yield Trouble(node.name, f"it has the same {what} as {others}")


def _same_machine(seen: Seen) -> Iterator[Trouble]:
    return _twins(seen, "machine_id", "machine-id")


def _same_product(seen: Seen) -> Iterator[Trouble]:
    return _twins(seen, "product_uuid", "product_uuid")


def _no_machine_id(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        if node.root and not node.text("machine_id"):
            yield Trouble(node.name, "/etc/machine-id is empty or missing")


def _keeps_host_names(seen: Seen) -> bool:
    """Tell whether Kubespray was told to leave host names alone; else it sets them to the nodes' names."""
    return seen.spec.kubespray_vars.get("override_system_hostname") is False


def _host_name(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked if _keeps_host_names(seen) else ():
        name = node.text("node_name")
        if not _HOST_NAME.fullmatch(name):
            wanted = "only a-z, 0-9, '-' and '.' are allowed"
            yield Trouble(node.name, f"its host name is {name!r}, and {wanted}")


def _host_name_differs(seen: Seen) -> Iterator[Trouble]:
    for node in () if _keeps_host_names(seen) else seen.looked:
        name = node.text("node_name")
        if name and name.partition(".")[0] != node.name:
            yield Trouble(node.name, f"its host name is {name}; Kubespray will change it to {node.name}")


def _skew(seen: Seen) -> Iterator[Trouble]:
    """Compare the clocks with their median: one wrong clock is then one finding, on the right node."""
    offsets = {node.name: node.number("clock_offset") for node in seen.looked}
    known = sorted(value for value in offsets.values() if value is not None)
    if not known:
        return
    middle = known[len(known) // 2]
    for name, offset in offsets.items():
        if offset is None or abs(offset - middle) < SKEW_WARN:
            continue
        ahead = "ahead of" if offset > middle else "behind"
        message = f"its clock is {abs(offset - middle):.0f} s {ahead} the others"
        far = abs(offset - middle) >= SKEW_BLOCK
        yield Trouble(name, message, severity=Severity.BLOCK if far else Severity.WARN)


def _remains(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        found = node.texts("remains")
        if found and not node.known_cluster:
            yield Trouble(node.name, f"Kubernetes was here before: {', '.join(found)}")


CHECKS: Final = (
    Check(
        id="machine-id-unique",
        title="Machine id",
        wants="a machine-id of its own on each node",
        why="Clones share it; network addresses and node identities then collide.",
        remedy="On the clone: remove /etc/machine-id, run systemd-machine-id-setup, reboot.",
        severity=Severity.BLOCK,
        judge=_same_machine,
        group=Group.IDENTITY,
    ),
    Check(
        id="machine-id-there",
        title="Machine id",
        wants="/etc/machine-id is not empty",
        why="The kubelet names the node by it.",
        remedy="Run systemd-machine-id-setup.",
        severity=Severity.WARN,
        judge=_no_machine_id,
        group=Group.IDENTITY,
    ),
    Check(
        id="product-uuid-unique",
        title="Product UUID",
        wants="a product_uuid of its own on each node",
        why="kubeadm asks for it; storage and network plugins tell nodes apart by it.",
        remedy="Give the virtual machine a new UUID in its hypervisor.",
        severity=Severity.BLOCK,
        judge=_same_product,
        group=Group.IDENTITY,
    ),
    Check(
        id="host-name-form",
        title="Host name",
        wants="lower-case letters, digits, '-' and '.'",
        why="It becomes the node's name in Kubernetes, since override_system_hostname is false.",
        remedy="Set another with hostnamectl.",
        severity=Severity.BLOCK,
        judge=_host_name,
        group=Group.IDENTITY,
    ),
    Check(
        id="host-name-changes",
        title="Host name",
        wants="you know that it becomes the node's name",
        why="Kubespray sets the host name to the name in the answers.",
        remedy="Nothing to do, unless something else on the machine goes by its name.",
        severity=Severity.WARN,
        judge=_host_name_differs,
        group=Group.IDENTITY,
    ),
    Check(
        id="clock-skew",
        title="Clocks",
        wants=f"clocks within {SKEW_WARN:.0f} s of each other",
        why="Certificates are not valid yet, or no longer; etcd's leases run off.",
        remedy="Start a time service (chrony, systemd-timesyncd), or set kubernetes.ntp to true.",
        severity=Severity.BLOCK,
        judge=_skew,
        group=Group.IDENTITY,
    ),
    Check(
        id="remains",
        title="An earlier cluster",
        wants="no Kubernetes from before",
        why="Certificates, etcd data and network settings of another cluster get in the way.",
        remedy="After an interrupted run: go on. From another cluster: reset that cluster first.",
        severity=Severity.WARN,
        judge=_remains,
        group=Group.IDENTITY,
    ),
)
