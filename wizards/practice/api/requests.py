"""Reading a request: what its path means, which form of answer it takes, what its body holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from wizards.practice.api.errors import bad_request, not_acceptable, unsupported_media
from wizards.practice.api.resources import Registry, ResourceType
from wizards.practice.api.selectors import Filter, parse_fields, parse_labels
from wizards.practice.api.store import Deletion
from wizards.practice.api.values import Json

_OFFERED = ("application/json", "application/yaml")
_LOOSE_BODY = {"", "*/*", "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Target:
    """What a path below `/api/v1` or `/apis/<group>/<version>` names.

    Attributes:
        rtype: The resource.
        namespace: None in a path without namespace.
        name: Empty for the collection.
        subresource: Such as `status`; empty for the object itself.
    """

    rtype: ResourceType
    namespace: str | None
    name: str
    subresource: str

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name, as objects are kept."""
        return (self.namespace or "", self.name)


def read_path(registry: Registry, path: str) -> Target | None:
    """What a path names, or None when nothing is served there."""
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "v1"]:
        group, version, rest = "", "v1", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace: str | None = None
    own = group == "" and rest[2:] in (["status"], ["finalize"])
    if rest[:1] == ["namespaces"] and len(rest) > 2 and not own:
        namespace, rest = rest[1], rest[2:]
    rtype = registry.find(group, version, rest[0]) if rest else None
    if rtype is None or len(rest) > 3 or (namespace is not None and not rtype.namespaced):
        return None
    name, subresource = rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else ""
    if name and rtype.namespaced and namespace is None:
        return None
    if subresource and subresource not in rtype.subresources:
        return None
    return Target(rtype, namespace, name, subresource)


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is to be written.

    Attributes:
        view: `object`, `partial` (metadata only) or `table`.
        yaml: YAML in place of JSON.
    """

    view: str = "object"
    yaml: bool = False


def read_accept(accept: str) -> Form:
    """The first form in an Accept header that can be made; protobuf cannot.

    Raises:
        ApiError: 406.
    """
    if not accept.strip():
        return Form()
    for item in accept.split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        values = dict(part.partition("=")[::2] for part in parameters)
        if media in {"*/*", "application/*", "application/json"}:
            view = {
                None: "object",
                "Table": "table",
                "PartialObjectMetadata": "partial",
                "PartialObjectMetadataList": "partial",
            }.get(values.get("as"))
            if view is not None and values.get("v", "v1") == "v1":
                return Form(view)
        elif media == "application/yaml" and "as" not in values:
            return Form(yaml=True)
    raise not_acceptable(_OFFERED)


def read_body(content_type: str, body: bytes) -> Any:
    """The JSON value in a body, which may be written as YAML.

    Raises:
        ApiError: 400 when it cannot be read, 415 for protobuf and other forms.
    """
    media = content_type.partition(";")[0].strip()
    if media not in _LOOSE_BODY and not media.endswith(("json", "yaml")):
        raise unsupported_media(_OFFERED)
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        if not media.endswith("yaml"):
            raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    try:
        return yaml.safe_load(body)
    except (yaml.YAMLError, RecursionError) as error:
        raise bad_request(f"error parsing YAML: {error}") from error


def read_object(rtype: ResourceType, value: Any, target: Target) -> Json:
    """Check that a body is an object of the resource that the path names.

    Raises:
        ApiError: 400.
    """
    if not isinstance(value, dict):
        raise bad_request("the body is not an object")
    for field, wanted in (("apiVersion", rtype.api_version), ("kind", rtype.kind)):
        given = value.setdefault(field, wanted)
        if given != wanted:
            message = f"{field} {given!r} of the object does not match the expected {wanted!r}"
            raise bad_request(f"the object provided is unrecognized: {message}")
    metadata = value.setdefault("metadata", {})
    if not isinstance(metadata, dict) or not isinstance(value.get("spec") or {}, dict):
        raise bad_request("json: cannot unmarshal into an object: metadata and spec must be objects")
    if rtype.namespaced:
        namespace = metadata.setdefault("namespace", target.namespace)
        if namespace != target.namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
    if target.name and metadata.setdefault("name", target.name) != target.name:
        message = (
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
        )
        raise bad_request(message)
    return value


def read_filter(target: Target, query: dict[str, str]) -> Filter:
    """Namespace and selectors of a list, watch or deletecollection.

    Raises:
        ApiError: 400.
    """
    fields = parse_fields(query.get("fieldSelector", ""), target.rtype)
    return Filter(target.namespace, parse_labels(query.get("labelSelector", "")), fields)


def read_dry_run(query: dict[str, str]) -> bool:
    """Whether `dryRun=All` is asked for.

    Raises:
        ApiError: 400 for another value.
    """
    value = query.get("dryRun", "")
    if value not in {"", "All"}:
        raise bad_request(f'Invalid value: "{value}": dryRun must be All')
    return value == "All"


def read_deletion(query: dict[str, str], body: Any) -> Deletion:
    """DeleteOptions, from the body or the query; the body has precedence.

    Raises:
        ApiError: 400.
    """
    options: Json = body if isinstance(body, dict) else {}
    grace = options.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    policy = options.get("propagationPolicy") or query.get("propagationPolicy")
    orphan = options.get("orphanDependents", query.get("orphanDependents"))
    if orphan in {True, "true"}:
        policy = policy or "Orphan"
    policy = policy or "Background"
    if policy not in {"Background", "Foreground", "Orphan"}:
        raise bad_request(f'invalid propagationPolicy "{policy}"')
    if grace is not None and not str(grace).isdigit():
        raise bad_request(f"invalid gracePeriodSeconds {grace!r}")
    conditions: Json = options.get("preconditions") or {}
    dry_run = options.get("dryRun") == ["All"] or read_dry_run(query)
    return Deletion(
        grace=None if grace is None else int(grace),
        policy=policy,
        uid=conditions.get("uid"),
        rv=conditions.get("resourceVersion"),
        dry_run=dry_run,
    )


def read_limit(query: dict[str, str]) -> int:
    """The `limit` of a list; 0 for none.

    Raises:
        ApiError: 400.
    """
    text = query.get("limit", "") or "0"
    if not text.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)
