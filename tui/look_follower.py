"""Follows a look off the application's thread: one thread reads the journal, one judges what is known."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from wizards.provision.events import Event
from wizards.provision.looking import Looking, LookView

Source = Callable[[threading.Event], Iterator[list[Event]]]
"""Gives a run's events from the first on, in batches, until it ends or the stop event is set."""

_PAUSE = 0.3  # seconds between two judgements: three a second are as many as anybody reads
_SHARE = 4  # a judgement that takes long waits this many times as long for the next


class LookFollower:
    """Gives `seen` a new view whenever more is known, and `broken` what went wrong in judging.

    Both are called on a thread of the follower's own.
    """

    def __init__(
        self, looking: Looking, seen: Callable[[LookView], None], broken: Callable[[Exception], None]
    ) -> None:
        self.looking = looking
        self._seen = seen
        self._broken = broken
        self._began = time.monotonic()
        self._gone = threading.Event()
        self._dirty = threading.Event()

    @property
    def seconds(self) -> float:
        """Seconds since the look began."""
        return time.monotonic() - self._began

    def start(self) -> None:
        """Judge what is known now, and from then on whatever is added."""
        self._dirty.set()
        threading.Thread(target=self._judge, name="look-judge", daemon=True).start()

    def end(self) -> None:
        """Tell the threads to end."""
        self._gone.set()
        self._dirty.set()

    def follow(self, source: Source, hosts: tuple[str, ...] = ()) -> None:
        """Follow a look at `hosts`, or at all nodes."""
        self.looking.begin(hosts)
        self._began = time.monotonic()
        self._dirty.set()
        threading.Thread(target=self._read, args=(source,), name="look-reader", daemon=True).start()

    def judge_again(self) -> None:
        """Judge what is known once more, after something was accepted."""
        self._dirty.set()

    def _read(self, source: Source) -> None:
        try:
            for batch in source(self._gone):
                if self._gone.is_set():
                    return
                self.looking.feed(batch)
                self._dirty.set()
        except (OSError, ValueError) as error:
            self.looking.fail(str(error))
            self._dirty.set()

    def _judge(self) -> None:
        while True:
            self._dirty.wait()
            self._dirty.clear()
            if self._gone.is_set():
                return
            began = time.monotonic()
            try:
                view = self.looking.view()
            except Exception as error:  # on a thread it would vanish without a word
                self._broken(error)
                return
            self._seen(view)
            self._gone.wait(max(_PAUSE, _SHARE * (time.monotonic() - began)))
