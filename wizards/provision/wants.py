"""What the look at the nodes is asked for, worked out from the answers. Pure.

The facts behind it are those of Kubespray v2.31, kubeadm and the chosen components (facts: components.md).
"""

from __future__ import annotations

from typing import Any, Final

from wizards.provision.wants_network import (
    has_kube_proxy,
    wanted_free_addresses,
    wanted_hosts,
    wanted_outside,
    wanted_ports,
    wanted_proxy,
    wanted_reach,
    wanted_udp,
    wanted_urls,
)
from wizards.setup.spec import ClusterSpec, Cni, Engine, KubeProxy, MeshKind, Role

__all__ = ["probe_wants", "wanted_modules", "wanted_ports", "wanted_udp", "wanted_urls"]

ETCD_FOLDER: Final = "/var/lib/etcd"
LOOK_SECONDS: Final = 45
"""How long the look at one node may take after its login; Ansible's own time for the login is 60 s."""
REACH_SECONDS: Final = 45
_PATHS: Final = (
    "/",
    "/etc",
    "/opt",
    "/var",
    "/var/lib",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/log",
    "/usr/local/bin",
    "/tmp",  # noqa: S108 - looked at, never written
)
_ISTIO: Final = (
    "br_netfilter",
    "iptable_nat",
    "iptable_mangle",
    "iptable_raw",
    "xt_REDIRECT",
    "xt_connmark",
    "xt_conntrack",
    "xt_mark",
    "xt_owner",
    "xt_tcpudp",
    "xt_multiport",
)
_ISTIO_V6: Final = ("ip6table_nat", "ip6table_mangle", "ip6table_raw")
_AMBIENT: Final = ("ip_set", "ip_set_hash_ip")
_CILIUM_MASQUERADE: Final = ("xt_set", "ip_set", "ip_set_hash_ip", "xt_comment")
_CILIUM_L7: Final = ("xt_TPROXY", "xt_mark", "xt_CT", "xt_socket")
_IPVS: Final = ("ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh")
_CILIUM_CONFIG: Final = (
    "CONFIG_BPF",
    "CONFIG_BPF_SYSCALL",
    "CONFIG_BPF_JIT",
    "CONFIG_NET_CLS_BPF",
    "CONFIG_NET_CLS_ACT",
    "CONFIG_NET_SCH_INGRESS",
    "CONFIG_CRYPTO_SHA1",
    "CONFIG_CRYPTO_USER_API_HASH",
    "CONFIG_CGROUPS",
    "CONFIG_CGROUP_BPF",
    "CONFIG_PERF_EVENTS",
    "CONFIG_FIB_RULES",
)
_SYSCTLS: Final = (
    "fs.file-max",
    "fs.inotify.max_user_instances",
    "fs.inotify.max_user_watches",
    "kernel.keys.root_maxbytes",
    "kernel.keys.root_maxkeys",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.pid_max",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.bridge.bridge-nf-call-iptables",
    "net.ipv4.conf.all.arp_announce",
    "net.ipv4.conf.all.arp_ignore",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.ip_forward",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_nonlocal_bind",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv6.conf.all.forwarding",
    "net.netfilter.nf_conntrack_max",
    "user.max_user_namespaces",
    "vm.max_map_count",
    "vm.nr_hugepages",
    "vm.overcommit_memory",
)
COMMANDS: Final = (
    "getent",
    "groupadd",
    "ip",
    "modprobe",
    "mount",
    "nsenter",
    "swapoff",
    "sysctl",
    "systemctl",
    "tar",
    "useradd",
)
"""What Kubespray and kubeadm use before Kubespray installs its packages (conntrack, socat, ipset)."""


def probe_wants(spec: ClusterSpec, *, practice: bool = False) -> dict[str, Any]:
    """Return what the probe is asked to look at, as JSON data.

    Args:
        spec: The answers.
        practice: The nodes are practice nodes, which all are this one machine: nothing is then asked of the
            network, and no disk is timed.
    """
    raw = {Engine.MAYASTOR, Engine.CSTOR} & {*spec.storage.engines}
    return {
        "ports": {node.name: list(wanted_ports(node, spec)) for node in spec.nodes},
        "modules": list(wanted_modules(spec)),
        "paths": list(_paths(spec)),
        "disks": {node.name: list(node.disks) for node in spec.nodes} if raw else {},
        "sysctls": list(_SYSCTLS),
        "commands": list(wanted_commands(spec)),
        "kernel_config": list(wanted_kernel_config(spec)),
        "hosts": [] if practice else list(wanted_hosts(spec)),
        "urls": [] if practice else list(wanted_urls(spec)),
        "proxy": {} if practice else wanted_proxy(spec),
        "arp": {} if practice else wanted_free_addresses(spec),
        "etcd": {
            node.name: ETCD_FOLDER if node.has(Role.ETCD) and not practice else "" for node in spec.nodes
        },
        "outside": {} if practice else wanted_outside(spec),
        "reach": {} if practice else wanted_reach(spec),
        "interfaces": list(_interfaces(spec)),
        "deadline": {"look": LOOK_SECONDS, "reach": REACH_SECONDS},
    }


def wanted_modules(spec: ClusterSpec) -> dict[str, str]:
    """Return the kernel modules that the answers ask for, each with what needs it."""
    wants = {"overlay": "containers", "br_netfilter": "Kubernetes"}
    if spec.kubernetes.node_local_dns:
        wants["dummy"] = "the DNS cache of the nodes"
    for more in (_mesh_modules(spec), _storage_modules(spec), _network_modules(spec), _proxy_modules(spec)):
        wants |= {name: why for name, why in more.items() if name not in wants}
    return wants


