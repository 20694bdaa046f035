"""A list of servers that were found, to pick from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import Button, Input, Label, SelectionList, Static
from textual.widgets.selection_list import Selection

from tui.screens.node_import import row_line, what_was_read
from wizards.setup.node_rows import Rows, matching, place_of

_GUTTER: Final = 4  # segments that SelectionList puts before each prompt (Textual 8.2.8)

if TYPE_CHECKING:
    from wizards.entry import Entered


class PickRows(SelectionList[int]):
    """The list. Space picks or drops, Enter is done, as everywhere."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "select", "Pick", show=False),
        Binding("enter", "done", "Add", show=False),
        Binding("a", "all", "All or none", show=False),
        Binding("slash", "filter", "Filter", show=False),
    ]

    def render_line(self, y: int) -> Strip:
        """Draw the box as the choice lists do: Textual's own shows an X in both states, only dimmer."""
        line = super().render_line(y)
        index = self.scroll_offset.y + y
        segments = list(line)
        if not 0 <= index < self.option_count or len(segments) < _GUTTER:
            return line
        option = self.get_option_at_index(index)
        mark = " - " if option.disabled else "[x]" if option.value in self.selected else "[ ]"
        style = (segments[_GUTTER - 1].style or Style()) + Style(meta={"option": index})
        return Strip([Segment(f"{mark} ", style), *segments[_GUTTER:]])

    class Key(Message):
        """A key that is not about one row."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def action_done(self) -> None:
        """Add what is picked."""
        self.post_message(self.Key("done"))

    def action_filter(self) -> None:
        """Go to the filter."""
        self.post_message(self.Key("filter"))

    def action_all(self) -> None:
        """Pick all; when all are picked, drop all."""
        if len(self.selected) == self.option_count:
            self.deselect_all()
        else:
            self.select_all()


class PickNodes(ModalScreen["Entered | None"]):
    """Pick from what was read; all is picked at first. Gives the picked rows, None on Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("ctrl+s", "add", "Add"),
    ]

    def __init__(self, entered: Entered, present: Rows) -> None:
        super().__init__()
        self._entered = entered
        there = {place_of(row) for row in present}
        self._new = [index for index, row in enumerate(entered.rows) if place_of(row) not in there]
        self._picked = set(self._new)

    def compose(self) -> ComposeResult:
        """The list, its filter, and what was said about it."""
        with Vertical(classes="dialog"):
            yield Label(Content(what_was_read(self._entered)), classes="dialog-title")
            yield Input(
                placeholder="filter: words of a name, an address, a role", id="pick-filter", compact=True
            )
            yield PickRows(id="pick-rows", compact=True)
            yield Static("", id="pick-note", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Add", variant="primary", id="add", compact=True)
                yield Button("Back", id="back", compact=True)
            yield Static(
                "Enter: add · Space: pick · a: all or none · /: filter · Esc: back",
                classes="dialog-hint",
                markup=False,
            )

    def on_mount(self) -> None:
        """Show all."""
        self.query_one("#pick-filter").display = False
        left = len(self._entered.rows) - len(self._new)
        notes = [f"{left} in the table already: left out."] if left else []
        note = self.query_one("#pick-note", Static)
        note.update(Content("\n".join([*notes, *self._entered.notes][:3])))
        note.display = bool(notes or self._entered.notes)
        self._show(self._new)
        self.query_one(PickRows).focus()

    def _show(self, indexes: Sequence[int]) -> None:
        rows = self.query_one(PickRows)
        with self.prevent(SelectionList.SelectedChanged):
            rows.clear_options()
            rows.add_options(
                Selection(Content(row_line(self._entered.rows[index])), index, index in self._picked)
                for index in indexes
            )
            rows.highlighted = 0 if indexes else None
        self._count()

    def _count(self) -> None:
        button = self.query_one("#add", Button)
        button.label = f"Add {len(self._picked)}"
        button.refresh(layout=True)

    @on(SelectionList.SelectedChanged)
    def _changed(self) -> None:
        rows = self.query_one(PickRows)
        shown = {rows.get_option_at_index(at).value for at in range(rows.option_count)}
        self._picked = (self._picked - shown) | set(rows.selected)
        self._count()

    @on(PickRows.Key)
    def _key(self, event: PickRows.Key) -> None:
        if event.name == "done":
            self.action_add()
        else:
            field = self.query_one("#pick-filter", Input)
            field.display = True
            field.focus()

    @on(Input.Changed, "#pick-filter")
    def _filter(self, event: Input.Changed) -> None:
        fitting = set(matching(self._entered.rows, event.value))
        self._show([index for index in self._new if index in fitting])

    @on(Input.Submitted, "#pick-filter")
    def _filtered(self) -> None:
        self.query_one(PickRows).focus()

    def action_back(self) -> None:
        """Show all rows again; when they are, leave."""
        field = self.query_one("#pick-filter", Input)
        if not field.display:
            self.dismiss(None)
            return
        field.value = ""
        field.display = False
        self.query_one(PickRows).focus()

    @on(Button.Pressed, "#back")
    def _leave(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#add")
    def action_add(self) -> None:
        """Give the picked ones."""
        from dataclasses import replace

        if not self._picked:
            self.app.bell()
            return
        self.dismiss(
            replace(self._entered, rows=tuple(self._entered.rows[at] for at in sorted(self._picked)))
        )
