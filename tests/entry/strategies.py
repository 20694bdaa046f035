"""Servers as hypothesis makes them: rows that cluster.yaml takes."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from wizards.setup.spec import Node

FAIR = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LABEL = st.builds("{}{}{}".format, st.sampled_from("abn"), st.text("ab0-", max_size=4), st.integers(0, 99))
V4 = st.integers(int(ipaddress.IPv4Address("10.0.0.1")), int(ipaddress.IPv4Address("10.255.0.0"))).map(
    lambda number: str(ipaddress.IPv4Address(number))
)
V6 = st.integers(1, 2**64).map(lambda number: str(ipaddress.IPv6Address((0xFD00 << 112) + number)))
DOMAIN = st.builds("{}.{}".format, LABEL, st.sampled_from(["lan", "example.com"]))
ADDRESS = V4 | V6 | DOMAIN
USER = st.sampled_from(["root", "ubuntu", "a_b-c.d", "x"])
PORT = st.integers(1, 65535)
KEY = st.sampled_from(["~/.ssh/id_ed25519", "/srv/keys/node 1", "keys/a"])
ROLES = st.sampled_from(
    [
        ["control-plane", "etcd", "worker"],
        ["control-plane", "etcd"],
        ["etcd"],
        ["worker"],
        ["etcd", "worker"],
    ]
)


def rows(
    fields: Mapping[str, st.SearchStrategy[Any]], most: int = 8
) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return lists of rows with names of their own and any of the other `fields`."""
    one = st.fixed_dictionaries({"name": LABEL, "address": ADDRESS}, optional=dict(fields))
    return st.lists(one, min_size=1, max_size=most, unique_by=lambda row: row["name"])


def check_rows(found: Sequence[Mapping[str, Any]]) -> None:
    """Check that every row is a node, once it has a name."""
    names = [row["name"] for row in found if "name" in row]
    assert len(set(names)) == len(names)
    for row in found:
        Node.model_validate({"name": "free", **row})
