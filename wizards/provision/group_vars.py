"""What Kubespray v2.31.0 is told about a cluster: `ClusterSpec` → its variables, and the reasons.

Only what somebody chose, or what must differ from Kubespray's default for the choice to work, is written; for
everything else its own defaults hold. Names and meanings: Kubespray's ``inventory/sample/group_vars`` and
``roles/kubespray_defaults`` at the tag, and ``docs/ansible/vars.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final

from wizards.setup.spec import (
    Calico,
    ClusterSpec,
    Cni,
    EndpointKind,
    Engine,
    KubeProxy,
    LoadBalancerKind,
    MeshKind,
    Runtime,
)

API_PORT: Final = 6443
"""Kubespray's port of the API server."""
_PODS_PER_NODE: Final = 110
"""Kubelet's own limit, which Kubespray compares with the size of a node's range."""


class RenderError(ValueError):
    """The answers do not make a cluster yet; the text says which one is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A Kubespray variable.

    Attributes:
        name: Its name.
        value: JSON data.
        why: What a first-timer would ask about it; empty where the name says it all.
    """

    name: str
    value: Any
    why: str = ""


def group_vars(spec: ClusterSpec) -> dict[str, tuple[str, tuple[Variable, ...]]]:
    """Return file name → what the file is about, and its variables.

    All files belong to the group ``all``: hosts that are only etcd members are in no other group that has
    them all, and must see the same values. The file of extra variables sorts last, so that it wins.

    Raises:
        RenderError: An answer that Kubespray cannot do without is missing.
    """
    extra = _extra(spec)
    network = f"k8s-net-{spec.network.cni.value}.yml"
    files = {
        "addons.yml": ("What Kubespray adds to the bare cluster.", tuple(_addons(spec))),
        "all.yml": (
            "How nodes reach the API server and the world.",
            (*_endpoint(spec), *_host_services(spec)),
        ),
        "k8s-cluster.yml": ("Kubernetes itself.", (*_kubernetes(spec), *_ranges(spec), *_kube_proxy(spec))),
        network: ("The pod network.", _network(spec)),
        "offline.yml": ("Where downloads come from.", tuple(_mirrors(spec))),
        "zz-extra.yml": ("kubespray_vars of cluster.yaml: read last, so they win.", extra),
    }
    return {name: (about, variables) for name, (about, variables) in files.items() if variables}


def _kubernetes(spec: ClusterSpec) -> Iterator[Variable]:
    kubernetes = spec.kubernetes
    yield Variable("kube_version", kubernetes.version)
    yield Variable("container_manager", kubernetes.runtime.value)
    yield Variable(
        "cluster_name", kubernetes.domain, "Kubespray's name for the DNS domain inside the cluster."
    )
    yield Variable("enable_nodelocaldns", kubernetes.node_local_dns, "A DNS cache on every node.")
    yield Variable(
        "auto_renew_certificates",
        kubernetes.auto_renew_certificates,
        "Control-plane certificates last a year; true renews them on the first Monday of each month.",
    )
    yield Variable("kube_encrypt_secret_data", kubernetes.encrypt_secrets, "Secrets encrypted in etcd.")
    yield Variable("kubernetes_audit", kubernetes.audit_log)
    yield Variable(
        "kubeconfig_localhost", False, "Slipway fetches the kubeconfig itself, into the cluster's own folder."
    )
    if spec.network.cni is Cni.CILIUM:
        yield Variable(
            "kube_owner", "root", "Cilium's agent runs without privileges and must own its CNI folder."
        )


