"""Giving ssh a password: from memory through a pipe, never by a file, an argument or the environment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ASKPASS: Final = """\
#!/bin/sh
# One answer to one question: a second one would wait for ever.
mv "$0.pipe" "$0.asked" 2>/dev/null || exit 1
IFS= read -r answer < "$0.asked" && printf '%s\\n' "$answer"
"""


@contextmanager
def askpass(folder: Path, password: str) -> Iterator[dict[str, str]]:
    """Give the environment by which ssh asks a script of ours for the password.

    The password waits in a named pipe of a private folder: in the kernel, not on the disk, and in no argument
    and no environment. Raises OSError where `folder` cannot be written to.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".ask-") as place:
        script = Path(place) / "ask"
        script.write_text(_ASKPASS, encoding="ascii")
        script.chmod(0o700)
        pipe = Path(f"{script}.pipe")
        os.mkfifo(pipe, 0o600)
        handle = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        try:
            os.write(handle, password.encode() + b"\n")
            yield {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
        finally:
            os.close(handle)
