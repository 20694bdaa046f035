"""``slipway access``: a line or a document for each server, host keys, and a key by the password once."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pexpect  # type: ignore[import-untyped]

from tests.cli.command import SLIPWAY, environment, slipway
from tests.provision.access_world import Server
from tests.provision.sshd import Sshd

PASSWORD = "Once-and-never-again-8231"


def write(path: Path, key_file: Path | None, *servers: Sshd, become: str = "none") -> Path:
    lines = ["# my own words", "name: lab", "access:", "  user: root", f"  become: {become}"]
    lines += [f"  key_file: {key_file}"] if key_file else ["  method: password"]
    lines += ["load_balancer:", "  kind: none", "nodes:"]
    lines += [
        f"  - {{name: node{n}, address: 127.0.0.1, internal_address: 10.0.0.{n}, port: {one.port}"
        + (", roles: [worker]}" if n > 1 else "}")
        for n, one in enumerate(servers, 1)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_each_server_is_told_by_a_line_or_in_one_document(
    server: Server, key_file: Path, home: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "cluster.yaml", key_file, server(), server(authorized=""), server(uid="1000"))
    refused = slipway(home, "access", file)
    assert refused.returncode == 2
    assert "use --yes" in refused.stderr
    told = slipway(home, "access", file, "--yes")
    assert told.returncode == 1, told.stderr
    assert re.search(r"^✓ node1 +can be used", told.stdout, re.MULTILINE), told.stdout
    assert re.search(r"^✗ node2 +the server does not let root in", told.stdout, re.MULTILINE)
    assert "2 of 3 servers cannot be used yet." in told.stdout
    assert told.stderr.count("SHA256:") == 3
    document = slipway(home, "access", "lab", "--json")
    assert document.returncode == 1
    data = json.loads(document.stdout)
    assert [(one["node"], one["problem"]) for one in data["nodes"]] == [
        ("node1", None),
        ("node2", "wrong-key"),
        ("node3", "not-root"),
    ]
    assert not data["ok"]


def test_a_changed_host_key_stops_all_with_code_3_until_it_is_replaced_by_name(
    server: Server, key_file: Path, home: Path, tmp_path: Path
) -> None:
    before, other = server(), server()
    file = write(tmp_path / "cluster.yaml", key_file, before, other)
    assert slipway(home, "access", file, "--yes").returncode == 0
    port = before.port
    before.stop()
    after = server(port=port)
    for command in (("access", "lab"), ("access", "lab", "--yes"), ("up", file, "--yes")):
        stopped = slipway(home, *command)
        assert stopped.returncode == 3, stopped.stderr
        assert stopped.stdout == ""
        assert "the host key of node1 (127.0.0.1) has changed" in stopped.stderr
        assert after.host_key.get_fingerprint() in stopped.stderr
        assert "slipway access lab --replace-key 'node1'" in stopped.stderr
    assert after.commands == []
    nothing = slipway(home, "access", "lab", "--replace-key", "node2")
    assert nothing.returncode == 2
    assert "has not changed" in nothing.stderr
    assert slipway(home, "access", "lab", "--replace-key", "node9").returncode == 2
    replaced = slipway(home, "access", "lab", "--replace-key", "node1")
    assert replaced.returncode == 0, replaced.stderr
    assert "was replaced by" in replaced.stderr
    assert slipway(home, "access", "lab").returncode == 0


def test_a_server_that_does_not_answer_holds_up_nobody(
    server: Server, key_file: Path, home: Path, tmp_path: Path
) -> None:
    gone = Sshd().start()
    gone.stop()
    file = write(tmp_path / "cluster.yaml", key_file, server(), gone)
    told = slipway(home, "access", file, "--yes")
    assert told.returncode == 1
    assert "✓ node1" in told.stdout
    assert "✗ node2            nothing listens on port" in told.stdout
    up = slipway(home, "up", file, "--yes")
    assert up.returncode == 1
    assert "node2: nothing listens on port" in up.stderr


def test_a_key_is_installed_by_the_password_once_and_the_answers_name_it_afterwards(
    server: Server, home: Path, tmp_path: Path
) -> None:
    nodes = [server(password=PASSWORD, authorized="") for _ in "12"]
    file = write(tmp_path / "cluster.yaml", None, *nodes)
    assert slipway(home, "access", file, "--key", "x").returncode == 2
    nobody = slipway(home, "access", file, "--install-key", "--yes")
    assert nobody.returncode == 2
    assert "no terminal to ask at" in nobody.stderr
    child = pexpect.spawn(
        SLIPWAY[0],
        ["access", str(file), "--install-key", "--yes"],
        env=environment(home),
        encoding="utf-8",
        timeout=60,
        dimensions=(24, 200),
    )
    child.expect("SSH password of root")
    child.sendline(PASSWORD)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, child.before
    assert "opens all servers" in str(child.before)
    assert PASSWORD not in str(child.before)
    key = home / "clusters/lab/id_ed25519"
    assert key.is_file()
    answers = (home / "clusters/lab/cluster.yaml").read_text()
    assert str(key) in answers
    assert "# my own words" in answers
    assert "method: key" in answers
    assert slipway(home, "access", "lab").returncode == 0
    assert all(one.logins == [PASSWORD] for one in nodes)
    assert all(PASSWORD.encode() not in one.read_bytes() for one in home.rglob("*") if one.is_file())
