"""What the cases of the rules are made of: good answers, and small changes of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from wizards.setup.spec import ClusterSpec

ALL = ["control-plane", "etcd", "worker"]
CONTROL = ["control-plane", "etcd"]
WORKER = ["worker"]


def nodes(count: int, *roles: list[str], network: str = "10.0.0.") -> list[dict[str, Any]]:
    """Return `count` nodes; the first ones with `roles`, the others as workers."""
    return [
        {
            "name": f"node-{number}",
            "address": f"{network}{10 + number}",
            "roles": roles[number - 1] if number <= len(roles) else WORKER,
        }
        for number in range(1, count + 1)
    ]


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(copy.deepcopy(below))
    for key, value in above.items():
        mine = both.get(key)
        is_both = isinstance(mine, dict) and isinstance(value, dict)
        both[key] = merged(mine or {}, value) if is_both else value
    return both


GOOD: dict[str, Any] = {
    "name": "demo",
    "nodes": nodes(4, ALL, ALL, ALL),
    "load_balancer": {"pools": [{"addresses": ["10.0.0.240-10.0.0.250"]}]},
}
LOCAL: dict[str, Any] = {
    "name": "demo",
    "target": "local",
    "kubernetes": {"version": "1.35.8"},
    "network": {"cni": "kindnet", "kube_proxy": "iptables"},
    "storage": {"engines": ["standard"]},
}


def spec(base: Mapping[str, Any] = GOOD, **changes: Any) -> ClusterSpec:
    return ClusterSpec.model_validate(merged(base, changes))


def pools(*ranges: str, **more: Any) -> dict[str, Any]:
    return {"load_balancer": {"pools": [{"addresses": list(ranges)}], **more}}


def two_pools(first: str, second: str, name: str = "second") -> dict[str, Any]:
    return {
        "load_balancer": {
            "pools": [{"name": "first", "addresses": [first]}, {"name": name, "addresses": [second]}]
        }
    }


def bgp(*peers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"load_balancer": {"kind": "metallb-bgp", "peers": list(peers), **more}}


ROUTER = {"name": "router", "address": "10.0.0.1", "asn": 64513}
MAYASTOR_NODES = [{**node, "disks": ["/dev/disk/by-id/wwn-1"]} for node in nodes(3, ALL, ALL, ALL)]
VIP = {"endpoint": {"kind": "kube-vip", "address": "10.0.0.239"}}
NO_NETWORK = {
    "network": {"cni": "none"},
    "load_balancer": {"kind": "none", "pools": []},
    "storage": {"engines": []},
}


class Case(NamedTuple):
    """A rule, the answer it names, answers that make it speak, and answers beside them that do not."""

    rule: str
    path: str
    fires: ClusterSpec
    silent: ClusterSpec


def changed(rule: str, path: str, fires: Mapping[str, Any], silent: Mapping[str, Any] | None = None) -> Case:
    return Case(rule, path, spec(**fires), spec(**(silent or {})))


def local(rule: str, path: str, fires: Mapping[str, Any], silent: Mapping[str, Any] | None = None) -> Case:
    return Case(rule, path, spec(LOCAL, **fires), spec(LOCAL, **(silent or {})))


def twice(field: str, value: str) -> list[dict[str, Any]]:
    rows = nodes(4, ALL, ALL, ALL)
    rows[1][field] = rows[2][field] = value
    return rows


def with_node(index: int, **fields: Any) -> dict[str, Any]:
    rows = nodes(4, ALL, ALL, ALL)
    rows[index] |= fields
    return {"nodes": rows}
