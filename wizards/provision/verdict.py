"""`Verdict`: what a look at the nodes comes to, ready to be shown: nodes × groups of checks, worst first.

A pure function of reports, findings and acceptances, so that the screen, the lines and the JSON say the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from wizards.provision.acceptance import Acceptance
from wizards.provision.checks import CHECKS, Group, NodeReport
from wizards.setup.finding import Finding, Severity
from wizards.setup.spec import ClusterSpec


class CellState(StrEnum):
    """How a node stands in a group of checks; the worst first."""

    BLOCK = "block"
    WARN = "warn"
    UNKNOWN = "unknown"  # it could not be looked at
    WAITING = "waiting"
    ACCEPTED = "accepted"
    OK = "ok"


_RANK: Final = {state: rank for rank, state in enumerate(CellState)}
_GROUP_OF: Final = {check.id: check.group for check in CHECKS}
_TITLES: Final = {check.id: check.title for check in CHECKS}
_WHYS: Final = {check.id: check.why for check in CHECKS}


@dataclass(frozen=True, slots=True)
class Cell:
    """A node in a group: the worst that was found there, and how many findings."""

    state: CellState
    count: int = 0


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """A node: its state over all groups, a cell for each, its findings, and a note on the look itself."""

    name: str
    state: CellState
    cells: Mapping[Group, Cell]
    findings: tuple[Finding, ...]
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole.

    Attributes:
        nodes: The worst first, then in the order of the answers.
        cluster: Findings that concern no single node.
        waiting: Nodes that have not answered yet.
        blocks: How many findings must be mended first.
        warnings: How many warnings nobody accepted.
        accepted: How many warnings somebody accepted.
        sentence: All of it in a sentence.
    """

    nodes: tuple[NodeVerdict, ...]
    cluster: tuple[Finding, ...]
    waiting: tuple[str, ...]
    blocks: int
    warnings: int
    accepted: int
    sentence: str

    @property
    def ready(self) -> bool:
        """Tell whether nothing stands in the way of the set-up and no warning waits for a person."""
        return not (self.blocks or self.warnings or self.waiting)


def title_of(check_id: str) -> str:
    """Return what a check is called; its id where it is none of ours."""
    return _TITLES.get(check_id, check_id)


def why_of(check_id: str) -> str:
    """Return why a check matters; empty where it is none of ours."""
    return _WHYS.get(check_id, "")


def group_of(check_id: str) -> Group | None:
    """Return the group of a check, None where it has none."""
    return _GROUP_OF.get(check_id)


def verdict(
    reports: Mapping[str, Mapping[str, Any]],
    findings: Iterable[Finding],
    spec: ClusterSpec,
    *,
    waiting: Collection[str] = (),
    accepted: Iterable[Acceptance] = (),
    practice: bool = False,
) -> Verdict:
    """Return what `findings` come to. Pure.

    Args:
        reports: Node → its report, for the notes and for what could not be looked at.
        findings: As `preflight.judge` gives them.
        spec: The answers: which nodes there are.
        waiting: Nodes that have not answered yet.
        accepted: What somebody accepted.
        practice: The one finding that says which checks practice leaves out is then only told, not a warning.
    """
    keys = {one.key for one in accepted}
    everything = tuple(one for one in findings if not (practice and one.id == "practice-machine"))
    by_host: dict[str, list[Finding]] = {}
    for one in everything:
        by_host.setdefault(one.host, []).append(one)
    nodes = [
        _node(
            node.name,
            NodeReport.read(node, reports[node.name]) if node.name in reports else None,
            tuple(by_host.get(node.name, ())),
            keys,
            is_waiting=node.name in waiting,
        )
        for node in spec.nodes
    ]
    still = tuple(node.name for node in spec.nodes if node.name in waiting)
    states = [standing(one, keys) for one in everything]
    blocks, warns = states.count(CellState.BLOCK), states.count(CellState.WARN)
    return Verdict(
        nodes=tuple(sorted(nodes, key=lambda one: _RANK[one.state])),
        cluster=tuple(by_host.get("", ())),
        waiting=still,
        blocks=blocks,
        warnings=warns,
        accepted=states.count(CellState.ACCEPTED),
        sentence=_sentence(len(nodes), len(still), blocks, warns),
    )


def standing(finding: Finding, accepted: Collection[tuple[str, str]]) -> CellState:
    """Return how a finding stands: it blocks, it warns, it was accepted, or Slipway sees to it (OK)."""
    match finding.severity:
        case Severity.BLOCK:
            return CellState.BLOCK
        case Severity.WARN:
            return CellState.ACCEPTED if (finding.id, finding.host) in accepted else CellState.WARN
        case _:
            return CellState.OK


def cell_of(
    findings: Iterable[Finding],
    group: Group,
    accepted: Collection[tuple[str, str]],
    empty: CellState = CellState.OK,
) -> Cell:
    """Return what `findings` come to in one group; `empty` where nothing in it weighs."""
    states = [standing(one, accepted) for one in findings if group_of(one.id) is group]
    told = [state for state in states if state is not CellState.OK]
    return Cell(worst_of(told), len(told)) if told else Cell(empty)


def worst_of(states: Iterable[CellState]) -> CellState:
    """Return the worst of `states`; raises ValueError where there is none."""
    return min(states, key=_RANK.__getitem__)


def _node(
    name: str,
    report: NodeReport | None,
    findings: tuple[Finding, ...],
    accepted: Collection[tuple[str, str]],
    *,
    is_waiting: bool,
) -> NodeVerdict:
    blank = CellState.WAITING if is_waiting else CellState.OK if _was_seen(report) else CellState.UNKNOWN
    cells: dict[Group, Cell] = {}
    for group in Group:
        # Access is known of every node that answered, whatever else could not be looked at.
        empty = CellState.OK if group is Group.ACCESS and report is not None and not is_waiting else blank
        cells[group] = cell_of(findings, group, accepted, empty)
    worst = worst_of(cell.state for cell in cells.values())
    seconds = report.seconds if report is not None else 0.0
    return NodeVerdict(name, worst, cells, findings, _note(report, seconds, is_waiting=is_waiting), seconds)


def _was_seen(report: NodeReport | None) -> bool:
    return report is not None and report.looked


def _note(report: NodeReport | None, seconds: float, *, is_waiting: bool) -> str:
    if is_waiting:
        return "waiting for its answer"
    if report is None:
        return "not looked at"
    if report.late:
        return f"did not answer in {seconds:.0f} s" if seconds else "did not answer in time"
    return f"{seconds:.1f} s" if seconds else ""


def _sentence(nodes: int, waiting: int, blocks: int, warnings: int) -> str:
    seen = f"{nodes - waiting} of {nodes} nodes looked at" if waiting else _count(nodes, "node")
    parts = []
    if blocks:
        parts.append(f"{_count(blocks, 'finding')} must be mended first")
    if warnings:
        parts.append(f"{_count(warnings, 'warning')} to accept or mend")
    if waiting:
        return f"{seen}; so far {', '.join(parts) if parts else 'nothing stands in the way'}."
    return f"{seen}: {', '.join(parts) if parts else 'nothing stands in the way'}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
