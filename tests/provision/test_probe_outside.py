"""What of the operator's own a node must reach, asked for real on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.provision.healthy import BGP, DEFAULT, EXTERNAL, LVM
from tests.provision.test_probe_script import a_spec, linux, look
from wizards.provision.wants import probe_wants


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """A port on which something listens, and one on which nothing does."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as shut:
        shut.bind(("127.0.0.1", 0))
        yield server.getsockname()[1], shut.getsockname()[1]


@linux
def test_a_balancer_that_answers_and_a_router_that_refuses(ports: tuple[int, int]) -> None:
    heard, shut = ports
    wanted = {"endpoint": ["127.0.0.1", heard], "bgp": [["127.0.0.1", shut], ["127.0.0.2", shut]]}
    seen = look(a_spec(), outside=wanted)["seen"]
    assert seen["endpoint_answers"] == ""
    assert seen["bgp_peers"] == {"127.0.0.1": "refused", "127.0.0.2": "refused"}


@linux
def test_nothing_is_asked_where_nothing_is_wanted() -> None:
    seen = look(a_spec())["seen"]
    assert seen["endpoint_answers"] is None
    assert seen["bgp_peers"] == {}
    assert seen["wildcard_domains"] == []
    for path, free in seen["free_mib"].items():
        assert seen["total_mib"][path] >= free


def test_the_answers_say_who_is_asked() -> None:
    assert probe_wants(EXTERNAL)["outside"] == {"endpoint": ["10.0.0.200", 6443]}
    assert probe_wants(BGP)["outside"] == {"bgp": [["10.0.0.253", 179]]}
    assert probe_wants(DEFAULT)["outside"] == {}
    assert probe_wants(BGP, practice=True)["outside"] == {}
    assert "thin_check" in probe_wants(LVM)["commands"]
