"""The preflight screen over a look's events: what it shows while nodes answer, its keys, what it starts."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input

from tests.provision.healthy import a_spec, healthy
from tests.tui.conftest import NARROW, WIDE, text_of, until
from tui.app import SlipwayApp
from tui.look_follower import Source
from tui.preflight_actions import PreflightActions
from tui.screens.preflight import PreflightAnswer, PreflightScreen
from tui.start import Mode, Start
from tui.widgets.check_matrix import CheckMatrix
from wizards.lock import ClusterBusy, Holder
from wizards.provision.acceptance import Acceptance
from wizards.provision.events import (
    Event,
    NodeReported,
    RunFinished,
    RunStarted,
    RunStatus,
    StageFinished,
    StageInfo,
    StageStarted,
    TaskStarted,
)
from wizards.provision.looking import Looking
from wizards.setup.finding import Finding, Severity
from wizards.setup.spec import ClusterSpec

Reports = dict[str, dict[str, Any]]


def faulty(spec: ClusterSpec) -> Reports:
    """Node 2 lacks memory and has swap on, node 3 has swap on; the others are fine."""
    reports = healthy(spec)
    reports["node-2"]["seen"] |= {"memory_mib": 600, "swap_mib": 2048}
    reports["node-3"]["seen"]["swap_mib"] = 512
    return reports


def only_swap(spec: ClusterSpec) -> Reports:
    reports = healthy(spec)
    for name in ("node-2", "node-3"):
        reports[name]["seen"]["swap_mib"] = 512
    return reports


def look_at(reports: Reports, hosts: Iterable[str], *, ends: RunStatus | None) -> list[Event]:
    """A look's events; `ends` is how its run ended, None while it goes on."""
    names = tuple(hosts)
    events: list[Event] = [
        RunStarted(run="r1", cluster="lab", job="preflight", stages=(StageInfo("preflight", "Look", names),)),
        StageStarted(stage="preflight"),
        *(
            NodeReported(stage="preflight", host=name, report=reports[name])
            for name in names
            if name in reports
        ),
    ]
    if ends is not None:
        events += [
            StageFinished(stage="preflight"),
            RunFinished(status=ends, message="" if ends is RunStatus.SUCCEEDED else "No space on this disk."),
        ]
    return events


class PreflightApp(SlipwayApp):
    """Opens the preflight screen alone, over looks given by the test; keeps what was asked of it."""

    def __init__(
        self, home: Path, spec: ClusterSpec, *looks: list[Event], starts: bool = True, mends: bool = False
    ) -> None:
        super().__init__(Start(Mode.RUN, home))
        self.spec = spec
        self.looks = list(looks)
        self.starts = starts
        self.mends = mends
        self.asked: list[tuple[str, ...]] = []
        self.accepted: dict[tuple[str, str], Acceptance] = {}
        self.mended: list[tuple[Finding, ...]] = []
        self.busy = False
        self.more = threading.Event()
        self.answers: list[PreflightAnswer | None] = []

    def next_look(self) -> Source:
        events = self.looks.pop(0)

        def source(stop: threading.Event) -> Iterator[list[Event]]:
            yield events
            if not isinstance(events[-1], RunFinished):
                while not (stop.is_set() or self.more.wait(0.02)):
                    pass
                yield self.looks.pop(0)

        return source

    def look(self, hosts: tuple[str, ...]) -> Source:
        if self.busy:
            raise ClusterBusy("lab", Holder.this_process("create"))
        self.asked.append(hosts)
        return self.next_look()

    def accept(self, findings: tuple[Finding, ...]) -> tuple[Acceptance, ...]:
        for one in findings:
            self.accepted[one.id, one.host] = Acceptance(one.id, one.host, "anna", 1.0, one.message)
        return tuple(self.accepted.values())

    def withdraw(self, keys: tuple[tuple[str, str], ...]) -> tuple[Acceptance, ...]:
        for key in keys:
            del self.accepted[key]
        return tuple(self.accepted.values())

    async def mend(self, reports: object, findings: tuple[Finding, ...]) -> Source | None:
        self.mended.append(findings)
        return self.next_look() if self.looks else None

    def _open(self) -> None:  # type: ignore[override]
        actions = PreflightActions(
            self.look, self.accept, self.withdraw, mend=self.mend if self.mends else None
        )
        screen = PreflightScreen(
            "lab", Looking(self.spec), actions, source=self.next_look(), starts=self.starts
        )
        self.push_screen(screen, self.answers.append)


