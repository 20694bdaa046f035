"""Server-side apply: who owns which field, and what follows from it.

The field sets are those of `managedFields` (FieldsV1): a leaf is a path of segments such as
`f:spec`, `k:{"name":"web"}` (an element of a list with keys), `v:"x"` (an element of a set) and `.`
(the element itself). Inside this module a set is a Python set of such paths.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from wizards.practice.api.errors import ApiError
from wizards.practice.api.resources import ResourceType
from wizards.practice.api.values import Json, clone, dig, timestamp

Path = tuple[str, ...]
ListKeys = Callable[[Path], tuple[str, ...] | None]
"""For a list at a path of field names: the keys of its elements, () for a set, None when it is one value."""

_POD_LISTS = {"containers", "initContainers", "ephemeralContainers"}
_KEYED = {
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
    "webhooks": ("name",),
    "finalizers": (),
}
_NEVER_OWNED = {
    *(("f:metadata", f"f:{name}") for name in ("name", "namespace", "uid", "resourceVersion", "generation")),
    *(("f:metadata", f"f:{name}") for name in ("creationTimestamp", "managedFields", "selfLink")),
    *(("f:metadata", f"f:{name}") for name in ("deletionTimestamp", "generateName")),
}


def builtin_list_keys(path: Path) -> tuple[str, ...] | None:
    """The listType tags of `k8s.io/api`."""
    name = path[-1]
    if name == "ports" and len(path) > 1 and path[-2] in _POD_LISTS:
        return ("containerPort", "protocol")
    if path == ("spec", "ports"):
        return ("port", "protocol")
    return ("name",) if name in _POD_LISTS else _KEYED.get(name)


def list_keys_of(rtype: ResourceType) -> ListKeys:
    """The list keys for a resource: from its schema when a CRD brought it."""
    if not rtype.custom:
        return builtin_list_keys
    schema = rtype.schema or {}

    def lookup(path: Path) -> tuple[str, ...] | None:
        if path[0] == "metadata":
            return builtin_list_keys(path)
        here = _schema_at(schema, path)
        kind = here.get("x-kubernetes-list-type", "atomic")
        if kind == "map":
            return tuple(here.get("x-kubernetes-list-map-keys") or ()) or None
        return () if kind == "set" else None

    return lookup


def _schema_at(schema: Json, path: Path) -> Json:
    for name in path:
        below = dig(schema, "properties", name) or schema.get("additionalProperties")
        if not isinstance(below, dict):
            below = dig(schema, "items", "properties", name)
        if not isinstance(below, dict):
            return {}
        schema = below
    return schema


def field_set(obj: Json, keys: ListKeys) -> set[Path]:
    """All leaves of an object that somebody can own."""
    found = set(_leaves(obj, (), (), keys))
    return {
        path
        for path in found
        if path[0] not in {"f:apiVersion", "f:kind"}
        and path[:2] not in _NEVER_OWNED
        and path != ("f:metadata",)
    }


def _leaves(value: Any, path: Path, names: Path, keys: ListKeys) -> Iterable[Path]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(item, (*path, f"f:{name}"), (*names, name), keys)
        return
    if isinstance(value, list) and value:
        element_keys = keys(names)
        if element_keys is not None:
            for item in value:
                yield from _element_leaves(item, path, names, keys)
            return
    yield path


def _element_leaves(item: Any, path: Path, names: Path, keys: ListKeys) -> Iterable[Path]:
    element = (*path, _segment(item, keys(names) or ()))
    if not isinstance(item, dict):
        yield element
        return
    yield (*element, ".")
    for name, value in item.items():
        yield from _leaves(value, (*element, f"f:{name}"), (*names, name), keys)


def _segment(item: Any, element_keys: tuple[str, ...]) -> str:
    if not isinstance(item, dict):
        return "v:" + json.dumps(item)
    identity = {key: item[key] for key in element_keys if key in item}
    if "protocol" in element_keys:
        identity.setdefault("protocol", "TCP")  # the schema's default counts as part of the key
    return "k:" + json.dumps(identity, sort_keys=True, separators=(",", ":"))


def to_fields_v1(paths: Iterable[Path]) -> Json:
    """A set as `managedFields[].fieldsV1` writes it."""
    tree: Json = {}
    for path in sorted(paths):
        here = tree
        for segment in path:
            here = here.setdefault(segment, {})
    return tree


def from_fields_v1(tree: Json, path: Path = ()) -> set[Path]:
    """Read `managedFields[].fieldsV1` back."""
    if not tree:
        return {path} if path else set()
    return {leaf for segment, below in tree.items() for leaf in from_fields_v1(below, (*path, segment))}


_MISSING = object()


def _step(value: Any, segment: str) -> Any:
    kind, _, rest = segment.partition(":")
    if segment == ".":
        return value
    if kind == "f":
        return value.get(rest, _MISSING) if isinstance(value, dict) else _MISSING
    if not isinstance(value, list):
        return _MISSING
    wanted = json.loads(rest)
    if kind == "v":
        return wanted if wanted in value else _MISSING
    return next((item for item in value if _has_keys(item, wanted)), _MISSING)


def _has_keys(item: Any, wanted: Json) -> bool:
    if not isinstance(item, dict):
        return False
    return all(item.get(key, "TCP" if key == "protocol" else None) == value for key, value in wanted.items())


def value_at(obj: Any, path: Path) -> Any:
    """The value at a leaf; a marker object of this module where there is none."""
    for segment in path:
        obj = _step(obj, segment)
        if obj is _MISSING:
            return _MISSING
    return True if path and path[-1] == "." else obj


def _remove_all(obj: Json, lost: set[Path], held: set[Path]) -> None:
    """Take out what nobody holds any more: whole list elements first, then single fields."""
    for path in sorted(lost, key=lambda path: (path[-1] != ".", -len(path))):
        stem = path[:-1] if path[-1] == "." else path
        if not any(other[: len(stem)] == stem for other in held) and not _is_identity(path):
            _remove(obj, stem, held)


def _is_identity(path: Path) -> bool:
    """Whether a leaf is a key of its list element: it goes with the element or not at all."""
    return len(path) > 1 and path[-2].startswith("k:") and path[-1][2:] in json.loads(path[-2][2:])


def _remove(obj: Any, path: Path, held: set[Path]) -> None:
    parents = [obj]
    for segment in path[:-1]:
        below = _step(parents[-1], segment)
        if below is _MISSING:
            return
        parents.append(below)
    for depth in range(len(path) - 1, -1, -1):
        _drop(parents[depth], path[depth])
        if parents[depth] or path[:depth] in held:  # empty parents go too, as omitempty makes them vanish
            return


def _drop(parent: Any, segment: str) -> None:
    kind, _, rest = segment.partition(":")
    if kind == "f" and isinstance(parent, dict):
        parent.pop(rest, None)
    elif kind == "k" and isinstance(parent, list):
        wanted = json.loads(rest)
        parent[:] = [item for item in parent if not _has_keys(item, wanted)]
    elif kind == "v" and isinstance(parent, list):
        parent[:] = [item for item in parent if item != json.loads(rest)]


def _merge(live: Any, applied: Any, names: Path, keys: ListKeys) -> Any:
    if isinstance(applied, dict):
        result: Json = dict(live) if isinstance(live, dict) else {}
        for name, value in applied.items():
            if value is not None:
                result[name] = _merge(result.get(name), value, (*names, name), keys)
        return result
    element_keys = keys(names) if isinstance(applied, list) else None
    if element_keys is None or not isinstance(live, list):
        return clone(applied)
    merged = list(live)
    for item in applied:
        segment = _segment(item, element_keys)
        places = [index for index, old in enumerate(merged) if _segment(old, element_keys) == segment]
        if places:
            merged[places[0]] = _merge(merged[places[0]], item, names, keys)
        else:
            merged.append(clone(item))
    return merged


def apply(rtype: ResourceType, live: Json | None, applied: Json, *, manager: str, force: bool) -> Json:
    """Server-side apply.

    Args:
        rtype: The resource, for its list keys and the text of a conflict.
        live: The object as it is; None when it does not exist yet.
        applied: What the manager wants to be so, all that it wants.
        manager: The field manager's name.
        force: Take over fields that others own.

    Returns:
        The new object with its `managedFields`.

    Raises:
        ApiError: 409 with one cause for each field that another manager holds at another value.
    """
    keys = list_keys_of(rtype)
    applied = clone(applied)
    applied.get("metadata", {}).pop("managedFields", None)
    wanted = field_set(applied, keys)
    entries: list[Json] = clone(dig(live, "metadata", "managedFields")) or []
    others = [entry for entry in entries if not _is_mine(entry, manager)]
    mine = [entry for entry in entries if _is_mine(entry, manager)]
    before = from_fields_v1(mine[0]["fieldsV1"]) if mine else set()
    _settle_conflicts(live or {}, applied, wanted, others, force=force)
    result: Json = _merge(clone(live or {}), applied, (), keys)
    kept = {path for entry in others for path in from_fields_v1(entry["fieldsV1"])}
    _remove_all(result, before - wanted - kept, wanted | kept)
    moment = mine[0]["time"] if mine and before == wanted else timestamp()
    others = [entry for entry in others if entry["fieldsV1"]]
    others.append(_entry(rtype, manager, "Apply", wanted, moment))
    result["metadata"]["managedFields"] = others
    return result


def _is_mine(entry: Json, manager: str) -> bool:
    return entry["manager"] == manager and entry["operation"] == "Apply" and not entry.get("subresource")


def _entry(rtype: ResourceType, manager: str, operation: str, paths: set[Path], moment: str) -> Json:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": rtype.api_version,
        "time": moment,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields_v1(paths),
    }


def _settle_conflicts(
    live: Json, applied: Json, wanted: set[Path], others: list[Json], *, force: bool
) -> None:
    causes: list[tuple[str, Json]] = []
    for entry in others:
        held = from_fields_v1(entry["fieldsV1"])
        disputed = {p for p in held & wanted if p[-1] != "." and value_at(live, p) != value_at(applied, p)}
        if force:
            entry["fieldsV1"] = to_fields_v1(held - disputed)
            continue
        for path in sorted(disputed):
            owner = f'conflict with "{entry["manager"]}" using {entry["apiVersion"]}'
            causes.append(
                (owner, {"reason": "FieldManagerConflict", "message": owner, "field": readable(path)})
            )
    if causes:
        lines = ", ".join(f"{owner}: {cause['field']}" for owner, cause in causes)
        plural = "s" if len(causes) > 1 else ""
        message = f"Apply failed with {len(causes)} conflict{plural}: {lines}"
        raise ApiError(409, "Conflict", message, details={"causes": [cause for _, cause in causes]})


def readable(path: Path) -> str:
    """A leaf as error messages write it: `.spec.containers[name="web"].image`."""
    text = ""
    for segment in path:
        kind, _, rest = segment.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            text += "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in json.loads(rest).items()) + "]"
        elif kind == "v":
            text += f"[={rest}]"
    return text


def track_update(rtype: ResourceType, old: Json | None, new: Json, *, manager: str) -> None:
    """Note in `managedFields` what an ordinary write changed; it takes those fields from their owners.

    Args:
        rtype: The resource, for its list keys.
        old: The object before the write, None for a new one.
        new: The object after it, changed in place.
        manager: The field manager's name.
    """
    keys = list_keys_of(rtype)
    after = {path for path in field_set(new, keys) if path[0] != "f:status"}
    changed = {path for path in after if value_at(old, path) != value_at(new, path)}
    entries: list[Json] = []
    mine: set[Path] = set()
    for entry in clone(dig(new, "metadata", "managedFields")) or ():
        held = from_fields_v1(entry["fieldsV1"])
        if entry["manager"] == manager and entry["operation"] == "Update" and not entry.get("subresource"):
            mine |= held & after
            continue
        entry["fieldsV1"] = to_fields_v1((held & after) - changed)
        if entry["fieldsV1"]:
            entries.append(entry)
    if mine | changed:
        entries.append(_entry(rtype, manager, "Update", mine | changed, timestamp()))
    if entries:
        new["metadata"]["managedFields"] = entries
