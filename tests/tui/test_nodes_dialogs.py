"""Servers brought into the table: pasted, imported, found in a network; real files, real listening ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.widgets import Input, TextArea

from tests.tui.conftest import NARROW, text_of
from tests.tui.nodes_step import NodesStep, nodes_step
from tui.screens.dialogs import Choose
from tui.screens.node_discovery import FindNodes
from tui.screens.node_import import ImportNodes, PasteNodes
from tui.screens.node_pick import PickNodes, PickRows
from tui.screens.wizard import WizardScreen
from tui.widgets.path_field import PathField, completed
from wizards.clusters import Clusters
from wizards.setup.spec import ClusterSpec, Node

INVENTORY = """\
[all]
web-1 ansible_host=10.0.0.21 ansible_user=ubuntu
web-2 ansible_host=10.0.0.22 ansible_user=ubuntu
web-3 ansible_host=10.0.0.23 ansible_user=ubuntu
db-1 ansible_host=10.0.0.31 ansible_user=ubuntu
[kube_control_plane]
web-[1:3]
[etcd]
web-[1:3]
[kube_node]
db-1
"""


@pytest.fixture
def home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the user a home folder of the test's own too: ~/.ssh/config is read from there."""
    monkeypatch.setenv("HOME", str(home))
    return home


async def opened(step: NodesStep, key: str, kind: type) -> None:
    await step.keys(key)
    await step.until(lambda: isinstance(step.app.screen, kind), f"{kind.__name__} is open")
    await step.until(lambda: step.app.screen.focused is not None, f"{kind.__name__} can be typed into")
    await step.pilot.pause()


async def back(step: NodesStep) -> None:
    await step.until(lambda: isinstance(step.app.screen, WizardScreen), "back at the table")


async def test_what_is_pasted_is_shown_before_it_is_added(home: Path) -> None:
    async with nodes_step(home) as step:
        await step.add("10.0.0.1")
        await opened(step, "p", PasteNodes)
        box = step.app.screen.query_one(TextArea)
        box.text = "name,ip,role\nweb-1,10.0.0.1,master\nweb-2,10.0.0.2,worker\nweb-3,10.0.0.3,worker\n"
        await step.until(
            lambda: step.note("#paste-note").startswith("3 servers from a CSV table, 2 of them new:"),
            "what would be added",
        )
        assert "web-2" in step.note("#paste-note")
        assert "Ctrl+S: add them" in text_of(step.app), "nothing is cut off"
        box.text = "10.0.0.7\n10.0.0.999\n"
        await step.until(lambda: "10.0.0.999" in step.note("#paste-note"), "the line that is wrong")
        await step.keys("ctrl+s")
        await step.pilot.pause(0.3)
        assert isinstance(step.app.screen, PasteNodes), "one stays while a line is wrong"
        box.text = "10.0.0.[7-9]"
        await step.keys("ctrl+s")
        await back(step)
        await step.until(
            lambda: len(step.rows) == 4, "they are added at once, without waiting for the preview"
        )
        assert [row["address"] for row in step.rows] == ["10.0.0.1", "10.0.0.7", "10.0.0.8", "10.0.0.9"]
        assert step.note().startswith("3 servers added. u: undo.")
        await step.keys("u")
        await step.until(lambda: len(step.rows) == 1, "undo")
        await opened(step, "p", PasteNodes)
        await step.keys("escape")
        await back(step)
        assert len(step.rows) == 1


