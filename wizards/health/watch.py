"""Watch a cluster's health: called back when it changes, and every few seconds so that its age is known."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from wizards.health.client import Api
from wizards.health.follow import Board, Follower, Link
from wizards.health.judge import judge
from wizards.health.judge_workloads import is_settled
from wizards.health.kubeconfig import HealthError
from wizards.health.model import Health
from wizards.health.reader import read_part, read_readyz
from wizards.health.snapshot import Gap, NotYet, Readyz, Snapshot, items
from wizards.health.sources import LEASES, Source, assemble, pods_of, sources, version_of
from wizards.health.state import State
from wizards.setup.spec import ClusterSpec

HEARTBEAT: Final = 5.0
"""Seconds after which health is told again, unchanged, so that its age can be shown."""
_RARE: Final = 0.25
"""Seconds between two calls at least."""
_FIRST: Final = 1.0
"""Seconds for which the first call waits for everything to be read."""
_POLL: Final = 10.0
"""Seconds after which what is not watched is read again."""
_POLL_SICK: Final = 3.0
"""The same while not all is healthy: somebody is waiting for it to become so."""
_LEASES: Final = 30.0
"""The same for heartbeats, where there are many nodes: at 5,000 nodes they are 500 changes a second."""
_MANY_NODES: Final = 200
_PODS: Final = 5.0
"""The same for the pods of workloads that are not ready."""
_SHARE: Final = 20
"""Reading again takes at most one part in so many of the time."""

_log = logging.getLogger(__name__)
# Without a handler of its own, Python would print its complaints over the screen.
_log.addHandler(logging.NullHandler())


class HealthWatcher:
    """Follows a cluster in threads of its own and tells its health.

    Nodes, workloads, their pods, Services and events are watched, so that a change is told as soon as the API
    server reports it; the rest is read again every ten seconds. A lost connection is made anew by itself;
    until then the last known health is told with `Health.unreachable` and its growing age. The kubeconfig is
    read again when it changes, or when its credentials are refused.

    `on_health` is called in one of these threads, one call at a time, at most four times a second, when
    something changed and otherwise every five seconds. What it raises is logged and otherwise ignored.
    """

    def __init__(
        self, kubeconfig: Path, spec: ClusterSpec | None, on_health: Callable[[Health], None]
    ) -> None:
        """Prepare to watch; `start` begins.

        Args:
            kubeconfig: How to reach the cluster. It need not exist yet.
            spec: The answers it was made from; without them the components that are found are judged.
            on_health: Takes each new health.
        """
        self._spec = spec
        self._on_health = on_health
        self._stopping = threading.Event()
        self._link = Link(kubeconfig)
        self._board = Board()
        wanted = sources(spec)
        self._followers = [
            Follower(source, self._link, self._board, self._stopping) for source in wanted if source.watched
        ]
        self._poller = _Poller(
            [source for source in wanted if not source.watched],
            self._link,
            self._board,
            self._stopping,
            self._wake_followers,
        )
        self._teller = threading.Thread(target=self._tell, name="health-teller", daemon=True)

    def start(self) -> Self:
        """Begin; the first call comes within about a second."""
        for thread in (*self._followers, self._poller, self._teller):
            thread.start()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End within two seconds; `on_health` is not called any more once this returns.

        The exception is a call that is under way and lasts longer. It may be called from any thread, also
        from within `on_health`, and more than once.
        """
        self._stopping.set()
        self._board.nudge()
        end = time.monotonic() + 1.5
        self._wake_followers()
        for thread in (self._teller, self._poller, *self._followers):
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))

    def _wake_followers(self) -> None:
        for follower in self._followers:
            follower.stop_waiting()

    def _tell(self) -> None:
        """Judge and call back, in a thread of its own, until stopped."""
        begun = time.monotonic()
        told: Health | None = None
        told_at = begun
        version, pause = -1, _RARE
        while not self._stopping.is_set():
            version = self._board.wait(version, max(0.05, told_at + HEARTBEAT - time.monotonic()))
            if self._link.settling:
                # What is known is from before the outage: the first green must not be an old one.
                self._stopping.wait(0.05)
                version = -1
                continue
            if not self._complete() and time.monotonic() - begun < _FIRST and not self._link.trouble:
                self._stopping.wait(0.05)
                version = -1
                continue
            before = time.monotonic()
            health = self._judged()
            due = before - told_at >= HEARTBEAT
            if health and not self._stopping.is_set() and (due or _differ(told, health)):
                self._call(health)
                told, told_at = health, before
            # Judging thousands of nodes takes a while: it may take a quarter of the time.
            pause = max(_RARE, 4 * (time.monotonic() - before))
            self._stopping.wait(pause)

    def _complete(self) -> bool:
        return not any(isinstance(part, NotYet) for part in self._board.parts().values())

    def _judged(self) -> Health | None:
        try:
            health = judge(self._snapshot(), self._spec, time.time())
        except Exception:
            _log.exception("the cluster's health could not be judged")
            return None
        self._poller.healthy = health.verdict is State.HEALTHY
        return health

    def _call(self, health: Health) -> None:
        try:
            self._on_health(health)
        except Exception:
            _log.exception("on_health failed")

    def _snapshot(self) -> Snapshot:
        link, poller = self._link, self._poller
        at = link.heard if link.trouble else time.time()
        return assemble(
            self._board.parts(),
            at=at,
            leases_at=poller.leases_at,
            skew=poller.skew,
            server=poller.server,
            unreachable=link.trouble,
            version=poller.version,
            readyz=poller.readyz,
        )


