"""The rules of the API server between a request and the tables: create, update, delete."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wizards.practice.api import admission, apply, errors, shapes, views
from wizards.practice.api.errors import ApiError
from wizards.practice.api.paging import Pager
from wizards.practice.api.resources import Registry, ResourceType, Storage
from wizards.practice.api.selectors import Filter, parse_labels
from wizards.practice.api.tables import Entry, Key, Tables
from wizards.practice.api.values import Json, clone, dig, random_suffix, timestamp

NAMESPACES: Storage = ("", "namespaces")
PODS: Storage = ("", "pods")
_SYSTEM = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


@dataclass(frozen=True, slots=True)
class Deletion:
    """How something is to be deleted (`DeleteOptions`).

    Attributes:
        grace: Seconds that a pod is given; None for its own setting.
        policy: Background, Foreground or Orphan.
        uid: Delete only the object with this uid.
        rv: Delete only this version.
        dry_run: Only say what would be.
    """

    grace: int | None = None
    policy: str = "Background"
    uid: str | None = None
    rv: str | None = None
    dry_run: bool = False


class Store:
    """All objects of the practice cluster, in the process that serves them.

    It belongs to the thread (the event loop) that serves it. Objects returned are the caller's own
    copies; those of `entries` are shared and must not be altered.

    Attributes:
        graceful: Pods and namespaces are taken away by controllers in their own time, not at once.
        most_objects: From this number on a create is refused with 403, so that memory stays bounded.
    """

    def __init__(self, *, most_objects: int = 100_000) -> None:
        self.registry = Registry()
        self.tables = Tables()
        self.pager = Pager(self.tables)
        self.graceful = False
        self.most_objects = most_objects
        self.count = 0
        self.tables.listen(lambda change: self._count({"ADDED": 1, "DELETED": -1}.get(change.type, 0)))

    def _count(self, difference: int) -> None:
        self.count += difference

    # -- reading ---------------------------------------------------------------------------------

    def resource(self, api_version: str, kind: str) -> ResourceType:
        """The resource of an object with these two fields.

        Raises:
            ApiError: 404, when nothing like it is served.
        """
        found = self.registry.by_kind(api_version, kind)
        if found is None:
            raise ApiError(404, "NotFound", f'no matches for kind "{kind}" in version "{api_version}"')
        return found

    def entries(self, storage: Storage) -> Iterable[Entry]:
        """All objects of one resource, unordered, shared: not to be altered."""
        return self.tables.table(storage).rows.values()

    def entry(self, rtype: ResourceType, namespace: str, name: str) -> Entry:
        """One object, shared.

        Raises:
            ApiError: 404.
        """
        found = self.tables.get(rtype.storage, (namespace, name))
        if found is None:
            raise errors.not_found(rtype, name)
        return found

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Json:
        """One object.

        Raises:
            ApiError: 404.
        """
        rtype = self.resource(api_version, kind)
        return views.present(rtype, clone(self.entry(rtype, namespace, name).obj))

    def objects(
        self, api_version: str, kind: str, namespace: str | None = None, *, labels: str = ""
    ) -> list[Json]:
        """Objects of one kind in the order of namespace and name; all namespaces unless one is named."""
        rtype = self.resource(api_version, kind)
        wanted = Filter(namespace, parse_labels(labels))
        page = self.pager.page(rtype.storage, wanted)
        return [views.present(rtype, clone(entry.obj)) for entry in page.entries]

    # -- writing ---------------------------------------------------------------------------------

    def create(
        self, obj: Json, *, keep_status: bool = False, dry_run: bool = False, manager: str | None = None
    ) -> Json:
        """Create an object.

        Args:
            obj: The object; its apiVersion and kind say what it is.
            keep_status: Store its status too, which a real server ignores here (for nodes it does not).
            dry_run: Do all but store it.
            manager: Note this field manager in `managedFields`.

        Raises:
            ApiError: 404 for an unknown kind or namespace, 409 when the name is taken, 403 in a
                namespace that is going, 422 when the object breaks rules.
        """
        rtype, made = self._create(obj, keep_status=keep_status, dry_run=dry_run, manager=manager)
        return views.present(rtype, clone(made))

    def add(self, obj: Json, *, keep_status: bool = False) -> None:
        """As `create`, for those who need no copy of what was made: half the work."""
        self._create(obj, keep_status=keep_status, dry_run=False, manager=None)

    def _create(
        self, obj: Json, *, keep_status: bool, dry_run: bool, manager: str | None
    ) -> tuple[ResourceType, Json]:
        rtype = self.resource(str(obj.get("apiVersion")), str(obj.get("kind")))
        keep = keep_status or rtype.storage == ("", "nodes") or "status" not in rtype.subresources
        new = _taken_in(rtype, obj if keep else {k: v for k, v in obj.items() if k != "status"})
        metadata = self._identify(rtype, new)
        key = (metadata.get("namespace", ""), metadata["name"])
        if self.tables.get(rtype.storage, key) is not None:
            raise errors.already_exists(rtype, metadata["name"])
        self._check_room(rtype, key)
        admission.admit(rtype, new, None, self)
        if manager:
            apply.track_update(rtype, None, new, manager=manager)
        if not dry_run:
            self.tables.put(rtype.storage, new)
        return rtype, new

    def _identify(self, rtype: ResourceType, obj: Json) -> Json:
        metadata: Json = obj.setdefault("metadata", {})
        if not metadata.get("name"):
            if not metadata.get("generateName"):
                cause = (
                    "metadata.name",
                    "FieldValueRequired",
                    "Required value: name or generateName is required",
                )
                raise errors.invalid(rtype, "", [cause])
            metadata["name"] = f"{metadata['generateName']}{random_suffix()}"
        for field in ("resourceVersion", *_SYSTEM):
            metadata.pop(field, None)
        if rtype.namespaced:
            metadata.setdefault("namespace", "default")
        else:
            metadata.pop("namespace", None)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = timestamp()
        if rtype.counts_generation:
            metadata["generation"] = 1
        return metadata

    def _check_room(self, rtype: ResourceType, key: Key) -> None:
        namespace, name = key
        if rtype.namespaced:
            home = self.tables.get(NAMESPACES, ("", namespace))
            if home is None:
                namespaces = self.resource("v1", "Namespace")
                raise errors.not_found(namespaces, namespace)
            if home.obj["metadata"].get("deletionTimestamp"):
                why = f"unable to create new content in namespace {namespace} because it is being terminated"
                raise errors.forbidden(rtype, name, why)
        if self.count >= self.most_objects:
            raise errors.forbidden(
                rtype, name, f"exceeded quota: the practice API holds {self.count} objects"
            )

    def update(
        self, obj: Json, *, subresource: str = "", dry_run: bool = False, manager: str | None = None
    ) -> Json:
        """Replace an object, or its status.

        Args:
            obj: The new state. With a `metadata.resourceVersion` the write is refused when the object
                has changed since.
            subresource: `status` changes only the status; empty changes all but the status.
            dry_run: Do all but store it.
            manager: Note this field manager in `managedFields`.

        Raises:
            ApiError: 404, 409 or 422.
        """
        rtype = self.resource(str(obj.get("apiVersion")), str(obj.get("kind")))
        metadata = obj.get("metadata") or {}
        namespace = (metadata.get("namespace") or "default") if rtype.namespaced else ""
        old = self.entry(rtype, namespace, str(metadata.get("name"))).obj
        self._check_preconditions(rtype, old, metadata.get("uid"), metadata.get("resourceVersion"))
        if rtype.custom and not metadata.get("resourceVersion"):
            message = "Invalid value: 0x0: must be specified for an update"
            raise errors.invalid(
                rtype, metadata["name"], [("metadata.resourceVersion", "FieldValueInvalid", message)]
            )
        new = _next_state(rtype, old, _taken_in(rtype, obj), subresource)
        if subresource != "status":
            admission.admit(rtype, new, old, self)
        if admission.same_content(old, new) and old["metadata"].get("managedFields") == new["metadata"].get(
            "managedFields"
        ):
            return views.present(rtype, clone(old))
        if manager and subresource != "status":
            apply.track_update(rtype, old, new, manager=manager)
        if not dry_run:
            self._store(rtype, old, new)
        return views.present(rtype, clone(new))

    def _check_preconditions(self, rtype: ResourceType, old: Json, uid: object, rv: object) -> None:
        held = old["metadata"]
        if uid and uid != held["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {held['uid']}"
            raise errors.conflict(rtype, held["name"], why)
        if rv and str(rv) != held["resourceVersion"]:
            raise errors.conflict(rtype, held["name"])

    def _store(self, rtype: ResourceType, old: Json, new: Json, *, counts: bool = True) -> None:
        if counts and rtype.counts_generation and admission.spec_of(old) != admission.spec_of(new):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        entry = self.tables.put(rtype.storage, new)
        metadata = new["metadata"]
        waits = rtype.storage in {PODS, NAMESPACES}
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and not waits:
            self.tables.remove(rtype.storage, entry.key)

    def modify(
        self, api_version: str, kind: str, name: str, change: Callable[[Json], None], namespace: str = ""
    ) -> Json:
        """Change an object, its status included, as a controller inside the cluster would.

        Args:
            api_version: Its apiVersion.
            kind: Its kind.
            name: Its name.
            change: Called with a copy of the object, which it alters; a change of nothing writes nothing.
            namespace: Its namespace, empty for cluster-wide objects.

        Returns:
            The new state; what is nested in it is shared and not to be altered.

        Raises:
            ApiError: 404.
        """
        rtype = self.resource(api_version, kind)
        entry = self.entry(rtype, namespace, name)
        new = clone(entry.obj)
        change(new)
        if new != entry.obj:
            self._store(rtype, entry.obj, new, counts=rtype.storage != PODS)  # a binding is no new generation
        return views.present(rtype, dict(new))

    # -- deleting --------------------------------------------------------------------------------

    def delete(
        self, api_version: str, kind: str, name: str, namespace: str = "", how: Deletion | None = None
    ) -> Json | None:
        """Delete an object.

        Returns:
            None when it is gone; its present state when it is only marked, because finalizers or a
            period of grace hold it.

        Raises:
            ApiError: 404, or 409 when a precondition is not met.
        """
        how = how or Deletion()
        rtype = self.resource(api_version, kind)
        entry = self.entry(rtype, namespace, name)
        self._check_preconditions(rtype, entry.obj, how.uid, how.rv)
        if how.dry_run:
            return views.present(rtype, clone(entry.obj))
        if how.policy == "Orphan":
            self._orphan(entry.obj["metadata"]["uid"])
        new = self._marked(rtype, entry, how)
        if new is not None:
            if new != entry.obj:
                self.tables.put(rtype.storage, new)
            return views.present(rtype, clone(new))
        self.tables.remove(rtype.storage, entry.key)
        if rtype.storage == NAMESPACES:
            self.empty_namespace(name)
        return None

    def empty_namespace(self, namespace: str) -> int:
        """Delete all that is in a namespace.

        Returns:
            How many objects are still held there by finalizers or grace.
        """
        held = 0
        inside = [
            (storage, entry) for storage, entry in self.tables.everything() if entry.key[0] == namespace
        ]
        for storage, entry in inside:
            rtype = self.registry.by_storage(storage)
            if rtype is None:
                self.tables.remove(storage, entry.key)
            elif self.tables.get(storage, entry.key) is not None:
                held += self.delete(rtype.api_version, rtype.kind, entry.key[1], namespace) is not None
        return held

    def _marked(self, rtype: ResourceType, entry: Entry, how: Deletion) -> Json | None:
        """The object with its deletion noted, or None when nothing holds it."""
        new: Json = clone(entry.obj)
        metadata = new["metadata"]
        if how.policy == "Foreground" and self.graceful and self.tables.dependents(metadata["uid"]):
            held = metadata.setdefault("finalizers", [])
            if "foregroundDeletion" not in held:
                held.append("foregroundDeletion")
        grace = self._grace(rtype, new, how)
        if not metadata.get("finalizers") and grace is None:
            return None
        if not metadata.get("deletionTimestamp"):
            metadata["deletionTimestamp"] = timestamp()
            metadata["deletionGracePeriodSeconds"] = grace or 0
            if rtype.storage == NAMESPACES:
                new["status"] = {**(new.get("status") or {}), "phase": "Terminating"}
        return new

    def _grace(self, rtype: ResourceType, obj: Json, how: Deletion) -> int | None:
        """Seconds to wait, or None when nobody has to be waited for."""
        if not self.graceful or how.grace == 0:
            return None
        if rtype.storage == NAMESPACES:
            return 0
        if rtype.storage != PODS or not dig(obj, "spec", "nodeName"):
            return None
        if dig(obj, "status", "phase") in {"Succeeded", "Failed"}:
            return None
        own = dig(obj, "spec", "terminationGracePeriodSeconds")
        return how.grace or (30 if own is None else int(own)) or None

    def _orphan(self, uid: str) -> None:
        for storage, key in self.tables.dependents(uid):
            entry = self.tables.get(storage, key)
            if entry is None:
                continue
            new = clone(entry.obj)
            owners = [owner for owner in new["metadata"]["ownerReferences"] if owner.get("uid") != uid]
            new["metadata"]["ownerReferences"] = owners
            self.tables.put(storage, new)


def _taken_in(rtype: ResourceType, obj: Json) -> Json:
    """A copy of a caller's object in the form in which it is stored, its types checked.

    Raises:
        ApiError: 400.
    """
    copied: Json = clone(obj) if rtype.custom else shapes.without_nulls(obj)
    if copied.get("metadata") is None:
        copied["metadata"] = {}
    shapes.check(rtype, copied)
    return views.absorb(rtype, copied)


def _next_state(rtype: ResourceType, old: Json, obj: Json, subresource: str) -> Json:
    """The object that a write leads to: the caller's part from `obj`, all else from `old`."""
    if subresource == "status":
        new: Json = clone(old)
        new["status"] = obj.get("status") or {}
        if "managedFields" in (obj.get("metadata") or {}):
            new["metadata"]["managedFields"] = obj["metadata"]["managedFields"]
        return new
    if "status" in rtype.subresources:
        obj.pop("status", None)
        if "status" in old:
            obj["status"] = clone(old["status"])
    metadata: Json = obj["metadata"]
    for field in (*_SYSTEM, "namespace", "resourceVersion"):
        metadata.pop(field, None)
        if field in old["metadata"]:
            metadata[field] = old["metadata"][field]
    for field in ("managedFields", "generateName"):
        if field not in metadata and field in old["metadata"]:
            metadata[field] = clone(old["metadata"][field])
    return obj
