"""Host keys: shown at first contact, kept in the cluster's own known_hosts, never replaced silently."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wizards.files import write_private
from wizards.sanitize import one_line

if TYPE_CHECKING:
    from wizards.clusters import Cluster


@dataclass(frozen=True, slots=True)
class HostKey:
    """The key by which a server proves who it is.

    Attributes:
        node: Name of the node, or ``jump host``.
        address: Where it was asked.
        port: SSH port.
        type: For example ``ssh-ed25519``.
        key: The public key, base64.
        known_as: How known_hosts names the server: ``host``, or ``[host]:port``.
    """

    node: str
    address: str
    port: int
    type: str
    key: str
    known_as: str

    @property
    def fingerprint(self) -> str:
        """What ``ssh-keygen -l`` shows on the server itself: ``SHA256:…``."""
        return fingerprint(self.key)


class HostKeyChanged(ConnectionError):
    """A server shows another key than the one that is kept: reinstalled, or not the server it says it is."""

    def __init__(self, seen: HostKey, known: HostKey) -> None:
        super().__init__(
            f"the host key of {seen.node} ({seen.address}) has changed: {known.fingerprint} was kept,"
            f" {seen.fingerprint} is shown now. If the machine was installed anew this is expected; if not,"
            " something answers in its place"
        )
        self.seen = seen
        self.known = known


class HostsUnreachable(ConnectionError):
    """Some servers showed no key at first contact. `problems` is server → reason in words."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("\n".join(f"{node}: {reason}" for node, reason in problems.items()))
        self.problems = dict(problems)


def fingerprint(key: str) -> str:
    """Return OpenSSH's SHA256 fingerprint of a base64 public key; a broken one gets ``SHA256:?``."""
    try:
        blob = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return "SHA256:?"
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def known_name(host: str, port: int) -> str:
    """Return how known_hosts names a server."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def read_known_hosts(path: Path) -> dict[str, tuple[str, str]]:
    """Return name → (type, key) of a known_hosts file that Slipway or ssh wrote; empty when there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    known: dict[str, tuple[str, str]] = {}
    for line in lines:
        fields = line.split()
        if len(fields) < 3 or fields[0].startswith(("#", "@", "|")):
            continue
        for name in fields[0].split(","):
            known.setdefault(one_line(name), (one_line(fields[1]), fields[2]))
    return known


def write_known_hosts(cluster: Cluster, keys: Iterable[HostKey], *, replace: bool = False) -> None:
    """Keep `keys`, once a person has agreed to them.

    Args:
        cluster: Whose known_hosts.
        keys: The keys, as `first_contact.meet` gives them.
        replace: Take a changed key for an old one, after it was asked about.

    Raises:
        HostKeyChanged: One of them differs from the one that is kept; nothing is written.
    """
    known = read_known_hosts(cluster.known_hosts)
    for key in keys:
        kept = known.get(key.known_as)
        if kept is not None and kept != (key.type, key.key) and not replace:
            raise HostKeyChanged(
                key, HostKey(key.node, key.address, key.port, kept[0], kept[1], key.known_as)
            )
        known[key.known_as] = (key.type, key.key)
    lines = (f"{name} {type_} {key}\n" for name, (type_, key) in known.items())
    write_private(cluster.known_hosts, "".join(lines))
