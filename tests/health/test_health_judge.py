"""The judgement of nodes, control plane and components, on raw objects of every faulty kind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.health.health_objects import (
    NOW,
    lease,
    node,
    pod,
    snapshot,
    spec,
    waiting,
    wanted,
    workload,
    workloads,
)
from wizards.health.judge import judge
from wizards.health.model import ComponentHealth, Health, NodeHealth
from wizards.health.snapshot import Denied, Failed, NotYet, Readyz, Snapshot
from wizards.health.state import State, iso

SPEC = spec()


def look(**parts: Any) -> Health:
    return judge(snapshot(SPEC, **parts), SPEC)


def nodes(health: Health) -> dict[str, NodeHealth]:
    return {item.name: item for item in health.nodes}


def component(health: Health, component_id: str) -> ComponentHealth:
    return next(part for part in health.components if part.id == component_id)


def test_a_healthy_cluster() -> None:
    health = look()
    assert health.verdict is State.HEALTHY
    assert health.sentence == "Healthy: 3 of 3 nodes ready, 8 of 8 components healthy."
    assert health.problems == ()
    assert health.unread == ()
    assert health.cluster == "demo"
    assert [part.state for part in health.components] == [State.HEALTHY] * 8
    assert nodes(health)["node-1"].roles == ("control-plane",)
    assert nodes(health)["node-1"].version == "v1.35.4"


# Nodes


def test_one_node_not_ready_degrades_and_stands_first() -> None:
    since = NOW - 900
    lost = node("node-2", ready="False", since=since, reason="KubeletNotReady", message="PLEG is not healthy")
    health = look(nodes=(node("node-1"), lost, node("node-3")))
    assert health.verdict is State.DEGRADED
    assert health.nodes[0].name == "node-2"
    assert health.nodes[0].state is State.BROKEN
    assert health.nodes[0].since == since
    assert "PLEG is not healthy (KubeletNotReady)" in health.nodes[0].reason
    assert health.sentence.startswith("Degraded: node node-2 is not ready: PLEG is not healthy")
    assert "2 of 3 nodes ready" in health.sentence
    assert "journalctl -u kubelet" in health.problems[0].remedy


def test_no_node_ready_is_broken() -> None:
    health = look(nodes=tuple(node(f"node-{n}", ready="Unknown") for n in (1, 2, 3)))
    assert health.verdict is State.BROKEN
    assert "stopped reporting" in health.nodes[0].reason


def test_no_node_at_all_is_broken() -> None:
    health = judge(snapshot(spec(nodes=[]), nodes=(), workloads={}), None)
    assert health.verdict is State.BROKEN
    assert health.problems[0].message == "No node has joined the cluster."


def test_a_young_node_is_joining() -> None:
    fresh = node(
        "node-3",
        ready="False",
        born=NOW - 30,
        since=NOW - 30,
        message="container runtime network not ready: cni plugin not initialized",
    )
    health = look(nodes=(node("node-1"), node("node-2"), fresh))
    assert health.verdict is State.PROGRESSING
    assert health.nodes[0].reason == "its pod network is not up yet (KubeletNotReady)"


def test_a_young_node_that_was_ready_before_has_failed() -> None:
    lost = node("node-3", ready="False", born=NOW - 200, since=NOW - 10)
    health = look(nodes=(node("node-1"), node("node-2"), lost))
    assert health.nodes[0].state is State.BROKEN
    assert health.verdict is State.DEGRADED


def test_a_chosen_node_that_never_joined() -> None:
    health = look(nodes=(node("node-1"), node("node-2")))
    assert nodes(health)["node-3"].state is State.MISSING
    assert nodes(health)["node-3"].ready is None
    assert health.verdict is State.DEGRADED


def test_a_stale_lease_tells_before_the_condition_does() -> None:
    health = look(leases=(lease("node-1", NOW - 45), lease("node-2", NOW - 5), lease("node-3", NOW - 5)))
    assert health.nodes[0].name == "node-1"
    assert health.nodes[0].ready is True
    assert health.nodes[0].state is State.DEGRADED
    assert health.nodes[0].reason == "its kubelet has not been heard for 45 s"
    assert nodes(health)["node-2"].state is State.HEALTHY


def test_a_lease_says_itself_how_long_it_lasts() -> None:
    leases = tuple(lease(f"node-{n}", NOW - 45, leaseDurationSeconds=60) for n in (1, 2, 3))
    assert look(leases=leases).verdict is State.HEALTHY


def test_leases_are_compared_with_the_servers_clock() -> None:
    ahead = 7200.0
    leases = tuple(lease(f"node-{n}", NOW + ahead - 5) for n in (1, 2, 3))
    assert look(leases=leases, leases_at=NOW + ahead, skew=ahead).verdict is State.HEALTHY


def test_no_leases_no_complaint() -> None:
    assert look(leases=()).verdict is State.HEALTHY


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("MemoryPressure", "memory runs short"),
        ("DiskPressure", "disk space runs short"),
        ("PIDPressure", "too many processes"),
        ("NetworkUnavailable", "its network is not set up"),
    ],
)
def test_pressure(condition: str, words: str) -> None:
    health = look(nodes=(node("node-1", pressure=[condition]), node("node-2"), node("node-3")))
    assert health.verdict is State.DEGRADED
    assert health.nodes[0].pressures == (words,)
    assert health.nodes[0].ready is True


def test_a_cordoned_node_is_noted_and_no_fault() -> None:
    health = look(nodes=(node("node-1", cordoned=True), node("node-2"), node("node-3")))
    assert health.verdict is State.HEALTHY
    assert not nodes(health)["node-1"].schedulable


def test_node_names_sort_as_people_count() -> None:
    chosen = spec(nodes=[])
    many = tuple(node(f"node-{n}") for n in (10, 2, 1))
    health = judge(snapshot(chosen, nodes=many, workloads=workloads(chosen)), chosen)
    assert [item.name for item in health.nodes] == ["node-1", "node-2", "node-10"]


# Control plane


def test_a_failing_readiness_check_is_named() -> None:
    lines = ("[+]ping ok", "[-]etcd failed: reason withheld", "readyz check failed")
    health = look(readyz=Readyz(False, lines))
    assert health.verdict is State.BROKEN
    assert health.control_plane.reason == "etcd does not answer"
    assert [check.name for check in health.control_plane.checks] == ["etcd", "ping"]
    assert not health.control_plane.checks[0].ok


def test_readyz_that_times_out_is_broken() -> None:
    assert look(readyz=Failed("no answer within 15 s")).verdict is State.BROKEN


def test_readyz_that_may_not_be_asked_is_not_red() -> None:
    health = look(readyz=Denied("no permission"))
    assert health.verdict is State.HEALTHY
    assert health.control_plane.state is State.UNKNOWN
    assert health.unread[0].what == "Readiness of the control plane"
    assert health.unread[0].denied


def test_a_scheduler_without_a_leader() -> None:
    leaders = (
        lease("kube-scheduler", NOW - 300, "kube-system", holderIdentity="node-1_0f8e"),
        lease("kube-controller-manager", NOW - 2, "kube-system", holderIdentity="node-2_77aa"),
        lease("cilium-operator", NOW - 3000, "kube-system"),
    )
    health = look(system_leases=leaders)
    assert health.verdict is State.DEGRADED
    assert health.control_plane.reason == "the scheduler has not been heard for 300 s"
    assert dict(health.control_plane.leaders) == {
        "kube-scheduler": "node-1",
        "kube-controller-manager": "node-2",
    }


# Components


def with_one(name: str, pods: tuple[Any, ...] = (), **parts: Any) -> Health:
    """The healthy cluster, with the workload called `name` made anew from `parts`."""
    expected = wanted(SPEC, name)
    return look(
        workloads=workloads(SPEC, instead=[workload(expected, **parts)]),
        pods={expected.namespace: pods} if pods else {},
    )


def test_a_daemonset_that_wants_no_pod_is_not_healthy() -> None:
    health = with_one("metallb-speaker", desired=0)
    metallb = component(health, "metallb")
    assert metallb.state is State.BROKEN
    assert "it runs on no node" in metallb.reason
    assert health.verdict is State.BROKEN
    assert health.components[0] is metallb


def test_a_daemonset_that_belongs_everywhere_and_leaves_a_node_out() -> None:
    cilium = component(with_one("cilium", desired=2), "cilium")
    assert cilium.state is State.DEGRADED
    assert cilium.reason == "cilium: it runs on 2 of the 3 nodes it should"


def test_a_daemonset_may_lag_behind_a_node_that_just_joined() -> None:
    instead = [workload(wanted(SPEC, "cilium"), desired=2)]
    health = look(
        workloads=workloads(SPEC, instead=instead),
        nodes=(node("node-1"), node("node-2"), node("node-3", born=NOW - 20)),
    )
    assert component(health, "cilium").state is State.PROGRESSING


def test_a_daemonset_with_node_selector_may_run_on_fewer_nodes() -> None:
    assert component(with_one("metallb-speaker", desired=1), "metallb").state is State.HEALTHY


def test_flannels_daemonsets_for_absent_architectures_are_no_fault() -> None:
    chosen = spec(network={"cni": "flannel"})
    flannel = wanted(chosen, "kube-flannel")
    arm = workload(flannel, desired=0, name="kube-flannel-ds-arm64")
    health = judge(snapshot(chosen, workloads=workloads(chosen, instead=[arm])), chosen)
    assert component(health, "flannel").state is State.HEALTHY
    assert [part.name for part in component(health, "flannel").workloads] == ["kube-flannel"]


def test_mayastor_needs_as_many_engines_as_replicas() -> None:
    chosen = spec(storage={"engines": ["mayastor"]})
    engine = workload(wanted(chosen, "openebs-io-engine"), desired=2, strategy="OnDelete", updated=0)
    health = judge(snapshot(chosen, workloads=workloads(chosen, instead=[engine])), chosen)
    mayastor = component(health, "openebs-mayastor")
    assert mayastor.state is State.DEGRADED
    assert "2 of the 3 nodes" in mayastor.reason


def test_on_delete_leaves_old_pods_on_purpose() -> None:
    health = with_one("kube-proxy", desired=3, updated=1, strategy="OnDelete")
    assert component(health, "kube-proxy").state is State.HEALTHY


def test_a_deployment_being_rolled_out() -> None:
    health = with_one("metallb-controller", desired=2, ready=2, updated=1, replicas=3)
    assert health.verdict is State.PROGRESSING
    assert component(health, "metallb").reason == "metallb-controller: 1 of 2 pods updated"


def test_a_change_the_controller_has_not_seen() -> None:
    health = with_one("metallb-controller", generation=4, observed=3)
    assert component(health, "metallb").state is State.PROGRESSING


def test_a_new_deployment_without_pods_yet() -> None:
    health = with_one("coredns", desired=2, ready=0, born=NOW - 30)
    assert component(health, "coredns").state is State.PROGRESSING
    assert component(health, "coredns").reason == "coredns: 0 of 2 pods ready"


def test_an_old_deployment_without_a_ready_pod_is_broken() -> None:
    assert component(with_one("coredns", desired=2, ready=0), "coredns").state is State.BROKEN


def test_an_old_deployment_with_one_of_two_pods_is_degraded() -> None:
    assert component(with_one("coredns", desired=2, ready=1), "coredns").state is State.DEGRADED


def test_a_deployment_that_went_down_a_minute_ago_may_come_back() -> None:
    down = {"type": "Available", "status": "False", "lastTransitionTime": iso(NOW - 60)}
    health = with_one("coredns", desired=2, ready=0, conditions=[down])
    assert component(health, "coredns").state is State.PROGRESSING


def test_progress_deadline_exceeded() -> None:
    stuck = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    health = with_one("coredns", desired=2, ready=1, updated=1, conditions=[stuck])
    assert component(health, "coredns").state is State.DEGRADED
    assert "ProgressDeadlineExceeded" in component(health, "coredns").reason


def test_a_stuck_rollout_behind_pods_that_still_serve() -> None:
    expected = wanted(SPEC, "coredns")
    new = pod(expected, "coredns-new", status={"containerStatuses": [waiting("coredns", "ErrImagePull")]})
    coredns = component(with_one("coredns", (new,), desired=2, ready=2, replicas=3), "coredns")
    assert coredns.state is State.DEGRADED
    assert "the old ones still serve; coredns-new: ErrImagePull" in coredns.reason
    fresh = component(with_one("coredns", desired=2, ready=2, replicas=3), "coredns")
    assert fresh.state is State.PROGRESSING


def test_a_quota_that_forbids_pods_is_told() -> None:
    denied = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: compute"}
    health = with_one("coredns", desired=2, ready=0, conditions=[denied])
    assert component(health, "coredns").reason == (
        "coredns: 0 of 2 pods ready; pods cannot be made: exceeded quota: compute"
    )


def test_a_deployment_scaled_to_nothing() -> None:
    health = with_one("coredns", desired=0)
    assert component(health, "coredns").state is State.BROKEN
    assert component(health, "coredns").reason == "coredns: it is scaled to no pods"


def test_a_crashing_pod_is_named_with_its_exit_code() -> None:
    expected = wanted(SPEC, "coredns")
    ended = {"terminated": {"exitCode": 2, "reason": "Error"}}
    crashing = pod(
        expected,
        "coredns-7d",
        status={
            "containerStatuses": [waiting("coredns", "CrashLoopBackOff", lastState=ended, restartCount=9)]
        },
    )
    health = with_one("coredns", (crashing,), desired=2, ready=1)
    coredns = component(health, "coredns")
    assert coredns.state is State.DEGRADED
    assert coredns.reason == (
        "coredns: 1 of 2 pods ready; coredns-7d: CrashLoopBackOff, "
        "container coredns keeps crashing with exit code 2"
    )
    assert coredns.workloads[0].pods[0].restarts == 9
    assert health.problems[0].remedy == "kubectl -n kube-system describe pod coredns-7d"


def test_out_of_memory_is_told() -> None:
    expected = wanted(SPEC, "coredns")
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    killed = pod(
        expected,
        "coredns-7d",
        status={"containerStatuses": [waiting("coredns", "CrashLoopBackOff", lastState=ended)]},
    )
    health = with_one("coredns", (killed,), desired=1, ready=0)
    assert "ran out of memory" in component(health, "coredns").reason


def test_an_image_that_cannot_be_pulled() -> None:
    expected = wanted(SPEC, "metallb-speaker")
    bad = pod(expected, "speaker-x", status={"containerStatuses": [waiting("speaker", "ImagePullBackOff")]})
    metallb = component(with_one("metallb-speaker", (bad,), desired=3, ready=0), "metallb")
    assert metallb.state is State.BROKEN
    assert "the image registry.lan/image:1 of container speaker cannot be pulled" in metallb.reason


def test_an_init_container_that_fails_is_marked_as_such() -> None:
    expected = wanted(SPEC, "cilium")
    ended = {"terminated": {"exitCode": 1}}
    bad = pod(
        expected,
        "cilium-x",
        init=[{"name": "mount-cgroup"}],
        status={
            "phase": "Pending",
            "initContainerStatuses": [waiting("mount-cgroup", "CrashLoopBackOff", lastState=ended)],
            "containerStatuses": [waiting("cilium-agent", "PodInitializing")],
        },
    )
    cilium = component(with_one("cilium", (bad,), desired=3, ready=2), "cilium")
    assert cilium.workloads[0].pods[0].reason == "Init:CrashLoopBackOff"


def test_a_native_sidecar_is_looked_for_among_the_init_containers() -> None:
    chosen = spec(mesh={"kind": "istio-sidecar"})
    expected = wanted(chosen, "istiod")
    sidecar = pod(
        expected,
        "istiod-x",
        init=[{"name": "istio-proxy", "restartPolicy": "Always"}],
        status={
            "initContainerStatuses": [waiting("istio-proxy", "CrashLoopBackOff")],
            "containerStatuses": [{"name": "discovery", "ready": True, "state": {"running": {}}}],
        },
    )
    short = workload(expected, desired=1, ready=0)
    health = judge(
        snapshot(chosen, workloads=workloads(chosen, instead=[short]), pods={"istio-system": (sidecar,)}),
        chosen,
    )
    assert component(health, "istiod").workloads[0].pods[0].reason == "CrashLoopBackOff"
    assert "container istio-proxy keeps crashing" in component(health, "istiod").reason


def test_a_pod_that_no_node_takes() -> None:
    expected = wanted(SPEC, "coredns")

    def unscheduled(since: float) -> Any:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient memory.",
            "lastTransitionTime": iso(since),
        }
        return pod(
            expected, "coredns-x", node_name="", status={"phase": "Pending", "conditions": [condition]}
        )

    stuck = component(with_one("coredns", (unscheduled(NOW - 300),), desired=2, ready=1), "coredns")
    assert stuck.state is State.DEGRADED
    assert "Insufficient memory" in stuck.reason
    fresh = component(with_one("coredns", (unscheduled(NOW - 5),), desired=2, ready=1), "coredns")
    assert fresh.state is State.PROGRESSING


def test_a_pod_that_runs_and_does_not_become_ready() -> None:
    expected = wanted(SPEC, "hubble-relay")
    condition = {"type": "Ready", "status": "False", "lastTransitionTime": iso(NOW - 600)}
    status = {
        "conditions": [condition],
        "containerStatuses": [{"name": "hubble-relay", "ready": False, "state": {"running": {}}}],
    }
    health = with_one("hubble-relay", (pod(expected, "relay-x", status=status),), desired=1, ready=0)
    assert "container hubble-relay runs and does not become ready" in component(health, "hubble-relay").reason


def test_a_node_that_is_not_ready_is_blamed_for_its_pods() -> None:
    health = look(
        nodes=(node("node-1"), node("node-2"), node("node-3", ready="Unknown")),
        workloads=workloads(SPEC, instead=[workload(wanted(SPEC, "cilium"), desired=3, ready=2)]),
    )
    assert component(health, "cilium").state is State.DEGRADED
    assert "because of nodes that are not ready" in component(health, "cilium").reason
    assert health.verdict is State.DEGRADED


def test_a_node_that_takes_a_component_down_comes_before_it() -> None:
    health = look(
        nodes=(node("node-1"), node("node-2"), node("node-3", ready="Unknown")),
        workloads=workloads(SPEC, instead=[workload(wanted(SPEC, "metallb-controller"), ready=0)]),
    )
    assert [problem.subject for problem in health.problems] == ["node-3", "MetalLB"]
    assert health.verdict is State.BROKEN
    assert component(health, "metallb").workloads[0].by_nodes


def test_a_component_that_is_not_there() -> None:
    everything = workloads(SPEC)
    gone = {key: part for key, part in everything.items() if key[1] != "metallb-system"}
    gone |= {("Deployment", "metallb-system"): (), ("DaemonSet", "metallb-system"): ()}
    health = look(workloads=gone)
    assert component(health, "metallb").state is State.MISSING
    assert component(health, "metallb").reason == "it is not in namespace metallb-system"
    assert health.verdict is State.BROKEN


def test_a_component_with_a_part_missing_is_broken() -> None:
    metallb = component(look(workloads=workloads(SPEC, without="metallb-speaker")), "metallb")
    assert metallb.state is State.BROKEN
    assert metallb.reason == "DaemonSet metallb-speaker is missing"


def test_another_installers_names_and_labels_are_found_by_the_pods_labels() -> None:
    expected = wanted(SPEC, "nodelocaldns")
    other = workload(expected, desired=3, name="node-local-dns", labels={"k8s-app": "kube-dns"})
    named = workloads(SPEC, without="nodelocaldns", instead=[other])
    assert component(look(workloads=named), "node-local-dns").state is State.HEALTHY


def test_no_permission_is_unknown_and_not_red() -> None:
    hidden = workloads(SPEC)
    hidden[("Deployment", "metallb-system")] = Denied("no permission to list deployments")
    health = look(workloads=hidden)
    assert component(health, "metallb").state is State.UNKNOWN
    assert component(health, "metallb").reason == "metallb-controller: no permission to list deployments"
    assert health.verdict is State.UNKNOWN
    assert health.problems == ()
    assert health.sentence == (
        "Unknown: 1 component could not be looked at; 3 of 3 nodes ready, 7 of 8 components healthy."
    )


def test_no_permission_for_nodes() -> None:
    health = look(nodes=Denied("no permission"))
    assert health.verdict is State.UNKNOWN
    assert health.nodes == ()


def test_the_watcher_has_only_begun() -> None:
    health = judge(Snapshot(at=NOW, workloads={("Deployment", "kube-system"): NotYet()}), SPEC)
    assert health.verdict is State.UNKNOWN
    assert health.sentence == "Unknown: the cluster is still being read."


def test_an_api_server_that_does_not_answer_keeps_what_was_known() -> None:
    health = judge(snapshot(SPEC, unreachable="The API server does not answer."), SPEC, now=NOW + 90)
    assert health.verdict is State.UNKNOWN
    assert health.age == 90
    assert health.sentence == (
        "Unknown: The API server does not answer. "
        "Last seen 90 s ago: 3 of 3 nodes ready, 8 of 8 components healthy."
    )


def test_a_cluster_slipway_did_not_make_shows_what_is_found() -> None:
    found = {("DaemonSet", "kube-system"): (workload(wanted(SPEC, "cilium"), desired=3),)}
    health = judge(snapshot(workloads=found), None)
    assert [part.id for part in health.components] == ["cilium"]
    assert health.components[0].workloads[0].name == "cilium"
    assert health.verdict is State.HEALTHY


def test_a_static_pod_that_fails_is_told() -> None:
    vip = pod(
        wanted(SPEC, "coredns"),
        "kube-vip-node-1",
        metadata={"labels": {}, "ownerReferences": [{"kind": "Node", "name": "node-1"}]},
        status={"phase": "Failed", "reason": "Error"},
    )
    evicted = pod(wanted(SPEC, "coredns"), "left-over", metadata={"labels": {}}, status={"phase": "Failed"})
    health = look(pods={"kube-system": (vip, evicted)})
    assert [item.name for item in health.pods] == ["kube-vip-node-1"]
    assert health.verdict is State.DEGRADED
