"""Where the objects lie: tables, one counter of versions, a bounded history, and indices.

Nothing here knows rules about objects; those are in `store`. A stored object is never changed in
place: every write stores a new one, so whoever holds an old one (a list in pages, a watch that
lags behind) can still read it.
"""

from __future__ import annotations

import asyncio
import bisect
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from wizards.practice.api.resources import Storage
from wizards.practice.api.values import Json, dig

Key = tuple[str, str]
"""Namespace (empty for cluster-wide objects) and name."""

Place = tuple[Storage, Key]

_T = TypeVar("_T")

HISTORY = 4096
"""How many changes of one resource can be watched from the past."""


class Entry:
    """One version of one object, with its JSON text once somebody has asked for it."""

    __slots__ = ("_bare", "key", "obj", "rv")

    def __init__(self, key: Key, rv: int, obj: Json) -> None:
        self.key = key
        self.rv = rv
        self.obj = obj
        self._bare: bytes | None = None

    @property
    def bare(self) -> bytes:
        """The JSON text without kind and apiVersion, as items of a typed list are written."""
        if self._bare is None:
            body = {name: value for name, value in self.obj.items() if name not in {"kind", "apiVersion"}}
            self._bare = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        return self._bare

    def full(self, api_version: str, kind: str) -> bytes:
        """The JSON text with kind and apiVersion."""
        return f'{{"kind":"{kind}","apiVersion":"{api_version}",'.encode() + self.bare[1:]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object: it was added, modified or deleted."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    storage: Storage
    entry: Entry
    previous: Entry | None

    @property
    def rv(self) -> int:
        """The version at which it happened."""
        return self.entry.rv


class Table:
    """The objects of one resource, the history of their changes, and who waits for the next one."""

    def __init__(self, floor: int) -> None:
        self.rows: dict[Key, Entry] = {}
        self.history: deque[Change] = deque(maxlen=HISTORY)
        self.floor = floor
        self._order: list[Key] | None = None
        self._waiting: set[asyncio.Event] = set()

    def ordered(self, namespace: str | None) -> list[Entry]:
        """The entries in the order of etcd keys: by namespace, then name."""
        if self._order is None:
            self._order = sorted(self.rows)
        keys = self._order
        if namespace is not None:
            first = bisect.bisect_left(keys, (namespace, ""))
            keys = keys[first : bisect.bisect_left(keys, (namespace + "\0", ""))]
        return [self.rows[key] for key in keys]

    def record(self, change: Change) -> None:
        """Carry a change out, remember it, and wake those who wait."""
        key = change.entry.key
        if change.type == "DELETED":
            del self.rows[key]
        else:
            self.rows[key] = change.entry
        if change.type != "MODIFIED":
            self._order = None
        if len(self.history) == HISTORY:
            self.floor = self.history[0].rv
        self.history.append(change)
        for event in self._waiting:
            event.set()

    def since(self, rv: int) -> list[Change] | None:
        """The changes after a version, oldest first; None when some of them are forgotten."""
        if rv < self.floor:
            return None
        found: list[Change] = []
        for change in reversed(self.history):
            if change.rv <= rv:
                break
            found.append(change)
        found.reverse()
        return found

    def attach(self, event: asyncio.Event) -> None:
        """Set this event at every change from now on."""
        self._waiting.add(event)

    def detach(self, event: asyncio.Event) -> None:
        """Stop setting it."""
        self._waiting.discard(event)

    @property
    def watchers(self) -> int:
        """How many events are attached."""
        return len(self._waiting)


