"""Adding servers to those that are there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.entry.strategies import FAIR, PORT, USER, check_rows, rows
from wizards.entry import EntryError, Source, merge, read_text
from wizards.setup.spec import ClusterSpec
from wizards.setup.writing import dump_spec


def test_the_same_address_and_port_is_left_out_and_said() -> None:
    present = [{"name": "a", "address": "fd00::1", "roles": ["worker"]}]
    entered: list[dict[str, Any]] = [
        {"address": "FD00:0::1"},
        {"name": "b", "address": "fd00::1", "port": 2222},
        {"address": "B.lan"},
        {"address": "b.lan"},
    ]
    whole, notes = merge(present, entered)
    assert whole == [
        present[0],
        {"name": "b", "address": "fd00::1", "port": 2222},
        {"name": "node-1", "address": "B.lan"},
    ]
    assert notes == ("2 servers were left out, since they are in the list already: FD00:0::1, b.lan.",)


def test_names_become_valid_and_unique() -> None:
    whole, notes = merge(
        [{"name": "web-01", "address": "10.0.0.1"}, {"address": "10.0.0.9"}],
        [
            {"name": "Web_01.example.com", "address": "10.0.0.2"},
            {"name": "etcd", "address": "10.0.0.3"},
            {"name": "__", "address": "10.0.0.4"},
            {"name": "10.0.0.5", "address": "10.0.0.5"},
            {"name": "x" * 80, "address": "10.0.0.6"},
        ],
    )
    assert [row.get("name") for row in whole] == [
        "web-01",
        None,
        "web-01-2",
        "etcd-2",
        "node-2",
        "node-3",
        "x" * 63,
    ]
    assert notes == ("3 names were made into names for nodes, such as web-01-2 for Web_01.example.com.",)


def test_too_many_together_are_refused() -> None:
    present = [{"address": f"10.0.{n // 250}.{n % 250}"} for n in range(999)]
    with pytest.raises(EntryError, match="1,001 servers"):
        merge(present, [{"address": "a.lan"}, {"address": "b.lan"}])


@given(rows({"user": USER, "port": PORT}), rows({"user": USER, "port": PORT}))
@FAIR
def test_nothing_that_is_there_changes_and_nothing_is_lost(
    present: list[dict[str, Any]], entered: list[dict[str, Any]]
) -> None:
    whole, _ = merge(present, entered)
    assert whole[: len(present)] == present
    check_rows(whole)
    places = {(row["address"].lower(), row.get("port", 22)) for row in whole}
    assert all((row["address"].lower(), row.get("port", 22)) in places for row in entered)
    assert merge(whole, entered)[0] == whole


def test_an_earlier_cluster_gives_its_nodes_and_its_way_in() -> None:
    text = (
        "name: old\nnodes:\n- {name: a, address: 10.0.0.1, labels: {tier: db}, disks: [/dev/sda]}\n"
        "access: {user: ops, key_file: ~/.ssh/ops, become: sudo, jump: {host: b.lan, port: 2222}}\n"
    )
    entered = read_text(text)
    assert entered.source is Source.CLUSTER
    assert entered.rows == (
        {"name": "a", "address": "10.0.0.1", "labels": {"tier": "db"}, "disks": ["/dev/sda"]},
    )
    assert entered.access == {
        "user": "ops",
        "key_file": "~/.ssh/ops",
        "jump": {"host": "b.lan", "port": 2222},
    }
    beside = read_text(text, present=[{"name": "x", "address": "10.0.0.9"}])
    assert (beside.rows[0]["user"], beside.rows[0]["key_file"]) == ("ops", "~/.ssh/ops")
    assert set(beside.access) == {"jump"}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("name: x\nnodes:\n- {name: a, address: 10.0.0.999}\n", "Line 3: nodes[0].address: '10.0.0.999'"),
        ("name: x\nnodes: []\n", "lists no servers"),
        ("name: x\nnodes: [\n", "Line"),
        ("api_version: slipway/v9\nname: x\nnodes: []\n", "slipway/v1"),
    ],
)
def test_a_faulty_cluster_file_is_refused_with_its_line(text: str, hint: str) -> None:
    with pytest.raises(EntryError) as refused:
        read_text(text)
    assert hint in str(refused.value)
    assert str(refused.value).endswith(".")


@given(rows({"user": USER, "port": PORT}))
@FAIR
def test_a_written_cluster_is_read_as_the_same_nodes(servers: list[dict[str, Any]]) -> None:
    spec = ClusterSpec.model_validate({"name": "x", "nodes": servers})
    found = read_text(dump_spec(spec)).rows
    again = ClusterSpec.model_validate({"name": "x", "nodes": found})
    assert again.nodes == spec.nodes
