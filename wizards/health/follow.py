"""Follow a collection of the API: list it, watch it, and begin anew when that breaks."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from wizards.health.client import Api, Listing, Stream, Unreachable
from wizards.health.kubeconfig import HealthError
from wizards.health.snapshot import Denied, Failed, Gap, Missing, NotYet, Object, Part
from wizards.health.sources import Source

WATCH_SECONDS: Final = (240, 290)
"""After how long the server ends a watch: spread out, so that not all begin anew at once."""
SILENCE: Final = 100.0
"""Seconds without a byte after which a watch is opened anew; bookmarks come about once a minute."""
_SECOND_LOOK: Final = 60.0
"""Seconds until something that may not be read, or is not there, is tried again."""
_SETTLE: Final = 1.0
"""Seconds after an outage in which everything is read anew."""
_SLOWEST: Final = 15.0
"""Seconds between attempts at most, while the API server does not answer."""


class Link:
    """The connection to the API server that all threads share, and whether it works.

    It is made anew when the kubeconfig changes, and when credentials or certificates are no longer accepted:
    both may have been renewed on disk meanwhile.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._lock = threading.Lock()
        self._api: Api | None = None
        self._stamp: tuple[int, int] | None = None
        self.generation = 0
        """Grows when the kubeconfig changed: it may name another cluster, where old versions mean nothing."""
        self.trouble = ""
        """Why the API server does not answer; empty while it does."""
        self.heard = time.time()
        """When it last answered, in seconds since the epoch."""
        self.revived = 0
        """Grows whenever it answers again."""
        self._revived_at = -_SETTLE

    def api(self) -> Api:
        """Return the connection.

        Raises:
            HealthError: The kubeconfig cannot be used.
        """
        with self._lock:
            stamp = self._stamp_now()
            if self._api is None or stamp != self._stamp:
                self._api = Api(self._kubeconfig)
                if stamp != self._stamp:
                    self._stamp = stamp
                    self.generation += 1
            return self._api

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            found = self._kubeconfig.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def worked(self) -> None:
        """Note that the API server answered."""
        self.heard = time.time()
        if self.trouble:
            self._revived_at = time.monotonic()
            self.trouble = ""
            self.revived += 1

    @property
    def settling(self) -> bool:
        """Whether it answers again only just now, so that not everything has been read anew."""
        return time.monotonic() - self._revived_at < _SETTLE

    def failed(self, error: HealthError) -> None:
        """Note that it did not, and drop the connection: the next one reads the kubeconfig anew."""
        self.trouble = f"{error.message} {error.remedy}".strip()
        with self._lock:
            old, self._api = self._api, None
        if old is not None:
            old.close()


class Board:
    """What is known of each collection now; written by many threads, read by one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._parts: dict[str, dict[str, Object] | Gap] = {}
        self.version = 0
        """Grows with each change."""

    def put(self, key: str, part: Part) -> None:
        """Set the whole of one collection."""
        with self._changed:
            if isinstance(part, tuple):
                self._parts[key] = {_uid(obj): obj for obj in part}
            elif isinstance(part, Failed) and isinstance(self._parts.get(key), dict):
                # What was known is better than nothing: the age of all that is shown tells the rest.
                return
            else:
                self._parts[key] = part
            self._note()

    def change(self, key: str, obj: Object, *, gone: bool = False) -> None:
        """Put one object in, or take it out."""
        with self._changed:
            objects = self._parts.get(key)
            if not isinstance(objects, dict):
                objects = self._parts[key] = {}
            if gone:
                objects.pop(_uid(obj), None)
            else:
                objects[_uid(obj)] = obj
            self._note()

    def drop(self, prefix: str, *, but: set[str]) -> None:
        """Forget the collections whose key begins with `prefix`, except those in `but`."""
        with self._changed:
            gone = [key for key in self._parts if key.startswith(prefix) and key not in but]
            for key in gone:
                del self._parts[key]
            if gone:
                self._note()

    def nudge(self) -> None:
        """Wake the reader without a change."""
        with self._changed:
            self._note()

    def _note(self) -> None:
        self.version += 1
        self._changed.notify_all()

    def wait(self, version: int, seconds: float) -> int:
        """Wait until there is something newer than `version`, at most `seconds`; return the version."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != version, timeout=seconds)
            return self.version

    def parts(self) -> dict[str, Part]:
        """Return everything as it is now."""
        with self._changed:
            return {
                key: tuple(part.values()) if isinstance(part, dict) else part
                for key, part in self._parts.items()
            }


