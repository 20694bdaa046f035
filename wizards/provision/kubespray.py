"""The copy of Kubespray that runs: one pinned commit, fetched once, and verified by git's own tree id.

The tree id covers every file's name, bytes and executable bit, and can be computed without git and without a
``.git`` folder; so a copy that came by git, by tarball or by USB stick is judged alike.

Runs as a program for the stage that fetches: ``python -m wizards.provision.kubespray fetch DEST``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wizards.sanitize import one_line

VARIABLE: Final = "SLIPWAY_KUBESPRAY"
"""Environment variable that names a copy which is there already."""
_FETCH_SECONDS: Final = 600.0
_LIST_SECONDS: Final = 120.0
_ENTRY: Final = "cluster.yml"


@dataclass(frozen=True, slots=True)
class Pin:
    """A release of Kubespray: its version, the commit it was made from, and the id of that commit's tree."""

    version: str
    commit: str
    tree: str
    url: str


PIN: Final = Pin(
    version="2.31.0",
    commit="1c9add48975060f45396b34d8e022c30d7f80dab",
    tree="be1344305045541c383b0f9e72ffe903653930c0",
    url="https://github.com/kubernetes-sigs/kubespray",
)


@dataclass(frozen=True, slots=True)
class KubesprayCopy:
    """A copy of Kubespray.

    Attributes:
        path: Its folder.
        commit: The pinned commit when the copy is exactly that, else empty.
        verified: Whether every file is that of the pinned commit.
        note: What a person should know about it; empty for a verified copy.
    """

    path: Path
    commit: str
    verified: bool
    note: str = ""


class KubesprayMissing(RuntimeError):
    """There is no usable copy; the text says what is wanted and how to bring it."""


def kubespray_folder(home: Path, pin: Pin = PIN) -> Path:
    """Return where the fetched copy lies within Slipway's home."""
    return home / "kubespray" / pin.version


def locate(home: Path, env: Mapping[str, str] | None = None, *, pin: Pin = PIN) -> KubesprayCopy:
    """Return the copy a run will use: the one ``SLIPWAY_KUBESPRAY`` names, else the fetched one.

    A copy that differs from the pinned commit is used only when it was named, and is then reported.

    Raises:
        KubesprayMissing: There is none, or the fetched one is no longer what was fetched.
    """
    named = (os.environ if env is None else env).get(VARIABLE, "")
    if named:
        path = Path(named).expanduser().absolute()
        if not (path / _ENTRY).is_file():
            raise KubesprayMissing(f"{VARIABLE} names {path}, which holds no Kubespray: no {_ENTRY} in it")
        return _judged(path, pin)
    path = kubespray_folder(home, pin)
    if not (path / _ENTRY).is_file():
        raise KubesprayMissing(
            _instructions(f"Kubespray v{pin.version} is not on this machine yet.", path, pin)
        )
    copy = _judged(path, pin)
    if not copy.verified:
        raise KubesprayMissing(
            _instructions(f"The copy of Kubespray in {path} has been changed. Remove that folder.", path, pin)
        )
    return copy


def _judged(path: Path, pin: Pin) -> KubesprayCopy:
    if tree_id(path) == pin.tree:
        return KubesprayCopy(path, pin.commit, verified=True)
    note = f"{path} is not exactly Kubespray v{pin.version}: files were changed, added or removed"
    return KubesprayCopy(path, "", verified=False, note=note)


def _instructions(what: str, path: Path, pin: Pin) -> str:
    return (
        f"{what} With internet access it is fetched from {pin.url} by itself. Without: on a machine that has"
        f" it, run 'git clone {pin.url} && git -C kubespray checkout {pin.commit}', bring the folder here,"
        f" and set {VARIABLE} to it (or put it at {path})."
    )


def tree_id(folder: Path) -> str:
    """Return git's id for the contents of `folder`, as ``git rev-parse COMMIT^{tree}`` would give it.

    ``.git`` and Python's byte code caches, which appear when Ansible runs there, do not count.
    """
    return _tree(folder).hex()


def _tree(folder: str | Path) -> bytes:
    entries = []
    with os.scandir(folder) as found:
        for entry in found:
            if entry.name in {".git", "__pycache__"}:
                continue
            mode, digest = _object(entry)
            if digest:
                # Git sorts a folder as if its name ended in a slash.
                key = os.fsencode(entry.name) + (b"/" if mode == b"40000" else b"")
                entries.append((key, mode + b" " + os.fsencode(entry.name) + b"\0" + digest))
    body = b"".join(line for _, line in sorted(entries))
    return _digest(b"tree", body) if body else b""


def _object(entry: os.DirEntry[str]) -> tuple[bytes, bytes]:
    """Return mode and id of one entry; an empty folder has no id, for git knows none."""
    if entry.is_symlink():
        # Not Path.readlink: it would tidy the target, and the id is that of its bytes.
        return b"120000", _digest(b"blob", os.fsencode(os.readlink(entry.path)))  # noqa: PTH115
    if entry.is_dir():
        return b"40000", _tree(entry.path)
    executable = entry.stat().st_mode & stat.S_IXUSR
    return b"100755" if executable else b"100644", _digest(b"blob", Path(entry.path).read_bytes())


