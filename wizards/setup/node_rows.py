"""Changes to a table of servers: one cell, a copy, a move, roles. Rows in, new rows out, nothing in place.

A row is a node mapping as in cluster.yaml, as far as it is known: names and roles that are missing are
proposals (see `proposals.complete_nodes`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wizards.setup.parsing import check_value, read_nodes, refuse_braces
from wizards.setup.proposals import (
    ALL_ROLES,
    CONTROL_ROLES,
    WORKER_ROLES,
    Address,
    complete_nodes,
    parse_address,
    subnet_of,
)
from wizards.setup.questions import AnswerError

Row = dict[str, Any]
Rows = Sequence[Row]
SSH_PORT: Final = 22

ROLE_CYCLE: Final = (ALL_ROLES, CONTROL_ROLES, WORKER_ROLES)
"""The sets of roles that make sense for most servers, in the order one key walks them."""

_LONGEST_PAST: Final = 200
_WANTED: Final = {
    "name": "The name is missing: give the server one, such as node-1.",
    "address": "The address is missing: give one, such as 10.0.0.11 or node1.lan.",
}


def cell_text(row: Row, field: str) -> str:
    """Return what stands in a cell while it is edited; nothing for what is not given."""
    value = row.get(field)
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows with what they were before, and what was undone: undo and redo."""

    rows: Rows = ()
    past: tuple[Rows, ...] = ()
    future: tuple[Rows, ...] = ()

    def changed(self, rows: Rows) -> Timeline:
        """Return the timeline in which `rows` follow; what was undone before is forgotten."""
        return Timeline(rows, (*self.past, self.rows)[-_LONGEST_PAST:])

    def undone(self) -> Timeline:
        """Return the timeline one change earlier; itself at its beginning."""
        if not self.past:
            return self
        return Timeline(self.past[-1], self.past[:-1], (self.rows, *self.future))

    def redone(self) -> Timeline:
        """Return the timeline with the last undone change done again; itself where there is none."""
        if not self.future:
            return self
        return Timeline(self.future[0], (*self.past, self.rows), self.future[1:])


def with_cell(rows: Rows, index: int, field: str, text: str) -> list[Row]:
    """Return `rows` with `text` in the cell `field` of row `index`.

    An address may be written as SSH has it, ``user@address:port``, and as a range such as ``10.0.0.11-13``,
    which adds a row for each further address.

    Raises:
        AnswerError: When the value is wrong, or a name or an address is another server's already.
    """
    stripped = text.strip()
    refuse_braces(stripped)
    if not stripped:
        if field in _WANTED:
            raise AnswerError(_WANTED[field])
        changed = [{key: value for key, value in rows[index].items() if key != field}]
    elif field == "address":
        changed = _with_address(rows, index, stripped)
    else:
        changed = [{**rows[index], field: _value(field, stripped)}]
    others = [*rows[:index], *rows[index + 1 :]]
    for row in changed:
        refuse_doubles(row, others, field)
        others.append(row)
    return [*rows[:index], *changed, *rows[index + 1 :]]


def _value(field: str, text: str) -> Any:
    if field != "port":
        return check_value(f"nodes[0].{field}", text)
    if not re.fullmatch(r"\d{1,6}", text):
        raise AnswerError(f"{text!r} is not a port: a number from 1 to 65535, such as 22, would be right.")
    return check_value("nodes[0].port", int(text))


def _with_address(rows: Rows, index: int, text: str) -> list[dict[str, Any]]:
    row = dict(rows[index])
    if re.search(r"[\s,;]", text):
        return [{**row, "address": check_value("nodes[0].address", text)}]
    found = read_nodes(text)
    if len(found) == 1 and re.fullmatch(r"[0-9.]+-[0-9.]*", text):
        raise AnswerError(f"{text!r} is not a range of addresses, such as 10.0.0.11-13.")
    for one in found:
        check_value("nodes", [{"name": "node", **one}])
    first = {**row, **found[0]}
    taken = {str(one.get("name")) for one in rows}
    shared: Row = {key: row[key] for key in ("user", "port") if key in row}
    more: list[Row] = []
    for one in found[1:]:
        name = free_name(taken)
        taken.add(name)
        more.append({"name": name} | shared | one)
    return [first, *more]


