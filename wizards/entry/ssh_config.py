"""Servers from an OpenSSH client configuration, each resolved by ``ssh -G`` as ssh itself would.

A configuration can run programs (``Match exec``). ssh is therefore never shown the file: it gets a copy in a
private folder that holds only the lines about hosts, with what is included beside it. Options that this
machine's ssh does not know are no trouble either.
"""

from __future__ import annotations

import glob
import os
import pwd
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from wizards.entry.guard import check_text, read_bounded
from wizards.entry.model import EntryError, Row, brief, too_many
from wizards.entry.rows import check_field, jump_in_command, jump_of, left_out, plain
from wizards.files import write_private
from wizards.setup.host_ranges import MOST_SERVERS

_KEPT: Final = frozenset(
    {"host", "match", "hostname", "port", "user", "identityfile", "proxyjump", "proxycommand"}
)
_DEPTH: Final = 16
"""Levels of Include, as in OpenSSH."""
_MOST_FILES: Final = 200
_SECONDS: Final = 10.0
_AT_ONCE: Final = 8
_LINE: Final = re.compile(r"\s*\"?(?P<keyword>[A-Za-z][A-Za-z0-9]*)\"?(?:\s*=\s*|\s+)(?P<rest>.*\S)\s*")
_BLOCK: Final = re.compile(r"^[ \t]*Host[ \t]+\S", re.IGNORECASE | re.MULTILINE)
_SETTING: Final = re.compile(
    r"^[ \t]*(?:HostName|User|IdentityFile|ProxyJump|ProxyCommand)(?:[ \t]+|=)\S",
    re.IGNORECASE | re.MULTILINE,
)

Settings = Mapping[str, list[str]]
"""What ``ssh -G`` prints for a host: keyword → values."""


@dataclass(slots=True)
class SshHosts:
    """Servers of a configuration, with notes, and the jump host where all have the same."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    jump: dict[str, Any] | None = None


def default_ssh_config() -> Path:
    """Return the configuration file of the user's own ssh; it need not be there."""
    return Path("~/.ssh/config").expanduser()


def looks_like_ssh_config(text: str) -> bool:
    """Tell whether `text` has Host blocks."""
    return _BLOCK.search(text) is not None and _SETTING.search(text) is not None


