"""Names of nodes, made from what servers are called elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from wizards.entry.model import Row, brief, counted, were
from wizards.setup.proposals import parse_address

_RESERVED: Final = frozenset({"all", "ungrouped", "etcd", "bastion", "localhost"})
"""They mean something else in Kubespray's inventory."""
_LONGEST: Final = 63
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def node_name(text: str) -> str:
    """Return `text` as a node can be called: ``Web_01.example.com`` becomes ``web-01``; empty for an address.

    A node's name is a DNS label: a-z, 0-9 and ``-`` inside.
    """
    if parse_address(text.strip("[]")) is not None:
        return ""
    first = text.strip().lower().partition(".")[0]
    if _LABEL.fullmatch(first):
        return first
    return re.sub(r"[^a-z0-9]+", "-", first).strip("-")[:_LONGEST].rstrip("-")


def unique(name: str, taken: Iterable[str]) -> str:
    """Return `name`, with a number behind it where it is taken or means something else to Ansible."""
    others = taken if isinstance(taken, set | frozenset) else set(taken)
    candidate, number = name, 1
    while candidate in others or candidate in _RESERVED:
        number += 1
        suffix = f"-{number}"
        candidate = name[: _LONGEST - len(suffix)].rstrip("-") + suffix
    return candidate


def give_names(rows: Iterable[Row], present: Iterable[str]) -> tuple[list[Row], list[str]]:
    """Return `rows` with valid and unique names in the place of theirs, and a note where that changed some.

    A row without a name stays without, and so does one whose name was an address.
    """
    taken = set(present)
    named: list[Row] = []
    changed: list[tuple[str, str]] = []
    for row in rows:
        said = str(row.get("name") or "")
        rest = {key: value for key, value in row.items() if key != "name"}
        name = node_name(said)
        if name:
            name = unique(name, taken)
            taken.add(name)
            if name != said:
                changed.append((said, name))
        named.append({"name": name, **rest} if name else rest)
    return named, [_changed(changed)] if changed else []


def _changed(pairs: list[tuple[str, str]]) -> str:
    said, name = pairs[0]
    if len(pairs) == 1:
        return f"{brief(said)} is called {name} here, since a node's name is one short word of its own."
    count = counted(len(pairs), "name")
    return f"{count} {were(len(pairs))} made into names for nodes, such as {name} for {brief(said)}."
