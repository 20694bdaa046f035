"""The stand-ins behind the API: nodes, pods, workloads, services and volumes come to life."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import kubernetes.client
import pytest

from tests.practice.api_world import World, condition, eventually, nodes_named, practice
from wizards.practice.api import objects

NODES = ("node-1", "node-2", "node-3")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with practice() as made:
        nodes_named(made, *NODES)
        yield made


@pytest.fixture
def ns(world: World) -> Iterator[str]:
    name = world.namespace()
    yield name
    world.delete(f"/api/v1/namespaces/{name}")


def pods(world: World, ns: str, app: str = "") -> list[Any]:
    query = f"?labelSelector=app%3D{app}" if app else ""
    found: list[Any] = world.get(f"/api/v1/namespaces/{ns}/pods{query}")["items"]
    return found


def ready(pod: Any) -> bool:
    return condition(pod, "Ready") == "True"


def path_of(obj: dict[str, Any]) -> str:
    plural = {"Deployment": "deployments", "DaemonSet": "daemonsets", "StatefulSet": "statefulsets"}[
        obj["kind"]
    ]
    return f"/apis/apps/v1/namespaces/{obj['metadata']['namespace']}/{plural}/{obj['metadata']['name']}"


def settled(world: World, obj: dict[str, Any]) -> Any:
    """Wait until a workload is complete, judged as kubectl's rollout status does."""

    def look() -> Any:
        now = world.get(path_of(obj))
        status = now.get("status", {})
        if status.get("observedGeneration") != now["metadata"]["generation"]:
            return None
        if now["kind"] == "DaemonSet":
            wanted = status["desiredNumberScheduled"]
            done = status.get("updatedNumberScheduled", 0) == status.get("numberAvailable", 0) == wanted
        else:
            wanted = now["spec"]["replicas"]
            numbers = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
            done = numbers == {wanted}
        return now if done else None

    return eventually(look)


# -- nodes ------------------------------------------------------------------------------------------


def test_a_node_without_status_is_completed(world: World) -> None:
    node = world.get("/api/v1/nodes/node-1")
    assert {item["type"]: item["address"] for item in node["status"]["addresses"]} == {
        "InternalIP": "10.0.0.11",
        "Hostname": "node-1",
    }
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.35.4"
    assert node["status"]["allocatable"]["pods"] == "110"
    assert [item["type"] for item in node["status"]["conditions"] if item["status"] == "True"] == ["Ready"]
    assert condition(node, "NetworkUnavailable") == "False"
    ready_reason = next(item for item in node["status"]["conditions"] if item["type"] == "Ready")["reason"]
    assert ready_reason == "KubeletReady"
    cidrs = {world.get(f"/api/v1/nodes/{name}")["spec"]["podCIDR"] for name in NODES}
    assert len(cidrs) == 3


def test_ready_nodes_hold_a_fresh_lease(world: World) -> None:
    lease = eventually(
        lambda: world.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1")
    )
    renewed = datetime.fromisoformat(lease["spec"]["renewTime"])
    assert (datetime.now(UTC) - renewed).total_seconds() < 40
    assert lease["spec"]["holderIdentity"] == "node-1"


def test_what_an_annotation_says_of_a_machine_stands_in_its_status(world: World) -> None:
    notes = {"slipway.dev/kubelet-version": "v1.36.0", "slipway.dev/cpu": "16"}
    world.create(objects.node("big", "10.0.0.99", annotations=notes))
    try:
        node = eventually(lambda: _ready_node(world, "big"))
        assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.0"
        assert node["status"]["capacity"]["cpu"] == node["status"]["allocatable"]["cpu"] == "16"
    finally:
        world.delete("/api/v1/nodes/big")


def _ready_node(world: World, name: str) -> Any:
    node = world.get(f"/api/v1/nodes/{name}")
    return node if condition(node, "Ready") == "True" else None


