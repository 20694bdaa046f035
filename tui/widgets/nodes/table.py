"""The rows of the server table and its keys, and the field that opens over a cell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.coordinate import Coordinate
from textual.geometry import Region
from textual.message import Message
from textual.widgets import DataTable, Input

from tui.widgets.nodes.columns import GAP, Column

_MANY_CHANGES = 64  # rows that are added or removed one by one; beyond, filling anew is quicker


def _key(keys: str, name: str, title: str = "", *, show: bool = True) -> Binding:
    return Binding(keys, f"node('{name}')", title or name.capitalize(), show=show)


class NodeTable(DataTable[Content]):
    """The rows. Enter goes on, as everywhere; the letters change rows, the arrows walk the cells."""

    BINDINGS: ClassVar[list[BindingType]] = [
        _key("a", "add", "Add"),
        _key("e,f2,space", "edit", "Edit"),
        _key("d,delete", "delete", "Del"),
        _key("r", "roles", "Roles"),
        _key("p", "paste", "Paste"),
        _key("i", "import", show=False),
        _key("f", "find", show=False),
        _key("c", "copy", show=False),
        _key("o", "form", show=False),
        _key("u,ctrl+z", "undo", show=False),
        _key("U,ctrl+y", "redo", show=False),
        _key("R", "proposed", show=False),
        _key("slash", "filter", show=False),
        _key("shift+up,K", "up", show=False),
        _key("shift+down,J", "down", show=False),
        _key("enter", "go_on", show=False),
        _key("escape", "unfilter", "All rows"),
    ]

    class Command(Message):
        """A key of the table."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self) -> None:
        super().__init__(cursor_type="cell", zebra_stripes=False, cell_padding=0)
        self.columns_shown: tuple[Column, ...] = ()
        self._painted: list[tuple[str, ...]] = []
        self._works: frozenset[str] = frozenset()

    def action_node(self, name: str) -> None:
        """Ask the view to do it."""
        self.post_message(self.Command(name))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let only those keys through that do something now."""
        return action != "node" or parameters[0] in self._works

    def allow(self, names: frozenset[str]) -> None:
        """Say which keys do something now."""
        if names != self._works:
            self._works = names
            self.refresh_bindings()

    # -- cells ----------------------------------------------------------------------------------------------

    def lay_out(self, columns: Sequence[Column]) -> None:
        """Show `columns`, without rows. Widths are fixed: a table that measures itself is slow."""
        at = self.cursor_coordinate
        self.clear(columns=True)
        self.columns_shown = tuple(columns)
        self._painted = []
        for column in columns:
            self.add_column(column.title, key=column.field, width=column.width + GAP)
        self.cursor_coordinate = at

    def show(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Show `rows`; only the cells that differ from what is shown are touched."""
        if abs(len(rows) - len(self._painted)) > _MANY_CHANGES:
            at = self.cursor_coordinate
            self.clear()
            self._painted = []
            self._add(rows, at)
            return
        for index, (old, new) in enumerate(zip(self._painted, rows, strict=False)):
            for column, before, after in zip_longest(self.columns_shown, old, new):
                if before != after:
                    self.update_cell(str(index), column.field, Content(after))
        for index in range(len(self._painted) - 1, len(rows) - 1, -1):
            self.remove_row(str(index))
        del self._painted[len(rows) :]
        self._add(rows[len(self._painted) :], None)
        self._painted = list(rows)

    def _add(self, rows: Sequence[tuple[str, ...]], cursor: Coordinate | None) -> None:
        first = len(self._painted)
        for index, cells in enumerate(rows, first):
            self.add_row(*(Content(cell) for cell in cells), key=str(index))
        self._painted = [*self._painted, *rows]
        if cursor is not None and rows:
            self.move_cursor(row=min(cursor.row, len(self._painted) - 1), column=cursor.column)

    @property
    def column(self) -> Column | None:
        """The column of the cursor."""
        at = self.cursor_column
        return self.columns_shown[at] if 0 <= at < len(self.columns_shown) else None

    def cell_box(self) -> Region:
        """Return where the cursor's cell is, from the table's upper left corner."""
        region = self._get_cell_region(self.cursor_coordinate)
        return Region(region.x, region.y, max(1, region.width - GAP), 1).translate(
            (-int(self.scroll_x), -int(self.scroll_y))
        )

    # -- arrows ---------------------------------------------------------------------------------------------

    def action_cursor_up(self) -> None:
        """Go one row up, or to what stands above."""
        if self.cursor_row <= 0:
            self.screen.focus_previous()
        else:
            super().action_cursor_up()

    def action_cursor_down(self) -> None:
        """Go one row down, or to what stands below."""
        if self.cursor_row >= self.row_count - 1:
            self.screen.focus_next()
        else:
            super().action_cursor_down()


class CellEditor(Input):
    """The field over a cell. The view decides what is kept."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "cell('keep')", "Keep"),
        Binding("tab", "cell('next')", "Next cell"),
        Binding("shift+tab", "cell('previous')", "Previous cell", show=False),
        Binding("escape", "cell('leave')", "As it was"),
        Binding("down", "cell('down')", "Row below", show=False),
        Binding("up", "cell('up')", "Row above", show=False),
    ]

    class Done(Message):
        """A key that ends the editing of this cell."""

        def __init__(self, how: str) -> None:
            super().__init__()
            self.how = how

    def __init__(self, **arguments: Any) -> None:
        super().__init__(compact=True, select_on_focus=False, **arguments)
        self.display = False

    def action_cell(self, how: str) -> None:
        """Ask the view to end the editing."""
        self.post_message(self.Done(how))

    def open_over(self, box: Region, text: str) -> None:
        """Show the field at `box` with `text` in it and the cursor at its end."""
        self.place(box)
        with self.prevent(Input.Changed):
            self.value = text
        self.cursor_position = len(text)
        self.display = True
        self.focus(scroll_visible=False)

    def place(self, box: Region) -> None:
        """Move to `box`, where the cell is now."""
        self.styles.offset = (box.x, box.y)
        self.styles.width = box.width

    def close(self) -> None:
        """Hide the field."""
        self.display = False


class FilterField(Input):
    """What the rows are filtered by. Enter and down go back to the rows, Escape shows all of them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down,tab", "filter('keep')", "To the rows"),
        Binding("escape", "filter('all')", "All rows"),
    ]

    def action_filter(self, how: str) -> None:
        """Tell the view to go on."""
        self.post_message(CellEditor.Done(how))
