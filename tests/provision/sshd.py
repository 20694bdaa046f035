"""A real SSH server on loopback for the tests of access: it knows one user, and a shell of three commands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import asyncssh


@dataclass
class Sshd:
    """What the server accepts, and what it saw. Starts with `start`, on a free port or the one given."""

    host_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    authorized: str = ""
    password: str = ""
    sudo: str = "free"  # free, password, none
    sudo_password: str = ""
    uid: str = "0"
    forwards: bool = False
    port: int = 0
    commands: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._acceptor: Any = None

    def _call(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result(20)

    def start(self) -> Sshd:
        self._thread.start()
        self._call(self._listen)
        return self

    async def _listen(self) -> None:
        keys = asyncssh.import_authorized_keys(self.authorized) if self.authorized else None
        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=lambda: _Server(self),
            server_host_keys=[self.host_key],
            authorized_client_keys=keys,
            process_factory=self._shell,
        )
        self.port = self._acceptor.get_port()

    async def _shell(self, process: asyncssh.SSHServerProcess[str]) -> None:
        command = process.command or ""
        self.commands.append(command)
        if command == "id -u":
            process.stdout.write(f"{self.uid}\n")
            process.exit(0)
        elif command.startswith("sudo") and self.sudo == "free":
            process.stdout.write("0\n")
            process.exit(0)
        elif command.startswith("sudo -S") and self.sudo == "password":
            given = (await process.stdin.readline()).rstrip("\n")
            right = given == self.sudo_password
            process.stdout.write("0\n" if right else "")
            process.stderr.write("" if right else "sudo: 1 incorrect password attempt\n")
            process.exit(0 if right else 1)
        else:
            process.stderr.write("sudo: a password is required\n")
            process.exit(1)

    def stop(self) -> None:
        async def close() -> None:
            self._acceptor.close()
            await self._acceptor.wait_closed()

        self._call(close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class _Server(asyncssh.SSHServer):
    def __init__(self, sshd: Sshd) -> None:
        self._sshd = sshd

    def password_auth_supported(self) -> bool:
        return bool(self._sshd.password)

    def validate_password(self, username: str, password: str) -> bool:
        self._sshd.logins.append(password)
        return password == self._sshd.password

    def connection_requested(self, *_: Any) -> bool:
        return self._sshd.forwards
