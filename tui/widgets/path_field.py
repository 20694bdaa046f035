"""A field for the path of a file, which completes what is typed as a shell does."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

_MOST_ENTRIES: Final = 5_000


def completed(text: str) -> str | None:
    """Return `text` with its last part completed to the first name that begins so; folders get a slash.

    Names with a dot in front are offered only once the dot is typed. None where nothing begins so.
    """
    folder_text, slash, start = text.rpartition("/")
    if text == "~":
        return "~/"
    try:
        folder = Path(folder_text + slash).expanduser() if slash else Path()
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name + ("/" if entry.is_dir() else "")
                for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False)
                if entry.name.startswith(start) and (start or not entry.name.startswith("."))
            )
    except (OSError, RuntimeError, ValueError):  # no such folder, no such user, a null byte
        return None
    name = next((one for one in names if one.isprintable()), None)
    return None if name is None else f"{folder_text}{slash}{name}"


class _Paths(Suggester):
    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """Look at the disk off the loop: it may be slow, or a network's."""
        return await asyncio.to_thread(completed, value) if value else None


class PathField(Input):
    """The field. Tab takes the completion where there is one, else goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", show=False),
        Binding("down", "app.focus_next", "Next", show=False),
    ]

    def __init__(self, **arguments: Any) -> None:
        super().__init__(suggester=_Paths(), **arguments)

    def action_complete(self) -> None:
        """Take the completion; without one, go to the next field."""
        if self._suggestion and self._suggestion != self.value:
            self.action_cursor_right() if self.cursor_position == len(self.value) else self.action_end()
        else:
            self.screen.focus_next()
