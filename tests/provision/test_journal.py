"""The journal: what was written is read again, whatever happens to its writer."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizards.provision.events import (
    CheckFound,
    Event,
    HostStatus,
    HostTask,
    LogLines,
    RunFinished,
    RunStarted,
    RunStatus,
    StageFinished,
    StageInfo,
    StageStatus,
    decode,
    encode,
)
from wizards.provision.journal import JournalReader, JournalWriter, interrupted, read_journal

SOME: list[Event] = [
    RunStarted(run="r", cluster="lab", stages=(StageInfo("a", "A", ("h",), 3, 1.5),), estimate=(1.0, 2.0)),
    HostTask(stage="a", task="1", name="Näme", host="h", status=HostStatus.CHANGED, seconds=0.1),
    CheckFound(stage="a", finding={"id": "x", "others": ["y"]}),
    LogLines(stage="a", lines=("one", "two")),
    StageFinished(stage="a", status=StageStatus.FAILED, message="why", rc=0, rescued=("h",)),
    RunFinished(status=RunStatus.FAILED, message="why"),
]


def test_events_come_back_as_they_were_numbered_and_dated(tmp_path: Path) -> None:
    times = iter(range(1000))
    writer = JournalWriter(tmp_path / "j", clock=lambda: float(next(times)), wall=lambda: 1795000000.1234)
    written = [writer.append(event) for event in SOME]
    writer.close()
    assert list(read_journal(tmp_path / "j")) == written
    assert [event.n for event in written] == [1, 2, 3, 4, 5, 6]
    assert {event.t for event in written} == {1795000000.123}
    assert [event.m for event in written] == sorted(event.m for event in written)
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600
    for line in (tmp_path / "j").read_text().splitlines():
        assert json.loads(line)["v"] == 1


def test_nothing_waits_longer_than_the_bound(tmp_path: Path) -> None:
    now = [0.0]
    writer = JournalWriter(tmp_path / "j", clock=lambda: now[0])
    writer.append(SOME[0])
    writer.tick()
    assert list(read_journal(tmp_path / "j")) == []
    now[0] = 0.25
    writer.tick()
    assert len(list(read_journal(tmp_path / "j"))) == 1
    writer.close()


@given(st.binary(max_size=60), st.integers(0, 400))
def test_torn_and_foreign_lines_are_skipped(junk: bytes, cut: int) -> None:
    whole = [encode(event).encode() for event in SOME]
    assert decode(junk) is None
    torn = whole[0][: min(cut, len(whole[0]) - 1)]
    assert decode(torn) is None


def test_a_reader_waits_for_the_rest_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "j"
    reader = JournalReader(path)
    assert reader.read() == []
    lines = [encode(event).encode() + b"\n" for event in SOME]
    path.write_bytes(lines[0] + lines[1][:20])
    assert reader.read() == [SOME[0]]
    with path.open("ab") as file:
        file.write(lines[1][20:] + b'{"v":1,"type":"of a later version"}\n' + b"\xff\xfe\n" + lines[5])
    assert reader.read() == [SOME[1], SOME[5]]
    assert reader.read() == []


def test_what_was_flushed_survives_the_writers_death(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, pathlib; from wizards.provision.journal import JournalWriter;"
        "from wizards.provision.events import LogLines;"
        "w = JournalWriter(pathlib.Path(sys.argv[1]));"
        "[w.append(LogLines(lines=(str(i),))) for i in range(5000)]; w.flush(); w.append(LogLines());"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "j")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [event.n for event in read_journal(tmp_path / "j")] == list(range(1, 5001))


def test_a_disk_that_is_full_leaves_the_journal_whole(tmp_path: Path) -> None:
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer = JournalWriter(tmp_path / "j")
    first = writer.append(SOME[0])
    writer.flush()
    size = (tmp_path / "j").stat().st_size
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, old[1]))
        writer.append(LogLines(lines=("x" * 500,)))
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            writer.flush()
        assert (tmp_path / "j").stat().st_size == size
        assert writer.forget() == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, previous)
    last = writer.append(RunFinished(status=RunStatus.FAILED))
    writer.close()
    assert list(read_journal(tmp_path / "j")) == [first, last]
    assert last.n == 2


def test_the_last_word_of_the_dead_is_the_same_for_every_reader() -> None:
    event = RunFinished(n=7, t=5.0, m=3.0)
    assert interrupted(event) == interrupted(event)
    assert (interrupted(event).n, interrupted(event).m) == (8, 3.0)
    assert interrupted(None).status is RunStatus.INTERRUPTED
