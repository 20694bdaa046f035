"""What the readers share: values checked where they stand, roles by their many names, jump hosts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final

from wizards.entry.model import EntryError, Row, counted, one_sentence, some, were
from wizards.setup.parsing import check_value
from wizards.setup.proposals import parse_address
from wizards.setup.questions import AnswerError

ORDER: Final = ("control-plane", "etcd", "worker")
_ROLES: Final = {
    "control-plane": "controlplane controlplanes kubecontrolplane control master masters kubemaster"
    " kubemasters k8smaster k8smasters k8scontrolplane controller controllers k8scontrolplanes",
    "etcd": "etcd etcds k8setcd",
    "worker": "worker workers kubenode kubenodes kubeworker kubeworkers k8sworker k8sworkers k8snode k8snodes"
    " node nodes compute computes agent agents minion minions",
}
_ROLE_OF: Final = {word: role for role, words in _ROLES.items() for word in words.split()}
_JUMP: Final = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@\s,]+)@)?(?P<host>\[[^\]\s]+\]|[^:\s,]+)(?::(?P<port>\d{1,5}))?"
)


def role_of(word: str) -> str | None:
    """Return the role a group or a word stands for: ``kube_control_plane``, ``Masters``, ``kube-node``."""
    return _ROLE_OF.get(re.sub(r"[^a-z0-9]", "", word.lower()))


def in_order(roles: Iterable[str]) -> list[str]:
    """Return `roles` once each, in the order in which they are always written."""
    given = set(roles)
    return [role for role in ORDER if role in given]


def check_field(key: str, value: Any) -> str:
    """Return why `value` cannot stand under `key` of a node, as a sentence; empty when it can."""
    try:
        check_value(f"nodes[0].{key}", value)
    except AnswerError as error:
        return one_sentence(error)
    return ""


def checked(row: Mapping[str, Any], where: str) -> Row:
    """Return `row` with its addresses in their shortest form, once every value fits; its name may be any.

    Raises:
        EntryError: A value does not fit; `where` stands before it.
    """
    right: Row = {}
    for key, value in row.items():
        if key != "name" and (why := check_field(key, value)):
            raise EntryError(f"{where}: {why}")
        right[key] = plain(value) if "address" in key else value
    return right


def plain(address: Any) -> Any:
    """Return an IP address in its shortest form; anything else as it is."""
    parsed = parse_address(address) if isinstance(address, str) else None
    return address if parsed is None else str(parsed)


def with_etcd(rows: list[Row]) -> tuple[list[Row], list[str]]:
    """Give etcd to the control planes where it was given to nobody, to an odd number of them."""
    planes = [number for number, row in enumerate(rows) if "control-plane" in row.get("roles", ())]
    if not planes or any("etcd" in row.get("roles", ()) for row in rows):
        return rows, []
    chosen = set(planes[: len(planes) - (len(planes) + 1) % 2])
    given = [
        row | {"roles": in_order([*row["roles"], "etcd"])} if number in chosen else row
        for number, row in enumerate(rows)
    ]
    planes_in_words = counted(len(chosen), "control plane")
    return given, [f"No server had the role etcd, so {planes_in_words} got it."]


def common(rows: list[Row], keys: Iterable[str]) -> tuple[list[Row], dict[str, Any]]:
    """Take out of `rows` what is the same in all of them under `keys`; return the rest and what was taken."""
    shared: dict[str, Any] = {}
    for key in keys:
        values = {row.get(key) for row in rows}
        if len(values) == 1 and None not in values:
            shared[key] = values.pop()
    return [{key: value for key, value in row.items() if key not in shared} for row in rows], shared


def jump_of(text: str) -> dict[str, Any] | None:
    """Return the jump host that ProxyJump's ``[user@]host[:port]`` names; None where it is not one host."""
    match = _JUMP.fullmatch(text.strip())
    if match is None:
        return None
    jump: dict[str, Any] = {"host": match["host"].strip("[]")}
    if match["port"]:
        jump["port"] = int(match["port"])
    if match["user"]:
        jump["user"] = match["user"]
    return jump if is_jump(jump) else None


def is_jump(jump: Mapping[str, Any]) -> bool:
    """Tell whether `jump` can stand under access.jump."""
    try:
        check_value("access.jump", dict(jump))
    except AnswerError:
        return False
    return True


def jump_in_options(options: str) -> dict[str, Any] | None:
    """Return the jump host in ssh options: ``-o ProxyJump=…``, ``-J …`` or ProxyCommand with ``ssh -W``."""
    words = _words(options)
    for number, word in enumerate(words):
        option = word.removeprefix("-o")
        following = words[number + 1] if number + 1 < len(words) else ""
        if word == "-J":
            return jump_of(following)
        if word.startswith("-J"):
            return jump_of(word[2:])
        name, _, value = option.strip().partition("=")
        if name.lower() == "proxyjump":
            return jump_of(value)
        if name.lower() == "proxycommand":
            return jump_in_command(value)
    return None


_WITH_VALUE: Final = frozenset("BbcDEeFIiLlmOopQRSWwJ")
"""Options of ssh that are followed by a value (ssh(1))."""


def jump_in_command(command: str) -> dict[str, Any] | None:
    """Return the jump host in ``ssh -W %h:%p [-p PORT] [-l USER] [user@]host``; None for other commands."""
    words = _words(command)
    if not words or words[0].rpartition("/")[2] != "ssh" or not any("-W" in word for word in words):
        return None
    port, user, target, skip = "", "", "", ""
    for word in words[1:]:
        if skip:
            port, user = (word if skip == "p" else port), (word if skip == "l" else user)
            skip = ""
        elif word.startswith("-") and len(word) > 1:
            skip = word[-1] if word[-1] in _WITH_VALUE or word[-1] == "p" else ""
            port = word[2:] if word.startswith("-p") and len(word) > 2 else port
        elif not target:
            target = word
    jump = jump_of(target)
    if jump is not None:
        jump |= ({"port": int(port)} if port.isdecimal() else {}) | ({"user": user} if user else {})
    return jump if jump is not None and is_jump(jump) else None


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def left_out(names: Iterable[object], why: str, one: str = "server") -> list[str]:
    """Return the note that `names` were left out because of `why`; nothing where there are none."""
    given = list(names)
    if not given:
        return []
    return [f"{counted(len(given), one)} {were(len(given))} left out, {why}: {some(given)}."]