@pytest.mark.parametrize(("fault", "status"), [("NotReady", "False"), ("Unreachable", "Unknown")])
def test_a_broken_node_takes_its_pods_out_of_service_until_it_is_healed(
    world: World, ns: str, fault: str, status: str
) -> None:
    workload = world.create(objects.daemon_set("agent", ns))
    settled(world, workload)
    patch = {"metadata": {"annotations": {"slipway.dev/fault": fault}}}
    world.merge("/api/v1/nodes/node-2", patch)
    try:
        eventually(lambda: condition(world.get("/api/v1/nodes/node-2"), "Ready") == status)
        eventually(lambda: world.get(path_of(workload))["status"]["numberReady"] == 2)
        taints = {item["key"] for item in world.get("/api/v1/nodes/node-2")["spec"]["taints"]}
        assert taints <= {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
        later = world.create(objects.deployment("later", ns, replicas=4))
        settled(world, later)
        assert {pod["spec"]["nodeName"] for pod in pods(world, ns, "later")} == {"node-1", "node-3"}
    finally:
        world.merge("/api/v1/nodes/node-2", {"metadata": {"annotations": {"slipway.dev/fault": None}}})
    eventually(lambda: world.get(path_of(workload))["status"]["numberReady"] == 3)
    eventually(lambda: "taints" not in world.get("/api/v1/nodes/node-2")["spec"])


def test_a_ready_condition_set_by_hand_stays(world: World, ns: str) -> None:
    workload = world.create(objects.daemon_set("agent", ns))
    settled(world, workload)

    def set_ready(status: str, reason: str) -> None:
        body = {
            "status": {"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": ""}]}
        }
        world.strategic("/api/v1/nodes/node-3/status", body)

    set_ready("False", "KubeletNotReady")
    try:
        eventually(lambda: world.get(path_of(workload))["status"]["numberReady"] == 2)
        assert condition(world.get("/api/v1/nodes/node-3"), "Ready") == "False"
    finally:
        set_ready("True", "KubeletReady")
    eventually(lambda: world.get(path_of(workload))["status"]["numberReady"] == 3)


def test_a_removed_node_takes_its_pods_and_its_lease_along(world: World, ns: str) -> None:
    world.create(objects.node("gone", "10.0.0.50"))
    eventually(lambda: _ready_node(world, "gone"))
    workload = world.create(objects.daemon_set("agent", ns))
    assert settled(world, workload)["status"]["desiredNumberScheduled"] == 4
    world.delete("/api/v1/nodes/gone")
    eventually(lambda: world.get(path_of(workload))["status"]["desiredNumberScheduled"] == 3)
    eventually(lambda: {pod["spec"]["nodeName"] for pod in pods(world, ns)} == set(NODES))
    eventually(lambda: world.gone("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/gone"))


# -- workloads --------------------------------------------------------------------------------------


def test_a_deployment_runs_spread_over_the_nodes(world: World, ns: str) -> None:
    workload = world.create(objects.deployment("web", ns, replicas=3))
    done = settled(world, workload)
    assert condition(done, "Available") == condition(done, "Progressing") == "True"
    found = pods(world, ns)
    assert {pod["spec"]["nodeName"] for pod in found} == set(NODES)
    assert all(ready(pod) and pod["status"]["phase"] == "Running" for pod in found)
    assert len({pod["status"]["podIP"] for pod in found}) == 3
    (owner,) = found[0]["metadata"]["ownerReferences"]
    assert owner["kind"] == "ReplicaSet"
    replica_set = world.get(f"/apis/apps/v1/namespaces/{ns}/replicasets/{owner['name']}")
    assert replica_set["metadata"]["ownerReferences"][0]["name"] == "web"
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


