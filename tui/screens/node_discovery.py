"""Looking for SSH servers in a subnet: says what it will do, asks first, and lists what answers."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, SelectionList, Static
from textual.widgets.selection_list import Selection

from tui.screens.node_pick import PickRows
from wizards.sanitize import one_line
from wizards.setup.node_rows import Row, Rows, place_of, proposed_subnet
from wizards.setup.proposals import Address, parse_address

if TYPE_CHECKING:
    from wizards.entry import Found, Subnet

_DRAW_EVERY = 0.2  # seconds between two paintings of the progress


class FindNodes(ModalScreen[list[Row]]):
    """Name a subnet, look, pick. Gives the picked servers as rows; none on Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("ctrl+s", "add", "Add"),
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]

    def __init__(self, present: Rows) -> None:
        super().__init__()
        self._present = present
        self._there = {place_of(row) for row in present}
        self._found: list[Found] = []
        self._listed = 0
        self._progress = (0, 0)
        self._is_looking = False

    def compose(self) -> ComposeResult:
        """Where to look, what that does, and what is found."""
        with Vertical(classes="dialog"):
            yield Label("Find servers in a network", classes="dialog-title")
            with Horizontal(classes="field"):
                yield Static("Subnet", classes="label", markup=False)
                yield Input(placeholder="10.0.0.0/24", id="subnet", compact=True, select_on_focus=False)
            with Horizontal(classes="field"):
                yield Static("SSH port", classes="label", markup=False)
                yield Input("22", id="subnet-port", compact=True, type="integer", select_on_focus=False)
            yield Static("", id="find-note", markup=False)
            yield PickRows(id="find-rows", compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Look", variant="primary", id="go", compact=True)
                yield Button("Back", id="back", compact=True)
            yield Static("", classes="dialog-hint", id="find-hint", markup=False)

    def on_mount(self) -> None:
        """Propose a subnet."""
        self.query_one(PickRows).display = False
        field = self.query_one("#subnet", Input)
        field.value = proposed_subnet(self._present, own_addresses())
        field.focus()
        self._say_what()

    # -- before ---------------------------------------------------------------------------------------------

    @on(Input.Changed)
    def _say_what(self) -> None:
        """Say exactly what Enter will do, or why it cannot."""
        self._hint()
        if not self.query_one("#subnet", Input).value.strip():
            self._say("Name the subnet the servers are in, such as 10.0.0.0/24, or 10.0.0.11-50.")
            return
        subnet = self._subnet()
        if subnet is not None:
            count = len(subnet.addresses)
            whom = f"{count} addresses" if count != 1 else "1 address"
            self._say(
                f"Asks {whom} at port {subnet.port} whether an SSH server answers. Nothing is logged in to, "
                "nothing is sent. Look only where you may."
            )

    def _subnet(self) -> Subnet | None:
        """Return where to look; None, and say why, when that cannot be."""
        from wizards.entry import EntryError, parse_subnet

        port = self.query_one("#subnet-port", Input).value.strip() or "22"
        try:
            number = int(port) if port.isdecimal() else 0
            return parse_subnet(self.query_one("#subnet", Input).value, port=number)
        except EntryError as error:
            self._say(f"✗ {error}", is_error=True)
            return None

    def _say(self, text: str, *, is_error: bool = False) -> None:
        note = self.query_one("#find-note", Static)
        note.set_class(is_error, "error")
        note.update(Content(text))

    def _hint(self) -> None:
        in_list = self.query_one(PickRows).has_focus
        picked = len(self.query_one(PickRows).selected)
        enter = (f"add {picked}" if picked else "add the picked") if in_list else "look"
        escape = "stop" if self._is_looking else "back"
        keys = " · Space: pick · a: all or none" if self._found else ""
        self.query_one("#find-hint", Static).update(Content(f"Enter: {enter}{keys} · Esc: {escape}"))

    # -- looking --------------------------------------------------------------------------------------------

    @on(Input.Submitted)
    def _start(self) -> None:
        subnet = self._subnet()
        if subnet is None or self._is_looking:
            self.app.bell()
            return
        self._look(subnet)

    @work(exclusive=True, group="look", description="look for SSH servers")
    async def _look(self, subnet: Subnet) -> None:
        from wizards.entry import discover

        rows = self.query_one(PickRows)
        rows.clear_options()
        self._found, self._listed, self._is_looking = [], 0, True
        self._progress = (0, len(subnet.addresses))
        rows.display = True
        rows.focus()
        clock = self.set_interval(_DRAW_EVERY, self._draw)
        try:
            found = await discover(subnet, on_found=self._found.append, on_progress=self._count)
            self._draw()
            self._in_order(found)
        finally:
            self._is_looking = False
            clock.stop()
            self._draw()

    def _in_order(self, found: Sequence[Found]) -> None:
        """List all again in the order of their addresses; they came in the order they answered in."""
        rows = self.query_one(PickRows)
        picked = {self._found[index] for index in rows.selected}
        at = rows.highlighted
        self._found = list(found)
        with self.prevent(SelectionList.SelectedChanged):
            rows.clear_options()
            rows.add_options(self._selection(index, one) for index, one in enumerate(found))
            for index, one in enumerate(found):
                if one in picked:
                    rows.select(index)
            rows.highlighted = at

    def _count(self, done: int, total: int) -> None:
        self._progress = (done, total)

    def _draw(self) -> None:
        """Paint what came since the last time: a few times a second, however many answer."""
        if not self.is_attached:
            return
        rows = self.query_one(PickRows)
        new, self._listed = self._found[self._listed :], len(self._found)
        rows.add_options(self._selection(at, one) for at, one in enumerate(new, self._listed - len(new)))
        if rows.highlighted is None and rows.option_count:
            rows.highlighted = 0
        done, total = self._progress
        verb = "asked" if self._is_looking or done == total else "asked, then stopped"
        self._say(f"{done} of {total} {verb}. {len(self._found)} SSH servers answered.")
        self._hint()
        button = self.query_one("#go", Button)
        button.label = f"Add {len(rows.selected)}"
        button.refresh(layout=True)

    def _selection(self, index: int, one: Found) -> Selection[int]:
        is_there = place_of({"address": one.address, "port": one.port}) in self._there
        said = "in the table already" if is_there else one.banner
        line = f"{one.address:16} {one_line(one.name, 22):22} {one_line(said, 26)}"
        return Selection(Content(line), index, disabled=is_there)

    @on(SelectionList.SelectedChanged)
    def _picked(self) -> None:
        self._draw()

    # -- done -----------------------------------------------------------------------------------------------

    def on_descendant_focus(self) -> None:
        """Say what Enter does here."""
        self._hint()

    @on(PickRows.Key)
    def _key(self, event: PickRows.Key) -> None:
        if event.name == "done":
            self.action_add()

    @on(Button.Pressed, "#go")
    def _go(self) -> None:
        if self._progress[1]:
            self.action_add()
        else:
            self._start()

    def action_add(self) -> None:
        """Give what is picked."""
        picked = [self._found[index] for index in sorted(self.query_one(PickRows).selected)]
        if not picked:
            self.app.bell()
            self._say("Pick servers with the space bar first; a picks all.")
            return
        self.dismiss([found_row(one) for one in picked])

    @on(Button.Pressed, "#back")
    def action_back(self) -> None:
        """Stop looking; when nothing is being looked for, leave."""
        if self._is_looking:
            self.workers.cancel_group(self, "look")
        else:
            self.dismiss([])


def found_row(one: Found) -> Row:
    """Return the row for a server that was found; its name is that of its host."""
    row: Row = {"name": one.name.partition(".")[0], "address": one.address}
    if not row["name"]:
        del row["name"]
    return row | ({"port": one.port} if one.port != 22 else {})


def own_addresses() -> list[Address]:
    """Return this machine's IPv4 addresses on networks, the ones of interfaces that are up."""
    import psutil

    states = psutil.net_if_stats()
    texts = [
        address.address
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET and name in states and states[name].isup
    ]
    parsed = [address for text in texts if (address := parse_address(text)) is not None]
    return [address for address in parsed if not address.is_loopback and not address.is_link_local]
