"""From a task's raw result to the few lines that say what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from wizards.sanitize import clean, one_line

LIMIT: Final = 2000  # characters of a message
_LINES: Final = 25  # lines of output that are kept: errors stand at the end
_ITEMS: Final = 3  # failed items of a loop that are told one by one
HIDDEN: Final = "Its output is hidden (no_log), because it may hold a secret."
# What modules say when they have nothing to say: the output tells more.
_EMPTY: Final = (
    "non-zero return code",
    "module failure",
    "one or more items failed",
    "all items completed",
    "error",
    "failed",
)


def message_of(result: Mapping[str, Any]) -> str:
    """Return what `result`, a task's result as Ansible gives it, says about its failure.

    Cleaned, at most `LIMIT` characters: the module's own words, then standard error before standard output,
    of long output only the end. A loop is told by its failed items.
    """
    return _cut(clean(_message(result)))


def retry_message(result: Mapping[str, Any]) -> str:
    """Return which attempt `result` was and what went wrong with it, on one line."""
    attempt, most = result.get("attempts"), result.get("retries")
    text = one_line(message_of(result), 300)
    return f"attempt {attempt} of {most}: {text}" if attempt and most else text


def _message(result: Mapping[str, Any]) -> str:
    if "censored" in result or result.get("_ansible_no_log") is True:
        return HIDDEN
    items = result.get("results")
    if isinstance(items, list) and (failed := [one for one in items if _failed(one)]):
        return _items(failed)
    own = _words(result.get("msg") or result.get("reason"))
    output = _output(result)
    code = result.get("rc")
    if not own or own.lower().startswith(_EMPTY):
        ended = f"It ended with code {code}" if isinstance(code, int) and code else own or "It failed"
        return f"{ended}: {output}" if output else f"{ended} and said nothing." if code else ended
    return own if not output or output in own else f"{own}\n{output}"


def _failed(item: object) -> bool:
    return isinstance(item, Mapping) and (
        bool(item.get("failed")) or bool(item.get("unreachable")) or "censored" in item
    )


def _items(failed: list[Mapping[str, Any]]) -> str:
    told = []
    for one in failed[:_ITEMS]:
        label = one.get("_ansible_item_label", one.get("item"))
        name = f"{one_line(_words(label), 80)}: " if label is not None else ""
        told.append(f"{name}{_message(one)}")
    if len(failed) > _ITEMS:
        told.append(f"… and {len(failed) - _ITEMS} more items failed.")
    return "\n".join(told)


def _output(result: Mapping[str, Any]) -> str:
    """Standard error before standard output; a traceback only by its last line."""
    for key in ("stderr", "module_stderr", "exception", "stdout", "module_stdout"):
        if text := _without_noise(_words(result.get(key))):
            return text.splitlines()[-1].strip() if _is_traceback(text) else _end(text)
    return ""


def _without_noise(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(line for line in lines if not _is_noise(line)).strip()


def _is_noise(line: str) -> bool:
    return line.startswith("Shared connection to ") and line.endswith(" closed.")


def _is_traceback(text: str) -> bool:
    return text.startswith("Traceback (most recent call last)") or "\nTraceback (most recent" in text


def _words(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value).strip()
    return json.dumps(value, ensure_ascii=False, default=str)


def _end(text: str) -> str:
    lines = text.splitlines()
    return text if len(lines) <= _LINES else "…\n" + "\n".join(lines[-_LINES:])


def _cut(text: str) -> str:
    """Keep the beginning, which names the fault, and the end, which holds the innermost error."""
    if len(text) <= LIMIT:
        return text
    head = LIMIT // 4
    return f"{text[:head].rstrip()}\n…\n{text[-(LIMIT - head - 3) :].lstrip()}"
