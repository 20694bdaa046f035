"""What stands in for Kubespray and the Helm charts on a practice cluster: the workloads they would bring.

Names and labels are those of the real ones (`wizards.setup.components`), the images are named and never
pulled, and custom resources get definitions with free schemas. Nothing here touches a real cluster: the
playbooks apply it only where the plan says practice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from wizards.practice.api import objects as make
from wizards.provision.components import openebs
from wizards.provision.components.text import Data, objects_text
from wizards.setup.components import Component, Workload
from wizards.setup.spec import ClusterSpec, EndpointKind, Engine, Node, Role

FOLDER: Final = "components/kubernetes"
"""Where the parts of the rehearsed Kubernetes stand: ``<node>.yaml``, ``network.yaml``, ``apps.yaml``."""
_EVERYWHERE: Final = [{"operator": "Exists"}]
_CONTROL_PLANE: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_CILIUM: Final = (
    ("CiliumLoadBalancerIPPool", "ciliumloadbalancerippools", "v2"),
    ("CiliumL2AnnouncementPolicy", "ciliuml2announcementpolicies", "v2alpha1"),
    ("CiliumBGPClusterConfig", "ciliumbgpclusterconfigs", "v2"),
    ("CiliumBGPPeerConfig", "ciliumbgppeerconfigs", "v2"),
    ("CiliumBGPAdvertisement", "ciliumbgpadvertisements", "v2"),
)
_ISTIO: Final = (
    ("networking.istio.io", "VirtualService", "virtualservices"),
    ("networking.istio.io", "DestinationRule", "destinationrules"),
    ("networking.istio.io", "Gateway", "gateways"),
    ("networking.istio.io", "ServiceEntry", "serviceentries"),
    ("security.istio.io", "PeerAuthentication", "peerauthentications"),
    ("security.istio.io", "AuthorizationPolicy", "authorizationpolicies"),
    ("telemetry.istio.io", "Telemetry", "telemetries"),
)
_GATEWAY_API: Final = (
    ("GatewayClass", "gatewayclasses", False),
    ("Gateway", "gateways", True),
    ("HTTPRoute", "httproutes", True),
    ("GRPCRoute", "grpcroutes", True),
    ("ReferenceGrant", "referencegrants", True),
)


def cluster_files(spec: ClusterSpec, parts: Mapping[str, Component]) -> dict[str, str]:
    """Return path → text of what Kubespray would have made: each node, the pod network, the applications."""
    brought = [part for part in parts.values() if part.chart is None and part.manifest is None]
    network = [part for part in brought if part.category == "network" and part.id not in _DNS]
    apps = [part for part in brought if part not in network]
    files = {f"{FOLDER}/{node.name}.yaml": _node_text(node, spec) for node in spec.nodes}
    files[f"{FOLDER}/network.yaml"] = _text(network, spec, "the pod network and kube-proxy")
    files[f"{FOLDER}/apps.yaml"] = _text(apps, spec, "DNS, and what Kubespray adds")
    return files


_DNS: Final = ("coredns", "node-local-dns")


def _node_text(node: Node, spec: ClusterSpec) -> str:
    about = f"REHEARSAL: the node {node.name} and its static pods."
    return objects_text([_node(node, spec), *_static_pods(node, spec)], about)


def _node(node: Node, spec: ClusterSpec) -> Data:
    roles = [Role.CONTROL_PLANE.value] if node.has(Role.CONTROL_PLANE) else []
    taints = [_taint(text) for text in node.taints]
    if roles and not node.has(Role.WORKER):
        taints.insert(0, {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"})
    version = {"slipway.dev/kubelet-version": f"v{spec.kubernetes.version}"}
    return make.node(node.name, node.ip, roles, labels=node.labels, annotations=version, taints=taints)


def _taint(text: str) -> Data:
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return {"key": key, "effect": effect} | ({"value": value} if value else {})


def _static_pods(node: Node, spec: ClusterSpec) -> Iterator[Data]:
    if node.has(Role.CONTROL_PLANE):
        for name in _CONTROL_PLANE:
            image = f"registry.k8s.io/{name}:v{spec.kubernetes.version}"
            yield _static_pod(name, node, image, {"component": name, "tier": "control-plane"})
        if spec.endpoint.kind is EndpointKind.KUBE_VIP:
            yield _static_pod("kube-vip", node, "ghcr.io/kube-vip/kube-vip:practice", {})
    elif spec.endpoint.kind is EndpointKind.LOCAL_PROXY:
        yield _static_pod("nginx-proxy", node, "docker.io/library/nginx:practice", {"k8s-app": "kube-nginx"})


def _static_pod(name: str, node: Node, image: str, labels: Mapping[str, str]) -> Data:
    return make.pod(
        f"{name}-{node.name}",
        "kube-system",
        image=image,
        labels=labels,
        nodeName=node.name,
        hostNetwork=True,
        priorityClassName="system-node-critical",
        tolerations=_EVERYWHERE,
    )


def _text(parts: Iterable[Component], spec: ClusterSpec, about: str) -> str:
    content: list[Data] = []
    for part in parts:
        if part.namespace not in ("", "kube-system"):
            content.append(make.namespace(part.namespace))
        content.extend(_extras(part.id))
        content.extend(_workload(workload, spec) for workload in part.workloads)
    return objects_text(content, f"REHEARSAL: {about}.")


def _extras(part_id: str) -> Iterator[Data]:
    """Give what a part brings beside its workloads and something else relies on."""
    if part_id == "cilium":
        for kind, plural, version in _CILIUM:
            yield make.definition("cilium.io", kind, plural, versions=(version,), namespaced=False)
    if part_id == "coredns":
        yield make.service("coredns", "kube-system", port=53, selector={"k8s-app": "kube-dns"})
    if part_id == "local-path":
        yield make.storage_class("local-path", "rancher.io/local-path")


def install_objects(
    install_id: str,
    workloads: Sequence[Workload],
    values: Data | None,
    spec: ClusterSpec,
    default_class: str,
) -> list[Data]:
    """Return what stands in for one chart or published file: definitions, classes, Services, workloads."""
    content = [*_definitions(install_id), *_classes(install_id, spec, default_class)]
    content += [_workload(workload, spec) for workload in workloads]
    service = (values or {}).get("service")
    if service and workloads:
        gateway, kind = workloads[0], str(service["type"])
        content.append(make.service(install_id, gateway.namespace, selector=gateway.labels, type_=kind))
    return content


def _definitions(install_id: str) -> list[Data]:
    if install_id == "metallb":
        return make.metallb_definitions()
    if install_id == "istio-base":
        return [make.definition(group, kind, plural) for group, kind, plural in _ISTIO]
    if install_id == "gateway-api":
        return [
            make.definition("gateway.networking.k8s.io", kind, plural, namespaced=namespaced)
            for kind, plural, namespaced in _GATEWAY_API
        ]
    if install_id == "openebs":
        return [make.definition("openebs.io", "DiskPool", "diskpools", versions=("v1beta3",))]
    return []


def _classes(install_id: str, spec: ClusterSpec, default_class: str) -> Iterator[Data]:
    """Give the StorageClasses that a chart makes by itself."""
    storage = spec.storage
    if install_id == "openebs" and {Engine.HOSTPATH, Engine.JIVA} & {*storage.engines}:
        name = storage.hostpath.class_name
        yield make.storage_class(name, "openebs.io/local", default=default_class == name)
    if install_id == "openebs-jiva":
        name = storage.jiva.class_name
        yield make.storage_class(name, "jiva.csi.openebs.io", default=default_class == name, immediate=True)


def _workload(workload: Workload, spec: ClusterSpec) -> Data:
    image = f"slipway.dev/practice/{workload.name}:rehearsal"
    pod_spec: Data = {"tolerations": _EVERYWHERE} if workload.every_node else {}
    if workload.kind == "DaemonSet":
        if workload.selector == "app=io-engine":
            pod_spec["nodeSelector"] = {openebs.ENGINE_LABEL: "mayastor"}
        return make.daemon_set(
            workload.name, workload.namespace, image=image, labels=workload.labels, pod_spec=pod_spec
        )
    if workload.name == "coredns":
        pod_spec["tolerations"] = _EVERYWHERE
    maker = make.stateful_set if workload.kind == "StatefulSet" else make.deployment
    replicas = 2 if workload.name == "coredns" and len(spec.nodes) > 1 else workload.minimum
    return maker(
        workload.name,
        workload.namespace,
        replicas=replicas,
        image=image,
        labels=workload.labels,
        pod_spec=pod_spec,
    )
