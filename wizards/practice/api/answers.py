"""Answers as bytes: single objects, pages of lists, and the lines of a watch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import yaml

from wizards.practice.api import views
from wizards.practice.api.paging import Page
from wizards.practice.api.requests import Form
from wizards.practice.api.resources import ResourceType
from wizards.practice.api.tables import Entry
from wizards.practice.api.values import Json


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    code: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def text(body: str, code: int = 200) -> Answer:
    """Plain text."""
    return Answer(code, body.encode(), "text/plain; charset=utf-8")


def dumps(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def encode(form: Form, obj: Json, rtype: ResourceType | None = None, *, code: int = 200) -> Answer:
    """One object.

    Args:
        form: How to write it.
        obj: The object.
        rtype: Its resource, where it may be shown as metadata or as a table.
        code: The HTTP status.
    """
    if rtype is not None:
        obj = _viewed(form, rtype, obj)
    if form.yaml:
        return Answer(code, yaml.safe_dump(obj, sort_keys=False).encode(), "application/yaml")
    return Answer(code, dumps(obj))


def _viewed(form: Form, rtype: ResourceType, obj: Json) -> Json:
    if form.view == "partial":
        return views.partial(obj)
    if form.view == "table":
        return views.table(rtype, [obj], {"resourceVersion": obj["metadata"].get("resourceVersion", "")})
    return obj


def encode_page(form: Form, rtype: ResourceType, page: Page, *, include: str = "Metadata") -> Answer:
    """A page of a list. Items of built-in resources carry neither kind nor apiVersion, as in Kubernetes.

    Args:
        form: How to write it.
        rtype: The resource.
        page: The entries.
        include: For tables: what to send with each row.
    """
    metadata: Json = {"resourceVersion": str(page.rv)}
    if page.token:
        metadata["continue"] = page.token
    if page.remaining is not None:
        metadata["remainingItemCount"] = page.remaining
    if form.view == "table":
        objects = [views.present(rtype, dict(entry.obj)) for entry in page.entries]
        return Answer(200, dumps(views.table(rtype, objects, metadata, include=include)))
    kind, api_version = rtype.list_kind, rtype.api_version
    if form.view == "partial":
        kind, api_version = "PartialObjectMetadataList", "meta.k8s.io/v1"
    head = dumps({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    body = head[:-1] + b',"items":[' + b",".join(map(_item(form, rtype), page.entries)) + b"]}"
    if form.yaml:
        return Answer(200, yaml.safe_dump(json.loads(body), sort_keys=False).encode(), "application/yaml")
    return Answer(200, body)


def _item(form: Form, rtype: ResourceType) -> Callable[[Entry], bytes]:
    if form.view == "partial":
        return lambda entry: dumps({"metadata": entry.obj["metadata"]})
    if views.converts(rtype):
        return lambda entry: dumps(_bare(views.present(rtype, dict(entry.obj))))
    if rtype.custom:
        return lambda entry: entry.full(rtype.api_version, rtype.kind)
    return lambda entry: entry.bare


def _bare(obj: Json) -> Json:
    return {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}


def renderer(form: Form, rtype: ResourceType) -> Callable[[Entry], bytes]:
    """How the object of a watch event is written."""
    if form.view != "object":
        return lambda entry: dumps(_viewed(form, rtype, views.present(rtype, dict(entry.obj))))
    if views.converts(rtype):
        return lambda entry: dumps(views.present(rtype, dict(entry.obj)))
    return lambda entry: entry.full(rtype.api_version, rtype.kind)
