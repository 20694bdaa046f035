"""Servers from a table: columns parted by commas, semicolons, tabs or bars, with or without a header."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from wizards.entry.model import EntryError, Row, brief, one_sentence, some, too_many, were
from wizards.entry.rows import checked, in_order, role_of, with_etcd
from wizards.setup.host_ranges import MOST_SERVERS, expand, has_range, pair
from wizards.setup.proposals import parse_address
from wizards.setup.questions import AnswerError

_COLUMNS: Final = {
    "name": "name node nodename server servername machine machinename vm vmname instance",
    "host": "host hostname fqdn dns dnsname",
    "address": "address addr ip ipaddress ipaddr ipv4 ipv4address publicip publicaddress externalip sshhost"
    " ansiblehost primaryip sshaddress managementip",
    "port": "port sshport ansibleport",
    "user": "user username login sshuser ansibleuser remoteuser",
    "internal_address": "internal internalip internaladdress privateip privateaddress private internalipv4",
    "internal_address_v6": "internaladdressv6 ipv6 ip6 ipv6address internalipv6",
    "key_file": "key keyfile sshkey identityfile privatekey privatekeyfile ansiblesshprivatekeyfile",
    "roles": "role roles",
    "labels": "label labels",
    "taints": "taint taints",
    "disks": "disk disks",
}
_FIELD_OF: Final = {word: field for field, words in _COLUMNS.items() for word in words.split()}
_ALONE: Final = frozenset({"address", "host"})
_TEXTS: Final = frozenset({"name", "user"})
_DELIMITERS: Final = ",;\t|"

Cells = tuple[int, list[str]]
"""A line of the table: its number, and its cells."""


def delimiter_of(text: str) -> str:
    """Return the character that parts the columns: the one that most lines have, equally often."""
    lines = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")][:50]

    def fitness(mark: str) -> tuple[int, int]:
        counts = [line.count(mark) for line in lines]
        usual = max(set(counts), key=counts.count) if counts else 0
        return (counts.count(usual) if usual else 0, usual)

    return max(_DELIMITERS, key=fitness)


def looks_like_table(text: str) -> bool:
    """Tell whether `text` is a table and not a list: it has a header, or a column that holds no addresses."""
    try:
        lines = list(_cells(text))
    except EntryError:
        return False
    if not lines:
        return False
    if header := _header(lines[0][1]):
        return len(header) > 1 or header[0] in _ALONE
    width = len(lines[0][1])
    if width < 2 or any(len(cells) != width for _, cells in lines):
        return False
    fields = _by_content([cells for _, cells in lines])
    words = [cell for _, cells in lines for field, cell in zip(fields, cells, strict=True) if field in _TEXTS]
    if any(re.fullmatch(r"[\w.-]*", word) is None for word in words):
        return False
    if len(lines) == 1 and any("." in word for word in words):
        return False  # "a.lan, 10.0.0.2" is two servers
    return "address" in fields and set(fields) - {"address", "internal_address"} != set()


def read_table(text: str, room: int = MOST_SERVERS) -> tuple[list[Row], list[str]]:
    """Return the servers of a table, and notes on columns that say nothing about a server.

    Raises:
        EntryError: No column holds an address, a cell does not fit, or there are too many servers.
    """
    lines = list(_cells(text))
    header = _header(lines[0][1]) if lines else []
    if header:
        names, lines = lines[0][1], lines[1:]
    else:
        header = _by_content([cells for _, cells in lines])
        names = [f"number {number}" for number in range(1, len(header) + 1)]
    fields = _once(header)
    if not {"address", "host"} & set(fields):
        raise EntryError("No column holds the servers' addresses; call one 'address' in the first line.")
    rows: list[Row] = []
    for number, cells in lines:
        rows += _rows(_row(fields, cells, number), number, room - len(rows))
    rows, notes = with_etcd(rows)
    unknown = [name for name, field in zip(names, fields, strict=True) if not field and name]
    if unknown:
        what = "The column" if len(unknown) == 1 else "The columns"
        notes.insert(0, f"{what} {some(unknown)} {were(len(unknown))} left out.")
    return rows, notes


def _tabbed(text: str) -> str:
    """Return `text` with tabs for its spaces, where those part the columns below a header of known words."""
    lines = text.split("\n")
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), "")
    header = [] if any(mark in first for mark in _DELIMITERS) else _header(first.split())
    if len(header) < 2 or not all(header) or not {"address", "host"} & set(header):
        return text
    return "\n".join("\t".join(line.split()) for line in lines)


def _cells(text: str) -> Iterator[Cells]:
    text = _tabbed(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), skipinitialspace=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped) and not stripped[0].startswith("#"):
                yield reader.line_num, stripped
    except csv.Error as error:
        raise EntryError(f"Line {reader.line_num} is no line of a table: {brief(error)}.") from None


def _header(cells: Sequence[str]) -> list[str]:
    """Return the field of each column that a header names, empty for an unknown one; empty for no header."""
    fields = [_FIELD_OF.get(re.sub(r"[^a-z0-9]", "", cell.lower()), "") for cell in cells]
    if not any(fields) or any(re.search(r"\d\.\d|:", cell) for cell in cells):
        return []
    return fields


def _once(fields: Iterable[str]) -> list[str]:
    """Let the first column of each field count; a column of host names is the name or the address."""
    given = list(fields)
    if "host" in given and "address" in given and "name" not in given:
        given[given.index("host")] = "name"
    return [field if field and field not in given[:number] else "" for number, field in enumerate(given)]


def _by_content(lines: Sequence[Sequence[str]]) -> list[str]:
    """Guess the columns of a table without a header from what stands in all of their cells."""
    width = max((len(cells) for cells in lines), default=0)
    columns = [[cells[at] for cells in lines if at < len(cells) and cells[at]] for at in range(width)]
    fields = [_kind(column) for column in columns]
    if "address" not in fields and "text" in fields:
        dotted = [
            at
            for at, kind in enumerate(fields)
            if kind == "text" and all("." in cell for cell in columns[at])
        ]
        if dotted:
            fields[dotted[0]] = "address"
    order = {"address": ["address", "internal_address"], "text": ["name", "user"]}
    return [order[kind].pop(0) if order.get(kind) else ("" if kind in order else kind) for kind in fields]


def _kind(cells: Sequence[str]) -> str:
    if not cells:
        return ""
    tests: dict[str, Callable[[str], bool]] = {
        "address": _is_address,
        "port": lambda cell: re.fullmatch(r"\d{1,5}", cell) is not None,
        "roles": lambda cell: all(role_of(word) for word in _words(cell)),
        "key_file": lambda cell: cell.startswith(("/", "~/")),
    }
    return next((kind for kind, test in tests.items() if all(test(cell) for cell in cells)), "text")


def _is_address(cell: str) -> bool:
    if has_range(cell):
        return "." in cell or "::" in cell
    return any(parse_address(text) is not None for text in (cell, cell.partition("-")[0]))


def _words(cell: str) -> list[str]:
    joined = re.sub(r"(?i)\bcontrol[ _]plane\b", "control-plane", cell)
    return [word for word in re.split(r"[\s,;|+]+", joined) if word]


def _row(fields: Sequence[str], cells: Sequence[str], number: int) -> Row:
    if any(cells[len(fields) :]):
        raise EntryError(
            f"Line {number} has {len(cells)} cells for {len(fields)} columns; put quotes round commas."
        )
    said = {field: cell for field, cell in zip(fields, cells, strict=False) if field and cell}
    if host := said.pop("host", ""):
        said.setdefault("name", host)
        said.setdefault("address", host)
    if "address" not in said:
        raise EntryError(f"Line {number} has no address; write it in the column of addresses.")
    keys = ("name", *(key for key in _COLUMNS if key not in {"name", "host"}))
    return {key: _value(key, said[key], number) for key in keys if key in said}


def _value(key: str, cell: str, number: int) -> Any:
    if key == "port":
        return int(cell) if re.fullmatch(r"\d{1,5}", cell) else cell
    if key == "roles":
        return _roles(cell, number)
    if key == "labels":
        pairs = (word.partition("=") for word in _words(cell))
        return {label: value for label, _, value in pairs}
    if key in {"taints", "disks"}:
        return _words(cell)
    return cell


def _roles(cell: str, number: int) -> list[str]:
    roles = []
    for word in _words(cell):
        role = role_of(word)
        if role is None:
            raise EntryError(
                f"Line {number}: {brief(word)!r} is not a role; write control-plane, etcd or worker."
            )
        roles.append(role)
    return in_order(roles)


def _rows(row: Row, number: int, room: int) -> list[Row]:
    """Return the row, or as many as the ranges in its name and its address stand for."""
    where = f"Line {number}"
    try:
        addresses = expand(row["address"], max(room, 0))
        names = expand(row.get("name", ""), max(room, 0))
        if len(addresses) == len(names) == 1:
            many = [row | {"address": addresses[0]}]
        elif len(names) == 1:
            many = [{**row, "address": address} for address in addresses]
        else:
            pairs = pair(names, addresses, row["name"])
            many = [{**row, "name": name, "address": address} for name, address in pairs]
    except AnswerError as error:
        raise EntryError(f"{where}: {one_sentence(error)}") from None
    if len(many) > room:
        raise too_many(MOST_SERVERS + 1)
    return [checked(one, where) for one in many]
