"""A practice cluster for tests: the practice API in a thread of its own, filled with a chosen cluster."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from wizards.practice.api import PracticeApi, Timing
from wizards.practice.api.objects import FAULT, namespace, node
from wizards.practice.api.values import Json
from wizards.setup.components import Workload, chosen_components
from wizards.setup.spec import ClusterSpec

T = TypeVar("T")
QUICK = Timing(pod_start=(0.01, 0.02), pod_stop=0.02, job_run=0.05, node_register=0.02, settle=0.01)


class Cluster:
    """The practice API, served on loopback; its store is used through `do`.

    Attributes:
        api: The server.
        kubeconfig: A kubeconfig for it.
    """

    def __init__(self, folder: Path, *, state: Path | None = None) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self._state = state
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.api = self.start()

    def start(self, port: int = 0) -> PracticeApi:
        """Serve (again), with fresh certificates and a fresh token, and write the kubeconfig for them."""
        self.api = PracticeApi(self._state, timing=QUICK)
        self._await(self.api.start(port=port))
        self.write_kubeconfig()
        return self.api

    def write_kubeconfig(self) -> None:
        """Replace the kubeconfig in one step."""
        fresh = self.kubeconfig.with_name("kubeconfig.new")
        fresh.write_text(self.api.kubeconfig(), encoding="utf-8")
        fresh.rename(self.kubeconfig)

    def stop(self) -> None:
        """Stop serving."""
        self._await(self.api.stop())

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _await(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def do(self, function: Callable[[], T]) -> T:
        """Run `function` where the store may be used."""
        return self.api.call(function)

    def create(self, *objects: Json, keep_status: bool = False) -> None:
        """Create objects."""
        for obj in objects:
            self.do(lambda obj=obj: self.api.store.create(obj, keep_status=keep_status))  # type: ignore[misc]

    def change(
        self, api_version: str, kind: str, name: str, change: Callable[[Json], None], space: str = ""
    ) -> None:
        """Change one object, its status included."""
        self.do(lambda: self.api.store.modify(api_version, kind, name, change, space))

    def break_node(self, name: str, fault: str | None = "NotReady") -> None:
        """Order a node's fault, or heal it with None."""

        def change(obj: Json) -> None:
            obj["metadata"].setdefault("annotations", {})[FAULT] = fault or ""

        self.change("v1", "Node", name, change)

    def fill(self, spec: ClusterSpec) -> None:
        """Make the cluster that `spec` chose."""
        for server in spec.nodes:
            roles = ["control-plane"] if "control-plane" in server.roles else []
            self.create(node(server.name, server.address, roles))
        self.create(*(_definition(*names) for names in DEFINITIONS))
        self.until(
            lambda: self.api.store.registry.find("metallb.io", "v1beta1", "servicel2statuses") is not None
        )
        parts = chosen_components(spec)
        for space in sorted({part.namespace for part in parts} - {"", "kube-system"}):
            self.create(namespace(space))
        for part in parts:
            self.create(*map(manifest, part.workloads))
        for pool in spec.load_balancer.pools:
            self.create(
                metallb("IPAddressPool", pool.name, {"addresses": list(pool.addresses)}),
                metallb("L2Advertisement", pool.name, {"ipAddressPools": [pool.name]}),
            )
        self.create(storage_class("openebs-hostpath"))

    def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until `condition` holds in the store."""
        end = time.monotonic() + seconds
        while not self.do(condition):
            assert time.monotonic() < end, "it never came true"
            threading.Event().wait(0.02)


DEFINITIONS = (
    ("IPAddressPool", "ipaddresspools"),
    ("L2Advertisement", "l2advertisements"),
    ("BGPAdvertisement", "bgpadvertisements"),
    ("ServiceL2Status", "servicel2statuses"),
)


def _definition(kind: str, plural: str) -> Json:
    version = {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.metallb.io"},
        "spec": {
            "group": "metallb.io",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [version],
        },
    }


def metallb(kind: str, name: str, spec: Json) -> Json:
    """An object of MetalLB."""
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "metallb-system"},
        "spec": spec,
    }


def storage_class(name: str, *, default: bool = True) -> Json:
    """A StorageClass."""
    notes = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": notes},
        "provisioner": "openebs.io/local",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def manifest(wanted: Workload, *, fault: str = "", node_selector: dict[str, str] | None = None) -> Json:
    """A workload as its installer would apply it; `fault` is ordered of its pods."""
    template: Json = {
        "metadata": {"labels": wanted.labels, "annotations": {FAULT: fault} if fault else {}},
        "spec": {
            "containers": [{"name": wanted.name, "image": "registry.lan/image:1"}],
            "tolerations": [{"operator": "Exists"}],
        },
    }
    if node_selector:
        template["spec"]["nodeSelector"] = node_selector
    spec: Json = {"selector": {"matchLabels": wanted.labels}, "template": template}
    if wanted.kind != "DaemonSet":
        spec["replicas"] = wanted.minimum
    if wanted.kind == "StatefulSet":
        spec["serviceName"] = wanted.name
    metadata = {"name": wanted.name, "namespace": wanted.namespace, "labels": wanted.labels}
    return {"apiVersion": "apps/v1", "kind": wanted.kind, "metadata": metadata, "spec": spec}


def service(name: str, space: str = "default") -> Json:
    """A Service of type LoadBalancer."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": space},
        "spec": {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": 80}]},
    }
