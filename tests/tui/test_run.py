"""The run screen over a journal's events: what it answers, its keys, and text from outside."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from textual.widgets import DataTable, Input, TabbedContent

from tests.tui.conftest import NARROW, WIDE, text_of, until
from tui.app import SlipwayApp
from tui.screens.run import RunScreen
from tui.start import Mode, Start
from wizards.provision.events import (
    CheckFound,
    Event,
    HostStatus,
    HostTask,
    RunFinished,
    RunStarted,
    RunStatus,
    StageFinished,
    StageInfo,
    StageStarted,
    StageStatus,
    TaskStarted,
)
from wizards.provision.progress import ProgressFold

HOSTS = ("node-1", "node-2", "node-3")
STAGES = (
    StageInfo("tools", "Prepare this console"),
    StageInfo("kubernetes", "Kubernetes", HOSTS, 10),
    StageInfo("verify", "Verify"),
)


def numbered(events: Iterable[Event]) -> list[Event]:
    return [
        dataclasses.replace(event, n=n, t=1_700_000_000.0 + n, m=float(n))
        for n, event in enumerate(events, start=1)
    ]


def running() -> list[Event]:
    events: list[Event] = [
        RunStarted(run="r1", cluster="lab", practice=True, stages=STAGES),
        StageStarted(stage="tools"),
        StageFinished(stage="tools"),
        StageStarted(stage="kubernetes"),
        TaskStarted(stage="kubernetes", task="t1", name="Write kubelet configuration", role="node"),
        *(
            HostTask(
                stage="kubernetes",
                task="t1",
                name="Write kubelet configuration",
                host=host,
                status=HostStatus.STARTED,
            )
            for host in HOSTS
        ),
        HostTask(
            stage="kubernetes",
            task="t1",
            name="Write kubelet configuration",
            host="node-1",
            status=HostStatus.CHANGED,
            seconds=1.5,
        ),
    ]
    return events


def failed() -> list[Event]:
    return [
        *running(),
        HostTask(
            stage="kubernetes",
            task="t1",
            name="Write kubelet configuration",
            host="node-2",
            status=HostStatus.FAILED,
            seconds=2.0,
            message="No space left on device",
        ),
        StageFinished(stage="kubernetes", status=StageStatus.FAILED, rc=2, message="1 of 3 hosts failed"),
        RunFinished(status=RunStatus.FAILED, message="Kubernetes failed on node-2."),
    ]


class RunApp(SlipwayApp):
    """Opens the run screen alone, over events given by the test; keeps what the screen gave back."""

    def __init__(self, home: Path, events: list[Event], *, ends: bool) -> None:
        super().__init__(Start(Mode.RUN, home))
        self.events = numbered(events)
        self.ends = ends
        self.cancelled: list[bool] = []
        self.answers: list[str | None] = []

    def source(self, stop: threading.Event) -> Iterator[list[Event]]:
        yield self.events
        if not self.ends:
            stop.wait()

    def _open(self) -> None:  # type: ignore[override]
        screen = RunScreen("lab", self.source, practice=True, cancel=self.cancelled.append)
        self.push_screen(screen, self.answers.append)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_it_says_stage_hosts_task_and_that_it_is_practice(home: Path, size: tuple[int, int]) -> None:
    app = RunApp(home, running(), ends=False)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "Stage 2 of 3 Kubernetes" in text_of(app), "the stage")
        text = text_of(app)
        assert "PRACTICE" in text
        assert "✓ Prepare this console" in text
        assert "▶ working" in text
        assert "✓ done" in text
        assert "Write kubelet configuration" in text
        assert "c Cancel run" in text
        assert "r Retry" not in text, "the footer offers only what works now"


async def test_a_failure_opens_its_pane_with_host_task_and_message_and_offers_retry(home: Path) -> None:
    app = RunApp(home, failed(), ends=True)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: "No space left on device" in text_of(app), "the message")
        text = text_of(app)
        assert "node-2 · kubernetes · Write kubelet configuration" in text
        assert "Failed" in text
        assert "c Cancel run" not in text
        await pilot.press("r")
        await until(pilot, lambda: app.answers == ["retry"], "retry is given back")


async def test_cancel_asks_first_and_the_harmless_answer_is_marked(home: Path) -> None:
    app = RunApp(home, running(), ends=False)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: "Stage 2 of 3" in text_of(app), "the run")
        await pilot.press("c")
        await until(pilot, lambda: "Stop this run?" in text_of(app), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: "Stop this run?" not in text_of(app), "the question is gone")
        assert app.cancelled == []
        await pilot.press("c")
        await until(pilot, lambda: "Stop this run?" in text_of(app), "the question again")
        await pilot.press("right", "enter")
        await until(pilot, lambda: app.cancelled == [False], "asked to stop after the task")


async def test_detach_gives_back_leave(home: Path) -> None:
    app = RunApp(home, running(), ends=False)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: "Stage 2 of 3" in text_of(app), "the run")
        await pilot.press("d")
        await until(pilot, lambda: app.answers == ["leave"], "leave is given back")
        assert app.cancelled == []


async def test_search_shows_only_matching_lines_and_escape_shows_all(home: Path) -> None:
    app = RunApp(home, running(), ends=False)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "Stage tools" in text_of(app), "the log")
        await pilot.press("slash")
        await until(pilot, lambda: isinstance(app.focused, Input), "the search field")
        await pilot.press(*"kubelet")
        await until(pilot, lambda: "Stage tools" not in text_of(app), "other lines are gone")
        assert "node : Write kubelet configuration" in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: "Stage tools" in text_of(app), "all lines are back")


async def test_pause_freezes_the_view_and_says_so(home: Path) -> None:
    app = RunApp(home, running(), ends=False)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: "Stage 2 of 3" in text_of(app), "the run")
        await pilot.press("p")
        await until(pilot, lambda: "PAUSED" in text_of(app), "it says paused")
        await pilot.press("p")
        await until(pilot, lambda: "PAUSED" not in text_of(app), "it goes on")


async def test_markup_in_a_message_is_shown_and_not_obeyed(home: Path) -> None:
    events = failed()
    events[-3] = dataclasses.replace(events[-3], message="bad [/red] markup [bold]x")  # type: ignore[call-arg]
    app = RunApp(home, events, ends=True)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: "bad [/red] markup [bold]x" in text_of(app), "the text as it is")


async def test_a_blocked_run_shows_what_must_be_mended(home: Path) -> None:
    finding = {
        "id": "memory",
        "severity": "block",
        "host": "node-2",
        "message": "512 MB of memory.",
        "remedy": "Give it 2 GiB.",
    }
    events = [
        RunStarted(run="r1", cluster="lab", stages=STAGES),
        StageStarted(stage="tools"),
        CheckFound(stage="tools", finding=finding),
        StageFinished(stage="tools", status=StageStatus.FAILED),
        RunFinished(status=RunStatus.BLOCKED, message="A check found what must be mended first."),
    ]
    app = RunApp(home, events, ends=True)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: "512 MB of memory." in text_of(app), "the finding")
        assert "Give it 2 GiB." in text_of(app)
        assert app.screen.query_one(TabbedContent).active == "failures"


async def test_three_hundred_hosts_show_the_failed_ones_first(home: Path) -> None:
    names = tuple(f"node-{n:03}" for n in range(300))
    stages = (StageInfo("kubernetes", "Kubernetes", names, 3),)
    events: list[Event] = [
        RunStarted(run="r", cluster="big", stages=stages),
        StageStarted(stage="kubernetes"),
    ]
    events += [
        HostTask(stage="kubernetes", task="t", name="Write", host=one, status=HostStatus.OK) for one in names
    ]
    events.append(
        HostTask(
            stage="kubernetes",
            task="u",
            name="Fetch",
            host="node-277",
            status=HostStatus.UNREACHABLE,
            message="no route",
        )
    )
    app = RunApp(home, events, ends=False)
    late = numbered(
        [
            *events,
            HostTask(stage="kubernetes", task="u", name="Fetch", host="node-299", status=HostStatus.FAILED),
        ]
    )
    async with app.run_test(size=NARROW) as pilot:
        table = app.screen.query_one("#hosts", DataTable)
        await until(
            pilot, lambda: str(table.get_row_at(0)[0]) == "node-277", "the unreachable host stands first"
        )
        fold = ProgressFold()
        fold.feed(late)
        app.screen.post_message(RunScreen.Moved(fold.view(), [], []))
        await until(pilot, lambda: str(table.get_row_at(1)[0]) == "node-299", "one that fails later joins it")
