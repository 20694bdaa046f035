"""Servers from an Ansible inventory, INI or YAML, read by Ansible itself.

``ansible-inventory --list`` of our own environment does the reading, with one parser allowed, in a private
empty folder and without anybody's ``ansible.cfg``: no script, plugin or template in the file is carried out
(it lists values as they are written; measured with ansible-core 2.18).
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wizards.entry.inventory_rows import Inventory, read_listing
from wizards.entry.model import EntryError, too_many
from wizards.files import write_private
from wizards.sanitize import one_line
from wizards.setup.host_ranges import MOST_SERVERS

_SECONDS: Final = 60.0
_LOOP: Final = re.compile(
    r"recursive dependency loop|can't add group to itself|maximum recursion depth", re.I
)
_RANGE: Final = re.compile(r"\[(\w{1,12}):(\w{1,12})(?::(\d{1,9}))?\]")
_CYCLIC: Final = (
    "A group of this inventory is, through others, a child of itself; take it out of one of its own children."
)
_SECTION: Final = re.compile(r"^\[[^\[\]:]+(?::(?:children|vars|hosts))?\]\s*(?:[#;].*)?$")
_YAML: Final = re.compile(r"^(?:---(?:\s|$)|[\w.-]+:(?:\s|$)|[\"'][^\"']+[\"']:(?:\s|$)|\{)")


def looks_like_yaml(text: str) -> bool:
    """Tell whether the first line that says something begins a YAML or JSON mapping."""
    lines = (line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#"))
    return _YAML.match(next(lines, "")) is not None


def looks_like_ini(text: str) -> bool:
    """Tell whether `text` has a group in brackets, or a variable of Ansible's behind a name."""
    lines = (line.strip() for line in text.split("\n"))
    return any(
        _SECTION.match(line) is not None or re.search(r"\sansible_\w+\s*=", line) is not None
        for line in lines
        if not line.startswith(("#", ";"))
    )


def read_inventory(text: str, room: int = MOST_SERVERS) -> Inventory:
    """Return what the inventory `text` says about servers; what ``--list`` prints is understood as well.

    Raises:
        EntryError: Ansible cannot read it, a group holds itself, or there are too many servers.
    """
    listing = _listing(text)
    return read_listing(listing if listing is not None else _by_ansible(text), room)


def _listing(text: str) -> Mapping[str, Any] | None:
    """Return the data of a saved ``--list``; None for any other text."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and isinstance(data.get("_meta"), dict) else None


def _by_ansible(text: str) -> Mapping[str, Any]:
    is_yaml = looks_like_yaml(text)
    _bound_ranges(text)
    if is_yaml:
        _check_yaml(text)
    with tempfile.TemporaryDirectory(prefix="slipway-entry-") as folder:
        place = Path(folder)
        file = place / ("hosts.yaml" if is_yaml else "hosts")
        write_private(file, text)
        write_private(place / "ansible.cfg", "")
        done = _run(file, place, "yaml" if is_yaml else "ini")
    if done.returncode != 0:
        raise _refusal(done.stderr, str(file))
    try:
        data = json.loads(done.stdout)
    except (ValueError, RecursionError):
        raise EntryError(
            "Ansible did not list this inventory; check it with ansible-inventory --list."
        ) from None
    return data if isinstance(data, dict) else {}


def _run(file: Path, place: Path, parser: str) -> subprocess.CompletedProcess[str]:
    folder = str(place)
    environment = {
        "PATH": os.defpath,
        "HOME": folder,
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
        "ANSIBLE_HOME": folder,
        "ANSIBLE_COLLECTIONS_PATH": folder,
        "ANSIBLE_INVENTORY_ENABLED": parser,
        "ANSIBLE_INVENTORY_PLUGINS": folder,
        "ANSIBLE_VARS_PLUGINS": folder,
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
        "ANSIBLE_NOCOLOR": "True",
    }
    command = [sys.executable, "-I", "-m", "ansible", "inventory", "--inventory", str(file), "--list"]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EntryError(
            f"Ansible took more than {_SECONDS:.0f} s for this inventory; import a smaller one."
        ) from None


def _refusal(said: str, file: str) -> EntryError:
    """Return what Ansible said about the file as one sentence, with the line where it named one."""
    flat = one_line(said, 4000)
    if _LOOP.search(flat):
        return EntryError(_CYCLIC)
    _, found, rest = flat.partition(" plugin: ")
    if not found:
        return EntryError("Ansible cannot read this as an inventory; check it with ansible-inventory --list.")
    reason = re.split(r"\[WARNING\]|ERROR!|The error appears", rest)[0].strip()
    line = re.match(re.escape(file) + r":(\d+):\s*", reason)
    where = f"Line {line[1]}: " if line else ""
    reason = one_line(reason[line.end() if line else 0 :].replace(file, "the inventory"), 200).rstrip(" .")
    return EntryError(f"{where}Ansible cannot read this inventory: {reason}.")


def _bound_ranges(text: str) -> None:
    """Refuse ranges such as ``node[1:9999999]`` before Ansible makes a host of each."""
    count = 0
    for word in {word for word in re.split(r"[\s,\"']+", text) if "[" in word}:
        sizes = [_size(match) for match in _RANGE.finditer(word)]
        count += math.prod(sizes) if sizes else 0
        if count > MOST_SERVERS:
            raise too_many(min(count, 10**12))


def _size(match: re.Match[str]) -> int:
    first, last, step = match[1], match[2], int(match[3] or 1)
    if first.isdecimal() and last.isdecimal():
        return max(1, (int(last) - int(first)) // max(step, 1) + 1)
    return 52


def _is_inside_itself(message: str, text: str) -> bool:
    """Tell whether the reference that `message` calls unknown is there: then it stands around its own use."""
    name = re.search(r"'&([^']+)'", message)
    return name is not None and re.search(rf"&{re.escape(name[1])}(?=\s|$)", text, re.MULTILINE) is not None


def _check_yaml(text: str) -> None:
    """Refuse what could blow up in a YAML parser: references to themselves, or to ever more of the same."""
    from wizards.setup.yaml_reader import YamlFault, read_yaml

    try:
        data = read_yaml(text).data
    except YamlFault as fault:
        finding = fault.findings[-1]
        if finding.id == "unknown-reference" and _is_inside_itself(finding.message, text):
            raise EntryError(_CYCLIC) from None
        where = f"Line {finding.line}: " if finding.line else ""
        remedy = f"; {finding.remedy}" if finding.remedy else ""
        raise EntryError(one_line(f"{where}{finding.message}{remedy}".rstrip(".") + ".")) from None
    if not isinstance(data, dict):
        raise EntryError("This is no inventory: begin with a group, such as 'all:' and 'hosts:' below it.")
