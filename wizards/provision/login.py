"""Whether the nodes can be used: each is logged in to as Ansible will, once, and tells all in one session.

Nothing is changed on a node. What runs there is a constant: nothing that a user typed is in it.
"""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from wizards.provision import key_files, ssh_words
from wizards.provision.access import Place, missing_for_passwords, node_place, strict, through_jump
from wizards.provision.askpass import askpass
from wizards.provision.first_contact import changed_key
from wizards.provision.ssh_run import Said, at_once, run_ssh
from wizards.provision.ssh_words import LoginProblem, Reason
from wizards.sanitize import one_line
from wizards.setup.spec import AccessMethod, Become, ClusterSpec

if TYPE_CHECKING:
    from wizards.clusters import Cluster

LOGIN_SECONDS: Final = 45.0
"""How long one node may take with everything in it: jump host, slow name lookups, sudo."""
_OLDEST_PYTHON: Final = 3008  # ansible-core 2.18 runs on 3.8 and newer
# The interpreters that ansible-core 2.18 looks for, and where Red Hat's systems keep theirs.
_PYTHONS: Final = (
    "python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 /usr/bin/python3 python3"
    " /usr/libexec/platform-python"
)
# One line and no single quote, for it goes through the login shell, which may be csh or fish.
_LOOK: Final = (
    'LC_ALL=C; export LC_ALL; echo ""; '
    'echo "slipway:uid=$(id -u)"; '
    '[ -d "$HOME" ] && [ -w "$HOME" ] || echo "slipway:home=$HOME"; '
    "if [ -r /proc/mounts ]; then while read -r dev at kind how rest; do "
    'if [ "$at" = /tmp ]; then echo "slipway:tmp=$how"; fi; done < /proc/mounts; fi; '
    '[ -w /tmp ] || echo "slipway:tmp=closed"; '
    f"for p in {_PYTHONS}; do "
    'v=$("$p" -c "import sys; print(sys.version_info[0]*1000+sys.version_info[1])" 2>/dev/null </dev/null)'
    " || continue; "
    'echo "slipway:python=$v $p"; [ "$v" -ge 3008 ] && break; done; '
    'if [ "$1" = none ]; then echo slipway:end; exit 0; fi; '
    "command -v sudo >/dev/null 2>&1 || { echo slipway:sudo=none; exit 0; }; echo slipway:sudo=asked; "
    # -k: a password that sudo still remembers from a moment ago must not stand in for a wrong one.
    'if [ "$1" = sudo ]; then root=$(sudo -n id -u); else root=$(sudo -k -S -p "" id -u); fi; '
    'echo "slipway:root=$root"; echo slipway:end'
)
_REMOTE: Final = {become: f"exec /bin/sh -c '{_LOOK}' slipway {become.value}" for become in Become}
_FACT: Final = re.compile(r"^slipway:(\w+)(?:=(.*))?$", re.MULTILINE)
_ACCEPTED: Final = re.compile(r"Server accepts key: .*(SHA256:\S+)")


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
    """Whether a node can be used: logged in, root could be become, and Ansible finds what it needs.

    Attributes:
        node: Its name, or ``jump host``.
        ok: It can.
        problem: What keeps it from being used, for programs.
        reason: The same in words, with what to do.
        warnings: What does not, but should be known.
        seconds: How long it took.
    """

    node: str
    ok: bool
    problem: LoginProblem | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


OnResult = Callable[[LoginResult], None]


def try_logins(
    spec: ClusterSpec,
    cluster: Cluster,
    secrets: LoginSecrets | None = None,
    *,
    on_result: OnResult | None = None,
    nodes: Collection[str] | None = None,
    seconds: float = LOGIN_SECONDS,
    stop: threading.Event | None = None,
) -> tuple[LoginResult, ...]:
    """Log in to the nodes as Ansible will, become root as it will, and say in words what stands in the way.

    On the practice yard the login alone counts: it has no root.

    Args:
        spec: The answers: nodes and access.
        cluster: Where the host keys are kept; it is strict about them.
        secrets: Passwords, where the way in needs them; they reach ssh and sudo through pipes only.
        on_result: Called for each node as soon as it is known, from the thread of the caller.
        nodes: Names of those to try; all without.
        seconds: Each node's own deadline.
        stop: Once set, what runs is killed and the rest is left out.

    Returns:
        The results in the order of the nodes.
    """
    places = [node_place(one, spec) for one in spec.nodes if nodes is None or one.name in nodes]
    attempt = Attempt(spec, cluster, secrets, seconds=seconds, stop=stop)
    results: dict[str, LoginResult] = {}
    missing = missing_for_passwords() if spec.access.method is AccessMethod.PASSWORD else ""

    def ask(place: Place) -> LoginResult:
        if missing:
            return LoginResult(place.name, ok=False, problem=LoginProblem.NO_SSHPASS, reason=missing)
        return attempt.login(place)

    for place, result in at_once(places, ask, stop=stop):
        results[place.name] = result
        if on_result is not None and not (stop and stop.is_set()):
            on_result(result)
    return tuple(results[place.name] for place in places if place.name in results)