class Tables:
    """All tables, the one version counter, and the indices that controllers need."""

    def __init__(self) -> None:
        self.rv = 1
        self._floor = 0
        self._tables: dict[Storage, Table] = {}
        self._by_uid: dict[str, Place] = {}
        self._by_owner: dict[str, set[Place]] = {}
        self._by_node: dict[str, set[Key]] = {}
        self._listeners: list[Callable[[Change], None]] = []

    def table(self, storage: Storage) -> Table:
        """The table of a resource; an empty one where nothing was ever stored."""
        found = self._tables.get(storage)
        if found is None:
            found = self._tables[storage] = Table(self._floor)
        return found

    def get(self, storage: Storage, key: Key) -> Entry | None:
        """One entry, or None."""
        return self.table(storage).rows.get(key)

    def put(self, storage: Storage, obj: Json) -> Entry:
        """Store an object, new or not, under the next version. The object belongs to the table then."""
        metadata = obj["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        self.rv += 1
        metadata["resourceVersion"] = str(self.rv)
        previous = self.get(storage, key)
        entry = Entry(key, self.rv, obj)
        self._commit(Change("MODIFIED" if previous else "ADDED", storage, entry, previous))
        return entry

    def remove(self, storage: Storage, key: Key) -> Entry:
        """Take an object out; the entry returned is its last state, at the version of the removal."""
        previous = self.table(storage).rows[key]
        self.rv += 1
        last = {**previous.obj, "metadata": {**previous.obj["metadata"], "resourceVersion": str(self.rv)}}
        entry = Entry(key, self.rv, last)
        self._commit(Change("DELETED", storage, entry, previous))
        return entry

    def _commit(self, change: Change) -> None:
        if change.previous is not None:
            self._index(change.storage, change.previous, add=False)
        if change.type != "DELETED":
            self._index(change.storage, change.entry, add=True)
        self.table(change.storage).record(change)
        for listener in self._listeners:
            listener(change)

    def _index(self, storage: Storage, entry: Entry, *, add: bool) -> None:
        metadata = entry.obj["metadata"]
        place = (storage, entry.key)
        if add:
            self._by_uid[metadata["uid"]] = place
        else:
            self._by_uid.pop(metadata["uid"], None)
        for owner in metadata.get("ownerReferences") or ():
            _alter(self._by_owner, owner.get("uid", ""), place, add=add)
        if storage == ("", "pods"):
            _alter(self._by_node, dig(entry.obj, "spec", "nodeName") or "", entry.key, add=add)

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call a function after every change, in order, before the write returns."""
        self._listeners.append(listener)

    def by_uid(self, uid: str) -> Entry | None:
        """The object with that uid, or None."""
        place = self._by_uid.get(uid)
        return self.get(*place) if place else None

    def dependents(self, uid: str) -> list[Place]:
        """Where the objects lie that name this uid as an owner, in a stable order."""
        return sorted(self._by_owner.get(uid, ()))

    def pods_on(self, node: str) -> list[Key]:
        """The pods bound to a node; the empty name gives those that are bound to none."""
        return sorted(self._by_node.get(node, ()))

    def count_on(self, node: str) -> int:
        """How many pods are bound to a node."""
        return len(self._by_node.get(node, ()))

    def everything(self) -> Iterator[tuple[Storage, Entry]]:
        """All entries of all tables."""
        for storage, table in self._tables.items():
            for entry in list(table.rows.values()):
                yield storage, entry

    def restore(self, rv: int, objects: list[tuple[Storage, Json]]) -> None:
        """Fill empty tables with saved objects; nobody can watch from before that point.

        Args:
            rv: The version counter to go on from.
            objects: Each object with its table.
        """
        self.rv = self._floor = rv
        for storage, obj in objects:
            metadata = obj["metadata"]
            entry = Entry(
                (metadata.get("namespace", ""), metadata["name"]), int(metadata["resourceVersion"]), obj
            )
            self.table(storage).rows[entry.key] = entry
            self._index(storage, entry, add=True)


def _alter(index: dict[str, set[_T]], name: str, member: _T, *, add: bool) -> None:
    if add:
        index.setdefault(name, set()).add(member)
    elif name in index:
        index[name].discard(member)
        if not index[name]:
            del index[name]
