"""Lists in pages, with selectors, and under load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.practice.api_world import World, practice
from wizards.practice.api import Store, objects


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with practice() as made:
        yield made


def fill(world: World, count: int, **labels: str) -> str:
    """A namespace with so many ConfigMaps."""
    ns = world.namespace()
    for index in range(count):
        body = {"metadata": {"name": f"m{index:02}", "labels": {"odd": str(index % 2), **labels}}}
        world.post(f"/api/v1/namespaces/{ns}/secrets", body)
    return f"/api/v1/namespaces/{ns}/secrets"


def names(page: Any) -> list[str]:
    return [item["metadata"]["name"] for item in page["items"]]


def pages(world: World, path: str, query: str = "limit=3") -> list[Any]:
    found, token = [], ""
    while True:
        page = world.get(f"{path}?{query}&continue={quote(token)}" if token else f"{path}?{query}")
        found.append(page)
        token = page["metadata"].get("continue", "")
        if not token:
            return found


def test_pages_hold_everything_once_and_in_order(world: World) -> None:
    path = fill(world, 8)
    found = pages(world, path)
    assert [names(page) for page in found] == [
        ["m00", "m01", "m02"],
        ["m03", "m04", "m05"],
        ["m06", "m07"],
    ]
    assert [page["metadata"].get("remainingItemCount") for page in found] == [5, 2, None]
    assert len({page["metadata"]["resourceVersion"] for page in found}) == 1
    assert "kind" not in found[0]["items"][0]


def test_pages_show_the_moment_of_the_first_one(world: World) -> None:
    path = fill(world, 5)
    first = world.get(f"{path}?limit=2")
    world.delete(f"{path}/m04")
    world.post(path, {"metadata": {"name": "m03x"}})
    rest = world.get(f"{path}?limit=10&continue={first['metadata']['continue']}")
    assert names(rest) == ["m02", "m03", "m04"]
    assert names(world.get(path)) == ["m00", "m01", "m02", "m03", "m03x"]


def test_pages_with_a_selector_do_not_count_the_rest(world: World) -> None:
    path = fill(world, 8)
    found = pages(world, path, "limit=3&labelSelector=odd%3D1")
    assert [names(page) for page in found] == [["m01", "m03", "m05"], ["m07"]]
    assert "remainingItemCount" not in found[0]["metadata"]


def test_an_expired_token_is_gone_and_names_a_way_to_go_on(world: World) -> None:
    path = fill(world, 5)
    first = world.get(f"{path}?limit=2")
    world.api.call(world.api.store.pager.forget)
    reply = world.raw("GET", f"{path}?limit=2&continue={first['metadata']['continue']}")
    assert (reply.status, reply.json["reason"]) == (410, "Expired")
    onward = reply.json["metadata"]["continue"]
    assert names(world.get(f"{path}?continue={onward}")) == ["m02", "m03", "m04"]


@pytest.mark.parametrize("token", ["nonsense", "%%%", "e30", "bnVsbA"])
def test_what_is_no_token_is_refused(world: World, token: str) -> None:
    reply = world.raw("GET", f"/api/v1/secrets?limit=1&continue={quote(token)}")
    assert (reply.status, reply.json["reason"]) == (400, "BadRequest")


def test_resource_versions_of_lists(world: World) -> None:
    path = fill(world, 2)
    now = int(world.get(path)["metadata"]["resourceVersion"])
    assert world.raw("GET", f"{path}?resourceVersion=0").status == 200
    assert (
        world.raw("GET", f"{path}?resourceVersion={now - 1}&resourceVersionMatch=NotOlderThan").status == 200
    )
    exact = world.raw("GET", f"{path}?resourceVersion=1&resourceVersionMatch=Exact")
    assert (exact.status, exact.json["reason"]) == (410, "Expired")
    future = world.raw("GET", f"{path}?resourceVersion={now + 10_000}")
    assert (future.status, future.json["reason"]) == (504, "Timeout")
    assert world.raw("GET", f"{path}?resourceVersion=x").status == 400
    assert world.raw("GET", f"{path}?limit=many").status == 400


def test_one_namespace_does_not_show_in_another(world: World) -> None:
    one, two = fill(world, 1, of="one"), fill(world, 2, of="two")
    assert len(world.get(one)["items"]) == 1
    assert len(world.get(two)["items"]) == 2
    assert len(world.get("/api/v1/secrets?labelSelector=of")["items"]) == 3
    assert world.get("/api/v1/namespaces/none/secrets")["items"] == []


def full_pod(index: int) -> dict[str, Any]:
    """A pod as a cluster shows it: about 2 kB."""
    name = f"web-{index:06}"
    ready = [{"type": kind, "status": "True"} for kind in ("Initialized", "Ready", "ContainersReady")]
    container = {"name": "web", "image": "web:1", "ready": True, "restartCount": 0, "state": {"running": {}}}
    pod = objects.pod(name, "load", labels={"app": f"app-{index % 50}"}, nodeName=f"node-{index % 100}")
    return {**pod, "status": {"phase": "Running", "conditions": ready, "containerStatuses": [container]}}


def test_five_thousand_pods_are_made_and_read_in_pages(world: World, record_property: Any) -> None:
    count = 5000
    store = world.api.store

    def make() -> None:
        store.create(objects.namespace("load"))
        for index in range(count):
            store.create(full_pod(index), keep_status=True)

    begun = time.perf_counter()
    world.api.call(make)
    made = time.perf_counter()
    found = pages(world, "/api/v1/namespaces/load/pods", "limit=500")
    read = time.perf_counter()
    again = pages(world, "/api/v1/namespaces/load/pods", "limit=500")
    warm = time.perf_counter()
    record_property("create_s", round(made - begun, 2))
    record_property("first_read_s", round(read - made, 2))
    record_property("second_read_s", round(warm - read, 2))
    print(f"\n5,000 pods: made {made - begun:.2f} s, read {read - made:.2f} s, again {warm - read:.2f} s")
    assert [len(page["items"]) for page in found] == [500] * 10
    assert len({name for page in again for name in names(page)}) == count
    on_node = world.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-7,status.phase%3DRunning")
    assert len(on_node["items"]) == 50
    counted = world.get("/api/v1/namespaces/load/pods?limit=1")
    assert counted["metadata"]["remainingItemCount"] == count - 1
    world.delete("/api/v1/namespaces/load/pods?gracePeriodSeconds=0")
    assert world.get("/api/v1/namespaces/load/pods")["items"] == []


def test_memory_is_bounded_by_a_number_of_objects() -> None:
    store = Store(most_objects=3)
    store.create(objects.namespace("a"))
    store.create(objects.namespace("b"))
    store.create(objects.namespace("c"))
    with pytest.raises(Exception, match="exceeded quota") as caught:
        store.create(objects.namespace("d"))
    assert getattr(caught.value, "code", None) == 403
    store.delete("v1", "Namespace", "c")
    assert store.create(objects.namespace("d"))["metadata"]["name"] == "d"