def test_a_deployment_is_scaled_and_renewed(world: World, ns: str) -> None:
    workload = world.create(objects.deployment("web", ns, replicas=1))
    settled(world, workload)
    world.merge(path_of(workload), {"spec": {"replicas": 4}})
    settled(world, workload)
    image = [{"name": "web", "image": "web:2"}]
    body = {"spec": {"template": {"spec": {"containers": image}}}}
    world.strategic(path_of(workload), body)
    settled(world, workload)
    eventually(lambda: len(pods(world, ns)) == 4)
    assert {pod["spec"]["containers"][0]["image"] for pod in pods(world, ns)} == {"web:2"}
    sets = world.get(f"/apis/apps/v1/namespaces/{ns}/replicasets")["items"]
    assert sorted(item["spec"]["replicas"] for item in sets) == [0, 4]
    world.merge(path_of(workload), {"spec": {"replicas": 0}})
    eventually(lambda: pods(world, ns) == [])


def test_recreate_never_runs_old_and_new_together(world: World, ns: str) -> None:
    obj = objects.deployment("db", ns, replicas=2)
    obj["spec"]["strategy"] = {"type": "Recreate"}
    workload = world.create(obj)
    settled(world, workload)
    since = world.get(f"/api/v1/namespaces/{ns}/pods")["metadata"]["resourceVersion"]
    body = {"spec": {"template": {"spec": {"containers": [{"name": "db", "image": "db:2"}]}}}}
    world.strategic(path_of(workload), body)
    settled(world, workload)
    lines = world.raw("GET", f"/api/v1/namespaces/{ns}/pods?watch=1&resourceVersion={since}&timeoutSeconds=1")
    kinds = [line.split(b'"', 4)[3].decode() for line in lines.data.splitlines()]
    first_new, last_old = kinds.index("ADDED"), len(kinds) - 1 - kinds[::-1].index("DELETED")
    assert last_old < first_new


def test_deleting_a_deployment_takes_everything_along(world: World, ns: str) -> None:
    workload = world.create(objects.deployment("web", ns, replicas=2))
    settled(world, workload)
    world.delete(path_of(workload))
    eventually(lambda: pods(world, ns) == [])
    assert world.get(f"/apis/apps/v1/namespaces/{ns}/replicasets")["items"] == []


def test_a_deleted_pod_is_replaced_and_leaves_with_grace(world: World, ns: str) -> None:
    workload = world.create(objects.deployment("web", ns))
    settled(world, workload)
    name = pods(world, ns)[0]["metadata"]["name"]
    left = world.delete(f"/api/v1/namespaces/{ns}/pods/{name}")
    assert left["metadata"]["deletionTimestamp"]
    assert left["metadata"]["deletionGracePeriodSeconds"] == 30
    eventually(lambda: [pod["metadata"]["name"] for pod in pods(world, ns)] not in ([name], []))
    settled(world, workload)
    assert [pod["metadata"]["name"] for pod in pods(world, ns)] != [name]
    other = pods(world, ns)[0]["metadata"]["name"]
    done = world.delete(f"/api/v1/namespaces/{ns}/pods/{other}?gracePeriodSeconds=0")
    assert done["status"] == "Success"


def test_an_eviction_deletes_the_pod(world: World, ns: str) -> None:
    workload = world.create(objects.deployment("web", ns))
    settled(world, workload)
    name = pods(world, ns)[0]["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": ns}}
    world.post(f"/api/v1/namespaces/{ns}/pods/{name}/eviction", eviction)
    eventually(lambda: world.gone(f"/api/v1/namespaces/{ns}/pods/{name}"))


def test_a_stateful_set_has_numbered_pods_with_their_own_volumes(world: World, ns: str) -> None:
    world.create(objects.storage_class("fast", "example.org/fast"))
    try:
        template = {
            "metadata": {"name": "data"},
            "spec": objects.claim("data", storage_class="fast")["spec"],
        }
        workload = world.create(objects.stateful_set("db", ns, replicas=3, claims=[template]))
        done = settled(world, workload)
        assert done["status"]["currentRevision"] == done["status"]["updateRevision"]
        assert [pod["metadata"]["name"] for pod in pods(world, ns)] == ["db-0", "db-1", "db-2"]
        claims = world.get(f"/api/v1/namespaces/{ns}/persistentvolumeclaims")["items"]
        assert [item["metadata"]["name"] for item in claims] == ["data-db-0", "data-db-1", "data-db-2"]
        assert {item["status"]["phase"] for item in claims} == {"Bound"}
        world.merge(path_of(workload), {"spec": {"replicas": 1}})
        eventually(lambda: [pod["metadata"]["name"] for pod in pods(world, ns)] == ["db-0"])
        assert len(world.get(f"/api/v1/namespaces/{ns}/persistentvolumeclaims")["items"]) == 3
    finally:
        world.delete("/apis/storage.k8s.io/v1/storageclasses/fast")


