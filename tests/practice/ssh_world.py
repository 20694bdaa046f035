"""OpenSSH and Ansible, the real ones, against practice nodes: what the tests of nodes and yard share."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from wizards.practice.client import Yard, YardNode, known_hosts_lines

ANSIBLE = Path(sys.executable).with_name("ansible-playbook")


@dataclass(frozen=True, slots=True)
class Done:
    """A program that has ended."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode()


@dataclass(frozen=True, slots=True)
class Client:
    """A person's side: a folder with known_hosts, and the key."""

    folder: Path
    key: Path
    python: Path = Path(sys.executable)

    @classmethod
    def of(cls, yard: Yard, folder: Path) -> Client:
        client = cls(folder, yard.key, yard.python)
        client.know(known_hosts_lines(yard))
        return client

    def know(self, lines: str) -> None:
        (self.folder / "known_hosts").write_text(lines)

    def options(self, key: Path | None = None) -> list[str]:
        settings = {
            "UserKnownHostsFile": str(self.folder / "known_hosts"),
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
        }
        pairs = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        return ["-F", "none", "-i", str(key or self.key), *pairs]

    def ssh_argv(
        self,
        node: YardNode,
        *command: str,
        user: str | None = None,
        key: Path | None = None,
        more: tuple[str, ...] = (),
    ) -> list[str]:
        login = f"{user or node.user}@{node.address}"
        return ["ssh", *self.options(key), *more, "-p", str(node.port), login, *command]

    async def ssh(
        self,
        node: YardNode,
        *command: str,
        user: str | None = None,
        key: Path | None = None,
        more: tuple[str, ...] = (),
        stdin: bytes = b"",
    ) -> Done:
        return await run(*self.ssh_argv(node, *command, user=user, key=key, more=more), stdin=stdin)

    async def scp(self, node: YardNode, source: str, target: str, *more: str) -> Done:
        """Copy; a path that starts with ``:`` is on the node."""
        place = f"{node.user}@{node.address}:"
        ends = [place + end[1:] if end.startswith(":") else end for end in (source, target)]
        return await run("scp", *self.options(), *more, "-P", str(node.port), *ends)

    async def play(self, nodes: tuple[YardNode, ...], playbook: str, **settings: str) -> Done:
        """Run ansible-playbook with multiplexing, its sockets in a folder with a short path."""
        hosts = [f"{n.name} ansible_host={n.address} ansible_port={n.port}" for n in nodes]
        common = shlex.join(self.options()).replace("'", "")
        group = [
            "[all:vars]",
            f"ansible_user={nodes[0].user}",
            f"ansible_python_interpreter={self.python}",
            f"ansible_ssh_common_args='{common}'",
        ]
        (self.folder / "inventory").write_text("\n".join([*hosts, *group]) + "\n")
        (self.folder / "play.yml").write_text(playbook)
        async with sockets() as folder:
            environment = {
                "PATH": f"{ANSIBLE.parent}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "LANG": "C.UTF-8",
                "ANSIBLE_HOST_KEY_CHECKING": "True",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder),
                "ANSIBLE_SSH_ARGS": "-C -o ControlMaster=auto -o ControlPersist=60s",
                "ANSIBLE_LOCAL_TEMP": str(self.folder / "ansible"),
                "ANSIBLE_NOCOLOR": "1",
                **settings,
            }
            arguments = ("-i", str(self.folder / "inventory"), str(self.folder / "play.yml"))
            return await run(str(ANSIBLE), *arguments, environment=environment)


@asynccontextmanager
async def sockets() -> AsyncIterator[Path]:
    """A folder for control sockets, whose paths may have 104 characters; their masters end with it."""
    with tempfile.TemporaryDirectory(prefix="slip-", dir="/tmp") as folder:
        try:
            yield Path(folder)
        finally:
            for socket in Path(folder).iterdir():
                await run("ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "any")


async def run(*argv: str, stdin: bytes = b"", environment: dict[str, str] | None = None) -> Done:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
    )
    try:
        out, err = await process.communicate(stdin)
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return Done(process.returncode or 0, out, err)


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for `condition`.

    Raises:
        TimeoutError: it did not come.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true")
        await asyncio.sleep(0.02)
