"""Proposed changes as lines, the same on the screen and in plain output. Commands begin with ``$``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from wizards.sanitize import one_line

if TYPE_CHECKING:
    from wizards.provision.mending import Change

_WIDTH = 400  # characters of one line


def exact_lines(change: Change) -> tuple[str, ...]:
    """Return what the change does, line by line: ``$ command``, or ``+ file: line``."""
    return tuple(f"{'+' if one.startswith('/') else '$'} {one_line(one, _WIDTH)}" for one in change.exact)


def change_lines(changes: Sequence[Change]) -> Iterator[str]:
    """Give all changes, node by node, each with what it does exactly and how to take it back."""
    host = ""
    for change in changes:
        if change.host != host:
            host = change.host
            yield f"{host}:"
        yield f"  {one_line(change.title, _WIDTH)}  [{change.id}]"
        yield from (f"    {line}" for line in exact_lines(change))
        yield f"    undo: {one_line(change.undo, _WIDTH)}"


def count_words(changes: Iterable[Change]) -> str:
    """Return ``7 changes on 3 nodes``."""
    hosts = [change.host for change in changes]
    nodes = len(set(hosts))
    return f"{len(hosts)} change{'s' * (len(hosts) != 1)} on {nodes} node{'s' * (nodes != 1)}"


def left_words(count: int) -> str:
    """Return ``3 other findings need a person.``."""
    return f"{count} other finding{'s need' if count != 1 else ' needs'} a person."
