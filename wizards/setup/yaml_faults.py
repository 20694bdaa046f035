"""What is wrong with text that is not YAML, said as a patient colleague would.

A YAML parser names the place where it gave up and the token it missed there. What a person did (a tab, a
quote left open, a colon without a space) is recognised from that place and the lines around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wizards.setup.finding import Finding, Severity
from wizards.setup.wording import TEMPLATE, TEMPLATE_MESSAGE, TEMPLATE_REMEDY, sentence, shown

if TYPE_CHECKING:
    from yaml import YAMLError
    from yaml.events import Event

_CONFLICT: Final = re.compile(r"(?:<{7}|={7}|>{7}|\|{7})(?: |$)")
_NO_SPACE: Final = re.compile(r"\s*(?:- +)?([A-Za-z_][A-Za-z0-9_-]*):(?![\s/]|$)")
_KEY: Final = re.compile(r"\s*(?:- +)*(?:[^\s#:'\"\[{][^#:]*|\"[^\"]*\"|'[^']*'):(?:\s|$)")
_LOOK_BACK: Final = 50
"""Lines searched upwards for a quote left open."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the parser gave up. Lines count from 0."""

    problem: str
    line: int
    column: int
    lines: tuple[str, ...]
    began: int | None
    """Line where what it was reading began."""

    @property
    def here(self) -> str:
        return self.at(self.line)

    def at(self, number: int) -> str:
        return self.lines[number] if 0 <= number < len(self.lines) else ""

    def above(self) -> int | None:
        """Return the next line above that holds more than a comment."""
        for number in range(min(self.line, len(self.lines)) - 1, -1, -1):
            if _content(self.at(number)):
                return number
        return None


@dataclass(frozen=True, slots=True)
class _Verdict:
    id: str
    line: int
    message: str
    remedy: str


def syntax_finding(error: YAMLError, text: str) -> Finding:
    """Return the finding for a YAML parser's `error` in `text`."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    began = getattr(error, "context_mark", None)
    place = _Place(
        problem=str(getattr(error, "problem", None) or ""),
        line=mark.line if mark else 0,
        column=mark.column if mark else 0,
        lines=tuple(text.splitlines()),
        began=began.line if began else None,
    )
    for recognise in _RECOGNISERS:
        if verdict := recognise(place):
            break
    else:
        verdict = _unknown(place)
    line = min(verdict.line + 1, max(1, len(place.lines)))
    return fault(verdict.id, "", verdict.message, verdict.remedy, line)


def fault(id_: str, path: str, message: str, remedy: str, line: int | None = None) -> Finding:
    """Return a finding that stops the job; `message` and `remedy` become sentences."""
    return Finding(id_, Severity.BLOCK, path, sentence(message), sentence(remedy), line=line)


def key_finding(opening: Event, key: Event, path: str) -> Finding:
    """Return the finding for a mapping, begun by `opening`, whose `key` is itself a list or a mapping."""
    first, second = opening.start_mark, key.start_mark
    line = second.line + 1 if second else 1
    if first and second and (first.line, first.column + 1) == (second.line, second.column):
        return fault("template", path, f"this value {TEMPLATE_MESSAGE}", TEMPLATE_REMEDY, line)
    return fault("key-not-text", path, "a key here is a list or a mapping", "keys are plain words", line)


def _content(line: str) -> str:
    """Return the line without a trailing comment and white space; good enough to look at, not to parse."""
    return re.sub(r"(?:^|\s)#.*", "", line).strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _conflict(place: _Place) -> _Verdict | None:
    for number, line in enumerate(place.lines):
        if line.startswith("<<<<<<<") and _CONFLICT.match(line):
            return _Verdict(
                "merge-conflict",
                number,
                "a merge conflict was left in the file",
                "keep one of the two sides and delete the marker lines",
            )
    return None


def _tab(place: _Place) -> _Verdict | None:
    for number in (place.line, place.line - 1):
        leading = re.match(r"[ \t]*", place.at(number))
        if leading and "\t" in leading.group() and _content(place.at(number)):
            return _Verdict(
                "tab",
                number,
                "this line is indented with a tab",
                "YAML is indented with spaces only: use two per level",
            )
    return None


def _template(place: _Place) -> _Verdict | None:
    if TEMPLATE.search(place.here):
        return _Verdict("template", place.line, f"this line {TEMPLATE_MESSAGE}", TEMPLATE_REMEDY)
    return None


def _open_quote(place: _Place) -> _Verdict | None:
    if "end of stream" in place.problem and place.began is not None:
        return _quote_verdict(place.began)
    if "escape" in place.problem or "cannot start" in place.problem:
        return None
    lowest = max(-1, place.line - _LOOK_BACK)
    for number in range(place.line, lowest, -1):
        content = _content(place.at(number))
        value = re.sub(r"^(?:- +)*(?:[\w-]+: +)?", "", content)
        if value[:1] in {'"', "'"} and value.count(value[0]) == 1:
            return _quote_verdict(number)
    return None


def _quote_verdict(line: int) -> _Verdict:
    return _Verdict(
        "open-quote",
        line,
        "the quote that opens on this line is never closed",
        "close it at the end of the value",
    )


def _missing_space(place: _Place) -> _Verdict | None:
    if "in this context" not in place.problem and "':'" not in place.problem:
        return None
    for number in (place.began, place.above(), place.line):
        if number is None:
            continue
        if match := _NO_SPACE.match(place.at(number)):
            key = match.group(1)
            return _Verdict(
                "missing-space",
                number,
                f"a space is missing after '{key}:'",
                f"write '{key}: ' and then the value",
            )
    return None


def _missing_colon(place: _Place) -> _Verdict | None:
    if "could not find expected ':'" in place.problem:
        return _colon_verdict(place, place.began if place.began is not None else place.line)
    above = place.above()
    if "mapping values" in place.problem and above is not None and not _KEY.match(place.at(above) + " "):
        content = _content(place.at(above))
        if not content.startswith(("-", "[", "{")):
            return _colon_verdict(place, above)
    return None


def _colon_verdict(place: _Place, number: int) -> _Verdict:
    words = _content(place.at(number))
    return _Verdict("missing-colon", number, f"{shown(words, 40)} has no colon", "write 'key: value'")


def _colon_in_value(place: _Place) -> _Verdict | None:
    if "mapping values" not in place.problem:
        return None
    before = place.here[: place.column]
    if _KEY.match(before):
        return _Verdict(
            "colon-in-value",
            place.line,
            "the value on this line holds a colon and a space",
            "put the value in quotes",
        )
    above = place.above()
    if above is not None and _indent(place.here) > _indent(place.at(above)):
        return _Verdict(
            "indentation",
            place.line,
            f"this line is indented deeper than line {above + 1}, which already has its value",
            f"begin it below the first letter of line {above + 1}",
        )
    return None


def _after_quote(place: _Place) -> _Verdict | None:
    before = place.here[: place.column].rstrip()
    if "did not find expected" in place.problem and before.endswith(('"', "'")) and _KEY.match(before):
        return _Verdict(
            "after-quote",
            place.line,
            "something stands after the closing quote",
            "put the whole value between the quotes",
        )
    return None


def _item_among_keys(place: _Place) -> _Verdict | None:
    if "did not find expected key" not in place.problem or not _content(place.here).startswith("- "):
        return None
    return _Verdict(
        "list-among-keys",
        place.line,
        "a list item ('- ') stands where a 'key: value' is expected",
        "put the list under a key, or check this line's indentation",
    )


def _key_among_items(place: _Place) -> _Verdict | None:
    if "'-' indicator" not in place.problem or place.began is None:
        return None
    if _indent(place.here) != _indent(place.at(place.began)):
        return None
    return _Verdict(
        "key-among-list",
        place.line,
        f"the list that begins on line {place.began + 1} goes on here without '- '",
        "begin the item with '- ', or put the list under a key of its own",
    )


def _indentation(place: _Place) -> _Verdict | None:
    if "expected key" not in place.problem and "'-' indicator" not in place.problem:
        return None
    above = place.above()
    if above is None or place.column != _indent(place.here):
        return None
    return _Verdict(
        "indentation",
        place.line,
        f"this line's indentation of {_count(_indent(place.here), 'space')} matches no line above it",
        f"line it up with the entry it belongs to (line {above + 1} has {_indent(place.at(above))})",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _bracket(place: _Place) -> _Verdict | None:
    match = re.search(r"',' or '([\]}])'", place.problem)
    if match is None or place.began is None:
        return None
    opening = {"]": "[", "}": "{"}[match.group(1)]
    if place.line > place.began:
        message = f"the '{opening}' on this line is not closed, or a comma is missing after it"
        return _Verdict("open-bracket", place.began, message, f"close it with '{match.group(1)}'")
    return _Verdict(
        "missing-comma",
        place.line,
        f"a comma or the closing '{match.group(1)}' is missing between the entries on this line",
        "put a comma between them",
    )


def _simple(place: _Place) -> _Verdict | None:
    """Recognise what the parser's own words say clearly enough."""
    sign = place.here[place.column : place.column + 1]
    for words, id_, message, remedy in _WORDS:
        if words in place.problem:
            return _Verdict(id_, place.line, message.replace("§", sign), remedy)
    return None


