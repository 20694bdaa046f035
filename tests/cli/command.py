"""Running the real `slipway` command: in a process of its own, with a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SLIPWAY = [str(Path(sys.executable).parent / "slipway")]
BROKEN = Path(__file__).parents[1] / "setup" / "broken"

VALID = """\
name: lab
nodes:
  - {name: node1, address: 127.0.0.1}
load_balancer:
  kind: none
"""


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return this process's environment with Slipway's home in `home`."""
    return {**os.environ, "SLIPWAY_HOME": str(home), "PYTHONUNBUFFERED": "1", **more}


def slipway(
    home: Path, *arguments: str | Path, seconds: float = 120, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command without a terminal; `more` are environment variables."""
    return subprocess.run(
        [*SLIPWAY, *map(str, arguments)],
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
        check=False,
    )
