"""Events: what happened to an object, said for a person."""

from __future__ import annotations

import secrets

from wizards.practice.api.store import Store
from wizards.practice.api.tables import Entry, Key
from wizards.practice.api.values import Json, clone, timestamp

MOST_EVENTS = 2000
"""The oldest events go when there are more; a real server forgets them after an hour."""


class Recorder:
    """Notes events in a store. The same event again only counts up, as in the real recorder."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, str, str], Key] = {}

    def record(
        self,
        obj: Json,
        reason: str,
        message: str,
        *,
        warning: bool = False,
        component: str = "practice",
        host: str = "",
    ) -> None:
        """Note an event on an object; nothing happens where its namespace is gone or going.

        Args:
            obj: The object that it is about, with kind, apiVersion and metadata.
            reason: One word, such as `FailedScheduling`.
            message: The sentence.
            warning: Whether its type is Warning.
            component: Who says it.
            host: The node on which it happened.
        """
        metadata = obj["metadata"]
        namespace = metadata.get("namespace") or "default"
        home = self._store.tables.get(("", "namespaces"), ("", namespace))
        if home is None or home.obj["metadata"].get("deletionTimestamp"):
            return
        identity = (metadata.get("uid", ""), reason, message)
        known = self._recall(identity)
        if known is not None:
            again = clone(known.obj)
            again.update(count=again.get("count", 1) + 1, lastTimestamp=timestamp())
            self._store.tables.put(("", "events"), again)
            return
        self._forget_oldest()
        event = _event(obj, namespace, reason, message, warning=warning, component=component, host=host)
        self._store.add(event)
        self._known[identity] = (namespace, event["metadata"]["name"])

    def _recall(self, identity: tuple[str, str, str]) -> Entry | None:
        key = self._known.get(identity)
        return self._store.tables.get(("", "events"), key) if key else None

    def _forget_oldest(self) -> None:
        rows = self._store.tables.table(("", "events")).rows
        if len(rows) < MOST_EVENTS:
            return
        for entry in sorted(rows.values(), key=lambda entry: entry.rv)[: MOST_EVENTS // 10]:
            self._store.tables.remove(("", "events"), entry.key)
        self._known = {identity: key for identity, key in self._known.items() if key in rows}


def _event(
    obj: Json, namespace: str, reason: str, message: str, *, warning: bool, component: str, host: str
) -> Json:
    metadata = obj["metadata"]
    now = timestamp()
    about = {
        "kind": obj["kind"],
        "namespace": metadata.get("namespace"),
        "name": metadata["name"],
        "uid": metadata.get("uid"),
        "apiVersion": obj["apiVersion"],
        "resourceVersion": metadata.get("resourceVersion"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(8)}", "namespace": namespace},
        "involvedObject": {key: value for key, value in about.items() if value},
        "reason": reason,
        "message": message,
        "type": "Warning" if warning else "Normal",
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": component, **({"host": host} if host else {})},
        "reportingComponent": component,
        "reportingInstance": host,
    }
