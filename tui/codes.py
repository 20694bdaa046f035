"""The exit codes of the command: said once, imported everywhere, costing nothing."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
BLOCKED: Final = 3
CANCELLED: Final = 4
BUSY: Final = 5

OF_RUN: Final = {
    "running": DONE,
    "succeeded": DONE,
    "failed": FAILED,
    "interrupted": FAILED,
    "blocked": BLOCKED,
    "cancelled": CANCELLED,
}
"""By the word for how a run stands (`wizards.provision.events.RunStatus` is such a word)."""
