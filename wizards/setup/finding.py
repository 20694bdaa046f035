"""A finding: what a rule or a check has to say about an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding weighs.

    `BLOCK` stops the job, `WARN` wants a look, `FIX` tells of something that Slipway sets by itself.
    """

    BLOCK = "block"
    WARN = "warn"
    FIX = "fix"


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement on one answer.

    Attributes:
        id: Stable name of the rule or check, for example ``pool-overlaps-node``.
        severity: Block, warn or fix.
        path: Where the answer stands in cluster.yaml, for example ``load_balancer.pools[0].addresses[0]``;
            empty for the file as a whole.
        message: What is wrong, in one sentence.
        remedy: What would be right, in one sentence.
        others: Paths of the other answers involved.
        line: Line in the file (1-based) where it is known.
        host: The node a check speaks of, empty for the cluster.
        measured: What a check found, short; empty where there is nothing to measure.
        required: What it wants, short.
    """

    id: str
    severity: Severity
    path: str
    message: str
    remedy: str = ""
    others: tuple[str, ...] = ()
    line: int | None = None
    host: str = ""
    measured: str = ""
    required: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary for ``--json`` output and for the journal."""
        return asdict(self)


def blocks(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that stop the job."""
    return tuple(f for f in findings if f.severity is Severity.BLOCK)
