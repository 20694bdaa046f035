"""Ask where to write a file, and write it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from wizards.files import write_private
from wizards.sanitize import one_line


class SaveFile(ModalScreen[str]):
    """A file name, and Enter. Gives the path written to, or "" when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", "Back")]

    def __init__(self, title: str, name: str, content: str) -> None:
        super().__init__()
        self._title = title
        self._proposed = name
        self._content = content
        self._agreed = ""

    def compose(self) -> ComposeResult:
        """The name, what is wrong with it, and two buttons."""
        with Vertical(classes="dialog"):
            yield Label(self._title, classes="dialog-title", markup=False)
            yield Input(self._proposed, id="file-name", compact=True)
            yield Static("", id="file-error", classes="error", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Save", id="save", variant="primary", compact=True)
                yield Button("Back", id="back", compact=True)
            yield Static("Enter: save it, readable by you only · Esc: back", classes="dialog-hint")

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    @on(Button.Pressed, "#save")
    def _save(self) -> None:
        given = self.query_one(Input).value.strip()
        path = Path(given).expanduser().absolute()
        if not given:
            self._error("Name a file, for example " + self._proposed)
        elif path.is_dir():
            self._error(f"{path} is a folder: name a file in it.")
        elif path.exists() and self._agreed != str(path):
            self._agreed = str(path)
            self._error(f"{path} is there already. Enter again replaces it.")
        else:
            self._write(path)

    def _write(self, path: Path) -> None:
        try:
            write_private(path, self._content)
        except OSError as error:
            self._error(f"It cannot be written: {error.strerror or error} ({path}).")
        else:
            self.dismiss(str(path))

    def _error(self, text: str) -> None:
        self.query_one("#file-error", Static).update(Content(one_line(text)))

    @on(Button.Pressed, "#back")
    def _back(self) -> None:
        self.dismiss("")
