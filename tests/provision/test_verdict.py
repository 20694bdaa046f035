"""What a look at the nodes comes to, what of it is kept, and what was accepted."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.provision.healthy import a_spec, healthy
from wizards.clusters import Cluster, Clusters
from wizards.lock import ClusterBusy
from wizards.provision.acceptance import accept, open_warnings, read_accepted, withdraw
from wizards.provision.checks import Group
from wizards.provision.look import FRESH_SECONDS, keep_looks, read_looks
from wizards.provision.verdict import CellState, group_of, verdict
from wizards.setup.finding import Finding, Severity
from wizards.setup.spec import ClusterSpec

SWAP = Finding("swap", Severity.WARN, "nodes[1]", "node-2: 512 MiB of swap are on.", host="node-2")
MEMORY = Finding("memory", Severity.BLOCK, "nodes[2]", "node-3: too little memory.", host="node-3")


def a_cluster(home: Path, spec: ClusterSpec) -> Cluster:
    return Clusters(home).create(spec)


def test_the_worst_node_comes_first_and_each_finding_stands_in_its_group() -> None:
    spec = a_spec()
    found = verdict(healthy(spec), (SWAP, MEMORY), spec)
    assert [one.name for one in found.nodes] == ["node-3", "node-2", "node-1"]
    group = group_of("memory")
    assert group is not None
    assert found.nodes[0].cells[group].state is CellState.BLOCK
    assert found.nodes[1].cells[Group.SYSTEM].state is CellState.WARN
    assert {cell.state for cell in found.nodes[2].cells.values()} == {CellState.OK}
    assert (found.blocks, found.warnings, found.ready) == (1, 1, False)
    assert found.sentence == "3 nodes: 1 finding must be mended first, 1 warning to accept or mend."


def test_a_node_that_has_not_answered_is_waited_for_and_one_nobody_could_see_is_unknown() -> None:
    spec = a_spec()
    reports = healthy(spec)
    del reports["node-1"]
    reports["node-2"] = {"reachable": False, "login_message": "timed out"}
    gone = Finding("node-reachable", Severity.BLOCK, "nodes[1]", "node-2: no answer.", host="node-2")
    found = verdict(reports, (gone,), spec, waiting=["node-1"])
    by_name = {one.name: one for one in found.nodes}
    assert by_name["node-1"].state is CellState.WAITING
    assert by_name["node-1"].note == "waiting for its answer"
    assert by_name["node-2"].cells[Group.ACCESS].state is CellState.BLOCK
    assert by_name["node-2"].cells[Group.DISKS].state is CellState.UNKNOWN
    assert found.waiting == ("node-1",)
    assert found.sentence == "2 of 3 nodes looked at; so far 1 finding must be mended first."


def test_an_accepted_warning_no_longer_waits_for_anybody(tmp_path: Path) -> None:
    spec = a_spec()
    cluster = a_cluster(tmp_path, spec)
    accepted = accept(cluster, (SWAP, MEMORY), by="anna")
    assert [(one.check, one.host, one.by) for one in accepted] == [("swap", "node-2", "anna")]
    assert read_accepted(cluster) == accepted
    assert (cluster.root / "accepted.json").stat().st_mode & 0o777 == 0o600
    found = verdict(healthy(spec), (SWAP,), spec, accepted=accepted)
    assert (found.warnings, found.accepted, found.ready) == (0, 1, True)
    assert found.nodes[0].cells[Group.SYSTEM].state is CellState.ACCEPTED
    assert open_warnings((SWAP, MEMORY), accepted) == ()
    assert withdraw(cluster, [("swap", "node-2")]) == ()
    assert open_warnings((SWAP,), read_accepted(cluster)) == (SWAP,)


def test_nothing_is_accepted_while_a_run_holds_the_cluster(tmp_path: Path) -> None:
    cluster = a_cluster(tmp_path, a_spec())
    with cluster.lock("create"), pytest.raises(ClusterBusy):
        accept(cluster, (SWAP,), by="anna")
    assert read_accepted(cluster) == ()


def test_a_file_of_acceptances_that_is_broken_accepts_nothing(tmp_path: Path) -> None:
    cluster = a_cluster(tmp_path, a_spec())
    for text in ("", "[]", '{"version": 1, "accepted": [{"check": 1}]}', '{"version": 2, "accepted": []}'):
        (cluster.root / "accepted.json").write_text(text)
        assert read_accepted(cluster) == ()


def test_a_look_at_one_node_replaces_that_one_alone(tmp_path: Path) -> None:
    spec = a_spec()
    cluster = a_cluster(tmp_path, spec)
    reports = healthy(spec)
    reports["node-2"] = reports["node-2"] | {"reach": {"peers": {}}}
    keep_looks(cluster, spec, reports)
    seen = {"uid": 0, "swap_mib": 7}
    looks = keep_looks(cluster, spec, {"node-2": {"reachable": True, "python": True, "seen": seen}})
    assert looks.reports["node-2"]["seen"] == seen
    assert looks.reports["node-2"]["reach"] == {"peers": {}}, "what it was not asked this time stays"
    assert looks.reports["node-1"] == reports["node-1"]
    gone = keep_looks(cluster, spec, {"node-2": {"reachable": False, "login_message": "timed out"}})
    assert gone.reports["node-2"] == {"reachable": False, "login_message": "timed out"}


def test_a_look_counts_only_for_the_server_it_was_made_at_and_only_while_it_is_fresh(tmp_path: Path) -> None:
    spec = a_spec(2)
    cluster = a_cluster(tmp_path, spec)
    looks = keep_looks(cluster, spec, healthy(spec))
    assert looks.fresh(spec)
    assert not looks.fresh(spec, now=time.time() + FRESH_SECONDS + 5)
    assert not looks.fresh(spec, now=time.time() - 3600), "the clock was set back"
    nodes = [{"name": "node-1", "address": "10.0.0.1"}, {"name": "node-2", "address": "10.0.0.99"}]
    moved = a_spec(2, nodes=nodes)
    assert set(read_looks(cluster, moved).reports) == {"node-1"}
    assert not read_looks(cluster, moved).fresh(moved)
    (cluster.root / "looks.json").write_text('{"version": 1, "nodes": {"node-1": {"at": "x"}}}')
    assert read_looks(cluster, spec).reports == {}
