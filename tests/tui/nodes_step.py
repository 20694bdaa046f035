"""How tests come to the step with the servers, and what they look at there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static

from tests.tui.conftest import NARROW, until, wizard_app
from tui.app import SlipwayApp
from tui.screens.wizard import WizardScreen
from tui.widgets.nodes.table import CellEditor, NodeTable


class NodesStep:
    """The wizard, opened at its table of servers, and its keys."""

    def __init__(self, app: SlipwayApp, pilot: Pilot[int]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def wizard(self) -> WizardScreen:
        """The wizard's screen, which must be on top."""
        assert isinstance(self.app.screen, WizardScreen)
        return self.app.screen

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The answer as it stands."""
        return list(self.wizard.answers.given.get("nodes", []))

    @property
    def table(self) -> NodeTable:
        """The table."""
        return self.wizard.query_one(NodeTable)

    @property
    def cell(self) -> CellEditor:
        """The field over a cell."""
        return self.wizard.query_one(CellEditor)

    @property
    def is_editing(self) -> bool:
        """Whether the field is open and typed into."""
        return bool(self.cell.display and self.cell.has_focus)

    def note(self, selector: str = "#nodes-note") -> str:
        """What a line of text on the top screen says."""
        return str(self.app.screen.query_one(selector, Static).content)

    async def keys(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)

    async def until(self, condition: Any, what: str) -> None:
        """Wait for a condition."""
        await until(self.pilot, condition, what)

    async def at_rest(self) -> None:
        """Wait until the table has the focus and no field is open."""
        await self.until(lambda: self.table.has_focus and not self.cell.display, "the table has the focus")

    async def edit(self, text: str, *, end: str = "enter", clear: int = 0) -> None:
        """Wait for the field, type into it, and end with a key."""
        await self.until(lambda: self.is_editing, "the field is open")
        await self.keys(*["backspace"] * clear, *text, *([end] if end else []))

    async def add(self, *addresses: str) -> None:
        """Add a row for each address."""
        for address in addresses:
            await self.keys("a")
            await self.edit(address)
            await self.at_rest()
            await self.pilot.pause()

    def screen_cells(self) -> list[list[str]]:
        """What the table shows."""
        return [[str(cell) for cell in self.table.get_row_at(at)] for at in range(self.table.row_count)]


@asynccontextmanager
async def nodes_step(home: Path, size: tuple[int, int] = NARROW) -> AsyncIterator[NodesStep]:
    """Open the wizard at its table of servers."""
    app = wizard_app(home)
    async with app.run_test(size=size) as pilot:
        step = NodesStep(app, pilot)
        await step.until(lambda: step.wizard.focused is not None, "the wizard")
        await step.keys("ctrl+n")
        await step.until(lambda: step.wizard.step.id == "nodes" and step.table.has_focus, "the servers")
        yield step
