"""Dialogs that read servers: from text that is pasted, from a file, from an earlier cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from tui.widgets.nodes.columns import roles_text
from tui.widgets.path_field import PathField
from tui.widgets.question import ChoiceRows
from wizards.sanitize import one_line
from wizards.setup.node_rows import Row, Rows

if TYPE_CHECKING:
    from wizards.entry import Entered

_WORDS: Final = {
    "list": "a list",
    "csv": "a CSV table",
    "hosts": "a hosts file",
    "inventory": "an Ansible inventory",
    "ssh-config": "an SSH configuration",
    "cluster": "a cluster.yaml",
}
_PAUSE: Final = 0.25  # seconds after the last key before what was typed is read
_PREVIEW: Final = 3  # rows


def what_was_read(entered: Entered) -> str:
    """Return how many servers were read, and from what."""
    count = len(entered.rows)
    kind = _WORDS.get(entered.source.value, entered.source.value)
    return f"{count} server{'s' * (count != 1)} from {kind}"


def row_line(row: Row, *, name: int = 20, address: int = 24) -> str:
    """Return a server on one line of a list: name, address, roles where they are said."""
    port = row.get("port", 22)
    place = str(row.get("address", "")) + (f" port {port}" if port != 22 else "")
    if row.get("user"):
        place = f"{row['user']}@{place}"
    roles = roles_text(row["roles"]) if row.get("roles") else ""
    return (
        one_line(str(row.get("name", "")), name).ljust(name)
        + f" {one_line(place, 60):{address}} {roles}".rstrip()
    )


class PasteNodes(ModalScreen["Entered | None"]):
    """Paste or type servers, in any form. Gives what was read, None when nothing is to be added."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back"),
        Binding("ctrl+s", "save", "Add them"),
    ]

    def __init__(self, present: Rows) -> None:
        super().__init__()
        self._present = present

    def compose(self) -> ComposeResult:
        """The box, and what it would add."""
        with Vertical(classes="dialog"):
            yield Label("Paste servers", classes="dialog-title")
            yield Static(
                "One per line: an address, or a name and an address, as  node-1 ubuntu@10.0.0.11:22; "
                "10.0.0.[11-13] means three. Or a CSV table, hosts lines, an Ansible inventory.",
                classes="dialog-text",
                markup=False,
            )
            yield TextArea(id="lines", compact=True)
            yield Static("", id="paste-note", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Add them", variant="primary", id="save", compact=True)
                yield Button("Back", id="cancel", compact=True)
            yield Static("Ctrl+S: add them · Esc: back", classes="dialog-hint", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(TextArea).focus()

    @on(TextArea.Changed)
    def _changed(self) -> None:
        self._read(save=False)

    @on(Button.Pressed, "#save")
    def action_save(self) -> None:
        """Give what was understood; stay while it is not."""
        self._read(save=True)

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)

    @work(exclusive=True, group="read", description="read what was pasted")
    async def _read(self, *, save: bool) -> None:
        """Read the text off the loop: an inventory takes a second."""
        from wizards.entry import EntryError, merge, read_text

        text = self.query_one(TextArea).text
        if not save:
            await asyncio.sleep(_PAUSE)
        if not text.strip():
            self._say("")
            if save:
                self.dismiss(None)
            return
        try:
            entered = await asyncio.to_thread(read_text, text, present=self._present)
            whole, notes = merge(self._present, entered.rows)
        except EntryError as error:
            self._say(f"✗ {error}", is_error=True)
            if save:
                self.app.bell()
            return
        new = whole[len(self._present) :]
        self._say(_preview(entered, new, (*entered.notes, *notes)))
        if save:
            self.dismiss(entered)

    def _say(self, text: str, *, is_error: bool = False) -> None:
        note = self.query_one("#paste-note", Static)
        note.set_class(is_error, "error")
        note.update(Content(text))


def _preview(entered: Entered, new: Sequence[Row], notes: Sequence[str]) -> str:
    """Return what would be added: how many, the first of them, and what is to be said about it."""
    rows = [f"  {row_line(row)}" for row in new[:_PREVIEW]]
    more = [f"  and {len(new) - _PREVIEW} more"] if len(new) > _PREVIEW else []
    tail = f", {len(new)} of them new" if len(new) < len(entered.rows) else ""
    return "\n".join([f"{what_was_read(entered)}{tail}:", *rows, *more, *(notes[:2])])


class ImportNodes(ModalScreen["Entered | None"]):
    """Choose where servers are read from. Gives what was read there, None on Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back")]

    def __init__(self, present: Rows) -> None:
        super().__init__()
        self._present = present
        self._sources: list[Callable[[], Entered]] = []
        self._is_reading = False

    def compose(self) -> ComposeResult:
        """A field for a file, and a list of what this console knows."""
        with Vertical(classes="dialog"):
            yield Label("Import servers", classes="dialog-title")
            yield Static(
                "From a file: an Ansible inventory, a CSV table, a hosts file, a list, or a cluster.yaml.",
                classes="dialog-text",
                markup=False,
            )
            with Horizontal(classes="field"):
                yield Static("File", classes="label", markup=False)
                yield PathField(placeholder="~/inventory/hosts.yml", id="path", compact=True)
            yield Static("Or from what is on this machine:", id="import-or", markup=False)
            yield ChoiceRows(id="sources", compact=True, markup=False)
            yield Static("", id="import-note", markup=False)
            yield Static(
                "Enter: read it · Tab: complete the path, else the list · Esc: back",
                classes="dialog-hint",
                markup=False,
            )

    def on_mount(self) -> None:
        """List what there is."""
        rows = self.query_one(ChoiceRows)
        for title, read in _known_sources(self._present):
            self._sources.append(read)
            rows.add_option(Option(Content(one_line(title, 66))))
        rows.display = bool(self._sources)
        rows.highlighted = 0 if self._sources else None
        self.query_one("#import-or").display = bool(self._sources)
        self.query_one(PathField).focus()

    def action_back(self) -> None:
        """Stop reading; when nothing is being read, leave."""
        if self._is_reading:
            self.workers.cancel_group(self, "read")
            self._is_reading = False
            self._say("Stopped. Nothing was added.")
        else:
            self.dismiss(None)

    @on(Input.Submitted)
    def _path_given(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if not text:
            self._say("✗ Type the path of a file first, such as ~/inventory/hosts.yml.", is_error=True)
            return
        from wizards.entry import read_file

        self._read(text, partial(read_file, Path(text).expanduser(), present=self._present))

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self._read(str(event.option.prompt), self._sources[event.option_index])

    @work(exclusive=True, group="read", description="read servers")
    async def _read(self, what: str, read: Callable[[], Entered]) -> None:
        from wizards.entry import EntryError

        self._is_reading = True
        self._say(f"Reading {one_line(what, 50)} … Esc: stop")
        try:
            entered = await asyncio.to_thread(read)
        except EntryError as error:
            self._say(f"✗ {error}", is_error=True)
        else:
            self.dismiss(entered)
        finally:
            self._is_reading = False

    def _say(self, text: str, *, is_error: bool = False) -> None:
        note = self.query_one("#import-note", Static)
        note.set_class(is_error, "error")
        note.update(Content(text))


def _known_sources(present: Rows) -> list[tuple[str, Callable[[], Entered]]]:
    """Return what on this machine servers can be read from: a title, and what reads them."""
    from wizards.clusters import Clusters, slipway_home
    from wizards.entry import Source, default_ssh_config, read_file

    found: list[tuple[str, Callable[[], Entered]]] = []
    config = default_ssh_config()
    if config.is_file():
        read = partial(read_file, config, source=Source.SSH_CONFIG, present=present)
        found.append(("The hosts in ~/.ssh/config", read))
    for cluster in Clusters(slipway_home()).all():
        if cluster.spec_path.is_file() and not cluster.is_practice:
            read = partial(read_file, cluster.spec_path, source=Source.CLUSTER, present=present)
            found.append((f"The servers of the cluster {cluster.name}", read))
    return found
