"""A run in words: the same lines in the log pane and on plain output."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from wizards.provision.events import (
    CancelRequested,
    CheckAccepted,
    CheckFound,
    Event,
    HostStatus,
    HostTask,
    LogLines,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
    StageStatus,
    TaskStarted,
)

STAGE_MARK: Final = {
    StageStatus.WAITING: "·",
    StageStatus.RUNNING: "▶",
    StageStatus.DONE: "✓",
    StageStatus.FAILED: "✗",
    StageStatus.CANCELLED: "■",
    StageStatus.SKIPPED: "-",
}
HOST_MARK: Final = {
    HostStatus.STARTED: "▶",
    HostStatus.OK: "✓",
    HostStatus.CHANGED: "✓",
    HostStatus.SKIPPED: "-",
    HostStatus.FAILED: "✗",
    HostStatus.IGNORED: "!",
    HostStatus.UNREACHABLE: "✗",
    HostStatus.RETRY: "↻",
}


def clock(seconds: float) -> str:
    """Return a duration in seconds as ``m:ss`` or ``h:mm:ss``."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def left_in_words(left: tuple[float, float] | None) -> str:
    """Return an estimate (seconds, low and high) as a range a person would say."""
    if left is None:
        return "no estimate yet"
    low, high = left
    if high < 55:
        return "under a minute left"
    if high < 120:
        return "1-2 min left"
    first, last = int(low // 60), -int(-high // 60)
    return f"about {last} min left" if first == last else f"{max(first, 1)}-{last} min left"


def place(host: str) -> str:
    """Return a host's name; what Ansible calls localhost is this console."""
    return "this console" if host in ("", "localhost") else host


def log_lines(event: Event) -> list[str]:
    """Return what the log pane says of an event; nothing for what it need not say."""
    match event:
        case RunStarted():
            return [f"Run {event.run}: {event.job} {event.cluster}"]
        case StageStarted():
            return ["", f"═══ Stage {event.stage} ═══"]
        case TaskStarted():
            role = f"{event.role} : " if event.role else ""
            return [f"── {'handler ' if event.handler else ''}{role}{event.name}"]
        case HostTask():
            return _host_lines(event)
        case CheckFound():
            return [_finding(event)]
        case CheckAccepted():
            when = datetime.fromtimestamp(event.at).strftime("%Y-%m-%d %H:%M")
            return [f"   ! accepted by {event.by} on {when}: {event.message} [{event.check}]"]
        case StageFinished():
            return [
                f"{STAGE_MARK[event.status]} stage {event.stage}: {event.status} {event.message}".rstrip()
            ]
        case CancelRequested():
            return [f"■ stop requested by {event.by}" + (", at once" if event.now else ", after this task")]
        case RunFinished():
            return ["", f"Run {event.status}. {event.message}".rstrip()]
        case _:
            return []


def raw_lines(event: Event) -> list[str]:
    """Return Ansible's own output lines of an event."""
    return list(event.lines) if isinstance(event, LogLines) else []


def _host_lines(event: HostTask) -> list[str]:
    if event.status is HostStatus.STARTED:
        return []
    seconds = f" ({event.seconds:.1f} s)" if event.seconds >= 1 else ""
    head = f"   {HOST_MARK[event.status]} {event.status:<11} {place(event.host)}{seconds}"
    if not event.message or event.status in (HostStatus.OK, HostStatus.CHANGED, HostStatus.SKIPPED):
        return [head]
    return [head, *(f"       {line}" for line in event.message.splitlines()[:20])]


def _finding(event: CheckFound) -> str:
    finding = event.finding
    mark = {"block": "✗", "warn": "!", "fix": "✓"}.get(str(finding.get("severity")), "·")
    return f"   {mark} {finding.get('message', '')} {finding.get('remedy', '')}".rstrip()
