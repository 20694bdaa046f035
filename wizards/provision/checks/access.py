"""Can the nodes be worked on at all: login, Python, root."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble
from wizards.setup.finding import Severity
from wizards.setup.spec import Become


def _no_report(seen: Seen) -> Iterator[Trouble]:
    told = {node.name for node in seen.nodes}
    for node in seen.spec.nodes:
        if node.name not in told and node.name not in seen.waiting:
            yield Trouble(node.name, "it sent no report: the look at it was cut short")


def _unreachable(seen: Seen) -> Iterator[Trouble]:
    for node in seen.nodes:
        if not node.reachable:
            said = node.login_message or "no answer"
            yield Trouble(node.name, f"SSH to {node.node.address} port {node.node.port} failed: {said}")


def _no_python(seen: Seen) -> Iterator[Trouble]:
    for node in seen.nodes:
        if node.reachable and not node.python:
            yield Trouble(node.name, "no Python 3 was found")


def _blind(seen: Seen) -> Iterator[Trouble]:
    for node in seen.nodes:
        if node.reachable and node.python and not node.looked:
            yield Trouble(node.name, f"it could not be looked at: {node.root_message or 'no reason given'}")


def _not_root(seen: Seen) -> Iterator[Trouble]:
    for node in seen.nodes:
        if node.looked and not node.root:
            yield Trouble(node.name, _why_not_root(node, seen.spec.access.become))


def _why_not_root(node: NodeReport, become: Become) -> str:
    """Say in words what sudo said in its own."""
    user = node.node.user or "the SSH user"
    said = node.root_message.lower()
    if become is Become.NONE:
        return f"{user} is not root, and access.become is none"
    if "missing sudo password" in said or "password is required" in said:
        return f"sudo asks {user} for a password"
    if "incorrect sudo password" in said:
        return f"sudo refused the password of {user}"
    if "not in the sudoers" in said or "may not run" in said:
        return f"{user} may not use sudo"
    if "command not found" in said or "no such file" in said:
        return "sudo is not installed"
    return f"root could not be had: {node.root_message or 'no reason given'}"


CHECKS: Final = (
    Check(
        id="node-reachable",
        title="SSH login",
        wants="each node lets Slipway log in",
        why="Everything is done over SSH.",
        remedy="Try 'ssh' to it by hand; check address, port, user, key and firewall.",
        severity=Severity.BLOCK,
        judge=_unreachable,
        group=Group.ACCESS,
        machine=False,
    ),
    Check(
        id="node-reported",
        title="Report",
        wants="each node can be looked at to the end",
        why="A node nobody looked at may fail half-way.",
        remedy="Check it again; when it stays so, log in and see what it is busy with.",
        severity=Severity.BLOCK,
        judge=_no_report,
        group=Group.ACCESS,
        machine=False,
    ),
    Check(
        id="node-python",
        title="Python",
        wants="Python 3.8 or newer on each node",
        why="Ansible's modules are Python programs that run on the node.",
        remedy="Install the package python3.",
        severity=Severity.BLOCK,
        judge=_no_python,
        group=Group.ACCESS,
        machine=False,
    ),
    Check(
        id="node-readable",
        title="A look inside",
        wants="the programs that look can run",
        why="A node nobody looked at may fail half-way.",
        remedy="Log in by hand and check free space and permissions of the home folder and /tmp.",
        severity=Severity.BLOCK,
        judge=_blind,
        group=Group.ACCESS,
        machine=False,
    ),
    Check(
        id="node-root",
        title="Root",
        wants="Slipway can become root on each node",
        why="Kubernetes is installed into the system.",
        remedy="Log in as root, or let the user use sudo, and set access.become to match.",
        severity=Severity.BLOCK,
        judge=_not_root,
        group=Group.ACCESS,
    ),
)
