"""Finding and ending the processes that practice nodes started.

A command may leave children behind that belong to no session of ours any more (Ansible's async wrapper does).
Every command therefore carries its yard in an environment variable, which children inherit and which stays
readable from outside for as long as they live.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

import psutil

YARD_MARK: Final = "SLIPWAY_PRACTICE_YARD"
_PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h


def marked(yard: Path) -> list[psutil.Process]:
    """Return the living processes, other than this one, that were started by a node of `yard`."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(YARD_MARK) == str(yard):
                found.append(process)
    return found


def adopt_orphans() -> None:
    """Make this process the one that orphaned descendants fall to, where the system can do that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_all(yard: Path, *, descendants: bool = False, seconds: float = 5.0) -> int:
    """Kill what the nodes of `yard` started, again and again until nothing is left; return how many died.

    Args:
        yard: the resolved yard folder, as in the environment of its commands.
        descendants: also every descendant of this process, whatever its environment.
        seconds: give up after this long; a process in uninterruptible sleep cannot be waited for.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        targets = marked(yard)
        if descendants:
            targets += psutil.Process().children(recursive=True)
        living = [process for process in targets if _is_running(process)]
        if not living:
            break
        for process in living:
            with contextlib.suppress(psutil.Error):
                process.kill()
                ended.add(process.pid)
        psutil.wait_procs(living, timeout=0.5)
    return len(ended)


def kill_group(leader: int, yard: Path, *, leader_lives: bool) -> None:
    """Kill the process group of `leader`.

    When the leader has been waited for its number may have been given away, so that only processes that carry
    the mark of `yard` are touched then.
    """
    if leader_lives:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        return
    for process in marked(yard):
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == leader:
                process.kill()


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
