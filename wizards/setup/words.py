"""Small helpers for the words that a person reads."""

from __future__ import annotations


def sentence(text: str) -> str:
    """Return `text` as a sentence: with a capital where it begins with a word, and a full stop."""
    stripped = text.strip()
    if not stripped:
        return ""
    first = stripped.split(maxsplit=1)[0]
    if first.isalpha() and first.islower():
        stripped = stripped[0].upper() + stripped[1:]
    return stripped if stripped.endswith((".", "!", "?", ":")) else f"{stripped}."


def listing(items: list[str] | tuple[str, ...], joint: str = "and") -> str:
    """Return `items` as a listing in a sentence: ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {joint} {items[-1]}"
