"""Commands on files: check, render, schema. No network, no cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tui.codes import USAGE
from tui.plain import finding_line, print_json, say


def check(file: Path, *, as_json: bool) -> int:
    """Print every finding; 2 when the file cannot be used as it is."""
    from wizards.setup.document import InvalidDocument, read_document, with_lines
    from wizards.setup.finding import Severity, blocks
    from wizards.setup.rules import check as check_rules

    try:
        document = read_document(file)
        findings = with_lines(check_rules(document.spec), document.lines)
    except InvalidDocument as error:
        findings = tuple(error.findings)
    stopping = blocks(findings)
    if as_json:
        print_json(
            {"file": str(file), "valid": not stopping, "findings": [one.to_json() for one in findings]}
        )
        return USAGE if stopping else 0
    for finding in findings:
        if finding.severity is not Severity.FIX or not stopping:  # first what keeps the file from being used
            say(finding_line(finding, file))
    if not stopping:
        say(f"{file}: can be used as it is.")
    return USAGE if stopping else 0


def render(file: Path, out: Path) -> int:
    """Write the files of a run below `out`."""
    from wizards.provision.render import render_files, write_files
    from wizards.setup.document import InvalidDocument, read_document, with_lines
    from wizards.setup.finding import blocks
    from wizards.setup.rules import check as check_rules

    document = read_document(file)
    if stopping := blocks(check_rules(document.spec)):
        raise InvalidDocument(file, with_lines(stopping, document.lines))
    files = render_files(document.spec)
    write_files(files, out)
    for name in files:
        say(str(out / name))
    return 0


def schema() -> int:
    """Print the JSON Schema."""
    from wizards.setup.spec import json_schema

    data: dict[str, Any] = json_schema()
    print_json(data)
    return 0
