"""Plain printing: results on standard output, messages on standard error, JSON where it is asked for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from wizards.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wizards.setup.finding import Finding

_LABELS = {"block": "", "warn": "warning: ", "fix": "note: "}


def say(text: str) -> None:
    """Print a message for a person, on standard error."""
    print(text, file=sys.stderr, flush=True)


def put(text: str) -> None:
    """Print a line of the result, on standard output."""
    print(text, flush=True)


def put_json(document: Any) -> None:
    """Print the result as one JSON document, on standard output."""
    print(json.dumps(document, ensure_ascii=False, indent=2), flush=True)


def finding_line(finding: Finding, file: str = "") -> str:
    """Return a finding as one line: ``FILE:LINE: PATH: message remedy``; what is not known is left out."""
    place = f"{file}:{finding.line}" if file and finding.line else file
    subject = (
        f"{finding.host}: {finding.path}" if finding.host and finding.path else finding.host or finding.path
    )
    heads = [one_line(part) for part in (place, subject) if part]
    words = _LABELS[finding.severity] + one_line(f"{finding.message} {finding.remedy}", 1000)
    return ": ".join([*heads, words])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns with two spaces between; the first row is the head."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
