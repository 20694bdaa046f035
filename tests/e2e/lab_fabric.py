"""What hosts for tests have in common: a network of their own, keys, and a way in.

Everything lives in a network namespace, the fabric, with a bridge that the hosts are plugged into. Nothing of
it shows in this machine's network. `Fabric.stop` leaves no process, mount, namespace or file behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.e2e.lab_services import FILES, REGISTRY

CONTROLLER = "10.77.0.254"
"""The fabric's own address: where tests run and where hosts look for a name server."""
BOOT_SECONDS = 60.0
_SERVICES = Path(__file__).with_name("lab_services.py")
_AT_ONCE = 8
_SSH = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=10")


@dataclass
class Machine:
    """One host: the name it has for the test, its address, and the process that holds it."""

    name: str
    address: str
    unique: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The host's first process, as this machine numbers it.

        Raises:
            RuntimeError: It has none: it is not up.
        """
        found = first_processes(self.process.pid) if self.process else []
        if not found:
            raise RuntimeError(f"{self.name} is not up")
        return found[0]

    def enter(self, command: str) -> str:
        """Run a shell command on the host without SSH, as root; return what it printed.

        Raises:
            RuntimeError: It failed.
        """
        inside = ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w"]
        # A program that is left running keeps its descriptors: none of them may be a pipe of ours.
        done = subprocess.run(
            [*inside, "sh", "-c", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {command}: {done.stderr.strip()}")
        return done.stdout


@dataclass
class Fabric:
    """Hosts ``node-1`` … on one network; what they are made of is said by those who derive from it."""

    folder: Path
    count: int = 3
    machines: list[Machine] = field(default_factory=list)
    helpers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    made: ClassVar[int] = 0

    def __post_init__(self) -> None:
        Fabric.made += 1
        self.mark = f"slw{os.getpid()}x{Fabric.made}"
        self.fabric = f"{self.mark}-fab"
        self.key_file = self.folder / "id"

    def __enter__(self) -> Fabric:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make the network, boot the hosts, and return when all of them answer SSH."""
        self.folder.mkdir(parents=True, exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key_file))
        run("ip", "netns", "add", self.fabric)
        self.ip("link set lo up", "link add br0 type bridge", f"addr add {CONTROLLER}/24 dev br0")
        self.ip("link set br0 up")
        self.background(sys.executable, str(_SERVICES), CONTROLLER, str(FILES), str(REGISTRY))
        for number in range(1, self.count + 1):
            name, unique = f"node-{number}", f"{self.mark}-{number}"
            self.machines.append(Machine(name, f"10.77.0.{number}", unique, self.folder / name))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._prepare, self.machines))
        # Hosts die with the thread that started them (setpriv --pdeathsig), so it is not one of the pool's.
        for machine in self.machines:
            self.boot(machine)
        self._await_ssh()

    def _prepare(self, machine: Machine) -> None:
        self._connect(machine)
        self.furnish(machine)

    def furnish(self, machine: Machine) -> None:
        """Lay the files of one host over the root file system."""
        raise NotImplementedError

    def boot(self, machine: Machine) -> None:
        """Start one host."""
        raise NotImplementedError

    def ip(self, *commands: str, netns: str = "") -> None:
        """Run commands of ip inside a namespace, by default the fabric's."""
        for command in commands:
            run("ip", "-n", netns or self.fabric, *command.split())

    def inside(self, *command: str) -> list[str]:
        """Return the argument list that runs `command` where the hosts can be reached."""
        return ["ip", "netns", "exec", self.fabric, *command]

    def background(self, *command: str) -> None:
        """Start a program beside the hosts that ends with the lab."""
        quiet = subprocess.DEVNULL
        self.helpers.append(
            subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.inside(*command)],
                stdin=quiet,
                stdout=quiet,
                stderr=quiet,
                start_new_session=True,
            )
        )

    def _connect(self, machine: Machine) -> None:
        netns = machine.unique
        port = port_of(machine)
        run("ip", "netns", "add", netns)
        run(
            *("ip", "link", "add", port, "netns", self.fabric, "type", "veth"),
            *("peer", "name", "eth0", "netns", netns),
        )
        self.ip(f"link set {port} master br0 up")
        self.ip("link set lo up", f"addr add {machine.address}/24 dev eth0", "link set eth0 up", netns=netns)
        self.ip(f"route add default via {CONTROLLER}", netns=netns)

    def lay(self, machine: Machine, texts: dict[str, str]) -> Path:
        """Lay what every host has of its own, and `texts` (path → text), over the root file system."""
        upper = machine.folder / "upper"
        (upper / "root/.ssh").mkdir(parents=True)
        everywhere = {
            "etc/hostname": f"{machine.name}\n",
            # Without its own name here every lookup would wait for the name server that is not there.
            "etc/hosts": f"127.0.0.1 localhost\n{machine.address} {machine.name}.lab {machine.name}\n",
            "etc/resolv.conf": f"nameserver {CONTROLLER}\n",
            "etc/machine-id": f"{uuid.uuid4().hex}\n",
            "root/.ssh/authorized_keys": Path(f"{self.key_file}.pub").read_text(),
        }
        for name, text in (everywhere | texts).items():
            (upper / name).parent.mkdir(parents=True, exist_ok=True)
            (upper / name).write_text(text)
        (upper / "etc/ssh").mkdir(exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(upper / "etc/ssh/ssh_host_ed25519_key"))
        for path in (upper, *(path for path in upper.rglob("*") if path.is_dir())):
            path.chmod(0o700 if path.relative_to(upper).parts[:1] == ("root",) else 0o755)
        for name in ("work", "root", "disk"):
            (machine.folder / name).mkdir()
        return upper

    def spawn(self, machine: Machine, script: str, *arguments: str) -> None:
        """Start the process that holds one host."""
        with (machine.folder / "console").open("wb") as console:
            machine.process = subprocess.Popen(
                ["bash", "-c", script, "boot", machine.unique, str(machine.folder), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _await_ssh(self) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        waiting = list(self.machines)
        while waiting:
            scan = self.inside("ssh-keyscan", "-T", "1", "-t", "ed25519", *(one.address for one in waiting))
            said = subprocess.run(scan, capture_output=True, text=True, check=False)
            answered = {line.split()[0] for line in said.stdout.splitlines() if line}
            waiting = [machine for machine in waiting if machine.address not in answered]
            for machine in waiting:
                if machine.process is None or machine.process.poll() is not None:
                    raise RuntimeError(f"{machine.name} did not boot: {self.console(machine)}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{machine.name} does not answer SSH: {self.console(machine)}")

    def console(self, machine: Machine) -> str:
        """Return the end of what a host said while it booted."""
        return (machine.folder / "console").read_text(errors="replace")[-800:]

    def known_hosts(self) -> str:
        """Return the hosts' keys as ``known_hosts`` has them."""
        addresses = [one.address for one in self.machines]
        scan = self.inside("ssh-keyscan", "-t", "ed25519", *addresses)
        return subprocess.run(scan, capture_output=True, text=True, check=False).stdout

    def stop(self) -> None:
        """Take everything down: hosts by their first process, then the network and the files."""
        for helper in self.helpers:
            helper.kill()
            helper.wait()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(_kill, self.machines))
        for netns in (self.fabric, *(machine.unique for machine in self.machines)):
            subprocess.run(["ip", "netns", "del", netns], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def shell(self, machine: Machine, command: str) -> subprocess.CompletedProcess[str]:
        """Run `command` on a host as root, by SSH."""
        options = [part for option in _SSH for part in ("-o", option)]
        ssh = self.inside("ssh", *options, "-i", str(self.key_file), f"root@{machine.address}", command)
        return subprocess.run(ssh, capture_output=True, text=True, check=False)


def port_of(machine: Machine) -> str:
    """Return the fabric's end of a host's cable."""
    return f"v{machine.name.rpartition('-')[2]}"


def lacks(*tools: str) -> str:
    """Return why there can be no hosts of one's own on this machine; empty when there can."""
    if os.geteuid() != 0:
        return "hosts for tests need root"
    needed = ("ip", "setpriv", "unshare", "nsenter", "ssh", "ssh-keygen", "ssh-keyscan", *tools)
    for tool in needed:
        if shutil.which(tool) is None and not Path("/usr/sbin", tool).exists():
            return f"{tool} is not installed"
    if subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False).returncode:
        return "this machine allows no namespaces of one's own"
    return ""


def run(*command: str) -> None:
    """Run a command.

    Raises:
        RuntimeError: It failed; with what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def _kill(machine: Machine) -> None:
    process = machine.process
    if process is None:
        return
    for pid in first_processes(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def first_processes(pid: int) -> list[int]:
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
            found += first_processes(child)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += map(int, task.read_text().split())
        except OSError:
            continue
    return children
