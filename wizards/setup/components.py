"""The components of a cluster: how each is installed, and the workloads by which its health is known.

The facts stand in ``components.yaml`` beside this module, and nowhere else: playbooks, rendered Helm values,
the practice cluster and the health view all read them from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

import yaml

from wizards.setup.spec import (
    ClusterSpec,
    Cni,
    Engine,
    LoadBalancerKind,
    MeshKind,
    Target,
)

Category = Literal["control-plane", "network", "load-balancer", "storage", "mesh", "add-on"]
WorkloadKind = Literal["Deployment", "DaemonSet", "StatefulSet"]

CATEGORIES: tuple[Category, ...] = get_args(Category)
"""The categories, in the order a person reads them."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A Helm chart and the release it becomes.

    Several components may share one release (all OpenEBS engines do): it is installed once, with the values
    of all of them.

    Attributes:
        name: Name of the chart in its repository.
        release: Name of the Helm release.
        repo_url: The chart repository; the mirror where ``mirrors.charts`` names one.
        version: Version of the chart.
    """

    name: str
    release: str
    repo_url: str
    version: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A YAML file that is applied server-side.

    Attributes:
        url: Where the project publishes it.
        version: The release it belongs to.
    """

    url: str
    version: str


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload that a healthy component has.

    Attributes:
        kind: ``Deployment``, ``DaemonSet`` or ``StatefulSet``.
        namespace: Its namespace.
        selector: Label selector, ``key=value`` joined by commas; its own labels or its pods' labels match it.
        name: What the chart calls it; other installers may call it otherwise, so health goes by `selector`.
        minimum: How many pods it must want at least. A DaemonSet that wants none looks ready and is not.
        every_node: It tolerates every taint, so that a node without its pod is a fault.
        also: Selectors that other ways of installing it use, such as a project's plain manifests.
    """

    kind: WorkloadKind
    namespace: str
    selector: str
    name: str
    minimum: int = 1
    every_node: bool = False
    also: tuple[str, ...] = ()

    @property
    def labels(self) -> dict[str, str]:
        """The labels that `selector` asks for."""
        return dict(_labels(self.selector))

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with `labels` is meant, however it was installed."""
        return any(_labels(one).items() <= labels.items() for one in (self.selector, *self.also))


@cache
def _labels(selector: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in selector.split(","))


@dataclass(frozen=True, slots=True)
class Component:
    """One part of the cluster that was chosen, or comes with it.

    Attributes:
        id: Stable name, such as ``metallb``.
        title: Name for people.
        category: What it is part of.
        namespace: Where it lives; empty when it has only cluster-wide definitions.
        chart: The Helm chart Slipway installs it by, or None.
        manifest: The file Slipway applies, or None. Without both, Kubespray or kind brings it.
        workloads: What must run for it to be healthy; empty for pure definitions.
        privileged: The namespace must carry Pod Security's ``privileged`` level.
    """

    id: str
    title: str
    category: Category
    namespace: str
    chart: Chart | None = None
    manifest: Manifest | None = None
    workloads: tuple[Workload, ...] = ()
    privileged: bool = False


@cache
def _catalog() -> tuple[dict[str, Component], frozenset[str]]:
    """Read components.yaml: the components by id, and the ids whose chart is for local clusters only."""
    text = resources.files(__package__).joinpath("components.yaml").read_text(encoding="utf-8")
    data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe either way
    versions: dict[str, str] = {key: str(value) for key, value in data["versions"].items()}
    components = {entry["id"]: _component(entry, versions) for entry in data["components"]}
    local_only = (
        entry["id"] for entry in data["components"] if entry.get("chart", {}).get("only") == Target.LOCAL
    )
    return components, frozenset(local_only)


def _component(entry: Mapping[str, Any], versions: Mapping[str, str]) -> Component:
    chart, manifest = entry.get("chart"), entry.get("manifest")
    return Component(
        id=entry["id"],
        title=entry["title"],
        category=entry["category"],
        namespace=entry["namespace"],
        chart=chart and Chart(chart["name"], chart["release"], chart["repo"], versions[chart["version"]]),
        manifest=manifest
        and Manifest(
            manifest["url"].format(version=versions[manifest["version"]]), versions[manifest["version"]]
        ),
        workloads=tuple(
            Workload(namespace=entry["namespace"], **{**workload, "also": tuple(workload.get("also", ()))})
            for workload in entry.get("workloads", ())
        ),
        privileged=entry.get("privileged", False),
    )


