"""What the look is asked for follows from the answers: there when it is needed, and not when it is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wizards.provision.wants import (
    probe_wants,
    wanted_commands,
    wanted_kernel_config,
    wanted_modules,
    wanted_ports,
)
from wizards.provision.wants_network import (
    wanted_free_addresses,
    wanted_hosts,
    wanted_proxy,
    wanted_reach,
    wanted_udp,
    wanted_urls,
)
from wizards.setup.spec import ClusterSpec

ALL = ["control-plane", "etcd", "worker"]


def a_spec(*roles: list[str], **parts: Any) -> ClusterSpec:
    nodes = [
        {"name": f"node-{number}", "address": f"10.0.{number // 250}.{number % 250}", "roles": own}
        for number, own in enumerate(roles or (ALL, ["worker"]), 1)
    ]
    return ClusterSpec.model_validate({"name": "test", "nodes": nodes} | parts)


NETWORKS: dict[str, tuple[dict[str, Any], set[int], set[int], set[str]]] = {
    "cilium-vxlan": ({"cni": "cilium"}, {4240, 4244, 9879}, {8472}, {"vxlan", "xt_set"}),
    "cilium-geneve": ({"cni": "cilium", "cilium": {"tunnel": "geneve"}}, {4240}, {6081}, {"geneve"}),
    "cilium-native": (
        {"cni": "cilium", "cilium": {"routing": "native", "native_cidr": "10.0.0.0/8", "hubble": False}},
        {4240},
        set(),
        {"ip_set"},
    ),
    "cilium-wireguard": (
        {"cni": "cilium", "cilium": {"encryption": "wireguard", "l7_policies": True}},
        {4240},
        {8472, 51871},
        {"wireguard", "xt_TPROXY", "xt_socket"},
    ),
    "calico-vxlan": ({"cni": "calico"}, {9099}, {4789}, {"vxlan", "xt_set"}),
    "calico-ipip": ({"cni": "calico", "calico": {"mode": "ipip"}}, {179, 9099}, set(), {"ipip"}),
    "flannel-vxlan": ({"cni": "flannel"}, set(), {8472}, {"vxlan"}),
    "flannel-host": ({"cni": "flannel", "flannel": {"backend": "host-gw"}}, set(), set(), set()),
    "kube-router": ({"cni": "kube-router"}, {179}, set(), {"xt_set"}),
}
NETWORK_PORTS = set().union(*(one[1] for one in NETWORKS.values()))
NETWORK_UDP = set().union(*(one[2] for one in NETWORKS.values()))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_brings_its_ports_and_modules_and_nobody_elses(name: str) -> None:
    network, tcp, udp, modules = NETWORKS[name]
    spec = a_spec(network=network, load_balancer={"kind": "none"})
    ports = set(wanted_ports(spec.nodes[0], spec)) & NETWORK_PORTS
    assert tcp <= ports
    assert (4244 in ports) == (4244 in tcp or (4240 in tcp and network.get("cilium", {}).get("hubble", True)))
    assert (179 in ports) == (179 in tcp)
    assert set(wanted_udp(spec)) & NETWORK_UDP == udp
    assert modules <= set(wanted_modules(spec))
    assert bool(wanted_kernel_config(spec)) == (network["cni"] == "cilium")


def test_ports_follow_roles_and_endpoint() -> None:
    spec = a_spec(["control-plane"], ["etcd"], ["worker"])
    first, second, third = (set(wanted_ports(node, spec)) for node in spec.nodes)
    assert {6443, 10257, 10259, 10250} <= first
    assert not {2379, 2380} & first
    assert {2379, 2380} <= second
    # The local proxy takes the API server's port where no API server is.
    assert {6443, 8081} <= third
    single = a_spec(["control-plane", "etcd"], ["worker"], endpoint={"kind": "single"})
    assert not {6443, 8081} & set(wanted_ports(single.nodes[1], single))


def test_kube_proxy_is_wanted_only_where_there_is_one() -> None:
    replaced = a_spec(network={"cni": "cilium", "cilium": {"kube_proxy_replacement": True}})
    assert not {10249, 10256} & set(wanted_ports(replaced.nodes[0], replaced))
    assert "ip_vs" not in wanted_modules(replaced)
    assert {10249, 10256} <= set(wanted_ports(a_spec().nodes[0], a_spec()))
    assert "nf_tables" in wanted_modules(a_spec(network={"kube_proxy": "nftables"}))


STORAGE: dict[str, tuple[dict[str, Any], set[str], set[str]]] = {
    "lvm": ({"engines": ["lvm"]}, {"dm_snapshot", "ext4"}, {"vgs", "mkfs.ext4"}),
    "lvm-thin": ({"engines": ["lvm"], "lvm": {"thin": True}}, {"dm_thin_pool"}, {"lvcreate"}),
    "zfs": ({"engines": ["zfs"]}, {"zfs"}, {"zpool", "zfs"}),
    "mayastor": ({"engines": ["hostpath", "mayastor"]}, {"nvme_tcp"}, {"mkfs.ext4"}),
    "jiva": ({"engines": ["hostpath", "jiva"], "accept_archived": True}, {"iscsi_tcp"}, {"iscsiadm"}),
    "hostpath": ({"engines": ["hostpath"]}, set(), set()),
}


@pytest.mark.parametrize("name", STORAGE)
def test_storage_brings_its_modules_and_commands_and_nobody_elses(name: str) -> None:
    storage, modules, commands = STORAGE[name]
    spec = a_spec(ALL, ALL, ALL, storage=storage)
    others = set().union(*(one[1] for one in STORAGE.values())) - {"ext4"}
    assert modules <= set(wanted_modules(spec))
    unwanted = others - modules - ({"dm_snapshot"} if name.startswith("lvm") else set())
    assert not unwanted & set(wanted_modules(spec))
    assert commands <= set(wanted_commands(spec))
    assert ("iscsiadm" in wanted_commands(spec)) == (name == "jiva")
    assert (10124 in wanted_ports(spec.nodes[0], spec)) == (name == "mayastor")


def test_a_mesh_brings_its_modules() -> None:
    sidecar = wanted_modules(a_spec(mesh={"kind": "istio-sidecar"}, network={"cni": "flannel"}))
    ambient = wanted_modules(a_spec(mesh={"kind": "istio-ambient"}, network={"cni": "flannel"}))
    assert {"xt_REDIRECT", "xt_connmark", "xt_multiport", "iptable_raw"} <= set(sidecar)
    assert "ip_set_hash_ip" not in sidecar
    assert "ip_set_hash_ip" in ambient
    assert "ip6table_nat" not in ambient
    dual = {"cni": "flannel", "pods_v6": "fd85:ee78:d8a6:8607::1:0000/112"}
    assert "ip6table_nat" in wanted_modules(a_spec(mesh={"kind": "istio-sidecar"}, network=dual))
    assert not {"xt_REDIRECT", "xt_owner"} & set(wanted_modules(a_spec()))


def test_downloads_are_the_originals_or_the_mirrors() -> None:
    urls = wanted_urls(a_spec())
    assert "https://registry.k8s.io/v2/" in urls
    assert "https://quay.io/v2/" in urls
    assert any("dl.k8s.io" in url for url in urls)
    assert not any("istio" in url for url in urls)
    assert "https://registry.istio.io/v2/" in wanted_urls(a_spec(mesh={"kind": "istio-sidecar"}))
    mirrors = {"registry": "mirror.lan:5000/all", "registry_insecure": True, "files": "http://files.lan"}
    spec = a_spec(mirrors=mirrors)
    assert wanted_urls(spec) == ("http://files.lan", "http://mirror.lan:5000/v2/")
    assert wanted_hosts(spec) == ("files.lan", "mirror.lan")


def test_behind_a_proxy_only_the_proxy_is_looked_up() -> None:
    spec = a_spec(proxy={"https": "http://proxy.lan:3128", "no_proxy": ["lan"]})
    assert wanted_hosts(spec) == ("proxy.lan",)
    assert wanted_proxy(spec) == {"https_proxy": "http://proxy.lan:3128", "no_proxy": "lan"}
    assert wanted_proxy(a_spec()) == {}


def test_addresses_that_must_be_free_are_asked_for_by_several_nodes() -> None:
    virtual = {"kind": "kube-vip", "address": "10.0.0.100"}
    balancer = {"kind": "metallb-l2", "pools": [{"addresses": ["10.0.0.200-10.0.0.203"]}]}
    asked = wanted_free_addresses(a_spec(*[ALL] * 5, endpoint=virtual, load_balancer=balancer))
    assert all(addresses[0] == "10.0.0.100" for addresses in asked.values())
    for last in range(200, 204):
        assert sum(f"10.0.0.{last}" in addresses for addresses in asked.values()) == 3
    big = {"kind": "metallb-l2", "pools": [{"addresses": ["10.1.0.0/16"]}]}
    sample = wanted_free_addresses(a_spec(ALL, load_balancer=big))["node-1"]
    assert len(sample) == 64
    assert {"10.1.0.0", "10.1.255.255"} <= set(sample)
    assert wanted_free_addresses(a_spec(load_balancer={"kind": "none"})) == {}


def test_who_reaches_whom_is_a_table_and_practice_asks_nothing_of_the_network() -> None:
    spec = a_spec(["control-plane", "etcd"], ["worker"])
    reach = wanted_reach(spec)
    assert reach["nodes"]["node-2"] == {"address": "10.0.0.2", "kinds": ["node", "worker"]}
    assert {"from": "control-plane", "to": "etcd", "tcp": [2379], "udp": []} in reach["rules"]
    assert wanted_reach(a_spec(ALL)) == {}
    practice = probe_wants(spec, practice=True)
    assert (practice["reach"], practice["urls"], practice["hosts"], practice["arp"]) == ({}, [], [], {})
    assert set(practice["etcd"].values()) == {""}
    many = a_spec(*[ALL] * 301)
    assert len(json.dumps(probe_wants(many))) < 200_000
