"""What the preflight screen can have done, and what it asks before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from textual.app import App

from tui.look_follower import Source
from tui.preflight_rows import accepted_keys
from tui.screens.dialogs import Choose
from wizards.provision.acceptance import Acceptance, open_warnings
from wizards.provision.looking import LookView
from wizards.provision.verdict import title_of
from wizards.provision.verdict_text import own_words
from wizards.setup.finding import Finding

Given = TypeVar("Given")
_KEPT = "It is kept in the history with your name and the time."


@dataclass(frozen=True, slots=True)
class PreflightActions:
    """What the screen can have done. All but `mend` are called off the application's thread.

    Attributes:
        look: Begins another look, at these nodes or at all, and returns its events.
        accept: Accepts warnings by name and returns all that is accepted.
        withdraw: Takes acceptances back, by check and node, and returns what is accepted.
        mend: Shows what can be mended, and returns the events of the run that does it; None where it was not
            begun. None as a whole where nothing can be mended from here.
    """

    look: Callable[[tuple[str, ...]], Source]
    accept: Callable[[tuple[Finding, ...]], Iterable[Acceptance]]
    withdraw: Callable[[tuple[tuple[str, str], ...]], Iterable[Acceptance]]
    mend: (
        Callable[[Mapping[str, Mapping[str, Any]], tuple[Finding, ...]], Awaitable[Source | None]] | None
    ) = None


async def done(app: App[Any], action: Callable[[], Given], title: str) -> Given | None:
    """Do it off the application's thread; tell what went wrong, and return None then."""
    from wizards.lock import ClusterBusy
    from wizards.provision.launch import LaunchError

    try:
        return await asyncio.to_thread(action)
    except (ClusterBusy, LaunchError, ValueError, OSError) as error:
        await app.push_screen_wait(Choose(title, str(error), [("ok", "OK")]))
        return None


async def toggled(
    app: App[Any], actions: PreflightActions, findings: tuple[Finding, ...], view: LookView
) -> Iterable[Acceptance] | None:
    """Accept warnings of one check after asking, or take back what is accepted of them.

    None where nothing came of it.
    """
    wanted = open_warnings(findings, view.accepted)
    if not wanted:
        keys = tuple({(one.id, one.host) for one in findings} & accepted_keys(view))
        return await done(app, lambda: actions.withdraw(keys), "It was not taken back")
    first = wanted[0]
    text = "\n".join(f"{one.host or 'cluster'}: {own_words(one)}" for one in wanted)
    answer = await app.push_screen_wait(
        Choose(
            f"Accept {'this warning' if len(wanted) == 1 else f'these {len(wanted)} warnings'}? "
            f"{title_of(first.id)} [{first.id}]",
            f"{text}\n\n{first.remedy}\n\n{_KEPT}",
            [("no", "No"), ("accept", "Accept")],
        )
    )
    if answer != "accept":
        return None
    return await done(app, lambda: actions.accept(wanted), "It was not accepted")


async def all_accepted(
    app: App[Any], actions: PreflightActions, view: LookView
) -> Iterable[Acceptance] | None:
    """Accept every open warning after they were shown; None where nothing came of it."""
    wanted = open_warnings(view.findings, view.accepted)
    lines = [f"! {one.host or 'cluster'}: {title_of(one.id)}: {own_words(one)}" for one in wanted]
    answer = await app.push_screen_wait(
        Choose(
            f"Accept these {len(wanted)} warnings?",
            "\n".join([*lines, "", _KEPT.replace("It is", "They are")]),
            [("no", "No"), ("accept", "Accept all of them")],
        )
    )
    if answer != "accept":
        return None
    return await done(app, lambda: actions.accept(wanted), "They were not accepted")
