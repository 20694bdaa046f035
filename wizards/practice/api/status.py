"""`/version` and the health endpoints."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from wizards.practice.api.faults import Faults
from wizards.practice.api.store import Store
from wizards.practice.api.values import Json, dig

_HOOKS = (
    "start-apiserver-admission-initializer",
    "generic-apiserver-start-informers",
    "priority-and-fairness-config-consumer",
    "priority-and-fairness-filter",
    "storage-object-count-tracker-hook",
    "start-apiextensions-informers",
    "start-apiextensions-controllers",
    "crd-informer-synced",
    "start-system-namespaces-controller",
    "start-cluster-authentication-info-controller",
    "start-kube-apiserver-identity-lease-controller",
    "start-legacy-token-tracking-controller",
    "start-service-ip-repair-controllers",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer",
    "bootstrap-controller",
    "start-kubernetes-service-cidr-controller",
    "start-kube-aggregator-informers",
    "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller",
    "apiservice-registration-controller",
    "apiservice-discovery-controller",
    "kube-apiserver-autoregistration",
)
_TAIL = ("autoregister-completion", "apiservice-openapi-controller", "apiservice-openapiv3-controller")
_START = tuple(f"poststarthook/{name}" for name in _HOOKS)
CHECKS: dict[str, tuple[str, ...]] = {
    "healthz": ("ping", "log", "etcd", *_START, *_TAIL),
    "livez": ("ping", "log", "etcd", *_START, *_TAIL),
    "readyz": ("ping", "log", "etcd", "etcd-readiness", "informer-sync", *_START, *_TAIL, "shutdown"),
}
"""The checks of kube-apiserver 1.35 behind each endpoint, in its order."""


def health(
    endpoint: str, check: str, faults: Faults, *, verbose: bool = False, exclude: Iterable[str] = ()
) -> tuple[int, str] | None:
    """The answer of a health endpoint.

    Args:
        endpoint: healthz, livez or readyz.
        check: One check alone, such as `etcd`; empty for all.
        faults: Which checks fail.
        verbose: List the checks even when all is well.
        exclude: Checks to leave out.

    Returns:
        HTTP status and text; None when there is no such check.
    """
    if check:
        if check not in CHECKS[endpoint]:
            return None
        return (500, f"internal server error: {check} failed\n") if faults.fails(check) else (200, "ok")
    left_out = set(exclude)
    lines: list[str] = []
    failed = False
    for name in CHECKS[endpoint]:
        if name in left_out:
            lines.append(f"[+]{name} excluded: ok")
        elif faults.fails(name):
            failed = True
            lines.append(f"[-]{name} failed: reason withheld")
        else:
            lines.append(f"[+]{name} ok")
    if failed:
        return 500, "\n".join([*lines, f"{endpoint} check failed\n"])
    return 200, "\n".join([*lines, f"{endpoint} check passed\n"]) if verbose else "ok"


def server_version(store: Store, fallback: str) -> str:
    """The version the server says it has.

    It is the one that kubeadm has noted in its ConfigMap, so that an upgrade that is rehearsed
    shows; where there is none, the one that the practice API was started with.
    """
    entry = store.tables.get(("", "configmaps"), ("kube-system", "kubeadm-config"))
    text = dig(entry.obj, "data", "ClusterConfiguration") if entry else None
    try:
        found = dig(yaml.safe_load(text), "kubernetesVersion") if isinstance(text, str) else None
    except yaml.YAMLError:
        found = None
    return found if isinstance(found, str) and found.startswith("v") else fallback


def version(git_version: str) -> Json:
    """The answer to `/version`."""
    major, minor, *_ = [*git_version.removeprefix("v").split("."), "0"]
    previous = str(max(int(minor) - 1, 0)) if minor.isdigit() else minor
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": previous,
        "gitVersion": git_version,
        "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "go1.25.0",
        "compiler": "gc",
        "platform": "linux/amd64",
    }
