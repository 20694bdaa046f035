"""The supervisor: a process of its own that carries a plan out and writes all it knows to the journal.

``python -m wizards.provision.supervisor ROOT RUN_ID LOCK_FD RUN_LOCK_FD``, started by `launch`. It
belongs to no terminal, holds the cluster's lock for its life, and is the only process that imports
ansible_runner. Secrets come as one JSON line on standard input.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets as random
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wizards.clusters import Cluster, RunRef
from wizards.lock import ClusterLock, Holder
from wizards.provision.acceptance import read_accepted
from wizards.provision.ansible_events import StageMapper
from wizards.provision.cancel import CANCEL_FILE, CancelRequest, read_cancel
from wizards.provision.estimate import expectations, total_range
from wizards.provision.events import (
    CancelRequested,
    CheckAccepted,
    CheckFound,
    Event,
    LogLines,
    RunFinished,
    RunStarted,
    RunStatus,
    StageFinished,
    StageInfo,
    StageStarted,
    StageStatus,
)
from wizards.provision.journal import JournalWriter
from wizards.provision.leftovers import SOCKETS, clear_leftovers, make_private
from wizards.provision.plan import Plan, Stage
from wizards.provision.processes import MARK, marked
from wizards.provision.runner import Outcome, Passwords, run_stage
from wizards.setup.finding import Finding, blocks
from wizards.version import slipway_version

SKIP_FILE: Final = "done.json"
"""Ids of the stages that an earlier run did, and that run's id."""
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_RESERVE: Final = 65_536  # bytes
_TICK: Final = 0.2  # seconds between two looks at the journal's flush and at a request to stop
_ESCALATE: Final = 10.0  # seconds between asking ansible-playbook to stop and killing it


@dataclass(slots=True)
class _Journal:
    """The journal, for the run's own thread and for the one that keeps time."""

    writer: JournalWriter
    lock: threading.Lock

    def append(self, event: Event) -> None:
        with self.lock:
            self.writer.append(event)

    def tick(self) -> None:
        with self.lock:
            self.writer.tick()

    def flush(self) -> None:
        with self.lock:
            self.writer.flush()


