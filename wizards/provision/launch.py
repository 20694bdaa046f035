"""Starting, following, stopping and retrying runs, from outside the supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from wizards.clusters import Cluster, RunRef
from wizards.files import private_folder, write_private
from wizards.lock import ClusterLock, Holder
from wizards.provision.cancel import CANCEL_FILE, CancelRequest, write_cancel
from wizards.provision.events import Event, RunStarted, RunStatus, StageFinished, StageStatus
from wizards.provision.journal import JournalReader, finished, interrupted, read_journal
from wizards.provision.leftovers import clear_leftovers
from wizards.provision.plan import Plan

KEPT_RUNS: Final = 20
KEPT_LOOKS: Final = 5
_START_SECONDS: Final = 30.0
_POLL: Final = 0.1  # seconds between two looks at a journal that grows
# What the supervisor and ansible may know of this environment; everything else may hold a secret.
_PASSED: Final = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TZ",
    "TMPDIR",
    "TERM",
    "SSH_AUTH_SOCK",
    "XDG_RUNTIME_DIR",
)
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_SECRET: Final = re.compile("PASS|SECRET|TOKEN")


class LaunchError(Exception):
    """The supervisor did not start; the message says why."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Passwords for one run, in memory only; they are not shown by repr."""

    ssh_password: str | None = field(default=None, repr=False)
    become_password: str | None = field(default=None, repr=False)


def start_run(
    cluster: Cluster,
    plan: Plan,
    *,
    secrets: Secrets | None = None,
    retry_of: RunRef | None = None,
    done: tuple[str, ...] = (),
) -> RunRef:
    """Start a supervisor for `plan` and return the run once it is under way.

    Args:
        cluster: Where the run belongs.
        plan: What is done.
        secrets: Passwords; handed over by a pipe, never by argument, environment or file.
        retry_of: The run that this one goes on from.
        done: Ids of stages that need not be done again.

    Raises:
        wizards.lock.ClusterBusy: Someone else holds the cluster.
        LaunchError: The supervisor did not come up.
    """
    with cluster.lock(plan.job) as lock, _new_run(cluster) as (run, alive):
        lock.say(Holder.this_process(plan.job, run.id))
        _clear_old(cluster)
        write_private(run.plan_file, plan.to_json())
        if retry_of is not None:
            write_private(run.path / "done.json", json.dumps({"run": retry_of.id, "stages": list(done)}))
        process = _spawn(cluster, run, (lock.fileno(), alive.fileno()), secrets or Secrets())
        _wait_until_started(run, process)
    return run


@contextlib.contextmanager
def _new_run(cluster: Cluster) -> Iterator[tuple[RunRef, ClusterLock]]:
    """Give a folder for a run, and the lock by which it counts as alive; both go if it does not begin.

    The lock is held before the folder has its name: nobody ever sees a run that begins as a dead one.
    """
    draft = private_folder(cluster.runs_dir) / f".new-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    run = RunRef(cluster.runs_dir / _new_id(cluster))
    with ClusterLock.acquire(private_folder(draft) / run.lock.name, doing="supervising", run=run.id) as alive:
        draft.rename(run.path)
        try:
            yield run, alive
        except BaseException:
            if not run.journal.exists():
                shutil.rmtree(run.path, ignore_errors=True)
            raise


def _new_id(cluster: Cluster) -> str:
    """Return an id later than all others, also when the clock was set back."""
    stem = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    latest = cluster.latest_run()
    if latest is None or latest.key[0] < stem:
        return stem
    return f"{latest.key[0]}-{latest.key[1] + 1}"


def _spawn(
    cluster: Cluster, run: RunRef, locks: tuple[int, int], secrets: Secrets
) -> subprocess.Popen[bytes]:
    log = os.open(run.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    command = [sys.executable, "-m", "wizards.provision.supervisor", str(cluster.root), run.id]
    try:
        process = subprocess.Popen(
            [*command, *map(str, locks)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            pass_fds=locks,
        )
    finally:
        os.close(log)
    assert process.stdin is not None  # noqa: S101 - it is a pipe, as asked for above
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(json.dumps(asdict(secrets)).encode() + b"\n")
    return process


def _environment() -> dict[str, str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if key in _PASSED or key.upper() in _PROXIES or key.startswith(("LC_", "SLIPWAY_"))
        if not _SECRET.search(key)
    }
    # The interpreter must find this very Slipway, also when it runs from a bare tree.
    root = str(Path(__file__).resolve().parents[2])
    return kept | {"PYTHONPATH": root, "PYTHONUNBUFFERED": "1"}


def _wait_until_started(run: RunRef, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if any(isinstance(event, RunStarted) for event in read_journal(run.journal)):
            # It outlives this process; nobody waits for it, but while we live it must not stay a zombie.
            threading.Thread(target=process.wait, name="reap-supervisor", daemon=True).start()
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise LaunchError(f"The supervisor did not start. {_last_line(run.log)}".strip())


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return f"It said: {lines[-1][:300]}" if lines else ""
    return ""


def _clear_old(cluster: Cluster) -> None:
    """End and remove what dead runs left behind, and the oldest runs beyond the kept ones."""
    runs = cluster.runs()
    for run in runs:
        if not run.is_alive():
            clear_leftovers(run)
    # Looks are many and soon out of date: they must not push out what was done to the cluster.
    looks = [run for run in runs if run.only_looks]
    jobs = [run for run in runs if run not in looks]
    succeeded = next((run for run in jobs if run.status() is RunStatus.SUCCEEDED), None)
    for run in (*jobs[KEPT_RUNS:], *looks[KEPT_LOOKS:]):
        if run != succeeded:
            shutil.rmtree(run.path, ignore_errors=True)
    for draft in cluster.runs_dir.glob(".new-*"):
        shutil.rmtree(draft, ignore_errors=True)


def start_retry(cluster: Cluster, run: RunRef, *, secrets: Secrets | None = None) -> RunRef:
    """Go on from the first stage of `run` that is not done.

    Raises:
        wizards.lock.ClusterBusy: Someone else holds the cluster, for example the run itself.
        LaunchError: The supervisor did not come up.
        wizards.provision.plan.InvalidPlan: Another version of Slipway made the run.
    """
    plan = Plan.from_json(run.plan_file.read_bytes())
    over = {
        event.stage
        for event in read_journal(run.journal)
        if isinstance(event, StageFinished) and event.status in (StageStatus.DONE, StageStatus.SKIPPED)
    }
    done: list[str] = []
    for stage in plan.stages:
        if stage.id not in over:
            break
        done.append(stage.id)
    return start_run(cluster, plan, secrets=secrets, retry_of=run, done=tuple(done))


def request_cancel(run: RunRef, *, by: str, now: bool = False) -> None:
    """Ask the run's supervisor to stop after the task in hand, or at once."""
    write_cancel(run.path / CANCEL_FILE, CancelRequest(by, now))


def follow(run: RunRef, *, stop: threading.Event | None = None) -> Iterator[list[Event]]:
    """Give the run's events in batches, from the first on, until it ended or `stop` is set.

    A supervisor that died without a word gets one from here: RunFinished(INTERRUPTED), made and not written.
    """
    stop = stop or threading.Event()
    reader = JournalReader(run.journal)
    last: Event | None = None
    while not stop.is_set():
        # Looked at before reading: what a dead supervisor wrote is then certain to be there.
        alive = run.is_alive()
        batch = reader.read()
        if batch:
            last = batch[-1]
            yield batch
            if finished(batch):
                return
        elif not alive:
            yield [interrupted(last)]
            return
        stop.wait(_POLL)
