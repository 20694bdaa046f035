"""Objects through HTTP and the dynamic client: create, change, delete, and what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes.dynamic.exceptions as failures
import pytest
import yaml

from tests.practice.api_world import World, condition, eventually, practice
from wizards.practice.api import objects


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with practice() as made:
        yield made


MAKERS: dict[str, Callable[[str, str], Any]] = {
    "Deployment": objects.deployment,
    "StatefulSet": objects.stateful_set,
    "DaemonSet": objects.daemon_set,
}


def config(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def failure(world: World, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str, Any]:
    """HTTP status, reason and the whole Status of a request that is refused."""
    reply = world.raw(method, path, body, **more)
    found = reply.json
    assert found["kind"] == "Status"
    assert found["apiVersion"] == "v1"
    assert found["status"] == "Failure"
    assert found["code"] == reply.status
    return reply.status, found["reason"], found


def test_an_object_gets_what_every_object_has(world: World) -> None:
    ns = world.namespace()
    made = world.post(f"/api/v1/namespaces/{ns}/configmaps", config("one", a="1"))
    assert made["kind"] == "ConfigMap"
    assert made["apiVersion"] == "v1"
    assert made["metadata"]["namespace"] == ns
    assert {"uid", "resourceVersion", "creationTimestamp", "managedFields"} <= made["metadata"].keys()
    again = world.get(f"/api/v1/namespaces/{ns}/configmaps/one")
    assert again == made


def test_one_counter_of_versions_for_all_resources(world: World) -> None:
    ns = world.namespace()
    first = world.post(f"/api/v1/namespaces/{ns}/configmaps", config("one"))
    second = world.post(
        f"/api/v1/namespaces/{ns}/secrets", {"metadata": {"name": "s"}, "stringData": {"k": "v"}}
    )
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    assert second["data"] == {"k": "dg=="}
    assert "stringData" not in second


def test_generated_names(world: World) -> None:
    path = f"/api/v1/namespaces/{world.namespace()}/configmaps"
    names = {world.post(path, {"metadata": {"generateName": "x-"}})["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("x-") and len(name) == 7 for name in names)


def test_refusals_are_status_documents(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/configmaps"
    world.post(path, config("one"))
    assert failure(world, "POST", path, config("one"))[:2] == (409, "AlreadyExists")
    code, reason, found = failure(world, "GET", f"/apis/apps/v1/namespaces/{ns}/deployments/none")
    assert (code, reason) == (404, "NotFound")
    assert found["message"] == 'deployments.apps "none" not found'
    assert found["details"] == {"name": "none", "group": "apps", "kind": "deployments"}
    assert failure(world, "POST", path, config("Not_A_Name"))[:2] == (422, "Invalid")
    assert failure(world, "POST", path, {"metadata": {}})[:2] == (422, "Invalid")
    assert failure(world, "POST", "/api/v1/namespaces/nowhere/configmaps", config("x"))[:2] == (
        404,
        "NotFound",
    )
    assert failure(world, "POST", path, b"{not json")[:2] == (400, "BadRequest")
    assert failure(world, "POST", path, [1])[:2] == (400, "BadRequest")
    wrong = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}
    assert failure(world, "POST", path, wrong)[:2] == (400, "BadRequest")
    assert failure(world, "PUT", f"{path}/one", config("two"))[:2] == (400, "BadRequest")
    assert failure(world, "POST", f"{path}/one", config("one"))[:2] == (405, "MethodNotAllowed")
    assert failure(world, "DELETE", "/api/v1/pods")[:2] == (405, "MethodNotAllowed")
    protobuf = {"content_type": "application/vnd.kubernetes.protobuf"}
    assert failure(world, "POST", path, b"k8s\0", **protobuf)[:2] == (415, "UnsupportedMediaType")
    assert failure(world, "GET", path, accept="application/vnd.kubernetes.protobuf")[:2] == (
        406,
        "NotAcceptable",
    )
    large = json.dumps(config("big", a="x" * 3_500_000)).encode()
    assert failure(world, "POST", path, large)[:2] == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
def test_without_the_token_nothing_is_told(world: World, header: dict[str, str]) -> None:
    for path in ("/api/v1/nodes", "/version", "/readyz", "/apis", "/nothing"):
        reply = world.raw("GET", path, headers={"Authorization": "", **header})
        assert (reply.status, reply.json["reason"]) == (401, "Unauthorized")
        assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_unknown_paths_are_not_found(world: World) -> None:
    for path in ("/apis/none.io/v1/things", "/api/v2/pods", "/metrics", "/api/v1/namespaces/default/nodes"):
        assert world.raw("GET", path).status == 404


def test_update_needs_the_version_it_has_read(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/configmaps/one"
    first = world.post(f"/api/v1/namespaces/{ns}/configmaps", config("one", a="1"))
    second = world.raw("PUT", path, {**first, "data": {"a": "2"}}).json
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert failure(world, "PUT", path, {**first, "data": {"a": "3"}})[:2] == (409, "Conflict")
    unconditional = world.raw("PUT", path, config("one", a="4")).json
    assert unconditional["data"] == {"a": "4"}
    assert unconditional["metadata"]["creationTimestamp"] == first["metadata"]["creationTimestamp"]


def test_a_write_that_changes_nothing_makes_no_new_version(world: World) -> None:
    ns = world.namespace()
    made = world.post(f"/api/v1/namespaces/{ns}/configmaps", config("one", a="1"))
    path = f"/api/v1/namespaces/{ns}/configmaps/one"
    same = world.merge(path, {"data": {"a": "1"}}).json
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_generation_counts_changes_of_the_spec_only(world: World) -> None:
    ns = world.namespace()
    path = f"/apis/apps/v1/namespaces/{ns}/deployments"
    made = world.post(path, objects.deployment("web", ns, replicas=0))
    assert made["metadata"]["generation"] == 1
    labelled = world.merge(f"{path}/web", {"metadata": {"labels": {"x": "y"}}}).json
    assert labelled["metadata"]["generation"] == 1
    changed = world.merge(f"{path}/web", {"spec": {"paused": True}}).json
    assert changed["metadata"]["generation"] == 2


def test_status_is_written_through_its_subresource_only(world: World) -> None:
    ns = world.namespace()
    claim = {**objects.claim("data", ns, storage_class="none"), "status": {"phase": "Bound"}}
    path = f"/api/v1/namespaces/{ns}/persistentvolumeclaims"
    assert world.post(path, claim)["status"] == {"phase": "Pending"}
    body = {"metadata": {"labels": {"a": "b"}}, "status": {"phase": "Lost"}}
    assert world.merge(f"{path}/data", body).json["status"]["phase"] == "Pending"
    lost = world.merge(f"{path}/data/status", body).json
    assert lost["status"]["phase"] == "Lost"
    assert world.get(f"{path}/data/status")["status"]["phase"] == "Lost"


def test_dry_run_checks_all_and_stores_nothing(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/configmaps"
    assert world.raw("POST", f"{path}?dryRun=All", config("one")).status == 201
    assert world.gone(f"{path}/one")
    world.post(path, config("one", a="1"))
    assert failure(world, "POST", f"{path}?dryRun=All", config("one"))[0] == 409
    dry = world.merge(f"{path}/one?dryRun=All", {"data": {"a": "2"}}).json
    assert dry["data"] == {"a": "2"}
    world.delete(f"{path}/one?dryRun=All")
    assert world.get(f"{path}/one")["data"] == {"a": "1"}
    assert failure(world, "POST", f"{path}?dryRun=Some", config("two"))[0] == 400


def test_defaults_are_those_of_kubernetes(world: World) -> None:
    ns = world.namespace()
    made = world.create(objects.deployment("web", ns, replicas=0, image="web:latest"))
    spec = made["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": "25%", "maxSurge": "25%"}
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert spec["template"]["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    service = world.create(objects.service("web", ns, type_="NodePort"))
    assert service["spec"]["clusterIP"].startswith("10.233.")
    assert service["spec"]["ports"][0]["targetPort"] == 80
    assert 30000 <= service["spec"]["ports"][0]["nodePort"] < 32768
    other = world.create(objects.service("other", ns))
    assert other["spec"]["clusterIP"] != service["spec"]["clusterIP"]


def test_a_new_workload_has_the_status_that_go_writes(world: World) -> None:
    ns = world.namespace()
    made = {kind: world.create(make("x", ns))["status"] for kind, make in MAKERS.items()}
    assert made["Deployment"] == {}
    assert made["StatefulSet"] == {"replicas": 0, "availableReplicas": 0}
    assert made["DaemonSet"]["desiredNumberScheduled"] == made["DaemonSet"]["numberReady"] == 0


def test_a_selector_must_fit_its_template_and_stays(world: World) -> None:
    ns = world.namespace()
    bad = objects.deployment("web", ns)
    bad["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    path = f"/apis/apps/v1/namespaces/{ns}/deployments"
    code, reason, found = failure(world, "POST", path, bad)
    assert (code, reason) == (422, "Invalid")
    assert found["details"]["causes"][0]["field"] == "spec.template.metadata.labels"
    made = world.post(path, objects.deployment("web", ns, replicas=0))
    for part in (made["spec"]["selector"]["matchLabels"], made["spec"]["template"]["metadata"]["labels"]):
        part["more"] = "x"
    del made["metadata"]["resourceVersion"]  # the controller writes its status meanwhile
    assert "field is immutable" in failure(world, "PUT", f"{path}/web", made)[2]["message"]


def test_finalizers_hold_an_object_until_they_are_taken_off(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/configmaps"
    world.post(path, {"metadata": {"name": "held", "finalizers": ["example.org/hold"]}})
    left = world.delete(f"{path}/held")
    assert left["metadata"]["deletionTimestamp"]
    assert world.get(f"{path}/held")["metadata"]["deletionTimestamp"]
    patch = {"metadata": {"finalizers": None}}
    world.merge(f"{path}/held", patch)
    assert world.gone(f"{path}/held")


def test_preconditions_of_a_deletion(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/configmaps"
    made = world.post(path, config("one"))
    options = {"preconditions": {"uid": "another"}}
    assert failure(world, "DELETE", f"{path}/one", options)[:2] == (409, "Conflict")
    done = world.delete(f"{path}/one", {"preconditions": {"uid": made["metadata"]["uid"]}})
    assert (done["kind"], done["status"]) == ("Status", "Success")
    assert done["details"]["uid"] == made["metadata"]["uid"]


def test_a_namespace_takes_what_is_in_it_along(world: World) -> None:
    ns = world.namespace()
    world.post(f"/api/v1/namespaces/{ns}/configmaps", config("one"))
    held = {"metadata": {"name": "held", "finalizers": ["example.org/hold"]}}
    world.post(f"/api/v1/namespaces/{ns}/configmaps", held)
    left = world.delete(f"/api/v1/namespaces/{ns}")
    assert left["status"]["phase"] == "Terminating"
    eventually(lambda: world.gone(f"/api/v1/namespaces/{ns}/configmaps/one"))
    code, reason, found = failure(world, "POST", f"/api/v1/namespaces/{ns}/configmaps", config("late"))
    assert (code, reason) == (403, "Forbidden")
    assert "being terminated" in found["message"]
    assert not world.gone(f"/api/v1/namespaces/{ns}")
    path = f"/api/v1/namespaces/{ns}/configmaps/held"
    world.merge(path, {"metadata": {"finalizers": []}})
    eventually(lambda: world.gone(f"/api/v1/namespaces/{ns}"))


def test_new_namespaces_are_equipped(world: World) -> None:
    ns = world.namespace()
    found = eventually(lambda: world.get(f"/api/v1/namespaces/{ns}/configmaps")["items"])
    assert found[0]["data"]["ca.crt"] == world.api.ca_pem
    assert world.get(f"/api/v1/namespaces/{ns}/serviceaccounts/default")
    labels = world.get(f"/api/v1/namespaces/{ns}")["metadata"]["labels"]
    assert labels == {"kubernetes.io/metadata.name": ns}


def owned_by(owner: dict[str, Any], name: str) -> dict[str, Any]:
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    return {"metadata": {"name": name, "ownerReferences": [reference]}}


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_dependents_follow_their_owner_as_the_policy_says(world: World, policy: str) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/configmaps"
    owner = world.post(path, config("owner"))
    world.post(path, owned_by(owner, "child"))
    world.delete(f"{path}/owner", {"propagationPolicy": policy})
    eventually(lambda: world.gone(f"{path}/owner"))
    if policy == "Orphan":
        assert not world.get(f"{path}/child")["metadata"].get("ownerReferences")
    else:
        eventually(lambda: world.gone(f"{path}/child"))


def test_a_child_of_nobody_is_garbage(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/configmaps"
    nobody = {"metadata": {"name": "never", "uid": "00000000-0000-0000-0000-000000000000"}}
    world.post(path, owned_by(nobody, "child"))
    eventually(lambda: world.gone(f"{path}/child"))


def test_delete_collection_by_label(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/secrets"
    for name, app in (("a", "x"), ("b", "x"), ("c", "y")):
        world.post(path, {"metadata": {"name": name, "labels": {"app": app}}})
    assert [item["metadata"]["name"] for item in world.delete(f"{path}?labelSelector=app%3Dx")["items"]] == [
        "a",
        "b",
    ]
    assert [item["metadata"]["name"] for item in world.get(path)["items"]] == ["c"]


def test_patches_by_content_type(world: World) -> None:
    ns = world.namespace()
    path = f"/apis/apps/v1/namespaces/{ns}/deployments/web"
    world.create(objects.deployment("web", ns, replicas=0))
    container = {"name": "side", "image": "side:1"}
    body: Any = {"spec": {"template": {"spec": {"containers": [container]}}}}
    strategic = world.raw("PATCH", path, body, content_type="application/strategic-merge-patch+json").json
    assert [item["name"] for item in strategic["spec"]["template"]["spec"]["containers"]] == ["web", "side"]
    merged = world.merge(path, body).json
    assert [item["name"] for item in merged["spec"]["template"]["spec"]["containers"]] == ["side"]
    body = [
        {"op": "replace", "path": "/spec/replicas", "value": 2},
        {"op": "test", "path": "/kind", "value": "Pod"},
    ]
    code, reason, _ = failure(world, "PATCH", path, body, content_type="application/json-patch+json")
    assert (code, reason) == (422, "Invalid")
    done = world.raw("PATCH", path, body[:1], content_type="application/json-patch+json").json
    assert done["spec"]["replicas"] == 2
    assert failure(world, "PATCH", path, {}, content_type="application/json")[0] == 415
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 3}}
    assert world.merge(path, stale).json["reason"] == "Conflict"
    renamed = {"metadata": {"name": "other"}}
    assert failure(world, "PATCH", path, renamed, content_type="application/merge-patch+json")[0] == 400


def test_server_side_apply_creates_keeps_and_removes(world: World) -> None:
    ns = world.namespace()
    maps = world.resource("v1", "ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": ns}}
    made = maps.server_side_apply(body={**body, "data": {"a": "1", "b": "2"}}, field_manager="slipway")
    assert made.metadata.managedFields[0].operation == "Apply"
    again = maps.server_side_apply(body={**body, "data": {"a": "1", "b": "2"}}, field_manager="slipway")
    assert again.metadata.resourceVersion == made.metadata.resourceVersion
    maps.patch(body={**body, "data": {"hand": "x"}}, content_type="application/merge-patch+json")
    less = maps.server_side_apply(body={**body, "data": {"a": "1"}}, field_manager="slipway")
    assert less.data.to_dict() == {"a": "1", "hand": "x"}
    with pytest.raises(failures.ConflictError):
        maps.server_side_apply(body={**body, "data": {"hand": "y"}}, field_manager="slipway")
    forced = maps.server_side_apply(
        body={**body, "data": {"hand": "y"}}, field_manager="slipway", force_conflicts=True
    )
    assert forced.data.to_dict() == {"hand": "y"}
    with pytest.raises(failures.UnprocessibleEntityError):
        maps.server_side_apply(body=body)


def test_apply_reads_yaml(world: World) -> None:
    ns = world.namespace()
    text = yaml.safe_dump(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "y"}, "data": {"a": "b"}}
    )
    path = f"/api/v1/namespaces/{ns}/configmaps/y?fieldManager=test"
    reply = world.raw("PATCH", path, text.encode(), content_type="application/apply-patch+yaml")
    assert (reply.status, reply.json["data"]) == (201, {"a": "b"})


def test_a_definition_brings_its_resource_and_takes_it_away(world: World) -> None:
    group = "example.org"
    schema = {"properties": {"spec": {"properties": {"size": {"type": "integer", "default": 3}}}}}
    world.create(objects.definition(group, "Widget", "widgets", versions=("v1alpha1", "v1"), schema=schema))
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}"
    eventually(lambda: condition(world.get(path), "Established") == "True")
    assert world.get(path)["status"]["storedVersions"] == ["v1"]
    groups = {item["name"]: item for item in world.get("/apis")["groups"]}
    assert groups[group]["preferredVersion"]["version"] == "v1"
    assert (
        condition(world.get(f"/apis/apiregistration.k8s.io/v1/apiservices/v1.{group}"), "Available") == "True"
    )
    ns = world.namespace()
    widget = {
        "apiVersion": f"{group}/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": ns},
        "spec": {},
    }
    made = world.create(widget)
    assert made["spec"] == {"size": 3}
    older = world.get(f"/apis/{group}/v1alpha1/namespaces/{ns}/widgets/w")
    assert older["apiVersion"] == f"{group}/v1alpha1"
    listed = world.get(f"/apis/{group}/v1/widgets")
    assert listed["kind"] == "WidgetList"
    assert listed["items"][0]["kind"] == "Widget"
    one = f"/apis/{group}/v1/namespaces/{ns}/widgets/w"
    assert failure(world, "PATCH", one, {}, content_type="application/strategic-merge-patch+json")[0] == 415
    assert failure(world, "PUT", one, widget)[:2] == (422, "Invalid")
    world.delete(path)
    eventually(lambda: world.gone(f"/apis/{group}/v1/widgets"))
    assert group not in {item["name"] for item in world.get("/apis")["groups"]}


def test_scale(world: World) -> None:
    ns = world.namespace()
    world.create(objects.deployment("web", ns, replicas=0))
    path = f"/apis/apps/v1/namespaces/{ns}/deployments/web"
    scale = world.get(f"{path}/scale")
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == (
        "Scale",
        {"replicas": 0},
        "app=web",
    )
    stale = {**scale, "spec": {"replicas": 3}, "metadata": {**scale["metadata"], "resourceVersion": "1"}}
    assert failure(world, "PUT", f"{path}/scale", stale)[:2] == (409, "Conflict")
    wanted = {"metadata": {"name": "web"}, "spec": {"replicas": 2}}
    assert world.raw("PUT", f"{path}/scale", wanted).json["spec"]["replicas"] == 2
    assert world.get(path)["spec"]["replicas"] == 2
    world.merge(f"{path}/scale", {"spec": {"replicas": 1}})
    assert world.get(path)["spec"]["replicas"] == 1
    assert failure(world, "PUT", f"{path}/scale", {"spec": {"replicas": -1}})[0] == 400


def test_both_event_apis_show_the_same_events(world: World) -> None:
    ns = world.namespace()
    event = {
        "metadata": {"name": "e1"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": ns},
        "reason": "Failed",
        "message": "it failed",
        "type": "Warning",
        "count": 4,
    }
    world.post(f"/api/v1/namespaces/{ns}/events", event)
    newer = world.get(f"/apis/events.k8s.io/v1/namespaces/{ns}/events?fieldSelector=type%3DWarning")
    assert newer["apiVersion"] == "events.k8s.io/v1"
    assert newer["items"][0]["note"] == "it failed"
    assert newer["items"][0]["regarding"]["name"] == "p"
    assert newer["items"][0]["deprecatedCount"] == 4
    other = {
        "metadata": {"name": "e2"},
        "regarding": {"kind": "Pod", "name": "p"},
        "note": "well",
        "reason": "Good",
    }
    world.post(f"/apis/events.k8s.io/v1/namespaces/{ns}/events", {**other, "type": "Normal"})
    assert world.get(f"/api/v1/namespaces/{ns}/events/e2")["message"] == "well"
    selector = "involvedObject.name%3Dp,type!%3DNormal"
    found = world.get(f"/api/v1/namespaces/{ns}/events?fieldSelector={selector}")["items"]
    assert [item["metadata"]["name"] for item in found] == ["e1"]


def test_rights_are_asked_for_and_granted(world: World) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    question = {"spec": {"resourceAttributes": {"verb": "list", "resource": "nodes"}}}
    assert world.post(path, question)["status"]["allowed"] is True
    world.api.faults.forbid("/api/v1/nodes", method="GET")
    try:
        assert world.post(path, question)["status"]["allowed"] is False
        assert failure(world, "GET", "/api/v1/nodes")[:2] == (403, "Forbidden")
    finally:
        world.api.faults.allow("/api/v1/nodes")
    assert world.raw("GET", "/api/v1/nodes").status == 200
    rules = world.post(
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}
    )
    assert rules["status"]["resourceRules"][0]["verbs"] == ["*"]
    who = world.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert who["status"]["userInfo"]["username"] == "practice-admin"


def test_other_forms_of_an_answer(world: World) -> None:
    ns = world.namespace()
    world.create(objects.deployment("web", ns, replicas=0))
    path = f"/apis/apps/v1/namespaces/{ns}/deployments"
    partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    found = world.raw("GET", path, accept=partial).json
    assert found["kind"] == "PartialObjectMetadataList"
    assert found["items"][0].keys() == {"metadata"}
    one = world.raw("GET", f"{path}/web", accept=partial.replace("List", "")).json
    assert one["kind"] == "PartialObjectMetadata"
    table = world.raw(
        "GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    ).json
    assert [column["name"] for column in table["columnDefinitions"]][:2] == ["Name", "Ready"]
    assert table["rows"][0]["cells"][:2] == ["web", "0/0"]
    text = world.raw("GET", f"{path}/web", accept="application/yaml").data
    assert yaml.safe_load(text)["kind"] == "Deployment"


def test_large_answers_are_compressed_on_request(world: World) -> None:
    ns = world.namespace()
    for index in range(4):
        world.post(f"/api/v1/namespaces/{ns}/configmaps", config(f"m{index}", a="x" * 50_000))
    path = f"/api/v1/namespaces/{ns}/configmaps"
    pool = world.client.rest_client.pool_manager
    headers = {"Authorization": f"Bearer {world.api.token}", "Accept-Encoding": "gzip"}
    packed = pool.request("GET", world.api.url + path, headers=headers, decode_content=False)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < 20_000
    assert len(json.loads(gzip.decompress(packed.data))["items"]) >= 4
    assert "Content-Encoding" not in world.raw("GET", path).headers


def test_faults_are_answered_as_a_server_in_trouble_does(world: World) -> None:
    world.api.faults.throttle_next(1, retry_after=7)
    reply = world.raw("GET", "/api/v1/nodes")
    assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
    assert reply.json["details"]["retryAfterSeconds"] == 7
    world.api.faults.fail_next(2)
    assert [world.raw("GET", "/version").status for _ in range(3)] == [500, 500, 200]


def test_health_endpoints(world: World) -> None:
    assert world.raw("GET", "/readyz").data == b"ok"
    assert world.raw("GET", "/livez/etcd").data == b"ok"
    lines = world.raw("GET", "/readyz?verbose").data.decode().splitlines()
    assert "[+]etcd ok" in lines
    assert lines[-1] == "readyz check passed"
    world.api.faults.fail_check("etcd")
    try:
        reply = world.raw("GET", "/readyz")
        assert reply.status == 500
        assert "[-]etcd failed: reason withheld" in reply.data.decode()
        assert world.raw("GET", "/readyz/etcd").status == 500
        assert world.raw("GET", "/readyz?exclude=etcd").status == 200
    finally:
        world.api.faults.heal_check("etcd")
    assert world.raw("GET", "/livez").status == 200
    assert world.raw("GET", "/livez/nothing").status == 404


def test_the_version_is_what_kubeadm_has_noted(world: World) -> None:
    assert world.get("/version")["gitVersion"] == "v1.35.4"
    noted = yaml.safe_dump({"kind": "ClusterConfiguration", "kubernetesVersion": "v1.36.2"})
    path = "/api/v1/namespaces/kube-system/configmaps"
    world.post(path, config("kubeadm-config", ClusterConfiguration=noted))
    try:
        assert world.get("/version")["minor"] == "36"
    finally:
        world.delete(f"{path}/kubeadm-config")


def test_discovery_is_complete_enough_for_the_dynamic_client(world: World) -> None:
    wanted = {
        "v1": ["Namespace", "Node", "Pod", "Service", "ConfigMap", "Secret", "Event", "PersistentVolume"],
        "apps/v1": ["Deployment", "DaemonSet", "StatefulSet", "ReplicaSet"],
        "storage.k8s.io/v1": ["StorageClass", "CSIDriver", "CSINode", "VolumeAttachment"],
        "events.k8s.io/v1": ["Event"],
        "rbac.authorization.k8s.io/v1": ["ClusterRole", "RoleBinding"],
        "apiextensions.k8s.io/v1": ["CustomResourceDefinition"],
        "coordination.k8s.io/v1": ["Lease"],
    }
    for api_version, kinds in wanted.items():
        for kind in kinds:
            assert world.resource(api_version, kind).kind == kind
    core = world.get("/api/v1")
    assert core["groupVersion"] == "v1"
    assert {"pods", "pods/log", "pods/status", "nodes/status"} <= {item["name"] for item in core["resources"]}
    assert world.get("/api")["versions"] == ["v1"]
    assert world.get("/apis/apps")["preferredVersion"]["groupVersion"] == "apps/v1"
    assert world.gone("/apis/none.io")
