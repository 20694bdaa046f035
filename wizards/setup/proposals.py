"""What Slipway proposes from the nodes it knows: roles, an address pool, a virtual IP.

A prefix length is not asked for: the nodes' network is taken to be the /24 (IPv6: the /64) that holds most of
them. Every proposal is only a default; a rule or a check on the nodes tells when it does not fit.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network

ALL_ROLES: Final = ("control-plane", "etcd", "worker")
CONTROL_ROLES: Final = ("control-plane", "etcd")
WORKER_ROLES: Final = ("worker",)

_RANGES: Final = (
    (64, "10.233.64.0/18", "10.233.0.0/18"),
    (64, "10.213.64.0/18", "10.213.0.0/18"),
    (64, "172.27.64.0/18", "172.27.0.0/18"),
    (1024, "10.236.0.0/14", "10.233.0.0/18"),
    (1024, "10.216.0.0/14", "10.213.0.0/18"),
    (1024, "172.24.0.0/14", "172.23.0.0/18"),
)
"""Most nodes (with a /24 each), pods, Services; the first line is Kubespray's default."""
_RANGES_V6: Final = ((256, "fd85:ee78:d8a6:8607::1:0/112", "fd85:ee78:d8a6:8607::1000/116"),)
"""The same for IPv6, with a /120 for each node."""
_TOP_BLOCK: Final = (240, 250)
_BLOCK: Final = 16


def propose_roles(count: int) -> tuple[tuple[str, ...], ...]:
    """Return the roles for each of `count` nodes, in their order.

    One node does everything. Two: the second only works, since two etcd members survive less than one.
    Three to five: three control planes that also work, the others only work. Six and more: three control
    planes that do nothing else.
    """
    if count <= 2:
        return ((ALL_ROLES), *((WORKER_ROLES,) * (count - 1)))[:count]
    control = ALL_ROLES if count <= 5 else CONTROL_ROLES
    return (control,) * 3 + (WORKER_ROLES,) * (count - 3)


def complete_nodes(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a node table with the names and roles filled in that were left open."""
    given = list(rows)
    taken = {row.get("name") for row in given}
    free = (name for number in range(1, 10_000) if (name := f"node-{number}") not in taken)
    complete = []
    for row, roles in zip(given, propose_roles(len(given)), strict=True):
        filled = {"name": row.get("name") or next(free)} | {
            key: value for key, value in row.items() if key != "name"
        }
        if not filled.get("roles"):
            filled["roles"] = list(roles)
        complete.append(filled)
    return complete


def parse_address(text: object) -> Address | None:
    """Return the IP address that `text` is, None for a host name or nonsense."""
    return _parsed(str(text))


@lru_cache(4096)
def _parsed(text: str) -> Address | None:
    """Parse once: with 300 servers each look at the answers asks 5,000 times."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_ip(text: object) -> bool:
    """Tell whether `text` is an IP address, and not a host name."""
    return parse_address(text) is not None


def node_addresses(rows: Iterable[Mapping[str, Any]]) -> list[Address]:
    """Return the addresses that the nodes use between them, as far as they are known without asking a DNS."""
    texts = (row.get("internal_address") or row.get("address") for row in rows)
    return [address for text in texts if (address := parse_address(text)) is not None]


@lru_cache(4096)
def subnet_of(address: Address) -> Subnet:
    """Return the network that `address` is taken to be in: its /24, or its /64 for IPv6."""
    return ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 64}", strict=False)


def home_subnet(addresses: Sequence[Address]) -> Subnet | None:
    """Return the network that holds most of `addresses`; of equal ones the first."""
    counts = Counter(subnet_of(address) for address in addresses)
    return counts.most_common(1)[0][0] if counts else None


def _blocks(subnet: Subnet) -> Iterator[tuple[Address, Address]]:
    """Yield candidate pools from the top of `subnet` down, away from .0, .1, .254 and .255."""
    if subnet.version == 6:
        for block in range(0xF000, 0x0FFF, -0x1000):
            yield subnet[block], subnet[block + 0xFF]
        return
    yield subnet[_TOP_BLOCK[0]], subnet[_TOP_BLOCK[1]]
    for start in range(_TOP_BLOCK[0] - _BLOCK, 0, -_BLOCK):
        yield subnet[start], subnet[start + _BLOCK - 1]


def propose_pool(nodes: Sequence[Address], avoid: Iterable[Address] = ()) -> tuple[Address, Address] | None:
    """Return first and last address of a pool in the nodes' network, away from `nodes` and `avoid`.

    None when no node has an IP address, or no block of addresses is free.
    """
    subnet = home_subnet(nodes)
    if subnet is None:
        return None
    taken = [*nodes, *avoid]
    for first, last in _blocks(subnet):
        if not any(
            address.version == first.version and int(first) <= int(address) <= int(last) for address in taken
        ):
            return first, last
    return None


def propose_virtual_ip(
    nodes: Sequence[Address], pools: Iterable[tuple[Address, Address]] = ()
) -> Address | None:
    """Return a free address for the control planes in the nodes' network, outside `pools`."""
    subnet = home_subnet(nodes)
    if subnet is None:
        return None
    taken = set(nodes)
    ranges = [pair for pair in pools if pair[0].version == subnet.version]
    top = _TOP_BLOCK[0] - 1 if subnet.version == 4 else 0xEFFF
    for offset in range(top, 1, -1):
        address = subnet[offset]
        if address not in taken and not any(int(a) <= int(address) <= int(b) for a, b in ranges):
            return address
    return None


def propose_ranges(nodes: Sequence[Address], count: int) -> tuple[str, str]:
    """Return ranges of pods and Services that hold no node and have a piece for each of `count` nodes.

    Kubespray's own defaults where they fit; when nothing fits, they too, and a rule tells why not.
    """
    candidates = _RANGES_V6 if nodes and all(address.version == 6 for address in nodes) else _RANGES
    for most, pods, services in candidates:
        pair = (ipaddress.ip_network(pods), ipaddress.ip_network(services))
        if count <= most and not any(address in network for address in nodes for network in pair):
            return pods, services
    return candidates[0][1:]


def gateway_of(nodes: Sequence[Address]) -> Address | None:
    """Return the first address of the nodes' network, where the router usually is."""
    subnet = home_subnet(nodes)
    return None if subnet is None else subnet[1]
