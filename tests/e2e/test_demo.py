"""The whole path on the practice yard, as a user walks it: real SSH, real Ansible, a real terminal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

SLIPWAY = [str(Path(sys.executable).parent / "slipway")]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.1)  # between two looks at a condition with a deadline


def processes_of(home: Path) -> list[str]:
    """Return the command lines of all processes that this home's Slipway started and that still live."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("SLIPWAY_HOME") == str(home) or str(home) in " ".join(
                process.cmdline()
            )
            if mine and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline())[:200])
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("h")
    yield folder
    wait_for(lambda: not processes_of(folder), f"everything is gone, still there: {processes_of(folder)}", 60)


def slipway(home: Path, *arguments: str, seconds: float = 400) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SLIPWAY, *arguments],
        env={**os.environ, "SLIPWAY_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_demo_auto_survives_an_ordered_fault_and_ends_healthy(home: Path) -> None:
    done = slipway(home, "demo", "--auto", "--fail", "node-2:kubernetes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗ node-2: " in done.stdout
    assert "Practice fault" in done.stdout
    assert "That was the fault you ordered." in done.stdout
    for stage in (
        "Prepare this machine",
        "Check the nodes",
        "Rehearse Kubernetes",
        "Set up storage",
        "Prove that it works",
    ):
        assert f"{stage}: done" in done.stdout
    assert "PRACTICE" in done.stdout
    assert "Healthy: 3 of 3 nodes ready" in done.stdout
    history = json.loads(slipway(home, "runs", "practice", "--json").stdout)
    assert [one["status"] for one in history] == ["succeeded", "failed"]
    for path in home.rglob("*"):
        # Practice nodes' own disks are theirs; all that is Slipway's is its owner's alone.
        if "yards" not in path.parts and not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path


def test_ctrl_c_during_the_demo_leaves_nothing_behind(home: Path) -> None:
    process = subprocess.Popen(
        [*SLIPWAY, "demo", "--auto"],
        env={**os.environ, "SLIPWAY_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "Check the nodes" in line:
            break
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(timeout=60) == 4, rest
    assert "Stopping" in rest


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed (Debian: apt install tmux)")
def test_by_keys_alone_in_a_real_terminal_and_closing_it_does_not_stop_the_run(home: Path) -> None:
    socket = f"slipway-{os.getpid()}"

    def tmux(*arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-L", socket, *arguments], capture_output=True, text=True, timeout=20, check=False
        ).stdout

    def screen() -> str:
        return tmux("capture-pane", "-p", "-t", "demo")

    def shows(*texts: str) -> bool:
        seen = screen()
        return all(text in seen for text in texts)

    def press(*keys: str) -> None:
        tmux("send-keys", "-t", "demo", *keys)

    environment = ["-e", f"SLIPWAY_HOME={home}", "-e", "TERM=tmux-256color", "-e", "LC_ALL=C.UTF-8"]
    try:
        tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-s",
            "demo",
            "-x",
            "80",
            "-y",
            "24",
            *environment,
            *SLIPWAY,
            "demo",
        )
        wait_for(lambda: "Step 1 of 9" in screen() and "Enter: " in screen(), "the first step")
        assert "PRACTICE" in screen()
        titles = ("Nodes", "Access", "Network", "Load balancer", "Storage", "Service mesh", "Control plane")
        for number, title in enumerate(titles, start=2):
            press("C-n")
            wait_for(partial(shows, f"Step {number} of 9", title), title)
        press("C-n")
        wait_for(lambda: "Ready to start" in screen(), "the review")
        press("Enter")
        wait_for(lambda: "Enter: start the set-up" in screen(), "the nodes were looked at, Start is marked")
        assert "checks of the machine" in screen()
        press("Enter")
        wait_for(lambda: "Stage " in screen() and " of 7" in screen(), "the run")
        wait_for(lambda: "node-2" in screen(), "the hosts")
        wait_for(lambda: "✓ Prepare this machine" in screen(), "the first stage is done", 120)
    finally:
        tmux("kill-server")
    attached = slipway(home, "attach", "practice")
    assert attached.returncode == 0, attached.stdout + attached.stderr
    assert "Prepare this machine: done" in attached.stdout, "it shows the run from its first event on"
    assert "Run succeeded." in attached.stdout
    assert "succeeded" in slipway(home, "runs", "practice").stdout
    wait_for(lambda: not processes_of(home), "the yard has stopped by itself")
    healthy = slipway(home, "health", "practice", "--json")
    assert json.loads(healthy.stdout)["verdict"] == "healthy", "the yard remembers its cluster"
