"""The way to the nodes: what ssh is told, for Ansible and for whatever Slipway asks a node itself.

Everything goes through the real ssh client with an argument list, so that keys, the agent, jump hosts and the
user's own ``~/.ssh/config`` behave as they will when Ansible uses them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wizards.setup.spec import AccessMethod, ClusterSpec, Jump, Node

if TYPE_CHECKING:
    from wizards.clusters import Cluster

CONNECT_SECONDS: Final = 15
"""How long ssh waits for a server to answer."""
AT_ONCE: Final = 32
"""How many nodes are asked at the same time."""
JUMP_NAME: Final = "jump host"
"""What the jump host is called where nodes are listed; no node can have that name, for it has a space."""


@dataclass(frozen=True, slots=True)
class Place:
    """A server that is logged in to; `key_file` is the only key that it is tried with, where there is one."""

    name: str
    host: str
    port: int
    user: str
    key_file: str = ""
    is_jump: bool = False

    @property
    def target(self) -> list[str]:
        """The arguments by which ssh finds it; a command may follow."""
        return ["-p", str(self.port), "-l", self.user, "--", self.host]

    @property
    def identity(self) -> list[str]:
        """The arguments by which ssh offers only its key: an agent full of others would be turned away."""
        if not self.key_file:
            return []
        return ["-o", "IdentitiesOnly=yes", "-o", f"IdentityFile={_quoted(Path(self.key_file).expanduser())}"]


def node_place(node: Node, spec: ClusterSpec) -> Place:
    """Return where and as whom a node is logged in to."""
    return Place(node.name, node.address, node.port, node.user or spec.access.user, _key_of(node, spec))


def jump_place(spec: ClusterSpec) -> Place | None:
    """Return the same of the jump host, None where there is none."""
    jump = spec.access.jump
    if jump is None:
        return None
    user = jump.user or spec.access.user
    return Place(JUMP_NAME, jump.host, jump.port, user, _key_of(None, spec), is_jump=True)


def places(spec: ClusterSpec) -> Iterator[Place]:
    """Give the jump host, where there is one, and then the nodes."""
    if (jump := jump_place(spec)) is not None:
        yield jump
    for node in spec.nodes:
        yield node_place(node, spec)


def _key_of(node: Node | None, spec: ClusterSpec) -> str:
    if spec.access.method is not AccessMethod.KEY:
        return ""
    return (node and node.key_file) or spec.access.key_file or ""


def ssh_args(spec: ClusterSpec, cluster: Cluster) -> str:
    """Return the options of ssh for all nodes, quoted as ``ANSIBLE_SSH_ARGS`` wants them. Pure.

    Which key is whose says the inventory. That no other key is offered is said here only where every node
    has one: a node without would else be tried without the keys of the agent.
    """
    options = [
        "-o",
        "ControlMaster=auto",
        "-o",
        "ControlPersist=120s",
        *ssh_options(spec, cluster.known_hosts),
    ]
    if spec.nodes and all(_key_of(node, spec) for node in spec.nodes):
        options += ["-o", "IdentitiesOnly=yes"]
    return shlex.join(options)


def ssh_options(spec: ClusterSpec, known_hosts: Path, *, jump_log: Path | None = None) -> list[str]:
    """Return what holds for every node: strict on host keys, via the jump host. Neither key nor target.

    The jump host goes as ProxyCommand and not as ProxyJump, because ssh would not hand its own options on to
    the ssh that reaches the jump host, and that one must be strict as well.

    Args:
        spec: The answers.
        known_hosts: The file of the keys that were agreed to.
        jump_log: Where the ssh that reaches the jump host writes what it has to say; with the other's
            messages without.
    """
    return [*strict(known_hosts), *through_jump(spec, known_hosts, jump_log=jump_log)]


def through_jump(spec: ClusterSpec, known_hosts: Path, *, jump_log: Path | None = None) -> list[str]:
    """Return only those of `ssh_options` that lead through the jump host; none where there is none."""
    if spec.access.jump is None:
        return []
    return ["-o", f"ProxyCommand={_proxy_command(spec, spec.access.jump, known_hosts, jump_log)}"]


def strict(known_hosts: Path, checking: str = "yes") -> list[str]:
    """Return ssh's options on host keys, the same for nodes and for the jump host."""
    pairs = {
        "StrictHostKeyChecking": checking,
        "UserKnownHostsFile": _quoted(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "HashKnownHosts": "no",
        "UpdateHostKeys": "no",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "8",
        "ForwardAgent": "no",
    }
    return [part for name, value in pairs.items() for part in ("-o", f"{name}={value}")]


def _quoted(path: Path) -> str:
    """Return a path as ssh reads one in an option: blanks, quotes and percent signs are its own."""
    file = str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{file}"'


def _proxy_command(spec: ClusterSpec, jump: Jump, known_hosts: Path, log: Path | None) -> str:
    """Return the shell command that ssh runs to get through the jump host; ``%`` is doubled for ssh."""
    place = jump_place(spec)
    command = ["ssh", *strict(known_hosts), "-o", "BatchMode=yes", *(place.identity if place else [])]
    command += ["-E", str(log), "-o", "ControlPath=none"] if log else []
    command += ["-p", str(jump.port), "-l", jump.user or spec.access.user]
    return shlex.join(command).replace("%", "%%") + " -W '[%h]:%p' -- " + shlex.quote(jump.host)


def missing_for_passwords() -> str:
    """Return what Ansible lacks on this machine to log in with a password; empty when nothing."""
    import shutil

    if shutil.which("sshpass"):
        return ""
    return (
        "Ansible needs the program sshpass on this machine to log in with a password, and it is not there;"
        " install the package sshpass, or log in with a key"
    )
