"""What the preflight screen draws, as values: rows by node and by check, findings, what may start."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from textual.content import Content

from wizards.provision.checks import CHECKS, Group
from wizards.provision.looking import LookView
from wizards.provision.verdict import (
    Cell,
    CellState,
    NodeVerdict,
    cell_of,
    group_of,
    standing,
    title_of,
    why_of,
    worst_of,
)
from wizards.provision.verdict_text import (
    MARKS,
    CheckVerdict,
    accepted_words,
    by_check,
    cell_text,
    measured_words,
    names_in_words,
    own_words,
    worst_first,
)
from wizards.sanitize import one_line
from wizards.setup.finding import Finding

STYLES: Final = {
    CellState.OK: "$text-success",
    CellState.WARN: "$text-warning",
    CellState.ACCEPTED: "$text-accent",
    CellState.BLOCK: "bold $text-error",
    CellState.UNKNOWN: "dim",
    CellState.WAITING: "dim $text-accent",
}
CLUSTER: Final = "(cluster)"
"""The row of findings that concern no single node; no node can be called so."""
GROUPS: Final = tuple(Group)
SHORT_LEGEND: Final = "✓ fine ! warn a accepted ✗ mend ? unknown"
_WAITING_NAMES: Final = 3
_TROUBLE: Final = frozenset({CellState.BLOCK, CellState.WARN, CellState.ACCEPTED, CellState.UNKNOWN})


class Show(StrEnum):
    """Which rows are shown; the key `f` goes from one to the next."""

    ALL = "all"
    FOUND = "with findings"
    BLOCKING = "to mend first"

    @property
    def next(self) -> Show:
        """The one after this."""
        every = list(Show)
        return every[(every.index(self) + 1) % len(every)]


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of either table: what it is of, and its cells."""

    key: str
    cells: tuple[Content, ...]


def accepted_keys(view: LookView) -> frozenset[tuple[str, str]]:
    """Return check and node of everything that is accepted."""
    return frozenset(one.key for one in view.accepted)


# -- by node ------------------------------------------------------------------------------------------------


def nodes_of(view: LookView) -> tuple[NodeVerdict, ...]:
    """Return the nodes, the worst first; before them the cluster as a whole, where something was found."""
    if not view.verdict.cluster:
        return view.verdict.nodes
    keys = accepted_keys(view)
    cells = {group: cell_of(view.verdict.cluster, group, keys) for group in Group}
    worst = worst_of(cell.state for cell in cells.values())
    whole = NodeVerdict(CLUSTER, worst, cells, view.verdict.cluster, "all nodes together")
    return (whole, *view.verdict.nodes)


def node_rows(view: LookView, show: Show, text: str, *, notes: bool = False) -> tuple[TableRow, ...]:
    """Return the nodes × groups as rows; with `notes`, a last column that says how the look at it went."""
    return tuple(_node_row(node, notes=notes) for node in nodes_of(view) if _node_shown(node, show, text))


def _node_shown(node: NodeVerdict, show: Show, text: str) -> bool:
    if show is Show.BLOCKING and node.state is not CellState.BLOCK:
        return False
    if show is Show.FOUND and node.state not in _TROUBLE:
        return False
    return _holds(text, node.name, *(f"{one.message} {title_of(one.id)}" for one in node.findings))


def _holds(text: str, *places: str) -> bool:
    wanted = text.casefold().strip()
    return not wanted or any(wanted in place.casefold() for place in places)


def _node_row(node: NodeVerdict, *, notes: bool) -> TableRow:
    name = Content.styled(f" {MARKS[node.state]} {node.name}", STYLES[node.state])
    cells = [cell_content(node.cells.get(group)) for group in GROUPS]
    note = [Content.styled(one_line(node.note, 40), "dim")] if notes else []
    return TableRow(node.name, (name, *cells, *note))


@lru_cache(maxsize=512)
def cell_content(cell: Cell | None) -> Content:
    """Return one cell: a sign and a count, in the colour that goes with it."""
    cell = cell or Cell(CellState.UNKNOWN)
    return Content.styled(cell_text(cell), STYLES[cell.state])


# -- by check -----------------------------------------------------------------------------------------------


def checks_of(view: LookView) -> tuple[CheckVerdict, ...]:
    """Return the checks that found something, the worst first."""
    return by_check(view.verdict, view.accepted)


def check_rows(view: LookView, show: Show, text: str) -> tuple[TableRow, ...]:
    """Return the checks that found something as rows: title, group, the nodes they name."""
    return tuple(_check_row(one) for one in checks_of(view) if _check_shown(one, show, text))


def _check_shown(check: CheckVerdict, show: Show, text: str) -> bool:
    if show is Show.BLOCKING and check.state is not CellState.BLOCK:
        return False
    if show is Show.FOUND and check.state is CellState.OK:
        return False
    return _holds(text, check.title, check.id, *(f"{one.host} {one.message}" for one in check.findings))


def _check_row(check: CheckVerdict) -> TableRow:
    hosts = names_in_words((one.host or "cluster" for one in check.findings), 8)
    return TableRow(
        check.id,
        (
            Content.styled(f" {MARKS[check.state]} {check.title}", STYLES[check.state]),
            Content(check.group.value if check.group is not None else ""),
            Content(f"{len(check.findings)}"),
            Content(hosts),
        ),
    )


