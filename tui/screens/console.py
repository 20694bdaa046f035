"""The console: the clusters that are here, how they are, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option as Row

from tui.widgets.frame import FrameScreen
from wizards.clusters import Cluster, Clusters
from wizards.provision.events import RunStatus

RUN_WORDS = {
    RunStatus.RUNNING: ("▶", "a run is going on", "$text-accent"),
    RunStatus.SUCCEEDED: ("✓", "last run succeeded", "$text-success"),
    RunStatus.FAILED: ("✗", "last run failed", "$text-error"),
    RunStatus.BLOCKED: ("✗", "last run was blocked by a check", "$text-error"),
    RunStatus.CANCELLED: ("■", "last run was stopped", "$text-warning"),
    RunStatus.INTERRUPTED: ("✗", "last run was interrupted", "$text-error"),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the user wants: ``new``, ``run``, ``check``, ``health`` or ``quit``; and of which cluster."""

    action: str
    cluster: str = ""


class ConsoleScreen(FrameScreen[Chosen]):
    """The list of clusters."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "choose('new')", "New cluster"),
        Binding("h", "choose('health')", "Health"),
        Binding("c", "choose('check')", "Check the nodes"),
        Binding("r", "choose('run')", "Last run"),
        Binding("q,ctrl+q,escape", "choose('quit')", "Quit", key_display="q"),
    ]

    def __init__(self, home: Path) -> None:
        super().__init__("Clusters on this console", practice=False)
        self._clusters = Clusters(home).all()

    def compose_body(self) -> ComposeResult:
        """The list."""
        with Vertical(id="console"):
            yield Static("Your clusters", classes="label", markup=False)
            yield OptionList(id="clusters", compact=True, markup=False)

    def on_mount(self) -> None:
        """Fill it."""
        rows = self.query_one("#clusters", OptionList)
        rows.set_options([Row(cluster_row(one), id=one.name) for one in self._clusters])
        rows.highlighted = 0 if self._clusters else None
        rows.focus()
        self._say()

    def _current(self) -> Cluster | None:
        at = self.query_one("#clusters", OptionList).highlighted
        return self._clusters[at] if at is not None and at < len(self._clusters) else None

    @on(OptionList.OptionHighlighted)
    def _say(self) -> None:
        current = self._current()
        if current is None:
            self.hint(" n: set up a new cluster")
        elif opens_run(current):
            self.hint(f" Enter: show the run of {current.name}")
        else:
            self.hint(f" Enter: see how {current.name} is")

    @on(OptionList.OptionSelected)
    def _open(self) -> None:
        current = self._current()
        if current is not None:
            self.dismiss(Chosen("run" if opens_run(current) else "health", current.name))

    def action_choose(self, action: str) -> None:
        """Give what was chosen; health and runs are of the highlighted cluster."""
        current = self._current()
        if action in {"new", "quit"}:
            self.dismiss(Chosen(action))
        elif current is not None:
            self.dismiss(Chosen(action, current.name))


def opens_run(cluster: Cluster) -> bool:
    """Tell whether the last run is what one wants to see first: it goes on, or it did not end well."""
    run = cluster.current_run()
    return run is not None and run.status() is not RunStatus.SUCCEEDED


def cluster_row(cluster: Cluster) -> Content:
    """Return a cluster on one line: state, name, when."""
    run = cluster.current_run()
    if run is None:
        return Content.assemble("· ", (f"{cluster.name:<24}", "bold"), (" never set up", "$text-muted"))
    mark, words, style = RUN_WORDS[run.status()]
    when = datetime.fromtimestamp(run.started_at).strftime("%d %b %H:%M") if run.started_at else ""
    practice = "  PRACTICE" if cluster.is_practice else ""
    return Content.assemble(
        (f"{mark} ", style),
        (f"{cluster.name:<24}", "bold"),
        (f" {words}", style),
        (f"  {when}{practice}", "dim"),
    )
