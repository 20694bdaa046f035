"""Preflight: nodes × groups of checks, filled as the nodes answer; what was found, why, how to mend it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.events import Key
from textual.message import Message
from textual.widgets import Button, DataTable, Input, Static

from tui.look_follower import LookFollower, Source
from tui.preflight_actions import PreflightActions, all_accepted, done, toggled
from tui.preflight_rows import (
    CLUSTER,
    GROUPS,
    SHORT_LEGEND,
    Show,
    check_rows,
    found_by,
    found_on,
    node_rows,
    nothing_found,
    start_words,
    status_words,
    verdict_style,
)
from tui.widgets.check_matrix import CHECK_COLUMNS, CheckMatrix, node_columns
from tui.widgets.found_pane import FoundPane
from tui.widgets.frame import FrameScreen
from wizards.provision.acceptance import Acceptance
from wizards.provision.checks import Group
from wizards.provision.looking import Looking, LookView
from wizards.provision.verdict import title_of
from wizards.provision.verdict_text import preflight_text
from wizards.sanitize import one_line
from wizards.setup.finding import Finding, Severity


class PreflightAnswer(StrEnum):
    """How the screen was left."""

    START = "start"
    BACK = "back"


class PreflightScreen(FrameScreen[PreflightAnswer]):
    """Shows a look at the nodes. With `starts`, its button starts the set-up; without, it only closes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "Nodes/checks"),
        Binding("f", "show", "Filter"),
        Binding("slash", "search", "Find"),
        Binding("r", "again(True)", "Look again"),
        Binding("R", "again(False)", "Look at all again", show=False),
        Binding("a", "accept", "Accept"),
        Binding("A", "accept_all", "Accept all", show=False),
        Binding("m", "mend", "Mend"),
        Binding("s", "save", "Save"),
        Binding("escape,ctrl+q", "back", "Back", key_display="esc"),
    ]

    AUTO_FOCUS = "#start"

    class Seen(Message):
        """More is known."""

        def __init__(self, view: LookView) -> None:
            super().__init__()
            self.view = view

    class Broken(Message):
        """Judging broke; it must not end without a word on a thread of its own."""

        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

    def __init__(
        self,
        name: str,
        looking: Looking,
        actions: PreflightActions,
        *,
        source: Source | None = None,
        practice: bool = False,
        starts: bool = True,
        note: str = "",
    ) -> None:
        super().__init__(f"{name}: check of the nodes", practice=practice)
        self._cluster_name = name
        self._follower = LookFollower(looking, self._tell_seen, self._tell_broken)
        self._actions = actions
        self._source = source
        self._starts = starts
        self._note = note
        self._view: LookView | None = None
        self._by_check = False
        self._show = Show.ALL
        self._text = ""
        self._was_ready = False

    # -- layout ---------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        """Verdict, how far the look is, the table beside or above what was found, and the buttons."""
        yield Static(" Looking at the nodes ...", id="preflight-verdict", markup=False)
        yield Static("", id="preflight-status", markup=False)
        with Container(id="preflight"):
            with Vertical(id="preflight-tables"):
                yield CheckMatrix(node_columns(wide=False), id="preflight-nodes", by_cell=True)
                checks = CheckMatrix(CHECK_COLUMNS, id="preflight-checks", by_cell=False)
                checks.display = False
                yield checks
                search = Input(
                    placeholder="Find: type, Enter keeps, Esc shows all", id="preflight-search", compact=True
                )
                search.display = False
                yield search
            yield FoundPane(id="preflight-detail")
        with Horizontal(id="preflight-buttons"):
            yield Button(
                "Looking ..." if self._starts else "Close", id="start", variant="primary", compact=True
            )
            yield Button("Back", id="back", compact=True)
            yield Static(SHORT_LEGEND, id="preflight-legend", markup=False)

    def on_mount(self) -> None:
        """Follow the look, and keep the seconds."""
        self.query_one("#back", Button).display = self._starts
        if self._source is not None:
            self._follow(self._source)
        # Only after the first picture: what is drawn into must have been made, to the innermost widget.
        self.call_after_refresh(self._follower.start)
        self.set_interval(1.0, self._tick)

    def on_unmount(self) -> None:
        """Stop following."""
        self._follower.end()

    def on_resize(self) -> None:
        """Give the table the columns for this width."""
        self.set_class(self._wide, "beside")
        if self._view is not None:
            self._draw(self._view)

    @property
    def _wide(self) -> bool:
        return self.app.size.width >= 140

    # -- following ------------------------------------------------------------------------------------------

    def _follow(self, source: Source, hosts: tuple[str, ...] = ()) -> None:
        self._note = ""
        self._was_ready = False
        self._follower.follow(source, hosts)

    def _tell_seen(self, view: LookView) -> None:
        self.post_message(self.Seen(view))

    def _tell_broken(self, error: Exception) -> None:
        self.post_message(self.Broken(error))

    @on(Broken)
    def _broken(self, event: Broken) -> None:
        raise event.error

    @on(Seen)
    def _seen(self, event: Seen) -> None:
        if not self.query("#found-text"):
            return  # it was left a moment ago
        self._view = event.view
        self._draw(event.view)
        self._ready(event.view)

    def _tick(self) -> None:
        if self._view is not None and self._view.running:
            self._draw_status(self._view)

    # -- drawing --------------------------------------------------------------------------------------------

    def _draw(self, view: LookView) -> None:
        words = one_line(f"{self._note} {view.verdict.sentence}".strip())
        self.query_one("#preflight-verdict", Static).update(Content.styled(f" {words}", verdict_style(view)))
        self._draw_status(view)
        self._table("nodes").lay_out(node_columns(wide=self._wide))
        self._table("nodes").show(node_rows(view, self._show, self._text, notes=self._wide))
        self._table("checks").show(check_rows(view, self._show, self._text))
        if self._starts:
            self._label(start_words(view)[0])
        self._draw_found()
        self._say()
        self.refresh_bindings()

    def _label(self, words: str) -> None:
        start = self.query_one("#start", Button)
        if str(start.label) != words:
            start.label = Content(words)
            start.refresh(layout=True)  # a label that grows asks for no room by itself

    def _draw_status(self, view: LookView) -> None:
        words = status_words(view, self._follower.seconds)
        filters = [f"only {self._show.value} (f)"] if self._show is not Show.ALL else []
        filters += [f"only '{self._text}' (/)"] if self._text else []
        told = () if filters else view.told
        line = " · ".join([*filters, words, *told])
        self.query_one("#preflight-status", Static).update(Content(f" {one_line(line)}"))

    def _table(self, name: str) -> CheckMatrix:
        return self.query_one(f"#preflight-{name}", CheckMatrix)

    @property
    def _current_table(self) -> CheckMatrix:
        return self._table("checks" if self._by_check else "nodes")

    def _place(self) -> tuple[str, Group | None]:
        """Return node and group under the cursor; the node's own column stands for all groups."""
        table = self._table("nodes")
        column = table.cursor_column - 1
        return table.current, GROUPS[column] if 0 <= column < len(GROUPS) else None

    def _draw_found(self) -> None:
        if self._view is not None:
            title, found, otherwise = self._here(self._view)
            pane = self.query_one(FoundPane)
            pane.show(self._view, title, found, otherwise=otherwise, by_check=self._by_check)

    def _here(self, view: LookView) -> tuple[str, tuple[Finding, ...], str]:
        """Return title, findings, and what to say where there are none, of what is under the cursor."""
        if self._by_check:
            check = self._table("checks").current
            found = found_by(view, check)
            where = found[0].host or "cluster" if len(found) == 1 else f"{len(found)} findings"
            title = f"{title_of(check)} [{check}]: {where}" if check else "By check"
            return title, found, "No check found anything."
        name, group = self._place()
        found = found_on(view, name, group)
        what = f"{name} · {group.value}" if group is not None else name
        count = f": {len(found)} finding{'' if len(found) == 1 else 's'}" if found else ""
        return f"{what}{count}", found, nothing_found(view, name, group) or "No node is shown."

    def _finding(self) -> Finding | None:
        return self.query_one(FoundPane).marked

    def _ready(self, view: LookView) -> None:
        """Mark the button once it works, or the worst node once something stands in the way."""
        if view.running or self._was_ready:
            return
        self._was_ready = True
        unmoved = self.focused is None or self.focused.id == "start"
        if unmoved and self._starts and not view.ready:
            self._current_table.focus()
        elif view.ready and not self._table("nodes").walked and not self.has_class("drilled"):
            self.query_one("#start", Button).focus()

    # -- the hint -------------------------------------------------------------------------------------------

    def on_descendant_focus(self) -> None:
        """Say what Enter does here."""
        self._say()

    def _say(self) -> None:
        where = self.focused.id if self.focused is not None else ""
        match where:
            case "start":
                self.hint(f" {self._start_hint()}")
            case "back":
                self.hint(" Enter: back, nothing is started")
            case "found" | "found-scroll":
                self.hint(" Arrows: the next finding · Esc: back to the table")
            case "preflight-search":
                self.hint(" Type a part of a node's or a check's name · Enter keeps · Esc shows all")
            case _:
                what = "it found" if self._by_check else "was found here"
                self.hint(f" Enter: read what {what} · r: look at this node again · R: at all nodes")

    def _start_hint(self) -> str:
        if self._view is None:
            return "The look has begun."
        if not self._starts:
            return "Enter: back to your clusters · arrows: look at each node"
        return start_words(self._view)[1] or "Enter: start the set-up · arrows: look at each node first"

    # -- moving ---------------------------------------------------------------------------------------------

    def on_key(self, event: Key) -> None:
        """Arrows on the buttons lead into the table."""
        if event.key in {"up", "down"} and self.focused is not None and self.focused.id in {"start", "back"}:
            event.stop()
            self._current_table.focus()

    @on(DataTable.CellHighlighted)
    @on(DataTable.RowHighlighted)
    def _walked(self) -> None:
        self._draw_found()
        self.refresh_bindings()

    @on(FoundPane.Marked)
    def _next_finding(self) -> None:
        self.refresh_bindings()

    @on(DataTable.CellSelected)
    @on(DataTable.RowSelected)
    def _drill(self) -> None:
        pane = self.query_one(FoundPane)
        if pane.findings:
            self.add_class("drilled")
            pane.read()

    def _undrill(self) -> None:
        self.remove_class("drilled")
        self.query_one(FoundPane).leave()

    def action_back(self) -> None:
        """One step back: out of the search, out of the finding, out of the screen."""
        if self._end_search():
            return
        if self.has_class("drilled"):
            self._undrill()
            self._current_table.focus()
            return
        self.dismiss(PreflightAnswer.BACK)

    @on(Button.Pressed, "#start")
    def _start(self) -> None:
        if not self._starts:
            self.dismiss(PreflightAnswer.BACK)
        elif self._view is not None and self._view.ready:
            self.dismiss(PreflightAnswer.START)
        else:
            self.app.bell()
            self._say()

    @on(Button.Pressed, "#back")
    def _back(self) -> None:
        self.dismiss(PreflightAnswer.BACK)

    # -- which rows -----------------------------------------------------------------------------------------

    def action_view(self) -> None:
        """The other table: by check, or by node."""
        self._by_check = not self._by_check
        self._table("nodes").display = not self._by_check
        self._table("checks").display = self._by_check
        self._undrill()
        self._current_table.focus()
        self._redraw()

    def action_show(self) -> None:
        """All, with findings, to mend first: one after the other."""
        self._show = self._show.next
        self._redraw()

    def _redraw(self) -> None:
        if self._view is not None:
            self._draw(self._view)

    def action_search(self) -> None:
        """Only rows that hold what is typed."""
        self._undrill()
        box = self.query_one("#preflight-search", Input)
        box.display = True
        box.focus()

    @on(Input.Changed, "#preflight-search")
    def _searching(self, event: Input.Changed) -> None:
        self._text = one_line(event.value)
        self._redraw()

    @on(Input.Submitted, "#preflight-search")
    def _searched(self) -> None:
        self.query_one("#preflight-search", Input).display = False
        self._current_table.focus()

    def _end_search(self) -> bool:
        box = self.query_one("#preflight-search", Input)
        if not box.display and not (self._text and self.focused is self._current_table):
            return False
        box.value = ""
        box.display = False
        self._text = ""
        self._current_table.focus()
        self._redraw()
        return True

    # -- keys that do something -----------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that work now."""
        view = self._view
        typing = isinstance(self.focused, Input)
        if typing and action != "back":
            return False
        match action:
            case "again":
                return view is not None and not view.running
            case "accept":
                return self._still and bool(self._acceptable())
            case "accept_all":
                return self._still and view is not None and view.verdict.warnings > 1
            case "mend":
                return self._still and self._actions.mend is not None and self._has_trouble
            case "save":
                return view is not None
            case _:
                return True

    @property
    def _has_trouble(self) -> bool:
        found = self._view.verdict if self._view is not None else None
        return found is not None and bool(found.blocks or found.warnings or found.accepted)

    @property
    def _still(self) -> bool:
        """Whether nothing goes on that holds the cluster."""
        return self._view is not None and not self._view.running

    @work(exclusive=True, group="preflight-action", description="look again")
    async def action_again(self, this: bool) -> None:
        """Look again, at this node alone or at all."""
        hosts: tuple[str, ...] = ()
        if this:
            finding = self._finding()
            name = (finding.host if finding else "") if self._by_check else self._table("nodes").current
            if not name or name == CLUSTER:
                self.hint(" Mark a node first; R looks at all of them")
                return
            hosts = (name,)
        self.hint(f" Looking again at {hosts[0] if hosts else 'all nodes'} ...")
        source = await done(self.app, lambda: self._actions.look(hosts), "It was not looked at again")
        if source is not None:
            self._follow(source, hosts)

    @work(exclusive=True, group="preflight-action", description="accept")
    async def action_accept(self) -> None:
        """Accept the marked warning by name, or take its acceptance back."""
        wanted = self._acceptable()
        if wanted and self._view is not None:
            self._take(await toggled(self.app, self._actions, wanted, self._view))

    def _acceptable(self) -> tuple[Finding, ...]:
        """Return the warnings that `a` is about: the marked one; of a marked check, on all its nodes."""
        pane = self.query_one(FoundPane)
        if self._by_check and not self.has_class("drilled"):
            return tuple(one for one in pane.findings if one.severity is Severity.WARN)
        one = pane.marked
        return (one,) if one is not None and one.severity is Severity.WARN else ()

    @work(exclusive=True, group="preflight-action", description="accept all")
    async def action_accept_all(self) -> None:
        """Accept every open warning, after they were shown."""
        if self._view is not None:
            self._take(await all_accepted(self.app, self._actions, self._view))

    def _take(self, accepted: Iterable[Acceptance] | None) -> None:
        if accepted is not None:
            self._was_ready = False
            self._follower.looking.accept(accepted)
            self._follower.judge_again()

    @work(exclusive=True, group="preflight-action", description="mend")
    async def action_mend(self) -> None:
        """Show what can be mended; when that is done, look again."""
        view = self._view
        if view is None or self._actions.mend is None:
            return
        source = await self._actions.mend(view.reports, view.findings)
        if source is not None:
            self._follow(source)

    @work(exclusive=True, group="preflight-action", description="save")
    async def action_save(self) -> None:
        """Write the report to a file."""
        from tui.screens.save_file import SaveFile

        view = self._view
        if view is None:
            return
        text = preflight_text(
            view.verdict, cluster=self._cluster_name, accepted=view.accepted, at=time.time()
        )
        name = f"{self._cluster_name}-preflight.txt"
        where = await self.app.push_screen_wait(SaveFile("Save this report as text", name, text))
        if where:
            self.hint(f" Saved: {where}")
