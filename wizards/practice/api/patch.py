"""The three classic patch forms: JSON merge patch, JSON patch, strategic merge patch."""

from __future__ import annotations

from typing import Any

import jsonpatch
import jsonpointer

from wizards.practice.api.errors import ApiError, bad_request
from wizards.practice.api.values import Json, clone

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects are merged, everything else replaces."""
    if not isinstance(patch, dict):
        return clone(patch)
    result: Json = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: Json, operations: Any) -> Json:
    """RFC 6902.

    Raises:
        ApiError: 400 for what is no list of operations, 422 for one that cannot be carried out.
    """
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        result = jsonpatch.JsonPatch(operations).apply(clone(target))
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
        message = f"the server rejected our request due to an error in our request: {error}"
        raise ApiError(422, "Invalid", message, details={}) from error
    if not isinstance(result, dict):
        raise bad_request("the patch leaves something that is no object")
    return result


_POD_PARTS = {"containers", "initContainers", "ephemeralContainers"}
_BY_NAME = {*_POD_PARTS, "volumes", "imagePullSecrets", "env", "secrets", "webhooks", "resourceClaims"}
_MERGE_KEYS = {
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "ownerReferences": "uid",
    "conditions": "type",
    "podIPs": "ip",
    "hostIPs": "ip",
}
_MERGE_PATHS = {
    ("spec", "taints"): "key",
    ("spec", "ports"): "port",
    ("status", "addresses"): "type",
    ("status", "loadBalancer", "ingress"): "ip",
}
_PRIMITIVE_SETS = {"finalizers", "podCIDRs"}


def merge_key(path: tuple[str, ...]) -> str | None:
    """By which field the elements of a list are matched in a strategic merge; None replaces the list.

    Taken from the patchMergeKey tags of `k8s.io/api`.

    Args:
        path: Field names from the object's root down to the list, without list positions.
    """
    if path in _MERGE_PATHS:
        return _MERGE_PATHS[path]
    name = path[-1]
    if name == "ports" and path[-2] in _POD_PARTS:
        return "containerPort"
    return "name" if name in _BY_NAME else _MERGE_KEYS.get(name)


def strategic_merge(target: Json, patch: Json, path: tuple[str, ...] = ()) -> Json:
    """Merge as the API server does for built-in kinds.

    Lists with a merge key are merged element by element; `$patch: delete|replace|merge`,
    `$deleteFromPrimitiveList/…` and `$retainKeys` are understood, `$setElementOrder/…` is ignored.
    """
    if patch.get("$patch") == "replace":
        return {key: clone(value) for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    result = dict(target)
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        _merge_field(result, key, value, path)
    return result


def _merge_field(result: Json, key: str, value: Any, path: tuple[str, ...]) -> None:
    if key.startswith("$deleteFromPrimitiveList/"):
        name = key.partition("/")[2]
        result[name] = [item for item in result.get(name) or () if item not in value]
    elif key.startswith("$"):
        return
    elif value is None:
        result.pop(key, None)
    elif isinstance(value, dict):
        old = result.get(key)
        result[key] = strategic_merge(old if isinstance(old, dict) else {}, value, (*path, key))
    elif isinstance(value, list):
        result[key] = _merge_list(result.get(key), value, (*path, key))
    else:
        result[key] = value


def _merge_list(old: Any, patch: list[Any], path: tuple[str, ...]) -> list[Any]:
    if path[-1] in _PRIMITIVE_SETS and isinstance(old, list):
        return old + [item for item in patch if item not in old]
    key = merge_key(path)
    if key is None or not isinstance(old, list):
        return [clone(item) for item in patch if not (isinstance(item, dict) and "$patch" in item)]
    if {"$patch": "replace"} in patch:
        return [clone(item) for item in patch if item != {"$patch": "replace"}]
    result = list(old)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: does not contain declared merge key: {key}")
        _merge_element(result, item, key, path)
    return result


def _merge_element(result: list[Any], item: Json, key: str, path: tuple[str, ...]) -> None:
    places = [index for index, old in enumerate(result) if old.get(key) == item[key]]
    if item.get("$patch") == "delete":
        for index in reversed(places):
            del result[index]
    elif places:
        result[places[0]] = strategic_merge(result[places[0]], item, path)
    else:
        result.append({name: clone(value) for name, value in item.items() if name != "$patch"})