class Attempt:
    """A round of logins with one set of answers and passwords; threads may share it."""

    def __init__(
        self,
        spec: ClusterSpec,
        cluster: Cluster,
        secrets: LoginSecrets | None,
        *,
        seconds: float = LOGIN_SECONDS,
        stop: threading.Event | None = None,
        by_password: bool | None = None,
        only_key: str = "",
    ) -> None:
        self.spec = spec
        self.cluster = cluster
        self.by_password = spec.access.method is AccessMethod.PASSWORD if by_password is None else by_password
        self.become = Become.NONE if cluster.is_practice else spec.access.become
        self.seconds = seconds
        self.stop = stop
        self.only_key = only_key
        """Fingerprint of the one key by which the login must have come about."""
        self._secrets = secrets
        self._agent = cache(key_files.agent_keys)
        self._fault = cache(key_files.fault_of)

    def login(self, place: Place) -> LoginResult:
        """Try one place; a jump host need only let us in."""
        began = time.monotonic()
        warnings: list[str] = []
        become = Become.NONE if place.is_jump else self.become
        reason = self.local_fault(place)
        if reason is None:
            typed = ""
            if become is Become.SUDO_PASSWORD:
                typed = ((self._secrets and self._secrets.become_password) or "") + "\n"
            said = self.run(place, _REMOTE[become], typed)
            reason = self._judge(place, said, become, warnings)
        took = round(time.monotonic() - began, 2)
        if reason is None:
            return LoginResult(place.name, ok=True, warnings=tuple(warnings), seconds=took)
        words = one_line(reason.words, 600)
        return LoginResult(place.name, False, reason.problem, words, tuple(warnings), took)

    def local_fault(self, place: Place) -> Reason | None:
        """Return what keeps the key from being used, seen on this machine before anything is tried."""
        return self._fault(place.key_file) if place.key_file and not self._asks(place) else None

    def _asks(self, place: Place) -> bool:
        """Tell whether a password is used; never at the jump host: its ssh has nobody to ask."""
        return self.by_password and not place.is_jump

    def run(self, place: Place, command: str, typed: str = "") -> Said:
        """Run a command at a place, logged in as the answers say."""
        with ExitStack() as stack:
            options = ["-o", f"LogLevel={'DEBUG1' if self.only_key else 'VERBOSE'}", *place.identity]
            jump_log = None
            if self.spec.access.jump and not place.is_jump:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-ssh-"))
                jump_log = Path(folder) / "jump"
            options += strict(self.cluster.known_hosts)
            if not place.is_jump:
                options += through_jump(self.spec, self.cluster.known_hosts, jump_log=jump_log)
            env: dict[str, str] | None = None
            if self._asks(place):
                options += ["-o", "PreferredAuthentications=password,keyboard-interactive"]
                options += ["-o", "NumberOfPasswordPrompts=1"]
                password = (self._secrets and self._secrets.ssh_password) or ""
                env = stack.enter_context(askpass(self.cluster.root, password))
            else:
                options += ["-o", "BatchMode=yes"]
                options += ["-o", "PreferredAuthentications=publickey"] if self.only_key else []
            said = run_ssh(
                [*options, *place.target, command],
                seconds=self.seconds,
                typed=typed,
                env=env,
                stop=self.stop,
            )
            return replace(said, jump=_read(jump_log)) if jump_log else said

    def _judge(self, place: Place, said: Said, become: Become, warnings: list[str]) -> Reason | None:
        facts = facts_of(said)
        if not ssh_words.authenticated(said) and not facts:
            return self.why_no_login(place, said)
        if self.only_key and (used := _ACCEPTED.findall(said.stderr)) and used[-1] != self.only_key:
            return Reason(LoginProblem.KEY_NOT_TAKEN, "the server let another key in, not the new one")
        if "uid" not in facts:
            return ssh_words.after_login(said, place)
        if place.is_jump:
            return None
        warnings += _warnings(facts)
        return _root(facts, said, place, become, practice=self.cluster.is_practice) or _python(facts)

    def why_no_login(self, place: Place, said: Said) -> Reason:
        """Return why ssh did not get in; the host key and the agent are looked at where they matter."""
        reason = ssh_words.connecting(said, place, password=self._asks(place))
        if ssh_words.says_changed(said) and (change := changed_key(place, self.spec, self.cluster)):
            return Reason(LoginProblem.HOST_KEY_CHANGED, str(change))
        if reason.problem is LoginProblem.WRONG_KEY:
            return self._about_agent(place) or reason
        return reason

    def _about_agent(self, place: Place) -> Reason | None:
        """Return why no key could be offered at all: the agent, or a passphrase that nobody typed."""
        held = self._agent()
        if place.key_file and key_files.has_passphrase(place.key_file):
            words = f"the key {place.key_file} has a passphrase, and no agent holds it: give it to ssh-add"
            there = key_files.in_agent(place.key_file, held or ())
            return None if there else Reason(LoginProblem.KEY_LOCKED, words)
        if self.spec.access.method is AccessMethod.AGENT and held is None:
            words = "no SSH agent runs here: start one (eval $(ssh-agent); ssh-add), or name a key file"
            return Reason(LoginProblem.NO_AGENT, words)
        if self.spec.access.method is AccessMethod.AGENT and not held:
            return Reason(LoginProblem.AGENT_EMPTY, "the SSH agent holds no key: ssh-add puts yours into it")
        return None


