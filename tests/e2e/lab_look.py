"""A look at hosts of the lab: their cluster's folder, and stages carried out where they can be reached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.lab_fabric import CONTROLLER, Fabric
from tests.e2e.lab_services import FILES, REGISTRY
from tests.playbooks.practice import Outcome
from wizards import files
from wizards.clusters import Cluster, Clusters
from wizards.provision.ansible_env import close_connections
from wizards.provision.render import render_files, write_files
from wizards.provision.stages import create_plan
from wizards.setup.spec import ClusterSpec

BASE: dict[str, Any] = {
    "name": "lab",
    # What asks least of the kernel: no IPVS, no BPF, no dummy interface, and cgroup v1, which 1.35 refuses.
    "kubernetes": {"version": "1.34.7", "node_local_dns": False},
    "network": {"cni": "flannel", "kube_proxy": "iptables"},
    "load_balancer": {"kind": "none"},
    # The fabric stands in for the world (`lab_services`).
    "mirrors": {
        "registry": f"{CONTROLLER}:{REGISTRY}",
        "registry_insecure": True,
        "files": f"http://{CONTROLLER}:{FILES}",
    },
}


SHARED = {
    "virtualization",  # they are containers, and preflight says so
    "sysctls-settable",  # kernel.*, vm.* and fs.* are this machine's own, and locked in them
    "systemd",  # their first process is the SSH server: more of a system is not needed to look at one
    "overlay-file-system",  # their disks are layers
    "time-sync",  # no clock of their own, so no service that sets it
    "load",  # the rest is this machine's: its processors, memory, kernel
    "cpus",
    "cpus-for-choices",
    "cpu-steal",
    "memory",
    "memory-for-choices",
    "memory-available",
    "login-slow",
    "etcd-disk-speed",
    "cgroup-version",
}
"""What may be found on any host, healthy or not, because all of them are this one machine."""


def spec_of(fabric: Fabric, **more: Any) -> ClusterSpec:
    """Return answers for all hosts of the lab."""
    return ClusterSpec.model_validate(
        BASE
        | {
            "nodes": [{"name": one.name, "address": one.address} for one in fabric.machines],
            "access": {"user": "root", "key_file": str(fabric.key_file), "become": "none"},
        }
        | more
    )


def cluster_of(fabric: Fabric, home: Path, spec: ClusterSpec) -> Cluster:
    """Make the cluster below `home`; the host keys of now become the known ones."""
    files.private_folder(home)
    cluster = Clusters(home).create(spec)
    files.write_private(cluster.known_hosts, fabric.known_hosts())
    write_files(render_files(spec), cluster.root)
    return cluster


def environment(cluster: Cluster, env: dict[str, str]) -> dict[str, str]:
    """Return the environment of a playbook: a stage's own, and where its programs are."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(cluster.root), "LANG": "C.UTF-8"} | env


def carry_out(
    fabric: Fabric,
    cluster: Cluster,
    spec: ClusterSpec,
    stage_id: str,
    variables: dict[str, Any] | None = None,
) -> Outcome:
    """Carry a stage out, as the supervisor does, but without ansible-runner."""
    stage = create_plan(spec, cluster).stage(stage_id)
    path = cluster.root / "vars.json"
    files.write_private(path, json.dumps(stage.variables | (variables or {})))
    try:
        done = subprocess.run(
            fabric.inside("ansible-playbook", "-i", stage.inventory, stage.playbook, "-e", f"@{path}"),
            cwd=stage.directory,
            env=environment(cluster, stage.env | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
    finally:
        close_connections(cluster.root)
    return Outcome(done.returncode, done.stdout)


def command(fabric: Fabric, cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command ``slipway`` where the hosts can be reached, on the cluster's home."""
    return subprocess.run(
        fabric.inside(sys.executable, "-m", "tui.cli", *arguments),
        env={**os.environ, "SLIPWAY_HOME": str(cluster.root.parent.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
