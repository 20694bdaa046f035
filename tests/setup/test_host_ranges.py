"""Ranges of servers: what they stand for, and that nothing large is made before it is refused."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizards.setup.host_ranges import MOST_SERVERS, expand
from wizards.setup.questions import AnswerError


@pytest.mark.parametrize(
    ("word", "servers"),
    [
        ("10.0.0.[11-13]", "10.0.0.11 10.0.0.12 10.0.0.13"),
        ("node[08-11].lan", "node08.lan node09.lan node10.lan node11.lan"),
        ("node[1:9:4]", "node1 node5 node9"),
        ("node[1-9:4]", "node1 node5 node9"),
        ("rack[a-b]-[1-2].lan", "racka-1.lan racka-2.lan rackb-1.lan rackb-2.lan"),
        ("node[1,3,5-6]", "node1 node3 node5 node6"),
        ("10.0.0.254-10.0.1.1", "10.0.0.254 10.0.0.255 10.0.1.0 10.0.1.1"),
        ("root@10.0.0.11-12:2222", "root@10.0.0.11:2222 root@10.0.0.12:2222"),
        ("fd00::1-fd00::3", "fd00::1 fd00::2 fd00::3"),
        ("fd00::[9-10]", "fd00::9 fd00::10"),
        ("[fd00::[1-2]]:22", "[fd00::1]:22 [fd00::2]:22"),
        ("[fd00::1]:22", "[fd00::1]:22"),
        ("web-10-20.lan", "web-10-20.lan"),
        ("node-1", "node-1"),
        ("10.0.0.5-5", "10.0.0.5"),
    ],
)
def test_what_a_range_stands_for(word: str, servers: str) -> None:
    assert expand(word) == servers.split()


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("node[5-1]", "write [1-5]"),
        ("node[]", "is not a range"),
        ("node[a-3]", "is not a range"),
        ("node[a-C]", "capital and small"),
        ("node[1-5:0]", "step"),
        ("node[1:5:]", "is not a range"),
        ("node[01-123]", "write [001-123]"),
        ("node[1-1001]", "At most 1,000"),
        ("n[1-999999999][1-999999999][1-999999999]", "At most 1,000"),
        ("::-ffff::", "At most 1,000"),
        ("10.0.0.9-10.0.0.3", "write 10.0.0.3-10.0.0.9"),
    ],
)
def test_what_is_no_range_is_refused_at_once(word: str, hint: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(AnswerError, match=re.escape(hint)) as refused:
        expand(word)
    assert time.perf_counter() - begun < 0.1
    assert str(refused.value).endswith(".")


@given(st.integers(0, 900), st.integers(0, 99), st.integers(1, 9), st.booleans())
def test_a_bracket_counts_as_pythons_range_does(first: int, more: int, step: int, padded: bool) -> None:
    width = 4 if padded else 0
    word = f"n[{str(first).zfill(width)}-{str(first + more).zfill(width)}:{step}].lan"
    assert expand(word) == [f"n{str(n).zfill(width)}.lan" for n in range(first, first + more + 1, step)]


@given(st.text("019a-[]:,.@", max_size=24) | st.text(max_size=24))
def test_any_word_is_expanded_or_refused(word: str) -> None:
    try:
        servers = expand(word)
    except AnswerError:
        return
    assert 1 <= len(servers) <= MOST_SERVERS