async def test_an_inventory_is_imported_picked_from_and_its_login_offered(home: Path) -> None:
    (home / "hosts.ini").write_text(INVENTORY)
    async with nodes_step(home) as step:
        await opened(step, "i", ImportNodes)
        await step.keys("enter")
        await step.until(lambda: "Type the path of a file" in step.note("#import-note"), "a path is wanted")
        await step.keys(*f"{home}/nothing", "enter")
        await step.until(lambda: "There is no file" in step.note("#import-note"), "the refusal")
        field = step.app.screen.query_one(PathField)
        field.value = ""
        await step.keys(*f"{home}/ho")
        await step.until(lambda: field._suggestion == f"{home}/hosts.ini", "the completion")
        await step.keys("tab")
        assert field.value == f"{home}/hosts.ini"
        await step.keys("enter")
        await step.until(lambda: isinstance(step.app.screen, PickNodes), "what was found")
        await step.until(lambda: "4 servers from an Ansible inventory" in text_of(step.app), "how many")
        await step.until(lambda: "[x] web-2" in text_of(step.app), "all are picked")
        await step.keys("down", "space")
        await step.until(lambda: "[ ] web-2" in text_of(step.app), "one is dropped")
        await step.keys("slash", *"db", "enter", "space", "space")
        rows = step.app.screen.query_one(PickRows)
        await step.until(lambda: rows.option_count == 1 and rows.has_focus, "the filter")
        await step.keys("escape")
        await step.until(lambda: rows.option_count == 4, "all rows again")
        assert "[ ] web-2" in text_of(step.app), "what was dropped stays dropped"
        await step.keys("enter")
        await step.until(lambda: isinstance(step.app.screen, Choose), "the login is offered")
        await step.until(lambda: "SSH user: ubuntu" in text_of(step.app), "the login in words")
        await step.keys("enter")
        await back(step)
        await step.until(lambda: step.wizard.answers.given.get("access.user") == "ubuntu", "the login")
        assert [(row["name"], row["address"], row["roles"]) for row in step.rows] == [
            ("web-1", "10.0.0.21", ["control-plane", "etcd"]),
            ("web-3", "10.0.0.23", ["control-plane", "etcd"]),
            ("db-1", "10.0.0.31", ["worker"]),
        ]


async def test_hosts_come_from_the_ssh_configuration_and_from_an_earlier_cluster(home: Path) -> None:
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh" / "config").write_text("Host alpha\n HostName 10.9.0.1\n User me\n Port 2222\n")
    spec = ClusterSpec(name="earlier", nodes=(Node(name="old-1", address="10.8.0.1"),))
    Clusters(home).create(spec)
    async with nodes_step(home) as step:
        await opened(step, "i", ImportNodes)
        assert "The servers of the cluster earlier" in text_of(step.app)
        await step.keys("down", "down", "enter")
        await step.until(lambda: "[x] old-1" in text_of(step.app), "the earlier servers")
        await step.keys("escape")
        await step.until(
            lambda: isinstance(step.app.screen, ImportNodes) and step.app.screen.focused is not None,
            "Escape goes back to the sources",
        )
        await step.keys("down", "enter")
        await step.until(lambda: isinstance(step.app.screen, PickNodes), "the configured hosts")
        await step.until(lambda: "[x] alpha" in text_of(step.app), "the host")
        await step.keys("enter")
        await step.until(lambda: isinstance(step.app.screen, Choose), "the login is offered")
        await step.keys("right", "enter")
        await back(step)
        await step.until(lambda: len(step.rows) == 1, "the host")
        assert step.rows[0]["address"] == "10.9.0.1"
        assert step.rows[0]["port"] == 2222
        assert "access.user" not in step.wizard.answers.given, "Access was left as it is"


async def test_reading_is_done_beside_the_screen_and_escape_stops_it(home: Path) -> None:
    (home / "hosts.ini").write_text(INVENTORY)
    async with nodes_step(home) as step:
        await opened(step, "i", ImportNodes)
        step.app.screen.query_one(PathField).value = f"{home}/hosts.ini"
        await step.keys("enter")
        await step.until(lambda: step.note("#import-note").startswith("Reading "), "busy words")
        await step.keys("escape")
        await step.until(lambda: step.note("#import-note").startswith("Stopped."), "it is stopped")
        await step.keys("escape")
        await back(step)
        assert step.rows == []


