"""A home with a practice cluster, for the commands that work on one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wizards.clusters import yard_dir
from wizards.practice.answers import practice_answers
from wizards.practice.client import ensure_yard, hold, stop_yard
from wizards.provision.begin import awake, save_cluster
from wizards.setup.steps import build

NAME = "practice"


@contextmanager
def practice_home(folder: Path, nodes: int) -> Iterator[Path]:
    """Give the home `folder` with a practice cluster of so many nodes, whose yard is held meanwhile."""
    folder.mkdir(mode=0o700)
    yard_folder = yard_dir(folder, NAME)
    with hold(yard_folder):
        yard = ensure_yard(yard_folder, nodes)
        cluster = save_cluster(folder, build(practice_answers(yard)), practice=True)
        with awake(cluster):
            yield folder
    stop_yard(yard_folder)
