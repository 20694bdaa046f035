"""A terminal that goes away."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

STUCK = """
import os, signal, threading
from tui.app import end_without_terminal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
threading.Thread(target=end_without_terminal, daemon=True).start()
os.write(1, b"stuck\\n")
while True:
    threading.Event().wait(1)
"""


@pytest.mark.slow
def test_a_viewer_that_is_stuck_when_its_terminal_goes_is_ended() -> None:
    """As it was when Textual's writing thread had died of the terminal, and all others waited for it."""
    master, slave = pty.openpty()
    viewer = subprocess.Popen(
        [sys.executable, "-c", STUCK], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    try:
        said = b""
        while b"\n" not in said:  # all of it: what is still being written would fail
            said += os.read(master, 1000)
        os.close(master)
        assert viewer.wait(30) == 128 + signal.SIGHUP
    finally:
        viewer.kill()
        viewer.wait()
