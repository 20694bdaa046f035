"""What the supervisor says, one JSON object per line in the run's journal.

Every line has ``v`` (format version), ``n`` (number, from 1, no gaps), ``t`` (wall clock, seconds since the
epoch), ``m`` (monotonic seconds since the run began: durations come from it, clock jumps do not matter)
and ``type``. Text in events is already cleaned (`wizards.sanitize`) and free of secrets.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any, ClassVar, Final

FORMAT: Final = 1


class HostStatus(StrEnum):
    """How a task ended on a host, or that it is under way there."""

    STARTED = "started"
    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    IGNORED = "ignored"  # failed, and the playbook goes on as if it had not
    UNREACHABLE = "unreachable"
    RETRY = "retry"


class StageStatus(StrEnum):
    """How a stage stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # an earlier run did it already


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"  # preflight found something that must be mended first
    INTERRUPTED = "interrupted"  # its supervisor died without a word


@dataclass(frozen=True, slots=True)
class StageInfo:
    """A stage as the plan announces it.

    `tasks` is the expected number of tasks and `seconds` the expected duration, 0 where unknown.
    """

    id: str
    title: str
    hosts: tuple[str, ...] = ()
    tasks: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events: when it happened. `n` is given by the journal's writer."""

    kind: ClassVar[str] = ""
    n: int = field(default=0, kw_only=True)
    t: float = field(default=0.0, kw_only=True)
    m: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """First event of a journal."""

    kind: ClassVar[str] = "run-started"
    run: str = ""
    cluster: str = ""
    job: str = "create"
    version: str = ""
    pid: int = 0
    practice: bool = False
    stages: tuple[StageInfo, ...] = ()
    retry_of: str = ""
    estimate: tuple[float, float] | None = None  # seconds, low and high, from earlier runs or the baseline


@dataclass(frozen=True, slots=True)
class StageStarted(Event):
    """A stage begins; `tasks` corrects the plan's expectation where it is now known."""

    kind: ClassVar[str] = "stage-started"
    stage: str = ""
    tasks: int = 0


@dataclass(frozen=True, slots=True)
class PlayStarted(Event):
    """A play of the stage's playbook begins."""

    kind: ClassVar[str] = "play-started"
    stage: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class TaskStarted(Event):
    """A task begins on all its hosts."""

    kind: ClassVar[str] = "task-started"
    stage: str = ""
    task: str = ""
    name: str = ""
    role: str = ""
    path: str = ""
    handler: bool = False


@dataclass(frozen=True, slots=True)
class HostTask(Event):
    """A task's state on one host. `seconds` is its duration when ended; `message` only where it matters."""

    kind: ClassVar[str] = "host-task"
    stage: str = ""
    task: str = ""
    name: str = ""
    host: str = ""
    status: HostStatus = HostStatus.OK
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True)
class LogLines(Event):
    """Lines of output, cleaned."""

    kind: ClassVar[str] = "log"
    stage: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckFound(Event):
    """A preflight finding, as `Finding.to_json` gives it."""

    kind: ClassVar[str] = "check-found"
    stage: str = ""
    finding: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeReported(Event):
    """What a look saw on a node, as soon as it is there; later reports of a node add to earlier ones."""

    kind: ClassVar[str] = "node-reported"
    stage: str = ""
    host: str = ""
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckAccepted(Event):
    """Somebody accepted a warning by name before the run. `at`: when, seconds since the epoch."""

    kind: ClassVar[str] = "check-accepted"
    check: str = ""
    host: str = ""
    by: str = ""
    at: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True)
class StageFinished(Event):
    """A stage ended; `message` says why where it did not end well."""

    kind: ClassVar[str] = "stage-finished"
    stage: str = ""
    status: StageStatus = StageStatus.DONE
    message: str = ""
    rc: int | None = None
    rescued: tuple[str, ...] = ()  # hosts whose failures were handled by the playbook


@dataclass(frozen=True, slots=True)
class CancelRequested(Event):
    """Somebody asked the run to stop."""

    kind: ClassVar[str] = "cancel-requested"
    by: str = ""
    now: bool = False


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """Last event of a journal."""

    kind: ClassVar[str] = "run-finished"
    status: RunStatus = RunStatus.SUCCEEDED
    message: str = ""


_KINDS: Final[dict[str, type[Event]]] = {cls.kind: cls for cls in Event.__subclasses__()}
_DATING: Final = frozenset({"n", "t", "m"})


def _plain(value: object) -> object:
    if isinstance(value, StageInfo):
        return {
            "id": value.id,
            "title": value.title,
            "hosts": list(value.hosts),
            "tasks": value.tasks,
            "seconds": value.seconds,
        }
    return value


def _defaults(cls: type[Event]) -> dict[str, object]:
    return {
        item.name: item.default if item.default_factory is MISSING else item.default_factory()
        for item in fields(cls)
        if item.name not in _DATING
    }


# Looked up once: a journal of 100,000 events is encoded and decoded one by one.
_DEFAULTS: Final = {kind: tuple(_defaults(cls).items()) for kind, cls in _KINDS.items()}
_KNOWN: Final = {kind: frozenset(_defaults(cls)) | _DATING for kind, cls in _KINDS.items()}


def encode(event: Event) -> str:
    """Return the event as one JSON line, without the newline; fields that hold nothing are left out."""
    data: dict[str, Any] = {"v": FORMAT, "n": event.n, "t": event.t, "m": event.m, "type": event.kind}
    for name, default in _DEFAULTS[event.kind]:
        value = getattr(event, name)
        if value == default and not isinstance(value, StrEnum):
            continue
        data[name] = [_plain(entry) for entry in value] if isinstance(value, tuple) else value
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def decode(line: str | bytes) -> Event | None:
    """Return the event a journal line holds; None for a torn or unknown line, which readers skip."""
    try:
        data = json.loads(line)
        kind = data.pop("type", "")
        cls = _KINDS.get(kind)
        if data.pop("v", None) != FORMAT or cls is None:
            return None
        known = _KNOWN[kind]
        if not data.keys() <= known:
            data = {name: value for name, value in data.items() if name in known}
        for name, convert in _CONVERTERS.get(kind, ()):
            if name in data:
                data[name] = convert(data[name])
        return cls(**data)
    except (ValueError, AttributeError, TypeError, KeyError):
        return None


def _stages(value: list[dict[str, Any]]) -> tuple[StageInfo, ...]:
    return tuple(
        StageInfo(one["id"], one["title"], tuple(one["hosts"]), one["tasks"], one.get("seconds", 0.0))
        for one in value
    )


_CONVERTERS: Final[dict[str, tuple[tuple[str, Callable[[Any], Any]], ...]]] = {
    "run-started": (("stages", _stages), ("estimate", tuple)),
    "host-task": (("status", HostStatus),),
    "log": (("lines", tuple),),
    "stage-finished": (("status", StageStatus), ("rescued", tuple)),
    "run-finished": (("status", RunStatus),),
}