class Supervisor:
    """Carries out one run."""

    def __init__(self, cluster: Cluster, run: RunRef, passwords: Passwords) -> None:
        self._cluster = cluster
        self._run = run
        self._passwords = passwords
        self._plan = Plan.from_json(run.plan_file.read_bytes())
        self._journal = _Journal(JournalWriter(run.journal), threading.Lock())
        self._mark = f"{run.id}-{random.token_hex(8)}"
        self._cancel: CancelRequest | None = None
        self._terminated = False
        self._ansible = 0  # process id of ansible-playbook, from its first event
        self._interrupted_at: float | None = None
        self._ended = threading.Event()
        self._disk_problem: OSError | None = None
        # Given back at the end, so that on a full disk there is room for the last word.
        self._reserve = run.path / "reserve"
        self._reserve.write_bytes(os.urandom(_RESERVE))

    # -- the run --------------------------------------------------------------------------------------------

    def run(self) -> RunStatus:
        """Carry out all stages; return how it ended."""
        done, retry_of = self._done_before()
        self._announce(retry_of)
        keeper = threading.Thread(target=self._keep_time, name="keep-time", daemon=True)
        keeper.start()
        try:
            with self._private_folder() as folder:
                status, message = self._stages(folder, done)
        except OSError as problem:
            traceback.print_exc()
            disk = problem is self._disk_problem or problem.errno in _FULL
            status = RunStatus.FAILED
            message = _disk_words(problem) if disk else f"The supervisor failed: {problem}"
        except Exception as error:  # whatever it was, the journal gets a last word
            traceback.print_exc()
            status, message = RunStatus.FAILED, f"The supervisor failed: {type(error).__name__}: {error}"
        finally:
            self._ended.set()
            keeper.join(timeout=5)
        self._last_word(RunFinished(status=status, message=message))
        return status

    def _announce(self, retry_of: str) -> None:
        expected = expectations(self._cluster, self._plan)
        stages = tuple(
            StageInfo(
                one.id,
                one.title,
                tuple(host for host in one.hosts if host != "localhost"),
                expected[one.id].tasks or one.tasks,
                expected[one.id].seconds,
            )
            for one in self._plan.stages
        )
        self._journal.append(
            RunStarted(
                run=self._run.id,
                cluster=self._cluster.name,
                job=self._plan.job,
                version=slipway_version(),
                pid=os.getpid(),
                practice=self._plan.practice,
                stages=stages,
                retry_of=retry_of,
                estimate=total_range(list(expected.values())),
            )
        )
        for one in read_accepted(self._cluster):
            self._journal.append(
                CheckAccepted(check=one.check, host=one.host, by=one.by, at=one.at, message=one.message)
            )
        self._journal.flush()

    def _done_before(self) -> tuple[frozenset[str], str]:
        path = self._run.path / SKIP_FILE
        if not path.exists():
            return frozenset(), ""
        data = json.loads(path.read_bytes())
        return frozenset(data["stages"]), str(data["run"])

    def _stages(self, folder: Path, done: frozenset[str]) -> tuple[RunStatus, str]:
        so_far = RunStatus.SUCCEEDED, ""
        for stage in self._plan.stages:
            if stage.id in done:
                self._journal.append(StageFinished(stage=stage.id, status=StageStatus.SKIPPED))
                continue
            status, message = self._stage(stage, folder / stage.id)
            if status is RunStatus.FAILED and stage.goes_on:
                so_far = status, message
            elif status is not RunStatus.SUCCEEDED:
                return status, message
        return so_far

    def _stage(self, stage: Stage, folder: Path) -> tuple[RunStatus, str]:
        """Run one stage; RunStatus.SUCCEEDED when the run goes on."""
        self._journal.append(StageStarted(stage=stage.id))
        if self._is_cancelled():
            return self._stage_cancelled(stage)
        mapper = StageMapper(stage.id, hide=self._hide)
        outcome = self._play(stage, folder, mapper)
        if self._disk_problem is not None:
            raise self._disk_problem
        if self._is_cancelled() and outcome.rc != 0:
            return self._stage_cancelled(stage)
        if outcome.rc != 0 or outcome.status != "successful":
            why = why_failed(mapper)
            self._finish(stage, StageStatus.FAILED, why, outcome, mapper)
            return RunStatus.FAILED, f"{stage.title}: {why}"
        for event in mapper.settle():
            self._journal.append(event)
        if findings := self._judge(stage, mapper.reports):
            why = f"{len(findings)} finding(s) must be mended first; the first: {findings[0].message}"
            self._finish(stage, StageStatus.FAILED, why, outcome, mapper)
            return RunStatus.BLOCKED, why
        self._finish(stage, StageStatus.DONE, "", outcome, mapper)
        return RunStatus.SUCCEEDED, ""

    def _is_cancelled(self) -> bool:
        return self._cancel is not None

    def _stage_cancelled(self, stage: Stage) -> tuple[RunStatus, str]:
        who = self._cancel.by if self._cancel is not None else ""
        self._journal.append(StageFinished(stage=stage.id, status=StageStatus.CANCELLED))
        return RunStatus.CANCELLED, f"Stopped by {who}." if who else "Stopped."

    def _finish(
        self, stage: Stage, status: StageStatus, message: str, outcome: Outcome, mapper: StageMapper
    ) -> None:
        self._journal.append(
            StageFinished(
                stage=stage.id, status=status, message=message, rc=outcome.rc, rescued=mapper.rescued
            )
        )

    def _judge(self, stage: Stage, reports: Mapping[str, dict[str, Any]]) -> tuple[Finding, ...]:
        """Judge what the nodes reported, tell of it, and return what blocks."""
        if stage.after != "preflight":
            return ()
        from wizards.provision.look import keep_looks
        from wizards.provision.preflight import judge

        spec = self._cluster.read_spec()
        looks = keep_looks(self._cluster, spec, reports)
        # A node that was asked and said nothing this time is not judged by what it said before.
        counting = {
            host: report
            for host, report in looks.reports.items()
            if host in reports or host not in stage.hosts
        }
        not_asked = {node.name for node in spec.nodes} - set(stage.hosts)
        findings = judge(counting, spec, practice=self._plan.practice, waiting=not_asked - counting.keys())
        for finding in findings:
            self._journal.append(CheckFound(stage=stage.id, finding=finding.to_json()))
        return blocks(findings)

    # -- ansible --------------------------------------------------------------------------------------------

    def _play(self, stage: Stage, folder: Path, mapper: StageMapper) -> Outcome:
        self._ansible = 0
        self._interrupted_at = None

        def on_event(raw: Mapping[str, Any]) -> None:
            # An exception here would kill the playbook without a word (measured): nothing may escape.
            try:
                self._ansible = int(raw.get("pid") or self._ansible)
                mapper.cancelling = self._cancel is not None
                for event in mapper.feed(raw):
                    self._journal.append(event)
                if lines := mapper.take_lines():
                    self._journal.append(LogLines(stage=stage.id, lines=lines))
                self._stop_between_tasks(raw)
            except OSError as problem:
                self._give_up(problem)
            except Exception:
                traceback.print_exc()

        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return run_stage(
            stage,
            folder,
            environment=environment | {MARK: self._mark},
            passwords=self._passwords,
            sockets=folder.parent / SOCKETS,
            on_event=on_event,
            cancelled=self._must_be_killed,
        )

    def _give_up(self, problem: OSError) -> None:
        """The journal cannot be written (a full disk): what nobody can see must not go on."""
        if self._disk_problem is None:
            self._disk_problem = problem
            self._interrupt()

    def _stop_between_tasks(self, raw: Mapping[str, Any]) -> None:
        if self._cancel is not None and raw.get("event") == "playbook_on_task_start":
            self._interrupt()

    def _hide(self, text: str) -> str:
        """Take the passwords out of a text, wherever a module may have repeated them."""
        for secret in (self._passwords.ssh, self._passwords.become):
            if secret:
                text = text.replace(secret, "********").replace(json.dumps(secret)[1:-1], "********")
        return text

    def _interrupt(self) -> None:
        """Ask ansible-playbook to stop: SIGINT to itself ends all in 0.2 s (measured), its workers too."""
        if self._interrupted_at is None:
            self._interrupted_at = self._journal.writer.seconds
            pid = self._ansible or next(iter(sorted(marked(self._mark))), 0)
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)

    def _must_be_killed(self) -> bool:
        asked = self._interrupted_at
        return asked is not None and self._journal.writer.seconds - asked > _ESCALATE

    # -- keeping time ---------------------------------------------------------------------------------------

    def terminate(self, *_: object) -> None:
        """SIGTERM: as if somebody had asked to stop at once."""
        self._terminated = True

    def _keep_time(self) -> None:
        while not self._ended.wait(_TICK):
            try:
                self._journal.tick()
                self._look_for_cancel()
            except OSError as problem:
                self._give_up(problem)

    def _look_for_cancel(self) -> None:
        request = read_cancel(self._run.path / CANCEL_FILE)
        if self._terminated:
            request = CancelRequest(by="a signal", now=True)
        if request is None or (self._cancel is not None and self._cancel.now >= request.now):
            return
        self._cancel = request
        self._journal.append(CancelRequested(by=request.by, now=request.now))
        if request.now:
            self._interrupt()

    # -- surroundings ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _private_folder(self) -> Iterator[Path]:
        """Give a 0700 folder on memory, guarded by a watchdog; nothing of the run is left afterwards."""
        folder = make_private(self._run, self._mark)
        watchdog = self._start_watchdog()
        try:
            yield folder
        finally:
            clear_leftovers(self._run)
            if watchdog.stdin is not None:
                watchdog.stdin.close()
            watchdog.wait(timeout=30)

    def _start_watchdog(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "wizards.provision.watchdog", str(self._run.path)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, cwd="/")

    def _last_word(self, event: RunFinished) -> None:
        """End the journal; on a full disk, drop what waits to make room for the reason."""
        writer = self._journal.writer
        with self._journal.lock:
            self._reserve.unlink(missing_ok=True)
            try:
                writer.append(event)
                writer.flush()
            except OSError as problem:
                writer.forget()
                writer.append(RunFinished(status=RunStatus.FAILED, message=_disk_words(problem)))
            writer.close()


