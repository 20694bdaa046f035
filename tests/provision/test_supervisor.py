"""Runs by the real supervisor and the real ansible-playbook, on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.provision.engine import World, end, make_world, processes_of, result_of, so_far, until
from wizards.clusters import RunRef
from wizards.lock import ClusterBusy
from wizards.practice.client import ensure_yard, hold, known_hosts_lines, stop_yard
from wizards.provision.acceptance import accept
from wizards.provision.events import (
    CancelRequested,
    HostStatus,
    HostTask,
    LogLines,
    RunStarted,
    RunStatus,
    StageStatus,
)
from wizards.provision.journal import read_journal
from wizards.provision.launch import Secrets, follow, request_cancel, start_retry, start_run
from wizards.provision.progress import fold
from wizards.setup.finding import Finding, Severity

pytestmark = pytest.mark.xdist_group("engine")

GOOD = '      - name: Say\n        ansible.builtin.debug: {msg: "hello"}\n'
WAIT = """\
      - name: Touch
        ansible.builtin.file: {path: "{{ playbook_dir }}/{{ inventory_hostname }}.first", state: touch}
      - name: Wait
        ansible.builtin.command: sleep {{ seconds }}
      - name: After
        ansible.builtin.shell: sleep 4 && touch {{ playbook_dir | quote }}/{{ inventory_hostname }}.after
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


@pytest.fixture
def runs() -> Iterator[list[RunRef]]:
    """Runs put here are ended with the test."""
    begun: list[RunRef] = []
    yield begun
    for run in begun:
        end(run)


def started(run: RunRef, name: str) -> bool:
    return any(
        isinstance(event, HostTask) and event.name == name and event.status is HostStatus.STARTED
        for event in read_journal(run.journal)
    )


def supervisor_of(run: RunRef) -> psutil.Process:
    first = next(iter(read_journal(run.journal)))
    assert isinstance(first, RunStarted)
    return psutil.Process(first.pid)


def private_of(run: RunRef) -> Path:
    return Path(json.loads((run.path / "private.json").read_bytes())["folder"])


def test_a_failure_tells_where_and_why_and_a_retry_goes_on_there(world: World) -> None:
    first = world.stage("first", GOOD)
    second = world.stage(
        "second",
        """\
      - name: Ignored
        ansible.builtin.command: /bin/false
        ignore_errors: true
      - block:
          - name: Rescued
            ansible.builtin.shell: "echo out; echo innermost >&2; exit 3"
        rescue:
          - name: Mend
            ansible.builtin.debug: {msg: mended}
      - name: Report
        ansible.builtin.set_fact: {slipway_report: {seen: true}}
      - name: Needs a file
        ansible.builtin.shell: "echo noise; test -e {{ playbook_dir }}/there || { echo missing >&2; exit 7; }"
        when: inventory_hostname == 'b'
""",
    )
    accept(world.cluster, [Finding("swap", Severity.WARN, "nodes[0]", "a: swap is on.", host="a")], by="anna")
    run = start_run(world.cluster, world.plan(first, second))
    progress = result_of(run)

    assert progress.status is run.status() is RunStatus.FAILED
    assert [stage.status for stage in progress.stages] == [StageStatus.DONE, StageStatus.FAILED]
    (failure,) = progress.failures
    assert (failure.host, failure.task, failure.stage) == ("b", "Needs a file", "second")
    assert failure.message == "It ended with code 7: missing"
    assert progress.message == "Second: Failed on b: Needs a file."
    assert {host.name: host.failed for host in progress.hosts} == {"a": 0, "b": 1}
    assert progress.reports == {"a": {"seen": True}, "b": {"seen": True}}
    assert [(one.check, one.host, one.by) for one in progress.accepted] == [("swap", "a", "anna")]
    told = [
        (event.name, event.host, event.message)
        for event in read_journal(run.journal)
        if isinstance(event, HostTask) and event.status is HostStatus.IGNORED
    ]
    assert sorted(told) == [
        ("Ignored", "a", "It ended with code 1 and said nothing."),
        ("Ignored", "b", "It ended with code 1 and said nothing."),
        ("Rescued", "a", "It ended with code 3: innermost"),
        ("Rescued", "b", "It ended with code 3: innermost"),
    ]
    log = [line for event in read_journal(run.journal) if isinstance(event, LogLines) for line in event.lines]
    assert any(line.startswith("TASK [Needs a file]") for line in log)
    assert not any("\x1b" in line for line in log)

    (world.folder / "there").touch()
    again = start_retry(world.cluster, run)
    retried = result_of(again)
    assert retried.status is RunStatus.SUCCEEDED
    assert retried.percent == 100
    assert retried.retry_of == run.id
    assert [stage.status for stage in retried.stages] == [StageStatus.SKIPPED, StageStatus.DONE]
    assert [one.id for one in world.cluster.runs()] == [again.id, run.id]
    until(lambda: not processes_of(run) and not processes_of(again), "processes are left")
    assert not (again.path / "private.json").exists()
    assert {path.name for path in again.path.iterdir()} == {
        "done.json",
        "journal.jsonl",
        "plan.json",
        "run.lock",
        "supervisor.log",
    }
    assert again.log.read_text() == ""


