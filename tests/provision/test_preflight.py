"""The judgement on what a look at the nodes brought back: each check fires where it should, only there."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from wizards.provision.preflight import CHECKS, judge, probe_wants
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec

Report = dict[str, Any]

DISK = "/dev/disk/by-id/nvme-one"


def a_spec(count: int = 3, **more: Any) -> ClusterSpec:
    nodes = [{"name": f"node-{number}", "address": f"10.0.0.{number}"} for number in range(1, count + 1)]
    pools = {"pools": [{"addresses": ["10.0.0.240-10.0.0.250"]}]}
    return ClusterSpec.model_validate({"name": "demo", "nodes": nodes, "load_balancer": pools} | more)


def healthy(spec: ClusterSpec) -> dict[str, Report]:
    """What preflight.yml brings back from servers with nothing to complain about."""
    return {node.name: _report(node.name, number) for number, node in enumerate(spec.nodes, start=1)}


def _report(name: str, number: int) -> Report:
    seen = {
        "uid": 0,
        "os_id": "debian",
        "os_version": "12",
        "os_name": "Debian GNU/Linux 12 (bookworm)",
        "clock_offset": 0.1 * number,
        "node_name": name,
        "kernel": "6.1.0-28-amd64",
        "architecture": "x86_64",
        "machine_id": f"{number:032x}",
        "product_uuid": f"4c4c4544-0000-0000-0000-{number:012x}",
        "systemd": True,
        "cpus": 4,
        "sse4_2": True,
        "memory_mib": 7900,
        "swap_mib": 0,
        "hugepages_free": 1024,
        "addresses": ["127.0.0.1", f"10.0.0.{number}", "fe80::1"],
        "default_route": True,
        "name_servers": ["10.0.0.254"],
        "free_mib": {"/var/lib": 50_000, "/usr/local/bin": 50_000, "/tmp": 50_000},
        "tmp_noexec": False,
        "selinux": "",
        "firewall": "",
        "cgroup_version": 2,
        "cgroup_memory": True,
        "ports_taken": [],
        "remains": [],
        "modules_missing": [],
        "iscsi_name": True,
        "volume_groups": ["slipway"],
        "zfs_pools": ["slipway"],
        "disks": {},
    }
    return {
        # Templates turn truths into text now and then.
        "reachable": "True",
        "login_message": "",
        "python": True,
        "root_message": " ",
        "known_cluster": False,
        "seen": seen,
    }


DEFAULT = a_spec()
MAYASTOR = a_spec(storage={"engines": ["mayastor"]})
DISKS = ClusterSpec.model_validate(
    MAYASTOR.model_dump() | {"nodes": [node.model_dump() | {"disks": [DISK]} for node in MAYASTOR.nodes]}
)
OLD = {"kernel": "4.15.0-20-generic"}
CASES: dict[str, tuple[str, ClusterSpec, Report, Severity]] = {
    "unreachable": ("node-reachable", DEFAULT, {"reachable": False, "seen": {}}, Severity.BLOCK),
    "no python": ("node-python", DEFAULT, {"python": False, "seen": {}}, Severity.BLOCK),
    "blind": ("node-readable", DEFAULT, {"seen": {}}, Severity.BLOCK),
    "not root": ("node-root", DEFAULT, {"seen.uid": 1000}, Severity.BLOCK),
    "distribution": ("os-supported", DEFAULT, {"seen.os_id": "alpine"}, Severity.BLOCK),
    "architecture": ("architecture", DEFAULT, {"seen.architecture": "armv7l"}, Severity.BLOCK),
    "systemd": ("systemd", DEFAULT, {"seen.systemd": False}, Severity.BLOCK),
    "memory": ("memory", DEFAULT, {"seen.memory_mib": 1499}, Severity.BLOCK),
    "cpus": ("cpus", DEFAULT, {"seen.cpus": 1}, Severity.BLOCK),
    "disk": ("disk-space", DEFAULT, {"seen.free_mib": {"/var/lib": 900}}, Severity.BLOCK),
    "swap": ("swap", DEFAULT, {"seen.swap_mib": 2048}, Severity.WARN),
    "memory cgroup": ("cgroup-memory", DEFAULT, {"seen.cgroup_memory": False}, Severity.BLOCK),
    "cgroup v1": ("cgroup-version", DEFAULT, {"seen.cgroup_version": 1}, Severity.BLOCK),
    "kernel": ("kernel", DEFAULT, {"seen.kernel": "5.4.0-42-generic"}, Severity.BLOCK),
    "noexec": ("tmp-noexec", DEFAULT, {"seen.tmp_noexec": True}, Severity.WARN),
    "selinux": ("selinux", DEFAULT, {"seen.selinux": "enforcing"}, Severity.WARN),
    "no machine-id": ("machine-id-there", DEFAULT, {"seen.machine_id": ""}, Severity.WARN),
    "host name form": (
        "host-name-form",
        a_spec(kubespray_vars={"override_system_hostname": False}),
        {"seen.node_name": "Node_2"},
        Severity.BLOCK,
    ),
    "host name": ("host-name-changes", DEFAULT, {"seen.node_name": "debian"}, Severity.WARN),
    "clock": ("clock-skew", DEFAULT, {"seen.clock_offset": 600.0}, Severity.BLOCK),
    "clock a little": ("clock-skew", DEFAULT, {"seen.clock_offset": -5.0}, Severity.WARN),
    "remains": ("remains", DEFAULT, {"seen.remains": ["/var/lib/etcd/member"]}, Severity.WARN),
    "address": ("own-address", DEFAULT, {"seen.addresses": ["192.0.2.7"]}, Severity.BLOCK),
    "route": ("default-route", DEFAULT, {"seen.default_route": False}, Severity.BLOCK),
    "name server": ("name-server", DEFAULT, {"seen.name_servers": []}, Severity.BLOCK),
    "ports": ("ports-free", DEFAULT, {"seen.ports_taken": [6443]}, Severity.BLOCK),
    "firewall": ("firewall", DEFAULT, {"seen.firewall": "ufw"}, Severity.WARN),
    "pool": (
        "pool-on-node",
        DEFAULT,
        {"seen.addresses": ["10.0.0.2", "10.0.0.241"]},
        Severity.BLOCK,
    ),
    "modules": ("kernel-modules", DEFAULT, {"seen.modules_missing": ["ip_vs"]}, Severity.BLOCK),
    "volume group": (
        "volume-group",
        a_spec(storage={"engines": ["lvm"]}),
        {"seen.volume_groups": ["vg0"]},
        Severity.BLOCK,
    ),
    "no lvm": (
        "volume-group",
        a_spec(storage={"engines": ["lvm"]}),
        {"seen.volume_groups": None},
        Severity.BLOCK,
    ),
    "zfs": ("zfs-pool", a_spec(storage={"engines": ["zfs"]}), {"seen.zfs_pools": []}, Severity.BLOCK),
    "iscsi": (
        "iscsi",
        a_spec(storage={"engines": ["jiva"], "accept_archived": True}),
        {"seen.iscsi_name": False},
        Severity.BLOCK,
    ),
    "sse": ("sse42", MAYASTOR, {"seen.sse4_2": False}, Severity.BLOCK),
    "huge pages": ("huge-pages", MAYASTOR, {"seen.hugepages_free": 0}, Severity.BLOCK),
    "disk in use": (
        "disks-empty",
        DISKS,
        {"seen.disks": {DISK: {"there": True, "holds": "ext4, /srv"}}},
        Severity.BLOCK,
    ),
    "disk missing": ("disks-empty", DISKS, {"seen.disks": {DISK: {"there": False}}}, Severity.BLOCK),
}


def with_fault(spec: ClusterSpec, fault: Report, host: str = "node-2") -> dict[str, Report]:
    reports = copy.deepcopy(healthy(spec))
    for name, value in fault.items():
        member, dot, inner = name.partition(".")
        place = reports[host][member] if dot else reports[host]
        place[inner or member] = value
    return reports


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_fault_is_found_on_its_node_and_nothing_else_anywhere(
    case: tuple[str, ClusterSpec, Report, Severity],
) -> None:
    check, spec, fault, severity = case
    found = judge(with_fault(spec, fault), spec)
    assert [(one.id, one.host, one.severity) for one in found] == [(check, "node-2", severity)]
    assert found[0].message
    assert found[0].remedy
    assert found[0].path in {"nodes[1]", "load_balancer.pools"}


@pytest.mark.parametrize(
    "spec", [DEFAULT, MAYASTOR, DISKS, a_spec(1)], ids=["default", "raw", "disks", "one"]
)
def test_healthy_nodes_have_no_findings(spec: ClusterSpec) -> None:
    assert judge(healthy(spec), spec) == ()


def test_every_check_has_a_case() -> None:
    # These two need two nodes to be wrong, and a node that is not there at all.
    elsewhere = {"machine-id-unique", "product-uuid-unique", "node-reported", "cstor-disks"}
    assert {case[0] for case in CASES.values()} | elsewhere == {check.id for check in CHECKS}
    assert len(CHECKS) == len({check.id for check in CHECKS})
    for check in CHECKS:
        assert check.title
        assert check.wants
        assert check.why.endswith(".")
        assert check.remedy.endswith(".")


@pytest.mark.parametrize("name", ["machine_id", "product_uuid"])
def test_clones_are_named_with_their_twins(name: str) -> None:
    reports = healthy(DEFAULT)
    reports["node-3"]["seen"][name] = reports["node-1"]["seen"][name].upper()
    found = judge(reports, DEFAULT)
    assert [one.host for one in found] == ["node-1", "node-3"]
    assert "node-3" in found[0].message
    assert {one.severity for one in found} == {Severity.BLOCK}


def test_cstor_without_a_disk_is_refused() -> None:
    spec = a_spec(storage={"engines": ["cstor"], "accept_archived": True})
    assert [(one.id, one.path) for one in judge(healthy(spec), spec)] == [("cstor-disks", "nodes")]


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
        "seen.ports_taken": [6443],
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
    assert judge(with_fault(spec, {"seen.memory_mib": 1024, "seen.cpus": 1}), spec) == ()
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
    found = [one.id for one in judge(with_fault(spec, {"seen.kernel": kernel}), spec)]
    assert found == ([] if fine else ["kernel"])


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
    reports = healthy(DISKS) | {"node-2": nonsense}
    found = judge(reports, DISKS)
    assert {one.host for one in found} == {"node-2"}
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
    assert {6443, 2379} & set(wants["ports"]["node-3"]) == set()
    assert "ip_vs" in wants["modules"]
    assert wants["disks"] == {}
    assert probe_wants(DISKS)["disks"]["node-1"] == [DISK]
    assert json.loads(json.dumps(wants)) == wants
