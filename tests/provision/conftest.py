"""Fixtures of the tests of access."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.provision.access_world import Server, make_key
from tests.provision.sshd import Sshd
from wizards.clusters import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    root = tmp_path / 'a folder with "odd" %h signs'
    root.mkdir(mode=0o700)
    return Cluster(root)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    path.with_name("id.pub").write_text(make_key(path))
    return path


@pytest.fixture
def server(key_file: Path) -> Iterator[Server]:
    started: list[Sshd] = []
    public = key_file.with_name("id.pub").read_text()

    def start(**settings: Any) -> Sshd:
        sshd = Sshd(**{"authorized": public, **settings}).start()
        started.append(sshd)
        return sshd

    yield start
    for sshd in started:
        sshd.stop()
