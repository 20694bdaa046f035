"""Cases of the rules about storage, mesh, versions and Kubespray's variables."""

from __future__ import annotations

from typing import Any

from tests.setup.rule_world import ALL, CONTROL, MAYASTOR_NODES, changed, local, nodes


def engines(*names: str, **more: Any) -> dict[str, Any]:
    return {"storage": {"engines": list(names), **more}}


def mesh(kind: str = "istio-ambient", **more: Any) -> dict[str, Any]:
    return {"mesh": {"kind": kind, **more}}


PLATFORM_CASES = [
    changed(
        "duplicate-engine", "storage.engines[1]", engines("hostpath", "hostpath"), engines("hostpath", "lvm")
    ),
    changed("engine-target", "storage.engines[0]", engines("standard")),
    local("engine-target", "storage.engines[1]", engines("standard", "zfs"), engines("standard", "hostpath")),
    changed(
        "duplicate-class",
        "storage.zfs.class_name",
        engines("lvm", "zfs", lvm={"class_name": "fast"}, zfs={"class_name": "fast"}),
        engines("lvm", "zfs", lvm={"class_name": "fast"}),
    ),
    changed(
        "default-class-unknown",
        "storage.default_class",
        engines("hostpath", default_class="openebs-lvmpv"),
        engines("hostpath", "lvm", default_class="openebs-lvmpv"),
    ),
    local(
        "one-default-class",
        "storage.default_class",
        engines("standard", "hostpath", default_class="openebs-hostpath"),
        engines("standard", "hostpath"),
    ),
    changed(
        "mayastor-nodes",
        "storage.engines[0]",
        {"nodes": nodes(5, CONTROL, CONTROL, CONTROL), **engines("mayastor")},
        {"nodes": MAYASTOR_NODES, **engines("mayastor")},
    ),
    changed(
        "mayastor-disks",
        "nodes[1].disks",
        {"nodes": [MAYASTOR_NODES[0], *nodes(3, ALL, ALL, ALL)[1:]], **engines("mayastor")},
        {"nodes": MAYASTOR_NODES, **engines("mayastor")},
    ),
    changed(
        "mayastor-disks",
        "storage.mayastor.replicas",
        {"nodes": MAYASTOR_NODES, **engines("mayastor", mayastor={"replicas": 4})},
    ),
    changed(
        "mayastor-cstor", "storage.engines[1]", engines("mayastor", "cstor"), engines("mayastor", "hostpath")
    ),
    changed("hostpath-below", "storage.engines[0]", engines("mayastor"), engines("mayastor", "hostpath")),
    changed("one-hostpath", "storage.engines[0]", engines("jiva", "hostpath"), engines("jiva")),
    changed(
        "archived-consent", "storage.engines[0]", engines("cstor"), engines("cstor", accept_archived=True)
    ),
    changed("archived", "storage.engines[0]", engines("cstor", accept_archived=True), engines("cstor")),
    changed(
        "archived-replicas",
        "storage.jiva.replicas",
        {"nodes": nodes(1, ALL), **engines("jiva")},
        {"nodes": nodes(1, ALL), **engines("jiva", jiva={"replicas": 1})},
    ),
    changed("mesh-cni", "mesh.kind", mesh(), mesh("istio-sidecar")),
    changed("mesh-socket", "mesh.kind", mesh("istio-sidecar"), {**mesh(), "network": {"cni": "calico"}}),
    changed(
        "mesh-masquerade",
        "network.cilium.bpf_masquerade",
        {**mesh(), "network": {"cilium": {"bpf_masquerade": True}}},
        {**mesh("istio-sidecar"), "network": {"cilium": {"bpf_masquerade": True}}},
    ),
    changed(
        "ambient-policies",
        "mesh.kind",
        {**mesh(), "network": {"cilium": {"l7_policies": True}}},
        mesh(),
    ),
    changed(
        "mesh-version",
        "mesh.kind",
        {**mesh(), "kubernetes": {"version": "1.31.9"}},
        {**mesh(), "kubernetes": {"version": "1.33.0"}},
    ),
    changed("gateway-api", "kubernetes.gateway_api", mesh(), {**mesh(), "kubernetes": {"gateway_api": True}}),
    changed(
        "gateway-without-balancer",
        "mesh.ingress_gateway",
        {**mesh(), "load_balancer": {"kind": "none", "pools": []}},
        mesh(),
    ),
    changed(
        "dashboards-without-prometheus",
        "mesh.addons[0]",
        mesh(addons=["kiali"]),
        mesh(addons=["kiali", "prometheus"]),
    ),
    changed("duplicate-addon", "mesh.addons[1]", mesh(addons=["jaeger", "jaeger"]), mesh(addons=["jaeger"])),
    changed(
        "kubernetes-version",
        "kubernetes.version",
        {"kubernetes": {"version": "1.35.5"}},
        {"kubernetes": {"version": "1.33.11"}},
    ),
    local(
        "kubernetes-version",
        "kubernetes.version",
        {"kubernetes": {"version": "1.33.0"}},
        {"kubernetes": {"version": "1.37.0"}},
    ),
    local("kind-version", "kubernetes.version", {"kubernetes": {"version": "1.35.4"}}),
]


