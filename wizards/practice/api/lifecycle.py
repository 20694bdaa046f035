"""Garbage, namespaces, CRDs and API services: the controllers that keep the API itself in order."""

from __future__ import annotations

import time
from typing import ClassVar

from wizards.practice.api.engine import ANY, Controller, Timing, Watches, itself
from wizards.practice.api.errors import ApiError
from wizards.practice.api.recorder import Recorder
from wizards.practice.api.resources import Storage, from_definition, version_order
from wizards.practice.api.store import NAMESPACES, PODS, Deletion, Store
from wizards.practice.api.tables import Change, Entry, Key
from wizards.practice.api.values import Json, clone, condition, dig, is_true, set_condition

CRDS: Storage = ("apiextensions.k8s.io", "customresourcedefinitions")
API_SERVICES: Storage = ("apiregistration.k8s.io", "apiservices")
_FOREGROUND = "foregroundDeletion"
_LABEL = {"kube-aggregator.kubernetes.io/automanaged": "onstart"}


class Garbage(Controller):
    """Deletes what has lost all its owners, and ends deletions that wait for dependents.

    Its keys are uids of owners, and uids of objects that have just been made with owners.
    """

    name: ClassVar[str] = "garbage-collector"

    def watches(self) -> Watches:
        """All resources, those of CRDs too."""
        return {ANY: self._on_change}

    def _on_change(self, change: Change) -> list[Key]:
        metadata = change.entry.obj["metadata"]
        keys: list[Key] = []
        if change.type == "DELETED":
            keys += [("owner", metadata["uid"])] if self.store.tables.dependents(metadata["uid"]) else []
            keys += [
                ("wait", owner["uid"]) for owner in metadata.get("ownerReferences") or () if "uid" in owner
            ]
        elif change.type == "ADDED" and metadata.get("ownerReferences"):
            keys.append(("child", metadata["uid"]))
        if _FOREGROUND in (metadata.get("finalizers") or ()):
            keys.append(("foreground", metadata["uid"]))
        if change.storage == ("", "nodes") and change.type == "DELETED":
            keys.append(("node", change.entry.key[1]))
        return keys

    def reconcile(self, key: Key) -> float | None:
        """Look after one owner, child or node."""
        what, uid = key
        if what == "owner":
            for storage, place in self.store.tables.dependents(uid):
                self._judge(storage, self.store.tables.get(storage, place))
        elif what == "child":
            entry = self.store.tables.by_uid(uid)
            if entry is not None:
                self._judge(self._storage(entry.obj), entry)
        elif what == "foreground":
            for storage, place in self.store.tables.dependents(uid):
                self._delete(storage, self.store.tables.get(storage, place), "Foreground")
            self._finish(uid)
        elif what == "wait":
            self._finish(uid)
        else:
            for place in self.store.tables.pods_on(uid):
                self._delete(PODS, self.store.tables.get(PODS, place))
        return None

    def _storage(self, obj: Json) -> Storage:
        return self.store.resource(obj["apiVersion"], obj["kind"]).storage

    def _judge(self, storage: Storage, entry: Entry | None) -> None:
        if entry is None:
            return
        owners = entry.obj["metadata"].get("ownerReferences") or ()
        if owners and not any(self.store.tables.by_uid(owner.get("uid", "")) for owner in owners):
            self._delete(storage, entry)

    def _delete(self, storage: Storage, entry: Entry | None, policy: str = "Background") -> None:
        rtype = self.store.registry.by_storage(storage)
        if entry is None or rtype is None or entry.obj["metadata"].get("deletionTimestamp"):
            return
        namespace, name = entry.key
        self.store.delete(rtype.api_version, rtype.kind, name, namespace, Deletion(policy=policy))

    def _finish(self, uid: str) -> None:
        """Let an owner go whose last dependent is gone."""
        entry = self.store.tables.by_uid(uid)
        if entry is None or _FOREGROUND not in (entry.obj["metadata"].get("finalizers") or ()):
            return
        if self.store.tables.dependents(uid):
            return

        def release(new: Json) -> None:
            new["metadata"]["finalizers"].remove(_FOREGROUND)

        namespace, name = entry.key
        self.store.modify(entry.obj["apiVersion"], entry.obj["kind"], name, release, namespace)


class Namespaces(Controller):
    """Equips new namespaces and empties those that are being deleted."""

    name: ClassVar[str] = "namespace-controller"
    ca_pem: str = ""

    def watches(self) -> Watches:
        """Namespaces."""
        return {NAMESPACES: itself}

    def reconcile(self, key: Key) -> float | None:
        """Equip or empty one namespace."""
        entry = self.store.tables.get(NAMESPACES, key)
        if entry is None:
            return None
        name = key[1]
        if not entry.obj["metadata"].get("deletionTimestamp"):
            self._equip(name)
            return None
        if self.store.empty_namespace(name):
            return 0.1
        if not entry.obj["metadata"].get("finalizers"):
            self.store.tables.remove(NAMESPACES, key)
        return None

    def _equip(self, namespace: str) -> None:
        if self.store.tables.get(("", "serviceaccounts"), (namespace, "default")) is None:
            self.store.add(
                {
                    "apiVersion": "v1",
                    "kind": "ServiceAccount",
                    "metadata": {"name": "default", "namespace": namespace},
                }
            )
        data = {"ca.crt": self.ca_pem}
        held = self.store.tables.get(("", "configmaps"), (namespace, "kube-root-ca.crt"))
        if held is None:
            metadata = {"name": "kube-root-ca.crt", "namespace": namespace}
            obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            self.store.add(obj)
        else:
            self.store.modify(
                "v1", "ConfigMap", "kube-root-ca.crt", lambda new: new.update(data=data), namespace
            )