_QUOTES: Final = "put the value in quotes"
_WORDS: Final = (
    ("cannot start any token", "odd-beginning", "a value cannot begin with '§'", "put it in quotes"),
    (
        "unknown escape",
        "escape",
        "inside double quotes a backslash begins a special character, and this one is unknown",
        "use single quotes, or write the backslash twice",
    ),
    (
        "block sequence entries",
        "list-on-line",
        "a list ('- ') begins on the line of its key",
        "put each '- ' on a line of its own below the key",
    ),
    (
        "alphabetic or numeric",
        "odd-beginning",
        "a value cannot begin with '*' or '&'",
        "put it in quotes",
    ),
    (
        "comment or line break",
        "block-text",
        "nothing may follow '|' or '>' on its line",
        "put the text on the lines below, indented",
    ),
    ("tag handle", "tag", "the word that begins with '!' has no meaning in cluster.yaml", _QUOTES),
    (
        "incompatible YAML",
        "directive",
        "the first line asks for a YAML version that is not read here",
        "delete the line that begins with '%'",
    ),
    (
        "<document start>",
        "after-end",
        "text follows the end of the document",
        "delete '...' and what is not meant",
    ),
    (
        "node content",
        "missing-value",
        "a value is missing here, or a bracket or comma is one too many",
        "give the value, or delete the sign",
    ),
    ("unexpected ':'", "colon-in-value", "a colon stands where none is expected", _QUOTES),
)
"""The parser's words, then the finding's name, message (§ is the sign at the place) and remedy."""


def _unknown(place: _Place) -> _Verdict:
    return _Verdict(
        "not-yaml",
        place.line,
        f"this line is not YAML from column {place.column + 1} on",
        "check its quotes, brackets, colons and indentation, and those of the line above",
    )


_RECOGNISERS: Final[tuple[Callable[[_Place], _Verdict | None], ...]] = (
    _conflict,
    _tab,
    _template,
    _open_quote,
    _missing_space,
    _missing_colon,
    _colon_in_value,
    _after_quote,
    _item_among_keys,
    _key_among_items,
    _indentation,
    _bracket,
    _simple,
)
