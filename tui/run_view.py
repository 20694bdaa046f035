"""What the run screen draws, as values: the summary, a host's words, the failures."""

from __future__ import annotations

from textual.content import Content

from tui.run_lines import HOST_MARK, clock, left_in_words, place
from wizards.provision.events import HostStatus, RunStatus
from wizards.provision.progress import HostProgress, Progress

ENDED = {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.BLOCKED, RunStatus.INTERRUPTED}
REPEATABLE = ENDED - {RunStatus.SUCCEEDED}
STATUS_WORDS = {
    RunStatus.RUNNING: "Running",
    RunStatus.SUCCEEDED: "Done",
    RunStatus.FAILED: "Failed",
    RunStatus.CANCELLED: "Stopped",
    RunStatus.BLOCKED: "Blocked by a check",
    RunStatus.INTERRUPTED: "Interrupted: its supervisor is gone",
}


def summary(progress: Progress, width: int, *, since: float, paused: bool) -> Content:
    """Return the two rows that answer: which stage of how many, how far, how long yet, doing what."""
    ids = [one.id for one in progress.stages]
    at = ids.index(progress.current_stage) + 1 if progress.current_stage in ids else 0
    title = next((one.title for one in progress.stages if one.id == progress.current_stage), "")
    cells = max(10, min(30, width // 5))
    full = cells * progress.percent // 100
    ended = progress.status in ENDED
    style = {
        RunStatus.RUNNING: "bold $text-accent",
        RunStatus.SUCCEEDED: "bold $text-success",
        RunStatus.CANCELLED: "bold $text-warning",
    }.get(progress.status, "bold $text-error")
    head = STATUS_WORDS[progress.status] if ended else f"Stage {at} of {len(ids)} {title}"
    tail = f"{clock(progress.elapsed + since)}" + ("" if ended else f" · {left_in_words(progress.left)}")
    task = progress.message if ended else progress.current_task
    return Content.assemble(
        (f" {head} ", style),
        (f" {'█' * full}{'░' * (cells - full)} {progress.percent} % ", "$text-accent"),
        (f" {tail}{' · PAUSED' if paused else ''}\n", ""),
        (f" {task}", "$text-muted"),
    )


def trouble_first(host: HostProgress) -> tuple[int, str]:
    """Sort key: failed hosts, then working ones, then the rest by name."""
    rank = {HostStatus.FAILED: 0, HostStatus.UNREACHABLE: 0, HostStatus.STARTED: 1, HostStatus.RETRY: 1}
    return (rank.get(host.status, 2) if host.status is not None else 2, host.name)


def host_words(host: HostProgress) -> tuple[Content, Content]:
    """Return a host's state and task as table cells."""
    if host.status is None:
        return Content.styled("· waiting", "dim"), Content("")
    words = {
        HostStatus.STARTED: "working",
        HostStatus.OK: "done",
        HostStatus.CHANGED: "done",
        HostStatus.SKIPPED: "done",
    }
    style = {
        HostStatus.FAILED: "bold $text-error",
        HostStatus.UNREACHABLE: "bold $text-error",
        HostStatus.STARTED: "$text-accent",
        HostStatus.RETRY: "$text-warning",
        HostStatus.IGNORED: "$text-warning",
    }.get(host.status, "$text-success")
    text = f"{HOST_MARK[host.status]} {words.get(host.status, host.status.value)}"
    return Content.styled(text, style), Content(host.task)


def host_details(host: HostProgress, progress: Progress) -> str:
    """Return what is known of a host, in lines."""
    lines = [
        f"Stage: {host.stage or '-'}",
        f"Task: {host.task or '-'}",
        f"Tasks done: {host.done}, changed something: {host.changed}, failed: {host.failed}",
    ]
    for failure in progress.failures:
        if failure.host == host.name:
            lines += ["", f"✗ {failure.task}", failure.message]
    return "\n".join(lines)


def failures_text(progress: Progress) -> Content:
    """Return every failure and finding: host, stage, task, message."""
    parts = [
        Content.assemble(
            (f"✗ {place(one.host)} · {one.stage} · {one.task}\n", "bold $text-error"),
            f"{one.message}\n",
        )
        for one in progress.failures
    ]
    for finding in progress.findings:
        mark = {"block": "✗", "warn": "!"}.get(str(finding.get("severity")), "✓")
        style = {"✗": "$text-error", "!": "$text-warning"}.get(mark, "$text-success")
        host = f"{finding.get('host')}: " if finding.get("host") else ""
        parts.append(
            Content.assemble(
                (f"{mark} {host}{finding.get('message', '')}\n", style),
                (f"  {finding.get('remedy', '')}\n", ""),
            )
        )
    if progress.message and progress.status in ENDED:
        parts.append(Content(progress.message))
    return Content("\n").join(parts)
