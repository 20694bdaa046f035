"""Stages on real machines: a look as root, with sudo, without, and where nobody answers; the credentials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.lab import Lab, Machine
from tests.e2e.lab_hosts import OwnRootLab, missing_systemd
from tests.e2e.lab_look import SHARED, carry_out, cluster_of, spec_of
from tests.playbooks.practice import Outcome
from wizards.clusters import Cluster
from wizards.provision.preflight import judge, probe_wants
from wizards.setup.finding import Finding, Severity
from wizards.setup.spec import ClusterSpec

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.xdist_group("preflight-real"),
    pytest.mark.skipif(bool(missing_systemd()), reason=missing_systemd()),
]
# What containers on a shared kernel cannot have otherwise, whatever the host: these may be found.
SHARED_KERNEL = SHARED | {"swap", "product-uuid-unique", "kernel-modules", "disk-space"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with OwnRootLab(tmp_path_factory.mktemp("lab")) as made:
        for machine in made.machines:
            shell(made, machine, "useradd -m -s /bin/bash -p '*' admin && cp -r ~root/.ssh /home/admin/")
            shell(made, machine, "chown -R admin /home/admin/.ssh")
        yield made


def run(
    lab: Lab,
    home: Path,
    stage_id: str,
    variables: Any = None,
    *,
    wants: Any = None,
    answers: Any = None,
    **access: Any,
) -> tuple[Outcome, Cluster]:
    """Carry a stage out where the machines can be reached; `wants` changes what the look is asked for."""
    way = {"user": "root", "key_file": str(lab.key_file), "become": "none"} | access
    spec = spec_of(lab, access=way, **(answers or {}))
    cluster = cluster_of(lab, home, spec)
    told = dict(variables or {})
    if wants:
        told["slipway_wants"] = probe_wants(spec) | wants
    return carry_out(lab, cluster, spec, stage_id, told), cluster


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
        ("own-name-resolves", "node-2"),
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
