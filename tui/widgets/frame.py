"""What every screen has: the top bar that says where one is, and the line that says what Enter does."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

Result = TypeVar("Result")


class TopBar(Horizontal):
    """One row: the product, where one is, and PRACTICE while nothing is real."""

    def __init__(self, title: str, *, practice: bool) -> None:
        super().__init__()
        self._title = title
        self._practice = practice

    def compose(self) -> ComposeResult:
        """Lay out the three parts."""
        yield Static(" SLIPWAY ", id="brand", markup=False)
        yield Static(Content(self._title), id="where", markup=False)
        badge = Static(" PRACTICE ", id="practice", markup=False)
        badge.display = self._practice
        yield badge


class FrameScreen(Screen[Result]):
    """A screen with the top bar, a body, a hint line and a footer that shows the keys that work now."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, title: str, *, practice: bool) -> None:
        super().__init__()
        self.frame_title = title
        self.practice = practice

    def compose(self) -> ComposeResult:
        """Lay out the frame around `compose_body`."""
        yield TopBar(self.frame_title, practice=self.practice)
        yield from self.compose_body()
        yield Static("", id="hint", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def compose_body(self) -> ComposeResult:
        """Give the screen's own widgets."""
        raise NotImplementedError

    def hint(self, text: str) -> None:
        """Say on the hint line what happens next."""
        self.query_one("#hint", Static).update(Content(text))
