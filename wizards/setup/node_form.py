"""All that can be said about one server, as a form of text fields."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wizards.setup.node_rows import SSH_PORT, Row, Rows, refuse_doubles
from wizards.setup.parsing import check_value, refuse_braces
from wizards.setup.questions import AnswerError


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of the form: the key of the node mapping, its title, and an example of what belongs there."""

    key: str
    title: str
    example: str


FIELDS: Final = (
    FormField("name", "Name", "node-1"),
    FormField("address", "Address (SSH)", "10.0.0.11 or node1.lan"),
    FormField("port", "SSH port", "22"),
    FormField("user", "SSH user", "as for all nodes"),
    FormField("key_file", "Key file", "as for all nodes"),
    FormField("internal_address", "Internal address", "same as the SSH address"),
    FormField("internal_address_v6", "Internal IPv6 address", "for dual stack, beside the IPv4 one"),
    FormField("disks", "Disks for storage", "/dev/disk/by-id/..."),
    FormField("labels", "Kubernetes labels", "rack=a, disk=ssd"),
    FormField("taints", "Kubernetes taints", "dedicated=db:NoSchedule"),
)
ROLES: Final = (("control-plane", "Control plane"), ("etcd", "etcd"), ("worker", "Worker"))
_LISTS: Final = frozenset({"disks", "taints"})


def form_text(row: Row, key: str) -> str:
    """Return what stands in the field `key` for the node mapping `row`."""
    value = row.get(key)
    if key == "port":
        return str(value or SSH_PORT)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text}" if text else name for name, text in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)


def read_form(
    texts: Mapping[str, str],
    roles: Sequence[str],
    *,
    node: Row,
    proposed: Sequence[str],
    others: Rows,
) -> Row:
    """Return the node mapping that a filled-in form stands for.

    Args:
        texts: What stands in the fields, by key.
        roles: The roles that are chosen.
        node: The node mapping as it was.
        proposed: Its proposed roles. Left so they stay a proposal, which follows the number of servers.
        others: The other servers.

    Raises:
        AnswerError: When a field is wrong; the message begins with its title.
    """
    data = {key: value for key, value in node.items() if key not in texts and key != "roles"}
    titles = {field.key: field.title for field in FIELDS}
    for key, text in texts.items():
        value = _said(titles[key], key, text.strip())
        if value not in (None, [], {}):
            data[key] = value
    if not roles:
        raise AnswerError("Roles: a server does at least one thing; worker would be right for most.")
    if "roles" in node or set(roles) != set(proposed):
        data["roles"] = list(roles)
    for key in ("name", "address", "internal_address"):
        refuse_doubles(data, others, key)
    check_value("nodes", [data])
    return data


def _said(title: str, key: str, text: str) -> Any:
    """Return the value of one field; None where nothing was said."""
    refuse_braces(text)
    if not text:
        if key in {"name", "address"}:
            raise AnswerError(f"{title}: it is missing, and every server has one.")
        return None
    try:
        value = _value(key, text)
        return None if (key, value) == ("port", SSH_PORT) else check_value(f"nodes[0].{key}", value)
    except AnswerError as error:
        raise AnswerError(f"{title}: {error}") from None


def _value(key: str, text: str) -> Any:
    if key == "port":
        if not re.fullmatch(r"\d{1,6}", text):
            raise AnswerError(f"{text!r} is not a number from 1 to 65535.")
        return int(text)
    if key in _LISTS:
        return _words(text)
    if key == "labels":
        return dict(_label(word) for word in _words(text))
    return text


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", text) if word]


def _label(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value
