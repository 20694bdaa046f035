"""The judgement of addresses, storage, events and aggregated APIs; JSON and plain lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.health.health_objects import (
    NOW,
    advertisement,
    claim,
    event,
    node,
    pool,
    service,
    snapshot,
    spec,
    storage_class,
    wanted,
    workload,
    workloads,
)
from wizards.health.judge import judge
from wizards.health.model import Health
from wizards.health.snapshot import Denied, Missing
from wizards.health.state import State, epoch, iso
from wizards.health.text import health_lines, span, symbol

SPEC = spec()
POOLS, L2, BGP = "ipaddresspools.metallb.io", "l2advertisements.metallb.io", "bgpadvertisements.metallb.io"


def look(**parts: Any) -> Health:
    return judge(snapshot(SPEC, **parts), SPEC)


# Addresses


def test_addresses_in_use() -> None:
    announcing = {
        "metadata": {"name": "l2-x", "namespace": "metallb-system"},
        "status": {"node": "node-2", "serviceNamespace": "web", "serviceName": "shop"},
    }
    health = look(
        services=(service("shop", "10.0.0.240", pool="default"),),
        resources={POOLS: (pool(),), L2: (advertisement(),), "servicel2statuses.metallb.io": (announcing,)},
    )
    shop = health.addresses.services[0]
    assert (shop.namespace, shop.name, shop.addresses, shop.pool) == (
        "web",
        "shop",
        ("10.0.0.240",),
        "default",
    )
    assert (shop.node, shop.ports) == ("node-2", ("80/TCP",))
    use = health.addresses.pools[0]
    assert (use.assigned, use.free, use.advertised, use.state) == (1, 10, True, State.HEALTHY)
    assert use.ranges == ("10.0.0.240-10.0.0.250",)
    assert health.verdict is State.HEALTHY


def test_a_pool_without_status_is_counted_from_its_range() -> None:
    services = (service("a", "10.0.0.240", pool="default"), service("b", "10.0.0.241", pool="default"))
    health = look(services=services, resources={POOLS: (pool(status={}),), L2: (advertisement(),)})
    assert (health.addresses.pools[0].assigned, health.addresses.pools[0].free) == (2, 9)


def test_a_service_that_waits_for_its_address() -> None:
    young = look(services=(service("shop", born=NOW - 10),))
    assert young.addresses.services[0].state is State.PROGRESSING
    assert young.verdict is State.PROGRESSING
    old = look(services=(service("shop", born=NOW - 600),))
    assert old.verdict is State.DEGRADED
    assert old.problems[0].message == "Service web/shop has no address: no address has been given to it."


def test_why_a_service_has_no_address_is_taken_from_its_events() -> None:
    told = event(
        "AllocationFailed",
        ("Service", "web", "shop"),
        message='Failed to allocate IP for "web/shop": no available IPs',
    )
    health = look(services=(service("shop"),), events=(told,))
    assert "no available IPs" in health.addresses.services[0].reason


def test_a_service_without_any_load_balancer() -> None:
    chosen = spec(load_balancer={"kind": "none"})
    health = judge(snapshot(chosen, services=(service("shop"),), resources={}), chosen)
    assert "no load balancer was chosen" in health.addresses.services[0].reason


def test_a_pool_that_is_used_up() -> None:
    health = look(resources={POOLS: (pool(assigned=11, free=0),), L2: (advertisement(),)})
    assert health.verdict is State.DEGRADED
    assert health.addresses.pools[0].reason == "all 11 addresses are in use"
    assert health.problems[0].remedy == "Give the pool more addresses."


NOT_A = {"key": "zone", "operator": "NotIn", "values": ["a"]}


@pytest.mark.parametrize(
    ("spec_parts", "advertised"),
    [
        ({}, True),
        ({"ipAddressPools": ["default"]}, True),
        ({"ipAddressPools": ["other"]}, False),
        ({"ipAddressPoolSelectors": [{"matchLabels": {"zone": "a"}}]}, True),
        ({"ipAddressPoolSelectors": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]}, True),
        (
            {
                "ipAddressPoolSelectors": [
                    {"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}
                ]
            },
            False,
        ),
    ],
)
def test_which_pools_an_advertisement_covers(spec_parts: dict[str, Any], advertised: bool) -> None:
    health = look(
        resources={POOLS: (pool(labels={"zone": "a"}),), L2: (advertisement(**spec_parts),), BGP: ()}
    )
    assert health.addresses.pools[0].advertised is advertised
    assert (health.verdict is State.HEALTHY) is advertised


def test_a_pool_that_nothing_announces() -> None:
    health = look(resources={POOLS: (pool(),), L2: (), BGP: Missing()})
    assert health.addresses.pools[0].reason.startswith("no advertisement names it")
    assert health.verdict is State.DEGRADED


def test_advertisements_that_may_not_be_read_prove_nothing() -> None:
    health = look(resources={POOLS: (pool(),), L2: Denied("no permission"), BGP: ()})
    assert health.addresses.pools[0].advertised is None
    assert health.verdict is State.HEALTHY


def test_a_chosen_pool_that_is_not_in_the_cluster() -> None:
    health = look(resources={POOLS: (), L2: ()})
    assert health.addresses.pools[0].state is State.MISSING
    assert health.verdict is State.DEGRADED


def test_ciliums_own_pools() -> None:
    conditions = [
        {"type": "cilium.io/IPsAvailable", "message": "0"},
        {"type": "cilium.io/IPsUsed", "message": "16"},
    ]
    own = {
        "metadata": {"name": "blue"},
        "spec": {"blocks": [{"cidr": "10.1.0.0/28"}, {"start": "10.2.0.1", "stop": "10.2.0.9"}]},
        "status": {"conditions": conditions},
    }
    chosen = spec(load_balancer={"kind": "cilium-l2"})
    health = judge(snapshot(chosen, resources={"ciliumloadbalancerippools.cilium.io": (own,)}), chosen)
    assert health.addresses.pools[0].ranges == ("10.1.0.0/28", "10.2.0.1-10.2.0.9")
    assert health.addresses.pools[0].reason == "all 16 addresses are in use"


# Storage


def test_two_default_classes() -> None:
    health = look(storage_classes=(storage_class(), storage_class("standard")))
    assert health.verdict is State.DEGRADED
    assert health.storage.reason == "2 StorageClasses are default: openebs-hostpath, standard"


def test_no_default_class() -> None:
    health = look(storage_classes=(storage_class(default=False),))
    assert health.verdict is State.DEGRADED
    assert "no StorageClass is default" in health.storage.reason


def test_no_default_class_is_right_where_no_storage_was_chosen() -> None:
    chosen = spec(storage={"engines": []})
    assert judge(snapshot(chosen, storage_classes=()), chosen).verdict is State.HEALTHY


def test_a_claim_that_rightly_waits_for_its_first_pod() -> None:
    health = look(claims=(claim("data", "openebs-hostpath"),))
    assert health.storage.claims[0].state is State.HEALTHY
    assert health.verdict is State.HEALTHY


def test_claims_that_wait_in_vain() -> None:
    classes = (storage_class(), storage_class("fast", default=False, binding="Immediate"))
    told = event("ProvisioningFailed", ("PersistentVolumeClaim", "web", "b"), message="no space\nleft")
    health = look(
        storage_classes=classes,
        claims=(
            claim("a", "gold"),
            claim("b"),
            claim("c", phase="Lost"),
            claim("d", born=NOW - 5),
            claim("e", None),
        ),
        events=(told,),
    )
    judged = {item.name: (item.state, item.reason) for item in health.storage.claims}
    assert judged["a"] == (State.DEGRADED, "there is no StorageClass gold")
    assert judged["b"] == (State.DEGRADED, "no space left")
    assert judged["c"] == (State.BROKEN, "the volume it was bound to is gone")
    assert judged["d"] == (State.PROGRESSING, "a volume is being made for it")
    assert judged["e"][0] is State.DEGRADED
    assert health.storage.claims[0].name == "c"
    assert health.verdict is State.BROKEN


def test_a_claim_without_class_where_none_is_default() -> None:
    health = look(storage_classes=(storage_class(default=False),), claims=(claim("a", None),))
    assert health.storage.claims[0].reason == "it names no StorageClass, and none is default"


# Events and APIs


def test_warnings_are_grouped_by_reason_and_kind() -> None:
    health = look(
        events=(
            event("BackOff", ("Pod", "web", "a"), last=NOW - 60, first=NOW - 900, count=4, message="old"),
            event("BackOff", ("Pod", "web", "b"), last=NOW - 30, count=3, message="new\n  text"),
            event("BackOff", ("Job", "web", "j"), last=NOW - 600),
            event("FailedMount", ("Pod", "web", "c"), last=NOW - 4000),
        )
    )
    assert [(group.reason, group.kind) for group in health.warnings] == [
        ("BackOff", "Pod"),
        ("BackOff", "Job"),
    ]
    pods = health.warnings[0]
    assert (pods.count, pods.objects, pods.example, pods.message) == (7, 2, "web/b", "new text")
    assert (pods.first, pods.last) == (NOW - 900, NOW - 30)
    assert health.verdict is State.HEALTHY


def test_events_of_the_newer_shape() -> None:
    newer = event("FailedScheduling", ("Pod", "web", "a"))
    del newer["firstTimestamp"], newer["lastTimestamp"], newer["count"]
    newer |= {
        "eventTime": iso(NOW - 300).replace("Z", ".123456Z"),
        "series": {"count": 12, "lastObservedTime": iso(NOW - 10).replace("Z", ".000000Z")},
    }
    group = look(events=(newer,)).warnings[0]
    assert group.count == 12
    assert group.last == NOW - 10
    assert group.first == pytest.approx(NOW - 300 + 0.123456)


def test_an_aggregated_api_that_does_not_answer() -> None:
    metrics = {
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {"service": {"namespace": "kube-system", "name": "metrics-server"}},
        "status": {
            "conditions": [
                {
                    "type": "Available",
                    "status": "False",
                    "reason": "MissingEndpoints",
                    "message": "endpoints for service/metrics-server have no addresses",
                }
            ]
        },
    }
    local = {
        "metadata": {"name": "v1.apps"},
        "spec": {},
        "status": {"conditions": [{"type": "Available", "status": "False"}]},
    }
    health = look(apis=(metrics, local))
    assert [api.name for api in health.apis] == ["v1beta1.metrics.k8s.io"]
    assert health.verdict is State.DEGRADED
    assert "have no addresses" in health.problems[0].message


# JSON and lines


def test_json_is_stable_and_plain() -> None:
    health = look(services=(service("shop", "10.0.0.240"),), events=(event("BackOff", ("Pod", "web", "a")),))
    data = json.loads(json.dumps(health.to_json()))
    assert data["schema"] == 1
    assert data["verdict"] == "healthy"
    assert data["at"] == "2027-01-15T08:00:00Z"
    assert data["control_plane"]["version"] == "v1.35.4"
    assert data["control_plane"]["leaders"] == {}
    assert data["nodes"][0]["roles"] == ["control-plane"]
    assert data["nodes"][0]["since"].endswith("Z")
    assert data["components"][0]["workloads"][0]["desired"] >= 1
    assert data["addresses"]["services"][0]["addresses"] == ["10.0.0.240"]
    assert data["warnings"][0]["last"] == "2027-01-15T07:59:00Z"
    assert set(data) == {
        *("schema", "verdict", "sentence", "at", "read_at", "cluster", "server", "unreachable"),
        *("control_plane", "nodes", "components", "addresses", "storage", "apis", "pods", "warnings"),
        *("problems", "unread"),
    }


@pytest.mark.parametrize("text", [None, "", "yesterday", 5])
def test_a_timestamp_that_is_none(text: object) -> None:
    assert epoch(text) is None


def test_lines_fit_and_carry_words_beside_signs() -> None:
    sick = look(
        nodes=(node("node-1"), node("node-2", ready="False", message="x" * 300), node("node-3")),
        services=(service("shop"),),
        claims=(claim("data", "gold"),),
        events=(event("BackOff", ("Pod", "web", "a" * 120), message="m" * 500),),
        workloads=workloads(SPEC, instead=[workload(wanted(SPEC, "cilium"), desired=3, ready=0)]),
        apis=Denied("no permission"),
    )
    lines = health_lines(sick)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert lines[0].startswith("Broken: ")
    assert "✗ Cilium" in text
    assert "broken: cilium: 0 of 3 pods ready" in " ".join(text.split())
    assert "What to do" in text
    assert "Not looked at: APIServices (no permission)" in text


def test_lines_of_a_healthy_cluster_are_few() -> None:
    lines = health_lines(look())
    assert lines[0] == "Healthy: 3 of 3 nodes ready, 8 of 8 components healthy."
    assert "What to do" not in lines
    assert len(lines) < 30


def test_ascii_lines_hold_nothing_else() -> None:
    text = "\n".join(health_lines(look(services=(service("shop"),)), ascii_only=True))
    assert text.isascii()
    assert "+ " in text


def test_many_nodes_are_counted_not_listed() -> None:
    chosen = spec(nodes=[])
    many = tuple(node(f"node-{n}", ready="False" if n == 700 else "True") for n in range(1000))
    health = judge(snapshot(chosen, nodes=many, workloads=workloads(chosen, nodes=1000)), chosen)
    lines = health_lines(health)
    assert any("… and 980 more nodes" in line for line in lines)
    assert any("node-700" in line for line in lines)


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 d")]
)
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_every_state_has_a_sign() -> None:
    assert {symbol(state, ascii_only=True) for state in State} == {"+", "!", "x", "?"}
