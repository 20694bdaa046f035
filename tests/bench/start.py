"""How long a person waits for `slipway` to start: ``python -m tests.bench.start``.

Prints the time of ``slipway --help`` beside that of an empty Python, and the time from the start of a process
to the first painted screen in an 80x24 terminal, of Slipway's wizard and console beside a bare Textual
application. Wall time (least and median of seven, after one start that warms the caches) and processor time
(least). They are figures to look at, never assertions: they are the machine's as much as ours, so each has
its yardstick.

A screen counts as painted when a terminal that understood everything sent so far shows the words looked for.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyte

ROUNDS = 7
PATIENCE = 60.0
"""Seconds after which a screen that is not painted is given up."""
SLIPWAY = str(Path(sys.executable).parent / "slipway")
BARE = """
from textual.app import App
from textual.widgets import Static

class Bare(App):
    def compose(self):
        yield Static("painted")

Bare().run()
"""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds that one start took: on the clock, and of the processor."""

    wall: float
    processor: float


@dataclass(frozen=True, slots=True)
class Figure:
    """What several rounds took."""

    title: str
    rounds: tuple[Took, ...]

    def line(self, yardstick: Figure | None = None) -> str:
        """Return the figure in milliseconds, with its ratios to a yardstick's."""
        least, processor = _least(self)
        middle = statistics.median(took.wall for took in self.rounds)
        text = f"{self.title:<24} {least * 1000:6.0f} / {middle * 1000:6.0f} ms {processor * 1000:6.0f} ms"
        if yardstick is None:
            return text
        other_least, other_processor = _least(yardstick)
        ratios = f"{least / other_least:.1f} and {processor / other_processor:.1f}"
        return f"{text}   {ratios} times {yardstick.title}"


def _least(figure: Figure) -> tuple[float, float]:
    return min(took.wall for took in figure.rounds), min(took.processor for took in figure.rounds)


def measure(title: str, once: Callable[[], Took]) -> Figure:
    """Return what seven rounds took after one that warms the caches."""
    once()
    return Figure(title, tuple(once() for _ in range(ROUNDS)))


def run_time(command: Sequence[str], home: Path) -> Took:
    """Return what `command` takes from start to end."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=_environment(home), stdout=subprocess.DEVNULL)
    usage = os.wait4(process.pid, 0)[2]
    wall = time.perf_counter() - started
    process.returncode = 0  # it has been waited for
    return Took(wall, usage.ru_utime + usage.ru_stime)


def paint_time(command: Sequence[str], home: Path, words: str) -> Took:
    """Return what passes until a terminal of 80x24 that runs `command` shows `words`.

    Raises:
        TimeoutError: They were not shown; with what was.
    """
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], list(command), _environment(home))
    painted: float | None = None
    try:
        screen = pyte.Screen(80, 24)
        painted = _painted(terminal, screen, words, started + PATIENCE)
    finally:
        os.kill(pid, signal.SIGKILL)
        usage = os.wait4(pid, 0)[2]
        os.close(terminal)
    if painted is None:
        shown = "\n".join(screen.display)
        raise TimeoutError(f"{' '.join(command)} did not show {words!r}; it showed:\n{shown}")
    return Took(painted - started, usage.ru_utime + usage.ru_stime)


def _painted(terminal: int, screen: pyte.Screen, words: str, deadline: float) -> float | None:
    """Return when `words` stood on the screen; None when they did not before `deadline`."""
    stream = pyte.ByteStream(screen)
    while time.perf_counter() < deadline:
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            stream.feed(os.read(terminal, 1 << 16))
        except OSError:  # the command ended
            return None
        # Looking at the screen is cheap beside drawing it, and the same for all that is measured.
        if any(words in line for line in screen.display):
            return time.perf_counter()
    return None


def _environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "SLIPWAY_HOME": str(home),
        "TERM": "xterm-256color",
        "COLUMNS": "80",
        "LINES": "24",
        "LC_ALL": "C.UTF-8",
    }


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        python = sys.executable
        print(f"least / median of {ROUNDS} on the clock, and least processor time, warm")
        empty = measure("an empty Python", lambda: run_time([python, "-c", "pass"], home))
        print(empty.line())
        print(measure("slipway --help", lambda: run_time([SLIPWAY, "--help"], home)).line(empty))
        bare = measure("a bare Textual screen", lambda: paint_time([python, "-c", BARE], home, "painted"))
        print(bare.line())
        wizard = measure("slipway new, painted", lambda: paint_time([SLIPWAY, "new"], home, "Step 1"))
        print(wizard.line(bare))
        console = measure("slipway, painted", lambda: paint_time([SLIPWAY], home, "Slipway"))
        print(console.line(bare))


if __name__ == "__main__":
    main()
