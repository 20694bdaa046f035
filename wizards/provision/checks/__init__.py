"""What preflight checks: small pure functions over what was seen on the nodes, one module per concern."""

from __future__ import annotations

from wizards.provision.checks import access, components, identity, network, system
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble

CHECKS: tuple[Check, ...] = (
    *access.CHECKS,
    *system.CHECKS,
    *identity.CHECKS,
    *network.CHECKS,
    *components.CHECKS,
)
"""Every check, in the order in which a person mends them."""

__all__ = ["CHECKS", "Check", "Group", "NodeReport", "Seen", "Trouble"]
