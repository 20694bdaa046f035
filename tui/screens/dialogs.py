"""Small dialogs: a yes-or-no, a sentence to be read, passwords, host keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static


class Choose(ModalScreen[str]):
    """A title, a text, and buttons. Gives the id of the button, or "" on Escape.

    The first button has the focus: put the harmless one first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "Back"),
        Binding("left,up", "app.focus_previous", "Previous", show=False),
        Binding("right,down", "app.focus_next", "Next", show=False),
    ]

    def __init__(self, title: str, text: str, buttons: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._buttons = buttons

    def compose(self) -> ComposeResult:
        """The dialog."""
        with Vertical(classes="dialog"):
            yield Label(self._title, classes="dialog-title", markup=False)
            with VerticalScroll(can_focus=False):
                yield Static(Content(self._text), classes="dialog-text", markup=False)
            with Horizontal(classes="buttons"):
                for index, (name, title) in enumerate(self._buttons):
                    button = Button(Content(title), id=f"choose-{name}", compact=True)
                    button.variant = "primary" if index == 0 else "default"
                    yield button
            yield Static(
                "Enter: the marked button · Tab or arrows: the next one · Esc: back", classes="dialog-hint"
            )

    def on_mount(self) -> None:
        """Mark the first button."""
        self.query(Button).first().focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Give what was chosen."""
        self.dismiss((event.button.id or "").removeprefix("choose-"))


class AskSecrets(ModalScreen[dict[str, str] | None]):
    """Ask for passwords, hidden. They go from here to the supervisor's standard input and nowhere else."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, wanted: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._wanted = wanted

    def compose(self) -> ComposeResult:
        """One hidden field for each password."""
        with Vertical(classes="dialog"):
            yield Label("Passwords", classes="dialog-title")
            yield Static(
                "Held in memory for this run and never written to a file or a log.",
                classes="dialog-text",
                markup=False,
            )
            for name, title in self._wanted:
                with Horizontal(classes="field"):
                    yield Static(title, classes="label", markup=False)
                    yield Input(password=True, id=f"secret-{name}", compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Go on", id="ok", variant="primary", compact=True)
                yield Button("Back", id="back", compact=True)

    def on_mount(self) -> None:
        """Type at once."""
        self.query(Input).first().focus()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        empty = [one for one in self.query(Input) if not one.value]
        if empty:
            empty[0].focus()
        else:
            self._give()

    @on(Button.Pressed, "#ok")
    def _give(self) -> None:
        values = {name: self.query_one(f"#secret-{name}", Input).value for name, _ in self._wanted}
        if all(values.values()):
            self.dismiss(values)
        else:
            self.app.bell()

    @on(Button.Pressed, "#back")
    def _back(self) -> None:
        self.dismiss(None)
