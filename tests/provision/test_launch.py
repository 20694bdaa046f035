"""Starting and following runs: what the launcher promises before a supervisor does its work."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import psutil
import pytest

from tests.provision.engine import World, end, make_world, result_of, until
from wizards.clusters import Cluster, RunRef
from wizards.lock import ClusterBusy
from wizards.provision.events import RunFinished, RunStarted, RunStatus
from wizards.provision.journal import JournalWriter, read_journal
from wizards.provision.launch import (
    KEPT_LOOKS,
    KEPT_RUNS,
    LaunchError,
    Secrets,
    follow,
    request_cancel,
    start_run,
)
from wizards.provision.plan import InvalidPlan, Plan

pytestmark = pytest.mark.xdist_group("engine")

SLEEP = "      - name: Wait\n        ansible.builtin.command: sleep 600\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def past_run(cluster: Cluster, run_id: str, status: RunStatus, job: str = "create") -> RunRef:
    run = RunRef(cluster.runs_dir / run_id)
    run.path.mkdir()
    writer = JournalWriter(run.journal)
    writer.append(RunStarted(run=run_id, job=job))
    writer.append(RunFinished(status=status))
    writer.close()
    return run


def test_a_plan_survives_its_file(world: World) -> None:
    plan = world.plan(
        world.stage("first", SLEEP, variables={"deep": {"list": [1, None, "é"]}}, env={"A": "b"})
    )
    assert Plan.from_json(plan.to_json()) == plan
    for broken in ("", "[]", '{"version": 1}', plan.to_json().replace('"version": 1', '"version": 2')):
        with pytest.raises(InvalidPlan):
            Plan.from_json(broken)
    with pytest.raises(InvalidPlan, match="unheard"):
        Plan.from_json(plan.to_json().replace('"playbook":', '"unheard": 1, "playbook":'))


def test_two_starts_at_once_give_one_run_and_one_refusal(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_SSH_PASSWORD", "marker-7Qx")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "marker-7Qx")
    monkeypatch.setenv("KUBECONFIG", "marker-7Qx")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    plan = world.plan(world.stage("first", SLEEP))
    begun: list[RunRef] = []
    refused: list[ClusterBusy] = []
    gate = threading.Barrier(2)

    def start() -> None:
        gate.wait()
        try:
            begun.append(start_run(world.cluster, plan))
        except ClusterBusy as busy:
            refused.append(busy)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (run,) = begun
    try:
        assert len(refused) == 1
        assert list(world.cluster.runs()) == [run]
        assert run.status() is RunStatus.RUNNING
        assert not list(world.cluster.runs_dir.glob(".new-*"))

        first = next(iter(read_journal(run.journal)))
        assert isinstance(first, RunStarted)
        supervisor = psutil.Process(first.pid)
        until(lambda: len(supervisor.children()) == 2, "no ansible-playbook")
        told = [one.environ() for one in (supervisor, *supervisor.children(recursive=True))]
        assert not [one for one in told if "marker-7Qx" in str(one)]
        assert all(one["https_proxy"] == "http://proxy.example:3128" for one in told)

        # A viewer leaves at once when it is told to, and the run does not care.
        stop = threading.Event()
        viewing = follow(run, stop=stop)
        assert next(viewing)
        stop.set()
        assert list(viewing) == []
        assert run.status() is RunStatus.RUNNING
    finally:
        end(run)
    assert run.status() is RunStatus.CANCELLED


def test_a_supervisor_that_cannot_start_leaves_words_and_no_run(world: World) -> None:
    (world.cluster.root / "cluster.json").write_text(json.dumps({"version": 99}))
    with pytest.raises(LaunchError, match="another version of Slipway"):
        start_run(world.cluster, world.plan(world.stage("first", SLEEP)))
    assert world.cluster.runs() == ()
    with world.cluster.lock("looking whether it is free"):
        pass


def test_old_runs_go_but_the_last_good_one_and_ids_never_fall_back(world: World) -> None:
    past = [past_run(world.cluster, "20200101-000000", RunStatus.SUCCEEDED)]
    past += [
        past_run(world.cluster, f"20210101-0000{number:02}", RunStatus.FAILED)
        for number in range(KEPT_RUNS + 3)
    ]
    looks = [
        past_run(world.cluster, f"20220101-0000{number:02}", RunStatus.SUCCEEDED, job="preflight")
        for number in range(KEPT_LOOKS + 2)
    ]
    future = past_run(world.cluster, "20990101-000000", RunStatus.FAILED)
    quick = world.stage("first", "      - ansible.builtin.debug: {msg: x}\n")
    run = start_run(world.cluster, world.plan(quick))
    assert result_of(run).status is RunStatus.SUCCEEDED
    kept = world.cluster.runs()
    assert run.id == "20990101-000000-2"
    assert kept[:2] == (run, future)
    assert kept[-1] == past[0]
    assert [one for one in kept if one.only_looks] == looks[:1:-1]
    assert len(kept) == KEPT_RUNS + KEPT_LOOKS + 1
    request_cancel(run, by="somebody too late")
    assert run.status() is RunStatus.SUCCEEDED


def test_secrets_do_not_show(world: World) -> None:
    secrets = Secrets(ssh_password="marker-7Qx", become_password="marker-7Qx")
    assert "7Qx" not in f"{secrets!r} {secrets}"
