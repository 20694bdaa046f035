"""Changes to the table of servers, and the form of one server."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizards.setup import node_rows
from wizards.setup.node_form import FIELDS, form_text, read_form
from wizards.setup.node_rows import Timeline, counted_up, duplicated, with_cell
from wizards.setup.parsing import check_value
from wizards.setup.proposals import parse_address
from wizards.setup.questions import AnswerError

ROWS: list[dict[str, Any]] = [
    {"name": "node-1", "address": "10.0.0.11"},
    {"name": "node-2", "address": "10.0.0.12", "internal_address": "192.168.0.2", "user": "ubuntu"},
]


@pytest.mark.parametrize(
    ("field", "text", "row"),
    [
        ("name", "web", {"name": "web", "address": "10.0.0.11"}),
        ("address", "node1.lan", {"name": "node-1", "address": "node1.lan"}),
        ("address", "2001:db8::1", {"name": "node-1", "address": "2001:db8::1"}),
        (
            "address",
            "me@10.0.0.9:2222",
            {"name": "node-1", "address": "10.0.0.9", "user": "me", "port": 2222},
        ),
        ("internal_address", "192.168.0.1", {**ROWS[0], "internal_address": "192.168.0.1"}),
        ("port", "2222", {**ROWS[0], "port": 2222}),
        ("user", " admin ", {**ROWS[0], "user": "admin"}),
        ("user", "", ROWS[0]),
    ],
)
def test_a_cell_takes_what_is_right(field: str, text: str, row: dict[str, Any]) -> None:
    assert with_cell(ROWS, 0, field, text) == [row, ROWS[1]]


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("name", "", "The name is missing"),
        ("name", "Web One", "DNS label"),
        ("name", "node-2", "Another server is called node-2"),
        ("address", "", "The address is missing"),
        ("address", "10.0.0.999", "neither an IP address nor a host name"),
        ("address", "10.0.0.12", "node-2 has the address 10.0.0.12 port 22"),
        ("address", "10.0.0.10-12", "node-2 has the address 10.0.0.12 port 22"),
        ("address", "10.0.0.11-", "10.0.0.11-"),
        ("address", "a b", "neither an IP address nor a host name"),
        ("address", "{{ x }}", "Ansible would take it for a template"),
        ("internal_address", "node1.lan", "is not an IP address"),
        ("internal_address", "192.168.0.2", "node-2 uses 192.168.0.2 inside the cluster"),
        ("port", "ssh", "a number from 1 to 65535"),
        ("port", "70000", "from 1 to 65535"),
        ("user", "a b", "login name"),
    ],
)
def test_a_cell_refuses_what_is_wrong_in_words(field: str, text: str, words: str) -> None:
    with pytest.raises(AnswerError, match=re.escape(words)):
        with_cell(ROWS, 0, field, text)


def test_a_range_in_the_address_cell_adds_a_row_for_each() -> None:
    rows = with_cell([*ROWS, {"name": "node-3"}], 2, "address", "ubuntu@10.0.0.21-23")
    assert [(row["name"], row["address"], row["user"]) for row in rows[2:]] == [
        ("node-3", "10.0.0.21", "ubuntu"),
        ("node-4", "10.0.0.22", "ubuntu"),
        ("node-5", "10.0.0.23", "ubuntu"),
    ]
    check_value("nodes", rows)


@given(st.sampled_from(["name", "address", "internal_address", "user", "port"]), st.text(max_size=30))
def test_whatever_is_typed_is_refused_in_words_or_leaves_rows_that_hold(field: str, text: str) -> None:
    with contextlib.suppress(AnswerError):
        check_value("nodes", with_cell(ROWS, 1, field, text))
    assert ROWS[1]["name"] == "node-2", "the rows given are left alone"


@pytest.mark.parametrize(
    ("text", "taken", "counted"),
    [
        ("node-1", [], "node-2"),
        ("node-09", [], "node-10"),
        ("node-1", ["node-2", "node-3"], "node-4"),
        ("web", [], "web-2"),
        ("node1.lan4", [], "node2.lan4"),
        ("rack2-db", [], "rack3-db"),
        ("10.0.0.9", ["10.0.0.10"], "10.0.0.11"),
        ("10.0.0.254", [], "10.0.1.1"),
        ("fd00::9", [], "fd00::a"),
    ],
)
def test_names_and_addresses_are_counted_up(text: str, taken: list[str], counted: str) -> None:
    assert counted_up(text, taken) == counted


def test_a_copy_has_everything_but_what_only_one_server_can_have() -> None:
    row = {**ROWS[1], "port": 2222, "roles": ["worker"], "disks": ["/dev/disk/by-id/x"], "labels": {"a": "b"}}
    copy = duplicated([ROWS[0], row], 1)[2]
    assert copy == {
        "name": "node-3",
        "address": "10.0.0.13",
        "internal_address": "192.168.0.3",
        "user": "ubuntu",
        "port": 2222,
        "roles": ["worker"],
        "labels": {"a": "b"},
    }


@given(st.integers(1, 40))
def test_copies_of_copies_never_clash(count: int) -> None:
    rows: list[dict[str, Any]] = [ROWS[1]]
    for _ in range(count):
        rows = duplicated(rows, 0)
    for field in ("name", "address", "internal_address"):
        assert len({row[field] for row in rows}) == count + 1


def test_roles_walk_the_sensible_sets_and_go_back_to_the_proposal() -> None:
    rows = ROWS
    seen = []
    for _ in range(3):
        rows = node_rows.with_next_roles(rows, 1)
        seen.append(rows[1]["roles"])
    assert seen == [["control-plane", "etcd", "worker"], ["control-plane", "etcd"], ["worker"]]
    assert node_rows.with_proposed_roles(rows) == ROWS


@given(st.lists(st.sampled_from(["change", "undo", "redo"]), max_size=30))
def test_undo_and_redo_walk_what_was_done(keys: list[str]) -> None:
    time = Timeline([])
    states: list[Any] = [[]]
    at = 0
    for number, key in enumerate(keys):
        if key == "change":
            time = time.changed([{"name": str(number)}])
            states = [*states[: at + 1], [{"name": str(number)}]]
            at += 1
        elif key == "undo":
            time, at = time.undone(), max(0, at - 1)
        else:
            time, at = time.redone(), min(len(states) - 1, at + 1)
        assert time.rows == states[at]


def test_rows_are_found_by_all_words_in_any_cell() -> None:
    rows = [{**ROWS[0], "roles": ["control-plane"]}, {**ROWS[1], "roles": ["worker"]}]
    assert node_rows.matching(rows, "") == [0, 1]
    assert node_rows.matching(rows, "WORKER ubu") == [1]
    assert node_rows.matching(rows, "10.0.0 nothing") == []


def test_the_subnet_to_look_in_is_the_first_servers_else_this_machines() -> None:
    own = [parse_address("172.16.5.4")]
    assert node_rows.proposed_subnet(ROWS, [address for address in own if address]) == "10.0.0.0/24"
    assert node_rows.proposed_subnet([{"address": "a.lan"}], [one for one in own if one]) == "172.16.5.0/24"
    assert node_rows.proposed_subnet([{"address": "fd00::1"}], []) == ""


# -- the form -----------------------------------------------------------------------------------------------

FULL: dict[str, Any] = {
    "name": "node-3",
    "address": "10.0.0.13",
    "port": 2222,
    "user": "me",
    "key_file": "~/.ssh/id_ed25519",
    "internal_address": "192.168.0.3",
    "internal_address_v6": "fd00::3",
    "roles": ["worker"],
    "labels": {"rack": "a", "example.com/ssd": ""},
    "taints": ["dedicated=db:NoSchedule"],
    "disks": ["/dev/disk/by-id/wwn-0x5000c500a0b1c2d3", "/dev/sdb"],
}


def filled(row: dict[str, Any], **changed: str) -> dict[str, str]:
    return {field.key: form_text(row, field.key) for field in FIELDS} | changed


def test_a_form_that_is_left_alone_changes_nothing() -> None:
    for row in (*ROWS, FULL):
        roles = row.get("roles", ["worker"])
        others = [one for one in (*ROWS, FULL) if one is not row]
        assert read_form(filled(row), roles, node=row, proposed=["worker"], others=others) == row


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": ""}, "Name: it is missing"),
        ({"name": "node-1"}, "called node-1 already"),
        ({"address": "10.0.0.999"}, "Address (SSH): '10.0.0.999' is neither"),
        ({"port": "x"}, "SSH port: 'x' is not a number"),
        ({"labels": "a b=c d!"}, "Kubernetes labels:"),
        ({"taints": "x"}, "Kubernetes taints:"),
        ({"disks": "sdb"}, "Disks for storage:"),
        ({"user": "{{x}}"}, "Ansible would take it for a template"),
    ],
)
def test_the_form_says_which_field_is_wrong(changed: dict[str, str], words: str) -> None:
    with pytest.raises(AnswerError, match=re.escape(words)):
        read_form(filled(FULL, **changed), ["worker"], node=FULL, proposed=["worker"], others=ROWS)


def test_a_server_without_a_role_is_refused() -> None:
    with pytest.raises(AnswerError, match="does at least one thing"):
        read_form(filled(FULL), [], node=FULL, proposed=["worker"], others=ROWS)
