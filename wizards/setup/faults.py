"""Turning what pydantic says about a specification into sentences about cluster.yaml.

Every kind of error that the models of `spec` can give has its sentence here; none of pydantic's own words
reach a person.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wizards.setup import spec_fields
from wizards.setup.finding import Finding
from wizards.setup.paths import Part, join, path_of
from wizards.setup.wording import TEMPLATE, TEMPLATE_MESSAGE, TEMPLATE_REMEDY, shown
from wizards.setup.yaml_faults import fault

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_SECRET: Final = re.compile(r"pass(?:word|wd|phrase)?|secret|token", re.IGNORECASE)

Sentence = tuple[str, str]
"""What is wrong, and what would be right."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One error of pydantic's, with what is needed to speak of it."""

    parts: tuple[Part, ...]
    value: Any
    context: Mapping[str, Any]
    written: str
    """The value as the file has it, for a plain scalar; else as YAML would write it."""

    @property
    def name(self) -> str:
        return str(self.parts[-1]) if self.parts else "the file"


def type_findings(error: ValidationError, written: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return one finding for each error, without lines.

    Args:
        error: What pydantic raised for the whole specification.
        written: Path of a plain scalar to its characters in the file, where there is a file.
    """
    details = error.errors(include_url=False)
    return tuple(_finding(one, written) for one in details if not _follows(one, details))


def template_findings(data: Any, path: str = "") -> Iterator[Finding]:
    """Yield a finding for every text, and every key, that holds template braces."""
    if isinstance(data, str):
        if TEMPLATE.search(data):
            yield fault("template", path, f"{shown(data)} {TEMPLATE_MESSAGE}", TEMPLATE_REMEDY)
    elif isinstance(data, Mapping):
        for key, value in data.items():
            if TEMPLATE.search(str(key)):
                message = f"the name {shown(str(key))} {TEMPLATE_MESSAGE}"
                yield fault("template", join(path, str(key)), message, TEMPLATE_REMEDY)
            yield from template_findings(value, join(path, str(key)))
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from template_findings(value, join(path, index))


def _follows(one: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """Tell whether an error only follows from errors inside its value: a list whose entries are all wrong."""
    depth = len(one["loc"])
    return one["type"] == "too_short" and any(
        len(other["loc"]) > depth and other["loc"][:depth] == one["loc"] for other in details
    )


def _finding(one: ErrorDetails, written: Mapping[str, str]) -> Finding:
    parts = tuple(part for part in one["loc"] if part != "[key]")
    path = path_of(parts)
    case = _Case(parts, one["input"], one.get("ctx", {}), written.get(path, _as_yaml(one["input"])))
    message, remedy = _SENTENCES.get(one["type"], _other)(case)
    return fault(one["type"].replace("_", "-"), path, message, remedy)


def _as_yaml(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _what(value: Any, written: str) -> str:
    """Return what `value` is, as the subject of a sentence."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the switch {written}"
    if isinstance(value, int | float):
        return f"the number {written[:24]}"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    return "a list" if isinstance(value, list | tuple) else "a group of 'key: value' lines"


def _stands(case: _Case, wanted: str) -> str:
    return f"{_what(case.value, case.written)} stands where {wanted} is wanted"


def _or_leave_out(case: _Case, remedy: str) -> str:
    field = spec_fields.field_at(case.parts)
    can_be_left_out = field is not None and not field.is_required()
    return f"{remedy}, or leave the line out" if can_be_left_out and case.value in (None, [], ()) else remedy


def _missing(case: _Case) -> Sentence:
    pattern = ".".join(part for part in case.parts if isinstance(part, str))
    field = spec_fields.field_at(case.parts)
    hint = field.description if field and field.description else "it has no default"
    example = EXAMPLES.get(pattern)
    return f"'{case.name}' is missing", f"add '{case.name}: {example}'" if example else f"add it: {hint}"


EXAMPLES: Final[Mapping[str, str]] = {
    "name": "my-cluster",
    "nodes.name": "node1",
    "nodes.address": "10.0.0.11",
    "access.jump.host": "bastion.lan",
    "load_balancer.pools.addresses": "[10.0.0.240-10.0.0.250]",
    "load_balancer.peers.name": "router",
    "load_balancer.peers.address": "10.0.0.1",
    "load_balancer.peers.asn": "64513",
    "local.port_mappings.host_port": "8080",
    "local.port_mappings.container_port": "30080",
    "local.mounts.host_path": "/srv/data",
    "local.mounts.container_path": "/data",
}
"""For every field without a default: what it may look like."""


def _unknown(case: _Case) -> Sentence:
    owner = spec_fields.model_at(case.parts[:-1])
    names = list(owner.model_fields) if owner else []
    if close := _closest(case.name, names):
        return f"there is no field {shown(case.name)} here", f"did you mean '{close}'?"
    if _SECRET.search(case.name):
        return (
            "passwords and other secrets are not kept in cluster.yaml",
            "delete this line: Slipway asks when it needs one",
        )
    if places := spec_fields.field_places().get(_snake(case.name)):
        return f"there is no field {shown(case.name)} here", f"it belongs at {' or '.join(places[:3])}"
    return f"there is no field {shown(case.name)} here", f"the fields here are {', '.join(names)}"


def _closest(word: str, words: Sequence[str]) -> str:
    found = difflib.get_close_matches(_snake(word), words, n=1, cutoff=0.75)
    return found[0] if found else ""


def _snake(word: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).replace("-", "_").lower()


def _text_wanted(case: _Case) -> Sentence:
    if case.name == "version" and isinstance(case.value, float):
        return (
            f"{case.written} is read as a number, and a version has three parts",
            "write all three, for example 1.35.4",
        )
    if isinstance(case.value, bool | int | float):
        return _stands(case, "text"), f'put it in quotes: "{case.written[:24]}"'
    return _stands(case, "text"), _or_leave_out(case, "give one text")


def _number_wanted(case: _Case) -> Sentence:
    if isinstance(case.value, str) and re.fullmatch(r"[0-9]{1,10}", case.value):
        return _stands(case, "a whole number"), f"write it without quotes: {case.value}"
    return _stands(case, "a whole number"), _or_leave_out(case, _within(case) or "give digits only")


def _within(case: _Case) -> str:
    low, high = spec_fields.bounds_at(case.parts)
    if low is not None and high is not None:
        return f"give a number from {low} to {high}"
    return ""


def _too_small(case: _Case) -> Sentence:
    remedy = _within(case) or f"give at least {case.context.get('ge', 0)}"
    return f"{case.written[:24]} is too small", remedy


def _too_large(case: _Case) -> Sentence:
    remedy = _within(case) or f"give at most {case.context.get('le', 0)}"
    return f"{case.written[:24]} is too large", remedy


def _switch_wanted(case: _Case) -> Sentence:
    return _stands(case, "true or false"), _or_leave_out(case, "write true or false")


def _list_wanted(case: _Case) -> Sentence:
    if isinstance(case.value, str) and case.value and "\n" not in case.value:
        return _stands(case, "a list"), f"write [{shown(case.value)[1:-1]}], or '- ' before each entry"
    return _stands(case, "a list"), _or_leave_out(case, "begin each entry with '- '")


def _group_wanted(case: _Case) -> Sentence:
    model = spec_fields.model_at(case.parts)
    if model is None:
        return _stands(case, "a group of 'key: value' lines"), _or_leave_out(
            case, "write one 'key: value' a line"
        )
    names = spec_fields.required_fields(model) or tuple(model.model_fields)[:3]
    fields = ", ".join(f"'{name}: …'" for name in names)
    if not case.parts:
        return _stands(case, "a group of 'key: value' lines"), f"begin with {fields}"
    return _stands(case, "a group of fields"), _or_leave_out(case, f"give its fields: {fields}")


def _too_few(case: _Case) -> Sentence:
    return "the list is empty", _or_leave_out(case, "give at least one entry")


def _too_long(case: _Case) -> Sentence:
    most = case.context.get("max_length", 0)
    if isinstance(case.value, str):
        return f"{shown(case.value)} has {len(case.value)} characters", f"use at most {most}"
    actual = len(case.value) if isinstance(case.value, list | tuple) else "more"
    return f"the list has {actual} entries", f"give at most {most}"


def _empty_text(case: _Case) -> Sentence:
    return f"'{case.name}' is empty", "give a value"


def _choice(case: _Case) -> Sentence:
    allowed = re.findall(r"'([^']*)'", str(case.context.get("expected", "")))
    if case.parts == ("api_version",):
        return (
            f"this Slipway does not read the format {shown(str(case.value))}",
            f"it reads {allowed[0]}, and a newer file needs a newer Slipway",
        )
    choices = ", ".join(allowed)
    if not isinstance(case.value, str):
        return _stands(case, "one of the choices"), _or_leave_out(case, f"write one of {choices}")
    close = difflib.get_close_matches(case.value.lower(), allowed, n=1, cutoff=0.7)
    guess = f"did you mean '{close[0]}'? The choices are {choices}" if close else f"write one of {choices}"
    return f"{shown(case.value)} is not one of the choices", guess


def _in_words(case: _Case) -> Sentence:
    """Return what the types of `values` say: they speak in sentences themselves."""
    text = str(case.context.get("error", ""))
    if isinstance(case.value, str) and repr(case.value) in text:
        text = text.replace(repr(case.value), shown(case.value))
    message, found, remedy = text.partition("; ")
    if not found:
        message, found, remedy = text.partition(": ")
    if not found:
        message, found, example = text.partition(", such as ")
        remedy = f"for example {example}" if found else "write it without"
    return message, f"use {remedy}" if remedy.startswith("at most") else remedy


def _pattern(case: _Case) -> Sentence:
    wrong, right = PATTERNS.get(str(case.context.get("pattern", "")), ("is not written as it should be", ""))
    return f"{shown(str(case.value))} {wrong}", right


PATTERNS: Final[Mapping[str, Sentence]] = {
    r"^1\.\d{1,2}\.\d{1,3}$": (
        "is not a Kubernetes version",
        "write all three parts without a 'v', for example 1.35.4",
    ),
    r"^[A-Za-z0-9_.:@-]{1,15}$": (
        "is not the name of a network interface",
        "give a name of at most 15 characters, such as eth0",
    ),
    r"^(\d+:\d+|large:\d+:\d+:\d+)$": (
        "is not a BGP community",
        "write two numbers, such as 65000:100, or large:65000:1:2",
    ),
    r"^[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}$": (
        "is not a name for an LVM volume group",
        "use letters, digits, '+', '_', '.' and '-', such as slipway",
    ),
    r"^[A-Za-z][A-Za-z0-9_.:/-]{0,254}$": (
        "is not a name for a ZFS pool",
        "begin with a letter, such as slipway or tank/slipway",
    ),
    r"^[A-Za-z0-9.*:/_-]+$": (
        "is not a host, domain or range",
        "give one name a list entry, such as .lan or 10.0.0.0/8",
    ),
    r"^[a-z_][a-z0-9_]*$": (
        "is not a name for a variable",
        "use lower-case letters, digits and '_', such as kube_oidc_url",
    ),
}
"""For every pattern of `spec`: what a text that does not match is not, and what would be right."""


def _not_json(case: _Case) -> Sentence:
    return (
        f"{case.name} holds characters or values that cannot be kept in a file",
        "use plain text and numbers",
    )


def _other(case: _Case) -> Sentence:
    field = spec_fields.field_at(case.parts)
    remedy = field.description if field and field.description else "see the guide for what can stand here"
    return f"{_what(case.value, case.written)} cannot stand here", remedy


_SENTENCES: Final[Mapping[str, Callable[[_Case], Sentence]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "string_type": _text_wanted,
    "string_too_long": _too_long,
    "string_too_short": _empty_text,
    "string_pattern_mismatch": _pattern,
    "string_unicode": _not_json,
    "int_type": _number_wanted,
    "int_parsing": _number_wanted,
    "int_parsing_size": _number_wanted,
    "int_from_float": _number_wanted,
    "bool_type": _switch_wanted,
    "bool_parsing": _switch_wanted,
    "greater_than_equal": _too_small,
    "less_than_equal": _too_large,
    "enum": _choice,
    "literal_error": _choice,
    "value_error": _in_words,
    "tuple_type": _list_wanted,
    "too_short": _too_few,
    "too_long": _too_long,
    "dict_type": _group_wanted,
    "model_type": _group_wanted,
    "json_invalid": _not_json,
    "invalid-json-value": _not_json,
}
