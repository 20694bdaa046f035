"""Rules about the service mesh, and what stands below and beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wizards.setup.rules_network import is_cilium
from wizards.setup.ruling import Fault, block, fix, rules_in, warn
from wizards.setup.spec import KUBERNETES_DEFAULT, ClusterSpec, LoadBalancerKind, MeshAddon, MeshKind

_ISTIO_MINIMUM: Final = (1, 32)
"""Istio 1.31's own check."""


def _has_mesh(spec: ClusterSpec) -> bool:
    return spec.mesh.kind is not MeshKind.NONE


def _is_ambient(spec: ClusterSpec) -> bool:
    return spec.mesh.kind is MeshKind.ISTIO_AMBIENT


@fix("mesh-cni")
def mesh_cni(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 7: Istio's network plugin must be allowed beside Cilium's."""
    if is_cilium(spec) and _is_ambient(spec):
        yield Fault(
            "mesh.kind", "Cilium lets Istio's network plugin stand beside its own.", others=("network.cni",)
        )


@fix("mesh-socket")
def mesh_socket(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 8: otherwise Cilium hides the Service from the mesh."""
    if is_cilium(spec) and _has_mesh(spec):
        yield Fault(
            "mesh.kind",
            "Cilium balances Services in the nodes' own network only, so that the mesh sees pods' traffic.",
            others=("network.cni",),
        )


@fix("mesh-masquerade")
def mesh_masquerade(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 9: ambient's probes do not survive it."""
    if is_cilium(spec) and _is_ambient(spec) and spec.network.cilium.bpf_masquerade:
        yield Fault(
            "network.cilium.bpf_masquerade",
            "Cilium's eBPF masquerading is switched off, because Istio ambient does not work with it.",
            others=("mesh.kind",),
        )


@warn("ambient-policies")
def ambient_policies(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 12: default-deny policies would cut ambient's own traffic."""
    if _is_ambient(spec) and is_cilium(spec) and spec.network.cilium.l7_policies:
        yield Fault(
            "mesh.kind",
            "Policies that deny by default would cut off Istio ambient's own traffic.",
            "Allow 169.254.7.127/32, the health probes, and TCP 15008 in them.",
            ("network.cilium.l7_policies",),
        )


@block("mesh-version")
def mesh_version(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 13: Istio 1.31 checks the version before it installs."""
    major, minor, _ = (int(part) for part in spec.kubernetes.version.split("."))
    if _has_mesh(spec) and (major, minor) < _ISTIO_MINIMUM:
        yield Fault(
            "mesh.kind",
            f"Istio 1.31 needs Kubernetes 1.32 or newer, and this is {spec.kubernetes.version}.",
            f"Choose Kubernetes {KUBERNETES_DEFAULT}, or no mesh.",
            ("kubernetes.version",),
        )


@fix("gateway-api")
def gateway_api(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 14: ambient is steered by the Gateway API."""
    if _is_ambient(spec) and not spec.kubernetes.gateway_api:
        yield Fault(
            "kubernetes.gateway_api",
            "The Gateway API's definitions are installed first, because Istio ambient needs them.",
            others=("mesh.kind",),
        )


@warn("gateway-without-balancer")
def gateway_without_balancer(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 15: a gateway without an address is reached by a node's port."""
    if _has_mesh(spec) and spec.mesh.ingress_gateway and spec.load_balancer.kind is LoadBalancerKind.NONE:
        yield Fault(
            "mesh.ingress_gateway",
            "Without a load balancer the ingress gateway has no address, only a port on every node.",
            "Choose a load balancer, or reach it by that port.",
            ("load_balancer.kind",),
        )


@warn("dashboards-without-prometheus")
def dashboards_without_prometheus(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 30: Kiali and Grafana show what Prometheus has."""
    addons = spec.mesh.addons
    if not _has_mesh(spec) or MeshAddon.PROMETHEUS in addons:
        return
    for index, addon in enumerate(addons):
        if addon in (MeshAddon.KIALI, MeshAddon.GRAFANA):
            yield Fault(
                f"mesh.addons[{index}]",
                f"{addon.value.capitalize()} shows what Prometheus collects, and Prometheus is not chosen.",
                f"Add prometheus, or point {addon.value.capitalize()} at one of your own afterwards.",
                ("mesh.addons",),
            )


@block("duplicate-addon")
def duplicate_addon(spec: ClusterSpec) -> Iterator[Fault]:
    """Each dashboard is installed once."""
    addons = spec.mesh.addons
    for index, addon in enumerate(addons):
        if addons.index(addon) != index:
            yield Fault(
                f"mesh.addons[{index}]",
                f"{addon.value} stands in the list twice.",
                "Name each dashboard once.",
                (f"mesh.addons[{addons.index(addon)}]",),
            )


RULES: Final = rules_in(globals())
