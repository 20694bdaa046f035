"""Rules between answers: what goes together, what does not, and what Slipway sets by itself.

Each rule is one small function with an id; single values are judged by their types (`values`), nodes by the
checks that look at them. Where a rule has a number it is that of components' incompatibility table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wizards.setup import (
    rules_bgp,
    rules_kubespray,
    rules_mesh,
    rules_network,
    rules_nodes,
    rules_platform,
    rules_pools,
    rules_ranges,
    rules_refused,
)
from wizards.setup.finding import Finding, Severity
from wizards.setup.ruling import Rule

if TYPE_CHECKING:
    from wizards.setup.spec import ClusterSpec

RULES: Final[tuple[Rule, ...]] = (
    *rules_nodes.RULES,
    *rules_ranges.RULES,
    *rules_network.RULES,
    *rules_pools.RULES,
    *rules_bgp.RULES,
    *rules_platform.RULES,
    *rules_mesh.RULES,
    *rules_kubespray.RULES,
    *rules_refused.RULES,
)
_WEIGHT: Final = {Severity.BLOCK: 0, Severity.WARN: 1, Severity.FIX: 2}


def check(spec: ClusterSpec) -> tuple[Finding, ...]:
    """Return what the rules have to say about `spec`, the gravest first. Pure."""
    found = [finding for rule in RULES for finding in rule.findings(spec)]
    return tuple(sorted(found, key=lambda finding: _WEIGHT[finding.severity]))
