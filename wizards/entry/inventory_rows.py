"""What ``ansible-inventory --list`` prints → servers: a pure function over its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wizards.entry.model import EntryError, Row, too_many
from wizards.entry.rows import (
    check_field,
    in_order,
    is_jump,
    jump_in_options,
    left_out,
    plain,
    role_of,
    with_etcd,
)
from wizards.setup.host_ranges import MOST_SERVERS
from wizards.setup.proposals import parse_address
from wizards.setup.wording import TEMPLATE

_SSH: Final = frozenset({"", "ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh"})
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_BASTION: Final = "bastion"
_DEPTH: Final = 64

Vars = Mapping[str, Any]


@dataclass(slots=True)
class Inventory:
    """Servers of an inventory, with notes, and the jump host where all have the same."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    jump: dict[str, Any] | None = None


def read_listing(listing: Mapping[str, Any], room: int = MOST_SERVERS) -> Inventory:
    """Return the servers of `listing`, control planes first; their names are as in the inventory.

    Raises:
        EntryError: A group is a child of itself, no server is left, or there are too many.
    """
    groups = {str(name): group for name, group in listing.items() if name != "_meta"}
    meta = listing.get("_meta")
    all_vars = meta.get("hostvars") if isinstance(meta, Mapping) else None
    hostvars: Vars = all_vars if isinstance(all_vars, Mapping) else {}
    members = {name: list(dict.fromkeys(_hosts(name, groups, ()))) for name in groups}
    roles = _roles(members)
    names = dict.fromkeys(
        [*roles, *(host for hosts in members.values() for host in hosts), *map(str, hostvars)]
    )
    reader = _Reader(hostvars, roles, frozenset(members.get(_BASTION, ())))
    for name in names:
        reader.take(name)
    if len(reader.rows) > room:
        raise too_many(len(reader.rows) + MOST_SERVERS - room)
    rows, notes = with_etcd(reader.rows)
    jump, jump_notes = reader.jump()
    return Inventory(rows, [*reader.notes(), *notes, *jump_notes], jump)


def _hosts(name: str, groups: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[str]:
    """Yield the hosts of a group and of its children.

    Raises:
        EntryError: The group is its own child.
    """
    if name in above or len(above) > _DEPTH:
        raise EntryError(
            "A group of this inventory is, through others, a child of itself; take it out of one of its own"
            " children."
        )
    group = groups.get(name)
    if isinstance(group, list):
        yield from (str(host) for host in group)
        return
    if not isinstance(group, Mapping):
        return
    yield from (str(host) for host in _items(group.get("hosts")))
    for child in _items(group.get("children")):
        yield from _hosts(str(child), groups, (*above, name))


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | Mapping) else []


def _roles(members: Mapping[str, list[str]]) -> dict[str, set[str]]:
    """Return host → roles, in the order of the control planes, the etcd members and the workers."""
    roles: dict[str, set[str]] = {}
    for wanted in ("control-plane", "etcd", "worker"):
        for group, hosts in members.items():
            if role_of(group) == wanted:
                for host in hosts:
                    roles.setdefault(host, set()).add(wanted)
    return roles


