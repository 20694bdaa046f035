"""The judgement on what a look at the nodes brought back: each check fires where it should, only there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.provision.healthy import DEFAULT, DISK, MAYASTOR, Report, a_spec, healthy
from wizards.provision.preflight import judge, probe_wants
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec


def with_fault(spec: ClusterSpec, fault: Report, host: str = "node-2") -> dict[str, Report]:
    reports = healthy(spec)
    for name, value in fault.items():
        member, dot, inner = name.partition(".")
        place = reports[host][member] if dot else reports[host]
        place[inner or member] = value
    return reports


def test_clones_are_named_with_their_twins() -> None:
    reports = healthy(DEFAULT)
    for name in ("node-1", "node-2"):
        reports[name]["seen"]["machine_id"] = reports["node-3"]["seen"]["machine_id"].upper()
    found = judge(reports, DEFAULT)
    assert [one.host for one in found] == ["node-1", "node-2", "node-3"]
    assert "node-2, node-3" in found[0].message


def test_a_node_that_sent_no_report_is_named() -> None:
    reports = healthy(DEFAULT)
    del reports["node-3"]
    assert [(one.id, one.host) for one in judge(reports, DEFAULT)] == [("node-reported", "node-3")]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Missing sudo password", "asks"),
        ("Incorrect sudo password", "refused"),
        ("ansible is not in the sudoers file.", "may not use"),
        ("/bin/sh: 1: sudo: not found\nsudo: command not found", "not installed"),
        ("a thing nobody has seen", "a thing nobody has seen"),
    ],
)
def test_why_sudo_failed_is_said_in_words(said: str, expected: str) -> None:
    reports = with_fault(DEFAULT, {"seen.uid": 1000, "root_message": said})
    found = judge(reports, DEFAULT)
    assert [one.id for one in found] == ["node-root"]
    assert expected in found[0].message


def test_what_belongs_to_this_cluster_is_no_obstacle_when_it_converges() -> None:
    fault = {
        "known_cluster": True,
        "seen.remains": ["/etc/kubernetes/admin.conf"],
        "seen.ports_taken": [{"port": 6443, "by": "kube-apiserver"}],
    }
    assert judge(with_fault(DEFAULT, fault), DEFAULT) == ()


def test_ports_of_an_interrupted_run_only_warn() -> None:
    fault = {"seen.remains": ["/var/lib/etcd/member"], "seen.ports_taken": [2379]}
    found = judge(with_fault(DEFAULT, fault), DEFAULT)
    assert {(one.id, one.severity) for one in found} == {
        ("remains", Severity.WARN),
        ("ports-free", Severity.WARN),
    }


def test_memory_goes_by_what_the_node_does() -> None:
    spec = a_spec()
    nodes = [node.model_dump() for node in spec.nodes]
    nodes[1]["roles"] = ["worker"]
    spec = ClusterSpec.model_validate(spec.model_dump() | {"nodes": nodes})
    small = judge(with_fault(spec, {"seen.memory_mib": 1024, "seen.cpus": 1}), spec)
    assert [(one.id, one.severity) for one in small] == [("memory-for-choices", Severity.WARN)]
    assert [one.id for one in judge(with_fault(spec, {"seen.memory_mib": 1023}), spec)] == ["memory"]


@pytest.mark.parametrize(
    ("more", "kernel", "fine"),
    [
        ({}, "5.10.0-30-amd64", True),
        ({}, "4.18.0-553.el8_10.x86_64", True),
        ({"network": {"cni": "calico"}}, "4.19.0-27-amd64", True),
        ({"network": {"cni": "calico", "kube_proxy": "nftables"}}, "5.10.0-30-amd64", False),
        ({"storage": {"engines": ["mayastor"]}}, "5.10.0-30-amd64", False),
        ({"storage": {"engines": ["mayastor"]}}, "4.18.0-553.el8_10.x86_64", False),
    ],
)
def test_kernel_by_choice(more: dict[str, Any], kernel: str, fine: bool) -> None:
    spec = a_spec(**more)
    found = judge(with_fault(spec, {"seen.kernel": kernel}), spec)
    assert [one.id for one in found if one.severity is Severity.BLOCK] == ([] if fine else ["kernel"])


def test_blocks_come_first() -> None:
    reports = with_fault(DEFAULT, {"seen.swap_mib": 1, "seen.systemd": False})
    assert [one.id for one in judge(reports, DEFAULT)] == ["systemd", "swap"]


def test_practice_nodes_are_not_judged_as_machines() -> None:
    """They all are this computer: a laptop or a container that will never be a node."""
    reports = healthy(DEFAULT)
    for report in reports.values():
        report["seen"] |= {
            "uid": 1000,
            "os_id": "slipway",
            "machine_id": "same",
            "node_name": "My_Laptop",
            "systemd": False,
            "memory_mib": 100,
            "addresses": [],
            "kernel": "4.4.0",
            "cgroup_version": 1,
            "ports_taken": [6443],
            "default_route": False,
        }
    found = judge(reports, DEFAULT, practice=True)
    assert [(one.id, one.severity) for one in found] == [("practice-machine", Severity.WARN)]
    reports["node-2"] = {"reachable": False, "login_message": "Connection refused"}
    blocking = [one for one in judge(reports, DEFAULT, practice=True) if one.severity is Severity.BLOCK]
    assert [(one.id, one.host) for one in blocking] == [("node-reachable", "node-2")]


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"seen": None},
        {"seen": "\x1b]0;boo\x07"},
        {"reachable": True, "python": True, "seen": {"uid": 0, "kernel": 5, "free_mib": 3, "addresses": 7}},
        {"reachable": True, "python": True, "seen": {"disks": [1], "ports_taken": "x", "name_servers": {}}},
    ],
)
def test_a_node_may_say_anything(nonsense: Report) -> None:
    reports = healthy(MAYASTOR) | {"node-2": nonsense}
    found = judge(reports, MAYASTOR)
    assert {one.host for one in found} <= {"node-2"}
    assert "\x1b" not in json.dumps([one.to_json() for one in found], ensure_ascii=False)


def test_a_nodes_words_are_cleaned() -> None:
    reports = with_fault(
        DEFAULT, {"reachable": False, "login_message": "\x1b[31mred\x1b[0m\nline", "seen": {}}
    )
    message = judge(reports, DEFAULT)[0].message
    assert "red line" in message
    assert "\x1b" not in message


def test_the_probe_is_asked_for_what_the_answers_need() -> None:
    spec = a_spec()
    nodes = [node.model_dump() for node in spec.nodes]
    nodes[2]["roles"] = ["worker"]
    wants = probe_wants(ClusterSpec.model_validate(spec.model_dump() | {"nodes": nodes}))
    assert {6443, 2379, 2380, 10250, 10257, 10259, 7946} <= set(wants["ports"]["node-1"])
    assert {2379, 2380, 10257} & set(wants["ports"]["node-3"]) == set()
    assert "ip_vs" in wants["modules"]
    assert wants["disks"] == {}
    assert probe_wants(MAYASTOR)["disks"]["node-1"] == [DISK]
    assert json.loads(json.dumps(wants)) == wants
