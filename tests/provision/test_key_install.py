"""Installing a key: by the password once, proved by a login with only that key, the password forgotten."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.provision.access_world import Secrets, Server, make_key, spec_of, trust
from wizards.clusters import Cluster
from wizards.provision.key_files import KeyProblem, own_key, public_key, users_keys
from wizards.provision.key_install import install_key
from wizards.provision.login import try_logins
from wizards.provision.ssh_words import LoginProblem as P
from wizards.setup.spec import AccessMethod

PASSWORD = "Once-and-never-again-8231"


@pytest.fixture
def new_key(cluster: Cluster) -> Path:
    return own_key(cluster.root, "slipway lab")


def test_a_key_of_the_clusters_own_is_made_once_and_never_overwritten(cluster: Cluster) -> None:
    made = own_key(cluster.root, "slipway lab")
    assert made.parent == cluster.root
    assert made.stat().st_mode & 0o777 == 0o600
    assert public_key(str(made)).startswith("ssh-ed25519 ")
    assert public_key(str(made)).endswith(" slipway lab")
    before = made.read_bytes()
    made.with_name("id_ed25519.pub").unlink()
    assert own_key(cluster.root, "another") == made
    assert made.read_bytes() == before
    assert public_key(str(made)).split()[0] == "ssh-ed25519"


def test_the_password_is_used_once_and_the_key_alone_opens_every_node_afterwards(
    server: Server, cluster: Cluster, new_key: Path
) -> None:
    nodes = [server(password=PASSWORD, authorized="", sudo="password", sudo_password=PASSWORD) for _ in "123"]
    access = {"method": "password", "become": "sudo-password"}
    spec = spec_of(*(one.port for one in nodes), access=access, user="ops")
    trust(cluster, spec)
    told: list[str] = []
    secrets = Secrets(ssh_password=PASSWORD, become_password=PASSWORD)
    done = install_key(spec, cluster, str(new_key), secrets, on_result=lambda one: told.append(one.node))
    assert [one.ok for one in done.results] == [True] * 3, done.results
    assert sorted(told) == ["node-1", "node-2", "node-3"]
    assert sorted(done.added) == sorted(told)
    assert done.spec is not None
    assert done.spec.access.method is AccessMethod.KEY
    assert done.spec.access.key_file == str(new_key)
    for one in nodes:
        assert one.authorized_keys.read_text() == public_key(str(new_key)) + "\n"
        assert one.authorized_keys.stat().st_mode & 0o777 == 0o600
        assert one.authorized_keys.parent.stat().st_mode & 0o777 == 0o700
        assert one.logins == [PASSWORD]
        assert all(PASSWORD not in command for command in one.commands)
    results = try_logins(done.spec, cluster, Secrets(become_password=PASSWORD))
    assert all(one.ok for one in results)
    assert all(one.logins == [PASSWORD] for one in nodes), "no password was asked again"


def test_what_is_there_already_stays_and_a_second_time_adds_nothing(
    server: Server, cluster: Cluster, new_key: Path, tmp_path: Path
) -> None:
    other = make_key(tmp_path / "other")
    line = public_key(str(new_key))
    unfinished, linked, open_, commented = (server(password=PASSWORD, authorized=other) for _ in range(4))
    unfinished.authorized_keys.write_text(other.rstrip("\n"))
    real = linked.home / "keys"
    linked.authorized_keys.rename(real)
    linked.authorized_keys.symlink_to(real)
    open_.authorized_keys.parent.chmod(0o777)
    open_.authorized_keys.chmod(0o666)
    commented.authorized_keys.write_text(f"# {line}\n{other}")
    nodes = (unfinished, linked, open_, commented)
    spec = spec_of(*(one.port for one in nodes), access={"method": "password"})
    trust(cluster, spec)
    for added in (4, 0):
        done = install_key(spec, cluster, str(new_key), Secrets(ssh_password=PASSWORD))
        assert [one.ok for one in done.results] == [True] * 4, done.results
        assert len(done.added) == added
        assert unfinished.authorized_keys.read_text() == f"{other.strip()}\n{line}\n"
        assert linked.authorized_keys.is_symlink()
        assert real.read_text() == f"{other.strip()}\n{line}\n"
        assert open_.authorized_keys.stat().st_mode & 0o777 == 0o600
        assert open_.authorized_keys.parent.stat().st_mode & 0o777 == 0o700
        assert commented.authorized_keys.read_text() == f"# {line}\n{other.strip()}\n{line}\n"


def test_what_works_on_some_is_told_node_by_node_and_can_be_repeated(
    server: Server, cluster: Cluster, new_key: Path
) -> None:
    good = server(password=PASSWORD, authorized="")
    other = server(password="another", authorized="")
    deaf = server(password=PASSWORD, authorized="")
    deaf.authorized_keys = deaf.folder / "elsewhere"
    full = server(password=PASSWORD, authorized="")
    (full.home / ".ssh").write_text("a file where a folder belongs")
    spec = spec_of(good.port, other.port, deaf.port, full.port, access={"method": "password"})
    trust(cluster, spec)
    done = install_key(spec, cluster, str(new_key), Secrets(ssh_password=PASSWORD))
    assert done.spec is None
    assert [one.problem for one in done.results] == [
        None,
        P.WRONG_PASSWORD,
        P.KEY_NOT_TAKEN,
        P.KEY_NOT_WRITTEN,
    ]
    assert "AuthorizedKeysFile" in done.results[2].reason
    assert "File exists" in done.results[3].reason
    assert (full.home / ".ssh").is_file()

    other.password = deaf.password = PASSWORD
    deaf.authorized_keys = deaf.home / ".ssh/authorized_keys"
    (full.home / ".ssh").unlink()
    again = install_key(spec, cluster, str(new_key), Secrets(ssh_password=PASSWORD))
    assert again.spec is not None, again.results
    assert sorted(again.added) == ["node-2", "node-4"]


def test_selinux_labels_are_put_right_where_there_is_selinux(
    server: Server, cluster: Cluster, new_key: Path
) -> None:
    node = server(password=PASSWORD, authorized="")
    node.program("restorecon", '#!/bin/sh\necho "$@" > "$HOME/restored"\n')
    spec = spec_of(node.port, access={"method": "password"})
    trust(cluster, spec)
    assert install_key(spec, cluster, str(new_key), Secrets(ssh_password=PASSWORD)).spec is not None
    assert (node.home / "restored").read_text().split() == [
        "-F",
        f"{node.home}/.ssh",
        f"{node.home}/.ssh/authorized_keys",
    ]


def test_the_jump_host_gets_the_key_too_for_it_must_let_it_in(
    server: Server, cluster: Cluster, key_file: Path, new_key: Path
) -> None:
    jump, node = server(forwards=True), server(password=PASSWORD, authorized="")
    way = {"host": "127.0.0.1", "port": jump.port}
    spec = spec_of(node.port, access={"key_file": str(key_file), "jump": way})
    trust(cluster, spec)
    # The jump host is reached by the user's key; the nodes behind it by their password.
    done = install_key(spec, cluster, str(new_key), Secrets(ssh_password=PASSWORD))
    assert [(one.node, one.ok) for one in done.results] == [("jump host", True), ("node-1", True)], (
        done.results
    )
    assert done.spec is not None
    assert try_logins(done.spec, cluster)[0].ok


def test_nothing_of_the_password_is_on_disk_in_arguments_or_environments_while_it_runs(
    server: Server, cluster: Cluster, new_key: Path
) -> None:
    nodes = [
        server(password=PASSWORD, authorized="", sudo="password", sudo_password=PASSWORD) for _ in range(6)
    ]
    for node in nodes:
        (node.folder / "secret").unlink()  # the test's own file; the check below is of the whole folder
        node.program("sudo", "#!/bin/sh\nIFS= read -r given; sleep 0.3; echo 0\n")
    access = {"method": "password", "become": "sudo-password"}
    spec = spec_of(*(one.port for one in nodes), access=access, user="ops")
    trust(cluster, spec)
    found: list[str] = []
    looked = {"ssh": 0, "files": 0}
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            _look(cluster.root, found, looked)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        secrets = Secrets(ssh_password=PASSWORD, become_password=PASSWORD)
        done = install_key(spec, cluster, str(new_key), secrets)
    finally:
        over.set()
        watching.join()
    assert done.spec is not None, done.results
    assert looked["ssh"] > 0, "the look was too late"
    assert looked["files"] > 0
    _look(cluster.root, found, looked)
    assert found == []
    assert sorted(path.name for path in cluster.root.iterdir()) == [
        "id_ed25519",
        "id_ed25519.pub",
        "known_hosts",
    ]


def _look(root: Path, found: list[str], looked: dict[str, int]) -> None:
    secret = PASSWORD.encode()
    processes = [one / name for one in Path("/proc").glob("[0-9]*") for name in ("cmdline", "environ")]
    files = [Path(folder) / name for folder, _, names in os.walk(root) for name in names]
    files = [path for path in files if path.is_file()]
    for path in (*processes, *files):
        with contextlib.suppress(OSError):  # a process or a file may have gone since
            content = path.read_bytes()
            looked["ssh"] += content.startswith(b"ssh\0")
            looked["files"] += path in files
            if secret in content:
                found.append(str(path))
    time.sleep(0.01)


def test_the_users_own_keys_are_offered_and_what_is_no_key_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".ssh"
    folder.mkdir(mode=0o700)
    public = make_key(folder / "id_ed25519")
    (folder / "id_ed25519.pub").write_text(public)
    (folder / "lonely.pub").write_text(public)
    make_key(folder / "no_public")
    assert users_keys() == ("~/.ssh/id_ed25519",)
    assert public_key("~/.ssh/no_public").startswith("ssh-ed25519 ")
    (folder / "no_public.pub").write_text('command="rm -rf /" ' + public)
    with pytest.raises(KeyProblem, match="is not a public key"):
        public_key("~/.ssh/no_public")
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(folder / "no_public")], check=True)
    (folder / "no_public.pub").unlink()
    with pytest.raises(KeyProblem, match="There is no public key"):
        public_key("~/.ssh/no_public")
