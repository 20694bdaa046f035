"""The run: stages, hosts, log, failures. A viewer only: the run belongs to its supervisor."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Input, Log, Static, TabbedContent, TabPane

from tui.run_lines import STAGE_MARK, clock, log_lines, place, raw_lines
from tui.run_view import ENDED, REPEATABLE, failures_text, host_details, host_words, summary, trouble_first
from tui.screens.dialogs import Choose
from tui.widgets.frame import FrameScreen
from wizards.provision.events import Event, RunStatus, StageStatus
from wizards.provision.progress import Progress, ProgressFold

Source = Callable[[threading.Event], Iterator[list[Event]]]
"""Gives the run's events from the first on, in batches, until it ends or the stop event is set."""

LOG_LIMIT = 5000
HOST_ROWS = 200


class RunScreen(FrameScreen[str]):
    """Shows a run. Gives ``health``, ``retry`` or ``leave``; ``cancel`` is done through the callback."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "pane('log')", "Log"),
        Binding("x", "pane('failures')", "Failures"),
        Binding("p", "pause", "Pause view"),
        Binding("f", "follow", "Follow"),
        Binding("slash", "search", "Search"),
        Binding("v", "raw", "Raw output", show=False),
        Binding("enter", "details", "Details"),
        Binding("c", "cancel", "Cancel run"),
        Binding("r", "retry", "Retry"),
        Binding("h", "health", "Health"),
        Binding("d,escape,ctrl+q", "detach", "Detach", key_display="d"),
    ]

    class Moved(Message):
        """The run went on: a new view, and the lines to add to the log."""

        def __init__(self, progress: Progress, lines: list[str], raw: list[str]) -> None:
            super().__init__()
            self.progress = progress
            self.lines = lines
            self.raw = raw

    def __init__(
        self,
        title: str,
        source: Source,
        *,
        practice: bool,
        cancel: Callable[[bool], None] | None,
        replay: bool = False,
    ) -> None:
        super().__init__(title, practice=practice)
        self._source = source
        self._cancel = cancel
        self._replay = replay
        self._stop = threading.Event()
        self._progress: Progress | None = None
        self._lines: deque[str] = deque(maxlen=LOG_LIMIT)
        self._raw: deque[str] = deque(maxlen=LOG_LIMIT)
        self._paused = False
        self._show_raw = False
        self._filter = ""
        self._seen_failures = 0
        self._asked_cancel = False
        self._heard = 0.0
        self._in_trouble: tuple[str, ...] = ()

    # -- layout ---------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        """Summary, stages beside hosts, and the tabs below them."""
        yield Static("", id="run-summary", markup=False)
        with Horizontal(id="run-panes"):
            with VerticalScroll(id="stages-pane", can_focus=False):
                yield Static("", id="stages", markup=False)
            yield DataTable(id="hosts", cursor_type="row", show_header=True)
        with TabbedContent(id="run-tabs"):
            with TabPane("Log", id="log"), Vertical():
                yield Log(id="log-lines", max_lines=LOG_LIMIT, highlight=False)
                search = Input(
                    placeholder="Search: type, Enter keeps, Esc shows all", id="search", compact=True
                )
                search.display = False
                yield search
            with TabPane("Failures", id="failures"), VerticalScroll(id="failures-scroll"):
                yield Static("No failure so far.", id="failures-text", markup=False)

    def on_mount(self) -> None:
        """Start the thread that follows the journal, and the clock."""
        hosts = self.query_one("#hosts", DataTable)
        for key, title, width in (("host", "Host", 12), ("state", "State", 12), ("task", "Task", 120)):
            hosts.add_column(title, key=key, width=width)
        hosts.focus()
        threading.Thread(target=self._follow, name="journal-viewer", daemon=True).start()
        self.set_interval(1.0, self._tick)

    def on_unmount(self) -> None:
        """Tell the thread to end."""
        self._stop.set()

    def _follow(self) -> None:
        fold = ProgressFold()
        for batch in self._source(self._stop):
            if self._stop.is_set():
                return
            fold.feed(batch)
            lines = [line for event in batch for line in log_lines(event)]
            raw = [line for event in batch for line in raw_lines(event)]
            self.post_message(self.Moved(fold.view(), lines, raw))

    # -- following ------------------------------------------------------------------------------------------

    @on(Moved)
    def _moved(self, event: Moved) -> None:
        self._lines.extend(event.lines)
        self._raw.extend(event.raw)
        self._progress = event.progress
        self._heard = time.monotonic()
        if self._paused:
            return
        self._write(event.raw if self._show_raw else event.lines)
        self._draw()

    def _tick(self) -> None:
        if self._progress is not None and not self._paused and self._progress.status is RunStatus.RUNNING:
            self._draw_summary(self._progress)

    def _draw(self) -> None:
        progress = self._progress
        if progress is None:
            return
        with self.app.batch_update():
            self._draw_summary(progress)
            self._draw_stages(progress)
            self._draw_hosts(progress)
            self._draw_failures(progress)
        self.refresh_bindings()

    def _draw_summary(self, progress: Progress) -> None:
        self.query_one("#run-summary", Static).update(
            summary(progress, self.app.size.width, since=self._since(progress), paused=self._paused)
        )
        self.hint(self._next_words(progress))

    def _since(self, progress: Progress) -> float:
        """Return the seconds since the last event, by which a running clock is ahead of the journal."""
        going = progress.status is RunStatus.RUNNING and not self._replay
        return time.monotonic() - self._heard if going else 0.0

    def _next_words(self, progress: Progress) -> str:
        if self._paused:
            return " The view is paused; the run is not. p: go on"
        if self._replay:
            return " A recorded run. d: leave"
        match progress.status:
            case RunStatus.RUNNING if self._asked_cancel:
                return " Stopping after the task in hand ..."
            case RunStatus.RUNNING:
                return " The run goes on by itself when you detach (d) or lose the line."
            case RunStatus.SUCCEEDED:
                return " Done. h: see how the cluster is"
            case RunStatus.BLOCKED:
                return " A check found what must be mended first (x). r: check again afterwards"
            case _:
                return " x: what went wrong · r: retry from the first stage that is not done"

    def _draw_stages(self, progress: Progress) -> None:
        styles = {
            StageStatus.RUNNING: "bold $text-accent",
            StageStatus.DONE: "$text-success",
            StageStatus.FAILED: "bold $text-error",
            StageStatus.CANCELLED: "$text-warning",
        }
        rows = []
        for stage in progress.stages:
            took = clock(stage.elapsed) if stage.elapsed else ""
            if stage.status is StageStatus.SKIPPED:
                took = "earlier"
            rows.append(
                Content.assemble(
                    (
                        f" {STAGE_MARK[stage.status]} {stage.title[:24]:<24}",
                        styles.get(stage.status, "dim"),
                    ),
                    (f" {took:>7}", "dim"),
                )
            )
        self.query_one("#stages", Static).update(Content("\n").join(rows))

    def _draw_hosts(self, progress: Progress) -> None:
        table = self.query_one("#hosts", DataTable)
        wanted = sorted(progress.hosts, key=trouble_first)[:HOST_ROWS]
        in_trouble = tuple(one.name for one in wanted if trouble_first(one)[0] == 0)
        if (
            in_trouble != self._in_trouble
        ):  # only then is the table laid out anew: rows that jump cannot be read
            self._in_trouble = in_trouble
            table.clear()
        for host in wanted:
            state, task = host_words(host)
            if host.name in table.rows:
                table.update_cell(host.name, "state", state)
                table.update_cell(host.name, "task", task)
            else:
                table.add_row(Content(place(host.name)), state, task, key=host.name)

    def _draw_failures(self, progress: Progress) -> None:
        blocked = [one for one in progress.findings if one.get("severity") in {"block", "warn"}]
        if not progress.failures and not blocked:
            return
        self.query_one("#failures-text", Static).update(failures_text(progress))
        if len(progress.failures) > self._seen_failures and not self._replay:
            self._seen_failures = len(progress.failures)
            self.app.bell()
        if progress.status in REPEATABLE and not self._filter:
            self.query_one(TabbedContent).active = "failures"

    # -- log ------------------------------------------------------------------------------------------------

    def _write(self, lines: list[str]) -> None:
        wanted = [line for line in lines if self._filter.lower() in line.lower()] if self._filter else lines
        if wanted:
            self.query_one(Log).write_lines(wanted)

    def _rewrite(self) -> None:
        log = self.query_one(Log)
        log.clear()
        self._write(list(self._raw if self._show_raw else self._lines))

    # -- keys -----------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that work now."""
        status = self._progress.status if self._progress is not None else RunStatus.RUNNING
        match action:
            case "cancel":
                return status is RunStatus.RUNNING and self._cancel is not None
            case "retry":
                return status in REPEATABLE and not self._replay
            case "health":
                return status in ENDED and not self._replay
            case "pause" | "follow":
                return status is RunStatus.RUNNING or self._paused
            case _:
                return True

    def action_pane(self, name: str) -> None:
        """Show the log or the failures, and scroll there with the arrows."""
        self.query_one(TabbedContent).active = name
        self.query_one("#log-lines" if name == "log" else "#failures-scroll").focus()

    def action_pause(self) -> None:
        """Freeze the view, or let it catch up; the run knows nothing of it."""
        self._paused = not self._paused
        if self._paused:
            if self._progress is not None:
                self._draw_summary(self._progress)
        else:
            self._rewrite()
            self._draw()

    def action_follow(self) -> None:
        """Back to the newest line."""
        if self._paused:
            self.action_pause()
        log = self.query_one(Log)
        log.auto_scroll = True
        log.scroll_end(animate=False)

    def action_raw(self) -> None:
        """Show Ansible's own output, or Slipway's words for it."""
        self._show_raw = not self._show_raw
        self._rewrite()

    def action_search(self) -> None:
        """Show only the lines that hold what is typed."""
        self.query_one(TabbedContent).active = "log"
        box = self.query_one("#search", Input)
        box.display = True
        box.focus()

    @on(Input.Changed, "#search")
    def _search(self, event: Input.Changed) -> None:
        self._filter = event.value
        self._rewrite()

    @on(Input.Submitted, "#search")
    def _searched(self) -> None:
        self.query_one(Log).focus()

    def _end_search(self) -> bool:
        box = self.query_one("#search", Input)
        if not box.display:
            return False
        box.value = ""
        box.display = False
        self._filter = ""
        self._rewrite()
        self.query_one("#hosts", DataTable).focus()
        return True

    @on(DataTable.RowSelected, "#hosts")
    def _row_selected(self) -> None:
        self.action_details()

    @work(exclusive=True, group="run-dialog", description="details")
    async def action_details(self) -> None:
        """Say all that is known of the host under the cursor."""
        table = self.query_one("#hosts", DataTable)
        if self._progress is None or not table.row_count:
            return
        name = str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value)
        host = next((one for one in self._progress.hosts if one.name == name), None)
        if host is not None:
            await self.app.push_screen_wait(
                Choose(place(name), host_details(host, self._progress), [("ok", "Close")])
            )

    @work(exclusive=True, group="run-dialog", description="cancel")
    async def action_cancel(self) -> None:
        """Ask, then ask the supervisor to stop."""
        answer = await self.app.push_screen_wait(
            Choose(
                "Stop this run?",
                "What is done stays done on the servers, and Retry goes on from the first stage that is "
                "not done.\n\n"
                "After this task is the gentle way. At once may leave the task in hand half done.",
                [("no", "Let it run"), ("task", "Stop after this task"), ("now", "Stop at once")],
            )
        )
        if answer in {"task", "now"} and self._cancel is not None:
            self._asked_cancel = True
            self._cancel(answer == "now")

    def action_retry(self) -> None:
        """Go on from the first stage that is not done."""
        self.dismiss("retry")

    def action_health(self) -> None:
        """See how the cluster is."""
        self.dismiss("health")

    def action_detach(self) -> None:
        """Leave the view; the run goes on."""
        if not self._end_search():
            self.dismiss("leave")
