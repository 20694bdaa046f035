"""OpenSSH's own server on loopback, for what only it does: it lets in the user who runs the tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
# Root's sshd wants its folder below /run: it gets one in a mount namespace of its own.
_OWN_RUN = 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$0" "$@"'


def why_not() -> str:
    """Return why it cannot run here; empty when it can."""
    if SSHD is None:
        return "OpenSSH's server is not installed"
    if os.getuid() != 0:
        return "needs root, for a mount namespace of its own"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "no mount namespaces here"


class OpenSsh:
    """One server with the settings given as lines of sshd_config."""

    def __init__(self, folder: Path, public: str, *settings: str) -> None:
        folder.mkdir()
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        key = folder / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        (folder / "authorized_keys").write_text(public)
        lines = [
            *settings,
            f"ListenAddress 127.0.0.1:{self.port}",
            f"HostKey {key}",
            f"AuthorizedKeysFile {folder}/authorized_keys",
            f"PidFile {folder}/pid",
            "StrictModes no",
            "UsePAM no",
            "PermitRootLogin yes",
            "PasswordAuthentication no",
            "LogLevel VERBOSE",
        ]
        config = folder / "config"
        config.write_text("\n".join(lines) + "\n")
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", _OWN_RUN, str(SSHD), "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait()

    def log(self) -> str:
        """Return what the server said."""
        return (self.folder / "log").read_text()

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        while "Server listening" not in self.log():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; connections that it served end with their clients."""
        self._process.terminate()
        self._process.wait(10)