def rows(app: SlipwayApp, table: str = "nodes") -> list[list[str]]:
    there = app.screen.query_one(f"#preflight-{table}", CheckMatrix)
    return [[str(cell).strip() for cell in there.get_row_at(at)] for at in range(there.row_count)]


def focus(app: SlipwayApp) -> str:
    return (app.focused.id if app.focused is not None else "") or ""


async def shown(pilot: Pilot[int], app: SlipwayApp, *texts: str) -> None:
    await until(pilot, lambda: all(one in text_of(app) for one in texts), f"{texts} on\n{text_of(app)}")


async def test_results_appear_as_nodes_answer_and_it_says_who_is_waited_for(home: Path) -> None:
    spec = a_spec(4)
    reports = faulty(spec)
    late = {name: reports[name] for name in ("node-1", "node-2")}
    names = tuple(reports)
    app = PreflightApp(
        home,
        spec,
        look_at(late, names, ends=None),
        [
            *(NodeReported(stage="preflight", host=name, report=reports[name]) for name in names[2:]),
            RunFinished(),
        ],
    )
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "2 of 4 looked at; waiting for node-3, node-4 (", "Looking ...")
        assert rows(app)[0][0] == "✗ node-2", "the worst first"
        assert rows(app)[1] == ["… node-3", *["…"] * 7]
        assert rows(app)[3] == ["✓ node-1", *["✓"] * 7]
        assert focus(app) == "start"
        await pilot.press("enter")
        await shown(pilot, app, "Still waiting for node-3, node-4")
        assert app.answers == []
        app.more.set()
        await shown(pilot, app, "All 4 nodes were looked at.", "1 must be mended first")
        assert [one[0] for one in rows(app)] == ["✗ node-2", "! node-3", "✓ node-1", "✓ node-4"]


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_when_nothing_stands_in_the_way_enter_starts(home: Path, size: tuple[int, int]) -> None:
    spec = a_spec()
    app = PreflightApp(home, spec, look_at(healthy(spec), healthy(spec), ends=RunStatus.SUCCEEDED))
    async with app.run_test(size=size) as pilot:
        await shown(pilot, app, "3 nodes: nothing stands in the way.", "Enter: start the set-up")
        await until(pilot, lambda: focus(app) == "start", "Start is marked")
        assert str(app.screen.query_one("#start", Button).label) == "Start"
        await pilot.press("enter")
        await until(pilot, lambda: app.answers == [PreflightAnswer.START], "it starts")


async def test_what_blocks_stops_start_and_enter_says_why(home: Path) -> None:
    spec = a_spec()
    app = PreflightApp(home, spec, look_at(faulty(spec), healthy(spec), ends=RunStatus.BLOCKED))
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "1 finding must be mended first, 2 warnings", "1 must be mended first")
        await until(pilot, lambda: focus(app) == "preflight-nodes", "the worst node is marked")
        await shown(pilot, app, "node-2: 2 findings", "Memory", "600 MiB", "Mend:", "Why:")
        await pilot.press("tab")
        while focus(app) != "start":
            await pilot.press("tab")
        await shown(pilot, app, "1 must be mended first. v: by check")
        await pilot.press("enter")
        await pilot.pause()
        assert app.answers == []
        await pilot.press("escape")
        await until(pilot, lambda: app.answers == [PreflightAnswer.BACK], "back")


