"""The draft: answers of a wizard that was left, kept so that the next start can offer them.

One draft per home folder. No secret is ever an answer, still the file is its owner's alone.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wizards.setup.answers import has_shape
from wizards.setup.questions import Answers
from wizards.setup.steps import question_at, step_with_id

DRAFT_FILE: Final = "draft.json"
_FORMAT: Final = 1
_LARGEST: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Draft:
    """Answers that were not started yet.

    Attributes:
        answers: What the user had said.
        step_id: The step that was open, empty when it is not known any more.
        saved_at: When it was saved, seconds since the epoch.
        name: The cluster's name, empty when none was given yet.
    """

    answers: Answers
    step_id: str
    saved_at: float
    name: str


def save_draft(home: Path, answers: Answers, step_id: str) -> Path:
    """Keep `answers` in `home`, in place of an older draft; the file is complete or not there at all.

    Raises:
        OSError: When it cannot be written.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = {"format": _FORMAT, "step": step_id, "saved_at": time.time(), "given": dict(answers.given)}
    path = home / DRAFT_FILE
    handle, temporary = tempfile.mkstemp(dir=home, prefix=f".{DRAFT_FILE}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:  # mkstemp makes it 0600
            json.dump(content, stream, ensure_ascii=False, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    return path


def load_draft(home: Path) -> Draft | None:
    """Return the draft in `home`; None where there is none, or none that can be read.

    An answer that this version does not know, or that has the wrong shape, is left out: its default counts.
    """
    content = _read(home / DRAFT_FILE)
    given = content.get("given")
    if content.get("format") != _FORMAT or not isinstance(given, Mapping):
        return None
    known = {path: value for path, value in given.items() if _can_stand(path, value)}
    step_id, saved_at = content.get("step"), content.get("saved_at")
    return Draft(
        answers=Answers(known),
        step_id=step_id if isinstance(step_id, str) and step_with_id(step_id) else "",
        saved_at=float(saved_at) if isinstance(saved_at, int | float) else 0.0,
        name=str(known.get("name", "")),
    )


def discard_draft(home: Path) -> None:
    """Forget the draft in `home`, if there is one."""
    (home / DRAFT_FILE).unlink(missing_ok=True)


def _can_stand(path: str, value: Any) -> bool:
    question = question_at(path)
    # Paths that no question asks for come from a file; the specification's types judge them.
    return question is None or question.path != path or has_shape(question, value)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as stream:
            content = json.loads(stream.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
