#!/usr/bin/python
"""Waits until what ought to be ready in a cluster is, and says what is missing, and why, when it is not.

Runs on this machine. One process polls for all, where a task per object would start one each time.
"""

from __future__ import annotations

import json
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: slipway_ready
short_description: Wait for nodes, workloads, Services, claims and pods of a cluster
description:
  - Reads the API until everything asked for is ready, or the time is over; then it names what is missing.
options:
  kubeconfig: {description: Opens the API, type: path, required: true}
  timeout: {description: Seconds to wait, type: int, default: 300}
  node_count: {description: How many nodes must be ready, 0 for not asked, type: int, default: 0}
  nodes: {description: Names of nodes that must be ready, type: list, elements: str, default: []}
  workloads: {description: "Have kind, namespace, selector, minimum", type: list, elements: dict, default: []}
  services: {description: "With namespace, name: have an address", type: list, elements: dict, default: []}
  claims: {description: "Each with namespace, name: must be bound", type: list, elements: dict, default: []}
  pods: {description: "Each with namespace, name: must run", type: list, elements: dict, default: []}
author: [Slipway]
"""
EXAMPLES = r"""
- slipway_ready:
    kubeconfig: /path/kubeconfig
    node_count: 3
"""
RETURN = r"""
seconds: {description: How long it took, returned: success, type: float}
addresses: {description: Addresses of the Services, by name, returned: success, type: dict}
volumes: {description: Volumes of the claims, by name, returned: success, type: dict}
"""

_PLURALS = {"Deployment": "deployments", "DaemonSet": "daemonsets", "StatefulSet": "statefulsets"}
_POLL = 1.0
_SHOWN = 3  # of the things that are missing; a screen has few lines


class Api:
    """Reads of one cluster's API, as plain data."""

    def __init__(self, kubeconfig):
        from kubernetes import config

        self._client = config.new_client_from_config(config_file=kubeconfig)

    def get(self, path):
        """Return what stands at `path`; None where there is nothing."""
        from kubernetes.client.exceptions import ApiException

        try:
            answer = self._client.call_api(
                path,
                "GET",
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=(5, 20),
            )
        except ApiException as problem:
            if problem.status == 404:
                return None
            raise
        response = answer[0] if isinstance(answer, tuple) else answer
        return json.loads(response.data)

    def items(self, path):
        """Return the members of the list at `path`."""
        return (self.get(path) or {}).get("items", [])


def _named(metadata):
    return metadata.get("name", "?")


def _condition(obj, kind):
    for one in (obj.get("status") or {}).get("conditions") or ():
        if one.get("type") == kind:
            return one
    return {}


def nodes_missing(api, names, count):
    """Return why the nodes are not ready, one sentence each."""
    if not names and not count:
        return []
    found = {_named(node["metadata"]): node for node in api.items("/api/v1/nodes")}
    missing = [f"the node {name} has not joined" for name in names if name not in found]
    for name, node in sorted(found.items()):
        ready = _condition(node, "Ready")
        if ready.get("status") != "True":
            why = ready.get("message") or "it has not reported yet"
            missing.append(f"the node {name} is not ready: {why}")
    if len(found) < count and not missing:
        missing.append(f"{len(found)} of {count} nodes have joined")
    return missing


def _selects(selector, labels):
    pairs = [part.partition("=") for part in selector.split(",")]
    return all(labels.get(key) == value for key, _, value in pairs)


def _matches(wanted, obj):
    """Tell whether a workload is meant: by its own labels, or by those of its pods."""
    template = (obj["spec"].get("template") or {}).get("metadata") or {}
    return any(
        _selects(wanted["selector"], labels or {})
        for labels in (obj["metadata"].get("labels"), template.get("labels"))
    )


def _counts(kind, obj):
    """Return how many pods a workload wants, and how many of the newest generation are ready."""
    status = obj.get("status") or {}
    if kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        ready = min(status.get("numberReady", 0), status.get("updatedNumberScheduled", 0))
    else:
        wanted = obj["spec"].get("replicas", 1)
        ready = status.get("readyReplicas", 0)
        if kind == "Deployment":
            ready = min(ready, status.get("updatedReplicas", 0))
    if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
        ready = 0
    return wanted, ready


def _pod_trouble(api, namespace, obj):
    """Return what the first pod that is not ready says, empty where none says anything."""
    from urllib.parse import quote

    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    selector = quote(",".join("{}={}".format(*pair) for pair in sorted(labels.items())))
    for pod in api.items(f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}&limit=50"):
        status = pod.get("status") or {}
        if _condition(pod, "Ready").get("status") == "True":
            continue
        for container in (status.get("initContainerStatuses") or []) + (
            status.get("containerStatuses") or []
        ):
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
                words = "{} {}".format(waiting["reason"], waiting.get("message") or "")
                return "pod {}: {}".format(_named(pod["metadata"]), words.strip())
        scheduled = _condition(pod, "PodScheduled")
        if scheduled.get("status") == "False":
            return "pod {}: {}".format(_named(pod["metadata"]), scheduled.get("message") or "not scheduled")
    return ""


