"""Commands on runs: up, attach, cancel, retry, runs, replay, verify."""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.codes import OF_RUN, USAGE
from tui.commands.screens import open_screen, why_no_screen
from tui.errors import UsageProblem
from tui.plain import finding_line, print_history, print_json, print_run, say, tell
from tui.start import Mode, Start
from wizards.clusters import Cluster, Clusters, RunRef, slipway_home
from wizards.provision.events import RunStatus

if TYPE_CHECKING:
    from wizards.provision.launch import Secrets
    from wizards.setup.spec import ClusterSpec


def up(target: str, *, yes: bool, detach: bool, as_json: bool) -> int:
    """Start the job that creates or converges the cluster, and watch it unless told not to."""
    from wizards.provision.begin import begin

    cluster = cluster_of(target)
    spec = cluster.read_spec()
    with ExitStack() as holds:
        _warn(spec, yes=yes)
        secrets = ask_secrets(spec)
        trust(cluster, spec, yes=yes, holds=holds)
        run = begin(cluster, secrets=secrets)
        return _after_start(cluster, run, detach=detach, as_json=as_json)


def cluster_of(target: str) -> Cluster:
    """Return the cluster that `target` names, or the one that the file `target` describes."""
    home = slipway_home()
    path = Path(target)
    if path.suffix in {".yaml", ".yml"} or os.sep in target or path.is_file():
        from wizards.provision.begin import Blocked
        from wizards.setup.document import read_document, with_lines
        from wizards.setup.finding import blocks
        from wizards.setup.rules import check

        document = read_document(path)
        if stopping := blocks(check(document.spec)):
            raise Blocked(with_lines(stopping, document.lines), path)
        return Clusters(home).adopt_file(path)
    return Clusters(home).get(target)


def _warn(spec: ClusterSpec, *, yes: bool) -> None:
    from wizards.provision.begin import Blocked
    from wizards.setup.finding import blocks
    from wizards.setup.rules import check

    findings = check(spec)
    if stopping := blocks(findings):
        raise Blocked(stopping)
    for finding in findings:
        tell(finding_line(finding))
    if not yes:
        servers = f"{len(spec.nodes)} server{'s' if len(spec.nodes) > 1 else ''}"
        confirm(f"Set up {spec.name} on {servers if spec.nodes else 'this machine'} now?")


def confirm(question: str) -> None:
    """Ask a yes-or-no; a no ends the command, and where nobody can answer it is wrong usage."""
    if not sys.stdin.isatty():
        raise UsageProblem(f"{question} Nobody can answer here: use --yes.")
    if not click.confirm(question, err=True):
        raise click.Abort


def ask_secrets(spec: ClusterSpec) -> Secrets:
    """Ask for the passwords that the run needs, hidden."""
    from wizards.provision.begin import needed_secrets
    from wizards.provision.launch import Secrets

    wanted = needed_secrets(spec)
    if wanted and not sys.stdin.isatty():
        names = ", ".join(one.title for one in wanted)
        raise UsageProblem(f"A password is needed ({names}) and there is no terminal to ask at: use a key.")
    return Secrets(**{one.name: getpass.getpass(f"{one.title}: ") for one in wanted})


def trust(
    cluster: Cluster, spec: ClusterSpec, *, yes: bool, holds: ExitStack, only_looks: bool = False
) -> None:
    """Show unknown host keys and keep them when the user agrees; the practice yard's come from itself.

    A changed key ends the command with exit code 3, unless it `only_looks`: ssh refuses that server all the
    same, and the look says so among the rest. A server that does not answer is only told: the look at
    the nodes will name it, and must not be held up by it.
    """
    from tui.commands.access import agree
    from wizards.provision.begin import awake
    from wizards.setup.spec import Target
    from wizards.setup.words import sentence

    if cluster.is_practice:
        holds.enter_context(awake(cluster))
    elif spec.target is Target.BARE_METAL:
        for name, why in agree(cluster, spec, yes=yes, stops=not only_looks).items():
            tell(sentence(f"{name}: {why}"))


