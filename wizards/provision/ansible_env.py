"""The environment a playbook runs in: what must hold for every run, whatever an ``ansible.cfg`` says.

Ansible's environment variables win over the ``ansible.cfg`` it finds. Kubespray's turns host key checking
off, sends known hosts to /dev/null and keeps its fact cache in /tmp for all to read: here all three are set
right.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wizards.provision.access import ssh_args

if TYPE_CHECKING:
    from wizards.clusters import Cluster
    from wizards.setup.spec import ClusterSpec

_SOCKET_ROOM: Final = 104 - len("/0123456789.0123456789abcdef")
"""Longest folder for Ansible's control sockets: a socket's path has 104 bytes (108 on Linux), its name 10,
and ssh adds up to 17 while it makes one."""
_FORKS_MOST: Final = 50
"""What Kubespray's documentation gives for its largest clusters; more only costs memory on the console."""


def ansible_env(spec: ClusterSpec, cluster: Cluster) -> dict[str, str]:
    """Return the environment for any playbook on the nodes of `spec`. Holds no secret. Pure."""
    home = cluster.root / "ansible"
    return {
        # Collections, temporary files and caches of the user's own Ansible stay out of this.
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_COLLECTIONS_PATH": str(home / "collections"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_ARGS": ssh_args(spec, cluster),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control_folder(cluster.root)),
        "ANSIBLE_SSH_RETRIES": "3",
        "ANSIBLE_TIMEOUT": "60",
        "ANSIBLE_FORKS": str(max(5, min(len(spec.nodes), _FORKS_MOST))),
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_NOCOLOR": "True",
    }


def kubespray_env(spec: ClusterSpec, cluster: Cluster) -> dict[str, str]:
    """Return the environment for Kubespray's own playbooks. Pure.

    Its fact cache is kept with the cluster, because jobs on a few nodes need the facts of the others.
    """
    return ansible_env(spec, cluster) | {
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(cluster.root / "facts"),
        "ANSIBLE_CACHE_PLUGIN_TIMEOUT": "86400",
    }


def control_folder(root: Path) -> Path:
    """Return the folder for ssh's shared connections: in the cluster's own where its path is short enough."""
    folder = root / "ssh"
    if len(os.fsencode(folder)) <= _SOCKET_ROOM:
        return folder
    mark = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"slipway-{os.getuid()}-{mark}"


def make_control_folder(root: Path) -> Path:
    """Make the folder of `control_folder`, for its owner alone, before Ansible would.

    Raises:
        PermissionError: Somebody else made a folder of that name in the folder for temporary files; sockets
            in it would let them onto the nodes.
    """
    folder = control_folder(root)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} belongs to somebody else or is open to others; remove it")
    return folder


def close_connections(root: Path) -> None:
    """End the ssh connections that Ansible keeps open for later tasks, and remove their folder."""
    folder = control_folder(root)
    if not folder.is_dir():
        return
    for socket in folder.iterdir():
        if socket.is_socket():
            subprocess.run(
                [
                    "ssh",
                    "-F",
                    "none",
                    "-O",
                    "exit",
                    "-o",
                    f"ControlPath={str(socket).replace('%', '%%')}",
                    "slipway",
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=10,
                check=False,
            )
    shutil.rmtree(folder, ignore_errors=True)
