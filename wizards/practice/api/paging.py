"""Lists in pages: a consistent snapshot under an opaque continue token."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections import OrderedDict
from dataclasses import dataclass

from wizards.practice.api.errors import ApiError, bad_request, expired
from wizards.practice.api.resources import Storage
from wizards.practice.api.selectors import Filter
from wizards.practice.api.tables import Entry, Key, Tables

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new "
    "list without the continue parameter, or use the continue token in this response to retrieve the "
    "remainder of the results. Continuing with the provided token results in an inconsistent list - objects "
    "that were created, modified, or deleted between the time the first chunk was returned and now may show "
    "up in the list."
)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Attributes:
        entries: The objects of this page.
        rv: The version of which the whole list is a picture.
        token: What to pass as `continue` for the next page; empty at the end.
        remaining: How many objects follow; None when that is unknown.
    """

    entries: list[Entry]
    rv: int
    token: str = ""
    remaining: int | None = None


class Pager:
    """Remembers the snapshots that unfinished lists read from.

    A snapshot holds references to entries that are never changed, so it costs little; the oldest
    are forgotten after `keep` seconds (etcd compacts after 300) or when there are more than `most`.
    """

    def __init__(self, tables: Tables, *, keep: float = 300.0, most: int = 32) -> None:
        self.keep = keep
        self.most = most
        self._tables = tables
        self._snapshots: OrderedDict[tuple[Storage, str | None, int], tuple[float, list[Entry]]] = (
            OrderedDict()
        )

    def forget(self) -> None:
        """Drop all snapshots, as a compaction of etcd does: tokens given out are expired then."""
        self._snapshots.clear()

    def page(self, storage: Storage, wanted: Filter, *, limit: int = 0, token: str = "") -> Page:
        """One page of a list.

        Args:
            storage: Which objects.
            wanted: Namespace and selectors.
            limit: The most objects to return; 0 for all.
            token: The continue token of the page before; empty for the first page.

        Raises:
            ApiError: 410 when the snapshot of the token is gone, 400 when it is no token.
        """
        if not token:
            rv, entries = self._tables.rv, self._tables.table(storage).ordered(wanted.namespace)
            return self._cut(storage, entries, rv, wanted, limit)
        rv, start = _read_token(token)
        if rv < 0:
            rv, entries = self._tables.rv, self._tables.table(storage).ordered(wanted.namespace)
        else:
            entries = self._recall(storage, wanted.namespace, rv, start)
        return self._cut(storage, [entry for entry in entries if entry.key >= start], rv, wanted, limit)

    def _recall(self, storage: Storage, namespace: str | None, rv: int, start: Key) -> list[Entry]:
        self._expire()
        found = self._snapshots.get((storage, namespace, rv))
        if found is None:
            raise expired(_EXPIRED, continue_token=_token(-1, start))
        return found[1]

    def _expire(self) -> None:
        while self._snapshots:
            key, (made, _) = next(iter(self._snapshots.items()))
            if time.monotonic() - made < self.keep and len(self._snapshots) <= self.most:
                return
            del self._snapshots[key]

    def _cut(self, storage: Storage, entries: list[Entry], rv: int, wanted: Filter, limit: int) -> Page:
        if not wanted.selective:
            chosen, rest = (entries[:limit], entries[limit:]) if limit else (entries, [])
        else:
            chosen, rest = _take(entries, wanted, limit)
        if not rest:
            return Page(chosen, rv)
        self._snapshots.setdefault((storage, wanted.namespace, rv), (time.monotonic(), entries))
        self._expire()
        remaining = None if wanted.selective else len(rest)
        return Page(chosen, rv, _token(rv, rest[0].key), remaining)


def _take(entries: list[Entry], wanted: Filter, limit: int) -> tuple[list[Entry], list[Entry]]:
    chosen: list[Entry] = []
    for index, entry in enumerate(entries):
        if not wanted.matches(entry.obj):
            continue
        if limit and len(chosen) == limit:
            return chosen, entries[index:]
        chosen.append(entry)
    return chosen, []


def _token(rv: int, start: Key) -> str:
    document = json.dumps({"v": "meta.k8s.io/v1", "rv": rv, "start": "/".join(start)})
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, Key]:
    try:
        document = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = document["start"].partition("/")
        return int(document["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise bad_request("continue key is not valid: " + str(error)) from error


def check_version(requested: str, match: str, current: int, *, limited: bool) -> None:
    """Judge the resourceVersion and resourceVersionMatch of a list that starts anew.

    Raises:
        ApiError: 400 for what is no version, 410 for an exact version that is gone, 504 for one from
            the future.
    """
    if not requested:
        return
    if not requested.isdigit():
        raise bad_request(f"resourceVersion: Invalid value: {requested!r}: must be a non-negative integer")
    version = int(requested)
    if version > current:
        message = f"Too large resource version: {version}, current: {current}"
        details = {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": message}],
            "retryAfterSeconds": 1,
        }
        raise ApiError(504, "Timeout", f"Timeout: {message}", details=details)
    exact = match == "Exact" or (not match and limited and version != 0)
    if exact and version != current:
        raise expired(f"The resourceVersion for the provided list is too old ({version}, {current}).")
