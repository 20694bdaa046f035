"""prepare.yml makes the changes that were announced, and no other: on real machines, and its files' form."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.lab import Lab, Machine, missing
from tests.playbooks.practice import Outcome
from wizards import files
from wizards.clusters import Cluster, Clusters
from wizards.provision.ansible_env import close_connections
from wizards.provision.look import read_looks
from wizards.provision.mending import KINDS, Change, changes
from wizards.provision.plan import Stage
from wizards.provision.preflight import judge
from wizards.provision.render import render_files, write_files
from wizards.provision.stages import PLAYBOOKS, create_plan, prepare_stage
from wizards.setup.spec import ClusterSpec
from wizards.setup.writing import dump_spec

TASKS = PLAYBOOKS / "roles" / "mend" / "tasks"

FSTAB = """\
UUID=1 / ext4 defaults 0 1
UUID=2 none swap sw 0 0
#UUID=3 none swap sw 0 0
/swapfile swap swap defaults 0 0
UUID=4 /srv/swap ext4 defaults 0 2"""
ROLES = (["control-plane", "etcd", "worker"], ["worker"])
OF_PACKAGES = {
    "/etc/iscsi/initiatorname.iscsi",  # of the package itself
    "/etc/systemd/system/multi-user.target.wants/iscsid.service",  # systemctl enable
}
SERVICE = r"[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
CLOCK = r"#!/bin/sh\ncat /var/tmp/right\n"
CHRONYC = r"#!/bin/sh\necho $1 >> /var/tmp/asked\n"


def swap_is_on() -> bool:
    swaps = Path("/proc/swaps")
    return swaps.exists() and len(swaps.read_text().splitlines()) > 1


def test_each_kind_of_change_has_its_tasks_and_each_file_of_tasks_its_kind() -> None:
    assert {path.stem for path in (TASKS / "kinds").iterdir()} == {*KINDS}
    first = yaml.safe_load((TASKS / "main.yml").read_text())[0]
    assert first["loop"] == [*KINDS], "they are made in the order in which they are shown"


def test_practice_nodes_are_left_alone(tmp_path: Path) -> None:
    """They all are the machine that the tests run on."""
    variables = {"slipway_practice": True, "slipway_changes": {"localhost": [{"kind": "networkd"}]}}
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible-playbook"), "prepare.yml"),
            *("-e", json.dumps(variables | {"slipway_hosts": ["localhost"]})),
        ],
        cwd=PLAYBOOKS,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "nothing is changed on it" in done.stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), count=2) as made:
        yield made


class World:
    """A cluster of the lab's machines, on whose nodes stages are carried out."""

    def __init__(self, lab: Lab, home: Path, **more: Any) -> None:
        self.lab = lab
        self.spec = ClusterSpec.model_validate(
            {
                "name": "lab",
                "nodes": [
                    {"name": one.name, "address": one.address, "roles": roles}
                    for one, roles in zip(lab.machines, ROLES, strict=True)
                ],
                "access": {"user": "root", "key_file": str(lab.key_file), "become": "none"},
                "kubernetes": {"version": "1.34.7"},
                "network": {"kube_proxy": "iptables"},
                "load_balancer": {"kind": "none"},
            }
            | more
        )
        self.cluster = Cluster(files.private_folder(home / "clusters" / "lab"))
        keys = subprocess.run(
            lab.inside("ssh-keyscan", "-t", "ed25519", *(one.address for one in lab.machines)),
            capture_output=True,
            text=True,
            check=False,
        )
        files.write_private(self.cluster.known_hosts, keys.stdout)
        files.write_private(self.cluster.spec_path, dump_spec(self.spec))
        write_files(render_files(self.spec), self.cluster.root)

    def play(self, stage: Stage) -> Outcome:
        root = self.cluster.root
        files.write_private(root / "vars.json", json.dumps(stage.variables))
        env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(root),
            "LANG": "C.UTF-8",
        }
        env |= stage.env | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
        command = ["ansible-playbook", "-i", stage.inventory, stage.playbook, "-e", f"@{root / 'vars.json'}"]
        try:
            done = subprocess.run(
                self.lab.inside(*command),
                cwd=stage.directory,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=170,
                check=False,
            )
        finally:
            close_connections(root)
        return Outcome(done.returncode, done.stdout)

    def look(self) -> dict[str, Any]:
        outcome = self.play(create_plan(self.spec, self.cluster).stage("preflight"))
        assert outcome.rc == 0, outcome.output
        return outcome.reports

    def prepare(self, chosen: Sequence[Change]) -> Outcome:
        return self.play(prepare_stage(self.spec, self.cluster, chosen))


