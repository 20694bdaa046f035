"""Outlives the supervisor to clean up after it: ``python -m wizards.provision.watchdog MARK FOLDER ROOT``.

Killed without a word (kill -9, out of memory), a supervisor leaves ansible-playbook behind, which then hangs
for ever. This process waits on a pipe whose other end only the supervisor has; when that end closes, it kills
what carries the run's mark, closes ssh's shared connections and removes the run's private folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

from wizards.provision.processes import kill_marked


def main(argv: list[str]) -> int:
    """Wait for the end of the supervisor, then clean up."""
    mark, folder, root = argv
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    kill_marked(mark)
    from wizards.provision.ansible_env import close_connections

    close_connections(Path(root))
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