def facts_of(said: Said) -> dict[str, str]:
    """Return what the command at the node told, by name; greetings of a login shell are passed over."""
    facts: dict[str, str] = {}
    for name, value in _FACT.findall(said.stdout.replace("\r", "")):
        # Python: the first that is new enough came last; mounts: the last one is the one that counts.
        facts[name] = one_line(value)
    return facts


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _root(
    facts: dict[str, str], said: Said, place: Place, become: Become, *, practice: bool
) -> Reason | None:
    if become is Become.NONE:
        if "end" not in facts:
            return ssh_words.after_login(said, place)
        if practice or facts["uid"] == "0":
            return None
        words = f"logged in, but {place.user} is not root; choose sudo as the way to become root"
        return Reason(LoginProblem.NOT_ROOT, words)
    if facts.get("sudo") == "none":
        cure = "root needs none: choose to become root by 'none'" if facts["uid"] == "0" else "install it"
        return Reason(LoginProblem.NO_SUDO, f"logged in, but sudo is not installed there: {cure}")
    if "sudo" not in facts:
        return ssh_words.after_login(said, place)
    return None if facts.get("root") == "0" else ssh_words.sudo(said, place)


def _python(facts: dict[str, str]) -> Reason | None:
    number, _, path = facts.get("python", "").partition(" ")
    if not number.isdigit():
        words = "logged in, but there is no Python 3, which Ansible needs: install the package python3"
        return Reason(LoginProblem.NO_PYTHON, words)
    version = int(number)
    if version < _OLDEST_PYTHON:
        shown = f"{version // 1000}.{version % 1000}"
        words = f"logged in, but {path} is Python {shown}, and Ansible needs 3.8 or newer"
        return Reason(LoginProblem.OLD_PYTHON, words)
    if home := facts.get("home"):
        words = f"logged in, but the home folder {home} is missing or cannot be written; Ansible needs it"
        return Reason(LoginProblem.NO_HOME, words)
    return None


def _warnings(facts: dict[str, str]) -> list[str]:
    how = facts.get("tmp", "")
    if how == "closed":
        return ["/tmp cannot be written there"]  # noqa: S108 - spoken of, not used
    if "noexec" in how.split(","):
        return [
            "/tmp is mounted noexec there, and Kubespray runs programs from it:"  # noqa: S108 - as above
            " mount -o remount,exec /tmp, or set local_release_dir in kubespray_vars"
        ]
    return []
