"""Rules between answers: each one small function with an id of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizards.setup.finding import Finding

if TYPE_CHECKING:
    from wizards.setup.spec import ClusterSpec


def check(spec: ClusterSpec) -> tuple[Finding, ...]:
    """Return what the rules have to say about `spec`, the gravest first."""
    del spec
    return ()
