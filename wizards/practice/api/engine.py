"""The loop that runs the stand-in controllers: a queue without duplicates, and timers.

Controllers are plain synchronous objects: told that something changed, they look at the objects and
write what should be. The engine calls them one after the other in the server's event loop and
gives the loop back every few milliseconds.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from wizards.practice.api.errors import ApiError
from wizards.practice.api.recorder import Recorder
from wizards.practice.api.resources import Storage
from wizards.practice.api.store import Store
from wizards.practice.api.tables import Change, Entry, Key
from wizards.practice.api.values import Json

_log = logging.getLogger(__name__)

SLICE = 0.005
"""Seconds of work after which the event loop has its turn."""

LONGEST_BACKOFF = 60.0
"""Seconds between two looks at an object on which a controller fails."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take in the practice cluster, in seconds.

    Attributes:
        pod_start: Shortest and longest time from being bound to a node to running.
        pod_stop: From a deletion to the pod being gone.
        job_run: How long a pod of a Job works.
        node_register: From a Node object without status to its being Ready.
        lease_renew: How often a node's lease is renewed; the kubelet's own figure is 10.
        establish: From a CRD to its being served.
        settle: How long changes are gathered before a controller looks again.
    """

    pod_start: tuple[float, float] = (0.3, 0.6)
    pod_stop: float = 0.2
    job_run: float = 0.4
    node_register: float = 0.3
    lease_renew: float = 10.0
    establish: float = 0.05
    settle: float = 0.03

    def pod_delay(self) -> float:
        """A time that one pod takes to start."""
        return random.uniform(*self.pod_start)  # noqa: S311 - no secret hangs on it


ANY: Storage = ("*", "*")
"""In `watches`: every resource, those of CRDs too."""

Watches = Mapping[Storage, Callable[[Change], Iterable[Key]]]


class Controller:
    """One control loop.

    Attributes:
        name: For logs and as the component that events come from.
        settle: Whether changes are gathered for a moment before the controller looks.
    """

    name: ClassVar[str]
    settle: ClassVar[bool] = False

    def __init__(self, store: Store, timing: Timing, events: Recorder) -> None:
        self.store = store
        self.timing = timing
        self.events = events

    def watches(self) -> Watches:
        """For each resource of interest, which keys a change of it concerns."""
        raise NotImplementedError

    def reconcile(self, key: Key) -> float | None:
        """Bring one object to where it should be.

        Returns:
            Seconds after which to look again, or None to wait for the next change.
        """
        raise NotImplementedError


def itself(change: Change) -> Iterable[Key]:
    """The object that changed."""
    return (change.entry.key,)


def owner_keys(kind: str) -> Callable[[Change], Iterable[Key]]:
    """The owners of that kind of the object that changed."""

    def keys(change: Change) -> Iterable[Key]:
        return {(change.entry.key[0], name) for name in _owners(change.entry.obj, kind)}

    return keys


def _owners(obj: Json, kind: str) -> Iterable[str]:
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("kind") == kind and owner.get("controller"):
            yield owner["name"]


class Engine:
    """Runs controllers over one store."""

    def __init__(self, store: Store, timing: Timing) -> None:
        self._store = store
        self._timing = timing
        self._controllers: list[Controller] = []
        self._routes: dict[Storage, list[tuple[Controller, Callable[[Change], Iterable[Key]]]]] = {}
        self._queue: dict[tuple[Controller, Key], None] = {}
        self._timers: list[tuple[float, int, Controller, Key]] = []
        self._planned: dict[tuple[Controller, Key], float] = {}
        self._failures: dict[tuple[Controller, Key], int] = {}
        self._sequence = itertools.count()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        store.tables.listen(self._on_change)

    def add(self, controller: Controller) -> None:
        """Let a controller take part; it is shown all present objects."""
        self._controllers.append(controller)
        for storage, keys in controller.watches().items():
            self._routes.setdefault(storage, []).append((controller, keys))
            for place, entry in self._present(storage):
                for key in keys(Change("ADDED", place, entry, None)):
                    self._queue[controller, key] = None

    def _present(self, storage: Storage) -> list[tuple[Storage, Entry]]:
        if storage == ANY:
            return list(self._store.tables.everything())
        return [(storage, entry) for entry in self._store.entries(storage)]

    def _on_change(self, change: Change) -> None:
        for controller, keys in (*self._routes.get(change.storage, ()), *self._routes.get(ANY, ())):
            for key in keys(change):
                self.enqueue(controller, key)

    def enqueue(self, controller: Controller, key: Key, after: float = 0.0) -> None:
        """Ask for a look at an object, now or in some seconds; the earliest wish counts."""
        if controller.settle:
            after = max(after, self._timing.settle)
        if after <= 0:
            self._queue[controller, key] = None
        else:
            due = time.monotonic() + after
            if self._planned.get((controller, key), due + 1) <= due:
                return
            self._planned[controller, key] = due
            heapq.heappush(self._timers, (due, next(self._sequence), controller, key))
        self._wake.set()

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="practice-controllers")

    async def stop(self) -> None:
        """End, and wait for the end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            self._ring()
            if not self._queue:
                await self._sleep()
                continue
            deadline = time.monotonic() + SLICE
            while self._queue and time.monotonic() < deadline:
                controller, key = next(iter(self._queue))
                del self._queue[controller, key]
                self._look(controller, key)
            await asyncio.sleep(0)

    def _ring(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            due, _, controller, key = heapq.heappop(self._timers)
            if self._planned.get((controller, key)) == due:
                del self._planned[controller, key]
                self._queue[controller, key] = None

    async def _sleep(self) -> None:
        self._wake.clear()
        pause = self._timers[0][0] - time.monotonic() if self._timers else None
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _look(self, controller: Controller, key: Key) -> None:
        try:
            again = controller.reconcile(key)
        except ApiError as error:  # the object went or changed meanwhile
            _log.debug("%s %s: %s", controller.name, key, error)
            again = None if error.code == 404 else 0.1
        except Exception:
            failures = self._failures[controller, key] = self._failures.get((controller, key), 0) + 1
            _log.exception("practice controller %s failed on %s", controller.name, key)
            again = min(2.0**failures, LONGEST_BACKOFF)
        else:
            self._failures.pop((controller, key), None)
        if again is not None:
            self.enqueue(controller, key, max(again, 0.001))