async def test_a_node_is_read_down_to_why_and_escape_leads_back_step_by_step(home: Path) -> None:
    spec = a_spec()
    app = PreflightApp(home, spec, look_at(faulty(spec), healthy(spec), ends=RunStatus.BLOCKED))
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: focus(app) == "preflight-nodes", "the worst node is marked")
        await pilot.press("enter")
        await until(pilot, lambda: focus(app) == "found", "the findings have the focus")
        assert "node-3" not in text_of(app), "at 24 rows the finding takes the table's room"
        await pilot.press("down")
        await shown(pilot, app, "2048 MiB of swap are on", "kubelet")
        await pilot.press("escape")
        await until(pilot, lambda: focus(app) == "preflight-nodes", "the table again")
        await pilot.press("down", "right")
        await shown(pilot, app, "node-3 · access", "Nothing to mend. What is looked at here: SSH login")
        assert app.answers == []


async def test_by_check_names_the_nodes_of_each_and_reads_them(home: Path) -> None:
    spec = a_spec()
    app = PreflightApp(home, spec, look_at(faulty(spec), healthy(spec), ends=RunStatus.BLOCKED))
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "node-2: 2 findings")
        await pilot.press("v")
        await until(pilot, lambda: focus(app) == "preflight-checks", "the other table")
        memory, swap = rows(app, "checks")
        assert (memory[0], memory[2:]) == ("✗ Memory", ["1", "node-2"])
        assert (swap[0], swap[2:]) == ("! Swap", ["2", "node-2, node-3"])
        await pilot.press("down", "enter")
        await shown(pilot, app, "Swap [swap", "2 findings", "! node-2", "! node-3")
        await pilot.press("escape", "v")
        await until(pilot, lambda: focus(app) == "preflight-nodes", "the nodes again")


async def test_filters_by_weight_and_by_text(home: Path) -> None:
    spec = a_spec(5)
    app = PreflightApp(home, spec, look_at(faulty(spec), healthy(spec), ends=RunStatus.BLOCKED))
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "node-2: 2 findings")
        await pilot.press("f")
        await shown(pilot, app, "only with findings (f)")
        assert [one[0] for one in rows(app)] == ["✗ node-2", "! node-3"]
        await pilot.press("f")
        await until(pilot, lambda: [one[0] for one in rows(app)] == ["✗ node-2"], "only what blocks")
        await pilot.press("f", "slash")
        await until(pilot, lambda: isinstance(app.focused, Input), "the field")
        await pilot.press(*"SWAP")
        await until(pilot, lambda: len(rows(app)) == 2, "nodes whose findings speak of swap")
        await pilot.press("enter")
        await shown(pilot, app, "only 'SWAP' (/)")
        await pilot.press("escape")
        await until(pilot, lambda: len(rows(app)) == 5, "all of them again")
        assert app.answers == []


async def test_one_node_is_looked_at_again_and_the_others_keep_what_was_seen(home: Path) -> None:
    spec = a_spec()
    again = look_at(healthy(spec), ("node-2",), ends=RunStatus.SUCCEEDED)
    app = PreflightApp(home, spec, look_at(faulty(spec), healthy(spec), ends=RunStatus.BLOCKED), again)
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "node-2: 2 findings")
        await pilot.press("r")
        await shown(pilot, app, "3 nodes: 1 warning to accept or mend.", "1 warning to accept")
        assert app.asked == [("node-2",)]
        assert [one[0] for one in rows(app)] == ["! node-3", "✓ node-1", "✓ node-2"]


async def test_a_look_at_all_begins_anew_and_a_busy_cluster_is_told(home: Path) -> None:
    spec = a_spec()
    again = look_at(healthy(spec), healthy(spec), ends=RunStatus.SUCCEEDED)
    app = PreflightApp(home, spec, look_at(faulty(spec), healthy(spec), ends=RunStatus.BLOCKED), again)
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "node-2: 2 findings")
        app.busy = True
        await pilot.press("R")
        await shown(pilot, app, "It was not looked at again")
        app.busy = False
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PreflightScreen), "the dialog is gone")
        await pilot.press("R")
        await shown(pilot, app, "nothing stands in the way", "Start")
        assert app.asked == [()]


