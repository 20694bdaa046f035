"""What all screen tests share: a private home, and waiting for conditions instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tui.app import SlipwayApp
from tui.start import Mode, Start

NARROW = (80, 24)
WIDE = (160, 48)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a Slipway home of the test's own."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("SLIPWAY_HOME", str(folder))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return folder


def wizard_app(home: Path, **start: object) -> SlipwayApp:
    """Return the application opened on the wizard."""
    return SlipwayApp(Start(Mode.WIZARD, home, **start))  # type: ignore[arg-type]


async def until(
    pilot: Pilot[int], condition: Callable[[], object], what: str, *, seconds: float = 20
) -> None:
    """Wait until `condition` holds; fail with `what` when it does not in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except Exception as error:  # a widget that is not there yet is not there yet
            last: Exception | None = error
        else:
            last = None
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened: {what}") from last
        await pilot.pause(0.02)


def text_of(app: SlipwayApp) -> str:
    """Return what the screen shows, row by row, as a person would read it."""
    width, height = app.size
    strips = app.screen._compositor.render_strips()[:height]
    return "\n".join("".join(segment.text for segment in strip)[:width].rstrip() for strip in strips)
