"""Keys on this machine: whether ssh can use a private key file, and what the agent holds."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import stat
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Final

from wizards.provision.ssh_words import LoginProblem, Reason
from wizards.sanitize import one_line

_PUBLIC: Final = re.compile(
    r"^((?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-[\w-]+|sk-[\w-]+)(?:@openssh\.com)?)[ \t]+([A-Za-z0-9+/=]{20,})"
    r"(?:[ \t]+(.*))?$"
)
_MAGIC: Final = b"openssh-key-v1\0"
_LARGEST: Final = 64 * 1024
_AGENT_SECONDS: Final = 5.0


class KeyProblem(ValueError):
    """A key cannot be used; the message says why and what would be right."""


def fault_of(key_file: str) -> Reason | None:
    """Return what keeps ssh from using a private key file, None where nothing is seen from outside.

    A key with a passphrase is not at fault: the agent may hold it.
    """
    path = Path(key_file).expanduser()
    try:
        found = path.stat()
        text = path.read_bytes()[:_LARGEST] if stat.S_ISREG(found.st_mode) else b""
    except FileNotFoundError:
        return Reason(LoginProblem.KEY_MISSING, f"the key file {key_file} is not there")
    except OSError as error:
        return Reason(
            LoginProblem.KEY_UNREADABLE, f"the key file {key_file} cannot be read: {error.strerror}"
        )
    if found.st_mode & 0o077 and found.st_uid == os.getuid():
        return Reason(
            LoginProblem.KEY_TOO_OPEN,
            f"the key file {key_file} may be read by others, so ssh refuses it: chmod 600 mends that",
        )
    if b"PRIVATE KEY-----" not in text:
        words = f"the key file {key_file} is not a private key"
        public = _PUBLIC.match(text.decode("utf-8", "replace").strip())
        return Reason(
            LoginProblem.KEY_UNREADABLE, words + ("; it is a public one: leave '.pub' off" if public else "")
        )
    return None


def has_passphrase(key_file: str) -> bool:
    """Tell whether a private key file is protected by a passphrase; False where it cannot be read."""
    text = _text(key_file)
    return b"ENCRYPTED" in text or _parts(text)[:1] not in ((), (b"none",))


def in_agent(key_file: str, held: Collection[str]) -> bool:
    """Tell whether the agent's keys, as `agent_keys` gives them, hold this one; it may have a passphrase."""
    # The public half stands before what is encrypted, behind the names of the cipher and its key derivation.
    blobs = {base64.b64encode(part).decode() for part in _parts(_text(key_file))[3:4]}
    with contextlib.suppress(KeyProblem):
        blobs.add(public_key(key_file).split()[1])
    return any(one.split()[1] in blobs for one in held)


def _text(key_file: str) -> bytes:
    try:
        with Path(key_file).expanduser().open("rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return b""


def _parts(text: bytes) -> tuple[bytes, ...]:
    """Return cipher, key derivation, its options and public key (OpenSSH's PROTOCOL.key); empty if none."""
    body = b"".join(line for line in text.splitlines() if b"-----" not in line)
    try:
        blob = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return ()
    if not blob.startswith(_MAGIC):
        return ()
    parts, at = [], len(_MAGIC)
    for number in range(4):
        at += 4 if number == 3 else 0  # how many keys there are: always one
        length = int.from_bytes(blob[at : at + 4], "big")
        parts.append(blob[at + 4 : at + 4 + length])
        at += 4 + length
    return tuple(parts)


def agent_keys() -> tuple[str, ...] | None:
    """Return the public keys that the SSH agent holds, as ``type base64``; None where no agent answers."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        return None
    try:
        said = subprocess.run(
            ["ssh-add", "-L"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_AGENT_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if said.returncode == 2:  # ssh-add(1): it cannot contact the agent
        return None
    return tuple(" ".join(line.split()[:2]) for line in said.stdout.splitlines() if _PUBLIC.match(line))


def public_key(key_file: str) -> str:
    """Return the public key of a private key file as one line of authorized_keys: type, base64, comment.

    Taken from the ``.pub`` file beside it, else asked of the private key itself.

    Raises:
        KeyProblem: There is none, or it is no key.
    """
    path = Path(key_file).expanduser()
    beside = path.with_name(f"{path.name}.pub")
    try:
        with beside.open("rb") as file:
            lines = file.read(_LARGEST).decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        lines = _asked_of(path).splitlines()
    except OSError as error:
        raise KeyProblem(f"The public key {beside} cannot be read: {error.strerror}.") from error
    match = _PUBLIC.match(lines[0].strip()) if lines else None
    if match is None:
        raise KeyProblem(f"{beside} is not a public key: it would be a line such as 'ssh-ed25519 AAAA… me'.")
    return " ".join(part for part in (match[1], match[2], one_line(match[3] or "", 100)) if part)


def _asked_of(path: Path) -> str:
    said = subprocess.run(
        ["ssh-keygen", "-y", "-P", "", "-f", str(path)],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if said.returncode:
        raise KeyProblem(f"There is no public key {path}.pub, and {path} does not tell it.")
    return said.stdout


def own_key(folder: Path, comment: str) -> Path:
    """Return the cluster's own private key in `folder`, made (ed25519, no passphrase) if it has none.

    One that is there is never overwritten.

    Raises:
        KeyProblem: It cannot be made.
    """
    path = folder / "id_ed25519"
    if path.exists():
        return path
    try:
        said = subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,  # it would ask before it overwrites, and gets no answer
            check=False,
        )
    except FileNotFoundError as error:
        raise KeyProblem("The program ssh-keygen is not installed here; it comes with OpenSSH.") from error
    if said.returncode or not path.exists():
        raise KeyProblem(f"No key could be made in {folder}: {one_line(said.stderr or said.stdout)}.")
    path.chmod(0o600)
    path.with_name("id_ed25519.pub").chmod(0o600)
    return path


def private_of(name: str) -> str:
    """Return the private key's file for what a person named: it, or the ``.pub`` beside it.

    Raises:
        KeyProblem: It is not there, or not a private key.
    """
    private = name.removesuffix(".pub")
    if (fault := fault_of(private)) is not None:
        raise KeyProblem(f"{fault.words[0].upper()}{fault.words[1:]}.")
    return private


def users_keys(key_file: str | None = None) -> tuple[str, ...]:
    """Return the user's own private keys that have a public one beside them; `key_file` first if it has."""
    found = [key_file] if key_file and Path(f"{key_file}.pub").expanduser().is_file() else []
    folder = Path("~/.ssh").expanduser()
    try:
        beside = sorted(folder.glob("*.pub"))
    except OSError:
        beside = []
    names = [f"~/.ssh/{path.stem}" for path in beside if path.with_suffix("").is_file()]
    return tuple(dict.fromkeys(name for name in (*found, *names) if fault_of(name) is None))
