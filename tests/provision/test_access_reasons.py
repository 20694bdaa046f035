"""Why a node cannot be used, in words: every reason from a real ssh client and a real server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.provision.access_world import Secrets, Server, make_key, spec_of, trust
from tests.provision.openssh import OpenSsh, why_not
from tests.provision.sshd import Sshd
from wizards.clusters import Cluster
from wizards.provision.login import LoginResult, try_logins
from wizards.provision.ssh_words import LoginProblem as P
from wizards.setup.spec import ClusterSpec

needs_openssh = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


def only(spec: ClusterSpec, cluster: Cluster, secrets: Secrets | None = None, **more: Any) -> LoginResult:
    (result,) = try_logins(spec, cluster, secrets, **more)
    assert result.ok is (result.problem is None)
    return result


@contextmanager
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *keys: Path) -> Iterator[None]:
    """Run an SSH agent that holds `keys`."""
    sock = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    try:
        while not sock.exists():
            assert process.poll() is None
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
        for key in keys:
            subprocess.run(["ssh-add", "-q", str(key)], check=True, stderr=subprocess.DEVNULL)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


NODE = [
    # sudo's answers, the way to root, the password, and what is made of them
    ({"sudo": "none"}, "sudo", None, P.NO_SUDO, "sudo is not installed there: install it"),
    ({"sudo": "password"}, "sudo", None, P.SUDO_WANTS_PASSWORD, "sudo asks for a password"),
    (
        {"sudo": "password", "sudo_password": "right"},
        "sudo-password",
        "Nope-77",
        P.WRONG_SUDO_PASSWORD,
        "accept",
    ),
    ({"sudo": "password", "sudo_password": "right"}, "sudo-password", None, P.WRONG_SUDO_PASSWORD, "accept"),
    ({"sudo": "stranger"}, "sudo", None, P.NOT_SUDOER, "ops may not use sudo"),
    ({"sudo": "tty"}, "sudo", None, P.SUDO_WANTS_TTY, "requiretty"),
    ({"sudo": "expired"}, "sudo-password", "Nope-77", P.ACCOUNT_EXPIRED, "must get a new password"),
    ({"sudo": "setuid"}, "sudo", None, P.SUDO_FAILS, "nosuid"),
    ({"uid": "1000"}, "none", None, P.NOT_ROOT, "ops is not root; choose sudo"),
    ({"python": "none"}, "sudo", None, P.NO_PYTHON, "no Python 3, which Ansible needs"),
    ({"python": "old"}, "sudo", None, P.OLD_PYTHON, "python3 is Python 3.6"),
    # what stands in for the login shell
    ({"shell": "echo This account is currently not available.; exit 1"}, "sudo", None, P.NO_SHELL, "nologin"),
    ({"shell": "exit 1"}, "sudo", None, P.NO_SHELL, "exit status 1"),
    (
        {"shell": "echo Your account has expired. >&2; exit 1"},
        "sudo",
        None,
        P.ACCOUNT_EXPIRED,
        "by hand once",
    ),
    (
        {"shell": "echo You are required to change your password immediately. >&2; exit 1"},
        "none",
        None,
        P.ACCOUNT_EXPIRED,
        "must get a new password",
    ),
]


@pytest.mark.parametrize("case", NODE, ids=lambda case: f"{case[3]}-{case[1]}-{case[2]}")
def test_what_is_wrong_on_a_node_after_the_login(
    server: Server,
    cluster: Cluster,
    key_file: Path,
    case: tuple[dict[str, Any], str, str | None, P, str],
) -> None:
    settings, become, password, problem, words = case
    sshd = server(**{"uid": "1000", **settings})
    spec = spec_of(sshd.port, access={"key_file": str(key_file), "become": become}, user="ops")
    trust(cluster, spec)
    result = only(spec, cluster, Secrets(become_password=password))
    assert result.problem is problem, result.reason
    assert words in result.reason
    assert result.reason.startswith("logged in")
    assert len(sshd.commands) == 1, "one session tells everything"
    assert password is None or password not in sshd.commands[0]


def test_a_noisy_login_shell_and_a_noexec_tmp_are_no_obstacle_but_the_latter_is_told(
    server: Server, cluster: Cluster, key_file: Path
) -> None:
    sshd = server(mounts="/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw,nosuid,noexec 0 0\n")
    sshd.program("id", "#!/bin/sh\necho 'Welcome to\nslipway:uid=nobody'; echo 0\n")
    spec = spec_of(sshd.port, access={"key_file": str(key_file), "become": "sudo"})
    trust(cluster, spec)
    result = only(spec, cluster)
    assert result.ok, result.reason
    assert "noexec" in result.warnings[0]


def test_a_home_that_cannot_be_used_is_told(server: Server, cluster: Cluster, key_file: Path) -> None:
    sshd = server()
    spec = spec_of(sshd.port, access={"key_file": str(key_file)})
    trust(cluster, spec)
    assert only(spec, cluster).ok
    # The shell gets the very command, with a home that is not there.
    sshd.shell = f"HOME=/nonexistent; {sshd.commands[0]}"
    result = only(spec, cluster)
    assert result.problem is P.NO_HOME
    assert "/nonexistent" in result.reason


def test_names_ports_and_servers_that_do_not_answer(cluster: Cluster, key_file: Path) -> None:
    access = {"key_file": str(key_file)}
    with socket.socket() as silent, socket.socket() as other, socket.socket() as closed:
        for one in (silent, other, closed):
            one.bind(("127.0.0.1", 0))
        silent.listen()
        other.listen()

        def hang_up() -> None:
            connection, _ = other.accept()
            connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n" * 100)
            connection.close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        spec = spec_of(*(one.getsockname()[1] for one in (silent, other, closed)), access=access)
        late, strange, refused = try_logins(spec, cluster, seconds=2)
        thread.join(5)
    assert late.problem is P.TIMEOUT
    assert 1.5 < late.seconds < 5
    assert strange.problem is P.NOT_SSH, strange.reason
    assert "no SSH server" in strange.reason
    assert refused.problem is P.REFUSED
    assert "nothing listens on port" in refused.reason
    unknown = only(spec_of(22, access=access, address="no-such-name.invalid"), cluster)
    assert unknown.problem is P.UNKNOWN_NAME
    assert "no-such-name.invalid is not known here" in unknown.reason
    away = only(spec_of(22, access=access, address="255.255.255.254"), cluster, seconds=5)
    assert away.problem in {P.NO_ROUTE, P.TIMEOUT}, away.reason


@pytest.mark.parametrize(
    "case",
    [
        (lambda path: None, P.KEY_MISSING, "is not there"),
        (lambda path: make_key(path) and path.chmod(0o644), P.KEY_TOO_OPEN, "chmod 600"),
        (lambda path: path.write_text(make_key(path)), P.KEY_UNREADABLE, "a public one"),
        (
            lambda path: (path.write_text("nonsense"), path.chmod(0o600)),
            P.KEY_UNREADABLE,
            "not a private key",
        ),
        (lambda path: make_key(path, "secret"), P.KEY_LOCKED, "has a passphrase, and no agent holds it"),
        (make_key, P.WRONG_KEY, "does not accept the key"),
    ],
    ids=["missing", "open", "public", "nonsense", "locked", "wrong"],
)
def test_what_is_wrong_with_a_key(
    server: Server,
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[Any, P, str],
) -> None:
    make, problem, words = case
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    path = tmp_path / "a key"
    make(path)
    sshd = server()
    spec = spec_of(sshd.port, access={"key_file": str(path)})
    trust(cluster, spec)
    result = only(spec, cluster)
    assert result.problem is problem, result.reason
    assert words in result.reason
    assert str(path) in result.reason
    assert sshd.commands == []


def test_a_key_with_a_passphrase_is_no_obstacle_once_an_agent_holds_it(
    server: Server, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, locked = tmp_path / "plain", tmp_path / "locked"
    public = make_key(plain)
    locked.write_bytes(plain.read_bytes())
    locked.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(locked)], check=True)
    sshd = server(authorized=public)
    spec = spec_of(sshd.port, access={"key_file": str(locked)})
    trust(cluster, spec)
    with agent(tmp_path, monkeypatch, plain):
        assert only(spec, cluster).ok
    sshd.authorized_keys.write_text("")
    with agent(tmp_path, monkeypatch, plain):
        assert only(spec, cluster).problem is P.WRONG_KEY, "the agent holds it: it is the server that refuses"


def test_the_agent_is_named_where_it_is_missing_or_empty_or_right(
    server: Server, cluster: Cluster, tmp_path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    spec = spec_of(server().port, access={"method": "agent"})
    trust(cluster, spec)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert only(spec, cluster).problem is P.NO_AGENT
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    assert only(spec, cluster).problem is P.NO_AGENT
    with agent(tmp_path, monkeypatch):
        empty = only(spec, cluster)
    assert empty.problem is P.AGENT_EMPTY
    assert "ssh-add" in empty.reason
    with agent(tmp_path, monkeypatch, key_file):
        assert only(spec, cluster).ok


def test_a_node_with_a_key_of_its_own_is_tried_with_that_one_alone(
    server: Server, cluster: Cluster, tmp_path: Path, key_file: Path
) -> None:
    own = tmp_path / "own"
    usual, special = server(), server(authorized=make_key(own))
    spec = spec_of(usual.port, special.port, access={"key_file": str(key_file)})
    trust(cluster, spec)
    assert [one.ok for one in try_logins(spec, cluster)] == [True, False]
    nodes = (spec.nodes[0], spec.nodes[1].model_copy(update={"key_file": str(own)}))
    both = spec.model_copy(update={"nodes": nodes})
    assert [one.ok for one in try_logins(both, cluster)] == [True, True]


def test_a_node_that_hangs_is_killed_at_its_own_deadline_and_holds_up_nobody(
    server: Server, cluster: Cluster, key_file: Path
) -> None:
    hanging, sudo, good = server(shell="sleep 600"), server(sudo="hangs"), server()
    spec = spec_of(
        hanging.port, sudo.port, good.port, access={"key_file": str(key_file), "become": "sudo"}, user="ops"
    )
    trust(cluster, spec)
    order: list[str] = []
    began = time.monotonic()
    results = try_logins(spec, cluster, on_result=lambda one: order.append(one.node), seconds=4)
    assert time.monotonic() - began < 8
    assert [one.node for one in results] == ["node-1", "node-2", "node-3"]
    assert order[0] == "node-3"
    assert results[0].problem is P.HANGS
    assert "then nothing comes" in results[0].reason
    assert results[1].problem is P.SUDO_HANGS
    assert results[2].ok
    assert good.most_at_once == 1
    assert results[2].seconds < 4


def test_what_is_not_wanted_any_more_is_killed(server: Server, cluster: Cluster, key_file: Path) -> None:
    hanging = server(shell="sleep 600")
    spec = spec_of(*[hanging.port] * 3, access={"key_file": str(key_file)})
    trust(cluster, spec)
    stop = threading.Event()
    told: list[LoginResult] = []

    def try_them() -> None:
        try_logins(spec, cluster, on_result=told.append, stop=stop)

    thread = threading.Thread(target=try_them)
    thread.start()
    deadline = time.monotonic() + 20
    while len(hanging.commands) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert told == []


@needs_openssh
def test_opensshs_own_server_says_what_stands_in_the_way(
    cluster: Cluster, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = key_file.with_name("id.pub").read_text()
    others = [tmp_path / f"other-{n}" for n in range(4)]
    for other in others:
        make_key(other)
    good = OpenSsh(tmp_path / "good", public)
    picky = OpenSsh(tmp_path / "picky", public, "MaxAuthTries 2")
    nologin = OpenSsh(tmp_path / "nologin", public, "ForceCommand /usr/sbin/nologin")
    hangs = OpenSsh(tmp_path / "hangs", public, "ForceCommand exec sleep 600")
    try:
        user = "root" if os.getuid() == 0 else os.environ["USER"]
        ports = [one.port for one in (good, picky, nologin)]
        spec = spec_of(*ports, access={"key_file": str(key_file)}, user=user)
        trust(cluster, spec)
        ok, picked, shell = try_logins(spec, cluster)
        assert ok.ok, ok.reason
        assert picked.ok, picked.reason
        assert shell.problem is P.NO_SHELL
        hanging = spec_of(hangs.port, access={"key_file": str(key_file)}, user=user)
        trust(cluster, hanging)
        assert only(hanging, cluster, seconds=4).problem is P.HANGS
        monkeypatch.setenv("HOME", str(tmp_path))
        by_agent = spec_of(good.port, picky.port, access={"method": "agent"}, user=user)
        with agent(tmp_path, monkeypatch, *others, key_file):
            by_many, too_many = try_logins(by_agent, cluster)
        assert by_many.ok, by_many.reason
        assert too_many.problem is P.TOO_MANY_KEYS, too_many.reason
        assert "access.key_file" in too_many.reason
    finally:
        for one in (good, picky, nologin, hangs):
            one.stop()


@needs_openssh
def test_the_jump_hosts_faults_are_told_apart_from_the_nodes(
    server: Server, cluster: Cluster, key_file: Path, tmp_path: Path
) -> None:
    public = key_file.with_name("id.pub").read_text()
    good = OpenSsh(tmp_path / "good", public)
    closed = OpenSsh(tmp_path / "closed", public, "AllowTcpForwarding no")
    stranger = OpenSsh(tmp_path / "stranger", "")
    gone = Sshd().start()
    gone.stop()
    node = server()
    locked_out = server(authorized="")

    def through(jump: int, *ports: int, **more: Any) -> ClusterSpec:
        way = {"host": "127.0.0.1", "port": jump}
        return spec_of(*ports, access={"key_file": str(key_file), "jump": way}, **more)

    try:
        spec = through(good.port, node.port, gone.port, locked_out.port)
        trust(cluster, spec)
        ok, refused, denied = try_logins(spec, cluster)
        assert ok.ok, ok.reason
        assert refused.problem is P.REFUSED
        assert refused.reason.startswith("as seen from the jump host: nothing listens on port")
        assert denied.problem is P.WRONG_KEY
        assert denied.reason.startswith("the server does not let root in")
        name = only(through(good.port, 22, address="no-such-name.invalid"), cluster)
        assert name.problem is P.UNKNOWN_NAME
        assert "is not known there" in name.reason
        for port, words in (
            (closed.port, "AllowTcpForwarding"),
            (stranger.port, "does not let us in"),
            (gone.port, "nothing listens"),
        ):
            spec = through(port, node.port)
            trust(cluster, spec)
            result = only(spec, cluster)
            assert result.problem is P.JUMP_HOST, result.reason
            assert words in result.reason
            assert result.reason.startswith("the jump host ")
    finally:
        for one in (good, closed, stranger):
            one.stop()
