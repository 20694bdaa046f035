"""Hosts from an ssh configuration, resolved by the real ssh."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.entry.strategies import FAIR, LABEL, check_rows
from wizards.entry import EntryError, Source, read_file

FEW = settings(FAIR, max_examples=15)


def read(tmp_path: Path, text: str, **more: str) -> Any:
    for name, content in more.items():
        (tmp_path / name).write_text(content)
    file = tmp_path / "config"
    file.write_text(text)
    return read_file(file, source=Source.SSH_CONFIG)


def test_each_host_is_resolved_as_ssh_would(tmp_path: Path) -> None:
    entered = read(
        tmp_path,
        """
        # mine
        Include more
        UseKeychain yes
        Host web1 web2 *.lan !web9 ?x
            HostName %h.example.com
            Port=2222
        Host Web_3
            HostName "10.0.0.3"
            IdentityFile ~/.ssh/web3
            User ubuntu
        Host github.com
            User git
        Match host web2.example.com
            User admin
        """,
        more="Host db\n  HostName fd00::5\n",
    )
    assert entered.source is Source.SSH_CONFIG
    assert list(entered.rows) == [
        {"name": "db", "address": "fd00::5"},
        {"name": "web1", "address": "web1.example.com", "port": 2222},
        {"name": "web2", "address": "web2.example.com", "port": 2222, "user": "admin"},
        {"name": "web-3", "address": "10.0.0.3", "user": "ubuntu", "key_file": "~/.ssh/web3"},
    ]
    assert any("github.com" in note and "code host" in note for note in entered.notes)
    assert entered.access == {}


def test_what_is_the_same_for_all_goes_to_the_access(tmp_path: Path) -> None:
    text = (
        "Host n1 n2\n  ProxyJump hop\n  HostName 10.0.0.%h\n"
        "Host hop\n  HostName bastion.lan\n  Port 2200\n"
        "Host *\n  User ops\n  IdentityFile ~/.ssh/ops\n"
    ).replace("10.0.0.%h", "%h.lan")
    entered = read(tmp_path, text)
    assert [row["address"] for row in entered.rows] == ["n1.lan", "n2.lan"]
    assert all(set(row) == {"name", "address"} for row in entered.rows)
    assert entered.access == {
        "user": "ops",
        "key_file": "~/.ssh/ops",
        "jump": {"host": "bastion.lan", "port": 2200, "user": "ops"},
    }
    assert any("hop" in note and "jump host" in note for note in entered.notes)
    beside = read_file(tmp_path / "config", source=Source.SSH_CONFIG, present=[{"address": "10.0.0.9"}])
    assert {row["user"] for row in beside.rows} == {"ops"}
    assert set(beside.access) == {"jump"}


@pytest.mark.parametrize(
    ("line", "jump"),
    [
        ("ProxyCommand ssh -q -W %h:%p me@b.lan -p 2200", {"host": "b.lan", "user": "me", "port": 2200}),
        ("ProxyJump me@[fd00::1]:2200", {"host": "fd00::1", "user": "me", "port": 2200}),
        ("ProxyJump a.lan,b.lan", None),
        ("ProxyCommand nc -X 5 %h %p", None),
        ("ProxyJump none", None),
    ],
)
def test_ways_through_a_jump_host(tmp_path: Path, line: str, jump: dict[str, Any] | None) -> None:
    entered = read(tmp_path, f"Host n1\n  HostName 10.0.0.1\n  {line}\n")
    assert entered.access.get("jump") == jump
    assert bool(entered.notes) == (jump is None and "none" not in line)


@pytest.mark.parametrize(
    "line",
    [
        'Match exec "touch {}"',
        'match host x EXEC "touch {}"',
        'Match = exec "touch {}"',
        '"Match" e"x"ec "touch {}"',
        "\tMATCH\tuser root exec 'touch {}'",
    ],
)
def test_a_file_that_would_run_a_program_is_refused_and_runs_nothing(tmp_path: Path, line: str) -> None:
    trap = tmp_path / "trap"
    for text, more in (
        (f"Host n1\n  HostName 10.0.0.1\n{line.format(trap)}\n", ""),
        ("Host n1\nInclude mor*\n", f"# x\n{line.format(trap)}\n"),
    ):
        with pytest.raises(EntryError, match="would run a program") as refused:
            read(tmp_path, text, more=more)
        assert str(refused.value).startswith(("Line 3", "Line 2"))
        assert not trap.exists()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Host *\n  User x\n", "names no single host"),
        ("Host a\nInclude config\n", "included too deep"),
        ("Host a\n  HostName under_score\n", "no address"),
        ("Host a\n  Port many\n", "ssh cannot read"),
        ("\n".join(f"Host n{number}" for number in range(1001)), "at most 1,000"),
    ],
)
def test_what_gives_no_host_is_refused(tmp_path: Path, text: str, hint: str) -> None:
    with pytest.raises(EntryError, match=re.escape(hint)) as refused:
        read(tmp_path, text)
    assert str(refused.value).endswith(".")


def test_a_file_is_known_by_what_stands_in_it(tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text("Host n1\n  HostName 10.0.0.1\n")
    assert read_file(file).source is Source.SSH_CONFIG


HOST = st.fixed_dictionaries(
    {"HostName": st.sampled_from(["10.0.0.1", "fd00::1", "n.lan"])},
    optional={
        "Port": st.integers(1, 65535).filter(lambda port: port != 22),
        "User": st.sampled_from(["ubuntu", "a.b"]),
        "IdentityFile": st.sampled_from(["~/.ssh/a", "/keys/b"]),
    },
)
KEYS = {"HostName": "address", "Port": "port", "User": "user", "IdentityFile": "key_file"}


@given(st.dictionaries(LABEL, HOST, min_size=1, max_size=4))
@FEW
def test_a_configuration_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, hosts: dict[str, dict[str, Any]]
) -> None:
    text = "".join(
        f"Host {name}\n" + "".join(f"  {key} {value}\n" for key, value in said.items())
        for name, said in hosts.items()
    )
    entered = read(tmp_path_factory.mktemp("ssh"), text)
    whole = [dict(row) | dict(entered.access.items()) for row in entered.rows]
    assert whole == [
        {"name": name} | {KEYS[key]: value for key, value in said.items()} for name, said in hosts.items()
    ]


@given(
    st.lists(
        st.sampled_from(
            [
                "Host ",
                "Match ",
                "a",
                "*",
                " ",
                "\n",
                '"',
                "Port ",
                "HostName ",
                "Include ",
                "=",
                "%h",
                "/",
                "all",
            ]
        )
        | st.text(max_size=2),
        max_size=12,
    ).map("".join)
)
@FEW
def test_any_configuration_gives_servers_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.mktemp("ssh") / "config"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        found = read_file(file, source=Source.SSH_CONFIG).rows
    except EntryError:
        return
    check_rows(found)
