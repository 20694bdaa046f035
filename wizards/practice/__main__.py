"""The yard's daemon: ``python -m wizards.practice FOLDER --nodes N``.

Two processes share its lock. The worker hosts the nodes and the API. The guard does nothing but wait for it:
when the worker ends, however it ends, the guard kills everything that ran on the nodes (on Linux orphaned
processes fall to it, so that none can slip away) and only then lets go of the lock. The worker in turn stops
in good order when the guard is gone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from wizards.practice.client import EXIT_BUSY, MOST_NODES
from wizards.practice.files import YardFiles, open_private, private_folder, try_lock
from wizards.practice.processes import adopt_orphans, end_all

_STOP_SECONDS: Final = 8  # for the worker to stop in good order; then it is killed


def main() -> int:
    """Run the daemon until it is told to stop or nobody holds it; return the exit code."""
    arguments = _arguments()
    os.umask(0o077)
    folder = private_folder(arguments.folder)
    files = YardFiles(folder)
    lock = _take(files.lock)
    if lock is None:
        sys.stderr.write(f"a practice yard is already running in {folder}\n")
        return EXIT_BUSY
    # Left by a yard that was killed: under a lock that is held again it would pass for ours.
    files.description.unlink(missing_ok=True)
    if arguments.detach:
        if os.fork():
            return 0
        with contextlib.suppress(PermissionError):  # the caller has made a session already
            os.setsid()
    os.truncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode("ascii"), 0)
    return _guard(files, arguments.nodes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m wizards.practice",
        description="Host practice nodes and a practice Kubernetes API on loopback.",
    )
    parser.add_argument("folder", type=Path, help="the yard's folder")
    parser.add_argument("--nodes", type=int, choices=range(1, MOST_NODES + 1), default=3, metavar="N")
    parser.add_argument("--detach", action="store_true", help="go on in the background")
    return parser.parse_args()


def _take(path: Path) -> int | None:
    """Take the yard's lock; None when another daemon has it (a probe has it for an instant only)."""
    descriptor = open_private(path)
    deadline = time.monotonic() + 1
    while not try_lock(descriptor):
        if time.monotonic() > deadline:
            os.close(descriptor)
            return None
        time.sleep(0.02)
    return descriptor


def _guard(files: YardFiles, nodes: int) -> int:
    """Start the worker, wait for its end, clear up after it."""
    adopt_orphans()
    listening, alive = os.pipe()
    worker = os.fork()
    if not worker:
        os.close(alive)
        os._exit(_work(files, nodes, listening))
    os.close(listening)

    def insist(_signal: int, _frame: object) -> None:
        _send(worker, signal.SIGKILL)

    def stop(_signal: int, _frame: object) -> None:
        _send(worker, signal.SIGTERM)
        signal.alarm(_STOP_SECONDS)

    signal.signal(signal.SIGALRM, insist)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    code = _wait_for(worker)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    files.description.unlink(missing_ok=True)
    end_all(files.folder, descendants=True)
    return code


def _wait_for(worker: int) -> int:
    """Wait for the worker and, meanwhile, for the orphans that fall to this process."""
    while True:
        pid, status = os.wait()
        if pid == worker:
            return os.waitstatus_to_exitcode(status)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _work(files: YardFiles, nodes: int, guard: int) -> int:
    """Be the worker. It has a process group of its own, so that one signal cannot take guard and worker."""
    os.setpgid(0, 0)
    try:
        from wizards.practice.yard import run_yard

        run_yard(files, nodes, guard)
        return 0
    except Exception:  # the log is all the caller sees of us
        import traceback

        traceback.print_exc(limit=-3)
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
