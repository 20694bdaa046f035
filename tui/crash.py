"""What is said after a crash: one sentence and where the details are; never a local variable."""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path

from rich.text import Text


def crash_report(home: Path) -> Text:
    """Write the traceback of the exception being handled to a 0600 file, and return what to say on screen."""
    error = sys.exc_info()[1]
    if error is None:
        return Text("Slipway stopped, and does not know why.")
    where = write_crash(error, home)
    kept = f" The details are in {where}." if where else ""
    return Text(
        f"Slipway stopped: {type(error).__name__}: {error}.{kept} A run that was going on is still going on."
    )


def write_crash(error: BaseException, home: Path) -> Path | None:
    """Write the traceback, without locals, under the state folder; None where that cannot be done."""
    folder = home / "log"
    path = folder / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return None
    return path
