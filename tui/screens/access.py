"""Access: the login tried on all servers at once, what stands in the way in words, and installing a key."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Static

from tui.screens.dialogs import Choose
from tui.screens.host_keys import waiting_for
from tui.screens.key_install import OWN, InstallKeyScreen, InstallWish
from tui.widgets.frame import FrameScreen
from wizards.provision.access import places
from wizards.provision.launch import Secrets
from wizards.provision.login import LoginResult
from wizards.sanitize import one_line
from wizards.setup.spec import Become, ClusterSpec

if TYPE_CHECKING:
    from wizards.clusters import Cluster
    from wizards.provision.key_install import Installed


_NAME_WIDTH = 20
_ADDRESS_WIDTH = 23


@dataclass(frozen=True, slots=True)
class AccessDone:
    """The user goes on with these answers, which a new key may have changed, and what is still secret."""

    spec: ClusterSpec
    secrets: Secrets


class AccessScreen(FrameScreen[AccessDone | None]):
    """Tries the logins as soon as it opens. Gives None when the user goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("enter", "go_on", "Go on", priority=True),
        Binding("r", "again", "Try again"),
        Binding("i", "install", "Install a key"),
        Binding("ctrl+q", "back", "Quit", show=False, priority=True),
    ]

    class Told(Message):
        """A server has been tried."""

        def __init__(self, number: int, result: LoginResult) -> None:
            super().__init__()
            self.number = number
            self.result = result

    class Over(Message):
        """All have been tried; `installed` where a key was put onto them, `error` where it did not begin."""

        def __init__(self, number: int, installed: Installed | None = None, error: str = "") -> None:
            super().__init__()
            self.number = number
            self.installed = installed
            self.error = error

    def __init__(
        self, spec: ClusterSpec, cluster: Cluster, secrets: Secrets, *, practice: bool, then: str = "start"
    ) -> None:
        """Args: `then` is what going on means, as the hint line says it."""
        super().__init__(f"{spec.name}: can the servers be used?", practice=practice)
        self._spec = spec
        self._cluster = cluster
        self._secrets = secrets
        self._then = then
        self._results: dict[str, LoginResult] = {}
        self._waiting: list[str] = []
        self._busy = False
        self._doing = "Trying the login"
        self._note = ""
        self._number = 0
        self._stop = threading.Event()
        self._order: list[str] = []

    # -- layout ---------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        """How it stands, the servers, and what is known of the highlighted one."""
        yield Static("", id="access-status", markup=False)
        with Vertical(id="access"):
            yield DataTable(id="access-rows", cursor_type="row", cell_padding=0, show_header=True)
            with VerticalScroll(id="access-detail", can_focus=False):
                yield Static("", id="access-text", markup=False)

    def on_mount(self) -> None:
        """Try all of them."""
        table = self.query_one(DataTable)
        table.add_column("  server", width=_NAME_WIDTH, key="name")
        table.add_column("address", width=_ADDRESS_WIDTH, key="address")
        table.add_column("result", width=self._room, key="result")
        table.focus()
        self._lay_out([node.name for node in self._spec.nodes])
        self._try([node.name for node in self._spec.nodes])

    def on_unmount(self) -> None:
        """Kill what still runs."""
        self._stop.set()

    def _lay_out(self, names: list[str]) -> None:
        table = self.query_one(DataTable)
        addresses = {one.name: f"{one.host}:{one.port}" for one in places(self._spec)}
        kept = self._current()
        table.clear()
        self._order = names
        for name in names:
            table.add_row(*self._row(name, addresses.get(name, "")), key=name)
        if kept in names:
            table.move_cursor(row=names.index(kept))

    def _row(self, name: str, address: str) -> tuple[Content, Content, Content]:
        mark, words, style = self._word(name)
        return (
            Content.assemble((f"{mark} ", style), (_cut(name, _NAME_WIDTH - 3), "bold")),
            Content(_cut(address, _ADDRESS_WIDTH - 1)),
            Content.styled(_cut(words, self._room), style),
        )

    @property
    def _room(self) -> int:
        """How many columns a result has."""
        detail = 53 if self.app.size.width >= 100 else 0
        return max(20, self.app.size.width - _NAME_WIDTH - _ADDRESS_WIDTH - detail - 2)

    def _word(self, name: str) -> tuple[str, str, str]:
        result = self._results.get(name)
        if name in self._waiting:
            return "·", "waiting …", "dim"
        if result is None:
            return "·", "", "dim"
        if not result.ok:
            return "✗", one_line(result.reason.removeprefix("logged in, but ")), "$text-error"
        if result.warnings:
            return "!", one_line(result.warnings[0]), "$text-warning"
        return "✓", f"can be used ({result.seconds:.1f} s)", "$text-success"

    # -- trying ---------------------------------------------------------------------------------------------

    @property
    def _failed(self) -> list[str]:
        return [name for name in self._order if name in self._results and not self._results[name].ok]

    @property
    def _all_ok(self) -> bool:
        names = [node.name for node in self._spec.nodes]
        return all(name in self._results and self._results[name].ok for name in names)

    def _begin(self, names: list[str], doing: str, work_: Callable[[int, threading.Event], None]) -> None:
        """Start a round: what an earlier one still says is not listened to."""
        self._stop.set()
        self._stop = threading.Event()
        self._number += 1
        self._waiting = list(names)
        self._busy = True
        self._doing = doing
        self._note = ""
        for name in names:
            self._draw_row(name)
        self._say()
        threading.Thread(target=work_, args=(self._number, self._stop), daemon=True).start()

    def _try(self, names: list[str]) -> None:
        from wizards.provision.login import try_logins

        def work_(number: int, stop: threading.Event) -> None:
            try_logins(
                self._spec,
                self._cluster,
                self._secrets,
                nodes=names,
                on_result=lambda one: self._tell(self.Told(number, one)),
                stop=stop,
            )
            self._tell(self.Over(number))

        self._begin(names, "Trying the login", work_)

    def _tell(self, message: Message) -> None:
        if self.is_attached:
            self.post_message(message)

    @on(Told)
    def _told(self, event: Told) -> None:
        if event.number != self._number:
            return
        name = event.result.node
        self._results[name] = event.result
        if name in self._waiting:
            self._waiting.remove(name)
        if name not in self._order:  # the jump host, which gets the key as well
            self._lay_out([name, *self._order])
        self._draw_row(name)
        self._say()

    @on(Over)
    def _over(self, event: Over) -> None:
        if event.number != self._number:
            return
        self._waiting = []
        self._busy = False
        if event.error:
            self._note = f"✗ {event.error}"
        elif event.installed is not None:
            self._take(event.installed)
        rank = {name: self._rank(name) for name in self._order}
        self._lay_out(sorted(self._order, key=lambda name: rank[name]))
        self.query_one(DataTable).move_cursor(row=0)
        self._say()

    def _rank(self, name: str) -> int:
        result = self._results.get(name)
        if result is None or not result.ok:
            return 0
        return 1 if result.warnings else 2

    def _draw_row(self, name: str) -> None:
        if name in self._order:
            mark, result = self._row(name, "")[0], self._row(name, "")[2]
            table = self.query_one(DataTable)
            table.update_cell(name, "name", mark)
            table.update_cell(name, "result", result)

    # -- saying ---------------------------------------------------------------------------------------------

    def _say(self) -> None:
        self.query_one("#access-status", Static).update(self._status())
        self._detail()
        self.refresh_bindings()
        if self._busy:
            self.hint(f" {self._doing} · Esc: stop and go back")
        elif self._all_ok:
            self.hint(f" Enter: {self._then}")
        else:
            self.hint(f" r: try the failed ones again · Enter: asks whether to {self._then} all the same")

    def _status(self) -> Content:
        total = len(self._order)
        if self._busy:
            left = waiting_for(self._waiting).replace(
                f"waiting for {len(self._waiting)}", f"waiting for {len(self._waiting)} of {total}"
            )
            return Content(f" {self._doing}: {left}")
        if self._note:
            return Content.styled(
                f" {self._note}", "$text-error" if self._note[0] == "✗" else "$text-success"
            )
        bad = len(self._failed)
        if bad:
            return Content.styled(f" ✗ {bad} of {total} servers cannot be used yet.", "$text-error")
        servers = "The server" if total == 1 else f"All {total} servers"
        # Practice servers have no root to become.
        found = "login and Python" if self._cluster.is_practice else "login, root and Python"
        return Content.styled(f" ✓ {servers} can be used: {found} are there.", "$text-success")

    @on(DataTable.RowHighlighted)
    def _detail(self) -> None:
        name = self._current()
        result = self._results.get(name)
        text = Content("")
        if result is not None and name not in self._waiting:
            reason = result.reason or "This server can be used."
            parts = [(f"{name}\n", "bold"), (f"{reason[0].upper()}{reason[1:]}.".replace("..", "."), "")]
            parts += [(f"\n! {one_line(warning)}.", "$text-warning") for warning in result.warnings]
            text = Content.assemble(*parts)
        elif name:
            text = Content.assemble((f"{name}\n", "bold"), ("Not heard of yet.", "$text-muted"))
        self.query_one("#access-text", Static).update(text)

    def _current(self) -> str:
        table = self.query_one(DataTable)
        row = table.cursor_row
        return self._order[row] if table.row_count and 0 <= row < len(self._order) else ""

    # -- keys -----------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that do something now."""
        if action == "again":
            return not self._busy
        if action == "install":
            return not self._busy and not self._cluster.is_practice
        return not (action == "go_on" and self._busy)

    def action_again(self) -> None:
        """Try those that failed again; all where none did."""
        known = {node.name for node in self._spec.nodes}
        self._try(
            [name for name in self._failed if name in known] or [node.name for node in self._spec.nodes]
        )

    @work(description="go on")
    async def action_go_on(self) -> None:
        """Go on: at once where all can be used, else after a question whose first answer is no."""
        if not self._all_ok:
            bad = len(self._failed)
            chosen = await self.app.push_screen_wait(
                Choose(
                    f"{bad} of {len(self._order)} servers cannot be used yet",
                    f"What comes next will fail on them: {', '.join(self._failed[:5])}"
                    f"{' …' if bad > 5 else ''}.",
                    [("no", "Look again"), ("yes", f"{self._then[0].upper()}{self._then[1:]} all the same")],
                )
            )
            if chosen != "yes":
                return
        self.dismiss(AccessDone(self._spec, self._secrets))

    def action_back(self) -> None:
        """Go back; a key that was installed stays on the servers."""
        self.dismiss(None)

    # -- installing a key -----------------------------------------------------------------------------------

    @work(description="install a key")
    async def action_install(self) -> None:
        """Ask for the key and the password, then put it onto all servers."""
        from wizards.provision.key_files import users_keys

        access = self._spec.access
        wish = await self.app.push_screen_wait(
            InstallKeyScreen(
                access.user,
                users_keys(access.key_file),
                asks_sudo=access.become is Become.SUDO_PASSWORD and not self._secrets.become_password,
                has_own=(self._cluster.root / "id_ed25519").exists(),
            )
        )
        if wish is not None:
            self._put(wish)

    def _put(self, wish: InstallWish) -> None:
        if wish.become_password:
            self._secrets = replace(self._secrets, become_password=wish.become_password)
        secrets = Secrets(
            ssh_password=wish.ssh_password or self._secrets.ssh_password,
            become_password=self._secrets.become_password,
        )

        def work_(number: int, stop: threading.Event) -> None:
            from wizards.provision.key_files import KeyProblem, own_key
            from wizards.provision.key_install import install_key

            try:
                key_file = wish.key_file
                if key_file == OWN:
                    key_file = str(own_key(self._cluster.root, f"slipway {self._spec.name}"))
                installed = install_key(
                    self._spec,
                    self._cluster,
                    key_file,
                    secrets,
                    on_result=lambda one: self._tell(self.Told(number, one)),
                    stop=stop,
                )
            except KeyProblem as problem:
                self._tell(self.Over(number, error=str(problem)))
            else:
                self._tell(self.Over(number, installed))

        self._begin([node.name for node in self._spec.nodes], "Installing the key", work_)

    def _take(self, installed: Installed) -> None:
        """Use the key from now on, where it opens every server; the SSH password has done its duty."""
        if installed.spec is None:
            bad = sum(not one.ok for one in installed.results)
            self._note = f"✗ The key does not open {bad} of them yet. Mend that, then i: once more for all."
            return
        self._spec = installed.spec
        self._secrets = Secrets(become_password=self._secrets.become_password)
        self._note = "✓ The key opens all servers and is used from now on; the password is forgotten."


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
