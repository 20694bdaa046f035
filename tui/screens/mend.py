"""What Slipway can mend on the nodes: every change with its exact lines, before any of them is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option as Row

from tui.mend_lines import count_words, exact_lines, left_words
from tui.widgets.frame import FrameScreen
from wizards.sanitize import one_line

if TYPE_CHECKING:
    from wizards.provision.mending import Change


class MendScreen(FrameScreen["tuple[Change, ...] | None"]):
    """Shows the changes, and gives those that are left switched on; None when nothing shall be done.

    Args:
        changes: What is proposed (`wizards.provision.mending.changes`); at first all of it is on.
        practice: Whether the cluster is practice.
        left: How many findings cannot be mended from here; said, so that nobody expects it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("space", "switch", "On or off"),
        Binding("e", "everywhere", "On all nodes"),
        Binding("a", "all", "All"),
        Binding("ctrl+s", "make", "Make them", priority=True),
    ]

    def __init__(self, changes: Sequence[Change], *, practice: bool = False, left: int = 0) -> None:
        super().__init__("Mend what can be mended", practice=practice)
        self.changes = tuple(changes)
        self._left = left
        self._off: set[int] = set()

    @property
    def chosen(self) -> tuple[Change, ...]:
        """The changes that are on."""
        return tuple(one for number, one in enumerate(self.changes) if number not in self._off)

    def compose_body(self) -> ComposeResult:
        """The sum, the list with the exact lines beside it, and the buttons."""
        yield Static("", id="mend-sum", markup=False)
        with Vertical(id="mend"):
            yield OptionList(id="mend-rows", compact=True, markup=False)
            with VerticalScroll(id="mend-detail"):
                yield Static("", id="mend-exact", markup=False)
        with Horizontal(id="step-buttons"):
            yield Button("Make these changes", id="make", variant="primary", compact=True)
            yield Button("Back", id="back", compact=True)

    def on_mount(self) -> None:
        """Fill the list; the first change is marked."""
        rows = self.query_one("#mend-rows", OptionList)
        rows.set_options(self._rows())
        rows.focus()
        rows.action_first()
        self._say_sum()

    # -- content --------------------------------------------------------------------------------------------

    def _rows(self) -> list[Row]:
        rows: list[Row] = []
        host = ""
        for number, change in enumerate(self.changes):
            if change.host != host:
                host = change.host
                rows.append(Row(Content.styled(host, "bold"), disabled=True))
            rows.append(Row(self._row(number), id=str(number)))
        return rows or [Row("There is nothing that could be mended from here.", disabled=True)]

    def _row(self, number: int) -> Content:
        off = number in self._off
        title = one_line(self.changes[number].title)
        return Content.assemble(
            f"  {'[ ]' if off else '[x]'} ", (title, "$foreground 60%" if off else "$foreground")
        )

    def _say_sum(self) -> None:
        chosen = self.chosen
        words = f" {count_words(chosen)}, of {len(self.changes)} proposed. Nothing has been changed yet."
        if self._left:
            words += f" {left_words(self._left)}"
        self.query_one("#mend-sum", Static).update(Content(words))
        self.query_one("#make", Button).disabled = not chosen
        self._say_hint()

    def _say_hint(self) -> None:
        make = (
            f" Enter: make {count_words(self.chosen)}, then look again"
            if self.chosen
            else " Nothing is switched on: Space switches"
        )
        texts = {
            "mend-rows": f"{make} · Space: on or off",
            "mend-detail": " Arrows: read on · Tab: the buttons",
            "make": make,
            "back": " Enter: back; nothing is changed",
        }
        self.hint(texts.get(self.focused.id or "" if self.focused else "", make))

    def _detail(self, number: int) -> Content:
        change = self.changes[number]
        lines = [
            (f"{one_line(change.host)}: {one_line(change.title)}\n", "bold"),
            *((f"{line}\n", "$foreground") for line in exact_lines(change)),
            (f"Undo: {one_line(change.undo, 400)}\n", "$foreground 60%"),
            (f"Mends: {change.check}", "$foreground 60%"),
        ]
        return Content.assemble(*lines)

    # -- events ---------------------------------------------------------------------------------------------

    def on_descendant_focus(self) -> None:
        """Say what Enter does where the focus is."""
        self._say_hint()

    @on(OptionList.OptionHighlighted)
    def _show(self, event: OptionList.OptionHighlighted) -> None:
        if event.option.id is not None:
            self.query_one("#mend-exact", Static).update(self._detail(int(event.option.id)))
            self.query_one("#mend-detail", VerticalScroll).scroll_home(animate=False)

    @property
    def _at(self) -> int | None:
        rows = self.query_one("#mend-rows", OptionList)
        option = rows.highlighted_option
        return int(option.id) if option is not None and option.id is not None else None

    def _turn(self, numbers: Sequence[int]) -> None:
        """Switch `numbers` off where all of them are on, else on."""
        on = self._off.isdisjoint(numbers)
        self._off = self._off | set(numbers) if on else self._off - set(numbers)
        rows = self.query_one("#mend-rows", OptionList)
        for number in numbers:
            rows.replace_option_prompt(str(number), self._row(number))
        self._say_sum()

    def action_switch(self) -> None:
        """Switch the marked change on or off."""
        if (at := self._at) is not None:
            self._turn([at])

    def action_everywhere(self) -> None:
        """Switch the marked change on or off, on every node."""
        if (at := self._at) is not None:
            wanted = self.changes[at].id
            self._turn([number for number, one in enumerate(self.changes) if one.id == wanted])

    def action_all(self) -> None:
        """Switch all changes off where all are on, else on."""
        self._turn(range(len(self.changes)))

    @on(OptionList.OptionSelected)
    @on(Button.Pressed, "#make")
    def action_make(self) -> None:
        """Give the changes that are on."""
        if self.chosen:
            self.dismiss(self.chosen)
        else:
            self.app.bell()

    @on(Button.Pressed, "#back")
    def action_back(self) -> None:
        """Give nothing: nothing is changed."""
        self.dismiss(None)
