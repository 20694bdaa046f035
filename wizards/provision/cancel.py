"""A request to stop a run: a small file beside its journal, which the supervisor looks for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wizards.files import write_private
from wizards.sanitize import one_line

CANCEL_FILE: Final = "cancel.json"


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Who wants the run to stop, and whether at once instead of after the task in hand."""

    by: str
    now: bool = False


def write_cancel(path: Path, request: CancelRequest) -> None:
    """Write the request; a later one replaces it. Raises OSError."""
    write_private(path, json.dumps({"by": request.by, "now": request.now}))


def read_cancel(path: Path) -> CancelRequest | None:
    """Return the request in `path`, None where there is none."""
    try:
        data = json.loads(path.read_bytes())
        return CancelRequest(one_line(str(data["by"]), 64), bool(data["now"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
