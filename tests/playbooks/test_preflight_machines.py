"""The look at real machines with faults: who hangs, has no Python, is blocked; and nothing is changed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab import Lab, Machine
from tests.e2e.lab_hosts import OwnRootLab, missing_systemd
from tests.playbooks.test_real_machines import run, shell

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("preflight-real"),
    pytest.mark.skipif(bool(missing_systemd()), reason=missing_systemd()),
]
POOL = {"kind": "metallb-l2", "pools": [{"addresses": ["10.77.0.250-10.77.0.254"]}]}
# What a login leaves behind by itself: its record, and logs.
FILES = (
    "find /etc /var /tmp /root /usr/local /opt -xdev -path /var/log -prune -o"
    " -printf '%p %y %s %m %T@ ' -type f -exec sha256sum {} + -o -printf '\\n'"
)
PROCESSES = "ps -eo comm= | grep -vE '^(sshd|ps|grep|bash|sh|sort|kworker.*)' | sort"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with OwnRootLab(tmp_path_factory.mktemp("lab")) as made:
        yield made


def look(lab: Lab, home: Path, *, seconds: int = 60, **answers: Any) -> dict[str, Any]:
    deadline = {"deadline": {"look": seconds, "reach": 45}}
    outcome, _ = run(lab, home, "preflight", wants=deadline, answers=answers)
    assert outcome.rc == 0, outcome.output
    return outcome.reports


def said(lab: Lab, machine: Machine, command: str) -> str:
    done = lab.shell(machine, command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_is_changed_and_nothing_is_left(lab: Lab, tmp_path: Path) -> None:
    look(lab, tmp_path / "first")  # what a first login makes is there now
    for machine in lab.machines:
        deadline = time.monotonic() + 30
        while "slipway" in said(lab, machine, PROCESSES):
            assert time.monotonic() < deadline, f"the first look is left on {machine.name}"
    before = [(said(lab, one, FILES), said(lab, one, PROCESSES)) for one in lab.machines]
    reports = look(lab, tmp_path / "second")
    assert {name: one["reach"]["late"] for name, one in reports.items()} == dict.fromkeys(reports, False)
    for machine, (files, processes) in zip(lab.machines, before, strict=True):
        assert said(lab, machine, FILES) == files
        deadline = time.monotonic() + 30
        while left := Counter(said(lab, machine, PROCESSES).split("\n")) - Counter(processes.split("\n")):
            assert time.monotonic() < deadline, f"left on {machine.name}: {left}"
        assert "slipway" not in said(lab, machine, PROCESSES)
    assert "/etc/hostname" in before[0][0]
    assert "systemd" in before[0][1]


def test_healthy_machines_reach_each_other_and_pool_addresses_are_asked_for(lab: Lab, tmp_path: Path) -> None:
    reports = look(lab, tmp_path, load_balancer=POOL)
    for name, report in reports.items():
        seen, reach = report["seen"], report["reach"]
        assert (report["late"], report["missed"], report["faults"]) == (False, [], {})
        assert {6443, 2379, 2380, 10250, 7946} <= set(reach["listening"]["tcp"])
        assert {8472, 7946} <= set(reach["listening"]["udp"])
        assert set(reach["peers"]) == {*reports} - {name}
        for peer in reach["peers"].values():
            assert (peer["tcp_failed"], peer["udp_failed"], peer["mtu"]) == ({}, {}, 1500)
        # The bridge of the lab has the last address of the pool, and nobody the others.
        assert seen["arp"]["10.77.0.254"]
        assert {seen["arp"][f"10.77.0.{last}"] for last in range(250, 254)} == {""}
        assert seen["address_conflict"] == {}
        # Listening for the others is not taken for somebody who took the ports.
        assert seen["ports_taken"] == []
        assert seen["etcd_fsync_ms"] > 0
        assert seen["system_state"] == "running"
        assert seen["hostname_resolves"]


def test_a_machine_that_hangs_after_the_login_is_late_and_one_without_python_says_so(
    lab: Lab, tmp_path: Path
) -> None:
    first, second, _ = lab.machines
    shell(lab, second, "chmod a-x /usr/bin/python3.11")
    # bash reads this file when sshd runs it, so that this machine lets the look in and then says nothing.
    hang = 'case "$BASH_EXECUTION_STRING" in *SLIPWAY*) sleep 500;; esac'
    shell(lab, first, f"touch ~root/.bashrc; cp ~root/.bashrc ~root/.kept; echo '{hang}' > ~root/.bashrc")
    started = time.monotonic()
    try:
        reports = look(lab, tmp_path, seconds=25)
    finally:
        lab.shell(first, "mv ~root/.kept ~root/.bashrc; pkill -x sleep")
        lab.shell(second, "chmod a+x /usr/bin/python3.11")
    took = time.monotonic() - started
    hung, bare, healthy = (reports[one.name] for one in lab.machines)
    assert (hung["late"], hung["reachable"], hung["seen"]) == (True, True, {})
    assert 24 <= hung["seconds"] < 40
    assert took < 120
    assert (bare["python"], bare["reachable"], bare["late"], bare["seen"]) == (False, True, False, {})
    assert healthy["seen"]["uid"] == 0
    assert healthy["seconds"] < hung["seconds"]
    # It found nobody at home where nobody could listen, and all was in time.
    assert set(healthy["reach"]["peers"]["node-1"]["tcp_failed"].values()) == {"refused"}


def test_sudo_with_a_password_that_is_right_and_one_that_is_not(lab: Lab, tmp_path: Path) -> None:
    first, second, third = lab.machines
    for machine, password in ((first, "right"), (second, "other"), (third, "right")):
        shell(lab, machine, f"useradd -m -s /bin/bash keeper && echo keeper:{password} | chpasswd")
        shell(lab, machine, "cp -r ~root/.ssh /home/keeper/ && chown -R keeper /home/keeper/.ssh")
        shell(lab, machine, "echo 'keeper ALL=(ALL) ALL' > /etc/sudoers.d/keeper")
    shell(lab, third, "usermod -s /usr/sbin/nologin keeper")
    access = {"user": "keeper", "become": "sudo-password"}
    secret = {"ansible_become_password": "right"}
    outcome, _ = run(lab, tmp_path, "preflight", secret, **access)
    assert outcome.rc == 0, outcome.output
    reports = outcome.reports
    assert (reports["node-1"]["seen"]["uid"], reports["node-1"]["root_message"]) == (0, "")
    assert reports["node-2"]["seen"]["uid"] != 0
    assert "Incorrect sudo password" in reports["node-2"]["root_message"]
    # An account that may not run anything is as good as no login.
    assert (reports["node-3"]["reachable"], reports["node-3"]["seen"]) == (False, {})
    assert "not available" in reports["node-3"]["login_message"]
    # Without root, too, the nodes reach each other.
    assert reports["node-2"]["reach"]["peers"]["node-1"]["tcp_failed"] == {}
    assert reports["node-1"]["reach"]["peers"]["node-2"]["tcp_failed"] == {}


def test_blocked_ports_a_narrow_way_and_a_second_owner_are_seen_from_both_sides(
    lab: Lab, tmp_path: Path
) -> None:
    _, second, third = lab.machines
    block = "-p tcp -d 10.77.0.2 --dport 10250 -j DROP"
    shell(lab, second, f"iptables -A INPUT {block} && iptables -A INPUT -p udp --dport 8472 -j DROP")
    shell(lab, second, "iptables -A INPUT -p tcp --dport 2380 -j REJECT")
    shell(lab, third, "ip link set eth0 mtu 1400; ip addr add 10.77.0.77/24 dev eth0")
    shell(lab, second, "ip addr add 10.77.0.77/24 dev eth0")
    try:
        reports = look(lab, tmp_path)
    finally:
        lab.shell(third, "ip addr del 10.77.0.77/24 dev eth0; ip link set eth0 mtu 1500")
        lab.shell(second, "ip addr del 10.77.0.77/24 dev eth0; iptables -F INPUT")
    third_to_second = reports["node-3"]["reach"]["peers"]["node-2"]
    assert third_to_second["tcp_failed"] == {"10250": "timeout", "2380": "refused"}
    assert third_to_second["udp_failed"] == {"8472": "no answer"}
    assert third_to_second["link_mtu"] == 1400
    second_to_third = reports["node-2"]["reach"]["peers"]["node-3"]
    assert second_to_third["tcp_failed"] == {}
    assert second_to_third["mtu"] == 1400
    assert second_to_third["link_mtu"] == 1500
    macs = {name: one["seen"]["macs"]["eth0"] for name, one in reports.items()}
    assert reports["node-2"]["seen"]["address_conflict"] == {"10.77.0.77": macs["node-3"]}
    assert reports["node-3"]["seen"]["address_conflict"] == {"10.77.0.77": macs["node-2"]}
    assert reports["node-1"]["seen"]["address_conflict"] == {}
