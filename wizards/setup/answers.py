"""What an answer is worth: given or default, asked or not, and its place in the data of cluster.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from itertools import pairwise
from typing import Any, Final

from wizards.setup.paths import parts_of
from wizards.setup.questions import Answers, Option, Question, QuestionKind, Step, Value

_INDEX: Final = re.compile(r"\[\d+\]")


def put(data: MutableMapping[str, Any], path: str, value: Value) -> None:
    """Set `path` in nested `data` to `value`, making the mappings and lists on the way."""
    parts = parts_of(path)
    here: Any = data
    for part, following in pairwise(parts):
        empty: Any = [] if isinstance(following, int) else {}
        here = _item(here, part, empty) if isinstance(part, int) else here.setdefault(part, empty)
    last = parts[-1]
    if isinstance(last, int):
        _item(here, last, value)
        here[last] = value
    else:
        here[last] = value


def _item(items: list[Any], index: int, empty: Any) -> Any:
    items.extend({} for _ in range(index - len(items)))
    if index == len(items):
        items.append(empty)
    return items[index]


def get(data: Any, path: str) -> Value:
    """Return what stands at `path` in nested `data`, None where nothing does."""
    here = data
    for part in parts_of(path):
        if isinstance(part, int):
            here = here[part] if isinstance(here, Sequence) and part < len(here) else None
        else:
            here = here.get(part) if isinstance(here, Mapping) else None
    return here


def value_of(question: Question, answers: Answers) -> Value:
    """Return the answer to `question`: what was given, else the default of this moment.

    A given choice that is not on offer any more (another target was chosen since) gives way to the default;
    it stays in `answers` and comes back with its option. A blocked choice that was given stays: a finding
    tells of it.
    """
    if question.path not in answers.given:
        return question.default(answers)
    value = answers.given[question.path]
    if question.kind is QuestionKind.CHOICE:
        return value if value in offered(question, answers) else question.default(answers)
    if question.kind is QuestionKind.CHOICES and isinstance(value, list | tuple):
        on_offer = offered(question, answers)
        return [item for item in value if item in on_offer]
    return value


def offered(question: Question, answers: Answers) -> Mapping[Value, Option]:
    """Return the options of `question` by their value, in the order shown."""
    return {option.value: option for option in question.options(answers)}


def is_given(question: Question, answers: Answers) -> bool:
    """Tell whether the user answered `question`, rather than leave it at its default."""
    return question.path in answers.given


def visible_steps(steps: Iterable[Step], answers: Answers) -> tuple[Step, ...]:
    """Return the steps that are shown, given what was answered."""
    return tuple(step for step in steps if step.when(answers))


def visible_questions(step: Step, answers: Answers, *, advanced: bool) -> tuple[Question, ...]:
    """Return the questions of `step` that are asked now; those for experts only when `advanced`."""
    return tuple(
        question
        for question in step.questions
        if question.when(answers) and (advanced or not question.advanced)
    )


def asked(steps: Iterable[Step], answers: Answers) -> Iterator[Question]:
    """Yield all questions that take part now, those for experts as well, in order."""
    for step in visible_steps(steps, answers):
        yield from visible_questions(step, answers, advanced=True)


def is_empty(value: Value) -> bool:
    """Tell whether `value` is no answer: None or an empty text."""
    return value is None or value == ""


def has_shape(question: Question, value: Value) -> bool:
    """Tell whether `value` is of the kind that an answer to `question` is; its content is not looked at."""
    match question.kind:
        case QuestionKind.SWITCH:
            return isinstance(value, bool)
        case QuestionKind.NUMBER:
            return value is None or (isinstance(value, int) and not isinstance(value, bool))
        case QuestionKind.CHOICE | QuestionKind.TEXT:
            return value is None or isinstance(value, str)
        case QuestionKind.CHOICES | QuestionKind.LIST:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case QuestionKind.NODES | QuestionKind.POOLS:
            return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def data_of(steps: Sequence[Step], answers: Answers) -> dict[str, Any]:
    """Return nested data of cluster.yaml: what is asked now, and what was given that no question asks for.

    Answers to questions that are hidden now are left out, so that a choice taken back leaves nothing behind.
    """
    data: dict[str, Any] = {}
    for question in asked(steps, answers):
        value = value_of(question, answers)
        if not is_empty(value):
            put(data, question.path, value)
    hidden = _hidden_prefixes(steps, answers)
    paths = {question.path for step in steps for question in step.questions}
    for path, value in sorted(answers.given.items()):
        if path not in paths and not path.startswith(hidden):
            put(data, path, value)
    return data


def _hidden_prefixes(steps: Sequence[Step], answers: Answers) -> tuple[str, ...]:
    """Return the lists whose questions are all hidden: ``load_balancer.peers[`` where there are no peers."""
    shown = {question.path for question in asked(steps, answers)}
    lists = {
        match: any(path.startswith(match) for path in shown)
        for step in steps
        for question in step.questions
        if "[" in question.path
        for match in (_INDEX.split(question.path, maxsplit=1)[0] + "[",)
    }
    return tuple(prefix for prefix, is_shown in lists.items() if not is_shown)
