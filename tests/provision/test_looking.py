"""A look while it goes on, and what it comes to as text and JSON."""

from __future__ import annotations

import json
from typing import Any

from tests.provision.healthy import a_spec, healthy
from wizards.provision.acceptance import Acceptance
from wizards.provision.events import (
    Event,
    NodeReported,
    RunFinished,
    RunStarted,
    RunStatus,
    StageFinished,
    StageInfo,
    StageStarted,
    StageStatus,
)
from wizards.provision.looking import Looking
from wizards.provision.preflight import judge
from wizards.provision.verdict import CellState, verdict
from wizards.provision.verdict_text import by_check, preflight_json, preflight_lines, preflight_text

SPEC = a_spec(3)
NAMES = ("node-1", "node-2", "node-3")


def begun(hosts: tuple[str, ...] = NAMES, *before: StageInfo) -> list[Event]:
    stages = (*before, StageInfo("preflight", "Look", hosts))
    return [RunStarted(run="r", cluster="demo", stages=stages), StageStarted(stage=stages[0].id)]


def said(host: str, report: dict[str, Any]) -> Event:
    return NodeReported(stage="preflight", host=host, report=report)


def swapping(reports: dict[str, dict[str, Any]], *hosts: str) -> dict[str, dict[str, Any]]:
    for host in hosts:
        reports[host]["seen"]["swap_mib"] = 512
    return reports


def test_before_the_first_answer_all_are_waited_for_and_nobody_is_missed() -> None:
    looking = Looking(SPEC)
    looking.begin()
    view = looking.view()
    assert (view.running, view.verdict.waiting, view.findings) == (True, NAMES, ())
    looking.feed([*begun(), said("node-2", healthy(SPEC)["node-2"])])
    assert looking.view().verdict.waiting == ("node-1", "node-3")
    assert not looking.view().ready


def test_a_node_that_never_answered_is_missed_only_when_the_look_is_over() -> None:
    reports = healthy(SPEC)
    looking = Looking(SPEC)
    looking.begin()
    looking.feed([*begun(), said("node-1", reports["node-1"]), said("node-2", reports["node-2"])])
    assert looking.view().findings == ()
    looking.feed([StageFinished(stage="preflight"), RunFinished(status=RunStatus.BLOCKED)])
    view = looking.view()
    assert {one.host for one in view.findings} == {"node-3"}
    assert view.verdict.blocks == 1
    assert not view.ready


def test_a_look_at_one_node_keeps_what_was_seen_on_the_others_and_between_them() -> None:
    reports = swapping(healthy(SPEC), "node-2", "node-3")
    reports["node-2"]["reach"] = {"peers": {}}
    looking = Looking(SPEC, reports=reports)
    assert looking.view().verdict.warnings == 2
    looking.begin(["node-2"])
    assert looking.view().verdict.waiting == ("node-2",)
    alone = {name: value for name, value in healthy(SPEC)["node-2"].items() if name != "reach"}
    looking.feed([*begun(("node-2",)), said("node-2", alone), RunFinished()])
    view = looking.view()
    assert [one.host for one in view.findings] == ["node-3"]
    assert view.reports["node-2"]["reach"] == {"peers": {}}
    assert not view.running


def test_one_node_of_a_cluster_nobody_looked_at_does_not_make_it_ready() -> None:
    looking = Looking(SPEC)
    looking.begin(["node-1"])
    looking.feed([*begun(("node-1",)), said("node-1", healthy(SPEC)["node-1"]), RunFinished()])
    view = looking.view()
    assert (view.never, view.findings, view.ready) == (("node-2", "node-3"), (), False)


def test_mending_that_fails_keeps_what_was_seen_before_and_says_what_failed() -> None:
    looking = Looking(SPEC, reports=swapping(healthy(SPEC), "node-2"))
    looking.begin()
    looking.feed(begun(("node-2",), StageInfo("prepare", "Mend the nodes", ("node-2",))))
    assert looking.view().doing.startswith("Mend the nodes")
    assert looking.view().verdict.warnings == 1
    looking.feed(
        [
            StageFinished(stage="prepare", status=StageStatus.FAILED),
            RunFinished(status=RunStatus.FAILED, message="node-2: no space."),
        ]
    )
    view = looking.view()
    assert view.failed == "Mending failed: node-2: no space."
    assert view.verdict.warnings == 1
    assert not view.ready


def test_accepted_by_everybody_it_is_ready() -> None:
    looking = Looking(SPEC, reports=swapping(healthy(SPEC), "node-2"))
    (finding,) = looking.view().findings
    assert not looking.view().ready
    looking.accept([Acceptance(finding.id, finding.host, "anna", 1.0, finding.message)])
    assert looking.view().ready


def test_the_text_fits_80_columns_and_says_everything_worst_first() -> None:
    reports = swapping(healthy(SPEC), "node-2", "node-3")
    reports["node-3"]["seen"]["memory_mib"] = 600
    findings = judge(reports, SPEC)
    swap = next(one for one in findings if one.host == "node-2")
    accepted = (Acceptance(swap.id, "node-2", "anna", 1_700_000_000.0, swap.message),)
    found = verdict(reports, findings, SPEC, accepted=accepted)
    lines = preflight_lines(found, accepted=accepted)
    assert lines[0] == found.sentence
    assert max(map(len, lines)) <= 80
    text = preflight_text(found, cluster="demo", accepted=accepted)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# demo: check of the nodes",
        "## To mend first (1)",
        "## Warnings to accept or mend (1)",
        "## Accepted warnings (1)",
    ]
    assert "accepted by anna, 2023-11-14" in " ".join(text.split())
    assert (
        text.index("node-3: It has 600 MiB") < text.index("node-3: 512 MiB") < text.index("node-2: 512 MiB")
    )
    assert "mend: " in text
    assert "why: " in text
    checks = by_check(found, accepted)
    assert [(one.id, one.state, len(one.findings)) for one in checks] == [
        ("memory", CellState.BLOCK, 1),
        (swap.id, CellState.WARN, 2),
    ]


def test_the_document_is_json_and_marks_what_was_accepted() -> None:
    reports = swapping(healthy(SPEC), "node-2", "node-3")
    findings = judge(reports, SPEC)
    accepted = (Acceptance(findings[0].id, findings[0].host, "anna", 1.0, findings[0].message),)
    found = verdict(reports, findings, SPEC, accepted=accepted)
    told = json.loads(json.dumps(preflight_json(found, cluster="demo", accepted=accepted)))
    assert (told["verdict"], told["blocks"], told["warnings"]) == ("warnings", 0, 1)
    assert {one["host"]: one["accepted"] for one in told["findings"]} == {"node-2": True, "node-3": False}
    assert told["nodes"][0]["groups"]["system"] == {"state": "warn", "count": 1}
    assert told["accepted"][0]["by"] == "anna"
    failed = preflight_json(found, cluster="demo", failed="The look itself failed: no disk.")
    assert (failed["verdict"], failed["sentence"]) == ("failed", "The look itself failed: no disk.")
