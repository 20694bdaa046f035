"""The answers that practice starts with: the yard's nodes and how to log in to them."""

from __future__ import annotations

from typing import Final

from wizards.practice.client import Yard
from wizards.setup.questions import Answers

CLUSTER_NAME: Final = "practice"


def practice_answers(yard: Yard) -> Answers:
    """Return answers with the nodes of the yard and its key filled in; the rest is left to the defaults."""
    nodes = [{"name": node.name, "address": node.address, "port": node.port} for node in yard.nodes]
    return Answers(
        {
            "name": CLUSTER_NAME,
            "target": "bare-metal",
            "nodes": nodes,
            "access.user": yard.nodes[0].user,
            "access.method": "key",
            "access.key_file": str(yard.key),
            "access.become": "none",
        }
    )
