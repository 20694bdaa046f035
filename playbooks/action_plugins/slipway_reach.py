"""The second look: from each node to all others, after all of them listen (see slipway_look)."""

from __future__ import annotations

import time

from ansible.plugins.loader import action_loader

from wizards.provision.probe_script import probe_script, reach_params

# As Ansible loads it, so that it is the same file with the same token, and not a second copy.
Look = action_loader.get("slipway_look", class_only=True)


class ActionModule(Look):
    """Adds what was reached to the report; leaves out nodes that could not be looked at, or are alone."""

    def report(self, task_vars):
        """Reach the peers, and return the whole report."""
        report = dict((task_vars.get("ansible_facts") or {}).get(self.fact) or {})
        deadline = float(self.wants["deadline"]["reach"])
        seconds = deadline - 1.5 * self.spare_seconds
        params = reach_params(self.wants, self.host, token=self.token, hosts=self.hosts, seconds=seconds)
        if params is None or not report.get("seen"):
            return {"skipped": True, "skip_reason": "there is nobody to reach, or no look from here"}
        # Until something better is known.
        reach = dict(report.get("reach") or {}, peers={}, late=True)
        started = time.monotonic()
        root = report["seen"].get("uid") == 0
        self.within(deadline, lambda: self.reach(params, reach, root=root))
        report["reach"] = dict(reach, seconds=round(time.monotonic() - started, 1))
        return {"ansible_facts": {self.fact: report}}

    def reach(self, params, reach, *, root):
        """Ask in the way the look found to work: as root, or without."""
        answer, message = self.ask({}, probe_script("reach", params), sudoable=root)
        if answer is None or answer.data is None:
            reach.update(late=False, message=message)
        else:
            reach.update({name: answer.data.get(name) for name in ("peers", "late")})
