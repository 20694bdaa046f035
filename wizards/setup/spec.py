"""`ClusterSpec`: all answers, validated and immutable. What ``cluster.yaml`` holds, and its JSON Schema.

Rules that need only one value live here, as types; rules between answers live in `rules`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from wizards.setup import values as v

API_VERSION: Final = "slipway/v1"
KUBERNETES_DEFAULT: Final = "1.35.4"


class Model(BaseModel):
    """Base of every part of the specification: immutable, and a field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, validate_default=True)


class Target(StrEnum):
    """Where the cluster runs."""

    BARE_METAL = "bare-metal"
    LOCAL = "local"


class Role(StrEnum):
    """What a node does."""

    CONTROL_PLANE = "control-plane"
    ETCD = "etcd"
    WORKER = "worker"


class Node(Model):
    """One server."""

    name: v.Name = Field(description="Name of the node in the cluster; becomes its host name.")
    address: v.Host = Field(description="Where SSH reaches it: an IP address or a host name.")
    internal_address: v.Ip | None = Field(
        None, description="Address the cluster uses between nodes, where it differs from the SSH address."
    )
    internal_address_v6: v.Ip6 | None = Field(
        None, description="IPv6 address the cluster uses beside the IPv4 one, for dual stack."
    )
    port: v.Port = Field(22, description="SSH port.")
    user: v.User | None = Field(None, description="SSH user, where it differs from access.user.")
    key_file: str | None = Field(None, description="Private key, where it differs from access.key_file.")
    roles: tuple[Role, ...] = Field(
        (Role.CONTROL_PLANE, Role.ETCD, Role.WORKER), min_length=1, description="What the node does."
    )
    labels: dict[v.LabelKey, v.LabelValue] = Field(default_factory=dict, description="Kubernetes labels.")
    taints: tuple[v.Taint, ...] = Field((), description="Kubernetes taints, key=value:Effect.")
    disks: tuple[v.Disk, ...] = Field(
        (), description="Raw disks that storage may take, by /dev/disk/by-id path."
    )

    @property
    def ip(self) -> str:
        """Address the cluster uses: the internal one where it is given."""
        return self.internal_address or self.address

    def has(self, role: Role) -> bool:
        """Tell whether the node has `role`."""
        return role in self.roles


class Jump(Model):
    """A jump host (bastion) through which all nodes are reached."""

    host: v.Host
    port: v.Port = 22
    user: v.User | None = None


class AccessMethod(StrEnum):
    """How Slipway logs in."""

    KEY = "key"
    AGENT = "agent"
    PASSWORD = "password"  # noqa: S105 - the name of a method, not a secret


class Become(StrEnum):
    """How Slipway becomes root on a node."""

    NONE = "none"
    SUDO = "sudo"
    SUDO_PASSWORD = "sudo-password"  # noqa: S105 - the name of a method, not a secret


class Access(Model):
    """How Slipway reaches the nodes. Passwords are asked when they are needed and never stand here."""

    user: v.User = Field("root", description="SSH user for all nodes that name none.")
    method: AccessMethod = Field(AccessMethod.KEY, description="Key file, SSH agent, or password.")
    key_file: str | None = Field(
        None, description="Private key; without it SSH's own default keys are tried."
    )
    jump: Jump | None = None
    become: Become = Field(Become.SUDO, description="How to become root; 'none' when the SSH user is root.")


class Runtime(StrEnum):
    """Container runtimes that Kubespray installs (facts: kubespray.md, what it asserts)."""

    CONTAINERD = "containerd"
    CRIO = "crio"
    DOCKER = "docker"


class Kubernetes(Model):
    """The version, and what belongs to Kubernetes itself."""

    version: Annotated[str, Field(pattern=r"^1\.\d{1,2}\.\d{1,3}$")] = Field(
        KUBERNETES_DEFAULT, description="Kubernetes version, without a 'v'."
    )
    runtime: Runtime = Field(Runtime.CONTAINERD, description="Container runtime of the nodes.")
    domain: v.Domain = Field("cluster.local", description="DNS domain inside the cluster.")
    metrics_server: bool = Field(
        True, description="CPU and memory figures for kubectl top and the health view."
    )
    node_local_dns: bool = Field(True, description="A DNS cache on every node.")
    gateway_api: bool = Field(False, description="Gateway API custom resource definitions.")
    auto_renew_certificates: bool = Field(True, description="Renew control-plane certificates monthly.")
    encrypt_secrets: bool = Field(False, description="Encrypt Secrets at rest in etcd.")
    audit_log: bool = Field(False, description="Write an audit log on the control planes.")
    ntp: bool = Field(False, description="Let Kubespray install and run a time service.")
    upstream_dns: tuple[v.Ip, ...] = Field((), description="Name servers the cluster asks for outside names.")


