"""The probe as a node runs it, fed to a shell; and nodes on loopback that reach each other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wizards.provision.probe_script import (
    COMMAND,
    MEASURE_PORT,
    clock_offset,
    look_params,
    peers_of,
    probe_script,
    reach_params,
    read_answer,
)
from wizards.provision.wants import probe_wants
from wizards.setup.spec import ClusterSpec

linux = pytest.mark.skipif(sys.platform != "linux", reason="nodes are Linux")
# They listen on the same ports of this machine, and one look ends the listeners of another.
pytestmark = pytest.mark.xdist_group("probe-loopback")
TCP, UDP, SHUT = 42443, 42472, 42444


def a_spec(count: int = 1) -> ClusterSpec:
    nodes = [{"name": f"node-{number}", "address": f"127.0.0.{number + 1}"} for number in range(1, count + 1)]
    return ClusterSpec.model_validate({"name": "test", "nodes": nodes})


def play(script: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script as sshd would."""
    env = {
        "PATH": path or os.environ["PATH"],
        "HOME": "/nonexistent",
        "http_proxy": "http://me:secret@proxy:1",
    }
    return subprocess.run(
        ["/bin/sh", "-c", COMMAND],
        input=script,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def look(spec: ClusterSpec, **more: Any) -> dict[str, Any]:
    wants = probe_wants(spec, practice=True) | more
    params = look_params(wants, "node-1", token="t", hosts=["node-1"], seconds=20, stays=1)
    done = play(probe_script("look", params))
    answer = read_answer(done.stdout)
    assert answer.data is not None, done.stdout + done.stderr
    assert (answer.data["faults"], answer.data["missed"]) == ({}, [])
    return answer.data


@linux
def test_the_probe_looks_and_tells_without_root() -> None:
    data = look(
        a_spec(),
        modules=["no_such_module"],
        paths=["/", "/no/such/folder"],
        disks={"node-1": ["/dev/no-such-disk"]},
        commands=["sh", "no-such-command"],
        sysctls=["kernel.panic", "no.such.setting"],
    )
    seen = data["seen"]
    assert seen["uid"] == os.geteuid()
    assert seen["kernel"] == os.uname().release
    assert seen["node_name"] == os.uname().nodename
    assert seen["memory_mib"] >= seen["memory_available_mib"] > 0
    assert seen["free_mib"]["/no/such/folder"] == pytest.approx(seen["free_mib"]["/"], rel=0.1)
    assert seen["modules_missing"] == ["no_such_module"]
    assert seen["disks"]["/dev/no-such-disk"]["there"] is False
    assert seen["commands_missing"] == ["no-such-command"]
    assert list(seen["sysctls"]) == ["kernel.panic"]
    assert "127.0.0.1" in seen["addresses"]
    # What a login's environment holds comes back without its password.
    assert seen["proxies"] == {"http_proxy": "http://proxy:1"}
    assert data["clock"][0] <= data["clock"][1]


@linux
def test_who_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        seen = look(a_spec(), ports={"node-1": [port, 1]})["seen"]
    assert seen["ports_taken"] == [{"port": port, "by": Path("/proc/self/comm").read_text().strip()}]


def test_a_machine_without_python_says_so(tmp_path: Path) -> None:
    # Only what the shell command itself names outside PATH may be there.
    script = COMMAND.replace("/usr/bin/python3", "/nowhere/python3").replace("/usr/libexec", "/nowhere")
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        input="x",
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    answer = read_answer(done.stdout)
    assert (answer.here, answer.python, answer.data) == (True, False, None)


def test_a_pythons_shim_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    answer = read_answer(play("print('SLIPWAY-ANSWER {}')", f"{tmp_path}:{os.environ['PATH']}").stdout)
    assert answer.data == {}


@pytest.mark.parametrize(
    ("output", "here", "data"),
    [
        ("", False, None),
        ('Welcome!\nSLIPWAY-HERE\nSLIPWAY-ANSWER {"a": 1}\nbye', True, {"a": 1}),
        ("SLIPWAY-HERE\r\nSLIPWAY-ANSWER [1]\r\n", True, None),
        ('SLIPWAY-HERE\nSLIPWAY-ANSWER {"a": ', True, None),
        ("This account is currently not available.", False, None),
    ],
)
def test_answers_are_read_with_care(output: str, here: bool, data: object) -> None:
    answer = read_answer(output)
    assert (answer.here, answer.data) == (here, data)


@pytest.mark.parametrize(
    ("node", "offset"),
    [((103.0, 105.0), 0.0), ((703.0, 705.0), 599.0), ((-597.0, -595.0), -697.0)],
)
def test_a_slow_line_is_not_taken_for_a_wrong_clock(node: tuple[float, float], offset: float) -> None:
    assert clock_offset(node, (100.0, 106.0)) == pytest.approx(offset)


def rules(**more: Any) -> dict[str, Any]:
    """Return a table of three nodes on loopback, for ports that need no root."""
    return {
        "nodes": {
            f"node-{number}": {"address": f"127.0.0.{number + 1}", "kinds": ["node"]} for number in (1, 2, 3)
        },
        "rules": [{"from": "node", "to": "node", "tcp": [TCP], "udp": [UDP], "etcd": True}],
    } | more


class Nodes:
    """Nodes on loopback that were looked at, so that each listens."""

    def __init__(self, reach: dict[str, Any], *names: str) -> None:
        self.wants = probe_wants(a_spec(3), practice=True) | {"reach": reach}
        self.names = list(reach["nodes"])
        for name in names:
            params = look_params(self.wants, name, token="t", hosts=self.names, seconds=20, stays=30)
            answer = read_answer(play(probe_script("look", params)).stdout)
            assert answer.data is not None
            assert answer.data["listening"]["tcp"]

    def reach(self, name: str, hosts: list[str] | None = None) -> dict[str, Any]:
        params = reach_params(self.wants, name, token="t", hosts=hosts or self.names, seconds=20)
        assert params is not None
        answer = read_answer(play(probe_script("reach", params)).stdout)
        assert answer.data is not None
        assert answer.data["late"] is False
        peers: dict[str, Any] = answer.data["peers"]
        return peers


def listens(address: str) -> bool:
    try:
        socket.create_connection((address, TCP), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until_nobody_listens() -> None:
    deadline = time.monotonic() + 20
    while any(listens(f"127.0.0.{number}") for number in (2, 3, 4)):
        assert time.monotonic() < deadline, "a listener is left"


@pytest.fixture
def quiet() -> Iterator[None]:
    yield
    # What is left is told that everybody has finished, as the nodes that did not reach would have told it.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as told:
        for address in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            for port in (UDP, MEASURE_PORT):
                for number in (1, 2, 3, 4):
                    told.sendto(f"slipway done t node-{number}".encode(), (address, port))
    wait_until_nobody_listens()


@linux
@pytest.mark.slow
def test_nodes_reach_each_other_and_leave_no_listener(quiet: None) -> None:
    names = ["node-1", "node-2", "node-3"]
    nodes = Nodes(rules(), *names)
    assert all(listens(f"127.0.0.{number}") for number in (2, 3, 4))
    for name in names:
        peers = nodes.reach(name)
        assert set(peers) == {*names} - {name}
        for peer in peers.values():
            assert (peer["tcp_failed"], peer["udp_failed"], peer["loss"]) == ({}, {}, 0.0)
            assert 0 < peer["rtt_ms"] < 1000
            assert peer["mtu"] >= 1500
    # All have reached all: nobody listens any more, long before the time is over.
    wait_until_nobody_listens()


@linux
@pytest.mark.slow
def test_a_look_takes_over_from_the_listeners_of_the_one_before(quiet: None) -> None:
    names = ["node-1", "node-2", "node-3"]
    Nodes(rules(), *names)  # cut short: nobody said that it had finished
    again = Nodes(rules(), *names)  # which asserts that it could listen on the same ports
    for name in names:
        assert [one["tcp_failed"] for one in again.reach(name).values()] == [{}, {}]
    wait_until_nobody_listens()


@linux
@pytest.mark.slow
def test_a_host_that_is_another_one_and_one_that_is_not_there_are_told_apart(quiet: None) -> None:
    reach = rules()
    reach["nodes"]["node-3"]["address"] = "127.0.0.3"  # where node-2 answers
    reach["nodes"]["node-4"] = {"address": "127.0.0.9", "kinds": ["node"]}
    peers = Nodes(reach, "node-1", "node-2").reach("node-1")
    assert peers["node-2"]["tcp_failed"] == {}
    assert peers["node-3"]["tcp_failed"] == {str(TCP): "wrong host"}
    assert peers["node-4"]["tcp_failed"] == {str(TCP): "refused"}
    assert peers["node-4"]["udp_failed"] == {str(UDP): "no answer"}
    assert (peers["node-4"]["rtt_ms"], peers["node-4"]["mtu"]) == (None, None)


@linux
@pytest.mark.slow
def test_what_listens_there_already_counts_as_reached(quiet: None) -> None:
    with socket.create_server(("127.0.0.3", SHUT)):
        reach = rules(rules=[{"from": "node", "to": "node", "tcp": [TCP, SHUT], "udp": []}])
        peers = Nodes(reach, "node-1", "node-2").reach("node-1", ["node-1", "node-2"])
    assert peers["node-2"]["tcp_failed"] == {}
    # Round trip and size are measured where no UDP is needed, too.
    assert peers["node-2"]["rtt_ms"] > 0


def test_peers_are_the_other_nodes_of_this_run() -> None:
    reach = rules()
    assert [one["name"] for one in peers_of(reach, "node-1", ["node-1", "node-3"])] == ["node-3"]
    assert peers_of(reach, "node-1", ["node-1"]) == []
    assert peers_of({}, "node-1", ["node-1", "node-2"]) == []
