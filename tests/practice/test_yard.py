"""The practice yard as a process: coming up, being held, going away, whatever is killed."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
import yaml

from tests.practice.ssh_world import Client, until
from wizards.lock import is_held
from wizards.practice.client import (
    Yard,
    YardError,
    ensure_yard,
    hold,
    known_hosts_lines,
    read_yard,
    set_reachable,
    stop_yard,
)
from wizards.practice.files import YardFiles
from wizards.practice.processes import end_all, marked
from wizards.practice.yard import FIRST_HOLDER_SECONDS, IDLE_SECONDS, Lease

PATIENCE = 60.0  # seconds for a start on a busy machine


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a yard; whatever a test leaves running in it is stopped."""
    folder = tmp_path / "yard"
    yield folder
    stop_yard(folder)
    end_all(folder.resolve())


@pytest.fixture
async def held(folder: Path) -> AsyncIterator[Path]:
    """The same, and held for the length of the test."""
    with hold(folder):
        yield folder


def _start(folder: Path, nodes: int = 1) -> Yard:
    return ensure_yard(folder, nodes, timeout=PATIENCE)


def _guard(folder: Path) -> int:
    return int(YardFiles(folder).lock.read_text())


def _gone(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


async def _sleep_on_node(yard: Yard, folder: Path, client_folder: Path) -> asyncio.Task[object]:
    """Have one process in a session and one that has left every session."""
    client = Client.of(yard, client_folder)
    await client.ssh(yard.nodes[0], "setsid sleep 600 </dev/null >/dev/null 2>&1 &")
    waiting: asyncio.Task[object] = asyncio.create_task(client.ssh(yard.nodes[0], "exec sleep 600"))
    await until(lambda: len([p for p in marked(folder.resolve()) if p.name() == "sleep"]) == 2)
    return waiting


async def test_a_yard_comes_up_once_and_says_how_to_reach_it(held: Path, tmp_path: Path) -> None:
    yard = _start(held, 2)
    assert [node.name for node in yard.nodes] == ["node-1", "node-2"]
    assert ensure_yard(held, 2) == yard == read_yard(held)
    assert Yard.from_json(yard.to_json()) == yard
    client = Client.of(yard, tmp_path)
    for node in yard.nodes:
        done = await client.ssh(node, "echo $SLIPWAY_PRACTICE_NODE; pwd")
        assert done.text.split() == [node.name, str(held / "nodes" / node.name)]
    assert _api_version(yard)["gitVersion"].startswith("v1.")


async def test_nothing_of_a_yard_is_open_to_others(held: Path) -> None:
    yard = _start(held)
    assert held.stat().st_mode & 0o777 == 0o700
    files = [path for path in held.rglob("*") if path.is_file() and YardFiles(held).nodes not in path.parents]
    assert {yard.key, yard.kubeconfig, held / "yard.json", held / "yard.log"} <= set(files)
    assert [path for path in files if path.stat().st_mode & 0o077] == []


async def test_a_yard_knows_nothing_of_its_callers_environment(
    held: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("VERY_SECRET_TOKEN", "marker-of-a-secret")
    yard = _start(held)
    for pid in (yard.pid, _guard(held)):
        assert not {"SSH_AUTH_SOCK", "VERY_SECRET_TOKEN"} & set(psutil.Process(pid).environ())


async def test_it_belongs_to_no_terminal(held: Path) -> None:
    yard = _start(held)
    assert os.getsid(yard.pid) == os.getsid(_guard(held)) != os.getsid(0)
    assert psutil.Process(yard.pid).terminal() is None


async def test_two_who_start_it_at_once_get_the_same(held: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from wizards.practice.client import ensure_yard; "
        f"print(ensure_yard(Path(sys.argv[1]), 1, timeout={PATIENCE}).pid)"
    )
    pipe = asyncio.subprocess.PIPE
    starters = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(held), stdout=pipe)
        for _ in range(3)
    ]
    told = [(await starter.communicate())[0].decode().strip() for starter in starters]
    yard = read_yard(held)
    assert yard is not None
    assert told == [str(yard.pid)] * 3


