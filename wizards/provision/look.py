"""The latest look at each node of a cluster, kept so that it can be judged again: ``looks.json``, mode 0600.

A look at one node replaces that node's alone. A look counts only for the server it was made at: when the
answers send Slipway elsewhere under the same name, it is forgotten.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wizards.files import write_private

if TYPE_CHECKING:
    from wizards.clusters import Cluster
    from wizards.setup.spec import ClusterSpec, Node

_FILE: Final = "looks.json"
_FORMAT: Final = 1
FRESH_SECONDS: Final = 600.0
"""How long a look may stand for another: what it saw changes by people, not by itself."""


@dataclass(frozen=True, slots=True)
class Looks:
    """The latest look at each node.

    Attributes:
        reports: Node → its report.
        at: Node → when it was looked at, seconds since the epoch.
    """

    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    at: Mapping[str, float] = field(default_factory=dict)

    def fresh(self, spec: ClusterSpec, *, now: float | None = None) -> bool:
        """Tell whether every node of `spec` was looked at within the last ten minutes."""
        moment = time.time() if now is None else now
        ages = [moment - self.at.get(node.name, 0.0) for node in spec.nodes]
        # A clock that was set back makes a look of the future: that one is not fresh.
        return bool(ages) and all(-1.0 <= age <= FRESH_SECONDS for age in ages)


def read_looks(cluster: Cluster, spec: ClusterSpec) -> Looks:
    """Return the looks that still count for `spec`; none where there is nothing to read."""
    kept = _read(cluster.root / _FILE)
    counting = {
        node.name: entry
        for node in spec.nodes
        if (entry := kept.get(node.name)) is not None and entry["place"] == _place(node)
    }
    return Looks(
        {name: entry["report"] for name, entry in counting.items()},
        {name: entry["at"] for name, entry in counting.items()},
    )


def keep_looks(cluster: Cluster, spec: ClusterSpec, reports: Mapping[str, Mapping[str, Any]]) -> Looks:
    """Keep `reports` beside the looks at other nodes, and return all that count now.

    Each adds to what was known of its node (`added`). Only the holder of the cluster's lock may call this.
    Raises OSError.
    """
    kept = _read(cluster.root / _FILE)
    now = time.time()
    for node in spec.nodes:
        if (report := reports.get(node.name)) is not None:
            before = kept.get(node.name, {})
            earlier = before["report"] if before.get("place") == _place(node) else {}
            kept[node.name] = {"place": _place(node), "at": now, "report": added(earlier, report)}
    names = {node.name for node in spec.nodes}
    data = {"version": _FORMAT, "nodes": {name: one for name, one in kept.items() if name in names}}
    write_private(cluster.root / _FILE, json.dumps(data, ensure_ascii=False))
    return read_looks(cluster, spec)


def added(earlier: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a node after `report`.

    A look at one node alone does not ask it about the others: what was known of that stays. One that could
    not look at it leaves nothing of before.
    """
    return {**earlier, **report} if report.get("seen") else dict(report)


def _place(node: Node) -> str:
    return f"{node.address} {node.port}"


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of the file; what is not of the right shape counts as not there."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    nodes = data.get("nodes") if isinstance(data, dict) and data.get("version") == _FORMAT else None
    if not isinstance(nodes, dict):
        return {}
    return {
        name: entry
        for name, entry in nodes.items()
        if isinstance(entry, dict)
        and isinstance(entry.get("report"), dict)
        and isinstance(entry.get("at"), int | float)
        and isinstance(entry.get("place"), str)
    }
