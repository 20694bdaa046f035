"""Servers from plain lines: a list of addresses and names, and lines of ``/etc/hosts``."""

from __future__ import annotations

import re
from typing import Final

from wizards.entry.model import EntryError, Row, brief, one_sentence, too_many
from wizards.entry.rows import checked, left_out
from wizards.setup.host_ranges import MOST_SERVERS
from wizards.setup.parsing import read_nodes
from wizards.setup.proposals import Address, parse_address
from wizards.setup.questions import AnswerError

_BULLET: Final = re.compile(r"^\s*(?:[-*•]\s+|\d{1,4}[.)]\s+)")
_COMMAND: Final = re.compile(r"^\s*ssh\s+(?=\S)|\bssh://")
_QUOTES: Final = str.maketrans("", "", "\"'`")
_LOCAL: Final = frozenset({"localhost", "localhost.localdomain", "broadcasthost"})


def lines_of(text: str) -> list[tuple[int, str]]:
    """Return (number, line) of the lines that say something, without their comments."""
    bare = ((number, _bare(line)) for number, line in enumerate(text.split("\n"), start=1))
    return [(number, line) for number, line in bare if line]


def _bare(line: str) -> str:
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()


def read_list(text: str, room: int = MOST_SERVERS) -> tuple[list[Row], list[str]]:
    """Return the servers that `text` lists, one or several a line, and notes.

    Args:
        text: Lines as `read_nodes` of setup reads them; bullets, quotes and ``ssh`` before it are let pass.
        room: How many there may be.

    Raises:
        EntryError: A line is no server, or there are too many.
    """
    rows: list[Row] = []
    for number, line in lines_of(text):
        words = _COMMAND.sub("", _BULLET.sub("", line).translate(_QUOTES))
        try:
            found = read_nodes(words, room - len(rows))
        except AnswerError as error:
            raise EntryError(f"Line {number}: {one_sentence(error)}") from None
        for row in found:
            if "name" in row and not re.search(r"[A-Za-z0-9]", row["name"]):
                raise EntryError(
                    f"Line {number}: {brief(row['name'])!r} is no name; write a name and an address."
                )
            rows.append(checked(row, f"Line {number}"))
    return rows, []


def read_hosts(text: str, room: int = MOST_SERVERS) -> tuple[list[Row], list[str]]:
    """Return the servers of lines as in ``/etc/hosts``: an address, its name, and other names.

    Addresses that no server is reached at are left out, and so is a second address of the same name.

    Raises:
        EntryError: A line does not begin with an address, or there are too many.
    """
    rows: list[Row] = []
    unfit: list[str] = []
    again: list[str] = []
    seen: set[str] = set()
    for number, line in lines_of(text):
        words = line.split()
        address = _address(words[0], number)
        if address is None or _is_unfit(address) or _LOCAL.intersection(word.lower() for word in words[1:]):
            unfit.append(words[0])
        elif len(words) > 1 and words[1].lower() in seen:
            again.append(f"{words[1]} ({address})")
        else:
            rows.append(({"name": words[1]} if len(words) > 1 else {}) | {"address": str(address)})
            seen.add(words[1].lower() if len(words) > 1 else "")
    if len(rows) > room:
        raise too_many(len(rows) + MOST_SERVERS - room)
    why = "since no server is reached there (this machine, link-local, multicast)"
    notes = left_out(unfit, why, "line")
    return rows, notes + left_out(again, "since the name stands above with another address", "line")


def _address(word: str, number: int) -> Address | None:
    """Return the address of a line; None for one with a zone, such as ``fe80::1%lo0``."""
    text, zone, _ = word.partition("%")
    address = parse_address(text)
    if address is None:
        raise EntryError(
            f"Line {number} begins with {brief(word)!r}, which is no address; write an address and a name."
        )
    return None if zone else address


def _is_unfit(address: Address) -> bool:
    return (
        address.is_loopback
        or address.is_multicast
        or address.is_unspecified
        or address.is_link_local
        or str(address) == "255.255.255.255"
    )
