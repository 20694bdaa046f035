"""One question on screen: a choice list, a switch or a field. Each posts what was answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Checkbox, Input, OptionList, Static
from textual.widgets.option_list import Option as Row

from wizards.setup.questions import AnswerError, Answers, Option, Question, QuestionKind
from wizards.setup.showing import as_text

Parse = Callable[[Question, str, Answers], Any]


class QuestionView(Vertical):
    """Base: shows one question. The screen gives it the answers; it gives back messages."""

    class Answered(Message):
        """The user answered."""

        def __init__(self, question: Question, value: Any) -> None:
            super().__init__()
            self.question = question
            self.value = value

    class Refused(Message):
        """What was typed is no answer; `text` is kept."""

        def __init__(self, question: Question, text: str, error: str) -> None:
            super().__init__()
            self.question = question
            self.text = text
            self.error = error

    class Explain(Message):
        """Something got the focus or the highlight; here is what to say about it."""

        def __init__(self, title: str, body: str, cost: str = "", enter: str = "") -> None:
            super().__init__()
            self.title = title
            self.body = body
            self.cost = cost
            self.enter = enter

    class GoOn(Message):
        """Enter: this question is done."""

        def __init__(self, view: QuestionView) -> None:
            super().__init__()
            self.view = view

    def __init__(self, question: Question) -> None:
        super().__init__(classes="question")
        self.question = question

    def apply(self, answers: Answers, value: Any) -> None:
        """Show `value`; `answers` decide the options."""
        raise NotImplementedError

    def explain(self) -> None:
        """Post what there is to say about this question now."""
        raise NotImplementedError

    def focus_first(self) -> None:
        """Put the focus where the answering happens."""
        for widget in self.query("*").results(Widget):
            if widget.focusable:
                widget.focus(scroll_visible=False)
                return

    def on_descendant_focus(self) -> None:
        """Explain what has the focus, and bring the whole question into view, its title too."""
        self.explain()
        self.set_timer(0.02, self._into_view)  # after Textual's own scrolling, which centres the widget alone

    def _into_view(self) -> None:
        self.scroll_visible(animate=False, force=True)


class ChoiceRows(OptionList):
    """A list whose arrow keys leave it at its ends, so that arrows alone walk the whole screen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "choose", "Choose", show=False)]

    class Toggled(Message):
        """Space on a row."""

    def action_choose(self) -> None:
        """Choose the highlighted row without going on."""
        self.post_message(self.Toggled())

    def action_cursor_up(self) -> None:
        """Go one row up, or to what stands above the list."""
        if self.highlighted in (None, 0):
            self.screen.focus_previous()
        else:
            super().action_cursor_up()

    def action_cursor_down(self) -> None:
        """Go one row down, or to what stands below the list."""
        if self.highlighted is None or self.highlighted >= self.option_count - 1:
            self.screen.focus_next()
        else:
            super().action_cursor_down()


class ChoiceView(QuestionView):
    """One of several, or any of several."""

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self._options: tuple[Option, ...] = ()
        self._chosen: tuple[str, ...] = ()

    @property
    def many(self) -> bool:
        """Tell whether any number may be chosen."""
        return self.question.kind is QuestionKind.CHOICES

    def compose(self) -> ComposeResult:
        """A label and the rows."""
        yield Static(Content(self.question.title), classes="label", markup=False)
        yield ChoiceRows(compact=True, markup=False)

    def apply(self, answers: Answers, value: Any) -> None:
        """Show the options and mark what is chosen."""
        options = self.question.options(answers)
        chosen = tuple(value or ()) if self.many else (str(value),)
        if options == self._options and chosen == self._chosen:
            return
        rows = self.query_one(ChoiceRows)
        same = options == self._options
        self._options, self._chosen = options, chosen
        with self.prevent(OptionList.OptionHighlighted):
            if same and rows.option_count == len(options):
                for index, option in enumerate(options):
                    rows.replace_option_prompt_at_index(index, self._prompt(option))
                return
            keep = rows.highlighted
            rows.set_options([Row(self._prompt(option)) for option in options])
            rows.highlighted = self._first_chosen() if keep is None else min(keep, len(options) - 1)

    def _first_chosen(self) -> int:
        for index, option in enumerate(self._options):
            if option.value in self._chosen:
                return index
        return 0

    def _prompt(self, option: Option) -> Content:
        marks = ("[x]", "[ ]", " - ") if self.many else ("(•)", "( )", " - ")
        chosen = option.value in self._chosen
        mark = marks[0] if chosen else marks[2] if option.blocked else marks[1]
        title = Content.styled(f" {option.title}", "bold" if chosen else "dim" if option.blocked else "")
        tail = "cannot be chosen now" if option.blocked else option.cost
        return Content.assemble(mark, title, (f"  {tail}" if tail else "", "dim"))

    def explain(self) -> None:
        """Say what the highlighted option is, when to take another, and what it costs."""
        rows = self.query_one(ChoiceRows)
        if rows.highlighted is None or not self._options:
            self.post_message(self.Explain(self.question.title, self.question.help))
            return
        option = self._options[min(rows.highlighted, len(self._options) - 1)]
        body = f"{option.summary} {option.otherwise}".strip() or self.question.help
        if option.blocked:
            self.post_message(
                self.Explain(option.title, f"Not now: {option.blocked} {option.summary}", option.cost)
            )
            return
        enter = "Space: choose or drop it · Enter: go on" if self.many else f"Enter: choose {option.title}"
        self.post_message(self.Explain(option.title, body, option.cost, enter))

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if self.query_one(ChoiceRows).has_focus:
            self.explain()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self.many or self._choose(event.option_index):
            self.post_message(self.GoOn(self))

    @on(ChoiceRows.Toggled)
    def _toggled(self, event: ChoiceRows.Toggled) -> None:
        event.stop()
        index = self.query_one(ChoiceRows).highlighted
        if index is not None:
            self._choose(index)

    def _choose(self, index: int) -> bool:
        option = self._options[index]
        if option.blocked and option.value not in self._chosen:
            self.app.bell()
            self.explain()
            return False
        if not self.many:
            self.post_message(self.Answered(self.question, option.value))
            return True
        chosen = [
            one.value for one in self._options if (one.value in self._chosen) != (one.value == option.value)
        ]
        self.post_message(self.Answered(self.question, chosen))
        return True


