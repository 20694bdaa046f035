"""What preflight checks: small pure functions over what was seen on the nodes, one module per concern."""

from __future__ import annotations

from wizards.provision.checks import (
    access,
    addresses,
    clocks,
    components,
    disks,
    hardware,
    identity,
    kubespray,
    network,
    outside,
    raw_disks,
    reach,
    settings,
    system,
)
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble, describe

_ALL = (
    *access.CHECKS,
    *hardware.CHECKS,
    *identity.CHECKS,
    *system.CHECKS,
    *settings.CHECKS,
    *kubespray.CHECKS,
    *clocks.CHECKS,
    *network.CHECKS,
    *addresses.CHECKS,
    *reach.CHECKS,
    *outside.CHECKS,
    *disks.CHECKS,
    *raw_disks.CHECKS,
    *components.CHECKS,
)
CHECKS: tuple[Check, ...] = tuple(sorted(_ALL, key=lambda check: list(Group).index(check.group)))
"""Every check, group by group in the order in which a person mends them."""
BETWEEN: frozenset[str] = frozenset(check.id for check in reach.CHECKS)
"""The checks of what is between nodes: to see it again, all of them are looked at."""

__all__ = ["BETWEEN", "CHECKS", "Check", "Group", "NodeReport", "Seen", "Trouble", "describe"]
