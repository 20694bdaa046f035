"""Volumes: a PersistentVolume for every claim whose StorageClass is known."""

from __future__ import annotations

from typing import ClassVar

from wizards.practice.api.engine import Controller, Watches, itself
from wizards.practice.api.scheduler import SELECTED_NODE
from wizards.practice.api.tables import Change, Key
from wizards.practice.api.values import Json, clone, dig

_CLAIMS = ("", "persistentvolumeclaims")
_CLASSES = ("storage.k8s.io", "storageclasses")
_VOLUMES = ("", "persistentvolumes")
_NO_PROVISIONER = "kubernetes.io/no-provisioner"


class Volumes(Controller):
    """Provisions and binds volumes, and takes them away with their claims.

    A class with `WaitForFirstConsumer` waits until the scheduler names a node. Claims without a
    class take a free volume that is large enough in name only: sizes are not compared.
    """

    name: ClassVar[str] = "persistentvolume-controller"
    settle: ClassVar[bool] = True

    def watches(self) -> Watches:
        """Claims, classes, and volumes that somebody made by hand."""
        return {_CLAIMS: itself, _CLASSES: self._all, _VOLUMES: self._all}

    def _all(self, change: Change) -> list[Key]:
        if change.type == "MODIFIED":
            return []
        waiting = (e for e in self.store.entries(_CLAIMS) if dig(e.obj, "status", "phase") != "Bound")
        fresh = [("", "volumes")] if change.storage == _VOLUMES else []
        return [*(entry.key for entry in waiting), *fresh]

    def reconcile(self, key: Key) -> float | None:
        """Bind one claim, or release its volume."""
        if key == ("", "volumes"):
            self._make_available()
            return None
        entry = self.store.tables.get(_CLAIMS, key)
        if entry is None:
            self._release(key)
            return None
        claim = entry.obj
        if claim["metadata"].get("deletionTimestamp") or dig(claim, "status", "phase") == "Bound":
            return None
        class_name = dig(claim, "spec", "storageClassName") or ""
        found = self.store.tables.get(_CLASSES, ("", class_name)) if class_name else None
        if found is None or found.obj.get("provisioner") == _NO_PROVISIONER:
            self._bind_existing(key, claim, class_name)
            return None
        node = dig(claim, "metadata", "annotations", SELECTED_NODE)
        if found.obj.get("volumeBindingMode") == "WaitForFirstConsumer" and not node:
            text = "waiting for first consumer to be created before binding"
            self.events.record(claim, "WaitForFirstConsumer", text, component=self.name)
            return None
        self._provision(key, claim, found.obj, node)
        return None

    def _provision(self, key: Key, claim: Json, storage_class: Json, node: str | None) -> None:
        name = f"pvc-{claim['metadata']['uid']}"
        provisioner = storage_class["provisioner"]
        if self.store.tables.get(_VOLUMES, ("", name)) is None:
            self.store.add(_volume(name, claim, storage_class, node), keep_status=True)
        self._bind(key, name, provisioner)
        text = f"Successfully provisioned volume {name}"
        self.events.record(claim, "ProvisioningSucceeded", text, component=provisioner)

    def _bind_existing(self, key: Key, claim: Json, class_name: str) -> None:
        wanted = dig(claim, "spec", "volumeName")
        for entry in list(self.store.entries(_VOLUMES)):
            spec = entry.obj["spec"]
            free = not spec.get("claimRef") and dig(entry.obj, "status", "phase") in {"Available", "Pending"}
            if not free or (spec.get("storageClassName") or "") != class_name:
                continue
            if wanted and wanted != entry.key[1]:
                continue

            def take(new: Json) -> None:
                new["spec"]["claimRef"] = _reference(claim)
                new["status"] = {"phase": "Bound"}

            self.store.modify("v1", "PersistentVolume", entry.key[1], take)
            self._bind(key, entry.key[1], None)
            return
        if class_name and self.store.tables.get(_CLASSES, ("", class_name)) is None:
            text = f'storageclass.storage.k8s.io "{class_name}" not found'
            self.events.record(claim, "ProvisioningFailed", text, warning=True, component=self.name)
        elif not class_name:
            text = "no persistent volumes available for this claim and no storage class is set"
            self.events.record(claim, "FailedBinding", text, component=self.name)

    def _bind(self, key: Key, volume: str, provisioner: str | None) -> None:
        def bind(new: Json) -> None:
            new["spec"]["volumeName"] = volume
            notes = new["metadata"].setdefault("annotations", {})
            notes["pv.kubernetes.io/bind-completed"] = "yes"
            if provisioner:
                notes["volume.kubernetes.io/storage-provisioner"] = provisioner
            capacity = clone(dig(new, "spec", "resources", "requests") or {})
            modes = clone(new["spec"].get("accessModes") or [])
            new["status"] = {"phase": "Bound", "accessModes": modes, "capacity": capacity}

        self.store.modify("v1", "PersistentVolumeClaim", key[1], bind, key[0])

    def _release(self, key: Key) -> None:
        for entry in list(self.store.entries(_VOLUMES)):
            owner = dig(entry.obj, "spec", "claimRef") or {}
            if (owner.get("namespace"), owner.get("name")) != key:
                continue
            if entry.obj["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
                self.store.delete("v1", "PersistentVolume", entry.key[1])
            else:
                self.store.modify("v1", "PersistentVolume", entry.key[1], _released)

    def _make_available(self) -> None:
        for entry in list(self.store.entries(_VOLUMES)):
            if dig(entry.obj, "status", "phase") == "Pending" and not entry.obj["spec"].get("claimRef"):
                self.store.modify("v1", "PersistentVolume", entry.key[1], _available)


def _released(volume: Json) -> None:
    volume["status"] = {"phase": "Released"}


def _available(volume: Json) -> None:
    volume["status"] = {"phase": "Available"}


def _reference(claim: Json) -> Json:
    metadata = claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
    }


def _volume(name: str, claim: Json, storage_class: Json, node: str | None) -> Json:
    spec: Json = {
        "capacity": clone(dig(claim, "spec", "resources", "requests") or {}),
        "accessModes": clone(claim["spec"].get("accessModes") or []),
        "claimRef": _reference(claim),
        "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
        "storageClassName": storage_class["metadata"]["name"],
        "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
        "csi": {"driver": storage_class["provisioner"], "volumeHandle": name},
    }
    if node:
        expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": storage_class["provisioner"]},
        },
        "spec": spec,
        "status": {"phase": "Bound"},
    }
