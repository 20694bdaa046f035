"""The practice yard from outside: start it, find it, keep it, stop it.

The yard is a process of its own, so that a provisioning run survives the terminal it was started from. It
stays for as long as somebody holds it (`hold`), by a lock that the kernel takes back from whoever dies, and
stops itself a few seconds after the last holder has gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wizards.lock import is_held
from wizards.practice.files import YardFiles, open_private, private_folder, try_lock

VERSION: Final = 1
MOST_NODES: Final = 200
EXIT_BUSY: Final = 5  # the daemon: another one has this folder
_POLL: Final = 0.05
_LOG_LINES: Final = 8
# What the daemon may know of its caller's environment: no agent, no token, no proxy password.
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")


class YardError(Exception):
    """The yard cannot be had; the message says why in a sentence."""


@dataclass(frozen=True, slots=True)
class YardNode:
    """One practice node: where its SSH server listens, whom it lets in, and how it proves itself."""

    name: str
    address: str
    port: int
    user: str
    host_key: str


@dataclass(frozen=True, slots=True)
class Yard:
    """A running yard, as its ``yard.json`` tells.

    Attributes:
        pid: the process that hosts the nodes and the API.
        version: of the file's form.
        nodes: in the order of their numbers.
        key: the private key that opens the nodes, mode 0600.
        api: URL of the practice Kubernetes API.
        kubeconfig: a file that opens it, mode 0600; its token is good until the yard stops.
        python: the interpreter on the nodes that has the libraries Ansible's modules need.
    """

    pid: int
    version: int
    nodes: tuple[YardNode, ...]
    key: Path
    api: str
    kubeconfig: Path
    python: Path

    def to_json(self) -> str:
        """Return the text of ``yard.json``."""
        nodes = [
            {"name": n.name, "address": n.address, "port": n.port, "user": n.user, "host_key": n.host_key}
            for n in self.nodes
        ]
        fields = {
            "pid": self.pid,
            "version": self.version,
            "nodes": nodes,
            "key": str(self.key),
            "api": self.api,
            "kubeconfig": str(self.kubeconfig),
            "python": str(self.python),
        }
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Yard:
        """Read ``yard.json``.

        Raises:
            YardError: it was written by another version of Slipway, or is damaged.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            if data["version"] != VERSION:
                raise YardError(
                    f"the practice yard that is running speaks version {data['version']} of its file, "
                    f"this Slipway speaks {VERSION}: stop it with the Slipway that started it"
                )
            return cls(
                pid=int(data["pid"]),
                version=VERSION,
                nodes=tuple(YardNode(**node) for node in data["nodes"]),
                key=Path(data["key"]),
                api=str(data["api"]),
                kubeconfig=Path(data["kubeconfig"]),
                python=Path(data["python"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise YardError(f"the practice yard's yard.json is damaged: {error!r}") from error


def ensure_yard(folder: Path, nodes: int, *, timeout: float = 20) -> Yard:
    """Return the yard in `folder`, started when it is not running. Take `hold` first.

    Args:
        folder: made when absent, mode 0700.
        nodes: how many practice nodes, 1 to 200.
        timeout: seconds to wait until it is ready.

    Raises:
        YardError: it did not come up (with the last lines of its log), or it runs with another number of
            nodes.
    """
    if not 1 <= nodes <= MOST_NODES:
        raise YardError(f"a practice yard has 1 to {MOST_NODES} nodes, not {nodes}")
    files = YardFiles(_own(folder))
    deadline = time.monotonic() + timeout
    started = False
    with _locked(files.starting, deadline, "someone else has been starting the practice yard for too long"):
        while True:
            yard = read_yard(files.folder)
            if yard is not None:
                return _with_nodes(yard, nodes)
            if not is_held(files.lock):
                if started:
                    raise YardError(_last_words("the practice yard stopped while it was starting", files.log))
                started = _launch(files, nodes, deadline)
            if time.monotonic() > deadline:
                raise YardError(
                    _last_words(f"the practice yard was not ready within {timeout:g} s", files.log)
                )
            time.sleep(_POLL)


def read_yard(folder: Path) -> Yard | None:
    """Return the yard that is running in `folder`, None when there is none or it is not ready.

    Raises:
        YardError: one is running, but its description cannot be read.
    """
    files = YardFiles(folder)
    if not is_held(files.lock):
        return None
    try:
        yard = Yard.from_json(files.description.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return yard if _alive(yard.pid) else None


@contextlib.contextmanager
def hold(folder: Path, *, timeout: float = 15) -> Iterator[int]:
    """Keep the yard in `folder` from stopping itself, until left or until this process dies.

    Take it before `ensure_yard`, so that the yard cannot go in between. It waits for a yard that is just
    stopping. The descriptor that is handed out is not inherited by programs this process starts.

    Raises:
        YardError: a yard that is stopping did not come to its end within `timeout` seconds.
    """
    descriptor = open_private(YardFiles(_own(folder)).lease)
    try:
        deadline = time.monotonic() + timeout
        while not try_lock(descriptor, shared=True):
            if time.monotonic() > deadline:
                raise YardError(f"the practice yard in {folder} has been stopping for {timeout:g} s")
            time.sleep(_POLL)
        yield descriptor
    finally:
        os.close(descriptor)


def stop_yard(folder: Path, *, timeout: float = 20) -> None:
    """Stop the yard in `folder` and wait until it and everything on its nodes is gone.

    Raises:
        YardError: it is still there after `timeout` seconds.
    """
    files = YardFiles(folder)
    deadline = time.monotonic() + timeout
    told = False
    while is_held(files.lock):
        if not told:
            told = _terminate(files)
        if time.monotonic() > deadline:
            raise YardError(_last_words(f"the practice yard did not stop within {timeout:g} s", files.log))
        time.sleep(_POLL)


def set_reachable(folder: Path, name: str, reachable: bool) -> None:
    """Make the node `name` refuse connections, or answer again.

    New connections feel it at once, open ones within about a second.
    """
    down = YardFiles(folder).down(name)
    if reachable:
        down.unlink(missing_ok=True)
    else:
        down.touch()


def known_hosts_lines(yard: Yard) -> str:
    """Return the nodes' host keys in the form of an OpenSSH known_hosts file."""
    return "".join(f"[{node.address}]:{node.port} {node.host_key}\n" for node in yard.nodes)


def _own(folder: Path) -> Path:
    try:
        return private_folder(folder)
    except OSError as error:
        raise YardError(f"the practice yard needs its folder {folder}: {error.strerror}") from error


def _with_nodes(yard: Yard, wanted: int) -> Yard:
    if len(yard.nodes) != wanted:
        raise YardError(
            f"the practice yard is already running with {_count(len(yard.nodes))}, not {wanted}: "
            "ask for as many, or end what uses it"
        )
    return yard


def _count(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{nodes} nodes"


def _launch(files: YardFiles, nodes: int, deadline: float) -> bool:
    """Start the daemon; say whether it has the yard's lock now (another one may have been quicker)."""
    package_root = Path(__file__).resolve().parents[2]
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment["PYTHONPATH"] = str(package_root)
    with contextlib.suppress(FileNotFoundError):
        files.log.replace(files.log.with_suffix(".log.1"))
    log = open_private(files.log)
    try:
        # -P: a module in the caller's working directory must not be taken for one of ours.
        done = subprocess.run(
            [sys.executable, "-P", "-m", "wizards.practice", files.folder, "--nodes", str(nodes), "--detach"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
            timeout=max(1.0, deadline - time.monotonic()),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise YardError(f"the practice yard could not be started: {error}") from error
    finally:
        os.close(log)
    if done.returncode not in (0, EXIT_BUSY):
        raise YardError(_last_words("the practice yard could not be started", files.log))
    return done.returncode == 0


def _terminate(files: YardFiles) -> bool:
    """Ask the yard's guard to stop; False when its process id is not written yet."""
    try:
        pid = int(files.lock.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # the number has gone to someone else's process
    return True


@contextlib.contextmanager
def _locked(path: Path, deadline: float, complaint: str) -> Iterator[None]:
    descriptor = open_private(path)
    try:
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise YardError(complaint)
            time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)


def _last_words(sentence: str, log: Path) -> str:
    """Return `sentence`, followed by the end of the log where there is something in it."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        lines = []
    said = [line.rstrip() for line in lines if line.strip()][-_LOG_LINES:]
    return "\n".join([f"{sentence} (log: {log}):", *said]) if said else f"{sentence} (log: {log})"