def test_a_stage_that_goes_on_is_followed_and_the_run_fails_all_the_same(world: World) -> None:
    bad = world.stage("bad", "      - name: Break\n        ansible.builtin.fail: {msg: no}\n", goes_on=True)
    run = start_run(world.cluster, world.plan(bad, world.stage("look", GOOD)))
    progress = result_of(run)
    assert progress.status is RunStatus.FAILED
    assert [stage.status for stage in progress.stages] == [StageStatus.FAILED, StageStatus.DONE]
    assert progress.message in {"Bad: Failed on a, b: Break.", "Bad: Failed on b, a: Break."}


def test_a_host_that_cannot_be_reached_is_told(world: World) -> None:
    (world.folder / "hosts.yaml").write_text(
        "all:\n  hosts:\n    a: {ansible_host: 127.0.0.1, ansible_port: 1, ansible_ssh_retries: 0}\n"
    )
    progress = result_of(start_run(world.cluster, world.plan(world.stage("first", GOOD, hosts=("a",)))))
    assert progress.status is RunStatus.SUCCEEDED  # debug needs no connection

    ping = "      - name: Reach\n        ansible.builtin.ping:\n"
    progress = result_of(start_run(world.cluster, world.plan(world.stage("first", ping, hosts=("a",)))))
    assert progress.status is RunStatus.FAILED
    assert [host.status for host in progress.hosts] == [HostStatus.UNREACHABLE]
    assert "Connection refused" in progress.failures[0].message


def test_a_playbook_that_is_not_one_fails_with_ansibles_words(world: World) -> None:
    stage = world.stage("first", GOOD)
    (world.folder / "first.yml").write_text("- hosts: all\n  tasks:\n    - nosuchmodule: {}\n")
    progress = result_of(start_run(world.cluster, world.plan(stage)))
    assert progress.status is RunStatus.FAILED
    assert "nosuchmodule" in progress.message


def test_cancel_after_this_task_lets_the_task_end(world: World, runs: list[RunRef]) -> None:
    stages = (world.stage("first", WAIT, variables={"seconds": 3}), world.stage("second", GOOD))
    run = start_run(world.cluster, world.plan(*stages))
    runs.append(run)
    until(lambda: started(run, "Wait"), "the task did not start")
    request_cancel(run, by="anna\x1b[31m")
    progress = result_of(run)

    assert progress.status is RunStatus.CANCELLED
    assert [stage.status for stage in progress.stages] == [StageStatus.CANCELLED, StageStatus.WAITING]
    ended = [
        event.host
        for event in read_journal(run.journal)
        if isinstance(event, HostTask) and event.name == "Wait" and event.status is HostStatus.CHANGED
    ]
    assert sorted(ended) == ["a", "b"]
    assert not list(world.folder.glob("*.after"))
    (asked,) = [event for event in read_journal(run.journal) if isinstance(event, CancelRequested)]
    assert (asked.by, asked.now) == ("anna", False)


def test_cancel_now_stops_at_once_and_leaves_no_process(world: World, runs: list[RunRef]) -> None:
    run = start_run(world.cluster, world.plan(world.stage("first", WAIT, variables={"seconds": 600})))
    runs.append(run)
    until(lambda: started(run, "Wait"), "the task did not start")
    request_cancel(run, by="anna")
    until(lambda: so_far(run).cancelling == "after-task", "the request was not taken")
    request_cancel(run, by="anna", now=True)
    progress = result_of(run)

    assert progress.status is RunStatus.CANCELLED
    # Asked by SIGINT it ends by itself; the killing would come after ten seconds.
    requests = [event for event in read_journal(run.journal) if isinstance(event, CancelRequested)]
    assert progress.elapsed - requests[-1].m < 9
    until(lambda: not processes_of(run), "processes are left")