async def test_a_warning_is_accepted_by_name_and_taken_back(home: Path) -> None:
    spec = a_spec()
    app = PreflightApp(home, spec, look_at(only_swap(spec), healthy(spec), ends=RunStatus.SUCCEEDED))
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "2 warnings to accept", "a Accept")
        await pilot.press("a")
        await shown(pilot, app, "Accept this warning?", "node-2: 512 MiB of swap")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PreflightScreen), "the harmless answer is first")
        assert app.accepted == {}
        await pilot.press("a")
        await shown(pilot, app, "Accept this warning?")
        await pilot.press("right", "enter")
        await shown(pilot, app, "1 warning to accept")
        assert [host for _, host in app.accepted] == ["node-2"]
        await until(pilot, lambda: ["a 1" in one for one in rows(app)] == [False, True, False], "its sign")
        await pilot.press("down")
        await shown(pilot, app, "accepted by anna")
        await pilot.press("a")
        await shown(pilot, app, "2 warnings to accept")
        assert app.accepted == {}


async def test_all_warnings_are_accepted_after_they_were_shown_and_then_it_starts(home: Path) -> None:
    spec = a_spec()
    app = PreflightApp(home, spec, look_at(only_swap(spec), healthy(spec), ends=RunStatus.SUCCEEDED))
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "2 warnings to accept")
        await pilot.press("A")
        await shown(pilot, app, "Accept these 2 warnings?", "! node-2: Swap", "! node-3: Swap")
        await pilot.press("right", "enter")
        await shown(pilot, app, "Enter: start the set-up")
        assert {host for _, host in app.accepted} == {"node-2", "node-3"}
        await pilot.press("enter")
        await until(pilot, lambda: app.answers == [PreflightAnswer.START], "it starts")


async def test_a_check_is_accepted_on_all_its_nodes_at_once(home: Path) -> None:
    spec = a_spec()
    app = PreflightApp(home, spec, look_at(only_swap(spec), healthy(spec), ends=RunStatus.SUCCEEDED))
    async with app.run_test(size=WIDE) as pilot:
        await shown(pilot, app, "2 warnings to accept")
        await pilot.press("v")
        await until(pilot, lambda: focus(app) == "preflight-checks", "by check")
        await pilot.press("a")
        await shown(pilot, app, "Accept these 2 warnings? Swap")
        await pilot.press("right", "enter")
        await until(pilot, lambda: len(app.accepted) == 2, "both are accepted")


async def test_mending_is_followed_and_what_it_mended_is_looked_at_again(home: Path) -> None:
    spec = a_spec()
    names = tuple(healthy(spec))
    stages = (StageInfo("prepare", "Mend the nodes", names), StageInfo("preflight", "Look", names))
    begun: list[Event] = [
        RunStarted(run="r2", cluster="lab", job="mend", stages=stages),
        StageStarted(stage="prepare"),
        TaskStarted(stage="prepare", task="t", name="Turn swap off"),
    ]
    reports = healthy(spec)
    rest: list[Event] = [
        StageFinished(stage="prepare"),
        StageStarted(stage="preflight"),
        *(NodeReported(stage="preflight", host=name, report=reports[name]) for name in names),
        StageFinished(stage="preflight"),
        RunFinished(),
    ]
    app = PreflightApp(
        home, spec, look_at(only_swap(spec), names, ends=RunStatus.SUCCEEDED), begun, rest, mends=True
    )
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "2 warnings to accept", "m Mend")
        await pilot.press("m")
        await shown(pilot, app, "Mend the nodes: Turn swap off")
        assert rows(app)[0][0] == "! node-2", "what was seen before stays until it is looked at again"
        app.more.set()
        await shown(pilot, app, "nothing stands in the way.")
        assert [one.severity for one in app.mended[0]] == [Severity.WARN, Severity.WARN]


