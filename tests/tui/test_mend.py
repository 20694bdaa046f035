"""The screen of changes: every exact line can be read, each can be switched off, none is made unasked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from tests.provision.test_mending import world
from tests.tui.conftest import NARROW, WIDE, text_of, until
from tui.app import SlipwayApp
from tui.screens.mend import MendScreen
from tui.start import Mode, Start
from wizards.provision.mending import Change, changes

Answer = list[tuple[Change, ...] | None]


class App(SlipwayApp):
    """The application with nothing on it."""

    def _open(self) -> None:  # type: ignore[override]
        pass


@asynccontextmanager
async def opened(
    home: Path, shown: Sequence[Change], size: tuple[int, int] = NARROW, left: int = 0
) -> AsyncIterator[tuple[App, Pilot[int], Answer]]:
    app = App(Start(Mode.CONSOLE, home))
    answer: Answer = []
    async with app.run_test(size=size) as pilot:
        await app.push_screen(MendScreen(shown, left=left), answer.append)
        await until(pilot, lambda: isinstance(app.focused, OptionList), "the list has the focus")
        yield app, pilot, answer


def shows(app: App, text: str) -> bool:
    return text in text_of(app)


def proposed() -> tuple[Change, ...]:
    return changes(*world())


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_the_exact_lines_of_every_change_can_be_read(home: Path, size: tuple[int, int]) -> None:
    shown = proposed()
    async with opened(home, shown, size, left=3) as (app, pilot, _):
        assert "20 changes on 2 nodes, of 20 proposed. Nothing has been changed yet." in text_of(app)
        assert "3 other" in text_of(app)
        for change in shown:
            wanted = [f"{change.host}: {change.title}", *(line[:60] for line in change.exact), "Undo: "]
            for text in wanted:
                await until(pilot, partial(shows, app, text), f"{change.id}: {text}")
            await pilot.press("down")


async def test_a_change_is_switched_off_and_the_rest_is_given(home: Path) -> None:
    shown = proposed()
    async with opened(home, shown) as (app, pilot, answer):
        await pilot.press("down", "space")
        await until(pilot, lambda: "[ ] Let programs in /tmp run" in text_of(app), "it is off")
        assert "19 changes on 2 nodes" in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: answer, "an answer")
    assert answer == [tuple(one for one in shown if (one.host, one.id) != ("node-1", "tmp-exec"))]


async def test_one_key_switches_a_change_off_on_every_node(home: Path) -> None:
    shown = proposed()
    async with opened(home, shown) as (_, pilot, answer):
        await pilot.press("e", "ctrl+s")
        await until(pilot, lambda: answer, "an answer")
    assert answer == [tuple(one for one in shown if one.id != "swap-off")]


async def test_with_all_switched_off_nothing_is_made(home: Path) -> None:
    async with opened(home, proposed()) as (app, pilot, answer):
        await pilot.press("a")
        await until(pilot, lambda: "Nothing is switched on" in text_of(app), "said so")
        await pilot.press("enter", "ctrl+s")
        await pilot.pause()
        assert answer == []
        await pilot.press("a")
        await until(pilot, lambda: "20 changes on 2 nodes" in text_of(app), "all on again")


@pytest.mark.parametrize("keys", [("escape",), ("tab", "tab", "tab", "enter")])
async def test_back_gives_nothing(home: Path, keys: tuple[str, ...]) -> None:
    async with opened(home, proposed()) as (_, pilot, answer):
        await pilot.press(*keys)
        await until(pilot, lambda: answer, "an answer")
    assert answer == [None]


async def test_tab_leads_to_the_button_that_makes_them(home: Path) -> None:
    shown = proposed()
    async with opened(home, shown) as (_, pilot, answer):
        await pilot.press("tab", "tab", "enter")
        await until(pilot, lambda: answer, "an answer")
    assert answer == [shown]


async def test_where_nothing_can_be_mended_that_is_said(home: Path) -> None:
    async with opened(home, ()) as (app, pilot, answer):
        assert "There is nothing that could be mended from here." in text_of(app)
        await pilot.press("space", "e", "enter", "escape")
        await until(pilot, lambda: answer, "an answer")
    assert answer == [None]


async def test_a_long_change_can_be_read_to_its_end(home: Path) -> None:
    names = [f"module_{number}" for number in range(20)]
    long = Change(
        "modules",
        "node-1",
        "c",
        "Load",
        tuple(f"modprobe {name}" for name in names),
        "u.",
        {"kind": "modules"},
    )
    async with opened(home, (long,)) as (app, pilot, _):
        await pilot.press("tab", "end")
        await until(pilot, lambda: "Undo: u." in text_of(app), "the end")
        assert "modprobe module_19" in text_of(app)


async def test_words_from_a_node_draw_nothing(home: Path) -> None:
    hostile = Change(
        "x",
        "node-1",
        "c",
        "[red]title[/]\x1b[2J",
        ("run \x1b]0;x\x07 [bold]it[/]",),
        "undo\x1b[1m",
        {"kind": "swap"},
    )
    async with opened(home, (hostile,)) as (app, pilot, _):
        await until(pilot, lambda: "[bold]it[/]" in text_of(app), "the exact line, as it is")
        shown = text_of(app)
        assert "[red]title[/]" in shown
        assert "\x1b" not in shown
