"""Do the nodes agree on the time, with each other, with this machine, and tomorrow too?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from wizards.provision.checks.judging import each, odd_ones, trouble
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec

SKEW_WARN: Final = 2.0
SKEW_BLOCK: Final = 30.0
"""Seconds between two clocks. The look itself is good to about a second on a slow line."""
CONSOLE_WARN: Final = 60.0
"""Seconds between the nodes and this machine: more than a login and a look take on a slow line."""
_UTC: Final = ("utc", "etc/utc", "etc/uct", "uct", "universal", "zulu", "etc/zulu", "etc/universal", "gmt")


def _offsets(seen: Seen) -> dict[str, float]:
    found = {node.name: node.number("clock_offset") for node in seen.looked}
    return {name: offset for name, offset in found.items() if offset is not None}


def _middle(offsets: Collection[float]) -> float:
    """Return the clock in the middle; of two the one nearer to this machine's."""
    ordered = sorted(offsets)
    return min(ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2], key=abs)


def _skew(seen: Seen) -> Iterator[Trouble]:
    """Compare the clocks with the middle one: one wrong clock is then one finding, on the right node."""
    offsets = _offsets(seen)
    if not offsets:
        return
    middle = _middle(offsets.values())
    for name, offset in offsets.items():
        apart = abs(offset - middle)
        if apart < SKEW_WARN:
            continue
        ahead = "ahead of" if offset > middle else "behind"
        yield Trouble(
            name,
            f"its clock is {apart:.0f} s {ahead} the others",
            severity=Severity.BLOCK if apart >= SKEW_BLOCK else Severity.WARN,
            measured=f"{apart:.0f} s",
            required=f"less than {SKEW_WARN:.0f} s",
        )


def _console(seen: Seen) -> Iterator[Trouble]:
    offsets = _offsets(seen)
    middle = _middle(offsets.values()) if offsets else 0.0
    if abs(middle) >= CONSOLE_WARN:
        ahead = "ahead of" if middle > 0 else "behind"
        message = f"the nodes' clocks are {abs(middle):.0f} s {ahead} this machine's"
        measured = f"{abs(middle):.0f} s"
        yield Trouble("", message, measured=measured, required=f"less than {CONSOLE_WARN:.0f} s")


def _time_sync(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    state = node.mapping("time_sync")
    if spec.kubernetes.ntp:
        return None
    service = state.get("service")
    name = service if isinstance(service, str) and service else ""
    if state.get("active") is False:
        said = f"its time service {name} is off" if name else "no time service runs on it"
        return trouble(said, "none", "a time service")
    if state.get("synchronized") is False:
        message = f"its time service {name or 'runs, but'} has not found the time yet"
        return trouble(message, "not synchronized", "synchronized")
    return None


def _zone(name: str) -> str:
    return "UTC" if name.lower() in _UTC else name


def _timezone(seen: Seen) -> Iterator[Trouble]:
    usual, odd = odd_ones({node.name: _zone(node.text("timezone")) for node in seen.looked})
    for name, zone in odd.items():
        yield Trouble(
            name, f"its time zone is {zone}, and most nodes have {usual}", measured=zone, required=usual
        )


CHECKS: Final = (
    Check(
        id="clock-skew",
        title="Clocks",
        wants=f"clocks within {SKEW_WARN:.0f} s of each other",
        why="Certificates are not valid yet, or no longer; etcd's leases run off.",
        remedy="Start a time service (chrony, systemd-timesyncd), or set kubernetes.ntp to true.",
        severity=Severity.BLOCK,
        judge=_skew,
        group=Group.SYSTEM,
    ),
    Check(
        id="clock-console",
        title="This machine's clock",
        wants=f"nodes and this machine within {CONSOLE_WARN:.0f} s of each other",
        why="The certificates that the nodes make are not valid yet, or no longer, for this machine.",
        remedy="See whose clock is wrong ('date -u' here and there) and start a time service there.",
        severity=Severity.WARN,
        judge=_console,
        group=Group.SYSTEM,
    ),
    Check(
        id="time-sync",
        title="Time service",
        wants="a time service that has found the time, or kubernetes.ntp",
        why="Clocks that agree today drift apart, and a month later certificates fail.",
        remedy="Start chrony or systemd-timesyncd, or set kubernetes.ntp to true.",
        severity=Severity.WARN,
        judge=each(_time_sync),
        group=Group.SYSTEM,
    ),
    Check(
        id="timezone",
        title="Time zone",
        wants="one time zone on all nodes",
        why="Logs of two nodes are laid side by side when something fails; hours apart they mislead.",
        remedy="Run 'timedatectl set-timezone ZONE' on those that differ.",
        severity=Severity.WARN,
        judge=_timezone,
        group=Group.SYSTEM,
    ),
)