async def test_another_number_of_nodes_is_refused(held: Path) -> None:
    _start(held)
    with pytest.raises(YardError, match="already running with 1 node, not 2"):
        ensure_yard(held, 2)
    for impossible in (0, 201):
        with pytest.raises(YardError, match="1 to 200 nodes"):
            ensure_yard(held, impossible)


async def test_stopping_leaves_nothing_and_starting_again_finds_all(held: Path, tmp_path: Path) -> None:
    first = _start(held)
    guard = _guard(held)
    waiting = await _sleep_on_node(first, held, tmp_path)
    await asyncio.to_thread(stop_yard, held)
    assert marked(held.resolve()) == []
    assert _gone(first.pid)
    assert _gone(guard)
    assert read_yard(held) is None
    assert not (held / "yard.json").exists()
    await waiting
    (held / "nodes/node-1/etc/kept").write_text("x")
    second = _start(held)
    assert second.nodes == first.nodes
    assert second.pid != first.pid
    assert (await Client.of(second, tmp_path).ssh(second.nodes[0], "cat etc/kept")).out == b"x"


async def test_a_port_that_was_taken_meanwhile_is_replaced(held: Path, tmp_path: Path) -> None:
    node = _start(held).nodes[0]
    stop_yard(held)
    with socket.create_server((node.address, node.port)):
        moved = _start(held)
    assert moved.nodes[0].port != node.port
    assert (await Client.of(moved, tmp_path).ssh(moved.nodes[0], "exit 3")).code == 3


@pytest.mark.parametrize("victim", ["worker", "guard"])
async def test_killing_a_part_of_it_takes_all_of_it(held: Path, tmp_path: Path, victim: str) -> None:
    yard = _start(held)
    guard = _guard(held)
    waiting = await _sleep_on_node(yard, held, tmp_path)
    os.kill(yard.pid if victim == "worker" else guard, signal.SIGKILL)
    await until(lambda: not is_held(YardFiles(held).lock))
    assert marked(held.resolve()) == []
    assert _gone(yard.pid)
    assert _gone(guard)
    assert not (held / "yard.json").exists()
    await waiting
    assert _start(held).nodes == yard.nodes


@pytest.mark.slow
async def test_a_worker_that_hangs_is_killed_when_it_should_stop(held: Path, tmp_path: Path) -> None:
    yard = _start(held)
    waiting = await _sleep_on_node(yard, held, tmp_path)
    os.kill(yard.pid, signal.SIGSTOP)
    await asyncio.to_thread(stop_yard, held, timeout=PATIENCE)
    assert marked(held.resolve()) == []
    assert _gone(yard.pid)
    await waiting


async def test_what_survives_the_killing_of_both_is_ended_by_the_next_start(
    held: Path, tmp_path: Path
) -> None:
    yard = _start(held)
    waiting = await _sleep_on_node(yard, held, tmp_path)
    os.kill(_guard(held), signal.SIGSTOP)  # so that it cannot see the worker's end before its own
    os.kill(yard.pid, signal.SIGKILL)
    os.kill(_guard(held), signal.SIGKILL)
    await until(lambda: not is_held(YardFiles(held).lock))
    await waiting
    assert read_yard(held) is None
    orphans = marked(held.resolve())
    _start(held)
    assert len(orphans) == 2
    assert all(_gone(process.pid) for process in orphans)


async def test_ctrl_c_stops_a_yard_in_the_foreground(held: Path) -> None:
    daemon = subprocess.Popen(
        [sys.executable, "-m", "wizards.practice", str(held), "--nodes", "1"], stderr=subprocess.DEVNULL
    )
    try:
        await until(lambda: read_yard(held) is not None, PATIENCE)
        daemon.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(daemon.wait, 30) == 0
    finally:
        daemon.kill()
        daemon.wait()
    assert not (held / "yard.json").exists()


