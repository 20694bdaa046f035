"""What Slipway can mend on the nodes by itself: the exact changes, each shown before it is made. Pure.

A change is proposed where a check found fault and the look says that the change is possible there: root was
had, systemd runs, the package manager works, the kernel is the node's own. Nothing proposed here touches a
disk or anything on one beside the files it names; what is left stays with the check's remedy.

``playbooks/prepare.yml`` carries changes out: a change's `data` names its kind, and each kind is a file of
tasks in ``roles/mend/tasks/kinds``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from wizards.provision import mending_kernel, mending_software
from wizards.provision.checks.model import NodeReport
from wizards.provision.mending_case import Case, Proposal

if TYPE_CHECKING:
    from wizards.setup.finding import Finding
    from wizards.setup.spec import ClusterSpec

Maker = Callable[[Case], Iterator[Proposal]]

KINDS: Final = (*mending_kernel.KINDS, *mending_software.KINDS)
"""Every kind of change, in the order in which they are made: what needs no download comes first."""
MAKERS: Final[tuple[tuple[str, Maker], ...]] = (*mending_kernel.MAKERS, *mending_software.MAKERS)
"""The check that finds the fault, and what proposes the changes for it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change to one node, as it is shown and as it is done.

    Attributes:
        id: What it is, unique on its node: ``swap-off``, ``package:lvm2``.
        host: The node.
        check: Id of the check whose finding it mends.
        title: A few words: ``Turn swap off``.
        exact: Every command that is run and every line that is written, in order; a line of a file has the
            file's path before it.
        undo: How to take it back, in one sentence.
        data: The same for the playbook, as JSON data; ``kind`` is one of `KINDS`. Holds nothing that a
            template would read: names that come from a node are taken only where they are plain.
    """

    id: str
    host: str
    check: str
    title: str
    exact: tuple[str, ...]
    undo: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of change, one of `KINDS`."""
        return str(self.data["kind"])

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary for ``--json`` output and for the journal."""
        return asdict(self)


def changes(
    reports: Mapping[str, Mapping[str, Any]], findings: Iterable[Finding], spec: ClusterSpec
) -> tuple[Change, ...]:
    """Return what can be mended, by node and in the order of doing. Pure.

    Args:
        reports: Host → what its ``slipway_report`` held; from outside, so nothing in it is taken for granted.
        findings: What `preflight.judge` said of these reports.
        spec: The answers.
    """
    found = {(one.host, one.id) for one in findings if one.host}
    cases = (
        Case(NodeReport.read(node, report), spec)
        for node in spec.nodes
        if isinstance(report := reports.get(node.name), Mapping)
    )
    return tuple(
        change
        for case in cases
        if case.possible
        for change in _of_node(case, {check for host, check in found if host == case.node.name})
    )


def _of_node(case: Case, found: set[str]) -> Iterator[Change]:
    """Give the changes of one node, each once: two checks may ask for the same."""
    made: dict[str, Change] = {}
    for check, maker in MAKERS:
        for one in maker(case) if check in found else ():
            data = {"kind": one.kind, **one.data}
            change = Change(one.id, case.node.name, check, one.title, one.exact, one.undo, data)
            made.setdefault(change.id, change)
    yield from sorted(made.values(), key=lambda change: KINDS.index(change.kind))


def selected(all_changes: Iterable[Change], only: Iterable[str]) -> tuple[Change, ...]:
    """Return the changes that `only` names, by id (``package:lvm2``) or by the part before the colon.

    Args:
        all_changes: The changes to choose from.
        only: Names; empty for all changes.

    Raises:
        UnknownChange: A name fits no change.
    """
    offered, wanted = tuple(all_changes), tuple(only)
    names = {name for change in offered for name in _names(change)}
    for name in wanted:
        if name not in names:
            ids = ", ".join(dict.fromkeys(change.id for change in offered)) or "none"
            raise UnknownChange(f"--only {name}: no such change is proposed; there are: {ids}")
    return tuple(change for change in offered if not wanted or not _names(change).isdisjoint(wanted))


class UnknownChange(ValueError):
    """A change was named that is not proposed; the text names those that are."""


def _names(change: Change) -> set[str]:
    return {change.id, change.id.partition(":")[0]}


def prepare_variables(chosen: Iterable[Change]) -> dict[str, Any]:
    """Return the variables of playbooks/prepare.yml: node → its changes' data, in the order of doing."""
    by_host: dict[str, list[dict[str, Any]]] = {}
    for change in chosen:
        by_host.setdefault(change.host, []).append(dict(change.data))
    return {"slipway_changes": by_host}


_TASKS: Final = {
    "swap": 8,
    "tmp-exec": 2,
    "sysctl": 1,
    "huge-pages": 5,
    "networkd": 2,
    "bpf-mount": 2,
    "time-sync": 10,
    "packages": 3,
    "modules": 5,
    "iscsi": 4,
}
"""How many tasks each kind's file reports."""


def task_count(chosen: Iterable[Change]) -> int:
    """Return how many tasks playbooks/prepare.yml reports for the `chosen` changes."""
    kinds = {change.kind for change in chosen}
    # Four around all kinds, and two that include a kind's file.
    return 4 + sum(2 + _TASKS[kind] for kind in kinds)
