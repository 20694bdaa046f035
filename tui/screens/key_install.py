"""The question before a key is put onto the servers: which key, and the password that is used once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option as Row

OWN = ""
"""Stands for a key made for this cluster."""


@dataclass(frozen=True, slots=True)
class InstallWish:
    """What the user wants: the private key (`OWN` for a new one), and the passwords, not shown by repr."""

    key_file: str
    ssh_password: str = field(repr=False)
    become_password: str = field(default="", repr=False)


class InstallKeyScreen(ModalScreen[InstallWish | None]):
    """Asks for a key and the password. Gives None on Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, user: str, keys: Sequence[str], *, asks_sudo: bool, has_own: bool) -> None:
        super().__init__()
        self._user = user
        own = "The key that was made for this cluster" if has_own else "A new key, made for this cluster"
        self._keys = [(OWN, own), *((key, key) for key in keys)]
        self._asks_sudo = asks_sudo

    def compose(self) -> ComposeResult:
        """The keys, the hidden fields, and what will happen."""
        with Vertical(classes="dialog"):
            yield Label("Install a key", classes="dialog-title", markup=False)
            yield Static(
                "Its public half is appended to ~/.ssh/authorized_keys on every server, then proved by a"
                " login with that key alone. The password is used for this once and forgotten.",
                classes="dialog-text",
                markup=False,
            )
            yield Static("Which key", classes="label", markup=False)
            yield OptionList(
                *(Row(Content(title)) for _, title in self._keys), id="which-key", compact=True, markup=False
            )
            yield Static("")
            with Horizontal(classes="field"):
                yield Static(Content(f"SSH password of {self._user}"), classes="label", markup=False)
                yield Input(
                    password=True, id="ssh-password", compact=True, placeholder="empty: log in as now"
                )
            if self._asks_sudo:
                with Horizontal(classes="field"):
                    yield Static("sudo password", classes="label", markup=False)
                    yield Input(password=True, id="become-password", compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Install it", id="install", variant="primary", compact=True)
                yield Button("Back", id="back", compact=True)
            yield Static("", id="install-hint", classes="dialog-hint", markup=False)

    def on_mount(self) -> None:
        """Begin with the key."""
        keys = self.query_one("#which-key", OptionList)
        keys.highlighted = 0
        keys.focus()

    def on_descendant_focus(self) -> None:
        """Say what Enter does where the focus is."""
        texts = {
            "which-key": "Enter: take the marked key · Esc: back, nothing is changed",
            "ssh-password": "Enter: go on · Esc: back, nothing is changed",
            "become-password": "Enter: go on · Esc: back, nothing is changed",
            "install": "Enter: put the key onto the servers",
            "back": "Enter: back, nothing is changed",
        }
        where = self.focused.id or "" if self.focused is not None else ""
        self.query_one("#install-hint", Static).update(Content(texts.get(where, "")))

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _go_on(self) -> None:
        self.focus_next()

    @on(Button.Pressed, "#install")
    def _install(self) -> None:
        at = self.query_one("#which-key", OptionList).highlighted or 0
        sudo = self.query_one("#become-password", Input).value if self._asks_sudo else ""
        self.dismiss(InstallWish(self._keys[at][0], self.query_one("#ssh-password", Input).value, sudo))

    @on(Button.Pressed, "#back")
    def _back(self) -> None:
        self.dismiss(None)
