"""Commands that open the application, and what is said where a screen cannot be drawn."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tui.codes import USAGE
from tui.plain import tell
from tui.start import Mode, Start
from wizards.clusters import slipway_home

WITHOUT_CURSOR = {"dumb", "vt52", "vt100", "unknown", ""}


def why_no_screen() -> str:
    """Return why no screen can be drawn here, empty when it can (Textual asks no terminfo: it would try)."""
    # Textual draws on standard error and reads standard input.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "standard input and standard error are not a terminal"
    term = os.environ.get("TERM", "")
    return f"TERM={term or '(unset)'} cannot draw a screen" if term in WITHOUT_CURSOR else ""


def open_screen(start: Start, instead: str) -> int:
    """Open the application; where no screen can be drawn, say so and what works instead."""
    if reason := why_no_screen():
        tell(f"No screen here: {reason}. {instead}")
        return USAGE
    from tui.app import run_app

    return run_app(start)


def console() -> int:
    """Open the console."""
    return open_screen(
        Start(Mode.CONSOLE, slipway_home()), "`slipway --help` lists the commands that need none."
    )


def wizard(*, local: bool, plain: bool, from_file: Path | None) -> int:
    """Open the wizard, or ask line by line."""
    if plain:
        from tui.commands.plain_wizard import plain_wizard

        return plain_wizard(local=local, from_file=from_file)
    if from_file is not None:
        from wizards.setup.document import read_document

        read_document(from_file)  # a faulty file is told of before a screen is opened
    start = Start(Mode.WIZARD, slipway_home(), local=local, from_file=from_file)
    return open_screen(start, "`slipway new --plain` asks line by line.")