def workloads_missing(api, workloads):
    """Return which of `workloads` are not ready, one sentence each."""
    missing, lists = [], {}
    for wanted in workloads:
        kind, namespace = wanted["kind"], wanted["namespace"]
        path = f"/apis/apps/v1/namespaces/{namespace}/{_PLURALS[kind]}"
        if path not in lists:
            lists[path] = api.items(path)
        found = [obj for obj in lists[path] if _matches(wanted, obj)]
        what = "{} {}".format(kind, wanted.get("name") or wanted["selector"])
        if wanted.get("component"):
            what = "{}: {}".format(wanted["component"], what)
        if not found:
            missing.append(f"{what} is not there in {namespace}")
        counts = [_counts(kind, obj) for obj in found]
        if found and sum(count for count, _ in counts) < int(wanted.get("minimum", 1)):
            missing.append("{} wants fewer pods than the {} it should have".format(what, wanted["minimum"]))
        for obj, (count, ready) in zip(found, counts, strict=True):
            if ready < count:
                trouble = _pod_trouble(api, namespace, obj)
                why = f"; {trouble}" if trouble else ""
                missing.append(f"{what} has {ready} of {count} pods ready{why}")
    return missing


def _one(api, plural, wanted):
    return api.get("/api/v1/namespaces/{}/{}/{}".format(wanted["namespace"], plural, wanted["name"]))


def services_missing(api, services, addresses):
    """Return which Services have no address; put the others' into `addresses`."""
    missing = []
    for wanted in services:
        status = (_one(api, "services", wanted) or {}).get("status") or {}
        ingress = (status.get("loadBalancer") or {}).get("ingress") or []
        found = [one.get("ip") or one.get("hostname") for one in ingress]
        if found:
            addresses[wanted["name"]] = found[0]
        else:
            missing.append("the Service {namespace}/{name} has been given no address".format(**wanted))
    return missing


def claims_missing(api, claims, volumes):
    """Return which claims are not bound; put the others' volumes into `volumes`."""
    missing = []
    for wanted in claims:
        claim = _one(api, "persistentvolumeclaims", wanted) or {}
        phase = (claim.get("status") or {}).get("phase", "absent")
        if phase == "Bound":
            volumes[wanted["name"]] = claim["spec"].get("volumeName", "")
        else:
            missing.append("the volume claim {}/{} is {}".format(wanted["namespace"], wanted["name"], phase))
    return missing


def pods_missing(api, pods):
    """Return which pods do not run."""
    missing = []
    for wanted in pods:
        pod = _one(api, "pods", wanted) or {}
        if _condition(pod, "Ready").get("status") != "True":
            phase = (pod.get("status") or {}).get("phase", "absent")
            why = _condition(pod, "PodScheduled").get("message") or ""
            missing.append("the pod {}/{} is {} {}".format(wanted["namespace"], wanted["name"], phase, why))
    return missing


def look(params):
    """Return what is missing now, and what was found."""
    api, addresses, volumes = params["api"], {}, {}
    api.get("/version")  # raises where nobody answers, even when nothing else is asked for
    missing = [
        *nodes_missing(api, params["nodes"], params["node_count"]),
        *workloads_missing(api, params["workloads"]),
        *services_missing(api, params["services"], addresses),
        *claims_missing(api, params["claims"], volumes),
        *pods_missing(api, params["pods"]),
    ]
    return missing, addresses, volumes


def wait(module):
    """Look again and again; return the answer for Ansible."""
    began = time.monotonic()
    params = dict(module.params)
    while True:
        try:
            if "api" not in params:
                params["api"] = Api(params["kubeconfig"])
            missing, addresses, volumes = look(params)
        except Exception as problem:
            words = " ".join(str(problem).split())[:300]
            missing, addresses, volumes = [f"the cluster's API does not answer: {words}"], {}, {}
        if not missing:
            seconds = time.monotonic() - began
            return {"changed": False, "seconds": seconds, "addresses": addresses, "volumes": volumes}
        if time.monotonic() - began > params["timeout"]:
            more = f", and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            said = "; ".join(missing[:_SHOWN])
            words = f"not ready after {params['timeout']} s: {said}{more}"
            return {"failed": True, "missing": missing, "msg": words}
        time.sleep(_POLL)


def main():
    """Answer Ansible."""
    dicts = {"type": "list", "elements": "dict", "default": []}
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 300},
            "node_count": {"type": "int", "default": 0},
            "nodes": {"type": "list", "elements": "str", "default": []},
            "workloads": dicts,
            "services": dicts,
            "claims": dicts,
            "pods": dicts,
        },
        supports_check_mode=True,
    )
    answer = wait(module)
    if answer.pop("failed", False):
        module.fail_json(**answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
