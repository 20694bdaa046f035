"""A real SSH server on loopback for the tests of access: one user, and a small machine behind it.

What arrives runs in a real shell, in a home of the server's own, with few programs on its PATH; `sudo`, `id`
and an old `python3` are programs of the test's own that answer as the real ones do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

TOOLS = ("sh", "cat", "chmod", "cut", "grep", "ls", "mkdir", "printf", "sleep", "tail", "touch")
SUDO = """\
#!/bin/sh
for word; do case $word in -n) never=1;; -S) reads=1;; esac; done
case {kind} in
free) echo 0; exit 0;;
stranger) echo "$USER is not in the sudoers file." >&2; exit 1;;
tty) echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1;;
expired) echo "sudo: Account or password is expired, reset your password and try again" >&2; exit 1;;
hangs) exec sleep 600;;
setuid) echo "sudo: effective uid is not 0, is sudo on a file system with 'nosuid' set?" >&2; exit 1;;
esac
[ -z "$never" ] || {{ echo "sudo: a password is required" >&2; exit 1; }}
IFS= read -r given || {{ echo "sudo: no password was provided" >&2; exit 1; }}
[ "$given" = "$(cat '{secret}')" ] && {{ echo 0; exit 0; }}
echo "Sorry, try again." >&2; echo "sudo: no password was provided" >&2
echo "sudo: 1 incorrect password attempt" >&2; exit 1
"""


@dataclass
class Sshd:
    """What the server accepts, and what it saw. Starts with `start`, on a free port or the one given.

    `sudo` is free, password, none, stranger, tty, expired, hangs or setuid. `shell` stands in for the login
    shell: a program that is run in its place. `python` is new, old or none.
    """

    host_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    authorized: str = ""
    password: str = ""
    sudo: str = "free"
    sudo_password: str = ""
    uid: str = "0"
    python: str = "new"
    mounts: str = "tmpfs /tmp tmpfs rw,nosuid 0 0\n"
    shell: str = ""
    forwards: bool = False
    port: int = 0
    commands: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._acceptor: Any = None
        self._at_once = 0
        self._running: set[int] = set()
        self.folder = Path(tempfile.mkdtemp(prefix="slipway-test-sshd-"))
        self.home = self.folder / "home"
        self.authorized_keys = self.home / ".ssh/authorized_keys"
        self._furnish()

    def _furnish(self) -> None:
        self.home.mkdir(mode=0o700)
        bin_ = self.folder / "bin"
        bin_.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None, tool
            (bin_ / tool).symlink_to(found)
        if self.authorized:
            self.authorized_keys.parent.mkdir(mode=0o700)
            self.authorized_keys.write_text(self.authorized)
            self.authorized_keys.chmod(0o600)
        (self.folder / "mounts").write_text(self.mounts)
        (self.folder / "secret").write_text(self.sudo_password)
        self.program("id", f"#!/bin/sh\necho {self.uid}\n")
        if self.sudo != "none":
            self.program("sudo", SUDO.format(kind=self.sudo, secret=self.folder / "secret"))
        if self.python == "new":
            (bin_ / "python3").symlink_to(sys.executable)
        elif self.python == "old":
            self.program("python3", "#!/bin/sh\necho 3006\n")

    def program(self, name: str, text: str) -> None:
        """Put a program onto the node's PATH."""
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def _call(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result(20)

    def start(self) -> Sshd:
        self._thread.start()
        self._call(self._listen)
        return self

    async def _listen(self) -> None:
        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=lambda: _Server(self),
            server_host_keys=[self.host_key],
            process_factory=self._serve,
            encoding=None,
        )
        self.port = self._acceptor.get_port()

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = process.command or ""
        self.commands.append(command)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await self._run(process, command)
        finally:
            self._at_once -= 1

    async def _run(self, process: asyncssh.SSHServerProcess[bytes], command: str) -> None:
        # The node's own disk: what stands at these places there.
        for real, there in (
            ("/proc/mounts", "mounts"),
            ("/usr/bin/python3", "none"),
            ("/usr/libexec", "none"),
        ):
            command = command.replace(real, str(self.folder / there))
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            self.shell or command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": str(self.folder / "bin"), "USER": "ops"},
            start_new_session=True,
        )
        self._running.add(child.pid)
        assert child.stdin
        feeding = asyncio.create_task(_feed(process, child.stdin))
        said = asyncio.create_task(_tell(process, child))
        gone = asyncio.create_task(process.wait_closed())
        try:
            await asyncio.wait({said, gone}, return_when=asyncio.FIRST_COMPLETED)
            if said.done():
                process.exit(said.result())
        finally:
            self._end(child.pid)
            for task in (feeding, said, gone):
                task.cancel()
            await asyncio.gather(feeding, said, gone, return_exceptions=True)
            await child.wait()

    def _end(self, pid: int) -> None:
        self._running.discard(pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)

    def stop(self) -> None:
        if self._loop.is_closed():
            return

        async def close() -> None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            for pid in list(self._running):
                self._end(pid)
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._call(close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)


async def _tell(process: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process) -> int:
    async def pump(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
        while data := await source.read(4096):
            sink.write(data)

    assert child.stdout is not None
    assert child.stderr is not None
    await asyncio.gather(pump(child.stdout, process.stdout), pump(child.stderr, process.stderr))
    return await child.wait()


async def _feed(process: asyncssh.SSHServerProcess[bytes], stdin: asyncio.StreamWriter) -> None:
    while data := await process.stdin.read(4096):
        try:
            stdin.write(data)
            await stdin.drain()
        except OSError:
            return  # nobody reads it
    stdin.close()


class _Server(asyncssh.SSHServer):
    def __init__(self, sshd: Sshd) -> None:
        self._sshd = sshd

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Look into the file as it is now, and read it as sshd does: with options, line by line."""
        try:
            text = self._sshd.authorized_keys.read_text()
            authorized = asyncssh.import_authorized_keys(text)
        except (OSError, ValueError):
            return False
        return authorized.validate(key, "127.0.0.1", "127.0.0.1") is not None

    def password_auth_supported(self) -> bool:
        return bool(self._sshd.password)

    def validate_password(self, username: str, password: str) -> bool:
        self._sshd.logins.append(password)
        return password == self._sshd.password

    def connection_requested(self, *_: Any) -> bool:
        return self._sshd.forwards
