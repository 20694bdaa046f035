"""Looking for SSH servers: real listeners on loopback, of every kind that is met."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import socket
import struct
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.entry.strategies import FAIR
from wizards.entry import EntryError
from wizards.entry.discovery import Found, discover, parse_subnet

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.parametrize(
    ("text", "canonical", "count", "first", "last"),
    [
        ("10.0.0.0/24", "10.0.0.0/24", 254, "10.0.0.1", "10.0.0.254"),
        (" 10.0.0.77/24 ", "10.0.0.0/24", 254, "10.0.0.1", "10.0.0.254"),
        ("10.0.0.0/22", "10.0.0.0/22", 1022, "10.0.0.1", "10.0.3.254"),
        ("10.0.0.11-50", "10.0.0.11-10.0.0.50", 40, "10.0.0.11", "10.0.0.50"),
        ("10.0.0.11 - 10.0.0.12", "10.0.0.11-10.0.0.12", 2, "10.0.0.11", "10.0.0.12"),
        ("10.0.0.5", "10.0.0.5", 1, "10.0.0.5", "10.0.0.5"),
        ("10.0.0.4/31", "10.0.0.4/31", 2, "10.0.0.4", "10.0.0.5"),
        ("10.0.0.4/32", "10.0.0.4/32", 1, "10.0.0.4", "10.0.0.4"),
        ("fd00::/118", "fd00::/118", 1023, "fd00::1", "fd00::3ff"),
    ],
)
def test_what_is_a_subnet(text: str, canonical: str, count: int, first: str, last: str) -> None:
    subnet = parse_subnet(text, 2222)
    assert (subnet.text, subnet.port, len(subnet.addresses)) == (canonical, 2222, count)
    assert (subnet.addresses[0], subnet.addresses[-1]) == (first, last)


@pytest.mark.parametrize(
    ("text", "port", "hint"),
    [
        ("10.0.0.0/21", 22, "at most a /22"),
        ("0.0.0.0/0", 22, "at most a /22"),
        ("fd00::/64", 22, "at most a /118"),
        ("10.0.0.9-10.0.0.3", 22, "is not a subnet"),
        ("10.0.0.0/33", 22, "is not a subnet"),
        ("lan", 22, "is not a subnet"),
        ("", 22, "is not a subnet"),
        ("224.0.0.0/24", 22, "No server"),
        ("0.0.0.0/24", 22, "No server"),
        ("10.0.0.0/24", 0, "not a port"),
    ],
)
def test_what_is_not_looked_at(text: str, port: int, hint: str) -> None:
    with pytest.raises(EntryError, match=re.escape(hint)) as refused:
        parse_subnet(text, port)
    assert str(refused.value).endswith(".")


@given(st.text("0123456789./-:af ", max_size=24) | st.text(max_size=20), st.integers(-1, 70000))
@FAIR
def test_any_text_is_a_subnet_or_refused(text: str, port: int) -> None:
    try:
        subnet = parse_subnet(text, port)
    except EntryError:
        return
    assert 1 <= len(subnet.addresses) <= 1024
    assert parse_subnet(subnet.text, port) == subnet


def says(*pieces: bytes) -> Speak:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        assert await reader.read() == b""  # nothing is ever sent to it

    return speak


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while not writer.is_closing():
            writer.write(b"x" * 4096)
            await writer.drain()


@contextlib.asynccontextmanager
async def listening(kinds: dict[str, Speak]) -> AsyncIterator[tuple[int, list[int]]]:
    """Serve each of `kinds` at its address, all on one port; give it, and the connections: now, most."""
    open_now: list[int] = [0, 0]
    faults: list[AssertionError] = []
    async with contextlib.AsyncExitStack() as stack:
        port = 0

        def handler(speak: Speak) -> Speak:
            async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                open_now[0] += 1
                open_now[1] = max(open_now)
                try:
                    await speak(reader, writer)
                except OSError:
                    pass
                except AssertionError as fault:
                    faults.append(fault)
                finally:
                    open_now[0] -= 1
                    writer.transport.abort()

            return handle

        for address, speak in kinds.items():
            server = await asyncio.start_server(handler(speak), address, port)
            port = port or server.sockets[0].getsockname()[1]
            stack.push_async_callback(server.wait_closed)
            stack.callback(server.close)
        yield port, open_now
        assert not faults


async def settled(open_now: list[int]) -> None:
    """Wait until every connection is closed."""
    async with asyncio.timeout(10):
        while open_now[0]:
            await asyncio.sleep(0.01)


KINDS: dict[str, Speak] = {
    "127.0.7.1": says(b"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3\r\n"),
    "127.0.7.2": says(b"Welcome\r\nto this\n", b"SSH-2.0-drop", b"bear\x1b]0;x\x07\x1b[2J\r\nmore"),
    "127.0.7.3": silent,
    "127.0.7.4": says(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"),
    "127.0.7.5": resets,
    "127.0.7.6": endless,
    "127.0.7.7": says(b"x\r\n" * 1000 + b"SSH-2.0-late\r\n"),
    "127.0.7.8": says(b"SSH-1.99-Cisco\n"),
}


async def test_only_those_that_speak_ssh_are_found_each_with_its_banner() -> None:
    heard: list[Found] = []
    steps: list[tuple[int, int]] = []
    async with listening(KINDS) as (port, open_now):
        found = await discover(
            parse_subnet("127.0.7.0/28", port),
            on_found=heard.append,
            on_progress=lambda done, total: steps.append((done, total)),
            timeout=1.0,
        )
        await settled(open_now)
    assert [(one.address, one.port, one.banner) for one in found] == [
        ("127.0.7.1", port, "SSH-2.0-OpenSSH_9.6p1 Ubuntu-3"),
        ("127.0.7.2", port, "SSH-2.0-dropbear"),
        ("127.0.7.8", port, "SSH-1.99-Cisco"),
    ]
    assert sorted(heard, key=lambda one: one.address) == list(found)
    assert steps == [(number, 14) for number in range(1, 15)]
    assert all("\x1b" not in one.name for one in found)


async def test_connections_are_bounded() -> None:
    async with listening({f"127.0.7.{n}": silent for n in range(1, 15)}) as (port, open_now):
        found = await discover(parse_subnet("127.0.7.0/28", port), on_found=print, at_once=3, timeout=0.2)
        await settled(open_now)
        assert (found, open_now[1] <= 3, open_now[1] > 0) == ((), True, True)


async def test_it_can_be_cancelled_and_leaves_no_socket_behind() -> None:
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always", ResourceWarning)
        async with listening({f"127.0.7.{n}": silent for n in range(1, 15)}) as (port, open_now):
            job = asyncio.create_task(
                discover(parse_subnet("127.0.7.0/28", port), on_found=print, timeout=60.0)
            )
            async with asyncio.timeout(10):
                while open_now[0] < 14:
                    await asyncio.sleep(0.01)
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
            await settled(open_now)
        gc.collect()
    assert not [str(one.message) for one in complaints if one.category is ResourceWarning]


async def test_what_goes_wrong_in_the_screen_ends_the_search() -> None:
    def broken(found: Found) -> None:
        raise LookupError(found.address)

    async with listening({"127.0.7.1": KINDS["127.0.7.1"], "127.0.7.2": silent}) as (port, open_now):
        with pytest.raises(LookupError):
            await discover(parse_subnet("127.0.7.0/28", port), on_found=broken, timeout=60.0)
        await settled(open_now)


async def test_a_name_from_dns_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening({"127.0.7.1": KINDS["127.0.7.1"]}) as (port, open_now):
        monkeypatch.setattr(socket, "gethostbyaddr", lambda address: ("web\x1b[2J.lan", [], [address]))
        (found,) = await discover(parse_subnet("127.0.7.1", port), on_found=print)
        assert found.name == "web.lan"
        await settled(open_now)
