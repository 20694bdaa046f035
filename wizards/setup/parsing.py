"""What a user types, turned into the value of an answer, or refused in words that say what would be right."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final

from wizards.setup import host_ranges
from wizards.setup.answers import offered
from wizards.setup.paths import Part, parts_of
from wizards.setup.proposals import complete_nodes, parse_address
from wizards.setup.questions import AnswerError, Answers, Question, QuestionKind, Value
from wizards.setup.words import sentence

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

    from wizards.setup.finding import Finding

_BRACES: Final = ("{{", "{%", "{#")
_YES: Final = frozenset({"y", "yes", "true", "on", "1"})
_NO: Final = frozenset({"n", "no", "false", "off", "0"})
_TARGET: Final = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9A-Fa-f:]+\]|[^\s:@]+|[0-9A-Fa-f:]{3,})(?::(?P<port>\d{1,5}))?"
)
_BETWEEN_SERVERS: Final = re.compile(r"[\n;]+|,+(?![^\[\]\n]*\])")
"""Commas inside a range, ``node[1,3]``, do not part servers."""


def parse(question: Question, text: str, answers: Answers) -> Value:
    """Return the value that `text`, typed in answer to `question`, stands for.

    Raises:
        AnswerError: When it is not an answer; the message says what would be.
    """
    stripped = text.strip()
    refuse_braces(stripped)
    if not stripped and question.kind not in {QuestionKind.CHOICES, QuestionKind.LIST}:
        if question.optional:
            return None
        raise AnswerError(f"{question.title} wants an answer{_example(question)}.")
    value = _READERS[question.kind](question, stripped, answers)
    return check_value(question.path, value) if value is not None else None


def refuse_braces(text: str) -> None:
    """Refuse what Ansible would take for a template.

    Raises:
        AnswerError: When `text` holds ``{{``, ``{%`` or ``{#``.
    """
    for brace in _BRACES:
        if brace in text:
            raise AnswerError(f"{brace} cannot be part of an answer: Ansible would take it for a template.")


def _example(question: Question) -> str:
    return f", such as {question.placeholder}" if question.placeholder else ""


def _choice(question: Question, text: str, answers: Answers) -> Value:
    for option in offered(question, answers).values():
        if text.casefold() in {option.value.casefold(), option.title.casefold()}:
            if option.blocked:
                raise AnswerError(f"{option.title} cannot be chosen: {option.blocked}")
            return option.value
    known = ", ".join(offered(question, answers))
    raise AnswerError(f"{text!r} is not on offer. Choose one of: {known}.")


def _choices(question: Question, text: str, answers: Answers) -> Value:
    if text.casefold() in {"", "none"}:
        return []
    return list(dict.fromkeys(_choice(question, item, answers) for item in _items(text)))


def _switch(_question: Question, text: str, _answers: Answers) -> Value:
    if text.casefold() in _YES:
        return True
    if text.casefold() in _NO:
        return False
    raise AnswerError(f"{text!r} is neither yes nor no.")


def _number(question: Question, text: str, _answers: Answers) -> Value:
    if not re.fullmatch(r"[+-]?\d{1,12}", text):
        raise AnswerError(f"{text!r} is not a whole number{_example(question)}.")
    return int(text)


def _text(_question: Question, text: str, _answers: Answers) -> Value:
    return text


def _list(_question: Question, text: str, _answers: Answers) -> Value:
    return _items(text)


def _items(text: str) -> list[str]:
    return [item for item in re.split(r"[\s,;]+", text) if item]


def _nodes(_question: Question, text: str, _answers: Answers) -> Value:
    return named_nodes(read_nodes(text))


def named_nodes(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `rows` with names for those that have none; roles are left as they are, given or not."""
    given = list(rows)
    return [
        {"name": whole["name"], **{key: value for key, value in row.items() if key != "name"}}
        for row, whole in zip(given, complete_nodes(given), strict=True)
    ]


def read_nodes(text: str, most: int = host_ranges.MOST_SERVERS) -> list[dict[str, Any]]:
    """Return the servers that `text` lists, one a line or with commas between, as far as it says.

    Each is ``address``, ``name address``, ``user@address:port``, or a range such as ``10.0.0.11-13``,
    ``node[01-12].lan`` or ``node[1-3] 10.0.0.[11-13]`` (`host_ranges`). A server without a name has none in
    the result (`named_nodes` gives one).

    Raises:
        AnswerError: When a word is not an address or a range, or there are more than `most` servers.
    """
    rows: list[dict[str, Any]] = []
    for line in _BETWEEN_SERVERS.split(text):
        if line.strip():
            rows += _node_line(line.split(), most - len(rows))
    return rows


def _node_line(words: list[str], most: int) -> list[dict[str, Any]]:
    """Read the words of one line: ``address``, ``name address``, or several; addresses may be SSH targets."""
    rows: list[dict[str, Any]] = []
    name: str | None = None
    for number, word in enumerate(words):
        if name is None and _is_name(words, number):
            name = word
            continue
        targets = [_node_target(address) for address in host_ranges.expand(word, most - len(rows))]
        rows += _named(name, targets, most) if name is not None else targets
        name = None
        if len(rows) > most:
            raise AnswerError(f"The list holds more than {host_ranges.MOST_SERVERS:,} servers.")
    return rows


def _is_name(words: list[str], number: int) -> bool:
    """Tell whether a word is the name of the server whose address follows it."""
    if number == len(words) - 1:
        return False
    if _looks_like_address(words[number]):
        return len(words) == 2 and _is_domain(words[0]) and _is_ip(words[1])
    return len(words) == 2 or _looks_like_address(words[number + 1])


def _named(name: str, targets: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    names = [one.partition(".")[0] for one in host_ranges.expand(name, most)]
    if len(names) == 1 and len(targets) != 1 and names[0] == name:
        return targets
    line = f"{name} with its addresses"
    return [{"name": one, **target} for one, target in host_ranges.pair(names, targets, line)]


def _looks_like_address(word: str) -> bool:
    return any(mark in host_ranges.without_ranges(word) for mark in ".:@")


def _is_domain(word: str) -> bool:
    """Tell whether a word such as ``node1.lan`` can only be a name, beside an address."""
    return not _is_ip(word) and not any(mark in host_ranges.without_ranges(word) for mark in ":@")


def _is_ip(word: str) -> bool:
    plain = host_ranges.without_ranges(word)
    return any(parse_address(text) is not None for text in (plain, plain.partition("-")[0]))


def _full_range(word: str) -> str:
    """Complete a short IPv4 range: ``10.0.0.240-250`` becomes ``10.0.0.240-10.0.0.250``."""
    match = re.fullmatch(r"((?:\d{1,3}\.){3})(\d{1,3})-(\d{1,3})", word)
    return f"{match[1]}{match[2]}-{match[1]}{match[3]}" if match else word


def _node_target(word: str) -> dict[str, Any]:
    if parse_address(word) is not None:
        return {"address": word}
    match = _TARGET.fullmatch(word)
    if match is None:
        raise AnswerError(f"{word!r} is not an address, such as 10.0.0.11, node1.lan or root@10.0.0.11:22.")
    row: dict[str, Any] = {"address": match["host"].strip("[]")}
    if match["user"]:
        row["user"] = match["user"]
    if match["port"]:
        row["port"] = int(match["port"])
    return row


def _pools(_question: Question, text: str, _answers: Answers) -> Value:
    """Read ranges: ``10.0.0.240-250, 10.0.1.0/28``; a pool of its own name is written ``name=range``."""
    pools: dict[str, list[str]] = {}
    name = "default"
    for item in _items(re.sub(r"\s*([-=])\s*", r"\1", text)):
        label, equals, rest = item.partition("=")
        name = label if equals else name
        pools.setdefault(name, []).append(_full_range(rest if equals else item))
    return [{"name": label, "addresses": ranges} for label, ranges in pools.items()]


_READERS: Final[dict[QuestionKind, Callable[[Question, str, Answers], Value]]] = {
    QuestionKind.CHOICE: _choice,
    QuestionKind.CHOICES: _choices,
    QuestionKind.SWITCH: _switch,
    QuestionKind.NUMBER: _number,
    QuestionKind.TEXT: _text,
    QuestionKind.LIST: _list,
    QuestionKind.NODES: _nodes,
    QuestionKind.POOLS: _pools,
}


def check_value(path: str, value: Value) -> Value:
    """Return `value`, once the type at `path` of cluster.yaml has taken it.

    Raises:
        AnswerError: When the type refuses it.
    """
    from pydantic import ValidationError

    from wizards.setup.faults import type_findings

    try:
        _adapter(path).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        place = parts_of(path)
        faults = type_findings(_at(place, error), {})
        raise AnswerError(_words(place, faults[0], value)) from None
    return value


def _at(place: tuple[Part, ...], error: ValidationError) -> ValidationError:
    """Return `error`, which one value alone gave, as the whole specification would have given it."""
    from pydantic_core import InitErrorDetails, ValidationError

    details = [
        InitErrorDetails(
            type=one["type"],
            loc=(*place, *one["loc"]),
            input=one["input"],
            ctx=one.get("ctx", {}),
        )
        for one in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data("ClusterSpec", details)


def _words(place: tuple[Part, ...], fault: Finding, value: Value) -> str:
    """Return what `fault` says; with the number of the entry it speaks of, where there are several."""
    inner = parts_of(fault.path)[len(place) :]
    is_one_of_many = bool(inner) and isinstance(inner[0], int) and len(value) > 1
    where = f"Entry {int(inner[0]) + 1}: " if is_one_of_many else ""
    return where + " ".join(sentence(part) for part in (fault.message, fault.remedy) if part)


@cache
def _adapter(path: str) -> TypeAdapter[Any]:
    """Return the validator of the field at `path` of `ClusterSpec`."""
    from pydantic import TypeAdapter

    from wizards.setup.spec_fields import field_at

    field = field_at(parts_of(path))
    if field is None:
        raise KeyError(path)
    annotation: Any = field.annotation
    return TypeAdapter(Annotated[annotation, *field.metadata] if field.metadata else annotation)
