"""For all tests: settings (a loaded machine is no fault of the code under test), SSH servers and a key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.provision.access_world import Server, make_key
from tests.provision.sshd import Sshd

settings.register_profile("slipway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("slipway")


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
