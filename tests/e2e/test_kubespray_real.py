"""`slipway up` on three real machines with the real Kubespray, as far as it goes without the internet.

Kubespray checks and prepares the machines, and fails at its first download. What the journal and the command
say about that must be the truth: which host, which task, what message, and how far it was.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.lab import Lab, missing
from wizards.provision.events import (
    Event,
    HostStatus,
    HostTask,
    LogLines,
    RunFinished,
    RunStatus,
    StageFinished,
    decode,
)
from wizards.provision.progress import Progress, fold

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.skipif(
        not os.environ.get("SLIPWAY_KUBESPRAY"), reason="SLIPWAY_KUBESPRAY names no copy of Kubespray v2.31.0"
    ),
]


def answers(lab: Lab) -> dict[str, Any]:
    """One control plane and two workers, with what containers on this kernel cannot have left out."""
    roles = {"node-1": ["control-plane", "etcd"]}
    return {
        "api_version": "slipway/v1",
        "name": "lab",
        "target": "bare-metal",
        "nodes": [
            {"name": one.name, "address": one.address, "roles": roles.get(one.name, ["worker"])}
            for one in lab.machines
        ],
        "access": {"user": "root", "key_file": str(lab.key_file), "become": "none"},
        # The kernel may have neither a dummy interface nor IPVS, and cgroup v1, which 1.35 refuses.
        "kubernetes": {"version": "1.34.7", "node_local_dns": False},
        "network": {"kube_proxy": "iptables"},
        "load_balancer": {"kind": "none"},
        "storage": {"engines": []},
        "kubespray_vars": {"download_retries": 1},
    }


def slipway(lab: Lab, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where the machines can be reached."""
    command = lab.inside(sys.executable, "-m", "tui.cli", *arguments)
    environment = {**os.environ, "SLIPWAY_HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def processes_of(home: Path) -> list[str]:
    """Return the command lines of processes that still work for this home."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(home) in line:
            lines.append(line)
    return lines


def test_kubespray_goes_to_its_first_download_and_its_failure_is_told_truthfully(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Lab(tmp_path / "lab") as lab:
        file = tmp_path / "cluster.yaml"
        file.write_text(yaml.safe_dump(answers(lab)))
        said = slipway(lab, home, "up", str(file), "--yes", "--json")
        on_node = lab.shell(lab.machines[0], "hostname; test -d /etc/kubernetes/ssl && echo made")
        again = slipway(lab, home, "runs", "lab", "--json")

    assert said.returncode == 1, said.stderr
    events = [decoded for line in said.stdout.splitlines() if (decoded := decode(line))]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].status is RunStatus.FAILED
    stages = {one.stage: one.status.value for one in events if isinstance(one, StageFinished)}
    assert stages == {"tools": "done", "preflight": "done", "kubernetes": "failed"}

    progress = fold(events)
    download = "Download_file | Download item"
    assert {one.host for one in progress.failures} == {"node-1", "node-2", "node-3"}
    assert all(one.stage == "kubernetes" and download in one.task for one in progress.failures)
    assert all(one.message for one in progress.failures)
    assert_the_count_is_true(events, progress)

    # What it says it did is to be seen on the machine, and the way there was the one that was agreed to.
    assert on_node.stdout.split() == ["node-1", "made"]
    known = (home / "clusters" / "lab" / "known_hosts").read_text()
    assert [line.split()[0] for line in known.splitlines()] == ["10.77.0.1", "10.77.0.2", "10.77.0.3"]
    assert [run["status"] for run in json.loads(again.stdout)] == ["failed"]
    assert processes_of(home) == []


def assert_the_count_is_true(events: list[Event], progress: Progress) -> None:
    """Compare what the journal holds of each host with Ansible's own count at the end."""
    lines = [
        line
        for event in events
        if isinstance(event, LogLines) and event.stage == "kubernetes"
        for line in event.lines
    ]
    recap = lines[max(number for number, line in enumerate(lines) if line.startswith("PLAY RECAP")) :]
    for host in progress.hosts:
        if host.name == "localhost":
            continue
        (line,) = (line for line in recap if line.startswith(f"{host.name} "))
        counted = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line)}
        told = Counter(
            one.status
            for one in events
            if isinstance(one, HostTask) and one.stage == "kubernetes" and one.host == host.name
        )
        # Ansible counts a change as ok as well.
        assert told[HostStatus.OK] + told[HostStatus.CHANGED] == counted["ok"] >= 80
        assert told[HostStatus.CHANGED] == counted["changed"] >= 10
        assert told[HostStatus.SKIPPED] == counted["skipped"]
        assert told[HostStatus.FAILED] == counted["failed"] == host.failed == 1
        assert told[HostStatus.UNREACHABLE] == counted["unreachable"] == 0
