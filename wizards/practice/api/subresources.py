"""Subresources beside status (scale, log, eviction, finalize, approval) and the review resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizards.practice.api import patch, podstatus, requests
from wizards.practice.api.answers import Answer, encode, text
from wizards.practice.api.errors import bad_request, conflict, method_not_allowed
from wizards.practice.api.faults import Faults
from wizards.practice.api.requests import Form
from wizards.practice.api.resources import ResourceType
from wizards.practice.api.store import Store
from wizards.practice.api.values import Json, clone, dig

if TYPE_CHECKING:
    from wizards.practice.api.verbs import Call

_METHODS = {
    "list": "GET",
    "get": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}


class Subresources:
    """Answers calls for subresources and reviews."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    def answer(self, call: Call) -> Answer:
        """Carry out a call for a subresource.

        Raises:
            ApiError: What goes wrong.
        """
        match call.target.subresource, call.method:
            case "scale", "GET" | "PUT" | "PATCH":
                return self._scale(call)
            case "log", "GET":
                return self._log(call)
            case "eviction", "POST":
                return self._evict(call)
            case (("finalize" | "approval"), "PUT"):
                return self._replace_part(call)
            case "approval", "GET":
                entry = self._store.entry(call.target.rtype, *call.target.key)
                return encode(call.form, entry.obj, call.target.rtype)
        raise method_not_allowed()

    # -- scale -----------------------------------------------------------------------------------

    def _scale(self, call: Call) -> Answer:
        rtype, (namespace, name) = call.target.rtype, call.target.key
        obj = self._store.entry(rtype, namespace, name).obj
        if call.method == "GET":
            return encode(call.form, _scale_of(obj))
        value = call.value()
        if call.method == "PATCH":
            value = _patched_scale(call.content_type, _scale_of(obj), value)
        replicas = dig(value, "spec", "replicas")
        if not isinstance(replicas, int) or replicas < 0:
            raise bad_request("Scale is invalid: spec.replicas: must be a non-negative integer")
        version = dig(value, "metadata", "resourceVersion")
        if version and version != obj["metadata"]["resourceVersion"]:
            raise conflict(rtype, name)
        if requests.read_dry_run(call.query):
            changed = clone(obj)
            changed["spec"]["replicas"] = replicas
            return encode(call.form, _scale_of(changed))

        def scale(new: Json) -> None:
            new["spec"]["replicas"] = replicas

        new = self._store.modify(rtype.api_version, rtype.kind, name, scale, namespace)
        return encode(call.form, _scale_of(new))

    # -- pods ------------------------------------------------------------------------------------

    def _log(self, call: Call) -> Answer:
        pod = self._store.entry(call.target.rtype, *call.target.key).obj
        spec, name = pod["spec"], call.target.name
        names = [item["name"] for item in (*spec["containers"], *(spec.get("initContainers") or ()))]
        chosen = call.query.get("container", "")
        if not chosen:
            if len(spec["containers"]) > 1:
                listed = " ".join(names)
                raise bad_request(
                    f"a container name must be specified for pod {name}, choose one of: [{listed}]"
                )
            chosen = names[0]
        if chosen not in names:
            raise bad_request(f"container {chosen} is not valid for pod {name}")
        lines = _log_lines(pod, chosen)
        if lines is None:
            raise bad_request(f'container "{chosen}" in pod "{name}" is waiting to start: ContainerCreating')
        tail = call.query.get("tailLines", "")
        if tail.isdigit():
            lines = lines[len(lines) - min(int(tail), len(lines)) :]
        return text("".join(f"{line}\n" for line in lines))

    def _evict(self, call: Call) -> Answer:
        rtype, (namespace, name) = call.target.rtype, call.target.key
        self._store.entry(rtype, namespace, name)
        body = call.value()
        options = body.get("deleteOptions") if isinstance(body, dict) else None
        how = requests.read_deletion(call.query, options)
        self._store.delete(rtype.api_version, rtype.kind, name, namespace, how)
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return encode(Form(yaml=call.form.yaml), status, code=201)

    def _replace_part(self, call: Call) -> Answer:
        """Replace the finalizers of a namespace, or the conditions of a signing request."""
        rtype, (namespace, name) = call.target.rtype, call.target.key
        obj = requests.read_object(rtype, call.value(), call.target)
        part = "spec" if call.target.subresource == "finalize" else "status"

        def replace(new: Json) -> None:
            new[part] = clone(obj.get(part) or {})

        return encode(
            call.form, self._store.modify(rtype.api_version, rtype.kind, name, replace, namespace), rtype
        )

    # -- reviews ---------------------------------------------------------------------------------

    def review(self, rtype: ResourceType, value: Any) -> Json:
        """The answer to a question about rights: everything is allowed but what a fault forbids."""
        obj: Json = value if isinstance(value, dict) else {}
        obj = {"kind": rtype.kind, "apiVersion": rtype.api_version, "metadata": {}, **obj}
        if rtype.kind == "SelfSubjectReview":
            user = {"username": "practice-admin", "groups": ["system:masters", "system:authenticated"]}
            return {**obj, "status": {"userInfo": user}}
        if rtype.kind == "SelfSubjectRulesReview":
            everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            urls = {"verbs": ["*"], "nonResourceURLs": ["*"]}
            status = {"resourceRules": [everything], "nonResourceRules": [urls], "incomplete": False}
            return {**obj, "status": status}
        return {**obj, "status": self._may(obj.get("spec") or {})}

    def _may(self, spec: Json) -> Json:
        attributes: Json = spec.get("resourceAttributes") or {}
        url: Json = spec.get("nonResourceAttributes") or {}
        path = str(url.get("path") or _path_of(attributes))
        verb = str((attributes or url).get("verb") or "get")
        if self._faults.refuses(_METHODS.get(verb, "GET"), path):
            return {"allowed": False, "reason": "forbidden by a practice fault"}
        return {"allowed": True, "reason": "the practice cluster allows everything"}


