"""From ansible-runner's raw events (plain dictionaries) to the journal's.

What they hold was measured with ansible-runner 2.4.3 under ansible-core 2.18. Nothing here imports either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from wizards.provision.events import Event, HostStatus, HostTask, NodeReported, PlayStarted, TaskStarted
from wizards.provision.failure_text import message_of, retry_message
from wizards.sanitize import clean, cleaned_data, one_line

REPORT: Final = "slipway_report"  # the fact by which a playbook hands something back
_LINE: Final = 1000  # characters of a log line
_LINES: Final = 60  # log lines of one event
_KEPT: Final = 20_000  # log lines that wait for `take_lines`, at most
_COMPLAINT: Final = re.compile(r"(?:ERROR!|\[ERROR\]:)\s*")
_BAD: Final = frozenset({HostStatus.FAILED, HostStatus.UNREACHABLE})


@dataclass(slots=True)
class StageMapper:
    """Maps the raw events of one stage.

    Attributes:
        stage: The stage's id.
        hide: Takes the secrets out of a text; applied to everything from outside, before it is cut.
        reports: What the playbook handed back, by host, cleaned; later reports of a host add to earlier ones.
        rescued: Hosts whose failures the playbook dealt with; known at the end.
        last_error: Ansible's own last complaint, for a stage that failed on no host.
        cancelling: Set it when the run is to stop after this task: a task that begins is then not told,
            because it is stopped before it does anything.
    """

    stage: str
    hide: Callable[[str], str] = str
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    rescued: tuple[str, ...] = ()
    last_error: str = ""
    cancelling: bool = False
    _lines: list[str] = field(default_factory=list)
    _dropped: int = 0
    _tasks: dict[str, tuple[str, str]] = field(default_factory=dict)
    _failed: dict[str, list[HostTask]] = field(default_factory=dict)

    def feed(self, raw: Mapping[str, Any]) -> list[Event]:
        """Return the events that `raw` means; most raw events mean one or none."""
        kind = raw.get("event", "")
        data = raw.get("event_data") or {}
        self._take_output(raw.get("stdout") or "")
        if kind in {"error", "verbose"}:
            self._take_complaint(kind, raw.get("stdout") or "")
        if kind == "playbook_on_play_start":
            return [PlayStarted(stage=self.stage, name=self._name(data.get("name")))]
        if kind == "playbook_on_task_start":
            return self._task_started(raw, data)
        if kind == "playbook_on_stats":
            return self._corrections(data)
        if kind in _HOST_EVENTS:
            return self._host_task(kind, data)
        return []

    def take_lines(self) -> tuple[str, ...]:
        """Return the log lines since the last call."""
        lines = tuple(self._lines)
        if self._dropped:
            lines += (f"… {self._dropped} further lines were too many to keep",)
        self._lines.clear()
        self._dropped = 0
        return lines

    def failures(self) -> tuple[HostTask, ...]:
        """Return what failed, in its order, apart from what the playbook dealt with."""
        return tuple(one for told in self._failed.values() for one in told)

    def settle(self) -> list[Event]:
        """Return corrections for a stage that ended well: whatever failed in it was dealt with."""
        fixed = [self._ignored(one) for told in self._failed.values() for one in told]
        self.rescued = tuple(dict.fromkeys([*self.rescued, *(event.host for event in fixed)]))
        self._failed.clear()
        return list(fixed)

    def _take_complaint(self, kind: str, output: str) -> None:
        """Keep Ansible's own last complaint; before its first play it comes as a plain line."""
        text = self._text(output).strip()
        found = _COMPLAINT.match(text)
        if found or (kind == "error" and text):
            self.last_error = one_line(text[found.end() :] if found else text, 600)

    def _task_started(self, raw: Mapping[str, Any], data: Mapping[str, Any]) -> list[Event]:
        if self.cancelling:
            return []
        # A task that begins again (serial, free strategy) has an id of its own, which its results do not
        # name; neither do they name its role.
        task = str(data.get("uuid") or raw.get("uuid") or "")
        name = self._name(data.get("name") or data.get("task"))
        self._tasks[str(data.get("task_uuid") or task).partition("_")[0]] = (task, name)
        return [
            TaskStarted(
                stage=self.stage,
                task=task,
                name=name,
                role=self._name(data.get("role")),
                path=self._name(data.get("task_path")),
                handler=bool(data.get("is_conditional")),
            )
        ]

    def _host_task(self, kind: str, data: Mapping[str, Any]) -> list[Event]:
        result = data.get("res") or {}
        status = _status(kind, data, result)
        uuid = str(data.get("task_uuid") or "")
        known = self._tasks.get(uuid.partition("_")[0])
        task, name = known or (uuid, self._name(data.get("task")))
        host = self._name(data.get("host"))
        message = ""
        if status is HostStatus.RETRY:
            message = retry_message(self._hidden(result))
        elif status in _BAD or status is HostStatus.IGNORED:
            message = message_of(self._hidden(result))
        event = HostTask(
            stage=self.stage,
            task=task,
            name=name,
            host=host,
            status=status,
            seconds=round(float(data.get("duration") or 0.0), 3),
            message=message,
        )
        if status in _BAD:
            self._failed.setdefault(host, []).append(event)
        return [event, *self._report(host, result)]

    def _report(self, host: str, result: Mapping[str, Any]) -> list[Event]:
        facts = result.get("ansible_facts")
        report = facts.get(REPORT) if isinstance(facts, Mapping) else None
        if not isinstance(report, Mapping):
            return []
        cleaned = cleaned_data(self._hidden(report))
        self.reports[host] = {**self.reports.get(host, {}), **cleaned}
        return [NodeReported(stage=self.stage, host=host, report=cleaned)]

    def _corrections(self, stats: Mapping[str, Any]) -> list[Event]:
        """A failure is told when it happens; only the recap says which were rescued or ignored.

        A host that fails for good does nothing more, so that its real failure is the last one.
        """
        fixed: list[HostTask] = []
        for host, told in self._failed.items():
            real = _count(stats, "failures", host) + _count(stats, "dark", host)
            over = len(told) - real
            fixed += [self._ignored(one) for one in told[:over]] if over > 0 else []
            self._failed[host] = told[over:] if over > 0 else told
        self.rescued = tuple(dict.fromkeys(event.host for event in fixed))
        return list(fixed)

    def _ignored(self, failure: HostTask) -> HostTask:
        return replace(failure, status=HostStatus.IGNORED)

    def _take_output(self, output: str) -> None:
        if not output:
            return
        lines = [line for line in self._text(output).splitlines() if line.strip()]
        shown = lines[:_LINES]
        if len(lines) > _LINES:
            shown.append(f"… {len(lines) - _LINES} more lines")
        room = max(0, _KEPT - len(self._lines))
        self._dropped += max(0, len(shown) - room)
        self._lines += [line if len(line) <= _LINE else line[: _LINE - 1] + "…" for line in shown[:room]]

    def _hidden(self, value: Any) -> Any:
        """Take the secrets out of all text in a result, before any of it is cut."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {key: self._hidden(one) for key, one in value.items()}
        return [self._hidden(one) for one in value] if isinstance(value, list) else value

    def _text(self, value: str) -> str:
        return clean(self.hide(value))

    def _name(self, value: object) -> str:
        return one_line(self.hide(str(value or "")), 300)


_HOST_EVENTS: Final = {
    "runner_on_start": HostStatus.STARTED,
    "runner_on_ok": HostStatus.OK,
    "runner_on_failed": HostStatus.FAILED,
    "runner_on_skipped": HostStatus.SKIPPED,
    "runner_on_unreachable": HostStatus.UNREACHABLE,
    "runner_retry": HostStatus.RETRY,
}


def _status(kind: str, data: Mapping[str, Any], result: Mapping[str, Any]) -> HostStatus:
    status = _HOST_EVENTS[kind]
    if status is HostStatus.OK and result.get("changed"):
        return HostStatus.CHANGED
    if status is HostStatus.FAILED and data.get("ignore_errors"):
        return HostStatus.IGNORED
    return status


def _count(stats: Mapping[str, Any], name: str, host: str) -> int:
    counts = stats.get(name)
    return int(counts.get(host, 0)) if isinstance(counts, Mapping) else 0
