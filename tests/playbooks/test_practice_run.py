"""Every stage on a practice cluster: real SSH, the real Ansible, the real Kubernetes client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.playbooks.practice import World, practice_world
from wizards.health.reader import read_health
from wizards.practice.client import set_reachable
from wizards.provision.preflight import judge
from wizards.provision.stages import UnknownFault, create_plan

ALL = ["control-plane", "etcd", "worker"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("practice-run")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("slw")
    with practice_world(home, [ALL, ["worker"]], storage={"engines": ["hostpath", "lvm"]}) as made:
        yield made


def test_preflight_reports_what_it_saw_and_names_the_node_that_is_down(world: World) -> None:
    stage = create_plan(world.spec, world.cluster).stage("preflight")
    set_reachable(world.folder, "node-2", reachable=False)
    try:
        outcome = world.play(stage, form="ansible.posix.json")
    finally:
        set_reachable(world.folder, "node-2", reachable=True)
    # One node that is down is a finding, not a failure of the look at the others.
    assert outcome.rc == 0, outcome.output
    reports = outcome.reports
    assert set(reports) == {"node-1", "node-2"}
    assert reports["node-1"]["seen"]["memory_mib"] > 0
    findings = judge(reports, world.spec, practice=True)
    assert [(one.id, one.host) for one in findings if one.severity == "block"] == [
        ("node-reachable", "node-2")
    ]


def test_unknown_faults_are_refused(world: World) -> None:
    for fail, words in {
        "node-9:kubernetes": "node-1, node-2",
        "node-1:nonsense": "there are tools",
        "node-1:storage": "localhost",
        "node-1": "there is no stage",
    }.items():
        with pytest.raises(UnknownFault, match=words):
            create_plan(world.spec, world.cluster, fail=fail)


def test_kubernetes_fails_once_where_a_fault_was_ordered_and_then_goes_on(world: World) -> None:
    plan = create_plan(world.spec, world.cluster, fail="node-2:kubernetes")
    failed = world.play(plan.stage("kubernetes"))
    assert failed.rc == 2
    assert failed.recap("node-2")["failed"] == 1
    assert "Practice fault, ordered" in failed.output
    assert "Connection timed out" in failed.output
    assert not (world.disk("node-1") / "etc/kubernetes/admin.conf").exists()

    again = world.play(plan.stage("kubernetes"))
    assert again.rc == 0, again.output
    done = again.output.partition("[Rehearsal: prepare for etcd]")[0]
    assert "ok: [node-2]" in done
    assert "changed: [node-2]" not in done
    node = world.disk("node-2")
    assert (node / "etc/hostname").read_text() == "node-2\n"
    assert "node-1" in (node / "etc/hosts").read_text()
    assert not (node / "etc/kubernetes/manifests/kube-apiserver.yaml").exists()
    assert (world.disk("node-1") / "etc/kubernetes/manifests/kube-apiserver.yaml").exists()


def test_the_stages_after_it_make_a_healthy_cluster(world: World) -> None:
    """Needs the test before it."""
    plan = create_plan(world.spec, world.cluster)
    for stage in plan.stages[plan.stages.index(plan.stage("kubeconfig")) :]:
        outcome = world.play(stage)
        assert outcome.rc == 0, outcome.output
        # What a plan announces is what the progress is measured by.
        assert outcome.tasks == stage.tasks, stage.id
    assert world.cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
    health = read_health(world.cluster.kubeconfig, world.spec)
    assert health.verdict == "healthy", health.sentence


def test_a_second_time_changes_nothing(world: World) -> None:
    """Needs the tests before it: the cluster is up."""
    outcome = world.play(create_plan(world.spec, world.cluster).stage("storage"))
    assert outcome.rc == 0, outcome.output
    assert outcome.changed == 0, outcome.output
