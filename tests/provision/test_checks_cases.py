"""Each check fires where it should and only there: one healthy world, and one change for each check."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.provision.healthy import (
    BGP,
    CALICO,
    CSTOR,
    DEFAULT,
    DISK,
    DUAL,
    EXTERNAL,
    IN_KERNEL,
    JIVA,
    KEEPS_NAMES,
    LVM,
    MAYASTOR,
    MESH,
    VIRTUAL,
    ZFS,
    Report,
    a_spec,
    healthy,
    merged,
    with_nodes,
)
from wizards.provision.checks import CHECKS, NodeReport, Seen
from wizards.provision.preflight import judge
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec

BLOCK, WARN, FIX = Severity.BLOCK, Severity.WARN, Severity.FIX


@dataclass(frozen=True)
class Case:
    """A change to healthy nodes, and the one finding that follows.

    Attributes:
        check: Id of the check.
        change: What `node` reports otherwise; keys of ``seen`` unless they are of the report itself.
        spec: The answers.
        node: The node that is changed; empty for all of them.
        hosts: Where the finding is; by default on that node.
        severity: Its weight.
        says: Words of its message.
    """

    check: str
    change: Report
    spec: ClusterSpec = DEFAULT
    node: str = "node-2"
    hosts: tuple[str, ...] | None = None
    severity: Severity = BLOCK
    says: tuple[str, ...] = field(default=())


_OWN: Final = (
    "reachable",
    "login_message",
    "python",
    "python_version",
    "root_message",
    "known_cluster",
    "late",
    "missed",
    "faults",
    "seconds",
    "seen",
    "reach",
)
KERNEL_OLD: Final = {"kernel": "5.4.0-42-generic"}
NODE_3_OF: Final = "4c4c4544-0000-0000-0000-000000000003"
LOAD: Final = {"virtual": {"kind": "kube-vip", "address": "10.9.9.9"}}
SMALL_MESH: Final = a_spec(1, mesh={"kind": "istio-sidecar"})
TWO_DISKS: Final = with_nodes(MAYASTOR, {1: {"disks": []}})
BARE_CSTOR: Final = a_spec(storage={"engines": ["cstor"], "accept_archived": True})
INTERFACES: Final = a_spec(load_balancer={"interfaces": ["bond0"]})
GATEWAY_POOL: Final = a_spec(load_balancer={"pools": [{"addresses": ["10.0.0.250-10.0.0.254"]}]})
FAR_POOL: Final = a_spec(load_balancer={"pools": [{"addresses": ["192.0.2.10-192.0.2.20"]}]})
INNER_POOL: Final = a_spec(
    load_balancer={"pools": [{"addresses": ["10.0.0.240-10.0.0.250", "172.17.0.10/32"]}]}
)
WIREGUARD: Final = a_spec(network={"cni": "flannel", "flannel": {"backend": "wireguard"}})
ONCE: Final = a_spec(kubespray_vars={"download_run_once": True})
MINIMUM: Final = a_spec(kubespray_vars={"minimal_node_memory_mb": 4096})
DOCKER: Final = a_spec(kubernetes={"runtime": "docker"})
FLANNEL: Final = a_spec(network={"cni": "flannel"})
SPARE: Final = {"path": "/dev/sdb", "size_gib": 100, "fstype": "", "mounts": [], "holders": 0, "ro": False}
A_LINK: Final = {"name": "eth0", "mtu": 1500, "up": True, "addresses": ["10.0.0.2/24"]}


def _link(**more: Any) -> Report:
    return {"links": [A_LINK | more]}


def _peer(name: str, **found: Any) -> Report:
    return {"reach": {"peers": {name: found}}}


CASES: Final = (
    # access
    Case(
        "node-reachable",
        {"reachable": False, "login_message": "Connection refused", "seen": None},
        says=("10.0.0.2", "port 22", "nothing listens"),
    ),
    Case(
        "node-reachable",
        {
            "reachable": False,
            "login_message": "@@@@@@@ @ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @ @@@@@@@ IT IS",
            "seen": None,
        },
        says=("its host key is not the one that is kept",),
    ),
    Case("node-late", {"late": True, "seconds": 45.0, "seen": None}, says=("within 45 s",)),
    Case("node-python", {"python": False, "seen": None}, says=("no Python",)),
    Case("python-version", {"python_version": "3.6.8", "seen": None}, says=("3.6.8", "3.8")),
    Case("node-readable", {"seen": None, "root_message": "No space left on device"}, says=("No space left",)),
    Case("node-half-seen", {"late": True, "missed": ["disks"]}, severity=WARN, says=("disks",)),
    Case(
        "node-half-seen",
        {"faults": {"packages": "KeyError: 'x'"}},
        severity=WARN,
        says=("packages (KeyError",),
    ),
    Case("node-root", {"uid": 1000}),
    Case("home-writable", {"home_writable": False}),
    Case("tmp-noexec", {"tmp_noexec": True}, severity=WARN),
    Case("login-slow", {"seconds": 41.0}, severity=WARN, says=("41 s", "25 s")),
    # hardware
    Case("virtualization", {"virtualization": "lxc"}, says=("lxc",)),
    Case("virtualization", {"virtualization": "wsl"}),
    Case("architecture", {"architecture": "armv7l"}, says=("armv7l",)),
    Case("architecture-mixed", {"architecture": "aarch64"}, severity=WARN, says=("arm64", "amd64")),
    Case("cpus", {"cpus": 1}, says=("1", "2")),
    Case("memory", {"memory_mib": 1699}, says=("1699 MiB", "1700 MiB")),
    Case(
        "memory-for-choices",
        {"memory_mib": 1750, "memory_available_mib": 1700},
        severity=WARN,
        says=("1750 MiB", "1770 MiB"),
    ),
    Case(
        "memory-for-choices",
        {"memory_mib": 5000, "memory_available_mib": 4500},
        SMALL_MESH,
        node="node-1",
        hosts=("",),
        severity=WARN,
        says=("mesh", "4.0 GiB"),
    ),
    Case("cpus-for-choices", {"cpus": 2}, SMALL_MESH, node="node-1", hosts=("",), severity=WARN, says=("3",)),
    Case("memory-available", {"memory_available_mib": 800}, severity=WARN, says=("0.8 GiB", "7.7 GiB")),
    Case("sse42", {"sse4_2": False}, MAYASTOR),
    Case("cpu-steal", {"steal_percent": 25.0}, severity=WARN, says=("25 %",)),
    Case("load", {"load_per_cpu": 3.5}, severity=WARN, says=("3.5",)),
    # identity
    Case("machine-id-unique", {"machine_id": f"{3:032X}"}, hosts=("node-2", "node-3"), says=("node-3",)),
    Case("machine-id-there", {"machine_id": ""}, severity=WARN),
    Case("product-uuid-unique", {"product_uuid": NODE_3_OF}, hosts=("node-2", "node-3")),
    Case("mac-unique", {"macs": {"eth0": "52:54:00:00:00:03"}}, hosts=("node-2", "node-3")),
    Case("address-unique", {"addresses": ["10.0.0.2", "10.0.0.3"]}, says=("10.0.0.3", "node-3")),
    Case("host-name-form", {"node_name": "Node_2"}, KEEPS_NAMES, says=("Node_2",)),
    Case("host-name-localhost", {"node_name": "localhost.localdomain"}, KEEPS_NAMES),
    Case("host-name-unique", {"node_name": "node-3"}, KEEPS_NAMES, hosts=("node-2", "node-3")),
    Case("host-name-changes", {"node_name": "debian"}, severity=WARN, says=("debian", "node-2")),
    Case("own-name-resolves", {"hostname_resolves": []}, severity=WARN),
    Case("own-name-resolves", {"hostname_resolves": ["192.0.2.7"]}, severity=WARN, says=("192.0.2.7",)),
    Case(
        "ssh-host-key-unique", {"ssh_host_key": "SHA256:key-of-3"}, hosts=("node-2", "node-3"), severity=WARN
    ),
    Case(
        "iscsi-name-unique",
        {"iscsi_initiator": "iqn.1993-08.org.debian:01:3"},
        JIVA,
        hosts=("node-2", "node-3"),
    ),
    Case("remains", {"remains": ["/var/lib/etcd/member"]}, severity=WARN, says=("/var/lib/etcd/member",)),
    # system
    Case("os-supported", {"os_id": "alpine", "os_name": "Alpine Linux v3.22"}, says=("Alpine",)),
    Case("os-release-old", {"os_id": "ubuntu", "os_version": "20.04"}, severity=WARN, says=("22",)),
    Case("systemd", {"systemd": False}),
    Case(
        "systemd-state",
        {"system_state": "degraded", "failed_units": ["nfs.mount"]},
        severity=WARN,
        says=("nfs.mount",),
    ),
    Case("systemd-state", {"system_state": "starting"}, severity=WARN),
    Case("systemd-state", {"system_state": "maintenance"}),
    Case("kernel", KERNEL_OLD, says=("5.4.0", "5.10", "Cilium")),
    Case("kernel", {"kernel": "5.10.0-30-amd64"}, CALICO, says=("5.13", "nftables")),
    Case("kernel-config", {"kernel_config": {"CONFIG_CGROUP_BPF": "n"}}, says=("CONFIG_CGROUP_BPF",)),
    Case("cgroup-memory", {"cgroup_memory": False}),
    Case("cgroup-version", {"cgroup_version": 1}, says=("v1", "1.35")),
    Case("cgroup-controllers", {"cgroup_controllers": ["cpu", "memory", "pids"]}, says=("cpuset",)),
    Case("kernel-wireguard", KERNEL_OLD, WIREGUARD, says=("5.4.0", "5.6")),
    Case("flatcar-download", {"os_id": "flatcar"}, ONCE, says=("download_run_once",)),
    Case("memory-asked", {"memory_mib": 4000, "memory_available_mib": 3500}, MINIMUM, says=("4000", "4096")),
    Case("docker-dns", {"search_domains": [f"d{number}.lan" for number in range(5)]}, DOCKER, says=("7",)),
    Case("cgroups-mounted", {"cgroup_version": 0, "cgroup_memory": None}, says=("/sys/fs/cgroup",)),
    Case("selinux", {"selinux": "enforcing", "python_selinux": True}, severity=WARN, says=("stays",)),
    Case(
        "selinux",
        {"selinux": "enforcing", "python_selinux": True, "os_id": "rocky"},
        severity=FIX,
        says=("permissive",),
    ),
    Case("selinux-python", {"selinux": "permissive"}, severity=WARN),
    Case("apparmor", {"apparmor": {"parser": False}}, severity=WARN),
    Case("fips", {"fips": True}, IN_KERNEL),
    Case("ipv6-enabled", {"ipv6": False, "addresses": ["10.0.0.2"]}, DUAL),
    # settings
    Case("sysctls-settable", {"sysctls_settable": False}),
    Case("read-only", {"read_only": ["/opt"]}, says=("/opt",)),
    Case("noexec-system", {"noexec": ["/tmp", "/var/lib"]}, says=("/var/lib",)),
    Case("commands", {"commands_missing": ["ip", "no-such-thing"]}, says=("ip",)),
    Case(
        "package-manager",
        {"package_manager": {"works": False, "problem": "sources are unsigned"}},
        says=("apt", "unsigned"),
    ),
    Case("package-manager", {"package_manager": {"name": ""}}),
    Case("package-manager-busy", {"package_manager": {"busy": True}}, severity=WARN, says=("apt",)),
    Case("reboot-required", {"reboot_required": True}, severity=WARN),
    Case(
        "swap",
        {"swap_mib": 2048, "swaps": ["/swap.img"], "swap_at_boot": ["/swap.img"]},
        severity=WARN,
        says=("2048 MiB", "/swap.img"),
    ),
    Case("swap-at-boot", {"swap_at_boot": ["/swap.img"]}, severity=WARN, says=("/swap.img",)),
    Case("other-kubernetes", {"services": {"k3s": "active"}}, says=("k3s",)),
    Case("nm-cloud-setup", {"services": {"nm-cloud-setup.timer": "active"}}, severity=WARN),
    Case(
        "other-runtime", {"runtimes": ["docker", "containerd"]}, severity=WARN, says=("docker", "containerd")
    ),
    Case("umask", {"umask": 0o027}, severity=WARN, says=("0027",)),
    Case(
        "inotify-limits",
        {"sysctls": {"fs.inotify.max_user_watches": "1024"}},
        severity=WARN,
        says=("1024", "8192"),
    ),
    Case("pid-max", {"sysctls": {"kernel.pid_max": "4096"}}, severity=WARN, says=("4096", "32768")),
    Case(
        "rp-filter",
        {
            "sysctls": {"net.ipv4.conf.all.rp_filter": "1"},
            "macs": {"eth1": "52:54:00:00:01:02"},
            "links": [A_LINK, {"name": "eth1", "mtu": 1500, "up": True, "addresses": ["10.1.0.2/24"]}],
        },
        FLANNEL,
        severity=WARN,
        says=("eth0, eth1",),
    ),
    # clocks
    Case("clock-skew", {"clock_offset": 600.0}, says=("600 s ahead",)),
    Case("clock-skew", {"clock_offset": -5.0}, severity=WARN, says=("5 s behind",)),
    Case("clock-console", {"clock_offset": -300.0}, node="", hosts=("",), severity=WARN, says=("300 s",)),
    Case("time-sync", {"time_sync": {"active": False}}, severity=WARN, says=("systemd-timesyncd",)),
    Case("time-sync", {"time_sync": {"synchronized": False}}, severity=WARN),
    Case("timezone", {"timezone": "Europe/Berlin"}, severity=WARN, says=("Europe/Berlin", "UTC")),
    # network
    Case("own-address", {"addresses": ["192.0.2.7"]}, says=("10.0.0.2", "192.0.2.7")),
    Case(
        "address-conflict",
        {"address_conflict": {"10.0.0.2": "52:54:00:aa:bb:cc"}},
        says=("52:54:00:aa:bb:cc",),
    ),
    Case("default-route", {"default_route": False}),
    Case("dual-stack-address", {"addresses": ["10.0.0.2", "fe80::2"]}, DUAL),
    Case("interface-there", _link(name="ens3"), VIRTUAL, says=("eth0",)),
    Case(
        "interface-there",
        _link(name="eth0"),
        INTERFACES,
        node="",
        hosts=("node-1", "node-2", "node-3"),
        says=("bond0",),
    ),
    Case("name-server", {"name_servers": []}),
    Case(
        "name-server-count",
        {"name_servers": ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]},
        severity=WARN,
        says=("4", "3"),
    ),
    Case("name-server-local", {"name_servers": ["127.0.0.1"]}, severity=WARN, says=("127.0.0.1",)),
    Case(
        "name-servers-answer",
        {"name_servers_answer": {"10.0.0.253": False}},
        severity=WARN,
        says=("not all", "10.0.0.253"),
    ),
    Case(
        "name-servers-answer",
        {"name_servers_answer": {"10.0.0.254": False}, "resolves": {"quay.io": False}},
        says=("none",),
    ),
    Case("names-resolve", {"resolves": {"quay.io": False}}, says=("quay.io",)),
    Case("search-domains", {"search_domains": [f"d{n}.lan" for n in range(30)]}, severity=WARN, says=("30",)),
    Case("dns-wildcard", {"wildcard_domains": ["lan"]}, severity=WARN, says=("lan",)),
    Case("ports-free", {"ports_taken": [{"port": 6443, "by": "python3"}]}, says=("6443 (python3)",)),
    Case("ports-free", {"ports_taken": [10250]}, says=("10250",)),
    Case("firewall", {"firewall": "ufw"}, severity=WARN, says=("ufw",)),
    Case(
        "proxy-differs",
        {"proxies": {"https_proxy": "http://proxy.lan:3128"}},
        severity=WARN,
        says=("proxy.lan:3128",),
    ),
    Case("networkd-foreign-routes", {"networkd": True}, IN_KERNEL, severity=WARN),
    Case("nm-cloud-setup", {"services": {"nm-cloud-setup": "active"}}, severity=WARN),
    # addresses
    Case(
        "range-overlaps-route",
        {"routes": [{"to": "10.233.0.0/16", "via": "", "dev": "tun0"}]},
        says=("10.233.0.0/16", "tun0"),
    ),
    Case(
        "virtual-ip-free",
        {"arp": {"10.0.0.239": "52:54:00:aa:bb:cc"}},
        VIRTUAL,
        hosts=("",),
        says=("10.0.0.239", "52:54:00:aa:bb:cc"),
    ),
    Case("virtual-ip-free", {"addresses": ["10.0.0.2", "10.0.0.239"]}, VIRTUAL, says=("10.0.0.239",)),
    Case(
        "virtual-ip-subnet",
        _link(addresses=["10.0.0.2/26"]),
        VIRTUAL,
        says=("10.0.0.239", "10.0.0.0-10.0.0.63"),
    ),
    Case("pool-on-node", {"addresses": ["10.0.0.2", "10.0.0.241"]}, says=("10.0.0.241",)),
    Case("gateway-in-pool", {}, GATEWAY_POOL, hosts=("",), says=("10.0.0.254",)),
    Case("pool-free", {"arp": {"10.0.0.245": "52:54:00:aa:bb:cc"}}, hosts=("",), says=("10.0.0.245",)),
    Case("pool-subnet", {}, FAR_POOL, hosts=("",), severity=WARN, says=("192.0.2.10-192.0.2.20",)),
    Case(
        "pool-overlaps-route",
        {"links": [A_LINK, {"name": "docker0", "mtu": 1500, "up": True, "addresses": ["172.17.0.1/16"]}]},
        INNER_POOL,
        severity=WARN,
        says=("172.17.0.0/16", "docker0"),
    ),
    # reach
    Case("reach-tcp", _peer("node-3", tcp_failed={"10250": "timeout"}), says=("node-3", "10250 (timeout)")),
    Case("reach-udp", _peer("node-3", udp_failed={"8472": "no answer"}), says=("node-3", "8472 (no answer)")),
    Case(
        "reach-wrong-host",
        _peer("node-3", tcp_failed={"10250": "wrong host"}),
        hosts=("node-3",),
        says=("10.0.0.3", "node-2"),
    ),
    Case("mtu-path", _peer("node-3", mtu=1400), says=("node-3", "1400 of 1500")),
    Case("mtu-mixed", _link(mtu=9000), severity=WARN, says=("9000", "1500")),
    Case("latency-etcd", _peer("node-3", rtt_ms=35.0), severity=WARN, says=("35 ms", "node-3")),
    Case("latency-etcd", _peer("node-3", rtt_ms=140.0), says=("140 ms",)),
    Case("loss-etcd", _peer("node-3", loss=0.1), severity=WARN, says=("10 %",)),
    # outside
    Case("downloads", {"downloads": {"https://github.com/": "connection refused"}}, says=("github.com",)),
    Case("registry", {"downloads": {"https://quay.io/v2/": "timed out"}}, says=("quay.io", "timed out")),
    Case("endpoint-external", {"endpoint_answers": "timeout"}, EXTERNAL, says=("10.0.0.200", "timeout")),
    Case("bgp-peer", {"bgp_peers": {"10.0.0.253": "timeout"}}, BGP, severity=WARN, says=("10.0.0.253",)),
    Case("bgp-peer", {"bgp_peers": {"10.0.0.253": "timeout"}}, BGP, node="", hosts=("",), severity=WARN),
    # disks
    Case("disk-space", {"free_mib": {"/var/lib": 900}}, says=("0.9 of 10.0 GiB",)),
    Case("disk-space", {"free_mib": {"/var/lib/etcd": 900}}, says=("/var/lib/etcd",)),
    Case(
        "disk-pressure", {"free_mib": {"/var/lib": 20_000}, "total_mib": {"/var/lib": 400_000}}, says=("5 %",)
    ),
    Case("disk-inodes", {"free_inodes_percent": {"/var/lib": 2}}, says=("2 %",)),
    Case("overlay-file-system", {"fs": {"/var/lib": {"type": "xfs", "ftype": 0}}}, says=("ftype=0",)),
    Case("overlay-file-system", {"fs": {"/var/lib": {"type": "nfs4"}}}, says=("nfs4",)),
    Case("etcd-disk-speed", {"etcd_fsync_ms": 45.0}, severity=WARN, says=("45 ms", "10 ms")),
    Case("etcd-disk-speed", {"etcd_fsync_ms": 900.0}),
    Case("etcd-disk-rotational", {"etcd_fsync_ms": None, "virtualization": "none"}, severity=WARN),
    Case("hostpath-space", {"free_mib": {"/var/openebs/local": 2048}}, severity=WARN, says=("2.0 GiB",)),
    Case("disks-there", {"disks": {DISK: {"there": False}}, "block": [SPARE]}, MAYASTOR, says=(DISK,)),
    Case("disks-empty", {"disks": {DISK: {"holds": "ext4, /srv"}}}, MAYASTOR, says=("ext4, /srv",)),
    Case("disk-read-only", {"disks": {DISK: {"ro": True}}}, MAYASTOR),
    Case("disk-size", {"disks": {DISK: {"size_gib": 4.0}}}, MAYASTOR, says=("4.0 GiB",)),
    Case(
        "disk-shared",
        {"disks": {DISK: {"serial": "SERIAL-00000003"}}},
        MAYASTOR,
        hosts=("node-2", "node-3"),
        severity=WARN,
    ),
    Case("no-spare-disk", {"block": [SPARE]}, TWO_DISKS, severity=WARN, says=("2 of the workers",)),
    # components
    Case("kernel-modules", {"modules_missing": ["ip_vs"]}, says=("ip_vs (for kube-proxy with IPVS)",)),
    Case("bpf-mounted", {"bpf_mounted": False}, severity=WARN),
    Case("nftables-version", {"nft_version": "0.9.8"}, CALICO, severity=WARN, says=("0.9.8", "1.0.1")),
    Case("volume-group", {"volume_groups": ["vg0"]}, LVM, says=("slipway",)),
    Case("volume-group", {"volume_groups": None, "commands_missing": ["vgs"]}, LVM, says=("lvm2",)),
    Case("volume-group-space", {"volume_groups_free": {"slipway": 0.0}}, LVM, severity=WARN),
    Case("lvm-thin", {"commands_missing": ["thin_check"]}, LVM),
    Case("zfs-pool", {"zfs_pools": []}, ZFS, says=("slipway",)),
    Case("zfs-pool", {"zfs_pools": None, "commands_missing": ["zpool"]}, ZFS, says=("zfsutils-linux",)),
    Case("zfs-pool-health", {"zpool_health": {"slipway": "DEGRADED"}}, ZFS, severity=WARN),
    Case("zfs-pool-health", {"zpool_health": {"slipway": "FAULTED"}}, ZFS),
    Case("zfs-version-same", {"zfs_version": "2.3.1"}, ZFS, severity=WARN, says=("2.3.1", "2.1.11")),
    Case("iscsi", {"iscsi_name": False}, JIVA, says=("jiva",)),
    Case("iscsi-service", {"services": {"iscsid": "inactive"}}, JIVA, severity=WARN),
    Case("multipath-service", {"services": {"multipathd": "active"}}, JIVA, severity=WARN),
    Case("zfs-import-scan", {"services": {"zfs-import-scan": "active"}}, CSTOR),
    Case("cstor-disks", {"block": [SPARE]}, BARE_CSTOR, hosts=("",)),
    Case("mayastor-cpus", {"cpus": 2}, MAYASTOR, says=("2",)),
    Case("huge-pages", {"hugepages_free": 0}, MAYASTOR, says=("1024",)),
    Case("nvme-multipath", {"nvme_multipath": "N"}, MAYASTOR, severity=WARN),
    Case("mayastor-ports", {"ports_taken": [{"port": 8420, "by": "app"}]}, MAYASTOR, says=("8420 (app)",)),
)


def with_fault(spec: ClusterSpec, change: Report, node: str = "node-2") -> dict[str, Report]:
    """Healthy nodes of which one, or with no name all, report `change`."""
    reports = healthy(spec)
    for name in [node] if node else list(reports):
        own = {key: value for key, value in change.items() if key in _OWN}
        seen = {key: value for key, value in change.items() if key not in _OWN}
        reports[name] = merged(reports[name], own)
        if seen:
            reports[name]["seen"] = merged(reports[name]["seen"], seen)
    return reports


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}-{CASES.index(case)}")
def test_a_fault_is_found_where_it_is_and_nothing_else_anywhere(case: Case) -> None:
    found = judge(with_fault(case.spec, case.change, case.node), case.spec)
    hosts = case.hosts if case.hosts is not None else (case.node,)
    assert [(one.id, one.host, one.severity) for one in found] == [
        (case.check, host, case.severity) for host in hosts
    ]
    first = found[0]
    for words in case.says:
        assert words in first.message
    assert first.message.endswith(".")
    assert not first.message.endswith("..")
    assert first.remedy.endswith(".")
    assert first.measured
    assert first.required
    assert first.path or not first.host or case.check == "clock-console"


def test_every_check_has_a_firing_case() -> None:
    # A node without a report has nothing to change: test_preflight.py leaves it out.
    assert {case.check for case in CASES} | {"node-reported"} == {check.id for check in CHECKS}


def test_empty_disks_are_offered_where_one_is_missing() -> None:
    for check, spec in (("disks-there", MAYASTOR), ("no-spare-disk", TWO_DISKS), ("cstor-disks", BARE_CSTOR)):
        case = next(case for case in CASES if case.check == check)
        found = judge(with_fault(spec, case.change), spec)
        assert "/dev/sdb (100 GiB)" in found[0].remedy


MANY: Final[dict[str, Report]] = {
    "unreachable": {"reachable": False, "login_message": "timed out"},
    "no route": {"default_route": False, "downloads": {"https://github.com/": "unreachable"}},
    "no name server": {
        "name_servers": [],
        "resolves": {"quay.io": False},
        "downloads": {"https://quay.io/v2/": "no"},
    },
    "no name": {"resolves": {"quay.io": False}, "downloads": {"https://quay.io/v2/": "no such name"}},
}
ONE_OF: Final = {
    "unreachable": "node-reachable",
    "no route": "default-route",
    "no name server": "name-server",
    "no name": "names-resolve",
}


@pytest.mark.parametrize("name", MANY)
def test_what_one_fault_brings_with_it_is_not_told_again(name: str) -> None:
    change = MANY[name] | ({"seen": None} if name == "unreachable" else {})
    assert [one.id for one in judge(with_fault(DEFAULT, change), DEFAULT)] == [ONE_OF[name]]


OWN: Final[Report] = {
    "known_cluster": True,
    "remains": ["/etc/kubernetes/admin.conf"],
    "ports_taken": [{"port": 6443, "by": "kube-apiserver"}, 8420],
    "runtimes": ["containerd"],
    "memory_available_mib": 500,
    "load_per_cpu": 4.0,
    "hugepages_free": 0,
    "arp": {"10.0.0.240": "52:54:00:00:00:02"},
    "routes": [{"to": "10.233.64.0/24", "via": "10.0.0.2", "dev": "eth0"}],
    "free_mib": {"/var/lib": 4096},
    "disks": {DISK: {"holds": "zfs_member"}},
}


@pytest.mark.parametrize("spec", [DEFAULT, MESH, MAYASTOR], ids=["default", "mesh", "Mayastor"])
def test_what_this_cluster_left_there_is_no_obstacle(spec: ClusterSpec) -> None:
    change = OWN if spec is MAYASTOR else {key: value for key, value in OWN.items() if key != "disks"}
    assert judge(with_fault(spec, change), spec) == ()


def test_a_new_node_of_a_known_cluster_is_judged_like_any() -> None:
    change = {"known_cluster": True, "ports_taken": [6443], "load_per_cpu": 4.0}
    found = judge(with_fault(DEFAULT, change), DEFAULT)
    assert [one.id for one in found] == ["ports-free", "load"]


_ANYTHING: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    1e308,
    float("nan"),
    "",
    "x",
    "10.0.0.2",
    [],
    [[]],
    [{}],
    [None],
    {},
    {"a": []},
)


def _spoilt(value: Any) -> Iterator[Any]:
    """Yield `value` with each of its parts, and itself, replaced by anything."""
    yield from _ANYTHING
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        for spoilt in _spoilt(part):
            changed = copy.copy(value)
            changed[key] = spoilt
            yield changed


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}-{CASES.index(case)}")
def test_what_a_check_reads_may_be_anything(case: Case) -> None:
    """Each part of what makes the check fire is replaced in turn, and nothing is raised."""
    check = next(check for check in CHECKS if check.id == case.check)
    reports = with_fault(case.spec, case.change, case.node)
    host = case.node or "node-2"
    names = {node.name for node in case.spec.nodes} | {""}
    for name in case.change:
        place = reports[host] if name in _OWN else reports[host]["seen"] or {}
        value = place[name]
        for spoilt in _spoilt(value):
            place[name] = spoilt
            nodes = tuple(NodeReport.read(node, reports[node.name]) for node in case.spec.nodes)
            assert {one.host for one in check.judge(Seen(case.spec, nodes))} <= names
        place[name] = value
