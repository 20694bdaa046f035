"""`Progress`: how a run stands, folded from its journal.

A pure function of the events: live, after re-attach and in replay the value is the same, however the events
were split into batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from wizards.provision.estimate import StageOutlook, percent_done, seconds_left
from wizards.provision.events import (
    CancelRequested,
    CheckAccepted,
    CheckFound,
    Event,
    HostStatus,
    HostTask,
    NodeReported,
    RunFinished,
    RunStarted,
    RunStatus,
    StageFinished,
    StageStarted,
    StageStatus,
    TaskStarted,
)

Cancelling = Literal["", "after-task", "now"]

_ENDED: Final = frozenset(HostStatus) - {HostStatus.STARTED, HostStatus.RETRY}
_BAD: Final = frozenset({HostStatus.FAILED, HostStatus.UNREACHABLE})
_OVER: Final = frozenset({StageStatus.DONE, StageStatus.SKIPPED})


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How a stage stands. `elapsed` is in seconds; `tasks_expected` is 0 where unknown."""

    id: str
    title: str
    status: StageStatus
    elapsed: float
    tasks_done: int
    tasks_expected: int
    message: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostProgress:
    """How a host stands: its last task and how that went, and counts of tasks over the whole run."""

    name: str
    status: HostStatus | None
    task: str
    done: int
    changed: int
    failed: int
    stage: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed on a host, and was neither ignored nor rescued. `at`: seconds into the run."""

    host: str
    stage: str
    task: str
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run stands.

    Attributes:
        started_at: Seconds since the epoch; 0 before the first event.
        elapsed: Seconds the run took until its last event.
        left: Estimated seconds that are left, low and high; None where nothing can be said.
        percent: 0 to 100; 100 only when the run succeeded; never falls.
        current_stage: Id of the stage under way, or the last one; empty before the first.
        current_task: Name of the task under way, or the last one.
        cancelling: Whether somebody asked the run to stop, and how.
        retry_of: Id of the run that this one goes on from; empty for a fresh one.
        reports: Host → what a look saw there so far, in the order in which the hosts answered.
        accepted: The warnings that were accepted before the run.
    """

    cluster: str = ""
    run: str = ""
    job: str = ""
    practice: bool = False
    status: RunStatus = RunStatus.RUNNING
    message: str = ""
    started_at: float = 0.0
    elapsed: float = 0.0
    left: tuple[float, float] | None = None
    percent: int = 0
    stages: tuple[StageProgress, ...] = ()
    hosts: tuple[HostProgress, ...] = ()
    current_stage: str = ""
    current_task: str = ""
    failures: tuple[Failure, ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    cancelling: Cancelling = ""
    retry_of: str = ""
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    accepted: tuple[CheckAccepted, ...] = ()

    def stage(self, stage_id: str) -> StageProgress | None:
        """Return the stage called `stage_id`, None where the run has none."""
        return next((stage for stage in self.stages if stage.id == stage_id), None)


def fold(events: Iterable[Event]) -> Progress:
    """Return how a run stands after `events`."""
    folding = ProgressFold()
    folding.feed(events)
    return folding.view()


@dataclass(slots=True)
class _Stage:
    id: str
    title: str
    hosts: tuple[str, ...] = ()
    announced: int = 0
    expected_seconds: float = 0.0
    status: StageStatus = StageStatus.WAITING
    began: float = 0.0
    ended: float | None = None
    tasks: int = 0
    message: str = ""

    def elapsed(self, now: float) -> float:
        if self.status in {StageStatus.WAITING, StageStatus.SKIPPED}:
            return 0.0
        return max(0.0, (now if self.ended is None else self.ended) - self.began)

    def tasks_done(self) -> int:
        """All that were seen but the one under way."""
        return max(0, self.tasks - 1) if self.status is StageStatus.RUNNING else self.tasks

    def tasks_expected(self) -> int:
        if self.status is StageStatus.DONE:
            return self.tasks
        return max(self.announced, self.tasks) if self.announced else 0

    def outlook(self, now: float) -> StageOutlook:
        return StageOutlook(
            expected_seconds=self.expected_seconds,
            announced_tasks=self.announced,
            tasks_done=self.tasks_done(),
            elapsed=self.elapsed(now),
            over=self.status in _OVER,
            skipped=self.status is StageStatus.SKIPPED,
            begun=self.status is not StageStatus.WAITING,
        )


@dataclass(slots=True)
class _Host:
    name: str
    status: HostStatus | None = None
    task: str = ""
    done: int = 0
    changed: int = 0
    failed: int = 0
    stage: str = ""


@dataclass(slots=True)
class ProgressFold:
    """Folds events as they come: `feed` is linear in their number, `view` in that of stages and hosts."""

    _run: RunStarted | None = None
    _finished: RunFinished | None = None
    _stages: dict[str, _Stage] = field(default_factory=dict)
    _hosts: dict[str, _Host] = field(default_factory=dict)
    _failures: dict[tuple[str, str, str], Failure] = field(default_factory=dict)
    _findings: list[dict[str, Any]] = field(default_factory=list)
    _reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    _accepted: list[CheckAccepted] = field(default_factory=list)
    _cancelling: Cancelling = ""
    _stage: str = ""
    _task: str = ""
    _now: float = 0.0
    _wall: float = 0.0
    _handlers: dict[type[Event], Callable[[Any], None]] = field(init=False)

    def __post_init__(self) -> None:
        self._handlers = {
            RunStarted: self._on_run_started,
            StageStarted: self._on_stage_started,
            TaskStarted: self._on_task_started,
            HostTask: self._on_host_task,
            CheckFound: self._on_check_found,
            NodeReported: self._on_node_reported,
            CheckAccepted: self._accepted.append,
            StageFinished: self._on_stage_finished,
            CancelRequested: self._on_cancel_requested,
            RunFinished: self._on_run_finished,
        }

    def feed(self, events: Iterable[Event]) -> None:
        """Take further events, in their order."""
        handlers = self._handlers
        for event in events:
            self._now = max(self._now, event.m)
            self._wall = event.t
            if (handler := handlers.get(type(event))) is not None:
                handler(event)

    def view(self, now: float | None = None) -> Progress:
        """Return how the run stands.

        Args:
            now: Wall clock, seconds since the epoch. With it the times of a run under way go on between its
                events; without it the view is a function of the events alone.
        """
        run = self._run or RunStarted()
        at = self._now
        if now is not None and self._run is not None and self._finished is None:
            at += max(0.0, now - self._wall)
        outlooks = [stage.outlook(at) for stage in self._stages.values()]
        status = self._finished.status if self._finished else RunStatus.RUNNING
        running = status is RunStatus.RUNNING
        return Progress(
            cluster=run.cluster,
            run=run.run,
            job=run.job if self._run else "",
            practice=run.practice,
            status=status,
            message=self._finished.message if self._finished else "",
            started_at=run.t - run.m,
            elapsed=at,
            left=seconds_left(outlooks, run.estimate) if running else None,
            percent=100 if status is RunStatus.SUCCEEDED else percent_done(outlooks),
            stages=tuple(_stage_view(stage, at) for stage in self._stages.values()),
            hosts=tuple(_host_view(host) for host in self._hosts.values()),
            current_stage=self._stage,
            current_task=self._task,
            failures=tuple(self._failures.values()),
            findings=tuple(self._findings),
            cancelling=self._cancelling,
            retry_of=run.retry_of,
            reports=dict(self._reports),
            accepted=tuple(self._accepted),
        )

    def _on_run_started(self, event: RunStarted) -> None:
        self._run = event
        for info in event.stages:
            self._stages[info.id] = _Stage(info.id, info.title, info.hosts, info.tasks, info.seconds)
            for name in info.hosts:
                self._hosts.setdefault(name, _Host(name))

    def _on_stage_started(self, event: StageStarted) -> None:
        stage = self._stages.setdefault(event.stage, _Stage(event.stage, event.stage))
        stage.status = StageStatus.RUNNING
        stage.began = event.m
        stage.announced = event.tasks or stage.announced
        self._stage = event.stage
        self._task = ""
        for name in stage.hosts:
            host = self._hosts[name]
            host.status, host.task, host.stage = None, "", event.stage

    def _on_task_started(self, event: TaskStarted) -> None:
        self._task = event.name
        if (stage := self._stages.get(event.stage)) is not None:
            stage.tasks += 1

    def _on_host_task(self, event: HostTask) -> None:
        host = self._hosts.get(event.host)
        if host is None:
            host = self._hosts[event.host] = _Host(event.host)
        status = event.status
        key = (event.host, event.stage, event.task)
        if status is HostStatus.IGNORED and self._failures.pop(key, None) is not None:
            # The playbook dealt with a failure told earlier; the host may be further by now.
            host.failed -= 1
            if host.task == event.name:
                host.status = status
            return
        host.status, host.task, host.stage = status, event.name, event.stage
        if status in _ENDED:
            host.done += 1
        if status is HostStatus.CHANGED:
            host.changed += 1
        elif status in _BAD:
            host.failed += 1
            self._failures[key] = Failure(event.host, event.stage, event.name, event.message, event.m)

    def _on_check_found(self, event: CheckFound) -> None:
        self._findings.append(event.finding)

    def _on_node_reported(self, event: NodeReported) -> None:
        # A new mapping each time: a view that was given away must not change.
        self._reports[event.host] = {**self._reports.get(event.host, {}), **event.report}

    def _on_stage_finished(self, event: StageFinished) -> None:
        stage = self._stages.setdefault(event.stage, _Stage(event.stage, event.stage, began=event.m))
        stage.status = event.status
        stage.ended = event.m
        stage.message = event.message

    def _on_cancel_requested(self, event: CancelRequested) -> None:
        self._cancelling = "now" if event.now or self._cancelling == "now" else "after-task"

    def _on_run_finished(self, event: RunFinished) -> None:
        self._finished = event
        for stage in self._stages.values():
            if stage.status is StageStatus.RUNNING:
                # Only a supervisor that died leaves a stage open.
                stage.status, stage.ended, stage.message = StageStatus.FAILED, event.m, event.message


def _stage_view(stage: _Stage, now: float) -> StageProgress:
    return StageProgress(
        stage.id,
        stage.title,
        stage.status,
        round(stage.elapsed(now), 3),
        stage.tasks_done(),
        stage.tasks_expected(),
        stage.message,
        stage.hosts,
    )


def _host_view(host: _Host) -> HostProgress:
    return HostProgress(host.name, host.status, host.task, host.done, host.changed, host.failed, host.stage)
