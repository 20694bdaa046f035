"""Putting a key onto the nodes with the password once, proving it, and forgetting the password.

On a node only a line is appended to ``~/.ssh/authorized_keys``, and only where it is not there yet; so what
worked on some nodes may be repeated for all.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wizards.provision import key_files, ssh_words
from wizards.provision.access import Place, places
from wizards.provision.host_keys import fingerprint
from wizards.provision.login import (
    LOGIN_SECONDS,
    Attempt,
    LoginResult,
    LoginSecrets,
    OnResult,
    facts_of,
)
from wizards.provision.ssh_run import at_once
from wizards.provision.ssh_words import LoginProblem, Reason
from wizards.sanitize import one_line
from wizards.setup.spec import AccessMethod, ClusterSpec

if TYPE_CHECKING:
    from wizards.clusters import Cluster

# One line and no single quote, for it goes through the login shell. The key comes by standard
# input. The shell follows symbolic links by itself; nothing is replaced, so that a link stays one.
_PUT: Final = (
    'LC_ALL=C; export LC_ALL; umask 077; PATH=$PATH:/usr/sbin:/sbin; echo ""; echo slipway:uid=$(id -u); '
    'IFS= read -r key; [ -n "$key" ] || exit 1; body=$(printf "%s\\n" "$key" | cut -d " " -f 1,2); '
    "folder=$HOME/.ssh; file=$folder/authorized_keys; "
    'there() { grep -v "^[[:space:]]*#" "$file" 2>/dev/null | grep -qF -- "$body"; }; '
    '[ -d "$folder" ] || mkdir "$folder" || exit 1; '
    "if there; then state=there; else "
    # A last line without its newline would swallow the key.
    'if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then printf "\\n%s\\n" "$key" >> "$file" || exit 1; '
    'else printf "%s\\n" "$key" >> "$file" || exit 1; fi; there || exit 1; state=added; fi; '
    # sshd refuses the keys of a folder or a file that others may write.
    'chmod 700 "$folder" 2>/dev/null; chmod 600 "$file" 2>/dev/null; '
    'if command -v restorecon >/dev/null 2>&1; then restorecon -F "$folder" "$file" >/dev/null 2>&1; fi; '
    'case $(ls -ldL "$HOME") in ?????w*|????????w*) echo slipway:home=open;; esac; '
    'echo "slipway:key=$state"'
)
_REMOTE: Final = f"exec /bin/sh -c '{_PUT}'"


@dataclass(frozen=True, slots=True)
class Installed:
    """What came of it.

    Attributes:
        results: One for each server, the jump host first: the key is there and opens it, or why not.
        added: Servers on which the line was not there before.
        spec: The answers that use the key, where it opens every server; None otherwise: nothing is changed.
    """

    results: tuple[LoginResult, ...]
    added: tuple[str, ...]
    spec: ClusterSpec | None


def with_key(spec: ClusterSpec, key_file: str) -> ClusterSpec:
    """Return the answers in which every server is reached by the one key. Pure."""
    access = spec.access.model_copy(update={"method": AccessMethod.KEY, "key_file": key_file})
    nodes = tuple(node.model_copy(update={"key_file": None}) for node in spec.nodes)
    return spec.model_copy(update={"access": access, "nodes": nodes})


def install_key(
    spec: ClusterSpec,
    cluster: Cluster,
    key_file: str,
    secrets: LoginSecrets,
    *,
    on_result: OnResult | None = None,
    nodes: Collection[str] | None = None,
    seconds: float = LOGIN_SECONDS,
    stop: threading.Event | None = None,
) -> Installed:
    """Put the public half of `key_file` onto every server and prove it by a login with only that key.

    A jump host gets it too, by the way it lets us in today: the ssh that goes through it has nobody to ask
    for a password. The cluster's answers on disk are not touched.

    Args:
        spec: The answers as they are.
        cluster: Where the host keys are kept; it is strict about them.
        key_file: The private key on this machine; it stays there.
        secrets: `ssh_password` is how it gets in; without one, the way of the answers. `become_password` is
            for the proof, where sudo asks for one.
        on_result: Called for each server as soon as it is known, from the thread of the caller.
        nodes: Names of those to put it on, such as those that failed before; all without.
        seconds: The deadline of each of the two logins.
        stop: Once set, what runs is killed and the rest is left out.

    Raises:
        wizards.provision.key_files.KeyProblem: The key is not there, or no public half can be had.
    """
    line = key_files.public_key(key_files.private_of(key_file))
    # The way through the jump host stays as it is: only the nodes are asked for the password.
    by_password = bool(secrets.ssh_password)
    put = Attempt(spec, cluster, secrets, seconds=seconds, stop=stop, by_password=by_password)
    proof = Attempt(
        with_key(spec, key_file),
        cluster,
        secrets,
        seconds=seconds,
        stop=stop,
        only_key=fingerprint(line.split()[1]),
    )
    wanted = [one for one in places(spec) if nodes is None or one.name in nodes or one.is_jump]
    results: dict[str, LoginResult] = {}
    added: list[str] = []

    def ask(place: Place) -> tuple[bool, LoginResult]:
        return _put_and_prove(place, put, proof, line, key_file)

    for group in ([one for one in wanted if one.is_jump], [one for one in wanted if not one.is_jump]):
        for place, (was_added, result) in at_once(group, ask, stop=stop):
            results[place.name] = result
            added += [place.name] if was_added else []
            if on_result is not None:
                on_result(result)
    told = tuple(results[place.name] for place in wanted if place.name in results)
    proved = len(told) == len(wanted) and all(one.ok for one in told)
    return Installed(told, tuple(added), with_key(spec, key_file) if proved else None)


def _put_and_prove(
    place: Place, put: Attempt, proof: Attempt, line: str, key_file: str
) -> tuple[bool, LoginResult]:
    if (fault := put.local_fault(place)) is not None:
        return False, LoginResult(place.name, False, *fault)
    said = put.run(place, _REMOTE, f"{line}\n")
    facts = facts_of(said)
    if "key" not in facts:
        if "uid" in facts:
            words = f"logged in, but ~/.ssh/authorized_keys cannot be written: {ssh_words.last_line(said)}"
            reason = Reason(LoginProblem.KEY_NOT_WRITTEN, words)
        elif ssh_words.authenticated(said):
            reason = ssh_words.after_login(said, place)
        else:
            reason = put.why_no_login(place, said)
        return False, LoginResult(place.name, False, reason.problem, one_line(reason.words, 600))
    added = facts["key"] == "added"
    result = proof.login(replace(place, key_file=key_file))
    if result.problem in {LoginProblem.WRONG_KEY, LoginProblem.KEY_NOT_TAKEN}:
        why = "its SSH server may look for keys elsewhere (AuthorizedKeysFile), or allow none"
        if facts.get("home") == "open":
            why = (
                "others may write the home folder there, so its SSH server trusts no key in it (chmod go-w ~)"
            )
        words = f"the key is in ~/.ssh/authorized_keys, but does not open the server: {why}"
        return added, replace(result, problem=LoginProblem.KEY_NOT_TAKEN, reason=words)
    return added, result
