"""The clusters on disk: one private folder each, with its answers, its inventory, its runs and its lock."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wizards import files
from wizards.lock import ClusterLock, is_held
from wizards.provision.events import Event, RunFinished, RunStarted, RunStatus, decode

if TYPE_CHECKING:
    from wizards.setup.spec import ClusterSpec

_FORMAT: Final = 1
LOOK: Final = "preflight"
"""The job that only looks at the nodes."""
_TAIL: Final = 65_536  # bytes: more than the longest line that a journal ends with


class UnknownCluster(LookupError):
    """There is no cluster of that name; `known` are those that there are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        there = f"There are: {', '.join(known)}." if known else "There is none yet."
        super().__init__(f"There is no cluster called {name!r}. {there}")
        self.name = name
        self.known = known


class ClusterExists(Exception):
    """A cluster of that name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is already a cluster called {name!r}; choose another name or open that one.")
        self.name = name


class UnknownRun(LookupError):
    """The cluster has no run of that id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id!r}.")
        self.run_id = run_id


def slipway_home() -> Path:
    """Return the folder of all state: ``$SLIPWAY_HOME``, else the platform's user data folder; made 0700."""
    from platformdirs import user_data_path

    given = os.environ.get("SLIPWAY_HOME")
    home = Path(given).expanduser() if given else user_data_path("slipway")
    return files.private_folder(home.absolute())


def yard_dir(home: Path, name: str) -> Path:
    """Return the folder of the practice yard that belongs to the practice cluster `name`."""
    return home / "yards" / name


@dataclass(frozen=True, slots=True)
class RunRef:
    """A run of a cluster, by its folder; its id is its start in UTC, then ``-2`` on a clash."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """Everything that happened, one event a line."""
        return self.path / "journal.jsonl"

    @property
    def plan_file(self) -> Path:
        """The plan being carried out."""
        return self.path / "plan.json"

    @property
    def lock(self) -> Path:
        """Held by the run's supervisor for its life."""
        return self.path / "run.lock"

    @property
    def log(self) -> Path:
        """What the supervisor had to say about itself; empty when all is well."""
        return self.path / "supervisor.log"

    @property
    def key(self) -> tuple[str, int]:
        """What runs are sorted by."""
        parts = self.id.split("-")
        return "-".join(parts[:2]), int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else 1

    @property
    def started_at(self) -> float:
        """When it began, in seconds since the epoch; 0 where the journal does not say."""
        first = self._first_event()
        return first.t if first else 0.0

    @property
    def job(self) -> str:
        """What was done: ``create``, ``preflight`` and so on; empty where the journal does not say."""
        first = self._first_event()
        return first.job if isinstance(first, RunStarted) else ""

    @property
    def only_looks(self) -> bool:
        """Tell whether it changes nothing, neither here nor on the servers."""
        return self.job == LOOK

    def is_alive(self) -> bool:
        """Tell whether the run's supervisor lives."""
        return is_held(self.lock)

    def status(self) -> RunStatus:
        """Return how the run stands; INTERRUPTED when its supervisor died without a word."""
        if (finished := self._last_word()) is not None:
            return finished.status
        if self.is_alive():
            return RunStatus.RUNNING
        # It may have ended between the two looks.
        finished = self._last_word()
        return finished.status if finished else RunStatus.INTERRUPTED

    def _first_event(self) -> Event | None:
        try:
            with self.journal.open("rb") as file:
                return decode(file.readline())
        except OSError:
            return None

    def _last_word(self) -> RunFinished | None:
        try:
            with self.journal.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                tail = file.read()
        except OSError:
            return None
        for line in reversed(tail.splitlines()):
            if (event := decode(line)) is not None:
                return event if isinstance(event, RunFinished) else None
        return None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster's folder. `is_practice`: it lives on the practice yard, never on real servers."""

    root: Path
    is_practice: bool = False
    created_at: float = 0.0

    @classmethod
    def open(cls, root: Path) -> Cluster:
        """Return the cluster whose folder is `root`; raises OSError or ValueError where there is none."""
        data = json.loads((root / "cluster.json").read_bytes())
        if not isinstance(data, dict) or data.get("version") != _FORMAT:
            raise ValueError(f"{root} was made by another version of Slipway.")
        return cls(root, bool(data.get("practice")), float(data.get("created", 0)))

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.root.name

    @property
    def spec_path(self) -> Path:
        """Its answers: cluster.yaml."""
        return self.root / "cluster.yaml"

    @property
    def inventory_dir(self) -> Path:
        """The inventory, as `render_files` gives it."""
        return self.root / "inventory"

    @property
    def known_hosts(self) -> Path:
        """Host keys of its nodes, in OpenSSH's format."""
        return self.root / "known_hosts"

    @property
    def kubeconfig(self) -> Path:
        """Opens its API, once there is one."""
        return self.root / "kubeconfig"

    @property
    def runs_dir(self) -> Path:
        """Its runs, a folder each."""
        return self.root / "runs"

    @property
    def practice_dir(self) -> Path:
        """The yard's folder, for a practice cluster: outside its own, for the yard is there before it."""
        return yard_dir(self.root.parent.parent, self.name)

    @property
    def lock_path(self) -> Path:
        """The lock file of the one writer."""
        return self.root / "lock"

    def lock(self, doing: str, *, run: str = "") -> ClusterLock:
        """Take the cluster for writing; raises `wizards.lock.ClusterBusy` where someone else has it."""
        return ClusterLock.acquire(self.lock_path, doing=doing, run=run)

    def read_spec(self) -> ClusterSpec:
        """Return its answers; raises `wizards.setup.document.InvalidDocument`."""
        from wizards.setup.document import read_document

        return read_document(self.spec_path).spec

    def runs(self) -> tuple[RunRef, ...]:
        """Return its runs, the newest first."""
        if not self.runs_dir.is_dir():
            return ()
        there = (RunRef(path) for path in self.runs_dir.iterdir() if path.name[0].isdigit() and path.is_dir())
        return tuple(sorted(there, key=lambda run: run.key, reverse=True))

    def latest_run(self) -> RunRef | None:
        """Return its newest run, None where there was none."""
        return next(iter(self.runs()), None)

    def current_run(self) -> RunRef | None:
        """Return the run that people mean by "the run": the one going on, else the newest that is no look.

        A look at the nodes after a set-up that failed must not hide that set-up, nor be what is retried.
        """
        runs = self.runs()
        newest = runs[0] if runs else None
        if newest is None or newest.is_alive():
            return newest
        return next((run for run in runs if not run.only_looks), newest)

    def run(self, run_id: str) -> RunRef:
        """Return the run called `run_id`; raises `UnknownRun`."""
        for run in self.runs():
            if run.id == run_id:
                return run
        raise UnknownRun(run_id)


