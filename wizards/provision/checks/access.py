"""Can the nodes be worked on at all: login, Python, root."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wizards.provision.access import node_place
from wizards.provision.checks.judging import each, few, release, trouble
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble
from wizards.provision.ssh_run import Said
from wizards.provision.ssh_words import LoginProblem, connecting
from wizards.setup.finding import Severity
from wizards.setup.spec import AccessMethod, Become, ClusterSpec

PYTHON: Final = (3, 8)
"""The oldest Python on a node that ansible-core 2.18 works with."""
SLOW_SECONDS: Final = 25.0
"""A look takes two to ten seconds; Kubespray then does some thousand tasks, each with a login of its own."""
_HOME: Final = "Log in by hand and check free space and permissions of the home folder and /tmp."

_CHANGED: Final = (
    "See both fingerprints with 'slipway access {name}'. If the machine was installed anew, take the new key"
    " by its name; if not, something answers in its place."
)


def _no_report(seen: Seen) -> Iterator[Trouble]:
    told = {node.name for node in seen.nodes} | seen.waiting
    for node in seen.spec.nodes:
        if node.name not in told:
            yield Trouble(
                node.name,
                "it sent no report: the look at it was cut short",
                measured="none",
                required="a report",
            )


def _unreachable(seen: Seen) -> Iterator[Trouble]:
    for node in seen.nodes:
        if not node.reachable:
            problem, words = _why_not(node, seen.spec)
            message = f"SSH to {node.node.address} port {node.node.port} failed: {words}"
            remedy = _CHANGED.format(name=seen.spec.name) if problem is LoginProblem.HOST_KEY_CHANGED else ""
            yield Trouble(node.name, message, remedy=remedy, measured=problem.value, required="a login")


def _why_not(node: NodeReport, spec: ClusterSpec) -> tuple[LoginProblem, str]:
    """Say in words what ssh said in its own; what is not known is quoted."""
    said = Said(255, stderr=node.login_message)
    with_password = spec.access.method is AccessMethod.PASSWORD
    problem, words = connecting(said, node_place(node.node, spec), password=with_password)
    return problem, words if problem is not LoginProblem.OTHER else node.login_message or "no answer"


def _late(seen: Seen) -> Iterator[Trouble]:
    for node in seen.nodes:
        if node.reachable and node.late and not node.looked:
            limit = f" within {node.seconds:.0f} s" if node.seconds else " by its deadline"
            message = f"it let Slipway log in, and did not answer{limit}"
            yield Trouble(node.name, message, measured="no answer", required=f"an answer{limit}")


def _no_python(seen: Seen) -> Iterator[Trouble]:
    for node in seen.nodes:
        if node.reachable and not node.late and not node.python:
            yield Trouble(node.name, "no Python 3 was found", measured="none", required="Python 3.8 or newer")


def _old_python(seen: Seen) -> Iterator[Trouble]:
    for node in seen.nodes:
        found = release(node.python_version)
        if node.reachable and len(found) > 1 and found < PYTHON:
            message = f"its Python is {node.python_version}, and Ansible needs 3.8 or newer"
            yield Trouble(node.name, message, measured=node.python_version, required="3.8 or newer")


def _blind(seen: Seen) -> Iterator[Trouble]:
    old = {trouble.host for trouble in _old_python(seen)}
    for node in seen.nodes:
        if node.reachable and node.python and not node.looked and not node.late and node.name not in old:
            message = f"it could not be looked at: {node.root_message or 'no reason given'}"
            yield Trouble(node.name, message, measured="nothing seen", required="a look")


def _half_seen(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        if node.missed or node.late:
            parts = few(node.missed) or "some parts"
            message = f"not all of it could be looked at, in time or at all: {parts}"
            yield Trouble(node.name, message, measured=f"without {parts}", required="the whole look")


def _not_root(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        if node.number("uid") is not None and not node.root:
            user = node.node.user or seen.spec.access.user
            message = _why_not_root(node, user, seen.spec.access.become)
            yield Trouble(node.name, message, measured=f"user {user}", required="root")


def _why_not_root(node: NodeReport, user: str, become: Become) -> str:
    """Say in words what sudo said in its own."""
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


def _home(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    if node.flag("home_writable") is not False:
        return None
    user = node.node.user or spec.access.user
    return trouble(f"{user} cannot write to its home folder", "read-only", "a home folder to write to")


def _noexec(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    if not node.flag("tmp_noexec"):
        return None
    return trouble("programs in /tmp may not run (noexec)", "noexec", "a /tmp without noexec")


def _slow(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    if node.late or node.seconds <= SLOW_SECONDS:
        return None
    message = f"looking at it took {node.seconds:.0f} s, and {SLOW_SECONDS:.0f} s would be much"
    return trouble(message, f"{node.seconds:.0f} s", f"less than {SLOW_SECONDS:.0f} s")


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
        id="node-late",
        title="Answer in time",
        wants="each node answers soon after the login",
        why="A node that hangs now would hang Kubespray for hours.",
        remedy="Log in by hand: look for a full disk, a dead network mount or name server.",
        severity=Severity.BLOCK,
        judge=_late,
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
        id="python-version",
        title="Version of Python",
        wants="Python 3.8 or newer",
        why="ansible-core 2.18, which Kubespray v2.31 is made for, stops on an older one.",
        remedy="Install a newer python3, or a newer release of the distribution.",
        severity=Severity.BLOCK,
        judge=_old_python,
        group=Group.ACCESS,
        machine=False,
    ),
    Check(
        id="node-readable",
        title="A look inside",
        wants="the programs that look can run",
        why="A node nobody looked at may fail half-way.",
        remedy=_HOME,
        severity=Severity.BLOCK,
        judge=_blind,
        group=Group.ACCESS,
        machine=False,
    ),
    Check(
        id="node-half-seen",
        title="The whole look",
        wants="all parts of the look end",
        why="What was not seen was not judged, and may be what makes the set-up fail.",
        remedy="Look again; when it stays so, log in and see what hangs: a disk, a mount, a service.",
        severity=Severity.WARN,
        judge=_half_seen,
        group=Group.ACCESS,
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
    Check(
        id="home-writable",
        title="Home folder",
        wants="the SSH user can write to its home folder",
        why="Ansible puts its programs there before it runs them.",
        remedy=_HOME,
        severity=Severity.BLOCK,
        judge=each(_home),
        group=Group.ACCESS,
    ),
    Check(
        id="tmp-noexec",
        title="/tmp",  # noqa: S108 - looked at
        wants="programs in /tmp may run",
        why="Kubespray downloads to /tmp and runs programs from there.",
        remedy="Remount it without noexec ('mount -o remount,exec /tmp') and change /etc/fstab.",
        severity=Severity.WARN,
        judge=each(_noexec),
        group=Group.ACCESS,
    ),
    Check(
        id="login-slow",
        title="Speed of the login",
        wants=f"a look takes less than {SLOW_SECONDS:.0f} s",
        why="Kubespray does over a thousand things on each node; what is slow here is slow each time.",
        remedy="Look for a name server that does not answer (sshd: 'UseDNS no'), or a node under load.",
        severity=Severity.WARN,
        judge=each(_slow),
        group=Group.ACCESS,
    ),
)
