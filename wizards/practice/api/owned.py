"""What the workload controllers share: pods from a template, who owns them, how they stand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from wizards.practice.api.resources import Storage
from wizards.practice.api.store import PODS, Store
from wizards.practice.api.tables import Entry
from wizards.practice.api.values import Json, clone, dig, is_true, random_suffix

BURST = 50
"""How many pods a controller creates or deletes before others have their turn."""

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Json) -> str:
    """A short name for the content of a pod template, as `pod-template-hash` carries it."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:10])


def owner_reference(owner: Json) -> Json:
    """The reference by which a controller's object owns another."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned(store: Store, owner: Json, storage: Storage) -> list[Entry]:
    """The objects of one resource that an object owns, those that are on their way out included."""
    found = (
        store.tables.get(place, key)
        for place, key in store.tables.dependents(owner["metadata"]["uid"])
        if place == storage
    )
    return [entry for entry in found if entry is not None]


def live_pods(store: Store, owner: Json) -> list[Json]:
    """The pods that an object owns and that are neither deleted nor ended."""
    pods = (entry.obj for entry in owned(store, owner, PODS))
    return [pod for pod in pods if not gone(pod)]


def gone(pod: Json) -> bool:
    """Whether a pod is being deleted or has ended."""
    ended = dig(pod, "status", "phase") in {"Succeeded", "Failed"}
    return ended or bool(pod["metadata"].get("deletionTimestamp"))


def ready(pod: Json) -> bool:
    """Whether a pod is ready to serve."""
    return is_true(pod, "Ready")


def count_ready(pods: Iterable[Json]) -> int:
    """How many of the pods are ready."""
    return sum(ready(pod) for pod in pods)


def pod_from(owner: Json, template: Json, name: str = "", labels: Json | None = None) -> Json:
    """A pod made from a template.

    Args:
        owner: The object that is to own it.
        template: The pod template.
        name: Its name; one is generated from the owner's unless given.
        labels: Labels beside those of the template.
    """
    made: Json = clone({"metadata": template.get("metadata") or {}, "spec": template.get("spec") or {}})
    metadata = made["metadata"]
    prefix = owner["metadata"]["name"] + "-"
    metadata["name"] = name or prefix + random_suffix()
    metadata["generateName"] = prefix
    metadata["namespace"] = owner["metadata"]["namespace"]
    metadata["labels"] = {**(metadata.get("labels") or {}), **(labels or {})}
    metadata["ownerReferences"] = [owner_reference(owner)]
    return {"apiVersion": "v1", "kind": "Pod", **made}


def delete_pod(store: Store, pod: Json) -> None:
    """Delete a pod, with the grace it asks for."""
    store.delete("v1", "Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])


def share(value: object, total: int, *, up: bool) -> int:
    """A number of pods given as a number or as a percentage of a total."""
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    exact = int(text[:-1]) * total
    return -(-exact // 100) if up else exact // 100
