"""Adding servers to those that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wizards.entry.model import Row, too_many
from wizards.entry.names import give_names
from wizards.entry.rows import left_out, plain
from wizards.setup.host_ranges import MOST_SERVERS
from wizards.setup.parsing import named_nodes


def merge(
    present: Sequence[Mapping[str, Any]], entered: Sequence[Mapping[str, Any]]
) -> tuple[list[Row], tuple[str, ...]]:
    """Return `present` as it is with the servers of `entered` behind it, and what is to be said about it.

    Every added server has a valid name of its own. One that is there already, by its address and port, is
    left out. Roles are left as they are, given or not.

    Raises:
        EntryError: There would be more servers than a cluster takes.
    """
    places = {_place(row) for row in present}
    new: list[Row] = []
    again: list[str] = []
    for row in entered:
        place = _place(row)
        if place in places:
            again.append(str(row.get("address")))
        else:
            places.add(place)
            new.append(dict(row))
    if len(present) + len(new) > MOST_SERVERS:
        raise too_many(len(present) + len(new))
    before = [dict(row) for row in present]
    named, notes = give_names(new, (str(row["name"]) for row in before if row.get("name")))
    whole = named_nodes([*before, *named])
    return [*before, *whole[len(before) :]], (*left_out(again, "since they are in the list already"), *notes)


def _place(row: Mapping[str, Any]) -> tuple[str, int]:
    return str(plain(row.get("address"))).lower(), row.get("port") or 22
