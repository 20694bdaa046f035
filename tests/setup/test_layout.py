"""What a layout survives, said in words and held against every way of losing servers."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizards.setup.layout import losses_survived, proposal_reason, quorum, survival
from wizards.setup.proposals import propose_roles

ALL = ["control-plane", "etcd", "worker"]
CONTROL = ["control-plane", "etcd"]
WORKER = ["worker"]
PLANE = ["control-plane"]
ETCD = ["etcd"]
LAYOUTS = st.lists(
    st.lists(st.sampled_from(ALL), min_size=1, max_size=3, unique=True).map(sorted), min_size=1, max_size=7
)


def rows(*roles: list[str]) -> list[dict[str, Any]]:
    return [{"name": f"node-{index}", "roles": one} for index, one in enumerate(roles, 1)]


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ([], ""),
        ([ALL], "One server does everything: when it fails, all stops until it is back."),
        (
            [CONTROL, WORKER, WORKER],
            "One control plane: when it fails the cluster cannot be changed until it is back. "
            "When a worker fails, its applications move to the other one.",
        ),
        (
            [ALL, ALL, ALL],
            "Any 1 of 3 control planes may fail. When a worker fails, its applications move to the other 2.",
        ),
        (
            [CONTROL] * 5 + [WORKER] * 300,
            "Any 2 of 5 control planes may fail. "
            "When a worker fails, its applications move to the other 299.",
        ),
        (
            [ALL, ALL],
            "2 etcd members survive less than one: 1 or 3 would be right. "
            "When a worker fails, its applications move to the other one.",
        ),
        (
            [CONTROL] * 4 + [WORKER],
            "4 etcd members survive no more losses than 3: 3 or 5 would be right. "
            "One worker: applications stop while it is down.",
        ),
        (
            [CONTROL] * 3,
            "Any 1 of 3 control planes may fail. No worker: nothing would run applications.",
        ),
        (
            [PLANE, ETCD, WORKER],
            "One control plane and one etcd member: without either the cluster cannot be changed. "
            "One worker: applications stop while it is down.",
        ),
        (
            [CONTROL, PLANE, PLANE, WORKER],
            "3 control planes, but one etcd member: without it the cluster cannot be changed. "
            "One worker: applications stop while it is down.",
        ),
        (
            [PLANE, ETCD, ETCD, ETCD, WORKER],
            "Any 1 of 3 etcd members may fail, but not the one control plane. "
            "One worker: applications stop while it is down.",
        ),
        (
            [PLANE, PLANE, ETCD, ETCD, ETCD, WORKER],
            "Any 1 of 3 etcd members may fail, and all but one of 2 control planes. "
            "One worker: applications stop while it is down.",
        ),
        (
            [WORKER, ETCD],
            "No server is a control plane: nothing would run Kubernetes itself. "
            "One worker: applications stop while it is down.",
        ),
        (
            [PLANE, WORKER],
            "No server has the role etcd: nothing would keep the cluster's memory. "
            "One worker: applications stop while it is down.",
        ),
    ],
)
def test_what_each_layout_survives(roles: list[list[str]], said: str) -> None:
    assert survival(rows(*roles)) == said


def test_servers_without_roles_have_the_proposed_ones() -> None:
    bare: list[dict[str, Any]] = [{"address": f"10.0.0.{number}"} for number in range(1, 7)]
    assert survival(bare).startswith("Any 1 of 3 control planes may fail.")
    assert survival(bare[:2]).startswith("One control plane")


def can_be_changed(roles: list[list[str]], members: int) -> bool:
    """Tell whether the servers that are left elect a leader and answer."""
    left = sum("etcd" in one for one in roles)
    return members > 0 and left >= quorum(members) and any("control-plane" in one for one in roles)


@given(LAYOUTS)
def test_losing_the_stated_number_keeps_the_cluster_and_one_more_may_not(roles: list[list[str]]) -> None:
    members = sum("etcd" in one for one in roles)
    losses = losses_survived(rows(*roles))

    def survives_any(count: int) -> bool:
        return all(
            can_be_changed(list(left), members) for left in itertools.combinations(roles, len(roles) - count)
        )

    if can_be_changed(roles, members):
        assert survives_any(losses)
        assert losses == len(roles) or not survives_any(losses + 1)
    else:
        assert losses == 0


@given(LAYOUTS)
def test_a_number_in_the_sentence_is_the_number_survived(roles: list[list[str]]) -> None:
    text = survival(rows(*roles))
    stated = re.match(r"Any (\d+) of (\d+) control planes", text)
    if stated:
        assert int(stated[1]) == losses_survived(rows(*roles)) > 0
    elif text.startswith("One "):
        assert losses_survived(rows(*roles)) == 0


@given(st.lists(st.sampled_from([ALL, CONTROL, WORKER, PLANE, ETCD]), min_size=1, max_size=300))
def test_the_sentence_fits_two_rows_of_a_small_terminal(roles: list[list[str]]) -> None:
    assert 0 < len(survival(rows(*roles))) <= 2 * 77


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "one is enough to start"),
        (1, "One server does everything"),
        (2, "two members survive less than one"),
        (3, "Three control planes that also work"),
        (4, "The other one only works."),
        (5, "The other two only work."),
        (6, "The other 3 run applications."),
        (300, "The other 297 run applications."),
    ],
)
def test_the_proposal_is_explained(count: int, words: str) -> None:
    reason = proposal_reason(count)
    assert words in reason
    assert len(reason) <= 3 * 78, "the explanation has four rows at 80x24, one of them for the keys"


@pytest.mark.parametrize("count", range(1, 20))
def test_what_the_explanation_counts_is_what_is_proposed(count: int) -> None:
    planes = sum("control-plane" in one for one in propose_roles(count))
    assert ("Three control planes" in proposal_reason(count)) == (planes == 3)