# -- what was found -----------------------------------------------------------------------------------------


def found_on(view: LookView, name: str, group: Group | None) -> tuple[Finding, ...]:
    """Return what was found on a node, in one group or in all, the worst first."""
    node = next((one for one in nodes_of(view) if one.name == name), None)
    there = () if node is None else node.findings
    return worst_first(
        (one for one in there if group is None or group_of(one.id) is group), accepted_keys(view)
    )


def found_by(view: LookView, check_id: str) -> tuple[Finding, ...]:
    """Return what a check found, the worst first."""
    return next((one.findings for one in checks_of(view) if one.id == check_id), ())


def finding_line(finding: Finding, view: LookView, *, by_check: bool) -> Content:
    """Return a finding on one line: its sign, then the check, or in the view by check the node."""
    state = standing(finding, accepted_keys(view))
    what = (finding.host or "cluster") if by_check else title_of(finding.id)
    return Content.assemble(
        (f"{MARKS[state]} {what}", STYLES[state]), (f"  {one_line(own_words(finding))}", "dim")
    )


def finding_text(finding: Finding, view: LookView, *, named: bool = False) -> Content:
    """Return all there is to know of a finding: what, measured and required, how to mend it, and why.

    `named` puts the check's title before it, where no list above says it.
    """
    acceptance = next((one for one in view.accepted if one.key == (finding.id, finding.host)), None)
    parts: list[tuple[str, str] | str] = [(f"{title_of(finding.id)}: ", "bold")] if named else []
    parts.append(f"{own_words(finding)}\n")
    if words := measured_words(finding):
        parts.append((f"{words}\n", "bold"))
    if finding.remedy:
        parts += [("Mend: ", "bold $text-accent"), f"{finding.remedy}\n"]
    if why := why_of(finding.id):
        parts += [("Why:  ", "bold $text-accent"), f"{why}\n"]
    if acceptance is not None and standing(finding, accepted_keys(view)) is CellState.ACCEPTED:
        parts.append((f"{accepted_words(acceptance)} (a: take that back)", "dim"))
    return Content.assemble(*parts)


def nothing_found(view: LookView, name: str, group: Group | None) -> str:
    """Return what to say of a node, or of one of its groups, where nothing was found."""
    node = next((one for one in nodes_of(view) if one.name == name), None)
    if node is None:
        return ""
    state = node.state if group is None else node.cells.get(group, Cell(CellState.UNKNOWN)).state
    if state is CellState.WAITING:
        return "Its answer is still to come. It holds nobody up: the others are shown as they answer."
    if state is CellState.UNKNOWN:
        return f"Not known: {node.note or 'it could not be looked at'}. r: look at it again"
    if group is None:
        return "Nothing to mend." + (f" Looked at in {node.seconds:.1f} s." if node.seconds else "")
    titles = "; ".join(check.title for check in CHECKS if check.group is group)
    return f"Nothing to mend. What is looked at here: {titles}."


# -- sentences ----------------------------------------------------------------------------------------------


def status_words(view: LookView, seconds: float) -> str:
    """Return how far the look is, and who is still being waited for; `seconds` since it began."""
    every = len(view.verdict.nodes)
    waiting = view.verdict.waiting
    if view.failed:
        return one_line(view.failed, 200)
    if view.running and view.doing:
        return f"{one_line(view.doing, 90)} ... ({seconds:.0f} s)"
    if view.running:
        who = names_in_words(waiting, _WAITING_NAMES)
        return f"{every - len(waiting)} of {every} looked at; waiting for {who} ({seconds:.0f} s)"
    if view.never:
        return f"Not looked at yet: {names_in_words(view.never, _WAITING_NAMES)}. R: look at all"
    return f"{'The node was' if every == 1 else f'All {every} nodes were'} looked at."


def start_words(view: LookView) -> tuple[str, str]:
    """Return what the button says, and why Enter on it does not start; empty where it does."""
    found = view.verdict
    if view.failed:
        return "Look again first", f"{one_line(view.failed, 200)} R: look again"
    if view.running:
        who = f"Still waiting for {names_in_words(found.waiting, _WAITING_NAMES)}" if found.waiting else ""
        return "Looking ...", f"{who or 'The look is nearly done'}. It can start when all was looked at."
    if found.blocks:
        number = f"{found.blocks} must be mended first"
        return number, f"{number}. v: by check · m or by hand, then r: look again"
    if found.warnings:
        number = f"{found.warnings} warning{'' if found.warnings == 1 else 's'} to accept"
        return number, f"{number}, or to mend. a: accept the marked one · A: all of them"
    if view.never:
        return "Not all looked at", "Some nodes were never looked at. R: look at all"
    return "Start", ""


def verdict_style(view: LookView) -> str:
    """Return the colour of the verdict; its words say the same."""
    if view.failed or view.verdict.blocks:
        return "bold $text-error"
    if view.verdict.warnings or view.never:
        return "bold $text-warning"
    return "bold $text-accent" if view.running else "bold $text-success"
