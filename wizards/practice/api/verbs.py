"""The verbs on objects: get, list, create, update, patch, delete, deletecollection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from wizards.practice.api import apply, patch, requests, subresources, views
from wizards.practice.api.answers import Answer, encode, encode_page
from wizards.practice.api.errors import ApiError, method_not_allowed, not_found, unsupported_media
from wizards.practice.api.faults import Faults
from wizards.practice.api.paging import check_version
from wizards.practice.api.requests import Form, Target
from wizards.practice.api.resources import ResourceType
from wizards.practice.api.store import Deletion, Store
from wizards.practice.api.values import Json, clone

_PATCHES = (patch.JSON_PATCH, patch.MERGE, patch.STRATEGIC, patch.APPLY)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read as far as all verbs need it.

    Attributes:
        method: The HTTP method.
        target: What the path names.
        query: The URL's parameters.
        form: How to write the answer.
        content_type: Of the body, without parameters.
        body: The body.
        agent: The name in the User-Agent, the field manager unless the query names one.
    """

    method: str
    target: Target
    query: dict[str, str]
    form: Form
    content_type: str
    body: bytes
    agent: str

    @property
    def manager(self) -> str:
        """The field manager."""
        return self.query.get("fieldManager") or self.agent or "unknown"

    def value(self) -> Any:
        """The JSON value of the body."""
        return requests.read_body(self.content_type, self.body)


