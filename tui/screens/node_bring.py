"""Servers brought into the table from elsewhere: which dialogs follow which, and what comes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui.screens.dialogs import Choose
from wizards.setup.node_rows import Row, Rows
from wizards.setup.questions import Question

if TYPE_CHECKING:
    from textual.app import App

    from wizards.entry import Entered


@dataclass(frozen=True, slots=True)
class Brought:
    """The rows of the table with the new ones, what to say about it, and answers to other questions."""

    rows: list[Row]
    news: str
    answers: tuple[tuple[Question, Any], ...] = ()


async def brought(app: App[Any], how: str, present: Rows) -> Brought | None:
    """Open the dialogs for ``paste``, ``import`` or ``find``; None when nothing was added.

    Call it in a worker: it waits for the dialogs.
    """
    if how == "find":
        from tui.screens.node_discovery import FindNodes

        rows = await app.push_screen_wait(FindNodes(present))
        return merged(present, rows) if rows else None
    entered = await _entered(app, how, present)
    if entered is None:
        return None
    answers = await _access(app, entered.access)
    return merged(present, entered.rows, answers)


async def _entered(app: App[Any], how: str, present: Rows) -> Entered | None:
    from tui.screens.node_import import ImportNodes, PasteNodes
    from tui.screens.node_pick import PickNodes

    if how == "paste":
        return await app.push_screen_wait(PasteNodes(present))
    while True:
        entered = await app.push_screen_wait(ImportNodes(present))
        if entered is None:
            return None
        picked = await app.push_screen_wait(PickNodes(entered, present))
        if picked is not None:
            return picked


def merged(present: Rows, rows: Rows, answers: tuple[tuple[Question, Any], ...] = ()) -> Brought | None:
    """Return the table with `rows` behind those that are `present`; None when none of them is new."""
    from wizards.entry import merge

    whole, notes = merge(present, rows)
    count = len(whole) - len(present)
    if not count and not answers:
        return None
    added = f"{count} server{'s' * (count != 1)} added. u: undo."
    return Brought(whole, " ".join([added, *notes]), answers)


async def _access(app: App[Any], access: Mapping[str, Any]) -> tuple[tuple[Question, Any], ...]:
    """Offer to take the login that stood with the servers for the step that asks for it."""
    from wizards.setup import steps

    values = access_answers(access)
    if not values:
        return ()
    questions = [(steps.question_at(path), value) for path, value in values.items()]
    known = [(question, value) for question, value in questions if question is not None]
    said = "\n".join(f"{question.title}: {value}" for question, value in known)
    chosen = await app.push_screen_wait(
        Choose(
            "Log in the same way?",
            f"The list also says how to reach its servers:\n{said}",
            [("take", "Take it for the step Access"), ("leave", "Leave Access as it is")],
        )
    )
    return tuple(known) if chosen == "take" else ()


def access_answers(access: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers, by path, that `Entered.access` stands for."""
    answers = {f"access.{key}": access[key] for key in ("user", "key_file") if access.get(key)}
    jump = access.get("jump") or {}
    answers |= {f"access.jump.{key}": jump[key] for key in ("host", "user", "port") if jump.get(key)}
    if "access.key_file" in answers:
        answers["access.method"] = "key"
    return answers
