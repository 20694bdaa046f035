"""Where one is among the steps: one row, or a list at the left where there is room."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

Titles = Sequence[tuple[str, str, str]]
"""Id, title and state (``done``, ``open``, ``blocked``) of each step."""
MARK = {"done": "✓", "open": "·", "blocked": "✗"}


class StepBar(Static):
    """``Step 3 of 8  Access  ✓✓●······`` on one row."""

    def show(self, titles: Titles, current: str) -> None:
        """Show the steps; the review counts as the last."""
        ids = [one[0] for one in titles]
        at = ids.index(current)
        marks = "".join("●" if index == at else MARK[one[2]] for index, one in enumerate(titles))
        self.update(
            Content.assemble(
                (f" Step {at + 1} of {len(ids) + 1} ", "bold"),
                (f" {marks}· ", "dim"),
                (f" {titles[at][1]}", "bold"),
            )
        )


class StepList(Static):
    """One step a row, with its state."""

    def show(self, titles: Titles, current: str) -> None:
        """Show the steps; the review stands last."""
        rows: list[Content] = []
        for number, (step_id, title, state) in enumerate(titles, start=1):
            mark = "●" if step_id == current else MARK[state]
            style = "bold" if step_id == current else "$text-error" if state == "blocked" else "dim"
            rows.append(Content.styled(f" {mark} {number} {title}", style))
        rows.append(Content.styled(f" · {len(titles) + 1} Review and start", "dim"))
        self.update(Content("\n").join(rows))
