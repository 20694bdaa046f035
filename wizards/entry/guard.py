"""What is refused before anything is read: keys, programs, templates, and what is no text or far too much."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from wizards.entry.model import MOST_BYTES, MOST_LINES, EntryError, brief
from wizards.setup.wording import TEMPLATE

_KEY: Final = re.compile(
    r"-{4,5}\s?BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File-\d|Private-Lines:\s*\d"
    r"|b3BlbnNzaC1rZXktdjE|-----BEGIN [A-Z0-9 ]*PRIVATE"
)
_KEY_BODY: Final = re.compile(
    r"^(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[a-z])[A-Za-z0-9+/]{60,}={0,2}\s*$", re.MULTILINE
)
"""A line of a key whose first line was not copied."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_KEY_REFUSED: Final = (
    "This is a private key, not a list of servers, and it was not kept; name the key's file instead, such as"
    " ~/.ssh/id_ed25519."
)


def check_text(text: str, *, templates: bool = False) -> str:
    """Return `text` with plain line ends, once it may be looked at.

    Args:
        text: What was pasted, or stood in a file.
        templates: Whether template braces may stand in it, because its reader leaves them out.

    Raises:
        EntryError: It is a private key (never repeated in the sentence), far too large, a program, encrypted,
            not text, or holds a template.
    """
    if _is_key(text):
        raise EntryError(_KEY_REFUSED)
    if len(text) > MOST_BYTES:
        raise _too_large(len(text))
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if (lines := plain.count("\n") + 1) > MOST_LINES:
        raise EntryError(f"There are {lines:,} lines, and a list of servers has at most {MOST_LINES:,}.")
    _check_kind(plain)
    if not templates and (match := TEMPLATE.search(plain)):
        raise EntryError(
            f"Line {line_at(plain, match.start())} holds template braces ({match.group()}), which are never"
            " filled in; write the value itself."
        )
    return plain


def _is_key(text: str) -> bool:
    head = text[:MOST_BYTES]
    return _KEY.search(head) is not None or _KEY_BODY.search(head) is not None


def _check_kind(plain: str) -> None:
    if match := _CONTROL.search(plain):
        where = line_at(plain, match.start())
        raise EntryError(f"Line {where} holds the control character U+{ord(match.group()):04X}; delete it.")
    if any("\ud800" <= letter <= "\udfff" for letter in plain):
        raise EntryError("This is not text in UTF-8; save it as UTF-8.")
    if plain.startswith("$ANSIBLE_VAULT"):
        raise EntryError(
            "This file is encrypted with Ansible Vault; decrypt it first: ansible-vault view FILE."
        )
    if plain.startswith("#!"):
        raise EntryError(
            "This is a program, and nothing is run here; save what it prints with --list to a file ending in"
            " .json, and import that."
        )
    if not plain.strip():
        raise EntryError("There is nothing in it; give at least one server, such as 10.0.0.11.")


def line_at(text: str, position: int) -> int:
    """Return the line, from 1, of the character at `position`."""
    return text.count("\n", 0, position) + 1


def _too_large(size: int) -> EntryError:
    most = MOST_BYTES // (1024 * 1024)
    return EntryError(f"This is {size / 1024 / 1024:.1f} MiB, and a list of servers has at most {most} MiB.")


def read_bounded(path: Path) -> str:
    """Return the text of the file at `path`; never waits, whatever stands there.

    Raises:
        EntryError: There is no such file, it is none (a folder, a device, a pipe), may not be read, is too
            large, or holds no UTF-8 text.
    """
    name = brief(path)
    try:
        _check_regular(path.stat().st_mode, name)
        content = _head(path, name)
    except EntryError:
        raise
    except FileNotFoundError:
        raise EntryError(f"There is no file {name}; check the name.") from None
    except PermissionError:
        raise EntryError(f"You may not read {name}; check who owns it and its mode.") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", "") or "this is not the name of a file").lower()
        raise EntryError(f"{name} cannot be read: {reason}.") from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise EntryError(f"{name} is written in UTF-16; save it as UTF-8.")
    if b"\0" in content:
        raise EntryError(f"{name} is not a text file; name a list of servers.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise EntryError(f"Line {line} of {name} is not UTF-8; save the file as UTF-8.") from None


def _head(path: Path, name: str) -> bytes:
    """Return the file's content; what it is and its size are looked at before anything is read."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        _check_regular(status.st_mode, name)
        if status.st_size > MOST_BYTES:
            raise _too_large(status.st_size)
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _too_large(len(content))
    return content


def _check_regular(mode: int, name: str) -> None:
    if stat.S_ISDIR(mode):
        raise EntryError(f"{name} is a folder; name the file in it.")
    if not stat.S_ISREG(mode):
        raise EntryError(f"{name} is not a regular file; name a file that lists servers.")
