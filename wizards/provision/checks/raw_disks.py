"""Are the disks that the answers give to storage there, empty, large enough and nobody else's?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from wizards.provision.checks.judging import few, twins
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble, as_number, words
from wizards.setup.finding import Severity
from wizards.setup.spec import Engine, Role

DISK_GIB: Final = 9.3
"""10 GB: the least that Mayastor takes."""
_SERIAL_LENGTH: Final = 8
_NO_SERIALS: Final = ("drive-", "qm000", "vbox", "beaf11")
"""How the serials begin that hypervisors give to the first disk of every machine."""


def _named(node: NodeReport) -> Iterator[tuple[str, Any]]:
    """Yield each disk that the answers name, with what was seen of it."""
    for path, found in node.mapping("disks").items():
        if path in node.node.disks and isinstance(found, dict):
            yield words(path), found


def _missing(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        for path, found in _named(node):
            if found.get("there") is False:
                message = f"there is no disk {path}"
                remedy = _instead(node)
                yield Trouble(node.name, message, remedy=remedy, measured="not there", required=path)


def _instead(node: NodeReport) -> str:
    spare = spare_disks(node)
    return f"Check the path; empty disks on it: {few(spare)}." if spare else ""


def _holds(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        for path, found in _named(node):
            holds = words(found.get("holds"))
            # What this cluster put there itself is its own.
            if found.get("there") and holds and not node.settled:
                message = f"the disk {path} is not empty: {holds}"
                yield Trouble(node.name, message, measured=holds, required="an empty disk")


def _rows(node: NodeReport, path: str) -> list[Any]:
    return [row for row in node.rows("block") if row.get("path") == path]


def _read_only(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        for path, found in _named(node):
            if found.get("ro") is True or any(row.get("ro") is True for row in _rows(node, path)):
                yield Trouble(
                    node.name, f"the disk {path} is read-only", measured="read-only", required="writable"
                )


def _size(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        for path, found in _named(node):
            size = as_number(found.get("size_gib"))
            if size is not None and found.get("there") and size < DISK_GIB:
                message = f"the disk {path} has {size:.1f} GiB, and 10 GB is the least that storage takes"
                yield Trouble(node.name, message, measured=f"{size:.1f} GiB", required="at least 10 GB")


def _serial(node: NodeReport) -> str:
    """Return serial and size of the first named disk that has a serial worth the name."""
    for _, found in _named(node):
        serial = words(found.get("serial"))
        if len(serial) >= _SERIAL_LENGTH and not serial.lower().startswith(_NO_SERIALS):
            return f"{serial} of {as_number(found.get('size_gib')) or 0:.0f} GiB"
    return ""


def _shared(seen: Seen) -> Iterator[Trouble]:
    for node, serial, others in twins(seen.looked, _serial):
        message = f"a disk of it has the same serial as one of {others}: {serial}"
        yield Trouble(node.name, message, measured=serial, required="a disk of its own")


def spare_disks(node: NodeReport) -> list[str]:
    """Return the whole disks of `node` that hold nothing, each with its size: what storage could take."""
    spare = []
    for row in node.rows("block"):
        size = as_number(row.get("size_gib")) or 0.0
        used = row.get("fstype") or row.get("mounts") or row.get("holders") or row.get("ro")
        if row.get("kind", "disk") == "disk" and not used and size >= DISK_GIB:
            spare.append(f"{words(row.get('path'))} ({size:.0f} GiB)")
    return [one for one in spare if one]


def _no_spare(seen: Seen) -> Iterator[Trouble]:
    """Judge workers that give no disk while fewer do than there are copies to keep."""
    storage = seen.spec.storage
    copies = {Engine.MAYASTOR: storage.mayastor.replicas, Engine.CSTOR: storage.cstor.replicas}
    wanted = max((copies.get(engine, 0) for engine in storage.engines), default=0)
    giving = sum(bool(node.disks) for node in seen.spec.with_role(Role.WORKER))
    # That nobody gives a disk to cStor is a finding of its own.
    if giving >= wanted or (not giving and Engine.CSTOR in storage.engines):
        return
    for node in seen.looked:
        if node.node.disks or not node.node.has(Role.WORKER):
            continue
        spare = spare_disks(node)
        message = (
            f"it gives no disk to storage, and {giving} of the workers do, where {wanted} copies are kept"
        )
        yield Trouble(
            node.name,
            message,
            remedy=f"Name one of its empty disks under the nodes: {few(spare)}." if spare else "",
            measured=few(spare) or "no empty disk",
            required="a disk named in the answers",
        )


CHECKS: Final = (
    Check(
        id="disks-there",
        title="Disks for storage there",
        wants="each disk in the answers is there",
        why="A pool is made of it, and is not made without.",
        remedy="Check the path ('ls -l /dev/disk/by-id').",
        severity=Severity.BLOCK,
        judge=_missing,
        group=Group.DISKS,
    ),
    Check(
        id="disks-empty",
        title="Disks for storage empty",
        wants="each disk in the answers is empty",
        why="Storage takes the whole disk: what is on it would be lost.",
        remedy="Check the path; when the disk may really go, clear it by hand with 'wipefs'.",
        severity=Severity.BLOCK,
        judge=_holds,
        group=Group.DISKS,
    ),
    Check(
        id="disk-read-only",
        title="Disks for storage writable",
        wants="each disk in the answers can be written to",
        why="No pool can be made on it.",
        remedy="See 'dmesg' for why the kernel locked it, and the switch of the hypervisor or the card.",
        severity=Severity.BLOCK,
        judge=_read_only,
        group=Group.DISKS,
    ),
    Check(
        id="disk-size",
        title="Size of disks for storage",
        wants="each disk in the answers has at least 10 GB",
        why="Mayastor and cStor refuse smaller ones.",
        remedy="Name a larger disk.",
        severity=Severity.BLOCK,
        judge=_size,
        group=Group.DISKS,
    ),
    Check(
        id="disk-shared",
        title="Disks for storage of one node",
        wants="no disk is attached to two nodes",
        why="Both would write to it as their own, and all that is on it is lost.",
        remedy="Attach a disk of its own to each machine; equal serials of different disks are harmless.",
        severity=Severity.WARN,
        judge=_shared,
        group=Group.DISKS,
    ),
    Check(
        id="no-spare-disk",
        title="A disk to give",
        wants="as many workers with a named disk as there are copies of a volume",
        why="Each copy lies on a disk of another node; without, volumes wait for ever.",
        remedy="Add an empty disk and name it by its /dev/disk/by-id path, or keep fewer copies.",
        severity=Severity.WARN,
        judge=_no_spare,
        group=Group.DISKS,
    ),
)