def stats(outcome: Outcome, host: str) -> dict[str, int]:
    counts: dict[str, int] = json.loads(outcome.output)["stats"][host]
    return counts


def messages(outcome: Outcome, host: str) -> str:
    return " ".join(
        str(task["hosts"][host].get("msg", ""))
        for play in json.loads(outcome.output)["plays"]
        for task in play["tasks"]
        if host in task["hosts"] and task["hosts"][host].get("failed")
    )


def settings(machine: Machine) -> dict[str, str]:
    """Every file and link below /etc that was laid over the machine's root file system, with its content."""
    etc = machine.folder / "upper" / "etc"
    found = {}
    for path in sorted(etc.rglob("*")):
        if path.is_symlink():
            found[f"/etc/{path.relative_to(etc)}"] = str(path.readlink())
        elif path.is_file():
            found[f"/etc/{path.relative_to(etc)}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def shell(lab: Lab, machine: Machine, command: str) -> str:
    done = lab.shell(machine, command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def serve_packages(lab: Lab, machine: Machine, folder: Path) -> None:
    """Give a machine a package source of its own, with a small package open-iscsi in it."""
    tree = folder / "open-iscsi"
    texts = {
        "DEBIAN/control": "Package: open-iscsi\nVersion: 2.1\nArchitecture: all\n"
        "Maintainer: tests <t@example.org>\nDescription: a stand-in\n",
        "etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1993-08.org.debian:01:abc\n",
        "lib/systemd/system/iscsid.service": SERVICE.replace("\\n", "\n"),
    }
    for name, text in texts.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    shell(lab, machine, "mkdir -p /srv/packages")
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", str(tree), str(folder)], check=True, capture_output=True
    )
    package = next(folder.glob("open-iscsi_*.deb"))
    send(lab, machine, package.read_bytes(), f"/srv/packages/{package.name}")
    control = texts["DEBIAN/control"]
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    listing = f"{control}Filename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n"
    send(lab, machine, listing.encode(), "/srv/packages/Packages")
    send(lab, machine, b"deb [trusted=yes] file:/srv/packages ./\n", "/etc/apt/sources.list")
    # Older than an hour: the list of packages has to be fetched anew.
    shell(
        lab, machine, "touch -d '2 hours ago' /var/lib/apt/periodic/update-success-stamp /var/lib/apt/lists"
    )


def send(lab: Lab, machine: Machine, content: bytes, path: str) -> None:
    text = base64.b64encode(content).decode()
    shell(lab, machine, f"echo {text} | base64 -d > {path}")


def a_change(host: str, kind: str, **data: Any) -> Change:
    return Change(kind, host, kind, kind, (), "", {"kind": kind, **data})


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.xdist_group("prepare-real")
@pytest.mark.skipif(bool(missing()), reason=missing())
class TestOnRealMachines:
    """Containers that boot systemd: their packages, services and files are their own, the kernel is not."""

    def test_faults_are_gone_afterwards_and_a_second_time_changes_nothing(
        self, lab: Lab, tmp_path: Path
    ) -> None:
        world = World(lab, tmp_path, storage={"engines": ["hostpath", "jiva"]})
        first, second = lab.machines
        shell(lab, first, "mount -t tmpfs -o size=100m,noexec tmpfs /tmp")
        shell(lab, first, f"echo '{FSTAB}' > /etc/fstab")
        serve_packages(lab, first, tmp_path)
        before, untouched = settings(first), settings(second)

        reports = world.look()
        proposed = [
            one for one in changes(reports, judge(reports, world.spec), world.spec) if one.host == "node-1"
        ]
        assert [one.id for one in proposed] == ["swap-off", "tmp-exec", "iscsi"]
        assert world.prepare(proposed).rc == 0

        again = world.look()
        left = {(one.id, one.host) for one in judge(again, world.spec)}
        assert not {(one.check, one.host) for one in proposed} & left
        assert ("iscsi", "node-2") in left, "the other node was not told to change"
        differing = {path for path, text in settings(first).items() if before.get(path) != text}
        copies = {path for path in differing if path.startswith("/etc/fstab.")}
        assert differing - OF_PACKAGES - copies == {"/etc/fstab"}
        assert len(copies) == 1
        assert settings(second) == untouched
        assert lab.shell(first, "systemctl is-enabled iscsid; systemctl is-active iscsid").stdout.split() == [
            "enabled",
            "active",
        ]

        repeated = world.prepare(proposed)
        assert (repeated.rc, stats(repeated, "node-1")["changed"]) == (0, 0)

    def test_files_are_written_as_announced_and_only_those(self, lab: Lab, tmp_path: Path) -> None:
        world = World(lab, tmp_path)
        machine = lab.machines[1]
        shell(lab, machine, f"echo '{FSTAB}' > /etc/fstab")
        for folder, name in (("/etc", "own"), ("/usr/lib", "brought")):
            text = f"[Swap]\\nWhat=/{name}\\n[Install]\\nWantedBy=swap.target\\n"
            shell(lab, machine, f"printf '{text}' > {folder}/systemd/system/{name}.swap")
        shell(lab, machine, "systemctl enable own.swap")
        before = settings(machine)
        chosen = [
            a_change(
                "node-2",
                "swap",
                now=False,
                fstab=True,
                zram=True,
                disable=["own.swap"],
                mask=["brought.swap"],
            ),
            a_change("node-2", "sysctl", name="net.ipv4.tcp_retries2", value="9"),
            a_change("node-2", "sysctl", name="net.ipv4.ip_local_port_range", value="32768 60998"),
            a_change("node-2", "networkd"),
        ]
        outcome = world.prepare(chosen)
        assert outcome.rc == 0, outcome.output
        after = settings(machine)
        differing = {path for path, text in after.items() if before.get(path) != text}
        kept = {path for path in differing if path.startswith("/etc/fstab.") and path.endswith("~")}
        assert len(kept) == 1
        assert after[kept.pop()] == before["/etc/fstab"]
        assert differing - {path for path in differing if path.startswith("/etc/fstab.")} == {
            "/etc/fstab",
            "/etc/sysctl.d/90-slipway.conf",
            "/etc/systemd/networkd.conf.d/90-slipway.conf",
            "/etc/systemd/system/brought.swap",
            "/etc/systemd/zram-generator.conf",
        }
        assert set(before) - set(after) == {"/etc/systemd/system/swap.target.wants/own.swap"}
        assert after["/etc/systemd/system/brought.swap"] == "/dev/null"
        assert shell(lab, machine, "cat /etc/systemd/zram-generator.conf") == ""
        assert shell(lab, machine, "cat /etc/fstab").splitlines() == [
            "UUID=1 / ext4 defaults 0 1",
            "# slipway: UUID=2 none swap sw 0 0",
            "#UUID=3 none swap sw 0 0",
            "# slipway: /swapfile swap swap defaults 0 0",
            "UUID=4 /srv/swap ext4 defaults 0 2",
        ]
        written = shell(lab, machine, "cat /etc/sysctl.d/90-slipway.conf").splitlines()
        assert written == ["net.ipv4.tcp_retries2=9", "net.ipv4.ip_local_port_range=32768 60998"]
        live = shell(lab, machine, "sysctl -n net.ipv4.tcp_retries2 net.ipv4.ip_local_port_range").split()
        assert live == ["9", "32768", "60998"]

        repeated = world.prepare(chosen)
        assert (repeated.rc, stats(repeated, "node-2")["changed"]) == (0, 0)
        assert settings(machine) == after
        seen = world.look()["node-2"]["seen"]
        assert (seen["swap_at_boot"], seen["networkd_foreign"]) == ([], True)

    def test_a_change_that_fails_keeps_no_other_from_being_made(self, lab: Lab, tmp_path: Path) -> None:
        world = World(lab, tmp_path)
        shell(lab, lab.machines[1], "rm -rf /etc/systemd/networkd.conf.d")
        chosen = [
            a_change("node-1", "time-sync", packages=[], manager="", unit="no-such.service", chrony=False),
            a_change("node-1", "packages", packages=["no-such-package"], manager="apt"),
            a_change("node-2", "huge-pages", name="vm.nr_hugepages", value="1024", free=1024),
            a_change("node-2", "networkd"),
        ]
        outcome = world.prepare(chosen)
        assert outcome.rc == 2
        assert "time-sync was not changed: Could not find the requested service" in messages(
            outcome, "node-1"
        )
        assert "packages was not changed: No package matching 'no-such-package'" in messages(
            outcome, "node-1"
        )
        # A container cannot have huge pages: the setting waits for the next boot, and that is said.
        assert "huge-pages was not changed: only 0 huge pages are free" in messages(outcome, "node-2")
        assert "vm.nr_hugepages=1024" in shell(lab, lab.machines[1], "cat /etc/sysctl.d/90-slipway.conf")
        shell(lab, lab.machines[1], "test -f /etc/systemd/networkd.conf.d/90-slipway.conf")

    @pytest.mark.skipif(swap_is_on(), reason="swap is on, and a container would turn off this machine's")
    def test_swap_that_is_off_already_is_left_alone(self, lab: Lab, tmp_path: Path) -> None:
        world = World(lab, tmp_path)
        outcome = world.prepare(
            [a_change("node-1", "swap", now=True, fstab=False, zram=False, disable=[], mask=[])]
        )
        assert (outcome.rc, stats(outcome, "node-1")["changed"]) == (0, 0)

    def test_a_time_service_is_started_and_asked_to_set_the_clock(self, lab: Lab, tmp_path: Path) -> None:
        """A stand-in for chrony: a container's clock is its host's, and no time server answers there."""
        world = World(lab, tmp_path)
        machine = lab.machines[0]
        shell(lab, machine, f"printf '{SERVICE}' > /etc/systemd/system/chrony.service")
        shell(lab, machine, f"printf '{CHRONYC}' > /usr/bin/chronyc; chmod +x /usr/bin/chronyc")
        # Whether the clock is right, this machine's kernel would say.
        shell(lab, machine, f"printf '{CLOCK}' > /usr/local/sbin/timedatectl")
        shell(lab, machine, "echo no > /var/tmp/right; chmod +x /usr/local/sbin/timedatectl")
        chosen = [
            a_change("node-1", "time-sync", packages=[], manager="", unit="chrony.service", chrony=True)
        ]
        outcome = world.prepare(chosen)
        assert outcome.rc == 0, outcome.output
        assert shell(lab, machine, "cat /var/tmp/asked").split() == ["waitsync", "makestep"]
        state = shell(lab, machine, "systemctl is-enabled chrony; systemctl is-active chrony").split()
        assert state == ["enabled", "active"]

        shell(lab, machine, "echo yes > /var/tmp/right")
        repeated = world.prepare(chosen)
        assert (repeated.rc, stats(repeated, "node-1")["changed"]) == (0, 0)

        shell(lab, machine, "echo no > /var/tmp/right; printf '#!/bin/sh\\nexit 1\\n' > /usr/bin/chronyc")
        outcome = world.prepare(chosen)
        assert outcome.rc == 2
        assert "chrony.service runs, and no time server answered it" in messages(outcome, "node-1")

    def test_the_command_looks_mends_and_looks_again(self, lab: Lab, tmp_path: Path) -> None:
        world = World(lab, tmp_path / "answers")
        machine = lab.machines[1]
        shell(lab, machine, "mount -t tmpfs -o size=600m,noexec tmpfs /tmp")
        home = tmp_path / "home"
        command = [str(Path(sys.executable).parent / "slipway"), "prepare"]
        done = subprocess.run(
            lab.inside(*command, str(world.cluster.spec_path), "--yes", "--json", "--only", "tmp-exec"),
            env=os.environ | {"SLIPWAY_HOME": str(home), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        assert "$ mount -o remount,exec /tmp" in done.stderr, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        stages = [one["stage"] for one in events if one["type"] == "stage-finished"]
        assert stages == ["prepare", "preflight"]
        assert "noexec" not in shell(lab, machine, "findmnt -no OPTIONS -M /tmp | tail -1")
        found = {one["finding"]["id"] for one in events if one["type"] == "check-found"}
        assert "tmp-noexec" not in found
        looks = read_looks(Clusters(home).get("lab"), world.spec)
        assert looks.reports["node-2"]["seen"]["tmp_noexec"] is False
        assert looks.fresh(world.spec)
