"""Watching a cluster: changes come by themselves, outages are told and survived."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.health.cluster import Cluster, manifest, service
from tests.health.health_objects import spec, wanted
from wizards.health import watch
from wizards.health.client import Api
from wizards.health.model import ComponentHealth, Health
from wizards.health.state import State
from wizards.health.watch import HealthWatcher
from wizards.practice.api.objects import FAULT
from wizards.practice.api.tables import HISTORY
from wizards.practice.api.values import Json

SPEC = spec()
SOON = 20.0


class Seen:
    """Collects what the watcher tells."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.told: list[Health] = []
        self.times: list[float] = []

    def __call__(self, health: Health) -> None:
        with self._changed:
            self.told.append(health)
            self.times.append(time.monotonic())
            self._changed.notify_all()

    def until(self, condition: Callable[[Health], bool], seconds: float = SOON) -> Health:
        """Wait for a health that fulfils `condition`, told from now on or just before."""
        with self._changed:
            met = self._changed.wait_for(lambda: self.told and condition(self.told[-1]), timeout=seconds)
            assert met, f"never told; the last was: {self.told[-1].sentence if self.told else 'nothing'}"
            return self.told[-1]


@pytest.fixture
def filled(cluster: Cluster) -> Cluster:
    cluster.fill(SPEC)
    return cluster


@pytest.fixture
def seen(filled: Cluster) -> Iterator[Seen]:
    """A watcher that has told of a healthy cluster, and is stopped in the end."""
    told = Seen()
    with HealthWatcher(filled.kubeconfig, SPEC, told):
        told.until(lambda health: health.verdict is State.HEALTHY)
        yield told


def component(health: Health, component_id: str) -> ComponentHealth:
    return next(part for part in health.components if part.id == component_id)


