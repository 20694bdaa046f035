"""Prints how many journal events a second become `Progress`: ``python tests/bench/progress.py [EVENTS]``."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from wizards.provision.events import (
    HostStatus,
    HostTask,
    LogLines,
    RunStarted,
    StageInfo,
    StageStarted,
    TaskStarted,
)
from wizards.provision.journal import JournalReader, JournalWriter
from wizards.provision.progress import ProgressFold

HOSTS = tuple(f"node-{number}" for number in range(1, 11))


def write(path: Path, wanted: int) -> int:
    """Write a journal of about `wanted` events, as a run on ten hosts makes them; return how many."""
    writer = JournalWriter(path)
    writer.append(
        RunStarted(run="bench", stages=(StageInfo("kubernetes", "Kubernetes", HOSTS, wanted // 31, 600.0),))
    )
    writer.append(StageStarted(stage="kubernetes"))
    written, task = 2, 0
    while written < wanted:
        task += 1
        name, uuid = f"kubernetes/node : Step {task} of the whole", f"02fc0000-0001-a949-9c81-{task:012d}"
        writer.append(TaskStarted(stage="kubernetes", task=uuid, name=name, role="kubernetes/node"))
        for status in (HostStatus.STARTED, HostStatus.CHANGED):
            for host in HOSTS:
                writer.append(
                    HostTask(stage="kubernetes", task=uuid, name=name, host=host, status=status, seconds=1.5)
                )
        for host in HOSTS:
            writer.append(LogLines(stage="kubernetes", lines=(f"changed: [{host}]",)))
        written += 1 + 3 * len(HOSTS)
    writer.close()
    return written


def main() -> None:
    """Write, read and fold; print the rates."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        began = (time.perf_counter(), time.process_time())
        count = write(path, wanted)
        wrote = (time.perf_counter(), time.process_time())
        reader, folding = JournalReader(path), ProgressFold()
        while batch := reader.read():
            folding.feed(batch)
            folding.view()
        read = (time.perf_counter(), time.process_time())
        size = path.stat().st_size
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} events, {size / 1e6:.1f} MB of journal; by the clock, and by CPU time on a busy machine:")
    for what, begin, end in (("written", began, wrote), ("read and folded into Progress", wrote, read)):
        rates = (count / (late - early) for early, late in zip(begin, end, strict=True))
        print(f"  {what}: {' '.join(f'{rate:10,.0f}' for rate in rates)} events/s, {end[0] - begin[0]:.2f} s")
    print(f"  largest memory of this process: {memory:.0f} MB")


if __name__ == "__main__":
    main()