def variables(**values: Any) -> dict[str, Any]:
    return {"kubespray_vars": values}


DOCKER = {"kubernetes": {"runtime": "docker"}}
CALICO = {"network": {"cni": "calico"}}
REFUSED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"kubelet_static_pod_path": "/x"}, {}, {}),
    ({"ip": "10.0.0.1"}, {}, {}),
    ({"download_run_once": "true"}, {"download_run_once": True}, {}),
    ({"kubelet_max_pods": 300}, {"kubelet_max_pods": 254}, {}),
    ({"kubelet_max_pods": "200"}, {"kubelet_max_pods": 500}, CALICO),
    ({"cloud_provider": "aws"}, {"cloud_provider": ""}, {}),
    ({"cloud_provider": "external"}, {"cloud_provider": "external", "external_cloud_provider": "oci"}, {}),
    ({"dns_mode": "kubedns"}, {"dns_mode": "coredns"}, {}),
    ({"etcd_deployment_type": "docker"}, {"etcd_deployment_type": "kubeadm"}, {}),
    ({"etcd_deployment_type": "rkt"}, {"etcd_deployment_type": "docker"}, DOCKER),
    ({"download_localhost": True}, {"download_localhost": True, "download_run_once": True}, {}),
    ({"kata_containers_enabled": True}, {"kata_containers_enabled": False}, DOCKER),
    ({"gvisor_enabled": True}, {"containerd_version": "0.1"}, DOCKER),
    ({"containerd_version": "1.2.9"}, {"containerd_version": "2.1.0", "gvisor_enabled": True}, {}),
    ({"kube_external_ca_mode": True}, {"kube_external_ca_mode": False}, {}),
    ({"kube_version_min_required": "1.36.0"}, {"kube_version_min_required": "1.35.4"}, {}),
    ({"cilium_cluster_id": 256}, {"cilium_cluster_id": 255}, {}),
    ({"cilium_version": "1.14.9"}, {"cilium_version": "1.19.3"}, {}),
    ({"cilium_hubble_event_buffer_capacity": 64}, {"cilium_hubble_event_buffer_capacity": 63}, {}),
    ({"download_force_cache": True}, {"download_force_cache": True, "download_run_once": True}, {}),
    ({"calico_version": "3.28.0"}, {"calico_version": "3.31.5"}, CALICO),
    ({"calico_pool_cidr": "10.0.0.0/8"}, {"calico_pool_cidr": "10.233.64.0/20"}, CALICO),
    ({"calico_pool_cidr_ipv6": "fd00::/64"}, {"calico_pool_cidr": "10.233.64.0/18"}, CALICO),
    ({"calico_pool_cidr": "here"}, {}, CALICO),
    ({"calico_pool_name": "a b"}, {"calico_pool_name": "default-pool", "cilium_cluster_id": 300}, CALICO),
    ({"typha_enabled": True, "calico_datastore": "etcd"}, {"typha_enabled": True}, CALICO),
    ({"peer_with_calico_rr": True}, {"peer_with_calico_rr": False}, CALICO),
    ({"calico_ipip_mode_ipv6": "Always"}, {"calico_ipip_mode_ipv6": "Never"}, CALICO),
    (
        {"kube_vip_bgp_sourceif": "eth0", "kube_vip_bgp_sourceip": "10.0.0.1", "kube_vip_bgp_enabled": True},
        {"kube_vip_bgp_sourceif": "eth0", "kube_vip_bgp_enabled": True},
        {},
    ),
]
"""Variables that Kubespray refuses, the same beside what it takes, and the answers they stand among."""

KUBESPRAY_CASES = [
    *(
        changed(
            "variable-refused",
            f"kubespray_vars.{next(iter(bad))}",
            {**others, **variables(**bad)},
            {**others, **variables(**good)},
        )
        for bad, good, others in REFUSED
    ),
    local("variables-on-local", "kubespray_vars", variables(kubelet_max_pods=200)),
    changed(
        "variable-owned",
        "kubespray_vars.kube_version",
        variables(kube_version="1.35.1"),
        variables(kubelet_max_pods=200),
    ),
    changed("variable-metallb", "kubespray_vars.metallb_enabled", variables(metallb_enabled=True)),
    changed("variable-ansible", "kubespray_vars.ansible_user", variables(ansible_user="me")),
    changed(
        "variable-balancer",
        "kubespray_vars.cilium_extra_values.bgpControlPlane.enabled",
        variables(cilium_extra_values={"bgpControlPlane": {"enabled": True}}),
        variables(cilium_extra_values={"bgpControlPlane": {"enabled": False}, "debug": {"enabled": True}}),
    ),
    changed(
        "variable-ztunnel",
        "kubespray_vars.cilium_extra_values.encryption.type",
        {**mesh(), **variables(cilium_extra_values={"encryption": {"type": "ztunnel"}})},
        {**mesh(), **variables(cilium_extra_values={"encryption": {"type": "wireguard"}})},
    ),
    changed(
        "variable-unknown",
        "kubespray_vars.kubelet_max_pod",
        variables(kubelet_max_pod=200),
        variables(kubelet_max_pods=200),
    ),
]
