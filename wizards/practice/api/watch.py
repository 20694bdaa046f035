"""Watches: the changes of a resource as they happen, one JSON document a line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from wizards.practice.api.errors import ApiError, bad_request, expired
from wizards.practice.api.resources import ResourceType
from wizards.practice.api.selectors import Filter
from wizards.practice.api.tables import Change, Entry, Tables
from wizards.practice.api.values import Json

BOOKMARK_SECONDS = 60.0
"""How often a quiet watch is told the present version, as in kube-apiserver."""

_INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What a client asks of a watch.

    Attributes:
        rv: Show the changes after this version; None to begin now.
        initial: Begin with the objects that exist, as ADDED events.
        mark_initial_end: Say by a bookmark when these have been sent.
        bookmarks: Send bookmarks.
        timeout: Seconds after which the server ends the watch.
        wanted: Namespace and selectors.
    """

    rv: int | None
    initial: bool
    mark_initial_end: bool
    bookmarks: bool
    timeout: float
    wanted: Filter


def read_options(query: dict[str, str], wanted: Filter, tables: Tables, timeout: float) -> WatchOptions:
    """Read the query of a watch request.

    Args:
        query: The URL's parameters.
        wanted: Namespace and selectors, already read.
        tables: For the present version.
        timeout: Seconds to watch when the client names none.

    Raises:
        ApiError: 400 or 422 when the parameters contradict each other, 504 for a version of the future.
    """
    version, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    asked = query.get("sendInitialEvents")
    _check_combination(asked, match)
    if version and not version.isdigit():
        raise bad_request(f"Invalid value: {version!r}: resourceVersion must be a number")
    if version and int(version) > tables.rv:
        message = f"Timeout: Too large resource version: {version}, current: {tables.rv}"
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        raise ApiError(504, "Timeout", message, details={"causes": [cause], "retryAfterSeconds": 1})
    from_now = version in {"", "0"}
    initial = asked == "true" or (asked is None and from_now)
    return WatchOptions(
        rv=None if from_now or initial else int(version),
        initial=initial,
        mark_initial_end=asked == "true",
        bookmarks=query.get("allowWatchBookmarks", "") in {"true", "True", "1"},
        timeout=_seconds(query.get("timeoutSeconds", "")) or timeout,
        wanted=wanted,
    )


def _seconds(text: str) -> float:
    if text and not text.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return float(text or 0)


def _check_combination(asked: str | None, match: str) -> None:
    if asked is not None and match != "NotOlderThan":
        why = (
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch "
            "to NotOlderThan"
        )
    elif asked is None and match:
        why = (
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless "
            "sendInitialEvents is provided"
        )
    else:
        return
    details = {"group": "meta.k8s.io", "kind": "ListOptions"}
    raise ApiError(422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: {why}', details=details)


class Watch:
    """One client's view on the changes of one resource.

    It reads from the table's bounded history, so that a client that does not keep up costs no
    memory: it is told 410 when it has fallen too far behind.
    """

    def __init__(
        self, tables: Tables, rtype: ResourceType, options: WatchOptions, render: Callable[[Entry], bytes]
    ) -> None:
        self._tables = tables
        self._table = tables.table(rtype.storage)
        self._rtype = rtype
        self._options = options
        self._render = render
        self._last = tables.rv if options.rv is None else options.rv

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines to send, several at a time where several are due, until the time is over."""
        wake = asyncio.Event()
        self._table.attach(wake)
        try:
            if self._options.initial:
                self._last = self._tables.rv
                yield self._initial()
            deadline = time.monotonic() + self._options.timeout
            mark = time.monotonic() + BOOKMARK_SECONDS
            while True:
                wake.clear()
                changes = self._table.since(self._last)
                if changes is None:
                    yield self._too_old()
                    return
                self._last = self._tables.rv
                found = b"".join(line for change in changes if (line := self._translate(change)))
                if found:
                    yield found
                now = time.monotonic()
                if now >= deadline or now >= mark:
                    if self._options.bookmarks:
                        yield self._bookmark()
                    if now >= deadline:
                        return
                    mark = now + BOOKMARK_SECONDS
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(min(deadline, mark) - now, 0)):
                        await wake.wait()
        finally:
            self._table.detach(wake)

    def _initial(self) -> bytes:
        found = [
            self._line("ADDED", entry)
            for entry in self._table.ordered(self._options.wanted.namespace)
            if self._options.wanted.matches(entry.obj)
        ]
        if self._options.mark_initial_end and self._options.bookmarks:
            found.append(self._bookmark(initial_end=True))
        return b"".join(found)

    def _translate(self, change: Change) -> bytes | None:
        """A change as it looks through the selectors: an object may come into view or leave it."""
        wanted = self._options.wanted
        before = change.previous is not None and wanted.matches(change.previous.obj)
        if change.type == "DELETED":
            return self._line("DELETED", change.entry) if before else None
        now = wanted.matches(change.entry.obj)
        if now:
            return self._line("MODIFIED" if before else "ADDED", change.entry)
        if not before or change.previous is None:
            return None
        old = change.previous.obj
        metadata = {**old["metadata"], "resourceVersion": str(change.rv)}
        return self._line("DELETED", Entry(change.entry.key, change.rv, {**old, "metadata": metadata}))

    def _line(self, kind: str, entry: Entry) -> bytes:
        return b'{"type":"' + kind.encode() + b'","object":' + self._render(entry) + b"}\n"

    def _bookmark(self, *, initial_end: bool = False) -> bytes:
        metadata: Json = {"resourceVersion": str(self._last), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {_INITIAL_END: "true"}
        obj = {"kind": self._rtype.kind, "apiVersion": self._rtype.api_version, "metadata": metadata}
        return json.dumps({"type": "BOOKMARK", "object": obj}, separators=(",", ":")).encode() + b"\n"

    def _too_old(self) -> bytes:
        error = expired(f"too old resource version: {self._last} ({self._table.floor})")
        return json.dumps({"type": "ERROR", "object": error.status()}, separators=(",", ":")).encode() + b"\n"
