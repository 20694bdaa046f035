"""Objects ready to be created, and the annotations by which a practice cluster is steered.

The annotations are the way in for those who reach the cluster only through its API, such as a
playbook: on a Node they say what the machine is like, on a pod or a Node they order a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wizards.practice.api.values import Json

PREFIX = "slipway.dev/"
FAULT = f"{PREFIX}fault"
"""On a pod (or in a template): CrashLoopBackOff, ImagePullBackOff, NotReady or Failed.
On a Node: NotReady or Unreachable. Taking it away heals."""

NODE_FACTS: dict[str, tuple[str, ...]] = {
    f"{PREFIX}address": ("address",),
    f"{PREFIX}cpu": ("capacity", "cpu"),
    f"{PREFIX}memory": ("capacity", "memory"),
    f"{PREFIX}kubelet-version": ("nodeInfo", "kubeletVersion"),
    f"{PREFIX}os-image": ("nodeInfo", "osImage"),
    f"{PREFIX}kernel-version": ("nodeInfo", "kernelVersion"),
    f"{PREFIX}container-runtime": ("nodeInfo", "containerRuntimeVersion"),
}
"""Annotations of a Node that the stand-in kubelet copies into its status."""


def metadata(name: str, namespace: str = "", **more: Any) -> Json:
    """An object's metadata; empty parts are left out."""
    found = {"name": name, "namespace": namespace, **more}
    return {key: value for key, value in found.items() if value}


def namespace(name: str, labels: Mapping[str, str] | None = None) -> Json:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata(name, labels=dict(labels or {}))}


def node(
    name: str,
    address: str = "",
    roles: Sequence[str] = (),
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    taints: Iterable[Json] = (),
) -> Json:
    """A Node without status: the stand-in kubelet completes it.

    Args:
        name: Its name.
        address: Its InternalIP.
        roles: Such as control-plane; they become role labels.
        labels: Further labels.
        annotations: Further annotations; see `NODE_FACTS`.
        taints: Its taints.
    """
    all_labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **(labels or {})}
    all_labels.update({f"node-role.kubernetes.io/{role}": "" for role in roles})
    notes = {**({f"{PREFIX}address": address} if address else {}), **(annotations or {})}
    spec: Json = {"taints": list(taints)} if taints else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata(name, labels=all_labels, annotations=notes),
        "spec": spec,
    }


def pod(
    name: str,
    namespace: str = "default",
    *,
    image: str = "registry.k8s.io/pause:3.10",
    labels: Mapping[str, str] | None = None,
    **spec: Any,
) -> Json:
    """A Pod with one container named after its image unless `containers` are given."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(name, namespace, labels=dict(labels or {})),
        "spec": {"containers": [{"name": "main", "image": image}], **spec},
    }


def _workload(
    kind: str,
    name: str,
    namespace: str,
    *,
    image: str,
    labels: Mapping[str, str] | None,
    pod_spec: Mapping[str, Any] | None,
    annotations: Mapping[str, str] | None = None,
) -> Json:
    chosen = dict(labels or {"app": name})
    template = {
        "metadata": {"labels": chosen, **({"annotations": dict(annotations)} if annotations else {})},
        "spec": {"containers": [{"name": name, "image": image}], **(pod_spec or {})},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata(name, namespace, labels=chosen),
        "spec": {"selector": {"matchLabels": chosen}, "template": template},
    }


def deployment(
    name: str,
    namespace: str = "default",
    *,
    replicas: int = 1,
    image: str = "registry.k8s.io/pause:3.10",
    labels: Mapping[str, str] | None = None,
    pod_spec: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Json:
    """A Deployment with one container.

    Args:
        name: Its name, and that of the container.
        namespace: Where.
        replicas: How many pods.
        image: The container's image.
        labels: Of the pods and their selector; `app: <name>` unless given.
        pod_spec: Further fields of the pod spec.
        annotations: Of the pods, such as a fault.
    """
    obj = _workload(
        "Deployment", name, namespace, image=image, labels=labels, pod_spec=pod_spec, annotations=annotations
    )
    obj["spec"]["replicas"] = replicas
    return obj


def daemon_set(
    name: str,
    namespace: str = "default",
    *,
    image: str = "registry.k8s.io/pause:3.10",
    labels: Mapping[str, str] | None = None,
    pod_spec: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Json:
    """A DaemonSet with one container; arguments as for `deployment`."""
    return _workload(
        "DaemonSet", name, namespace, image=image, labels=labels, pod_spec=pod_spec, annotations=annotations
    )


def stateful_set(
    name: str,
    namespace: str = "default",
    *,
    replicas: int = 1,
    image: str = "registry.k8s.io/pause:3.10",
    labels: Mapping[str, str] | None = None,
    pod_spec: Mapping[str, Any] | None = None,
    claims: Iterable[Json] = (),
) -> Json:
    """A StatefulSet with one container; `claims` are its volumeClaimTemplates."""
    obj = _workload("StatefulSet", name, namespace, image=image, labels=labels, pod_spec=pod_spec)
    obj["spec"].update(replicas=replicas, serviceName=name)
    if claims:
        obj["spec"]["volumeClaimTemplates"] = list(claims)
    return obj


def job(name: str, namespace: str = "default", *, image: str = "registry.k8s.io/pause:3.10") -> Json:
    """A Job of one pod."""
    spec = {"restartPolicy": "Never", "containers": [{"name": name, "image": image}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name, namespace),
        "spec": {"template": {"spec": spec}},
    }


def service(
    name: str,
    namespace: str = "default",
    *,
    port: int = 80,
    type_: str = "ClusterIP",
    selector: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Json:
    """A Service with one TCP port; it selects `app: <name>` unless told otherwise."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace, annotations=dict(annotations or {})),
        "spec": {
            "type": type_,
            "selector": dict(selector or {"app": name}),
            "ports": [{"name": "main", "port": port}],
        },
    }


