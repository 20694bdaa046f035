"""Paths of answers: ``nodes[1].labels["example.com/tier"]``, as findings name them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

Part = str | int

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_PARTS: Final = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\.?([^.\[\]]+)')


def join(path: str, part: Part) -> str:
    """Return the path of the entry `part` (a key, or an index from 0) of what stands at `path`."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    if not _PLAIN_KEY.fullmatch(part):
        quoted = part.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{part}" if path else part


def path_of(parts: Iterable[Part]) -> str:
    """Return the path made of `parts`, from the outermost inwards."""
    path = ""
    for part in parts:
        path = join(path, part)
    return path


def parts_of(path: str) -> tuple[Part, ...]:
    """Return the keys and indexes that `path` is made of."""
    return tuple(_parts(path))


def _parts(path: str) -> Iterator[Part]:
    for match in _PARTS.finditer(path):
        quoted, index, plain = match.groups()
        if index is not None:
            yield int(index)
        elif quoted is not None:
            yield re.sub(r"\\(.)", r"\1", quoted)
        else:
            yield plain


def parent(path: str) -> str:
    """Return the path of what holds the entry at `path`; empty for the whole file."""
    return path_of(parts_of(path)[:-1])