@dataclass(slots=True)
class _Reader:
    """Takes one host after the other, and remembers what was left out."""

    hostvars: Vars
    roles: Mapping[str, set[str]]
    bastions: frozenset[str]
    rows: list[Row] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    jumps: list[dict[str, Any] | None] = field(default_factory=list)

    def take(self, name: str) -> None:
        found = self.hostvars.get(name)
        said: Vars = found if isinstance(found, Mapping) else {}
        if why := self._unfit(name, said):
            self._skip(why, name)
            return
        address = _first(said, "ansible_host", "ansible_ssh_host") or name
        if check_field("address", address):
            why = (
                "since its address is a template or no address"
                if address != name
                else "since it has no address"
            )
            self._skip(why, name)
            return
        row: Row = {"name": name, "address": plain(address)}
        for key, value in _values(said, row["address"]).items():
            if check_field(key, value):
                self._skip(f"{key} of it only, since it is no {_WORDS.get(key, key)}", name)
            else:
                row[key] = plain(value) if "address" in key else value
        if name in self.roles:
            row["roles"] = in_order(self.roles[name])
        self.rows.append(row)
        self.jumps.append(self._jump(said, name))

    def _unfit(self, name: str, said: Vars) -> str:
        connection = str(said.get("ansible_connection") or "").lower()
        if name in _LOCAL or connection in {"local", "ansible.builtin.local"}:
            return "since it is this machine"
        if connection not in _SSH:
            return "since it is not reached by SSH"
        if self.roles and name not in self.roles:
            return "since it is in no group of Kubernetes"
        return "since it is the jump host" if name in self.bastions and not self.roles else ""

    def _skip(self, why: str, name: str) -> None:
        self.skipped.setdefault(why, []).append(name)

    def _jump(self, said: Vars, name: str) -> dict[str, Any] | None:
        options = " ".join(
            text
            for key in ("ansible_ssh_common_args", "ansible_ssh_extra_args")
            if (text := _text(said, key))
        )
        jump = jump_in_options(options) if options else None
        if jump is None and ("proxy" in options.lower() or _is_template(said.get("ansible_ssh_common_args"))):
            self._skip("only its jump host, since it is not one host written plainly", name)
        return jump

    def jump(self) -> tuple[dict[str, Any] | None, list[str]]:
        """Return the jump host of all servers; of the group `bastion` where none is named."""
        if any(self.jumps):
            if all(jump == self.jumps[0] for jump in self.jumps):
                return self.jumps[0], []
            return None, ["Not all servers have the same jump host, so none was taken; set the one for all."]
        if len(self.bastions) != 1:
            return None, []
        (name,) = self.bastions
        found = self.hostvars.get(name)
        said: Vars = found if isinstance(found, Mapping) else {}
        values = _values(said, "")
        jump = {"host": _first(said, "ansible_host", "ansible_ssh_host") or name}
        jump |= {key: values[key] for key in ("port", "user") if key in values}
        return (jump, []) if is_jump(jump) else (None, [])

    def notes(self) -> list[str]:
        return [note for why, names in self.skipped.items() for note in left_out(names, why)]


_WORDS: Final = {
    "port": "port from 1 to 65535",
    "user": "login name",
    "internal_address": "IP address",
    "internal_address_v6": "IPv6 address",
    "labels": "set of labels",
    "taints": "list of taints",
}


def _values(said: Vars, address: str) -> Row:
    """Return what the variables of a host say beside its address; templates and secrets say nothing."""
    values: Row = dict(_inner(said, address))
    if port := _first(said, "ansible_port", "ansible_ssh_port"):
        values["port"] = int(port) if port.isdecimal() and len(port) < 7 else port
    if user := _first(said, "ansible_user", "ansible_ssh_user"):
        values["user"] = user
    if key := _first(said, "ansible_ssh_private_key_file", "ansible_private_key_file"):
        values["key_file"] = key
    labels, taints = said.get("node_labels"), said.get("node_taints")
    if isinstance(labels, Mapping) and labels:
        values["labels"] = {str(key): _written(value) for key, value in labels.items()}
    if isinstance(taints, list) and taints:
        values["taints"] = [str(taint) for taint in taints]
    return {key: value for key, value in values.items() if not _is_template(value)}


def _inner(said: Vars, address: str) -> Iterator[tuple[str, str]]:
    """Yield the addresses between nodes, where they are not the address SSH reaches."""
    inner, inner_v6 = _first(said, "ip", "access_ip"), _first(said, "ip6", "access_ip6")
    if inner and plain(inner) != address:
        yield "internal_address", inner
    if not inner_v6 or plain(inner_v6) == address:
        return
    is_ip = parse_address(address) is not None
    yield ("internal_address_v6" if inner or is_ip else "internal_address"), inner_v6


def _first(said: Vars, *keys: str) -> str:
    return next((text for key in keys if (text := _text(said, key))), "")


def _text(said: Vars, key: str) -> str:
    """Return the value as text; empty for a list, something encrypted, or nothing."""
    value = said.get(key)
    if isinstance(value, Mapping):
        value = value.get("__ansible_unsafe")
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_template(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_is_template(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return any(_is_template(one) for one in value)
    return isinstance(value, str) and TEMPLATE.search(value) is not None