def _digest(kind: bytes, body: bytes) -> bytes:
    header = kind + b" " + str(len(body)).encode() + b"\0"
    return hashlib.sha1(header + body, usedforsecurity=False).digest()


def fetch(home: Path, *, pin: Pin = PIN, url: str = "") -> KubesprayCopy:
    """Bring the pinned commit into Slipway's home, verify it, and return it; a copy that is there stays.

    Args:
        home: Slipway's home.
        pin: What is wanted.
        url: Another place: a git repository, or a ``.tar.gz`` of the tree.

    Raises:
        KubesprayMissing: Nothing could be fetched, or what came is not the pinned commit.
    """
    return fetch_into(kubespray_folder(home, pin), pin=pin, url=url)


def fetch_into(folder: Path, *, pin: Pin = PIN, url: str = "") -> KubesprayCopy:
    """Do as `fetch` does, for `folder` itself."""
    if (folder / _ENTRY).is_file() and (copy := _judged(folder, pin)).verified:
        return copy
    if folder.exists() and any(folder.iterdir()):
        raise KubesprayMissing(
            _instructions(f"{folder} holds something that is not Kubespray v{pin.version}.", folder, pin)
        )
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as scratch:
        tree = Path(scratch) / "tree"
        if problem := _bring(url or pin.url, tree, pin):
            raise KubesprayMissing(_instructions(f"Fetching Kubespray failed: {problem}.", folder, pin))
        if (came := tree_id(tree)) != pin.tree:
            raise KubesprayMissing(
                f"what came from {url or pin.url} is not Kubespray v{pin.version}: its tree is {came[:12]}…,"
                f" and {pin.tree[:12]}… was wanted. Nothing was kept."
            )
        shutil.rmtree(tree / ".git", ignore_errors=True)
        if folder.exists():
            folder.rmdir()
        tree.rename(folder)
    return KubesprayCopy(folder, pin.commit, verified=True)


def _bring(url: str, tree: Path, pin: Pin) -> str:
    """Put the tree at `url` into `tree`; return why that failed, or nothing."""
    if url.endswith((".tar.gz", ".tgz")):
        return _tarball(url, tree)
    git = shutil.which("git")
    problem = _by_git(git, url, tree, pin.commit) if git else "git is not installed here"
    if problem and url.startswith("https://github.com/"):
        shutil.rmtree(tree, ignore_errors=True)
        second = _tarball(f"{url}/archive/{pin.commit}.tar.gz", tree)
        return f"by git: {problem}; by download: {second}" if second else ""
    return problem


def _by_git(git: str, url: str, tree: Path, commit: str) -> str:
    quiet = ["-c", "core.autocrlf=false", "-c", "core.symlinks=true", "-c", "advice.detachedHead=false"]
    steps = (
        [git, "init", "--quiet", str(tree)],
        [git, *quiet, "-C", str(tree), "fetch", "--quiet", "--depth=1", "--no-tags", url, commit],
        [git, *quiet, "-C", str(tree), "checkout", "--quiet", "FETCH_HEAD"],
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    for step in steps:
        try:
            said = subprocess.run(
                step,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_FETCH_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"git took longer than {_FETCH_SECONDS:.0f} seconds"
        if said.returncode:
            return one_line(said.stderr.strip() or f"git ended with code {said.returncode}", 300)
    return ""


def _tarball(url: str, tree: Path) -> str:
    import urllib.request

    if not hasattr(tarfile, "data_filter"):
        return "this Python (older than 3.11.4) cannot unpack archives safely; install git"
    archive = tree.parent / "tree.tar.gz"
    unpacked = tree.parent / "unpacked"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, archive.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(answer, file)
        with tarfile.open(archive, "r:gz") as packed:
            packed.extractall(unpacked, filter="data")
    except (OSError, ValueError, tarfile.TarError) as problem:
        return one_line(f"{url}: {problem}", 300)
    inside = [path for path in unpacked.iterdir() if path.is_dir()]
    (inside[0] if len(inside) == 1 and not (unpacked / _ENTRY).exists() else unpacked).rename(tree)
    return ""


def count_tasks(copy: KubesprayCopy, inventory: Path, playbook: str = _ENTRY) -> int:
    """Return how many tasks `playbook` lists for `inventory`; includes add more while it runs. 0 if unknown.

    Takes one to three seconds and reaches no host.
    """
    tool = Path(sys.executable).with_name("ansible-playbook")
    try:
        said = subprocess.run(
            [str(tool), "-i", str(inventory), playbook, "--list-tasks"],
            cwd=copy.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    if said.returncode:
        return 0
    return len(re.findall(r"^ {6}\S.*\tTAGS: \[", said.stdout, re.MULTILINE))


def main(arguments: list[str]) -> int:
    """Run ``fetch DEST [URL]``; DEST is the folder that becomes the copy. Return 0, 1 failed, or 2 usage."""
    if not (len(arguments) in {2, 3} and arguments[0] == "fetch"):
        print("usage: python -m wizards.provision.kubespray fetch DEST [URL]", file=sys.stderr)
        return 2
    try:
        copy = fetch_into(Path(arguments[1]).absolute(), url=arguments[2] if len(arguments) > 2 else "")
    except KubesprayMissing as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as problem:
        print(f"Kubespray could not be put at {arguments[1]}: {problem}", file=sys.stderr)
        return 1
    print(copy.path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
