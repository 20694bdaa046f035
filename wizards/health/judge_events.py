"""Group warning events, and judge aggregated APIs."""

from __future__ import annotations

from typing import Final

from wizards.health.judge_pods import condition_of
from wizards.health.model import ApiHealth, WarningGroup
from wizards.health.snapshot import Object, Snapshot, items
from wizards.health.state import State, epoch

HOUR: Final = 3600.0


def group_warnings(snapshot: Snapshot) -> tuple[WarningGroup, ...]:
    """Group the warnings of the last hour by reason and kind of object, the latest first."""
    groups: dict[tuple[str, str], list[Object]] = {}
    for event in items(snapshot.events):
        if event.get("type", "Warning") == "Warning" and seen(event)[1] > snapshot.now - HOUR:
            about = event.get("involvedObject") or {}
            groups.setdefault((event.get("reason") or "", about.get("kind") or ""), []).append(event)
    found = [_group(reason, kind, events) for (reason, kind), events in groups.items()]
    return tuple(sorted(found, key=lambda group: (-group.last, group.reason, group.kind)))


def seen(event: Object) -> tuple[float, float]:
    """Return when an event was first and last reported; 0 where it does not say.

    Two generations of fields carry that: ``firstTimestamp``, ``lastTimestamp`` and ``count``; or
    ``eventTime`` and ``series``.
    """
    series = event.get("series") or {}
    born = epoch(event["metadata"].get("creationTimestamp"))
    first = epoch(event.get("firstTimestamp")) or epoch(event.get("eventTime")) or born or 0.0
    last = epoch(series.get("lastObservedTime")) or epoch(event.get("lastTimestamp")) or first
    return first, max(first, last)


def said_about(snapshot: Snapshot, kind: str, namespace: str, name: str) -> str:
    """Return the message of the latest warning about one object, on one line; empty when there is none."""
    told = [
        event
        for event in items(snapshot.events)
        for about in (event.get("involvedObject") or {},)
        if (about.get("kind"), about.get("namespace") or "", about.get("name")) == (kind, namespace, name)
    ]
    return _message(max(told, key=lambda event: seen(event)[1])) if told else ""


def _message(event: Object) -> str:
    return " ".join(str(event.get("message") or event.get("reason") or "").split())


def _times(event: Object) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def _group(reason: str, kind: str, events: list[Object]) -> WarningGroup:
    latest = max(events, key=lambda event: seen(event)[1])
    about = [event.get("involvedObject") or {} for event in events]
    objects = {(item.get("namespace"), item.get("name")) for item in about}
    last_about = latest.get("involvedObject") or {}
    return WarningGroup(
        reason=reason,
        kind=kind,
        count=sum(map(_times, events)),
        objects=len(objects),
        example="/".join(part for part in (last_about.get("namespace"), last_about.get("name")) if part),
        message=_message(latest),
        first=min(seen(event)[0] for event in events),
        last=seen(latest)[1],
    )


def judge_apis(snapshot: Snapshot) -> tuple[ApiHealth, ...]:
    """Return the aggregated APIs that do not answer."""
    found = []
    for item in items(snapshot.apis):
        service = (item.get("spec") or {}).get("service")
        condition = condition_of(item, "Available")
        if not service or condition is None or condition.get("status") == "True":
            continue
        found.append(
            ApiHealth(
                name=item["metadata"]["name"],
                state=State.DEGRADED,
                service=f"{service.get('namespace', '')}/{service.get('name', '')}",
                reason=" ".join(str(condition.get("message") or condition.get("reason") or "").split()),
                since=epoch(condition.get("lastTransitionTime")),
            )
        )
    return tuple(sorted(found, key=lambda api: api.name))
