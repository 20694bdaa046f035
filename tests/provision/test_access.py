"""Access: host keys and logins through the real ssh client, against real SSH servers on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

from tests.provision.access_world import Secrets, Server, spec_of, trust
from tests.provision.sshd import Sshd
from wizards.clusters import Cluster
from wizards.provision.access import ssh_args
from wizards.provision.ansible_env import (
    ansible_env,
    close_connections,
    control_folder,
    kubespray_env,
    make_control_folder,
)
from wizards.provision.first_contact import Contact, meet, unknown_hosts
from wizards.provision.host_keys import HostKeyChanged, write_known_hosts
from wizards.provision.login import try_logins
from wizards.provision.ssh_words import LoginProblem


def test_first_contact_shows_the_key_the_server_has_and_keeps_it_once_agreed(
    server: Server, cluster: Cluster, key_file: Path
) -> None:
    sshd = server()
    spec = spec_of(sshd.port, access={"key_file": str(key_file)})
    assert unknown_hosts(cluster, spec) == ("node-1",)
    (key,) = meet(spec, cluster).new
    assert (key.node, key.port, key.type) == ("node-1", sshd.port, "ssh-ed25519")
    assert key.fingerprint == sshd.host_key.get_fingerprint()
    assert not cluster.known_hosts.exists()
    assert sshd.commands == []

    write_known_hosts(cluster, [key])
    assert unknown_hosts(cluster, spec) == ()
    assert cluster.known_hosts.stat().st_mode & 0o777 == 0o600


def test_a_login_before_the_host_key_is_agreed_to_is_refused(
    server: Server, cluster: Cluster, key_file: Path
) -> None:
    sshd = server()
    (result,) = try_logins(spec_of(sshd.port, access={"key_file": str(key_file)}), cluster)
    assert not result.ok
    assert "host key has not been confirmed" in result.reason
    assert sshd.commands == []


def test_logins_say_for_each_node_what_stands_in_the_way(
    server: Server, cluster: Cluster, key_file: Path, tmp_path: Path
) -> None:
    good, plain, stranger = server(), server(uid="1000"), server(authorized="")
    access = {"key_file": str(key_file)}
    spec = spec_of(good.port, plain.port, stranger.port, access=access)
    write_known_hosts(cluster, meet(spec, cluster).new)
    first, second, third = try_logins(spec, cluster)
    assert first.ok
    assert first.reason == ""
    assert not second.ok
    assert "root is not root" in second.reason
    assert not third.ok
    assert "the server does not let root in" in third.reason


@pytest.mark.parametrize(
    "case",
    [
        ("sudo", "free", None, ""),
        ("sudo", "password", None, "sudo asks for a password"),
        ("sudo-password", "password", "right one", ""),
        ("sudo-password", "password", "wrong", "sudo does not accept the password"),
    ],
)
def test_becoming_root_is_tried_as_ansible_will(
    server: Server, cluster: Cluster, key_file: Path, case: tuple[str, str, str | None, str]
) -> None:
    become, sudo, given, reason = case
    sshd = server(sudo=sudo, sudo_password="right one", uid="1000")
    spec = spec_of(sshd.port, access={"key_file": str(key_file), "become": become}, user="ops")
    write_known_hosts(cluster, meet(spec, cluster).new)
    (result,) = try_logins(spec, cluster, Secrets(become_password=given))
    assert result.ok is (reason == "")
    assert reason in result.reason


def test_a_password_reaches_ssh_and_nothing_else(
    server: Server, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin" / "sshpass"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nexit 9\n")  # only looked for: Ansible is what uses it
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    sshd = server(password="péché $x '\"", authorized="")
    spec = spec_of(sshd.port, access={"method": "password"})
    write_known_hosts(cluster, meet(spec, cluster).new)
    (right,) = try_logins(spec, cluster, Secrets(ssh_password="péché $x '\""))
    (wrong,) = try_logins(spec, cluster, Secrets(ssh_password="no"))
    assert right.ok, right.reason
    assert not wrong.ok
    assert "does not accept the password" in wrong.reason
    # The method that asks again gets no second answer, only an empty one.
    assert sshd.logins == ["péché $x '\"", "no", ""]
    assert [path.name for path in cluster.root.iterdir()] == ["known_hosts"]


def test_without_sshpass_a_password_is_refused_before_anything_is_tried(
    server: Server, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sshd = server(password="x", authorized="")
    monkeypatch.setenv("PATH", str(tmp_path))
    (result,) = try_logins(spec_of(sshd.port, access={"method": "password"}), cluster, Secrets("x"))
    assert not result.ok
    assert "sshpass" in result.reason
    assert sshd.logins == []


def test_a_changed_host_key_is_told_with_both_fingerprints_and_never_taken_silently(
    server: Server, cluster: Cluster, key_file: Path
) -> None:
    before = server()
    spec = spec_of(before.port, access={"key_file": str(key_file)})
    write_known_hosts(cluster, meet(spec, cluster).new)
    old = cluster.known_hosts.read_text()
    # The same place with another key, as after a reinstallation.
    other = server()
    spec = spec_of(other.port, access={"key_file": str(key_file)})
    cluster.known_hosts.write_text(old.replace(str(before.port), str(other.port)))

    (result,) = try_logins(spec, cluster)
    assert not result.ok
    assert before.host_key.get_fingerprint() in result.reason
    assert other.host_key.get_fingerprint() in result.reason
    assert other.commands == []

    contact = meet(spec, cluster)
    assert contact.new == ()
    seen = [change.seen for change in contact.changed]
    with pytest.raises(HostKeyChanged) as caught:
        write_known_hosts(cluster, seen)
    assert caught.value.known.fingerprint == before.host_key.get_fingerprint()
    assert caught.value.seen.fingerprint == other.host_key.get_fingerprint()
    write_known_hosts(cluster, seen, replace=True)
    assert try_logins(spec, cluster)[0].ok


def test_servers_that_do_not_answer_are_named_with_the_reason_and_the_others_still_show_their_keys(
    server: Server, cluster: Cluster, key_file: Path
) -> None:
    sshd, gone = server(), Sshd().start()
    gone.stop()
    spec = spec_of(sshd.port, gone.port, access={"key_file": str(key_file)})
    heard: list[str] = []
    contact = meet(spec, cluster, on_answer=heard.append)
    assert [key.node for key in contact.new] == ["node-1"]
    assert "is the SSH server running" in contact.problems["node-2"]
    assert sorted(heard) == ["node-1", "node-2"]


def test_through_a_jump_host_its_own_key_comes_first_and_is_checked_strictly(
    server: Server, cluster: Cluster, key_file: Path
) -> None:
    jump, node = server(forwards=True), server()
    access = {"key_file": str(key_file), "jump": {"host": "127.0.0.1", "port": jump.port}}
    spec = spec_of(node.port, access=access)
    assert unknown_hosts(cluster, spec) == ("jump host", "node-1")
    contact = meet(spec, cluster)
    assert contact.behind == ("node-1",)
    (first,) = contact.new
    assert (first.node, first.fingerprint) == ("jump host", jump.host_key.get_fingerprint())
    write_known_hosts(cluster, [first])
    write_known_hosts(cluster, meet(spec, cluster).new)
    assert unknown_hosts(cluster, spec) == ()
    assert try_logins(spec, cluster)[0].ok
    assert len(node.commands) == 1

    lines = cluster.known_hosts.read_text().splitlines(keepends=True)
    cluster.known_hosts.write_text("".join(line for line in lines if str(jump.port) not in line))
    (result,) = try_logins(spec, cluster)
    assert not result.ok
    assert "jump host" in result.reason


@pytest.mark.slow
def test_ansible_itself_gets_through_with_the_environment_and_leaves_no_connection(
    server: Server, cluster: Cluster, key_file: Path
) -> None:
    sshd = server()
    spec = spec_of(sshd.port, access={"key_file": str(key_file)})
    inventory = cluster.root / "hosts.yaml"
    host = f"ansible_host: 127.0.0.1, ansible_port: {sshd.port}, ansible_user: root"
    inventory.write_text(
        "all:\n  hosts:\n    node-1: {" + host + f", ansible_ssh_private_key_file: {key_file}}}\n"
    )
    make_control_folder(cluster.root)
    environment = {"PATH": os.environ["PATH"], "HOME": str(cluster.root), **kubespray_env(spec, cluster)}
    tool = Path(sys.executable).with_name("ansible")
    command = [str(tool), "-i", str(inventory), "node-1", "-m", "raw", "-a", "id -u"]

    def ansible() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    refused = ansible()
    assert refused.returncode != 0
    assert "host key is known" in refused.stdout + refused.stderr
    write_known_hosts(cluster, meet(spec, cluster).new)
    accepted = ansible()
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    assert "node-1 | CHANGED | rc=0" in accepted.stdout
    assert any(control_folder(cluster.root).iterdir())
    close_connections(cluster.root)
    assert not control_folder(cluster.root).exists()


def test_sockets_go_elsewhere_when_the_path_is_too_long_and_nobody_else_may_own_that_place(
    tmp_path: Path,
) -> None:
    deep = tmp_path / ("x" * 90)
    folder = control_folder(deep)
    assert len(str(folder)) < 80
    assert deep not in folder.parents
    try:
        assert make_control_folder(deep).stat().st_mode & 0o777 == 0o700
        folder.chmod(0o777)
        with pytest.raises(PermissionError):
            make_control_folder(deep)
    finally:
        folder.rmdir()


def test_the_environment_turns_kubesprays_dangers_off(cluster: Cluster) -> None:
    spec = spec_of(22, access={})
    env = kubespray_env(spec, cluster)
    assert env["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert "StrictHostKeyChecking=yes" in env["ANSIBLE_SSH_ARGS"]
    assert Path(env["ANSIBLE_CACHE_PLUGIN_CONNECTION"]).parent == cluster.root
    assert env["ANSIBLE_SSH_ARGS"] == ssh_args(spec, cluster)
    assert ansible_env(spec_of(*range(1, 200), access={}), cluster)["ANSIBLE_FORKS"] == "50"


def test_other_keys_are_kept_from_ansible_only_where_every_node_has_one(cluster: Cluster) -> None:
    shared = spec_of(22, 22, access={"key_file": "~/.ssh/shared"})
    assert "IdentitiesOnly=yes" in ssh_args(shared, cluster)
    none = spec_of(22, 22, access={})
    own = none.nodes[0].model_copy(update={"key_file": "~/.ssh/own"})
    other = none.nodes[1].model_copy(update={"key_file": "~/.ssh/other"})
    assert "IdentitiesOnly" not in ssh_args(none, cluster)
    # The second node has no key of its own: it needs those of the agent.
    assert "IdentitiesOnly" not in ssh_args(none.model_copy(update={"nodes": (own, none.nodes[1])}), cluster)
    assert "IdentitiesOnly=yes" in ssh_args(none.model_copy(update={"nodes": (own, other)}), cluster)
    agent = spec_of(22, access={"method": "agent", "key_file": "~/.ssh/shared"})
    assert "IdentitiesOnly" not in ssh_args(agent, cluster)


def test_a_server_with_a_key_of_another_kind_than_the_kept_one_counts_as_changed(
    server: Server, cluster: Cluster, key_file: Path
) -> None:
    before = server()
    spec = spec_of(before.port, access={"key_file": str(key_file)})
    trust(cluster, spec)
    assert meet(spec, cluster) == Contact()
    before.stop()
    after = server(port=before.port, host_key=asyncssh.generate_private_key("ecdsa-sha2-nistp256"))
    (change,) = meet(spec, cluster).changed
    assert change.known.type == "ssh-ed25519"
    assert change.seen.type == "ecdsa-sha2-nistp256"
    assert change.seen.fingerprint == after.host_key.get_fingerprint()
    (result,) = try_logins(spec, cluster)
    assert result.problem is LoginProblem.HOST_KEY_CHANGED, result.reason


def test_a_hundred_servers_are_asked_in_turns_and_each_is_heard_of_once(
    server: Server, cluster: Cluster, key_file: Path
) -> None:
    sshd, gone = server(), Sshd().start()
    gone.stop()
    ports = [sshd.port if n % 4 == 0 else gone.port for n in range(100)]
    spec = spec_of(*ports, access={"key_file": str(key_file)})
    heard: list[str] = []
    contact = meet(spec, cluster, on_answer=heard.append)
    assert sorted(heard) == sorted(node.name for node in spec.nodes)
    assert len(contact.new) == 25
    assert len(contact.problems) == 75
    write_known_hosts(cluster, contact.new)
    results = try_logins(spec, cluster)
    assert [one.ok for one in results] == [port == sshd.port for port in ports]
    assert sshd.most_at_once <= 32
