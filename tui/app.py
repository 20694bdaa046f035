"""The Textual application: opens screens and carries values between them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui.start import Mode, Start
from tui.theme import SLIPWAY, theme_name


class SlipwayApp(App[int]):
    """The application. What comes after what is decided in `flow`."""

    TITLE = "Slipway"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - Textual declares it so
    VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]  # noqa: RUF012 - Textual declares it so
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", "Quit", show=False, priority=False)]

    def __init__(self, start: Start) -> None:
        super().__init__()
        self.start = start
        self.animation_level = "none"
        self.register_theme(SLIPWAY)
        self.theme = theme_name()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """No palette: every key is on the footer."""
        return ()

    def on_mount(self) -> None:
        """Leave cleanly when the terminal goes, and open the first screen."""
        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGHUP, signal.SIGTERM):
                with contextlib.suppress(NotImplementedError, RuntimeError):
                    loop.add_signal_handler(number, self.exit, 128 + number)
        self._open()

    @work(exclusive=True, group="flow", description="flow")
    async def _open(self) -> None:
        from tui.flow import Flow

        self.exit(await Flow(self, self.start).run())

    def _fatal_error(self) -> None:
        """End after a crash without Textual's traceback, which prints local variables, and so passwords."""
        from tui.crash import crash_report

        self.bell()
        self._exit_renderables.append(crash_report(self.start.home))
        self._close_messages_no_wait()


def run_app(start: Start) -> int:
    """Open the application and return the exit code of the command.

    The screen is drawn on standard error, as Textual does. A terminal that vanishes ends the viewer only.
    """
    # Libraries that log without a handler would print over the screen.
    logging.getLogger().addHandler(logging.NullHandler())
    app = SlipwayApp(start)
    try:
        code = app.run(mouse=os.environ.get("SLIPWAY_MOUSE", "1") != "0")
    except OSError:  # EIO: the terminal went away under us, and there is nobody left to tell
        return 128 + signal.SIGHUP
    if app.return_code:
        return app.return_code
    return 0 if code is None else code


__all__ = ["Mode", "SlipwayApp", "Start", "run_app"]
