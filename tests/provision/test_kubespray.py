"""The copy of Kubespray: found, fetched from a git repository on this machine, and verified."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from wizards.provision.kubespray import (
    PIN,
    KubesprayMissing,
    Pin,
    count_tasks,
    fetch,
    fetch_into,
    kubespray_folder,
    locate,
    tree_id,
)

PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - {name: first, ansible.builtin.debug: {msg: a}}
    - {name: second, ansible.builtin.debug: {msg: b}}
- hosts: all
  gather_facts: false
  tasks:
    - {name: third, ansible.builtin.debug: {msg: c}}
"""


def git(folder: Path, *arguments: str) -> str:
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env |= {"HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *who, "-C", str(folder), *arguments], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """A repository that has in it what makes git's tree ids hard: links, modes, names that sort oddly."""
    folder = tmp_path / "upstream"
    (folder / "roles" / "a").mkdir(parents=True)
    (folder / "roles.yml").write_text("sorts before the folder roles/\n")
    (folder / "roles-b").write_text("")
    (folder / "roles" / "a" / "main.yml").write_bytes(b"\xff\x00 not text\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("roles/a/")
    (folder / "cluster.yml").write_text(PLAY)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    return folder


@pytest.fixture
def pin(upstream: Path) -> Pin:
    commit = git(upstream, "rev-parse", "HEAD")
    tree = git(upstream, "rev-parse", "HEAD^{tree}")
    return Pin("9.9.9", commit, tree, f"file://{upstream}")


def test_the_tree_id_is_gits_own_and_does_not_need_git(upstream: Path, pin: Pin) -> None:
    assert tree_id(upstream) == pin.tree
    (upstream / "roles" / "__pycache__").mkdir()
    (upstream / "roles" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (upstream / "empty").mkdir()
    assert tree_id(upstream) == pin.tree
    (upstream / "run.sh").chmod(0o644)
    assert tree_id(upstream) != pin.tree


def test_it_is_fetched_once_verified_and_then_found(tmp_path: Path, upstream: Path, pin: Pin) -> None:
    home = tmp_path / "home"
    with pytest.raises(KubesprayMissing, match=r"SLIPWAY_KUBESPRAY"):
        locate(home, {}, pin=pin)
    copy = fetch(home, pin=pin)
    assert (copy.path, copy.commit, copy.verified) == (kubespray_folder(home, pin), pin.commit, True)
    assert not (copy.path / ".git").exists()
    assert [path.name for path in copy.path.parent.iterdir()] == ["9.9.9"]
    assert copy.path.parent.stat().st_mode & 0o077 == 0
    shutil.rmtree(upstream)
    assert fetch(home, pin=pin) == copy  # nothing is asked of the network a second time
    assert locate(home, {}, pin=pin) == copy


def test_a_tarball_is_as_good_and_judged_by_the_same_measure(
    tmp_path: Path, upstream: Path, pin: Pin
) -> None:
    archive = tmp_path / "it.tar.gz"
    git(upstream, "archive", "--prefix=kubespray-9/", "-o", str(archive), "HEAD")
    assert fetch(tmp_path / "home", pin=pin, url=archive.as_uri()).verified

    (upstream / "roles-b").write_text("something else")
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(upstream, "x", filter=lambda one: None if ".git" in one.name else one)
    with pytest.raises(KubesprayMissing, match="is not Kubespray"):
        fetch(tmp_path / "other", pin=pin, url=archive.as_uri())
    assert list(kubespray_folder(tmp_path / "other", pin).parent.iterdir()) == []


@pytest.mark.parametrize("url", ["file:///nowhere/at/all", "file:///nowhere/at/all.tar.gz"])
def test_when_nothing_can_be_fetched_the_error_says_what_to_do(tmp_path: Path, pin: Pin, url: str) -> None:
    with pytest.raises(KubesprayMissing) as caught:
        fetch(tmp_path / "home", pin=pin, url=url)
    assert "nowhere" in str(caught.value)
    assert f"git -C kubespray checkout {pin.commit}" in str(caught.value)
    assert "SLIPWAY_KUBESPRAY" in str(caught.value)
    assert list((tmp_path / "home" / "kubespray").iterdir()) == []


def test_a_named_copy_is_used_even_when_modified_and_then_reported(
    tmp_path: Path, upstream: Path, pin: Pin
) -> None:
    env = {"SLIPWAY_KUBESPRAY": str(upstream)}
    assert locate(tmp_path, env, pin=pin).verified
    (upstream / "roles-b").write_text("patched here")
    copy = locate(tmp_path, env, pin=pin)
    assert not copy.verified
    assert copy.commit == ""
    assert "not exactly Kubespray v9.9.9" in copy.note
    with pytest.raises(KubesprayMissing, match="holds no Kubespray"):
        locate(tmp_path, {"SLIPWAY_KUBESPRAY": str(tmp_path / "none")}, pin=pin)


def test_a_fetched_copy_that_was_changed_is_refused_and_never_overwritten(tmp_path: Path, pin: Pin) -> None:
    copy = fetch(tmp_path, pin=pin)
    (copy.path / "roles-b").write_text("changed")
    with pytest.raises(KubesprayMissing, match="has been changed"):
        locate(tmp_path, {}, pin=pin)
    with pytest.raises(KubesprayMissing, match="holds something"):
        fetch_into(copy.path, pin=pin)
    assert (copy.path / "roles-b").read_text() == "changed"


def test_the_program_ends_with_one_where_it_cannot_fetch_and_two_for_wrong_usage(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "wizards.provision.kubespray", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    failed = run("fetch", str(tmp_path / "to"), f"file://{tmp_path}/none")
    assert failed.returncode == 1
    assert PIN.commit in failed.stderr
    assert "Traceback" not in failed.stderr
    assert run("bring").returncode == 2


def test_tasks_are_counted_as_ansible_lists_them(tmp_path: Path, upstream: Path) -> None:
    inventory = tmp_path / "hosts.yaml"
    inventory.write_text("all: {hosts: {node-1: }}\n")
    copy = locate(tmp_path, {"SLIPWAY_KUBESPRAY": str(upstream)})
    assert count_tasks(copy, inventory) == 3
    assert count_tasks(copy, inventory, "missing.yml") == 0
