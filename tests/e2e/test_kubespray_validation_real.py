"""The table of Kubespray's assertions against Kubespray itself: it is complete, and each violation stops it.

Kubespray's own role validate_inventory, the assertions of kubernetes/preinstall and those of its Cilium are
really run by ansible-playbook, on this machine instead of on nodes, with the facts that a node would have.
Nothing but assertions runs: of preinstall only what is tagged so.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.provision.kubespray_assertions import CILIUM, INVENTORY, ROWS, SETTINGS, TRIED, TYPE, Row
from tests.setup.rule_world import ALL, CONTROL, GOOD, WORKER, merged, nodes, spec
from wizards.provision.inventory import HOSTS, inventory_files
from wizards.provision.kubespray import KubesprayCopy, locate
from wizards.provision.render import write_files
from wizards.setup.finding import Severity
from wizards.setup.rules import check
from wizards.setup.spec import ClusterSpec

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("SLIPWAY_KUBESPRAY"), reason="SLIPWAY_KUBESPRAY names no copy of Kubespray v2.31.0"
    ),
]
HERE = {
    "ansible_connection": "local",
    "ansible_become": False,
    "ansible_python_interpreter": sys.executable,
    "ansible_architecture": "x86_64",
    "ansible_service_mgr": "systemd",
    "ansible_distribution": "Debian",
    "ansible_os_family": "Debian",
    "ansible_memtotal_mb": 4096,
    "ansible_kernel": "6.1.0-28-amd64",
    "ansible_all_ipv6_addresses": ["::1"],
    "configured_nameservers": ["10.0.0.254"],
    # The nodes' addresses are not this machine's.
    "ping_access_ip": False,
}
SEED = 20260321
VALID = 24


@pytest.fixture(scope="module")
def kubespray(tmp_path_factory: pytest.TempPathFactory) -> KubesprayCopy:
    return locate(tmp_path_factory.mktemp("home"))


def facts(answers: ClusterSpec) -> dict[str, Any]:
    """What Ansible would find on nodes with nothing to complain about."""
    return HERE | {"ansible_all_ipv4_addresses": ["127.0.0.1", *(node.ip for node in answers.nodes)]}


def playbook(kubespray: KubesprayCopy, file: str, folder: Path) -> list[str]:
    """Return the arguments that run the assertions of `file` and nothing else."""
    if file == INVENTORY:
        return ["playbooks/boilerplate.yml"]
    play: dict[str, Any] = {"hosts": "k8s_cluster:etcd", "gather_facts": False}
    if file == SETTINGS:
        play["roles"] = ["kubespray_defaults", "kubernetes/preinstall"]
    else:
        play["roles"] = ["kubespray_defaults"]
        play["tasks"] = [{"import_tasks": str(kubespray.path / file)}]
        defaults = kubespray.path / "roles/network_plugin/cilium/defaults/main.yml"
        # Defaults of a role whose other tasks must not run: below the inventory, as they are.
        (folder / "inventory/group_vars/all/aa-defaults.yml").write_text(defaults.read_text())
    path = folder / "assertions.yml"
    path.write_text(yaml.safe_dump([play]))
    return [str(path), *(("--tags", "asserts") if file == SETTINGS else ())]


def stopped_at(
    kubespray: KubesprayCopy, row: Row, answers: ClusterSpec, folder: Path, theirs: dict[str, Any]
) -> list[str]:
    """Run Kubespray's assertions; return the tasks that failed, none where all passed."""
    write_files(inventory_files(answers), folder)
    hosts = folder / HOSTS
    if row.rename:
        hosts.write_text(hosts.read_text().replace(answers.nodes[0].name, row.rename))
    (folder / "extra.json").write_text(json.dumps(facts(answers) | theirs))
    arguments = ["-i", str(hosts), "-e", f"@{folder / 'extra.json'}", *playbook(kubespray, row.file, folder)]
    done = subprocess.run(
        [*row.under, str(Path(sys.executable).with_name("ansible-playbook")), *arguments],
        cwd=kubespray.path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CACHE_PLUGIN": "memory",
            "ANSIBLE_ROLES_PATH": str(kubespray.path / "roles"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_CALLBACKS_ENABLED": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    # Before the document stand warnings, about groups that a small cluster leaves empty.
    told = json.loads(done.stdout[done.stdout.index('{\n    "custom_stats"') :])
    failed = list(_failed(told["plays"]))
    assert bool(failed) == bool(done.returncode), done.stdout[-3000:] + done.stderr[-1000:]
    assert failed or sum(len(play["tasks"]) for play in told["plays"]) > 3
    return failed


def _failed(plays: list[dict[str, Any]]) -> Iterator[str]:
    for play in plays:
        for task in play["tasks"]:
            if any(host.get("failed") for host in task["hosts"].values()):
                yield task["task"]["name"].rpartition(" : ")[2]


def can_stop(task: dict[str, Any]) -> bool:
    """Tell whether a task is there to stop a run: an assertion, or a command whose failure is one."""
    if any(name in task for name in ("assert", "fail", "ansible.builtin.assert", "ansible.builtin.fail")):
        return True
    return str(task.get("name", "")).startswith("Stop if")


def tasks_in(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always", "tasks"):
            yield from tasks_in(task.get(part) or [])


@pytest.mark.parametrize("file", sorted({row.file for row in ROWS}))
def test_the_table_has_every_assertion_and_no_other(kubespray: KubesprayCopy, file: str) -> None:
    tasks = list(tasks_in(yaml.safe_load((kubespray.path / file).read_text())))
    there = {task["name"] for task in tasks if can_stop(task)}
    listed = {row.task for row in ROWS if row.file == file}
    assert listed == there


@pytest.mark.parametrize("row", [row for row in TRIED if row.staged], ids=lambda row: row.id)
def test_kubespray_stops_at_what_the_row_says(kubespray: KubesprayCopy, row: Row, tmp_path: Path) -> None:
    answers = spec() if row.ours == (TYPE,) else spec(**row.answers)
    told = row.task.partition("{{")[0]  # what stands in braces is filled in
    assert any(task.startswith(told) for task in stopped_at(kubespray, row, answers, tmp_path, row.theirs))


@pytest.mark.parametrize("file", [INVENTORY, SETTINGS, CILIUM])
def test_kubespray_passes_good_answers(kubespray: KubesprayCopy, file: str, tmp_path: Path) -> None:
    assert stopped_at(kubespray, Row(file, ""), spec(), tmp_path, {}) == []


def some_answers(chance: random.Random) -> dict[str, Any]:
    """Answers as somebody may give them, good or not."""
    count = chance.choice([1, 2, 3, 4, 5, 7])
    roles = [chance.choice([ALL, CONTROL, WORKER, ["etcd"], ["control-plane"]]) for _ in range(count)]
    cni = chance.choice(["cilium", "calico", "flannel", "kube-router", "none"])
    prefix = chance.choice([23, 24, 25, 26])
    pods = chance.choice(["10.233.64.0/18", "10.42.0.0/16", "10.233.64.0/22", "172.30.0.0/20"])
    network: dict[str, Any] = {
        "cni": cni,
        "pods": pods,
        "node_prefix": prefix,
        "services": chance.choice(["10.233.0.0/18", "10.96.0.0/12", "10.42.8.0/22"]),
        "kube_proxy": chance.choice(["ipvs", "iptables", "nftables"]),
    }
    if chance.random() < 0.3:
        network |= {"pods_v6": chance.choice(["fd00:10:244::/104", "fd00:10:244::/118"])}
        network |= {"services_v6": "fd00:10:96::/112"}
    further = chance.choice(
        [
            {},
            {},
            {"kubelet_max_pods": chance.choice([30, 110, 250, 500])},
            {"dns_mode": chance.choice(["coredns", "manual", "kubedns"])},
            {"etcd_deployment_type": chance.choice(["host", "docker", "kubeadm"])},
            {"download_run_once": chance.choice([True, "yes"]), "download_localhost": True},
            {"helm_enabled": chance.choice([True, "true"])},
            {"gvisor_enabled": True},
        ]
    )
    balanced = cni != "none" and chance.random() < 0.7
    return {
        "nodes": nodes(count, *(roles if chance.random() < 0.4 else [ALL] * (1 if count < 3 else 3))),
        "kubernetes": {
            "version": chance.choice(["1.35.4", "1.34.7", "1.33.11", "1.32.0"]),
            "runtime": chance.choice(["containerd", "crio", "docker"]),
            "auto_renew_certificates": chance.random() < 0.5,
        },
        "network": network,
        "load_balancer": GOOD["load_balancer"] if balanced else {"kind": "none", "pools": []},
        "storage": {"engines": ["hostpath"] if cni != "none" else []},
        "kubespray_vars": further,
    }


def passing(wanted: int) -> list[ClusterSpec]:
    """Return the first specifications that our rules let pass, of an endless row that is always the same."""
    chance = random.Random(SEED)
    found: list[ClusterSpec] = []
    while len(found) < wanted:
        answers = ClusterSpec.model_validate(merged({"name": "demo"}, some_answers(chance)))
        if not any(one.severity is Severity.BLOCK for one in check(answers)):
            found.append(answers)
    return found


@pytest.mark.parametrize("number", range(VALID))
def test_what_our_rules_let_pass_kubespray_lets_pass(
    kubespray: KubesprayCopy, number: int, tmp_path: Path
) -> None:
    answers = passing(number + 1)[-1]
    assert stopped_at(kubespray, Row(INVENTORY, ""), answers, tmp_path, {}) == []
