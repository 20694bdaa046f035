"""A verdict as text and as JSON: for a pipe, a file, a ticket. Pure; the screen shows the same."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from wizards.provision.acceptance import Acceptance
from wizards.provision.checks import CHECKS, Check, Group, describe
from wizards.provision.verdict import Cell, CellState, Verdict, group_of, standing, title_of, why_of
from wizards.setup.finding import Finding

MARKS: Final = {
    CellState.OK: "✓",
    CellState.WARN: "!",
    CellState.ACCEPTED: "a",
    CellState.BLOCK: "✗",
    CellState.UNKNOWN: "?",
    CellState.WAITING: "…",
}
"""A sign for each state: never colour alone."""
LEGEND: Final = "✓ fine  ! warning  a accepted  ✗ mend first  ? not known  … waiting"
WIDTH: Final = 80
_NAME: Final = 22
_MOST_NAMES: Final = 12
_ORDER: Final = (CellState.BLOCK, CellState.WARN, CellState.ACCEPTED, CellState.OK)
_HEADINGS: Final = {
    CellState.BLOCK: "To mend first",
    CellState.WARN: "Warnings to accept or mend",
    CellState.ACCEPTED: "Accepted warnings",
    CellState.OK: "Seen to by Slipway",
}


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """A check that found something: how grave that is, and each of its findings, the worst first."""

    id: str
    title: str
    group: Group | None
    state: CellState
    findings: tuple[Finding, ...]


def all_findings(verdict: Verdict) -> tuple[Finding, ...]:
    """Return every finding of a verdict: of the cluster, then of the nodes."""
    return (*verdict.cluster, *(one for node in verdict.nodes for one in node.findings))


def worst_first(findings: Iterable[Finding], accepted: Collection[tuple[str, str]]) -> tuple[Finding, ...]:
    """Return findings by how they stand, the worst first."""
    return tuple(sorted(findings, key=lambda one: _ORDER.index(standing(one, accepted))))


def by_check(verdict: Verdict, accepted: Iterable[Acceptance] = ()) -> tuple[CheckVerdict, ...]:
    """Return the checks that found something, the worst first, and of those the ones that name most nodes."""
    keys = {one.key for one in accepted}
    found: dict[str, list[Finding]] = {}
    for one in all_findings(verdict):
        found.setdefault(one.id, []).append(one)
    checks = []
    for check_id, findings in found.items():
        ordered = worst_first(findings, keys)
        state = standing(ordered[0], keys)
        checks.append(CheckVerdict(check_id, title_of(check_id), group_of(check_id), state, ordered))
    return tuple(sorted(checks, key=lambda one: (_ORDER.index(one.state), -len(one.findings), one.title)))


def own_words(finding: Finding) -> str:
    """Return what a finding says, without the node's name before it where that stands beside it anyway."""
    words = finding.message.removeprefix(f"{finding.host}: ") if finding.host else finding.message
    first = words.partition(" ")[0]
    # A name such as eth0 or /tmp stays as it is written.
    return f"{words[:1].upper()}{words[1:]}" if first.isalpha() else words


def measured_words(finding: Finding) -> str:
    """Return what was measured and what is required, in words; empty where nothing was measured."""
    parts = (("measured", finding.measured), ("required", finding.required))
    return ", ".join(f"{name}: {value}" for name, value in parts if value)


def accepted_words(acceptance: Acceptance) -> str:
    """Return who accepted a warning, and when (local time)."""
    return f"accepted by {acceptance.by}, {datetime.fromtimestamp(acceptance.at):%Y-%m-%d %H:%M}"


def cell_text(cell: Cell) -> str:
    """Return a cell in a few characters: its sign, and how many findings."""
    return f"{MARKS[cell.state]} {cell.count}" if cell.count else MARKS[cell.state]


# -- text ---------------------------------------------------------------------------------------------------


def preflight_text(
    verdict: Verdict, *, cluster: str = "", accepted: Iterable[Acceptance] = (), at: float = 0.0
) -> str:
    """Return the whole report as plain text of 80 columns, as it is saved to a file.

    Args:
        verdict: What is told.
        cluster: The cluster's name, for the heading.
        accepted: What somebody accepted, to tell who and when.
        at: When it was looked at, in seconds since the epoch; 0 where that is not to be told.
    """
    when = f", {datetime.fromtimestamp(at):%Y-%m-%d %H:%M}" if at else ""
    head = [f"# {cluster or 'Cluster'}: check of the nodes{when}", ""]
    return "\n".join([*head, *preflight_lines(verdict, accepted=accepted)]) + "\n"


def preflight_lines(verdict: Verdict, *, accepted: Iterable[Acceptance] = ()) -> tuple[str, ...]:
    """Return a verdict as lines of at most 80 columns: the sentence, the matrix, the findings worst first."""
    return tuple(_lines(verdict, tuple(accepted)))


