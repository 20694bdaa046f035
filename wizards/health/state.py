"""The words for how something is, and times as Kubernetes writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """How something is. `worst` orders them.

    `HEALTHY` works. `PROGRESSING` is on its way and needs only time. `DEGRADED` works with something missing.
    `BROKEN` does not work. `MISSING` was chosen and is not there. `UNKNOWN` could not be looked at, which is
    no fault of the cluster.
    """

    HEALTHY = "healthy"
    PROGRESSING = "progressing"
    DEGRADED = "degraded"
    BROKEN = "broken"
    MISSING = "missing"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """Weight for sorting: the larger, the worse."""
        return _RANKS[self]


_RANKS: Final = {
    State.HEALTHY: 0,
    State.UNKNOWN: 1,
    State.PROGRESSING: 2,
    State.DEGRADED: 3,
    State.MISSING: 4,
    State.BROKEN: 5,
}


def worst(*states: State) -> State:
    """Return the worst of `states`; healthy when there is none."""
    return max(states, key=lambda state: state.rank, default=State.HEALTHY)


def iso(at: float) -> str:
    """Return `at` as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(text: object) -> float | None:
    """Return a Kubernetes timestamp (RFC 3339) as seconds since the epoch; None when it is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
