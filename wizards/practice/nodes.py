"""Practice nodes: real SSH servers on loopback, each with a folder of its own as its disk.

The commands that arrive are run as real local processes under the user who started the yard. A node is no
sandbox: whoever holds the yard's client key, a file with mode 0600, can already run programs as that user.
File transfer (SFTP and scp) is kept to the node's folder, so that a slip in a playbook does not write
elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Final

import asyncssh

from wizards.files import write_private
from wizards.practice.commands import USER, Home, serve_command

_FIRST_LINUX_ADDRESS: Final = 10  # node-1 is 127.77.0.11

_log = logging.getLogger(__name__)


def node_name(number: int) -> str:
    """Return the name of the node with this number, which counts from 1."""
    return f"node-{number}"


def node_address(number: int) -> str:
    """Return where node `number` listens: an address of its own on Linux, which has all of 127.0.0.0/8."""
    return f"127.77.0.{_FIRST_LINUX_ADDRESS + number}" if sys.platform == "linux" else "127.0.0.1"


def load_or_make_key(path: Path) -> asyncssh.SSHKey:
    """Return the ed25519 private key in `path` (0600), made when there is none.

    Raises:
        OSError: the file cannot be read or written.
        asyncssh.KeyImportError: the file is no private key.
    """
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment=f"slipway practice {path.name}")
        write_private(path, key.export_private_key().decode())
    return asyncssh.read_private_key(path)


def public_line(key: asyncssh.SSHKey) -> str:
    """Return type and public part of `key`, as a known_hosts line wants them: ``ssh-ed25519 AAAA…``."""
    return " ".join(key.export_public_key().decode().split()[:2])


def make_disk(name: str, disk: Path) -> Path:
    """Make the folder that is a node's disk, with the folders a playbook expects; return it resolved."""
    for folder in ("etc", "home", "opt", "tmp", "usr/local/bin", "var/lib", "var/log"):
        (disk / folder).mkdir(parents=True, exist_ok=True)
    (disk / "etc/hostname").write_text(f"{name}\n", encoding="utf-8")
    (disk / "etc/os-release").write_text(
        f'ID=slipway-practice\nNAME="Slipway practice node"\nPRETTY_NAME="Slipway practice node {name}"\n',
        encoding="utf-8",
    )
    return disk.resolve()


class PracticeNode:
    """One SSH server.

    Only public-key authentication, only with `client_key`, only as the user ``practice``. While the file
    `down` exists the node answers nobody, like a machine that has lost its network.
    """

    def __init__(
        self, home: Home, *, host_key: asyncssh.SSHKey, client_key: asyncssh.SSHKey, down: Path
    ) -> None:
        self.home = home
        self.host_key = host_key
        self.address = ""
        self.port = 0
        self._client = client_key.public_data
        self._down = down
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._commands: set[asyncio.Task[None]] = set()

    async def start(self, address: str, port: int = 0) -> None:
        """Listen on `address`, on `port` when it is free and given, else on a free one.

        Raises:
            OSError: nothing can listen on `address`.
        """
        try:
            self._acceptor = await self._listen(address, port)
        except OSError:
            if port == 0:
                raise
            self._acceptor = await self._listen(address, 0)
        self.address, self.port = address, self._acceptor.get_port()

    async def stop(self) -> None:
        """Close all connections, kill what runs in them, and wait until it is gone."""
        if self._acceptor is not None:
            self._acceptor.close()
        commands = list(self._commands)
        for command in commands:
            command.cancel()
        await asyncio.gather(*commands, return_exceptions=True)
        self._drop_connections()
        if self._acceptor is not None:
            await self._acceptor.wait_closed()
            self._acceptor = None

    @property
    def is_down(self) -> bool:
        """Whether the node has been ordered to answer nobody."""
        return self._down.exists()

    def enforce_down(self) -> None:
        """Drop the open connections too when the node has been ordered down."""
        if self._connections and self.is_down:
            self._drop_connections()

    def _drop_connections(self) -> None:
        for connection in list(self._connections):
            connection.abort()

    async def _listen(self, address: str, port: int) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            address,
            port,
            server_factory=lambda: _Gate(self),
            server_host_keys=[self.host_key],
            process_factory=self._serve,
            sftp_factory=lambda channel: _Files(channel, self.home.disk),
            allow_scp=True,
            encoding=None,
            line_editor=False,
            agent_forwarding=False,
            x11_forwarding=False,
            gss_host=None,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            # The cheapest that every OpenSSH since 6.5 knows: fifty nodes share two cores with Ansible.
            kex_algs=["curve25519-sha256", "curve25519-sha256@libssh.org"],
            encryption_algs=["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"],
            compression_algs=["none"],
            server_version="Slipway-practice",
        )

    async def _serve(self, session: asyncssh.SSHServerProcess[bytes]) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._commands.add(task)
            task.add_done_callback(self._commands.discard)
        if self.is_down:
            self._drop_connections()
            return
        await serve_command(session, self.home)

    def admits(self, user: str, key: asyncssh.SSHKey) -> bool:
        """Say whether `user` with `key` may come in."""
        return user == USER and key.public_data == self._client

    def joined(self, connection: asyncssh.SSHServerConnection) -> None:
        """Note a new connection, or drop it at once when the node is down."""
        if self.is_down:
            connection.abort()
        else:
            self._connections.add(connection)

    def left(self, connection: asyncssh.SSHServerConnection) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)


class _Gate(asyncssh.SSHServer):
    """The door of one connection."""

    def __init__(self, node: PracticeNode) -> None:
        self._node = node
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._node.joined(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._node.left(self._connection)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._node.admits(username, key)


class _Files(asyncssh.SFTPServer):
    """File transfer inside one node's folder: paths are real paths, relative ones start at the folder."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], disk: Path) -> None:
        super().__init__(channel)
        self._disk = os.fsencode(disk)

    def map_path(self, path: bytes) -> bytes:
        local = os.path.normpath(os.path.join(self._disk, path))  # noqa: PTH118 - bytes, which Path cannot hold
        real = os.path.realpath(local)
        if real != self._disk and not real.startswith(self._disk + b"/"):
            raise asyncssh.SFTPPermissionDenied(f"outside this node's disk {os.fsdecode(self._disk)}")
        return local

    def exit(self) -> None:
        # asyncssh closes the channel without an exit status, which OpenSSH's scp (9.0 and later) reports as a
        # failed copy although every byte has arrived. In its scp mode asyncssh does send one.
        if self.channel.get_subsystem() == "sftp":
            self.channel.exit(0)