def _ranges(spec: ClusterSpec) -> Iterator[Variable]:
    network = spec.network
    pods_v4, services_v4 = network.pods, network.services
    pods_v6, services_v6 = network.pods_v6, network.services_v6
    if ip_network(network.pods).version == 6:
        pods_v4, services_v4, pods_v6, services_v6 = "", "", network.pods, network.services
    yield Variable("ipv4_stack", bool(pods_v4))
    yield Variable("ipv6_stack", bool(pods_v6))
    if pods_v4:
        yield Variable("kube_pods_subnet", pods_v4, "Must not be in use anywhere the nodes can reach.")
        yield Variable("kube_service_addresses", services_v4)
        yield Variable(
            "kube_network_node_prefix",
            network.node_prefix,
            f"Each node gets a /{network.node_prefix} of the pod range.",
        )
        room = 2 ** (32 - network.node_prefix) - 2
        if room < _PODS_PER_NODE and network.cni is not Cni.CALICO:
            yield Variable(
                "kubelet_max_pods", room, f"A /{network.node_prefix} has addresses for {room} pods."
            )
    if pods_v6:
        yield Variable("kube_pods_subnet_ipv6", pods_v6)
        yield Variable("kube_service_addresses_ipv6", services_v6 or _missing("network.services_v6"))
        yield Variable("kube_network_node_prefix_ipv6", network.node_prefix_v6)


def _kube_proxy(spec: ClusterSpec) -> Iterator[Variable]:
    if spec.network.cni is Cni.CILIUM and spec.network.cilium.kube_proxy_replacement:
        yield Variable(
            "kube_proxy_mode",
            KubeProxy.IPTABLES.value,
            "No kube-proxy runs: Cilium does its work. So nodes need no IPVS kernel modules.",
        )
        return
    mode = spec.network.kube_proxy
    yield Variable("kube_proxy_mode", mode.value)
    answers_arp = (
        spec.load_balancer.kind is LoadBalancerKind.METALLB_L2 or spec.endpoint.kind is EndpointKind.KUBE_VIP
    )
    if mode is KubeProxy.IPVS:
        yield Variable(
            "kube_proxy_strict_arp",
            answers_arp,
            "With IPVS every node would answer ARP for every Service; MetalLB and kube-vip must do it alone.",
        )


def _endpoint(spec: ClusterSpec) -> Iterator[Variable]:
    endpoint = spec.endpoint
    if endpoint.kind is not EndpointKind.EXTERNAL and endpoint.port != API_PORT:
        yield Variable("kube_apiserver_port", endpoint.port)
    if endpoint.kind is EndpointKind.LOCAL_PROXY:
        yield Variable(
            "loadbalancer_apiserver_localhost",
            True,
            "Each worker runs a small proxy on localhost that finds a control plane that answers.",
        )
        yield Variable("loadbalancer_apiserver_type", "nginx")
        return
    yield Variable(
        "loadbalancer_apiserver_localhost",
        False,
        "No proxy on the workers: the endpoint is reached directly.",
    )
    if endpoint.kind is EndpointKind.SINGLE:
        return
    address = endpoint.address or _missing("endpoint.address")
    yield Variable(
        "apiserver_loadbalancer_domain_name", address, "The name in the certificate and in every kubeconfig."
    )
    yield Variable("loadbalancer_apiserver", {"address": address, "port": endpoint.port})


def _host_services(spec: ClusterSpec) -> Iterator[Variable]:
    yield Variable(
        "ntp_enabled", spec.kubernetes.ntp, "A time service; certificates and etcd need right clocks."
    )
    if spec.kubernetes.upstream_dns:
        yield Variable(
            "upstream_dns_servers",
            list(spec.kubernetes.upstream_dns),
            "Asked for names outside the cluster, before the nodes' own name servers.",
        )
    if spec.proxy.http:
        yield Variable("http_proxy", spec.proxy.http)
    if spec.proxy.https:
        yield Variable("https_proxy", spec.proxy.https)
    if spec.proxy.no_proxy:
        yield Variable(
            "additional_no_proxy",
            ",".join(spec.proxy.no_proxy),
            "Nodes, Services and pods are left out of the proxy by Kubespray itself.",
        )


def _addons(spec: ClusterSpec) -> Iterator[Variable]:
    yield Variable("metrics_server_enabled", spec.kubernetes.metrics_server)
    if spec.kubernetes.gateway_api or spec.mesh.kind is MeshKind.ISTIO_AMBIENT:
        yield Variable(
            "gateway_api_enabled",
            False,
            "Slipway installs the definitions itself, in the newer version that Istio wants.",
        )
    if Engine.LOCAL_PATH in spec.storage.engines:
        yield Variable("local_path_provisioner_enabled", True)
        default = spec.storage.default_class or spec.storage.engines[0].value
        yield Variable(
            "local_path_provisioner_is_default_storageclass",
            "true" if default == "local-path" else "false",
            "Text, not a switch: it goes into an annotation.",
        )
    if spec.endpoint.kind is EndpointKind.KUBE_VIP:
        yield from _kube_vip(spec)


