from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import VALID


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return where a Slipway home of the test's own will be made."""
    return tmp_path / "home"


@pytest.fixture
def valid(tmp_path: Path) -> Path:
    """Return a cluster.yaml without a fault."""
    path = tmp_path / "cluster.yaml"
    path.write_text(VALID)
    return path
