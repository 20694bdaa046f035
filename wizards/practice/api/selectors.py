"""Label and field selectors, as they stand in a URL or in a `LabelSelector` object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wizards.practice.api.errors import ApiError, bad_request
from wizards.practice.api.resources import ResourceType
from wizards.practice.api.values import Json, dig

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_LABEL_TERM = re.compile(
    rf"\s*(?:"
    rf"(?P<set_key>{_KEY})\s+(?P<set_op>in|notin)\s*\(\s*(?P<set>{_VALUE}(?:\s*,\s*{_VALUE})*)\s*\)"
    rf"|(?P<key>{_KEY})\s*(?P<op>==|=|!=)\s*(?P<value>{_VALUE})"
    rf"|(?P<order_key>{_KEY})\s*(?P<order>[<>])\s*(?P<number>-?\d+)"
    rf"|!\s*(?P<absent>{_KEY})"
    rf"|(?P<present>{_KEY})"
    rf")\s*(?P<end>,|$)"
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand on labels. `op` is In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    key: str
    op: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet it. NotIn is met by a missing label, as in Kubernetes."""
        here = self.key in labels
        if self.op == "In":
            return here and labels[self.key] in self.values
        if self.op == "NotIn":
            return not here or labels[self.key] not in self.values
        if self.op in {"Exists", "DoesNotExist"}:
            return here == (self.op == "Exists")
        if self.op not in {"Gt", "Lt"} or not self.values or not here:
            return False
        if not re.fullmatch(r"-?\d+", labels[self.key]):
            return False
        bound = int(next(iter(self.values)))
        return int(labels[self.key]) > bound if self.op == "Gt" else int(labels[self.key]) < bound


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Read a labelSelector such as `app=web,tier in (a,b),!old`.

    Raises:
        ApiError: 400, when it cannot be read.
    """
    found: list[Requirement] = []
    position = 0
    while position < len(text) and text.strip():
        match = _LABEL_TERM.match(text, position)
        if match is None or (match["end"] == "," and match.end() == len(text)):
            raise bad_request(
                f'unable to parse requirement: found "{text[position:]}", expected: a label term'
            )
        found.append(_requirement(match))
        position = match.end()
    return tuple(found)


def _requirement(match: re.Match[str]) -> Requirement:
    if match["set_key"]:
        values = frozenset(value.strip() for value in match["set"].split(","))
        return Requirement(match["set_key"], "In" if match["set_op"] == "in" else "NotIn", values)
    if match["key"]:
        op = "NotIn" if match["op"] == "!=" else "In"
        return Requirement(match["key"], op, frozenset({match["value"]}))
    if match["order_key"]:
        op = "Gt" if match["order"] == ">" else "Lt"
        return Requirement(match["order_key"], op, frozenset({match["number"]}))
    if match["absent"]:
        return Requirement(match["absent"], "DoesNotExist")
    return Requirement(match["present"], "Exists")


def from_object(selector: Json | None) -> tuple[Requirement, ...] | None:
    """Read a `LabelSelector` object. None in gives None out: it selects nothing; `{}` selects all."""
    if selector is None:
        return None
    wanted: Json = selector.get("matchLabels") or {}
    found = [Requirement(key, "In", frozenset({value})) for key, value in wanted.items()]
    found.extend(
        Requirement(item.get("key", ""), item.get("operator", ""), frozenset(item.get("values") or ()))
        for item in selector.get("matchExpressions") or ()
    )
    return tuple(found)


def select(requirements: Sequence[Requirement] | None, labels: Mapping[str, str] | None) -> bool:
    """Whether labels meet all requirements; None (no selector) selects nothing."""
    return requirements is not None and all(item.matches(labels or {}) for item in requirements)


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One demand on a field: equal to a value, or different from it."""

    path: str
    value: str
    equal: bool

    def matches(self, obj: Json) -> bool:
        """Whether the object meets it; a missing field reads as the empty string."""
        return (field_value(obj, self.path) == self.value) == self.equal


def field_value(obj: Json, path: str) -> str:
    """What a fieldSelector compares: the field as text."""
    if path == "source":  # the one label that is no path: core/v1 events
        value: Any = dig(obj, "source", "component") or obj.get("reportingComponent")
    elif path == "status.successful":
        value = dig(obj, "status", "succeeded") or 0
    else:
        value = dig(obj, *path.split("."))
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "false" if path in {"spec.unschedulable", "spec.hostNetwork"} else ""
    return str(value)


_FIELD_TERM = re.compile(r"(?P<path>[^=!,\\]+?)(?P<op>==|=|!=)(?P<value>(?:[^,\\=]|\\.)*)(?:,|$)")


def parse_fields(text: str, rtype: ResourceType) -> tuple[FieldTerm, ...]:
    """Read a fieldSelector such as `status.phase!=Running,spec.nodeName=node-1`.

    Args:
        text: The selector; a backslash escapes comma, equals sign and backslash.
        rtype: The resource it is asked of, which decides which fields can be named.

    Raises:
        ApiError: 400, when it cannot be read or names a field that cannot be selected.
    """
    found: list[FieldTerm] = []
    position = 0
    while position < len(text):
        match = _FIELD_TERM.match(text, position)
        if match is None:
            raise bad_request(f"invalid field selector {text!r}: can't understand {text[position:]!r}")
        path = match["path"].strip()
        if path not in rtype.selectable_fields:
            raise _unknown_field(rtype, text, path)
        value = re.sub(r"\\(.)", r"\1", match["value"])
        found.append(FieldTerm(path, value, equal=match["op"] != "!="))
        position = match.end()
    return tuple(found)


def _unknown_field(rtype: ResourceType, text: str, path: str) -> ApiError:
    where = f'"{rtype.group}/{rtype.version}, Resource={rtype.plural}"'
    message = f'Unable to find {where} that match label selector "", field selector "{text}": '
    return bad_request(f"{message}field label not supported: {path}")


@dataclass(frozen=True, slots=True)
class Filter:
    """Both selectors of a list or watch, and the namespace it is limited to."""

    namespace: str | None = None
    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldTerm, ...] = ()

    @property
    def selective(self) -> bool:
        """Whether any selector is set (a list then cannot say how many items remain)."""
        return bool(self.labels or self.fields)

    def matches(self, obj: Json) -> bool:
        """Whether the object is meant."""
        metadata: Json = obj["metadata"]
        if self.namespace is not None and metadata.get("namespace") != self.namespace:
            return False
        if self.labels and not select(self.labels, metadata.get("labels")):
            return False
        return all(term.matches(obj) for term in self.fields)
