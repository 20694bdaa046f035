"""Endpoints and EndpointSlices: which pods stand behind a Service."""

from __future__ import annotations

from typing import Any, ClassVar

from wizards.practice.api import owned, selectors
from wizards.practice.api.engine import Controller, Watches, itself
from wizards.practice.api.errors import ApiError
from wizards.practice.api.store import PODS
from wizards.practice.api.tables import Change, Key
from wizards.practice.api.values import Json, clone, dig, random_suffix

_SERVICES = ("", "services")
_SLICES = ("discovery.k8s.io", "endpointslices")
_NAME = "kubernetes.io/service-name"


class Endpoints(Controller):
    """Writes the Endpoints and one EndpointSlice of each Service that has a selector."""

    name: ClassVar[str] = "endpointslice-controller"
    settle: ClassVar[bool] = True

    def watches(self) -> Watches:
        """Services and pods."""
        return {_SERVICES: itself, PODS: self._on_pod}

    def _on_pod(self, change: Change) -> list[Key]:
        seen = [change.entry.obj, *([change.previous.obj] if change.previous else ())]
        if len(seen) == 2 and change.type == "MODIFIED" and _face(seen[0]) == _face(seen[1]):
            return []
        return [
            entry.key
            for entry in self.store.entries(_SERVICES)
            if entry.key[0] == change.entry.key[0] and any(_selects(entry.obj, pod) for pod in seen)
        ]

    def reconcile(self, key: Key) -> float | None:
        """Write what is behind one Service now."""
        entry = self.store.tables.get(_SERVICES, key)
        if entry is None or not dig(entry.obj, "spec", "selector"):
            if entry is None:
                self._remove(key)
            return None
        service = entry.obj
        pods = [e.obj for e in self.store.tables.table(PODS).ordered(key[0]) if _selects(service, e.obj)]
        pods = [pod for pod in pods if dig(pod, "status", "podIP") and not _over(pod)]
        self._write_slice(service, pods)
        self._write_endpoints(service, pods)
        return None

    def _remove(self, key: Key) -> None:
        try:
            self.store.delete("v1", "Endpoints", key[1], key[0])
        except ApiError:
            return  # there were none; slices go with their owner

    def _write_slice(self, service: Json, pods: list[Json]) -> None:
        metadata = service["metadata"]
        endpoints = [_endpoint(service, pod) for pod in pods]
        ports = [_resolved(port, pods) for port in service["spec"].get("ports") or ()]
        held = [e.obj for e in owned.owned(self.store, service, _SLICES)]
        if held:

            def write(new: Json) -> None:
                new["endpoints"], new["ports"] = endpoints, ports

            name = held[0]["metadata"]["name"]
            self.store.modify("discovery.k8s.io/v1", "EndpointSlice", name, write, metadata["namespace"])
            return
        labels = {_NAME: metadata["name"], "endpointslice.kubernetes.io/managed-by": f"{self.name}.k8s.io"}
        self.store.add(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{metadata['name']}-{random_suffix()}",
                    "generateName": f"{metadata['name']}-",
                    "namespace": metadata["namespace"],
                    "labels": {**clone(metadata.get("labels") or {}), **labels},
                    "ownerReferences": [owned.owner_reference(service)],
                },
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": ports,
            }
        )

    def _write_endpoints(self, service: Json, pods: list[Json]) -> None:
        metadata = service["metadata"]
        subsets = _subsets(service, pods)

        def write(new: Json) -> None:
            new.pop("subsets", None)
            if subsets:
                new["subsets"] = subsets

        try:
            self.store.modify("v1", "Endpoints", metadata["name"], write, metadata["namespace"])
        except ApiError:
            obj: Json = {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            }
            write(obj)
            self.store.add(obj)


def _selects(service: Json, pod: Json) -> bool:
    selector = dig(service, "spec", "selector")
    if not selector:
        return False
    return selectors.select(selectors.from_object({"matchLabels": selector}), pod["metadata"].get("labels"))


def _over(pod: Json) -> bool:
    return dig(pod, "status", "phase") in {"Succeeded", "Failed"}


def _serving(service: Json, pod: Json) -> bool:
    return owned.ready(pod) or bool(dig(service, "spec", "publishNotReadyAddresses"))


def _face(pod: Json) -> tuple[Any, ...]:
    """What of a pod decides where it is served."""
    metadata = pod["metadata"]
    status = (dig(pod, "status", "podIP"), dig(pod, "status", "phase"), owned.ready(pod))
    return (*status, metadata.get("labels"), metadata.get("deletionTimestamp"))


def _resolved(port: Json, pods: list[Json]) -> Json:
    """A service port with the number that it has in the pods."""
    target: Any = port.get("targetPort", port["port"])
    if isinstance(target, str):
        named = (
            item["containerPort"]
            for pod in pods
            for container in pod["spec"]["containers"]
            for item in container.get("ports") or ()
            if item.get("name") == target
        )
        target = next(named, None)
    found = {"name": port.get("name", ""), "port": target, "protocol": port.get("protocol", "TCP")}
    return {key: value for key, value in found.items() if value is not None}


def _reference(pod: Json) -> Json:
    metadata = pod["metadata"]
    names = {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}
    return {"kind": "Pod", **names}


def _endpoint(service: Json, pod: Json) -> Json:
    leaving = bool(pod["metadata"].get("deletionTimestamp"))
    ready = _serving(service, pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready and not leaving, "serving": ready, "terminating": leaving},
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": _reference(pod),
    }


def _subsets(service: Json, pods: list[Json]) -> list[Json]:
    groups: dict[str, list[Json]] = {"addresses": [], "notReadyAddresses": []}
    for pod in pods:
        ready = _serving(service, pod) and not pod["metadata"].get("deletionTimestamp")
        address = {"ip": pod["status"]["podIP"], "nodeName": pod["spec"].get("nodeName")}
        group = groups["addresses" if ready else "notReadyAddresses"]
        group.append({**address, "targetRef": _reference(pod)})
    if not pods:
        return []
    ports = [_resolved(port, pods) for port in service["spec"].get("ports") or ()]
    return [{**{name: found for name, found in groups.items() if found}, "ports": ports}]
