"""The private files and locks of a yard folder."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class YardFiles:
    """The paths inside a yard folder."""

    folder: Path

    @property
    def description(self) -> Path:
        """``yard.json``: there while the yard is ready."""
        return self.folder / "yard.json"

    @property
    def lock(self) -> Path:
        """Held by the yard from its first moment to its last; holds the guard's process id."""
        return self.folder / "yard.lock"

    @property
    def starting(self) -> Path:
        """Held by whoever is starting the yard."""
        return self.folder / "start.lock"

    @property
    def lease(self) -> Path:
        """Held, shared, by everyone who needs the yard."""
        return self.folder / "lease"

    @property
    def log(self) -> Path:
        """What the yard had to say since its last start."""
        return self.folder / "yard.log"

    @property
    def key(self) -> Path:
        """The private key that opens the nodes."""
        return self.folder / "id_ed25519"

    @property
    def kubeconfig(self) -> Path:
        """Opens the practice API."""
        return self.folder / "kubeconfig"

    @property
    def objects(self) -> Path:
        """The practice API's objects between two runs of the yard."""
        return self.folder / "objects.json"

    @property
    def ports(self) -> Path:
        """The ports the nodes had last."""
        return self.folder / "ports.json"

    @property
    def host_keys(self) -> Path:
        """The folder of the nodes' private host keys."""
        return self.folder / "host_keys"

    @property
    def nodes(self) -> Path:
        """The folder of the nodes' disks."""
        return self.folder / "nodes"

    def down(self, name: str) -> Path:
        """Return the file that, while it exists, makes the node `name` unreachable."""
        return self.nodes / f"{name}.down"


def private_folder(path: Path) -> Path:
    """Make `path` with its parents, closed to other users (0700), and return it without symbolic links.

    Raises:
        OSError: it cannot be made or belongs to someone else.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path.resolve()


def open_private(path: Path) -> int:
    """Open `path` for reading and writing, made 0600 when absent; children do not inherit the descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take the flock of `descriptor` if that is possible at once; say whether it was."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
