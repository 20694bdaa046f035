"""One writer per cluster: a lock of the operating system (flock), which dies with its holder.

The lock file also says who holds it, for the message others get. What it says counts only while the lock is
held: the file of a dead holder is stale and nobody reads it.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from wizards.sanitize import one_line

_PATIENCE: Final = 0.5  # seconds: long enough for somebody's probe of the lock to pass


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a cluster. `since` is in seconds since the epoch, `run` the run's id where it is a run."""

    user: str = ""
    host: str = ""
    pid: int = 0
    since: float = 0.0
    doing: str = ""
    run: str = ""

    def __str__(self) -> str:
        """Return for example ``anna on console-1 since 2026-11-23 14:05:09: create (process 4711)``."""
        if not self.pid:
            return "someone who has not said who they are"
        since = datetime.fromtimestamp(self.since).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        doing = f": {self.doing}" if self.doing else ""
        return f"{self.user} on {self.host} since {since}{doing} (process {self.pid})"

    @classmethod
    def this_process(cls, doing: str, run: str = "") -> Holder:
        """Return this process as a holder, from now."""
        return cls(_user(), socket.gethostname(), os.getpid(), time.time(), doing, run)


class ClusterBusy(Exception):
    """Someone else holds the cluster (exit code 5); `holder` says who and since when."""

    def __init__(self, cluster: str, holder: Holder) -> None:
        super().__init__(f"The cluster {cluster} is held by {holder}.")
        self.cluster = cluster
        self.holder = holder


class ClusterLock:
    """The lock of one cluster, held from `acquire` until `release`, the end of a `with`, or the process.

    It belongs to the open file, so that a child that inherits `fileno` goes on holding it after this process
    has closed its own.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path, *, doing: str, run: str = "") -> ClusterLock:
        """Take the lock file `path`, or raise `ClusterBusy`; the parent's name is the cluster's."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _try_exclusive(descriptor):
                raise ClusterBusy(path.parent.name, read_holder(path))
            lock = cls(path, descriptor)
            lock.say(Holder.this_process(doing, run))
        except BaseException:
            os.close(descriptor)
            raise
        return lock

    @classmethod
    def inherited(cls, path: Path, descriptor: int) -> ClusterLock:
        """Return the lock that the process which started this one holds and handed over as `descriptor`.

        Raises:
            ClusterBusy: the descriptor is not that lock, or is not held.
        """
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), path.stat()) and _try_exclusive(descriptor):
                os.set_inheritable(descriptor, False)
                return cls(path, descriptor)
        raise ClusterBusy(path.parent.name, read_holder(path))

    def say(self, holder: Holder) -> None:
        """Write who holds the lock."""
        data = json.dumps(asdict(holder)).encode()
        os.pwrite(self._descriptor, data, 0)
        os.ftruncate(self._descriptor, len(data))

    def fileno(self) -> int:
        """Return the descriptor to hand to a child."""
        return self._descriptor

    def release(self) -> None:
        """Give up this process's share of the lock; a child that inherited it keeps it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Tell whether a living process holds the lock file `path`; a file that is not there is not held.

    The probe takes a shared lock for an instant, so that probes do not see each other.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def read_holder(path: Path) -> Holder:
    """Return what the lock file says; an empty `Holder` where it says nothing that can be read."""
    try:
        data = json.loads(path.read_bytes())
        return Holder(
            user=one_line(str(data["user"]), 64),
            host=one_line(str(data["host"]), 64),
            pid=int(data["pid"]),
            since=float(data["since"]),
            doing=one_line(str(data["doing"]), 120),
            run=one_line(str(data["run"]), 64),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Holder()


def _try_exclusive(descriptor: int) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
