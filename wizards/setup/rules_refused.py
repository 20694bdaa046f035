"""What Kubespray's own validation refuses in further variables: said here, before a server is touched.

Each entry is an assertion of Kubespray v2.31.0: of its role validate_inventory, of its downloads, or of the
checks of its network plugins. Variables that answers of their own decide are refused already (`OWNED`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final

from wizards.setup.paths import join
from wizards.setup.rules_nodes import is_bare_metal
from wizards.setup.ruling import Fault, block, rules_in
from wizards.setup.spec import ClusterSpec, Cni, Runtime

_ROOT: Final = "kubespray_vars"
_CLOUDS: Final = ("hcloud", "huaweicloud", "oci", "openstack", "vsphere", "manual")
_CALICO: Final = {"3.31": 5, "3.30": 7, "3.29": 7}
"""Minor release of Calico to the last patch that Kubespray v2.31.0 has checksums of."""
_ENCAPSULATION: Final = "It is an old name; set network.calico.mode instead."
_PER_NODE: Final = "Each node has its own; set the node's internal_address instead."

GONE: Final[Mapping[str, str]] = {
    "kubelet_static_pod_path": "Kubespray v2.31.0 no longer has it; leave it out.",
    "ipip": _ENCAPSULATION,
    "ipip_mode": _ENCAPSULATION,
    "calcio_ipam_autoallocateblocks": "It is misspelt; write calico_ipam_autoallocateblocks.",
    "cilium_ipsec_enabled": "It is an old name; set network.cilium.encryption instead.",
    "ip": _PER_NODE,
    "ip6": _PER_NODE,
    "access_ip": _PER_NODE,
    "access_ip6": _PER_NODE,
}
"""Variables that Kubespray refuses whatever their value, or that make all nodes one: name to what to do."""

Wanted = Callable[[Any, ClusterSpec], str]
"""Says what a value has to be, where it is not that; else an empty text."""


def _true_or_false(value: Any, _: ClusterSpec) -> str:
    return "" if isinstance(value, bool) else "It is true or false, without quotes."


def _one_of(*choices: str) -> Wanted:
    def wanted(value: Any, _: ClusterSpec) -> str:
        return "" if value in choices else f"It is one of {', '.join(choices)}."

    return wanted


def _at_least(least: str) -> Wanted:
    def wanted(value: Any, _: ClusterSpec) -> str:
        fits = isinstance(value, str) and _version(value) >= _version(least)
        return "" if fits else f"It is {least} or newer, as text."

    return wanted


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _max_pods(value: Any, spec: ClusterSpec) -> str:
    """Of the ranges of Calico's nodes Kubespray asks nothing: it hands out several to a node."""
    network = spec.network
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        return "It is a number, without quotes."
    if network.cni in (Cni.CALICO, Cni.NONE) or ":" in network.pods:
        return ""
    room = 2 ** (32 - network.node_prefix) - 2
    if value <= room:
        return ""
    return f"A /{network.node_prefix} for each node has addresses for {room} pods; take at most {room}."


def _cloud_provider(value: Any, spec: ClusterSpec) -> str:
    if value in ("", None, False):
        return ""
    if value != "external":
        return "It is external, or left out."
    if spec.kubespray_vars.get("external_cloud_provider") in _CLOUDS:
        return ""
    return f"It wants external_cloud_provider, one of {', '.join(_CLOUDS)}."


def _etcd_deployment(value: Any, spec: ClusterSpec) -> str:
    if value not in ("host", "kubeadm", "docker"):
        return "It is one of host, kubeadm, docker."
    if value == "docker" and spec.kubernetes.runtime is not Runtime.DOCKER:
        return "docker wants kubernetes.runtime docker; leave it out for host."
    return ""


def _download_localhost(value: Any, spec: ClusterSpec) -> str:
    if value and spec.kubespray_vars.get("download_run_once") is not True:
        return "It wants download_run_once true as well."
    return ""


def _force_cache(value: Any, spec: ClusterSpec) -> str:
    if value and spec.kubespray_vars.get("download_run_once") is not True:
        return "It wants download_run_once true as well: else nothing fills the cache on this machine."
    return ""


def _kata(value: Any, spec: ClusterSpec) -> str:
    clash = value and spec.kubernetes.runtime is Runtime.DOCKER
    return "It wants kubernetes.runtime containerd or crio." if clash else ""


def _gvisor(value: Any, spec: ClusterSpec) -> str:
    clash = value and spec.kubernetes.runtime is not Runtime.CONTAINERD
    return "It wants kubernetes.runtime containerd." if clash else ""


def _containerd(value: Any, spec: ClusterSpec) -> str:
    if spec.kubernetes.runtime is not Runtime.CONTAINERD or value in ("latest", "edge", "stable"):
        return ""
    return _at_least("1.3.7")(value, spec)


def _external_ca(value: Any, spec: ClusterSpec) -> str:
    clash = value and spec.kubernetes.auto_renew_certificates
    return "It wants kubernetes.auto_renew_certificates false." if clash else ""


def _least_kubernetes(value: Any, spec: ClusterSpec) -> str:
    fits = isinstance(value, str) and _version(value) <= _version(spec.kubernetes.version)
    return "" if fits else f"It is not newer than kubernetes.version, {spec.kubernetes.version}."


