"""The set-up wizard: one step at a time, with an explanation that follows and findings as one types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Button, Static

from tui.widgets.frame import FrameScreen
from tui.widgets.question import FieldView, QuestionView, question_view
from tui.widgets.steps import StepBar, StepList
from wizards.setup import drafts, steps
from wizards.setup.finding import Finding, Severity
from wizards.setup.questions import Answers, Step

SYMBOL = {Severity.BLOCK: "✗", Severity.WARN: "!", Severity.FIX: "✓"}
STYLE = {Severity.BLOCK: "$text-error", Severity.WARN: "$text-warning", Severity.FIX: "$text-success"}
REVIEW = "review"


class WizardScreen(FrameScreen[Answers | None]):
    """Walks the steps. Gives the answers when the review is asked for, None when the user leaves."""

    # Between steps and explanation the questions need room for a table.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (140, "-wide")]  # noqa: RUF012 - Textual declares it so

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("ctrl+n", "next", "Next", priority=True),
        Binding("ctrl+r", "defaults", "Take defaults", priority=True),
        Binding("ctrl+o", "more", "More", priority=True),
        Binding("ctrl+t", "try_login", "Try the login", priority=True),
        Binding("ctrl+q", "leave", "Quit", priority=True),
    ]

    def __init__(
        self,
        answers: Answers,
        *,
        home: Path,
        step_id: str = "",
        practice: bool = False,
        try_login: Callable[[Answers], Awaitable[Answers | None]] | None = None,
    ) -> None:
        super().__init__("New cluster", practice=practice)
        self._login = try_login
        self.answers = answers
        self.home = home
        self.step_id = step_id or steps.STEPS[0].id
        self.advanced = False
        self._views: dict[str, QuestionView] = {}
        self._refused: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._findings: tuple[Finding, ...] = ()
        self._pending: Timer | None = None
        self._has_more = False
        self._shown_findings: list[Finding] | None = None
        self._drawn: tuple[list[tuple[str, str, str]], str] | None = None

    # -- layout ---------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        """Steps at the left where there is room, the questions, and the explanation beside or below them."""
        yield StepBar(id="step-bar")
        with Horizontal(id="wizard"):
            yield StepList(id="step-list")
            with Vertical(id="form"):
                yield Static("", id="step-title", markup=False)
                yield Static("", id="step-intro", markup=False)
                yield VerticalScroll(id="questions", can_focus=False)
                yield Static("", id="findings", markup=False)
                with Horizontal(id="step-buttons"):
                    yield Button("Back", id="back", compact=True)
                    yield Button("Next", id="next", variant="primary", compact=True)
            with Vertical(id="explain"):
                yield Static("", id="explain-title", markup=False)
                yield Static("", id="explain-body", markup=False)
                yield Static("", id="explain-cost", markup=False)

    async def on_mount(self) -> None:
        """Show the first step, or the one the draft was left at."""
        await self.show_step(self.step_id)

    # -- steps ----------------------------------------------------------------------------------------------

    @property
    def walk(self) -> tuple[Step, ...]:
        """The steps that these answers lead through, without the review, which is a screen of its own."""
        return tuple(step for step in steps.visible_steps(self.answers) if step.id != REVIEW)

    @property
    def step(self) -> Step:
        """The step that is shown."""
        return next((one for one in self.walk if one.id == self.step_id), self.walk[0])

    async def show_step(self, step_id: str) -> None:
        """Lay out a step's questions and put the focus on the first."""
        self.step_id = step_id
        step = self.step
        area = self.query_one("#questions", VerticalScroll)
        self._views = {}
        with self.app.batch_update():
            await area.remove_children()
            self._views = {one.path: question_view(one, steps.parse) for one in step.questions}
            await area.mount_all(self._views.values())
            self.query_one("#step-title", Static).update(Content(step.title))
            self.query_one("#step-intro", Static).update(Content(step.intro))
            self._refresh_questions()
            self.refresh_bindings()
            self._draw_steps()
            self._put_back_refused()
        # Judging loads the specification's models: the first screen is painted before that.
        self._refresh_soon()
        area.scroll_home(animate=False)
        self._focus_first()

    def _put_back_refused(self) -> None:
        for path, text in list(self._refused.items()):
            view = self._views.get(path)
            if isinstance(view, FieldView):
                view.show_text(text)

    def _focus_first(self) -> None:
        for view in self._shown():
            view.focus_first()
            return
        self.query_one("#next", Button).focus()

    def _shown(self) -> list[QuestionView]:
        return [view for view in self._views.values() if view.display]

    # -- answers --------------------------------------------------------------------------------------------

    @on(QuestionView.Answered)
    def _answered(self, event: QuestionView.Answered) -> None:
        path = event.question.path
        self._refused.pop(path, None)
        self._reasons.pop(path, None)
        self.answers = self.answers.with_answer(path, event.value)
        self._refresh_questions()
        self._refresh_soon()

    @on(QuestionView.Refused)
    def _refuse(self, event: QuestionView.Refused) -> None:
        self._refused[event.question.path] = event.text
        self._reasons[event.question.path] = event.error

    @on(QuestionView.Explain)
    def _explain(self, event: QuestionView.Explain) -> None:
        self.query_one("#explain-title", Static).update(Content(event.title))
        self.query_one("#explain-body", Static).update(Content(event.body))
        self.query_one("#explain-cost", Static).update(Content(f"Costs: {event.cost}" if event.cost else ""))
        self.hint(f" {event.enter}" if event.enter else "")

    @on(QuestionView.GoOn)
    def _go_on(self, event: QuestionView.GoOn) -> None:
        shown = self._shown()
        after = shown[shown.index(event.view) + 1 :] if event.view in shown else []
        if after:
            after[0].focus_first()
        else:
            self.query_one("#next", Button).focus()

    def on_descendant_focus(self) -> None:
        """Say on the hint line what the buttons do."""
        focused = self.focused
        if isinstance(focused, Button):
            name = self._next_title() if focused.id == "next" else self._back_title()
            self.hint(f" Enter: {name}")

    # -- refreshing -----------------------------------------------------------------------------------------

    def _refresh_soon(self) -> None:
        """Judge the whole draft a moment after the last key, so that typing stays quick with 300 nodes."""
        if self._pending is not None:
            self._pending.stop()
        self._pending = self.set_timer(0.15, self._refresh_findings)

    def _refresh_questions(self) -> None:
        asked = {one.path for one in steps.visible_questions(self.step, self.answers, advanced=self.advanced)}
        for path, view in self._views.items():
            view.display = path in asked
            if view.display:
                view.apply(self.answers, steps.value_of(view.question, self.answers))
        more = any(one.advanced and one.when(self.answers) for one in self.step.questions)
        if more != self._has_more:
            self._has_more = more
            self.refresh_bindings()

    def _refresh_findings(self) -> None:
        self._pending = None
        self._findings = steps.findings(self.answers)
        here = [one for one in self._findings if self.belongs(one, self.step)]
        rank = {Severity.BLOCK: 0, Severity.WARN: 1, Severity.FIX: 2}
        here.sort(key=lambda one: rank[one.severity])
        if here != self._shown_findings:
            self._shown_findings = here
            box = self.query_one("#findings", Static)
            box.display = bool(here)
            box.update(Content("\n").join([finding_line(one) for one in here[:4]]))
        self._draw_steps()

    def _draw_steps(self) -> None:
        titles = [(one.id, one.title, self._state(one)) for one in self.walk]
        if (titles, self.step.id) == self._drawn:
            return  # laying the screen out anew costs more than all judging
        self._drawn = (titles, self.step.id)
        self.query_one(StepBar).show(titles, self.step.id)
        self.query_one(StepList).show(titles, self.step.id)
        for name, title in (("#next", self._next_title()), ("#back", self._back_title())):
            button = self.query_one(name, Button)
            button.label = title
            button.refresh(layout=True)

    def _state(self, step: Step) -> str:
        ids = [one.id for one in self.walk]
        if ids.index(step.id) >= ids.index(self.step.id):
            return "open"  # what has not been asked yet cannot be wrong
        blocked = any(one.severity is Severity.BLOCK and self.belongs(one, step) for one in self._findings)
        return "blocked" if blocked else "done"

    def belongs(self, finding: Finding, step: Step) -> bool:
        """Tell whether a finding speaks of one of the step's answers."""
        return steps.step_of(finding.path) is step

    def _next_title(self) -> str:
        ids = [one.id for one in self.walk]
        at = ids.index(self.step.id)
        return f"Next: {self.walk[at + 1].title}" if at + 1 < len(ids) else "Next: Review"

    def _back_title(self) -> str:
        ids = [one.id for one in self.walk]
        at = ids.index(self.step.id)
        return f"Back: {self.walk[at - 1].title}" if at else "Leave"

    # -- keys -----------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that do something here."""
        if action == "try_login":
            return self._login is not None and self.step.id == "access"
        return not (action == "more" and not self._has_more)

    @on(Button.Pressed, "#next")
    async def _next_pressed(self) -> None:
        await self.action_next()

    @on(Button.Pressed, "#back")
    async def _back_pressed(self) -> None:
        await self.action_back()

    async def action_next(self) -> None:
        """Go to the next step when this one's answers hold."""
        if self._stopped_here():
            return
        ids = [one.id for one in self.walk]
        at = ids.index(self.step.id)
        self.save()
        if at + 1 < len(ids):
            await self.show_step(ids[at + 1])
        else:
            self.dismiss(self.answers)

    def _stopped_here(self) -> bool:
        """Put the focus on the first thing of this step that must be mended; tell whether there is one."""
        for view in self._shown():
            if view.question.path in self._refused:
                view.focus_first()
                self.app.bell()
                return True
        self._refresh_findings()
        for finding in self._findings:
            if finding.severity is Severity.BLOCK and self.belongs(finding, self.step):
                self._point_at(finding)
                return True
        return False

    def _point_at(self, finding: Finding) -> None:
        for view in self._shown():
            if view.question is steps.question_at(finding.path):
                view.focus_first()
        self.app.bell()
        self.query_one("#explain-title", Static).update(Content("Before you go on"))
        self.query_one("#explain-body", Static).update(Content(f"{finding.message} {finding.remedy}".strip()))
        self.query_one("#explain-cost", Static).update("")

    async def action_back(self) -> None:
        """Go to the step before; from the first one, leave."""
        ids = [one.id for one in self.walk]
        at = ids.index(self.step.id)
        self.save()
        if at:
            await self.show_step(ids[at - 1])
        else:
            self.action_leave()

    def action_defaults(self) -> None:
        """Take the defaults for all that is left and go to the review."""
        if self._refused and self._stopped_here():
            return
        self.save()
        self.dismiss(self.answers)

    def action_more(self) -> None:
        """Show or hide the questions that most people need not see."""
        self.advanced = not self.advanced
        self._refresh_questions()
        self.hint(
            " More options are shown." if self.advanced else " More options are hidden; their answers stay."
        )

    @work(exclusive=True, group="login", description="try the login")
    async def action_try_login(self) -> None:
        """Try the login with these answers; a key that is installed by the way becomes an answer."""
        if self._login is None or self._stopped_here():
            return
        self.save()
        changed = await self._login(self.answers)
        if changed is not None:
            self.answers = changed
            self.save()
            await self.show_step(self.step.id)

    def action_leave(self) -> None:
        """Keep the draft and go."""
        self.save()
        self.dismiss(None)

    def save(self) -> None:
        """Keep the answers so that the next start can offer them."""
        drafts.save_draft(self.home, self.answers, self.step.id)


def finding_line(finding: Finding) -> Content:
    """Return a finding on one line: symbol, words, what would be right."""
    text = f"{SYMBOL[finding.severity]} {finding.message} {finding.remedy}".strip()
    return Content.styled(text, STYLE[finding.severity])
