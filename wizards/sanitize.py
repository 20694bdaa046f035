"""The one gate for text from outside: playbook output, node facts, API objects, pod logs.

Textual passes escape sequences and C1 controls through to the terminal (measured with 8.2.8), so a host name
or a log line could retitle the window or move the cursor. Everything that did not come from Slipway's own
source is cleaned here, once, where it is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_ESCAPES: Final = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, clipboard, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|[\x1b\x9b]\[?[0-9;:<=>?]*[ -/]*[@-~]"  # CSI and two-character sequences
)
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def clean(text: str) -> str:
    """Return `text` without escape sequences, control characters and direction overrides.

    Newlines and tabs stay; a carriage return becomes a newline's silence (it is dropped), so that a progress
    bar drawn with it cannot overwrite what stands before it.
    """
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def one_line(text: str, limit: int = 400) -> str:
    """Return `text` cleaned, on one line with single spaces, at most `limit` characters long."""
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def cleaned_data(value: Any) -> Any:
    """Return JSON data with every text in it cleaned, those of keys too."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): cleaned_data(one) for key, one in value.items()}
    return [cleaned_data(one) for one in value] if isinstance(value, list | tuple) else value
