"""Commands on files: every fault is one line, and the exit code says whether the file can be used."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.command import BROKEN, VALID, slipway
from tui.cli import main
from wizards.setup.document import read_document
from wizards.setup.rules import check as check_rules

FILES = sorted(BROKEN.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_broken_file_is_exit_code_2_with_its_sentences(path: Path) -> None:
    done = CliRunner().invoke(main, ["check", str(path)])
    golden = (BROKEN / "expected.txt").read_text().splitlines()
    assert done.exit_code == 2
    assert done.stdout.splitlines() == [
        f"{path.parent}/{line}" for line in golden if line.startswith(f"{path.name}:")
    ]
    assert done.stderr == ""


def test_check_as_one_json_document(home: Path) -> None:
    path = BROKEN / "ports.yaml"
    done = slipway(home, "check", path, "--json")
    assert (done.returncode, done.stderr) == (2, "")
    document = json.loads(done.stdout)
    assert (document["file"], document["valid"]) == (str(path), False)
    first = document["findings"][0]
    assert (first["line"], first["path"], first["severity"]) == (3, "access.jump.port", "block")
    assert first["message"] == "0 is too small."
    assert first["remedy"] == "Give a number from 1 to 65535."


def test_a_file_that_can_be_used(home: Path, valid: Path) -> None:
    done = slipway(home, "check", valid)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"{valid}: can be used as it is."
    document = json.loads(slipway(home, "check", valid, "--json").stdout)
    assert document["valid"] is True
    spec = read_document(valid).spec
    assert [one["id"] for one in document["findings"]] == [one.id for one in check_rules(spec)]
    assert not home.exists(), "checking a file leaves no trace"


def test_a_warning_is_said_and_does_not_stop(home: Path, valid: Path) -> None:
    more = "  - {name: node2, address: 127.0.0.2, roles: [control-plane, worker]}\n"
    valid.write_text(VALID.replace("load_balancer", more + "load_balancer"))
    done = slipway(home, "check", valid)
    assert done.returncode == 0
    assert f"{valid}:4: warning: nodes[1].roles: Two control planes survive" in done.stdout


def test_the_schema_names_every_field_of_a_cluster(home: Path) -> None:
    done = slipway(home, "schema")
    assert (done.returncode, done.stderr) == (0, "")
    schema = json.loads(done.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"name", "nodes", "network", "storage", "mesh", "kubespray_vars"} <= set(schema["properties"])
    assert schema["required"] == ["name"]
    assert schema["additionalProperties"] is False


def test_render_writes_the_files_of_a_run_for_their_owner_alone(
    home: Path, valid: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = slipway(home, "render", valid, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    named = {Path(line) for line in done.stdout.splitlines()}
    written = {path for path in out.rglob("*") if path.is_file()}
    assert out / "inventory" / "hosts.yaml" in named
    assert named == written
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    assert slipway(home, "render", valid, "--out", out).returncode == 0


def test_what_check_refuses_is_not_rendered(home: Path, tmp_path: Path) -> None:
    for name in ("names", "pool-over-node"):
        done = slipway(home, "render", BROKEN / f"{name}.yaml", "--out", tmp_path / "out")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{name}.yaml:" in done.stderr
    assert not (tmp_path / "out").exists()


def test_up_asks_before_anything_is_touched(home: Path, valid: Path) -> None:
    done = slipway(home, "up", valid)
    assert done.returncode == 2
    assert "Set up lab on 1 server now? Nobody can answer here: use --yes." in done.stderr
    blocked = slipway(home, "up", BROKEN / "pool-over-node.yaml", "--yes")
    assert blocked.returncode == 3
    assert "pool-over-node.yaml:7: load_balancer.pools[0].addresses[0]: " in blocked.stderr
