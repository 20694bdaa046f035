"""The question about servers: the table, what it is worth, and the keys that change it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import DataTable, Input, Static

from tui.widgets.nodes.columns import columns_for, row_cells
from tui.widgets.nodes.editing import Edit
from tui.widgets.nodes.table import CellEditor, FilterField, NodeTable
from tui.widgets.question import QuestionView
from wizards.sanitize import one_line
from wizards.setup import node_rows
from wizards.setup.layout import proposal_reason, survival
from wizards.setup.node_rows import Row, Rows, Timeline
from wizards.setup.proposals import complete_nodes
from wizards.setup.questions import AnswerError, Answers, Question

_EMPTY: Final = (
    "No servers yet. Press a to add one, p to paste a list, i to import one, f to find them in a network."
)
_ALWAYS: Final = frozenset({"add", "paste", "import", "find", "go_on"})
_ON_A_ROW: Final = frozenset({"edit", "delete", "copy", "roles", "form"})


class NodesView(QuestionView):
    """The question about servers. The value is a list of node mappings as in cluster.yaml."""

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self._time = Timeline()
        self._whole: list[Row] = []  # the rows with proposals filled in, made once for each change
        self._visible: list[int] = []
        self._edit: Edit | None = None
        self._sent: deque[Any] = deque()  # answers that are on their way to the screen and back
        self._said: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """A title with the count, the table with the field that opens over a cell, and what it is worth."""
        yield Static("", id="nodes-title", markup=False)
        yield FilterField(
            placeholder="filter: words of a name, an address, a role", id="nodes-filter", compact=True
        )
        with Container(id="nodes-box"):
            yield NodeTable()
            yield CellEditor(id="cell")
        yield Static("", id="nodes-note", markup=False)

    def on_mount(self) -> None:
        """Hide the filter until it is asked for; keep the open field on its cell while the table scrolls."""
        self.query_one(FilterField).display = False
        self.watch(self._table, "scroll_y", self._follow, init=False)
        self.watch(self._table, "scroll_x", self._follow, init=False)

    @property
    def _table(self) -> NodeTable:
        return self.query_one(NodeTable)

    @property
    def _editor(self) -> CellEditor:
        return self.query_one(CellEditor)

    def on_resize(self, event: events.Resize) -> None:
        """Show the columns that fit, and as many rows as leave the note below in view."""
        self._fit_height()
        columns = columns_for(event.size.width - 1)  # one for the scroll bar
        if columns != self._table.columns_shown:
            if self._edit is not None:
                self._close()
            self._table.lay_out(columns)
            self._paint()

    def _fit_height(self) -> None:
        others = 3 + self.query_one(FilterField).display  # the title, two lines of note, the filter
        self._table.styles.max_height = max(3, self.size.height - others)

    # -- showing --------------------------------------------------------------------------------------------

    def apply(self, answers: Answers, value: Any) -> None:
        """Show the nodes, unless they are what this table itself said a moment ago."""
        if any(value is sent for sent in self._sent):
            # Answers come back in their order: what was sent before this one will not come any more.
            while self._sent[0] is not value:
                self._sent.popleft()
            return
        rows = [dict(one) for one in value or ()]
        if rows != list(self._time.rows) or not self._said:
            self._time = Timeline(rows)
            self._paint()

    def _paint(self) -> None:
        """Show the present rows: the one place where proposals are made."""
        rows = self._time.rows
        self._whole = complete_nodes(rows)
        self._visible = node_rows.matching(self._whole, self._filter)
        table = self._table
        if table.columns_shown:
            cells = [row_cells(self._whole[index], table.columns_shown) for index in self._visible]
            table.show([tuple(one_line(cell) for cell in row) for row in cells])
        self._allow()
        self._say_title()
        self._say()

    @property
    def _filter(self) -> str:
        return self.query_one(FilterField).value

    def _allow(self) -> None:
        names = set(_ALWAYS)
        if self._visible:
            names |= _ON_A_ROW
        if self._time.rows:
            names.add("filter")
        if any("roles" in row for row in self._time.rows):
            names.add("proposed")
        if self._filter:
            names.add("unfilter")
        elif len(self._visible) > 1:
            names |= {"up", "down"}
        names |= {"undo"} if self._time.past else set()
        names |= {"redo"} if self._time.future else set()
        self._table.allow(frozenset(names))

    def _say_title(self) -> None:
        rows = self._time.rows
        parts = [f"{self.question.title}: {len(rows)}" if rows else self.question.title]
        by_hand = sum(1 for row in rows if row.get("roles"))
        if by_hand:
            parts.append(f"roles set for {by_hand}, R: as proposed")
        elif rows:
            parts.append("roles as proposed")
        if self._filter:
            parts.append(f"{len(self._visible)} shown, Esc: all")
        title = Content.assemble((parts[0], "bold"), ("".join(f" · {part}" for part in parts[1:]), "dim"))
        self.query_one("#nodes-title", Static).update(title)

    def _say(self, error: str = "", *, news: str = "") -> None:
        """Show under the table what is wrong, or what was done, else what the layout survives."""
        note = self.query_one("#nodes-note", Static)
        note.set_class(bool(error), "-error")
        text = f"✗ {error}" if error else f"{news} {survival(self._whole)}".strip() or _EMPTY
        note.update(Content(one_line(text)))

    def explain(self) -> None:
        """Say what the column of the cursor is for, and what the keys do."""
        column = self._table.column
        title, body = self.question.title, self.question.help
        if self._edit is not None:
            enter = "Enter: keep it · Tab: keep it, next cell · Esc: leave it as it was"
        elif self._time.rows:
            enter = "Enter: go on · c: copy · o: form · i: import · f: find · u: undo · /: filter"
        else:
            enter = "a: add a server · p: paste a list · i: import · f: find servers in a network"
        if column is not None and self._time.rows:
            title = f"{column.title}"
            body = column.help if column.is_text else self._about_roles()
        said = (title, body, enter)
        if said != self._said:
            self._said = said
            self.post_message(self.Explain(title, body, "", enter))

    def _about_roles(self) -> str:
        return f"{proposal_reason(len(self._time.rows))} r: other roles for this server · R: as proposed."

    def on_descendant_focus(self) -> None:
        """Explain anew: something else may have been explained in between."""
        self._said = ("",)
        super().on_descendant_focus()

    @on(DataTable.CellHighlighted)
    def _highlighted(self, event: DataTable.CellHighlighted) -> None:
        event.stop()
        if self._table.has_focus:
            self.explain()

    def focus_first(self) -> None:
        """Focus the table, or the cell that is being edited."""
        (self._table if self._edit is None else self._editor).focus(scroll_visible=False)

    # -- changing -------------------------------------------------------------------------------------------

    @property
    def _row(self) -> int | None:
        """Index of the row under the cursor; None where there is none."""
        at = self._table.cursor_row
        return self._visible[at] if 0 <= at < len(self._visible) else None

    def _send(self, rows: Rows) -> None:
        """Say what the answer is now. A row without an address is not an answer yet."""
        value = [dict(row) for row in rows if row.get("address")]
        self._sent.append(value)
        self.post_message(self.Answered(self.question, value))

    def change(self, rows: Rows, *, row: int | None = None) -> None:
        """Take `rows` for the answer, undoable, and put the cursor on `row`."""
        self._goto(self._time.changed(rows), row=row)

    def _goto(self, time: Timeline, *, row: int | None = None) -> None:
        self._time = time
        self._paint()
        if row is not None:
            self._move_to(row)
        self._send(time.rows)
        self.explain()

    def _move_to(self, row: int, field: str = "") -> None:
        if not self._visible:
            return
        at = self._visible.index(row) if row in self._visible else min(row, len(self._visible) - 1)
        fields = [column.field for column in self._table.columns_shown]
        self._table.move_cursor(row=at, column=fields.index(field) if field in fields else None)

    @on(NodeTable.Command)
    def _command(self, event: NodeTable.Command) -> None:
        event.stop()
        match event.name:
            case "go_on":
                self.post_message(self.GoOn(self))
            case "undo" | "redo":
                self._goto(self._time.undone() if event.name == "undo" else self._time.redone())
            case "filter":
                self._open_filter()
            case "unfilter":
                self._all_rows()
            case "add":
                self._add()
            case "proposed":
                self.change(node_rows.with_proposed_roles(self._time.rows), row=self._row)
            case "paste" | "import" | "find":
                self._bring(event.name)
            case _ if self._row is not None:
                self._on_row(event.name, self._row)

    def _on_row(self, name: str, row: int) -> None:
        rows = self._time.rows
        column = self._table.column
        match name:
            case "edit" if column is not None and column.is_text:
                self._open(Edit(rows, row, column.field))
            case "edit" | "roles":
                self.change(node_rows.with_next_roles(rows, row), row=row)
            case "delete":
                self.change([*rows[:row], *rows[row + 1 :]], row=row)
            case "copy":
                self.change(node_rows.duplicated(rows, row), row=row + 1)
            case "up" if row > 0:
                self.change(node_rows.moved(rows, row, row - 1), row=row - 1)
            case "down" if row < len(rows) - 1:
                self.change(node_rows.moved(rows, row, row + 1), row=row + 1)
            case "form":
                self._form(row)

    # -- one cell -------------------------------------------------------------------------------------------

    def _add(self) -> None:
        """Show a new row with a proposed name and open its address."""
        if self._filter:
            self._all_rows()
        rows: list[Row] = [
            *self._time.rows,
            {"name": node_rows.free_name(row.get("name") for row in self._whole)},
        ]
        self._open(Edit(rows, len(rows) - 1, "address", is_new=True))

    def _open(self, edit: Edit) -> None:
        """Open the field over the cell of `edit`."""
        self._edit = edit
        if edit.is_new:
            self._show_with_new(edit)
        self._move_to(edit.index, edit.field)
        # The table scrolls to the cell and grows by the new row first.
        self.call_after_refresh(self._open_now, edit)

    def _show_with_new(self, edit: Edit) -> None:
        whole = complete_nodes(edit.rows)
        self._visible = list(range(len(whole)))
        self._table.show([row_cells(row, self._table.columns_shown) for row in whole])

    def _open_now(self, edit: Edit) -> None:
        if self._edit is edit:
            self._editor.open_over(self._table.cell_box(), edit.text)
            self.explain()

    def _follow(self) -> None:
        if self._edit is not None:
            self._editor.place(self._table.cell_box())

    def _close(self) -> None:
        """Hide the field and go back to the rows."""
        self._edit = None
        self._editor.close()
        self._table.focus(scroll_visible=False)
        self._paint()

    @on(Input.Changed, "#cell")
    def _typed(self, event: Input.Changed) -> None:
        """Judge the cell as one types, and tell the screen, so that nothing typed is lost on the way out."""
        event.stop()
        if self._edit is None:
            return
        try:
            is_empty = self._edit.is_empty(event.value)
            self._send(self._edit.rows if is_empty else self._edit.with_text(event.value))
        except AnswerError as error:
            self._say(str(error))
            self._send(self._edit.rows)
            self.post_message(self.Refused(self.question, event.value, str(error)))
        else:
            self._say()

    @on(CellEditor.Done)
    def _done(self, event: CellEditor.Done) -> None:
        event.stop()
        edit = self._edit
        if event.how in {"keep", "all"} and edit is None:
            self._table.focus(scroll_visible=False)
            if event.how == "all":
                self._all_rows()
        elif edit is not None:
            self._end(edit, event.how, self._editor.value)

    def _end(self, edit: Edit, how: str, text: str) -> None:
        if how == "leave" or (how == "keep" and edit.is_empty(text)):
            self._close()
            self._send(self._time.rows)
            return
        try:
            rows = edit.with_text(text)
        except AnswerError as error:
            self._say(str(error))
            self.app.bell()
            return
        self._close()
        if rows != list(self._time.rows):
            self.change(rows, row=edit.index)
        else:
            self._send(self._time.rows)
        self._step(edit, how)

    def _step(self, edit: Edit, how: str) -> None:
        """Go where the key that ended the editing leads."""
        if how in {"up", "down"}:
            self._move_to(max(0, edit.index + (1 if how == "down" else -1)))
        elif how in {"next", "previous"}:
            fields = [column.field for column in self._table.columns_shown if column.is_text]
            by = 1 if how == "next" else -1
            following = edit.stepped(self._time.rows, fields, by, self._visible)
            if following is not None:
                self._open(following)

    # -- filter ---------------------------------------------------------------------------------------------

    def _open_filter(self) -> None:
        field = self.query_one(FilterField)
        field.display = True
        self._fit_height()
        field.focus(scroll_visible=False)

    @on(Input.Changed, "#nodes-filter")
    def _filtered(self, event: Input.Changed) -> None:
        event.stop()
        self._paint()

    def _all_rows(self) -> None:
        row = self._row
        field = self.query_one(FilterField)
        with self.prevent(Input.Changed):
            field.value = ""
        field.display = False
        self._fit_height()
        self._paint()
        if row is not None:
            self._move_to(row)

    # -- dialogs --------------------------------------------------------------------------------------------

    @work(exclusive=True, group="node-dialog", description="node editor")
    async def _form(self, row: int) -> None:
        from tui.screens.node_editor import NodeEditor

        rows = self._time.rows
        others: Sequence[Row] = [*rows[:row], *rows[row + 1 :]]
        node = await self.app.push_screen_wait(NodeEditor(rows[row], self._whole[row], others))
        if node is not None and node != rows[row]:
            self.change([*rows[:row], node, *rows[row + 1 :]], row=row)

    @work(exclusive=True, group="node-dialog", description="servers from elsewhere")
    async def _bring(self, how: str) -> None:
        from tui.screens.node_bring import brought

        if self._filter:
            self._all_rows()
        rows = self._time.rows
        new = await brought(self.app, how, rows)
        if new is None:
            return
        self.change(new.rows, row=len(rows))
        self._say(news=new.news)
        for question, value in new.answers:
            self.post_message(self.Answered(question, value))
