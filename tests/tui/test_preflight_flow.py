"""The check of the nodes on its way: from the console, and when a look may stand for another."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from textual import work
from textual.widgets import OptionList

from tests.provision.healthy import a_spec, healthy
from tests.tui.conftest import NARROW, text_of, until
from tui.app import SlipwayApp
from tui.preflight_flow import Checked, NodeCheck, looks_for
from tui.screens.console import ConsoleScreen
from tui.screens.mend import MendScreen
from tui.screens.preflight import PreflightScreen
from tui.start import Mode, Start
from wizards.clusters import Cluster, Clusters, yard_dir
from wizards.practice.answers import practice_answers
from wizards.practice.client import ensure_yard, hold, stop_yard
from wizards.provision.acceptance import read_accepted
from wizards.provision.begin import save_cluster
from wizards.provision.launch import Secrets
from wizards.provision.look import Looks, keep_looks
from wizards.setup.steps import build


def aged(cluster: Cluster, seconds: float) -> None:
    """Let the cluster's answers be older than they are."""
    then = time.time() - seconds
    os.utime(cluster.spec_path, (then, then))


def test_a_fresh_look_stands_for_another_only_where_the_answers_are_the_same(home: Path) -> None:
    spec = a_spec()
    assert looks_for(home, spec) is None, "there is no such cluster yet"
    cluster = save_cluster(home, spec)
    aged(cluster, 60)
    assert looks_for(home, spec) is None, "nobody looked"
    keep_looks(cluster, spec, healthy(spec))
    looks = looks_for(home, spec)
    assert looks is not None
    assert set(looks.reports) == {"node-1", "node-2", "node-3"}
    save_cluster(home, spec)
    assert looks_for(home, spec) is not None, "the same answers, saved again, are the same answers"
    other = a_spec(kubernetes={"domain": "other.local"})
    assert looks_for(home, other) is None
    save_cluster(home, other)
    aged(cluster, -1)
    assert looks_for(home, other) is None, "looked at for other answers"


class VisitApp(SlipwayApp):
    """Opens the check of the nodes of one cluster on the looks that are kept; keeps what came of it."""

    def __init__(self, home: Path, cluster: Cluster, looks: Looks) -> None:
        super().__init__(Start(Mode.CONSOLE, home))
        self.cluster = cluster
        self.looks = looks
        self.came: list[Checked | None] = []

    @work
    async def _open(self) -> None:
        check = NodeCheck(self, self.cluster, self.cluster.read_spec(), Secrets())
        self.came.append(await check.visit(self.looks, starts=True))


async def test_acceptances_are_kept_with_the_cluster_and_mending_shows_its_changes_first(home: Path) -> None:
    spec = a_spec()
    cluster = save_cluster(home, spec)
    reports = healthy(spec)
    for name in ("node-2", "node-3"):
        reports[name]["seen"]["swap_mib"] = 512
    app = VisitApp(home, cluster, keep_looks(cluster, spec, reports))
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: "2 warnings to accept" in text_of(app), "what was kept is shown")
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, MendScreen), "every change is shown first")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, PreflightScreen), "nothing was mended")
        assert cluster.runs() == ()
        await pilot.press("A")
        await until(pilot, lambda: "Accept these 2 warnings?" in text_of(app), "the question")
        await pilot.press("right", "enter")
        await until(pilot, lambda: "Enter: start the set-up" in text_of(app), "it may start")
        assert [one.host for one in read_accepted(cluster)] == ["node-2", "node-3"]
        await pilot.press("enter")
        await until(
            pilot, lambda: app.came == [Checked(None)], "it goes on; no look's run stands for another"
        )


def console_is_there(app: SlipwayApp) -> bool:
    return isinstance(app.screen, ConsoleScreen) and isinstance(app.focused, OptionList)


def told(app: SlipwayApp) -> str:
    """What the screen says, as one line, with 'just now' read as some time ago."""
    return " ".join(text_of(app).split()).replace("just now", "0 minutes ago")


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_from_the_console_the_nodes_are_looked_at_and_not_twice_at_once(home: Path) -> None:
    folder = yard_dir(home, "practice")
    with hold(folder):
        yard = ensure_yard(folder, 2)
        cluster = save_cluster(home, build(practice_answers(yard)), practice=True)
    aged(cluster, 60)
    app = SlipwayApp(Start(Mode.CONSOLE, home))
    try:
        async with app.run_test(size=NARROW) as pilot:
            await until(pilot, lambda: isinstance(app.focused, OptionList), "the console")
            await until(pilot, lambda: "c Check the nodes" in text_of(app), "the footer")
            await pilot.press("c")
            await until(pilot, lambda: isinstance(app.screen, PreflightScreen), "the screen", seconds=60)
            await until(pilot, lambda: "PRACTICE" in text_of(app), "that nothing is real")
            # The sentence is there as soon as both have answered; what was seen is kept at the run's end.
            await until(pilot, lambda: "All 2 nodes were looked at." in text_of(app), "the end", seconds=120)
            assert "2 nodes: nothing stands in the way." in text_of(app)
            await until(pilot, lambda: "Practice leaves out" in text_of(app), "what practice leaves out")
            assert "Close" in text_of(app)
            await pilot.press("escape")
            await until(pilot, lambda: console_is_there(app), "the console again")
            looked = Clusters(home).get("practice").runs()
            await pilot.press("c")
            await until(pilot, lambda: "ago, for the same answers: no need" in told(app), "no second look")
            assert Clusters(home).get("practice").runs() == looked
            await pilot.press("escape")
            await until(pilot, lambda: console_is_there(app), "the console at last")
    finally:
        stop_yard(folder)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_leaving_a_look_ends_it_and_the_cluster_is_free(home: Path) -> None:
    folder = yard_dir(home, "practice")
    with hold(folder):
        yard = ensure_yard(folder, 2)
        cluster = save_cluster(home, build(practice_answers(yard)), practice=True)
    app = SlipwayApp(Start(Mode.CONSOLE, home))
    try:
        async with app.run_test(size=NARROW) as pilot:
            await until(pilot, lambda: isinstance(app.focused, OptionList), "the console")
            await pilot.press("c")
            await until(pilot, lambda: "0 of 2 looked at; waiting" in text_of(app), "the look", seconds=60)
            await pilot.press("escape")
            # With its rows: a screen that goes while it is being laid out has nothing to fill.
            await until(pilot, lambda: console_is_there(app), "the console", seconds=60)
            run = cluster.latest_run()
            assert run is not None
            assert not run.is_alive()
            with cluster.lock("trying"):
                pass
    finally:
        stop_yard(folder)
