"""cluster.yaml as a file: read with every fault named by its line, and written without losing a comment."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from wizards.setup import faults, paths
from wizards.setup.finding import Finding
from wizards.setup.spec import ClusterSpec
from wizards.setup.writing import dump_spec, write_spec
from wizards.setup.yaml_faults import fault
from wizards.setup.yaml_reader import Parsed, YamlFault, read_yaml

__all__ = [
    "Document",
    "InvalidDocument",
    "InvalidSpec",
    "dump_spec",
    "line_of",
    "read_document",
    "validate_data",
    "with_lines",
    "write_spec",
]

MAX_BYTES: Final = 1024 * 1024
"""A thousand nodes take about a tenth of it."""

_UNPRINTABLE: Final = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class InvalidSpec(ValueError):
    """The answers do not make a specification; `findings` say why, one each."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(finding.message for finding in self.findings[:3]))


class InvalidDocument(InvalidSpec):
    """The file does not hold a valid specification; `findings` say why and on which line."""

    def __init__(self, path: Path, findings: Iterable[Finding]) -> None:
        super().__init__(findings)
        self.path = path


@dataclass(frozen=True, slots=True)
class Document:
    """A cluster.yaml that holds a valid specification.

    Attributes:
        path: The file.
        spec: What it says.
        data: The same as plain data, only what stands in the file.
        text: The file's characters.
        lines: Path of every answer that stands in the file to its line, from 1.
    """

    path: Path
    spec: ClusterSpec
    data: Mapping[str, Any]
    text: str
    lines: Mapping[str, int] = field(repr=False, default_factory=dict)


def read_document(path: Path) -> Document:
    """Read and validate the file at `path`.

    Rules between answers are not looked at here (`wizards.setup.rules`).

    Raises:
        InvalidDocument: The file cannot be read, is not YAML, or does not hold a specification; with a
            finding for every fault, in the order of their lines.
    """
    try:
        text = _read_text(path)
        parsed = read_yaml(text)
        spec = validate_parsed(parsed)
    except (InvalidSpec, YamlFault) as fault:
        raise InvalidDocument(path, fault.findings) from None
    return Document(path, spec, parsed.data, text, parsed.lines)


def validate_data(data: Mapping[str, Any], *, lines: Mapping[str, int] | None = None) -> ClusterSpec:
    """Return the specification that plain `data` (JSON values) holds.

    Args:
        data: Answers as they stand in cluster.yaml.
        lines: Path of an answer to its line, where the data came from a file.

    Raises:
        InvalidSpec: With a finding for every fault.
    """
    return validate_parsed(Parsed(data, lines or {}, {}, ()))


def validate_parsed(parsed: Parsed) -> ClusterSpec:
    """Return the specification that a parsed file holds.

    Raises:
        InvalidSpec: With a finding for every fault, those of the parsing among them.
    """
    from pydantic import ValidationError

    if parsed.data is None:
        raise InvalidSpec([_file_finding("empty", "the file holds no answers", _BEGIN)])
    findings = [*parsed.findings, *faults.template_findings(parsed.data)]
    spec: ClusterSpec | None = None
    try:
        # Strict, and as JSON: what the published JSON Schema accepts and nothing else; "22" is no number.
        spec = ClusterSpec.model_validate_json(json.dumps(parsed.data), strict=True)
    except ValidationError as error:
        known = {finding.path for finding in findings}
        typed = faults.type_findings(error, parsed.written)
        findings += [finding for finding in typed if finding.path not in known]
    if findings or spec is None:
        raise InvalidSpec(with_lines(findings, parsed.lines))
    return spec


def with_lines(findings: Iterable[Finding], lines: Mapping[str, int]) -> tuple[Finding, ...]:
    """Return the findings with the line each speaks of, in the order of the lines."""
    placed = [
        finding if finding.line is not None else replace(finding, line=_nearest(finding.path, lines))
        for finding in findings
    ]
    return tuple(sorted(placed, key=lambda finding: finding.line or 0))


def line_of(document: Document, path: str) -> int | None:
    """Return the line of the answer at `path`, or of what would hold it; None where nothing does."""
    return _nearest(path, document.lines)


def _nearest(path: str, lines: Mapping[str, int]) -> int | None:
    while path not in lines and path:
        path = paths.parent(path)
    return lines.get(path)


_BEGIN: Final = "begin with 'name: my-cluster', or let 'slipway new' write the file"


def _read_text(path: Path) -> str:
    """Return the file's text; raises InvalidSpec where there is none."""
    if "\0" in str(path):
        raise InvalidSpec([_file_finding("no-file", "this is not the name of a file", "check the name")])
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
        content, size = _head(path) if regular else (b"", 0)
    except OSError as error:
        raise InvalidSpec([_unreadable(error)]) from None
    if not regular:
        raise InvalidSpec([_not_a_file(path)])
    if len(content) > MAX_BYTES:
        message = f"the file is larger than 1 MiB ({size / MAX_BYTES:.1f} MiB), which no cluster.yaml is"
        raise InvalidSpec([_file_finding("too-large", message, "check that this is the file you meant")])
    return _decode(content)


def _head(path: Path) -> tuple[bytes, int]:
    """Return the file's content, one byte more than the limit at most, and its size in bytes."""
    with path.open("rb") as stream:
        return stream.read(MAX_BYTES + 1), os.fstat(stream.fileno()).st_size


def _not_a_file(path: Path) -> Finding:
    if path.is_dir():
        return _file_finding("folder", "this is a folder, not a file", "name the cluster.yaml inside it")
    return _file_finding("no-file", "this is not a regular file", "name a file that holds the answers")


def _unreadable(error: OSError) -> Finding:
    if isinstance(error, FileNotFoundError):
        return _file_finding("no-file", "there is no such file", "check the name; 'slipway new' makes one")
    if isinstance(error, PermissionError):
        return _file_finding("unreadable", "you may not read this file", "check who owns it and its mode")
    reason = (error.strerror or "it cannot be read").lower()
    return _file_finding("unreadable", f"the file cannot be read: {reason}", "")


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = "the file is written in UTF-16"
        raise InvalidSpec([_file_finding("encoding", message, "save it as UTF-8", line=1)])
    if (at := content.find(0)) >= 0:
        message = "this is not a text file: it holds a NUL byte"
        line = content.count(b"\n", 0, at) + 1
        raise InvalidSpec([_file_finding("binary", message, "name the cluster.yaml itself", line=line)])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"the byte 0x{content[error.start]:02x} on this line is not UTF-8"
        raise InvalidSpec([_file_finding("encoding", message, "save the file as UTF-8", line=line)]) from None
    if match := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, match.start()) + 1
        message = f"this line holds the control character U+{ord(match.group()):04X}"
        raise InvalidSpec([_file_finding("control", message, "delete it", line=line)])
    return text


def _file_finding(id_: str, message: str, remedy: str, line: int | None = None) -> Finding:
    return fault(id_, "", message, remedy, line)
