"""Running ssh once: with a deadline of its own, and nothing left behind when it has passed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Final, TypeVar

from wizards.provision.access import AT_ONCE

Asked = TypeVar("Asked")
Told = TypeVar("Told")

_LOOK: Final = 0.25  # seconds between two looks at whether it is still wanted


@dataclass(frozen=True, slots=True)
class Said:
    """What ssh, and the node behind it, said.

    Attributes:
        code: Exit status; 255 is ssh's own.
        stdout: What the node answered.
        stderr: The messages of ssh and of the node, mixed.
        jump: The messages of the ssh that reaches the jump host.
        late: The deadline passed and it was killed.
    """

    code: int
    stdout: str = ""
    stderr: str = ""
    jump: str = ""
    late: bool = False


def run_ssh(
    arguments: Sequence[str],
    *,
    seconds: float,
    typed: str = "",
    env: dict[str, str] | None = None,
    stop: threading.Event | None = None,
) -> Said:
    """Run ssh with `arguments` and return what was said; it is killed with all it started when time is up.

    Args:
        arguments: After ``ssh``.
        seconds: The deadline.
        typed: Its standard input; passwords go in here, for a pipe is seen by nobody else.
        env: Further environment variables.
        stop: Once set, it is killed as if the deadline had passed.
    """
    try:
        process = subprocess.Popen(
            # A connection that the user's own settings keep open would prove nothing and outlive this.
            ["ssh", "-T", "-o", "ControlPath=none", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {}), "LC_ALL": "C"},
            start_new_session=True,
        )
    except FileNotFoundError:
        return Said(255, stderr="the program ssh is not installed here")
    with process:
        try:
            return _wait(process, typed, time.monotonic() + seconds, stop)
        finally:
            if process.returncode is None:
                _kill(process)


def _wait(process: subprocess.Popen[str], typed: str, deadline: float, stop: threading.Event | None) -> Said:
    given: str | None = typed
    while True:
        left = deadline - time.monotonic()
        try:
            out, err = process.communicate(given, timeout=max(0.0, min(left, _LOOK) if stop else left))
        except subprocess.TimeoutExpired:
            given = None  # it has been taken over already; giving it again would be an error
            if time.monotonic() < deadline and not (stop and stop.is_set()):
                continue
            _kill(process)
            out, err = process.communicate()
            return Said(255, out, err, late=True)
        return Said(process.returncode, out, err)


def _kill(process: subprocess.Popen[str]) -> None:
    """End ssh and the ssh to the jump host that it started: they are a process group of their own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def at_once(
    places: Iterable[Asked], ask: Callable[[Asked], Told], *, stop: threading.Event | None = None
) -> Iterator[tuple[Asked, Told]]:
    """Ask all places in parallel and give each answer as it comes; at most `AT_ONCE` at a time.

    Once `stop` is set, those that were not begun are left out.
    """

    def unless_stopped(place: Asked) -> Told | None:
        return None if stop is not None and stop.is_set() else ask(place)

    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ssh")
    try:
        asked = {pool.submit(unless_stopped, place): place for place in places}
        for done in as_completed(asked):
            if (told := done.result()) is not None:
                yield asked[done], told
    finally:
        pool.shutdown(cancel_futures=True)
