"""Judge a pod: what keeps it from being ready, in Kubernetes' short word and in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from wizards.health.model import PodHealth
from wizards.health.snapshot import Object
from wizards.health.state import State, epoch

GRACE: Final = 60.0
"""Seconds for which a pod without a node, or a Service without an address, is only on its way."""
SLOW: Final = 300.0
"""Seconds after which a pod that still starts counts as stuck: image pulls are the slowest usual cause."""

_STARTING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
_IMAGE: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})


def trouble(pod: Object, now: float) -> PodHealth | None:
    """Return what keeps `pod` from being ready; None when it is ready, done, or going away in time."""
    status = pod.get("status") or {}
    phase = status.get("phase", "")
    if phase == "Succeeded":
        return None
    if leaving := epoch(pod["metadata"].get("deletionTimestamp")):
        late = now - leaving > SLOW
        return _health(pod, State.DEGRADED, "Terminating", "does not go away", leaving) if late else None
    if phase == "Failed":
        reason = status.get("reason") or "Failed"
        return _health(pod, State.BROKEN, reason, status.get("message") or "it ended with a failure")
    if phase == "Unknown":
        return _health(pod, State.BROKEN, "Unknown", "its node does not report on it")
    return _unscheduled(pod, now) or _container_trouble(pod, now) or _not_ready(pod, now)


def _unscheduled(pod: Object, now: float) -> PodHealth | None:
    condition = condition_of(pod, "PodScheduled")
    if condition is None or condition.get("status") != "False":
        return None
    since = epoch(condition.get("lastTransitionTime")) or created(pod) or now
    state = State.PROGRESSING if now - since < GRACE else State.BROKEN
    message = condition.get("message") or "no node takes it"
    return _health(pod, state, condition.get("reason") or "Unschedulable", message, since)


def _container_trouble(pod: Object, now: float) -> PodHealth | None:
    """Look at the containers that wait; native sidecars stand among the init containers."""
    starting: PodHealth | None = None
    for status, prefix in _statuses(pod):
        waiting = (status.get("state") or {}).get("waiting")
        ended = (status.get("state") or {}).get("terminated")
        if waiting is not None:
            reason = waiting.get("reason") or ""
            if reason not in _STARTING:
                return _health(pod, State.BROKEN, prefix + reason, _waiting_words(status, waiting))
            starting = starting or _starting(pod, prefix + (reason or "ContainerCreating"), now)
        elif ended is not None and ended.get("exitCode", 0) != 0:
            return _health(
                pod, State.BROKEN, prefix + (ended.get("reason") or "Error"), _end_words(status, ended)
            )
    return starting


def _starting(pod: Object, reason: str, now: float) -> PodHealth:
    since = created(pod)
    slow = since is not None and now - since > SLOW
    message = "its containers are still not started" if slow else "its containers are being started"
    return _health(pod, State.DEGRADED if slow else State.PROGRESSING, reason, message, since)


def _not_ready(pod: Object, now: float) -> PodHealth | None:
    condition = condition_of(pod, "Ready")
    if condition is None:
        return _starting(pod, "Pending", now)
    if condition.get("status") == "True":
        return None
    since = epoch(condition.get("lastTransitionTime"))
    names = [status["name"] for status, _ in _statuses(pod) if not status.get("ready") and _runs(status)]
    who = f"container {', '.join(names)}" if names else "it"
    slow = since is not None and now - since > 2 * GRACE
    message = f"{who} runs and does not become ready" if slow else f"{who} runs and is not ready yet"
    return _health(pod, State.BROKEN if slow else State.PROGRESSING, "NotReady", message, since)


def _runs(status: Object) -> bool:
    return "running" in (status.get("state") or {})


def _statuses(pod: Object) -> Iterator[tuple[Object, str]]:
    """Yield the container statuses that matter, with ``Init:`` before those of ordinary init containers."""
    status = pod.get("status") or {}
    sidecars = {
        container.get("name")
        for container in (pod.get("spec") or {}).get("initContainers") or ()
        if container.get("restartPolicy") == "Always"
    }
    for entry in status.get("initContainerStatuses") or ():
        yield entry, "" if entry.get("name") in sidecars else "Init:"
    for entry in status.get("containerStatuses") or ():
        yield entry, ""


def _waiting_words(status: Object, waiting: Object) -> str:
    reason, name = waiting.get("reason"), status.get("name", "")
    if reason == "CrashLoopBackOff":
        ended = (status.get("lastState") or {}).get("terminated") or {}
        return f"container {name} keeps crashing{_exit_words(ended)}"
    if reason in _IMAGE:
        return f"the image {status.get('image', '')} of container {name} cannot be pulled"
    return f"container {name} cannot start: {waiting.get('message') or reason}"


def _end_words(status: Object, ended: Object) -> str:
    return f"container {status.get('name', '')} ended{_exit_words(ended)}"


def _exit_words(ended: Object) -> str:
    if ended.get("reason") == "OOMKilled":
        return " because it ran out of memory"
    return f" with exit code {ended['exitCode']}" if "exitCode" in ended else ""


def _health(
    pod: Object, state: State, reason: str, message: str = "", since: float | None = None
) -> PodHealth:
    meta = pod["metadata"]
    return PodHealth(
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        state=state,
        reason=reason,
        message=" ".join(message.split()),
        node=(pod.get("spec") or {}).get("nodeName") or "",
        restarts=sum(status.get("restartCount", 0) for status, _ in _statuses(pod)),
        since=since,
    )


def condition_of(obj: Object, kind: str) -> Object | None:
    """Return the condition of type `kind`, or None."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == kind:
            found: Object = condition
            return found
    return None


def created(obj: Object) -> float | None:
    """Return when `obj` was made, in seconds since the epoch."""
    return epoch(obj["metadata"].get("creationTimestamp"))


def labels(obj: Object) -> dict[str, str]:
    """Return the labels of `obj`."""
    return obj["metadata"].get("labels") or {}


def matches(selector: Any, having: dict[str, str]) -> bool:
    """Tell whether a Kubernetes label selector (``matchLabels``, ``matchExpressions``) selects `having`.

    An empty selector selects everything; a missing one (None) nothing.
    """
    if selector is None:
        return False
    if any(having.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(item, having) for item in selector.get("matchExpressions") or ())


def _expression(item: Object, having: dict[str, str]) -> bool:
    key, values = item.get("key", ""), item.get("values") or ()
    match item.get("operator"):
        case "In":
            return having.get(key) in values
        case "NotIn":
            return having.get(key) not in values
        case "Exists":
            return key in having
        case "DoesNotExist":
            return key not in having
    return False