def test_a_stateful_set_is_renewed_one_by_one(world: World, ns: str) -> None:
    workload = world.create(objects.stateful_set("db", ns, replicas=2))
    before = settled(world, workload)["status"]["currentRevision"]
    body = {"spec": {"template": {"spec": {"containers": [{"name": "db", "image": "db:2"}]}}}}
    world.strategic(path_of(workload), body)
    done = settled(world, workload)
    assert {pod["spec"]["containers"][0]["image"] for pod in pods(world, ns)} == {"db:2"}
    assert done["status"]["currentRevision"] == done["status"]["updateRevision"] != before


def test_a_daemon_set_goes_where_labels_and_taints_let_it(world: World, ns: str) -> None:
    taint = [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]
    world.merge("/api/v1/nodes/node-1", {"spec": {"taints": taint}})
    world.merge("/api/v1/nodes/node-2", {"metadata": {"labels": {"disk": "ssd"}}})
    try:
        plain = world.create(objects.daemon_set("plain", ns))
        assert settled(world, plain)["status"]["desiredNumberScheduled"] == 2
        everywhere = {"tolerations": [{"operator": "Exists"}]}
        tolerant = world.create(objects.daemon_set("tolerant", ns, pod_spec=everywhere))
        assert settled(world, tolerant)["status"]["desiredNumberScheduled"] == 3
        picky = world.create(objects.daemon_set("picky", ns, pod_spec={"nodeSelector": {"disk": "ssd"}}))
        assert settled(world, picky)["status"]["desiredNumberScheduled"] == 1
        assert pods(world, ns, "picky")[0]["spec"]["nodeName"] == "node-2"
        world.merge("/api/v1/nodes/node-3", {"metadata": {"labels": {"disk": "ssd"}}})
        eventually(lambda: len(pods(world, ns, "picky")) == 2)
    finally:
        world.merge("/api/v1/nodes/node-1", {"spec": {"taints": None}})
        for name in ("node-2", "node-3"):
            world.merge(f"/api/v1/nodes/{name}", {"metadata": {"labels": {"disk": None}}})


def test_a_daemon_set_is_renewed(world: World, ns: str) -> None:
    workload = world.create(objects.daemon_set("agent", ns))
    settled(world, workload)
    body = {"spec": {"template": {"spec": {"containers": [{"name": "agent", "image": "agent:2"}]}}}}
    world.strategic(path_of(workload), body)
    settled(world, workload)
    eventually(lambda: {p["spec"]["containers"][0]["image"] for p in pods(world, ns)} == {"agent:2"})


def test_a_job_completes(world: World, ns: str) -> None:
    world.create(objects.job("once", ns))
    path = f"/apis/batch/v1/namespaces/{ns}/jobs/once"
    eventually(lambda: condition(world.get(path), "Complete") == "True")
    assert world.get(path)["status"]["succeeded"] == 1
    assert [pod["status"]["phase"] for pod in pods(world, ns)] == ["Succeeded"]
    name = pods(world, ns)[0]["metadata"]["name"]
    text = world.raw("GET", f"/api/v1/namespaces/{ns}/pods/{name}/log").data.decode()
    assert "finished with exit code 0" in text


