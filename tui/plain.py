"""Plain output: findings, runs and health as lines, for pipes, logs and terminals without a screen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.run_lines import STAGE_MARK, clock, place
from wizards.provision.events import (
    CheckFound,
    Event,
    HostStatus,
    HostTask,
    RunFinished,
    RunStarted,
    RunStatus,
    StageFinished,
    StageStarted,
    encode,
)
from wizards.sanitize import one_line
from wizards.setup.finding import Finding, Severity

if TYPE_CHECKING:
    from wizards.clusters import RunRef

MARKS = {Severity.BLOCK: "", Severity.WARN: "warning", Severity.FIX: "note"}


def say(text: str = "") -> None:
    """Print a line on standard output."""
    click.echo(text)


def tell(text: str) -> None:
    """Print a message on standard error, where it disturbs no pipe."""
    click.echo(text, err=True)


def print_json(data: Any, *, on_one_line: bool = False) -> None:
    """Print one JSON document on standard output; on one line where several follow each other."""
    click.echo(json.dumps(data, ensure_ascii=False, indent=None if on_one_line else 2))


def finding_line(finding: Finding, path: Path | None = None) -> str:
    """Return a finding as ``FILE:LINE: answer: what is wrong what would be right``, on one line."""
    place = f"{path}:{finding.line}" if path and finding.line else str(path or "")
    parts = (place, MARKS[finding.severity], finding.host, finding.path)
    words = f"{finding.message} {finding.remedy}"
    return one_line(": ".join([*(part for part in parts if part), words]), 2000)


def print_run(batches: Iterable[list[Event]], *, as_json: bool) -> RunStatus:
    """Print a run as it goes, by line or as one JSON object per event; return how it ended."""
    status = RunStatus.RUNNING
    titles: dict[str, str] = {}
    began: dict[str, float] = {}
    for event in _flat(batches):
        if isinstance(event, RunFinished):
            status = event.status
        if as_json:
            click.echo(encode(event))
            continue
        for line in _lines(event, titles, began):
            click.echo(line)
    return status


def _flat(batches: Iterable[list[Event]]) -> Iterator[Event]:
    for batch in batches:
        yield from batch


def _lines(event: Event, titles: dict[str, str], began: dict[str, float]) -> Iterator[str]:
    match event:
        case RunStarted():
            titles.update({one.id: one.title for one in event.stages})
            practice = " PRACTICE: nothing here is real but the way." if event.practice else ""
            yield f"Run {event.run} of {event.cluster}: {len(event.stages)} stages.{practice}"
        case StageStarted():
            began[event.stage] = event.m
            yield f"▶ {titles.get(event.stage, event.stage)} ..."
        case StageFinished():
            took = clock(event.m - began.get(event.stage, event.m))
            text = (
                f"{STAGE_MARK[event.status]} {titles.get(event.stage, event.stage)}: {event.status} ({took})"
            )
            yield f"{text} {event.message}".rstrip()
        case HostTask(status=HostStatus.FAILED | HostStatus.UNREACHABLE):
            yield f"  ✗ {place(event.host)}: {event.name}"
            yield from (f"      {line}" for line in event.message.splitlines()[:20])
        case CheckFound():
            finding = event.finding
            host = f"{finding['host']}: " if finding.get("host") else ""
            words = f"{host}{finding.get('message', '')} {finding.get('remedy', '')}"
            yield f"  {finding.get('severity', '')}: {words}"
        case RunFinished():
            yield f"Run {event.status}. {event.message}".rstrip()


def print_history(runs: Iterable[RunRef], *, as_json: bool) -> None:
    """Print a cluster's runs, the newest first."""
    from datetime import UTC, datetime

    rows = [(run, run.job, run.status(), datetime.fromtimestamp(run.started_at, UTC)) for run in runs]
    if as_json:
        print_json(
            [
                {
                    "run": run.id,
                    "job": job,
                    "status": status,
                    "started_at": at.isoformat(),
                    "accepted": _accepted(run),
                }
                for run, job, status, at in rows
            ]
        )
        return
    for run, job, status, at in rows:
        say(f"{run.id:<20} {job:<10} {status:<12} {at.astimezone():%Y-%m-%d %H:%M}")
        for one in _accepted(run):
            say(f"    ! accepted by {one['by']}: {one['message']} [{one['check']}]")


def _accepted(run: RunRef) -> list[dict[str, object]]:
    """Return the warnings that were accepted before a run: they stand right behind its first event."""
    from itertools import islice, takewhile

    from wizards.provision.events import CheckAccepted
    from wizards.provision.journal import read_journal

    told = takewhile(
        lambda event: isinstance(event, CheckAccepted), islice(read_journal(run.journal), 1, None)
    )
    return [
        {"check": one.check, "host": one.host, "by": one.by, "at": one.at, "message": one.message}
        for one in told
        if isinstance(one, CheckAccepted)
    ]
