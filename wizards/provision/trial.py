"""Trying the login before there is a cluster: where host keys and a new key wait until it is made.

A wizard's answers have no folder yet, and what was agreed to must not be asked again at the start. So a trial
has a private folder of its own, ``trials/NAME`` beside the clusters; the cluster takes over what was learned.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from wizards.clusters import Cluster, Clusters, UnknownCluster
from wizards.files import private_folder, write_private
from wizards.provision.host_keys import read_known_hosts
from wizards.setup.spec import ClusterSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY_FILES = ("id_ed25519", "id_ed25519.pub")


def trial_cluster(home: Path, name: str) -> Cluster:
    """Return where a trial keeps what it learns: the cluster of that name, else a folder of its own.

    Raises OSError where the folder cannot be made.
    """
    try:
        there = Clusters(home).get(name)
    except UnknownCluster:
        there = None
    if there is not None and not there.is_practice:
        return there
    private_folder(home / "trials")
    return Cluster(private_folder(home / "trials" / name))


def take_over(home: Path, cluster: Cluster, spec: ClusterSpec) -> ClusterSpec:
    """Bring into `cluster` what a trial of its answers learned, and return the answers that name it there.

    Host keys that the cluster knows already stay as they are, and so does a key of its own. The trial's
    folder stays until `forget_trial`, so that answers which still name it go on working.

    Raises OSError where something cannot be written.
    """
    folder = home / "trials" / cluster.name
    if not folder.is_dir():
        return spec
    kept = read_known_hosts(cluster.known_hosts)
    learned = read_known_hosts(folder / "known_hosts")
    if learned.keys() - kept.keys():
        write_private(cluster.known_hosts, "".join(_lines(learned | kept)))
    for name in _KEY_FILES:
        if (folder / name).is_file() and not (cluster.root / name).exists():
            write_private(cluster.root / name, (folder / name).read_bytes())
    own = folder / _KEY_FILES[0]
    if spec.access.key_file != str(own):
        return spec
    access = spec.access.model_copy(update={"key_file": str(cluster.root / _KEY_FILES[0])})
    return spec.model_copy(update={"access": access})


def forget_trial(home: Path, name: str) -> None:
    """Remove what a trial kept, once the cluster has it."""
    shutil.rmtree(home / "trials" / name, ignore_errors=True)


def _lines(known: dict[str, tuple[str, str]]) -> Iterator[str]:
    return (f"{name} {type_} {key}\n" for name, (type_, key) in known.items())
