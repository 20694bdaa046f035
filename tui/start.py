"""How the application is opened: the one value that the command hands to the screens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Mode(StrEnum):
    """The first screen."""

    CONSOLE = "console"
    WIZARD = "wizard"
    RUN = "run"
    REPLAY = "replay"
    HEALTH = "health"


@dataclass(frozen=True, slots=True)
class Start:
    """What to open.

    Attributes:
        mode: The first screen.
        home: Slipway's state folder.
        cluster: Name of the cluster, for RUN, REPLAY and HEALTH.
        run: Id of the run, for RUN and REPLAY; the newest when empty.
        local: The wizard starts with "this machine".
        from_file: A cluster.yaml whose answers the wizard starts with.
        kubeconfig: For HEALTH of a cluster that Slipway did not make.
        yard: Folder of the practice yard when this is the demo.
        fail: A fault ordered for the practice run, ``NODE:STAGE``.
    """

    mode: Mode
    home: Path
    cluster: str = ""
    run: str = ""
    local: bool = False
    from_file: Path | None = None
    kubeconfig: Path | None = None
    yard: Path | None = None
    fail: str = ""
