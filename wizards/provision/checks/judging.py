"""What the judgements share: asking each node, telling the odd one out, naming a few of many."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from wizards.provision.checks.model import NodeReport, Seen, Trouble
from wizards.setup.proposals import Address, parse_address
from wizards.setup.ranges import Span, span_of
from wizards.setup.spec import ClusterSpec, Engine, Role

__all__ = [
    "address_of",
    "each",
    "few",
    "gib",
    "interface_of",
    "odd_ones",
    "release",
    "span",
    "storage_nodes",
    "trouble",
    "twins",
]

_MAJORITY = 2


def trouble(
    message: str,
    measured: str,
    required: str,
    *,
    remedy: str = "",
    path: str = "",
) -> Trouble:
    """Return a trouble whose node is filled in by `each`."""
    return Trouble("", message, remedy=remedy, path=path, measured=measured, required=required)


def each(
    fault: Callable[[NodeReport, ClusterSpec], Trouble | None],
) -> Callable[[Seen], Iterator[Trouble]]:
    """Return a judgement that asks `fault` about each node that could be looked at."""

    def judge(seen: Seen) -> Iterator[Trouble]:
        for node in seen.looked:
            if found := fault(node, seen.spec):
                yield replace(found, host=node.name)

    return judge


def few(items: Iterable[str], most: int = 4) -> str:
    """Return `items` in words, and how many more there are beyond `most`."""
    named = list(items)
    more = len(named) - most
    return ", ".join(named if more <= 0 else [*named[:most], f"{more} more"])


def gib(mib: float) -> str:
    """Return MiB as text in GiB."""
    return f"{mib / 1024:.1f} GiB"


def release(text: str) -> tuple[int, ...]:
    """Return the numbers at the start of a version: ``5.14.0-362.el9`` is (5, 14, 0)."""
    match = re.match(r"\D{0,3}(\d{1,9}(?:\.\d{1,9})*)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def twins(
    nodes: Iterable[NodeReport], value_of: Callable[[NodeReport], str]
) -> Iterator[tuple[NodeReport, str, str]]:
    """Yield each node that shares its value with others: the node, the value, the others' names."""
    groups: dict[str, list[tuple[NodeReport, str]]] = {}
    for node in nodes:
        if value := value_of(node).strip():
            groups.setdefault(value.lower(), []).append((node, value))
    for group in groups.values():
        for node, value in group if len(group) > 1 else ():
            yield node, value, few(other.name for other, _ in group if other is not node)


def odd_ones(values: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return what most nodes have, and the nodes that have something else; nothing where no value leads."""
    counts = Counter(value for value in values.values() if value)
    if len(counts) < _MAJORITY:
        return "", {}
    usual = counts.most_common(1)[0][0]
    return usual, {name: value for name, value in values.items() if value and value != usual}


def storage_nodes(seen: Seen, *engines: Engine) -> tuple[NodeReport, ...]:
    """Return the nodes that pods with volumes of one of `engines` may run on."""
    if not {*engines} & {*seen.spec.storage.engines}:
        return ()
    return tuple(node for node in seen.looked if node.node.has(Role.WORKER))


@lru_cache(maxsize=4096)
def address_of(text: str) -> Address | None:
    """Return the address that `text` is, without a zone; None for anything else."""
    return parse_address(text.partition("%")[0])


@lru_cache(maxsize=4096)
def span(text: str) -> Span | None:
    """Return the addresses that a network or a range spans; None for anything else."""
    return span_of(text)


@lru_cache(maxsize=4096)
def interface_of(text: str) -> IPv4Interface | IPv6Interface | None:
    """Return an address with its network (``10.0.0.1/24``); None for anything else."""
    try:
        return ip_interface(text)
    except ValueError:
        return None
