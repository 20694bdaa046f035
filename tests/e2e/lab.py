"""Machines for tests: systemd-nspawn containers on a bridge in a network namespace of their own.

Each boots its own systemd with an SSH server, on an overlay over one read-only root file system. Nothing of
them shows in this machine's network, and `Lab.stop` leaves no process, mount, namespace, cgroup or file
behind. What runs against them runs inside the fabric's namespace: ``ip netns exec``, see `Lab.inside`.

The root file system comes from outside, as the folder ``SLIPWAY_LAB_ROOTFS`` (for Debian 12)::

    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,openssh-server,python3,python3-apt,\\
    sudo,iproute2,iputils-ping,iptables,procps,kmod,ca-certificates,udev,netbase,curl,apparmor,unzip,xfsprogs,\\
    apt-transport-https,bash-completion,conntrack,e2fsprogs,ebtables,gnupg,ipset,ipvsadm,mergerfs,openssl,\\
    rsync,socat,tar bookworm FOLDER
    chroot FOLDER apt-get install -y --no-install-recommends software-properties-common nftables
    rm FOLDER/etc/ssh/ssh_host_*
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOTFS_VARIABLE = "SLIPWAY_LAB_ROOTFS"
CONTROLLER = "10.77.0.254"
"""The fabric's own address: where tests run and where machines look for a name server that is not there."""
BOOT_SECONDS = 60.0

_MODULES = {
    "overlay": "CONFIG_OVERLAY_FS",
    "br_netfilter": "CONFIG_BRIDGE_NETFILTER",
    "vxlan": "CONFIG_VXLAN",
    "ip_vs": "CONFIG_IP_VS",
    "dummy": "CONFIG_DUMMY",
    "nf_tables": "CONFIG_NF_TABLES",
    "nf_conntrack": "CONFIG_NF_CONNTRACK",
}

BOOT = r"""
set -eu
name=$1 folder=$2 low=$3
while IFS=: read -r id controllers path; do
  case $controllers in
    '') base=/sys/fs/cgroup/unified; [ -d "$base" ] || base=/sys/fs/cgroup;;
    name=*) base=/sys/fs/cgroup/${controllers#name=};;
    *) base=/sys/fs/cgroup/$controllers;;
  esac
  parent=$base${path%/}
  group=$parent/$name
  mkdir -p "$group"
  echo "$group" >> "$folder/cgroups"
  if [ "$controllers" = cpuset ]; then
    cat "$parent/cpuset.cpus" > "$group/cpuset.cpus"
    cat "$parent/cpuset.mems" > "$group/cpuset.mems"
  fi
  echo $$ > "$group/cgroup.procs"
done < <(cat /proc/$$/cgroup)  # read whole: moving this shell changes the file
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec setpriv --pdeathsig KILL unshare --mount --propagation private bash -c '
  mount -t overlay overlay -o "lowerdir=$3,upperdir=$2/upper,workdir=$2/work" "$2/root"
  exec systemd-nspawn -q --register=no --keep-unit --boot -D "$2/root" --machine="$1" \
    --network-namespace-path="/run/netns/$1" --resolv-conf=off --timezone=off --link-journal=no \
    --capability=all --system-call-filter="@keyring bpf" --console=pipe' boot "$name" "$folder" "$low"
"""

SYSCTL = r"""#!/bin/sh
# kernel.*, vm.* and fs.* belong to the machine that hosts the containers and are read-only in them.
/usr/sbin/sysctl "$@" 2>/tmp/.sysctl.$$
grep -vE 'permission denied on key "(kernel|vm|fs)\.' /tmp/.sysctl.$$ >&2
rm -f /tmp/.sysctl.$$
exit 0
"""


@dataclass
class Machine:
    """One machine: the name it has for the test, its address, and the process that holds it."""

    name: str
    address: str
    unique: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None


