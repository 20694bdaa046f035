"""What a check is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

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
        seconds: How long the look took.
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
    seconds: float = 0.0

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
            seconds=_seconds(report.get("seconds")),
        )

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    @property
    def looked(self) -> bool:
        """Whether the probe could look at it."""
        return bool(self.seen)

    def number(self, name: str) -> float | None:
        """Return the number called `name`, None where it is not known."""
        value = self.seen.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

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
        value = self.seen.get(name)
        return value if isinstance(value, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is judged: the answers, and a report for each node that sent one.

    `waiting` are the nodes whose report is still to come.
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


def words(value: object) -> str:
    """Return a node's words on one line, without escape sequences, and not too many."""
    return one_line(str(value), _LIMIT) if value not in (None, "") else ""


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _is_true(value: object) -> bool:
    """Read a truth that may have gone through a template and come back as text."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")
