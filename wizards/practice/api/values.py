"""Small helpers for the JSON values that every Kubernetes object is made of."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
"""A JSON object as the standard library reads it."""

_SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def clone(value: Any) -> Any:
    """Copy a JSON value all the way down (several times faster than copy.deepcopy)."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone(item) for item in value]
    return value


def dig(value: Any, *path: str) -> Any:
    """Follow keys into nested objects; None where the way ends."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def timestamp(moment: datetime | None = None) -> str:
    """A `metav1.Time`: RFC 3339 in UTC with whole seconds. Now, unless told otherwise."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(moment: datetime | None = None) -> str:
    """A `metav1.MicroTime`, as leases and new events carry."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def random_suffix(length: int = 5) -> str:
    """The random end of a generated name; the API server's alphabet, which can spell no word."""
    return "".join(secrets.choice(_SAFE_LETTERS) for _ in range(length))


def condition(kind: str, status: str, reason: str, message: str = "", **more: Any) -> Json:
    """One entry of `status.conditions`, with its transition time set to now."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(),
        **more,
    }


def find_condition(obj: Json, kind: str) -> Json | None:
    """The condition of that type in `status.conditions`, or None."""
    for item in dig(obj, "status", "conditions") or ():
        if isinstance(item, dict) and item.get("type") == kind:
            return item
    return None


def set_condition(status: Json, new: Json) -> None:
    """Put a condition into a status; the transition time moves only when its status changes.

    Args:
        status: The status object, changed in place.
        new: A condition made by `condition`.
    """
    conditions: list[Json] = status.setdefault("conditions", [])
    for index, old in enumerate(conditions):
        if old.get("type") == new["type"]:
            if old.get("status") == new["status"]:
                new = {**new, "lastTransitionTime": old.get("lastTransitionTime", new["lastTransitionTime"])}
            conditions[index] = {**old, **new}
            return
    conditions.append(new)


def is_true(obj: Json, kind: str) -> bool:
    """Whether the object's condition of that type is `True`."""
    found = find_condition(obj, kind)
    return found is not None and found.get("status") == "True"
