"""Text or a file → servers: what it is, is guessed from what stands in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from wizards.entry import cluster_file, inventory, listed, ssh_config, table
from wizards.entry.guard import check_text, read_bounded
from wizards.entry.model import Entered, EntryError, Row, Source
from wizards.entry.names import give_names
from wizards.entry.rows import common
from wizards.sanitize import one_line
from wizards.setup.host_ranges import MOST_SERVERS, has_range
from wizards.setup.proposals import parse_address

Present = Sequence[Mapping[str, Any]]

_TABLES: Final = frozenset({".csv", ".tsv"})
_WORDS: Final = {
    Source.LIST: "list",
    Source.CSV: "table",
    Source.HOSTS_FILE: "hosts file",
    Source.INVENTORY: "inventory",
    Source.SSH_CONFIG: "ssh configuration",
    Source.CLUSTER: "cluster.yaml",
}


def read_text(text: str, *, present: Present = ()) -> Entered:
    """Return the servers in pasted `text`: a list, a table, hosts lines, an inventory, or a cluster.yaml.

    Nothing in it is carried out. An inventory takes most of a second, since Ansible reads it.

    Args:
        text: What was pasted.
        present: The servers there are already; no new one gets the name of one of them.

    Raises:
        EntryError: It is none of these, or must not be read (a private key, which is not kept or repeated).
    """
    plain = check_text(text, templates=True)
    source = _guess(plain)
    if source is Source.SSH_CONFIG:
        raise EntryError(
            "This is a part of an ssh configuration, which only ssh itself can read; import the file, such as"
            " ~/.ssh/config."
        )
    return _read(plain, source, present)


def read_file(path: Path, *, source: Source | None = None, present: Present = ()) -> Entered:
    """Return the servers in the file at `path`, which is read as `source`, or as what it looks like.

    Raises:
        EntryError: As `read_text`; and there is no such file, it may not be read, or is not one.
    """
    file = path.expanduser()
    text = read_bounded(file)
    if source is None and file == ssh_config.default_ssh_config():
        source = Source.SSH_CONFIG
    plain = check_text(text, templates=True)
    if source is None:
        source = Source.CSV if file.suffix.lower() in _TABLES else _guess(plain)
    if source is Source.SSH_CONFIG:
        return _from_ssh(file, present)
    entered = _read(plain, source, present)
    return entered if source is not Source.INVENTORY else _with_neighbours(entered, file)


def _with_neighbours(entered: Entered, file: Path) -> Entered:
    """Say that variables in folders beside an inventory were not read."""
    beside = [name for name in ("group_vars", "host_vars") if (file.parent / name).is_dir()]
    if not beside:
        return entered
    note = f"Only the inventory itself was read, not {' and '.join(beside)} beside it."
    return Entered(entered.rows, entered.source, (*entered.notes, note), entered.access)


def _guess(text: str) -> Source:
    if inventory.looks_like_yaml(text):
        return Source.CLUSTER if cluster_file.looks_like_cluster(text) else Source.INVENTORY
    tests = {
        Source.INVENTORY: inventory.looks_like_ini,
        Source.SSH_CONFIG: ssh_config.looks_like_ssh_config,
        Source.HOSTS_FILE: _looks_like_hosts,
        Source.CSV: table.looks_like_table,
    }
    return next((source for source, test in tests.items() if test(text)), Source.LIST)


def _looks_like_hosts(text: str) -> bool:
    """Tell whether lines have an address and then a name; the other way round it is a list."""
    words = [line.split() for _, line in listed.lines_of(text)]
    firsts_are_addresses = all(_is_address(line[0]) for line in words)
    return firsts_are_addresses and any(_is_name(line[1]) for line in words if len(line) > 1)


def _is_address(word: str) -> bool:
    return parse_address(word.partition("%")[0]) is not None


def _is_name(word: str) -> bool:
    return (
        not _is_address(word)
        and not has_range(word)
        and re.fullmatch(r"[A-Za-z0-9_][\w.-]*", word) is not None
    )


def _read(text: str, source: Source, present: Present) -> Entered:
    room = max(MOST_SERVERS - len(present), 0)
    if source is not Source.INVENTORY:
        check_text(text)
    access: dict[str, Any] = {}
    if source is Source.INVENTORY:
        found = inventory.read_inventory(text, room)
        rows, notes, access = _shared(found.rows, found.notes, found.jump, present)
    elif source is Source.CLUSTER:
        rows, access = cluster_file.read_cluster(text, room)
        if present:
            rows, access = _kept_apart(rows, access)
        notes = []
    else:
        readers = {Source.CSV: table.read_table, Source.HOSTS_FILE: listed.read_hosts}
        rows, notes = readers.get(source, listed.read_list)(text, room)
    return _entered(rows, source, notes, access, present)


def _from_ssh(file: Path, present: Present) -> Entered:
    found = ssh_config.read_ssh_config(file, max(MOST_SERVERS - len(present), 0))
    rows, notes, access = _shared(found.rows, found.notes, found.jump, present)
    return _entered(rows, Source.SSH_CONFIG, notes, access, present)


def _shared(
    rows: list[Row], notes: list[str], jump: dict[str, Any] | None, present: Present
) -> tuple[list[Row], list[str], dict[str, Any]]:
    """Return the rows without what is the same for all, and that as the access; see `Entered.access`."""
    access: dict[str, Any] = {}
    if not present:
        rows, access = common(rows, ("user", "key_file"))
    return rows, notes, access | ({"jump": jump} if jump else {})


def _kept_apart(rows: list[Row], access: dict[str, Any]) -> tuple[list[Row], dict[str, Any]]:
    """Write the user and the key of all into each of `rows`, because the servers there are have others."""
    own = {key: access[key] for key in ("user", "key_file") if key in access}
    return [row | {key: value for key, value in own.items() if not row.get(key)} for row in rows], {
        key: value for key, value in access.items() if key not in own
    }


def _entered(
    rows: list[Row], source: Source, notes: list[str], access: Mapping[str, Any], present: Present
) -> Entered:
    if not rows:
        left = f" ({notes[0].rstrip('.')})" if notes else ""
        raise EntryError(f"There is no server in this {_WORDS[source]}{left}; give at least one.")
    named, renamed = give_names(rows, (str(row["name"]) for row in present if row.get("name")))
    return Entered(tuple(named), source, tuple(one_line(note) for note in [*notes, *renamed]), access)
