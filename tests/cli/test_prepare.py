"""`slipway prepare`: what it prints before anything is changed, and that it asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import slipway
from tests.provision.healthy import a_spec, healthy
from wizards.clusters import Cluster, Clusters
from wizards.provision.look import keep_looks


@pytest.fixture
def lab(home: Path) -> Iterator[Cluster]:
    """A cluster whose nodes were looked at just now: nothing of it needs to be reached."""
    spec = a_spec()
    cluster = Clusters(home).create(spec)
    reports = healthy(spec)
    reports["node-2"]["seen"] |= {"swap_mib": 2048, "swap_at_boot": ["/etc/fstab"], "tmp_noexec": True}
    with cluster.lock("a test"):
        keep_looks(cluster, spec, reports)
    yield cluster
    assert not cluster.runs_dir.exists() or list(cluster.runs_dir.iterdir()) == [], "nothing was started"


def test_the_exact_changes_are_printed_node_by_node(home: Path, lab: Cluster) -> None:
    done = slipway(home, "prepare", "demo", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "node-2:",
        "  Turn swap off, now and at boot  [swap-off]",
        "    $ swapoff -a",
        "    + /etc/fstab: '# slipway: ' before each line of type swap (a copy is kept)",
        "    undo: Remove '# slipway: ' in /etc/fstab; swapon -a.",
        "  Let programs in /tmp run, until the next boot  [tmp-exec]",
        "    $ mount -o remount,exec /tmp",
        "    undo: mount -o remount,noexec /tmp; the next boot does it too.",
        "2 changes on 1 node.",
    ]


def test_one_json_document_holds_the_changes(home: Path, lab: Cluster) -> None:
    done = slipway(home, "prepare", "demo", "--dry-run", "--json", "--only", "tmp-exec")
    document = json.loads(done.stdout)
    assert [(one["host"], one["id"], one["check"]) for one in document["changes"]] == [
        ("node-2", "tmp-exec", "tmp-noexec")
    ]
    assert document["changes"][0]["exact"] == ["mount -o remount,exec /tmp"]


def test_a_change_that_is_not_proposed_is_named(home: Path, lab: Cluster) -> None:
    done = slipway(home, "prepare", "demo", "--only", "swap")
    assert done.returncode == 2
    assert done.stderr == "--only swap: no such change is proposed; there are: swap-off, tmp-exec\n"


def test_nothing_is_changed_where_nobody_can_agree(home: Path, lab: Cluster) -> None:
    done = slipway(home, "prepare", "demo")
    assert done.returncode == 2
    assert "Make 2 changes on 1 node of demo now? Nobody can answer here: use --yes." in done.stderr


def test_healthy_nodes_need_nothing(home: Path) -> None:
    spec = a_spec()
    cluster = Clusters(home).create(spec)
    with cluster.lock("a test"):
        keep_looks(cluster, spec, healthy(spec))
    done = slipway(home, "prepare", "demo")
    assert (done.returncode, done.stdout) == (0, "There is nothing to change.\n")
