"""Patches as values, and server-side apply: who owns what."""

from __future__ import annotations

from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wizards.practice.api import apply
from wizards.practice.api.errors import ApiError
from wizards.practice.api.patch import json_patch, merge_patch, strategic_merge
from wizards.practice.api.resources import Registry, ResourceType

KEYS = st.sampled_from("abcd")
SCALARS = st.one_of(st.integers(0, 3), st.booleans(), st.text("xy", max_size=2))
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below, max_size=2), st.dictionaries(KEYS, below, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
PATCHES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(SCALARS, st.none()),
    lambda below: st.dictionaries(KEYS, below, max_size=3),
    max_leaves=8,
)
PATCH_OBJECTS = st.dictionaries(KEYS, PATCHES, max_size=4)


def difference(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The merge patch that leads from one object to the other."""
    made: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key in old and isinstance(value, dict) and isinstance(old[key], dict):
            made[key] = difference(old[key], value)
        elif key not in old or old[key] != value or type(old[key]) is not type(value):
            made[key] = value
    return made


@settings(deadline=None)
@given(OBJECTS, PATCH_OBJECTS)
def test_a_merge_patch_applied_twice_changes_no_more(target: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_the_difference_of_two_objects_leads_from_one_to_the_other(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    before = repr(old)
    assert merge_patch(old, difference(old, new)) == new
    assert repr(old) == before


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [  # the examples of RFC 7386
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_of_the_rfc(target: Any, patch: Any, expected: Any) -> None:
    assert merge_patch(target, patch) == expected


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_a_json_patch_made_from_two_objects_leads_from_one_to_the_other(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    operations = jsonpatch.make_patch(old, new).patch
    assert json_patch(old, operations) == new


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ({"op": "add"}, 400),
        ([{"op": "test", "path": "/a", "value": 2}], 422),
        ([{"op": "remove", "path": "/missing"}], 422),
        ([{"op": "fly", "path": "/a"}], 422),
    ],
)
def test_json_patches_that_cannot_be_carried_out(operations: Any, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        json_patch({"a": 1}, operations)
    assert caught.value.code == code


DEPLOYMENT: dict[str, Any] = {
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}], "args": ["x"]},
                    {"name": "log", "image": "log:1"},
                ],
                "tolerations": [{"key": "old", "operator": "Exists"}],
            }
        }
    }
}


def merged(patch: dict[str, Any]) -> Any:
    inside = strategic_merge(DEPLOYMENT, {"spec": {"template": {"spec": patch}}})
    return inside["spec"]["template"]["spec"]


def test_strategic_merge_changes_one_container_and_keeps_the_other() -> None:
    env = [{"name": "B", "value": "2"}]
    found = merged({"containers": [{"name": "web", "image": "web:2", "env": env, "args": ["y"]}]})
    web, log = found["containers"]
    assert web["image"] == "web:2"
    assert web["args"] == ["y"]
    assert [item["name"] for item in web["env"]] == ["A", "B"]
    assert log == {"name": "log", "image": "log:1"}


def test_strategic_merge_replaces_lists_without_a_key() -> None:
    assert merged({"tolerations": [{"key": "new"}]})["tolerations"] == [{"key": "new"}]


def test_strategic_merge_directives() -> None:
    found = merged({"containers": [{"name": "log", "$patch": "delete"}]})
    assert [item["name"] for item in found["containers"]] == ["web"]
    found = merged({"containers": [{"name": "new"}, {"$patch": "replace"}]})
    assert found["containers"] == [{"name": "new"}]
    found = merged({"$setElementOrder/containers": [{"name": "log"}], "containers": None})
    assert "containers" not in found
    held = {"metadata": {"finalizers": ["a", "b"]}}
    assert strategic_merge(held, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}) == {
        "metadata": {"finalizers": ["b"]}
    }
    assert strategic_merge(held, {"metadata": {"finalizers": ["c", "a"]}})["metadata"]["finalizers"] == [
        "a",
        "b",
        "c",
    ]


def test_strategic_merge_matches_ports_taints_and_conditions_by_their_own_keys() -> None:
    service = {"spec": {"ports": [{"port": 80, "name": "web"}]}}
    ports = strategic_merge(service, {"spec": {"ports": [{"port": 80, "nodePort": 30080}]}})["spec"]["ports"]
    assert ports == [{"port": 80, "name": "web", "nodePort": 30080}]
    node = {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
    patch = {"spec": {"taints": [{"key": "b", "effect": "NoExecute"}]}}
    assert [taint["key"] for taint in strategic_merge(node, patch)["spec"]["taints"]] == ["a", "b"]
    status = {
        "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "True"}]}
    }
    new = strategic_merge(status, {"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    assert [item["status"] for item in new["status"]["conditions"]] == ["False", "True"]


def test_an_element_without_its_merge_key_is_refused() -> None:
    with pytest.raises(ApiError, match="merge key: name"):
        merged({"containers": [{"image": "x"}]})


def resource(group: str, version: str, plural: str) -> ResourceType:
    found = Registry().find(group, version, plural)
    assert found is not None
    return found


def web(image: str = "web:1", **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "web", "image": image, "ports": [{"containerPort": 80}]}]}}
    return {"metadata": {"name": "web"}, "spec": {"template": template, **spec}}


def applied(live: dict[str, Any] | None, wanted: dict[str, Any], manager: str, *, force: bool = False) -> Any:
    return apply.apply(resource("apps", "v1", "deployments"), live, wanted, manager=manager, force=force)


def test_applying_again_changes_nothing() -> None:
    once = applied(None, web(replicas=2), "one")
    assert applied(once, web(replicas=2), "one") == once


def test_a_field_no_longer_applied_goes_unless_somebody_else_holds_it() -> None:
    live = applied(None, web(replicas=2, paused=True), "one")
    live = applied(live, {"metadata": {"name": "web"}, "spec": {"paused": True}}, "two")
    after = applied(live, web(), "one")
    assert "replicas" not in after["spec"]
    assert after["spec"]["paused"] is True


def test_another_managers_value_is_a_conflict_unless_forced() -> None:
    live = applied(None, web(replicas=2), "one")
    with pytest.raises(ApiError) as caught:
        applied(live, web(replicas=3), "two")
    assert caught.value.code == 409
    assert ".spec.replicas" in caught.value.message
    assert caught.value.details is not None
    assert [cause["field"] for cause in caught.value.details["causes"]] == [".spec.replicas"]
    forced = applied(live, web(replicas=3), "two", force=True)
    assert forced["spec"]["replicas"] == 3
    owners = {
        entry["manager"]: "f:replicas" in entry["fieldsV1"]["f:spec"]
        for entry in forced["metadata"]["managedFields"]
    }
    assert owners == {"one": False, "two": True}


def test_same_value_is_shared_and_not_disputed() -> None:
    live = applied(None, web(replicas=2), "one")
    shared = applied(live, web(replicas=2), "two")
    after = applied(shared, {"metadata": {"name": "web"}}, "one")
    assert after["spec"]["replicas"] == 2
    assert [item["name"] for item in after["spec"]["template"]["spec"]["containers"]] == ["web"]


def test_list_elements_are_owned_one_by_one() -> None:
    def with_env(*names: str) -> dict[str, Any]:
        obj = web()
        obj["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": n, "value": n} for n in names]
        return obj

    live = applied(None, with_env("A", "B"), "one")
    other = {"name": "web", "env": [{"name": "C", "value": "C"}]}
    live = applied(
        live, {"metadata": {"name": "web"}, "spec": {"template": {"spec": {"containers": [other]}}}}, "two"
    )
    after = applied(live, with_env("B"), "one")
    env = after["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [item["name"] for item in env] == ["B", "C"]


def test_an_ordinary_write_takes_ownership_of_what_it_changes() -> None:
    rtype = resource("apps", "v1", "deployments")
    live = applied(None, web(replicas=2), "one")
    changed = {**live, "spec": {**live["spec"], "replicas": 5}, "metadata": dict(live["metadata"])}
    apply.track_update(rtype, live, changed, manager="hand")
    with pytest.raises(ApiError, match='conflict with "hand"'):
        applied(changed, web(replicas=2), "one")
    assert applied(changed, web(replicas=2), "one", force=True)["spec"]["replicas"] == 2


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_after_an_apply_all_that_was_applied_is_so(first: dict[str, Any], second: dict[str, Any]) -> None:
    rtype = resource("", "v1", "configmaps")
    live = apply.apply(rtype, None, {"metadata": {"name": "x"}, "data": first}, manager="m", force=False)
    after = apply.apply(rtype, live, {"metadata": {"name": "x"}, "data": second}, manager="m", force=False)

    def without_empty(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        kept = {key: without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item != {}}

    assert without_empty(after.get("data", {})) == without_empty(second)
