"""What an API server checks and allots before it stores an object.

Beside names and selectors these are the rules of MetalLB's validating webhook (v0.16.1) on address
pools, with its wording, because a dry run against them is how a pool edit is tried before it is made.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from wizards.practice.api import addresses, defaults, selectors
from wizards.practice.api.errors import ApiError, bad_request, invalid
from wizards.practice.api.resources import ResourceType, Storage
from wizards.practice.api.values import Json, dig

if TYPE_CHECKING:
    from wizards.practice.api.tables import Entry

SERVICE_NETWORK = ipaddress.IPv4Network("10.233.0.0/18")
"""Kubespray's default `kube_service_addresses`."""

NODE_PORTS = range(30000, 32768)

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_WITH_TEMPLATE = {"deployments", "replicasets", "daemonsets", "statefulsets"}
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character"
)

Cause = tuple[str, str, str]


class Surroundings(Protocol):
    """What admission needs to see of the other objects."""

    def entries(self, storage: Storage) -> Iterable[Entry]:
        """All objects of one resource."""


def admit(rtype: ResourceType, obj: Json, old: Json | None, around: Surroundings) -> None:
    """Fill in defaults, allot addresses, and check.

    Args:
        rtype: The resource.
        obj: The object to be stored, changed in place.
        old: Its present state, None when it is new.
        around: The other objects.

    Raises:
        ApiError: 422 with one cause for each broken rule; 400 or 403 in a webhook's name.
    """
    if rtype.custom:
        defaults.apply_schema(rtype.schema, obj)
    else:
        defaults.apply_defaults(rtype.storage, obj)
    causes = [*_metadata_faults(rtype, obj), *_spec_faults(rtype, obj, old)]
    if causes:
        raise invalid(rtype, obj["metadata"].get("name", ""), causes)
    if rtype.storage == ("", "services"):
        _allot_service(obj, old, around)
    elif rtype.storage == ("", "persistentvolumeclaims") and old is None:
        _default_class(obj, around)
    elif rtype.storage == ("metallb.io", "ipaddresspools"):
        _check_pool(obj, around)


