"""How far a run is and how long it still takes.

What a stage takes is expected from earlier runs of the same cluster, else from the baseline that Slipway
ships; while the run goes on it is corrected by what it really does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wizards.provision.events import StageFinished, StageStarted, StageStatus, decode

if TYPE_CHECKING:
    from wizards.clusters import Cluster
    from wizards.provision.plan import Plan, Stage

_HISTORY: Final = 5  # runs of the cluster that are looked at
_NEARLY: Final = 0.97  # a stage that has not ended is never further than this
_SPREAD_HISTORY: Final = 0.25  # how far off an expectation may be, as a share
_SPREAD_BASELINE: Final = 0.6
_PACE: Final = (0.3, 4.0)  # how much slower or quicker than expected the rest is thought to be, at most


@dataclass(frozen=True, slots=True)
class StageOutlook:
    """What is known of a stage when its end is guessed. Times are in seconds; 0 where nothing is expected."""

    expected_seconds: float
    announced_tasks: int
    tasks_done: int
    elapsed: float
    over: bool
    skipped: bool
    begun: bool

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1: by its tasks, and by the clock where that is expected to tell."""
        if self.over:
            return 1.0
        if not self.begun:
            return 0.0
        by_clock = 1 - math.exp(-1.5 * self.elapsed / self.expected_seconds) if self.expected_seconds else 0.0
        if not self.announced_tasks:
            return min(_NEARLY, by_clock)
        by_tasks = min(1.0, self.tasks_done / self.announced_tasks)
        return min(_NEARLY, 0.75 * by_tasks + 0.25 * by_clock if self.expected_seconds else by_tasks)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a stage is expected to take: `seconds`, and `tasks` where an earlier run told (else 0)."""

    seconds: float = 0.0
    tasks: int = 0
    known: bool = False  # from an earlier run of this cluster


def percent_done(stages: Sequence[StageOutlook]) -> int:
    """Return 0 to 99. It never falls while the run goes on; what an earlier run did does not count."""
    mine = [stage for stage in stages if not stage.skipped]
    if not mine:
        return 0
    known = [stage.expected_seconds for stage in mine if stage.expected_seconds]
    usual = sum(known) / len(known) if known else 1.0
    weights = [stage.expected_seconds or usual for stage in mine]
    done = sum(weight * stage.share for weight, stage in zip(weights, mine, strict=True))
    return min(99, int(100 * done / sum(weights)))


def seconds_left(
    stages: Sequence[StageOutlook], estimate: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Return how many seconds are left, low and high; None where nothing was expected to begin with."""
    mine = [stage for stage in stages if not stage.skipped]
    total = sum(stage.expected_seconds for stage in mine)
    if not total or estimate is None:
        return None
    pace = _pace(mine, total)
    left = sum(_rest(stage, pace) for stage in mine if not stage.over)
    low, high = estimate
    spread = (high - low) / (high + low) if high + low else _SPREAD_BASELINE
    done = percent_done(stages) / 100
    off = 1 + 1.5 * spread * (1 - 0.7 * done)
    return round(left / off, 1), round(left * off, 1)


def _pace(stages: Sequence[StageOutlook], total: float) -> float:
    """Return actual over expected time of what has ended, drawn towards 1 while that is little."""
    ended = [stage for stage in stages if stage.over]
    calm = total / 4
    actual = sum(stage.elapsed for stage in ended) + calm
    expected = sum(stage.expected_seconds for stage in ended) + calm
    return min(max(actual / expected, _PACE[0]), _PACE[1])


def _rest(stage: StageOutlook, pace: float) -> float:
    if not stage.begun:
        return stage.expected_seconds * pace
    # Late is late: a stage that should have ended still needs a little.
    by_clock = max(stage.expected_seconds * pace - stage.elapsed, stage.expected_seconds / 10)
    if not stage.announced_tasks or not stage.tasks_done:
        return by_clock
    share = min(_NEARLY, stage.tasks_done / stage.announced_tasks)
    return share * (stage.elapsed * (1 - share) / share) + (1 - share) * by_clock


def expectations(cluster: Cluster, plan: Plan) -> dict[str, Expectation]:
    """Return what each stage of `plan` is expected to take on `cluster`, by the stage's id."""
    found: dict[str, Expectation] = {}
    for run in cluster.runs()[:_HISTORY]:
        for stage_id, expectation in stage_history(run.journal).items():
            found.setdefault(stage_id, expectation)
    return {
        stage.id: found.get(stage.id) or _from_baseline(stage, practice=plan.practice)
        for stage in plan.stages
    }


def stage_history(journal: Path) -> dict[str, Expectation]:
    """Return what the stages that were done in `journal` took; empty where it cannot be read."""
    found: dict[str, Expectation] = {}
    began, tasks = 0.0, 0
    try:
        with journal.open("rb") as file:
            for line in file:
                # Most lines are neither; only these few are worth decoding.
                if b'"type":"task-started"' in line:
                    tasks += 1
                elif b'"type":"stage-' in line:
                    event = decode(line)
                    if isinstance(event, StageStarted):
                        began, tasks = event.m, 0
                    elif isinstance(event, StageFinished) and event.status is StageStatus.DONE:
                        found[event.stage] = Expectation(max(0.1, event.m - began), tasks, known=True)
    except OSError:
        return {}
    return found


def total_range(expected: Sequence[Expectation]) -> tuple[float, float] | None:
    """Return how many seconds all of it takes, low and high; None where nothing is known."""
    total = sum(one.seconds for one in expected)
    if not total:
        return None
    off = sum(one.seconds * (_SPREAD_HISTORY if one.known else _SPREAD_BASELINE) for one in expected) / total
    return round(total * (1 - off), 1), round(total * (1 + off), 1)


def _from_baseline(stage: Stage, *, practice: bool) -> Expectation:
    kind = baseline()["practice" if practice else "real"]
    entry = kind.get(stage.id)
    if entry is None:
        return Expectation()
    return Expectation(entry["seconds"] + entry["per_host"] * max(0, len(stage.hosts) - 1))


@cache
def baseline() -> dict[str, Any]:
    """Return the shipped durations: seconds for one host, and for each further one, per stage."""
    text = resources.files("wizards.provision").joinpath("baseline.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data