class EndpointKind(StrEnum):
    """How the API server is reached."""

    SINGLE = "single"
    LOCAL_PROXY = "local-proxy"
    KUBE_VIP = "kube-vip"
    EXTERNAL = "external"


class Endpoint(Model):
    """The control-plane endpoint."""

    kind: EndpointKind = Field(EndpointKind.LOCAL_PROXY, description="How the API server is reached.")
    address: v.Host | None = Field(None, description="The virtual IP, or the external balancer's address.")
    port: v.Port = Field(6443, description="Port of the endpoint.")
    interface: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@-]{1,15}$")] | None = Field(
        None, description="Network interface for the virtual IP; found by kube-vip when not given."
    )


class Cni(StrEnum):
    """Network plugins."""

    CILIUM = "cilium"
    CALICO = "calico"
    FLANNEL = "flannel"
    KUBE_ROUTER = "kube-router"
    KINDNET = "kindnet"
    NONE = "none"


class KubeProxy(StrEnum):
    """Modes of kube-proxy."""

    IPVS = "ipvs"
    IPTABLES = "iptables"
    NFTABLES = "nftables"


class Cilium(Model):
    """Options of Cilium."""

    kube_proxy_replacement: bool = Field(False, description="Let Cilium do kube-proxy's work in eBPF.")
    routing: Literal["tunnel", "native"] = Field("tunnel", description="Encapsulate, or route pod addresses.")
    tunnel: Literal["vxlan", "geneve"] = "vxlan"
    native_cidr: v.Cidr | None = Field(
        None, description="Range reached without masquerading, for native routing."
    )
    bpf_masquerade: bool = False
    hubble: bool = Field(True, description="Flow visibility: Hubble with relay.")
    hubble_ui: bool = Field(False, description="Hubble's web page (needs Hubble).")
    encryption: Literal["none", "wireguard", "ipsec"] = "none"
    l7_policies: bool = Field(False, description="You intend to write HTTP-aware network policies.")


class Calico(Model):
    """Options of Calico."""

    mode: Literal["vxlan", "ipip", "bgp"] = "vxlan"
    asn: v.Asn = 64512


class Flannel(Model):
    """Options of Flannel."""

    backend: Literal["vxlan", "host-gw", "wireguard"] = "vxlan"


class Network(Model):
    """Pod network and ranges."""

    cni: Cni = Field(Cni.CILIUM, description="Network plugin.")
    cilium: Cilium = Field(default_factory=Cilium)
    calico: Calico = Field(default_factory=Calico)
    flannel: Flannel = Field(default_factory=Flannel)
    kube_proxy: KubeProxy = Field(KubeProxy.IPVS, description="Mode of kube-proxy, where there is one.")
    pods: v.Cidr = Field("10.233.64.0/18", description="Range of pod addresses.")
    services: v.Cidr = Field("10.233.0.0/18", description="Range of Service addresses.")
    node_prefix: Annotated[int, Field(ge=16, le=30)] = Field(
        24, description="Prefix length each node gets of it."
    )
    pods_v6: v.Cidr | None = Field(None, description="IPv6 pod range, for dual stack.")
    services_v6: v.Cidr | None = Field(None, description="IPv6 Service range, for dual stack.")
    node_prefix_v6: Annotated[int, Field(ge=64, le=124)] = 120


class LoadBalancerKind(StrEnum):
    """What answers Services of type LoadBalancer."""

    METALLB_L2 = "metallb-l2"
    METALLB_BGP = "metallb-bgp"
    CILIUM_L2 = "cilium-l2"
    CILIUM_BGP = "cilium-bgp"
    CLOUD_PROVIDER_KIND = "cloud-provider-kind"
    NONE = "none"


class Pool(Model):
    """A pool of addresses for Services."""

    name: v.Name = "default"
    addresses: tuple[v.AddressRange, ...] = Field(min_length=1, description="CIDR or first-last.")
    auto_assign: bool = Field(True, description="Give addresses to Services that ask for none.")
    avoid_buggy_ips: bool = Field(False, description="Leave out .0 and .255.")
    namespaces: tuple[v.Name, ...] = Field((), description="Only for these namespaces; empty for all.")