def test_a_job_that_fails_too_often_fails(world: World, ns: str) -> None:
    obj = objects.job("bad", ns)
    obj["spec"]["backoffLimit"] = 1
    obj["spec"]["template"]["metadata"] = {"annotations": {"slipway.dev/fault": "Failed"}}
    world.create(obj)
    path = f"/apis/batch/v1/namespaces/{ns}/jobs/bad"
    eventually(lambda: condition(world.get(path), "Failed") == "True")
    assert world.get(path)["status"]["failed"] == 2


# -- pods -------------------------------------------------------------------------------------------


def test_native_sidecars_run_and_ordinary_init_containers_end(world: World, ns: str) -> None:
    first = [
        {"name": "setup", "image": "x:1"},
        {"name": "istio-proxy", "image": "x:1", "restartPolicy": "Always"},
    ]
    world.create(objects.pod("web", ns, initContainers=first))
    path = f"/api/v1/namespaces/{ns}/pods/web"
    eventually(lambda: ready(world.get(path)))
    status = {item["name"]: item for item in world.get(path)["status"]["initContainerStatuses"]}
    assert status["setup"]["state"]["terminated"]["reason"] == "Completed"
    assert "running" in status["istio-proxy"]["state"]
    assert status["istio-proxy"]["ready"]


def test_the_log_of_a_pod(world: World, ns: str) -> None:
    containers = [{"name": "a", "image": "x:1"}, {"name": "b", "image": "x:1"}]
    world.create(objects.pod("two", ns, containers=containers))
    path = f"/api/v1/namespaces/{ns}/pods/two"
    eventually(lambda: ready(world.get(path)))
    reply = world.raw("GET", f"{path}/log?container=b")
    assert reply.headers["Content-Type"].startswith("text/plain")
    assert "container b started" in reply.data.decode()
    assert world.raw("GET", f"{path}/log?container=b&tailLines=0").data == b""
    typed = kubernetes.client.CoreV1Api(world.client)
    assert "container a started" in typed.read_namespaced_pod_log("two", ns, container="a")
    assert world.raw("GET", f"{path}/log?container=a", accept="text/plain").status == 200
    refused = world.raw("GET", f"{path}/log")
    assert refused.status == 400
    assert "choose one of: [a b]" in refused.json["message"]


@pytest.mark.parametrize("fault", ["CrashLoopBackOff", "ImagePullBackOff", "NotReady"])
def test_a_pod_fails_as_ordered_and_recovers(world: World, ns: str, fault: str) -> None:
    workload = world.create(objects.deployment("web", ns, annotations={"slipway.dev/fault": fault}))

    def broken() -> Any:
        (pod,) = pods(world, ns) or [{}]
        (state,) = pod.get("status", {}).get("containerStatuses") or [{}]
        waiting = state.get("state", {}).get("waiting", {}).get("reason")
        wanted = "running" in state.get("state", {}) if fault == "NotReady" else waiting == fault
        return (pod, state) if wanted and not state["ready"] else None

    pod, state = eventually(broken)
    assert not ready(pod)
    assert condition(world.get(path_of(workload)), "Available") == "False"
    if fault == "CrashLoopBackOff":
        assert state["restartCount"] >= 1
        assert state["lastState"]["terminated"]["exitCode"] == 1
    if fault != "NotReady":
        selector = f"type%3DWarning,involvedObject.name%3D{pod['metadata']['name']}"
        found = eventually(
            lambda: world.get(f"/api/v1/namespaces/{ns}/events?fieldSelector={selector}")["items"]
        )
        assert found[0]["reason"] == "BackOff"
    heal = {"spec": {"template": {"metadata": {"annotations": {"slipway.dev/fault": None}}}}}
    world.merge(path_of(workload), heal)
    settled(world, workload)


def test_a_pod_recovers_in_place_when_its_fault_is_taken_away(world: World, ns: str) -> None:
    obj = objects.pod("web", ns)
    obj["metadata"]["annotations"] = {"slipway.dev/fault": "CrashLoopBackOff"}
    world.create(obj)
    path = f"/api/v1/namespaces/{ns}/pods/web"
    eventually(lambda: world.get(path)["status"].get("containerStatuses", [{}])[0].get("restartCount"))
    world.merge(path, {"metadata": {"annotations": None}})
    eventually(lambda: ready(world.get(path)))
    assert "running" in world.get(path)["status"]["containerStatuses"][0]["state"]