def _kube_vip(spec: ClusterSpec) -> Iterator[Variable]:
    address = spec.endpoint.address or _missing("endpoint.address")
    yield Variable(
        "kube_vip_enabled",
        True,
        "One control plane holds the virtual IP; another takes it over when it fails.",
    )
    yield Variable("kube_vip_controlplane_enabled", True)
    yield Variable(
        "kube_vip_arp_enabled", True, "The holder answers ARP: all control planes share one network."
    )
    yield Variable("kube_vip_address", address)
    if ":" in address:
        yield Variable("kube_vip_cidr", 128, "An IPv6 address.")
    if spec.endpoint.interface:
        yield Variable("kube_vip_interface", spec.endpoint.interface)


def _mirrors(spec: ClusterSpec) -> Iterator[Variable]:
    mirrors = spec.mirrors
    if mirrors.files:
        base = mirrors.files.rstrip("/")
        yield Variable(
            "files_repo", base, "One folder per original server, as Kubespray's offline tools lay it out."
        )
        yield Variable("github_url", f"{base}/github.com")
        yield Variable("dl_k8s_io_url", f"{base}/dl.k8s.io")
        yield Variable("storage_googleapis_url", f"{base}/storage.googleapis.com")
        yield Variable("get_helm_url", f"{base}/get.helm.sh")
    if mirrors.registry:
        yield Variable("registry_host", mirrors.registry, "Stands in for every public registry.")
        for original in ("kube", "gcr", "github", "docker", "quay"):
            yield Variable(f"{original}_image_repo", mirrors.registry)
        if mirrors.registry_insecure:
            yield _insecure_registry(mirrors.registry.split("/", 1)[0], spec.kubernetes.runtime)


def _insecure_registry(host: str, runtime: Runtime) -> Variable:
    why = "The registry speaks plain HTTP."
    if runtime is Runtime.DOCKER:
        return Variable("docker_insecure_registries", [host], why)
    if runtime is Runtime.CRIO:
        return Variable("crio_insecure_registries", [host], why)
    mirror = {"host": f"http://{host}", "capabilities": ["pull", "resolve"], "skip_verify": True}
    return Variable("containerd_registries_mirrors", [{"prefix": host, "mirrors": [mirror]}], why)


def _network(spec: ClusterSpec) -> tuple[Variable, ...]:
    cni = spec.network.cni
    if cni is Cni.KINDNET:
        raise RenderError("network.cni: kindnet comes with kind and is not for servers")
    plugin = Variable("kube_network_plugin", cni.value)
    if cni is Cni.CILIUM:
        return (plugin, *_cilium(spec))
    if cni is Cni.CALICO:
        return (plugin, *_calico(spec.network.calico, spec.network.kube_proxy))
    if cni is Cni.FLANNEL:
        return (plugin, Variable("flannel_backend_type", spec.network.flannel.backend))
    if cni is Cni.KUBE_ROUTER:
        alone = Variable("kube_router_run_service_proxy", False, "kube-proxy keeps serving Services.")
        return (plugin, alone)
    return (
        Variable(
            "kube_network_plugin",
            "cni",
            "Only the basic plugins: nodes stay NotReady until you add a network.",
        ),
    )


def _calico(calico: Calico, kube_proxy: KubeProxy) -> Iterator[Variable]:
    vxlan = calico.mode == "vxlan"
    yield Variable(
        "calico_network_backend",
        "vxlan" if vxlan else "bird",
        "vxlan: packets between nodes are wrapped. bird: nodes tell each other routes by BGP.",
    )
    yield Variable("calico_vxlan_mode", "Always" if vxlan else "Never")
    yield Variable("calico_ipip_mode", "Always" if calico.mode == "ipip" else "Never")
    yield Variable("calico_vxlan_mode_ipv6", "Always" if vxlan else "Never")
    if not vxlan:
        yield Variable("global_as_num", str(calico.asn), "The AS number of all nodes.")
    if kube_proxy is KubeProxy.NFTABLES:
        yield Variable("calico_nftable_mode", "Enabled", "Calico must write its rules where kube-proxy does.")