def test_a_killed_supervisor_is_told_and_leaves_nothing(world: World, runs: list[RunRef]) -> None:
    run = start_run(world.cluster, world.plan(world.stage("first", WAIT, variables={"seconds": 600})))
    runs.append(run)
    until(lambda: started(run, "Wait"), "the task did not start")
    folder = private_of(run)
    assert folder.stat().st_mode & 0o777 == 0o700
    until(lambda: any("sleep 600" in words for words in processes_of(run)), "no sleep")
    supervisor_of(run).kill()
    until(lambda: not processes_of(run), "processes are left")

    assert not folder.exists()
    assert run.status() is RunStatus.INTERRUPTED
    progress = result_of(run)
    assert progress.status is RunStatus.INTERRUPTED
    assert progress.current_task == "Wait"
    assert progress.stages[0].status is StageStatus.FAILED
    again = start_retry(world.cluster, run)
    runs.append(again)
    assert so_far(again).retry_of == run.id


def test_the_next_start_clears_what_supervisor_and_watchdog_left(world: World, runs: list[RunRef]) -> None:
    run = start_run(world.cluster, world.plan(world.stage("first", WAIT, variables={"seconds": 600})))
    runs.append(run)
    until(lambda: started(run, "Wait"), "the task did not start")
    folder = private_of(run)
    supervisor = supervisor_of(run)
    (watchdog,) = [
        child for child in supervisor.children() if "wizards.provision.watchdog" in child.cmdline()
    ]
    watchdog.kill()
    supervisor.kill()
    until(lambda: not run.is_alive(), "the supervisor did not die")
    assert folder.exists()

    again = start_run(world.cluster, world.plan(world.stage("first", GOOD)))
    runs.append(again)
    assert not folder.exists()
    assert not processes_of(run)
    assert result_of(again).status is RunStatus.SUCCEEDED


def test_the_terminal_may_close(world: World, runs: list[RunRef]) -> None:
    plan = world.plan(world.stage("first", WAIT, variables={"seconds": 2}))
    child, terminal = os.forkpty()
    if child == 0:  # the viewer: it dies with its terminal
        start_run(world.cluster, plan)
        signal.pause()
    until(lambda: (run := world.cluster.latest_run()) and started(run, "Touch"), "the run did not start")
    os.close(terminal)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    run = world.cluster.latest_run()
    assert run is not None
    runs.append(run)
    assert result_of(run).status is RunStatus.SUCCEEDED


def test_one_writer_at_a_time(world: World, runs: list[RunRef]) -> None:
    plan = world.plan(world.stage("first", WAIT, variables={"seconds": 600}))
    run = start_run(world.cluster, plan)
    runs.append(run)
    with pytest.raises(ClusterBusy, match=r"held by .* since \d{4}-.*: create") as caught:
        start_run(world.cluster, plan)
    assert caught.value.holder.run == run.id
    assert caught.value.holder.pid == supervisor_of(run).pid
    with pytest.raises(ClusterBusy):
        start_retry(world.cluster, run)
    assert [one.id for one in world.cluster.runs()] == [run.id]
    assert run.status() is RunStatus.RUNNING


def test_a_password_is_found_nowhere(world: World, runs: list[RunRef]) -> None:
    secret = 'marker "7Qx" pass'
    sudo = world.folder / "sudo"
    sudo.write_text(_SUDO.format(python=sys.executable))
    sudo.chmod(0o700)
    tasks = """\
      - name: Wait
        ansible.builtin.command: sleep 2
        become: true
      - name: Let it slip
        ansible.builtin.file: {path: "{{ playbook_dir }}/leak", state: touch}
      - name: Leak
        ansible.builtin.command: "true"
        become: true
"""
    stage = world.stage(
        "first",
        tasks,
        variables={"ansible_become_exe": str(sudo)},
        env={"ANSIBLE_BECOME_ALLOW_SAME_USER": "True"},
    )
    run = start_run(world.cluster, world.plan(stage), secrets=Secrets(become_password=secret))
    runs.append(run)
    until(lambda: started(run, "Wait"), "the task did not start")
    folder = private_of(run)
    seen = "\0".join(processes_of(run)) + "\0".join(_environments(run))
    during = _texts(folder) + _texts(world.home)
    progress = result_of(run)

    assert (world.folder / "got").read_text() == hashlib.sha256(secret.encode()).hexdigest()
    assert {failure.task for failure in progress.failures} == {"Leak"}
    assert "I was given ********" in progress.failures[0].message
    for text in (seen, during, _texts(world.home), repr(Secrets(become_password=secret))):
        assert "7Qx" not in text
    assert not folder.exists()


