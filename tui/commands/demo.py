"""``slipway demo``: the whole path on the embedded practice yard."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tui.codes import FAILED, OF_RUN, USAGE
from tui.commands.health import show
from tui.commands.screens import why_no_screen
from tui.plain import print_run, say, tell
from tui.start import Mode, Start
from wizards.clusters import Cluster, Clusters, RunRef, UnknownCluster, slipway_home, yard_dir

if TYPE_CHECKING:
    from wizards.practice.client import Yard


def demo(*, auto: bool, nodes: int, fail: str) -> int:
    """Start the yard, then the wizard on it, or go through by itself; leave nothing behind."""
    from wizards.practice.answers import CLUSTER_NAME
    from wizards.practice.client import ensure_yard, hold, stop_yard

    if not auto and (reason := why_no_screen()):
        tell(f"No screen here: {reason}. `slipway demo --auto` needs none.")
        return USAGE
    home = slipway_home()
    folder = yard_dir(home, CLUSTER_NAME)
    with ExitStack() as holds:
        _make_room(home, folder)
        holds.enter_context(hold(folder))
        if sys.stderr.isatty() or auto:
            tell(f"Starting {nodes} practice servers on this machine ...")
        yard = ensure_yard(folder, nodes)
        if not auto:
            from tui.app import run_app

            return run_app(Start(Mode.WIZARD, home, yard=folder, fail=fail))
        try:
            return _go_through(home, yard, fail)
        finally:
            stop_yard(folder)


def _make_room(home: Path, folder: Path) -> None:
    """An earlier practice cluster makes room: each demo begins with bare servers."""
    import shutil

    from wizards.practice.answers import CLUSTER_NAME
    from wizards.practice.client import stop_yard

    with suppress(UnknownCluster):
        Clusters(home).remove(CLUSTER_NAME)
    stop_yard(folder)
    draft = folder / "draft.json"
    kept = draft.read_bytes() if draft.is_file() else None
    shutil.rmtree(folder, ignore_errors=True)
    if kept is not None:
        from wizards.files import private_folder, write_private

        private_folder(folder)
        write_private(draft, kept)


def _go_through(home: Path, yard: Yard, fail: str) -> int:
    from wizards.health.reader import read_health
    from wizards.practice.answers import practice_answers
    from wizards.provision.begin import awake, begin, save_cluster
    from wizards.provision.launch import Secrets
    from wizards.setup import steps

    spec = steps.build(practice_answers(yard))
    cluster = save_cluster(home, spec, practice=True)
    with awake(cluster):
        run = begin(cluster, secrets=Secrets(), fail=fail or None)
        code = _to_the_end(cluster, run, ordered_fault=bool(fail))
    if code:
        return code
    say()
    return show(read_health(cluster.kubeconfig, spec), as_json=False)


def _to_the_end(cluster: Cluster, run: RunRef, *, ordered_fault: bool) -> int:
    """Follow the run; after a fault that was ordered, do what a user would: retry."""
    from wizards.provision.launch import Secrets, start_retry

    code = _follow(run)
    if code == FAILED and ordered_fault:
        say("That was the fault you ordered. Retrying from the first stage that is not done:")
        code = _follow(start_retry(cluster, run, secrets=Secrets()))
    return code


def _follow(run: RunRef) -> int:
    """Print the run to its end. Ctrl-C ends practice for good: the run is stopped, not left behind."""
    from wizards.provision.launch import follow, request_cancel

    try:
        return OF_RUN[print_run(follow(run), as_json=False)]
    except KeyboardInterrupt:
        tell("Stopping ...")
        request_cancel(run, by="Ctrl-C", now=True)
        for _ in follow(run):
            pass
        return OF_RUN[run.status()]
