"""What a check is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any

from wizards.provision.checks.reached import Reach
from wizards.sanitize import one_line
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec, Node

_LIMIT = 200  # characters of a node's own words in a message


class Group(StrEnum):
    """What a check is about: the columns of the preflight screen, in their order."""

    ACCESS = "access"
    HARDWARE = "hardware"
    IDENTITY = "identity"
    SYSTEM = "system"
    NETWORK = "network"
    DISKS = "disks"
    COMPONENTS = "components"


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What preflight.yml brought back from one node, read with care: a node may say anything.

    Attributes:
        node: The node, as the answers have it.
        reachable: Whether the login worked.
        login_message: What SSH said when it did not.
        python: Whether there is a Python.
        root: Whether root could be had.
        root_message: What sudo, or Ansible, said when it could not.
        seen: What the probe returned (playbooks/library/slipway_probe.py); empty where it could not look.
        known_cluster: Whether the console already has credentials of this cluster: what is on the nodes is
            then its own.
        late: Whether the look did not end by its deadline; `seconds` is then that deadline.
        missed: Parts of the look that did not end by it, or that failed; what they see is not known.
        seconds: How long the look took.
        python_version: Version of that Python, ``3.11.2``; empty where it is not known.
        reach: What it found out about the other nodes.
    """

    node: Node
    reachable: bool
    login_message: str
    python: bool
    root: bool
    root_message: str
    known_cluster: bool
    seen: Mapping[str, Any] = field(default_factory=dict)
    late: bool = False
    missed: tuple[str, ...] = ()
    seconds: float = 0.0
    python_version: str = ""
    reach: Reach = field(default_factory=Reach)

    @classmethod
    def read(cls, node: Node, report: Mapping[str, Any]) -> NodeReport:
        """Return what `report` says about `node`; what is missing or of another type counts as not known."""
        seen = report.get("seen")
        seen = seen if isinstance(seen, Mapping) else {}
        # What the nodes found between them comes later than the look, so it stands beside it.
        if seen and isinstance(reach := report.get("reach"), Mapping):
            seen = {**seen, "reach": reach}
        return cls(
            node=node,
            reachable=_is_true(report.get("reachable")),
            login_message=words(report.get("login_message")),
            python=_is_true(report.get("python")),
            root=seen.get("uid") == 0,
            root_message=words(report.get("root_message")),
            known_cluster=_is_true(report.get("known_cluster")),
            seen=seen,
            late=_is_true(report.get("late")),
            missed=_parts(report.get("missed"), report.get("faults")),
            seconds=as_number(report.get("seconds")) or 0.0,
            python_version=words(report.get("python_version")) or words(seen.get("python_version")),
            reach=Reach.read(seen.get("reach")),
        )

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    @property
    def looked(self) -> bool:
        """Whether the probe could look at it."""
        return bool(self.seen)

    @property
    def settled(self) -> bool:
        """Whether this very cluster runs on it already: what is found is then its own, and no obstacle."""
        return self.known_cluster and bool(self.texts("remains"))

    def number(self, name: str) -> float | None:
        """Return the number called `name`, None where it is not known."""
        return as_number(self.seen.get(name))

    def text(self, name: str) -> str:
        """Return the text called `name`, cleaned; empty where it is not known."""
        value = self.seen.get(name)
        return words(value) if isinstance(value, str) else ""

    def flag(self, name: str) -> bool | None:
        """Return the truth called `name`, None where it is not known."""
        value = self.seen.get(name)
        return value if isinstance(value, bool) else None

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return the list called `name`, cleaned; None where it is not known."""
        value = self.seen.get(name)
        if not isinstance(value, list | tuple):
            return None
        return tuple(words(item) for item in value)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Return the mapping called `name`; empty where it is not known."""
        return as_mapping(self.seen.get(name))

    def rows(self, name: str) -> tuple[Mapping[str, Any], ...]:
        """Return the list of mappings called `name`; empty where it is not known."""
        value = self.seen.get(name)
        return tuple(row for row in value if isinstance(row, Mapping)) if isinstance(value, list) else ()


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is judged: the answers, and a report for each node that sent one.

    Attributes:
        spec: The answers.
        nodes: The reports, in the order of the answers' nodes.
        waiting: Names of nodes whose report is still awaited, so that they are not missed yet.
    """

    spec: ClusterSpec
    nodes: tuple[NodeReport, ...]
    waiting: frozenset[str] = frozenset()

    @property
    def looked(self) -> tuple[NodeReport, ...]:
        """The nodes that could be looked at."""
        return tuple(node for node in self.nodes if node.looked)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a check found wrong on one node.

    Attributes:
        host: The node; empty for the cluster as a whole.
        message: What was measured and what is required, in one sentence.
        severity: Where it differs from the check's own.
        remedy: Where it differs from the check's own.
        path: The answer concerned; the node's own by default.
        measured: What was found, short: ``1.2 GiB``.
        required: What would be right, short: ``at least 1.5 GiB``.
    """

    host: str
    message: str
    severity: Severity | None = None
    remedy: str = ""
    path: str = ""
    measured: str = ""
    required: str = ""


Judgement = Callable[[Seen], Iterable[Trouble]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check, as ``slipway preflight --list`` shows it.

    Attributes:
        id: Stable name.
        title: A few words.
        wants: What is required, in words.
        why: Why it matters.
        remedy: How to mend it.
        severity: How much it weighs.
        judge: Finds the nodes where it is not met. Pure.
        group: What it is about.
        machine: It judges the machine itself. Practice nodes share one machine, which will never be a node,
            so there it counts for nothing.
    """

    id: str
    title: str
    wants: str
    why: str
    remedy: str
    severity: Severity
    judge: Judgement
    group: Group
    machine: bool = True


def describe(check: Check) -> dict[str, str]:
    """Return what ``slipway preflight --list`` tells of a check, as JSON data."""
    return {
        "id": check.id,
        "title": check.title,
        "group": check.group.value,
        "severity": check.severity.value,
        "wants": check.wants,
        "why": check.why,
        "remedy": check.remedy,
    }


def words(value: object) -> str:
    """Return a node's words on one line, without escape sequences, and not too many."""
    return one_line(str(value), _LIMIT) if value not in (None, "") else ""


def as_number(value: object) -> float | None:
    """Return a finite number, None for anything else; truths are no numbers."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is, an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def _parts(missed: object, faults: object) -> tuple[str, ...]:
    """Return the parts that were missed, and those that failed with what they said."""
    found = [words(part) for part in missed] if isinstance(missed, list) else []
    found += [f"{words(part)} ({words(text)})" for part, text in as_mapping(faults).items()]
    return tuple(dict.fromkeys(found))


def _is_true(value: object) -> bool:
    """Read a truth that may have gone through a template and come back as text."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")
