"""From checked answers to a run that is under way: the steps that both front ends take, in their order.

needed_secrets → save_cluster → unknown host keys → accept → begin
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wizards.clusters import LOOK, Cluster, Clusters, RunRef, UnknownCluster
from wizards.files import write_private
from wizards.setup.finding import Finding, blocks
from wizards.setup.spec import AccessMethod, Become, ClusterSpec, Target

if TYPE_CHECKING:
    from wizards.provision.launch import Secrets
    from wizards.provision.mending import Change


class Blocked(Exception):
    """The answers may not be carried out; `findings` say why (exit code 3), `path` where they were read."""

    def __init__(self, findings: tuple[Finding, ...], path: Path | None = None) -> None:
        first = findings[0]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(f"{first.message} {first.remedy}".strip() + more)
        self.findings = findings
        self.path = path


@dataclass(frozen=True, slots=True)
class Wanted:
    """A password that the run needs: its name in `Secrets`, and what to ask for."""

    name: str
    title: str


def needed_secrets(spec: ClusterSpec) -> tuple[Wanted, ...]:
    """Return the passwords that must be asked for; none are ever kept."""
    wanted = []
    if spec.target is Target.BARE_METAL:
        if spec.access.method is AccessMethod.PASSWORD:
            wanted.append(Wanted("ssh_password", f"SSH password of {spec.access.user}"))
        if spec.access.become is Become.SUDO_PASSWORD:
            wanted.append(Wanted("become_password", "sudo password"))
    return tuple(wanted)


def save_cluster(home: Path, spec: ClusterSpec, *, practice: bool = False) -> Cluster:
    """Write the cluster's answers and return it, made or brought up to date.

    Raises:
        Blocked: A rule forbids these answers; nothing was written.
        wizards.clusters.ClusterExists: A cluster of that name is there, and only one of the two is practice.
        wizards.lock.ClusterBusy: A run of it is going on.
    """
    from wizards.clusters import ClusterExists
    from wizards.setup.document import write_spec
    from wizards.setup.rules import check

    if stopping := blocks(check(spec)):
        raise Blocked(stopping)
    clusters = Clusters(home)
    try:
        cluster = clusters.get(spec.name)
    except UnknownCluster:
        return clusters.create(spec, practice=practice)
    if cluster.is_practice != practice:
        raise ClusterExists(spec.name)
    with cluster.lock("changing its answers"):
        # The same answers stay as they were written: a look at the nodes since then still counts.
        if not _says(cluster, spec):
            write_spec(spec, cluster.spec_path)
    return cluster


def _says(cluster: Cluster, spec: ClusterSpec) -> bool:
    from wizards.setup.document import InvalidDocument

    try:
        return cluster.read_spec() == spec
    except (InvalidDocument, OSError):
        return False


@contextmanager
def awake(cluster: Cluster) -> Iterator[None]:
    """Keep a practice cluster's yard running, started where it is not; a real cluster is left alone.

    The yard's host keys come from itself, for it is on this machine; its credentials are fresh with each
    start, and the cluster's follow them.

    Raises:
        wizards.practice.client.YardError: The yard does not start.
    """
    if not cluster.is_practice:
        yield
        return
    from wizards.practice.client import ensure_yard, hold, known_hosts_lines

    with hold(cluster.practice_dir):
        yard = ensure_yard(cluster.practice_dir, len(cluster.read_spec().nodes))
        write_private(cluster.known_hosts, known_hosts_lines(yard))
        if cluster.kubeconfig.exists():
            write_private(cluster.kubeconfig, yard.kubeconfig.read_bytes())
        yield


def begin(
    cluster: Cluster,
    *,
    secrets: Secrets,
    fail: str | None = None,
    job: str = "create",
    only: tuple[str, ...] = (),
    hosts: tuple[str, ...] = (),
    looked: RunRef | None = None,
) -> RunRef:
    """Write the files of the run, make the plan, and start it.

    Args:
        cluster: Its answers are read from its cluster.yaml.
        secrets: The passwords that `needed_secrets` names.
        fail: A fault ordered for practice, ``NODE:STAGE``.
        job: What the run is called in its journal.
        only: The ids of the stages to run; empty for all.
        hosts: The only nodes that are looked at; empty for all.
        looked: The run that has just looked at the nodes: the look is then not made again.

    Raises:
        wizards.lock.ClusterBusy: Someone else holds the cluster.
        wizards.provision.launch.LaunchError: It did not start, or this machine lacks what it needs.
        ValueError: `fail` names no node or stage of the plan.
        OSError: A file could not be written.
    """
    from wizards.provision.launch import start_run
    from wizards.provision.stages import create_plan, limited

    spec = cluster.read_spec()
    with _files_written(cluster, spec, secrets):
        plan = create_plan(spec, cluster, fail=fail)
    if only:
        plan = replace(plan, job=job, stages=tuple(one for one in plan.stages if one.id in only))
    if hosts:
        plan = replace(plan, stages=tuple(limited(one, hosts) for one in plan.stages))
    done = ("preflight",) if looked is not None else ()
    return start_run(cluster, plan, secrets=secrets, retry_of=looked, done=done)


@contextmanager
def _files_written(cluster: Cluster, spec: ClusterSpec, secrets: Secrets) -> Iterator[None]:
    """Write the files that a run reads, and hold the cluster while its plan is made from them."""
    from wizards.provision.access import missing_for_passwords
    from wizards.provision.launch import LaunchError
    from wizards.provision.render import render_files, write_files

    if secrets.ssh_password and (missing := missing_for_passwords()):
        raise LaunchError(f"{missing}.")
    with cluster.lock("writing the inventory"):
        files = render_files(spec)
        if cluster.is_practice:
            from wizards.provision.components import rehearsal_files

            files = {**files, **rehearsal_files(spec)}
        write_files(files, cluster.root)
        yield


def begin_preflight(cluster: Cluster, *, secrets: Secrets, hosts: tuple[str, ...] = ()) -> RunRef:
    """Look at the nodes, or at `hosts` alone, as a run of its own that changes nothing. Raises as `begin`.

    Where something was wrong between nodes, all are looked at: a port or a path has two ends.
    """
    alone = hosts if hosts and not _apart(cluster) else ()
    return begin(cluster, secrets=secrets, job=LOOK, only=("preflight",), hosts=alone)


def _apart(cluster: Cluster) -> bool:
    """Tell whether the latest looks found anything between the nodes."""
    from wizards.provision.checks import BETWEEN
    from wizards.provision.look import read_looks
    from wizards.provision.preflight import judge

    spec = cluster.read_spec()
    reports = read_looks(cluster, spec).reports
    unseen = {node.name for node in spec.nodes} - reports.keys()
    return any(one.id in BETWEEN for one in judge(reports, spec, waiting=unseen))


def begin_mending(cluster: Cluster, changes: Sequence[Change], *, secrets: Secrets) -> RunRef:
    """Make the `changes` on their nodes, and look at these nodes again. Raises as `begin`."""
    from wizards.provision.launch import start_run
    from wizards.provision.stages import mending_plan

    spec = cluster.read_spec()
    with _files_written(cluster, spec, secrets):
        plan = mending_plan(spec, cluster, changes)
    return start_run(cluster, plan, secrets=secrets)