class Clusters:
    """All clusters below a home folder."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "clusters"

    def all(self) -> tuple[Cluster, ...]:
        """Return the clusters, by name; folders that are none are left out."""
        if not self._folder.is_dir():
            return ()
        found = []
        for path in sorted(self._folder.iterdir()):
            if not path.name.startswith("."):
                with contextlib.suppress(OSError, ValueError):
                    found.append(Cluster.open(path))
        return tuple(found)

    def get(self, name: str) -> Cluster:
        """Return the cluster called `name`; raises `UnknownCluster`."""
        there = self.all()
        for cluster in there:
            if cluster.name == name:
                return cluster
        raise UnknownCluster(name, tuple(cluster.name for cluster in there))

    def create(self, spec: ClusterSpec, *, practice: bool = False) -> Cluster:
        """Make the folder of a new cluster and write its answers; raises `ClusterExists`, OSError."""
        from wizards.setup.document import write_spec

        with self._new(spec.name, practice=practice) as folder:
            write_spec(spec, folder / "cluster.yaml")
        return self.get(spec.name)

    def adopt_file(self, path: Path, *, practice: bool = False) -> Cluster:
        """Return the cluster that the file `path` describes, made or brought up to date.

        The file's text is kept as it is, comments and all.

        Raises:
            wizards.setup.document.InvalidDocument: the file is not a valid cluster.yaml.
            wizards.lock.ClusterBusy: a run is under way; its answers are not changed under it.
            ClusterExists: a cluster of that name is there and one of the two is only for practice.
        """
        from wizards.setup.document import read_document

        document = read_document(path)
        name = document.spec.name
        try:
            cluster = self.get(name)
        except UnknownCluster:
            with self._new(name, practice=practice) as folder:
                files.write_private(folder / "cluster.yaml", document.text)
            return self.get(name)
        if cluster.is_practice != practice:
            raise ClusterExists(name)
        with cluster.lock("reading a new cluster.yaml"):
            files.write_private(cluster.spec_path, document.text)
        return cluster

    def remove(self, name: str) -> None:
        """Forget the cluster `name`: its folder goes, its servers are not touched.

        Raises `UnknownCluster`, or `wizards.lock.ClusterBusy` while someone holds it.
        """
        cluster = self.get(name)
        with cluster.lock("removing it"):
            gone = self._folder / f".gone-{name}-{os.getpid()}"
            cluster.root.rename(gone)
        shutil.rmtree(gone)

    @contextlib.contextmanager
    def _new(self, name: str, *, practice: bool) -> Iterator[Path]:
        """Give a folder to fill, and move it into place when that went well."""
        files.private_folder(self._folder.parent)
        files.private_folder(self._folder)
        draft = Path(tempfile.mkdtemp(prefix=f".new-{name}-", dir=self._folder))
        try:
            meta = {"version": _FORMAT, "practice": practice, "created": time.time()}
            files.write_private(draft / "cluster.json", json.dumps(meta))
            files.private_folder(draft / "runs")
            yield draft
            try:
                draft.rename(self._folder / name)
            except OSError as problem:
                raise ClusterExists(name) from problem
        finally:
            shutil.rmtree(draft, ignore_errors=True)
