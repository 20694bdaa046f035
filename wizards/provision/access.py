"""The way to the nodes: what ssh is told, host keys at first contact, and whether a login works.

Everything goes through the real ssh client with an argument list, so that keys, the agent, jump hosts and the
user's own ``~/.ssh/config`` behave as they will when Ansible uses them.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from wizards.provision import ssh_words
from wizards.provision.host_keys import (
    HostKey,
    HostKeyChanged,
    HostsUnreachable,
    known_name,
    read_known_hosts,
    write_known_hosts,
)
from wizards.setup.spec import AccessMethod, Become, ClusterSpec, Jump, Node

if TYPE_CHECKING:
    from wizards.clusters import Cluster

__all__ = [
    "HostKey",
    "HostKeyChanged",
    "HostsUnreachable",
    "LoginResult",
    "LoginSecrets",
    "missing_for_passwords",
    "scan_host_keys",
    "ssh_args",
    "ssh_options",
    "try_login",
    "unknown_hosts",
    "write_known_hosts",
]

CONNECT_SECONDS: Final = 15
"""How long ssh waits for a server to answer."""
_LOGIN_SECONDS: Final = 60.0
"""How long one login may take with everything in it: jump host, slow name lookups, sudo."""
_AT_ONCE: Final = 16
_REMOTE: Final = {
    Become.NONE: "id -u",
    Become.SUDO: "sudo -n id -u",
    Become.SUDO_PASSWORD: "sudo -S -p '' id -u",
}
_ASKPASS: Final = """\
#!/bin/sh
# One answer to one question: a second one would wait for ever.
mv "$0.pipe" "$0.asked" 2>/dev/null || exit 1
IFS= read -r answer < "$0.asked" && printf '%s\\n' "$answer"
"""


class LoginSecrets(Protocol):
    """The passwords of a login, in memory only."""

    @property
    def ssh_password(self) -> str | None:
        """For the login itself."""

    @property
    def become_password(self) -> str | None:
        """For sudo."""


@dataclass(frozen=True, slots=True)
class LoginResult:
    """Whether a node can be used: logged in, and root could be become. `reason` says in words why not."""

    node: str
    ok: bool
    reason: str = ""


def ssh_args(spec: ClusterSpec, cluster: Cluster) -> str:
    """Return the options of ssh for all nodes, quoted as ``ANSIBLE_SSH_ARGS`` wants them. Pure."""
    persist = ["-o", "ControlMaster=auto", "-o", "ControlPersist=120s"]
    return shlex.join([*persist, *ssh_options(spec, cluster.known_hosts)])


def ssh_options(spec: ClusterSpec, known_hosts: Path) -> list[str]:
    """Return the same options as a list, without connection sharing: strict on host keys, via the jump host.

    The jump host goes as ProxyCommand and not as ProxyJump, because ssh would not hand its own options on to
    the ssh that reaches the jump host, and that one must be strict as well.
    """
    options = _strict(known_hosts)
    if spec.access.method is AccessMethod.KEY and spec.access.key_file:
        # Only this key: an agent full of others would be turned away before it is tried.
        options += ["-o", "IdentitiesOnly=yes"]
    if spec.access.jump:
        options += ["-o", f"ProxyCommand={_proxy_command(spec, spec.access.jump, known_hosts)}"]
    return options


def _strict(known_hosts: Path, checking: str = "yes") -> list[str]:
    file = str(known_hosts).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    pairs = {
        "StrictHostKeyChecking": checking,
        "UserKnownHostsFile": f'"{file}"',
        "GlobalKnownHostsFile": "/dev/null",
        "HashKnownHosts": "no",
        "UpdateHostKeys": "no",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "8",
        "ForwardAgent": "no",
    }
    return [part for name, value in pairs.items() for part in ("-o", f"{name}={value}")]


def _proxy_command(spec: ClusterSpec, jump: Jump, known_hosts: Path) -> str:
    """Return the shell command that ssh runs to get through the jump host; ``%`` is doubled for ssh."""
    command = ["ssh", *_strict(known_hosts), "-o", "BatchMode=yes", *_identity(spec)]
    command += ["-p", str(jump.port), "-l", jump.user or spec.access.user]
    return shlex.join(command).replace("%", "%%") + " -W '[%h]:%p' -- " + shlex.quote(jump.host)


def _identity(spec: ClusterSpec) -> list[str]:
    if spec.access.method is AccessMethod.KEY and spec.access.key_file:
        return ["-o", "IdentitiesOnly=yes", "-i", str(Path(spec.access.key_file).expanduser())]
    return []


def unknown_hosts(cluster: Cluster, spec: ClusterSpec) -> tuple[str, ...]:
    """Return the names of nodes whose host key is not kept yet; a ``jump host`` comes first."""
    known = read_known_hosts(cluster.known_hosts)
    return tuple(place.name for place in _places(spec) if known_name(place.host, place.port) not in known)


@dataclass(frozen=True, slots=True)
class _Place:
    """A server that is logged in to."""

    name: str
    host: str
    port: int
    user: str
    is_jump: bool = False


def _places(spec: ClusterSpec) -> Iterator[_Place]:
    if jump := spec.access.jump:
        yield _Place("jump host", jump.host, jump.port, jump.user or spec.access.user, is_jump=True)
    for node in spec.nodes:
        yield _node_place(node, spec)


def _node_place(node: Node, spec: ClusterSpec) -> _Place:
    return _Place(node.name, node.address, node.port, node.user or spec.access.user)


def scan_host_keys(spec: ClusterSpec, cluster: Cluster | None = None) -> tuple[HostKey, ...]:
    """Return the host key each server shows now, asked by ssh itself; nothing is kept and nothing logged in.

    Where there is a jump host whose key is not kept yet (in `cluster`), only its key is returned: it must be
    confirmed (`write_known_hosts`) before anything goes through it. So ask again until `unknown_hosts` is
    empty.

    Raises:
        HostsUnreachable: Some did not answer; it carries the keys of the others and the reasons.
    """
    places = list(_places(spec))
    known_hosts = cluster.known_hosts if cluster else Path(os.devnull)
    jump = spec.access.jump
    if jump and known_name(jump.host, jump.port) not in read_known_hosts(known_hosts):
        places = places[:1]
    keys: list[HostKey] = []
    problems: dict[str, str] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for place, seen in zip(
            places, pool.map(lambda one: _scan(one, spec, known_hosts), places), strict=True
        ):
            if isinstance(seen, HostKey):
                keys.append(seen)
            else:
                problems[place.name] = seen
    if problems:
        raise HostsUnreachable(tuple(keys), problems)
    return tuple(keys)


def _scan(place: _Place, spec: ClusterSpec, known_hosts: Path) -> HostKey | str:
    """Let ssh write the key it is shown into a file of its own, then turn round before authentication."""
    with tempfile.TemporaryDirectory(prefix="slipway-scan-") as folder:
        file = Path(folder) / "seen"
        options = _strict(file, "accept-new")
        if spec.access.jump and not place.is_jump:
            command = _proxy_command(spec, spec.access.jump, known_hosts)
            options += ["-o", f"ProxyCommand={command}"]
        options += ["-o", "PreferredAuthentications=none", "-o", "BatchMode=yes"]
        said = _ssh([*options, "-p", str(place.port), "-l", place.user, "--", place.host, "true"])
        for known_as, (type_, key) in read_known_hosts(file).items():
            return HostKey(place.name, place.host, place.port, type_, key, known_as)
    return ssh_words.reason(said, place.host, place.port, place.user)


def try_login(
    spec: ClusterSpec, cluster: Cluster, secrets: LoginSecrets | None = None
) -> tuple[LoginResult, ...]:
    """Log in to every node as Ansible will, become root as it will, and say in words what stands in the way.

    Nothing is changed on the nodes. On the practice yard the login alone counts: it has no root.

    Args:
        spec: The answers: nodes and access.
        cluster: Where the host keys are kept; it is strict about them.
        secrets: Passwords, where the way in needs them; they reach ssh and sudo through pipes only.
    """
    if spec.access.method is AccessMethod.PASSWORD and (why := missing_for_passwords()):
        return tuple(LoginResult(node.name, ok=False, reason=why) for node in spec.nodes)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(pool.map(lambda node: _login(node, spec, cluster, secrets), spec.nodes))


def missing_for_passwords() -> str:
    """Return what Ansible lacks on this machine to log in with a password; empty when nothing."""
    import shutil

    if shutil.which("sshpass"):
        return ""
    return (
        "Ansible needs the program sshpass on this machine to log in with a password, and it is not there;"
        " install the package sshpass, or log in with a key"
    )


def _login(node: Node, spec: ClusterSpec, cluster: Cluster, secrets: LoginSecrets | None) -> LoginResult:
    place = _node_place(node, spec)
    options = [*ssh_options(spec, cluster.known_hosts), *_identity(spec)]
    become = Become.NONE if cluster.is_practice else spec.access.become
    target = ["-p", str(place.port), "-l", place.user, "--", place.host]
    typed = ""
    if become is Become.SUDO_PASSWORD:
        typed = ((secrets and secrets.become_password) or "") + "\n"
    if spec.access.method is AccessMethod.PASSWORD:
        options += ["-o", "PreferredAuthentications=password,keyboard-interactive"]
        options += ["-o", "NumberOfPasswordPrompts=1"]
        with _askpass(cluster.root, (secrets and secrets.ssh_password) or "") as env:
            said = _ssh([*options, *target, _REMOTE[become]], typed, env)
    else:
        said = _ssh([*options, "-o", "BatchMode=yes", *target, _REMOTE[become]], typed)
    # A login shell may print a greeting first; the answer is the last word.
    if said.returncode == 0 and (said.stdout.split()[-1:] == ["0"] or cluster.is_practice):
        return LoginResult(node.name, ok=True)
    if said.returncode == 0:
        reason = f"logged in, but {place.user} is not root; choose sudo as the way to become root"
        return LoginResult(node.name, ok=False, reason=reason)
    if changed := _changed(place, said, spec, cluster):
        return LoginResult(node.name, ok=False, reason=str(changed))
    return LoginResult(node.name, ok=False, reason=ssh_words.reason(said, place.host, place.port, place.user))


def _changed(
    place: _Place, said: subprocess.CompletedProcess[str], spec: ClusterSpec, cluster: Cluster
) -> HostKeyChanged | None:
    """Return both fingerprints where ssh refused a host key that is not the one it knows."""
    known = read_known_hosts(cluster.known_hosts).get(known_name(place.host, place.port))
    if known is None or not ssh_words.says_changed(said):
        return None
    seen = _scan(place, spec, cluster.known_hosts)
    if not isinstance(seen, HostKey):
        return None
    return HostKeyChanged(seen, HostKey(place.name, place.host, place.port, *known, seen.known_as))


def _ssh(
    arguments: list[str], typed: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = ["ssh", *arguments]
    try:
        return subprocess.run(
            command,
            input=typed,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LOGIN_SECONDS,
            env={**os.environ, **(env or {}), "LC_ALL": "C"},
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 255, "", "Connection timed out")
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 255, "", "the program ssh is not installed here")


@contextmanager
def _askpass(folder: Path, password: str) -> Iterator[dict[str, str]]:
    """Give the environment by which ssh asks a script of ours for the password.

    The password waits in a named pipe of a private folder: in the kernel, not on the disk, and in no argument
    and no environment.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".ask-") as place:
        script = Path(place) / "ask"
        script.write_text(_ASKPASS, encoding="ascii")
        script.chmod(0o700)
        pipe = Path(f"{script}.pipe")
        os.mkfifo(pipe, 0o600)
        handle = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        try:
            os.write(handle, password.encode() + b"\n")
            yield {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
        finally:
            os.close(handle)
