"""Judge what preflight.yml saw on the nodes: which nodes are not fit for the answers, why, and what to do.

The checks themselves are in `checks`. Judging is pure, so it can be done again on the same reports.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from wizards.provision.checks import CHECKS, Check, NodeReport, Seen, Trouble
from wizards.provision.wants import probe_wants
from wizards.sanitize import clean
from wizards.setup.finding import Finding, Severity
from wizards.setup.spec import ClusterSpec

__all__ = ["CHECKS", "Check", "judge", "probe_wants"]


def judge(
    reports: Mapping[str, Mapping[str, Any]],
    spec: ClusterSpec,
    *,
    practice: bool = False,
    waiting: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Return what is wrong, the worst first, within that in the order of the nodes. Pure.

    Args:
        reports: Host → what its ``slipway_report`` held; from outside, so nothing in it is taken for granted.
        spec: The answers.
        practice: The nodes are practice nodes, which all are this one machine: what concerns a machine is not
            judged, except that it is said once which checks were left out.
        waiting: The nodes whose report is still to come; they are not missed.
    """
    nodes = tuple(
        NodeReport.read(node, reports[node.name])
        for node in spec.nodes
        if isinstance(reports.get(node.name), Mapping)
    )
    seen = Seen(spec, nodes, frozenset(waiting))
    checks = [check for check in CHECKS if not (practice and check.machine)]
    found = [_finding(check, trouble, spec) for check in checks for trouble in check.judge(seen)]
    if practice:
        found.append(_left_out(len(CHECKS) - len(checks)))
    return tuple(sorted(found, key=lambda finding: _RANK[finding.severity]))


_RANK = {Severity.BLOCK: 0, Severity.WARN: 1, Severity.FIX: 2}


def _finding(check: Check, trouble: Trouble, spec: ClusterSpec) -> Finding:
    places = {node.name: f"nodes[{number}]" for number, node in enumerate(spec.nodes)}
    return Finding(
        id=check.id,
        severity=trouble.severity or check.severity,
        path=trouble.path or places.get(trouble.host, ""),
        message=clean(f"{trouble.host}: {trouble.message}." if trouble.host else f"{trouble.message}."),
        remedy=trouble.remedy or check.remedy,
        host=trouble.host,
        measured=clean(trouble.measured),
        required=trouble.required,
    )


def _left_out(count: int) -> Finding:
    return Finding(
        id="practice-machine",
        severity=Severity.WARN,
        path="",
        message=f"Practice leaves out {count} checks of the machine.",
        remedy="Nothing to do: its nodes all are this computer. On real servers they are made.",
    )
