"""Discovery documents: what kubectl, the dynamic client and kubernetes.core ask first."""

from __future__ import annotations

import base64
import hashlib

from wizards.practice.api.resources import Registry, ResourceType
from wizards.practice.api.values import Json

_SUB_KINDS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "scale": ("autoscaling", "v1", "Scale", ("get", "patch", "update")),
    "eviction": ("policy", "v1", "Eviction", ("create",)),
}
_SUB_VERBS: dict[str, tuple[str, ...]] = {
    "log": ("get",),
    "finalize": ("update",),
    "approval": ("get", "patch", "update"),
    "status": ("get", "patch", "update"),
}


def core_versions(server: str) -> Json:
    """The answer to `/api`.

    Args:
        server: Host and port as the client sees them.
    """
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
    }


def _group(name: str, versions: list[str]) -> Json:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def group_list(registry: Registry) -> Json:
    """The answer to `/apis`."""
    groups = [_group(name, versions) for name, versions in registry.groups().items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> Json | None:
    """The answer to `/apis/<group>`, or None for an unknown group."""
    versions = registry.groups().get(name)
    if versions is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def resource_list(registry: Registry, group_name: str, version: str) -> Json | None:
    """The answer to `/api/v1` and `/apis/<group>/<version>`, or None where nothing is served."""
    entries: list[Json] = []
    for rtype in registry.of_version(group_name, version):
        entries.append(_entry(rtype))
        entries.extend(_subresource(rtype, name) for name in rtype.subresources)
    if not entries:
        return None
    group_version = f"{group_name}/{version}" if group_name else version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": entries,
    }


def _entry(rtype: ResourceType) -> Json:
    entry: Json = {
        "name": rtype.plural,
        "singularName": rtype.singular,
        "namespaced": rtype.namespaced,
        "kind": rtype.kind,
        "verbs": list(rtype.verbs),
    }
    if rtype.short_names:
        entry["shortNames"] = list(rtype.short_names)
    if rtype.categories:
        entry["categories"] = list(rtype.categories)
    if not rtype.review:
        digest = hashlib.sha256("/".join(rtype.storage).encode()).digest()
        entry["storageVersionHash"] = base64.b64encode(digest[:8]).decode()
    return entry


def _subresource(rtype: ResourceType, name: str) -> Json:
    entry: Json = {"name": f"{rtype.plural}/{name}", "singularName": "", "namespaced": rtype.namespaced}
    if name in _SUB_KINDS:
        group_name, version, kind, verbs = _SUB_KINDS[name]
        return {**entry, "group": group_name, "version": version, "kind": kind, "verbs": list(verbs)}
    return {**entry, "kind": rtype.kind, "verbs": list(_SUB_VERBS[name])}
