"""Judge storage: StorageClasses, and claims that are not bound."""

from __future__ import annotations

from typing import Final

from wizards.health.judge_events import said_about
from wizards.health.judge_pods import GRACE, created
from wizards.health.model import ClaimHealth, StorageClassHealth, StorageHealth
from wizards.health.snapshot import Object, Snapshot, items
from wizards.health.state import State, worst
from wizards.setup.spec import ClusterSpec

_DEFAULT: Final = "storageclass.kubernetes.io/is-default-class"
_SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"


def judge_storage(snapshot: Snapshot, spec: ClusterSpec | None) -> StorageHealth:
    """Judge the StorageClasses (one default is right) and the claims that are not bound."""
    classes = tuple(
        sorted(map(_class, items(snapshot.storage_classes)), key=lambda item: (not item.default, item.name))
    )
    by_name = {item.name: item for item in classes} if isinstance(snapshot.storage_classes, tuple) else None
    claims = tuple(
        sorted(
            (_claim(claim, by_name, snapshot) for claim in items(snapshot.claims)),
            key=lambda claim: (-claim.state.rank, claim.namespace, claim.name),
        )
    )
    state, reason = State.HEALTHY, ""
    if by_name is not None:
        state, reason = _defaults(classes, spec)
    return StorageHealth(worst(state, *(claim.state for claim in claims)), reason, classes, claims)


def _class(item: Object) -> StorageClassHealth:
    notes = item["metadata"].get("annotations") or {}
    return StorageClassHealth(
        name=item["metadata"]["name"],
        provisioner=item.get("provisioner", ""),
        default=notes.get(_DEFAULT) == "true",
        waits_for_pod=item.get("volumeBindingMode") == "WaitForFirstConsumer",
    )


def _defaults(classes: tuple[StorageClassHealth, ...], spec: ClusterSpec | None) -> tuple[State, str]:
    names = [item.name for item in classes if item.default]
    if len(names) > 1:
        return State.DEGRADED, f"{len(names)} StorageClasses are default: {', '.join(names)}"
    if not names and spec is not None and spec.storage.engines:
        return State.DEGRADED, "no StorageClass is default, so claims that name none stay pending"
    return State.HEALTHY, ""


def _claim(claim: Object, classes: dict[str, StorageClassHealth] | None, snapshot: Snapshot) -> ClaimHealth:
    meta, spec = claim["metadata"], claim.get("spec") or {}
    wanted = spec.get("storageClassName")
    state, reason = _why_unbound(claim, wanted, classes, snapshot)
    return ClaimHealth(meta.get("namespace", ""), meta["name"], state, wanted or "", reason, created(claim))


def _why_unbound(
    claim: Object, wanted: str | None, classes: dict[str, StorageClassHealth] | None, snapshot: Snapshot
) -> tuple[State, str]:
    if (claim.get("status") or {}).get("phase") == "Lost":
        return State.BROKEN, "the volume it was bound to is gone"
    if classes is not None and wanted and wanted not in classes:
        return State.DEGRADED, f"there is no StorageClass {wanted}"
    if classes is not None and wanted is None and not any(item.default for item in classes.values()):
        return State.DEGRADED, "it names no StorageClass, and none is default"
    selected = _SELECTED_NODE in (claim["metadata"].get("annotations") or {})
    if classes and wanted in classes and classes[wanted].waits_for_pod and not selected:
        return State.HEALTHY, "it waits for its first pod, as its class says"
    born = created(claim)
    if born is not None and snapshot.now - born < GRACE:
        return State.PROGRESSING, "a volume is being made for it"
    meta = claim["metadata"]
    said = said_about(snapshot, "PersistentVolumeClaim", meta.get("namespace", ""), meta["name"])
    return State.DEGRADED, said or "no volume has been made for it"