def _disk_words(problem: OSError) -> str:
    if problem.errno in _FULL:
        return (
            "The disk of this console is full: Slipway stopped, because it could not write down what it does."
        )
    return f"The journal of this run cannot be written: {problem.strerror or problem}."


def why_failed(mapper: StageMapper) -> str:
    """Return in a sentence why a stage failed: where and at what, else Ansible's own last complaint."""
    failures = mapper.failures()
    if not failures:
        return mapper.last_error or "ansible-playbook ended without saying why; the log has its output."
    hosts = list(dict.fromkeys("this console" if one.host == "localhost" else one.host for one in failures))
    more = f" and {len(hosts) - 5} more" if len(hosts) > 5 else ""
    return f"Failed on {', '.join(hosts[:5])}{more}: {failures[-1].name}."


def _passwords() -> Passwords:
    line = sys.stdin.readline()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    given = json.loads(line) if line.strip() else {}
    return Passwords(ssh=given.get("ssh_password"), become=given.get("become_password"))


@contextlib.contextmanager
def _yard(cluster: Cluster) -> Iterator[None]:
    """Keep the practice yard for the life of the run."""
    if not cluster.is_practice:
        yield
        return
    from wizards.practice.client import hold

    with hold(cluster.practice_dir):
        yield


def main(argv: list[str]) -> int:
    """Run the supervisor; the exit code is for nobody."""
    root, run_id, (held, alive) = Path(argv[0]), argv[1], map(int, argv[2:])
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Not SIG_IGN: ansible-playbook would inherit that, and then could not be asked to stop.
    signal.signal(signal.SIGINT, lambda *_: None)
    cluster = Cluster.open(root)
    run = RunRef(cluster.runs_dir / run_id)
    with (
        ClusterLock.inherited(cluster.lock_path, held) as lock,
        ClusterLock.inherited(run.lock, alive),
        _yard(cluster),
    ):
        plan_job = Plan.from_json(run.plan_file.read_bytes()).job
        lock.say(Holder.this_process(plan_job, run_id))
        supervisor = Supervisor(cluster, run, _passwords())
        signal.signal(signal.SIGTERM, supervisor.terminate)
        status = supervisor.run()
    return 0 if status is RunStatus.SUCCEEDED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
