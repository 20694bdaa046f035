"""What the tests of the engine share: a cluster whose nodes are this machine, and tiny real playbooks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from wizards.clusters import Cluster, Clusters, RunRef
from wizards.provision.events import RunStatus
from wizards.provision.journal import read_journal
from wizards.provision.launch import follow
from wizards.provision.plan import Plan, Stage
from wizards.provision.processes import MARK
from wizards.provision.progress import Progress, fold
from wizards.setup.spec import ClusterSpec

_LOCAL = '{ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}'


@dataclass(frozen=True)
class World:
    """A cluster in a home of its own, with playbooks beside it."""

    home: Path
    cluster: Cluster
    folder: Path

    def stage(self, stage_id: str, tasks: str, **more: Any) -> Stage:
        """Return a stage whose play on all hosts has `tasks`, YAML with six spaces before each item."""
        playbook = self.folder / f"{stage_id}.yml"
        head = f"- name: Play of {stage_id}\n  hosts: all\n  gather_facts: false\n  tasks:\n"
        playbook.write_text(head + tasks)
        given: dict[str, Any] = {"title": stage_id.title(), "hosts": ("a", "b")}
        return Stage(
            id=stage_id,
            playbook=playbook.name,
            directory=str(self.folder),
            inventory=str(self.folder / "hosts.yaml"),
            **(given | more),
        )

    def plan(self, *stages: Stage) -> Plan:
        """Return a plan of `stages`."""
        return Plan(job="create", cluster=self.cluster.name, stages=stages)


def make_world(tmp_path: Path) -> World:
    """Return a world with two hosts, both this machine."""
    home = tmp_path / "home"
    spec = ClusterSpec.model_validate({"name": "lab", "nodes": [{"name": "a", "address": "192.0.2.1"}]})
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "hosts.yaml").write_text(f"all:\n  hosts:\n    a: {_LOCAL}\n    b: {_LOCAL}\n")
    return World(home, Clusters(home).create(spec), folder)


def until(condition: Callable[[], object], what: str, *, seconds: float = 40) -> None:
    """Wait until `condition` holds; fail with `what` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def result_of(run: RunRef) -> Progress:
    """Follow `run` to its end and return how it stands then."""
    return fold(event for batch in follow(run) for event in batch)


def so_far(run: RunRef) -> Progress:
    """Return how `run` stands by its journal."""
    return fold(read_journal(run.journal))


def processes_of(run: RunRef) -> list[str]:
    """Return the command lines of what lives of `run`, its supervisor and watchdog too."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            marked = process.environ().get(MARK, "").startswith(f"{run.id}-")
            ours = marked or str(run.path) in words or (run.id in words and str(run.path.parents[1]) in words)
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(words))
        except (psutil.Error, OSError):
            continue
    return found


def end(run: RunRef) -> None:
    """Leave nothing of `run` behind, however the test went."""
    from wizards.provision.launch import request_cancel

    if run.status() is RunStatus.RUNNING:
        request_cancel(run, by="the test", now=True)
    until(lambda: not processes_of(run), "the run's processes did not end")
