"""Ranges of addresses as pairs of first and last: what pools, networks and nodes are compared by.

Here nothing is refused: text that is no range yields None, because `values` has already said so in words.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wizards.setup.proposals import Address, parse_address


@dataclass(frozen=True, slots=True)
class Span:
    """Addresses from `first` to `last`, both included, of one family."""

    first: Address
    last: Address

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.first.version

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __contains__(self, address: Address) -> bool:
        return address.version == self.version and int(self.first) <= int(address) <= int(self.last)

    def overlaps(self, other: Span) -> bool:
        """Tell whether an address is in both."""
        return (
            self.version == other.version
            and int(self.first) <= int(other.last)
            and int(other.first) <= int(self.last)
        )

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def span_of(text: object) -> Span | None:
    """Return the span that ``CIDR``, ``first-last`` or one address describes, None for anything else."""
    compact = str(text).replace(" ", "")
    if "/" in compact:
        try:
            network = ipaddress.ip_network(compact, strict=False)
        except ValueError:
            return None
        return Span(network[0], network[-1])
    first_text, dash, last_text = compact.partition("-")
    first = parse_address(first_text)
    last = parse_address(last_text) if dash else first
    if first is None or last is None or first.version != last.version or int(first) > int(last):
        return None
    return Span(first, last)


def pool_ranges(pools: object) -> list[tuple[Address, Address]]:
    """Return first and last address of each readable range in `pools`, the answer to the pool question."""
    rows: Iterable[Any] = pools if isinstance(pools, list | tuple) else ()
    spans = (span_of(text) for row in rows if isinstance(row, Mapping) for text in row.get("addresses") or ())
    return [(span.first, span.last) for span in spans if span is not None]
