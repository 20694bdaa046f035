"""The front door: help, what it imports, errors in one sentence, and terminals that can draw nothing."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import SLIPWAY, environment, slipway
from tui.cli import main
from tui.errors import exit_for
from wizards.clusters import Clusters
from wizards.setup.document import validate_data
from wizards.setup.finding import Finding, Severity

DESIGNED = (
    "new", "demo", "check", "render", "preflight", "prepare", "access", "up", "attach", "cancel", "retry",
    "runs", "replay", "health", "verify", "schema", "version",
)  # fmt: skip
LATER = ("nodes", "upgrade", "pools", "certs", "backup", "restore", "reset", "bundle")
HEAVY = {
    "aiohttp", "ansible_runner", "asyncssh", "cryptography", "jinja2", "kubernetes", "prompt_toolkit",
    "pydantic", "questionary", "rich", "ruamel", "textual", "yaml",
}  # fmt: skip


def test_help_lists_what_works_and_nothing_that_does_not_yet(home: Path) -> None:
    done = slipway(home, "--help")
    assert done.returncode == 0
    listed = re.findall(r"^  ([a-z]+)  ", done.stdout.split("Commands:")[1], re.MULTILINE)
    assert set(listed) == set(DESIGNED) == set(main.commands)
    assert not home.exists()
    for name in LATER:
        refused = slipway(home, name, "x")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"No such command '{name}'." in refused.stderr


@pytest.mark.parametrize("name", DESIGNED)
def test_every_command_explains_itself(home: Path, name: str) -> None:
    done = slipway(home, name, "--help")
    assert done.returncode == 0
    assert f"Usage: slipway {name}" in done.stdout


def imported_by(home: Path, *arguments: str) -> set[str]:
    """Return the top-level packages that are loaded after the command has run."""
    program = (
        "import sys\nfrom tui.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print('', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = set(done.stderr.splitlines()[-1].split())
    assert "click" in found
    return found & HEAVY


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (("--help",), set()),
        (("up", "--help"), set()),
        (("no-such-command",), set()),
        (("runs", "nobody"), set()),
        (("new",), set()),
        (("check", "no-such-file.yaml"), {"pydantic"}),
        (("check", "CLUSTER"), {"pydantic", "yaml"}),
        (("schema",), {"pydantic"}),
        (("health", "--kubeconfig", "no-such-file"), {"kubernetes", "pydantic", "yaml"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_command_imports_only_what_it_needs(
    home: Path, valid: Path, arguments: tuple[str, ...], needed: set[str]
) -> None:
    given = [str(valid) if one == "CLUSTER" else one for one in arguments]
    assert imported_by(home, *given) <= needed


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("halth",), 2, "Did you mean 'health'?"),
        (("up",), 2, "Missing argument"),
        (("runs", "nobody"), 2, "There is no cluster called 'nobody'."),
        (("attach", "nobody"), 2, "There is no cluster called 'nobody'."),
        (("up", "nobody.yaml"), 2, "nobody.yaml: There is no such file."),
        (("health",), 2, "Name a cluster, or a kubeconfig"),
        (("health", "--kubeconfig", "nothing-here"), 1, "There is no kubeconfig at"),
        (("preflight",), 2, "Name a cluster or a cluster.yaml"),
        (("demo", "--nodes", "0"), 2, "'--nodes'"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_wrong_usage_is_one_sentence_on_standard_error(
    home: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = slipway(home, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_held_cluster_is_exit_code_5_and_says_who_holds_it(home: Path) -> None:
    home.mkdir(mode=0o700)
    spec = validate_data(
        {"name": "lab", "nodes": [{"name": "n", "address": "127.0.0.1"}], "load_balancer": {"kind": "none"}}
    )
    cluster = Clusters(home).create(spec, practice=True)
    with cluster.lock("painting it"):
        done = slipway(home, "verify", "lab")
    assert done.returncode == 5, done.stderr
    assert "painting it" in done.stderr


def test_an_unexpected_error_shows_no_local_and_keeps_its_details_for_the_owner(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(home))

    def fails() -> None:
        password = "hunter2-in-a-local"  # noqa: F841 - it is here so that it can be looked for
        raise RuntimeError("something\x1b[31m odd")

    with pytest.raises(RuntimeError) as raised:
        fails()
    assert exit_for(raised.value) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Slipway stopped: RuntimeError: something odd. The details are in ")
    (log,) = (home / "log").iterdir()
    assert str(log) in said.err
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    details = log.read_text()
    assert "in fails" in details
    for text in (said.err, details.replace('password = "hunter2-in-a-local"', "")):
        assert "hunter2" not in text


def test_a_blocked_job_says_every_finding(capsys: pytest.CaptureFixture[str]) -> None:
    from wizards.provision.begin import Blocked

    findings = (
        Finding("a", Severity.BLOCK, "nodes[0]", "One.", "Do this.", line=3),
        Finding("b", Severity.BLOCK, "", "Two.", host="node1"),
    )
    assert exit_for(Blocked(findings, Path("f.yaml"))) == 3
    assert capsys.readouterr().err == "f.yaml:3: nodes[0]: One. Do this.\nf.yaml: node1: Two.\n"


def in_terminal(home: Path, *arguments: str, term: str, until: str = "") -> tuple[int, str]:
    """Run the command in a terminal of its own; end it when `until` has been drawn."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(SLIPWAY_HOME=str(home), TERM=term, COLUMNS="80", LINES="24")
        os.execv(SLIPWAY[0], [*SLIPWAY, *arguments])
    seen = b""
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    seen += os.read(terminal, 65536)
                except OSError:  # the other end was closed
                    break
            if until and until.encode() in seen:
                os.kill(pid, signal.SIGTERM)
                until = ""
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    return os.waitstatus_to_exitcode(status), seen.decode(errors="replace")


@pytest.mark.parametrize("term", ["dumb", "vt100", ""])
@pytest.mark.parametrize(
    ("arguments", "instead"),
    [(("new",), "slipway new --plain"), ((), "slipway --help"), (("demo",), "slipway demo --auto")],
    ids=["new", "console", "demo"],
)
def test_a_terminal_that_cannot_draw_is_told_what_works_instead(
    home: Path, term: str, arguments: tuple[str, ...], instead: str
) -> None:
    code, text = in_terminal(home, *arguments, term=term)
    assert code == 2
    assert instead in text
    assert "\x1b[?1049h" not in text, "it must not switch to the alternate screen"


def test_a_real_terminal_gets_a_screen_and_sigterm_gives_it_back(home: Path) -> None:
    code, text = in_terminal(home, "new", term="xterm-256color", until="Step 1")
    assert "\x1b[?1049h" in text
    assert "\x1b[?1049l" in text, "the alternate screen is left again"
    assert code == 128 + signal.SIGTERM


def test_a_character_set_without_our_marks_ends_no_command(home: Path, valid: Path) -> None:
    valid.write_text(valid.read_text().replace("lab", "lab-" + "x" * 80))
    done = slipway(home, "check", valid, PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "is not a DNS label" in done.stdout


def test_a_reader_that_goes_away_is_no_error(home: Path) -> None:
    program = f"exec {SLIPWAY[0]} schema | head -c 1"
    done = subprocess.run(
        ["sh", "-c", program], env=environment(home), capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("{", "")