def _cluster_id(value: Any, _: ClusterSpec) -> str:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255
    return "" if fits else "It is a number from 0 to 255."


def _hubble_buffer(value: Any, _: ClusterSpec) -> str:
    fits = isinstance(value, int) and value in {2**bits - 1 for bits in range(1, 17)}
    return "" if fits else "It is a power of two minus one, at most 65535."


def _pool_name(value: Any, _: ClusterSpec) -> str:
    fits = isinstance(value, str) and re.match(r"[a-zA-Z0-9_.-]{2,63}$", value)
    return "" if fits else "It is 2 to 63 letters, digits, '-', '_' and '.'."


def _calico_version(value: Any, _: ClusterSpec) -> str:
    minor, _dot, patch = str(value).rpartition(".")
    fits = patch.isdecimal() and int(patch) <= _CALICO.get(minor, -1)
    choices = ", ".join(f"{minor}.0 to {minor}.{last}" for minor, last in _CALICO.items())
    return "" if fits else f"It is one of {choices}, as text."


def _within(family: str) -> Wanted:
    """Return what wants a range inside the pods'."""

    def wanted(value: Any, spec: ClusterSpec) -> str:
        pods = spec.network.pods if family == "4" else spec.network.pods_v6
        try:
            inside = bool(pods) and ip_network(str(value)).subnet_of(ip_network(pods or ""))  # type: ignore[arg-type]
        except (ValueError, TypeError):
            inside = False
        return (
            "" if inside else f"It is a range within {pods}." if pods else "There is no such range of pods."
        )

    return wanted


def _kubernetes_datastore(value: Any, spec: ClusterSpec) -> str:
    clash = value and spec.kubespray_vars.get("calico_datastore", "kdd") != "kdd"
    return "It wants calico_datastore kdd." if clash else ""


def _reflector(value: Any, _: ClusterSpec) -> str:
    return "Slipway sets up no route reflectors; leave it out." if value else ""


def _no_ipip_on_ipv6(value: Any, _: ClusterSpec) -> str:
    return "" if value == "Never" else "It is Never: Calico has no IP-in-IP for IPv6."


def _vip_source(value: Any, spec: ClusterSpec) -> str:
    other = spec.kubespray_vars.get("kube_vip_bgp_sourceip")
    clash = value and other and spec.kubespray_vars.get("kube_vip_bgp_enabled")
    return "Give this or kube_vip_bgp_sourceip, not both." if clash else ""


WANTED: Final[Mapping[str, Wanted]] = {
    "download_run_once": _true_or_false,
    "download_always_pull": _true_or_false,
    "helm_enabled": _true_or_false,
    "openstack_lbaas_enabled": _true_or_false,
    "kubelet_max_pods": _max_pods,
    "cloud_provider": _cloud_provider,
    "dns_mode": _one_of("coredns", "coredns_dual", "manual", "none"),
    "cert_management": _one_of("script", "none"),
    "resolvconf_mode": _one_of("docker_dns", "host_resolvconf", "none"),
    "etcd_deployment_type": _etcd_deployment,
    "download_localhost": _download_localhost,
    "download_force_cache": _force_cache,
    "kata_containers_enabled": _kata,
    "gvisor_enabled": _gvisor,
    "containerd_version": _containerd,
    "kube_external_ca_mode": _external_ca,
    "kube_version_min_required": _least_kubernetes,
    "image_arch": _one_of("amd64", "arm64"),
    "kube_vip_bgp_sourceif": _vip_source,
}
"""Variables that Kubespray looks at: name to what it wants of their value."""

OF_CILIUM: Final[Mapping[str, Wanted]] = {
    "cilium_identity_allocation_mode": _one_of("crd", "kvstore"),
    "cilium_cluster_id": _cluster_id,
    "cilium_version": _at_least("1.15"),
    "cilium_hubble_event_buffer_capacity": _hubble_buffer,
}
OF_CALICO: Final[Mapping[str, Wanted]] = {
    "calico_version": _calico_version,
    "calico_pool_name": _pool_name,
    "calico_pool_cidr": _within("4"),
    "calico_pool_cidr_ipv6": _within("6"),
    "typha_enabled": _kubernetes_datastore,
    "calico_apiserver_enabled": _kubernetes_datastore,
    "peer_with_calico_rr": _reflector,
    "calico_ipip_mode_ipv6": _no_ipip_on_ipv6,
}


@block("variable-refused")
def variable_refused(spec: ClusterSpec) -> Iterator[Fault]:
    """Kubespray would stop at it, minutes into the set-up."""
    for name, value in spec.kubespray_vars.items() if is_bare_metal(spec) else ():
        if remedy := GONE.get(name) or _refusal(name, value, spec):
            yield Fault(
                join(_ROOT, name), f"Kubespray v2.31.0 does not set a cluster up with this {name}.", remedy
            )


def _refusal(name: str, value: Any, spec: ClusterSpec) -> str:
    plugins = {Cni.CILIUM: OF_CILIUM, Cni.CALICO: OF_CALICO}
    wanted = WANTED.get(name) or plugins.get(spec.network.cni, {}).get(name)
    return wanted(value, spec) if wanted else ""


RULES: Final = rules_in(globals())
