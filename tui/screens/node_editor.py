"""The full form of one server: what the table has no column for, too."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from tui.widgets.question import Switch
from wizards.setup.node_form import FIELDS, ROLES, form_text, read_form
from wizards.setup.node_rows import Row, Rows
from wizards.setup.questions import AnswerError


class NodeEditor(ModalScreen[Row | None]):
    """Edit one server. Gives the node's mapping, or None when nothing was changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Leave as it was"),
        Binding("ctrl+s", "save", "Save"),
        Binding("up", "app.focus_previous", "Previous", show=False),
        Binding("down", "app.focus_next", "Next", show=False),
    ]

    def __init__(self, node: Row, complete: Row, others: Rows) -> None:
        """Take the node as given, the same with proposals filled in, and the other servers."""
        super().__init__()
        self._node = node
        self._roles = list(complete["roles"])
        self._others = others

    def compose(self) -> ComposeResult:
        """The form."""
        with Vertical(classes="dialog"):
            yield Label(Content(f"Server {self._node.get('name', '')}".strip()), classes="dialog-title")
            for field in FIELDS:
                with Horizontal(classes="field"):
                    yield Static(field.title, classes="label", markup=False)
                    yield Input(
                        form_text(self._node, field.key),
                        placeholder=field.example,
                        id=f"node-{field.key}",
                        compact=True,
                        select_on_focus=False,
                    )
            with Horizontal(classes="roles"):
                yield Static("Roles", classes="label", markup=False)
                for role, title in ROLES:
                    yield Switch(title, role in self._roles, id=f"role-{role}", compact=True)
            yield Static("", classes="error", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Save", variant="primary", id="save", compact=True)
                yield Button("Leave as it was", id="cancel", compact=True)
            yield Static(
                "Enter: save · Tab or arrows: next field · Esc: leave as it was",
                classes="dialog-hint",
                markup=False,
            )

    def on_mount(self) -> None:
        """Begin with the name."""
        self.query_one("#node-name", Input).focus()

    @on(Input.Submitted)
    @on(Switch.GoOn)
    @on(Button.Pressed, "#save")
    def action_save(self) -> None:
        """Give the node back when it is right, else say what is not."""
        texts = {field.key: self.query_one(f"#node-{field.key}", Input).value for field in FIELDS}
        roles = [role for role, _ in ROLES if self.query_one(f"#role-{role}", Switch).value]
        try:
            node = read_form(texts, roles, node=self._node, proposed=self._roles, others=self._others)
        except AnswerError as error:
            self.query_one(".error", Static).update(Content(f"✗ {error}"))
            return
        self.dismiss(node)

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)