class Switch(Checkbox):
    """A check box: Space changes it, Enter goes on, as everywhere else."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "Go on", show=False),
        Binding("space", "toggle_button", "Change", show=False),
    ]

    @property
    def _button(self) -> Content:
        """Draw the box as the choice lists do: Textual's own shows an X in both states, only dimmer."""
        return Content("[x]" if self.value else "[ ]")

    class GoOn(Message):
        """Enter on the box."""

    def action_go_on(self) -> None:
        """Leave the box as it is and go on."""
        self.post_message(self.GoOn())


class SwitchView(QuestionView):
    """Yes or no."""

    def compose(self) -> ComposeResult:
        """One row."""
        yield Switch(Content(self.question.title), compact=True)

    def apply(self, answers: Answers, value: Any) -> None:
        """Show the value."""
        box = self.query_one(Switch)
        if box.value != bool(value):
            with self.prevent(Checkbox.Changed):
                box.value = bool(value)

    def explain(self) -> None:
        """Say what the switch does."""
        self.post_message(
            self.Explain(self.question.title, self.question.help, "", "Space: change it · Enter: go on")
        )

    @on(Checkbox.Changed)
    def _changed(self, event: Checkbox.Changed) -> None:
        event.stop()
        self.post_message(self.Answered(self.question, event.value))

    @on(Switch.GoOn)
    def _go_on(self, event: Switch.GoOn) -> None:
        event.stop()
        self.post_message(self.GoOn(self))


class FieldView(QuestionView):
    """A line of text, a number or a list."""

    def __init__(self, question: Question, parse: Parse) -> None:
        super().__init__(question)
        self._parse = parse
        self._answers = Answers()
        self._bad = False

    def compose(self) -> ComposeResult:
        """Label, field, and a row for what is wrong with it."""
        with Horizontal(classes="field"):
            yield Static(Content(self.question.title), classes="label", markup=False)
            yield Input(placeholder=self.question.placeholder, compact=True, select_on_focus=False)
        error = Static("", classes="error", markup=False)
        error.display = False
        yield error

    def apply(self, answers: Answers, value: Any) -> None:
        """Show the value, unless what stands there is being mended by the user."""
        self._answers = answers
        field = self.query_one(Input)
        if self._bad or self._means(field.value, value):
            return
        with self.prevent(Input.Changed):
            field.value = as_text(self.question, value)
            field.cursor_position = len(field.value)

    def _means(self, text: str, value: Any) -> bool:
        """Tell whether the text in the field already says `value`, however it is spaced."""
        if not text and value not in (None, "", (), []):
            return False
        try:
            return bool(self._parse(self.question, text, self._answers) == value)
        except AnswerError:
            return False

    def show_text(self, text: str) -> None:
        """Put back `text` that was refused earlier, so that nothing typed is lost."""
        self.query_one(Input).value = text

    def explain(self) -> None:
        """Say what belongs in the field."""
        self.post_message(self.Explain(self.question.title, self.question.help, "", "Enter: go on"))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        try:
            value = self._parse(self.question, event.value, self._answers)
        except AnswerError as error:
            self._say(str(error))
            self.post_message(self.Refused(self.question, event.value, str(error)))
            return
        self._say("")
        self.post_message(self.Answered(self.question, value))

    def _say(self, error: str) -> None:
        self._bad = bool(error)
        row = self.query_one(".error", Static)
        row.update(Content(f"✗ {error}"))
        row.display = self._bad

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self._bad:
            self.post_message(self.GoOn(self))

    def on_key(self, event: events.Key) -> None:
        """Let the arrows walk the screen: in a one-line field they have nothing else to do."""
        if event.key == "up":
            event.stop()
            self.screen.focus_previous()
        elif event.key == "down":
            event.stop()
            self.screen.focus_next()


def question_view(question: Question, parse: Parse) -> QuestionView:
    """Return the widget that asks `question`."""
    match question.kind:
        case QuestionKind.CHOICE | QuestionKind.CHOICES:
            return ChoiceView(question)
        case QuestionKind.SWITCH:
            return SwitchView(question)
        case QuestionKind.NODES:
            from tui.widgets.nodes import NodesView

            return NodesView(question)
        case _:
            return FieldView(question, parse)
