"""The helm that installs charts: Helm 3, found or fetched.

Helm 4 is refused: its server-side applying fights over fields that MetalLB's webhook owns, and the
kubernetes.core collection that Ansible 11 brings was not made for it.

Runs as a program for the stage that fetches: ``python -m wizards.provision.helm fetch HOME``.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wizards.sanitize import one_line

VARIABLE: Final = "SLIPWAY_HELM"
"""Environment variable that names the helm to use."""
VERSION: Final = "3.18.4"
"""The version that is fetched: the one Kubespray v2.31.0 pins."""
MINIMUM: Final = (3, 18)
_CHECKSUMS: Final = {
    "amd64": "f8180838c23d7c7d797b208861fecb591d9ce1690d8704ed1e4cb8e2add966c1",
    "arm64": "c0a45e67eef0c7416a8a8c9e9d5d2d30d70e4f4d3f7bea5de28241fffa8f3b89",
}
"""SHA-256 of helm-v3.18.4-linux-ARCH.tar.gz, from Kubespray: roles/kubespray_defaults/vars/main."""
_SOURCE: Final = "https://get.helm.sh"
_ARCHITECTURES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_LOOK_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Helm:
    """The helm that is used: where it is, and its version such as ``3.18.4``."""

    path: Path
    version: str


class HelmMissing(RuntimeError):
    """There is no usable helm; the text says what is wanted and how to bring it."""


def helm_file(home: Path) -> Path:
    """Return where the fetched helm lies within Slipway's home."""
    return home / "tools" / f"helm-{VERSION}" / "helm"


def find_helm(home: Path, env: Mapping[str, str] | None = None) -> Helm:
    """Return the helm a run will use: the one ``SLIPWAY_HELM`` names, else ``PATH``'s, else the fetched one.

    Raises:
        HelmMissing: There is none that can be used; the text tells why each one found was refused.
    """
    env = os.environ if env is None else env
    if named := env.get(VARIABLE, ""):
        helm, problem = _asked(Path(named).expanduser().absolute())
        if helm is None:
            raise HelmMissing(f"{VARIABLE} names {named}: {problem}")
        return helm
    problems = []
    in_path = shutil.which("helm", path=env.get("PATH"))
    for candidate in (Path(in_path) if in_path else None, helm_file(home)):
        if candidate is None or not candidate.exists():
            continue
        helm, problem = _asked(candidate)
        if helm is not None:
            return helm
        problems.append(f"{candidate} {problem}")
    raise HelmMissing(
        _instructions(". ".join(("No helm that can be used is on this machine", *problems)), home)
    )


def _asked(path: Path) -> tuple[Helm | None, str]:
    """Let helm tell its version; return it, or why it cannot be used."""
    try:
        said = subprocess.run(
            [str(path), "version", "--short"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LOOK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return None, f"does not run: {one_line(str(problem), 200)}"
    match = re.search(r"v(\d+)\.(\d+)\.(\d+)", said.stdout)
    if said.returncode != 0 or match is None:
        return None, "does not tell its version"
    version = match[0][1:]
    if int(match[1]) > 3:
        return None, f"is Helm {version}: Slipway's charts and Ansible's modules want Helm 3"
    if (int(match[1]), int(match[2])) < MINIMUM:
        return None, f"is Helm {version}, which is too old"
    return Helm(path, version), ""


def _instructions(what: str, home: Path) -> str:
    wanted = ".".join(map(str, MINIMUM))
    return (
        f"{what}. With internet access Helm {VERSION} is fetched from {_SOURCE} by itself. Without: bring"
        f" Helm {wanted} or a newer Helm 3 and set {VARIABLE} to it (or put it at {helm_file(home)})."
    )


def fetch(home: Path, *, source: str = _SOURCE, checksums: Mapping[str, str] = _CHECKSUMS) -> Helm:
    """Return a usable helm, fetched into Slipway's home where there is none, its checksum verified.

    Args:
        home: Slipway's home.
        source: Server that has ``helm-vVERSION-linux-ARCH.tar.gz``.
        checksums: SHA-256 by architecture.

    Raises:
        HelmMissing: It could not be fetched, or what came is not what was wanted.
    """
    try:
        return find_helm(home)
    except HelmMissing:
        if os.environ.get(VARIABLE):
            raise
    arch = _ARCHITECTURES.get(platform.machine().lower(), "")
    if sys.platform != "linux" or arch not in checksums:
        what = f"Helm is not fetched for {platform.system()} on {platform.machine()}"
        raise HelmMissing(_instructions(what, home))
    url = f"{source.rstrip('/')}/helm-v{VERSION}-linux-{arch}.tar.gz"
    target = helm_file(home)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as scratch:
        binary = _download(url, checksums[arch], f"linux-{arch}/helm", Path(scratch), home)
        binary.chmod(0o700)
        binary.replace(target)
    helm, problem = _asked(target)
    if helm is None:
        raise HelmMissing(f"{target} {problem}")
    return helm


def _download(url: str, checksum: str, member: str, scratch: Path, home: Path) -> Path:
    import urllib.request

    archive = scratch / "helm.tar.gz"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, archive.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(answer, file)
    except (OSError, ValueError) as problem:
        what = f"Fetching Helm failed: {url}: {one_line(str(problem), 200)}"
        raise HelmMissing(_instructions(what, home)) from problem
    with archive.open("rb") as file:
        came = hashlib.file_digest(file, "sha256").hexdigest()
    if came != checksum:
        raise HelmMissing(
            f"what came from {url} is not Helm {VERSION}: its SHA-256 is {came}, and {checksum} was wanted."
            " Nothing was kept."
        )
    binary = scratch / "helm"
    with tarfile.open(archive, "r:gz") as packed:
        inside = packed.extractfile(member)
        if inside is None:
            raise HelmMissing(f"what came from {url} holds no {member}")
        with inside, binary.open("wb") as file:
            shutil.copyfileobj(inside, file)
    return binary


def main(arguments: list[str]) -> int:
    """Run ``fetch HOME [SOURCE]`` and print helm's path. Return 0, 1 (failed) or 2 (wrong usage)."""
    if not (len(arguments) in {2, 3} and arguments[0] == "fetch"):
        print("usage: python -m wizards.provision.helm fetch HOME [SOURCE]", file=sys.stderr)
        return 2
    try:
        helm = fetch(Path(arguments[1]).absolute(), source=arguments[2] if len(arguments) > 2 else _SOURCE)
    except (HelmMissing, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(helm.path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
