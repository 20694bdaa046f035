"""Slipway's colours, and which of them a terminal can show."""

from __future__ import annotations

import os
from collections.abc import Mapping

from textual.theme import Theme

SLIPWAY = Theme(
    name="slipway",
    primary="#5fafd7",
    secondary="#87afaf",
    accent="#87d7d7",
    foreground="#d7dce2",
    background="#12161c",
    surface="#1a2029",
    panel="#232b36",
    success="#87c38a",
    warning="#e0b15e",
    error="#e57b7b",
    dark=True,
)


def theme_name(environ: Mapping[str, str] = os.environ) -> str:
    """Return the theme for this terminal: its own 16 colours on the Linux console, Slipway's elsewhere."""
    if chosen := environ.get("TEXTUAL_THEME"):
        return chosen
    return (
        "ansi-dark" if environ.get("TERM", "") in {"linux", "screen", "xterm", "vt220", "ansi"} else "slipway"
    )
