"""kind: what it is told, and honest words where it or a container engine is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from wizards.provision.group_vars import RenderError
from wizards.provision.kind import KindMissing, find_kind, find_provider, kind_config, node_image
from wizards.setup.spec import ClusterSpec, Provider


def spec_of(**answers: Any) -> ClusterSpec:
    return ClusterSpec.model_validate({"name": "here", "target": "local"} | answers)


def config(spec: ClusterSpec) -> dict[str, Any]:
    return dict(yaml.safe_load(kind_config(spec)))


def tool(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_cilium_takes_the_place_of_kinds_network_and_of_kube_proxy() -> None:
    told = config(spec_of(network={"cilium": {"kube_proxy_replacement": True}}))
    assert told["apiVersion"] == "kind.x-k8s.io/v1alpha4"
    assert told["networking"] == {
        "ipFamily": "ipv4",
        "apiServerAddress": "127.0.0.1",
        "apiServerPort": 0,
        "podSubnet": "10.233.64.0/18",
        "serviceSubnet": "10.233.0.0/18",
        "disableDefaultCNI": True,
        "kubeProxyMode": "none",
    }
    roles = [node["role"] for node in told["nodes"]]
    assert roles == ["control-plane", "worker", "worker"]


def test_kinds_own_network_dual_stack_ports_and_folders() -> None:
    network = {
        "cni": "kindnet",
        "kube_proxy": "nftables",
        "pods_v6": "fd00::/104",
        "services_v6": "fd01::/112",
    }
    local = {
        "control_planes": 3,
        "workers": 0,
        "api_port": 7443,
        "port_mappings": [{"host_port": 8080, "container_port": 80}],
        "mounts": [{"host_path": "/srv/x", "container_path": "/x", "read_only": True}],
    }
    told = config(spec_of(network=network, local=local))
    assert told["networking"]["ipFamily"] == "dual"
    assert told["networking"]["podSubnet"] == "10.233.64.0/18,fd00::/104"
    assert told["networking"]["disableDefaultCNI"] is False
    assert told["networking"]["kubeProxyMode"] == "nftables"
    assert [node["role"] for node in told["nodes"]] == ["control-plane"] * 3
    port = {"containerPort": 80, "hostPort": 8080, "listenAddress": "127.0.0.1", "protocol": "TCP"}
    assert [node.get("extraPortMappings") for node in told["nodes"]] == [[port], None, None]
    mount = {"hostPath": "/srv/x", "containerPath": "/x", "readOnly": True}
    assert all(node["extraMounts"] == [mount] for node in told["nodes"])


def test_the_node_image_is_pinned_for_the_minor_version_and_comes_from_the_mirror() -> None:
    image = node_image(spec_of(kubernetes={"version": "1.35.4"}))
    assert image.startswith("kindest/node:v1.35.")
    assert len(image.partition("@sha256:")[2]) == 64
    mirrored = spec_of(mirrors={"registry": "r.lan:5000"})
    assert {node["image"].split("/")[0] for node in config(mirrored)["nodes"]} == {"r.lan:5000"}
    with pytest.raises(RenderError, match=r"1\.20; choose one of"):
        node_image(spec_of(kubernetes={"version": "1.20.2"}))


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo 'kind v0.31.0 go1.25 linux/amd64'", "0.31.0, which is too old"),
        ("echo 'exec format error' >&2; exit 126", "exec format error"),
        (None, "not in PATH"),
    ],
)
def test_a_kind_that_cannot_be_used_is_told_with_what_to_do(
    tmp_path: Path, script: str | None, complaint: str
) -> None:
    if script is not None:
        tool(tmp_path / "bin", "kind", script)
    with pytest.raises(KindMissing, match="Install kind") as caught:
        find_kind({"PATH": str(tmp_path / "bin")})
    assert complaint in str(caught.value)


def test_a_kind_that_is_new_enough_is_used(tmp_path: Path) -> None:
    tool(tmp_path / "bin", "kind", "echo 'kind v0.33.0 go1.27.2 linux/amd64'")
    found = find_kind({"PATH": str(tmp_path / "bin")})
    assert (found.path, found.version) == (tmp_path / "bin" / "kind", "0.33.0")


def test_the_first_engine_that_answers_is_taken_and_each_silent_one_is_told(tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    env = {"PATH": str(bin_)}
    tool(bin_, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(KindMissing) as caught:
        find_provider(Provider.AUTO, env)
    assert "docker does not answer: Cannot connect to the Docker daemon" in str(caught.value)
    assert "podman is not in PATH" in str(caught.value)
    tool(bin_, "podman", "exit 0")
    assert find_provider(Provider.AUTO, env) is Provider.PODMAN
    with pytest.raises(KindMissing):
        find_provider(Provider.DOCKER, env)


@pytest.mark.kind
@pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not in PATH")
def test_kind_itself_understands_the_configuration(tmp_path: Path) -> None:
    """It reads its configuration before it looks for the container engine, which here is one that is away."""
    env = {**os.environ, "KIND_EXPERIMENTAL_PROVIDER": "docker", "DOCKER_HOST": f"unix://{tmp_path}/away"}
    network = {"pods_v6": "fd00::/104", "services_v6": "fd01::/112"}
    local = {
        "control_planes": 3,
        "port_mappings": [{"host_port": 0, "container_port": 80}],
        "mounts": [{"host_path": "/srv", "container_path": "/x"}],
    }
    right = kind_config(spec_of(network=network, local=local))

    def create(text: str) -> str:
        command = ["kind", "create", "cluster", "--config", "-", "--kubeconfig", str(tmp_path / "config")]
        done = subprocess.run(command, input=text, env=env, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        return done.stderr

    assert "unable to decode config" in create(right.replace("podSubnet", "podsubnet"))
    assert "unable to decode config" not in create(right)
