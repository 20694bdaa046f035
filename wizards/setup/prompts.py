"""The wizard without a screen: the same steps, asked line by line, for plain terminals and screen readers.

Each step shows its answers first; Enter keeps them. Nothing here decides anything: questions, defaults and
findings come from `steps`.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from wizards.setup import steps
from wizards.setup.answers import is_empty, value_of
from wizards.setup.finding import Finding, Severity, blocks
from wizards.setup.layout import survival
from wizards.setup.parsing import check_value, named_nodes, parse, read_nodes, refuse_braces
from wizards.setup.questions import AnswerError, Answers, Option, Question, QuestionKind, Step, Value
from wizards.setup.showing import as_text, in_words, node_text

if TYPE_CHECKING:
    import questionary

_WIDTH: Final = 78
_REVIEW: Final = "review"
_WORD: Final = {Severity.BLOCK: "STOP", Severity.WARN: "Look", Severity.FIX: "Note"}


class _Go(StrEnum):
    """What can be done at a step."""

    KEEP = "keep"
    CHANGE = "change"
    DETAILS = "details"
    REST = "rest"
    BACK = "back"


_GO_TITLES: Final = {
    _Go.KEEP: "Keep these answers",
    _Go.CHANGE: "Change them",
    _Go.DETAILS: "Change them, with all details",
    _Go.REST: "Keep these, take the defaults for the rest",
    _Go.BACK: "Back",
}


def ask_all(
    answers: Answers,
    *,
    step_id: str = "",
    out: TextIO | None = None,
    on_step: Callable[[Answers, str], None] | None = None,
) -> Answers:
    """Walk all steps on the terminal and return the answers, once they are confirmed and nothing blocks them.

    Args:
        answers: What is known already.
        step_id: The step to begin with; the first where it is empty or unknown.
        out: Where words are printed; standard output when None.
        on_step: Called with the answers and the next step whenever a step is left, to keep a draft.

    Raises:
        KeyboardInterrupt: The user left (Ctrl-C or Ctrl-D).
    """
    printer = _Printer(sys.stdout if out is None else out)
    printer.say("Ctrl-C leaves at any time.")
    try:
        return _walk(answers, step_id, printer, on_step or (lambda _answers, _step: None))
    except EOFError:
        raise KeyboardInterrupt from None


def _walk(
    answers: Answers, step_id: str, printer: _Printer, on_step: Callable[[Answers, str], None]
) -> Answers:
    current = step_id or steps.STEPS[0].id
    while True:
        shown = [step.id for step in steps.visible_steps(answers)]
        index = shown.index(current) if current in shown else 0
        if shown[index] == _REVIEW:
            chosen = _review(answers, printer)
            if not chosen:
                return answers
            current = chosen
            continue
        answers, go = _step(answers, shown[index], (index + 1, len(shown)), printer)
        shown = [step.id for step in steps.visible_steps(answers)]
        current = _next(shown, shown.index(current) if current in shown else 0, go)
        on_step(answers, current)


def _next(shown: list[str], index: int, go: _Go) -> str:
    if go is _Go.REST:
        return _REVIEW
    return shown[max(0, index - 1)] if go is _Go.BACK else shown[index + 1]


@dataclass(frozen=True, slots=True)
class _Printer:
    """Prints wrapped lines."""

    out: TextIO

    def say(self, text: str = "", *, indent: str = "") -> None:
        """Print `text`, wrapped, each line after `indent`."""
        lines = textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent) or [""]
        print("\n".join(lines), file=self.out, flush=True)

    def rows(self, rows: Iterable[tuple[str, str]]) -> None:
        """Print labels with what belongs to them, in two columns."""
        given = list(rows)
        width = max((len(label) for label, _ in given), default=0) + 2
        for label, text in given:
            wrapped = textwrap.wrap(text, max(_WIDTH - width - 2, 20)) or [""]
            print(f"  {label:<{width}}{wrapped[0]}", file=self.out)
            for line in wrapped[1:]:
                print(f"  {'':<{width}}{line}", file=self.out)
        self.out.flush()

    def findings(self, findings: Iterable[Finding]) -> None:
        """Print findings, one after the other, with a word for their weight."""
        for finding in findings:
            self.say(f"{_WORD[finding.severity]}: {finding.message} {finding.remedy}".strip(), indent="  ")


def _step(answers: Answers, step_id: str, place: tuple[int, int], printer: _Printer) -> tuple[Answers, _Go]:
    """Show one step until the user leaves it; return the answers and where to go."""
    step = steps.step_with_id(step_id)
    assert step is not None  # noqa: S101 - it came from the list of visible steps
    printer.say()
    printer.say(f"Step {place[0]} of {place[1]}: {step.title}")
    printer.say(step.intro)
    while True:
        printer.say()
        printer.rows(_answer_rows(step, answers))
        here = _findings_of(step, answers)
        printer.findings(here)
        go = _ask_go(is_first=place[0] == 1, wants_change=bool(blocks(here)))
        if go not in (_Go.CHANGE, _Go.DETAILS):
            return answers, go
        answers = _ask_step(step, answers, advanced=go is _Go.DETAILS, printer=printer)


def _answer_rows(step: Step, answers: Answers) -> list[tuple[str, str]]:
    return [
        (question.title, in_words(question, answers))
        for question in steps.visible_questions(step, answers, advanced=True)
        if not question.advanced or steps.is_given(question, answers)
    ]


def _findings_of(step: Step, answers: Answers) -> tuple[Finding, ...]:
    def is_here(path: str) -> bool:
        owner = steps.step_of(path)
        return owner is not None and owner.id == step.id

    return tuple(finding for finding in steps.findings(answers) if is_here(finding.path))


def _ask_go(*, is_first: bool, wants_change: bool) -> _Go:
    import questionary

    choices = [
        questionary.Choice(title, value=go.value)
        for go, title in _GO_TITLES.items()
        if not (is_first and go is _Go.BACK)
    ]
    default = _Go.CHANGE if wants_change else _Go.KEEP
    return _Go(questionary.select("And now?", choices, default=default.value).unsafe_ask())


def _ask_step(step: Step, answers: Answers, *, advanced: bool, printer: _Printer) -> Answers:
    """Ask the questions of `step` one after the other; each answer decides which ones follow."""
    asked: set[str] = set()
    while True:
        open_ones = [
            question
            for question in steps.visible_questions(step, answers, advanced=advanced)
            if question.path not in asked
        ]
        if not open_ones:
            return answers
        question = open_ones[0]
        asked.add(question.path)
        printer.say()
        printer.say(question.help)
        value = _ASKERS[question.kind](question, answers, printer)
        bare = answers.without(question.path)
        # What equals the default stays a default, so that it follows earlier answers.
        is_default = value == value_of(question, bare) or (is_empty(value) and not question.optional)
        answers = bare if is_default else answers.with_answer(question.path, value)


def _option_choice(option: Option, *, checked: bool = False) -> questionary.Choice:
    import questionary

    disabled = "not now" if option.blocked else None
    return questionary.Choice(option.title, value=option.value, disabled=disabled, checked=checked)


def _explain(options: Iterable[Option], printer: _Printer) -> None:
    """Print what each option is, before the list to choose from: a list alone reads badly aloud."""
    for option in options:
        cost = f"Cost: {option.cost}." if option.cost else ""
        blocked = f"Not now: {option.blocked}" if option.blocked else ""
        words = (f"{option.title}:", option.summary, option.otherwise, cost, blocked)
        printer.say(" ".join(word for word in words if word), indent="  ")


def _ask_choice(question: Question, answers: Answers, printer: _Printer) -> Value:
    import questionary

    options = question.options(answers)
    _explain(options, printer)
    value = value_of(question, answers)
    free = {option.value for option in options if not option.blocked}
    choices = [_option_choice(option) for option in options]
    return questionary.select(question.title, choices, default=value if value in free else None).unsafe_ask()


def _ask_choices(question: Question, answers: Answers, printer: _Printer) -> Value:
    import questionary

    options = question.options(answers)
    _explain(options, printer)
    if not any(not option.blocked for option in options):
        return []
    value = value_of(question, answers) or []
    choices = [
        _option_choice(option, checked=option.value in value and not option.blocked) for option in options
    ]
    return questionary.checkbox(question.title, choices).unsafe_ask()


def _ask_switch(question: Question, answers: Answers, _printer: _Printer) -> Value:
    import questionary

    return questionary.confirm(question.title, default=bool(value_of(question, answers))).unsafe_ask()


def _ask_text(question: Question, answers: Answers, _printer: _Printer) -> Value:
    import questionary

    value = value_of(question, answers)
    before = as_text(question, value)

    def judge(text: str) -> bool | str:
        return text == before != "" or _judge(lambda: parse(question, text, answers))

    typed = questionary.text(
        question.title,
        default=before,
        instruction=f"(such as {question.placeholder})" if question.placeholder else None,
        validate=judge,
    ).unsafe_ask()
    # Unchanged text keeps what text does not show, such as a pool's namespaces.
    return value if typed == before != "" else parse(question, typed, answers)


def _judge(read: Callable[[], object]) -> bool | str:
    try:
        read()
    except AnswerError as error:
        return str(error)
    return True


def _ask_nodes(question: Question, answers: Answers, printer: _Printer) -> Value:
    """Ask for one server a line: those there are to change, then more until an empty line."""
    printer.say("Write a name and an address, or the address alone. An empty line takes a server out.")
    present = [dict(row) for row in value_of(question, answers) or []]
    rows: list[dict[str, Any]] = []
    for row in present:
        rows += _ask_row(f"Server {len(rows) + 1}", row, rows, question)
    printer.say(
        "More servers, one a line; a range such as 10.0.0.11-13 stands for three, and @FILE for all that an"
        " inventory, a CSV, a hosts file or an earlier cluster.yaml names. An empty line ends the list."
    )
    while True:
        added = _ask_row(f"Server {len(rows) + 1}", None, rows, question)
        if not added:
            printer.say(survival(rows))
            return named_nodes(rows)
        rows += added


def _ask_row(
    title: str, row: dict[str, Any] | None, above: list[dict[str, Any]], question: Question
) -> list[dict[str, Any]]:
    import questionary

    before = node_text(row) if row else ""

    def read(text: str) -> list[dict[str, Any]]:
        if row is not None and text.strip() == before:
            return [row]
        refuse_braces(text)
        rows = _from_file(text.strip()[1:], above) if text.strip().startswith("@") else read_nodes(text)
        check_value(question.path, named_nodes([*above, *rows]))
        return rows

    example = None if row else f"(such as {question.placeholder})"
    typed = questionary.text(
        title, default=before, instruction=example, validate=lambda text: _judge(lambda: read(text))
    ).unsafe_ask()
    return read(typed)


def _from_file(path: str, above: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the servers that a file names and that are not in the list yet; raises `AnswerError`."""
    from wizards.entry import EntryError, merge, read_file

    try:
        entered = read_file(Path(path.strip()).expanduser(), present=above)
    except EntryError as error:
        raise AnswerError(str(error)) from None
    merged, notes = merge(above, entered.rows)
    if len(merged) == len(above):
        raise AnswerError(" ".join(notes) or f"{path.strip()} names no server that is not there yet.")
    return merged[len(above) :]