def _uid(obj: Object) -> str:
    meta = obj.get("metadata") or {}
    return str(meta.get("uid") or f"{meta.get('namespace', '')}/{meta.get('name', '')}")


class Follower(threading.Thread):
    """Keeps one collection on the board up to date by list and watch."""

    def __init__(self, source: Source, link: Link, board: Board, stopping: threading.Event) -> None:
        super().__init__(name=f"health-{source.key}", daemon=True)
        self._source = source
        self._link = link
        self._board = board
        self._stopping = stopping
        self._stream: Stream | None = None
        self._delay = 0.0
        self._generation = 0
        board.put(source.key, NotYet())

    def stop_waiting(self) -> None:
        """Wake the thread when it waits for an event."""
        stream = self._stream
        if stream is not None:
            stream.stop()

    def run(self) -> None:
        """List and watch until told to stop; whatever goes wrong is tried again."""
        while not self._stopping.is_set():
            try:
                version = self._list()
                while version and not self._stopping.is_set():
                    version = self._watch(version)
            except HealthError as error:
                self._link.failed(error)
                self._board.nudge()
                self._pause()
            except Exception as error:
                self._board.put(
                    self._source.key, Failed(f"its answer was not understood ({type(error).__name__})")
                )
                self._pause()

    def _list(self) -> str:
        """Read the whole collection; return the version to watch from, empty when it cannot be watched."""
        source, api = self._source, self._link.api()
        self._generation = self._link.generation
        listing = api.list(source.path, source.keep, source.query, pages=source.pages)
        self._link.worked()
        if isinstance(listing, Listing):
            self._board.put(source.key, listing.objects)
            self._delay = 0.0
            return listing.version
        self._refused(listing)
        return ""

    def _refused(self, gap: Gap) -> None:
        self._board.put(self._source.key, gap)
        if isinstance(gap, Denied | Missing):
            self._wait(_SECOND_LOOK)
        else:
            self._pause()

    def _watch(self, version: str) -> str:
        """Follow changes after `version`; return where to go on, empty when everything must be read anew."""
        api = self._link.api()
        if self._link.generation != self._generation:
            return ""
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311 - spread, not secrecy
        query = {**self._source.query, "resourceVersion": version}
        begun = time.monotonic()
        stream = self._stream = api.watch(self._source.path, query, seconds=seconds, silence=SILENCE)
        self._link.worked()
        if self._stopping.is_set():
            stream.close()
            return ""
        if stream.status != 200:
            refused = stream.gap()
            stream.close()
            if stream.status != 410:
                self._refused(refused)
            return ""
        try:
            for event in stream.events():
                version = self._take(event)
                if not version:
                    return ""
        except Unreachable:
            # Broken or silent: whether the server is there is found out by opening it anew.
            pass
        finally:
            self._stream = None
        if time.monotonic() - begun < 1.0:
            # A server that ends watches at once is not asked again without pause.
            self._pause()
        else:
            self._delay = 0.0
        return version

    def _take(self, event: Object) -> str:
        """Carry out one event; return its version, empty when everything must be read anew."""
        kind, obj = event.get("type"), event.get("object") or {}
        version = str((obj.get("metadata") or {}).get("resourceVersion") or "")
        if kind in ("ADDED", "MODIFIED"):
            kept = self._source.keep(obj)
            self._board.change(self._source.key, obj if kept is None else kept, gone=kept is None)
        elif kind == "DELETED":
            self._board.change(self._source.key, obj, gone=True)
        elif kind != "BOOKMARK":
            # An error: 410 when the version is too old, anything else as a surprise.
            if obj.get("code") != 410:
                self._pause()
            return ""
        self._link.heard = time.time()
        return version

    def _pause(self) -> None:
        """Wait before the next attempt, longer each time, but only until the server answers again."""
        self._delay = min(_SLOWEST, max(0.5, self._delay * 2))
        self._wait(self._delay * random.uniform(0.8, 1.2))  # noqa: S311

    def _wait(self, seconds: float) -> None:
        wait_for(self._stopping, seconds, until=self._revival())

    def _revival(self) -> Callable[[], bool]:
        seen = self._link.revived
        return lambda: self._link.revived != seen


def wait_for(stopping: threading.Event, seconds: float, *, until: Callable[[], bool]) -> None:
    """Wait `seconds`, or until `stopping` is set or `until` says so (asked four times a second)."""
    end = time.monotonic() + seconds
    while not until() and (left := end - time.monotonic()) > 0:
        if stopping.wait(min(0.25, left)):
            return