@pytest.fixture
def only_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be read again in the time of a test: what is told then came by a watch."""
    for name in ("_POLL", "_POLL_SICK", "_LEASES", "_PODS"):
        monkeypatch.setattr(watch, name, 1000.0)


@pytest.mark.usefixtures("only_watching")
def test_changes_come_by_watches_alone(filled: Cluster, seen: Seen) -> None:
    filled.break_node("node-2")
    health = seen.until(lambda health: any(node.ready is False for node in health.nodes))
    assert health.nodes[0].name == "node-2"
    filled.break_node("node-2", None)
    seen.until(lambda health: health.verdict is State.HEALTHY)
    filled.create(service("shop"))
    health = seen.until(lambda health: bool(health.addresses.services))
    health = seen.until(lambda health: bool(health.addresses.services[0].addresses))
    assert health.addresses.services[0].pool == "default"


@pytest.mark.usefixtures("only_watching")
def test_an_event_comes_by_itself(filled: Cluster, seen: Seen) -> None:
    filled.create(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "a.1", "namespace": "default"},
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": "a", "apiVersion": "v1"},
            "reason": "FailedMount",
            "type": "Warning",
            "lastTimestamp": "2999-01-01T00:00:00Z",
        }
    )
    health = seen.until(lambda health: bool(health.warnings))
    assert health.warnings[0].reason == "FailedMount"
    assert health.verdict is State.HEALTHY


def test_a_workload_that_breaks_is_told_with_its_pod(filled: Cluster, seen: Seen) -> None:
    expected = wanted(SPEC, "metallb-controller")
    broken = manifest(expected, fault="CrashLoopBackOff")

    def change(obj: dict[str, object]) -> None:
        obj["spec"] = {**broken["spec"], "strategy": {"type": "Recreate"}}

    filled.change("apps/v1", "Deployment", expected.name, change, expected.namespace)
    health = seen.until(lambda health: "CrashLoopBackOff" in component(health, "metallb").reason)
    assert component(health, "metallb").workloads[0].pods[0].reason == "CrashLoopBackOff"
    filled.do(lambda: filled.api.store.delete("apps/v1", "Deployment", expected.name, expected.namespace))
    seen.until(lambda health: component(health, "metallb").state is State.BROKEN)
    filled.create(manifest(expected))
    seen.until(lambda health: health.verdict is State.HEALTHY)


def test_a_rollout_is_seen_on_its_way(filled: Cluster, seen: Seen) -> None:
    expected = wanted(SPEC, "coredns")

    def fault(name: str) -> Callable[[Json], None]:
        def change(obj: Json) -> None:
            obj["spec"]["template"]["metadata"]["annotations"] = {FAULT: name} if name else {}

        return change

    filled.change("apps/v1", "Deployment", expected.name, fault("NotReady"), expected.namespace)
    health = seen.until(lambda health: component(health, "coredns").state is State.PROGRESSING)
    assert health.verdict is State.PROGRESSING
    filled.change("apps/v1", "Deployment", expected.name, fault(""), expected.namespace)
    seen.until(lambda health: health.verdict is State.HEALTHY)


def test_cut_watches_are_opened_anew(filled: Cluster, seen: Seen) -> None:
    filled.do(filled.api.faults.drop_watches)
    filled.break_node("node-3")
    seen.until(lambda health: any(node.ready is False for node in health.nodes))


@pytest.mark.parametrize("cut", [False, True], ids=["while it lags", "when it comes back"])
def test_a_version_too_old_is_read_anew(
    filled: Cluster, seen: Seen, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    listed: list[str] = []
    really = Api.list

    def listing(self: Api, path: str, *args: Any, **more: Any) -> Any:
        listed.append(path)
        return really(self, path, *args, **more)

    monkeypatch.setattr(Api, "list", listing)

    def flood() -> None:
        if cut:
            filled.api.faults.drop_watches()
        for number in range(HISTORY + 10):
            filled.api.store.modify("v1", "Node", "node-1", labelled(str(number)))

    filled.do(flood)
    filled.break_node("node-3")
    seen.until(lambda health: any(node.ready is False for node in health.nodes))
    seen.until(lambda _: "/api/v1/nodes" in listed)


def labelled(value: str) -> Callable[[Json], None]:
    return lambda obj: obj["metadata"]["labels"].update(n=value)


def test_no_permission_comes_and_goes(filled: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wizards.health.follow._SECOND_LOOK", 0.5)
    filled.do(lambda: filled.api.faults.forbid("/apis/apps/v1"))
    told = Seen()
    with HealthWatcher(filled.kubeconfig, SPEC, told):
        health = told.until(lambda health: bool(health.nodes))
        assert health.verdict is State.UNKNOWN
        assert {part.state for part in health.components} == {State.UNKNOWN}
        assert "no permission" in health.components[0].reason
        filled.do(lambda: filled.api.faults.allow("/apis/apps/v1"))
        told.until(lambda health: health.verdict is State.HEALTHY)


@pytest.mark.slow
def test_an_outage_is_told_with_the_age_and_survived(filled: Cluster, seen: Seen) -> None:
    port = int(filled.api.url.rsplit(":", 1)[1])
    store = filled.api.store
    filled.stop()
    health = seen.until(lambda health: bool(health.unreachable))
    assert health.verdict is State.UNKNOWN
    assert health.unreachable.startswith(f"The API server at https://127.0.0.1:{port} does not answer")
    assert [node.name for node in health.nodes] == ["node-1", "node-2", "node-3"]
    older = seen.until(lambda later: later.age > health.age + 1)
    assert "Last seen" in older.sentence
    told = len(seen.told)
    filled.start(port)
    assert filled.api.store is not store
    # Fresh certificates, a fresh token, and an empty cluster: nothing of the old one may be taken for it.
    seen.until(lambda health: not health.unreachable)
    assert all(later.verdict is not State.HEALTHY for later in seen.told[told:])
    filled.fill(SPEC)
    seen.until(lambda health: health.verdict is State.HEALTHY, 40)


def test_a_kubeconfig_that_names_another_cluster_is_followed(
    filled: Cluster, seen: Seen, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = Cluster(elsewhere)
    try:
        other.fill(SPEC)
        other.create(service("only-here"))
        other.kubeconfig.rename(filled.kubeconfig)
        health = seen.until(lambda health: bool(health.addresses.services))
        assert health.server == other.api.url
        seen.until(lambda health: health.verdict is State.HEALTHY)
    finally:
        other.close()


def test_a_kubeconfig_that_comes_later(filled: Cluster, tmp_path: Path) -> None:
    later = tmp_path / "later"
    told = Seen()
    with HealthWatcher(later, SPEC, told):
        health = told.until(lambda health: bool(health.unreachable))
        assert health.sentence.startswith(f"Unknown: There is no kubeconfig at {later}.")
        later.write_text(filled.kubeconfig.read_text(encoding="utf-8"), encoding="utf-8")
        told.until(lambda health: health.verdict is State.HEALTHY)


@pytest.mark.slow
def test_unchanged_health_is_told_again(seen: Seen) -> None:
    first = len(seen.told)
    seen.until(lambda _: len(seen.told) > first)
    assert seen.told[-1].sentence == seen.told[-2].sentence
    assert seen.told[-1].at > seen.told[-2].at


def test_many_changes_are_told_in_few_calls(filled: Cluster, seen: Seen) -> None:
    begun, before = time.monotonic(), len(seen.told)
    for number in range(60):
        filled.create(service(f"shop-{number}"))
    seen.until(lambda health: len(health.addresses.services) == 60)
    calls = len(seen.told) - before
    assert calls <= 2 + 4 * (time.monotonic() - begun)
    assert all(later - earlier >= 0.2 for earlier, later in zip(seen.times, seen.times[1:], strict=False))


def test_what_the_callback_raises_is_logged_and_survived(
    filled: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()

    def told(health: Health) -> None:
        seen(health)
        raise RuntimeError("the screen is gone")

    with caplog.at_level(logging.ERROR, "wizards.health.watch"), HealthWatcher(filled.kubeconfig, SPEC, told):
        seen.until(lambda health: health.verdict is State.HEALTHY)
        filled.create(service("shop"))
        seen.until(lambda health: bool(health.addresses.services))
    assert "on_health failed" in caplog.text


def watchers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("health-")]


def test_stopping_ends_every_thread_and_call(filled: Cluster) -> None:
    seen = Seen()
    watcher = HealthWatcher(filled.kubeconfig, SPEC, seen).start()
    seen.until(lambda health: health.verdict is State.HEALTHY)
    watcher.stop()
    told = len(seen.told)
    assert watchers() == []
    filled.break_node("node-1")
    filled.create(service("shop"))
    watcher.stop()
    assert len(seen.told) == told


def test_stopping_from_within_the_call(filled: Cluster) -> None:
    done = threading.Event()

    def told(_: Health) -> None:
        watcher.stop()
        done.set()

    watcher = HealthWatcher(filled.kubeconfig, SPEC, told)
    watcher.start()
    assert done.wait(SOON)


def test_stopping_while_the_server_says_nothing(filled: Cluster) -> None:
    filled.do(lambda: setattr(filled.api.faults, "latency", 60.0))
    seen = Seen()
    watcher = HealthWatcher(filled.kubeconfig, SPEC, seen).start()
    seen.until(lambda health: health.verdict is State.UNKNOWN)
    begun = time.monotonic()
    watcher.stop()
    # Threads that wait for an answer are left to end by themselves: they are daemons and call nobody.
    assert time.monotonic() - begun < 10
    filled.do(filled.api.faults.clear)
