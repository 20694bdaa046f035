"""Fixtures of the tests of access."""

from __future__ import annotations

from pathlib import Path

import pytest

from wizards.clusters import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    root = tmp_path / 'a folder with "odd" %h signs'
    root.mkdir(mode=0o700)
    return Cluster(root)