def _lines(verdict: Verdict, accepted: tuple[Acceptance, ...]) -> Iterator[str]:
    yield from textwrap.wrap(verdict.sentence, WIDTH)
    yield ""
    yield from matrix_lines(verdict)
    keys = {one.key for one in accepted}
    whose = {one.key: one for one in accepted}
    checks = by_check(verdict, accepted)
    for state in _ORDER:
        entries = [
            (check, found)
            for check in checks
            if (found := tuple(one for one in check.findings if standing(one, keys) is state))
        ]
        if entries:
            yield ""
            yield f"## {_HEADINGS[state]} ({sum(len(found) for _, found in entries)})"
        for check, found in entries:
            yield from _check_lines(check, state, found, whose)


def matrix_lines(verdict: Verdict) -> Iterator[str]:
    """Yield nodes × groups as a table of at most 80 columns, and what the signs mean."""
    yield f"{'node':<{_NAME}}" + " ".join(group.value for group in Group)
    for node in verdict.nodes:
        cells = (
            f"{cell_text(node.cells.get(group, Cell(CellState.UNKNOWN))):<{len(group.value)}}"
            for group in Group
        )
        yield f"{_short(node.name, _NAME - 1):<{_NAME}}{' '.join(cells)}".rstrip()
    yield LEGEND


def _check_lines(
    check: CheckVerdict,
    state: CellState,
    found: tuple[Finding, ...],
    whose: dict[tuple[str, str], Acceptance],
) -> Iterator[str]:
    yield ""
    yield from _wrapped(f"{MARKS[state]} ", f"{check.title} [{check.id}]", "  ")
    for one in found:
        words = [own_words(one), measured_words(one)]
        if state is CellState.ACCEPTED:
            words.append(accepted_words(whose[one.id, one.host]))
        text = " · ".join(part.rstrip(".") for part in words if part)
        yield from _wrapped("  ", f"{one.host or 'cluster'}: {text}", "    ")
    if why := why_of(check.id):
        yield from _wrapped("  why:  ", why, "        ")
    for remedy in dict.fromkeys(one.remedy for one in found if one.remedy):
        yield from _wrapped("  mend: ", remedy, "        ")


def _wrapped(first: str, text: str, after: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=after, break_on_hyphens=False
    ) or [first.rstrip()]


def names_in_words(names: Iterable[str], most: int = _MOST_NAMES) -> str:
    """Return names with commas, and only how many more there are beyond `most`."""
    every = tuple(names)
    shown = ", ".join(every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


# -- JSON ---------------------------------------------------------------------------------------------------


def preflight_json(
    verdict: Verdict, *, cluster: str, accepted: Iterable[Acceptance] = (), failed: str = ""
) -> dict[str, Any]:
    """Return the report as one JSON document.

    `verdict` is ``ok``, ``warnings``, ``blocked`` or, where the look itself came to nothing, ``failed``.
    """
    given = tuple(accepted)
    keys = {one.key for one in given}
    word = "blocked" if verdict.blocks else "warnings" if verdict.warnings else "ok"
    return {
        "cluster": cluster,
        "verdict": "failed" if failed else word,
        "sentence": failed or verdict.sentence,
        "blocks": verdict.blocks,
        "warnings": verdict.warnings,
        "nodes": [
            {
                "name": node.name,
                "state": node.state.value,
                "groups": {
                    group.value: {"state": cell.state.value, "count": cell.count}
                    for group, cell in node.cells.items()
                },
                "seconds": round(node.seconds, 3),
                "note": node.note,
            }
            for node in verdict.nodes
        ],
        "findings": [
            one.to_json()
            | {"title": title_of(one.id), "why": why_of(one.id), "accepted": _is_accepted(one, keys)}
            for one in worst_first(all_findings(verdict), keys)
        ],
        "accepted": [asdict(one) for one in given],
        "waiting": list(verdict.waiting),
    }


def _is_accepted(finding: Finding, keys: Collection[tuple[str, str]]) -> bool:
    return standing(finding, keys) is CellState.ACCEPTED


# -- the list of checks -------------------------------------------------------------------------------------


def check_lines(checks: Iterable[Check] = CHECKS) -> Iterator[str]:
    """Yield every check in lines of at most 80 columns, by group: id, weight, title, what it wants, why."""
    every = tuple(checks)
    for group in Group:
        there = [one for one in every if one.group is group]
        if not there:
            continue
        yield f"## {group.value} ({len(there)})"
        for one in there:
            yield ""
            yield from _wrapped("", f"{one.id} [{one.severity.value}] {one.title}", "    ")
            yield from _wrapped("    wants: ", one.wants, "           ")
            yield from _wrapped("    why:   ", one.why, "           ")
        yield ""
    yield f"{len(every)} checks."
    yield "block: must be mended first · warn: to accept or mend · fix: Slipway sees to it"


def checks_json(checks: Iterable[Check] = CHECKS) -> list[dict[str, str | bool]]:
    """Return every check as JSON data, by group."""
    ordered = sorted(checks, key=lambda one: list(Group).index(one.group))
    return [{**describe(one), "machine": one.machine} for one in ordered]
