"""The playbooks as Ansible sees them, and the modules that come with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from wizards.provision.stages import PLAYBOOKS

ROLES = sorted(path.name for path in (PLAYBOOKS / "roles").iterdir())
FILES = sorted(path for path in PLAYBOOKS.rglob("*.yml") if path.name != "console.yml")
ENV = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LANG": "C.UTF-8"}


def ansible(*command: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=PLAYBOOKS,
        env=ENV
        | {"HOME": str(home), "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def test_ansible_understands_every_playbook(tmp_path: Path) -> None:
    playbooks = sorted(str(path.relative_to(PLAYBOOKS)) for path in FILES if "roles" not in path.parts)
    assert {"tools.yml", "preflight.yml", "verify.yml", "practice/kubernetes.yml"} <= set(playbooks)
    variables = tmp_path / "vars.json"
    fault = {"host": "node-1", "marker": "/nowhere", "playbook": "verify.yml"}
    variables.write_text(
        json.dumps({"slipway_practice": True, "slipway_control_plane": "node-1", "slipway_fault": fault})
    )
    done = ansible("ansible-playbook", "--syntax-check", "-e", f"@{variables}", *playbooks, home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "ERROR" not in done.stdout


def tasks_of(path: Path) -> list[dict[str, object]]:
    """Every task of a file, those in blocks too."""
    found: list[dict[str, object]] = []

    def collect(entries: object) -> None:
        for entry in entries if isinstance(entries, list) else ():
            inner = [
                entry[key] for key in ("tasks", "block", "always", "rescue", "pre_tasks") if key in entry
            ]
            if not inner and "hosts" not in entry:
                found.append(entry)
            for one in inner:
                collect(one)

    collect(yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLAYBOOKS)))
def test_tasks_are_named_and_keep_to_what_is_safe(path: Path) -> None:
    for task in tasks_of(path) if path.parent.name not in {"vars", "defaults"} else ():
        assert task.get("name"), task
        # A command is a list of words; a shell would read what a person typed.
        assert not {"shell", "ansible.builtin.shell"} & set(task), task["name"]
        command = task.get("ansible.builtin.command")
        assert command is None or (isinstance(command, dict) and "argv" in command), task["name"]
        assert "become" not in task, f"{task['name']}: the inventory says where root is needed"
        if "loop" in task:
            control = task.get("loop_control")
            assert isinstance(control, dict), task["name"]
            assert "label" in control, task["name"]
        # Text of an answer never becomes a template: files go to the API and to Helm as they are.
        assert not {"ansible.builtin.template", "template"} & set(task), task["name"]


def test_nothing_of_practice_reaches_a_real_stage() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if "practice" not in path.parts and "fault" not in path.parts:
            assert "slipway_fault" not in text, path
            assert "slipway_rehearse" not in text, path


def test_a_rehearsal_refuses_to_write_on_anything_but_a_practice_node(tmp_path: Path) -> None:
    done = ansible(
        *("ansible", "localhost", "-m", "slipway_rehearse", "-a", '{"files": {"etc/hostname": "x"}}'),
        home=tmp_path,
    )
    assert done.returncode != 0
    assert "this is no practice node" in done.stdout
    assert not (tmp_path / "etc").exists()


@pytest.mark.parametrize("path", ["../outside", "etc/../../outside"])
def test_a_rehearsal_stays_in_the_nodes_folder(path: str, tmp_path: Path) -> None:
    home = tmp_path / "node"
    home.mkdir()
    done = ansible(
        *("ansible", "localhost", "-m", "slipway_rehearse", "-a", json.dumps({"files": {path: "x"}})),
        home=home,
        SLIPWAY_PRACTICE_NODE="node-1",
    )
    assert "leads out of" in done.stdout
    assert not (tmp_path / "outside").exists()


def test_waiting_for_an_api_that_does_not_answer_says_so(tmp_path: Path) -> None:
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "x", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig))
    arguments = json.dumps({"kubeconfig": str(path), "timeout": 1})
    done = ansible("ansible", "localhost", "-m", "slipway_ready", "-a", arguments, home=tmp_path)
    assert done.returncode != 0
    assert "the cluster's API does not answer" in done.stdout
