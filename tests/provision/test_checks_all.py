"""What holds for all checks: fresh servers have no finding, nothing a node says raises, words are whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.provision.healthy import (
    ANSWERS,
    BGP,
    CSTOR,
    DEFAULT,
    EXTERNAL,
    FLANNEL_TWO,
    MAYASTOR,
    SYSTEMS,
    VIRTUAL,
    WORKERS,
    ZFS,
    Report,
    a_spec,
    healthy,
)
from wizards.provision.checks import CHECKS, Group, NodeReport, describe
from wizards.provision.checks.hardware import ADDONS_MIB, COSTS_MIB, MESH_MIB
from wizards.provision.preflight import judge
from wizards.sanitize import clean
from wizards.setup.catalog import catalog
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec


@pytest.mark.parametrize("name", ANSWERS)
def test_healthy_servers_have_no_finding_whatever_was_chosen(name: str) -> None:
    assert judge(healthy(ANSWERS[name]), ANSWERS[name]) == ()


@pytest.mark.parametrize("spec", [DEFAULT, WORKERS, a_spec(1)], ids=["three", "five", "one"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_fresh_servers_of_each_system_want_nothing_done(system: str, spec: ClusterSpec) -> None:
    """Rocky has SELinux on: that Kubespray sets it to permissive is told, and asks for nothing."""
    assert spec.kubernetes.version.startswith("1.35.")
    told = {(one.id, one.severity) for one in judge(healthy(spec, system), spec)}
    assert told == ({("selinux", Severity.FIX)} if system == "rocky" else set())


def test_nothing_is_judged_that_is_not_known() -> None:
    for spec in ANSWERS.values():
        for unknown in ({"uid": 0}, {"uid": 0} | dict.fromkeys(healthy(spec)[spec.nodes[0].name]["seen"])):
            seen = unknown | {"uid": 0}
            reports = {node.name: {"reachable": True, "python": True, "seen": seen} for node in spec.nodes}
            assert judge(reports, spec) == ()


def test_every_check_says_all_that_a_person_needs() -> None:
    for check in CHECKS:
        told = describe(check)
        assert list(told) == ["id", "title", "group", "severity", "wants", "why", "remedy"]
        assert all(told.values())
        assert json.loads(json.dumps(told)) == told
        assert told["why"].endswith(".")
        assert told["remedy"].endswith(".")
        assert not told["wants"].endswith(".")
        assert told["severity"] in {"block", "warn"}
    assert len({check.id for check in CHECKS}) == len(CHECKS) >= 80
    assert len({check.title for check in CHECKS}) == len(CHECKS)
    assert {check.group for check in CHECKS} == {*Group}


def test_checks_stand_in_the_order_of_the_groups() -> None:
    order = [group.value for group in Group]
    places = [order.index(check.group.value) for check in CHECKS]
    assert places == sorted(places)


def test_only_what_asks_nothing_of_the_machine_is_judged_in_practice() -> None:
    assert {check.id for check in CHECKS if not check.machine} == {
        "node-reachable",
        "node-reported",
        "node-late",
        "node-python",
        "python-version",
        "node-readable",
    }


def test_the_memory_of_a_choice_is_the_one_the_catalog_shows() -> None:
    fields = {
        "Cni": "network.cni",
        "LoadBalancerKind": "load_balancer.kind",
        "EndpointKind": "endpoint.kind",
        "Runtime": "kubernetes.runtime",
        "MeshKind": "mesh.kind",
        "MeshAddon": "mesh.addons",
    }
    for choice, mib in (COSTS_MIB | MESH_MIB | ADDONS_MIB).items():
        cost = catalog().option(fields[type(choice).__name__], choice.value).cost
        assert f"{mib} MiB" in cost or f"{mib // 1024} GiB" in cost


def test_a_node_without_a_report_is_named() -> None:
    reports = {name: report for name, report in healthy(DEFAULT).items() if name != "node-3"}
    assert [(one.id, one.host) for one in judge(reports, DEFAULT)] == [("node-reported", "node-3")]


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=20)
    | st.sampled_from(
        ["10.0.0.2", "10.0.0.245/24", "fe80::1%eth0", "\x1b]0;x\x07", "n", "1.2.3", "eth0", "active"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_SPECS = (DEFAULT, MAYASTOR, CSTOR, ZFS, BGP, EXTERNAL, VIRTUAL, FLANNEL_TWO)
_FIELDS = sorted({*healthy(DEFAULT)["node-1"]["seen"]})


def _spoiled(value: Any, draw: st.DrawFn) -> Any:
    """Return `value` with something in it, at whatever depth, replaced by anything."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from([*value]))
        return value | {key: _spoiled(value[key], draw)}
    if isinstance(value, list) and value and draw(st.booleans()):
        at = draw(st.integers(0, len(value) - 1))
        return [_spoiled(one, draw) if number == at else one for number, one in enumerate(value)]
    return draw(_JSON)


@st.composite
def _garbage(draw: st.DrawFn) -> tuple[ClusterSpec, dict[str, Report]]:
    spec = draw(st.sampled_from(_SPECS))
    reports = healthy(spec)
    report = reports["node-2"]
    for name in draw(st.lists(st.sampled_from(_FIELDS), min_size=1, max_size=4)):
        report["seen"][name] = _spoiled(report["seen"].get(name), draw)
    report["reach"] = _spoiled(report["reach"], draw) if draw(st.booleans()) else report["reach"]
    return spec, reports


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_garbage())
def test_a_node_may_say_anything(given_: tuple[ClusterSpec, dict[str, Report]]) -> None:
    spec, reports = given_
    known = {check.id for check in CHECKS}
    for one in judge(reports, spec):
        assert one.id in known
        for text in (one.message, one.measured):
            assert text == clean(text)
            assert "\n" not in text
            assert len(text) < 2500


@given(
    st.dictionaries(st.sampled_from(["seen", "reach", "late", "seconds", "python_version", "python"]), _JSON)
)
def test_a_report_is_read_whatever_it_is(report: Report) -> None:
    read = NodeReport.read(DEFAULT.nodes[0], report)
    assert read.name == "node-1"
    assert read.seconds == read.seconds
