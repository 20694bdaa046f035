"""Of two nodes that do not reach each other, the one to mend is named."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import pytest

from tests.provision.healthy import a_spec, healthy
from wizards.provision.preflight import judge
from wizards.setup.finding import Finding, Severity
from wizards.setup.spec import ClusterSpec

FIVE = a_spec(5)
ALL = tuple(node.name for node in FIVE.nodes)

Walls = Iterable[tuple[str, str]]


def seen(walls: Walls, spec: ClusterSpec = FIVE, **found: Any) -> tuple[Finding, ...]:
    """Judge healthy nodes with something wrong from one to another."""
    reports = healthy(spec)
    for source, target in walls:
        reports[source]["reach"]["peers"][target] |= copy.deepcopy(found) or {
            "tcp_failed": {"10250": "timeout"}
        }
    return judge(reports, spec)


def into(*targets: str) -> Walls:
    return [(source, target) for target in targets for source in ALL if source != target]


def out_of(*sources: str) -> Walls:
    return [(source, target) for source in sources for target in ALL if source != target]


def hosts(found: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(one.id, one.host) for one in found]


def test_a_node_that_nobody_reaches_is_named_once() -> None:
    found = seen(into("node-4"))
    assert hosts(found) == [("reach-tcp", "node-4")]
    assert "node-1, node-2, node-3, node-5 cannot reach it on TCP 10250 (timeout)" in found[0].message
    assert found[0].path == "nodes[3]"
    assert found[0].severity is Severity.BLOCK


def test_a_node_that_most_do_not_reach_is_named_once_with_those() -> None:
    found = seen([(source, "node-4") for source in ("node-1", "node-2", "node-3")])
    assert hosts(found) == [("reach-tcp", "node-4")]
    assert "node-5" not in found[0].message


def test_a_node_that_reaches_nobody_is_named_once() -> None:
    found = seen(out_of("node-2"), udp_failed={"8472": "no answer"})
    assert hosts(found) == [("reach-udp", "node-2")]
    assert "it cannot reach node-1, node-3, node-4, node-5 on UDP 8472 (no answer)" in found[0].message


def test_a_node_cut_off_both_ways_is_named_once() -> None:
    found = seen([*into("node-2"), *out_of("node-2")])
    assert hosts(found) == [("reach-tcp", "node-2")]
    assert "cannot reach it" in found[0].message
    assert "it cannot reach" in found[0].message


def test_of_three_nodes_the_one_at_fault_is_named() -> None:
    three = a_spec(3)
    assert hosts(seen([("node-1", "node-3"), ("node-2", "node-3")], three)) == [("reach-tcp", "node-3")]
    assert hosts(seen([("node-3", "node-1"), ("node-3", "node-2")], three)) == [("reach-tcp", "node-3")]


def test_one_wall_between_two_is_told_at_its_source() -> None:
    assert hosts(seen([("node-1", "node-4")])) == [("reach-tcp", "node-1")]
    two = a_spec(2)
    assert hosts(seen([("node-1", "node-2")], two)) == [("reach-tcp", "node-1")]


def test_two_faults_are_two_findings() -> None:
    found = seen([*into("node-4"), *out_of("node-2")])
    assert hosts(found) == [("reach-tcp", "node-2"), ("reach-tcp", "node-4")]


def test_a_network_that_lets_nobody_through_is_one_finding() -> None:
    found = seen(into(*ALL), udp_failed={"8472": "no answer"})
    assert hosts(found) == [("reach-udp", "")]
    assert "UDP 8472" in found[0].message


def _workers(*indexes: int) -> ClusterSpec:
    nodes = [node.model_dump() for node in FIVE.nodes]
    for index in indexes:
        nodes[index]["roles"] = ["worker"]
    return ClusterSpec.model_validate(FIVE.model_dump() | {"nodes": nodes})


def test_only_those_who_ask_on_a_port_count() -> None:
    """etcd's ports are asked by control planes only: two of two is all, though the cluster has five nodes."""
    walls = [("node-1", "node-3"), ("node-2", "node-3")]
    found = seen(walls, _workers(3, 4), tcp_failed={"2379": "timeout"})
    assert hosts(found) == [("reach-tcp", "node-3")]
    assert hosts(seen(walls, FIVE)) == [("reach-tcp", "node-1"), ("reach-tcp", "node-2")]


def test_of_many_nodes_those_with_nothing_to_tell_tell_nothing() -> None:
    """Two of seventy do not reach one: it is not that one."""
    many = a_spec(70)
    reports = healthy(many)
    for report in reports.values():
        report["reach"]["peers"] = {}
    for source in ("node-1", "node-2"):
        reports[source]["reach"]["peers"]["node-9"] = {"tcp_failed": {"10250": "timeout"}}
    assert hosts(judge(reports, many)) == [("reach-tcp", "node-1"), ("reach-tcp", "node-2")]
    for number in range(10, 70):
        reports[f"node-{number}"]["reach"]["peers"]["node-9"] = {"tcp_failed": {"10250": "timeout"}}
    assert hosts(judge(reports, many)) == [("reach-tcp", "node-9")]


@pytest.mark.parametrize("listening", [None, {}, {"tcp": [6443], "udp": []}])
def test_what_did_not_listen_could_not_answer(listening: Any) -> None:
    reports = healthy(FIVE)
    reports["node-4"]["reach"]["listening"] = listening
    for source in ALL[:3]:
        reports[source]["reach"]["peers"]["node-4"]["tcp_failed"] = {"10250": "refused"}
    assert judge(reports, FIVE) == ()


def test_another_machine_at_a_nodes_address_is_told_at_that_node() -> None:
    found = seen(into("node-5"), tcp_failed={"10250": "wrong host"}, udp_failed={"7946": "wrong host"})
    assert hosts(found) == [("reach-wrong-host", "node-5")]
    assert "10.0.0.5" in found[0].message


def test_a_narrow_way_to_one_node_is_told_there() -> None:
    found = seen(into("node-5"), mtu=1400)
    assert hosts(found) == [("mtu-path", "node-5")]
    assert "1400 of 1500 bytes" in found[0].message
    assert seen(into("node-5"), mtu=None) == ()


def test_an_mtu_of_ones_own_is_believed() -> None:
    spec = a_spec(5, kubespray_vars={"cilium_mtu": 1350})
    assert seen(into("node-5"), spec, mtu=1400) == ()


def test_only_the_way_between_etcd_members_has_to_be_short() -> None:
    spec = _workers(3, 4)
    assert seen(into("node-5"), spec, rtt_ms=300.0, loss=0.2) == ()
    far = [("node-1", "node-3"), ("node-2", "node-3"), ("node-3", "node-1"), ("node-3", "node-2")]
    found = seen(far, spec, rtt_ms=300.0)
    assert hosts(found) == [("latency-etcd", "node-3")]
    assert found[0].severity is Severity.BLOCK
    lost = seen([("node-1", "node-3")], spec, loss=0.5)
    assert [(one.id, one.host, one.severity) for one in lost] == [("loss-etcd", "node-1", Severity.BLOCK)]