def _path_of(attributes: Json) -> str:
    group, version = attributes.get("group") or "", attributes.get("version") or "v1"
    root = f"/apis/{group}/{version}" if group else "/api/v1"
    if attributes.get("namespace"):
        root += f"/namespaces/{attributes['namespace']}"
    return f"{root}/{attributes.get('resource', '')}"


def _scale_of(obj: Json) -> Json:
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = dig(obj, "spec", "selector", "matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": dig(obj, "spec", "replicas") or 0},
        "status": {
            "replicas": dig(obj, "status", "replicas") or 0,
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def _patched_scale(kind: str, scale: Json, value: Any) -> Json:
    if kind == patch.JSON_PATCH:
        return patch.json_patch(scale, value)
    if not isinstance(value, dict):
        raise bad_request("the patch is not an object")
    found: Json = patch.merge_patch(scale, value)
    return found


def _log_lines(pod: Json, container: str) -> list[str] | None:
    """What a container of a practice pod has to say; None when it has not started."""
    statuses = [
        *(dig(pod, "status", "containerStatuses") or ()),
        *(dig(pod, "status", "initContainerStatuses") or ()),
    ]
    state: Json = next((item["state"] for item in statuses if item["name"] == container), {})
    begun = dig(state, "running", "startedAt") or dig(state, "terminated", "startedAt")
    fault = podstatus.fault_of(pod)
    if not begun and fault != "CrashLoopBackOff":
        return None
    moment = begun or dig(pod, "status", "startTime")
    lines = [f"{moment} practice container {container} started"]
    if fault == "CrashLoopBackOff":
        return [*lines, f"{moment} panic: practice fault: told to crash"]
    if fault is not None:
        return [*lines, f"{moment} practice fault: {fault}"]
    ended = dig(state, "terminated", "exitCode")
    return lines if ended is None else [*lines, f"{moment} finished with exit code {ended}"]
