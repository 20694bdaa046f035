"""What a run has outside its own folder: processes, and a private folder on memory. And how it goes again.

The run's folder says what there is, so that whoever comes next can remove it: the supervisor at its end, the
watchdog when the supervisor was killed, the next start when the machine went down.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from wizards.clusters import RunRef
from wizards.files import write_private
from wizards.provision.processes import kill_marked

SOCKETS: Final = "s"  # in the private folder: short, because the paths of sockets are
_FILE: Final = "private.json"
_PREFIX: Final = "slipway-"
_LOGIND: Final = Path("/run/systemd/seats")
_LINGER: Final = Path("/var/lib/systemd/linger")
_SYSTEM_USERS: Final = 1000  # uids below it are no persons: logind leaves their files alone


def make_private(run: RunRef, mark: str) -> Path:
    """Make the private folder of `run`, mode 0700, and note it and the `mark` of its processes."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_memory()))
    write_private(run.path / _FILE, json.dumps({"folder": str(folder), "mark": mark}))
    return folder


def clear_leftovers(run: RunRef) -> bool:
    """Kill the processes of `run` and remove its private folder; tell whether all of it is gone."""
    from wizards.provision.ansible_env import close_connections

    note = run.path / _FILE
    try:
        data = json.loads(note.read_bytes())
        folder, mark = Path(data["folder"]), str(data["mark"])
    except (OSError, ValueError, KeyError, TypeError):
        return True
    gone = kill_marked(mark, folder / SOCKETS)
    close_connections(run.path.parents[1])  # where the private folder's path was too long for sockets
    if folder.name.startswith(_PREFIX) and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
    if gone:
        note.unlink(missing_ok=True)
    return gone


def _memory() -> str | None:
    """Return a folder that lives in memory and outlives the login; None for the usual one for such files.

    When a person logs out for the last time, logind removes their $XDG_RUNTIME_DIR and (RemoveIPC) what they
    have in /dev/shm, unless they linger: a run goes on then, so that neither can be had.
    """
    stays = not _LOGIND.exists() or (_LINGER / _user()).exists()
    for folder, usable in (
        ("/dev/shm", stays or os.getuid() < _SYSTEM_USERS),  # noqa: S108 - 0700 below it
        (os.environ.get("XDG_RUNTIME_DIR", ""), stays),
    ):
        if folder and usable and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
