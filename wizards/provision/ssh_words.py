"""What ssh and sudo say, in words that tell a person what to do."""

from __future__ import annotations

import re
import subprocess
from typing import Final

from wizards.sanitize import one_line

_CHANGED: Final = re.compile(r"HOST IDENTIFICATION HAS CHANGED|host key .* has changed", re.IGNORECASE)
_REASONS: Final = (
    # Order matters: the first that is found is the cause, later ones are its consequences.
    (r"HOST IDENTIFICATION HAS CHANGED", "its host key is not the one that is kept"),
    (r"No \S+ host key is known", "its host key has not been confirmed yet"),
    (r"Host key verification failed", "its host key could not be verified"),
    (r"Could not resolve hostname", "the name {host} is not known here; check its spelling, or write the IP"),
    (r"Connection refused", "nothing listens on port {port} of {host}: is the SSH server running there?"),
    (
        r"timed out|not responding",
        "no answer from {host} port {port}: the machine is off, or a firewall drops the packets",
    ),
    (r"No route to host|Network is unreachable", "no way leads to {host}: check the address and the network"),
    (
        r"UNPROTECTED PRIVATE KEY",
        "the key file may be read by others, so ssh refuses it: chmod 600 mends that",
    ),
    (r"Identity file .* not accessible|Load key .*: No such file", "the key file is not there"),
    (
        r"Load key .*: (?:error in libcrypto|invalid format)",
        "the key file is not a private key that ssh can read",
    ),
    (
        r"Too many authentication failures",
        "the SSH agent offers too many other keys; name the right one as access.key_file",
    ),
    (
        r"Permission denied \(",
        "{user} is not let in: the server accepts neither key nor password that was offered",
    ),
    (r"sudo: a (?:terminal|password) is required", "logged in, but sudo asks for a password"),
    (r"incorrect password attempt|Sorry, try again", "logged in, but sudo does not accept the password"),
    (
        r"not in the sudoers file|may not run sudo|not allowed to (?:run|execute)",
        "logged in, but {user} may not use sudo",
    ),
    (r"sudo: (?:command )?not found", "logged in, but sudo is not installed there"),
)
_THROUGH_JUMP: Final = re.compile(r"UNKNOWN port 65535")


def says_changed(said: subprocess.CompletedProcess[str]) -> bool:
    """Tell whether ssh refused a changed host key."""
    return _CHANGED.search(said.stderr) is not None


def reason(said: subprocess.CompletedProcess[str], host: str, port: int, user: str) -> str:
    """Return why a login failed, in words; what is not known is quoted, cleaned, in one line."""
    for pattern, words in _REASONS:
        if re.search(pattern, said.stderr):
            text = words.format(host=host, port=port, user=user)
            return f"behind the jump host, or at it: {text}" if _THROUGH_JUMP.search(said.stderr) else text
    lines = said.stderr.strip().splitlines()
    return one_line(lines[-1]) if lines else f"ssh ended with code {said.returncode} and said nothing"