def _after_start(cluster: Cluster, run: RunRef, *, detach: bool, as_json: bool) -> int:
    if detach:
        if as_json:
            print_json({"cluster": cluster.name, "run": run.id})
        else:
            say(f"Run {run.id} goes on by itself. Watch it: slipway attach {cluster.name}")
        return 0
    return watch(cluster, run, as_json=as_json)


def watch(cluster: Cluster, run: RunRef, *, as_json: bool) -> int:
    """Show a run until it ends: on a screen where there is one, else as lines."""
    if not as_json and not why_no_screen() and sys.stdout.isatty():
        return open_screen(Start(Mode.RUN, slipway_home(), cluster=cluster.name, run=run.id), "")
    return follow_run(cluster, run, as_json=as_json)


def follow_run(cluster: Cluster, run: RunRef, *, as_json: bool) -> int:
    """Print a run as it goes and return its exit code. Ctrl-C leaves it running."""
    from wizards.provision.launch import follow

    try:
        status = print_run(follow(run), as_json=as_json)
    except KeyboardInterrupt:
        tell(f"The run goes on. Watch it: slipway attach {cluster.name}")
        tell(f"Stop it: slipway cancel {cluster.name}")
        return 0
    return OF_RUN[status]


def _last(name: str) -> tuple[Cluster, RunRef]:
    cluster = Clusters(slipway_home()).get(name)
    run = cluster.current_run()
    if run is None:
        raise UsageProblem(f"The cluster {name} has no run yet: slipway up {name}")
    return cluster, run


def attach(name: str, *, as_json: bool) -> int:
    """Watch the newest run."""
    cluster, run = _last(name)
    return watch(cluster, run, as_json=as_json)


def cancel(name: str, *, now: bool) -> int:
    """Ask the running run to stop, and wait until it has."""
    from wizards.provision.launch import follow, request_cancel

    _, run = _last(name)
    if run.status() is not RunStatus.RUNNING:
        tell(f"No run of {name} is going on; the last one ended: {run.status()}.")
        return USAGE
    request_cancel(run, by=getpass.getuser(), now=now)
    say("Stopping at once ..." if now else "Stopping after the task in hand ...")
    for _ in follow(run):
        pass
    say(f"The run ended: {run.status()}.")
    return 0


def retry(name: str, *, detach: bool, as_json: bool) -> int:
    """Go on from the first stage that is not done."""
    from wizards.provision.launch import start_retry

    cluster, run = _last(name)
    status = run.status()
    if status is RunStatus.SUCCEEDED:
        raise UsageProblem(f"The last run of {name} succeeded: there is nothing to retry.")
    with ExitStack() as holds:
        spec = cluster.read_spec()
        secrets = ask_secrets(spec)
        trust(cluster, spec, yes=False, holds=holds)
        again = start_retry(cluster, run, secrets=secrets)
        return _after_start(cluster, again, detach=detach, as_json=as_json)


def history(name: str, *, as_json: bool) -> int:
    """List the runs."""
    print_history(Clusters(slipway_home()).get(name).runs(), as_json=as_json)
    return 0


def replay(name: str, run_id: str) -> int:
    """Show a recorded run."""
    cluster = Clusters(slipway_home()).get(name)
    run = cluster.run(run_id)
    if why_no_screen() or not sys.stdout.isatty():
        follow_run(cluster, run, as_json=False)
        return 0
    open_screen(Start(Mode.REPLAY, slipway_home(), cluster=name, run=run.id), "")
    return 0


def verify(name: str, *, as_json: bool) -> int:
    """Prove the cluster: the verify stage as a run of its own."""
    return _run_stages(name, job="verify", stages=("verify",), as_json=as_json)


def _run_stages(target: str, *, job: str, stages: tuple[str, ...], as_json: bool) -> int:
    from wizards.provision.begin import begin

    cluster = cluster_of(target)
    spec = cluster.read_spec()
    with ExitStack() as holds:
        secrets = ask_secrets(spec)
        trust(cluster, spec, yes=False, holds=holds)
        run = begin(cluster, secrets=secrets, job=job, only=stages)
        return follow_run(cluster, run, as_json=as_json)
