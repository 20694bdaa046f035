"""First contact: what host keys the servers show, beside those that were agreed to. Strict ever after."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wizards.provision import ssh_words
from wizards.provision.access import Place, places, strict, through_jump
from wizards.provision.host_keys import HostKey, HostKeyChanged, known_name, read_known_hosts
from wizards.provision.ssh_run import Said, at_once, run_ssh
from wizards.setup.spec import ClusterSpec

if TYPE_CHECKING:
    from wizards.clusters import Cluster

_SECONDS: Final = 30.0
"""How long one server may take to show its key, with the way through the jump host."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What the servers showed.

    Attributes:
        new: Keys of servers of which none is kept yet; to be agreed to.
        changed: Servers that show another key than the kept one; these stop everything.
        problems: Server → why it showed none, in words.
        behind: Nodes that can be asked only once the jump host's key is kept.
    """

    new: tuple[HostKey, ...] = ()
    changed: tuple[HostKeyChanged, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)
    behind: tuple[str, ...] = ()


def unknown_hosts(cluster: Cluster, spec: ClusterSpec) -> tuple[str, ...]:
    """Return the names of nodes whose host key is not kept yet; a ``jump host`` comes first."""
    known = read_known_hosts(cluster.known_hosts)
    return tuple(place.name for place in places(spec) if known_name(place.host, place.port) not in known)


def meet(
    spec: ClusterSpec,
    cluster: Cluster,
    *,
    only: Collection[str] | None = None,
    on_answer: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> Contact:
    """Ask every server for its host key, by ssh itself; nothing is kept and nobody is logged in.

    A server whose key is kept is only asked whether it still has it. Nodes behind a jump host whose key is
    not kept are not asked at all: it must be confirmed (`host_keys.write_known_hosts`) first.

    Args:
        spec: The answers: nodes and access.
        cluster: Where the keys are kept.
        only: Names of those to ask; all without.
        on_answer: Called with the name of each server that was heard of, in the thread of the caller.
        stop: Once set, the rest is left out.
    """
    known = read_known_hosts(cluster.known_hosts)
    asked = [place for place in places(spec) if only is None or place.name in only or place.is_jump]
    behind: tuple[str, ...] = ()
    if asked and asked[0].is_jump and known_name(asked[0].host, asked[0].port) not in known:
        asked, behind = asked[:1], tuple(place.name for place in asked[1:])
    seen: dict[str, HostKey | HostKeyChanged | str] = {}

    def ask(place: Place) -> HostKey | HostKeyChanged | str:
        return _ask(place, spec, cluster, stop)

    for place, answer in at_once(asked, ask, stop=stop):
        seen[place.name] = answer
        if on_answer is not None:
            on_answer(place.name)
    answers = [seen[place.name] for place in asked if place.name in seen]
    return Contact(
        tuple(one for one in answers if isinstance(one, HostKey)),
        tuple(one for one in answers if isinstance(one, HostKeyChanged)),
        {name: one for name, one in seen.items() if isinstance(one, str) and one},
        behind,
    )


def _ask(
    place: Place, spec: ClusterSpec, cluster: Cluster, stop: threading.Event | None
) -> HostKey | HostKeyChanged | str:
    """Return a stranger's key, a change, why there is no answer, or ``""``: the key is the kept one."""
    known = read_known_hosts(cluster.known_hosts).get(known_name(place.host, place.port))
    if known is None:
        return _scan(place, spec, cluster.known_hosts, stop)
    said = _knock(place, spec, cluster.known_hosts, ("yes", cluster.known_hosts), stop)
    if _other_kind(said, place) or ssh_words.says_changed(said):
        return changed_key(place, spec, cluster, stop) or "its host key has changed, and it shows none now"
    reason = ssh_words.connecting(said, place)
    # Being sent away at the door is what was wanted: the key was checked before that.
    let_in = said.code == 0 or ssh_words.authenticated(said)
    return "" if let_in or reason.problem is ssh_words.LoginProblem.WRONG_KEY else reason.words


def _other_kind(said: Said, place: Place) -> bool:
    """Tell whether a server has no key of the kept kind any more: it is not the one that was agreed to."""
    return f"host key is known for {known_name(place.host, place.port)}" in said.stderr


def changed_key(
    place: Place, spec: ClusterSpec, cluster: Cluster, stop: threading.Event | None = None
) -> HostKeyChanged | None:
    """Return the kept and the present key of a server of which ssh says that they differ.

    None where the change is the jump host's, or where nothing answers now.
    """
    known = read_known_hosts(cluster.known_hosts).get(known_name(place.host, place.port))
    seen = _scan(place, spec, cluster.known_hosts, stop) if known else None
    if known is None or not isinstance(seen, HostKey) or known == (seen.type, seen.key):
        return None
    return HostKeyChanged(seen, HostKey(place.name, place.host, place.port, *known, seen.known_as))


def _scan(place: Place, spec: ClusterSpec, known_hosts: Path, stop: threading.Event | None) -> HostKey | str:
    """Let ssh write the key it is shown into a file of its own, then turn round before authentication."""
    with tempfile.TemporaryDirectory(prefix="slipway-scan-") as folder:
        file = Path(folder) / "seen"
        said = _knock(place, spec, known_hosts, ("accept-new", file), stop)
        for known_as, (type_, key) in read_known_hosts(file).items():
            return HostKey(place.name, place.host, place.port, type_, key, known_as)
    return ssh_words.connecting(said, place).words


def _knock(
    place: Place,
    spec: ClusterSpec,
    known_hosts: Path,
    keeping: tuple[str, Path],
    stop: threading.Event | None,
) -> Said:
    """Go as far as the host key; `keeping` is how strict ssh is about it, and with which file."""
    checking, file = keeping
    with tempfile.TemporaryDirectory(prefix="slipway-ssh-") as folder:
        jump_log = Path(folder) / "jump"
        options = strict(file, checking)
        if spec.access.jump and not place.is_jump:
            options += through_jump(spec, known_hosts, jump_log=jump_log)
        options += ["-o", "PreferredAuthentications=none", "-o", "BatchMode=yes", "-o", "LogLevel=VERBOSE"]
        said = run_ssh([*options, *place.target, "true"], seconds=_SECONDS, stop=stop)
        try:
            jump = jump_log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            jump = ""
    return Said(said.code, said.stdout, said.stderr, jump, said.late)