def _proxy_modules(spec: ClusterSpec) -> dict[str, str]:
    if not has_kube_proxy(spec):
        return {}
    if spec.network.kube_proxy is KubeProxy.IPVS:
        return dict.fromkeys(_IPVS, "kube-proxy with IPVS") | {"nf_conntrack": "kube-proxy"}
    if spec.network.kube_proxy is KubeProxy.NFTABLES:
        return {"nf_tables": "kube-proxy with nftables", "nf_conntrack": "kube-proxy"}
    return {"nf_conntrack": "kube-proxy"}


def _network_modules(spec: ClusterSpec) -> dict[str, str]:
    network = spec.network
    if network.cni is Cni.CILIUM:
        return _cilium_modules(spec)
    if network.cni is Cni.CALICO:
        modes = {"vxlan": ["vxlan"], "ipip": ["ipip"]}.get(network.calico.mode, [])
        return dict.fromkeys([*modes, "ip_set", "xt_set"], "Calico")
    if network.cni is Cni.FLANNEL:
        names = {"vxlan": ["vxlan"], "wireguard": ["wireguard"]}.get(network.flannel.backend, [])
        return dict.fromkeys(names, "Flannel")
    if network.cni is Cni.KUBE_ROUTER:
        return dict.fromkeys(("ipip", "ip_set", "xt_set"), "kube-router")
    return {}


def _cilium_modules(spec: ClusterSpec) -> dict[str, str]:
    cilium = spec.network.cilium
    wants: dict[str, str] = {}
    if cilium.routing == "tunnel":
        wants[cilium.tunnel] = "Cilium's tunnel"
    if cilium.encryption == "wireguard":
        wants["wireguard"] = "Cilium's encryption"
    if not cilium.bpf_masquerade:
        wants |= dict.fromkeys(_CILIUM_MASQUERADE, "Cilium's masquerading")
    if cilium.l7_policies:
        wants |= {name: "Cilium's HTTP policies" for name in _CILIUM_L7 if name not in wants}
    return wants


def _mesh_modules(spec: ClusterSpec) -> dict[str, str]:
    if spec.mesh.kind is MeshKind.NONE:
        return {}
    names = [*_ISTIO, *(_ISTIO_V6 if spec.network.pods_v6 else ())]
    if spec.mesh.kind is MeshKind.ISTIO_AMBIENT:
        names += _AMBIENT
    return dict.fromkeys(names, "Istio")


def _storage_modules(spec: ClusterSpec) -> dict[str, str]:
    storage, engines = spec.storage, {*spec.storage.engines}
    wants: dict[str, str] = {}
    if Engine.LVM in engines:
        wants["dm_snapshot"] = "LVM volumes"
        wants |= {"dm_thin_pool": "thin LVM volumes"} if storage.lvm.thin else {}
        wants[storage.lvm.fs_type] = "LVM volumes"
    if Engine.ZFS in engines:
        wants["zfs"] = "ZFS volumes"
        wants |= {storage.zfs.fs_type: "ZFS volumes"} if storage.zfs.fs_type != "zfs" else {}
    if Engine.MAYASTOR in engines:
        wants |= {"nvme_tcp": "Mayastor", storage.mayastor.fs_type: "Mayastor's volumes"}
    if {Engine.JIVA, Engine.CSTOR} & engines:
        wants["iscsi_tcp"] = "Jiva and cStor"
    return wants


def wanted_kernel_config(spec: ClusterSpec) -> tuple[str, ...]:
    """Return the kernel's build options that Cilium asks for; none for other networks."""
    network = spec.network
    if network.cni is not Cni.CILIUM:
        return ()
    tunnel = [f"CONFIG_{network.cilium.tunnel.upper()}"] if network.cilium.routing == "tunnel" else []
    ipsec = ["CONFIG_XFRM", "CONFIG_XFRM_ALGO", "CONFIG_INET_ESP"]
    return (*_CILIUM_CONFIG, *tunnel, *(ipsec if network.cilium.encryption == "ipsec" else ()))


def wanted_commands(spec: ClusterSpec) -> tuple[str, ...]:
    """Return the commands that must be there: those of every node, and those of the storage engines."""
    storage, engines = spec.storage, {*spec.storage.engines}
    more: set[str] = set()
    if Engine.LVM in engines:
        more |= {"lvcreate", "vgs", f"mkfs.{storage.lvm.fs_type}"}
        more |= {"thin_check"} if storage.lvm.thin else set()
    if Engine.ZFS in engines:
        more |= {"zfs", "zpool"}
    if Engine.MAYASTOR in engines:
        more.add(f"mkfs.{storage.mayastor.fs_type}")
    if {Engine.JIVA, Engine.CSTOR} & engines:
        more.add("iscsiadm")
    return (*COMMANDS, *sorted(more))


def _paths(spec: ClusterSpec) -> tuple[str, ...]:
    """Return the folders whose free space counts."""
    own = [spec.storage.hostpath.base_path] if Engine.HOSTPATH in spec.storage.engines else []
    own += ["/var/openebs/local"] if Engine.MAYASTOR in spec.storage.engines else []
    return tuple(dict.fromkeys((*_PATHS, *own)))


def _interfaces(spec: ClusterSpec) -> tuple[str, ...]:
    """Return the interfaces that the answers name: they must be on the nodes."""
    virtual = [spec.endpoint.interface] if spec.endpoint.interface else []
    return tuple(dict.fromkeys((*virtual, *spec.load_balancer.interfaces)))
