"""Addresses for LoadBalancer Services out of MetalLB's pools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.practice.api_world import World, eventually, nodes_named, practice
from wizards.practice.api import objects
from wizards.practice.api.addresses import Ranges, blocks

POOLS = "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools"


@pytest.fixture(scope="module")
def metallb() -> Iterator[World]:
    with practice() as made:
        nodes_named(made, "node-1", "node-2")
        made.post("/api/v1/namespaces", objects.namespace("metallb-system"))
        for definition in objects.metallb_definitions():
            made.create(definition)
        eventually(lambda: not made.gone("/apis/metallb.io/v1beta1/ipaddresspools"))
        eventually(lambda: not made.gone("/apis/metallb.io/v1beta1/servicel2statuses"))
        made.create(objects.l2_advertisement("all"))
        yield made


@pytest.fixture
def world(metallb: World) -> Iterator[World]:
    yield metallb
    for item in metallb.get("/api/v1/services")["items"]:
        if item["spec"]["type"] == "LoadBalancer":
            metadata = item["metadata"]
            metallb.delete(f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}")
    for item in metallb.get(POOLS)["items"]:
        metallb.delete(f"{POOLS}/{item['metadata']['name']}")


def pool(world: World, name: str, *ranges: str, auto: bool = True, **spec: Any) -> None:
    obj = objects.address_pool(name, ranges, auto_assign=auto)
    obj["spec"].update(spec)
    world.create(obj)


def balancer(world: World, name: str, ns: str = "default", port: int = 80, **wishes: str) -> None:
    notes = {f"metallb.io/{key.replace('_', '-')}": value for key, value in wishes.items()}
    world.create(objects.service(name, ns, port=port, type_="LoadBalancer", annotations=notes))


def addresses(world: World, name: str, ns: str = "default") -> list[str]:
    found = world.get(f"/api/v1/namespaces/{ns}/services/{name}")
    return [item["ip"] for item in found["status"].get("loadBalancer", {}).get("ingress", [])]


def events(world: World, reason: str, name: str) -> list[str]:
    query = f"fieldSelector=reason%3D{reason},involvedObject.name%3D{name}"
    return [item["message"] for item in world.get(f"/api/v1/events?{query}")["items"]]


def test_services_get_addresses_in_order_and_the_pool_counts_them(world: World) -> None:
    pool(world, "lan", "192.0.2.10-192.0.2.12")
    balancer(world, "one")
    assert eventually(lambda: addresses(world, "one")) == ["192.0.2.10"]
    balancer(world, "two")
    assert eventually(lambda: addresses(world, "two")) == ["192.0.2.11"]
    notes = world.get("/api/v1/namespaces/default/services/one")["metadata"]["annotations"]
    assert notes["metallb.io/ip-allocated-from-pool"] == "lan"
    wanted = {"assignedIPv4": 2, "availableIPv4": 1, "assignedIPv6": 0, "availableIPv6": 0}
    eventually(lambda: world.get(f"{POOLS}/lan")["status"] == wanted)
    world.delete("/api/v1/namespaces/default/services/one")
    eventually(lambda: world.get(f"{POOLS}/lan")["status"]["assignedIPv4"] == 1)
    statuses = eventually(lambda: world.get("/apis/metallb.io/v1beta1/servicel2statuses")["items"])
    assert [item["status"]["serviceName"] for item in statuses] == ["two"]
    assert statuses[0]["status"]["node"] in {"node-1", "node-2"}


def test_an_exhausted_pool_leaves_a_service_pending_with_an_event(world: World) -> None:
    pool(world, "small", "192.0.2.10/32")
    balancer(world, "first")
    eventually(lambda: addresses(world, "first"))
    balancer(world, "late")
    (text,) = eventually(lambda: events(world, "AllocationFailed", "late"))
    assert text == 'Failed to allocate IP for "default/late": no available IPs'
    assert addresses(world, "late") == []
    patch = {"spec": {"addresses": ["192.0.2.10-192.0.2.11"]}}
    world.merge(f"{POOLS}/small", patch)
    assert eventually(lambda: addresses(world, "late")) == ["192.0.2.11"]
    assert addresses(world, "first") == ["192.0.2.10"]


def test_a_service_names_its_pool_or_its_address(world: World) -> None:
    pool(world, "lan", "192.0.2.10-192.0.2.20")
    pool(world, "reserved", "198.51.100.0/30", auto=False)
    balancer(world, "plain")
    assert eventually(lambda: addresses(world, "plain")) == ["192.0.2.10"]
    balancer(world, "named", address_pool="reserved")
    assert eventually(lambda: addresses(world, "named")) == ["198.51.100.0"]
    balancer(world, "exact", loadBalancerIPs="192.0.2.15")
    assert eventually(lambda: addresses(world, "exact")) == ["192.0.2.15"]
    balancer(world, "outside", loadBalancerIPs="203.0.113.1")
    eventually(lambda: events(world, "AllocationFailed", "outside"))
    balancer(world, "unknown", address_pool="none")
    (text,) = eventually(lambda: events(world, "AllocationFailed", "unknown"))
    assert 'unknown pool "none"' in text


def test_an_address_is_shared_only_with_the_same_key_and_other_ports(world: World) -> None:
    pool(world, "one", "192.0.2.10/32")
    balancer(world, "web", port=80, allow_shared_ip="k")
    eventually(lambda: addresses(world, "web"))
    balancer(world, "tls", port=443, allow_shared_ip="k")
    assert eventually(lambda: addresses(world, "tls")) == ["192.0.2.10"]
    balancer(world, "clash", port=80, allow_shared_ip="k")
    eventually(lambda: events(world, "AllocationFailed", "clash"))


def test_a_range_taken_away_moves_its_services(world: World) -> None:
    pool(world, "lan", "192.0.2.10-192.0.2.11")
    balancer(world, "web")
    eventually(lambda: addresses(world, "web"))
    world.merge(f"{POOLS}/lan", {"spec": {"addresses": ["192.0.2.20/32"]}})
    eventually(lambda: addresses(world, "web") == ["192.0.2.20"])
    assert events(world, "ClearAssignment", "web")
    world.delete(f"{POOLS}/lan")
    eventually(lambda: addresses(world, "web") == [])
    notes = world.get("/api/v1/namespaces/default/services/web")["metadata"].get("annotations", {})
    assert "metallb.io/ip-allocated-from-pool" not in notes


def test_pools_for_some_namespaces_and_by_priority(world: World) -> None:
    ns = world.namespace()
    pool(world, "a-all", "192.0.2.0/30", avoidBuggyIPs=True)
    pool(world, "z-mine", "198.51.100.7/32", serviceAllocation={"priority": 5, "namespaces": [ns]})
    balancer(world, "mine", ns)
    assert eventually(lambda: addresses(world, "mine", ns)) == ["198.51.100.7"]
    balancer(world, "other")
    assert eventually(lambda: addresses(world, "other")) == ["192.0.2.1"]


def test_dual_stack_takes_both_families_from_one_pool(world: World) -> None:
    pool(world, "dual", "192.0.2.10/32", "2001:db8::10/128")
    obj = objects.service("dual", type_="LoadBalancer")
    obj["spec"].update(ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"])
    world.create(obj)
    assert eventually(lambda: addresses(world, "dual")) == ["192.0.2.10", "2001:db8::10"]


def test_a_service_that_is_no_balancer_any_more_gives_its_address_back(world: World) -> None:
    pool(world, "lan", "192.0.2.10/32")
    balancer(world, "web")
    eventually(lambda: addresses(world, "web"))
    world.merge("/api/v1/namespaces/default/services/web", {"spec": {"type": "ClusterIP"}})
    eventually(lambda: addresses(world, "web") == [])
    eventually(lambda: world.get(f"{POOLS}/lan")["status"]["assignedIPv4"] == 0)
    world.delete("/api/v1/namespaces/default/services/web")


def test_another_balancers_class_is_left_alone(world: World) -> None:
    pool(world, "lan", "192.0.2.10-192.0.2.11")
    obj = objects.service("theirs", type_="LoadBalancer")
    obj["spec"]["loadBalancerClass"] = "example.org/other"
    world.create(obj)
    balancer(world, "ours")
    eventually(lambda: addresses(world, "ours"))
    assert addresses(world, "theirs") == []


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (["192.0.2.0/24", "192.0.2.5/32"], 'overlaps with already defined CIDR "192.0.2.0/24"'),
        (["198.51.100.9-198.51.100.1"], "start IP 198.51.100.9 is after the end IP 198.51.100.1"),
        (["198.51.100.1"], 'invalid CIDR "198.51.100.1"'),
        (["lan"], 'invalid CIDR "lan"'),
        ([], "pool has no prefixes defined"),
        (["203.0.113.8/29"], 'overlaps with already defined CIDR "203.0.113.0/24"'),
    ],
)
def test_what_metallbs_webhook_refuses(world: World, ranges: list[str], message: str) -> None:
    pool(world, "held", "203.0.113.0/24")
    reply = world.raw("POST", f"{POOLS}?dryRun=All", objects.address_pool("new", ranges))
    assert reply.status == 403
    assert message in reply.json["message"]
    assert world.gone(f"{POOLS}/new")


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 700))
def test_a_range_holds_exactly_its_addresses(first: int, length: int) -> None:
    import ipaddress

    last = min(first + length, 2**32 - 1)
    text = f"{ipaddress.IPv4Address(first)}-{ipaddress.IPv4Address(last)}"
    plain, careful = Ranges.parse([text]), Ranges.parse([text], avoid_buggy=True)
    listed = list(careful.of_family("IPv4"))
    assert plain.size("IPv4") == last - first + 1
    assert len(listed) == careful.size("IPv4")
    assert all(address in careful and not address.endswith((".0", ".255")) for address in listed)
    assert sum(block.num_addresses for block in blocks(text)) == last - first + 1