def _cilium(spec: ClusterSpec) -> Iterator[Variable]:
    cilium = spec.network.cilium
    ambient = spec.mesh.kind is MeshKind.ISTIO_AMBIENT
    yield Variable("cilium_kube_proxy_replacement", cilium.kube_proxy_replacement)
    yield Variable("cilium_tunnel_mode", cilium.tunnel)
    if cilium.routing == "native":
        yield Variable(
            "cilium_native_routing_cidr",
            cilium.native_cidr or spec.network.pods,
            "Reached without wrapping and without masquerading.",
        )
        if spec.network.pods_v6:
            yield Variable("cilium_native_routing_cidr_ipv6", spec.network.pods_v6)
        yield Variable(
            "cilium_auto_direct_node_routes", True, "Nodes share one network and route to each other's pods."
        )
    yield Variable(
        "cilium_enable_bpf_masquerade",
        cilium.bpf_masquerade and not ambient,
        "Istio's ambient mode does not work with it." if ambient else "",
    )
    yield Variable("cilium_enable_hubble", cilium.hubble)
    yield Variable("cilium_enable_hubble_ui", cilium.hubble and cilium.hubble_ui)
    if cilium.encryption != "none":
        yield Variable("cilium_encryption_enabled", True)
        yield Variable("cilium_encryption_type", cilium.encryption)
    if len(spec.nodes) == 1:
        yield Variable("cilium_operator_replicas", 1, "Two would not fit: they refuse to share a node.")
    if spec.mesh.kind is not MeshKind.NONE:
        yield Variable("cilium_cni_exclusive", False, "Istio's CNI plugin must be allowed beside Cilium's.")
    kind = spec.load_balancer.kind
    yield Variable("cilium_l2announcements", kind is LoadBalancerKind.CILIUM_L2)
    yield Variable("cilium_enable_bgp_control_plane", kind is LoadBalancerKind.CILIUM_BGP)
    if extra := _cilium_chart_values(spec):
        yield Variable("cilium_extra_values", extra, "Values of Cilium's Helm chart that have no variable.")


def _cilium_chart_values(spec: ClusterSpec) -> dict[str, Any]:
    """Return what only the chart's own values can say (rules between choices: components, section 8)."""
    values: dict[str, Any] = {}
    kind = spec.load_balancer.kind
    if spec.network.cilium.routing == "native":
        values["routingMode"] = "native"
    if kind in (LoadBalancerKind.METALLB_L2, LoadBalancerKind.METALLB_BGP):
        # Two owners of load-balancer addresses would wipe each other's: Cilium stands back.
        values |= {"enableLBIPAM": False, "defaultLBServiceIPAM": "none"}
    if kind is LoadBalancerKind.CILIUM_L2:
        # Every announced address is a lease that is renewed through the API.
        values["k8sClientRateLimit"] = {"qps": 50, "burst": 100}
    if spec.mesh.kind is not MeshKind.NONE:
        # Otherwise Cilium turns a Service into a pod inside the pod itself, and the mesh sees nothing of it.
        values["socketLB"] = {"hostNamespaceOnly": True}
    return values


def _extra(spec: ClusterSpec) -> tuple[Variable, ...]:
    """Return the operator's own variables; Cilium's chart values are joined with ours, theirs win."""
    extra = dict(spec.kubespray_vars)
    chart = extra.get("cilium_extra_values")
    if isinstance(chart, dict) and spec.network.cni is Cni.CILIUM:
        extra["cilium_extra_values"] = _merged(_cilium_chart_values(spec), chart)
    return tuple(Variable(name, value) for name, value in extra.items())


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both mappings as one, level by level; where both have a value, that of `above` counts."""
    both = dict(below)
    for key, value in above.items():
        mine = both.get(key)
        both[key] = _merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return both


def _missing(path: str) -> str:
    raise RenderError(f"{path} is needed and not given")