def _differ(one: Health | None, other: Health) -> bool:
    """Tell whether more than time has changed."""
    return one is None or replace(one, at=0, read_at=0, sentence="") != replace(
        other, at=0, read_at=0, sentence=""
    )


class _Poller(threading.Thread):
    """Reads again, now and then, what is not watched."""

    def __init__(
        self,
        wanted: Iterable[Source],
        link: Link,
        board: Board,
        stopping: threading.Event,
        renewed: Callable[[], None],
    ) -> None:
        super().__init__(name="health-poller", daemon=True)
        self._wanted = [source for source in wanted if source.key != LEASES.key]
        self._link = link
        self._board = board
        self._stopping = stopping
        self._renewed = renewed
        self._due = {"rest": 0.0, "leases": 0.0, "pods": 0.0}
        self._short: set[str] = set()
        self.healthy = True
        """Whether the last verdict was so; set by who judges."""
        self.version: str | Gap = NotYet()
        self.readyz: Readyz | Gap = NotYet()
        self.server = ""
        self.skew = 0.0
        self.leases_at = 0.0
        for source in (*self._wanted, LEASES):
            board.put(source.key, NotYet())

    def run(self) -> None:
        """Read what is due, until told to stop; whatever goes wrong is tried again."""
        seen, version = self._link.revived, -1
        generation = 0
        while not self._stopping.is_set():
            try:
                api = self._link.api()
                if generation and generation != self._link.generation:
                    # What is being watched may be another cluster than the kubeconfig now names.
                    self._due = dict.fromkeys(self._due, 0.0)
                    self._renewed()
                generation = self._link.generation
                self._round(api)
            except HealthError as error:
                self._link.failed(error)
                self._board.nudge()
                self._stopping.wait(2.0)
                continue
            except Exception:
                _log.exception("reading again failed")
                self._stopping.wait(2.0)
            if self._link.revived != seen:
                seen = self._link.revived
                self._due = dict.fromkeys(self._due, 0.0)
            version = self._board.wait(version, 1.0)
            self._stopping.wait(0.2)

    def _round(self, api: Api) -> None:
        if self._is_due("rest"):
            begun = time.monotonic()
            self._read_rest(api)
            self._again("rest", _POLL if self.healthy else _POLL_SICK, begun)
        if self._is_due("leases"):
            begun = time.monotonic()
            self._put(api, LEASES)
            self.leases_at = time.time() + api.skew
            many = len(items(self._board.parts().get("nodes", ()))) > _MANY_NODES
            self._again("leases", _LEASES if many else _POLL, begun)
        self._read_pods(api)

    def _is_due(self, what: str) -> bool:
        return time.monotonic() >= self._due[what]

    def _again(self, what: str, seconds: float, begun: float) -> None:
        now = time.monotonic()
        self._due[what] = now + max(seconds, _SHARE * (now - begun))

    def _put(self, api: Api, source: Source) -> None:
        if not self._stopping.is_set():
            self._board.put(source.key, read_part(api, source))

    def _read_rest(self, api: Api) -> None:
        self.version = version_of(api.read("/version"))
        self._link.worked()
        self.server, self.skew = api.server, api.skew
        self.readyz = read_readyz(api)
        self._board.nudge()
        for source in self._wanted:
            self._put(api, source)

    def _read_pods(self, api: Api) -> None:
        """Read the pods of workloads that are not ready: at once when one is new, else now and then."""
        short = {
            source.key: source
            for key, part in self._board.parts().items()
            if key.startswith("workloads/")
            for workload in items(part)
            if not is_settled(workload) and (source := pods_of(workload))
        }
        new = short.keys() - self._short
        if not new and not self._is_due("pods"):
            return
        begun = time.monotonic()
        self._board.drop("unready/", but=set(short))
        for source in short.values():
            self._put(api, source)
        self._short = set(short)
        self._again("pods", _PODS, begun)
