"""Answers as text: as a person reads them, and as a person would type them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wizards.setup.answers import offered, value_of
from wizards.setup.proposals import complete_nodes
from wizards.setup.questions import Answers, Question, QuestionKind, Value


def in_words(question: Question, answers: Answers) -> str:
    """Return the answer to `question` as a person reads it: titles for choices, yes and no for switches."""
    value = value_of(question, answers)
    if value is None or value in ("", [], ()):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if question.kind in {QuestionKind.CHOICE, QuestionKind.CHOICES}:
        titles = {key: option.title for key, option in offered(question, answers).items()}
        chosen = value if isinstance(value, list | tuple) else [value]
        return ", ".join(titles.get(item, str(item)) for item in chosen)
    if question.kind is QuestionKind.NODES:
        return ", ".join(f"{node_text(row)} ({' '.join(row['roles'])})" for row in complete_nodes(value))
    return as_text(question, value)


def as_text(question: Question, value: Value) -> str:
    """Return `value` as it would be typed in answer to `question`; `parsing.parse` reads it again."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if question.kind is QuestionKind.NODES:
        return ", ".join(node_text(row) for row in value)
    if question.kind is QuestionKind.POOLS:
        return ", ".join(pool_text(row) for row in value)
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def node_text(row: Mapping[str, Any]) -> str:
    """Return a server as one line: ``node-1 root@10.0.0.11:2222``, only what is there."""
    address = str(row.get("address", ""))
    if row.get("port"):
        address = f"[{address}]:{row['port']}" if ":" in address else f"{address}:{row['port']}"
    if row.get("user"):
        address = f"{row['user']}@{address}"
    return " ".join(part for part in (str(row.get("name") or ""), address) if part)


def pool_text(row: Mapping[str, Any]) -> str:
    """Return a pool as it is typed: its ranges, after its name where that is not the usual one."""
    name = row.get("name", "default")
    ranges = " ".join(str(item) for item in row.get("addresses", ()))
    return ranges if name == "default" else f"{name}={ranges}"
