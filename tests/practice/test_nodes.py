"""Practice nodes as the real OpenSSH client and the real Ansible meet them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.practice.ssh_world import Client, sockets, until
from wizards.practice.children import start_child
from wizards.practice.client import YardNode
from wizards.practice.commands import USER, Home
from wizards.practice.nodes import (
    PracticeNode,
    load_or_make_key,
    make_disk,
    node_address,
    node_name,
    public_line,
)
from wizards.practice.processes import end_all, marked


class Place:
    """Some running nodes and a client that may log in to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[PracticeNode] = []
        (folder / "person").mkdir()
        self.client = Client(folder / "person", folder / "key")
        self.key = load_or_make_key(folder / "key")

    async def start(self, count: int) -> None:
        for number in range(1, count + 1):
            name = node_name(number)
            disk = make_disk(name, self.folder / name)
            node = PracticeNode(
                Home(name, disk, self.folder),
                host_key=load_or_make_key(self.folder / f"{name}.key"),
                client_key=self.key,
                down=self.folder / f"{name}.down",
            )
            await node.start(node_address(number))
            self.running.append(node)
        self.client.know("".join(f"[{n.address}]:{n.port} {n.host_key}\n" for n in self.nodes))

    @property
    def nodes(self) -> tuple[YardNode, ...]:
        return tuple(
            YardNode(n.home.name, n.address, n.port, USER, public_line(n.host_key)) for n in self.running
        )

    @property
    def disk(self) -> Path:
        return self.running[0].home.disk


@contextlib.asynccontextmanager
async def _place(folder: Path, count: int) -> AsyncIterator[Place]:
    place = Place(folder.resolve())
    try:
        await place.start(count)
        yield place
    finally:
        for node in place.running:
            await node.stop()
        end_all(place.folder)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with _place(tmp_path, 1) as place:
        yield place


async def test_streams_and_exit_code_come_through(place: Place) -> None:
    done = await place.client.ssh(
        place.nodes[0], "read word; echo got $word; echo trouble >&2; exit 7", stdin=b"hello\nrest\n"
    )
    assert (done.code, done.out) == (7, b"got hello\n")
    assert done.err.endswith(b"trouble\n")


async def test_megabytes_go_both_ways_unharmed(place: Place) -> None:
    data = random.Random(7).randbytes(6_000_001)
    done = await place.client.ssh(place.nodes[0], "tee copy", stdin=data)
    assert done.code == 0
    assert hashlib.sha256(done.out).digest() == hashlib.sha256(data).digest()
    assert (place.disk / "copy").read_bytes() == data


async def test_a_command_that_does_not_read_its_input_still_ends(place: Place) -> None:
    done = await place.client.ssh(place.nodes[0], "exec 0<&-; echo done; exit 4", stdin=b"x" * 4_000_000)
    assert (done.code, done.out) == (4, b"done\n")


async def test_many_at_once_each_get_their_own_output_and_code(place: Place) -> None:
    async with sockets() as folder:
        shared = ("-o", f"ControlPath={folder}/m")
        await _master(place, shared)

        async def one(number: int) -> tuple[int, bytes]:
            # Half of them share one connection, as Ansible's do.
            command = f"head -c {number * 1000} /dev/zero; exit {number}"
            done = await place.client.ssh(place.nodes[0], command, more=shared if number % 2 else ())
            return done.code, done.out

        results = await asyncio.gather(*(one(number) for number in range(1, 25)))
    assert [(code, len(out)) for code, out in results] == [(number, number * 1000) for number in range(1, 25)]


@pytest.mark.slow
async def test_no_node_is_unreachable_in_a_crowd(tmp_path: Path) -> None:
    """A small one of tests/bench/yard_stress.py: 20 nodes, 6 connections to each, 30 at a time."""
    async with _place(tmp_path, 20) as place:
        at_once = asyncio.Semaphore(30)

        async def one(number: int) -> tuple[int, str, int]:
            node = place.nodes[number % 20]
            async with at_once:
                done = await place.client.ssh(node, f"head -c 20000 /dev/zero; hostname >&2; exit {number}")
            return done.code, node.name, len(done.out)

        results = await asyncio.gather(*(one(number) for number in range(120)))
    assert results == [(number, node_name(number % 20 + 1), 20_000) for number in range(120)]


async def test_death_by_signal_is_an_exit_code_and_not_a_lost_connection(place: Place) -> None:
    assert (await place.client.ssh(place.nodes[0], "kill -9 $$")).code == 128 + 9


