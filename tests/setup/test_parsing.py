"""What a user types, and what Slipway makes of it or says about it; and the way back to text."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizards.setup.parsing import check_value, parse
from wizards.setup.proposals import complete_nodes, propose_roles
from wizards.setup.questions import AnswerError, Answers, Question
from wizards.setup.showing import as_text, in_words
from wizards.setup.steps import question_at

TOP = "10.0.0.240-10.0.0.250"
SERVERS = Answers({"nodes": [{"address": f"10.0.0.1{number}"} for number in (1, 2, 3)]})


def question(path: str) -> Question:
    found = question_at(path)
    assert found is not None
    return found


def read(path: str, text: str) -> Any:
    return parse(question(path), text, SERVERS)


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("network.cni", "cilium", "cilium"),
        ("network.cni", " Calico ", "calico"),
        ("load_balancer.kind", "metallb, layer 2", "metallb-l2"),
        ("network.cilium.hubble", "yes", True),
        ("network.cilium.hubble", "N", False),
        ("network.node_prefix", " 25 ", 25),
        ("access.key_file", "", None),
        ("access.key_file", "~/.ssh/id_ed25519", "~/.ssh/id_ed25519"),
        ("storage.engines", "hostpath, lvm hostpath", ["hostpath", "lvm"]),
        ("storage.engines", "none", []),
        ("proxy.no_proxy", "a.lan, .b.lan;10.0.0.0/8", ["a.lan", ".b.lan", "10.0.0.0/8"]),
        ("proxy.no_proxy", "", []),
        (
            "load_balancer.pools",
            "10.0.0.240-250",
            [{"name": "default", "addresses": ["10.0.0.240-10.0.0.250"]}],
        ),
        (
            "load_balancer.pools",
            "10.0.0.240 - 10.0.0.245, 10.0.0.248/30, lan = fd00::10-fd00::1f",
            [
                {"name": "default", "addresses": ["10.0.0.240-10.0.0.245", "10.0.0.248/30"]},
                {"name": "lan", "addresses": ["fd00::10-fd00::1f"]},
            ],
        ),
    ],
)
def test_what_is_understood(path: str, text: str, value: Any) -> None:
    assert read(path, text) == value


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("10.0.0.11", [{"name": "node-1", "address": "10.0.0.11"}]),
        ("web 10.0.0.11", [{"name": "web", "address": "10.0.0.11"}]),
        ("web server.lan", [{"name": "web", "address": "server.lan"}]),
        ("server", [{"name": "node-1", "address": "server"}]),
        ("root@n.lan:2222", [{"name": "node-1", "address": "n.lan", "user": "root", "port": 2222}]),
        ("[fe80::1]:22", [{"name": "node-1", "address": "fe80::1", "port": 22}]),
        ("fe80::1", [{"name": "node-1", "address": "fe80::1"}]),
        (
            "10.0.0.11 10.0.0.12",
            [{"name": "node-1", "address": "10.0.0.11"}, {"name": "node-2", "address": "10.0.0.12"}],
        ),
        (
            "node-1 10.0.0.11\n\n10.0.0.12\n",
            [{"name": "node-1", "address": "10.0.0.11"}, {"name": "node-2", "address": "10.0.0.12"}],
        ),
        (
            "10.0.0.9-11, 10.0.1.1-10.0.1.2",
            [
                {"name": f"node-{number}", "address": address}
                for number, address in enumerate(
                    ["10.0.0.9", "10.0.0.10", "10.0.0.11", "10.0.1.1", "10.0.1.2"], start=1
                )
            ],
        ),
        ("node1.lan 10.0.0.11", [{"name": "node1", "address": "10.0.0.11"}]),
        (
            "node[1-3] root@10.0.0.[11-13]:2222",
            [
                {"name": f"node{number}", "address": f"10.0.0.1{number}", "user": "root", "port": 2222}
                for number in (1, 2, 3)
            ],
        ),
        (
            "node[08-10].lan, web[a,c].lan",
            [
                {"name": f"node-{number}", "address": address}
                for number, address in enumerate(
                    ["node08.lan", "node09.lan", "node10.lan", "weba.lan", "webc.lan"], start=1
                )
            ],
        ),
    ],
)
def test_servers_as_people_list_them(text: str, rows: list[dict[str, Any]]) -> None:
    assert read("nodes", text) == rows


@pytest.mark.parametrize(
    ("path", "text", "hint"),
    [
        ("network.cni", "weave", "Choose one of: cilium, calico"),
        ("endpoint.kind", "single", "3 control planes"),
        ("network.cilium.hubble", "maybe", "neither yes nor no"),
        ("network.node_prefix", "x", "not a whole number"),
        ("network.node_prefix", "31", "from 16 to 30"),
        ("network.pods", "10.0.0.1/8", "10.0.0.0/8"),
        ("name", "", "such as cluster-1"),
        ("name", "My Cluster", "a-z"),
        ("name", "x" * 33, "at most 32"),
        ("access.user", "a b", "login name"),
        ("nodes", "a@b@c", "such as 10.0.0.11"),
        ("nodes", "300.1.2.3", "neither an IP address"),
        ("nodes", "10.0.0.1, 10.0.0.2:99999", "Entry 2"),
        ("nodes", "10.0.0.0-10.9.0.0", "At most 1,000"),
        ("nodes", "node[1-1000000000].lan", "is not a range"),
        ("nodes", "node[1-999][1-999][1-999].lan", "At most 1,000"),
        ("nodes", "node[1-600], web[1-600]", "At most 1,000"),
        ("nodes", "node[3-1].lan", "write [1-3]"),
        ("nodes", "node[01-100].lan", "write [001-100]"),
        ("nodes", "node[1-3] 10.0.0.[1-4]", "as many of each"),
        ("nodes", "10.0.0.9-3", "10.0.0.3-10.0.0.9"),
        ("nodes", "Bad_Name 10.0.0.1", "DNS label"),
        ("load_balancer.pools", "10.0.0.4", "10.0.0.4/32"),
        ("load_balancer.pools", "10.0.0.9-3", "10.0.0.3-10.0.0.9"),
        ("proxy.http", "http://me:secret@proxy", "password"),
    ],
)
def test_what_is_refused_and_the_way_out(path: str, text: str, hint: str) -> None:
    with pytest.raises(AnswerError, match=re.escape(hint)) as refused:
        read(path, text)
    assert str(refused.value).endswith((".", "?"))


@pytest.mark.parametrize("brace", ["{{", "{%", "{#"])
@pytest.mark.parametrize("path", ["name", "access.key_file", "nodes", "load_balancer.pools", "network.cni"])
def test_templates_are_refused_where_they_are_typed(path: str, brace: str) -> None:
    with pytest.raises(AnswerError, match="template"):
        read(path, f"a{brace}b")


@given(st.text(max_size=40), st.sampled_from(["nodes", "load_balancer.pools", "name", "network.node_prefix"]))
def test_nonsense_is_an_answer_or_is_refused(text: str, path: str) -> None:
    try:
        value = read(path, text)
    except AnswerError:
        return
    assert check_value(path, value) == value


ADDRESS = st.ip_addresses(v=4).map(str)
ROW = st.fixed_dictionaries(
    {"name": st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True), "address": ADDRESS},
    optional={"user": st.sampled_from(["root", "ubuntu"]), "port": st.integers(1, 65535)},
)


@given(st.lists(ROW, max_size=5, unique_by=lambda row: row["name"]))
def test_servers_go_to_text_and_back(rows: list[dict[str, Any]]) -> None:
    text = as_text(question("nodes"), rows)
    assert (read("nodes", text) if text else []) == rows


def test_pools_go_to_text_and_back() -> None:
    pools = [
        {"name": "default", "addresses": ["10.0.0.0/29", "10.0.0.16-10.0.0.20"]},
        {"name": "lan", "addresses": ["10.1.0.0/29"]},
    ]
    assert read("load_balancer.pools", as_text(question("load_balancer.pools"), pools)) == pools


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("network.cni", "Cilium"),
        ("network.cilium.hubble", "yes"),
        ("access.key_file", "none"),
        ("storage.engines", "OpenEBS local folders"),
        ("load_balancer.pools", "10.0.0.240-10.0.0.250"),
        (
            "nodes",
            "node-1 10.0.0.11 (control-plane etcd worker), node-2 10.0.0.12 (control-plane etcd worker), "
            "node-3 10.0.0.13 (control-plane etcd worker)",
        ),
    ],
)
def test_answers_in_words(path: str, words: str) -> None:
    assert in_words(question(path), SERVERS) == words


@pytest.mark.parametrize(
    ("count", "control", "members", "workers"),
    [(0, 0, 0, 0), (1, 1, 1, 1), (2, 1, 1, 2), (3, 3, 3, 3), (5, 3, 3, 5), (6, 3, 3, 3), (50, 3, 3, 47)],
)
def test_proposed_roles(count: int, control: int, members: int, workers: int) -> None:
    roles = propose_roles(count)
    assert len(roles) == count
    assert [sum(role in one for one in roles) for role in ("control-plane", "etcd", "worker")] == [
        control,
        members,
        workers,
    ]


def test_proposals_leave_given_names_and_roles_alone() -> None:
    rows: list[dict[str, Any]] = [
        {"address": "a"},
        {"name": "node-1", "address": "b", "roles": ["worker"]},
        {"address": "c"},
    ]
    assert [(row["name"], row["roles"]) for row in complete_nodes(rows)] == [
        ("node-2", ["control-plane", "etcd", "worker"]),
        ("node-1", ["worker"]),
        ("node-3", ["control-plane", "etcd", "worker"]),
    ]
    assert rows[0] == {"address": "a"}
