"""The programs a run needs, as the stage that prepares this machine asks for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wizards.provision.tools import main


def test_wrong_usage_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["nonsense", "/x"]) == 2
    assert "kubespray HOME" in capsys.readouterr().err


@pytest.mark.parametrize("tool", ["kubespray", "helm"])
def test_a_copy_that_was_named_and_is_not_there_is_said_in_words(
    tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([tool, str(tmp_path), str(tmp_path / "nothing")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert str(tmp_path / "nothing") in said.err


def test_kind_that_is_not_there_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["kind", "auto"]) == 1
    assert "kind is not in PATH" in capsys.readouterr().err


def test_what_was_found_is_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    helm = tmp_path / "helm"
    helm.write_text("#!/bin/sh\necho v3.99.1\n")
    helm.chmod(0o755)
    assert main(["helm", str(tmp_path), str(helm)]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": str(helm), "version": "3.99.1"}
