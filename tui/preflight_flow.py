"""The check of the nodes between the review and the run: what is opened, begun and kept."""

from __future__ import annotations

import asyncio
import getpass
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.look_follower import Source

if TYPE_CHECKING:
    from tui.app import SlipwayApp
    from tui.preflight_actions import PreflightActions
    from wizards.clusters import Cluster, RunRef
    from wizards.provision.events import Event
    from wizards.provision.launch import Secrets
    from wizards.provision.look import Looks
    from wizards.setup.finding import Finding
    from wizards.setup.spec import ClusterSpec


@dataclass(frozen=True, slots=True)
class Checked:
    """The user wants to go on. `run` is the look that may stand for the run's own, None where none may."""

    run: RunRef | None = None


def has_servers(spec: ClusterSpec) -> bool:
    """Tell whether there are nodes to look at."""
    from wizards.setup.spec import Target

    return spec.target is Target.BARE_METAL


def looks_for(home: Path, spec: ClusterSpec) -> Looks | None:
    """Return the looks at the nodes where they are fresh and were made for these very answers."""
    from wizards.clusters import Clusters, UnknownCluster
    from wizards.provision.look import read_looks
    from wizards.setup.document import InvalidDocument

    with suppress(UnknownCluster, InvalidDocument, OSError):
        cluster = Clusters(home).get(spec.name)
        if cluster.read_spec() == spec:
            looks = read_looks(cluster, spec)
            answered = cluster.spec_path.stat().st_mtime
            if looks.fresh(spec) and all(at >= answered for at in looks.at.values()):
                return looks
    return None


class NodeCheck:
    """One visit to the preflight screen."""

    def __init__(self, app: SlipwayApp, cluster: Cluster, spec: ClusterSpec, secrets: Secrets) -> None:
        self._app = app
        self._cluster = cluster
        self._spec = spec
        self._secrets = secrets
        self._run: RunRef | None = None

    async def visit(self, looks: Looks | None, *, starts: bool) -> Checked | None:
        """Open the screen on `looks`, or on a new look; None where the user went back.

        Raises:
            wizards.lock.ClusterBusy: Someone else holds the cluster.
            wizards.provision.launch.LaunchError: The look did not begin.
        """
        from tui.screens.preflight import PreflightAnswer, PreflightScreen
        from wizards.provision.acceptance import read_accepted
        from wizards.provision.looking import Looking

        practice = self._cluster.is_practice
        accepted = await asyncio.to_thread(read_accepted, self._cluster)
        reports = looks.reports if looks is not None else {}
        looking = Looking(self._spec, practice=practice, reports=reports, accepted=accepted)
        source = await asyncio.to_thread(self._look, ()) if looks is None else None
        screen = PreflightScreen(
            self._cluster.name,
            looking,
            self._actions(),
            source=source,
            practice=practice,
            starts=starts,
            note=_age(looks) if looks is not None else "",
        )
        if await self._app.push_screen_wait(screen) is not PreflightAnswer.START:
            await asyncio.to_thread(self._stop)
            return None
        return Checked(await asyncio.to_thread(self._standing))

    def _standing(self) -> RunRef | None:
        """Return the look that may stand for the run's own: it must still be fresh when the run begins."""
        from wizards.provision.look import read_looks

        if not read_looks(self._cluster, self._spec).fresh(self._spec):
            return None
        return self._run or next((one for one in self._cluster.runs() if one.only_looks), None)

    def _actions(self) -> PreflightActions:
        from tui.preflight_actions import PreflightActions
        from wizards.provision import acceptance

        return PreflightActions(
            look=self._look,
            accept=lambda findings: acceptance.accept(self._cluster, findings),
            withdraw=lambda keys: acceptance.withdraw(self._cluster, keys),
            mend=self._mend,
        )

    def _look(self, hosts: tuple[str, ...]) -> Source:
        from wizards.provision.begin import begin_preflight

        self._run = begin_preflight(self._cluster, secrets=self._secrets, hosts=hosts)
        return events_of(self._run)

    def _stop(self) -> None:
        """End a look that nobody waits for; what mends is left to end by itself."""
        from wizards.provision.launch import follow, request_cancel

        if self._run is not None and self._run.only_looks and self._run.is_alive():
            request_cancel(self._run, by=getpass.getuser(), now=True)
            for _ in follow(self._run):
                pass

    async def _mend(
        self, reports: Mapping[str, Mapping[str, Any]], findings: tuple[Finding, ...]
    ) -> Source | None:
        """Show every change before it is made, begin those that were chosen, and return that run's events."""
        from tui.preflight_actions import done
        from tui.screens.dialogs import Choose
        from tui.screens.mend import MendScreen
        from wizards.provision.begin import begin_mending
        from wizards.provision.mending import changes

        proposed = changes(reports, findings, self._spec)
        if not proposed:
            text = "Slipway can mend none of what was found: each finding says how to do it by hand."
            await self._app.push_screen_wait(Choose("Nothing to mend from here", text, [("ok", "OK")]))
            return None
        mended = {(one.host, one.check) for one in proposed}
        left = sum(1 for one in findings if (one.host, one.id) not in mended)
        practice = self._cluster.is_practice
        chosen = await self._app.push_screen_wait(MendScreen(proposed, practice=practice, left=left))
        if not chosen:
            return None
        run = await done(
            self._app,
            lambda: begin_mending(self._cluster, chosen, secrets=self._secrets),
            "Nothing was mended",
        )
        if run is None:
            return None
        self._run = run
        return events_of(run)


def events_of(run: RunRef) -> Source:
    """Return where the events of a run come from."""

    def events(stop: threading.Event) -> Iterator[list[Event]]:
        from wizards.provision.launch import follow

        return follow(run, stop=stop)

    return events


def _age(looks: Looks) -> str:
    minutes = round((time.time() - min(looks.at.values(), default=time.time())) / 60)
    ago = "just now" if minutes < 1 else f"{minutes} minute{'' if minutes == 1 else 's'} ago"
    return f"Looked at {ago}, for the same answers: no need to look again."
