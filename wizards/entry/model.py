"""What every way of entering servers gives, and how it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from wizards.sanitize import one_line
from wizards.setup.host_ranges import MOST_SERVERS

MOST_BYTES: Final = 2 * 1024 * 1024
"""A thousand servers with all their variables take a quarter of it."""
MOST_LINES: Final = 20_000

Row = dict[str, Any]


class EntryError(ValueError):
    """What was entered is no list of servers; one sentence: what, where, and what would be right."""


class Source(StrEnum):
    """What servers can be read from."""

    LIST = "list"
    CSV = "csv"
    HOSTS_FILE = "hosts"
    INVENTORY = "inventory"
    SSH_CONFIG = "ssh-config"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Entered:
    """What was read.

    Attributes:
        rows: Node mappings as in cluster.yaml, with only the keys that were said.
        source: What it was read as.
        notes: What was left out or changed and why, one sentence each, for the user.
        access: What is the same for all servers and stands beside them: ``user``, ``key_file`` and ``jump``
            (a mapping of ``host``, ``port``, ``user``), as far as they are known. Where there are servers
            already, user and key stay with the rows: they must not change how the others are reached.
    """

    rows: tuple[Row, ...]
    source: Source
    notes: tuple[str, ...] = ()
    access: Mapping[str, Any] = field(default_factory=dict)


def brief(text: object) -> str:
    """Return `text` from outside, fit for the inside of a sentence."""
    return one_line(str(text), 60)


def one_sentence(text: object) -> str:
    """Return what an error says in two sentences as one, with its full stop."""
    return re.sub(r"\.\s+(\w)", lambda match: f"; {match[1].lower()}", str(text).strip()).rstrip(".") + "."


def some(names: Iterable[object], most: int = 3) -> str:
    """Return the first few of `names`, and that there are more: ``a, b, c and 4 more``."""
    shown = [brief(name) for name in names]
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")


def counted(count: int, one: str, many: str = "") -> str:
    """Return ``1 server`` or ``3 servers``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def were(count: int) -> str:
    """Return the verb for `count` things."""
    return "was" if count == 1 else "were"


def too_many(count: int) -> EntryError:
    """Return the refusal of a list that is too long."""
    return EntryError(f"There would be {count:,} servers, and a cluster takes at most {MOST_SERVERS:,}.")
