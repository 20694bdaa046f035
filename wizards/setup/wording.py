"""How faults are worded: whole sentences, and values from outside shown safely."""

from __future__ import annotations

import re
from typing import Final

TEMPLATE: Final = re.compile(r"\{\{|\{%|\{#")
"""What begins a template for Ansible. What a person types never becomes one."""
TEMPLATE_MESSAGE: Final = "holds template braces ({{, {% or {#), which Slipway never fills in"
TEMPLATE_REMEDY: Final = "write the value itself"

_LOGIN: Final = re.compile(r"(//|^)[^/\s@:]+:[^/\s@]+@")


def shown(text: str, limit: int = 60) -> str:
    """Return `text` quoted for a sentence: controls escaped, passwords in URLs hidden, cut to `limit`."""
    hidden = _LOGIN.sub(r"\1…@", text)
    return repr(hidden if len(hidden) <= limit else hidden[: limit - 1] + "…")


def sentence(text: str) -> str:
    """Return `text` with a capital letter at its beginning and a full stop at its end; empty stays empty."""
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
