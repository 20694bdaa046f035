"""A run's journal: an append-only file with one event a line (docs/journal.md describes it for others).

One process writes it, any number read it. A line that is torn, because the writer or the machine died, is
skipped by readers; the writer never leaves one behind itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from wizards.provision.events import Event, RunFinished, RunStatus, decode, encode

FLUSH_AFTER: Final = 0.2  # seconds an event may wait in memory
SYNC_AFTER: Final = 0.8  # seconds a written event may wait for the disk: with FLUSH_AFTER the bound of 1 s
_CHUNK: Final = 1 << 22  # bytes read at once
_BATCH: Final = 4096  # events kept in memory before they are written, whatever the clock says

E = TypeVar("E", bound=Event)


class JournalWriter:
    """Appends events. Not for several threads.

    Call `append` for every event and `tick` at least four times a second: together they bound what a crash
    can lose to one second. Every method that writes raises OSError when the disk does not take it; the
    journal is then as it was before that batch, and the batch is still kept.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self._clock = clock
        self._wall = wall
        self._began = clock()
        self._number = 0
        self._size = 0
        self._waiting: list[str] = []
        self._oldest = 0.0
        self._unsynced_since: float | None = None

    @property
    def seconds(self) -> float:
        """Monotonic seconds since the run began."""
        return self._clock() - self._began

    def append(self, event: E) -> E:
        """Number and date `event`, take it for writing, and return it as the journal will hold it."""
        self._number += 1
        dated = replace(event, n=self._number, t=round(self._wall(), 3), m=round(self.seconds, 3))
        if not self._waiting:
            self._oldest = self._clock()
        self._waiting.append(encode(dated))
        if len(self._waiting) >= _BATCH:
            self.flush()
        return dated

    def tick(self) -> None:
        """Write and sync what has waited long enough."""
        now = self._clock()
        if self._waiting and now - self._oldest >= FLUSH_AFTER:
            self.flush()
        if self._unsynced_since is not None and now - self._unsynced_since >= SYNC_AFTER:
            self.sync()

    def flush(self) -> None:
        """Hand all waiting events to the operating system: they survive the death of this process."""
        if not self._waiting:
            return
        data = ("\n".join(self._waiting) + "\n").encode()
        try:
            written = os.write(self._file, data)
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)
        self._waiting.clear()
        if self._unsynced_since is None:
            self._unsynced_since = self._clock()

    def sync(self) -> None:
        """Hand all written events to the disk: they survive the death of the machine."""
        os.fsync(self._file)
        self._unsynced_since = None

    def forget(self) -> int:
        """Drop what waits, to make room for a last word on a full disk; return how many events that were."""
        dropped = len(self._waiting)
        self._number -= dropped
        self._waiting.clear()
        return dropped

    def close(self) -> None:
        """Write, sync and close; the file is closed whatever happens."""
        try:
            self.flush()
            self.sync()
        finally:
            os.close(self._file)


class JournalReader:
    """Reads a journal that may still grow, from the first event on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def read(self) -> list[Event]:
        """Return the events since the last call, at most some thousands; empty where there is no news.

        A journal that is not there yet is one without events.
        """
        events: list[Event] = []
        while not events and (data := self._read_on()):
            lines = (self._rest + data).split(b"\n")
            self._rest = lines.pop()
            events = [event for line in lines if (event := decode(line)) is not None]
        return events

    def _read_on(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(_CHUNK)
        except FileNotFoundError:
            return b""
        self._offset += len(data)
        return data


def read_journal(path: Path) -> Iterator[Event]:
    """Give all events that are in the journal `path` now."""
    reader = JournalReader(path)
    while batch := reader.read():
        yield from batch


def interrupted(last: Event | None) -> RunFinished:
    """Return the last word that a dead supervisor did not say, dated like the `last` event it did say.

    It is made by readers and never written, so that it is the same for each of them.
    """
    number, wall, monotonic = (last.n, last.t, last.m) if last else (0, 0.0, 0.0)
    return RunFinished(
        n=number + 1,
        t=wall,
        m=monotonic,
        status=RunStatus.INTERRUPTED,
        message="The process that drove this run died without a word (killed, or the machine went down).",
    )


def finished(events: Iterable[Event]) -> bool:
    """Tell whether `events` hold the run's last word."""
    return any(isinstance(event, RunFinished) for event in events)
