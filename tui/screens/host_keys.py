"""Host keys: all of them shown at first contact and asked about once; a changed one stops everything."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option as Row

from wizards.sanitize import one_line

if TYPE_CHECKING:
    from wizards.clusters import Cluster
    from wizards.provision.first_contact import Contact
    from wizards.provision.host_keys import HostKey, HostKeyChanged
    from wizards.setup.spec import ClusterSpec

_NAMED = 3  # of those that are waited for


class HostKeysScreen(ModalScreen[bool]):
    """Asks the servers for their host keys, and the user once for all that are new.

    Gives True when every server that answered shows a key that is kept; it is never seen where that is so
    from the start. False when the user goes back.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("left", "app.focus_previous", "Previous", show=False),
        Binding("right", "app.focus_next", "Next", show=False),
    ]

    class Heard(Message):
        """A server was heard of."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class Met(Message):
        """All have been asked."""

        def __init__(self, contact: Contact, missing: dict[str, str]) -> None:
            super().__init__()
            self.contact = contact
            self.missing = missing

    def __init__(self, spec: ClusterSpec, cluster: Cluster) -> None:
        super().__init__()
        self._spec = spec
        self._cluster = cluster
        self._stop = threading.Event()
        self._waiting: list[str] = []
        self._contact: Contact | None = None

    def compose(self) -> ComposeResult:
        """The list, and the one question below it."""
        with Vertical(classes="dialog broad"):
            yield Label("First contact: are these your servers?", classes="dialog-title", markup=False)
            yield Static("", id="keys-status", markup=False)
            yield OptionList(id="keys", compact=True, markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Keep the keys: they are mine", id="keep", variant="primary", compact=True)
                yield Button("Try again", id="again", compact=True)
                yield Button("Back", id="back", compact=True)
            yield Static("", id="keys-hint", classes="dialog-hint", markup=False)

    def on_mount(self) -> None:
        """Ask at once."""
        self._ask()

    def on_unmount(self) -> None:
        """Ask no further."""
        self._stop.set()

    # -- asking ---------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        from wizards.provision.access import places

        self._contact = None
        self._waiting = [place.name for place in places(self._spec)]
        self.query_one("#keys", OptionList).clear_options()
        self.query_one(".buttons").display = False
        self.query_one("#keys-hint", Static).update("Esc: back; nothing has been kept")
        self._say_waiting()
        threading.Thread(target=self._meet, daemon=True).start()

    def _meet(self) -> None:
        from wizards.provision.first_contact import meet, unknown_hosts

        def heard(name: str) -> None:
            self.post_message(self.Heard(name))

        contact = meet(self._spec, self._cluster, on_answer=heard, stop=self._stop)
        strangers = set(unknown_hosts(self._cluster, self._spec))
        missing = {name: why for name, why in contact.problems.items() if name in strangers}
        if not self._stop.is_set():
            self.post_message(self.Met(contact, missing))

    @on(Heard)
    def _heard(self, event: Heard) -> None:
        if event.name in self._waiting:
            self._waiting.remove(event.name)
            self._say_waiting()

    def _say_waiting(self) -> None:
        self.query_one("#keys-status", Static).update(
            Content(f"Asking the servers for their host keys: {waiting_for(self._waiting)}")
        )

    # -- what came of it ------------------------------------------------------------------------------------

    @on(Met)
    def _met(self, event: Met) -> None:
        self._contact = event.contact
        if event.contact.changed:
            self._ask_about(event.contact.changed[0])
        elif event.contact.new or event.missing:
            self._show(event.contact, event.missing)
        else:
            self.dismiss(True)

    def _show(self, contact: Contact, missing: dict[str, str]) -> None:
        rows = [
            Row(Content.assemble((f"✗ {name}: ", "bold $text-error"), (one_line(why), "$text-error")))
            for name, why in missing.items()
        ]
        rows += [Row(key_row(key, wide=self.app.size.width >= 110)) for key in contact.new]
        self.query_one("#keys", OptionList).set_options(rows)
        self.query_one("#keys-status", Static).update(Content(_summary(contact, missing)))
        self.query_one(".buttons").display = True
        keep = self.query_one("#keep", Button)
        if not contact.new:
            keep.label = "Go on without them"
        elif missing:
            keep.label = "Keep the keys of those that answered"
        else:
            keep.label = "Keep the keys: they are mine"
        keep.refresh(layout=True)
        self.query_one("#again", Button).display = bool(missing)
        self.query_one("#keys-hint", Static).update(
            Content("Enter: the marked button · Tab: to the list · Esc: back, nothing is kept")
        )
        (keep if contact.new else self.query_one("#again", Button)).focus()

    @work(description="changed key")
    async def _ask_about(self, change: HostKeyChanged) -> None:
        from wizards.provision.host_keys import write_known_hosts

        if await self.app.push_screen_wait(ChangedKeyScreen(change)):
            write_known_hosts(self._cluster, [change.seen], replace=True)
            self._ask()
        else:
            self.action_back()

    @on(Button.Pressed, "#keep")
    def _keep(self) -> None:
        from wizards.provision.host_keys import write_known_hosts

        contact = self._contact
        if contact is None:
            return
        write_known_hosts(self._cluster, contact.new)
        if contact.behind and contact.new:
            self._ask()  # behind the jump host, the nodes can be asked now
        else:
            self.dismiss(True)

    @on(Button.Pressed, "#again")
    def _again(self) -> None:
        self._ask()

    @on(Button.Pressed, "#back")
    def action_back(self) -> None:
        """Keep nothing."""
        self.dismiss(False)


def key_row(key: HostKey, *, wide: bool) -> Content:
    """Return a host key on one line, its fingerprint whole; of at most 72 columns unless `wide`."""
    room = 30 if wide else 13
    name = key.node if len(key.node) <= room else key.node[: room - 1] + "…"
    kind = key.type.removeprefix("ssh-").removeprefix("ecdsa-sha2-")
    return Content.assemble((f"{one_line(name):<{room}} ", "bold"), f"{kind[:7]:<8}", key.fingerprint)


def waiting_for(names: list[str]) -> str:
    """Return who is waited for: how many, and the first of them by name."""
    shown = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
    return f"waiting for {len(names)}: {shown}" if names else "all have answered"


def _summary(contact: Contact, missing: dict[str, str]) -> str:
    texts = []
    if contact.new:
        one = len(contact.new) == 1
        texts.append(
            f"{'This is the key it shows' if one else f'These are the keys of {len(contact.new)} servers'}."
            " Kept once, any change stops everything."
        )
    if contact.behind:
        texts.append("The servers behind the jump host can be asked once its key is kept.")
    if missing:
        texts.append(f"{len(missing)} did not answer: see the top of the list.")
    return "\n".join(texts)


class ChangedKeyScreen(ModalScreen[bool]):
    """A server shows another key than the kept one. To take it, its name must be typed: never Enter alone."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "Back")]

    def __init__(self, change: HostKeyChanged) -> None:
        super().__init__()
        self._change = change

    def compose(self) -> ComposeResult:
        """Both fingerprints, what to do, and the way on."""
        seen, known = self._change.seen, self._change.known
        name = one_line(seen.node)
        path = f"/etc/ssh/ssh_host_{seen.type.removeprefix('ssh-').split('-')[0]}_key.pub"
        with Vertical(classes="dialog broad"):
            yield Label(
                f"✗ The host key of {name} has changed",
                id="changed-title",
                classes="dialog-title",
                markup=False,
            )
            with VerticalScroll(can_focus=False):
                yield Static(
                    Content(
                        f"kept      {known.type:<12} {known.fingerprint}\n"
                        f"shown now {seen.type:<12} {seen.fingerprint}\n\n"
                        f"Nothing goes on while {seen.address} shows another key. Was the machine installed"
                        " anew? Then compare the second line with what it shows on its own console:\n"
                        f"  ssh-keygen -lf {path}\n"
                        "If they differ, or nobody installed it anew, something answers in its place: go back"
                        " and find out what."
                    ),
                    classes="dialog-text",
                    markup=False,
                )
            with Horizontal(classes="field"):
                yield Static(Content(f"To take it, type {name}"), classes="label", markup=False)
                yield Input(id="typed-name", compact=True)
            yield Static("", id="typed-error", classes="error", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Back", id="back", variant="primary", compact=True)
                yield Button("Take the new key", id="take", compact=True, disabled=True)
            yield Static(
                "Enter: back, the old key stays · Tab: the field for the name",
                classes="dialog-hint",
                markup=False,
            )

    def on_mount(self) -> None:
        """The harmless button first."""
        self.query_one("#back", Button).focus()

    def _is_named(self) -> bool:
        return self.query_one("#typed-name", Input).value == self._change.seen.node

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one("#take", Button).disabled = not self._is_named()
        self.query_one("#typed-error", Static).update("")

    @on(Input.Submitted)
    @on(Button.Pressed, "#take")
    def _take(self) -> None:
        if self._is_named():
            self.dismiss(True)
        else:
            words = f"That is not its name: type {one_line(self._change.seen.node)} to take the new key."
            self.query_one("#typed-error", Static).update(Content(words))

    @on(Button.Pressed, "#back")
    def _back(self) -> None:
        self.dismiss(False)
