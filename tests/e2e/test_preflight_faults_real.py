"""Preflight against machines of their own, with faults in them: each is found, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e import faults
from tests.e2e.lab_hosts import Hosts, missing
from tests.e2e.lab_look import SHARED, carry_out, cluster_of, command, spec_of
from tui.codes import BLOCKED
from wizards.provision.look import read_looks
from wizards.provision.preflight import judge
from wizards.setup.finding import Finding

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.xdist_group("preflight-real"),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]
ROLES = {f"node-{number}": ["control-plane", "etcd", "worker"] for number in (1, 2, 13)}
FAULTS: dict[str, tuple[faults.Inject, set[str]]] = {
    "node-1": (faults.port_taken(6443), {"ports-free"}),
    "node-2": (faults.clock_ahead, {"clock-skew"}),
    "node-3": (faults.same_machine_id, {"machine-id-unique"}),
    "node-4": (faults.same_machine_id, {"machine-id-unique"}),
    "node-5": (faults.nothing, {"disk-space", "hostpath-space"}),  # its disk was made too small
    "node-6": (faults.old_kernel, {"kernel"}),
    "node-7": (faults.module_missing("br_netfilter"), {"kernel-modules"}),
    "node-8": (faults.sudo_asks, {"node-root"}),
    "node-9": (faults.host_key_changed, {"node-reachable"}),
    "node-10": (faults.hangs, {"node-late"}),
    "node-11": (faults.swap_on, {"swap"}),
}
"""Node to its fault, and what must be found there; node-12 and node-13 have none."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with Hosts(tmp_path_factory.mktemp("lab"), count=13, disks={"node-5": "200m"}) as made:
        key = Path(f"{made.key_file}.pub").read_text().strip()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda machine: faults.give_login(machine, key), made.machines))
        yield made


def by_node(found: tuple[Finding, ...]) -> dict[str, set[str]]:
    """Return what was found on each node, without what they share."""
    nodes: dict[str, set[str]] = {}
    for one in found:
        if one.id not in SHARED:
            nodes.setdefault(one.host, set()).add(one.id)
    return nodes


def test_each_fault_is_named_on_its_node_and_nothing_else(lab: Hosts, tmp_path: Path) -> None:
    spec = spec_of(
        lab,
        nodes=[
            {"name": one.name, "address": one.address, "roles": ROLES.get(one.name, ["worker"])}
            for one in lab.machines
        ],
        access={"user": faults.USER, "key_file": str(lab.key_file), "become": "sudo"},
    )
    cluster = cluster_of(lab, tmp_path, spec)
    faulty = [machine for machine in lab.machines if machine.name in FAULTS]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda machine: FAULTS[machine.name][0](machine), faulty))
    said = command(lab, cluster, "preflight", spec.name, "--json")
    assert said.returncode == BLOCKED, said.stderr
    reports = read_looks(cluster, spec).reports
    found = judge(reports, spec)
    assert by_node(found) == {host: ids for host, (_, ids) in FAULTS.items()}, [one.message for one in found]
    # One node that hangs is waited for, but not by the others.
    assert {*reports} == {one.name for one in lab.machines}
    seconds = {name: report["seconds"] for name, report in reports.items()}
    assert seconds.pop("node-10") > 30 > max(seconds.values())
    # And the command says so.
    assert [one for _, ids in FAULTS.values() for one in ids if f'"{one}"' not in said.stdout] == []


NETWORK = {
    "": {"pool-free"},
    "node-2": {"reach-tcp", "reach-udp"},
    "node-3": {"mtu-path"},
    "node-4": {"latency-etcd"},
}
"""What must be found of the network, by node; node-1, node-5 and node-6 have no fault of their own."""


@pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed")
def test_faults_between_the_nodes_are_named_on_the_one_to_mend(tmp_path: Path) -> None:
    with Hosts(tmp_path / "lab", count=6) as lab:
        etcd = ["control-plane", "etcd", "worker"]
        members = {"node-1", "node-4", "node-5"}
        spec = spec_of(
            lab,
            nodes=[
                {
                    "name": one.name,
                    "address": one.address,
                    "roles": etcd if one.name in members else ["worker"],
                }
                for one in lab.machines
            ],
            load_balancer={"pools": [{"addresses": ["10.77.0.240-10.77.0.243"]}]},
        )
        cluster = cluster_of(lab, tmp_path / "home", spec)
        _, second, third, fourth, *_ = lab.machines
        faults.firewall("tcp dport 10250", "udp dport 8472")(second)
        faults.narrow_path(lab, third, 1400)
        faults.slow_line(lab, fourth, 30)
        faults.somebody_has(lab, "10.77.0.241")
        outcome = carry_out(lab, cluster, spec, "preflight")
    found = judge(outcome.reports, spec)
    assert by_node(found) == NETWORK, [f"{one.id}: {one.message}" for one in found]
