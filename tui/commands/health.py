"""``slipway health``: the same health as on the screen, as lines or JSON."""

from __future__ import annotations

import queue
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tui.codes import FAILED
from tui.errors import UsageProblem
from tui.plain import print_json, say, tell
from wizards.clusters import Clusters, slipway_home

if TYPE_CHECKING:
    from wizards.health.model import Health
    from wizards.setup.spec import ClusterSpec


def health(name: str | None, *, kubeconfig: Path | None, watch: bool, as_json: bool) -> int:
    """Print a cluster's health; 0 when it is healthy or getting there, 1 when it is not."""
    if (name is None) == (kubeconfig is None):
        raise UsageProblem(
            "Name a cluster, or a kubeconfig: slipway health NAME, or slipway health --kubeconfig F"
        )
    with ExitStack() as holds:
        spec: ClusterSpec | None = None
        path = kubeconfig
        if name is not None:
            path, spec = _of_cluster(name, holds)
        assert path is not None  # noqa: S101 - one of the two was given, as checked above
        if watch:
            return _watch(path, spec, as_json=as_json)
        return _once(path, spec, as_json=as_json)


def _of_cluster(name: str, holds: ExitStack) -> tuple[Path, ClusterSpec]:
    from wizards.provision.begin import awake

    cluster = Clusters(slipway_home()).get(name)
    if not cluster.kubeconfig.is_file():
        raise UsageProblem(
            f"The cluster {name} has no kubeconfig yet: it was not set up to the end (slipway up {name})"
        )
    holds.enter_context(awake(cluster))
    return cluster.kubeconfig, cluster.read_spec()


def _once(path: Path, spec: ClusterSpec | None, *, as_json: bool) -> int:
    from wizards.health.reader import read_health

    return show(read_health(path, spec), as_json=as_json)


def show(health: Health, *, as_json: bool, one_of_many: bool = False) -> int:
    """Print one look and return the exit code it stands for; JSON on one line where it is `one_of_many`."""
    from wizards.health.model import State
    from wizards.health.text import health_lines

    if as_json:
        print_json(health.to_json(), on_one_line=one_of_many)
    else:
        for line in health_lines(health):
            say(line)
    return 0 if health.verdict in (State.HEALTHY, State.PROGRESSING) else FAILED


def _watch(path: Path, spec: ClusterSpec | None, *, as_json: bool) -> int:
    from wizards.health.watch import HealthWatcher

    looks: queue.SimpleQueue[Health] = queue.SimpleQueue()
    last = ""
    code = 0
    try:
        with HealthWatcher(path, spec, looks.put):
            while True:
                look = looks.get()
                if look.sentence != last:
                    last = look.sentence
                    code = show(look, as_json=as_json, one_of_many=True)
    except KeyboardInterrupt:
        tell("")
        return code
