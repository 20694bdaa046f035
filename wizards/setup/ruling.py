"""What a rule between answers is: an id, a weight, and one small function that yields the faults it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizards.setup.finding import Finding, Severity

if TYPE_CHECKING:
    from wizards.setup.spec import ClusterSpec


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that a rule sees.

    Attributes:
        path: The answer to change, as `Finding.path`.
        message: What is wrong, or what is set by itself, one or two sentences.
        remedy: What would be right; empty for what is set by itself.
        others: Paths of the other answers involved.
    """

    path: str
    message: str
    remedy: str = ""
    others: tuple[str, ...] = ()


Judge = Callable[["ClusterSpec"], Iterable[Fault]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule between answers.

    Attributes:
        id: Its stable name, the id of its findings.
        severity: What its findings weigh.
        judge: The function that looks.
    """

    id: str
    severity: Severity
    judge: Judge

    def findings(self, spec: ClusterSpec) -> Iterator[Finding]:
        """Yield what the rule has to say about `spec`."""
        for fault in self.judge(spec):
            yield Finding(self.id, self.severity, fault.path, fault.message, fault.remedy, fault.others)


def block(rule_id: str) -> Callable[[Judge], Rule]:
    """Make the decorated function a rule that stops the job."""
    return _rule(rule_id, Severity.BLOCK)


def warn(rule_id: str) -> Callable[[Judge], Rule]:
    """Make the decorated function a rule that wants a look."""
    return _rule(rule_id, Severity.WARN)


def fix(rule_id: str) -> Callable[[Judge], Rule]:
    """Make the decorated function a rule that tells of something Slipway sets by itself."""
    return _rule(rule_id, Severity.FIX)


def _rule(rule_id: str, severity: Severity) -> Callable[[Judge], Rule]:
    return lambda judge: Rule(rule_id, severity, judge)


def rules_in(namespace: dict[str, object]) -> tuple[Rule, ...]:
    """Return the rules that a module defines, in the order in which they stand there."""
    return tuple(value for value in namespace.values() if isinstance(value, Rule))
