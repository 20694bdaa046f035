"""What one node found out about the others, read once: of 300 nodes each tells of 299."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from wizards.sanitize import one_line

WRONG_HOST: Final = "wrong host"
"""What a node says when another machine than the one it asked for answered."""
_PROTOCOLS: Final = ("tcp", "udp")
_MOST: Final = 1 << 20
_WORDS: Final = 80


@dataclass(frozen=True, slots=True)
class Reach:
    """What one node found out about the others.

    Attributes:
        peers: All that it told of each other node, as it came.
        listening: Protocol → ports on which its own listener waited; what it did not tell is not there.
        failed: Protocol → other node → port → why it was not reached.
        narrow: Other node → largest packet that got through, and the link's MTU, where that is larger.
    """

    peers: Mapping[str, Any] = field(default_factory=dict)
    listening: Mapping[str, frozenset[str]] = field(default_factory=dict)
    failed: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    narrow: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, found: object) -> Reach:
        """Return what `found` tells; what is of another type than it should be counts as not told."""
        if not isinstance(found, Mapping):
            return cls()
        listening = found.get("listening")
        told = found.get("peers")
        peers = told if isinstance(told, dict) else {}
        failed: dict[str, dict[str, Mapping[str, str]]] = {protocol: {} for protocol in _PROTOCOLS}
        narrow: dict[str, tuple[float, float]] = {}
        for name, one in peers.items():
            if type(one) is not dict:
                continue
            # Written out, since of 300 nodes this is done 90,000 times.
            if one.get("tcp_failed"):
                failed["tcp"][name] = _reasons(one["tcp_failed"])
            if one.get("udp_failed"):
                failed["udp"][name] = _reasons(one["udp_failed"])
            if one.get("mtu") != one.get("link_mtu") and (sizes := _narrow(one)):
                narrow[name] = sizes
        return cls(peers, _ports(listening), failed, narrow)


def _narrow(one: Mapping[str, Any]) -> tuple[float, float] | None:
    largest, link = one.get("mtu"), one.get("link_mtu")
    if not isinstance(largest, int | float) or not isinstance(link, int | float):
        return None
    return (float(largest), float(link)) if 0 < largest < link < _MOST else None


def _ports(listening: object) -> dict[str, frozenset[str]]:
    told = listening if isinstance(listening, Mapping) else {}
    return {
        protocol: frozenset(str(port) for port in told[protocol] if isinstance(port, int | str))
        for protocol in _PROTOCOLS
        if isinstance(told.get(protocol), list)
    }


def _reasons(failures: object) -> dict[str, str]:
    if not isinstance(failures, Mapping):
        return {}
    return {str(port): _reason(str(why)) for port, why in failures.items()}


@lru_cache(maxsize=1024)
def _reason(why: str) -> str:
    """Return a reason cleaned; there are few different ones, however many nodes."""
    return one_line(why, _WORDS)
