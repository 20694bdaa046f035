"""The rendered inventories on the real Kubespray: it lists its tasks, reads the values, and accepts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from wizards.provision.inventory import inventory_files
from wizards.provision.kubespray import KubesprayCopy, count_tasks, locate
from wizards.provision.render import write_files
from wizards.setup.spec import ClusterSpec

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not os.environ.get("SLIPWAY_KUBESPRAY"), reason="SLIPWAY_KUBESPRAY names no copy of Kubespray v2.31.0"
    ),
]
GOLDEN = Path(__file__).parents[1] / "provision" / "golden"
CASES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))


@pytest.fixture(scope="module")
def kubespray(tmp_path_factory: pytest.TempPathFactory) -> KubesprayCopy:
    return locate(tmp_path_factory.mktemp("home"))


@pytest.fixture(params=CASES)
def inventory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    spec = ClusterSpec.model_validate(yaml.safe_load((GOLDEN / f"{request.param}.yaml").read_text()))
    write_files(inventory_files(spec), tmp_path)
    return tmp_path / "inventory" / "hosts.yaml"


def ansible(tool: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(tool)), *arguments]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(cwd),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CACHE_PLUGIN": "memory",
    }
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_the_copy_is_the_pinned_commit(kubespray: KubesprayCopy) -> None:
    assert kubespray.verified, kubespray.note


@pytest.mark.slow
def test_kubespray_lists_its_tasks_for_it(kubespray: KubesprayCopy, inventory: Path) -> None:
    assert count_tasks(kubespray, inventory) > 500


def test_every_host_has_every_value_that_was_written(kubespray: KubesprayCopy, inventory: Path) -> None:
    said = ansible("ansible-inventory", "-i", str(inventory), "--list", cwd=kubespray.path)
    assert said.returncode == 0, said.stderr
    data = json.loads(said.stdout)
    written: dict[str, Any] = {}
    for file in sorted(inventory.parent.glob("group_vars/all/*.yml")):
        written |= yaml.safe_load(file.read_text())
    for host in data["_meta"]["hostvars"].values():
        assert {name: host[name] for name in written} == written
    assert set(data["k8s_cluster"]["children"]) == {"kube_control_plane", "kube_node"}


@pytest.mark.slow
def test_kubesprays_own_checks_of_an_inventory_pass(
    kubespray: KubesprayCopy, inventory: Path, tmp_path: Path
) -> None:
    """Its version check, group setup and validate_inventory role, on this machine instead of on nodes."""
    here = {"ansible_connection": "local", "ansible_become": False, "ansible_architecture": "x86_64"}
    said = ansible(
        "ansible-playbook",
        *("-i", str(inventory), "-e", json.dumps(here), "playbooks/boilerplate.yml"),
        cwd=kubespray.path,
    )
    assert said.returncode == 0, said.stdout[-3000:]
    assert "TASK [validate_inventory : Stop if unsupported options selected]" in said.stdout
    assert "failed=0" in said.stdout
