"""The wizard by keys: every step forward and back, defaults, bad input, drafts."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input

from tests.tui.conftest import NARROW, WIDE, text_of, until, wizard_app
from tui.app import SlipwayApp
from tui.screens.review import ReviewScreen
from tui.screens.wizard import WizardScreen
from tui.widgets.question import ChoiceRows

STEPS = ["where", "nodes", "access", "network", "load_balancer", "storage", "mesh", "control_plane"]


def wizard(app: SlipwayApp) -> WizardScreen:
    assert isinstance(app.screen, WizardScreen)
    return app.screen


async def ready(pilot: Pilot[int], app: SlipwayApp) -> None:
    await until(pilot, lambda: wizard(app).focused is not None, "the first question has the focus")


async def type_text(pilot: Pilot[int], text: str) -> None:
    await pilot.press(*text)


async def add_servers(pilot: Pilot[int], app: SlipwayApp, text: str) -> None:
    """Go to the nodes step and paste a list."""
    await pilot.press("ctrl+n")
    await until(pilot, lambda: wizard(app).step.id == "nodes", "the nodes step")
    await ready(pilot, app)
    await pilot.press("p")
    await until(pilot, lambda: app.screen.query("#lines"), "the paste box")
    await type_text(pilot, text)
    await pilot.press("ctrl+s")
    await until(pilot, lambda: isinstance(app.screen, WizardScreen), "back in the wizard")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_enter_alone_walks_all_steps_and_back_keeps_every_answer(
    home: Path, size: tuple[int, int]
) -> None:
    app = wizard_app(home)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: isinstance(app.screen, WizardScreen), "the wizard")
        await ready(pilot, app)
        await add_servers(pilot, app, "10.0.0.11-13")
        seen = [wizard(app).step.id]
        for _ in range(60):
            before = wizard(app).step.id
            await pilot.press("enter")
            await pilot.pause()
            if not isinstance(app.screen, WizardScreen):
                break
            if wizard(app).step.id != before:
                seen.append(wizard(app).step.id)
                await ready(pilot, app)
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen), "the review")
        assert len(seen) == len(STEPS) - 1, seen
        review = app.screen
        assert isinstance(review, ReviewScreen)
        assert review.data.spec is not None, review.data.findings
        assert [node.address for node in review.data.spec.nodes] == ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
        assert not review.blocked
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, WizardScreen), "back from the review")
        for _ in range(len(STEPS) - 2):
            await ready(pilot, app)
            await pilot.press("escape")
            await pilot.pause()
        await until(pilot, lambda: wizard(app).step.id == "nodes", "back at the nodes")
        assert len(wizard(app).answers.given["nodes"]) == 3


async def test_one_key_takes_the_defaults_for_all_that_is_left(home: Path) -> None:
    app = wizard_app(home)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, WizardScreen), "the wizard")
        await ready(pilot, app)
        await add_servers(pilot, app, "10.0.0.11")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen), "the review")
        review = app.screen
        assert isinstance(review, ReviewScreen)
        assert not review.blocked, review.blocked
        assert "inventory/hosts.yaml" in review.data.files
        assert [title for title, _ in review.data.stages]
        assert "Ready to start" in text_of(app)


async def test_without_servers_the_review_blocks_and_start_cannot_be_pressed(home: Path) -> None:
    app = wizard_app(home)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, WizardScreen), "the wizard")
        await ready(pilot, app)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen), "the review")
        assert app.screen.query_one("#start", Button).disabled
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert isinstance(app.screen, ReviewScreen), "nothing was started"
        assert "must be mended" in text_of(app)


async def test_bad_input_says_what_is_wrong_stops_next_and_is_not_lost(home: Path) -> None:
    app = wizard_app(home)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, WizardScreen), "the wizard")
        await ready(pilot, app)
        name = wizard(app)._views["name"].query_one(Input)
        name.focus()
        await pilot.pause()
        await pilot.press("end", *(["backspace"] * len(name.value)))
        await type_text(pilot, "Bad {{name}}")
        await until(pilot, lambda: "for a template" in text_of(app), "what is wrong with it")
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert wizard(app).step.id == "where"
        assert name.value == "Bad {{name}}"
        await pilot.press(*(["backspace"] * len(name.value)))
        await type_text(pilot, "good")
        await until(pilot, lambda: not wizard(app)._refused, "the error is gone")
        await pilot.press("ctrl+n")
        await until(pilot, lambda: wizard(app).step.id == "nodes", "the next step")
        assert wizard(app).answers.given["name"] == "good"


async def test_the_explanation_follows_the_highlight(home: Path) -> None:
    app = wizard_app(home)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, WizardScreen), "the wizard")
        await ready(pilot, app)
        await add_servers(pilot, app, "10.0.0.11")
        while wizard(app).step.id != "network":
            await pilot.press("ctrl+n")
            await pilot.pause()
            await ready(pilot, app)
        rows = wizard(app)._views["network.cni"].query_one(ChoiceRows)
        rows.focus()
        await until(pilot, lambda: "Enter: choose Cilium" in text_of(app), "Cilium is explained")
        await pilot.press("down", "down")
        await until(pilot, lambda: "Enter: choose Flannel" in text_of(app), "Flannel is explained")
        await pilot.press("enter")
        await until(
            pilot, lambda: wizard(app).answers.given.get("network.cni") == "flannel", "Flannel is chosen"
        )


async def test_quitting_keeps_the_draft_and_the_next_start_offers_it(home: Path) -> None:
    app = wizard_app(home)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, WizardScreen), "the wizard")
        await ready(pilot, app)
        await add_servers(pilot, app, "10.0.0.21")
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running or app._exit, "the application leaves")
    again = wizard_app(home)
    async with again.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: "Go on where you left?" in text_of(again), "the offer")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(again.screen, WizardScreen), "the wizard")
        await ready(pilot, again)
        assert wizard(again).step.id == "nodes"
        assert wizard(again).answers.given["nodes"][0]["address"] == "10.0.0.21"
