"""The health view: the verdict in words, then everything behind it, live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option as Row

from tui.health_rows import HealthRow, health_rows
from tui.widgets.frame import FrameScreen
from wizards.health.model import Health, State
from wizards.health.text import span, symbol

if TYPE_CHECKING:
    from wizards.health.watch import HealthWatcher
    from wizards.setup.spec import ClusterSpec

STYLES = {
    State.HEALTHY: "$text-success",
    State.PROGRESSING: "$text-warning",
    State.DEGRADED: "$text-warning",
    State.BROKEN: "bold $text-error",
    State.MISSING: "bold $text-error",
    State.UNKNOWN: "$text-muted",
}


class HealthScreen(FrameScreen[None]):
    """Follows a cluster's health."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next_trouble", "Next trouble"),
        Binding("enter", "detail", "Read detail"),
        Binding("q,escape,ctrl+q", "leave", "Leave", key_display="q"),
    ]

    class Seen(Message):
        """A new look at the cluster."""

        def __init__(self, health: Health) -> None:
            super().__init__()
            self.health = health

    def __init__(self, title: str, kubeconfig: Path, spec: ClusterSpec | None, *, practice: bool) -> None:
        super().__init__(f"{title}: health", practice=practice)
        self._kubeconfig = kubeconfig
        self._spec = spec
        self._watcher: HealthWatcher | None = None
        self._rows: tuple[HealthRow, ...] = ()
        self._at = ""

    def compose_body(self) -> ComposeResult:
        """Verdict, rows, detail."""
        yield Static(" Looking at the cluster ...", id="verdict-line", markup=False)
        with Horizontal(id="health"):
            yield OptionList(id="health-rows", compact=True, markup=False)
            with VerticalScroll(id="health-detail"):
                yield Static("", id="health-detail-text", markup=False)

    def on_mount(self) -> None:
        """Start looking."""
        from wizards.health.watch import HealthWatcher

        self.query_one("#health-rows", OptionList).focus()
        self._watcher = HealthWatcher(self._kubeconfig, self._spec, self._tell)
        self._watcher.start()

    def _tell(self, health: Health) -> None:
        self.post_message(self.Seen(health))

    def on_unmount(self) -> None:
        """Stop looking."""
        if self._watcher is not None:
            self._watcher.stop()

    @on(Seen)
    def _seen(self, event: Seen) -> None:
        health = event.health
        stale = f"  (as it was {span(health.age)} ago)" if health.unreachable and health.age > 2 else ""
        self.query_one("#verdict-line", Static).update(
            Content.styled(f" {symbol(health.verdict)} {health.sentence}{stale}", STYLES[health.verdict])
        )
        rows = health_rows(health)
        if rows != self._rows:
            self._fill(rows)
        self._show_detail()

    def _fill(self, rows: tuple[HealthRow, ...]) -> None:
        same = [one.id for one in rows] == [one.id for one in self._rows]
        old, self._rows = self._rows, rows
        view = self.query_one("#health-rows", OptionList)
        if same:
            for index, (before, now) in enumerate(zip(old, rows, strict=True)):
                if before != now:
                    view.replace_option_prompt_at_index(index, row_content(now))
            return
        with self.prevent(OptionList.OptionHighlighted):
            view.set_options([Row(row_content(one), disabled=one.state is None) for one in rows])
            ids = [one.id for one in rows]
            first = next((n for n, one in enumerate(rows) if one.state is not None), None)
            view.highlighted = ids.index(self._at) if self._at in ids else first

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._at = self._rows[event.option_index].id
        self._show_detail()

    def _show_detail(self) -> None:
        at = self.query_one("#health-rows", OptionList).highlighted
        if at is None or at >= len(self._rows):
            return
        row = self._rows[at]
        style = STYLES[row.state] if row.state is not None else "bold"
        self.query_one("#health-detail-text", Static).update(
            Content.assemble((f"{row.sign} {row.title}\n", style), row.detail or row.text)
        )
        self.hint(" Arrows: look at each part; its detail follows · changes show by themselves")

    def action_next_trouble(self) -> None:
        """Go to the next row that is not healthy."""
        view = self.query_one("#health-rows", OptionList)
        start = (view.highlighted or 0) + 1
        order = [*range(start, len(self._rows)), *range(start)]
        for index in order:
            state = self._rows[index].state if index < len(self._rows) else None
            if state not in (None, State.HEALTHY):
                view.highlighted = index
                return
        self.hint(" Nothing is in trouble.")

    def action_detail(self) -> None:
        """Scroll the detail."""
        self.query_one("#health-detail", VerticalScroll).focus()

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        self.action_detail()

    def action_leave(self) -> None:
        """Back."""
        if self.focused is not None and self.focused.id == "health-detail":
            self.query_one("#health-rows", OptionList).focus()
        else:
            self.dismiss(None)


def row_content(row: HealthRow) -> Content:
    """Return a row as it is drawn."""
    if row.state is None:
        return Content.styled(row.title, "bold $text-muted")
    return Content.assemble(
        (f" {row.sign} ", STYLES[row.state]), f"{row.title[:24]:<24} ", (row.text, "$text-muted")
    )
