"""Servers from text, files and networks: rows of `nodes`, without a screen."""

from __future__ import annotations

from wizards.entry.discovery import Found, Subnet, discover, parse_subnet
from wizards.entry.merging import merge
from wizards.entry.model import Entered, EntryError, Source
from wizards.entry.reading import read_file, read_text
from wizards.entry.ssh_config import default_ssh_config

__all__ = [
    "Entered",
    "EntryError",
    "Found",
    "Source",
    "Subnet",
    "default_ssh_config",
    "discover",
    "merge",
    "parse_subnet",
    "read_file",
    "read_text",
]
