"""A practice cluster for tests: a yard, a cluster's folder, and stages carried out by the real Ansible."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizards import files
from wizards.clusters import Cluster, yard_dir
from wizards.practice.client import Yard, ensure_yard, hold, known_hosts_lines, stop_yard
from wizards.provision.ansible_env import close_connections
from wizards.provision.components import rehearsal_files
from wizards.provision.plan import Stage
from wizards.provision.render import render_files, write_files
from wizards.setup.spec import ClusterSpec


@dataclass(frozen=True)
class Outcome:
    """What became of a stage: exit code, output, and the recap as counts by host."""

    rc: int
    output: str

    def recap(self, host: str) -> dict[str, int]:
        line = next(
            line for line in self.output.splitlines() if line.startswith(f"{host} ") and "ok=" in line
        )
        return {name: int(count) for name, _, count in (part.partition("=") for part in line.split()[2:])}

    @property
    def tasks(self) -> int:
        """How many tasks were announced."""
        return self.output.count("\nTASK [")

    @property
    def reports(self) -> dict[str, Any]:
        """The nodes' reports, from output in the form ansible.posix.json."""
        return {
            host: result["ansible_facts"]["slipway_report"]
            for play in json.loads(self.output)["plays"]
            for task in play["tasks"]
            for host, result in task["hosts"].items()
            if "slipway_report" in result.get("ansible_facts", {})
        }

    @property
    def changed(self) -> int:
        recap = self.output[self.output.rindex("PLAY RECAP") :]
        return sum(int(word.partition("=")[2]) for word in recap.split() if word.startswith("changed="))


@dataclass(frozen=True)
class World:
    """A practice cluster that is ready to be provisioned."""

    yard: Yard
    folder: Path
    cluster: Cluster
    spec: ClusterSpec

    def disk(self, node: str) -> Path:
        return self.folder / "nodes" / node

    def play(self, stage: Stage, *, form: str = "default", **variables: Any) -> Outcome:
        """Carry a stage out, as the supervisor does, but without ansible-runner; `form` names a callback."""
        path = self.cluster.root / "vars.json"
        files.write_private(path, json.dumps(stage.variables | variables))
        env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LANG": "C.UTF-8"} | stage.env
        env |= {"HOME": str(self.cluster.root), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": form}
        done = subprocess.run(
            ["ansible-playbook", "-i", stage.inventory, stage.playbook, "-e", f"@{path}"],
            cwd=stage.directory,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if form == "ansible.posix.json" else subprocess.STDOUT,
            text=True,
            timeout=170,
            check=False,
        )
        return Outcome(done.returncode, done.stdout)


@contextmanager
def practice_world(home: Path, roles: Sequence[Sequence[str]], **more: Any) -> Iterator[World]:
    """Give a practice cluster below `home`, with a node for each of `roles`; the yard is gone afterwards."""
    folder = yard_dir(home, "demo")
    with hold(folder):
        yard = ensure_yard(folder, len(roles))
        nodes = [
            {"name": node.name, "address": node.address, "port": node.port, "user": node.user, "roles": tasks}
            for node, tasks in zip(yard.nodes, roles, strict=True)
        ]
        spec = ClusterSpec.model_validate(
            {
                "name": "demo",
                "nodes": nodes,
                "access": {"user": "practice", "key_file": str(yard.key), "become": "none"},
                "load_balancer": {"pools": [{"addresses": ["192.0.2.10-192.0.2.20"]}]},
            }
            | more
        )
        root = files.private_folder(home / "clusters" / "demo")
        cluster = Cluster(root, is_practice=True)
        files.write_private(cluster.known_hosts, known_hosts_lines(yard))
        write_files({**render_files(spec), **rehearsal_files(spec)}, root)
        try:
            yield World(yard, folder, cluster, spec)
        finally:
            close_connections(root)
            stop_yard(folder)