class Peer(Model):
    """A BGP neighbour."""

    name: v.Name
    address: v.Ip
    asn: v.Asn = Field(description="The neighbour's AS number.")
    my_asn: v.Asn = Field(64512, description="This cluster's AS number.")
    port: Annotated[int, Field(ge=1, le=16384)] = 179
    hold_time: Annotated[int, Field(ge=3, le=65535)] | None = Field(None, description="Seconds.")
    ebgp_multihop: bool = False
    bfd: bool = Field(False, description="Watch the link with BFD's default profile.")
    password_secret: v.Name | None = Field(
        None, description="Secret of type kubernetes.io/basic-auth in metallb-system that holds the password."
    )


class Advertisement(Model):
    """How pools are told to BGP neighbours."""

    pools: tuple[v.Name, ...] = Field((), description="Empty for all pools.")
    peers: tuple[v.Name, ...] = Field((), description="Empty for all peers.")
    communities: tuple[Annotated[str, Field(pattern=r"^(\d+:\d+|large:\d+:\d+:\d+)$")], ...] = ()
    local_pref: Annotated[int, Field(ge=0, le=4294967295)] | None = None
    aggregation_length: Annotated[int, Field(ge=1, le=32)] = 32


class LoadBalancer(Model):
    """Addresses for Services of type LoadBalancer."""

    kind: LoadBalancerKind = Field(LoadBalancerKind.METALLB_L2, description="What answers them.")
    pools: tuple[Pool, ...] = ()
    peers: tuple[Peer, ...] = ()
    advertisements: tuple[Advertisement, ...] = Field(
        (), description="BGP only; empty tells all pools to all peers."
    )
    interfaces: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@-]{1,15}$")], ...] = Field(
        (), description="Layer 2 only: interfaces that answer; empty for all."
    )


class Engine(StrEnum):
    """Storage engines."""

    HOSTPATH = "hostpath"
    LVM = "lvm"
    ZFS = "zfs"
    MAYASTOR = "mayastor"
    CSTOR = "cstor"
    JIVA = "jiva"
    LOCAL_PATH = "local-path"
    STANDARD = "standard"


ReclaimPolicy = Literal["Delete", "Retain"]


class Hostpath(Model):
    """OpenEBS Local PV hostpath: folders on the nodes."""

    class_name: v.Name = "openebs-hostpath"
    base_path: v.AbsolutePath = "/var/openebs/local"
    reclaim_policy: ReclaimPolicy = "Delete"


class Lvm(Model):
    """OpenEBS LVM Local PV."""

    class_name: v.Name = "openebs-lvmpv"
    volume_group: Annotated[str, Field(pattern=r"^[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}$")] = "slipway"
    fs_type: Literal["ext4", "xfs", "btrfs"] = "ext4"
    thin: bool = False
    reclaim_policy: ReclaimPolicy = "Delete"


class Zfs(Model):
    """OpenEBS ZFS Local PV."""

    class_name: v.Name = "openebs-zfspv"
    pool: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.:/-]{0,254}$")] = "slipway"
    fs_type: Literal["zfs", "ext4", "xfs", "btrfs"] = "zfs"
    compression: bool = True
    thin: bool = True
    reclaim_policy: ReclaimPolicy = "Delete"


class Mayastor(Model):
    """OpenEBS Mayastor: replicated storage."""

    class_name: v.Name = "mayastor-3"
    replicas: Annotated[int, Field(ge=1, le=9)] = 3
    fs_type: Literal["ext4", "xfs"] = "ext4"
    thin: bool = False
    reclaim_policy: ReclaimPolicy = "Delete"


class Jiva(Model):
    """OpenEBS Jiva 3.6.0 (archived)."""

    class_name: v.Name = "openebs-jiva-csi-default"
    replicas: Annotated[int, Field(ge=1, le=9)] = 3


class Cstor(Model):
    """OpenEBS cStor 3.6.0 (archived)."""

    class_name: v.Name = "openebs-cstor"
    pool_name: v.Name = "cstor"
    replicas: Annotated[int, Field(ge=1, le=9)] = 3


class Storage(Model):
    """Where volumes come from."""

    engines: tuple[Engine, ...] = Field((Engine.HOSTPATH,), description="Engines to install; empty for none.")
    default_class: v.Name | None = Field(
        None, description="StorageClass for claims that name none; without it the first engine's."
    )
    hostpath: Hostpath = Field(default_factory=Hostpath)
    lvm: Lvm = Field(default_factory=Lvm)
    zfs: Zfs = Field(default_factory=Zfs)
    mayastor: Mayastor = Field(default_factory=Mayastor)
    jiva: Jiva = Field(default_factory=Jiva)
    cstor: Cstor = Field(default_factory=Cstor)
    accept_archived: bool = Field(False, description="You accept that Jiva and cStor get no more fixes.")