class Definitions(Controller):
    """Serves what CRDs define, a moment after they are made, and stops when they go."""

    name: ClassVar[str] = "crd-controller"

    def __init__(self, store: Store, timing: Timing, events: Recorder) -> None:
        super().__init__(store, timing, events)
        self._served: dict[str, Storage] = {}
        self._due: dict[str, float] = {}

    def watches(self) -> Watches:
        """CRDs."""
        return {CRDS: itself}

    def reconcile(self, key: Key) -> float | None:
        """Establish one CRD, or clean up after it."""
        entry = self.store.tables.get(CRDS, key)
        if entry is None:
            self._withdraw(key[1])
            return None
        due = self._due.setdefault(key[1], time.monotonic() + self.timing.establish)
        if due > time.monotonic() and not is_true(entry.obj, "Established"):
            self._write(key, entry.obj, ("NamesAccepted",))
            return due - time.monotonic()
        serve(self.store, entry.obj)
        spec = entry.obj["spec"]
        self._served[key[1]] = (spec["group"], spec["names"]["plural"])
        self._write(key, entry.obj, ("NamesAccepted", "Established"))
        return None

    def _write(self, key: Key, obj: Json, kinds: tuple[str, ...]) -> None:
        reasons = {
            "NamesAccepted": ("NoConflicts", "no conflicts found"),
            "Established": ("InitialNamesAccepted", "the initial names have been accepted"),
        }
        stored = [v["name"] for v in obj["spec"]["versions"] if v.get("storage")]

        def write(new: Json) -> None:
            status = new.setdefault("status", {})
            for kind in kinds:
                set_condition(status, condition(kind, "True", *reasons[kind]))
            status["acceptedNames"] = clone(new["spec"]["names"])
            status["storedVersions"] = sorted({*(status.get("storedVersions") or ()), *stored})

        self.store.modify("apiextensions.k8s.io/v1", "CustomResourceDefinition", key[1], write)

    def _withdraw(self, name: str) -> None:
        self._due.pop(name, None)
        storage = self._served.pop(name, None)
        if storage is None:
            return
        for entry in list(self.store.entries(storage)):
            self.store.tables.remove(storage, entry.key)
        withdraw(self.store, *storage)


def serve(store: Store, crd: Json) -> None:
    """Serve the resources of a CRD, with an APIService for each of their versions."""
    group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
    wanted = from_definition(crd)
    held = {rtype.version for rtype in wanted}
    before = store.registry.groups().get(group, [])
    if any(v not in held and store.registry.find(group, v, plural) for v in before):
        store.registry.remove(group, plural)
    for rtype in sorted(wanted, key=lambda rtype: version_order(rtype.version)):
        store.registry.add(rtype)
        add_api_service(store, group, rtype.version)


def withdraw(store: Store, group: str, plural: str) -> None:
    """Stop serving a CRD's resources; versions of which nothing is left lose their APIService."""
    before = store.registry.groups().get(group, [])
    store.registry.remove(group, plural)
    for version in set(before) - set(store.registry.groups().get(group, [])):
        try:
            store.delete("apiregistration.k8s.io/v1", "APIService", f"{version}.{group}")
        except ApiError:
            continue


def add_api_service(store: Store, group: str, version: str) -> None:
    """Make the local APIService of a group version, if it is not there yet."""
    name = f"{version}.{group}"
    if store.tables.get(API_SERVICES, ("", name)) is None:
        spec = {"groupPriorityMinimum": 1000, "versionPriority": 100, "version": version}
        store.add(
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": name, "labels": dict(_LABEL)},
                "spec": {**spec, "group": group} if group else spec,
            }
        )


class ApiServices(Controller):
    """Says which API services are available: local ones always, others as their Service has endpoints."""

    name: ClassVar[str] = "apiservice-controller"
    settle: ClassVar[bool] = True

    def watches(self) -> Watches:
        """API services, and the Endpoints behind them."""
        return {API_SERVICES: itself, ("", "endpoints"): self._behind, ("", "services"): self._behind}

    def _behind(self, change: Change) -> list[Key]:
        namespace, name = change.entry.key
        return [
            entry.key
            for entry in self.store.entries(API_SERVICES)
            if (dig(entry.obj, "spec", "service", "namespace"), dig(entry.obj, "spec", "service", "name"))
            == (namespace, name)
        ]

    def reconcile(self, key: Key) -> float | None:
        """Write the Available condition."""
        entry = self.store.tables.get(API_SERVICES, key)
        if entry is None:
            return None
        verdict = self._verdict(dig(entry.obj, "spec", "service"))

        def write(new: Json) -> None:
            set_condition(new.setdefault("status", {}), condition("Available", *verdict))

        self.store.modify("apiregistration.k8s.io/v1", "APIService", key[1], write)
        return None

    def _verdict(self, service: Json | None) -> tuple[str, str, str]:
        if not service:
            return ("True", "Local", "Local APIServices are always available")
        place = (service.get("namespace", ""), service.get("name", ""))
        shown = f'service/{place[1]} in "{place[0]}"'
        if self.store.tables.get(("", "services"), place) is None:
            return ("False", "ServiceNotFound", f"{shown} is not present")
        endpoints = self.store.tables.get(("", "endpoints"), place)
        subsets = dig(endpoints.obj, "subsets") if endpoints else None
        if not any(subset.get("addresses") for subset in subsets or ()):
            return ("False", "MissingEndpoints", f"endpoints for {shown} have no addresses")
        return ("True", "Passed", "all checks passed")
