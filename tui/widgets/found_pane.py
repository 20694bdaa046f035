"""What was found in one place: a title, the findings a line each, and all of the marked one below."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option as Row

from tui.preflight_rows import finding_line, finding_text
from wizards.provision.looking import LookView
from wizards.setup.finding import Finding


class FoundPane(Vertical):
    """Shows findings; one of them is marked."""

    class Marked(Message):
        """Another finding is marked."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.findings: tuple[Finding, ...] = ()
        self._view: LookView | None = None
        self._otherwise = ""
        self._names_check = True

    def compose(self) -> ComposeResult:
        """Title, list, text."""
        yield Static("", id="found-title", markup=False)
        yield OptionList(id="found", compact=True, markup=False)
        with VerticalScroll(id="found-scroll"):
            yield Static("", id="found-text", markup=False)

    def on_mount(self) -> None:
        """The text takes the focus only when somebody came to read it."""
        self.query_one("#found-scroll").can_focus = False

    @property
    def marked(self) -> Finding | None:
        """The marked finding."""
        at = self.query_one("#found", OptionList).highlighted
        return self.findings[at] if at is not None and at < len(self.findings) else None

    def show(
        self,
        view: LookView,
        title: str,
        findings: Sequence[Finding],
        *,
        otherwise: str,
        by_check: bool,
    ) -> None:
        """Show `findings`, or `otherwise` where there are none; the mark stays while they are the same."""
        self._view, self._otherwise, self._names_check = view, otherwise, not by_check
        rows = self.query_one("#found", OptionList)
        places = [(one.id, one.host) for one in findings]
        before = self.marked
        at = places.index(key) if before is not None and (key := (before.id, before.host)) in places else 0
        self.findings = tuple(findings)
        with self.prevent(OptionList.OptionHighlighted):
            rows.set_options([Row(finding_line(one, view, by_check=by_check)) for one in findings])
            rows.highlighted = at if findings else None
        rows.display = len(findings) > 1
        self.query_one("#found-title", Static).update(Content.styled(title, "bold"))
        self._draw_marked()

    def _draw_marked(self) -> None:
        finding = self.marked
        text = Content(self._otherwise)
        if finding is not None and self._view is not None:
            text = finding_text(finding, self._view, named=self._names_check and len(self.findings) == 1)
        self.query_one("#found-text", Static).update(text)

    @on(OptionList.OptionHighlighted)
    def _next(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._draw_marked()
        self.post_message(self.Marked())

    def read(self) -> None:
        """Take the focus: the list where there are several, else the text, which then scrolls."""
        scroll = self.query_one("#found-scroll")
        scroll.can_focus = True
        (self.query_one("#found") if len(self.findings) > 1 else scroll).focus()

    def leave(self) -> None:
        """Take the focus no longer."""
        self.query_one("#found-scroll").can_focus = False
