"""Servers from an earlier cluster.yaml, read as every cluster.yaml is."""

from __future__ import annotations

import re
from typing import Any, Final

from wizards.entry.model import EntryError, Row, one_sentence, too_many
from wizards.setup.host_ranges import MOST_SERVERS
from wizards.setup.yaml_reader import YamlFault, read_yaml

_MARK: Final = re.compile(r"^(?:nodes|api_version)\s*:", re.MULTILINE)


def looks_like_cluster(text: str) -> bool:
    """Tell whether `text` has a field at its left edge that only a cluster.yaml has."""
    return _MARK.search(text) is not None


def read_cluster(text: str, room: int = MOST_SERVERS) -> tuple[list[Row], dict[str, Any]]:
    """Return the nodes of the cluster.yaml in `text`, as they stand there, and its way in.

    Raises:
        EntryError: It is no valid cluster.yaml, or it lists no servers, or too many.
    """
    from wizards.setup.document import InvalidSpec, validate_parsed

    try:
        parsed = read_yaml(text)
        validate_parsed(parsed)
    except (InvalidSpec, YamlFault) as fault:
        first = fault.findings[0]
        where = f"Line {first.line}: " if first.line else ""
        what = f"{first.path}: " if first.path else ""
        said = one_sentence(f"{first.message.rstrip('.')}. {first.remedy}")
        raise EntryError(f"{where}{what}{said}") from None
    rows = [dict(row) for row in parsed.data.get("nodes") or ()]
    if not rows:
        raise EntryError("This cluster.yaml lists no servers; name one that has 'nodes:'.")
    if len(rows) > room:
        raise too_many(len(rows) + MOST_SERVERS - room)
    access = parsed.data.get("access") or {}
    return rows, {key: access[key] for key in ("user", "key_file", "jump") if access.get(key)}