async def test_a_command_knows_its_node_and_none_of_our_secrets(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERY_SECRET_TOKEN", "marker-of-a-secret")
    done = await place.client.ssh(place.nodes[0], "env; pwd; echo ~; echo ~practice; cat etc/hostname")
    *settings, folder, home, home_by_name, name = done.text.splitlines()
    environment = dict(setting.split("=", 1) for setting in settings)
    assert folder == home == home_by_name == str(place.disk)
    assert name == environment["SLIPWAY_PRACTICE_NODE"] == "node-1"
    assert Path(environment["TMPDIR"]).parent == place.disk
    assert environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert environment["LANG"] == "C.UTF-8"
    assert "marker-of-a-secret" not in done.text


async def test_only_the_practice_user_with_the_yards_key_comes_in(place: Place, tmp_path: Path) -> None:
    node = place.nodes[0]
    load_or_make_key(tmp_path / "stranger")
    as_root = await place.client.ssh(node, "true", user="root")
    stranger = await place.client.ssh(node, "true", key=tmp_path / "stranger")
    for refused in (as_root, stranger):
        assert refused.code == 255
        # Nothing else is offered: no password, no keyboard-interactive.
        assert b"Permission denied (publickey)" in refused.err


async def test_the_host_key_proves_the_node_and_stays(place: Place) -> None:
    node = place.nodes[0]
    kept = load_or_make_key(place.folder / "node-1.key")
    assert public_line(kept) == node.host_key
    assert (place.folder / "node-1.key").stat().st_mode & 0o777 == 0o600
    place.client.know(f"[{node.address}]:{node.port} {public_line(place.key)}\n")
    refused = await place.client.ssh(node, "true")
    assert refused.code == 255
    assert b"REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.err


@pytest.mark.parametrize("terminal", [(), ("-tt",)], ids=["pipes", "terminal"])
async def test_what_a_session_started_dies_with_its_connection(
    place: Place, terminal: tuple[str, ...]
) -> None:
    argv = place.client.ssh_argv(place.nodes[0], "sleep 600 & sleep 600", more=terminal)
    null = asyncio.subprocess.DEVNULL
    client = await asyncio.create_subprocess_exec(*argv, stdin=null, stdout=null, stderr=null)
    await until(lambda: len(_sleeping(place)) == 2)
    client.kill()
    await client.wait()
    await until(lambda: not marked(place.folder))


async def test_a_background_process_may_stay_and_is_found_later(place: Place) -> None:
    """Ansible's asynchronous tasks rely on the first half, cleaning up on the second."""
    done = await place.client.ssh(place.nodes[0], "setsid sleep 600 </dev/null >/dev/null 2>&1 & exit 3")
    assert done.code == 3
    await until(lambda: len(_sleeping(place)) == 1)
    assert end_all(place.folder) == 1
    assert marked(place.folder) == []


async def test_stopping_a_node_ends_its_commands(place: Place) -> None:
    waiting = asyncio.create_task(place.client.ssh(place.nodes[0], "sleep 600"))
    await until(lambda: len(_sleeping(place)) == 1)
    await place.running[0].stop()
    assert marked(place.folder) == []
    assert (await waiting).code == 255


@pytest.mark.parametrize("lines", [0, 300_000], ids=["idle", "with input waiting"])
async def test_stopping_a_node_waits_for_nobody_who_has_left_the_session(place: Place, lines: int) -> None:
    """A process in a session of its own keeps all three pipes open: it is not killed, nor waited for."""
    escaped = "exec 3<&0; setsid sleep 600 <&3 & exec sleep 600"
    waiting = asyncio.create_task(place.client.ssh(place.nodes[0], escaped, stdin=b"\n" * lines))
    await until(lambda: len(_sleeping(place)) == 2)
    await place.running[0].stop()
    assert len(_sleeping(place)) == 1
    assert (await waiting).code == 255


@pytest.mark.parametrize("turns", range(8))
async def test_a_command_that_is_called_off_while_it_starts_leaves_nothing(place: Place, turns: int) -> None:
    home = place.running[0].home
    pipe = asyncio.subprocess.PIPE
    starting = asyncio.create_task(
        start_child(
            ("/bin/sh", "-c", "sleep 600 & sleep 600"),
            folder=home.disk,
            environment=home.environment(),
            yard=home.yard,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
        )
    )
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        child = await starting
        assert marked(home.yard) != []
        await child.end()
    assert marked(home.yard) == []


async def test_a_terminal_is_a_real_one(place: Place) -> None:
    script = (
        'tty; [ -t 0 ] && [ -t 2 ] && echo both; echo aside >&2; sh -c "echo controlled >/dev/tty"; exit 6'
    )
    done = await place.client.ssh(place.nodes[0], script, more=("-tt",))
    lines = done.text.split("\r\n")
    assert lines[0].startswith("/dev/")
    assert lines[1:4] == ["both", "aside", "controlled"]
    assert done.code == 6


async def test_a_shell_without_a_command_reads_its_input(place: Place) -> None:
    done = await place.client.ssh(place.nodes[0], stdin=b"echo from a script\nexit 5\n")
    assert (done.code, done.out) == (5, b"from a script\n")


@pytest.mark.parametrize("protocol", [(), ("-O",)], ids=["sftp", "scp"])
async def test_files_are_copied_inside_the_nodes_disk_only(
    place: Place, tmp_path: Path, protocol: tuple[str, ...]
) -> None:
    node, copy = place.nodes[0], place.client.scp
    source = tmp_path / "source"
    source.write_bytes(os.urandom(300_000))
    assert (await copy(node, str(source), ":relative", *protocol)).code == 0
    assert (await copy(node, str(source), f":{place.disk}/tmp/absolute", *protocol)).code == 0
    assert (await copy(node, ":relative", str(tmp_path / "back"), *protocol)).code == 0
    for arrived in (place.disk / "relative", place.disk / "tmp/absolute", tmp_path / "back"):
        assert arrived.read_bytes() == source.read_bytes()
    outside = tmp_path / "outside"
    for path in (f":{outside}", ":../outside"):
        assert (await copy(node, str(source), path, *protocol)).code == 1
    assert not outside.exists()


async def test_a_link_does_not_lead_file_transfer_out_of_the_disk(place: Place, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (place.disk / "way-out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "source").write_text("x")
    refused = await place.client.scp(place.nodes[0], str(tmp_path / "source"), ":way-out/file")
    assert refused.code == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_a_node_that_is_down_answers_nobody_and_comes_back(place: Place) -> None:
    node, down = place.nodes[0], place.folder / "node-1.down"
    waiting = asyncio.create_task(place.client.ssh(node, "sleep 600"))
    await until(lambda: len(_sleeping(place)) == 1)
    down.touch()
    refused = await place.client.ssh(node, "true")
    assert refused.code == 255
    assert b"Permission denied" not in refused.err
    assert not waiting.done()
    place.running[0].enforce_down()
    assert (await waiting).code == 255
    await until(lambda: not marked(place.folder))
    down.unlink()
    assert (await place.client.ssh(node, "exit 9")).code == 9


async def test_an_existing_connection_does_not_outlive_an_order_to_be_down(place: Place) -> None:
    async with sockets() as folder:
        shared = ("-o", f"ControlPath={folder}/m")
        await _master(place, shared)
        assert (await place.client.ssh(place.nodes[0], "exit 8", more=shared)).code == 8
        (place.folder / "node-1.down").touch()
        assert (await place.client.ssh(place.nodes[0], "true", more=shared)).code == 255


async def _master(place: Place, shared: tuple[str, ...]) -> None:
    """Open the connection that others share; it goes to the background with closed streams."""
    argv = place.client.ssh_argv(place.nodes[0], more=(*shared, "-fNM"))
    null = asyncio.subprocess.DEVNULL
    opening = await asyncio.create_subprocess_exec(*argv, stdin=null, stdout=null, stderr=null)
    assert await opening.wait() == 0


_PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {content: "for {{ inventory_hostname }}", dest: ~/etc/made, mode: "0640"}
    - ansible.builtin.template: {src: big.j2, dest: ~/opt/big}
    - ansible.builtin.shell: cat etc/made; echo $SLIPWAY_PRACTICE_NODE
      async: 30
      poll: 1
      register: shown
    - ansible.builtin.debug: {var: shown.stdout_lines}
    - ansible.builtin.command: sh -c 'echo what went wrong >&2; exit 9'
      when: inventory_hostname == 'node-2'
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"ANSIBLE_PIPELINING": "True"},
        {"ANSIBLE_PIPELINING": "False", "ANSIBLE_SSH_TRANSFER_METHOD": "scp"},
    ],
    ids=["pipelining and sftp", "terminals and scp"],
)
async def test_ansible_works_and_fails_as_on_a_server(tmp_path: Path, settings: dict[str, str]) -> None:
    async with _place(tmp_path, 2) as place:
        (place.client.folder / "big.j2").write_text("{{ inventory_hostname }} " * 20_000)
        done = await place.client.play(place.nodes, _PLAY, **settings)
        assert done.text.count("unreachable=0") == 2, done.text
        assert done.text.count("failed=0") == 1, done.text
        assert done.code == 2
        assert '"rc": 9' in done.text
        assert '"stderr": "what went wrong"' in done.text
        for node in place.running:
            name, disk = node.home.name, node.home.disk
            assert f'"for {name}{name}"' in done.text
            assert (disk / "etc/made").read_text() == f"for {name}"
            assert (disk / "etc/made").stat().st_mode & 0o777 == 0o640
            assert (disk / "opt/big").read_text() == f"{name} " * 20_000


def _sleeping(place: Place) -> list[int]:
    return [process.pid for process in marked(place.folder) if process.name() == "sleep"]
