"""Which cell is being edited, and what the rows would be with what stands in the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wizards.setup.node_rows import Row, Rows, cell_text, with_cell


@dataclass(frozen=True, slots=True)
class Edit:
    """One cell being edited.

    Attributes:
        rows: The rows as they were before this cell was opened; a new row is among them.
        index: Which row.
        field: Which field of it.
        is_new: Whether the row was added just now and goes again when it gets no address.
    """

    rows: Rows
    index: int
    field: str
    is_new: bool = False

    @property
    def text(self) -> str:
        """What stood in the cell."""
        return cell_text(self.rows[self.index], self.field)

    def with_text(self, text: str) -> list[Row]:
        """Return the rows with `text` in the cell; an unchanged text changes nothing.

        Raises:
            AnswerError: When it cannot stand there.
        """
        if text.strip() == self.text and not (self.is_new and self.field == "address"):
            return list(self.rows)
        return with_cell(self.rows, self.index, self.field, text)

    def is_empty(self, text: str) -> bool:
        """Tell whether the new row is still without an address, so that it may go again."""
        return self.is_new and self.field == "address" and not text.strip()

    def stepped(self, rows: Rows, fields: Sequence[str], by: int, shown: Sequence[int]) -> Edit | None:
        """Return the edit of the next (`by` 1) or previous (-1) cell of `fields` in `rows`.

        At the end of a row it goes on in the next of the rows that are `shown`; None beyond the last.
        """
        at = fields.index(self.field) + by
        if 0 <= at < len(fields):
            return replace(self, rows=rows, field=fields[at], is_new=False)
        place = shown.index(self.index) + by if self.index in shown else -1
        if not 0 <= place < len(shown):
            return None
        return Edit(rows, shown[place], fields[0 if by > 0 else -1])
