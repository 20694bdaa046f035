"""The real kubernetes.core collection, run by the real ansible-playbook, against the practice API."""

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

from tests.practice.api_world import QUICK, condition
from wizards.practice.api import PracticeApi, objects, serving

PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


@pytest.fixture(scope="module")
def api() -> Iterator[PracticeApi]:
    with serving(PracticeApi(timing=QUICK)) as made:
        yield made


def task(module: str, register: str = "", /, **arguments: Any) -> dict[str, Any]:
    made: dict[str, Any] = {f"kubernetes.core.{module}": arguments}
    return {**made, "register": register} if register else made


def play(api: PracticeApi, folder: Path, tasks: list[dict[str, Any]], results: list[str]) -> dict[str, Any]:
    """Run tasks; what was registered under these names."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(api.kubeconfig())
    out = folder / "results.json"
    wanted = "{{ {" + ", ".join(f"'{name}': {name}" for name in results) + "} | to_json }}"
    last = {"ansible.builtin.copy": {"content": wanted, "dest": str(out), "mode": "0600"}}
    book = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "module_defaults": {"group/kubernetes.core.k8s": {"kubeconfig": str(kubeconfig)}},
            "tasks": [*tasks, last],
        }
    ]
    path = folder / "play.yml"
    path.write_text(yaml.safe_dump(book, sort_keys=False))
    environment = {
        **os.environ,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_HOME": str(folder / "home"),
        "TMPDIR": str(folder),
    }
    done = subprocess.run(
        [PLAYBOOK, path],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(out.read_text())
    return found


@pytest.mark.slow
def test_a_playbook_builds_a_cluster_and_waits_for_it(api: PracticeApi, tmp_path: Path) -> None:
    nodes = [objects.node(f"node-{n}", f"10.0.0.{n}", ["control-plane"] if n == 1 else []) for n in (1, 2)]
    crd = objects.definition("metallb.io", "IPAddressPool", "ipaddresspools", versions=("v1beta1",))
    web, agent = objects.deployment("web", replicas=2), objects.daemon_set("agent")
    workloads = [web, agent, objects.stateful_set("db", replicas=2)]
    pool = objects.address_pool("lan", ["192.0.2.10-192.0.2.20"], namespace="default")
    waiting = {"wait": True, "wait_sleep": 1, "wait_timeout": 60}
    ready = {"type": "Ready", "status": "True"}
    own = {"field_manager": "slipway", "force_conflicts": False}
    running = {"label_selectors": ["app=web"], "field_selectors": ["status.phase=Running"]}
    has_address = "balancer.resources[0].status.loadBalancer.ingress is defined"
    tasks = [
        task("k8s", definition=[*nodes, crd], apply=True),
        task("k8s_info", "ready", api_version="v1", kind="Node", **waiting, wait_condition=ready),
        task("k8s", "made", definition=workloads, apply=True, **waiting),
        task("k8s", "same", definition=web, apply=True),
        task("k8s", "pool", definition=pool, apply=True, server_side_apply=own),
        task("k8s", "pool_again", definition=pool, apply=True, server_side_apply=own),
        task("k8s", definition=objects.service("web", type_="LoadBalancer"), state="present"),
        task("k8s_info", "balancer", api_version="v1", kind="Service", namespace="default", name="web")
        | {"until": has_address, "retries": 30, "delay": 1},
        task("k8s_info", "pods", api_version="v1", kind="Pod", namespace="default", **running),
        task("k8s", "gone", state="absent", definition=agent, **waiting),
    ]
    names = ["ready", "made", "same", "pool", "pool_again", "balancer", "pods", "gone"]
    found = play(api, tmp_path, tasks, names)
    assert {condition(node, "Ready") for node in found["ready"]["resources"]} == {"True"}
    made = {item["result"]["kind"]: item["result"]["status"] for item in found["made"]["result"]["results"]}
    assert made["Deployment"]["availableReplicas"] == made["StatefulSet"]["readyReplicas"] == 2
    assert made["DaemonSet"]["numberReady"] == 2
    assert found["same"]["changed"] is False
    assert (found["pool"]["changed"], found["pool_again"]["changed"]) == (True, False)
    assert found["balancer"]["resources"][0]["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.10"
    assert len(found["pods"]["resources"]) == 2
    assert found["gone"]["changed"] is True
