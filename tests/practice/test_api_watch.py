"""Watches, through the real client's Watch and dynamic client, and line by line."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import kubernetes.client
import kubernetes.watch
import pytest
import urllib3.exceptions

from tests.practice.api_world import World, eventually, practice
from wizards.practice.api import tables


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with practice() as made:
        yield made


def watch_lines(world: World, path: str, query: str) -> list[Any]:
    """All events of a watch that the server ends by itself."""
    reply = world.raw("GET", f"{path}?watch=true&{query}")
    assert reply.status == 200, reply.data
    return [json.loads(line) for line in reply.data.splitlines()]


def short(events: list[Any]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


def make(world: World, ns: str, name: str, **labels: str) -> Any:
    return world.post(f"/api/v1/namespaces/{ns}/secrets", {"metadata": {"name": name, "labels": labels}})


def version(world: World) -> str:
    return str(world.get("/api/v1/secrets?limit=1")["metadata"]["resourceVersion"])


def test_events_since_a_version(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/secrets"
    make(world, ns, "before")
    since = version(world)
    make(world, ns, "one")
    world.merge(f"{path}/one", {"metadata": {"labels": {"x": "y"}}})
    make(world, world.namespace(), "elsewhere")
    world.delete(f"{path}/one")
    events = watch_lines(world, path, f"resourceVersion={since}&timeoutSeconds=1")
    assert short(events) == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    assert versions[0] > int(since)
    assert events[0]["object"]["kind"] == "Secret"


def test_without_a_version_the_present_state_comes_first(world: World) -> None:
    ns = world.namespace()
    make(world, ns, "b")
    make(world, ns, "a")
    path = f"/api/v1/namespaces/{ns}/secrets"
    assert short(watch_lines(world, path, "timeoutSeconds=1")) == [("ADDED", "a"), ("ADDED", "b")]


def test_selectors_turn_changes_into_coming_and_going(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/secrets"
    since = version(world)
    make(world, ns, "one", app="web")
    make(world, ns, "two", app="db")
    world.merge(f"{path}/two", {"metadata": {"labels": {"app": "web"}}})
    world.merge(f"{path}/one", {"metadata": {"labels": {"other": "x"}}})
    world.merge(f"{path}/one", {"metadata": {"labels": {"app": "db"}}})
    world.merge(f"{path}/one", {"metadata": {"labels": {"other": "y"}}})
    world.delete(f"{path}/two")
    events = watch_lines(world, path, f"resourceVersion={since}&timeoutSeconds=1&labelSelector=app%3Dweb")
    assert short(events) == [
        ("ADDED", "one"),
        ("ADDED", "two"),
        ("MODIFIED", "one"),
        ("DELETED", "one"),
        ("DELETED", "two"),
    ]
    assert events[3]["object"]["metadata"]["labels"] == {"app": "web", "other": "x"}
    by_name = watch_lines(
        world, path, f"resourceVersion={since}&timeoutSeconds=1&fieldSelector=metadata.name%3Dtwo"
    )
    assert short(by_name) == [("ADDED", "two"), ("MODIFIED", "two"), ("DELETED", "two")]


def test_a_list_and_a_watch_from_it_miss_nothing(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/secrets"
    make(world, ns, "old")
    listed = world.get(path)
    seen: list[tuple[str, str]] = []
    watcher = kubernetes.watch.Watch()
    api = kubernetes.client.CoreV1Api(world.client)

    def look() -> None:
        stream = watcher.stream(
            api.list_namespaced_secret,
            ns,
            resource_version=listed["metadata"]["resourceVersion"],
            timeout_seconds=30,
        )
        with contextlib.suppress(urllib3.exceptions.ProtocolError):  # what `stop` does to a quiet stream
            seen.extend((event["type"], event["object"].metadata.name) for event in stream)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for index in range(50):
            make(world, ns, f"s{index:02}")
        world.delete(f"{path}/old")
        wanted = [*(("ADDED", f"s{index:02}") for index in range(50)), ("DELETED", "old")]
        eventually(lambda: len(seen) >= len(wanted))
        assert seen == wanted
    finally:
        watcher.stop()
        thread.join(20)
    assert not thread.is_alive()


def test_the_dynamic_client_watches(world: World) -> None:
    ns = world.namespace()
    make(world, ns, "one")
    secrets = world.resource("v1", "Secret")
    events = list(secrets.watch(namespace=ns, timeout=1))
    assert [(event["type"], event["object"].metadata.name) for event in events] == [("ADDED", "one")]


def test_bookmarks_tell_the_version_at_the_end(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/secrets"
    since = version(world)
    make(world, world.namespace(), "elsewhere")
    *rest, last = watch_lines(
        world, path, f"resourceVersion={since}&timeoutSeconds=1&allowWatchBookmarks=true"
    )
    assert rest == []
    assert last["type"] == "BOOKMARK"
    assert last["object"]["kind"] == "Secret"
    assert int(last["object"]["metadata"]["resourceVersion"]) > int(since)
    assert watch_lines(world, path, f"resourceVersion={since}&timeoutSeconds=1") == []


def test_streaming_lists_end_with_their_bookmark(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/secrets"
    make(world, ns, "one")
    query = (
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
    )
    events = watch_lines(world, path, query)
    assert short(events)[0] == ("ADDED", "one")
    assert events[1]["type"] == "BOOKMARK"
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert world.raw("GET", f"{path}?watch=1&sendInitialEvents=true").status == 422
    assert world.raw("GET", f"{path}?watch=1&resourceVersionMatch=NotOlderThan").status == 422


def test_a_version_of_the_future_is_refused(world: World) -> None:
    reply = world.raw("GET", "/api/v1/secrets?watch=1&resourceVersion=99999999")
    assert (reply.status, reply.json["reason"]) == (504, "Timeout")
    assert world.raw("GET", "/api/v1/secrets?watch=1&resourceVersion=-1").status == 400


def test_a_forgotten_version_is_an_error_event_and_the_client_says_410(world: World) -> None:
    ns = world.namespace()
    since = version(world)
    make(world, ns, "busy")
    store = world.api.store

    def churn() -> None:
        for number in range(tables.HISTORY + 1):

            def touch(obj: dict[str, Any], number: int = number) -> None:
                obj["data"] = {"n": str(number)}

            store.modify("v1", "Secret", "busy", touch, ns)

    world.api.call(churn)
    (event,) = watch_lines(world, "/api/v1/secrets", f"resourceVersion={since}&timeoutSeconds=1")
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    api = kubernetes.client.CoreV1Api(world.client)
    stream = kubernetes.watch.Watch().stream(api.list_secret_for_all_namespaces, resource_version=since)
    with pytest.raises(kubernetes.client.ApiException) as caught:
        next(iter(stream))
    assert caught.value.status == 410


def test_dropped_watches_break_and_can_be_taken_up_again(world: World) -> None:
    ns = world.namespace()
    path = f"/api/v1/namespaces/{ns}/secrets"
    headers = {"Authorization": f"Bearer {world.api.token}"}
    pool = world.client.rest_client.pool_manager
    table = world.api.store.tables.table(("", "secrets"))
    since = version(world)
    url = f"{world.api.url}{path}?watch=1&resourceVersion={since}"
    answer = pool.request("GET", url, headers=headers, preload_content=False, retries=False)
    eventually(lambda: world.api.call(lambda: table.watchers) == 1)
    world.api.call(world.api.faults.drop_watches)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        list(answer.stream())
    answer.close()
    eventually(lambda: world.api.call(lambda: table.watchers) == 0)
    make(world, ns, "after")
    assert short(watch_lines(world, path, f"resourceVersion={since}&timeoutSeconds=1")) == [
        ("ADDED", "after")
    ]


def test_a_client_that_leaves_is_forgotten(world: World) -> None:
    pool = world.client.rest_client.pool_manager
    table = world.api.store.tables.table(("", "configmaps"))
    headers = {"Authorization": f"Bearer {world.api.token}"}
    url = f"{world.api.url}/api/v1/configmaps?watch=1"
    answers = [
        pool.request("GET", url, headers=headers, preload_content=False, retries=False) for _ in range(5)
    ]
    eventually(lambda: world.api.call(lambda: table.watchers) == 5)
    for answer in answers:
        answer.close()
    eventually(lambda: world.api.call(lambda: table.watchers) == 0)


def test_watching_metadata_only(world: World) -> None:
    ns = world.namespace()
    make(world, ns, "one")
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    reply = world.raw("GET", f"/api/v1/namespaces/{ns}/secrets?watch=1&timeoutSeconds=1", accept=accept)
    (event,) = [json.loads(line) for line in reply.data.splitlines()]
    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert event["object"].keys() == {"kind", "apiVersion", "metadata"}
