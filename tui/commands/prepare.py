"""`slipway prepare`: mend on the nodes what can be mended, shown first, looked at again afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.commands.runs import ask_secrets, cluster_of, confirm, follow_run, trust
from tui.mend_lines import change_lines, count_words, left_words
from tui.plain import print_json, say, tell

if TYPE_CHECKING:
    from wizards.clusters import Cluster
    from wizards.provision.launch import Secrets
    from wizards.provision.mending import Change
    from wizards.setup.spec import ClusterSpec


@dataclass(slots=True)
class _Way:
    """The way to the nodes: passwords and host keys, asked for once, and only when a node is reached."""

    cluster: Cluster
    spec: ClusterSpec
    yes: bool
    holds: ExitStack
    _secrets: Secrets | None = None

    def open(self) -> Secrets:
        """Return the passwords; every node's host key is known then."""
        if self._secrets is None:
            self._secrets = ask_secrets(self.spec)
            trust(self.cluster, self.spec, yes=self.yes, holds=self.holds)
        return self._secrets


def prepare(target: str, *, yes: bool, dry_run: bool, only: Sequence[str], as_json: bool) -> int:
    """Look where there is no fresh look, print the exact changes, ask, make them, and look again."""
    from wizards.provision.begin import begin_mending
    from wizards.provision.mending import selected

    cluster = cluster_of(target)
    with ExitStack() as holds:
        way = _Way(cluster, cluster.read_spec(), yes, holds)
        proposed, left = _proposed(way)
        chosen = selected(proposed, only)
        if dry_run or not chosen:
            return _show(cluster, chosen, left, as_json=as_json)
        for line in change_lines(chosen):
            # With --json standard output is for the run's events alone.
            (tell if as_json else say)(line)
        if not yes:
            confirm(f"Make {count_words(chosen)} of {cluster.name} now?")
        run = begin_mending(cluster, chosen, secrets=way.open())
        return follow_run(cluster, run, as_json=as_json)


def _proposed(way: _Way) -> tuple[tuple[Change, ...], int]:
    """Return what can be mended, and how many findings cannot be from here."""
    from wizards.provision.look import read_looks
    from wizards.provision.mending import changes
    from wizards.provision.preflight import judge

    looks = read_looks(way.cluster, way.spec)
    if not looks.fresh(way.spec):
        tell(f"Looking at the nodes of {way.cluster.name} ...")
        _look(way)
        looks = read_looks(way.cluster, way.spec)
    findings = judge(looks.reports, way.spec, practice=way.cluster.is_practice)
    proposed = changes(looks.reports, findings, way.spec)
    mended = {(one.host, one.check) for one in proposed}
    return proposed, sum(1 for one in findings if (one.host, one.id) not in mended)


def _look(way: _Way) -> None:
    from wizards.provision.begin import begin_preflight
    from wizards.provision.launch import follow

    for _ in follow(begin_preflight(way.cluster, secrets=way.open())):
        pass


def _show(cluster: Cluster, chosen: Sequence[Change], left: int, *, as_json: bool) -> int:
    """Print the changes as one document or as lines; nothing is made."""
    if as_json:
        print_json(
            {"cluster": cluster.name, "changes": [one.to_json() for one in chosen], "other_findings": left}
        )
        return 0
    for line in change_lines(chosen):
        say(line)
    found = f" {left_words(left)}" if left else ""
    say(f"{count_words(chosen) if chosen else 'There is nothing to change'}.{found}")
    if left:
        say(f"See them: slipway preflight {cluster.name}")
    return 0
