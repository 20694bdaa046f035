"""The clusters on disk, and the lock of the one writer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wizards.clusters import (
    Cluster,
    ClusterExists,
    Clusters,
    RunRef,
    UnknownCluster,
    UnknownRun,
    slipway_home,
)
from wizards.lock import ClusterBusy, ClusterLock, is_held, read_holder
from wizards.provision.events import RunFinished, RunStarted, RunStatus
from wizards.provision.journal import JournalWriter
from wizards.setup.document import InvalidDocument
from wizards.setup.spec import ClusterSpec

SPEC = ClusterSpec.model_validate({"name": "lab", "nodes": [{"name": "a", "address": "192.0.2.1"}]})


@pytest.fixture
def clusters(tmp_path: Path) -> Clusters:
    return Clusters(tmp_path)


def modes(folder: Path) -> set[str]:
    return {
        oct(path.stat().st_mode & 0o777) + ("/" if path.is_dir() else "")
        for path in [folder, *folder.rglob("*")]
    }


def test_home_is_made_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "deep" / "home"))
    assert slipway_home() == tmp_path / "deep" / "home"
    assert slipway_home().stat().st_mode & 0o777 == 0o700


def test_a_cluster_is_made_found_and_forgotten(clusters: Clusters, tmp_path: Path) -> None:
    assert clusters.all() == ()
    cluster = clusters.create(SPEC)
    assert clusters.get("lab") == cluster
    assert clusters.all() == (cluster,)
    assert cluster.read_spec() == SPEC
    assert not cluster.is_practice
    assert cluster.latest_run() is None
    assert modes(tmp_path / "clusters") == {"0o700/", "0o600"}
    with pytest.raises(ClusterExists):
        clusters.create(SPEC)
    assert [path.name for path in (tmp_path / "clusters").iterdir()] == ["lab"]
    clusters.remove("lab")
    assert list((tmp_path / "clusters").iterdir()) == []


@pytest.mark.parametrize("name", ["other", "../lab", "", ".", "lab/runs"])
def test_an_unknown_cluster_names_those_there_are(clusters: Clusters, name: str) -> None:
    clusters.create(SPEC, practice=True)
    with pytest.raises(UnknownCluster, match="There are: lab"):
        clusters.get(name)


def test_a_file_is_adopted_with_its_comments(clusters: Clusters, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("# mine\nname: lab\nnodes:\n  - {name: a, address: 192.0.2.1}  # left rack\n")
    cluster = clusters.adopt_file(file)
    assert cluster.spec_path.read_text() == file.read_text()
    file.write_text(file.read_text().replace("192.0.2.1", "192.0.2.9"))
    with cluster.lock("something"), pytest.raises(ClusterBusy, match="something"):
        clusters.adopt_file(file)
    assert clusters.adopt_file(file).read_spec().nodes[0].address == "192.0.2.9"
    with pytest.raises(ClusterExists):
        clusters.adopt_file(file, practice=True)
    file.write_text("name: [")
    with pytest.raises(InvalidDocument):
        clusters.adopt_file(file)


def test_folders_that_are_no_clusters_are_left_out(clusters: Clusters, tmp_path: Path) -> None:
    cluster = clusters.create(SPEC)
    (tmp_path / "clusters" / "junk").mkdir()
    (tmp_path / "clusters" / "newer").mkdir()
    (tmp_path / "clusters" / "newer" / "cluster.json").write_text('{"version": 99}')
    assert clusters.all() == (cluster,)
    with pytest.raises(ValueError, match="another version"):
        Cluster.open(tmp_path / "clusters" / "newer")


def run_of(cluster: Cluster, run_id: str, *events: RunStarted | RunFinished) -> RunRef:
    run = RunRef(cluster.runs_dir / run_id)
    run.path.mkdir()
    journal = JournalWriter(run.journal, wall=lambda: 1795000000.0)
    for event in events:
        journal.append(event)
    journal.close()
    return run


def test_runs_sort_by_time_and_say_how_they_stand(clusters: Clusters) -> None:
    cluster = clusters.create(SPEC)
    ids = ["20261123-235901", "20261123-235901-2", "20261123-235901-10", "20261124-000000"]
    for run_id in ids:
        run_of(cluster, run_id, RunStarted(run=run_id))
    done = run_of(cluster, "20261125-000000", RunStarted(), RunFinished(status=RunStatus.BLOCKED))
    assert [run.id for run in cluster.runs()] == [done.id, *reversed(ids)]
    assert cluster.latest_run() == done
    assert done.status() is RunStatus.BLOCKED
    assert done.started_at == 1795000000.0
    open_run = cluster.run(ids[0])
    assert open_run.status() is RunStatus.INTERRUPTED
    with ClusterLock.acquire(open_run.lock, doing="supervising"):
        assert open_run.status() is RunStatus.RUNNING
    with done.journal.open("ab") as file:
        file.write(b'{"v":1,"n":3,"t":17950')
    assert done.status() is RunStatus.BLOCKED
    with pytest.raises(UnknownRun):
        cluster.run("../lab")


def test_a_look_at_the_nodes_does_not_hide_the_set_up_that_failed_before_it(clusters: Clusters) -> None:
    cluster = clusters.create(SPEC)
    assert cluster.current_run() is None
    look = run_of(cluster, "20261123-000000", RunStarted(job="preflight"), RunFinished())
    assert cluster.current_run() == look
    failed = run_of(cluster, "20261124-000000", RunStarted(), RunFinished(status=RunStatus.FAILED))
    later = run_of(cluster, "20261125-000000", RunStarted(job="preflight"), RunFinished())
    assert cluster.latest_run() == later
    assert later.only_looks
    assert cluster.current_run() == failed
    with ClusterLock.acquire(later.lock, doing="supervising"):
        assert cluster.current_run() == later


def test_the_lock_says_who_and_since_when_and_dies_with_its_holder(clusters: Clusters) -> None:
    cluster = clusters.create(SPEC)
    code = (
        "import sys, pathlib; from wizards.clusters import Cluster;"
        "lock = Cluster.open(pathlib.Path(sys.argv[1])).lock('an upgrade', run='r1');"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(cluster.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert is_held(cluster.lock_path)
        with pytest.raises(ClusterBusy) as caught:
            cluster.lock("mine")
        holder = caught.value.holder
        assert (holder.pid, holder.doing, holder.run) == (other.pid, "an upgrade", "r1")
        assert f"since {str(caught.value).split('since ')[1][:19]}: an upgrade (process {other.pid})" in str(
            holder
        )
        other.kill()
    with cluster.lock("mine"):
        assert read_holder(cluster.lock_path).doing == "mine"
    assert not is_held(cluster.lock_path)


def test_a_lock_file_that_cannot_be_read_still_locks(clusters: Clusters) -> None:
    cluster = clusters.create(SPEC)
    with cluster.lock("mine"):
        cluster.lock_path.write_text("\x1b]0;x")
        with pytest.raises(ClusterBusy, match="someone who has not said who they are"):
            cluster.lock("other")