@asynccontextmanager
async def ssh_servers(*addresses: str) -> AsyncIterator[int]:
    """Listen on one port at several loopback addresses, saying what an SSH server says first."""

    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9 test\r\n")
        await reader.read()
        writer.close()

    first = await asyncio.start_server(hello, addresses[0], 0)
    port = int(first.sockets[0].getsockname()[1])
    servers = [first, *[await asyncio.start_server(hello, one, port) for one in addresses[1:]]]
    try:
        yield port
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()


async def test_servers_are_found_in_a_subnet_after_asking_and_picked(home: Path) -> None:
    async with ssh_servers("127.0.0.2", "127.0.0.3", "127.0.0.5") as port, nodes_step(home, NARROW) as step:
        await step.add(f"127.0.0.3:{port}")
        await opened(step, "f", FindNodes)
        screen = step.app.screen
        assert screen.query_one("#subnet", Input).value == "127.0.0.0/24", "the first server's network"
        assert "Asks 254 addresses at port 22 whether an SSH server answers." in step.note("#find-note")
        screen.query_one("#subnet", Input).value = "10.0.0.0/8"
        await step.until(lambda: "too large" in step.note("#find-note"), "too much to look at")
        await step.keys("enter")
        await step.pilot.pause()
        assert not screen.query_one(PickRows).display, "nothing was looked at"
        screen.query_one("#subnet", Input).value = "127.0.0.0/28"
        screen.query_one("#subnet-port", Input).value = str(port)
        await step.until(
            lambda: f"Asks 14 addresses at port {port}" in step.note("#find-note"), "what it will do"
        )
        await step.keys("enter")
        await step.until(
            lambda: step.note("#find-note") == "14 of 14 asked. 3 SSH servers answered.", "all were asked"
        )
        shown = text_of(step.app)
        assert shown.index("127.0.0.2 ") < shown.index("127.0.0.3 ") < shown.index("127.0.0.5 ")
        assert "SSH-2.0-OpenSSH_9.9 test" in shown
        assert "in the table already" in shown
        await step.keys("enter")
        await step.until(lambda: "space bar" in step.note("#find-note"), "nothing is picked by itself")
        await step.keys("a", "enter")
        await back(step)
        await step.until(lambda: len(step.rows) == 3, "the two that were new")
        assert sorted((row["address"], row["port"]) for row in step.rows) == [
            ("127.0.0.2", port),
            ("127.0.0.3", port),
            ("127.0.0.5", port),
        ]


async def test_escape_stops_looking_and_keeps_what_was_found(home: Path) -> None:
    """Every address takes the connection and says nothing, so that looking takes its time."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "0.0.0.0", 0)
    port = int(server.sockets[0].getsockname()[1])
    async with server, nodes_step(home) as step:
        await opened(step, "f", FindNodes)
        step.app.screen.query_one("#subnet", Input).value = "127.0.0.0/22"
        step.app.screen.query_one("#subnet-port", Input).value = str(port)
        await step.keys("enter")
        await step.until(lambda: "of 1022 asked." in step.note("#find-note"), "it looks")
        await step.keys("escape")
        await step.until(lambda: "asked, then stopped" in step.note("#find-note"), "it stopped")
        assert isinstance(step.app.screen, FindNodes)
        await step.keys("escape")
        await back(step)


def test_paths_are_completed_as_a_shell_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").touch()
    (tmp_path / ".ssh").mkdir()
    assert completed("~/in") == "~/inventory/"
    assert completed("~/inventory/") == "~/inventory/hosts.yml"
    assert completed("~/") == "~/inventory/", "hidden names are not offered before their dot"
    assert completed("~/.s") == "~/.ssh/"
    assert completed("~/nothing") is None
    assert completed("~nobody-of-that-name/x") is None
    assert completed("/no/such/folder/x") is None
    assert completed("a\0b/") is None