_SUDO = """\
#!{python}
import hashlib, os, pathlib, sys
here = pathlib.Path(__file__).parent
sys.stderr.write(sys.argv[sys.argv.index("-p") + 1])
sys.stderr.flush()
word = sys.stdin.readline().rstrip("\\n")
(here / "got").write_text(hashlib.sha256(word.encode()).hexdigest())
if (here / "leak").exists():
    sys.exit("I was given " + word)
rest = sys.argv[sys.argv.index("-u") + 2 :]
os.execvp(rest[0], rest)
"""


def _environments(run: RunRef) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(run.path.parents[1]) in " ".join(process.cmdline()):
                found += [str(process.environ())]
        except (psutil.Error, OSError):
            continue
    assert found
    return found


def _texts(folder: Path) -> str:
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                found.append(path.read_bytes().decode(errors="replace"))
        except FileNotFoundError:
            continue  # events come and go while we look
    return "\0".join(found)


def test_who_attaches_late_sees_what_was_seen_live(world: World) -> None:
    run = start_run(world.cluster, world.plan(world.stage("first", GOOD)))
    live = [event for batch in follow(run) for event in batch]
    assert live == list(read_journal(run.journal))
    assert [event.n for event in live] == list(range(1, len(live) + 1))
    assert fold(live) == result_of(run)


def test_ssh_connections_go_with_a_killed_supervisor(
    world: World, runs: list[RunRef], tmp_path: Path
) -> None:
    yard_folder = tmp_path / "yard"
    with hold(yard_folder):
        yard = ensure_yard(yard_folder, 2)
        (world.folder / "known_hosts").write_text(known_hosts_lines(yard))
        hosts = {
            node.name: {"ansible_host": node.address, "ansible_port": node.port, "ansible_user": node.user}
            for node in yard.nodes
        }
        shared = {"ansible_ssh_private_key_file": str(yard.key), "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"hosts": hosts, "vars": shared}}
        (world.folder / "hosts.yaml").write_text(json.dumps(inventory))
        known = f"-o UserKnownHostsFile={world.folder}/known_hosts"
        stage = world.stage(
            "first",
            "      - name: Wait\n        ansible.builtin.raw: sleep 600\n",
            env={"ANSIBLE_SSH_ARGS": f"-o ControlMaster=auto -o ControlPersist=300s {known}"},
        )
        run = start_run(world.cluster, world.plan(stage))
        runs.append(run)
        until(lambda: started(run, "Wait"), "the task did not start")
        sockets = private_of(run) / "s"
        until(lambda: len(list(sockets.glob("*"))) == 2, "no shared connections")
        assert len(sharing(sockets)) == 2
        supervisor_of(run).kill()
        until(lambda: not processes_of(run), "processes are left")
        assert sharing(sockets) == []
        assert not sockets.exists()
        stop_yard(yard_folder)


def sharing(sockets: Path) -> list[str]:
    """Return the titles of the processes that hold shared ssh connections in `sockets`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            found.append(" ".join(process.cmdline()))
    return [words for words in found if words.startswith(f"ssh: {sockets}/")]


@pytest.mark.real
@pytest.mark.skipif(
    os.getuid() != 0 or sys.platform != "linux", reason="mounts a small disk: needs root on Linux"
)
def test_a_full_disk_stops_the_run_with_that_reason(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320k", "tmpfs", disk], check=False).returncode
        != 0
    ):
        pytest.skip("this machine lets nobody mount")
    try:
        noise = """\
      - name: Noise
        ansible.builtin.debug: {msg: "{{ 'x' * 900 }}"}
        loop: "{{ range(0, 150) | list }}"
"""
        world = make_world(disk)
        run = start_run(world.cluster, world.plan(world.stage("first", noise), world.stage("second", noise)))
        progress = result_of(run)
        assert progress.status is run.status() is RunStatus.FAILED
        assert progress.message.startswith("The disk of this console is full")
        numbers = [event.n for event in read_journal(run.journal)]
        assert numbers == list(range(1, len(numbers) + 1))
        until(lambda: not processes_of(run), "processes are left")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
