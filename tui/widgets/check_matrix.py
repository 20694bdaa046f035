"""A table whose rows have keys: shown anew, it changes what changed and keeps the cursor where it is."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.events import Key
from textual.widgets import DataTable

from tui.preflight_rows import GROUPS, TableRow

NARROW_NAME = 22
WIDE_NAME = 24
Column = tuple[str, str, int]
"""Key, title and width of a column. Widths are fixed: measuring each cell anew is what makes tables slow."""

CHECK_COLUMNS: tuple[Column, ...] = (
    ("check", " Check", 34),
    ("group", "Group", 12),
    ("count", "Found", 7),
    ("nodes", "Nodes", 80),
)

_MOVES = frozenset({"up", "down", "left", "right", "pageup", "pagedown", "home", "end"})


def node_columns(*, wide: bool) -> tuple[Column, ...]:
    """Return the columns of nodes × groups; they fit 80 columns with the scrollbar."""
    name = ("node", " Node", WIDE_NAME if wide else NARROW_NAME)
    groups = tuple((group.value, group.value, len(group.value) + 1) for group in GROUPS)
    return (name, *groups, ("note", "look", 22)) if wide else (name, *groups)


class CheckMatrix(DataTable[Content]):
    """Rows in the order given. Nothing is cleared and filled again while only values or the order change."""

    def __init__(self, columns: Sequence[Column], *, id: str, by_cell: bool) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, cursor_type="cell" if by_cell else "row", cell_padding=0, zebra_stripes=False)
        self._wanted_columns = tuple(columns)
        self._shown: dict[str, TableRow] = {}
        self._order: tuple[str, ...] = ()
        self.walked = False

    def on_mount(self) -> None:
        """Make the columns."""
        self._make_columns()

    def on_key(self, event: Key) -> None:
        """Remember that somebody chose a row: from then on the cursor stays with it."""
        self.walked = self.walked or event.key in _MOVES

    def on_click(self) -> None:
        """A click chooses a row too."""
        self.walked = True

    def _make_columns(self) -> None:
        for key, title, width in self._wanted_columns:
            self.add_column(title, key=key, width=width)

    def lay_out(self, columns: Sequence[Column]) -> None:
        """Take other columns, as after the window was made wider."""
        if tuple(columns) == self._wanted_columns:
            return
        self._wanted_columns = tuple(columns)
        self.clear(columns=True)
        self._shown, self._order = {}, ()
        self._make_columns()

    @property
    def current(self) -> str:
        """Key of the row under the cursor, empty where there is none."""
        if not 0 <= self.cursor_row < self.row_count:
            return ""
        return str(self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value)

    def show(self, rows: Sequence[TableRow]) -> None:
        """Show `rows`, in their order."""
        at = self.current
        order = tuple(row.key for row in rows)
        if not self._shown.keys() <= set(order):
            self.clear()
            self._shown, self._order = {}, ()
        for row in rows:
            self._put(row)
        if order != self._order:
            self._sort(rows)
            self._order = order
            self._follow(at)

    def _put(self, row: TableRow) -> None:
        before = self._shown.get(row.key)
        self._shown[row.key] = row
        if before is None:
            self.add_row(*row.cells, key=row.key)
            return
        for (key, _, _), old, new in zip(self._wanted_columns, before.cells, row.cells, strict=True):
            if old != new:
                self.update_cell(row.key, key, new)

    def _sort(self, rows: Sequence[TableRow]) -> None:
        ranks = {row.cells[0].plain: rank for rank, row in enumerate(rows)}
        first = self._wanted_columns[0][0]
        self.sort(first, key=lambda cell: ranks.get(cell.plain, len(ranks)))

    def _follow(self, key: str) -> None:
        """Keep the cursor on its row where somebody put it there; else on the worst, which is the first."""
        if not self._order:
            return
        row = self.get_row_index(key) if self.walked and key in self._shown else 0
        self.move_cursor(row=row, animate=False)