@pytest.mark.slow
async def test_it_goes_when_its_last_holder_is_killed(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from wizards.practice.client import hold\n"
        "with hold(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(folder), stdin=pipe, stdout=pipe
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with hold(folder):
        yard = _start(folder)
    assert read_yard(folder) == yard
    holder.kill()
    await holder.wait()
    await until(lambda: not is_held(YardFiles(folder).lock))
    assert _gone(yard.pid)


def test_a_lease_waits_for_the_first_holder_and_then_for_nobody(tmp_path: Path) -> None:
    lease = Lease(tmp_path / "lease", now=100)
    assert not lease.abandoned(100 + FIRST_HOLDER_SECONDS - 0.1)
    with hold(tmp_path), hold(tmp_path):
        assert not lease.abandoned(500)
    assert not lease.abandoned(500 + IDLE_SECONDS - 0.1)
    assert lease.abandoned(500 + IDLE_SECONDS)
    # It is decided: a newcomer waits until the yard is gone.
    with pytest.raises(YardError, match="has been stopping"), hold(tmp_path, timeout=0):
        pass
    lease.close()
    with hold(tmp_path):
        pass


def test_a_lease_nobody_ever_takes_runs_out(tmp_path: Path) -> None:
    lease = Lease(tmp_path / "lease", now=0)
    assert lease.abandoned(FIRST_HOLDER_SECONDS)
    lease.close()


def test_programs_started_by_a_holder_do_not_hold(tmp_path: Path) -> None:
    with ExitStack() as stack, hold(tmp_path):
        child = stack.enter_context(
            subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
        )
        held = [file.path for file in psutil.Process(child.pid).open_files()]
        assert str(tmp_path / "lease") in [file.path for file in psutil.Process().open_files()]
        child.kill()
    assert str(tmp_path / "lease") not in held


async def test_a_yard_that_cannot_start_says_why(held: Path) -> None:
    (held / "nodes").write_text("a file where the folder of the disks should be")
    with pytest.raises(YardError) as refused:
        _start(held)
    assert str(refused.value).startswith("the practice yard stopped while it was starting")
    assert "FileExistsError" in str(refused.value)
    assert read_yard(held) is None


def test_a_folder_that_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(YardError, match="needs its folder"):
        ensure_yard(tmp_path / "file", 1)


async def test_a_description_of_another_version_or_none_is_refused(held: Path) -> None:
    yard = _start(held)
    newer = json.loads(yard.to_json()) | {"version": 99}
    (held / "yard.json").write_text(json.dumps(newer))
    with pytest.raises(YardError, match="version 99"):
        read_yard(held)
    (held / "yard.json").write_text("{")
    with pytest.raises(YardError, match="damaged"):
        read_yard(held)


async def test_a_node_can_be_made_unreachable(held: Path, tmp_path: Path) -> None:
    yard = _start(held, 2)
    client = Client.of(yard, tmp_path)
    set_reachable(held, "node-2", False)
    assert (await client.ssh(yard.nodes[1], "true")).code == 255
    assert (await client.ssh(yard.nodes[0], "true")).code == 0
    set_reachable(held, "node-2", True)
    assert (await client.ssh(yard.nodes[1], "true")).code == 0


async def test_known_hosts_names_every_node_with_its_port(held: Path) -> None:
    yard = _start(held, 2)
    lines = known_hosts_lines(yard).splitlines()
    assert lines == [f"[{node.address}]:{node.port} {node.host_key}" for node in yard.nodes]
    assert len({line.split()[2] for line in lines}) == 2


def _api_version(yard: Yard) -> dict[str, str]:
    """Ask the practice API for its version with what the kubeconfig says, and be refused without a token."""
    config = yaml.safe_load(yard.kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    assert cluster["server"] == yard.api
    trust = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    request = urllib.request.Request(f"{yard.api}/api/v1/nodes")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, context=trust)
    request = urllib.request.Request(
        f"{yard.api}/version", headers={"Authorization": f"Bearer {user['token']}"}
    )
    with urllib.request.urlopen(request, context=trust) as answer:
        version: dict[str, str] = json.load(answer)
        return version
