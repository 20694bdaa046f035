"""What the tests of access share: servers, a cluster's folder, a key, and answers that lead to them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.provision.sshd import Sshd
from wizards.clusters import Cluster
from wizards.provision.first_contact import meet
from wizards.provision.host_keys import write_known_hosts
from wizards.setup.spec import ClusterSpec

Server = Callable[..., Sshd]


@dataclass(frozen=True)
class Secrets:
    ssh_password: str | None = None
    become_password: str | None = None


def make_key(path: Path, passphrase: str = "") -> str:
    """Write a private key (0600) and return its public line; no ``.pub`` is left beside it."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-C", "test", "-N", passphrase, "-f", str(path)]
    subprocess.run(command, check=True)
    beside = path.with_name(f"{path.name}.pub")
    public = beside.read_text()
    beside.unlink()
    return public


def spec_of(
    *ports: int, access: dict[str, Any], user: str = "root", address: str = "127.0.0.1"
) -> ClusterSpec:
    nodes = [{"name": f"node-{n}", "address": address, "port": port} for n, port in enumerate(ports, 1)]
    return ClusterSpec.model_validate(
        {"name": "lab", "nodes": nodes, "access": {"user": user, "become": "none", **access}}
    )


def trust(cluster: Cluster, spec: ClusterSpec) -> None:
    """Agree to the host keys that the servers show, the jump host's first."""
    while new := meet(spec, cluster).new:
        write_known_hosts(cluster, new)