def storage_class(name: str, provisioner: str, *, default: bool = False, immediate: bool = False) -> Json:
    """A StorageClass; volumes wait for the first pod unless `immediate`."""
    notes = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": metadata(name, annotations=notes),
        "provisioner": provisioner,
        "volumeBindingMode": "Immediate" if immediate else "WaitForFirstConsumer",
    }


def claim(
    name: str, namespace: str = "default", *, size: str = "1Gi", storage_class: str | None = None
) -> Json:
    """A PersistentVolumeClaim for one node at a time."""
    spec: Json = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(name, namespace),
        "spec": spec,
    }


def definition(
    group: str,
    kind: str,
    plural: str,
    *,
    versions: Sequence[str] = ("v1",),
    namespaced: bool = True,
    schema: Json | None = None,
    status: bool = True,
) -> Json:
    """A CustomResourceDefinition that takes any fields; the last version is the stored one.

    Args:
        group: Such as metallb.io.
        kind: Such as IPAddressPool.
        plural: Such as ipaddresspools.
        versions: The versions served, the stored one last.
        namespaced: Whether its objects live in namespaces.
        schema: The openAPIV3Schema; any object, unless given.
        status: Whether it has a status subresource.
    """
    any_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    listed = [
        {
            "name": version,
            "served": True,
            "storage": version == versions[-1],
            "schema": {"openAPIV3Schema": schema or any_object},
            **({"subresources": {"status": {}}} if status else {}),
        }
        for version in versions
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": {"plural": plural, "kind": kind},
            "versions": listed,
        },
    }


def address_pool(
    name: str, addresses: Sequence[str], *, namespace: str = "metallb-system", auto_assign: bool = True
) -> Json:
    """An IPAddressPool of MetalLB."""
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": metadata(name, namespace),
        "spec": {"addresses": list(addresses), "autoAssign": auto_assign},
    }


def l2_advertisement(name: str, pools: Sequence[str] = (), *, namespace: str = "metallb-system") -> Json:
    """An L2Advertisement of MetalLB for those pools, or for all."""
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "L2Advertisement",
        "metadata": metadata(name, namespace),
        "spec": {"ipAddressPools": list(pools)} if pools else {},
    }


METALLB_KINDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("IPAddressPool", "ipaddresspools", ("v1beta1",)),
    ("L2Advertisement", "l2advertisements", ("v1beta1",)),
    ("BGPAdvertisement", "bgpadvertisements", ("v1beta1",)),
    ("BGPPeer", "bgppeers", ("v1beta1", "v1beta2")),
    ("BFDProfile", "bfdprofiles", ("v1beta1",)),
    ("Community", "communities", ("v1beta1",)),
    ("ServiceL2Status", "servicel2statuses", ("v1beta1",)),
    ("ServiceBGPStatus", "servicebgpstatuses", ("v1beta1",)),
    ("ConfigurationState", "configurationstates", ("v1beta1",)),
)
"""Kind, plural and versions of MetalLB's resources (v0.16.1)."""


def metallb_definitions() -> list[Json]:
    """The CRDs of MetalLB, with free schemas."""
    return [definition("metallb.io", kind, plural, versions=v) for kind, plural, v in METALLB_KINDS]
