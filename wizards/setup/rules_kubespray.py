"""Rules about further Kubespray variables: they must exist, and leave alone what other answers say."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Final

from wizards.setup.paths import join
from wizards.setup.rules_nodes import is_bare_metal
from wizards.setup.rules_pools import METALLB
from wizards.setup.ruling import Fault, block, rules_in, warn
from wizards.setup.spec import ClusterSpec, Cni, MeshKind

_ROOT: Final = "kubespray_vars"

OWNED: Final[Mapping[str, str]] = {
    "kube_version": "kubernetes.version",
    "container_manager": "kubernetes.runtime",
    "cluster_name": "kubernetes.domain",
    "dns_domain": "kubernetes.domain",
    "enable_nodelocaldns": "kubernetes.node_local_dns",
    "auto_renew_certificates": "kubernetes.auto_renew_certificates",
    "kube_encrypt_secret_data": "kubernetes.encrypt_secrets",
    "kubernetes_audit": "kubernetes.audit_log",
    "metrics_server_enabled": "kubernetes.metrics_server",
    "gateway_api_enabled": "kubernetes.gateway_api",
    "ntp_enabled": "kubernetes.ntp",
    "upstream_dns_servers": "kubernetes.upstream_dns",
    "kube_network_plugin": "network.cni",
    "ipv4_stack": "network.pods",
    "ipv6_stack": "network.pods_v6",
    "kube_pods_subnet": "network.pods",
    "kube_service_addresses": "network.services",
    "kube_network_node_prefix": "network.node_prefix",
    "kube_pods_subnet_ipv6": "network.pods_v6",
    "kube_service_addresses_ipv6": "network.services_v6",
    "kube_network_node_prefix_ipv6": "network.node_prefix_v6",
    "kube_proxy_mode": "network.kube_proxy",
    "kube_proxy_strict_arp": "network.kube_proxy",
    "cilium_kube_proxy_replacement": "network.cilium.kube_proxy_replacement",
    "cilium_tunnel_mode": "network.cilium.tunnel",
    "cilium_native_routing_cidr": "network.cilium.native_cidr",
    "cilium_native_routing_cidr_ipv6": "network.cilium.native_cidr",
    "cilium_auto_direct_node_routes": "network.cilium.routing",
    "cilium_enable_bpf_masquerade": "network.cilium.bpf_masquerade",
    "cilium_enable_hubble": "network.cilium.hubble",
    "cilium_enable_hubble_ui": "network.cilium.hubble_ui",
    "cilium_encryption_enabled": "network.cilium.encryption",
    "cilium_encryption_type": "network.cilium.encryption",
    "cilium_cni_exclusive": "mesh.kind",
    "cilium_l2announcements": "load_balancer.kind",
    "cilium_enable_bgp_control_plane": "load_balancer.kind",
    "calico_network_backend": "network.calico.mode",
    "calico_vxlan_mode": "network.calico.mode",
    "calico_vxlan_mode_ipv6": "network.calico.mode",
    "calico_ipip_mode": "network.calico.mode",
    "calico_nftable_mode": "network.kube_proxy",
    "global_as_num": "network.calico.asn",
    "flannel_backend_type": "network.flannel.backend",
    "loadbalancer_apiserver": "endpoint.address",
    "loadbalancer_apiserver_localhost": "endpoint.kind",
    "loadbalancer_apiserver_type": "endpoint.kind",
    "apiserver_loadbalancer_domain_name": "endpoint.address",
    "kube_apiserver_port": "endpoint.port",
    "kube_vip_enabled": "endpoint.kind",
    "kube_vip_controlplane_enabled": "endpoint.kind",
    "kube_vip_arp_enabled": "endpoint.kind",
    "kube_vip_address": "endpoint.address",
    "kube_vip_interface": "endpoint.interface",
    "local_path_provisioner_enabled": "storage.engines",
    "local_path_provisioner_is_default_storageclass": "storage.default_class",
    "http_proxy": "proxy.http",
    "https_proxy": "proxy.https",
    "additional_no_proxy": "proxy.no_proxy",
    "files_repo": "mirrors.files",
    "registry_host": "mirrors.registry",
    "kube_image_repo": "mirrors.registry",
    "gcr_image_repo": "mirrors.registry",
    "github_image_repo": "mirrors.registry",
    "docker_image_repo": "mirrors.registry",
    "quay_image_repo": "mirrors.registry",
    "node_labels": "nodes[0].labels",
    "node_taints": "nodes[0].taints",
}
"""Variables that answers of their own decide: name to the path of the answer."""

_CHART_VALUES: Final = "cilium_extra_values"
_BALANCING: Final = (
    "cilium_loadbalancer_ip_pools",
    "cilium_l2announcements_policies",
    "cilium_bgp_peering_policies",
)


@cache
def known_variables() -> frozenset[str]:
    """Return the variables that Kubespray v2.31.0's defaults and sample inventory define."""
    text = resources.files("wizards.setup").joinpath("kubespray-variables.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


@warn("variables-on-local")
def variables_on_local(spec: ClusterSpec) -> Iterator[Fault]:
    """Kubespray takes no part on this machine."""
    if spec.kubespray_vars and not is_bare_metal(spec):
        yield Fault(
            _ROOT,
            "Kubespray's variables take no part in a cluster on this machine.",
            "Leave them out, or set target to bare-metal.",
            ("target",),
        )


@block("variable-owned")
def variable_owned(spec: ClusterSpec) -> Iterator[Fault]:
    """What an answer decides is not decided a second time."""
    for name in spec.kubespray_vars:
        if path := OWNED.get(name):
            yield Fault(
                join(_ROOT, name),
                f"{name} is written by Slipway from {path}; two values would contradict each other.",
                f"Set {path} instead.",
                (path,),
            )


@block("variable-metallb")
def variable_metallb(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 5: Kubespray's MetalLB is 0.13.9 and would fight with the one that Slipway installs."""
    for name in spec.kubespray_vars:
        if name.startswith("metallb_"):
            yield Fault(
                join(_ROOT, name),
                f"{name} belongs to Kubespray's own MetalLB, an old release that Slipway does not use.",
                "Leave it out, and choose metallb-l2 or metallb-bgp as load balancer.",
                ("load_balancer.kind",),
            )


@block("variable-ansible")
def variable_ansible(spec: ClusterSpec) -> Iterator[Fault]:
    """How nodes are reached is not for a variable to change."""
    for name in spec.kubespray_vars:
        if name.startswith("ansible_"):
            yield Fault(
                join(_ROOT, name),
                f"{name} would change how Ansible reaches the servers.",
                "Leave it out: access says how Slipway logs in.",
                ("access",),
            )


@block("variable-balancer")
def variable_balancer(spec: ClusterSpec) -> Iterator[Fault]:
    """Rules 3 and 4: Cilium's own address pools would wipe what MetalLB gave."""
    if spec.load_balancer.kind not in METALLB or spec.network.cni is not Cni.CILIUM:
        return
    hits = [join(_ROOT, name) for name in _BALANCING if spec.kubespray_vars.get(name)]
    chart = spec.kubespray_vars.get(_CHART_VALUES)
    if isinstance(chart, dict):
        here = join(_ROOT, _CHART_VALUES)
        hits += [join(here, key) for key in ("enableLBIPAM",) if chart.get(key) is True]
        hits += [
            join(join(here, key), "enabled")
            for key in ("l2announcements", "bgpControlPlane")
            if isinstance(inner := chart.get(key), dict) and inner.get("enabled") is True
        ]
    for path in hits:
        yield Fault(
            path,
            "Cilium would give addresses to Services as well, and take back those that MetalLB gave.",
            "Leave it out, or choose cilium-l2 or cilium-bgp as load balancer.",
            ("load_balancer.kind",),
        )


@block("variable-ztunnel")
def variable_ztunnel(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 10: two ztunnels in one cluster."""
    chart = spec.kubespray_vars.get(_CHART_VALUES)
    encryption = chart.get("encryption") if isinstance(chart, dict) else None
    if (
        spec.mesh.kind is MeshKind.ISTIO_AMBIENT
        and isinstance(encryption, dict)
        and encryption.get("type") == "ztunnel"
    ):
        yield Fault(
            join(join(join(_ROOT, _CHART_VALUES), "encryption"), "type"),
            "Cilium's ztunnel and Istio ambient's would both take the pods' traffic.",
            "Leave it out; Istio ambient encrypts already.",
            ("mesh.kind",),
        )


@warn("variable-unknown")
def variable_unknown(spec: ClusterSpec) -> Iterator[Fault]:
    """A misspelt variable changes nothing, silently."""
    known = known_variables()
    for name in spec.kubespray_vars:
        if name in known or name in OWNED or name.startswith(("ansible_", "metallb_")):
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        yield Fault(
            join(_ROOT, name),
            f"Kubespray v2.31.0 does not define the variable {name}.",
            f"Did you mean {close[0]}?" if close else "Check its name: an unknown variable does nothing.",
        )


RULES: Final = rules_in(globals())
