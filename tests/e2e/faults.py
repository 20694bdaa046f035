"""Faults for hosts of the lab, each made as real as a shared kernel allows; how real stands at each.

Nothing needs to be undone: the hosts go with the lab.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.e2e.lab_fabric import Fabric, Machine, port_of, run

Inject = Callable[[Machine], None]
USER: Final = "admin"
"""Who logs in on every host, and becomes root by sudo."""

_DELAY: Final = Path(__file__).with_name("lab_delay.py")
AHEAD: Final = 600
"""Seconds by which the wrong clock is ahead."""
_CLOCK: Final = f"""\
# Every Python on this host sees a clock that is ten minutes ahead.
import time

_time = time.time
time.time = lambda: _time() + {AHEAD}
"""


def give_login(machine: Machine, key: str) -> None:
    """Make the user who logs in, with the right to become root without a password."""
    machine.enter(
        f"useradd -m -s /bin/bash -p '*' {USER} && install -d -m 700 -o {USER} /home/{USER}/.ssh"
        f" && echo {shlex.quote(key)} > /home/{USER}/.ssh/authorized_keys"
        f" && chown {USER} /home/{USER}/.ssh/authorized_keys"
    )
    write(machine, f"/etc/sudoers.d/{USER}", f"{USER} ALL=(ALL) NOPASSWD: ALL\n")


def write(machine: Machine, path: str, text: str) -> None:
    """Write a file on a host."""
    folder = path.rpartition("/")[0]
    machine.enter(f"mkdir -p {folder} && printf %s {shlex.quote(text)} > {path}")


def nothing(machine: Machine) -> None:
    """Leave the host as it is."""


def swap_on(machine: Machine) -> None:
    """Swap of 1 GiB, as /proc tells it. The kernel's own would be on for all hosts and this machine."""
    machine.enter(
        "sed -E 's/^(SwapTotal|SwapFree):.*/\\1:     1048576 kB/' /proc/meminfo > /run/meminfo"
        " && printf 'Filename\\t\\t\\t\\tType\\t\\tSize\\t\\tUsed\\t\\tPriority\\n"
        "/dev/vdb                                partition\\t1048576\\t\\t0\\t\\t-2\\n' > /run/swaps"
        " && mount --bind /run/meminfo /proc/meminfo && mount --bind /run/swaps /proc/swaps"
    )


def clock_ahead(machine: Machine) -> None:
    """Ten minutes ahead for every Python on the host, which is what looks; other programs see the real time.

    A kernel has one wall clock: time namespaces leave it alone.
    """
    write(machine, "/etc/python3.11/sitecustomize.py", _CLOCK)


def same_machine_id(machine: Machine) -> None:
    """The machine-id that a careless clone has. Real."""
    write(machine, "/etc/machine-id", f"{'c' * 32}\n")


def port_taken(port: int) -> Inject:
    """Something that listens on a port. Real."""

    def inject(machine: Machine) -> None:
        machine.enter(f"setsid -f python3 -m http.server {port} >/dev/null 2>&1")

    return inject


def old_kernel(machine: Machine) -> None:
    """A kernel that says it is 2.6 to all that the user starts (a personality). The rest of it is today's."""
    _shell(machine, 'exec setarch --uname-2.6 /bin/bash "$@"')
    machine.enter(
        "old=$(setarch --uname-2.6 uname -r) && cp -r /usr/lib/modules/$(uname -r) /usr/lib/modules/$old"
    )


def _shell(machine: Machine, line: str) -> None:
    """Give the user who logs in another shell."""
    write(machine, "/usr/local/bin/shell", f"#!/bin/sh\n{line}\n")
    machine.enter(f"chmod 755 /usr/local/bin/shell && usermod -s /usr/local/bin/shell {USER}")


def module_missing(name: str) -> Inject:
    """A kernel without one module: neither built in nor to be loaded, as its folder of modules tells."""

    def inject(machine: Machine) -> None:
        machine.enter(f"sed -i /{name}/d /usr/lib/modules/*/modules.builtin")

    return inject


def sudo_asks(machine: Machine) -> None:
    """Sudo wants a password that nobody gave. Real."""
    write(machine, f"/etc/sudoers.d/{USER}", f"{USER} ALL=(ALL) ALL\n")


def host_key_changed(machine: Machine) -> None:
    """Another host key than the one that is known. Real."""
    machine.enter(
        "rm /etc/ssh/ssh_host_* && ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key"
        " && kill -HUP 1"
    )


def hangs(machine: Machine) -> None:
    """The login works, and then nothing comes: a shell that waits, as on a dead network file system. Real."""
    _shell(machine, "exec sleep 100000")


def firewall(*ports: str) -> Inject:
    """Drop what comes in on ports, as nftables writes them (``tcp dport 10250``). Real."""
    rules = "; ".join(f"add rule inet wall input {port} drop" for port in ports)
    chain = "add chain inet wall input {type filter hook input priority 0;}"

    def inject(machine: Machine) -> None:
        machine.enter(f"nft {shlex.quote(f'add table inet wall; {chain}; {rules}')}")

    return inject


def narrow_path(fabric: Fabric, machine: Machine, mtu: int) -> None:
    """A switch that drops packets larger than `mtu` on the way to and from a host. Real."""
    fabric.ip(f"link set {port_of(machine)} mtu {mtu}")


def slow_line(fabric: Fabric, machine: Machine, milliseconds: float) -> None:
    """Packets take so much longer, each way: a program hands them on (`lab_delay`)."""
    port, near, far = port_of(machine), f"n{machine.name}", f"f{machine.name}"
    fabric.ip(f"link set {port} nomaster", f"link add {near} type veth peer name {far}")
    fabric.ip(f"link set {near} up", f"link set {far} master br0 up")
    run(*fabric.inside(sys.executable, str(_DELAY), "plain", far))
    run("ip", "netns", "exec", machine.unique, sys.executable, str(_DELAY), "plain", "eth0")
    fabric.background(sys.executable, str(_DELAY), "forward", port, near, str(milliseconds))


def somebody_has(fabric: Fabric, address: str) -> None:
    """Another machine of the network, none of the nodes, has an address. Real."""
    fabric.ip(f"addr add {address}/32 dev br0")
