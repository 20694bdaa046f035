"""The practice yard's worker: some practice nodes and one practice API in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from wizards.files import write_private
from wizards.practice.client import VERSION, Yard, YardNode
from wizards.practice.commands import USER, Home
from wizards.practice.files import YardFiles, open_private, private_folder, try_lock
from wizards.practice.nodes import (
    PracticeNode,
    load_or_make_key,
    make_disk,
    node_address,
    node_name,
    public_line,
)
from wizards.practice.processes import end_all

FIRST_HOLDER_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 3.0
_TICK: Final = 1.0
_OPEN_FILES: Final = 8192

_log = logging.getLogger(__name__)


class Lease:
    """Whether anybody still wants the yard.

    Holders have a shared lock on a file; the yard tries the exclusive one. Once it has found nobody for long
    enough it keeps that lock, so that a newcomer waits for its end instead of holding a yard that is going.

    Args:
        path: the lease file, made when absent.
        now: seconds on any steady clock, at which the yard became ready.
    """

    def __init__(self, path: Path, now: float) -> None:
        self._descriptor = open_private(path)
        self._unheld_until = now + FIRST_HOLDER_SECONDS

    def abandoned(self, now: float) -> bool:
        """Say whether nobody has held the yard for `IDLE_SECONDS`, or ever within `FIRST_HOLDER_SECONDS`."""
        if not try_lock(self._descriptor):
            self._unheld_until = now + IDLE_SECONDS
            return False
        if now >= self._unheld_until:
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        """Let waiting newcomers go on."""
        os.close(self._descriptor)


def run_yard(files: YardFiles, count: int, guard: int) -> None:
    """Host `count` nodes and the API until told to stop, until nobody holds the yard, or the guard dies.

    Args:
        files: the yard's paths.
        count: number of nodes.
        guard: the reading end of a pipe that closes when the guard process is gone.

    Raises:
        OSError: a file, an address or a port cannot be had.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    for chatty in ("asyncssh", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    os.chdir(files.folder)
    _raise_file_limit()
    left = end_all(files.folder)
    if left:
        _log.info("processes that an earlier yard had left behind, ended: %d", left)
    asyncio.run(_host(files, count, guard))


async def _host(files: YardFiles, count: int, guard: int) -> None:
    stop = _stop_wishes(guard)
    try:
        async with contextlib.AsyncExitStack() as stack:
            nodes = await stack.enter_async_context(_nodes(files, count))
            api = await stack.enter_async_context(_api(files))
            lease = stack.enter_context(contextlib.closing(Lease(files.lease, time.monotonic())))
            yard = _describe(files, nodes, api)
            stack.callback(files.description.unlink, missing_ok=True)
            write_private(files.description, yard.to_json())
            _log.info("ready; nodes: %d, API: %s", count, api)
            await _watch(stop, lease, nodes)
            _log.info("stopping")
    finally:
        end_all(files.folder)


def _stop_wishes(guard: int) -> asyncio.Event:
    """Return the event that a signal or the guard's death sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def guard_gone() -> None:
        loop.remove_reader(guard)
        stop.set()

    loop.add_reader(guard, guard_gone)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _watch(stop: asyncio.Event, lease: Lease, nodes: list[PracticeNode]) -> None:
    while not lease.abandoned(time.monotonic()):
        for node in nodes:
            node.enforce_down()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _TICK)
            return
    _log.info("nobody holds this yard any more")


@contextlib.asynccontextmanager
async def _nodes(files: YardFiles, count: int) -> AsyncIterator[list[PracticeNode]]:
    client_key = load_or_make_key(files.key)
    private_folder(files.host_keys)
    private_folder(files.nodes)
    ports = _known_ports(files.ports)
    nodes: list[PracticeNode] = []
    try:
        for number in range(1, count + 1):
            name = node_name(number)
            node = PracticeNode(
                Home(name, make_disk(name, files.nodes / name), files.folder),
                host_key=load_or_make_key(files.host_keys / name),
                client_key=client_key,
                down=files.down(name),
            )
            await node.start(node_address(number), ports.get(name, 0))
            nodes.append(node)
        write_private(files.ports, json.dumps(ports | {node.home.name: node.port for node in nodes}))
        yield nodes
    finally:
        await asyncio.gather(*(node.stop() for node in nodes), return_exceptions=True)


@contextlib.asynccontextmanager
async def _api(files: YardFiles) -> AsyncIterator[str]:
    from wizards.practice.api import PracticeApi

    api = PracticeApi(state_file=files.objects)
    await api.start(host="127.0.0.1", port=0)
    try:
        write_private(files.kubeconfig, api.kubeconfig())
        yield api.url
    finally:
        await api.stop()


def _describe(files: YardFiles, nodes: list[PracticeNode], api: str) -> Yard:
    described = tuple(
        YardNode(node.home.name, node.address, node.port, USER, public_line(node.host_key)) for node in nodes
    )
    return Yard(os.getpid(), VERSION, described, files.key, api, files.kubeconfig, Path(sys.executable))


def _known_ports(path: Path) -> dict[str, int]:
    """Return the ports of the last time; a damaged or missing file means fresh ones."""
    try:
        ports = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): int(port) for name, port in ports.items() if 0 < int(port) < 65536}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _raise_file_limit() -> None:
    """Allow for two hundred nodes: macOS lets a process open 256 files by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
