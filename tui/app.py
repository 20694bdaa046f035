"""The Textual application: opens screens and carries values between them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Final

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui.start import Mode, Start
from tui.theme import SLIPWAY, theme_name

_LOOK_SECONDS: Final = 2.0
_GONE_LOOKS: Final = 4  # in a row: leaving in order comes first


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


def end_without_terminal() -> None:
    """End this process when its terminal has been gone for a while; its locks go with it.

    Textual's thread that writes to the terminal dies of the first write to one that has gone, and what fills
    its queue afterwards waits for ever, past every signal handler (seen with 8.2.8).
    """
    gone = 0
    while gone < _GONE_LOOKS:
        time.sleep(_LOOK_SECONDS)
        gone = 0 if any(os.isatty(number) for number in range(3)) else gone + 1
    os._exit(128 + signal.SIGHUP)


def run_app(start: Start) -> int:
    """Open the application and return the exit code of the command.

    The screen is drawn on standard error, as Textual does. A terminal that vanishes ends the viewer only.
    """
    # Libraries that log without a handler would print over the screen.
    logging.getLogger().addHandler(logging.NullHandler())
    threading.Thread(target=end_without_terminal, name="last-resort", daemon=True).start()
    app = SlipwayApp(start)
    try:
        code = app.run(mouse=os.environ.get("SLIPWAY_MOUSE", "1") != "0")
    except OSError:  # EIO: the terminal went away under us, and there is nobody left to tell
        return 128 + signal.SIGHUP
    if app.return_code:
        return app.return_code
    return 0 if code is None else code


__all__ = ["Mode", "SlipwayApp", "Start", "run_app"]
