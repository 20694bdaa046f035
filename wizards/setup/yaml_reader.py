"""Reading cluster.yaml safely: plain data, and for every answer its line and how it is written there.

The parser's events are read one by one, so that depth and size are bounded before anything is built, no
Python object can be made by a tag, and a key given twice is seen. Scalars follow YAML 1.2; where YAML 1.1,
which Ansible and many other tools read, would take a bare word for something else (``no``, ``010``), the
file is asked to say which is meant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from wizards.setup import yaml_faults
from wizards.setup.finding import Finding
from wizards.setup.paths import join, parts_of, path_of
from wizards.setup.wording import shown

if TYPE_CHECKING:
    from yaml.events import AliasEvent, CollectionStartEvent, Event, ScalarEvent

MAX_DEPTH: Final = 32
"""Levels of nesting; a cluster specification has six, Kubespray's variables some more."""
MAX_VALUES: Final = 100_000
"""Values after references are followed; a thousand nodes with labels and disks have a tenth of it."""

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_TRUE_WORDS: Final = frozenset({"yes", "Yes", "YES", "on", "On", "ON"})
_FALSE_WORDS: Final = frozenset({"no", "No", "NO", "off", "Off", "OFF"})
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,98})")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ODD_NUMBER: Final = re.compile(
    r"[-+]?(?:0[0-9_]+|0o[0-7]+|0x[0-9a-fA-F_]+|0b[01_]+|[0-9][0-9_]*_[0-9_]*|[0-9]{100,}|\.(?:inf|Inf|INF))"
    r"|\.(?:nan|NaN|NAN)"
)
_STRING_TAG: Final = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a file holds.

    Attributes:
        data: Dictionaries, lists, texts, numbers, switches and nulls; None for a file without content.
        lines: Path of every answer to its line, from 1.
        written: Path of every plain (unquoted) scalar to the characters that stand in the file.
        findings: Faults that do not keep the rest from being read.
    """

    data: Any
    lines: Mapping[str, int]
    written: Mapping[str, str]
    findings: tuple[Finding, ...]


class YamlFault(ValueError):
    """The text is not YAML that can be read; `findings` say why, the last one what ended the reading."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(findings[-1].message)
        self.findings = findings