@dataclass
class Lab:
    """Machines ``node-1`` … on one network. Use as a context manager."""

    folder: Path
    count: int = 3
    machines: list[Machine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rootfs = Path(os.environ[ROOTFS_VARIABLE]).absolute()
        self.mark = f"slw{os.getpid()}"
        self.fabric = f"{self.mark}-fab"
        self.key_file = self.folder / "id"

    def __enter__(self) -> Lab:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make the network, boot the machines, and return when all of them answer SSH."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key_file))
        _run("ip", "netns", "add", self.fabric)
        self.ip("link set lo up", "link add br0 type bridge", f"addr add {CONTROLLER}/24 dev br0")
        self.ip("link set br0 up")
        for number in range(1, self.count + 1):
            name = f"node-{number}"
            unique = f"{self.mark}-{number}"
            machine = Machine(name, f"10.77.0.{number}", unique, self.folder / name)
            self.machines.append(machine)
            self._connect(machine, f"v{number}")
            self._furnish(machine)
            self._boot(machine)
        self._await_ssh()

    def ip(self, *commands: str, netns: str = "") -> None:
        """Run commands of ip inside a namespace, by default the fabric's."""
        for command in commands:
            _run("ip", "-n", netns or self.fabric, *command.split())

    def inside(self, *command: str) -> list[str]:
        """Return the argument list that runs `command` where the machines can be reached."""
        return ["ip", "netns", "exec", self.fabric, *command]

    def _connect(self, machine: Machine, port: str) -> None:
        netns = machine.unique
        _run("ip", "netns", "add", netns)
        _run(
            *("ip", "link", "add", port, "netns", self.fabric, "type", "veth"),
            *("peer", "name", "eth0", "netns", netns),
        )
        self.ip(f"link set {port} master br0 up")
        self.ip("link set lo up", f"addr add {machine.address}/24 dev eth0", "link set eth0 up", netns=netns)
        self.ip(f"route add default via {CONTROLLER}", netns=netns)

    def _furnish(self, machine: Machine) -> None:
        """Lay the files of one machine over the root file system."""
        upper = machine.folder / "upper"
        for path in ("etc/ssh", "root/.ssh", "usr/local/sbin", "var/lib/apt/periodic"):
            (upper / path).mkdir(parents=True)
        for path in (
            "",
            "etc",
            "etc/ssh",
            "usr",
            "usr/local",
            "usr/local/sbin",
            "var",
            "var/lib",
            "var/lib/apt",
        ):
            (upper / path).chmod(0o755)
        for path in ("root", "root/.ssh"):
            (upper / path).chmod(0o700)
        for path in ("work", "root"):
            (machine.folder / path).mkdir()
        host_key = upper / "etc/ssh/ssh_host_ed25519_key"
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host_key))
        shutil.copy(f"{self.key_file}.pub", upper / "root/.ssh/authorized_keys")
        texts = {
            "etc/hostname": f"{machine.name}\n",
            # Without its own name here every lookup would wait for the name server that is not there.
            "etc/hosts": f"127.0.0.1 localhost\n{machine.address} {machine.name}.lab {machine.name}\n",
            "etc/resolv.conf": f"nameserver {CONTROLLER}\n",
            "etc/machine-id": f"{uuid.uuid4().hex}\n",
            f"usr/lib/modules/{os.uname().release}/modules.builtin": _built_in(),
            # The package lists are those of the root file system, and as fresh as they can be here.
            "var/lib/apt/periodic/update-success-stamp": "",
            "usr/local/sbin/sysctl": SYSCTL,
        }
        for name, text in texts.items():
            (upper / name).parent.mkdir(parents=True, exist_ok=True)
            (upper / name).write_text(text)
        (upper / "usr/local/sbin/sysctl").chmod(0o755)

    def _boot(self, machine: Machine) -> None:
        with (machine.folder / "console").open("wb") as console:
            machine.process = subprocess.Popen(
                ["bash", "-c", BOOT, "boot", machine.unique, str(machine.folder), str(self.rootfs)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _await_ssh(self) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        waiting = list(self.machines)
        while waiting:
            machine = waiting[0]
            scan = self.inside("ssh-keyscan", "-T", "1", "-t", "ed25519", machine.address)
            said = subprocess.run(scan, capture_output=True, text=True, check=False)
            if machine.address in said.stdout:
                waiting.pop(0)
            elif machine.process is None or machine.process.poll() is not None:
                raise RuntimeError(f"{machine.name} did not boot: {self.console(machine)}")
            elif time.monotonic() > deadline:
                raise RuntimeError(f"{machine.name} does not answer SSH: {self.console(machine)}")

    def console(self, machine: Machine) -> str:
        """Return the end of what a machine said while it booted."""
        return (machine.folder / "console").read_text(errors="replace")[-800:]

    def stop(self) -> None:
        """Take everything down: machines by their first process, then their cgroups, network and files."""
        for machine in self.machines:
            _kill(machine)
        for netns in (self.fabric, *(machine.unique for machine in self.machines)):
            subprocess.run(["ip", "netns", "del", netns], capture_output=True, check=False)
        for machine in self.machines:
            _remove_cgroups(machine.folder / "cgroups")
        shutil.rmtree(self.folder, ignore_errors=True)

    def shell(self, machine: Machine, command: str) -> subprocess.CompletedProcess[str]:
        """Run `command` on a machine as root, by SSH."""
        options = [
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        ]
        ssh = self.inside("ssh", *options, "-i", str(self.key_file), f"root@{machine.address}", command)
        return subprocess.run(ssh, capture_output=True, text=True, check=False)


def missing() -> str:
    """Return why there can be no lab on this machine; empty when there can."""
    if os.geteuid() != 0:
        return "machines for tests need root"
    rootfs = os.environ.get(ROOTFS_VARIABLE, "")
    if not (rootfs and (Path(rootfs) / "usr/sbin/sshd").exists()):
        return f"{ROOTFS_VARIABLE} names no root file system with an SSH server"
    for tool in ("systemd-nspawn", "ip", "setpriv", "unshare", "ssh-keygen", "ssh-keyscan"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False).returncode:
        return "this machine allows no namespaces of one's own"
    return ""


def _built_in() -> str:
    """Return modules.builtin of this kernel, which the machines share without its ``/lib/modules``."""
    config = Path("/proc/config.gz")
    if not config.exists():
        return ""
    switches = set(gzip.decompress(config.read_bytes()).decode().splitlines())
    return "".join(f"kernel/{name}.ko\n" for name, switch in _MODULES.items() if f"{switch}=y" in switches)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def _kill(machine: Machine) -> None:
    process = machine.process
    if process is None:
        return
    for pid in _first_processes(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _first_processes(pid: int) -> list[int]:
    """Return the processes below `pid` that are number 1 of a namespace of their own."""
    found = []
    for child in _children(pid):
        try:
            status = Path(f"/proc/{child}/status").read_text()
        except OSError:
            continue
        numbers = re.search(r"^NSpid:\t(.*)$", status, re.MULTILINE)
        if numbers and len(numbers[1].split()) > 1 and numbers[1].split()[-1] == "1":
            found.append(child)
        else:
            found += _first_processes(child)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += map(int, task.read_text().split())
        except OSError:
            continue
    return children


def _remove_cgroups(recorded: Path) -> None:
    """Remove the cgroups that a machine had, innermost first, as soon as the kernel has emptied them."""
    if not recorded.exists():
        return
    for top in map(Path, recorded.read_text().splitlines()):
        groups: Sequence[Path] = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True)
        for group in (*groups, top):
            deadline = time.monotonic() + 5
            while group.is_dir():
                try:
                    group.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        break