async def test_a_look_that_failed_is_told_and_starts_nothing(home: Path) -> None:
    spec = a_spec()
    app = PreflightApp(home, spec, look_at({}, healthy(spec), ends=RunStatus.FAILED))
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "The look itself failed: No space on this disk.", "Look again first")
        while focus(app) != "start":
            await pilot.press("tab")
        await pilot.press("enter")
        await pilot.pause()
        assert app.answers == []


async def test_the_report_is_saved_where_the_user_says_and_nothing_is_overwritten_unasked(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab-preflight.txt").write_text("mine")
    spec = a_spec()
    app = PreflightApp(home, spec, look_at(faulty(spec), healthy(spec), ends=RunStatus.BLOCKED))
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "node-2: 2 findings")
        await pilot.press("s")
        await shown(pilot, app, "Save this report as text")
        await pilot.press("enter")
        await shown(pilot, app, "is there already")
        assert (tmp_path / "lab-preflight.txt").read_text() == "mine"
        await pilot.press("enter")
        await shown(pilot, app, "Saved: ")
    text = (tmp_path / "lab-preflight.txt").read_text()
    assert text.startswith("# lab: check of the nodes, ")
    assert "1 finding must be mended first" in text
    assert "✗ Memory [memory]" in text
    assert max(map(len, text.splitlines())) <= 80
    assert (tmp_path / "lab-preflight.txt").stat().st_mode & 0o777 == 0o600


async def test_from_the_console_the_button_only_closes(home: Path) -> None:
    spec = a_spec()
    look = look_at(faulty(spec), healthy(spec), ends=RunStatus.BLOCKED)
    app = PreflightApp(home, spec, look, starts=False)
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "node-2: 2 findings", "Close")
        while focus(app) != "start":
            await pilot.press("tab")
        await pilot.press("enter")
        await until(pilot, lambda: app.answers == [PreflightAnswer.BACK], "closed")


async def test_three_hundred_nodes_stay_in_order_and_the_cursor_stays_on_its_row(home: Path) -> None:
    nodes = [{"name": f"node-{n:03}", "address": f"10.0.{n // 200}.{n % 200 + 1}"} for n in range(1, 301)]
    spec = a_spec(1, nodes=nodes)
    reports = healthy(spec)
    for node in spec.nodes:
        reports[node.name]["seen"] |= {"addresses": [node.address], "clock_offset": 0.0}
    reports["node-277"]["seen"]["memory_mib"] = 600
    reports["node-150"]["seen"]["swap_mib"] = 64
    first = {name: one for name, one in reports.items() if name != "node-277"}
    late: list[Event] = [
        NodeReported(stage="preflight", host="node-277", report=reports["node-277"]),
        RunFinished(),
    ]
    app = PreflightApp(home, spec, look_at(first, reports, ends=None), late)
    async with app.run_test(size=NARROW) as pilot:
        await shown(pilot, app, "299 of 300 looked at; waiting for node-277")
        assert [one[0] for one in rows(app)[:3]] == ["! node-150", "… node-277", "✓ node-001"]
        await pilot.press("down", "down", "down")
        table = app.screen.query_one("#preflight-nodes", CheckMatrix)
        at = table.current
        app.more.set()
        await shown(pilot, app, "All 300 nodes were looked at.")
        assert rows(app)[0][0] == "✗ node-277"
        assert table.current == at


async def test_what_a_node_says_is_shown_and_not_obeyed(home: Path) -> None:
    spec = a_spec()
    reports = healthy(spec)
    reports["node-1"] = {"reachable": False, "login_message": "bad [/red] [bold]x\x1b[31m\x1b]0;y\x07"}
    app = PreflightApp(home, spec, look_at(reports, reports, ends=RunStatus.BLOCKED))
    async with app.run_test(size=WIDE) as pilot:
        await shown(pilot, app, "bad [/red]", "[bold]x.")
        assert "\x1b" not in text_of(app)
