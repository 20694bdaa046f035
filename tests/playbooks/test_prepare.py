"""prepare.yml makes the changes that were announced, and no other: on real machines, and its files' form."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.lab import Lab, Machine, missing
from tests.playbooks.practice import Outcome
from wizards import files
from wizards.clusters import Cluster
from wizards.provision.ansible_env import close_connections
from wizards.provision.mending import KINDS, Change, changes
from wizards.provision.plan import Stage
from wizards.provision.preflight import judge
from wizards.provision.render import render_files, write_files
from wizards.provision.stages import PLAYBOOKS, create_plan, prepare_stage
from wizards.setup.spec import ClusterSpec
from wizards.setup.writing import dump_spec

TASKS = PLAYBOOKS / "roles" / "mend" / "tasks"

REAL = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.xdist_group("prepare-real"),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]


def test_each_kind_of_change_has_its_tasks_and_each_file_of_tasks_its_kind() -> None:
    assert {path.stem for path in (TASKS / "kinds").iterdir()} == {*KINDS}
    first = yaml.safe_load((TASKS / "main.yml").read_text())[0]
    assert first["loop"] == [*KINDS], "they are made in the order in which they are shown"


def test_practice_nodes_are_left_alone(tmp_path: Path) -> None:
    """They all are the machine that the tests run on."""
    variables = {"slipway_practice": True, "slipway_changes": {"localhost": [{"kind": "networkd"}]}}
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible-playbook"), "prepare.yml"),
            *("-e", json.dumps(variables | {"slipway_hosts": ["localhost"]})),
        ],
        cwd=PLAYBOOKS,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "nothing is changed on it" in done.stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), count=2) as made:
        yield made


class World:
    """A cluster of the lab's machines, on whose nodes stages are carried out."""

    def __init__(self, lab: Lab, home: Path, **more: Any) -> None:
        self.lab = lab
        self.spec = ClusterSpec.model_validate(
            {
                "name": "lab",
                "nodes": [{"name": one.name, "address": one.address} for one in lab.machines],
                "access": {"user": "root", "key_file": str(lab.key_file), "become": "none"},
                "kubernetes": {"version": "1.34.7"},
                "network": {"kube_proxy": "iptables"},
                "load_balancer": {"kind": "none"},
            }
            | more
        )
        self.cluster = Cluster(files.private_folder(home / "clusters" / "lab"))
        keys = subprocess.run(
            lab.inside("ssh-keyscan", "-t", "ed25519", *(one.address for one in lab.machines)),
            capture_output=True,
            text=True,
            check=False,
        )
        files.write_private(self.cluster.known_hosts, keys.stdout)
        files.write_private(self.cluster.spec_path, dump_spec(self.spec))
        write_files(render_files(self.spec), self.cluster.root)

    def play(self, stage: Stage) -> Outcome:
        root = self.cluster.root
        files.write_private(root / "vars.json", json.dumps(stage.variables))
        env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(root),
            "LANG": "C.UTF-8",
        }
        env |= stage.env | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
        command = ["ansible-playbook", "-i", stage.inventory, stage.playbook, "-e", f"@{root / 'vars.json'}"]
        try:
            done = subprocess.run(
                self.lab.inside(*command),
                cwd=stage.directory,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=170,
                check=False,
            )
        finally:
            close_connections(root)
        return Outcome(done.returncode, done.stdout)

    def look(self) -> dict[str, Any]:
        outcome = self.play(create_plan(self.spec, self.cluster).stage("preflight"))
        assert outcome.rc == 0, outcome.output
        return outcome.reports

    def prepare(self, chosen: Sequence[Change]) -> Outcome:
        return self.play(prepare_stage(self.spec, self.cluster, chosen))


def stats(outcome: Outcome, host: str) -> dict[str, int]:
    counts: dict[str, int] = json.loads(outcome.output)["stats"][host]
    return counts


def messages(outcome: Outcome, host: str) -> str:
    return " ".join(
        str(task["hosts"][host].get("msg", ""))
        for play in json.loads(outcome.output)["plays"]
        for task in play["tasks"]
        if host in task["hosts"] and task["hosts"][host].get("failed")
    )


def settings(machine: Machine) -> dict[str, str]:
    """Every file and link below /etc that was laid over the machine's root file system, with its content."""
    etc = machine.folder / "upper" / "etc"
    found = {}
    for path in sorted(etc.rglob("*")):
        if path.is_symlink():
            found[f"/etc/{path.relative_to(etc)}"] = str(path.readlink())
        elif path.is_file():
            found[f"/etc/{path.relative_to(etc)}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def shell(lab: Lab, machine: Machine, command: str) -> str:
    done = lab.shell(machine, command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def a_change(host: str, kind: str, **data: Any) -> Change:
    return Change(kind, host, kind, kind, (), "", {"kind": kind, **data})