def unscheduled(world: World, ns: str, name: str) -> str:
    """Why a pod has no node."""
    pod = world.get(f"/api/v1/namespaces/{ns}/pods/{name}")
    found = [item for item in pod["status"].get("conditions", []) if item["type"] == "PodScheduled"]
    return str(found[0].get("message", "")) if found and found[0]["status"] == "False" else ""


def test_a_pod_that_fits_nowhere_says_why_and_runs_when_it_can(world: World, ns: str) -> None:
    world.create(objects.pod("picky", ns, nodeSelector={"gpu": "yes"}))
    why = eventually(lambda: unscheduled(world, ns, "picky"))
    assert why == "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
    events = eventually(
        lambda: world.get(f"/api/v1/namespaces/{ns}/events?fieldSelector=reason%3DFailedScheduling")
    )
    assert events["items"][0]["type"] == "Warning"
    world.merge("/api/v1/nodes/node-2", {"metadata": {"labels": {"gpu": "yes"}}})
    try:
        eventually(lambda: ready(world.get(f"/api/v1/namespaces/{ns}/pods/picky")))
    finally:
        world.merge("/api/v1/nodes/node-2", {"metadata": {"labels": {"gpu": None}}})


def test_pods_that_avoid_each_other_need_a_node_each(world: World, ns: str) -> None:
    apart = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "op"}}}
            ]
        }
    }
    world.create(objects.deployment("op", ns, replicas=4, pod_spec={"affinity": apart}))
    eventually(lambda: sum(ready(pod) for pod in pods(world, ns)) == 3)
    waiting = [pod["metadata"]["name"] for pod in pods(world, ns) if not ready(pod)]
    assert "anti-affinity" in eventually(lambda: unscheduled(world, ns, waiting[0]))


def test_a_cordoned_node_takes_no_new_pods(world: World, ns: str) -> None:
    world.merge("/api/v1/nodes/node-1", {"spec": {"unschedulable": True}})
    try:
        eventually(lambda: "taints" in world.get("/api/v1/nodes/node-1")["spec"])
        workload = world.create(objects.deployment("web", ns, replicas=4))
        settled(world, workload)
        assert {pod["spec"]["nodeName"] for pod in pods(world, ns)} == {"node-2", "node-3"}
    finally:
        world.merge("/api/v1/nodes/node-1", {"spec": {"unschedulable": None}})
    eventually(lambda: "taints" not in world.get("/api/v1/nodes/node-1")["spec"])


# -- services and volumes ---------------------------------------------------------------------------


