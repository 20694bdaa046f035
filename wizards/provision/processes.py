"""The processes of a run, found by a mark in their environment: whatever session or group they moved to.

ansible-core's workers and ssh's shared connections leave the process group of ansible-playbook, so that a
signal to the group does not reach them; the environment is what they all inherit. ssh's shared
connections write their title over their environment: they are known by the socket that the title names.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MARK: Final = "SLIPWAY_RUN_MARK"


def marked(mark: str, sockets: Path | None = None) -> Iterator[int]:
    """Give the ids of this user's processes that carry `mark`, this process left out.

    With `sockets`, the folder of the run's shared ssh connections, also those that hold them.
    """
    import psutil

    me = os.getpid()
    title = f"ssh: {sockets}/" if sockets else ""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid == me or process.status() == psutil.STATUS_ZOMBIE:
                continue
            shares = bool(title) and " ".join(process.cmdline()).startswith(title)
            if shares or process.environ().get(MARK) == mark:
                yield process.pid


def kill_marked(mark: str, sockets: Path | None = None, *, seconds: float = 5.0) -> bool:
    """Kill all that `marked` gives; tell whether none is left after at most `seconds`."""
    deadline = time.monotonic() + seconds
    while left := list(marked(mark, sockets)):
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
