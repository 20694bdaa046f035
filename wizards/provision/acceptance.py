"""Warnings that somebody accepted by name: kept with the cluster, and told in the journal of every run.

An acceptance holds for one check on one node, as long as what was found is of the same weight: a warning that
has become a block is not accepted by it.
"""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from wizards.files import write_private
from wizards.setup.finding import Finding, Severity

if TYPE_CHECKING:
    from wizards.clusters import Cluster

_FILE: Final = "accepted.json"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One accepted warning.

    Attributes:
        check: Id of the check.
        host: The node; empty for the cluster as a whole.
        by: Who accepted it.
        at: When, seconds since the epoch.
        message: What it said then.
    """

    check: str
    host: str
    by: str
    at: float
    message: str

    @property
    def key(self) -> tuple[str, str]:
        """What it is an acceptance of."""
        return self.check, self.host


def read_accepted(cluster: Cluster) -> tuple[Acceptance, ...]:
    """Return what was accepted for this cluster, the oldest first; none where the file is not readable."""
    try:
        data = json.loads((cluster.root / _FILE).read_bytes())
        entries = data["accepted"] if data["version"] == _FORMAT else []
        return tuple(Acceptance(**_entry(one)) for one in entries)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _entry(data: Any) -> dict[str, Any]:
    texts = {name: str(data[name]) for name in ("check", "host", "by", "message")}
    return texts | {"at": float(data["at"])}


def accept(cluster: Cluster, findings: Iterable[Finding], *, by: str = "") -> tuple[Acceptance, ...]:
    """Accept warnings and return all that is accepted now; what blocks cannot be accepted and is passed over.

    Raises:
        wizards.lock.ClusterBusy: A run of the cluster is going on.
        OSError: It cannot be written.
    """
    who = by or getpass.getuser()
    new = {
        (one.id, one.host): Acceptance(one.id, one.host, who, time.time(), one.message)
        for one in findings
        if one.severity is Severity.WARN
    }
    with cluster.lock("accepting a warning"):
        kept = [one for one in read_accepted(cluster) if one.key not in new]
        return _write(cluster, (*kept, *new.values()))


def withdraw(cluster: Cluster, keys: Collection[tuple[str, str]]) -> tuple[Acceptance, ...]:
    """Take back what was accepted, by check and host, and return what is accepted now.

    Raises:
        wizards.lock.ClusterBusy: A run of the cluster is going on.
        OSError: It cannot be written.
    """
    with cluster.lock("taking back an acceptance"):
        return _write(cluster, tuple(one for one in read_accepted(cluster) if one.key not in keys))


def _write(cluster: Cluster, accepted: tuple[Acceptance, ...]) -> tuple[Acceptance, ...]:
    data = {"version": _FORMAT, "accepted": [asdict(one) for one in accepted]}
    write_private(cluster.root / _FILE, json.dumps(data, ensure_ascii=False))
    return accepted


def open_warnings(findings: Iterable[Finding], accepted: Iterable[Acceptance]) -> tuple[Finding, ...]:
    """Return the warnings that nobody accepted."""
    keys = {one.key for one in accepted}
    return tuple(one for one in findings if one.severity is Severity.WARN and (one.id, one.host) not in keys)
