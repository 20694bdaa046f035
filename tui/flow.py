"""What comes after what: console → wizard → review → run → health. Carries values between screens."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.access_flow import first_look, still_the_same, try_from_wizard, with_access
from tui.codes import DONE, OF_RUN
from tui.preflight_flow import events_of
from tui.screens.dialogs import AskSecrets, Choose
from tui.start import Mode, Start

if TYPE_CHECKING:
    from tui.app import SlipwayApp
    from tui.preflight_flow import Checked
    from wizards.clusters import Cluster, RunRef
    from wizards.provision.launch import Secrets
    from wizards.provision.look import Looks
    from wizards.setup.questions import Answers
    from wizards.setup.spec import ClusterSpec


class Flow:
    """Opens the screens in their order. Its methods run on the application's own thread."""

    def __init__(self, app: SlipwayApp, start: Start) -> None:
        self.app = app
        self.home = start.home
        self.begin_with = start
        self.code = DONE
        self._holds = ExitStack()

    @property
    def practice(self) -> bool:
        """Tell whether nothing here is real."""
        return self.begin_with.yard is not None

    async def run(self) -> int:
        """Open screens until the user leaves; return the exit code."""
        start = self.begin_with
        with self._holds:
            match start.mode:
                case Mode.WIZARD:
                    await self._wizard()
                case Mode.RUN | Mode.REPLAY:
                    await self._open_run(start)
                case Mode.HEALTH:
                    await self._open_health(start)
                case Mode.CONSOLE:
                    await self._console()
        return self.code

    # -- console --------------------------------------------------------------------------------------------

    async def _console(self) -> None:
        from tui.screens.console import ConsoleScreen
        from wizards.clusters import Clusters

        if not Clusters(self.home).all():
            await self._wizard()
            return
        while True:
            chosen = await self.app.push_screen_wait(ConsoleScreen(self.home))
            if chosen.action == "quit":
                return
            if chosen.action == "new":
                await self._wizard()
                continue
            cluster = Clusters(self.home).get(chosen.cluster)
            run = cluster.current_run()
            if chosen.action == "run" and run is not None:
                await self._watch(cluster, run)
            elif chosen.action == "check":
                await self._check(cluster)
            else:
                await self._health(cluster)

    # -- wizard ---------------------------------------------------------------------------------------------

    async def _wizard(self) -> None:
        from tui.screens.wizard import WizardScreen
        from wizards.provision import trial
        from wizards.setup import drafts

        answers, step_id = await self._first_answers()
        while True:
            wizard = WizardScreen(
                answers,
                home=self.draft_home,
                step_id=step_id,
                practice=self.practice,
                try_login=self._try_login,
            )
            given = await self.app.push_screen_wait(wizard)
            if given is None:
                return
            from tui.screens.review import ReviewScreen, review_data

            answers = given
            data = await asyncio.to_thread(review_data, answers, practice=self.practice)
            reviewed = await self.app.push_screen_wait(ReviewScreen(answers, data, practice=self.practice))
            if reviewed.spec is not None:
                run = await self._start(reviewed.spec)
                if run is not None:
                    drafts.discard_draft(self.draft_home)
                    trial.forget_trial(self.home, run[0].name)
                    await self._watch(*run)
                    return
            elif not reviewed.back_to:
                return
            step_id = reviewed.back_to or wizard.step_id

    @property
    def draft_home(self) -> Path:
        """Where the draft is kept: practice answers must not come up as a real cluster's."""
        return self.begin_with.yard or self.home

    async def _first_answers(self) -> tuple[Answers, str]:
        from wizards.setup import drafts, steps
        from wizards.setup.questions import Answers

        start = self.begin_with
        if start.from_file is not None:
            from wizards.setup.document import read_document

            return steps.from_spec(read_document(start.from_file).spec), ""
        fresh = Answers({"target": "local"} if start.local else {})
        if start.yard is not None:
            fresh = await self._practice_answers(start.yard)
        draft = drafts.load_draft(self.draft_home)
        if draft is not None:
            chosen = await self.app.push_screen_wait(
                Choose(
                    "Go on where you left?",
                    "There are answers from last time that were not started yet.",
                    [("resume", "Go on with them"), ("fresh", "Begin anew")],
                )
            )
            if chosen == "resume":
                # The yard's ports may have changed since: what it fills in is always of now.
                return Answers({**draft.answers.given, **fresh.given}), draft.step_id
        return fresh, ""

    async def _practice_answers(self, folder: Path) -> Answers:
        from wizards.practice.answers import practice_answers
        from wizards.practice.client import hold, read_yard

        self._holds.enter_context(hold(folder))
        yard = read_yard(folder)
        if yard is None:
            raise RuntimeError("the practice yard is not running")
        return practice_answers(yard)

    # -- starting -------------------------------------------------------------------------------------------

    async def _start(self, spec: ClusterSpec) -> tuple[Cluster, RunRef] | None:
        """Ask what must be asked, then start. None, with the reason shown, when it was not started."""
        from tui.preflight_flow import looks_for
        from wizards.clusters import ClusterExists
        from wizards.lock import ClusterBusy
        from wizards.provision import begin
        from wizards.provision.launch import LaunchError

        secrets = await self._secrets(spec)
        if secrets is None:
            return None
        try:
            looks = await asyncio.to_thread(looks_for, self.home, spec)
            cluster = await asyncio.to_thread(begin.save_cluster, self.home, spec, practice=self.practice)
            if cluster.is_practice:
                await self._wake_yard(cluster)
            reached = await first_look(self.app, self.home, cluster, spec, secrets)
            if reached is None:
                return None
            spec, secrets = reached.spec, reached.secrets
            checked = await self._preflight(cluster, spec, secrets, looks)
            if checked is None:
                return None
            fail = self.begin_with.fail or None
            looked = None if fail and fail.endswith(":preflight") else checked.run
            run = await asyncio.to_thread(begin.begin, cluster, secrets=secrets, fail=fail, looked=looked)
        except (ClusterBusy, ClusterExists, LaunchError, begin.Blocked, ValueError, OSError) as error:
            await self._say("It was not started", str(error))
            return None
        return cluster, run

    async def _preflight(
        self,
        cluster: Cluster,
        spec: ClusterSpec,
        secrets: Secrets,
        looks: Looks | None,
        *,
        starts: bool = True,
    ) -> Checked | None:
        """Show what a look at the nodes finds; None when the user does not go on from there."""
        from tui.preflight_flow import Checked, NodeCheck, has_servers

        if not has_servers(spec):
            return Checked()
        return await NodeCheck(self.app, cluster, spec, secrets).visit(looks, starts=starts)

    async def _check(self, cluster: Cluster) -> None:
        """Look at the nodes of a cluster, from the console."""
        from tui.preflight_flow import has_servers, looks_for
        from wizards.lock import ClusterBusy
        from wizards.provision.launch import LaunchError

        spec = cluster.read_spec()
        if not has_servers(spec):
            await self._say(
                "No servers here", f"{cluster.name} runs on this machine: there is none to look at."
            )
            return
        secrets = await self._secrets(spec)
        if secrets is None:
            return
        try:
            if cluster.is_practice:
                await self._wake_yard(cluster)
            reached = await first_look(self.app, self.home, cluster, spec, secrets)
            if reached is not None:
                looks = await asyncio.to_thread(looks_for, self.home, reached.spec)
                await self._preflight(cluster, reached.spec, reached.secrets, looks, starts=False)
        except (ClusterBusy, LaunchError, ValueError, OSError) as error:
            await self._say("The nodes were not looked at", str(error))

    async def _secrets(self, spec: ClusterSpec) -> Secrets | None:
        from wizards.provision.begin import needed_secrets
        from wizards.provision.launch import Secrets

        wanted = needed_secrets(spec)
        if not wanted:
            return Secrets()
        given = await self.app.push_screen_wait(AskSecrets([(one.name, one.title) for one in wanted]))
        return None if given is None else Secrets(**given)

    async def _try_login(self, answers: Answers) -> Answers | None:
        """Try the login of the wizard's answers; return them changed where a key was installed, else None."""
        from wizards.setup import steps
        from wizards.setup.document import InvalidSpec

        try:
            spec = await asyncio.to_thread(steps.build, answers)
            secrets = await self._secrets(spec)
            if secrets is None:
                return None
            done = await try_from_wizard(self.app, self.home, spec, secrets, self.begin_with.yard)
        except (InvalidSpec, OSError) as problem:
            await self._say("The login cannot be tried yet", str(problem))
            return None
        return with_access(answers, done.spec) if done is not None and done.spec != spec else None

    async def _say(self, title: str, text: str) -> None:
        await self.app.push_screen_wait(Choose(title, text, [("ok", "OK")]))

    # -- run ------------------------------------------------------------------------------------------------

    async def _open_run(self, start: Start) -> None:
        from wizards.clusters import Clusters

        cluster = Clusters(self.home).get(start.cluster)
        run = cluster.run(start.run) if start.run else cluster.current_run()
        if run is None:
            await self._say("Nothing to show", f"The cluster {cluster.name} has no run yet.")
            return
        await self._watch(cluster, run, replay=start.mode is Mode.REPLAY)

    async def _watch(self, cluster: Cluster, run: RunRef, *, replay: bool = False) -> None:
        from tui.screens.run import RunScreen
        from wizards.lock import ClusterBusy
        from wizards.provision.launch import LaunchError, start_retry

        while True:
            screen = RunScreen(
                f"{cluster.name}: {'a recorded run' if replay else 'setting it up'}",
                events_of(run),
                practice=cluster.is_practice,
                cancel=None if replay else _canceller(run),
                replay=replay,
            )
            answer = await self.app.push_screen_wait(screen)
            self.code = OF_RUN[run.status()]
            if answer == "retry":
                secrets = await self._secrets(cluster.read_spec())
                if secrets is None:
                    continue
                try:
                    await self._wake_yard(cluster)
                    if not await still_the_same(self.app, cluster):
                        continue
                    run = await asyncio.to_thread(start_retry, cluster, run, secrets=secrets)
                except (ClusterBusy, LaunchError, OSError) as error:
                    await self._say("It was not started", str(error))
            elif answer == "health":
                await self._health(cluster)
                if self.begin_with.mode is not Mode.RUN:
                    return
            else:
                return

    async def _wake_yard(self, cluster: Cluster) -> None:
        """Keep the yard of a practice cluster for as long as the screens are open: it stops when unneeded."""
        from wizards.provision.begin import awake

        await asyncio.to_thread(self._holds.enter_context, awake(cluster))

    # -- health ---------------------------------------------------------------------------------------------

    async def _open_health(self, start: Start) -> None:
        from wizards.clusters import Clusters

        if start.kubeconfig is not None:
            await self._show_health(start.kubeconfig.stem, start.kubeconfig, None, practice=False)
        else:
            await self._health(Clusters(self.home).get(start.cluster))

    async def _health(self, cluster: Cluster) -> None:
        await self._wake_yard(cluster)
        await self._show_health(
            cluster.name, cluster.kubeconfig, cluster.read_spec(), practice=cluster.is_practice
        )

    async def _show_health(
        self, title: str, kubeconfig: Path, spec: ClusterSpec | None, *, practice: bool
    ) -> None:
        from tui.screens.health import HealthScreen

        await self.app.push_screen_wait(HealthScreen(title, kubeconfig, spec, practice=practice))


def _canceller(run: RunRef) -> Any:
    def cancel(now: bool) -> None:
        import getpass

        from wizards.provision.launch import request_cancel

        request_cancel(run, by=getpass.getuser(), now=now)

    return cancel
