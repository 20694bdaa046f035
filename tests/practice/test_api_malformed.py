"""Malformed objects are refused with a 4xx; none breaks the server or a controller."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.practice.api_world import World, eventually, nodes_named, practice
from wizards.practice.api import objects

WRONG: tuple[Any, ...] = (None, -1, "x", [], {}, [None], {"a": 1})
SPREAD = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
        }
    }
}
SEEDS = {
    "deployment": ("/apis/apps/v1/namespaces/default/deployments", objects.deployment("seed")),
    "daemon set": (
        "/apis/apps/v1/namespaces/default/daemonsets",
        objects.daemon_set("seed", pod_spec={"affinity": SPREAD, "tolerations": [{"key": "a"}]}),
    ),
    "stateful set": (
        "/apis/apps/v1/namespaces/default/statefulsets",
        objects.stateful_set("seed", claims=[objects.claim("data")]),
    ),
    "job": ("/apis/batch/v1/namespaces/default/jobs", objects.job("seed")),
    "service": ("/api/v1/namespaces/default/services", objects.service("seed", type_="LoadBalancer")),
    "node": (
        "/api/v1/nodes",
        objects.node("seed", "10.0.0.9", taints=[{"key": "a", "effect": "NoSchedule"}]),
    ),
    "definition": (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        objects.definition("seed.example.org", "Seed", "seeds"),
    ),
    "pool": (
        "/apis/metallb.io/v1beta1/namespaces/default/ipaddresspools",
        objects.address_pool("seed", ["192.0.2.0/30"], namespace="default"),
    ),
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with practice() as made:
        nodes_named(made, "node-1")
        for definition in objects.metallb_definitions():
            made.create(definition)
        eventually(lambda: not made.gone("/apis/metallb.io/v1beta1/ipaddresspools"))
        yield made


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside a value."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    made = copy.deepcopy(value)
    here = made
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = new
    return made


@pytest.mark.parametrize("kind", SEEDS)
def test_one_wrong_value_anywhere(world: World, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    path, seed = SEEDS[kind]
    name = seed["metadata"]["name"]
    with caplog.at_level(logging.ERROR, logger="wizards.practice.api"):
        for place in places(seed):
            for wrong in WRONG:
                body = replaced(seed, place, wrong)
                reply = world.raw("POST", path, body)
                assert reply.status < 500, (place, wrong, reply.data)
                if reply.status == 201:
                    made = reply.json["metadata"]["name"]
                    patch = world.strategic if kind not in {"pool", "definition"} else world.merge
                    assert patch(f"{path}/{made}", replaced(seed, place, WRONG[-1])).status < 500
                    world.raw("DELETE", f"{path}/{made}?gracePeriodSeconds=0")
        world.raw("DELETE", f"{path}/{name}?gracePeriodSeconds=0")
        eventually(lambda: all_is_calm(world))
    assert [record.getMessage() for record in caplog.records] == []


def all_is_calm(world: World) -> bool:
    """Whether the controllers still work: a pod comes to life and goes."""
    world.raw("DELETE", "/api/v1/namespaces/default/pods/calm?gracePeriodSeconds=0")
    world.create(objects.pod("calm"))
    path = "/api/v1/namespaces/default/pods/calm"
    eventually(lambda: world.get(path)["status"].get("phase") == "Running")
    return world.raw("DELETE", f"{path}?gracePeriodSeconds=0").status == 200