def read_yaml(text: str) -> Parsed:
    """Return what `text` holds.

    Raises:
        YamlFault: It is not YAML, or goes beyond the limits on depth and size, or holds several documents.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    reader = _Reader(yaml.parse(text, Loader=loader))
    try:
        data = reader.document()
    except yaml.YAMLError as error:
        raise YamlFault(*reader.findings, yaml_faults.syntax_finding(error, text)) from None
    except YamlFault as fault:
        raise YamlFault(*reader.findings, *fault.findings) from None
    return Parsed(data, reader.lines, reader.written, tuple(reader.findings))


class Ambiguous(ValueError):
    """A plain scalar that tools read differently; the arguments are what is wrong and what is right."""


def resolve(text: str) -> Any:
    """Return the value that the plain scalar `text` stands for.

    Raises:
        Ambiguous: Other tools would read something else.
    """
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text in _TRUE_WORDS or text in _FALSE_WORDS:
        switch = "true" if text in _TRUE_WORDS else "false"
        raise Ambiguous(
            f"a bare {text} is {switch} to some tools and a word to others",
            f'write {switch}, or "{text}" in quotes when the word is meant',
        )
    if _INT.fullmatch(text):
        return int(text)
    if _ODD_NUMBER.fullmatch(text):
        raise _odd_number(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise _odd_number(text)
        return number
    return text


def _odd_number(text: str) -> Ambiguous:
    shown = text if len(text) <= 24 else f"{text[:20]}…"
    return Ambiguous(
        f"the number {shown} is written in a form that tools read differently",
        f'write it in plain decimal digits, or "{shown}" in quotes when text is meant',
    )


@dataclass(slots=True)
class _Reader:
    """Builds the data from the parser's events, one document."""

    events: Iterator[Event]
    lines: dict[str, int] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    values: int = 0

    def document(self) -> Any:
        from yaml import events as ev

        next(self.events)  # the stream's start
        if isinstance(next(self.events), ev.StreamEndEvent):
            return None
        data = self._value(next(self.events), "", 0)
        next(self.events)  # the document's end
        following = next(self.events)
        if isinstance(following, ev.DocumentStartEvent):
            message = "a second document begins here, after a line of '---'"
            raise self._fatal("several-documents", following, "", message, "keep one cluster in one file")
        return data

    def _value(self, event: Event, path: str, depth: int) -> Any:
        from yaml import events as ev

        self.lines.setdefault(path, _line(event))
        if isinstance(event, ev.AliasEvent):
            return self._alias(event, path)
        self._count(event, path, 1)
        if depth > MAX_DEPTH:
            raise self._fatal(
                "too-deep",
                event,
                _top(path),
                f"this is nested more than {MAX_DEPTH} levels deep",
                "check the brackets and the indentation around this line",
            )
        before = self.values
        value: Any = None
        if isinstance(event, ev.ScalarEvent):
            value = self._scalar(event, path)
        elif isinstance(event, ev.CollectionStartEvent):
            self._no_tag(event, path)
            sequence = isinstance(event, ev.SequenceStartEvent)
            value = self._list(path, depth) if sequence else self._mapping(event, path, depth)
        if isinstance(event, ev.NodeEvent) and event.anchor is not None:
            self.anchors[event.anchor] = value, self.values - before + 1
        return value

    def _list(self, path: str, depth: int) -> list[Any]:
        from yaml import events as ev

        items: list[Any] = []
        while not isinstance(event := next(self.events), ev.SequenceEndEvent):
            items.append(self._value(event, join(path, len(items)), depth + 1))
        return items

    def _mapping(self, opening: Event, path: str, depth: int) -> dict[str, Any]:
        from yaml import events as ev

        entries: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        while not isinstance(event := next(self.events), ev.MappingEndEvent):
            if not isinstance(event, ev.ScalarEvent):
                raise YamlFault(yaml_faults.key_finding(opening, event, path))
            key = event.value
            where = join(path, key)
            twice = key in entries
            if twice:
                self._twice(event, where, key)
            self.lines.setdefault(where, _line(event))
            value = self._value(next(self.events), where, depth + 1)
            if key == "<<" and event.implicit[0]:
                merged += self._merged(event, value, where)
            elif not twice:
                entries[key] = value
        for source in merged:
            entries = source | entries
        return entries

    def _merged(self, event: Event, value: Any, path: str) -> list[dict[str, Any]]:
        sources = value if isinstance(value, list) else [value]
        if all(isinstance(source, dict) for source in sources):
            return sources
        self._note("merge", event, path, "'<<' takes over a group of fields", "name one: <<: *common")
        return []

    def _twice(self, event: Event, path: str, key: str) -> None:
        first = self.lines.get(path, 0)
        self._note(
            "given-twice",
            event,
            path,
            f"{shown(key)} is given a second time, after line {first}",
            "keep one of the two",
        )

    def _scalar(self, event: ScalarEvent, path: str) -> Any:
        if event.tag == _STRING_TAG or (event.tag == "!" and event.value):
            return event.value
        self._no_tag(event, path)
        if not event.implicit[0]:
            return event.value
        self.written[path] = event.value
        try:
            return resolve(event.value)
        except Ambiguous as fault:
            self._note("ambiguous", event, path, *fault.args)
            return event.value

    def _alias(self, event: AliasEvent, path: str) -> Any:
        name = event.anchor or ""
        if name not in self.anchors:
            raise self._fatal(
                "unknown-reference",
                event,
                path,
                f"'*{name}' refers to '&{name}', which does not stand before it",
                "put it in quotes when the text is meant" if not self.anchors else "check the name after '*'",
            )
        value, size = self.anchors[name]
        self._count(event, path, size)
        return value

    def _no_tag(self, event: ScalarEvent | CollectionStartEvent, path: str) -> None:
        tag = event.tag
        if tag is None:
            return
        self._note(
            "tag",
            event,
            path,
            f"the tag {shown(_short_tag(tag))} has no meaning in cluster.yaml",
            "leave out the word that begins with '!', or put the whole value in quotes",
        )

    def _count(self, event: Event, path: str, more: int) -> None:
        self.values += more
        if self.values > MAX_VALUES:
            raise self._fatal(
                "too-many-values",
                event,
                path,
                f"the file holds more than {MAX_VALUES:,} values up to here, references followed",
                "write the values out, without '&' and '*' references to references",
            )

    def _note(self, id_: str, event: Event, path: str, message: str, remedy: str) -> None:
        self.findings.append(_finding(id_, event, path, message, remedy))

    def _fatal(self, id_: str, event: Event, path: str, message: str, remedy: str) -> YamlFault:
        return YamlFault(_finding(id_, event, path, message, remedy))


def _finding(id_: str, event: Event, path: str, message: str, remedy: str) -> Finding:
    return yaml_faults.fault(id_, path, message, remedy, _line(event))


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _top(path: str) -> str:
    """Return the first two levels of a path that would be too long to read."""
    return path_of(parts_of(path)[:2])


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