def refuse_doubles(row: Row, others: Rows, field: str) -> None:
    """Refuse a name or an address that another row has; only what a change of `field` touches is looked at.

    Raises:
        AnswerError: When `row` has something that is another server's already.
    """
    for other in others:
        whose = other.get("name") or "another server"
        if field == "name" and row.get("name") == other.get("name"):
            raise AnswerError(f"Another server is called {row['name']} already.")
        if field in {"address", "port"} and place_of(row) == place_of(other):
            raise AnswerError(f"{whose} has the address {row['address']} port {place_of(row)[1]} already.")
        if field == "internal_address" and row.get(field) and row[field] == inner_of(other):
            raise AnswerError(f"{whose} uses {row[field]} inside the cluster already.")


def place_of(row: Row) -> tuple[str, int]:
    """Return where SSH reaches the server: address in lower case, and port."""
    return str(row.get("address", "")).lower(), int(row.get("port") or SSH_PORT)


def inner_of(row: Row) -> str:
    """Return the address the server has inside the cluster."""
    return str(row.get("internal_address") or row.get("address") or "")


def free_name(taken: Iterable[object]) -> str:
    """Return the first of node-1, node-2, ... that is not in `taken`."""
    names = set(taken)
    return next(name for number in range(1, len(names) + 2) if (name := f"node-{number}") not in names)


def duplicated(rows: Rows, index: int) -> list[Row]:
    """Return `rows` with a copy of row `index` after it, its name and addresses counted up to free ones.

    Disks are not copied: they are named by serial number, and no two servers share one.
    """
    copy = {key: value for key, value in rows[index].items() if key != "disks"}
    copy["name"] = counted_up(str(copy.get("name") or "node-0"), {str(one.get("name")) for one in rows})
    for field in ("address", "internal_address"):
        if copy.get(field):
            given = {str(one.get(key)) for one in rows for key in ("address", "internal_address")}
            copy[field] = counted_up(str(copy[field]), given)
    return [*rows[: index + 1], copy, *rows[index + 1 :]]


def counted_up(text: str, taken: Iterable[str]) -> str:
    """Return `text` with its last number counted up until it is not in `taken`.

    ``node-09`` becomes ``node-10``, ``10.0.0.9`` becomes ``10.0.0.10``; text without a number gets ``-2``.
    In a host name the number is looked for in the first label, since ``node1.lan4`` means node 1.
    """
    used = set(taken) | {text}
    address = parse_address(text)
    if address is not None:
        while str(address) in used or (address.version == 4 and int(address) % 256 in {0, 255}):
            address += 1
        return str(address)
    label, dot, rest = text.partition(".")
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", label, re.DOTALL)
    head, number, tail = match.groups() if match else (f"{label}-", "1", "")
    candidates = (
        f"{head}{int(number) + step:0{len(number)}}{tail}{dot}{rest}" for step in range(1, len(used) + 2)
    )
    return next(candidate for candidate in candidates if candidate not in used)


def moved(rows: Rows, index: int, to: int) -> list[Row]:
    """Return `rows` with row `index` at place `to`."""
    rest = [*rows[:index], *rows[index + 1 :]]
    return [*rest[:to], rows[index], *rest[to:]]


def with_next_roles(rows: Rows, index: int) -> list[Row]:
    """Return `rows` with the next set of `ROLE_CYCLE` at row `index`."""
    present = frozenset(complete_nodes(rows)[index]["roles"])
    at = next((place for place, roles in enumerate(ROLE_CYCLE) if frozenset(roles) == present), -1)
    roles = list(ROLE_CYCLE[(at + 1) % len(ROLE_CYCLE)])
    return [*rows[:index], {**rows[index], "roles": roles}, *rows[index + 1 :]]


def with_proposed_roles(rows: Rows) -> list[Row]:
    """Return `rows` without roles of their own, so that all have the proposed ones."""
    return [{key: value for key, value in row.items() if key != "roles"} for row in rows]


def matching(rows: Rows, text: str) -> list[int]:
    """Return the indexes of the rows that hold every word of `text` in some cell; all for no text."""
    words = text.casefold().split()
    if not words:
        return list(range(len(rows)))
    return [index for index, row in enumerate(rows) if all(word in _haystack(row) for word in words)]


def _haystack(row: Row) -> str:
    fields = ("name", "address", "internal_address", "user", "port")
    roles = " ".join(row.get("roles") or ())
    return " ".join([*(cell_text(row, field) for field in fields), roles]).casefold()


def proposed_subnet(rows: Rows, own: Sequence[Address]) -> str:
    """Return the network to look for servers in: the first server's /24, else that of the first of `own`.

    `own` are this machine's addresses. Empty where neither has an IPv4 address: an IPv6 network is too large
    to be looked through.
    """
    given = [parse_address(row.get("address")) for row in rows]
    for address in (*given, *own):
        if address is not None and address.version == 4:
            return str(subnet_of(address))
    return ""
