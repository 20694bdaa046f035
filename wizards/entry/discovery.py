"""Finding SSH servers in a subnet: a bounded knock on one port of every address, reading what is said first.

A server says who it is before it is asked (RFC 4253, 4.2: perhaps after other lines). That is read and the
connection closed: nothing is sent, nobody logs in.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from wizards.entry.model import EntryError, brief
from wizards.sanitize import one_line
from wizards.setup.proposals import Address, parse_address
from wizards.setup.ranges import span_of

MOST_ADDRESSES: Final = 1024
"""A /22, or a /118 of IPv6."""
MOST_AT_ONCE: Final = 256

_BANNER: Final = b"SSH-"
_MOST_LINES: Final = 32
_MOST_BYTES: Final = 8 * 1024
_LINE_LIMIT: Final = 4 * 1024
"""Bytes in a line; RFC 4253 has at most 255 for the banner, and says nothing of those before it."""
_NAME_SECONDS: Final = 2.0
_NAMES_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A server that speaks SSH: where, what it says it is, and the name DNS has for it ("" where none)."""

    address: str
    port: int
    banner: str
    name: str


@dataclass(frozen=True, slots=True)
class Subnet:
    """Addresses to look at: those of hosts in a network, or from a first to a last."""

    text: str
    port: int
    addresses: tuple[str, ...]


def parse_subnet(text: str, port: int = 22) -> Subnet:
    """Return the addresses of ``10.0.0.0/24``, ``10.0.0.11-10.0.0.50`` (or ``10.0.0.11-50``), or of one host.

    Args:
        text: A network with its prefix length (at most a /22, for IPv6 a /118), a range, or an address.
        port: Where SSH is looked for.

    Raises:
        EntryError: It is none of these, is too large, or no servers can be there; or the port is none.
    """
    compact = "".join(text.split())
    if not 1 <= port <= 65535:
        raise EntryError(f"{port} is not a port; give a number from 1 to 65535, such as 22.")
    short = re.fullmatch(r"((?:\d{1,3}\.){3})(\d{1,3})-(\d{1,3})", compact)
    span = span_of(f"{short[1]}{short[2]}-{short[1]}{short[3]}" if short else compact)
    if span is None:
        raise EntryError(
            f"{brief(text)!r} is not a subnet; write it with its prefix length, such as 10.0.0.0/24, or as"
            " 10.0.0.11-10.0.0.50."
        )
    first, last, count = span.first, span.last, int(span.last) - int(span.first) + 1
    if count > MOST_ADDRESSES:
        raise EntryError(
            f"{brief(text)!r} is too large with its {_number(count)} addresses; at most a"
            f" {'/118' if first.version == 6 else '/22'} ({MOST_ADDRESSES:,}) is looked at."
        )
    for end in (first, last):
        if end.is_multicast or end.is_unspecified or str(end) == "255.255.255.255":
            raise EntryError(f"No server has the address {end}; name the subnet your servers are in.")
    canonical = str(ipaddress.ip_network(compact, strict=False)) if "/" in compact else str(span)
    return Subnet(canonical, port, tuple(_hosts(canonical, first, count)))


def _number(count: int) -> str:
    return f"{count:,}" if count < 10**9 else "countless"


def _hosts(text: str, first: Address, count: int) -> Iterator[str]:
    """Yield the addresses; of a network not the first and the last, which belong to no host."""
    if "/" in text:
        yield from (str(address) for address in ipaddress.ip_network(text).hosts())
    else:
        yield from (str(first + offset) for offset in range(count))


async def discover(
    subnet: Subnet,
    *,
    on_found: Callable[[Found], None],
    on_progress: Callable[[int, int], None] | None = None,
    at_once: int = 64,
    timeout: float = 1.5,
) -> tuple[Found, ...]:
    """Look at every address of `subnet` and return the SSH servers, in the order of their addresses.

    It can be cancelled at any time, and leaves no connection open then either.

    Args:
        subnet: Where to look.
        on_found: Called with each server as it is found, in the event loop.
        on_progress: Called with how many addresses are done, and of how many.
        at_once: Connections at the same time, from 1 to 256.
        timeout: Seconds for an address to take the connection, and as many for its server to say what it is.
    """
    total = len(subnet.addresses)
    waiting = iter(enumerate(subnet.addresses))
    found: dict[int, Found] = {}
    names = _Names()
    done = 0

    async def work() -> None:
        nonlocal done
        for index, address in waiting:
            banner = await _banner(address, subnet.port, timeout)
            if banner:
                one = Found(address, subnet.port, banner, await names.of(address))
                found[index] = one
                on_found(one)
            done += 1
            if on_progress is not None:
                on_progress(done, total)

    workers = [asyncio.create_task(work()) for _ in range(min(max(at_once, 1), MOST_AT_ONCE, max(total, 1)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return tuple(found[index] for index in sorted(found))


async def _banner(address: str, port: int, seconds: float) -> str:
    """Return what the SSH server at `address` says it is; empty where there is none in time."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(address, port, limit=_LINE_LIMIT)
        async with asyncio.timeout(seconds):
            return await _said(reader)
    except (OSError, TimeoutError, ValueError):
        return ""
    finally:
        if writer is not None:
            # Not close(): it would wait for the other side, and nothing is left to be sent.
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _said(reader: asyncio.StreamReader) -> str:
    """Return the line that begins with ``SSH-``; empty where the server says other things, or too much."""
    size = 0
    for _ in range(_MOST_LINES):
        line = await reader.readline()
        size += len(line)
        if line.startswith(_BANNER):
            return one_line(line.decode("utf-8", "replace"), 120)
        if not line or size > _MOST_BYTES:
            break
    return ""


class _Names:
    """Asks DNS for names, in threads: each has a deadline, and none keeps the program from ending.

    The C library's resolver cannot be interrupted, so that a thread may outlive its deadline; there are never
    more than a few of them, and a name that would need another one stays unknown.
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_NAMES_AT_ONCE)

    async def of(self, address: str) -> str:
        """Return the name of `address`, empty where there is none in time."""
        try:
            async with asyncio.timeout(_NAME_SECONDS):
                await self._slots.acquire()
                return await self._asked(address)
        except TimeoutError:
            return ""

    def _asked(self, address: str) -> asyncio.Future[str]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()

        def settle(name: str) -> None:
            self._slots.release()
            if not answer.done():
                answer.set_result(name)

        def ask() -> None:
            name = _reverse(address)
            # The loop may be gone by now; then nobody waits for the name either.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, name)

        threading.Thread(target=ask, name=f"name of {address}", daemon=True).start()
        return answer


def _reverse(address: str) -> str:
    try:
        name = socket.gethostbyaddr(address)[0]
    except (OSError, UnicodeError):
        return ""
    return "" if parse_address(name) is not None else one_line(name, 120)
