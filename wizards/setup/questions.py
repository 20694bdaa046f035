"""What a question is: declared once, rendered as widgets, as prompts, and from a file.

An answer is a JSON value at a dotted path of cluster.yaml (``network.cilium.hubble``). `Answers` holds what
the user said; everything else is a default, computed from what is known at that moment, so that going back
and changing an early answer moves the later defaults along and loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

Value = Any
"""A JSON value; `Any`, because pydantic judges it later."""


class QuestionKind(StrEnum):
    """How a question is asked."""

    CHOICE = "choice"  # one of the options; value: str
    CHOICES = "choices"  # any of the options; value: list[str]
    SWITCH = "switch"  # value: bool
    TEXT = "text"  # value: str, or None when left empty and `optional`
    NUMBER = "number"  # value: int
    LIST = "list"  # value: list[str], typed with commas or spaces between
    NODES = "nodes"  # value: list of node mappings as in cluster.yaml
    POOLS = "pools"  # value: list of pool mappings as in cluster.yaml


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be chosen, with what a first-timer should know about it.

    Attributes:
        value: What stands in cluster.yaml.
        title: Its name on screen.
        summary: What it is, one sentence.
        otherwise: When to choose something else, one sentence.
        cost: What it takes: memory, disks, nodes; short.
        blocked: Why it cannot be chosen now; empty when it can.
    """

    value: str
    title: str
    summary: str = ""
    otherwise: str = ""
    cost: str = ""
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the user said so far: path to value. Immutable; `given` never holds a computed default."""

    given: Mapping[str, Value] = field(default_factory=dict)

    def with_answer(self, path: str, value: Value) -> Answers:
        """Return answers in which `path` is `value`."""
        return replace(self, given={**self.given, path: value})

    def without(self, path: str) -> Answers:
        """Return answers in which `path` is the default again."""
        return replace(self, given={key: value for key, value in self.given.items() if key != path})


def _always(_answers: Answers) -> bool:
    return True


def _no_options(_answers: Answers) -> tuple[Option, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a step.

    Attributes:
        path: Where the answer stands in cluster.yaml.
        title: Short label, at most 30 characters.
        help: One or two sentences for a first-timer; shown while the question has the focus.
        default: The value when nothing is said, computed from the answers.
        options: What can be chosen, for CHOICE and CHOICES.
        when: Whether the question is asked at all.
        optional: Whether TEXT may stay empty (value None).
        placeholder: An example, shown in an empty field.
        advanced: Shown only when the user asks for more options.
    """

    path: str
    title: str
    kind: QuestionKind
    help: str
    default: Callable[[Answers], Value]
    options: Callable[[Answers], tuple[Option, ...]] = _no_options
    when: Callable[[Answers], bool] = _always
    optional: bool = False
    placeholder: str = ""
    advanced: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One screen of the wizard: a title, one paragraph for a first-timer, and its questions."""

    id: str
    title: str
    intro: str
    questions: tuple[Question, ...]
    when: Callable[[Answers], bool] = _always


class AnswerError(ValueError):
    """What was typed is not an answer; the message says what would be."""
