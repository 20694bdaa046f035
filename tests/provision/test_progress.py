"""`Progress`: the same from every reader, and what it says at each moment of a run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provision.engine import make_world
from wizards.clusters import RunRef
from wizards.provision.ansible_events import StageMapper
from wizards.provision.estimate import baseline, expectations, stage_history
from wizards.provision.events import (
    CancelRequested,
    CheckFound,
    Event,
    HostStatus,
    HostTask,
    LogLines,
    PlayStarted,
    RunFinished,
    RunStarted,
    RunStatus,
    StageFinished,
    StageInfo,
    StageStarted,
    StageStatus,
    TaskStarted,
    decode,
    encode,
)
from wizards.provision.failure_text import HIDDEN, LIMIT, message_of
from wizards.provision.journal import JournalWriter, interrupted
from wizards.provision.progress import ProgressFold, fold

TRACE = "Traceback (most recent call last):\n  f\nKeyError: 'x'\n"
ITEMS = [{"item": "a"}, {"failed": True, "item": "b", "msg": "no"}]
STAGES = (
    StageInfo("one", "One", ("a", "b"), tasks=4, seconds=10.0),
    StageInfo("two", "Two", ("a",), tasks=0, seconds=30.0),
)
START = RunStarted(run="r", cluster="lab", job="create", t=1000.0, stages=STAGES, estimate=(30.0, 50.0))

ids = st.sampled_from(["one", "two", "three"])
names = st.sampled_from(["t1", "t2", "t3"])
hosts = st.sampled_from(["a", "b", "c"])
moments = st.floats(0, 1e6, allow_nan=False)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(RunStarted, t=moments, m=moments, stages=st.just(STAGES), estimate=st.just((30.0, 50.0))),
    st.builds(StageStarted, t=moments, m=moments, stage=ids, tasks=st.integers(0, 9)),
    st.builds(PlayStarted, t=moments, m=moments, stage=ids),
    st.builds(TaskStarted, t=moments, m=moments, stage=ids, task=names, name=names),
    st.builds(
        HostTask,
        t=moments,
        m=moments,
        stage=ids,
        task=names,
        name=names,
        host=hosts,
        status=st.sampled_from(HostStatus),
    ),
    st.builds(LogLines, t=moments, m=moments, stage=ids),
    st.builds(CheckFound, t=moments, m=moments, finding=st.just({"id": "x"})),
    st.builds(StageFinished, t=moments, m=moments, stage=ids, status=st.sampled_from(StageStatus)),
    st.builds(CancelRequested, t=moments, m=moments, now=st.booleans()),
    st.builds(RunFinished, t=moments, m=moments, status=st.sampled_from(RunStatus)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(events, max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_however_the_events_are_split_the_view_is_the_same(told: list[Event], cuts: list[int]) -> None:
    whole = fold(told)
    folding = ProgressFold()
    edges = [0, *sorted(cut for cut in cuts if cut < len(told)), len(told)]
    for begin, end in pairwise(edges):
        folding.feed(told[begin:end])
        folding.view()
    assert folding.view() == whole
    read_again = [decode(encode(event)) for event in told]
    assert fold(event for event in read_again if event is not None) == whole
    assert 0 <= whole.percent <= 100
    assert whole.left is None or 0 <= whole.left[0] <= whole.left[1]


def a_run(seconds: float = 1.0) -> list[Event]:
    """Return a run of both stages, each with four tasks of `seconds`."""
    told: list[Event] = [START]
    for stage in ("one", "two"):
        told.append(StageStarted(stage=stage))
        for number in range(4):
            task = f"{stage}{number}"
            told.append(TaskStarted(stage=stage, task=task, name=task.upper()))
            told += [
                HostTask(stage=stage, task=task, name=task.upper(), host=host, status=status)
                for status in (HostStatus.STARTED, HostStatus.CHANGED)
                for host in ("a", "b")
            ]
        told.append(StageFinished(stage=stage))
    told.append(RunFinished())
    tick = seconds / 5
    return [
        replace(event, n=number + 1, m=number * tick, t=1000 + number * tick)
        for number, event in enumerate(told)
    ]


def test_a_run_from_its_first_event_to_its_last() -> None:
    told = a_run()
    views = [fold(told[:count]) for count in range(len(told) + 1)]
    assert views[0].status is RunStatus.RUNNING
    assert (views[0].percent, views[0].left, views[0].stages) == (0, None, ())
    percents = [view.percent for view in views]
    assert percents == sorted(percents)
    assert percents[-2] == 99
    assert percents[-1] == 100
    middle = views[8]
    assert middle.current_stage == "one"
    assert middle.current_task == "ONE1"
    assert middle.stages[0].status is StageStatus.RUNNING
    assert (middle.stages[0].tasks_done, middle.stages[0].tasks_expected) == (1, 4)
    assert [stage.tasks_expected for stage in middle.stages] == [4, 0]
    assert views[-1].stages[1].tasks_done == views[-1].stages[1].tasks_expected == 4
    assert {(host.name, host.done, host.changed) for host in views[-1].hosts} == {("a", 8, 8), ("b", 8, 8)}
    assert views[-1].left is None
    assert views[-1].started_at == 1000.0


def test_the_estimate_follows_what_the_run_does() -> None:
    def left(seconds: float, count: int) -> float:
        view = fold(a_run(seconds)[:count])
        assert view.left is not None
        return sum(view.left) / 2

    assert 30 <= left(2.5, 2) <= 55
    end_of_first = 23
    as_expected, slow = left(2.5, end_of_first), left(10.0, end_of_first)
    assert 22 <= as_expected <= 40
    assert slow > 1.5 * as_expected
    early, late = fold(a_run(2.5)[:3]).left, fold(a_run(2.5)[:22]).left
    assert early is not None
    assert late is not None
    assert late[1] - late[0] < early[1] - early[0]


def test_the_clock_runs_on_between_events_and_stands_after_the_last() -> None:
    folding = ProgressFold()
    folding.feed(a_run()[:8])
    still = folding.view()
    later = folding.view(now=1000 + 7 / 5 + 5)
    assert later.elapsed == pytest.approx(still.elapsed + 5)
    assert later.stages[0].elapsed == pytest.approx(still.stages[0].elapsed + 5)
    assert folding.view(now=0.0).elapsed == still.elapsed
    folding.feed(a_run()[8:])
    assert folding.view(now=1e9) == folding.view()


def test_what_an_interrupted_run_was_doing_stays_visible() -> None:
    told = a_run()[:10]
    view = fold([*told, interrupted(told[-1])])
    assert view.status is RunStatus.INTERRUPTED
    assert (view.current_stage, view.current_task) == ("one", "ONE1")
    assert view.stages[0].status is StageStatus.FAILED
    assert view.stages[1].status is StageStatus.WAITING


def test_a_rescued_failure_is_taken_back_and_a_real_one_stays() -> None:
    failed = HostTask(stage="one", task="1", name="T", host="a", status=HostStatus.FAILED, message="bad")
    later = HostTask(stage="one", task="2", name="U", host="a", status=HostStatus.FAILED, message="worse")
    told: list[Event] = [START, StageStarted(stage="one"), failed, later]
    assert [failure.message for failure in fold(told).failures] == ["bad", "worse"]
    view = fold([*told, replace(failed, status=HostStatus.IGNORED)])
    assert [failure.message for failure in view.failures] == ["worse"]
    (host,) = [host for host in view.hosts if host.name == "a"]
    assert (host.failed, host.done, host.task, host.status) == (1, 2, "U", HostStatus.FAILED)


def test_history_of_the_cluster_beats_the_baseline(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    good = '      - ansible.builtin.debug: {msg: "x"}\n'
    plan = world.plan(world.stage("tools", good), world.stage("storage", good), world.stage("own", good))
    before = expectations(world.cluster, plan)
    assert before["tools"].seconds >= baseline()["real"]["tools"]["seconds"]
    assert before["own"].seconds == 0
    run = RunRef(world.cluster.runs_dir / "20261123-000000")
    run.path.mkdir()
    clock = [0.0]
    writer = JournalWriter(run.journal, clock=lambda: clock[0])
    told: list[tuple[float, Event]] = [
        (0, START),
        (0, StageStarted(stage="tools")),
        (1, TaskStarted(stage="tools", task="1")),
        (2, TaskStarted(stage="tools", task="2")),
        (5, StageFinished(stage="tools")),
        (5, StageStarted(stage="storage")),
        (9, StageFinished(stage="storage", status=StageStatus.FAILED)),
        (9, StageFinished(stage="own", status=StageStatus.SKIPPED)),
    ]
    for clock[0], event in told:
        writer.append(event)
    writer.close()
    after = expectations(world.cluster, plan)
    assert (after["tools"].seconds, after["tools"].tasks, after["tools"].known) == (5.0, 2, True)
    assert after["storage"] == before["storage"]
    assert stage_history(run.path / "none") == {}
    shutil.rmtree(world.home)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (
            {"msg": "non-zero return code", "rc": 2, "stderr": "E: lock", "stdout": "x"},
            "It ended with code 2: E: lock",
        ),
        ({"msg": "non-zero return code", "rc": 1, "stdout": "only"}, "It ended with code 1: only"),
        ({"msg": "b is not wanted"}, "b is not wanted"),
        ({"msg": "apt failed", "stderr": "E: held"}, "apt failed\nE: held"),
        (
            {"msg": "MODULE FAILURE", "module_stderr": TRACE},
            "MODULE FAILURE: KeyError: 'x'",
        ),
        ({"censored": "the output has been hidden", "changed": True}, HIDDEN),
        (
            {"msg": "One or more items failed", "results": ITEMS},
            "b: no",
        ),
        ({"msg": "\x1b]0;title\x07Failed \x1b[31mred"}, "Failed red"),
        ({"msg": "x", "stderr": "Shared connection to 10.0.0.1 closed.\r\n"}, "x"),
        ({"msg": {"code": 5}}, '{"code": 5}'),
        ({}, "It failed"),
    ],
)
def test_a_message_is_what_went_wrong_without_the_noise(result: dict[str, object], message: str) -> None:
    assert message_of(result) == message


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    text = message_of(
        {"msg": "Building failed", "stderr": "\n".join(f"line {n} " + "x" * 300 for n in range(500))}
    )
    assert len(text) <= LIMIT
    assert text.startswith("Building failed")
    assert text.endswith("x")
    assert "line 499" in text


def test_log_lines_are_cleaned_and_bounded_and_secrets_hidden() -> None:
    mapper = StageMapper("one", hide=lambda text: text.replace("s3cret", "********"))
    mapper.feed({"event": "verbose", "stdout": "\x1b[2Jplain s3cret\r\n" + "y" * 5000})
    mapper.feed({"event": "verbose", "stdout": "\n".join(str(number) for number in range(500))})
    lines = mapper.take_lines()
    assert lines[0] == "plain ********"
    assert len(lines[1]) == 1000
    assert lines[-1] == "… 440 more lines"
    assert mapper.take_lines() == ()
    many = {"event": "verbose", "stdout": "z\n" * 60}
    for _ in range(400):
        mapper.feed(many)
    assert mapper.take_lines()[-1] == "… 4000 further lines were too many to keep"


def test_a_task_that_begins_again_keeps_its_results_apart() -> None:
    mapper = StageMapper("one")

    def begin(uuid: str) -> Event:
        data = {"task_uuid": uuid.partition("_")[0], "uuid": uuid, "name": "role : T", "task": "T"}
        return mapper.feed({"event": "playbook_on_task_start", "event_data": data})[0]

    def done(host: str) -> Event:
        data = {"task_uuid": "u1", "task": "T", "host": host, "res": {"changed": True}, "duration": 1.5}
        return mapper.feed({"event": "runner_on_ok", "event_data": data})[0]

    first, a, second, b = begin("u1"), done("a"), begin("u1_2"), done("b")
    assert isinstance(first, TaskStarted)
    assert isinstance(second, TaskStarted)
    assert isinstance(a, HostTask)
    assert isinstance(b, HostTask)
    assert (a.task, b.task) == (first.task, second.task)
    assert a.name == "role : T"
    assert (a.status, a.seconds) == (HostStatus.CHANGED, 1.5)
