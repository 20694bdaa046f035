"""Hold a practice yard under Ansible for long: no node may be unreachable, no byte or exit code may be lost.

    ./run python -m tests.bench.yard_stress --nodes 50 --runs 20

Every run is one ansible-playbook over all nodes: a file is copied, then a command prints 50 kB, complains and
exits with 3, all of which is compared. The runs take turns with pipelining, with SFTP and scp under
terminals, and with and without connections kept from run to run. Not part of the test suite.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.practice.ssh_world import Client, sockets
from wizards.practice.client import Yard, ensure_yard, hold, stop_yard

_PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {content: "run {{ lookup('pipe', 'date +%s%N') }}", dest: ~/etc/run}
    - ansible.builtin.command: sh -c 'head -c 50000 /dev/zero | tr "\\\\0" x; echo trouble >&2; exit 3'
      register: done
      failed_when: done.rc != 3 or done.stdout != 'x' * 50000 or done.stderr != 'trouble'
      no_log: true
"""
_TURNS = (
    {"ANSIBLE_PIPELINING": "True"},
    {"ANSIBLE_PIPELINING": "False"},
    {"ANSIBLE_PIPELINING": "True", "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"},
    {"ANSIBLE_PIPELINING": "False", "ANSIBLE_SSH_TRANSFER_METHOD": "scp"},
)


async def main() -> int:
    """Run the whole thing; the exit code is 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description="Stress a practice yard with Ansible.")
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--forks", type=int, default=25)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="yard-stress-") as folder:
        home = Path(folder)
        with hold(home / "yard"):
            started = time.monotonic()
            yard = ensure_yard(home / "yard", wanted.nodes, timeout=120)
            sys.stdout.write(f"yard of {wanted.nodes} nodes ready in {time.monotonic() - started:.1f} s\n")
            try:
                faults = await _runs(yard, home, wanted)
            finally:
                stop_yard(home / "yard")
    sys.stdout.write(f"faults: {faults}\n")
    return 1 if faults else 0


async def _runs(yard: Yard, home: Path, wanted: argparse.Namespace) -> int:
    client = Client.of(yard, home)
    host = psutil.Process(yard.pid)
    faults, began = 0, time.monotonic()
    async with sockets() as kept:
        for number in range(wanted.runs):
            turn = _TURNS[number % len(_TURNS)]
            settings = {"ANSIBLE_FORKS": str(wanted.forks), **turn}
            if number % 8 >= 4:
                settings["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(kept)
            started = time.monotonic()
            done = await client.play(yard.nodes, _PLAY, **settings)
            good = len(re.findall(r"ok=2 .*unreachable=0 +failed=0", done.text))
            unreachable = len(re.findall(r"unreachable=1", done.text))
            if done.code or good != wanted.nodes:
                faults += max(1, wanted.nodes - good)
                sys.stdout.write(done.text + done.err.decode())
            sys.stdout.write(
                f"run {number + 1}: {time.monotonic() - started:.1f} s, {good} good, "
                f"{unreachable} unreachable, {' '.join(turn.values())}\n"
            )
            sys.stdout.flush()
    used = host.cpu_times()
    sys.stdout.write(
        f"{wanted.runs} runs x {wanted.nodes} nodes in {time.monotonic() - began:.0f} s; "
        f"the yard itself used {used.user + used.system:.1f} s of processor, "
        f"{host.memory_info().rss / 2**20:.0f} MiB\n"
    )
    return faults


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
