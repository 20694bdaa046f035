"""A cluster on this machine: what kind is told, and whether kind and a container engine are there.

Configuration format: kind.x-k8s.io/v1alpha4, as kind 0.32 and later read it; a field it does not know is an
error there, so only known ones are written.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wizards.provision.group_vars import RenderError
from wizards.sanitize import one_line
from wizards.setup.spec import ClusterSpec, Cni, Local, Provider
from wizards.version import slipway_version

KIND_FILE: Final = "kind.yaml"
MINIMUM_KIND: Final = (0, 32)
"""The first kind that can make the node images below (kubeadm's v1beta4, and Kubernetes 1.37)."""
_NODE_IMAGES: Final = {
    "1.37": "v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5",
    "1.36": "v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
    "1.35": "v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0",
    "1.34": "v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d",
}
"""Newest node image of each minor version, with its digest: release notes of kind 0.33.0."""
_LOOK_SECONDS: Final = 20.0


class KindMissing(RuntimeError):
    """kind or a container engine is missing or does not answer; the text says how to bring it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind that is used: where it is, and its version such as ``0.33.0``."""

    path: Path
    version: str


def node_image(spec: ClusterSpec) -> str:
    """Return the node image for the minor version that `spec` asks for, pinned by digest.

    kind publishes one image per minor version, so the patch version is the image's, not the answer's.

    Raises:
        RenderError: There is no image of that minor version.
    """
    minor = spec.kubernetes.version.rpartition(".")[0]
    tag = _NODE_IMAGES.get(minor)
    if tag is None:
        raise RenderError(
            f"kubernetes.version: kind has no node image for {minor}; choose one of {', '.join(_NODE_IMAGES)}"
        )
    registry = f"{spec.mirrors.registry}/" if spec.mirrors.registry else ""
    return f"{registry}kindest/node:{tag}"


def kind_config(spec: ClusterSpec) -> str:
    """Return the text of ``kind.yaml`` for `spec`. Pure.

    Raises:
        RenderError: kind has no node image for the Kubernetes version.
    """
    import yaml

    config = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": spec.name,
        "networking": _networking(spec),
        "nodes": _nodes(spec.local, node_image(spec)),
    }
    header = (
        f"# Cluster {spec.name}. Written by Slipway {slipway_version()} from cluster.yaml for kind.\n"
        "# Change cluster.yaml instead: the next run writes this file anew.\n"
    )
    return header + yaml.safe_dump(config, sort_keys=False, width=110)


def _networking(spec: ClusterSpec) -> dict[str, Any]:
    network = spec.network
    pods, services = [network.pods], [network.services]
    if network.pods_v6 and network.services_v6:
        pods.append(network.pods_v6)
        services.append(network.services_v6)
    replaced = network.cni is Cni.CILIUM and network.cilium.kube_proxy_replacement
    return {
        "ipFamily": "dual" if len(pods) > 1 else "ipv6" if ":" in pods[0] else "ipv4",
        # Only this machine may reach the API server.
        "apiServerAddress": "127.0.0.1",
        "apiServerPort": spec.local.api_port,
        "podSubnet": ",".join(pods),
        "serviceSubnet": ",".join(services),
        "disableDefaultCNI": network.cni is not Cni.KINDNET,
        "kubeProxyMode": "none" if replaced else network.kube_proxy.value,
    }


def _nodes(local: Local, image: str) -> list[dict[str, Any]]:
    roles = ["control-plane"] * local.control_planes + ["worker"] * local.workers
    nodes: list[dict[str, Any]] = [{"role": role, "image": image} for role in roles]
    for node in nodes:
        if local.mounts:
            node["extraMounts"] = [
                {
                    "hostPath": mount.host_path,
                    "containerPath": mount.container_path,
                    "readOnly": mount.read_only,
                }
                for mount in local.mounts
            ]
    if local.port_mappings:
        # A port of this machine can lead to one node only.
        nodes[0]["extraPortMappings"] = [
            {
                "containerPort": port.container_port,
                "hostPort": port.host_port,
                "listenAddress": port.listen_address,
                "protocol": port.protocol,
            }
            for port in local.port_mappings
        ]
    return nodes


def find_kind(env: Mapping[str, str] | None = None) -> Kind:
    """Return the kind in ``PATH``, once it has told its version.

    Raises:
        KindMissing: There is none, it does not run, or it is too old.
    """
    env = os.environ if env is None else env
    found = shutil.which("kind", path=env.get("PATH"))
    wanted = ".".join(map(str, MINIMUM_KIND))
    how = f"Install kind {wanted} or newer (https://kind.sigs.k8s.io) so that 'kind version' works."
    if found is None:
        raise KindMissing(f"kind is not in PATH. {how}")
    said = _run([found, "version"], env)
    match = re.search(r"\bv(\d+)\.(\d+)\.(\d+)", said.stdout)
    if said.returncode != 0 or match is None:
        raise KindMissing(f"{found} did not tell its version: {_words(said)}. {how}")
    if (int(match[1]), int(match[2])) < MINIMUM_KIND:
        raise KindMissing(f"{found} is version {match[0][1:]}, which is too old. {how}")
    return Kind(Path(found), match[0][1:])


def find_provider(wanted: Provider, env: Mapping[str, str] | None = None) -> Provider:
    """Return the container engine kind shall use, once it answers.

    Args:
        wanted: One engine, or `Provider.AUTO` for the first that answers, in kind's own order.
        env: The environment, for ``PATH`` and the engine's own settings; by default this process's.

    Raises:
        KindMissing: None answers; the text tells what each of them said.
    """
    env = os.environ if env is None else env
    order = (Provider.DOCKER, Provider.NERDCTL, Provider.PODMAN) if wanted is Provider.AUTO else (wanted,)
    complaints = []
    for provider in order:
        command = shutil.which(provider.value, path=env.get("PATH"))
        if command is None:
            complaints.append(f"{provider.value} is not in PATH")
            continue
        said = _run([command, "info"], env)
        if said.returncode == 0:
            return provider
        complaints.append(f"{provider.value} does not answer: {_words(said)}")
    raise KindMissing(
        "no container engine for kind: " + "; ".join(complaints) + ". Install Docker or Podman and start it."
    )


def _run(command: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LOOK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {_LOOK_SECONDS:.0f} seconds")
    except OSError as problem:
        return subprocess.CompletedProcess(command, 126, "", str(problem))


def _words(said: subprocess.CompletedProcess[str]) -> str:
    lines = (said.stderr or said.stdout).strip().splitlines()
    return one_line(lines[-1] if lines else f"it ended with code {said.returncode}", 200)
