"""Outlives the supervisor to clean up after it: ``python -m wizards.provision.watchdog RUN_FOLDER``.

Killed without a word (kill -9, out of memory), a supervisor leaves ansible-playbook behind, which then hangs
for ever. This process waits on a pipe whose other end only the supervisor has; when that end closes, it kills
what carries the run's mark and removes the run's private folder.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from wizards.clusters import RunRef
from wizards.provision.leftovers import clear_leftovers


def main(argv: list[str]) -> int:
    """Wait for the end of the supervisor, then clean up."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    return 0 if clear_leftovers(RunRef(Path(argv[0]))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