def read_ssh_config(path: Path, room: int = MOST_SERVERS) -> SshHosts:
    """Return the concrete hosts of the configuration at `path`, in their order.

    The user stays open where it is the one ssh takes by itself, and so does a key the file does not name.

    Raises:
        EntryError: The file or one it includes cannot be read or would run a program, or no host is left.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-entry-") as folder:
        copies = _Copies(Path(folder))
        config = copies.add(path, 0)
        names = list(dict.fromkeys(copies.hosts))
        if not names:
            raise EntryError(f"{brief(path)} names no single host; a line 'Host web1' would.")
        if len(names) > room:
            raise too_many(len(names) + MOST_SERVERS - room)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = list(pool.map(lambda name: _resolve(config, name), names))
        defaults = _resolve(None, "localhost")
        found = _Found(defaults)
        for name, answer in zip(names, answers, strict=True):
            found.take(name, answer)
        return found.result(lambda name: _resolve(config, name))


@dataclass(slots=True)
class _Copies:
    """The copies ssh may see: hosts only, nothing that runs a program."""

    folder: Path
    hosts: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, path: Path, depth: int) -> Path:
        """Copy the file at `path` and all it includes; return the copy."""
        if depth > _DEPTH or self.count >= _MOST_FILES:
            raise EntryError(f"{brief(path)} is included too deep; check that no file includes itself.")
        copy = self.folder / str(self.count)
        self.count += 1
        text = read_bounded(path)
        text = check_text(text, templates=True) if text.strip() else ""
        lines = (
            self._line(line, number, path, depth) for number, line in enumerate(text.split("\n"), start=1)
        )
        write_private(copy, "".join(f"{line}\n" for line in lines if line))
        return copy

    def _line(self, line: str, number: int, path: Path, depth: int) -> str:
        match = _LINE.fullmatch(line)
        if match is None or line.lstrip().startswith("#"):
            return ""
        keyword, rest = match["keyword"].lower(), match["rest"]
        if keyword == "include":
            return self._include(rest, path, depth)
        if keyword not in _KEPT:
            return ""
        if keyword == "match" and "exec" in re.sub(r"[\"'\\]", "", rest).lower():
            raise EntryError(
                f"Line {number} of {brief(path)} would run a program (Match exec), so it is not read; take"
                " that line out of a copy and import the copy."
            )
        if keyword == "host":
            self.hosts += [name for name in _words(rest) if re.fullmatch(r"[A-Za-z0-9_.:-]{1,253}", name)]
        return f"{keyword} {rest}"

    def _include(self, rest: str, path: Path, depth: int) -> str:
        """Return the line that includes the copies of what `rest` names, as ssh looks for it."""
        copies = [
            str(self.add(file, depth + 1))
            for pattern in _words(rest)
            if "%" not in pattern and "$" not in pattern
            for file in _included(pattern, path)
        ]
        return f"include {shlex.join(copies)}" if copies else ""


def _included(pattern: str, path: Path) -> Iterator[Path]:
    """Yield the files of an Include: relative ones lie in ``~/.ssh``, for a file elsewhere also beside it."""
    whole = Path(pattern).expanduser() if pattern.startswith("~") else Path(pattern)
    if whole.is_absolute():
        places = [whole]
    else:
        places = list(dict.fromkeys([default_ssh_config().parent / whole, path.absolute().parent / whole]))
    for place in places:
        # As ssh has it, a glob(3) of a whole path; Path.glob wants to know where the pattern begins.
        files = sorted(Path(name) for name in glob.glob(str(place)))  # noqa: PTH207
        yield from (file for file in files if file.is_file())
        if files:
            return


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return []


def _resolve(config: Path | None, name: str) -> Settings:
    """Return what ssh would do for the host `name`; it connects to nothing and looks no name up.

    Raises:
        EntryError: There is no ssh here, or it cannot read the file.
    """
    file = str(config) if config else os.devnull
    command = ["ssh", "-G", "-F", file, "-o", "CanonicalizeHostname=no", "--", name]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(Path.home()), "LC_ALL": "C"},
            start_new_session=True,
            check=False,
        )
    except FileNotFoundError:
        raise EntryError("The program ssh is not installed here; install the OpenSSH client.") from None
    except subprocess.TimeoutExpired:
        raise EntryError(
            f"ssh took more than {_SECONDS:.0f} s to read its configuration for {brief(name)}."
        ) from None
    if done.returncode != 0:
        reason = brief(done.stderr.replace(file, "the file")).rstrip(".")
        raise EntryError(f"ssh cannot read this configuration: {reason}.")
    settings: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        settings.setdefault(keyword.lower(), []).append(value)
    return settings


@dataclass(slots=True)
class _Found:
    """Takes what ssh says about one host after the other."""

    defaults: Settings
    rows: list[Row] = field(default_factory=list)
    jumps: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)

    def take(self, name: str, settings: Settings) -> None:
        row = {"name": name} | self._row(settings)
        if row.get("user") == "git":
            self._skip("since the user git belongs to a code host", name)
        elif check_field("address", row["address"]):
            self._skip("since its HostName is no address", name)
        else:
            for key in ("port", "user", "key_file"):
                if key in row and check_field(key, row[key]):
                    self._skip(f"its {key} only, which Slipway cannot use", name)
                    del row[key]
            self.rows.append(row)
            self.jumps.append(_jump_text(settings))

    def _row(self, settings: Settings) -> Row:
        row: Row = {"address": plain(_one(settings, "hostname").strip("[]"))}
        port = _one(settings, "port")
        if port.isdecimal() and port != "22":
            row["port"] = int(port)
        user = _one(settings, "user")
        if user and user not in {_one(self.defaults, "user"), _local_user()}:
            row["user"] = user
        keys = [key for key in settings.get("identityfile", []) if key not in {"none", '"none"'}]
        if keys and keys != self.defaults.get("identityfile") and "%" not in keys[0]:
            row["key_file"] = keys[0].strip('"')
        return row

    def _skip(self, why: str, name: str) -> None:
        self.skipped.setdefault(why, []).append(name)

    def result(self, resolve: Any) -> SshHosts:
        """Return the servers, without the one that is only the way to all the others."""
        jumps = {text for text in self.jumps if text}
        used = {str(jump["host"]) for text in jumps if (jump := _plain_jump(text))}
        kept: list[tuple[Row, str]] = []
        for row, text in zip(self.rows, self.jumps, strict=True):
            if not text and {row["name"], row["address"]} & used:
                self._skip("since it is the jump host of others", row["name"])
            else:
                kept.append((row, text))
        ways = {text for _, text in kept}
        jump, notes = None, []
        if len(ways) == 1 and (text := ways.pop()):
            jump = self._resolved(_plain_jump(text), resolve)
            if jump is None:
                notes = [
                    "The jump host was left out, since it is not one host written plainly; set it for all."
                ]
        elif any(ways):
            notes = ["Not all servers have the same jump host, so none was taken; set the one for all."]
        skipped = [note for why, names in self.skipped.items() for note in left_out(names, why, "host")]
        return SshHosts([row for row, _ in kept], [*skipped, *notes], jump)

    def _resolved(self, jump: dict[str, Any] | None, resolve: Any) -> dict[str, Any] | None:
        """Return the jump host with what the configuration says about it: it may be an alias."""
        if jump is None:
            return None
        said = self._row(resolve(str(jump["host"])))
        whole = {"host": said["address"]} | {key: said[key] for key in ("port", "user") if key in said}
        whole |= {key: jump[key] for key in ("port", "user") if key in jump}
        return whole if not check_field("address", whole["host"]) else None


def _one(settings: Settings, keyword: str) -> str:
    return next(iter(settings.get(keyword, [])), "")


def _local_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def _jump_text(settings: Settings) -> str:
    """Return how the host is reached: its ProxyJump, or its ProxyCommand; empty when directly."""
    for keyword in ("proxyjump", "proxycommand"):
        value = _one(settings, keyword)
        if value and value != "none":
            return value
    return ""


def _plain_jump(text: str) -> dict[str, Any] | None:
    return jump_in_command(text) or jump_of(text)