class MeshKind(StrEnum):
    """Service meshes."""

    NONE = "none"
    ISTIO_SIDECAR = "istio-sidecar"
    ISTIO_AMBIENT = "istio-ambient"


class MeshAddon(StrEnum):
    """Istio's sample add-ons."""

    PROMETHEUS = "prometheus"
    GRAFANA = "grafana"
    JAEGER = "jaeger"
    KIALI = "kiali"


class Mesh(Model):
    """Service mesh."""

    kind: MeshKind = Field(MeshKind.NONE, description="Mesh, and how it takes part in pods.")
    ingress_gateway: bool = Field(True, description="A gateway for traffic into the mesh.")
    egress_gateway: bool = Field(False, description="A gateway for traffic out of the mesh.")
    addons: tuple[MeshAddon, ...] = Field((), description="Dashboards: Prometheus, Jaeger, Grafana, Kiali.")
    mtls: Literal["permissive", "strict"] = Field(
        "permissive", description="Accept plain traffic, or refuse it."
    )
    namespaces: tuple[v.Name, ...] = Field((), description="Namespaces to include from the start.")


class Provider(StrEnum):
    """Container engines that kind can use."""

    AUTO = "auto"
    DOCKER = "docker"
    PODMAN = "podman"
    NERDCTL = "nerdctl"


class PortMapping(Model):
    """A port of this machine that leads into the local cluster."""

    host_port: Annotated[int, Field(ge=0, le=65535)] = Field(description="0 lets kind choose.")
    container_port: v.Port
    listen_address: v.Ip = "127.0.0.1"
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"


class Mount(Model):
    """A folder of this machine that local nodes see."""

    host_path: str = Field(min_length=1)
    container_path: v.AbsolutePath
    read_only: bool = False


class Local(Model):
    """A cluster on this machine, by kind."""

    provider: Provider = Provider.AUTO
    control_planes: Annotated[int, Field(ge=1, le=9)] = 1
    workers: Annotated[int, Field(ge=0, le=50)] = 2
    api_port: Annotated[int, Field(ge=0, le=65535)] = Field(0, description="0 lets kind choose.")
    port_mappings: tuple[PortMapping, ...] = ()
    mounts: tuple[Mount, ...] = ()


class Proxy(Model):
    """HTTP proxy for downloads."""

    http: v.Url | None = None
    https: v.Url | None = None
    no_proxy: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9.*:/_-]+$")], ...] = ()


class Mirrors(Model):
    """Where downloads come from in a room without internet."""

    registry: v.Registry | None = Field(None, description="Registry that mirrors all image registries.")
    registry_insecure: bool = Field(False, description="The registry speaks plain HTTP.")
    files: v.Url | None = Field(None, description="Web server that mirrors Kubespray's file downloads.")
    charts: v.Url | None = Field(None, description="Web server that mirrors the Helm charts.")


class ClusterSpec(Model):
    """All answers that make a cluster."""

    model_config = ConfigDict(
        title="Slipway cluster", json_schema_extra={"$id": "https://slipway.dev/cluster.v1.json"}
    )

    api_version: Literal["slipway/v1"] = Field("slipway/v1", description="Version of this format.")
    name: v.ClusterName = Field(
        description="Name of the cluster: at most 32 lower-case letters, digits and '-'."
    )
    target: Target = Field(Target.BARE_METAL, description="Servers over SSH, or this machine.")
    kubernetes: Kubernetes = Field(default_factory=Kubernetes)
    nodes: tuple[Node, ...] = Field(
        (), max_length=1000, description="The servers; empty for a local cluster."
    )
    access: Access = Field(default_factory=Access)
    endpoint: Endpoint = Field(default_factory=Endpoint)
    network: Network = Field(default_factory=Network)
    load_balancer: LoadBalancer = Field(default_factory=LoadBalancer)
    storage: Storage = Field(default_factory=Storage)
    mesh: Mesh = Field(default_factory=Mesh)
    local: Local = Field(default_factory=Local)
    proxy: Proxy = Field(default_factory=Proxy)
    mirrors: Mirrors = Field(default_factory=Mirrors)
    kubespray_vars: dict[Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")], JsonValue] = Field(
        default_factory=dict, description="Further Kubespray variables, written last, as data."
    )

    def with_role(self, role: Role) -> tuple[Node, ...]:
        """Return the nodes that have `role`, in their order."""
        return tuple(node for node in self.nodes if node.has(role))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of cluster.yaml."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | ClusterSpec.model_json_schema()
