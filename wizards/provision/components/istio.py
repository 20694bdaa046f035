"""Istio 1.31, sidecar and ambient: values of its charts and what the mesh starts with (facts: section 3)."""

from __future__ import annotations

from typing import Final

from wizards.provision.components.text import Data, kube_object
from wizards.setup.spec import ClusterSpec, LoadBalancerKind, MeshAddon, MeshKind, Target

NAMESPACE: Final = "istio-system"
_FEW_NODES: Final = 6
_TRACED_PERCENT: Final = 10
_JAEGER: Final = "jaeger"


def chart_values(spec: ClusterSpec) -> dict[str, Data]:
    """Return component id → chart values, for the charts that this mesh takes."""
    mesh = spec.mesh
    if mesh.kind is MeshKind.NONE:
        return {}
    charts: dict[str, Data] = {"istio-base": {"defaultRevision": "default"}, "istiod": _istiod(spec)}
    if mesh.kind is MeshKind.ISTIO_AMBIENT:
        charts |= {"istio-cni": {"profile": "ambient"}, "ztunnel": {}}
    if mesh.ingress_gateway:
        charts["istio-ingressgateway"] = _ingress(spec)
    if mesh.egress_gateway:
        charts["istio-egressgateway"] = {"service": {"type": "ClusterIP"}}
    return charts


def _istiod(spec: ClusterSpec) -> Data:
    chosen: Data = {}
    if spec.mesh.kind is MeshKind.ISTIO_AMBIENT:
        chosen["profile"] = "ambient"
    mesh_config: Data = {}
    if MeshAddon.JAEGER in spec.mesh.addons:
        service = f"jaeger-collector.{NAMESPACE}.svc.{spec.kubernetes.domain}"
        mesh_config = {
            "enableTracing": True,
            "extensionProviders": [{"name": _JAEGER, "opentelemetry": {"service": service, "port": 4317}}],
        }
    if spec.kubernetes.domain != "cluster.local":
        chosen["global"] = {"proxy": {"clusterDomain": spec.kubernetes.domain}}
        mesh_config["trustDomain"] = spec.kubernetes.domain
    if mesh_config:
        chosen["meshConfig"] = mesh_config
    if requests := _requests(spec):
        chosen["resources"] = {"requests": requests}
    return chosen


def _requests(spec: ClusterSpec) -> dict[str, str]:
    """Return what istiod reserves: the chart's 2 GiB suit a large mesh and would not fit a small cluster."""
    if spec.target is Target.LOCAL:
        return {"cpu": "100m", "memory": "256Mi"}
    return {"cpu": "200m", "memory": "512Mi"} if len(spec.nodes) < _FEW_NODES else {}


def _ingress(spec: ClusterSpec) -> Data:
    # Rule 15: without a load balancer its Service would stay pending, and Helm would wait for it.
    alone = spec.load_balancer.kind is LoadBalancerKind.NONE
    return {"service": {"type": "NodePort" if alone else "LoadBalancer"}}


def namespaces(spec: ClusterSpec) -> list[Data]:
    """Return the namespaces that are part of the mesh from the start."""
    ambient = spec.mesh.kind is MeshKind.ISTIO_AMBIENT
    labels = {"istio.io/dataplane-mode": "ambient"} if ambient else {"istio-injection": "enabled"}
    return [kube_object("v1", "Namespace", name, labels=labels) for name in spec.mesh.namespaces]


def objects(spec: ClusterSpec) -> list[Data]:
    """Return the mesh's settings: mutual TLS for all, and tracing where Jaeger is there."""
    settings = [
        kube_object(
            "security.istio.io/v1",
            "PeerAuthentication",
            "default",
            namespace=NAMESPACE,
            spec={"mtls": {"mode": spec.mesh.mtls.upper()}},
        )
    ]
    if MeshAddon.JAEGER in spec.mesh.addons:
        tracing = {"providers": [{"name": _JAEGER}], "randomSamplingPercentage": _TRACED_PERCENT}
        settings.append(
            kube_object(
                "telemetry.istio.io/v1",
                "Telemetry",
                "mesh-default",
                namespace=NAMESPACE,
                spec={"tracing": [tracing]},
            )
        )
    return settings