_ASKERS: Final[dict[QuestionKind, Callable[[Question, Answers, _Printer], Value]]] = {
    QuestionKind.CHOICE: _ask_choice,
    QuestionKind.CHOICES: _ask_choices,
    QuestionKind.SWITCH: _ask_switch,
    QuestionKind.TEXT: _ask_text,
    QuestionKind.NUMBER: _ask_text,
    QuestionKind.LIST: _ask_text,
    QuestionKind.POOLS: _ask_text,
    QuestionKind.NODES: _ask_nodes,
}


def _review(answers: Answers, printer: _Printer) -> str:
    """Show everything; return the step to go back to, empty when the answers are confirmed."""
    import questionary

    printer.say()
    printer.say("Review")
    shown = [step for step in steps.visible_steps(answers) if step.id != _REVIEW]
    for step in shown:
        printer.say()
        printer.say(step.title)
        printer.rows(_answer_rows(step, answers))
    findings = steps.findings(answers)
    printer.say()
    printer.findings(findings)
    stops = blocks(findings)
    first = steps.step_of(stops[0].path) if stops else None
    choices = [
        questionary.Choice(
            "Take these answers",
            value="",
            disabled="what is marked STOP must be mended first" if stops else None,
        ),
        *(questionary.Choice(f"Back to {step.title}", value=step.id) for step in shown),
    ]
    ids = [step.id for step in shown]
    default = "" if not stops else first.id if first and first.id in ids else ids[0]
    return str(questionary.select("And now?", choices, default=default).unsafe_ask())
