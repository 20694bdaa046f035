"""Looks at a node over one SSH connection and reports what was seen, or in words why nothing could be.

One round trip: no interpreter discovery, no files on the node, Python fed on standard input. A node that
cannot be reached, refuses root, has no Python or hangs is a report like any other and never a failure, so
that it does not hold up the others.
"""

from __future__ import annotations

import math
import re
import secrets
import signal
import subprocess
import time
from pathlib import Path

from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from wizards.provision.probe_script import (
    COMMAND,
    Answer,
    clock_offset,
    look_params,
    probe_script,
    read_answer,
)
from wizards.sanitize import one_line

# The strategy loads this file before it forks, so all nodes of a run share it and no other run has it.
TOKEN = secrets.token_hex(8)
REPORT = "slipway_report"
_LIMIT = 400  # characters of a message
_SPARE_SECONDS = 6.0  # of a deadline, for the way there and back
_TRIES = 3
# What a busy jump host or a full queue of logins says; everything else is final at once.
_AGAIN = re.compile(r"kex_exchange_identification|Connection reset by|Connection closed by|Broken pipe")
_SSH_NOISE = re.compile(
    r'(Failed to connect to the host via ssh|Data could not be sent to remote host "[^"]*"'
    r"\. Make sure this host can be reached over ssh): "
)


class Late(BaseException):
    """The deadline has come. No Exception: the connection's own retries must not catch it."""


class ActionModule(ActionBase):
    """The look; `slipway_reach` is the second one."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    token = TOKEN
    fact = REPORT
    spare_seconds = _SPARE_SECONDS

    def run(self, tmp=None, task_vars=None):
        """Return the report as a fact."""
        result = super().run(tmp, task_vars)
        self.host = task_vars["inventory_hostname"]
        self.wants = task_vars["slipway_wants"]
        self.hosts = task_vars.get("ansible_play_hosts_all") or [self.host]
        self.forks = task_vars.get("ansible_forks") or 5
        result.update(self.report(task_vars))
        result["changed"] = False
        return result

    def report(self, task_vars):
        """Look, and say how it went."""
        deadline = float(self.wants["deadline"]["look"])
        started = time.monotonic()
        report = {
            "reachable": True,
            "login_message": "",
            "python": True,
            "root_message": "",
            "known_cluster": Path(task_vars.get("slipway_kubeconfig") or "/nowhere").is_file(),
            "late": False,
            "seen": {},
        }
        output = self.within(deadline, lambda: self.look(report, deadline - self.spare_seconds))
        if output is not None:
            self.take_late(report, output)
        report["seconds"] = round(time.monotonic() - started, 1)
        return {"ansible_facts": {self.fact: report}}

    def look(self, report, seconds):
        """Try as root, and without where root was refused."""
        script = self.script(seconds)
        if self._connection.become:
            answer, message = self.ask(report, script, sudoable=True)
            if answer is None or answer.here:
                return self.take(report, answer, message)
            report["root_message"] = message or "it did not become root"
        answer, message = self.ask(report, script, sudoable=False)
        if answer is not None and not answer.here:
            # Logged in, and nothing can be run: an account without a shell, or with a password that is over.
            report.update(reachable=False, python=False, login_message=message or "no command can be run")
            return None
        return self.take(report, answer, message)

    def script(self, seconds):
        """Return what is sent."""
        batches = math.ceil(len(self.hosts) / max(1, self.forks))
        stays = float(self.wants["deadline"]["look"] + self.wants["deadline"]["reach"]) * (1 + batches / 2)
        params = look_params(
            self.wants, self.host, token=self.token, hosts=self.hosts, seconds=seconds, stays=stays
        )
        return probe_script("look", params)

    def ask(self, report, script, *, sudoable):
        """Return (answer, message): the answer is None where the login failed, which the report then says."""
        for attempt in range(_TRIES):
            self.before = time.time()
            try:
                done = self._low_level_execute_command(COMMAND, sudoable=sudoable, in_data=script.encode())
            except AnsibleConnectionFailure as failure:
                message = _words(failure)
                final = isinstance(failure, AnsibleAuthenticationFailure) or not _AGAIN.search(message)
                if final or attempt == _TRIES - 1:
                    report.update(reachable=False, python=False, login_message=message)
                    return None, message
                time.sleep(0.5 + attempt)
                continue
            except AnsibleError as refused:  # what sudo wants and does not get
                return Answer(here=False, python=True, data=None), _words(refused)
            self.after = time.time()
            return read_answer(done["stdout"]), _words(done["stderr"] or _rest(done["stdout"]))
        return None, ""

    def take(self, report, answer, message):
        """Put what was seen into the report."""
        if answer is None:
            return
        if not answer.python:
            report["python"] = False
            return
        if answer.data is None:
            report["probe_message"] = message or "the probe returned nothing"
            return
        self.take_data(report, answer.data)

    def take_data(self, report, data):
        """Put the probe's own words into the report."""
        seen = data.get("seen")
        report["seen"] = seen if isinstance(seen, dict) else {}
        report["python_version"] = report["seen"].get("python_version", "")
        clock = data.get("clock")
        if isinstance(clock, list) and len(clock) == 2:
            after = getattr(self, "after", time.time())
            report["seen"]["clock_offset"] = round(clock_offset(tuple(clock), (self.before, after)), 3)
        report["late"] = bool(data.get("late"))
        report["missed"] = data.get("missed") or []
        report["faults"] = data.get("faults") or {}
        if data.get("listening"):
            report["reach"] = {"listening": data["listening"]}

    def take_late(self, report, output):
        """Use what had come by the deadline."""
        answer = read_answer(output)
        report.update(late=True, python=answer.python and answer.here)
        if answer.data is not None:
            self.after = time.time()
            self.take_data(report, answer.data)
            report["late"] = True

    def within(self, seconds, work):
        """Do `work`; return None, or what the node had said when the time was over: the rest is given up.

        A worker of Ansible's is one process with one thread, so that an alarm finds it.
        """

        def ring(*_):
            raise Late

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            work()
        except Late as late:
            return _abandon(late)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        return None


def _abandon(late):
    """End the ssh that waits, and return what it had brought; only the interrupted frames still know it."""
    output, trace = b"", late.__traceback__
    while trace is not None:
        found = trace.tb_frame.f_locals
        process = found.get("p")
        if isinstance(process, subprocess.Popen):
            process.kill()
            process.wait()
            output = b"".join(found.get(name) or b"" for name in ("b_stdout", "b_tmp_stdout"))
        trace = trace.tb_next
    return output.decode("utf-8", "replace")


def _words(said):
    """Return a message as one clean line, without Ansible's own preface."""
    return one_line(_SSH_NOISE.sub("", str(said)), _LIMIT)


def _rest(output):
    return "\n".join(line for line in output.splitlines() if not line.startswith("SLIPWAY-"))
