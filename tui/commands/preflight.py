"""``slipway preflight``: the same look at the nodes as on the screen, as lines or as one JSON document."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tui.codes import BLOCKED, DONE, FAILED, OF_RUN
from tui.commands.runs import ask_secrets, cluster_of, trust
from tui.errors import UsageProblem
from tui.plain import print_json, say, tell

if TYPE_CHECKING:
    from wizards.clusters import Cluster, RunRef
    from wizards.provision.looking import Looking, LookView
    from wizards.setup.finding import Finding
    from wizards.setup.spec import ClusterSpec

_TELL_SECONDS = 5.0
"""How often the command says whom it still waits for."""


def list_checks(*, as_json: bool) -> int:
    """Name every check: what it wants and why."""
    from wizards.provision.verdict_text import check_lines, checks_json

    if as_json:
        print_json(checks_json())
    else:
        for line in check_lines():
            say(line)
    return DONE


def preflight(target: str | None, *, nodes: tuple[str, ...], accept: tuple[str, ...], as_json: bool) -> int:
    """Look at the servers, at all or at `nodes`; accept what `accept` names; print what was found."""
    from wizards.provision.begin import begin_preflight
    from wizards.setup.spec import Target

    if target is None:
        raise UsageProblem("Name a cluster or a cluster.yaml: slipway preflight NAME|FILE")
    wanted = tuple(_accept_of(one) for one in accept)
    cluster = cluster_of(target)
    spec = cluster.read_spec()
    if spec.target is not Target.BARE_METAL:
        raise UsageProblem(f"{cluster.name} runs on this machine: there are no servers to look at.")
    _must_be_nodes(spec, (*nodes, *(host for _, host in wanted if host)))
    with ExitStack() as holds:
        secrets = ask_secrets(spec)
        trust(cluster, spec, yes=False, holds=holds, only_looks=True)
        run = begin_preflight(cluster, secrets=secrets, hosts=nodes)
        looking = _follow(cluster, spec, run, nodes)
    view = _accepting(cluster, looking, wanted) if wanted else looking.view()
    _print(cluster, view, as_json=as_json)
    return _code(run, view)


def _accept_of(text: str) -> tuple[str, str]:
    """Read ``CHECK`` or ``CHECK@NODE``."""
    from wizards.provision.checks import CHECKS

    check, _, host = text.partition("@")
    if check not in {one.id for one in CHECKS}:
        raise UsageProblem(f"There is no check called {check!r}: slipway preflight --list names them.")
    return check, host


def _must_be_nodes(spec: ClusterSpec, names: tuple[str, ...]) -> None:
    there = [node.name for node in spec.nodes]
    for name in names:
        if name not in there:
            raise UsageProblem(f"{spec.name} has no node called {name!r}. It has: {', '.join(there)}.")


def _follow(cluster: Cluster, spec: ClusterSpec, run: RunRef, nodes: tuple[str, ...]) -> Looking:
    """Follow the look to its end, and say now and then on standard error whom it waits for."""
    from wizards.provision.acceptance import read_accepted
    from wizards.provision.launch import follow
    from wizards.provision.look import read_looks
    from wizards.provision.looking import Looking

    looking = Looking(
        spec,
        practice=cluster.is_practice,
        reports=read_looks(cluster, spec).reports if nodes else {},
        accepted=read_accepted(cluster),
    )
    looking.begin(nodes)
    count = len(nodes or spec.nodes)
    tell(f"Looking at {count} node{'' if count == 1 else 's'} of {cluster.name} ...")
    began = told = time.monotonic()
    for batch in follow(run):
        looking.feed(batch)
        if time.monotonic() - told >= _TELL_SECONDS and (waiting := looking.view().verdict.waiting):
            from wizards.provision.verdict_text import names_in_words

            told = time.monotonic()
            tell(f"... waiting for {names_in_words(waiting, 6)} ({told - began:.0f} s)")
    return looking


def _accepting(cluster: Cluster, looking: Looking, wanted: tuple[tuple[str, str], ...]) -> LookView:
    from wizards.provision.acceptance import accept

    findings = looking.view().findings
    chosen: list[Finding] = []
    for check, host in wanted:
        named = [one for one in findings if one.id == check and host in ("", one.host)]
        if not named:
            tell(f"Nothing to accept: {check} found nothing{f' on {host}' if host else ''}.")
        chosen += named
    _tell_blocking(chosen)
    if chosen:
        looking.accept(accept(cluster, chosen))
    return looking.view()


def _tell_blocking(findings: list[Finding]) -> None:
    from wizards.setup.finding import blocks

    for one in blocks(findings):
        tell(f"Not accepted: {one.id} {f'on {one.host} ' if one.host else ''}must be mended first.")


def _print(cluster: Cluster, view: LookView, *, as_json: bool) -> None:
    from wizards.provision.verdict_text import preflight_json, preflight_lines

    if as_json:
        print_json(
            preflight_json(view.verdict, cluster=cluster.name, accepted=view.accepted, failed=view.failed)
        )
        return
    if view.failed:
        tell(view.failed)
    for line in preflight_lines(view.verdict, accepted=view.accepted):
        say(line)
    for line in view.told:
        say(line)


def _code(run: RunRef, view: LookView) -> int:
    if view.failed:
        return OF_RUN[run.status()] or FAILED
    return BLOCKED if view.verdict.blocks else DONE
