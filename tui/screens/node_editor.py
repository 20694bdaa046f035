"""Dialogs of the server table: one server's form, and a box to paste a list into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static, TextArea

from tui.widgets.question import Switch
from wizards.setup.parsing import check_value, parse
from wizards.setup.proposals import complete_nodes
from wizards.setup.questions import AnswerError, Answers, Question

NodeData = dict[str, Any]
FIELDS = (
    ("name", "Name", "node-1"),
    ("address", "Address (SSH)", "10.0.0.11 or node1.lan"),
    ("port", "SSH port", "22"),
    ("user", "SSH user", "as for all nodes"),
    ("internal_address", "Internal address", "same as the SSH address"),
    ("disks", "Disks for storage", "/dev/disk/by-id/..."),
)
ROLES = (("control-plane", "Control plane"), ("etcd", "etcd"), ("worker", "Worker"))


class NodeEditor(ModalScreen[NodeData | None]):
    """Edit one server, or make a new one. Gives the node's mapping, or None when nothing was changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Leave as it was"),
        Binding("ctrl+s", "save", "Save"),
    ]

    def __init__(
        self, node: NodeData | None, proposed: NodeData, others: Sequence[Mapping[str, Any]]
    ) -> None:
        super().__init__()
        self._node = node or {"name": proposed["name"]}
        self._roles = list(proposed["roles"])
        self._new = node is None
        self._others = others

    def compose(self) -> ComposeResult:
        """The form."""
        with Vertical(classes="dialog"):
            yield Label("Add a server" if self._new else "Edit the server", classes="dialog-title")
            for key, title, example in FIELDS:
                with Horizontal(classes="field"):
                    yield Static(title, classes="label", markup=False)
                    yield Input(self._text(key), placeholder=example, id=f"node-{key}", compact=True)
            with Horizontal(classes="roles"):
                yield Static("Roles", classes="label", markup=False)
                for role, title in ROLES:
                    yield Switch(title, role in self._roles, id=f"role-{role}", compact=True)
            yield Static("", classes="error", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Save", variant="primary", id="save", compact=True)
                yield Button("Leave as it was", id="cancel", compact=True)
            yield Static(
                "Enter: save · Esc: leave as it was · Tab: next field", classes="dialog-hint", markup=False
            )

    def _text(self, key: str) -> str:
        value = self._node.get(key)
        if key == "port":
            return str(value or 22)
        if key == "disks":
            return ", ".join(value or ())
        return "" if value is None else str(value)

    def on_mount(self) -> None:
        """A new server's name is proposed: the address is what is asked."""
        self.query_one("#node-address" if self._new else "#node-name", Input).focus()

    @on(Input.Submitted)
    @on(Switch.GoOn)
    @on(Button.Pressed, "#save")
    def action_save(self) -> None:
        """Give the node back when it is right, else say what is not."""
        try:
            node = self._read()
        except AnswerError as error:
            self.query_one(".error", Static).update(Content(f"✗ {error}"))
            return
        self.dismiss(node)

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)

    def _read(self) -> NodeData:
        texts = {key: self.query_one(f"#node-{key}", Input).value.strip() for key, _, _ in FIELDS}
        data: NodeData = {
            key: value for key, value in self._node.items() if key not in texts and key != "roles"
        }
        data |= {key: text for key, text in texts.items() if text and key not in {"port", "disks"}}
        if texts["port"] not in {"", "22"}:
            if not texts["port"].isdigit():
                raise AnswerError(f"port: {texts['port']!r} is not a number from 1 to 65535")
            data["port"] = int(texts["port"])
        if texts["disks"]:
            data["disks"] = texts["disks"].replace(",", " ").split()
        roles = [role for role, _ in ROLES if self.query_one(f"#role-{role}", Switch).value]
        # Roles left as proposed stay a proposal, so that they follow the number of servers.
        if "roles" in self._node or roles != self._roles:
            data["roles"] = roles
        if not roles:
            raise AnswerError("roles: a server does at least one thing; worker would be right for most")
        if any(one.get("name") == data.get("name") for one in self._others):
            raise AnswerError(f"name: {data.get('name')!r} is taken by another server")
        check_value("nodes", [data])
        return data


class PasteNodes(ModalScreen[list[NodeData]]):
    """Paste or type a list: one server per line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss([])", "Back"),
        Binding("ctrl+s", "save", "Add them"),
    ]

    def __init__(self, question: Question, present: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self._question = question
        self._present = present

    def compose(self) -> ComposeResult:
        """The box, and what it would add."""
        with Vertical(classes="dialog"):
            yield Label("Paste a list of servers", classes="dialog-title")
            yield Static(
                "One per line: an address, or a name and an address, such as  node-1 ubuntu@10.0.0.11:22; "
                "10.0.0.11-13 stands for three.",
                classes="dialog-text",
                markup=False,
            )
            yield TextArea(id="lines", compact=True)
            yield Static("", id="paste-note", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Add them", variant="primary", id="save", compact=True)
                yield Button("Back", id="cancel", compact=True)
            yield Static("Ctrl+S: add them · Esc: back", classes="dialog-hint", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(TextArea).focus()

    def _read(self) -> list[NodeData]:
        text = self.query_one(TextArea).text
        if not text.strip():
            return []
        added = [dict(one) for one in parse(self._question, text, Answers())]
        given = {str(one["address"]) for one in self._present}
        twice = [
            one["address"] for one in added if str(one["address"]) in given and one.get("port", 22) == 22
        ]
        if twice:
            raise AnswerError(f"{twice[0]} is in the table already.")
        # A name that was not typed is a proposal, and proposals are made for the whole table.
        typed = set(text.split())
        bare = [
            {key: value for key, value in one.items() if key != "name" or value in typed} for one in added
        ]
        whole = complete_nodes([*(dict(one) for one in self._present), *bare])[len(self._present) :]
        return [{key: value for key, value in one.items() if key != "roles"} for one in whole]

    @on(TextArea.Changed)
    def _changed(self) -> None:
        try:
            count = len(self._read())
            note = f"{count} server(s) understood." if count else ""
        except AnswerError as error:
            note = f"✗ {error}"
        self.query_one("#paste-note", Static).update(Content(note))

    @on(Button.Pressed, "#save")
    def action_save(self) -> None:
        """Give what was understood; stay while a line is not."""
        try:
            self.dismiss(self._read())
        except AnswerError:
            self.app.bell()

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss([])
