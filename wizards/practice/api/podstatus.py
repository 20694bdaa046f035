"""The status that a kubelet reports for a pod, stage by stage. Every function alters a status in place."""

from __future__ import annotations

import hashlib

from wizards.practice.api.objects import FAULT
from wizards.practice.api.values import Json, condition, dig, is_true, set_condition, timestamp

WAITING: dict[str, str] = {
    "CrashLoopBackOff": "back-off 5m0s restarting failed container",
    "ImagePullBackOff": "Back-off pulling image",
}
"""The faults in which a container waits, with what the kubelet says about them."""


def fault_of(pod: Json) -> str | None:
    """The fault that the pod's annotation orders."""
    found = dig(pod, "metadata", "annotations", FAULT)
    return str(found) if found else None


def node_ready(node: Json) -> bool:
    """Whether the node is Ready."""
    return is_true(node, "Ready")


def node_address(node: Json) -> str:
    """The node's InternalIP, or an empty string."""
    addresses = dig(node, "status", "addresses") or ()
    return next((item["address"] for item in addresses if item["type"] == "InternalIP"), "")


def _plain(kind: str, status: str, reason: str = "", message: str = "") -> Json:
    made = condition(kind, status, reason, message, lastProbeTime=None)
    return {key: value for key, value in made.items() if value != ""}


def scheduled(status: Json) -> None:
    """The scheduler has bound the pod to a node."""
    conditions = [item for item in status.get("conditions") or () if item["type"] != "PodScheduled"]
    status["conditions"] = [*conditions, _plain("PodScheduled", "True")]


def unschedulable(status: Json, message: str) -> None:
    """The scheduler has found no node."""
    set_condition(status, _plain("PodScheduled", "False", "Unschedulable", message))


def accepted(status: Json, pod: Json, node: Json) -> None:
    """The kubelet has seen the pod and begins to create its containers."""
    status["startTime"] = timestamp()
    address = node_address(node)
    if address:
        status["hostIP"], status["hostIPs"] = address, [{"ip": address}]
    names = [container["name"] for container in pod["spec"]["containers"]]
    text = f"containers with unready status: [{' '.join(names)}]"
    scheduled(status)
    set_condition(status, _plain("PodReadyToStartContainers", "False"))
    set_condition(status, _plain("Initialized", "True"))
    for kind in ("ContainersReady", "Ready"):
        set_condition(status, _plain(kind, "False", "ContainersNotReady", text))
    status["containerStatuses"] = [_creating(container) for container in pod["spec"]["containers"]]


def _creating(container: Json) -> Json:
    return {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "ContainerCreating"}},
        "lastState": {},
    }


def _started(pod: Json, container: Json, state: Json, *, ready: bool) -> Json:
    image = str(container.get("image", ""))
    seed = f"{pod['metadata']['uid']}/{container['name']}"
    return {
        **_creating(container),
        "containerID": f"containerd://{hashlib.sha256(seed.encode()).hexdigest()}",
        "imageID": f"{image.partition('@')[0]}@sha256:{hashlib.sha256(image.encode()).hexdigest()}",
        "ready": ready,
        "started": "running" in state,
        "state": state,
    }


def running(status: Json, pod: Json, ip: str) -> None:
    """All containers run; init containers are done, or run beside them when they are sidecars."""
    now = timestamp()
    status["phase"] = "Running"
    if ip:
        status["podIP"], status["podIPs"] = ip, [{"ip": ip}]
    run = {"running": {"startedAt": now}}
    done = {
        "terminated": {
            "exitCode": 0,
            "reason": "Completed",
            "startedAt": status["startTime"],
            "finishedAt": now,
        }
    }
    status["containerStatuses"] = [_started(pod, item, run, ready=True) for item in pod["spec"]["containers"]]
    first = pod["spec"].get("initContainers")
    if first:
        status["initContainerStatuses"] = [
            _started(pod, item, run if item.get("restartPolicy") == "Always" else done, ready=True)
            for item in first
        ]
    set_condition(status, _plain("PodReadyToStartContainers", "True"))
    set_condition(status, _plain("Initialized", "True"))


def readiness(status: Json, node: Json, fault: str | None) -> None:
    """Whether the pod is ready, as its containers, the ordered fault and its node have it."""
    containers = status["containerStatuses"]
    for container in containers:
        container["ready"] = fault is None
        if fault in WAITING:
            container["started"] = False
        elif "running" not in container["state"]:  # the fault is gone: the container is started again
            container["state"] = {"running": {"startedAt": timestamp()}}
            container["started"] = True
    if fault is not None:
        names = " ".join(container["name"] for container in containers)
        why = ("ContainersNotReady", f"containers with unready status: [{names}]")
        set_condition(status, _plain("ContainersReady", "False", *why))
        set_condition(status, _plain("Ready", "False", *why))
        return
    _set_true(status, "ContainersReady")
    if node_ready(node):
        _set_true(status, "Ready")
    else:
        set_condition(status, _plain("Ready", "False", "NodeNotReady", "the node is not ready"))


def _set_true(status: Json, kind: str) -> None:
    """A condition that holds carries no reason of the time when it did not."""
    held = next((item for item in status.get("conditions") or () if item["type"] == kind), None)
    if held is not None and held["status"] == "True":
        return
    if held is not None:
        status["conditions"].remove(held)
    set_condition(status, _plain(kind, "True"))


def backing_off(status: Json, fault: str) -> None:
    """The containers wait after a crash, or for an image that does not come."""
    crash = fault == "CrashLoopBackOff"
    for container in status["containerStatuses"]:
        container["state"] = {"waiting": {"reason": fault, "message": WAITING[fault]}}
        if crash:
            now = timestamp()
            ended = {"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}
            container["restartCount"] += 1
            container["lastState"] = {"terminated": ended}


def finished(status: Json, phase: str) -> None:
    """The pod has ended, well (`Succeeded`) or not (`Failed`)."""
    status["phase"] = phase
    now = timestamp()
    good = phase == "Succeeded"
    for container in status.get("containerStatuses") or ():
        begun = dig(container, "state", "running", "startedAt") or now
        ended = {"startedAt": begun, "finishedAt": now, "exitCode": 0 if good else 1}
        container["state"] = {"terminated": {**ended, "reason": "Completed" if good else "Error"}}
        container["ready"] = container["started"] = False
    reason = "PodCompleted" if good else "PodFailed"
    for kind in ("ContainersReady", "Ready"):
        set_condition(status, _plain(kind, "False", reason))