def _metadata_faults(rtype: ResourceType, obj: Json) -> Iterable[Cause]:
    metadata = obj["metadata"]
    name = metadata["name"]
    if rtype.group == "rbac.authorization.k8s.io" or rtype.plural == "apiservices":
        if name in {".", ".."} or "/" in name or "%" in name:
            yield (
                "metadata.name",
                "FieldValueInvalid",
                f"Invalid value: {name!r}: may not be used in a path",
            )
    elif rtype.plural == "namespaces" and not (_LABEL.fullmatch(name) and len(name) <= 63):
        yield ("metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": must be an RFC 1123 label')
    elif not _SUBDOMAIN.fullmatch(name) or len(name) > 253:
        yield ("metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": {_SUBDOMAIN_RULE}')
    for key, value in (metadata.get("labels") or {}).items():
        if not _LABEL_KEY.fullmatch(str(key)):
            yield ("metadata.labels", "FieldValueInvalid", f'Invalid value: "{key}": not a qualified name')
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            yield ("metadata.labels", "FieldValueInvalid", f'Invalid value: "{value}": not a label value')
    for key, value in (metadata.get("annotations") or {}).items():
        if not isinstance(value, str):
            yield (f"metadata.annotations[{key}]", "FieldValueTypeInvalid", "must be a string")


def _spec_faults(rtype: ResourceType, obj: Json, old: Json | None) -> Iterable[Cause]:
    if rtype.group == "apps" and rtype.plural in _WITH_TEMPLATE:
        yield from _template_faults(obj, old)
    elif rtype.storage == ("", "pods"):
        yield from _container_faults(obj.get("spec") or {}, "spec")
    elif rtype.storage == ("apiextensions.k8s.io", "customresourcedefinitions"):
        yield from _crd_faults(obj)
    elif rtype.storage == ("", "nodes"):
        for index, taint in enumerate(dig(obj, "spec", "taints") or ()):
            for field in ("key", "effect"):
                if not taint.get(field):
                    yield (f"spec.taints[{index}].{field}", "FieldValueRequired", "Required value")
    elif rtype.storage == ("storage.k8s.io", "storageclasses") and not obj.get("provisioner"):
        yield ("provisioner", "FieldValueRequired", "Required value")


def _template_faults(obj: Json, old: Json | None) -> Iterable[Cause]:
    spec = obj["spec"]
    if int(spec.get("replicas", 0)) < 0:
        yield ("spec.replicas", "FieldValueInvalid", "Invalid value: must be greater than or equal to 0")
    requirements = selectors.from_object(spec.get("selector"))
    if not requirements:
        yield ("spec.selector", "FieldValueRequired", "Required value")
    elif not selectors.select(requirements, dig(spec, "template", "metadata", "labels")):
        message = "Invalid value: `selector` does not match template `labels`"
        yield ("spec.template.metadata.labels", "FieldValueInvalid", message)
    elif old is not None and dig(old, "spec", "selector") != spec.get("selector"):
        yield ("spec.selector", "FieldValueInvalid", "Invalid value: field is immutable")
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        if not dig(claim, "metadata", "name"):
            where = f"spec.volumeClaimTemplates[{index}].metadata.name"
            yield (where, "FieldValueRequired", "Required value")
    yield from _container_faults(spec["template"]["spec"], "spec.template.spec")


def _container_faults(spec: Json, where: str) -> Iterable[Cause]:
    containers = spec.get("containers")
    if not containers:
        yield (f"{where}.containers", "FieldValueRequired", "Required value")
        return
    seen: set[str] = set()
    for index, container in enumerate([*containers, *(spec.get("initContainers") or ())]):
        name = container.get("name")
        if not name:
            yield (f"{where}.containers[{index}].name", "FieldValueRequired", "Required value")
        elif name in seen:
            yield (f"{where}.containers[{index}].name", "FieldValueDuplicate", f'Duplicate value: "{name}"')
        seen.add(name or "")


def _crd_faults(obj: Json) -> Iterable[Cause]:
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    for field in ("group", "scope", "versions"):
        if not spec.get(field):
            yield (f"spec.{field}", "FieldValueRequired", "Required value")
    for field in ("plural", "kind"):
        if not names.get(field):
            yield (f"spec.names.{field}", "FieldValueRequired", "Required value")
    expected = f"{names.get('plural')}.{spec.get('group')}"
    if obj["metadata"]["name"] != expected:
        message = f'Invalid value: "{obj["metadata"]["name"]}": must be spec.names.plural+"."+spec.group'
        yield ("metadata.name", "FieldValueInvalid", message)
    stored = [version for version in spec.get("versions") or () if version.get("storage")]
    if not all(version.get("name") for version in spec.get("versions") or ()):
        yield ("spec.versions[].name", "FieldValueRequired", "Required value")
    if len(stored) != 1:
        message = "must have exactly one version marked as storage version"
        yield ("spec.versions", "FieldValueInvalid", f"Invalid value: {message}")


def _allot_service(obj: Json, old: Json | None, around: Surroundings) -> None:
    spec = obj["spec"]
    if spec["type"] == "ExternalName":
        return
    before = dig(old, "spec") or {}
    key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
    others = [entry.obj["spec"] for entry in around.entries(("", "services")) if entry.key != key]
    if not spec.get("clusterIP"):
        spec["clusterIP"] = before.get("clusterIP") or _free_cluster_ip(others)
    defaults.fill(spec, {"clusterIPs": [spec["clusterIP"]]})
    if spec["type"] not in {"NodePort", "LoadBalancer"}:
        return
    if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        return
    held = {(port.get("name"), port["port"]): port.get("nodePort") for port in before.get("ports") or ()}
    used = {port.get("nodePort") for other in others for port in other.get("ports") or ()}
    for port in spec.get("ports") or ():
        if not port.get("nodePort"):
            kept = held.get((port.get("name"), port["port"]))
            port["nodePort"] = kept or next(number for number in NODE_PORTS if number not in used)
        used.add(port["nodePort"])


def _free_cluster_ip(others: list[Json]) -> str:
    used = {other.get("clusterIP") for other in others}
    # The lowest 256 addresses are kept for those who ask by number: kubernetes .1, cluster DNS .3.
    for offset in [*range(256, SERVICE_NETWORK.num_addresses - 1), *range(1, 256)]:
        address = str(SERVICE_NETWORK.network_address + offset)
        if address not in used:
            return address
    raise ApiError(
        500, "InternalError", "Internal error occurred: failed to allocate a serviceIP: range is full"
    )


def _default_class(obj: Json, around: Surroundings) -> None:
    if obj["spec"].get("storageClassName") is not None:
        return
    for entry in around.entries(("storage.k8s.io", "storageclasses")):
        annotations = entry.obj["metadata"].get("annotations") or {}
        if annotations.get("storageclass.kubernetes.io/is-default-class") == "true":
            obj["spec"]["storageClassName"] = entry.obj["metadata"]["name"]


def _check_pool(obj: Json, around: Surroundings) -> None:
    name = obj["metadata"]["name"]
    ranges = dig(obj, "spec", "addresses") or []
    if not ranges:
        raise _denied(f"parsing address pool {name}: pool has no prefixes defined")
    try:
        blocks = [block for text in ranges for block in addresses.blocks(text)]
    except ValueError as error:
        raise _denied(f"parsing address pool {name}: {error}") from error
    defined: list[addresses.Network] = []
    for entry in around.entries(("metallb.io", "ipaddresspools")):
        if entry.obj["metadata"]["name"] != name:
            defined += addresses.Ranges.parse(dig(entry.obj, "spec", "addresses") or ()).blocks
    for block in blocks:
        clash = next((other for other in defined if addresses.overlap(block, other)), None)
        if clash is not None:
            raise _denied(f'CIDR "{block}" in pool "{name}" overlaps with already defined CIDR "{clash}"')
        defined.append(block)


def _denied(why: str) -> ApiError:
    hook = "ipaddresspoolvalidationwebhook.metallb.io"
    error = bad_request(f'admission webhook "{hook}" denied the request: {why}')
    return ApiError(403, "Forbidden", error.message, details={})


def same_content(one: Json, two: Json) -> bool:
    """Whether two states of an object differ only in what the server itself notes."""
    return _without_notes(one) == _without_notes(two)


def _without_notes(obj: Json) -> Json:
    metadata = {k: v for k, v in obj["metadata"].items() if k not in {"managedFields", "resourceVersion"}}
    return {**obj, "metadata": metadata}


def spec_of(obj: Json) -> Json:
    """What counts for `metadata.generation`: everything but metadata and status."""
    return {k: v for k, v in obj.items() if k not in {"metadata", "status", "kind", "apiVersion"}}
