"""A look at the nodes while it goes on: events in, at any moment all that is known, judged.

Nodes that were looked at before keep what was seen until a new look asks them again. A run that mends first
and looks afterwards is followed just so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wizards.provision.acceptance import Acceptance
from wizards.provision.events import Event, RunStatus, StageStatus
from wizards.provision.look import added
from wizards.provision.preflight import judge
from wizards.provision.progress import Progress, ProgressFold
from wizards.provision.verdict import Verdict, verdict
from wizards.setup.finding import Finding
from wizards.setup.spec import ClusterSpec

STAGE: Final = "preflight"
_LOOKED: Final = frozenset({RunStatus.SUCCEEDED, RunStatus.BLOCKED})


@dataclass(frozen=True, slots=True)
class LookView:
    """What is known at one moment.

    Attributes:
        verdict: The judgement.
        findings: What was found.
        reports: Node → what was seen there, as far as it counts now.
        accepted: The warnings that somebody accepted.
        running: Whether a run is going on.
        doing: What that run does besides asking nodes, in words; empty while it asks them.
        failed: What came to nothing and why, in a sentence: the look itself, or mending before it.
        never: Nodes that nobody has looked at and that this look does not ask.
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    accepted: tuple[Acceptance, ...] = ()
    running: bool = False
    doing: str = ""
    failed: str = ""
    never: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """What is only to be known, as of practice: which checks were left out."""
        weighed = {id(one) for one in self.verdict.cluster}
        weighed |= {id(one) for node in self.verdict.nodes for one in node.findings}
        return tuple(one.message for one in self.findings if id(one) not in weighed)

    @property
    def ready(self) -> bool:
        """Tell whether the set-up may start: all was looked at, nothing blocks, every warning is accepted."""
        return self.verdict.ready and not (self.running or self.failed or self.never)


class Looking:
    """Folds the events of one look after another. May be fed from one thread and viewed from others."""

    def __init__(
        self,
        spec: ClusterSpec,
        *,
        practice: bool = False,
        reports: Mapping[str, Mapping[str, Any]] | None = None,
        accepted: Iterable[Acceptance] = (),
    ) -> None:
        self._spec = spec
        self._practice = practice
        self._names = tuple(node.name for node in spec.nodes)
        self._before: dict[str, Mapping[str, Any]] = dict(reports or {})
        self._accepted = tuple(accepted)
        self._asked: frozenset[str] = frozenset()
        self._fold: ProgressFold | None = None
        self._failed = ""
        self._guard = threading.Lock()

    def begin(self, hosts: Iterable[str] = ()) -> None:
        """Begin another look, at `hosts` or at all nodes."""
        with self._guard:
            self._before = self._counting()
            self._asked = frozenset(hosts) or frozenset(self._names)
            self._fold = ProgressFold()
            self._failed = ""

    def feed(self, events: Iterable[Event]) -> None:
        """Take the next events of the look."""
        with self._guard:
            if self._fold is not None:
                self._fold.feed(events)

    def fail(self, why: str) -> None:
        """The look could not begin, or cannot be followed."""
        with self._guard:
            self._before = self._counting()
            self._fold = None
            self._failed = f"The look itself failed: {why}"

    def accept(self, accepted: Iterable[Acceptance]) -> None:
        """Take what is accepted now."""
        with self._guard:
            self._accepted = tuple(accepted)

    def view(self) -> LookView:
        """Return all that is known, judged. Hundreds of nodes take a moment: not for a UI thread."""
        with self._guard:
            progress = self._progress()
            reports = self._counting()
            waiting = self._waiting()
            accepted, failed = self._accepted, self._failed
            asked = self._asked if self._fold is not None else frozenset()
        running = progress is not None and progress.status is RunStatus.RUNNING
        never = tuple(name for name in self._names if name not in reports and name not in asked)
        not_missed = frozenset((*waiting, *never))
        findings = judge(reports, self._spec, practice=self._practice, waiting=not_missed)
        return LookView(
            verdict=verdict(
                reports,
                findings,
                self._spec,
                waiting=waiting,
                accepted=accepted,
                practice=self._practice,
            ),
            findings=findings,
            reports=reports,
            accepted=accepted,
            running=running,
            doing=_doing(progress, bool(waiting)) if running and progress is not None else "",
            failed=failed or _failure(progress),
            never=never,
        )

    # -- under the guard ------------------------------------------------------------------------------------

    def _progress(self) -> Progress | None:
        return self._fold.view() if self._fold is not None else None

    def _asks(self, progress: Progress) -> frozenset[str]:
        """Return the nodes that the run asks: by its plan where that is known."""
        stage = progress.stage(STAGE)
        return frozenset(stage.hosts) if stage is not None and stage.hosts else self._asked

    def _waiting(self) -> tuple[str, ...]:
        progress = self._progress()
        if progress is None or progress.status is not RunStatus.RUNNING or _mends(progress):
            return ()
        asked = self._asks(progress)
        return tuple(name for name in self._names if name in asked and name not in progress.reports)

    def _counting(self) -> dict[str, Mapping[str, Any]]:
        """Return the reports that count: new ones, and old ones of nodes that are not asked again."""
        progress = self._progress()
        if progress is None or _mends(progress) or _never_looked(progress):
            return dict(self._before)
        asked = self._asks(progress)
        kept = {name: report for name, report in self._before.items() if name not in asked}
        for name, report in progress.reports.items():
            kept[name] = added(self._before.get(name, {}), report)
        return kept


def _mends(progress: Progress) -> bool:
    """Tell whether the run is at a stage before the look."""
    look = progress.stage(STAGE)
    return look is not None and look.status is StageStatus.WAITING and bool(progress.current_stage)


def _never_looked(progress: Progress) -> bool:
    return progress.status not in {RunStatus.RUNNING, *_LOOKED} and not progress.reports


def _doing(progress: Progress, waits: bool) -> str:
    if _mends(progress):
        stage = progress.stage(progress.current_stage)
        title = stage.title if stage is not None else progress.current_stage
        return f"{title}: {progress.current_task}" if progress.current_task else title
    return "" if waits else progress.current_task or "Nearly done"


def _failure(progress: Progress | None) -> str:
    if progress is None or progress.status in {RunStatus.RUNNING, *_LOOKED}:
        return ""
    what = "Mending" if _mends(progress) else "The look itself"
    why = progress.message or f"its run ended: {progress.status}."
    return f"{what} failed: {why}"