def test_endpoints_follow_the_ready_pods(world: World, ns: str) -> None:
    named = {
        "containers": [{"name": "web", "image": "x:1", "ports": [{"name": "http", "containerPort": 8080}]}]
    }
    workload = world.create(objects.deployment("web", ns, replicas=2, pod_spec=named))
    obj = objects.service("web", ns)
    obj["spec"]["ports"][0]["targetPort"] = "http"
    world.create(obj)
    settled(world, workload)

    def addresses() -> Any:
        found = world.get(f"/api/v1/namespaces/{ns}/endpoints")["items"]
        return (
            [item["ip"] for item in (found[0].get("subsets") or [{}])[0].get("addresses", [])]
            if found
            else []
        )

    eventually(lambda: len(addresses()) == 2)
    assert world.get(f"/api/v1/namespaces/{ns}/endpoints/web")["subsets"][0]["ports"][0]["port"] == 8080
    (piece,) = world.get(f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices")["items"]
    assert piece["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    assert [item["conditions"]["ready"] for item in piece["endpoints"]] == [True, True]
    world.merge(path_of(workload), {"spec": {"replicas": 1}})
    eventually(lambda: len(addresses()) == 1)
    world.delete(f"/api/v1/namespaces/{ns}/services/web")
    eventually(lambda: world.get(f"/api/v1/namespaces/{ns}/endpoints")["items"] == [])
    eventually(lambda: world.get(f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices")["items"] == [])


def test_an_api_service_is_available_when_its_service_has_endpoints(world: World, ns: str) -> None:
    path = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.example.org"
    world.create(
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.example.org"},
            "spec": {
                "group": "metrics.example.org",
                "version": "v1beta1",
                "service": {"name": "m", "namespace": ns},
            },
        }
    )
    try:
        eventually(lambda: condition(world.get(path), "Available") == "False")
        world.create(objects.deployment("m", ns))
        world.create(objects.service("m", ns))
        eventually(lambda: condition(world.get(path), "Available") == "True")
    finally:
        world.delete(path)
    assert condition(world.get("/apis/apiregistration.k8s.io/v1/apiservices/v1.apps"), "Available") == "True"


def test_volumes_wait_for_their_first_pod(world: World, ns: str) -> None:
    world.create(objects.storage_class("local", "openebs.io/local", default=True))
    try:
        claim = world.create(objects.claim("data", ns))
        assert claim["spec"]["storageClassName"] == "local"
        path = f"/api/v1/namespaces/{ns}/persistentvolumeclaims/data"
        eventually(
            lambda: world.get(f"/api/v1/namespaces/{ns}/events?fieldSelector=reason%3DWaitForFirstConsumer")
        )
        assert world.get(path)["status"]["phase"] == "Pending"
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        world.create(objects.pod("user", ns, volumes=volumes))
        eventually(lambda: ready(world.get(f"/api/v1/namespaces/{ns}/pods/user")))
        bound = world.get(path)
        assert bound["status"]["phase"] == "Bound"
        volume = world.get(f"/api/v1/persistentvolumes/{bound['spec']['volumeName']}")
        node = world.get(f"/api/v1/namespaces/{ns}/pods/user")["spec"]["nodeName"]
        (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
        assert term["matchExpressions"][0]["values"] == [node]
        world.delete(f"/api/v1/namespaces/{ns}/pods/user")
        world.delete(path)
        eventually(lambda: world.gone(f"/api/v1/persistentvolumes/{bound['spec']['volumeName']}"))
    finally:
        world.delete("/apis/storage.k8s.io/v1/storageclasses/local")


def test_immediate_volumes_and_volumes_made_by_hand(world: World, ns: str) -> None:
    world.create(objects.storage_class("net", "example.org/net", immediate=True))
    world.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "hand"},
            "spec": {"capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}, "storageClassName": ""},
        }
    )
    try:
        world.create(objects.claim("now", ns, storage_class="net"))
        world.create(objects.claim("made", ns, storage_class=""))
        claims = f"/api/v1/namespaces/{ns}/persistentvolumeclaims"
        eventually(lambda: [c["status"]["phase"] for c in world.get(claims)["items"]] == ["Bound", "Bound"])
        assert world.get("/api/v1/persistentvolumes/hand")["spec"]["claimRef"]["name"] == "made"
        world.delete(f"/api/v1/namespaces/{ns}/persistentvolumeclaims/made")
        eventually(lambda: world.get("/api/v1/persistentvolumes/hand")["status"]["phase"] == "Released")
    finally:
        world.delete("/apis/storage.k8s.io/v1/storageclasses/net")
        world.delete("/api/v1/persistentvolumes/hand")


def test_what_every_cluster_has(world: World) -> None:
    names = {item["metadata"]["name"] for item in world.get("/api/v1/namespaces")["items"]}
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= names
    service = world.get("/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIP"] == "10.233.0.1"
    port = world.get("/api/v1/namespaces/default/endpoints/kubernetes")["subsets"][0]["ports"][0]["port"]
    assert world.api.url.endswith(f":{port}")
