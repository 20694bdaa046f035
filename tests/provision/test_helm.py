"""Helm: Helm 3 is found or fetched and verified; Helm 4 and everything else is refused with the reason."""

from __future__ import annotations

import hashlib
import platform
import tarfile
from pathlib import Path

import pytest

from wizards.provision.helm import VERSION, HelmMissing, fetch, find_helm, helm_file

ARCH = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "amd64")


def helm(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A server's folder with a helm that can be fetched."""
    binary = helm(tmp_path / "build" / f"linux-{ARCH}" / "helm", f"v{VERSION}+gd80839c")
    archive = tmp_path / "source" / f"helm-v{VERSION}-linux-{ARCH}.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(binary, f"linux-{ARCH}/helm")
    return archive


@pytest.fixture(autouse=True)
def no_other_helm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.delenv("SLIPWAY_HELM", raising=False)


def test_a_helm_3_in_path_is_used(tmp_path: Path) -> None:
    mine = helm(tmp_path / "bin" / "helm", "v3.21.4+g1234567")
    found = find_helm(tmp_path / "home", {"PATH": str(mine.parent)})
    assert (found.path, found.version) == (mine, "3.21.4")


@pytest.mark.parametrize(
    ("version", "reason"),
    [("v4.2.4+g1", "Helm 4.2.4: Slipway's charts"), ("v3.17.3+g1", "too old"), ("what?", "tell its version")],
)
def test_others_are_refused_with_the_reason(tmp_path: Path, version: str, reason: str) -> None:
    mine = helm(tmp_path / "bin" / "helm", version)
    with pytest.raises(HelmMissing) as caught:
        find_helm(tmp_path / "home", {"PATH": str(mine.parent)})
    assert reason in str(caught.value)
    assert "SLIPWAY_HELM" in str(caught.value)
    with pytest.raises(HelmMissing, match="SLIPWAY_HELM names"):
        find_helm(tmp_path / "home", {"SLIPWAY_HELM": str(mine)})


@pytest.mark.skipif(platform.system() != "Linux", reason="helm is fetched on Linux only")
def test_it_is_fetched_once_and_verified(tmp_path: Path, source: Path) -> None:
    checksums = {ARCH: hashlib.sha256(source.read_bytes()).hexdigest()}
    home = tmp_path / "home"
    fetched = fetch(home, source=source.parent.as_uri(), checksums=checksums)
    assert (fetched.path, fetched.version) == (helm_file(home), VERSION)
    assert fetched.path.stat().st_mode & 0o077 == 0
    assert [path.name for path in fetched.path.parent.iterdir()] == ["helm"]
    source.unlink()
    assert fetch(home, source=source.parent.as_uri(), checksums=checksums) == fetched


@pytest.mark.skipif(platform.system() != "Linux", reason="helm is fetched on Linux only")
def test_what_is_not_the_pinned_helm_is_not_kept(tmp_path: Path, source: Path) -> None:
    home = tmp_path / "home"
    with pytest.raises(HelmMissing, match="SHA-256"):
        fetch(home, source=source.parent.as_uri())
    assert not helm_file(home).exists()
    with pytest.raises(HelmMissing, match="With internet access"):
        fetch(home, source=(tmp_path / "nowhere").as_uri())
