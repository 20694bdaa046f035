"""Prints how long preflight takes: ``python -m tests.bench.preflight --nodes 10 50`` (as root).

Its yardstick is ``ansible all -m setup`` on the same nodes, with the same inventory, forks and environment:
what it takes to ask them anything at all. Both begin with no connection open, and take turns. The nodes are
hosts of their own on this machine (`tests.e2e.lab_hosts`): processor time that one takes is taken from all,
so the figures of many nodes are this machine's limit and not the network's; their ratio is what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.lab_hosts import Hosts, missing
from tests.e2e.lab_look import cluster_of, environment, spec_of
from tests.playbooks.practice import Outcome
from wizards import files
from wizards.clusters import Cluster
from wizards.provision.ansible_env import close_connections, make_control_folder
from wizards.provision.stages import create_plan
from wizards.setup.spec import ClusterSpec

TARGET = 1.3


def commands(hosts: Hosts, cluster: Cluster, spec: ClusterSpec) -> dict[str, list[str]]:
    """Return what is timed: name → argument list."""
    stage = create_plan(spec, cluster).stage("preflight")
    variables = cluster.root / "vars.json"
    files.write_private(variables, json.dumps(stage.variables))
    inventory = ("-i", stage.inventory)
    return {
        "ansible all -m setup": hosts.inside("ansible", "all", *inventory, "-m", "setup"),
        "preflight.yml": hosts.inside("ansible-playbook", *inventory, stage.playbook, "-e", f"@{variables}"),
    }


def once(command: list[str], cluster: Cluster, spec: ClusterSpec, output: Path) -> float:
    """Run `command` from cold connections; return its seconds.

    Raises:
        SystemExit: It failed.
    """
    close_connections(cluster.root)
    make_control_folder(cluster.root)
    stage = create_plan(spec, cluster).stage("preflight")
    with output.open("wb") as said:
        began = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=stage.directory,
            env=environment(cluster, stage.env | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        took = time.perf_counter() - began
    close_connections(cluster.root)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[4:])} failed:\n{output.read_text()[-2000:]}")
    return took


def measure(count: int, rounds: int, folder: Path) -> None:
    """Make `count` nodes, time both on them in turn, and print the figures."""
    with Hosts(folder / "hosts", count) as hosts:
        spec = spec_of(hosts, nodes=nodes(hosts))
        cluster = cluster_of(hosts, folder / "home", spec)
        timed = commands(hosts, cluster, spec)
        taken: dict[str, list[float]] = {name: [] for name in timed}
        for _ in range(rounds):
            for name, command in timed.items():
                taken[name].append(once(command, cluster, spec, folder / "output"))
        # The last round was preflight's: a node that was given up on would make it look fast.
        reports = Outcome(0, (folder / "output").read_text()).reports
    forks = create_plan(spec, cluster).stage("preflight").env["ANSIBLE_FORKS"]
    print(f"{count} nodes, {forks} forks, {os.cpu_count()} processors, {rounds} rounds", flush=True)
    whole = [one for one in reports.values() if one["seen"] and not one["late"]]
    print(f"  looked at to the end: {len(whole)}; reached the others: {sum('reach' in one for one in whole)}")
    for name, seconds in taken.items():
        print(f"  {name:<22} best {min(seconds):6.1f} s   median {statistics.median(seconds):6.1f} s")
    for what, of in ("best", min), ("median", statistics.median):
        print(f"  ratio of {what:<6} {ratio(taken, of):.2f}  (at most {TARGET})", flush=True)


def ratio(taken: dict[str, list[float]], of: Callable[[list[float]], float]) -> float:
    """Return preflight's time as a multiple of its yardstick's."""
    yardstick, preflight = map(of, taken.values())
    return preflight / yardstick


def nodes(hosts: Hosts) -> list[dict[str, object]]:
    """Return three control planes, the others as workers."""
    control = ["control-plane", "etcd", "worker"]
    return [
        {"name": one.name, "address": one.address, "roles": control if number < 3 else ["worker"]}
        for number, one in enumerate(hosts.machines)
    ]


def main() -> None:
    """Measure each number of nodes that was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if why := missing():
        sys.exit(f"no nodes can be made here: {why}")
    for count in chosen.nodes:
        with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
            measure(count, chosen.rounds, Path(folder))


if __name__ == "__main__":
    main()
