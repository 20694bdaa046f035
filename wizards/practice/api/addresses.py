"""Address ranges as MetalLB's IPAddressPool writes them: `a-b` or a CIDR."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def blocks(text: str) -> list[Network]:
    """The CIDR blocks of one range.

    Raises:
        ValueError: The text is no range; the message is MetalLB's own.
    """
    if "-" not in text:
        if "/" not in text:
            raise ValueError(f'invalid CIDR "{text}"')
        try:
            return [ipaddress.ip_network(text.strip(), strict=False)]
        except ValueError as error:
            raise ValueError(f'invalid CIDR "{text}"') from error
    first_text, _, last_text = text.partition("-")
    try:
        first, last = ipaddress.ip_address(first_text.strip()), ipaddress.ip_address(last_text.strip())
    except ValueError as error:
        raise ValueError(f'invalid IP range "{text}": {error}') from error
    if first.version == last.version and int(first) > int(last):
        raise ValueError(f'invalid IP range "{text}": start IP {first} is after the end IP {last}')
    return list(_summarize(first, last))


def _summarize(first: Address, last: Address) -> Iterator[Network]:
    if isinstance(first, ipaddress.IPv4Address) and isinstance(last, ipaddress.IPv4Address):
        return ipaddress.summarize_address_range(first, last)
    if isinstance(first, ipaddress.IPv6Address) and isinstance(last, ipaddress.IPv6Address):
        return ipaddress.summarize_address_range(first, last)
    raise ValueError(f'invalid IP range "{first}-{last}": both ends must be of one family')


def overlap(one: Network, two: Network) -> bool:
    """Whether two blocks share an address."""
    return one.version == two.version and one.overlaps(two)


@dataclass(frozen=True, slots=True)
class Ranges:
    """All addresses of one pool."""

    blocks: tuple[Network, ...]
    avoid_buggy: bool = False

    @classmethod
    def parse(cls, texts: Iterable[str], *, avoid_buggy: bool = False) -> Ranges:
        """Read the `addresses` of a pool; what cannot be read counts as empty (admission refuses it)."""
        found: list[Network] = []
        for text in texts:
            try:
                found.extend(blocks(text))
            except ValueError:
                continue
        return cls(tuple(found), avoid_buggy)

    def __contains__(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return not self._buggy(parsed) and any(
            parsed.version == block.version and parsed in block for block in self.blocks
        )

    def _buggy(self, address: Address) -> bool:
        """Addresses that some old routers drop: those that end in .0 and .255."""
        return self.avoid_buggy and address.version == 4 and int(address) % 256 in {0, 255}

    def of_family(self, family: str) -> Iterator[str]:
        """The addresses of `IPv4` or `IPv6`, in order, one after the other."""
        for block in self.blocks:
            if f"IPv{block.version}" == family:
                for address in block:
                    if not self._buggy(address):
                        yield str(address)

    def size(self, family: str) -> int:
        """How many addresses there are of a family, at most what an int64 holds."""
        total = 0
        for block in self.blocks:
            if f"IPv{block.version}" == family:
                total += block.num_addresses
                if self.avoid_buggy and block.version == 4:
                    first, last = int(block.network_address), int(block.broadcast_address)
                    for ending in (0, 255):
                        total -= (last - ending) // 256 - (first - ending - 1) // 256
        return min(total, 2**63 - 1)