class Verbs:
    """Answers calls out of a store."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self.store = store
        self._subresources = subresources.Subresources(store, faults)
        self._object: dict[str, Callable[[Call], Answer]] = {
            "GET": self.get,
            "PUT": self.replace,
            "PATCH": self.patch,
            "DELETE": self.delete,
        }
        self._collection: dict[str, Callable[[Call], Answer]] = {
            "GET": self.list,
            "POST": self.create,
            "DELETE": self.delete_collection,
        }

    def answer(self, call: Call) -> Answer:
        """Carry out a call.

        Raises:
            ApiError: What goes wrong.
        """
        target = call.target
        if target.rtype.review:
            if call.method != "POST" or target.name:
                raise method_not_allowed()
            return encode(call.form, self._subresources.review(target.rtype, call.value()), code=201)
        if target.subresource not in {"", "status"}:
            return self._subresources.answer(call)
        verb = (self._object if target.name else self._collection).get(call.method)
        if verb is None:
            raise method_not_allowed()
        return verb(call)

    def get(self, call: Call) -> Answer:
        """One object."""
        entry = self.store.entry(call.target.rtype, *call.target.key)
        return encode(call.form, views.present(call.target.rtype, dict(entry.obj)), call.target.rtype)

    def list(self, call: Call) -> Answer:
        """A page of a list."""
        rtype, query = call.target.rtype, call.query
        wanted = requests.read_filter(call.target, query)
        limit, token = requests.read_limit(query), query.get("continue", "")
        if not token:
            version, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
            check_version(version, match, self.store.tables.rv, limited=limit > 0)
        page = self.store.pager.page(rtype.storage, wanted, limit=limit, token=token)
        return encode_page(call.form, rtype, page, include=query.get("includeObject", "Metadata"))

    def create(self, call: Call) -> Answer:
        """A new object."""
        rtype = call.target.rtype
        if rtype.namespaced and call.target.namespace is None:
            raise method_not_allowed()
        obj = requests.read_object(rtype, call.value(), call.target)
        dry_run = requests.read_dry_run(call.query)
        made = self.store.create(obj, dry_run=dry_run, manager=call.manager)
        return encode(call.form, made, rtype, code=201)

    def replace(self, call: Call) -> Answer:
        """An object, or its status, by another state."""
        rtype = call.target.rtype
        obj = requests.read_object(rtype, call.value(), call.target)
        return encode(call.form, self._update(call, obj), rtype)

    def _update(self, call: Call, obj: Json, *, track: bool = True) -> Json:
        return self.store.update(
            obj,
            subresource=call.target.subresource,
            dry_run=requests.read_dry_run(call.query),
            manager=call.manager if track else None,
        )

    def patch(self, call: Call) -> Answer:
        """An object changed by a patch; server-side apply also creates."""
        rtype, kind = call.target.rtype, call.content_type
        accepted = [item for item in _PATCHES if not (rtype.custom and item == patch.STRATEGIC)]
        if kind not in accepted:
            raise unsupported_media(accepted)
        value = call.value()
        if kind == patch.APPLY:
            return self._apply(call, value)
        entry = self.store.entry(rtype, *call.target.key)
        before = views.present(rtype, clone(entry.obj))
        try:
            obj = _patched(kind, before, value)
        except (AttributeError, TypeError, KeyError, IndexError) as error:  # shapes that do not fit
            raise ApiError(400, "BadRequest", f"the patch does not fit the object: {error}") from error
        obj = requests.read_object(rtype, obj, call.target)
        return encode(call.form, self._update(call, obj), rtype)

    def _apply(self, call: Call, value: Any) -> Answer:
        rtype, target = call.target.rtype, call.target
        if not call.query.get("fieldManager"):
            why = "fieldManager: Required value: is required for apply patch"
            message = f"PatchOptions.meta.k8s.io is invalid: {why}"
            raise ApiError(422, "Invalid", message, details={"kind": "PatchOptions", "group": "meta.k8s.io"})
        wanted = requests.read_object(rtype, value, target)
        main = target.subresource == ""
        if main and "status" in rtype.subresources:
            wanted.pop("status", None)
        entry = self.store.tables.get(rtype.storage, target.key)
        if entry is None and not main:
            raise not_found(rtype, target.name)
        live = views.present(rtype, clone(entry.obj)) if entry else None
        force = call.query.get("force") in {"true", "True", "1"}
        new = apply.apply(rtype, live, wanted, manager=call.manager, force=force)
        if live is None:
            made = self.store.create(new, dry_run=requests.read_dry_run(call.query))
            return encode(call.form, made, rtype, code=201)
        return encode(call.form, self._update(call, new, track=False), rtype)

    def delete(self, call: Call) -> Answer:
        """One object."""
        rtype, (namespace, name) = call.target.rtype, call.target.key
        uid = self.store.entry(rtype, namespace, name).obj["metadata"]["uid"]
        how = requests.read_deletion(call.query, call.value())
        left = self.store.delete(rtype.api_version, rtype.kind, name, namespace, how)
        if left is not None:
            return encode(call.form, left, rtype)
        return encode(Form(yaml=call.form.yaml), _deleted(rtype, name, uid))

    def delete_collection(self, call: Call) -> Answer:
        """All objects that are meant, one after the other."""
        rtype = call.target.rtype
        if rtype.namespaced and call.target.namespace is None:
            raise method_not_allowed()
        how = requests.read_deletion(call.query, call.value())
        page = self.store.pager.page(rtype.storage, requests.read_filter(call.target, call.query))
        self._delete_all(rtype, (entry.key for entry in page.entries), how)
        return encode_page(call.form, rtype, page)

    def _delete_all(self, rtype: ResourceType, keys: Iterable[tuple[str, str]], how: Deletion) -> None:
        for namespace, name in keys:
            self.store.delete(rtype.api_version, rtype.kind, name, namespace, how)


def _patched(kind: str, before: Json, value: Any) -> Json:
    if kind == patch.JSON_PATCH:
        return patch.json_patch(before, value)
    if not isinstance(value, dict):
        raise ApiError(400, "BadRequest", "the patch is not an object")
    result = patch.merge_patch(before, value) if kind == patch.MERGE else patch.strategic_merge(before, value)
    found: Json = clone(result)
    return found


def _deleted(rtype: ResourceType, name: str, uid: str) -> Json:
    details = {"name": name, "group": rtype.group, "kind": rtype.plural, "uid": uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


def is_watch(call: Call) -> bool:
    """Whether a GET on a collection asks for a watch."""
    asked = call.query.get("watch", "")
    return call.method == "GET" and not call.target.name and asked in {"true", "True", "1"}
