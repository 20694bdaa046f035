"""Jobs: pods that come to an end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from wizards.practice.api import owned
from wizards.practice.api.engine import Controller, Watches, itself, owner_keys
from wizards.practice.api.store import PODS
from wizards.practice.api.tables import Key
from wizards.practice.api.values import Json, condition, dig, is_true, set_condition, timestamp

_JOBS = ("batch", "jobs")


class Jobs(Controller):
    """Runs the pods of each Job until enough have succeeded or too many have failed.

    CronJobs are kept but never start a Job: nothing in a practice cluster lives long enough.
    """

    name: ClassVar[str] = "job-controller"
    settle: ClassVar[bool] = True

    def watches(self) -> Watches:
        """Jobs and their pods."""
        return {_JOBS: itself, PODS: owner_keys("Job")}

    def reconcile(self, key: Key) -> float | None:
        """Start pods, count their ends, and report."""
        entry = self.store.tables.get(_JOBS, key)
        if entry is None or entry.obj["metadata"].get("deletionTimestamp"):
            return None
        obj = entry.obj
        if is_true(obj, "Complete") or is_true(obj, "Failed"):
            return self._expire(key, obj)
        pods = [entry.obj for entry in owned.owned(self.store, obj, PODS)]
        phases = [dig(pod, "status", "phase") for pod in pods]
        spec = obj["spec"]
        succeeded, failed = phases.count("Succeeded"), phases.count("Failed")
        active = sum(not owned.gone(pod) for pod in pods)
        over = succeeded >= int(spec["completions"]) or failed > int(spec["backoffLimit"])
        if not over and not spec.get("suspend"):
            missing = min(int(spec["parallelism"]), int(spec["completions"]) - succeeded) - active
            for _ in range(missing):
                self.store.add(owned.pod_from(obj, spec["template"]))
                active += 1
        numbers = {"active": active, "succeeded": succeeded, "failed": failed}
        ready = owned.count_ready(pods)

        def write(new: Json) -> None:
            status = new.setdefault("status", {})
            status.setdefault("startTime", timestamp())
            for name, number in numbers.items():
                status[name] = number
                if not number:
                    del status[name]
            status["ready"] = ready
            _conclude(status, succeeded >= int(spec["completions"]), failed > int(spec["backoffLimit"]))

        self.store.modify("batch/v1", "Job", key[1], write, key[0])
        return None

    def _expire(self, key: Key, obj: Json) -> float | None:
        ttl = obj["spec"].get("ttlSecondsAfterFinished")
        if ttl is None:
            return None
        ended = next(c for c in obj["status"]["conditions"] if c["type"] in {"Complete", "Failed"})
        since = datetime.now(UTC) - datetime.fromisoformat(ended["lastTransitionTime"])
        left = float(ttl) - since.total_seconds()
        if left <= 0:
            self.store.delete("batch/v1", "Job", key[1], key[0])
            return None
        return left


def _conclude(status: Json, good: bool, bad: bool) -> None:
    if good:
        text = "Reached expected number of succeeded pods"
        for kind in ("SuccessCriteriaMet", "Complete"):
            set_condition(status, condition(kind, "True", "CompletionsReached", text))
        status.setdefault("completionTime", timestamp())
    elif bad:
        text = "Job has reached the specified backoff limit"
        for kind in ("FailureTarget", "Failed"):
            set_condition(status, condition(kind, "True", "BackoffLimitExceeded", text))
