"""One stage by ansible-runner, in the way that leaks no secret and leaves no process (measured with 2.4.3).

- a fresh private folder on memory, mode 0700; variables by a 0600 file that is unlinked afterwards;
- ``suppress_env_files``, so that passwords stay in memory and no environment is written;
- settings by a file of our own, because runner drops them when env files are suppressed;
- the event handler returns False, so that no event file is written.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from wizards.files import private_folder, write_private
from wizards.provision.plan import Stage

EventHandler = Callable[[Mapping[str, Any]], None]
_SSH_PROMPT: Final = r"SSH password:\s*?$"
_BECOME_PROMPT: Final = r"BECOME password.*:\s*?$"
# Answered by nothing; but without a match pexpect keeps all output of the run in memory, and copies it at
# every look at the clock. The last newline, not what follows it: that may be the beginning of a prompt.
_FORGET: Final = r"\n(?=[^\n]*\Z)"
_REMOTE_ONLY: Final = "localhost"
# What holds where a stage says nothing of it; runner itself would switch host key checking off.
_SAFE: Final = {
    "ANSIBLE_HOST_KEY_CHECKING": "True",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "ANSIBLE_NOCOLOR": "True",
    "ANSIBLE_NOCOWS": "True",
}
_SOCKET_ROOM: Final = 104 - len("/0123456789.0123456789abcdef")  # see ansible_env


@dataclass(frozen=True, slots=True)
class Outcome:
    """How ansible-playbook ended: its exit code, and runner's word for it."""

    rc: int
    status: str


@dataclass(frozen=True, slots=True)
class Passwords:
    """What is typed at ansible-playbook's prompts; never written anywhere, and not shown by repr."""

    ssh: str | None = field(default=None, repr=False)
    become: str | None = field(default=None, repr=False)


def run_stage(
    stage: Stage,
    folder: Path,
    *,
    environment: Mapping[str, str],
    passwords: Passwords,
    sockets: Path,
    on_event: EventHandler,
    cancelled: Callable[[], bool],
) -> Outcome:
    """Run the stage's playbook to its end.

    Args:
        stage: What to run.
        folder: A private folder for this stage, made here.
        environment: What ansible-playbook gets beside the stage's own.
        passwords: For the prompts of stages that reach the nodes.
        sockets: Private folder for ssh's shared connections, used where its path is short enough: those of
            another run, or of a practice yard that is gone, are then never met.
        on_event: Called for every event of ansible-runner, in order.
        cancelled: Polled once a second; True kills ansible-playbook.
    """
    import ansible_runner

    private_folder(folder)
    private_folder(folder / "env")
    write_private(
        folder / "env" / "settings", json.dumps({"pexpect_timeout": 1, "suppress_output_file": True})
    )
    variables = folder / "variables.json"
    write_private(variables, json.dumps(stage.variables))
    # By path: a PATH that the user set may hold another ansible.
    bin_folder = str(Path(sys.executable).parent)
    path = f"{bin_folder}:{environment.get('PATH', '')}"

    def handle(event: dict[str, Any]) -> bool:
        on_event(event)
        return False

    try:
        result = ansible_runner.run(
            private_data_dir=str(folder),
            project_dir=stage.directory,
            playbook=stage.playbook,
            inventory=stage.inventory,
            cmdline=_arguments(stage, variables, passwords),
            envvars={**environment, **_SAFE, **stage.env, **_ours(folder, sockets), "PATH": path},
            passwords=_prompts(stage, passwords),
            event_handler=handle,
            cancel_callback=cancelled,
            suppress_env_files=True,
            fact_cache_type="memory",  # anything else would override the stage's own choice
            quiet=True,
            ident="run",
        )
    finally:
        variables.unlink(missing_ok=True)
    return Outcome(int(result.rc if result.rc is not None else 1), str(result.status))


def _ours(folder: Path, sockets: Path) -> dict[str, str]:
    """Return what no stage may change: where modules with their arguments lie, and that none are shown."""
    ours = {
        "ANSIBLE_LOCAL_TEMP": str(private_folder(folder / "tmp")),
        "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "False",
        "ANSIBLE_FORCE_COLOR": "False",
    }
    if len(os.fsencode(sockets)) <= _SOCKET_ROOM:
        ours["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(private_folder(sockets))
    return ours


def _reaches_nodes(stage: Stage) -> bool:
    return bool(stage.hosts) and stage.hosts != (_REMOTE_ONLY,)


def _arguments(stage: Stage, variables: Path, passwords: Passwords) -> str:
    """Return the command line's rest. No user text is in it: the variables go by file."""
    parts = [f"-e {shlex.quote(f'@{variables}')}"]
    if _reaches_nodes(stage):
        parts += ["--ask-pass"] if passwords.ssh else []
        parts += ["--ask-become-pass"] if passwords.become else []
    return " ".join(parts)


def _prompts(stage: Stage, passwords: Passwords) -> dict[str, str | None]:
    if not _reaches_nodes(stage):
        return {_FORGET: None}
    asked = {_SSH_PROMPT: passwords.ssh, _BECOME_PROMPT: passwords.become}
    return {prompt: answer for prompt, answer in asked.items() if answer} | {_FORGET: None}
