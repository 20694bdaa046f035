"""Stages on real machines: a look as root, with sudo, without, and where nobody answers; the credentials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.lab import Lab, Machine, missing
from tests.playbooks.practice import Outcome
from wizards import files
from wizards.clusters import Cluster
from wizards.provision.ansible_env import close_connections
from wizards.provision.preflight import judge
from wizards.provision.render import render_files, write_files
from wizards.provision.stages import create_plan
from wizards.setup.finding import Finding, Severity
from wizards.setup.spec import ClusterSpec
from wizards.setup.writing import dump_spec

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.xdist_group("preflight-real"),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]
# What containers on a shared kernel cannot have otherwise, whatever the host: these may be found.
SHARED_KERNEL = {"swap", "product-uuid-unique", "kernel-modules", "cpus", "memory", "disk-space"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab")) as made:
        for machine in made.machines:
            shell(made, machine, "useradd -m -s /bin/bash admin && cp -r ~root/.ssh /home/admin/")
            shell(made, machine, "chown -R admin /home/admin/.ssh")
        yield made


def run(lab: Lab, home: Path, stage_id: str, variables: Any = None, **access: Any) -> tuple[Outcome, Cluster]:
    """Carry a stage out where the machines can be reached."""
    spec = ClusterSpec.model_validate(
        {
            "name": "lab",
            "nodes": [{"name": one.name, "address": one.address} for one in lab.machines],
            "access": {"user": "root", "key_file": str(lab.key_file), "become": "none"} | access,
            "kubernetes": {"version": "1.34.7"},
            "network": {"kube_proxy": "iptables"},
            "load_balancer": {"kind": "none"},
        }
    )
    root = files.private_folder(home / "clusters" / "lab")
    cluster = Cluster(root)
    addresses = [one.address for one in lab.machines]
    keys = subprocess.run(
        lab.inside("ssh-keyscan", "-t", "ed25519", *addresses), capture_output=True, text=True, check=False
    )
    files.write_private(cluster.known_hosts, keys.stdout)
    files.write_private(cluster.spec_path, dump_spec(spec))
    write_files(render_files(spec), root)
    stage = create_plan(spec, cluster).stage(stage_id)
    files.write_private(root / "vars.json", json.dumps(stage.variables | (variables or {})))
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(root),
        "LANG": "C.UTF-8",
    }
    env |= stage.env | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    command = ["ansible-playbook", "-i", stage.inventory, stage.playbook, "-e", f"@{root / 'vars.json'}"]
    try:
        done = subprocess.run(
            lab.inside(*command),
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
    return Outcome(done.returncode, done.stdout), cluster


def look(lab: Lab, home: Path, **access: Any) -> tuple[Outcome, ClusterSpec]:
    """Carry the preflight stage out; return what became of it, and the answers."""
    outcome, cluster = run(lab, home, "preflight", **access)
    return outcome, ClusterSpec.model_validate(yaml.safe_load(cluster.spec_path.read_text()))


def troubles(found: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(one.id, one.host) for one in found if one.id not in SHARED_KERNEL]


def shell(lab: Lab, machine: Machine, command: str) -> None:
    done = lab.shell(machine, command)
    assert done.returncode == 0, done.stderr


def test_healthy_machines_as_root_have_nothing_to_report(lab: Lab, tmp_path: Path) -> None:
    outcome, spec = look(lab, tmp_path)
    assert outcome.rc == 0, outcome.output
    reports = outcome.reports
    assert {one["seen"]["os_id"] for one in reports.values()} == {"debian"}
    assert all(one["seen"]["systemd"] for one in reports.values())
    assert troubles(judge(reports, spec)) == []


def test_faults_are_named_on_their_machine(lab: Lab, tmp_path: Path) -> None:
    first, second, third = lab.machines
    shell(lab, first, "systemd-run --unit=squatter python3 -m http.server 6443")
    shell(lab, first, "mkdir -p /var/lib/etcd/member")
    shell(lab, second, f"echo {'0' * 32} > /etc/machine-id; hostname other; : > /etc/resolv.conf")
    shell(lab, third, f"echo {'0' * 32} > /etc/machine-id; mount -t tmpfs -o size=1m,noexec tmpfs /tmp")
    try:
        outcome, spec = look(lab, tmp_path)
    finally:
        lab.shell(first, "systemctl stop squatter; rm -rf /var/lib/etcd")
        lab.shell(
            second,
            f"echo {'2' * 32} > /etc/machine-id; hostname node-2;"
            " echo nameserver 10.77.0.254 > /etc/resolv.conf",
        )
        lab.shell(third, f"echo {'3' * 32} > /etc/machine-id; umount /tmp")
    found = judge(outcome.reports, spec)
    assert set(troubles(found)) == {
        ("ports-free", "node-1"),
        ("remains", "node-1"),
        ("machine-id-unique", "node-2"),
        ("host-name-changes", "node-2"),
        ("name-server", "node-2"),
        ("machine-id-unique", "node-3"),
        ("tmp-noexec", "node-3"),
    }
    full = [one for one in found if one.id == "disk-space" and one.host == "node-3"]
    assert "/tmp" in full[0].message
    assert [one.severity for one in found] == sorted(
        (one.severity for one in found), key=list(Severity).index
    )


def test_the_credentials_come_over_and_lead_where_this_machine_can_reach(lab: Lab, tmp_path: Path) -> None:
    secret = "c2VjcmV0LWtleS1kYXRh"
    admin = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "kubernetes-admin@lab",
        "clusters": [{"name": "lab", "cluster": {"server": "https://127.0.0.1:6443"}}],
        "users": [{"name": "kubernetes-admin", "user": {"token": secret}}],
        "contexts": [
            {"name": "kubernetes-admin@lab", "context": {"cluster": "lab", "user": "kubernetes-admin"}}
        ],
    }
    first = lab.machines[0]
    shell(lab, first, f"mkdir -p /etc/kubernetes && echo '{json.dumps(admin)}' > /etc/kubernetes/admin.conf")
    try:
        outcome, cluster = run(lab, tmp_path, "kubeconfig", {"slipway_answer_seconds": 1})
    finally:
        lab.shell(first, "rm -rf /etc/kubernetes")
    kept = yaml.safe_load(cluster.kubeconfig.read_text())
    assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert kept["clusters"][0]["cluster"] == {
        "server": f"https://{first.address}:6443",
        "tls-server-name": "kubernetes",
    }
    assert kept["users"] == admin["users"]
    # No API runs there: that is said, and the secret is not.
    assert outcome.rc == 2
    assert "the cluster's API does not answer" in outcome.output
    assert secret not in outcome.output


def test_sudo_that_works_sudo_that_does_not_and_a_machine_that_is_gone(lab: Lab, tmp_path: Path) -> None:
    first, second, third = lab.machines
    shell(lab, first, "echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin")
    shell(lab, second, "echo 'admin ALL=(ALL) ALL' > /etc/sudoers.d/admin")
    shell(lab, third, "systemctl stop ssh")
    outcome, spec = look(lab, tmp_path, user="admin", become="sudo")
    # One machine that is gone is a finding, not a failure of the look at the others.
    assert outcome.rc == 0, outcome.output
    reports = outcome.reports
    found = judge(reports, spec)
    assert set(troubles(found)) == {("node-root", "node-2"), ("node-reachable", "node-3")}
    messages = {one.host: one.message for one in found if one.id in {"node-root", "node-reachable"}}
    assert "asks" in messages["node-2"]
    assert "10.77.0.3" in messages["node-3"]
    # Without root it was looked at all the same.
    assert reports["node-2"]["seen"]["uid"] != 0
    assert reports["node-2"]["seen"]["memory_mib"] > 0
