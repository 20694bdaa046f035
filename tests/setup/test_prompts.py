"""The wizard line by line, on a real terminal of its own."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped]
import pytest

from wizards.setup.questions import Answers
from wizards.setup.steps import build, visible_steps

PROGRAM = """
import json, sys
from wizards.setup.prompts import ask_all
from wizards.setup.questions import Answers
kept = []
try:
    answers = ask_all(Answers(json.loads(sys.argv[1])), on_step=lambda given, step: kept.append(step))
except KeyboardInterrupt:
    sys.exit(130)
print("KEPT", " ".join(kept))
print("GIVEN", json.dumps(dict(answers.given)))
"""
ENTER, DOWN, CLEAR, SPACE, CTRL_C, CTRL_D = "\r", "\x1b[B", "\x15", " ", "\x03", "\x04"
THREE = [{"name": f"node-{number}", "address": f"10.0.0.1{number}"} for number in (1, 2, 3)]
NOW = "And now\\?"


class Terminal:
    """The prompts in a pseudo-terminal, 80 columns wide."""

    def __init__(self, given: dict[str, Any]) -> None:
        # Without an answer to "where is the cursor" prompt_toolkit would wait for one.
        environment = {**os.environ, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "NO_COLOR": "1"}
        self.child = pexpect.spawn(
            sys.executable,
            ["-c", PROGRAM, json.dumps(given)],
            env=environment,
            dimensions=(30, 80),
            encoding="utf-8",
            timeout=40,
        )

    def see(self, pattern: str) -> str:
        """Wait until `pattern` is printed; return what came before it."""
        self.child.expect(pattern)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", str(self.child.before))

    def type(self, keys: str) -> None:
        self.child.send(keys)

    def at_step(self, number: int, keys: str = ENTER) -> str:
        """Wait for the menu of step `number` and press `keys`; return what the step shows."""
        self.see(f"Step {number} of")
        shown = self.see(NOW)
        self.see("Keep these, take")
        self.type(keys)
        return shown

    def change(self) -> None:
        """Choose "Change them" in the menu that is open or coming."""
        self.see("Keep these, take")
        self.type(DOWN + ENTER)

    def given(self) -> Answers:
        """Wait for the end; return the answers that were given."""
        self.see("GIVEN (.*)\r\n")
        answers = Answers(json.loads(self.child.match.group(1)))
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus == 0
        return answers


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.child.close(force=True)


def start(opened: list[Terminal], **given: Any) -> Terminal:
    opened.append(Terminal(given))
    return opened[-1]


def test_enter_alone_takes_all_defaults(opened: list[Terminal]) -> None:
    terminal = start(opened, nodes=THREE)
    for number in range(1, 9):
        terminal.at_step(number)
    terminal.see("Review")
    shown = terminal.see(NOW)
    assert "MetalLB, layer 2" in shown
    assert "10.0.0.240-10.0.0.250" in shown
    assert "Note: Strict ARP is switched on" in shown
    terminal.see("Back to Control plane")
    terminal.type(ENTER)
    steps = terminal.see("GIVEN").split("KEPT")[1].split()
    assert steps == [step.id for step in visible_steps(Answers())][1:]


def test_servers_line_by_line_and_defaults_for_the_rest(opened: list[Terminal], tmp_path: Path) -> None:
    terminal = start(opened)
    terminal.at_step(1)
    # Without a server there is something to mend, so Enter changes the answers.
    assert "STOP: There is no server" in terminal.at_step(2).replace("\r\n  ", " ")
    terminal.see("Server 1")
    terminal.type("Bad_Name 10.0.0.11" + ENTER)
    terminal.see("not a DNS label")
    terminal.type(CLEAR + "first 10.0.0.11" + ENTER)
    terminal.see("Server 2")
    terminal.type("10.0.0.12-13" + ENTER)
    terminal.see("Server 4")
    table = tmp_path / "servers.csv"
    table.write_text("hostname,ip\nweb_1.lan,10.0.0.14\nagain,10.0.0.11\n")
    terminal.type(f"@{tmp_path / 'nowhere'}" + ENTER)
    terminal.see("nowhere")
    terminal.type(CLEAR + f"@{table}" + ENTER)
    terminal.see("Server 5")
    terminal.type(ENTER)
    terminal.see("Any 1 of 3 control planes may fail")
    terminal.see("first 10.0.0.11 \\(control-plane etcd worker\\)")
    terminal.see("Keep these, take")
    terminal.type(DOWN * 3 + ENTER)
    terminal.see("Review")
    terminal.see("Back to Control plane")
    terminal.type(ENTER)
    answers = terminal.given()
    assert answers.given == {
        "nodes": [
            {"name": "first", "address": "10.0.0.11"},
            {"name": "node-1", "address": "10.0.0.12"},
            {"name": "node-2", "address": "10.0.0.13"},
            {"name": "web-1", "address": "10.0.0.14"},
        ]
    }
    assert [node.name for node in build(answers).nodes] == ["first", "node-1", "node-2", "web-1"]


def test_a_server_keeps_what_its_line_does_not_show(opened: list[Terminal]) -> None:
    rows = [{**row, "labels": {"tier": "a"}} for row in THREE]
    terminal = start(opened, nodes=rows)
    terminal.at_step(1)
    terminal.at_step(2, DOWN + ENTER)
    terminal.see("Server 1")
    terminal.type(ENTER)
    terminal.see("Server 2")
    terminal.type(CLEAR + ENTER)  # an empty line takes it out
    terminal.see("Server 2")
    terminal.type(ENTER)
    terminal.see("Server 3")
    terminal.type(ENTER)
    terminal.see("Keep these, take")
    terminal.type(DOWN * 3 + ENTER)
    terminal.see("Back to Control plane")
    terminal.type(ENTER)
    assert terminal.given().given["nodes"] == [rows[0], rows[2]]


def test_choices_are_explained_and_decide_what_follows(opened: list[Terminal]) -> None:
    terminal = start(opened, nodes=THREE)
    for number in range(1, 4):
        terminal.at_step(number)
    terminal.at_step(4, DOWN + ENTER)
    terminal.see("eBPF programs")
    terminal.see("Cost: about")
    terminal.see("Pod network")
    terminal.type(DOWN + ENTER)
    terminal.see("Traffic between nodes")  # Calico's question; none of Cilium's comes
    terminal.type(DOWN + ENTER)
    terminal.see("Mode of kube-proxy")
    terminal.type(ENTER)
    assert "IP-in-IP" in terminal.see(NOW)
    terminal.see("Keep these, take")
    terminal.type(DOWN * 3 + ENTER)
    terminal.see("Back to Control plane")
    terminal.type(ENTER)
    assert terminal.given().given == {"nodes": THREE, "network.cni": "calico", "network.calico.mode": "ipip"}


def test_several_engines_and_a_switch(opened: list[Terminal]) -> None:
    terminal = start(opened, nodes=THREE[:1])
    for number in range(1, 6):
        terminal.at_step(number)
    terminal.at_step(6, DOWN + ENTER)
    terminal.see("you have 1")  # why Mayastor cannot be chosen
    terminal.see("Storage engines")
    terminal.type(DOWN + SPACE + ENTER)
    terminal.see("Default class")
    terminal.type(DOWN + ENTER)
    terminal.see("Folder for volumes")
    terminal.type(CLEAR + "relative" + ENTER)
    terminal.see("not an absolute path")
    terminal.type(CLEAR + "/data" + ENTER)
    terminal.see("LVM volume group")
    terminal.type(ENTER)
    terminal.see(NOW)
    terminal.see("Keep these, take")
    terminal.type(DOWN * 3 + ENTER)
    terminal.see("Back to Control plane")
    terminal.type(ENTER)
    answers = terminal.given()
    assert answers.given == {
        "nodes": THREE[:1],
        "storage.engines": ["hostpath", "lvm"],
        "storage.default_class": "openebs-lvmpv",
        "storage.hostpath.base_path": "/data",
    }


def test_what_must_be_mended_keeps_the_review_open(opened: list[Terminal]) -> None:
    terminal = start(opened, nodes=THREE, **{"network.pods": "10.0.0.0/16", "target": "bare-metal"})
    terminal.at_step(1, DOWN * 3 + ENTER)
    terminal.see("STOP: The pod addresses 10.0.0.0/16 cover the addresses of node-1")
    terminal.see("must be mended first")
    terminal.see("Back to Control plane")
    terminal.type(ENTER)  # leads to the step of the first fault
    assert "STOP" in terminal.at_step(4)
    terminal.see("Pod network")
    terminal.type(CTRL_C)
    terminal.child.expect(pexpect.EOF)
    terminal.child.close()
    assert terminal.child.exitstatus == 130


def test_back_and_leaving(opened: list[Terminal]) -> None:
    terminal = start(opened, nodes=THREE)
    terminal.at_step(1)
    terminal.at_step(2, DOWN * 4 + ENTER)
    terminal.at_step(1, DOWN + ENTER)
    terminal.see("Where it runs")
    terminal.type(DOWN + ENTER)
    terminal.see("Name of the cluster")
    terminal.type(CLEAR + CTRL_D)
    terminal.child.expect(pexpect.EOF)
    terminal.child.close()
    assert terminal.child.exitstatus == 130
