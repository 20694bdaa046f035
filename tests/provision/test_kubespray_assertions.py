"""Our side of the table of Kubespray's assertions: each violation is found by the rule or check it names."""

from __future__ import annotations

import copy

import pytest
from pydantic import ValidationError

from tests.provision.healthy import Report, healthy
from tests.provision.kubespray_assertions import ROWS, TYPE, Row
from tests.setup.rule_world import spec
from wizards.provision.preflight import CHECKS, judge
from wizards.setup.finding import Severity
from wizards.setup.rules import RULES, check
from wizards.setup.spec import ClusterSpec


def looks(answers: ClusterSpec) -> dict[str, Report]:
    """What healthy nodes with these addresses bring back."""
    reports = copy.deepcopy(healthy(answers))
    for node in answers.nodes:
        reports[node.name]["seen"]["addresses"] = ["127.0.0.1", node.ip]
    return reports


FOUND_BY_US = [row for row in ROWS if row.ours]


def test_every_row_names_what_there_is() -> None:
    known = {TYPE, *(one.id for one in CHECKS), *(rule.id for rule in RULES)}
    assert {name for row in ROWS for name in row.ours} <= known
    # Either something of ours finds it, or it is said why nothing needs to.
    assert all(bool(row.ours) != bool(row.never) for row in ROWS)


def test_good_answers_and_healthy_nodes_break_nothing() -> None:
    good = spec()
    names = {name for row in ROWS for name in row.ours}
    found = [*check(good), *judge(looks(good), good)]
    assert [one.id for one in found if one.id in names and one.severity is Severity.BLOCK] == []


@pytest.mark.parametrize("row", FOUND_BY_US, ids=lambda row: row.id)
def test_what_would_stop_kubespray_is_found_first(row: Row) -> None:
    if row.ours == (TYPE,):
        with pytest.raises(ValidationError):
            spec(**row.answers)
        return
    answers = spec(**row.answers)
    reports = looks(answers)
    reports[answers.nodes[0].name]["seen"].update(row.seen)
    first = answers.nodes[0].name
    found = [one for one in judge(reports, answers) if one.host == first] if row.seen else check(answers)
    assert {one.id for one in found if one.severity is Severity.BLOCK} & {*row.ours}
