"""Servers with nothing to complain about, as preflight.yml reports them: fresh Debian, Ubuntu and Rocky."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from wizards.provision.wants import probe_wants
from wizards.setup.spec import ClusterSpec, Engine, Role

Report = dict[str, Any]

DISK: Final = "/dev/disk/by-id/nvme-one"
SYSTEMS: Final[dict[str, Report]] = {
    "debian": {
        "os_id": "debian",
        "os_version": "12",
        "os_name": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.1.0-28-amd64",
        "python_version": "3.11.2",
        "selinux": "",
        "python_selinux": False,
        "apparmor": {"enabled": True, "parser": True},
        "package_manager": {"name": "apt", "works": True, "problem": "", "busy": False},
        "time_sync": {"service": "systemd-timesyncd", "active": True, "synchronized": True},
        "nft_version": "1.0.6",
        "networkd": False,
        "services": {"systemd-networkd": "inactive", "multipathd": "", "NetworkManager": ""},
    },
    "ubuntu": {
        "os_id": "ubuntu",
        "os_version": "24.04",
        "os_name": "Ubuntu 24.04.3 LTS",
        "kernel": "6.8.0-71-generic",
        "python_version": "3.12.3",
        "selinux": "",
        "python_selinux": False,
        "apparmor": {"enabled": True, "parser": True},
        "package_manager": {"name": "apt", "works": True, "problem": "", "busy": False},
        "time_sync": {"service": "systemd-timesyncd", "active": True, "synchronized": True},
        "nft_version": "1.0.9",
        # netplan's renderer; Ubuntu also starts multipathd and switches the strict filter off.
        "networkd": True,
        "name_servers": ["127.0.0.53"],
        "services": {"systemd-networkd": "active", "multipathd": "active", "ufw": "inactive"},
    },
    "rocky": {
        "os_id": "rocky",
        "os_version": "9.6",
        "os_name": "Rocky Linux 9.6 (Blue Onyx)",
        "kernel": "5.14.0-570.12.1.el9_6.x86_64",
        "python_version": "3.9.21",
        "selinux": "enforcing",
        "python_selinux": True,
        "apparmor": {"enabled": False, "parser": False},
        "package_manager": {"name": "dnf", "works": True, "problem": "", "busy": False},
        "time_sync": {"service": "chronyd", "active": True, "synchronized": True},
        "nft_version": "1.0.9",
        "networkd": False,
        "services": {"NetworkManager": "active", "firewalld": "", "multipathd": ""},
        "fs": {"/var/lib": {"type": "xfs", "ftype": 1}},
        "sysctls": {"net.ipv4.conf.all.rp_filter": "1"},
    },
}


def a_spec(count: int = 3, **more: Any) -> ClusterSpec:
    """Answers for `count` servers with a pool beside them."""
    nodes = [{"name": f"node-{number}", "address": f"10.0.0.{number}"} for number in range(1, count + 1)]
    pools = {"pools": [{"addresses": ["10.0.0.240-10.0.0.250"]}]}
    given = {"name": "demo", "nodes": nodes, "load_balancer": pools}
    return ClusterSpec.model_validate(merged(given, more))


def with_nodes(spec: ClusterSpec, changes: Mapping[int, Report]) -> ClusterSpec:
    """The same answers, with some nodes (by index) changed."""
    nodes = [node.model_dump() | dict(changes.get(index, {})) for index, node in enumerate(spec.nodes)]
    return ClusterSpec.model_validate(spec.model_dump() | {"nodes": nodes})


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `change` over `base`; mappings are merged, all else is replaced."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            result[key] = merged(old, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def healthy(spec: ClusterSpec, system: str = "debian") -> dict[str, Report]:
    """What preflight.yml brings back from servers with nothing to complain about."""
    wants = probe_wants(spec)
    reports = {}
    for number, node in enumerate(spec.nodes, start=1):
        report = _report(node.name, node.ip, number, node.disks)
        report["seen"] = merged(report["seen"], SYSTEMS[system])
        report["seen"] |= _asked(spec, wants)
        report["python_version"] = report["seen"]["python_version"]
        report["reach"] = _reach(spec, node.name)
        reports[node.name] = report
    return reports


def _asked(spec: ClusterSpec, wants: Mapping[str, Any]) -> Report:
    paths = wants["paths"]
    return {
        "kernel_config": dict.fromkeys(wants["kernel_config"], "y"),
        "resolves": dict.fromkeys(wants["hosts"], True),
        "downloads": dict.fromkeys(wants["urls"], ""),
        "free_mib": dict.fromkeys(paths, 50_000),
        "total_mib": dict.fromkeys(paths, 80_000),
        "free_inodes_percent": dict.fromkeys(paths, 93),
        "arp": {ip: "" for ips in wants["arp"].values() for ip in ips},
        "endpoint_answers": "refused" if spec.endpoint.kind == "external" else "",
        "bgp_peers": {peer.address: "" for peer in spec.load_balancer.peers},
    }


def _report(name: str, ip: str, number: int, disks: tuple[str, ...]) -> Report:
    mac = f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"
    seen: Report = {
        "uid": 0,
        "clock_offset": 0.1 * (number % 5),
        "node_name": name,
        "architecture": "x86_64",
        "machine_id": f"{number:032x}",
        "product_uuid": f"4c4c4544-0000-0000-0000-{number:012x}",
        "systemd": True,
        "cpus": 4,
        "cpu_model": "Some Processor",
        "sse4_2": True,
        "memory_mib": 7900,
        "memory_available_mib": 7400,
        "virtualization": "kvm",
        "steal_percent": 0.2,
        "load_per_cpu": 0.05,
        "swap_mib": 0,
        "swaps": [],
        "swap_at_boot": [],
        "hugepages_free": 1024,
        "hugepages_total": 1024,
        "addresses": ["127.0.0.1", "::1", ip, "fe80::1", f"2001:db8::{number:x}"],
        "macs": {"eth0": mac},
        "hostname_resolves": ["127.0.1.1"],
        "iscsi_initiator": f"iqn.1993-08.org.debian:01:{number:x}",
        "ssh_host_key": f"SHA256:key-of-{number}",
        "default_route": True,
        "name_servers": ["10.0.0.254"],
        "name_servers_answer": {"10.0.0.254": True},
        "search_domains": ["lan"],
        "wildcard_domains": [],
        "tmp_noexec": False,
        "home_writable": True,
        "firewall": "",
        "system_state": "running",
        "failed_units": [],
        "cgroup_version": 2,
        "cgroup_memory": True,
        "cgroup_controllers": ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"],
        "reboot_required": False,
        "timezone": "Etc/UTC",
        "umask": 0o022,
        "commands_missing": [],
        "runtimes": [],
        "read_only": [],
        "noexec": [],
        "sysctls_settable": True,
        "sysctls": {
            "net.ipv4.conf.all.rp_filter": "2",
            "kernel.pid_max": "4194304",
            "fs.inotify.max_user_instances": "128",
            "fs.inotify.max_user_watches": "29876",
        },
        "fips": False,
        "ipv6": True,
        "networkd_foreign": False,
        "ports_taken": [],
        "remains": [],
        "modules_missing": [],
        "modules_loaded": ["overlay"],
        "iscsi_name": True,
        "links": [
            {
                "name": "eth0",
                "mac": mac,
                "mtu": 1500,
                "up": True,
                "addresses": [f"{ip}/24", f"2001:db8::{number:x}/64", "fe80::1/64"],
                "kind": "",
            },
            {"name": "lo", "mac": "", "mtu": 65536, "up": True, "addresses": ["127.0.0.1/8"], "kind": ""},
        ],
        "routes": [
            {"to": "default", "via": "10.0.0.254", "dev": "eth0"},
            {"to": "10.0.0.0/24", "via": "", "dev": "eth0"},
        ],
        "gateways": ["10.0.0.254"],
        "proxies": {},
        "address_conflict": {},
        "block": [
            {
                "path": "/dev/vda",
                "size_gib": 80,
                "fstype": "",
                "mounts": [],
                "holders": 2,
                "ro": False,
                "rotational": True,
                "serial": "",
                "kind": "disk",
            },
        ],
        "disks": {
            path: {
                "there": True,
                "holds": "",
                "size_gib": 200.0,
                "serial": f"SERIAL-{number:08d}",
                "ro": False,
            }
            for path in disks
        },
        "fs": {"/var/lib": {"type": "ext4", "ftype": None}, "/var/lib/etcd": {"type": "ext4", "ftype": None}},
        "etcd_fsync_ms": 2.4,
        "etcd_rotational": True,
        "bpf_mounted": True,
        "volume_groups": ["slipway"],
        "volume_groups_free": {"slipway": 180.0},
        "zfs_pools": ["slipway"],
        "zpool_health": {"slipway": "ONLINE"},
        "zfs_version": "2.1.11",
        "nvme_multipath": "Y",
    }
    return {
        # Templates turn truths into text now and then.
        "reachable": "True",
        "login_message": "",
        "python": True,
        "root_message": " ",
        "known_cluster": False,
        "late": False,
        "missed": [],
        "faults": {},
        "seconds": 4.2,
        "seen": seen,
    }


def _reach(spec: ClusterSpec, name: str) -> Report:
    """All ports reached from all nodes; what listens is the same everywhere, for simplicity."""
    tcp, udp = [2379, 2380, 4240, 6443, 7946, 10250], [7946, 8472]
    found = {
        "tcp_failed": {},
        "udp_failed": {},
        "rtt_ms": 0.4,
        "loss": 0.0,
        "mtu": 1500,
        "link_mtu": 1500,
    }
    peers = {node.name: copy.deepcopy(found) for node in spec.nodes if node.name != name}
    return {"listening": {"tcp": tcp, "udp": udp}, "peers": peers, "late": False}


DEFAULT: Final = a_spec()
IN_KERNEL: Final = a_spec(network={"cilium": {"routing": "native", "encryption": "wireguard"}})
CALICO: Final = a_spec(network={"cni": "calico", "kube_proxy": "nftables"})
MESH: Final = a_spec(mesh={"kind": "istio-sidecar"})
DUAL: Final = a_spec(network={"pods_v6": "fd85:ee78:d8a6:8607::1:0/112", "services_v6": "fd85:ee78::/116"})
VIRTUAL: Final = a_spec(endpoint={"kind": "kube-vip", "address": "10.0.0.239", "interface": "eth0"})
EXTERNAL: Final = a_spec(endpoint={"kind": "external", "address": "10.0.0.200"})
BGP: Final = a_spec(
    load_balancer={
        "kind": "metallb-bgp",
        "pools": [{"addresses": ["198.51.100.0/24"]}],
        "peers": [{"name": "tor", "address": "10.0.0.253", "asn": 64500}],
    }
)
KEEPS_NAMES: Final = a_spec(kubespray_vars={"override_system_hostname": False})
LVM: Final = a_spec(storage={"engines": ["lvm"], "lvm": {"thin": True}})
ZFS: Final = a_spec(storage={"engines": ["zfs"]})
JIVA: Final = a_spec(storage={"engines": ["jiva"], "accept_archived": True})
MAYASTOR: Final = with_nodes(
    a_spec(storage={"engines": [Engine.MAYASTOR.value]}), {index: {"disks": [DISK]} for index in range(3)}
)
CSTOR: Final = with_nodes(
    a_spec(storage={"engines": [Engine.CSTOR.value], "accept_archived": True}),
    {index: {"disks": [DISK]} for index in range(3)},
)
FLANNEL_TWO: Final = a_spec(2, network={"cni": "flannel"})
WORKERS: Final = with_nodes(a_spec(5), {3: {"roles": [Role.WORKER.value]}, 4: {"roles": [Role.WORKER.value]}})
ANSWERS: Final = {
    "default": DEFAULT,
    "one node": a_spec(1),
    "workers": WORKERS,
    "Cilium native": IN_KERNEL,
    "Calico, nftables": CALICO,
    "mesh": MESH,
    "dual stack": DUAL,
    "virtual IP": VIRTUAL,
    "balancer": EXTERNAL,
    "BGP": BGP,
    "keeps names": KEEPS_NAMES,
    "LVM": LVM,
    "ZFS": ZFS,
    "Jiva": JIVA,
    "Mayastor": MAYASTOR,
    "cStor": CSTOR,
}
