"""Ranges of servers as people write them: ``10.0.0.[11-15]``, ``node[01-12].lan``, ``10.0.0.11-15``.

In brackets stands what Ansible and clustershell have: ``[1-9]`` or ``[1:9]``, zero padded as it
is written, with a step ``[1-9:2]``, letters ``[a-c]``, several with commas ``[1,3,5-7]``. Several brackets in
one word give every combination, the last changing fastest. Brackets round an IPv6 address are no range.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Final, TypeVar

from wizards.setup.proposals import parse_address
from wizards.setup.questions import AnswerError
from wizards.setup.ranges import span_of
from wizards.setup.wording import shown

MOST_SERVERS: Final = 1_000
"""Servers in one list; Kubespray's documentation speaks of large deployments from 200 on."""

_BRACKET: Final = re.compile(r"\[([^\[\]]*)\]")
_ITEM: Final = re.compile(
    r"(?:(\d{1,9})(?:[-:](\d{1,9}))?|([a-z]|[A-Z])(?:[-:]([a-z]|[A-Z]))?)(?::(\d{1,9}))?"
)
_BARE: Final = re.compile(
    r"(?P<before>(?:[^@\s]+@)?\[?)(?P<first>[0-9A-Fa-f.:]+)-(?P<last>[0-9A-Fa-f.:]+?)"
    r"(?P<after>(?:\](?::\d{1,5})?|(?<=\d):\d{1,5})?)"
)
_SHORT: Final = re.compile(r"((?:\d{1,3}\.){3})\d{1,3}")


_Target = TypeVar("_Target")


def has_range(word: str) -> bool:
    """Tell whether a bracket in `word` is a range (or tries to be one) and not round an IPv6 address."""
    return any(parse_address(match[1]) is None for match in _BRACKET.finditer(word))


def without_ranges(word: str) -> str:
    """Return `word` with a digit in the place of each range: what one of its servers looks like."""
    return _BRACKET.sub(lambda match: match[0] if parse_address(match[1]) is not None else "0", word)


def expand(word: str, most: int = MOST_SERVERS) -> list[str]:
    """Return what `word` stands for, in its order; a word without a range as it is.

    Args:
        word: A name or an address with ranges in it; ``user@`` before and ``:port`` behind stay with each.
        most: How many there may be.

    Raises:
        AnswerError: A range cannot be read, ends before it starts, or there would be more than `most`. That
            is seen before anything is made.
    """
    if not has_range(word):
        return _bare(word, most)
    pieces = _BRACKET.split(word)
    choices = [
        ([f"[{piece}]"] if parse_address(piece) is not None else _bracket(piece, word, most))
        if number % 2
        else [piece]
        for number, piece in enumerate(pieces)
    ]
    _bound(math.prod(len(choice) for choice in choices), word, most)
    return ["".join(parts) for parts in itertools.product(*choices)]


def _bound(count: int, word: str, most: int) -> None:
    if count > most:
        number = f"{count:,}" if count < 10**12 else "countless"
        raise AnswerError(f"{shown(word)} would be {number} servers. At most {MOST_SERVERS:,} in all.")


def _bracket(text: str, word: str, most: int) -> list[str]:
    values: list[str] = []
    for item in text.split(","):
        values += _item(item.strip(), word, most - len(values))
    return values


def _item(item: str, word: str, most: int) -> list[str]:
    match = _ITEM.fullmatch(item)
    if match is None or (match[5] and not (match[2] or match[4])):
        raise AnswerError(f"[{item[:24]}] in {shown(word)} is not a range, such as [1-5], [01-12] or [a-c].")
    step = int(match[5] or 1)
    if step == 0:
        raise AnswerError(f"The step in {shown(word)} is 0; leave it out, or make it 1 or more.")
    return _letters(match, step, word) if match[3] else _numbers(match, step, word, most)


def _numbers(match: re.Match[str], step: int, word: str, most: int) -> list[str]:
    first, last = match[1], match[2] or match[1]
    if first.startswith("0") and len(first) > 1 and len(first) != len(last):
        right = (
            f"[{first}-{last.zfill(len(first))}]"
            if len(last) < len(first)
            else f"[{first.zfill(len(last))}-{last}]"
        )
        raise AnswerError(f"Both ends of {match[0]} in {shown(word)} need the same width; write {right}.")
    numbers = range(int(first), int(last) + 1, step)
    if not numbers:
        raise AnswerError(f"{match[0]} in {shown(word)} ends before it starts; write [{last}-{first}].")
    _bound(len(numbers), word, most)
    width = len(first) if first.startswith("0") else 0
    return [str(number).zfill(width) for number in numbers]


def _letters(match: re.Match[str], step: int, word: str) -> list[str]:
    first, last = match[3], match[4] or match[3]
    if first.islower() != last.islower():
        raise AnswerError(f"{match[0]} in {shown(word)} mixes capital and small letters; use one kind.")
    letters = range(ord(first), ord(last) + 1, step)
    if not letters:
        raise AnswerError(f"{match[0]} in {shown(word)} ends before it starts; write [{last}-{first}].")
    return [chr(letter) for letter in letters]


def _bare(word: str, most: int) -> list[str]:
    """Expand ``10.0.0.11-15`` and ``10.0.0.11-10.0.0.15``; what is no range of addresses stays as it is."""
    match = _BARE.fullmatch(word)
    if match is None or parse_address(match["first"]) is None:
        return [word]
    first, last = match["first"], match["last"]
    short = _SHORT.fullmatch(first)
    if short and last.isdecimal():
        last = short[1] + last
    span = span_of(f"{first}-{last}")
    if span is None:
        return _not_a_span(word, first, last)
    _bound(int(span.last) - int(span.first) + 1, word, most)
    return [f"{match['before']}{span.first + offset}{match['after']}" for offset in range(len(span))]


def _not_a_span(word: str, first: str, last: str) -> list[str]:
    if parse_address(last) is None:
        return [word]
    if parse_address(first) is not None and ("." in first) == ("." in last):
        raise AnswerError(f"{shown(word)} ends before it starts; write {last}-{first}.")
    return [word]


def pair(names: Sequence[str], addresses: Sequence[_Target], line: str) -> list[tuple[str, _Target]]:
    """Return `names` and `addresses` side by side.

    Raises:
        AnswerError: There are not as many of the one as of the other.
    """
    if len(names) != len(addresses):
        raise AnswerError(
            f"{shown(line)} has {len(names)} names for {len(addresses)} addresses; give as many of each."
        )
    return list(zip(names, addresses, strict=True))
