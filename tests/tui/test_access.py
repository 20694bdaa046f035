"""The screens of access: host keys, the login tried live, a key installed; all with real SSH servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.coordinate import Coordinate
from textual.pilot import Pilot
from textual.widgets import Button, DataTable, Input, OptionList

from tests.provision.access_world import Server, spec_of, trust
from tests.provision.sshd import Sshd
from tests.tui.conftest import NARROW, WIDE, text_of, until, wizard_app
from tui.app import SlipwayApp
from tui.screens.access import AccessDone, AccessScreen
from tui.screens.dialogs import Choose
from tui.screens.host_keys import ChangedKeyScreen, HostKeysScreen
from tui.screens.key_install import InstallKeyScreen
from tui.screens.review import ReviewScreen
from tui.screens.wizard import WizardScreen
from tui.start import Mode, Start
from wizards.clusters import Cluster, Clusters
from wizards.files import private_folder
from wizards.provision.first_contact import unknown_hosts
from wizards.provision.launch import Secrets
from wizards.setup import drafts
from wizards.setup.questions import Answers
from wizards.setup.spec import AccessMethod

PASSWORD = "Once-and-never-again-8231"


@pytest.fixture
def cluster(home: Path) -> Cluster:
    return Cluster(private_folder(home / "clusters" / "lab"))


def bare_app(home: Path) -> SlipwayApp:
    """Return the application on its empty console, for one screen to be put onto it."""
    return SlipwayApp(Start(Mode.WIZARD, home))


async def opened(pilot: Pilot[int], app: SlipwayApp, screen: Any, given: list[Any]) -> None:
    await until(pilot, lambda: isinstance(app.screen, WizardScreen), "the application is up")
    app.push_screen(screen, given.append)
    await until(pilot, lambda: isinstance(app.screen, type(screen)), "the screen")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_all_host_keys_are_shown_with_their_fingerprints_and_asked_about_once(
    home: Path, cluster: Cluster, server: Server, key_file: Path, size: tuple[int, int]
) -> None:
    servers = [server() for _ in "123"]
    spec = spec_of(*(one.port for one in servers), access={"key_file": str(key_file)})
    app = bare_app(home)
    given: list[Any] = []
    async with app.run_test(size=size) as pilot:
        await opened(pilot, app, HostKeysScreen(spec, cluster), given)
        await until(pilot, lambda: app.screen.query_one("#keys", OptionList).option_count == 3, "the keys")
        await pilot.pause()
        shown = text_of(app)
        for one in servers:
            assert one.host_key.get_fingerprint() in shown
        assert unknown_hosts(cluster, spec), "nothing is kept before the user agrees"
        await pilot.press("enter")
        await until(pilot, lambda: given, "the answer")
        assert given == [True]
        assert unknown_hosts(cluster, spec) == ()
        # Once kept, the screen has nothing to ask.
        app.push_screen(HostKeysScreen(spec, cluster), given.append)
        await until(pilot, lambda: len(given) == 2, "it goes away by itself")
        assert given == [True, True]


async def test_servers_that_do_not_answer_are_shown_with_the_reason_and_the_others_can_be_kept(
    home: Path, cluster: Cluster, server: Server, key_file: Path
) -> None:
    gone = Sshd().start()
    gone.stop()
    good = server()
    spec = spec_of(good.port, gone.port, access={"key_file": str(key_file)})
    app = bare_app(home)
    given: list[Any] = []
    async with app.run_test(size=NARROW) as pilot:
        await opened(pilot, app, HostKeysScreen(spec, cluster), given)
        await until(pilot, lambda: app.screen.query_one("#keys", OptionList).option_count == 2, "both")
        await pilot.pause()
        shown = text_of(app)
        assert "nothing listens on port" in shown
        assert "1 did not answer" in shown
        assert "Keep the keys of those that answered" in shown
        back = server(port=gone.port)
        app.screen.query_one("#again", Button).press()
        await until(
            pilot, lambda: back.host_key.get_fingerprint() in text_of(app), "the second try shows its key"
        )
        await pilot.press("escape")
        await until(pilot, lambda: given, "back")
        assert given == [False]
        assert unknown_hosts(cluster, spec) == ("node-1", "node-2")


async def test_a_changed_key_stops_all_and_is_taken_only_when_the_name_is_typed(
    home: Path, cluster: Cluster, server: Server, key_file: Path
) -> None:
    before = server()
    spec = spec_of(before.port, access={"key_file": str(key_file)})
    trust(cluster, spec)
    before.stop()
    after = server(port=before.port)
    app = bare_app(home)
    given: list[Any] = []
    async with app.run_test(size=NARROW) as pilot:
        await opened(pilot, app, HostKeysScreen(spec, cluster), given)
        await until(pilot, lambda: isinstance(app.screen, ChangedKeyScreen), "the change")
        await pilot.pause()
        shown = text_of(app)
        assert before.host_key.get_fingerprint() in shown
        assert after.host_key.get_fingerprint() in shown
        assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in shown
        kept = cluster.known_hosts.read_text()
        await pilot.press("enter")
        await until(pilot, lambda: given, "Enter alone goes back")
        assert given == [False]
        assert cluster.known_hosts.read_text() == kept

        app.push_screen(HostKeysScreen(spec, cluster), given.append)
        await until(pilot, lambda: app.screen.query_one("#back", Button).has_focus, "the change again")
        app.screen.query_one("#typed-name", Input).focus()
        await pilot.press(*"node", "enter")
        await until(pilot, lambda: "That is not its name" in text_of(app), "a wrong name takes nothing")
        assert app.screen.query_one("#take", Button).disabled
        await pilot.press(*"-1", "enter")
        await until(pilot, lambda: len(given) == 2, "the new key is taken")
        assert given[1] is True
        assert cluster.known_hosts.read_text() != kept


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_logins_are_told_live_worst_first_and_enter_goes_on_only_when_all_is_well(
    home: Path, cluster: Cluster, server: Server, key_file: Path, size: tuple[int, int]
) -> None:
    good, bad, slow = server(), server(authorized=""), server(shell="sleep 600")
    spec = spec_of(good.port, bad.port, slow.port, access={"key_file": str(key_file)})
    trust(cluster, spec)
    app = bare_app(home)
    given: list[Any] = []
    async with app.run_test(size=size) as pilot:
        await opened(pilot, app, AccessScreen(spec, cluster, Secrets(), practice=False), given)
        await until(pilot, lambda: "waiting for 1 of 3: node-3" in text_of(app), "who is waited for")
        assert "can be used" in text_of(app)
        await pilot.press("enter")
        await pilot.pause()
        assert given == []
        slow._end(next(iter(slow._running)))
        await until(pilot, lambda: "2 of 3 servers cannot be used yet" in text_of(app), "the end")
        table = app.screen.query_one(DataTable)
        names = [str(table.get_cell_at(Coordinate(row, 0)))[2:] for row in range(3)]
        assert names == ["node-2", "node-3", "node-1"]
        assert "The server does not let root in" in text_of(app)

        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Choose), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AccessScreen), "its first answer is no")
        assert given == []

        slow.shell = ""
        bad.authorized_keys.parent.mkdir()
        bad.authorized_keys.write_text(key_file.with_name("id.pub").read_text())
        tried = len(good.commands)
        await pilot.press("r")
        await until(pilot, lambda: "All 3 servers can be used" in text_of(app), "the failed ones are well")
        assert len(good.commands) == tried, "only the failed ones were tried again"
        assert "Enter: start" in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: given, "it goes on")
        assert given == [AccessDone(spec, Secrets())]


async def test_a_key_is_installed_by_the_password_and_the_answers_and_secrets_change(
    home: Path, cluster: Cluster, server: Server
) -> None:
    nodes = [server(password=PASSWORD, authorized="") for _ in "12"]
    nodes[1].password = "another"
    spec = spec_of(*(one.port for one in nodes), access={"method": "password"})
    trust(cluster, spec)
    app = bare_app(home)
    given: list[Any] = []
    secrets = Secrets(ssh_password="wrong")
    async with app.run_test(size=NARROW) as pilot:
        await opened(pilot, app, AccessScreen(spec, cluster, secrets, practice=False), given)
        await until(pilot, lambda: "2 of 2 servers cannot be used yet" in text_of(app), "the wrong password")
        for works in (False, True):
            await pilot.press("i")
            await until(pilot, lambda: isinstance(app.screen, InstallKeyScreen), "the question")
            await pilot.press("enter", *PASSWORD, "enter")
            await pilot.pause()
            assert PASSWORD not in text_of(app)
            await pilot.press("enter")
            if not works:
                await until(pilot, lambda: "does not open 1 of them" in text_of(app), "told node by node")
                nodes[1].password = PASSWORD
        await until(pilot, lambda: "the password is forgotten" in text_of(app), "the key opens all")
        await pilot.press("enter")
        await until(pilot, lambda: given, "it goes on")
        (done,) = given
        assert done.spec.access.method is AccessMethod.KEY
        assert done.spec.access.key_file == str(cluster.root / "id_ed25519")
        assert done.secrets == Secrets()
        held = [getattr(app.screen, name, None) for name in ("_secrets",)]
        assert PASSWORD not in repr(held)


async def test_the_login_is_tried_from_the_wizard_and_what_it_learned_is_not_asked_again(
    home: Path, server: Server, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    node = server(password=PASSWORD)
    rows = [{"name": "node-1", "address": "127.0.0.1", "internal_address": "10.0.0.1", "port": node.port}]
    given = {"name": "lab", "nodes": rows, "access.key_file": str(key_file)}
    drafts.save_draft(home, Answers(given), "access")
    app = wizard_app(home)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Choose), "go on where you left")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, WizardScreen) and app.screen.focused, "the step")
        await until(pilot, lambda: "Try the login" in text_of(app), "the key is on the footer")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "SHA256:" in text_of(app), "first contact")
        await pilot.press("enter")
        await until(pilot, lambda: "The server can be used" in text_of(app), "the login")
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, InstallKeyScreen), "the question")
        await pilot.press("enter", *PASSWORD, "enter", "enter")
        await until(pilot, lambda: "The key opens all servers" in text_of(app), "the key is installed")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, WizardScreen), "back in the wizard")
        trial = home / "trials" / "lab"
        wizard = app.screen
        assert isinstance(wizard, WizardScreen)
        assert wizard.answers.given["access.key_file"] == str(trial / "id_ed25519")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "The server can be used" in text_of(app), "no host key is asked again")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, WizardScreen), "back in the wizard")
        assert trial.stat().st_mode & 0o777 == 0o700

        # Between the review's Start and the run: once more, with what the cluster took over from the trial.
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen), "the review")
        node.authorized_keys.write_text("")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "1 of 1 servers cannot be used yet" in text_of(app), "the login")
        cluster = Clusters(home).get("lab")
        assert cluster.known_hosts.read_text() == (trial / "known_hosts").read_text()
        assert (cluster.root / "id_ed25519").read_bytes() == (trial / "id_ed25519").read_bytes()
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, WizardScreen), "back, and nothing was started")
        assert cluster.runs() == ()
        assert node.logins == [PASSWORD]
