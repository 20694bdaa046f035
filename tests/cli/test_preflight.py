"""`slipway preflight`: the report as lines and as JSON, single nodes, acceptances, and the list of checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import slipway
from tests.cli.practice import NAME, practice_home
from wizards.clusters import Clusters
from wizards.provision.acceptance import accept, read_accepted
from wizards.provision.checks import CHECKS, Group
from wizards.provision.events import RunStatus
from wizards.setup.document import write_spec
from wizards.setup.finding import Finding, Severity

YARD = [pytest.mark.slow, pytest.mark.xdist_group("cli-preflight"), pytest.mark.timeout(400)]

LOCAL = "name: here\ntarget: local\n"


@pytest.fixture(scope="module")
def yard_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a home with a practice cluster of two nodes, whose yard is held for all tests of this file."""
    with practice_home(tmp_path_factory.mktemp("look") / "home", 2) as folder:
        yield folder


def document(text: str) -> dict[str, Any]:
    """Read one JSON document, and fail where there is anything beside it."""
    data: dict[str, Any] = json.loads(text)
    return data


@pytest.mark.usefixtures("yard_home")
class TestOnPracticeNodes:
    pytestmark = YARD

    def test_a_look_is_one_json_document_and_a_run_of_its_own(self, yard_home: Path) -> None:
        done = slipway(yard_home, "preflight", NAME, "--json", seconds=300)
        assert done.returncode == 0, done.stdout + done.stderr
        told = document(done.stdout)
        assert (told["cluster"], told["verdict"], told["waiting"]) == (NAME, "ok", [])
        assert [one["name"] for one in told["nodes"]] == ["node-1", "node-2"]
        for node in told["nodes"]:
            assert node["state"] == "ok"
            assert list(node["groups"]) == [group.value for group in Group]
        assert told["findings"] == told["accepted"] == []
        run = Clusters(yard_home).get(NAME).latest_run()
        assert run is not None
        assert run.only_looks
        assert run.status() is RunStatus.SUCCEEDED
        again = slipway(yard_home, "replay", NAME, run.id)
        assert f"Run {run.id} of practice: 1 stages." in again.stdout
        assert "Check the nodes: done" in again.stdout

    def test_one_node_as_lines_and_a_check_that_found_nothing_is_not_accepted(self, yard_home: Path) -> None:
        check = next(one.id for one in CHECKS if one.severity is Severity.WARN)
        done = slipway(
            yard_home, "preflight", NAME, "--node", "node-2", "--accept", f"{check}@node-2", seconds=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        assert lines[0].startswith("2 nodes: ")
        assert any(line.startswith("node-2 ") and "✓" in line for line in lines)
        assert "checks of the machine" in lines[-1]
        assert "Looking at 1 node of practice" in done.stderr
        assert f"Nothing to accept: {check} found nothing on node-2." in done.stderr
        cluster = Clusters(yard_home).get(NAME)
        assert read_accepted(cluster) == ()
        run = cluster.latest_run()
        assert run is not None
        reported = [line for line in run.journal.read_text().splitlines() if '"node-reported"' in line]
        assert reported
        assert all('"host":"node-2"' in line for line in reported)

    def test_what_was_accepted_before_is_told(self, yard_home: Path) -> None:
        cluster = Clusters(yard_home).get(NAME)
        warning = Finding("swap", Severity.WARN, "", "512 MiB of swap are on.", host="node-1")
        accept(cluster, [warning], by="anna")
        told = document(slipway(yard_home, "preflight", NAME, "--json", seconds=300).stdout)
        assert [(one["check"], one["host"], one["by"]) for one in told["accepted"]] == [
            ("swap", "node-1", "anna")
        ]

    def test_a_node_that_does_not_answer_blocks_and_cannot_be_accepted(self, yard_home: Path) -> None:
        cluster = Clusters(yard_home).get(NAME)
        answers = cluster.spec_path.read_bytes()
        spec = cluster.read_spec()
        dead = spec.nodes[1].model_copy(update={"port": 1})
        write_spec(spec.model_copy(update={"nodes": (spec.nodes[0], dead)}), cluster.spec_path)
        try:
            arguments = ("preflight", NAME, "--json", "--accept", "node-reachable")
            done = slipway(yard_home, *arguments, seconds=300)
        finally:
            cluster.spec_path.write_bytes(answers)
        assert done.returncode == 3, done.stdout + done.stderr
        assert "Not accepted: node-reachable on node-2 must be mended first." in done.stderr
        told = document(done.stdout)
        assert (told["verdict"], told["blocks"]) == ("blocked", 1)
        assert [(one["name"], one["state"]) for one in told["nodes"]] == [
            ("node-2", "block"),
            ("node-1", "ok"),
        ]
        (finding,) = told["findings"]
        assert (finding["id"], finding["host"]) == ("node-reachable", "node-2")
        assert finding["remedy"]
        assert finding["why"]

    def test_a_cluster_that_somebody_holds_is_not_looked_at(self, yard_home: Path) -> None:
        with Clusters(yard_home).get(NAME).lock("create"):
            refused = slipway(yard_home, "preflight", NAME, "--json")
        assert (refused.returncode, refused.stdout) == (5, "")

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--node", "node-9"), "practice has no node called 'node-9'. It has: node-1, node-2."),
            (("--accept", "swop"), "There is no check called 'swop': slipway preflight --list names them."),
            (("--accept", "swap@node-9"), "practice has no node called 'node-9'."),
        ],
    )
    def test_a_name_that_is_none_is_refused_before_anything_is_looked_at(
        self, yard_home: Path, arguments: tuple[str, ...], sentence: str
    ) -> None:
        before = Clusters(yard_home).get(NAME).latest_run()
        refused = slipway(yard_home, "preflight", NAME, *arguments)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert sentence in refused.stderr
        assert Clusters(yard_home).get(NAME).latest_run() == before


def test_every_check_is_listed_with_what_it_wants_and_why(home: Path) -> None:
    listed = slipway(home, "preflight", "--list")
    assert listed.returncode == 0
    lines = listed.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for check in CHECKS:
        assert any(line.startswith(f"{check.id} [{check.severity.value}]") for line in lines), check.id
    assert lines[-2] == f"{len(CHECKS)} checks."
    data = json.loads(slipway(home, "preflight", "--list", "--json").stdout)
    assert sorted(one["id"] for one in data) == sorted(one.id for one in CHECKS)
    for one in data:
        for name in ("group", "severity", "title", "wants", "why", "remedy"):
            assert one[name], (one["id"], name)
    order = [one["group"] for one in data]
    assert order == sorted(order, key=[group.value for group in Group].index)


def test_a_cluster_on_this_machine_has_no_servers_to_look_at(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "here.yaml"
    file.write_text(LOCAL)
    refused = slipway(home, "preflight", file)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "here runs on this machine: there are no servers to look at." in refused.stderr
