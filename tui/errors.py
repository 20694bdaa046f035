"""What goes wrong, in one sentence on standard error and as an exit code."""

from __future__ import annotations

from pathlib import Path

import click

from tui.codes import BLOCKED, BUSY, FAILED, USAGE
from wizards.sanitize import clean, one_line

# By name, so that telling an error apart imports nothing.
CODES = {
    "UnknownCluster": USAGE,
    "UnknownRun": USAGE,
    "ClusterExists": USAGE,
    "InvalidDocument": USAGE,
    "InvalidSpec": USAGE,
    "UsageProblem": USAGE,
    "UnknownFault": USAGE,
    "UnknownChange": USAGE,
    "RenderError": USAGE,
    "Blocked": BLOCKED,
    "ClusterBusy": BUSY,
    "LaunchError": FAILED,
    "YardError": FAILED,
    "HealthError": FAILED,
    "KubesprayMissing": FAILED,
    "HelmMissing": FAILED,
    "KindMissing": FAILED,
    "InvalidPlan": FAILED,
    "HostsUnreachable": FAILED,
    "HostKeyChanged": BLOCKED,
    "KeyProblem": USAGE,
}


class UsageProblem(Exception):
    """What was asked for makes no sense; the message says what would."""


def exit_for(error: Exception) -> int:
    """Print one sentence for `error` and return the exit code; an unknown error's details go to a file."""
    for cls in type(error).__mro__:
        if cls.__name__ in CODES:
            for line in sentences(error):
                click.echo(line, err=True)
            return CODES[cls.__name__]
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        click.echo(one_line(f"{error.strerror}{where}."), err=True)
        return FAILED
    return _unexpected(error)


def sentences(error: Exception) -> list[str]:
    """Return what to print: every finding of an invalid file or of a blocked job, else the error's words."""
    if findings := getattr(error, "findings", ()):
        from tui.plain import finding_line

        return [finding_line(one, getattr(error, "path", None)) for one in findings]
    return clean(str(error)).splitlines()


def _unexpected(error: Exception) -> int:
    from tui.crash import write_crash
    from wizards.clusters import slipway_home

    try:
        where: Path | None = write_crash(error, slipway_home())
    except OSError:
        where = None
    details = f" The details are in {where}." if where else ""
    said = one_line(str(error)).rstrip(".")
    click.echo(f"Slipway stopped: {type(error).__name__}: {said}.{details}", err=True)
    return FAILED
