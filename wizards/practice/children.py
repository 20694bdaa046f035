"""One local process of a practice node: starting it, ending it, never waiting for it in vain.

asyncio's `Process.wait` waits for the pipes too (Python 3.11), so that it waits for ever when a process that
has left the group keeps one open; a start that is cancelled half-way leaves children of the process behind.
Both happen when a yard stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process, SubprocessStreamProtocol
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wizards.practice.processes import kill_group

_READ_AHEAD: Final = 64 * 1024
_STDIN, _STDOUT, _STDERR = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Child:
    """A started process, leader of a session and a process group of its own."""

    process: Process
    transport: asyncio.SubprocessTransport
    yard: Path

    @property
    def _lives(self) -> bool:
        return self.process.returncode is None

    def signal_group(self, name: str) -> None:
        """Send the signal an SSH client names, such as ``INT``, to the process and its children."""
        number = getattr(signal, f"SIG{name}", None)
        if isinstance(number, signal.Signals) and self._lives:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    async def exit_code(self) -> int:
        """Wait for the process, not for those that may still hold its pipes; return what a shell would.

        A death by signal n is 128 + n. SSH could say "died by a signal", but the client then exits with 255,
        which reads as "unreachable".
        """
        self._drop_pipes()
        code = await self.process.wait()
        return 128 - code if code < 0 else code

    async def end(self) -> None:
        """Kill the process group and wait until its leader is gone."""
        kill_group(self.process.pid, self.yard, leader_lives=self._lives)
        self._drop_pipes()
        await self.process.wait()

    def _drop_pipes(self) -> None:
        stdin = self.transport.get_pipe_transport(_STDIN)
        if isinstance(stdin, asyncio.WriteTransport) and (
            not stdin.is_closing() or stdin.get_write_buffer_size()  # abort() fails on one that is closed
        ):
            stdin.abort()  # close() would wait until somebody reads what is still to be written
        for number in (_STDOUT, _STDERR):
            pipe = self.transport.get_pipe_transport(number)
            if pipe is not None:
                pipe.close()


async def start_child(
    argv: tuple[str, ...],
    *,
    folder: Path,
    environment: Mapping[str, str],
    yard: Path,
    stdin: int,
    stdout: int,
    stderr: int,
) -> Child:
    """Start `argv` in `folder` with exactly `environment`; when cancelled meanwhile, leave nothing behind.

    Args:
        argv: program and arguments.
        folder: the working directory.
        environment: all of it, with the mark of `yard` in it.
        yard: the yard's folder, resolved.
        stdin: as for `subprocess.Popen`: a descriptor or ``PIPE``; so are the other two.
        stdout: where its output goes.
        stderr: where its complaints go.

    Raises:
        OSError: it cannot be started.
    """
    loop = asyncio.get_running_loop()

    async def start() -> Child:
        transport, protocol = await loop.subprocess_exec(
            lambda: SubprocessStreamProtocol(limit=_READ_AHEAD, loop=loop),
            *argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env=environment,
            umask=0o022,
            start_new_session=True,
        )
        return Child(Process(transport, protocol, loop), transport, yard)

    starting = asyncio.create_task(start())
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            await (await starting).end()
        raise