def all_components() -> tuple[Component, ...]:
    """Return every component Slipway knows, in the order of installation, with its chart where it has one."""
    return tuple(_catalog()[0].values())


def component(component_id: str) -> Component:
    """Return one component by id.

    Raises:
        KeyError: No component has this id.
    """
    return _catalog()[0][component_id]


def chosen_components(spec: ClusterSpec) -> tuple[Component, ...]:
    """Return the components that a cluster made from `spec` has, in the order of installation.

    A component without chart and manifest is brought by Kubespray or kind (Cilium on servers: by Kubespray).
    Chart repositories are replaced by ``mirrors.charts`` where that is set.
    """
    components, local_only = _catalog()
    chosen = set(_ids(spec))
    return tuple(
        _fitted(part, spec, strip_chart=part.id in local_only and spec.target is not Target.LOCAL)
        for part in components.values()
        if part.id in chosen
    )


def _ids(spec: ClusterSpec) -> Iterator[str]:
    yield "coredns"
    yield from _network_ids(spec)
    if spec.target is Target.BARE_METAL:
        # Both are Kubespray's; kind has neither.
        if spec.kubernetes.metrics_server:
            yield "metrics-server"
        if spec.kubernetes.node_local_dns:
            yield "node-local-dns"
    if spec.load_balancer.kind in (LoadBalancerKind.METALLB_L2, LoadBalancerKind.METALLB_BGP):
        yield "metallb"
    if spec.load_balancer.kind is LoadBalancerKind.METALLB_BGP:
        yield "metallb-frr"
    yield from _storage_ids(spec)
    yield from _mesh_ids(spec)


def _network_ids(spec: ClusterSpec) -> Iterator[str]:
    cilium = spec.network.cni is Cni.CILIUM
    if not (cilium and spec.network.cilium.kube_proxy_replacement):
        yield "kube-proxy"
    if spec.network.cni is not Cni.NONE:
        yield spec.network.cni.value
    if cilium and spec.network.cilium.hubble:
        yield "hubble-relay"
        if spec.network.cilium.hubble_ui:
            yield "hubble-ui"
    if spec.kubernetes.gateway_api or spec.mesh.kind is MeshKind.ISTIO_AMBIENT:
        yield "gateway-api"


_ENGINE_IDS = {
    Engine.HOSTPATH: ("openebs-hostpath",),
    Engine.LVM: ("openebs-lvm",),
    Engine.ZFS: ("openebs-zfs",),
    # Its etcd keeps its data on hostpath volumes; the chart does not render without.
    Engine.MAYASTOR: ("openebs-hostpath", "openebs-mayastor"),
    Engine.CSTOR: ("openebs-cstor",),
    # Its replicas live on hostpath volumes (defaultPolicy.replicaSC).
    Engine.JIVA: ("openebs-hostpath", "openebs-jiva"),
    Engine.LOCAL_PATH: ("local-path",),
    Engine.STANDARD: ("local-path",),
}


def _storage_ids(spec: ClusterSpec) -> Iterator[str]:
    for engine in spec.storage.engines:
        yield from _ENGINE_IDS[engine]


def _mesh_ids(spec: ClusterSpec) -> Iterator[str]:
    if spec.mesh.kind is MeshKind.NONE:
        return
    yield from ("istio-base", "istiod")
    if spec.mesh.kind is MeshKind.ISTIO_AMBIENT:
        yield from ("istio-cni", "ztunnel")
    if spec.mesh.ingress_gateway:
        yield "istio-ingressgateway"
    if spec.mesh.egress_gateway:
        yield "istio-egressgateway"
    yield from (addon.value for addon in spec.mesh.addons)


def _fitted(part: Component, spec: ClusterSpec, *, strip_chart: bool) -> Component:
    """Return `part` as this cluster has it: its chart's source, and how many pods are wanted at least."""
    chart = None if strip_chart else part.chart
    if chart and spec.mirrors.charts:
        chart = replace(chart, repo_url=spec.mirrors.charts)
    workloads = part.workloads
    if part.id == "openebs-mayastor":
        workloads = tuple(
            replace(workload, minimum=spec.storage.mayastor.replicas)
            if workload.selector == "app=io-engine"
            else workload
            for workload in workloads
        )
    return replace(part, chart=chart, workloads=workloads)
