"""The table of servers: add, edit, delete, move, change roles, paste a list; undo."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Static

from tui.widgets.question import QuestionView
from wizards.setup.proposals import complete_nodes
from wizards.setup.questions import Answers, Question

ROLE_CYCLE: tuple[tuple[str, ...], ...] = (
    ("control-plane", "etcd", "worker"),
    ("control-plane", "etcd"),
    ("worker",),
)
NodeData = dict[str, Any]
COLUMNS = (("name", "Name", 18), ("address", "Address", 24), ("roles", "Roles", 26))


class NodeTable(DataTable[Content]):
    """The rows. Enter goes on, as everywhere; the letters change rows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "node('add')", "Add"),
        Binding("e", "node('edit')", "Edit"),
        Binding("d,delete", "node('delete')", "Del"),
        Binding("r", "node('roles')", "Roles"),
        Binding("p", "node('paste')", "Paste"),
        Binding("u", "node('undo')", "Undo", show=False),
        Binding("shift+up,K", "node('up')", "Move up", show=False),
        Binding("shift+down,J", "node('down')", "Move down", show=False),
        Binding("enter", "node('go_on')", "Go on", show=False),
    ]

    class Command(Message):
        """A key of the table."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def action_node(self, name: str) -> None:
        """Ask the view to do it."""
        self.post_message(self.Command(name))

    def action_cursor_up(self) -> None:
        """Go one row up, or to what stands above."""
        if self.cursor_row == 0:
            self.screen.focus_previous()
        else:
            super().action_cursor_up()

    def action_cursor_down(self) -> None:
        """Go one row down, or to what stands below."""
        if self.cursor_row >= self.row_count - 1:
            self.screen.focus_next()
        else:
            super().action_cursor_down()


class NodesView(QuestionView):
    """The question about servers. The value is a list of node mappings as in cluster.yaml."""

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self._servers: list[NodeData] = []
        self._history: list[list[NodeData]] = []

    def compose(self) -> ComposeResult:
        """Table, and one row that says what is there and which keys change it."""
        yield Static(Content(self.question.title), classes="label", markup=False)
        table = NodeTable(cursor_type="row", zebra_stripes=False)
        yield table
        yield Static("", id="nodes-note", markup=False)

    def on_mount(self) -> None:
        """Fix the column widths: a table that measures itself is slow with many rows."""
        table = self.query_one(NodeTable)
        for key, title, width in COLUMNS:
            table.add_column(title, key=key, width=width)

    def apply(self, answers: Answers, value: Any) -> None:
        """Show the nodes."""
        nodes = [dict(one) for one in value or ()]
        if nodes != self._servers or self.query_one(NodeTable).row_count != len(nodes):
            self._servers = nodes
            self._fill()

    def _fill(self) -> None:
        table = self.query_one(NodeTable)
        row = table.cursor_row
        table.clear()
        for index, node in enumerate(complete_nodes(self._servers)):
            table.add_row(
                Content(str(node["name"])),
                Content(address_text(node)),
                Content(roles_text(node["roles"])),
                key=str(index),
            )
        if self._servers:
            table.move_cursor(row=min(row, len(self._servers) - 1))
        count = len(self._servers)
        text = (
            "No servers yet: press a to add one, or p to paste a list."
            if not count
            else f"{count} server(s)."
        )
        self.query_one("#nodes-note", Static).update(Content(text))

    def explain(self) -> None:
        """Say what the table is for."""
        enter = (
            "a: add a server · p: paste a list"
            if not self._servers
            else "Enter: go on · a, e, d, r, p change it · u: undo"
        )
        self.post_message(self.Explain(self.question.title, self.question.help, "", enter))

    def focus_first(self) -> None:
        """Focus the table."""
        self.query_one(NodeTable).focus(scroll_visible=False)

    @property
    def _row(self) -> int | None:
        table = self.query_one(NodeTable)
        return table.cursor_row if 0 <= table.cursor_row < len(self._servers) else None

    def _change(self, nodes: list[NodeData], *, row: int | None = None) -> None:
        self._history.append(self._servers)
        self._servers = nodes
        self._fill()
        if row is not None and nodes:
            self.query_one(NodeTable).move_cursor(row=max(0, min(row, len(nodes) - 1)))
        self.post_message(self.Answered(self.question, nodes))
        self.explain()

    @on(NodeTable.Command)
    def _command(self, event: NodeTable.Command) -> None:
        event.stop()
        match event.name:
            case "go_on":
                self.post_message(self.GoOn(self))
            case "add":
                self._edit(None)
            case "edit":
                self._edit(self._row)
            case "paste":
                self._paste()
            case "undo" if self._history:
                self._servers = self._history.pop()
                self._fill()
                self.post_message(self.Answered(self.question, self._servers))
            case "delete" | "roles" | "up" | "down" if self._row is not None:
                self._change_row(event.name, self._row)

    def _change_row(self, name: str, row: int) -> None:
        nodes = [dict(one) for one in self._servers]
        if name == "delete":
            del nodes[row]
            self._change(nodes, row=row)
        elif name == "roles":
            roles = tuple(complete_nodes(nodes)[row]["roles"])
            at = ROLE_CYCLE.index(roles) if roles in ROLE_CYCLE else -1
            nodes[row]["roles"] = list(ROLE_CYCLE[(at + 1) % len(ROLE_CYCLE)])
            self._change(nodes, row=row)
        else:
            to = row + (-1 if name == "up" else 1)
            if 0 <= to < len(nodes):
                nodes[row], nodes[to] = nodes[to], nodes[row]
                self._change(nodes, row=to)

    @work(exclusive=True, group="node-dialog", description="node editor")
    async def _edit(self, row: int | None) -> None:
        from tui.screens.node_editor import NodeEditor

        present = self._servers[row] if row is not None and row < len(self._servers) else None
        others = [one for index, one in enumerate(self._servers) if index != row or present is None]
        at = len(others) if row is None else row
        proposed = complete_nodes([*others[:at], present or {}, *others[at:]])[at]
        node = await self.app.push_screen_wait(NodeEditor(present, proposed, others))
        if node is None:
            return
        nodes = [dict(one) for one in self._servers]
        if present is None or row is None:
            nodes.append(node)
            row = len(nodes) - 1
        else:
            nodes[row] = node
        self._change(nodes, row=row)

    @work(exclusive=True, group="node-dialog", description="paste nodes")
    async def _paste(self) -> None:
        from tui.screens.node_editor import PasteNodes

        added = await self.app.push_screen_wait(PasteNodes(self.question, self._servers))
        if added:
            self._change([*self._servers, *added], row=len(self._servers))


def address_text(node: NodeData) -> str:
    """Return the address with the port where it is not 22, and the internal one where it differs."""
    port = node.get("port", 22)
    text = str(node.get("address", "")) + (f":{port}" if port != 22 else "")
    inner = node.get("internal_address")
    return f"{text} ({inner})" if inner and inner != node.get("address") else text


def roles_text(roles: Any) -> str:
    """Return the roles in words that fit a column."""
    names = set(roles)
    parts = []
    if "control-plane" in names:
        parts.append("control plane")
    if "etcd" in names and "control-plane" not in names:
        parts.append("etcd")
    if "worker" in names:
        parts.append("worker")
    extra = " (no etcd)" if "control-plane" in names and "etcd" not in names else ""
    return " + ".join(parts) + extra
