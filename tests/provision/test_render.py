"""Rendered files: complete, private, replaced whole or not at all, and nothing of others removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from wizards.clusters import Cluster
from wizards.provision.group_vars import RenderError
from wizards.provision.render import render_files, write_files
from wizards.provision.stages import create_plan
from wizards.setup.spec import ClusterSpec


def spec_of(**answers: Any) -> ClusterSpec:
    nodes = [{"name": "node-1", "address": "10.0.0.11"}]
    pools = [{"addresses": ["10.0.0.240-10.0.0.250"]}]
    balancer = {"kind": "metallb-l2", "pools": pools}
    return ClusterSpec.model_validate({"name": "lab", "nodes": nodes, "load_balancer": balancer} | answers)


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_a_cluster_on_servers_has_an_inventory_and_its_components() -> None:
    files = render_files(spec_of())
    assert "inventory/hosts.yaml" in files
    assert "inventory/group_vars/all/k8s-cluster.yml" in files
    assert any(name.startswith("components/metallb/") for name in files)
    assert "kind.yaml" not in files
    assert list(files) == sorted(files)
    for text in files.values():
        list(yaml.safe_load_all(text))


def test_a_cluster_on_this_machine_has_kinds_configuration_instead() -> None:
    files = render_files(spec_of(target="local", nodes=[]))
    assert "kind.yaml" in files
    assert not any(name.startswith("inventory/") for name in files)
    with pytest.raises(RenderError):
        render_files(spec_of(nodes=[]))


def test_files_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "new"
    files = {"inventory/group_vars/all/a.yml": "a: 1\n", "kind.yaml": "x"}
    old = os.umask(0)
    try:
        written = write_files(files, root)
    finally:
        os.umask(old)
    assert contents(root) == files
    assert set(written) == {root / name for name in files}
    assert {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (root, *root.rglob("*")) if path.is_dir()} == {0o700}


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    write_files({"kind.yaml": "x"}, tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_what_is_no_longer_rendered_goes_and_what_belongs_to_others_stays(tmp_path: Path) -> None:
    write_files(
        {
            "inventory/hosts.yaml": "1",
            "inventory/group_vars/all/a.yml": "1",
            "inventory/group_vars/all/b.yml": "1",
            "components/metallb/values.yaml": "1",
            "kind.yaml": "1",
        },
        tmp_path,
    )
    mine = {"inventory/credentials/key.creds": "secret", "cluster.yaml": "x", "runs/1/plan.json": "{}"}
    for name, text in mine.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    after = {"inventory/hosts.yaml": "2", "inventory/group_vars/all/b.yml": "1"}
    write_files(after, tmp_path)
    assert contents(tmp_path) == after | mine
    assert not (tmp_path / "components").exists()


def test_a_file_that_says_the_same_is_left_alone(tmp_path: Path) -> None:
    files = {"inventory/hosts.yaml": "same", "kind.yaml": "old"}
    write_files(files, tmp_path)
    before = (tmp_path / "inventory/hosts.yaml").stat().st_ino
    write_files(files | {"kind.yaml": "new"}, tmp_path)
    assert (tmp_path / "inventory/hosts.yaml").stat().st_ino == before
    assert (tmp_path / "kind.yaml").read_text() == "new"


def test_when_writing_fails_the_old_files_are_whole_and_nothing_is_left_lying_about(tmp_path: Path) -> None:
    old = {"inventory/hosts.yaml": "old", "kind.yaml": "old"}
    write_files(old, tmp_path)
    with pytest.raises(UnicodeEncodeError):
        write_files({"inventory/hosts.yaml": "new", "kind.yaml": "\ud800"}, tmp_path)
    assert contents(tmp_path) == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inventory", "kind.yaml"]


def test_what_kubespray_keeps_beside_the_inventory_is_never_taken_for_a_host(tmp_path: Path) -> None:
    spec = spec_of()
    write_files(render_files(spec), tmp_path)
    key = tmp_path / "inventory" / "credentials" / "kubeadm_certificate_key.creds"
    key.parent.mkdir()
    key.write_text("0123456789abcdef\n")
    stages = [stage for stage in create_plan(spec, Cluster(tmp_path)).stages if stage.hosts == ("node-1",)]
    assert {stage.id for stage in stages} >= {"preflight", "kubernetes", "kubeconfig"}
    tool = str(Path(sys.executable).with_name("ansible-inventory"))
    for inventory in {stage.inventory for stage in stages}:
        said = subprocess.run([tool, "-i", inventory, "--list"], capture_output=True, text=True, check=True)
        assert list(json.loads(said.stdout)["_meta"]["hostvars"]) == ["node-1"]


@pytest.mark.parametrize("name", ["../out.yaml", "/etc/out.yaml", "inventory/../../out"])
def test_no_path_leads_out(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    with pytest.raises(ValueError, match="leads out"):
        write_files({name: "x"}, root)
    assert not root.exists()
