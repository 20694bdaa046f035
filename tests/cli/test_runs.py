"""Commands on runs, against real practice nodes: real SSH, real Ansible, a real supervisor."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.command import SLIPWAY, environment, slipway
from tests.cli.practice import NAME, practice_home
from wizards.clusters import Clusters

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli-runs"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a home with a practice cluster of one node, whose yard is held for all tests of this file."""
    with practice_home(tmp_path_factory.mktemp("runs") / "home", 1) as folder:
        yield folder


def until(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.1)  # between two looks at a condition with a deadline


def newest(home: Path) -> dict[str, str]:
    documents: list[dict[str, str]] = json.loads(slipway(home, "runs", NAME, "--json").stdout)
    return documents[0]


def test_a_run_is_started_watched_left_cancelled_and_retried(home: Path) -> None:
    started = slipway(home, "up", NAME, "--yes", "--detach", "--json")
    assert started.returncode == 0, started.stderr
    run = json.loads(started.stdout)["run"]

    busy = slipway(home, "up", NAME, "--yes", "--detach")
    assert (busy.returncode, busy.stdout) == (5, "")

    watcher = subprocess.Popen(
        [*SLIPWAY, "attach", NAME],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdout is not None
    first = watcher.stdout.readline()
    assert first.startswith(f"Run {run} of practice: "), "from the first event on"
    watcher.send_signal(signal.SIGINT)
    _, said = watcher.communicate(timeout=60)
    assert "The run goes on. Watch it: slipway attach practice" in said
    assert "Stop it: slipway cancel practice" in said
    assert watcher.returncode == 0
    assert newest(home) == {**newest(home), "run": run, "status": "running"}

    stopped = slipway(home, "cancel", NAME, "--now", seconds=200)
    assert stopped.returncode == 0
    assert "The run ended: cancelled." in stopped.stdout
    assert slipway(home, "attach", NAME).returncode == 4

    retried = slipway(home, "retry", NAME, "--detach")
    assert retried.returncode == 0, retried.stderr
    assert newest(home)["run"] != run
    run_again = Clusters(home).get(NAME).latest_run()
    assert run_again is not None
    until(lambda: '"stage-started"' in run_again.journal.read_text(), "the retried run begins a stage")
    assert slipway(home, "cancel", NAME, "--now", seconds=200).returncode == 0
    health = slipway(home, "health", NAME)
    assert health.returncode == 2
    assert "has no kubeconfig yet" in health.stderr
