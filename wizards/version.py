"""Slipway's own version: one source for the command, the headers of rendered files and the journal."""

from __future__ import annotations

from importlib import metadata


def slipway_version() -> str:
    """Return the installed version, for example ``0.1.0``; ``0+unknown`` when run from a bare tree."""
    try:
        return metadata.version("slipway")
    except metadata.PackageNotFoundError:
        return "0+unknown"
