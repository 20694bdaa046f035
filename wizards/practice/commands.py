"""Running one command of an SSH session as a real local process.

The streams are pumped by hand: asyncssh's own redirection onto a subprocess was measured to lose data and
exit codes under ten parallel connections. The exit status is sent only after both outputs are drained.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import re
import struct
import sys
import termios
from asyncio.subprocess import PIPE
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import asyncssh

from wizards.practice.children import Child, start_child
from wizards.practice.processes import YARD_MARK

USER: Final = "practice"
_OWN_HOME: Final = re.compile(rf"(?<![\w~./-])~{USER}(?![\w.-])")
_CHUNK: Final = 64 * 1024
_CANNOT_RUN: Final = 126  # what a shell returns; 255 would read as "unreachable" to Ansible
_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A session leader that opens a terminal gets it as its controlling terminal; then the real command follows.
_TAKE_TERMINAL: Final = ': <>"$0"; exec /bin/sh "$@"'

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where bytes go: an asyncio or an asyncssh stream writer."""

    def write(self, data: bytes, /) -> None:
        """Queue `data`."""

    async def drain(self) -> None:
        """Wait until there is room for more."""


class Source(Protocol):
    """Where bytes come from: an asyncio stream reader."""

    async def read(self, n: int = -1, /) -> bytes:
        """Return at most `n` bytes, none at the end."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where the commands of one node run.

    Attributes:
        name: the node, for example ``node-1``.
        disk: the node's folder, resolved: home, working directory and temporary files of its commands.
        yard: the yard's folder, resolved, by which leftover processes are found.
    """

    name: str
    disk: Path
    yard: Path

    def environment(self) -> dict[str, str]:
        """Return the whole environment of a command; nothing of the yard's own gets through.

        The folder of the running Python comes first, so that Ansible's modules find the libraries Slipway
        was installed with.
        """
        return {
            "PATH": f"{Path(sys.executable).parent}:{_SYSTEM_PATH}",
            "HOME": str(self.disk),
            "PWD": str(self.disk),
            "TMPDIR": str(self.disk / "tmp"),
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            "PS1": f"practice@{self.name}:$ ",
            "SLIPWAY_PRACTICE_NODE": self.name,
            YARD_MARK: str(self.yard),
        }


async def serve_command(session: asyncssh.SSHServerProcess[bytes], home: Home) -> None:
    """Run what `session` asks for and report its exit status; kill it when the session goes away first."""
    if session.subsystem:
        session.stderr.write(f"{home.name} has no subsystem {session.subsystem}\n".encode())
        session.exit(1)
        return
    try:
        if session.term_type is None:
            await _over_pipes(session, home)
        else:
            await _in_terminal(session, home, session.term_type)
    except OSError as error:
        _log.warning("%s: a command could not be run: %s", home.name, error)
        with contextlib.suppress(OSError):
            session.stderr.write(f"{home.name}: {error}\n".encode())
            session.exit(_CANNOT_RUN)


async def _over_pipes(session: asyncssh.SSHServerProcess[bytes], home: Home) -> None:
    child = await start_child(
        _shell(session.command),
        folder=home.disk,
        environment=home.environment(),
        yard=home.yard,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    stdin, stdout, stderr = child.process.stdin, child.process.stdout, child.process.stderr
    if stdin is None or stdout is None or stderr is None:  # PIPE was asked for; this tells the type checker
        raise OSError("no pipes")

    async def drain() -> None:
        await asyncio.gather(_pump(stdout, session.stdout), _pump(stderr, session.stderr))

    async def feed() -> None:
        await _feed(session, stdin, child)
        stdin.close()

    await _see_through(session, child, drain, feed)


async def _in_terminal(session: asyncssh.SSHServerProcess[bytes], home: Home, kind: str) -> None:
    with contextlib.ExitStack() as stack:
        master, slave = os.openpty()
        stack.callback(os.close, master)
        try:
            columns, rows, *_ = session.term_size
            _set_size(master, columns, rows)
            child = await start_child(
                ("/bin/sh", "-c", _TAKE_TERMINAL, os.ttyname(slave), *_shell(session.command)[1:]),
                folder=home.disk,
                environment={**home.environment(), "TERM": kind or "dumb"},
                yard=home.yard,
                stdin=slave,
                stdout=slave,
                stderr=slave,
            )
        finally:
            os.close(slave)

        async def drain() -> None:
            # On Linux the read fails with EIO, elsewhere it ends, once the last has left the terminal.
            with contextlib.suppress(OSError):
                await _from_terminal(master, session.stdout)

        async def feed() -> None:
            await _to_terminal(master, session, child)

        await _see_through(session, child, drain, feed)


async def _from_terminal(master: int, sink: Sink) -> None:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(master), "rb", buffering=0)
    )
    try:
        await _pump(reader, sink)
    finally:
        transport.close()


async def _to_terminal(master: int, session: asyncssh.SSHServerProcess[bytes], child: Child) -> None:
    loop = asyncio.get_running_loop()
    transport, flow = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()),
        os.fdopen(os.dup(master), "wb", buffering=0),
    )
    try:
        writer = asyncio.StreamWriter(transport, flow, None, loop)
        await _feed(session, writer, child, lambda columns, rows: _set_size(master, columns, rows))
    finally:
        transport.abort()


async def _see_through(
    session: asyncssh.SSHServerProcess[bytes],
    child: Child,
    drain: Callable[[], Coroutine[Any, Any, None]],
    feed: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Wait for the command or for the client to go, whichever is first; leave no task, no process group."""

    async def finish() -> int:
        await drain()
        return await child.exit_code()

    finished = asyncio.create_task(finish())
    fed = asyncio.create_task(feed())
    gone = asyncio.create_task(session.wait_closed())
    done = False
    try:
        await asyncio.wait({finished, gone}, return_when=asyncio.FIRST_COMPLETED)
        if finished.done() and finished.exception() is None:
            done = True
            session.exit(finished.result())
    finally:
        tasks = (finished, fed, gone)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not done:
            await child.end()


async def _pump(source: Source, sink: Sink) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()


async def _feed(
    session: asyncssh.SSHServerProcess[bytes],
    stdin: Sink,
    child: Child,
    resize: Callable[[int, int], None] | None = None,
) -> None:
    """Pass on what the client types, its signals and its window size, until it closes its side."""
    child_reads = True
    while True:
        try:
            data = await session.stdin.read(_CHUNK)
        except asyncssh.SignalReceived as received:
            child.signal_group(received.signal)
            continue
        except asyncssh.TerminalSizeChanged as size:
            if resize is not None:
                resize(size.width, size.height)
            continue
        except asyncssh.BreakReceived:
            continue
        except (OSError, asyncssh.Error):
            return  # the connection broke; whoever waits for it to close ends the command
        if not data:
            return
        if child_reads:
            try:
                stdin.write(data)
                await stdin.drain()
            except OSError:
                # The command has closed its input: keep taking what the client sends, or its window fills up.
                child_reads = False


def _shell(command: str | None) -> tuple[str, ...]:
    """Return the argv for `command`; without one, a shell that reads its input.

    Ansible asks for ``~practice``, the login's home by name (``_remote_expand_user``, ansible-core 2.18). The
    machine's password file does not know the practice user, or knows somebody else by that name, so that it
    is asked for as ``~``, which the shell takes from HOME.
    """
    return ("/bin/sh",) if command is None else ("/bin/sh", "-c", _OWN_HOME.sub("~", command))


def _set_size(terminal: int, columns: int, rows: int) -> None:
    if columns > 0 and rows > 0:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
