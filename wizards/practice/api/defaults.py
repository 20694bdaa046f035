"""The defaults that an API server fills into built-in objects (`pkg/apis/*/v1/defaults.go`).

Only functions on one object: what needs to look around (addresses, the default StorageClass) is in
`admission`. Clients depend on these: they compare what they asked for with what they got, and read
the numbers of a status, which Go writes even when they are zero, from the first moment on.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from wizards.practice.api.values import Json, clone, dig

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE: Json = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_DAEMON_NUMBERS = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
_ROLLING: Json = {"maxUnavailable": "25%", "maxSurge": "25%"}


def fill(obj: Json, defaults: Json) -> None:
    """Put in what is missing; existing values stay, objects are filled in depth."""
    for key, value in defaults.items():
        if isinstance(value, dict) and value and isinstance(obj.get(key), dict):
            fill(obj[key], value)
        elif obj.get(key) is None:
            obj[key] = clone(value)


def pod_spec(spec: Json) -> None:
    """Defaults of a pod or of the pod inside a template."""
    fill(
        spec,
        {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "schedulerName": "default-scheduler",
        },
    )
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or ():
        for source in ("configMap", "secret", "projected"):
            if isinstance(volume.get(source), dict):
                fill(volume[source], {"defaultMode": 420})
        if isinstance(volume.get("hostPath"), dict):
            fill(volume["hostPath"], {"type": ""})


def _container(container: Json, *, host_network: bool) -> None:
    image = str(container.get("image", ""))
    tag = image.rpartition("/")[2].partition(":")[2]
    fill(
        container,
        {
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "Always" if tag in {"", "latest"} and "@" not in image else "IfNotPresent",
        },
    )
    for port in container.get("ports") or ():
        fill(port, {"protocol": "TCP"})
        if host_network:
            fill(port, {"hostPort": port.get("containerPort")})
    for probe in _PROBES:
        if isinstance(container.get(probe), dict):
            fill(container[probe], _PROBE)
            if isinstance(container[probe].get("httpGet"), dict):
                fill(container[probe]["httpGet"], {"path": "/", "scheme": "HTTP"})
    for variable in container.get("env") or ():
        reference = dig(variable, "valueFrom", "fieldRef")
        if isinstance(reference, dict):
            fill(reference, {"apiVersion": "v1"})


def _pod(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    pod_spec(spec)
    fill(
        spec,
        {
            "serviceAccountName": "default",
            "serviceAccount": spec.get("serviceAccountName") or "default",
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": _priority(spec.get("priorityClassName")),
        },
    )
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(item.get("key") in {key, None} for item in tolerations):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            )
    if "status" not in obj:
        obj["status"] = {"phase": "Pending", "qosClass": quality(spec)}


def _priority(name: object) -> int:
    return {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}.get(str(name), 0)


def quality(spec: Json) -> str:
    """The quality-of-service class that follows from requests and limits."""
    resources = [container.get("resources") or {} for container in spec.get("containers") or ()]
    if not any(item.get("requests") or item.get("limits") for item in resources):
        return "BestEffort"
    for item in resources:
        limits = item.get("limits") or {}
        requests = item.get("requests") or limits
        if not {"cpu", "memory"} <= limits.keys() or any(
            requests.get(k) != limits[k] for k in ("cpu", "memory")
        ):
            return "Burstable"
    return "Guaranteed"


def _template(obj: Json) -> Json:
    spec: Json = obj.setdefault("spec", {})
    template = spec.setdefault("template", {})
    fill(template, {"metadata": {}, "spec": {}})
    pod_spec(template["spec"])
    return spec


def _deployment(obj: Json) -> None:
    spec = _template(obj)
    fill(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    fill(spec, {"strategy": {"type": "RollingUpdate"}})
    if spec["strategy"]["type"] == "RollingUpdate":
        fill(spec["strategy"], {"rollingUpdate": _ROLLING})
    fill(obj, {"status": {}})


def _replica_set(obj: Json) -> None:
    fill(_template(obj), {"replicas": 1})
    fill(obj, {"status": {"replicas": 0}})


def _stateful_set(obj: Json) -> None:
    spec = _template(obj)
    fill(
        spec,
        {
            "replicas": 1,
            "serviceName": "",
            "podManagementPolicy": "OrderedReady",
            "revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate"},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        },
    )
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], {"rollingUpdate": {"partition": 0}})
    for claim in spec.get("volumeClaimTemplates") or ():
        fill(claim, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}})
        fill(claim.setdefault("spec", {}), {"volumeMode": "Filesystem"})
    fill(obj, {"status": {"replicas": 0, "availableReplicas": 0}})


def _daemon_set(obj: Json) -> None:
    spec = _template(obj)
    fill(spec, {"revisionHistoryLimit": 10, "updateStrategy": {"type": "RollingUpdate"}})
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}})
    fill(obj, {"status": dict.fromkeys(_DAEMON_NUMBERS, 0)})


def _job(obj: Json) -> None:
    spec = _template(obj)
    fill(spec, {"backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False, "manualSelector": False})
    fill(spec, {"parallelism": 1, "completions": 1, "podReplacementPolicy": "TerminatingOrFailed"})
    fill(obj, {"status": {}})
    uid = dig(obj, "metadata", "uid")
    if uid and not spec["manualSelector"]:
        name = obj["metadata"]["name"]
        labels = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name}
        fill(spec["template"], {"metadata": {"labels": {**labels, "controller-uid": uid, "job-name": name}}})
        fill(spec, {"selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}})


def _cron_job(obj: Json) -> None:
    fill(
        obj.setdefault("spec", {}),
        {
            "concurrencyPolicy": "Allow",
            "suspend": False,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1,
        },
    )


def _service(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, {"type": "ClusterIP", "sessionAffinity": "None"})
    if spec["type"] != "ExternalName":
        fill(spec, {"internalTrafficPolicy": "Cluster", "ipFamilyPolicy": "SingleStack"})
        fill(spec, {"ipFamilies": ["IPv4"]})
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        fill(spec, {"externalTrafficPolicy": "Cluster"})
    if spec["type"] == "LoadBalancer":
        fill(spec, {"allocateLoadBalancerNodePorts": True})
    for port in spec.get("ports") or ():
        fill(port, {"protocol": "TCP", "targetPort": port.get("port")})
    fill(obj, {"status": {"loadBalancer": {}}})


def _namespace(obj: Json) -> None:
    fill(obj, {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"]["name"]


def _secret(obj: Json) -> None:
    fill(obj, {"type": "Opaque"})
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(str(text).encode()).decode()


def _claim(obj: Json) -> None:
    fill(obj.setdefault("spec", {}), {"volumeMode": "Filesystem"})
    fill(obj, {"status": {"phase": "Pending"}})


def _volume(obj: Json) -> None:
    fill(obj.setdefault("spec", {}), {"volumeMode": "Filesystem", "persistentVolumeReclaimPolicy": "Retain"})
    fill(obj, {"status": {"phase": "Pending"}})


def _storage_class(obj: Json) -> None:
    fill(obj, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def _crd(obj: Json) -> None:
    names = dig(obj, "spec", "names")
    if isinstance(names, dict) and names.get("kind"):
        fill(names, {"singular": names["kind"].lower(), "listKind": f"{names['kind']}List"})
    if isinstance(obj.get("spec"), dict):
        fill(obj["spec"], {"conversion": {"strategy": "None"}})


def _webhooks(obj: Json) -> None:
    for hook in obj.get("webhooks") or ():
        fill(hook, {"failurePolicy": "Fail", "matchPolicy": "Equivalent", "timeoutSeconds": 10})
        fill(hook, {"namespaceSelector": {}, "objectSelector": {}})


_DEFAULTS: dict[tuple[str, str], Callable[[Json], None]] = {
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("", "namespaces"): _namespace,
    ("", "secrets"): _secret,
    ("", "persistentvolumes"): _volume,
    ("", "persistentvolumeclaims"): _claim,
    ("apps", "deployments"): _deployment,
    ("apps", "replicasets"): _replica_set,
    ("apps", "statefulsets"): _stateful_set,
    ("apps", "daemonsets"): _daemon_set,
    ("batch", "jobs"): _job,
    ("batch", "cronjobs"): _cron_job,
    ("storage.k8s.io", "storageclasses"): _storage_class,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _crd,
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): _webhooks,
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): _webhooks,
}


def apply_defaults(storage: tuple[str, str], obj: Json) -> None:
    """Fill in the defaults of a built-in object, in place."""
    found = _DEFAULTS.get(storage)
    if found is not None:
        found(obj)


def apply_schema(schema: Json | None, value: Any) -> None:
    """Fill in the defaults that a CRD's schema names, in place."""
    if not isinstance(schema, dict):
        return
    if isinstance(value, list):
        for item in value:
            apply_schema(schema.get("items"), item)
    if not isinstance(value, dict):
        return
    for name, below in (schema.get("properties") or {}).items():
        if name not in value and "default" in below:
            value[name] = clone(below["default"])
        if name in value:
            apply_schema(below, value[name])
