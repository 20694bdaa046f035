"""The Go types of fields: a built-in object whose JSON does not fit them is refused with 400.

A real server decodes JSON into structs. Here it is enough to know the types of those fields that
somebody reads: named alike, they have the same type in nearly all kinds; where not, the rule names
the field above them too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wizards.practice.api.errors import ApiError, bad_request
from wizards.practice.api.resources import ResourceType
from wizards.practice.api.values import Json


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OBJECT = _names(
    "metadata spec template strategy rollingUpdate updateStrategy affinity nodeAffinity podAffinity "
    "podAntiAffinity labelSelector names service selector involvedObject regarding persistentVolumeClaim "
    "configMap secret claimRef serviceAllocation loadBalancer"
)
_OBJECTS = _names(
    "containers initContainers ephemeralContainers volumes env tolerations taints volumeClaimTemplates "
    "ownerReferences managedFields conditions matchExpressions matchFields nodeSelectorTerms webhooks "
    "versions imagePullSecrets ports volumeMounts subsets endpoints"
)
_STRINGS = _names("finalizers accessModes values clusterIPs ipFamilies podCIDRs shortNames categories")
_MAP = _names("labels annotations matchLabels nodeSelector data stringData binaryData parameters")
_STRING = _names(
    "name namespace generateName uid resourceVersion type kind apiVersion image nodeName key operator effect "
    "group version plural singular provisioner storageClassName volumeBindingMode reclaimPolicy claimName "
    "restartPolicy clusterIP loadBalancerIP loadBalancerClass topologyKey reason message podManagementPolicy "
    "serviceName priorityClassName podCIDR volumeName"
)
_INT = _names(
    "replicas parallelism completions backoffLimit revisionHistoryLimit progressDeadlineSeconds "
    "terminationGracePeriodSeconds nodePort containerPort hostPort ttlSecondsAfterFinished partition"
)
_BOOL = _names(
    "unschedulable hostNetwork suspend paused manualSelector allocateLoadBalancerNodePorts controller "
    "publishNotReadyAddresses blockOwnerDeletion served"
)
_SHARE = _names("maxUnavailable maxSurge")
_OPAQUE = _names("requests limits capacity allocatable fieldsV1 openAPIV3Schema raw") | _MAP
_METALLB: dict[str, frozenset[str]] = {
    "strings": _names("addresses ipAddressPools namespaces"),
    "objects": _names("ipAddressPoolSelectors namespaceSelectors serviceSelectors"),
    "bool": _names("autoAssign avoidBuggyIPs"),
    "int": _names("priority"),
}


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


_TESTS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "objects": lambda value: _is_list(value, dict),
    "strings": lambda value: _is_list(value, str),
    "map": lambda value: isinstance(value, dict) and _is_list(list(value.values()), str),
    "string": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "share": lambda value: re.fullmatch(r"\d+%?", str(value)) is not None,
}
_RULES: dict[str, str] = {
    name: kind
    for kind, names in {
        "object": _OBJECT,
        "objects": _OBJECTS,
        "strings": _STRINGS,
        "map": _MAP,
        "string": _STRING,
        "int": _INT,
        "bool": _BOOL,
        "share": _SHARE,
    }.items()
    for name in names
}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_RULES |= {
    f"nodeAffinity.{_REQUIRED}": "object",
    f"podAffinity.{_REQUIRED}": "objects",
    f"podAntiAffinity.{_REQUIRED}": "objects",
}
_METALLB_RULES = {name: kind for kind, names in _METALLB.items() for name in names}


_EXCEPTIONS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("", re.compile(r"\.grpc\.service$")),
    ("", re.compile(r"\.volumes\[\d+\]\.image$")),
    ("Node", re.compile(r"^\.status\.images\[\d+\]\.names$")),
    ("IngressClass", re.compile(r"^\.spec\.controller$")),
    ("ControllerRevision", re.compile(r"^\.data$")),
    ("CustomResourceDefinition", re.compile(r"^\.spec\.conversion\.strategy$")),
)
"""Kind (or any) and field."""


def without_nulls(value: Any) -> Any:
    """A copy in which no key holds null: to Go, null is the same as nothing."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def check(rtype: ResourceType, obj: Json) -> None:
    """Check the types of an object's fields.

    Args:
        rtype: The resource. Of custom resources only metadata and spec are looked at, except MetalLB's.
        obj: The object.

    Raises:
        ApiError: 400, naming the field.
    """
    if not rtype.custom:
        _walk(rtype, obj, "", _RULES)
        _check_service(rtype, obj)
        return
    _walk(rtype, {"metadata": obj["metadata"]}, "", _RULES)
    for part in ("spec", "status"):
        if rtype.group == "metallb.io" and part in obj:
            if not isinstance(obj[part], dict):
                raise _mismatch(rtype, f".{part}", "object")
            _walk(rtype, obj[part], f".{part}", {**_RULES, **_METALLB_RULES})


def _walk(rtype: ResourceType, obj: Json, where: str, rules: dict[str, str]) -> None:
    for name, value in obj.items():
        here = f"{where}.{name}"
        kind = rules.get(f"{where.rpartition('.')[2]}.{name}") or rules.get(name)
        if kind is not None and not _TESTS[kind](value) and not _is_exception(rtype, here):
            raise _mismatch(rtype, here, kind)
        if name in _OPAQUE:
            continue
        if isinstance(value, dict):
            _walk(rtype, value, here, rules)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    _walk(rtype, item, f"{here}[{index}]", rules)


def _is_exception(rtype: ResourceType, field: str) -> bool:
    """Fields that are named like others and have another type."""
    return any(rtype.kind == kind or not kind for kind, pattern in _EXCEPTIONS if pattern.search(field))


def _check_service(rtype: ResourceType, obj: Json) -> None:
    if rtype.storage != ("", "services"):
        return
    if not _TESTS["map"]((obj.get("spec") or {}).get("selector", {})):
        raise _mismatch(rtype, ".spec.selector", "map")
    for index, port in enumerate((obj.get("spec") or {}).get("ports") or ()):
        if not _TESTS["int"](port.get("port")):
            raise _mismatch(rtype, f".spec.ports[{index}].port", "int")


def _mismatch(rtype: ResourceType, where: str, kind: str) -> ApiError:
    start = f'{rtype.kind} in version "{rtype.version}" cannot be handled as a {rtype.kind}: '
    return bad_request(f"{start}json: cannot unmarshal into Go struct field {where} of type {kind}")
