"""The inventory: what Kubespray is told, for clusters as people make them, and for what they must not do.

The files under ``golden`` are what a reader would see, all of one cluster in one file. After a wanted change
write them anew with ``SLIPWAY_GOLDEN=write``, and read the difference.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from wizards.provision.group_vars import RenderError
from wizards.provision.inventory import inventory_files
from wizards.setup.spec import ClusterSpec
from wizards.setup.writing import spec_data
from wizards.version import slipway_version

GOLDEN = Path(__file__).with_name("golden")
CASES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
HOST_VARIABLES = {
    *("ansible_host", "ansible_port", "ansible_user", "ansible_become", "ansible_ssh_private_key_file"),
    "ansible_ssh_extra_args",
    *("ansible_ssh_common_args", "ip", "ip6", "access_ip", "access_ip6"),
    *("etcd_member_name", "node_labels", "node_taints"),
}
"""Ansible's own, and those that Kubespray documents for single hosts and defines no default for."""


def spec_of(**answers: Any) -> ClusterSpec:
    nodes = [{"name": f"node-{n}", "address": f"10.0.0.1{n}"} for n in (1, 2, 3)]
    return ClusterSpec.model_validate({"name": "lab", "nodes": nodes} | answers)


def golden_spec(case: str) -> ClusterSpec:
    return ClusterSpec.model_validate(yaml.safe_load((GOLDEN / f"{case}.yaml").read_text()))


def variables(spec: ClusterSpec) -> dict[str, Any]:
    """Return all group variables as Ansible merges them: file after file, the later one wins."""
    merged: dict[str, Any] = {}
    for _, text in sorted(inventory_files(spec).items()):
        data = yaml.safe_load(text)
        merged |= {} if "all" in data else data
    return merged


def hosts(spec: ClusterSpec) -> dict[str, Any]:
    data = yaml.safe_load(inventory_files(spec)["inventory/hosts.yaml"])
    return dict(data["all"])


@pytest.mark.parametrize("case", CASES)
def test_the_files_are_those_that_were_read_and_approved(case: str) -> None:
    files = inventory_files(golden_spec(case))
    text = "\n".join(f"=== {name}\n{content}" for name, content in sorted(files.items()))
    text = text.replace(slipway_version(), "VERSION")
    golden = GOLDEN / f"{case}.txt"
    if os.environ.get("SLIPWAY_GOLDEN") == "write":
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_every_variable_is_one_that_kubespray_knows(case: str) -> None:
    known = set(resources.files("wizards.setup").joinpath("kubespray-variables.txt").read_text().split())
    assert "kube_network_plugin" in known
    spec = golden_spec(case)
    assert set(variables(spec)) <= known
    host_variables = {name for host in hosts(spec)["hosts"].values() for name in host}
    assert host_variables <= HOST_VARIABLES


def test_groups_follow_the_roles_in_the_order_of_the_nodes() -> None:
    groups = hosts(golden_spec("five-nodes-calico"))["children"]
    assert list(groups["kube_control_plane"]["hosts"]) == ["cp-1", "cp-2", "cp-3"]
    assert list(groups["etcd"]["hosts"]) == ["cp-1", "cp-2", "cp-3"]
    assert list(groups["kube_node"]["hosts"]) == ["worker-1", "worker-2"]
    assert list(groups["k8s_cluster"]["children"]) == ["kube_control_plane", "kube_node"]


def test_an_etcd_member_keeps_its_name_when_another_node_goes() -> None:
    whole = golden_spec("five-nodes-calico")
    fewer = whole.model_copy(update={"nodes": whole.nodes[1:]})
    assert hosts(whole)["hosts"]["cp-2"]["etcd_member_name"] == "etcd-cp-2"
    assert hosts(fewer)["hosts"]["cp-2"]["etcd_member_name"] == "etcd-cp-2"
    assert "etcd_member_name" not in hosts(whole)["hosts"]["worker-1"]


def test_a_host_name_is_an_ssh_address_and_never_one_to_bind() -> None:
    host = hosts(spec_of(nodes=[{"name": "a", "address": "a.example.org"}]))["hosts"]["a"]
    assert host["ansible_host"] == "a.example.org"
    assert "ip" not in host
    six = hosts(spec_of(nodes=[{"name": "a", "address": "fd00::1"}]))["hosts"]["a"]
    assert (six["ip6"], six["access_ip6"], "ip" in six) == ("fd00::1", "fd00::1", False)


def test_dual_stack_gives_an_address_of_each_family() -> None:
    node = {"name": "a", "address": "203.0.113.1", "internal_address": "10.0.0.1"}
    host = hosts(spec_of(nodes=[node | {"internal_address_v6": "FD00::0:1"}]))["hosts"]["a"]
    assert (host["ip"], host["access_ip"]) == ("10.0.0.1", "10.0.0.1")
    assert (host["ip6"], host["access_ip6"]) == ("fd00::1", "fd00::1")


def test_a_nodes_own_key_wins_where_keys_are_used_at_all() -> None:
    nodes = [
        {"name": "a", "address": "10.0.0.1", "key_file": "~/.ssh/a"},
        {"name": "b", "address": "10.0.0.2"},
    ]
    by_key = hosts(spec_of(nodes=nodes, access={"key_file": "~/.ssh/all"}))["hosts"]
    assert [by_key[name]["ansible_ssh_private_key_file"] for name in "ab"] == ["~/.ssh/a", "~/.ssh/all"]
    some = hosts(spec_of(nodes=nodes))["hosts"]
    assert some["a"]["ansible_ssh_extra_args"] == "-o IdentitiesOnly=yes", "an agent full of other keys"
    assert not {"ansible_ssh_extra_args", "ansible_ssh_private_key_file"} & some["b"].keys()
    by_agent = hosts(spec_of(nodes=nodes, access={"method": "agent"}))["hosts"]
    assert not any("ansible_ssh_private_key_file" in host for host in by_agent.values())


def test_privilege_is_a_matter_of_hosts_so_that_localhost_never_asks_for_it() -> None:
    spec = golden_spec("three-nodes-cilium-kube-vip")
    assert all(host["ansible_become"] is True for host in hosts(spec)["hosts"].values())
    assert "ansible_become" not in variables(spec)
    assert set(hosts(spec)["vars"]) == {"ansible_ssh_common_args"}


@pytest.mark.parametrize(
    ("answers", "strict"),
    [
        ({"load_balancer": {"kind": "metallb-l2"}}, True),
        ({"load_balancer": {"kind": "none"}, "endpoint": {"kind": "kube-vip", "address": "10.0.0.9"}}, True),
        ({"load_balancer": {"kind": "none"}}, False),
        ({"load_balancer": {"kind": "metallb-bgp"}}, False),
        ({"load_balancer": {"kind": "metallb-l2"}, "network": {"kube_proxy": "iptables"}}, None),
        ({"network": {"cilium": {"kube_proxy_replacement": True}}}, None),
    ],
)
def test_strict_arp_is_set_where_ipvs_would_answer_for_others(
    answers: dict[str, Any], strict: bool | None
) -> None:
    assert variables(spec_of(**answers)).get("kube_proxy_strict_arp") is strict


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ({"kind": "single"}, {"loadbalancer_apiserver_localhost": False}),
        (
            {"kind": "local-proxy", "port": 7443},
            {
                "loadbalancer_apiserver_localhost": True,
                "loadbalancer_apiserver_type": "nginx",
                "kube_apiserver_port": 7443,
            },
        ),
        (
            {"kind": "external", "address": "api.lan", "port": 443},
            {
                "loadbalancer_apiserver_localhost": False,
                "apiserver_loadbalancer_domain_name": "api.lan",
                "loadbalancer_apiserver": {"address": "api.lan", "port": 443},
            },
        ),
        (
            {"kind": "kube-vip", "address": "fd00::9", "port": 8443},
            {
                "loadbalancer_apiserver_localhost": False,
                "apiserver_loadbalancer_domain_name": "fd00::9",
                "loadbalancer_apiserver": {"address": "fd00::9", "port": 8443},
                "kube_apiserver_port": 8443,
                "kube_vip_enabled": True,
                "kube_vip_controlplane_enabled": True,
                "kube_vip_arp_enabled": True,
                "kube_vip_address": "fd00::9",
                "kube_vip_cidr": 128,
            },
        ),
    ],
)
def test_each_kind_of_endpoint(endpoint: dict[str, Any], expected: dict[str, Any]) -> None:
    written = variables(spec_of(endpoint=endpoint))
    assert {key: value for key, value in written.items() if "apiserver" in key or "vip" in key} == expected


@pytest.mark.parametrize(
    ("mode", "backend", "vxlan", "ipip"),
    [
        ("vxlan", "vxlan", "Always", "Never"),
        ("ipip", "bird", "Never", "Always"),
        ("bgp", "bird", "Never", "Never"),
    ],
)
def test_calicos_modes_exclude_each_other(mode: str, backend: str, vxlan: str, ipip: str) -> None:
    written = variables(spec_of(network={"cni": "calico", "calico": {"mode": mode}}))
    assert written["kube_network_plugin"] == "calico"
    assert written["calico_network_backend"] == backend
    assert (written["calico_vxlan_mode"], written["calico_ipip_mode"]) == (vxlan, ipip)


def test_the_rules_between_cilium_the_mesh_and_the_load_balancer_are_applied() -> None:
    written = variables(golden_spec("three-nodes-cilium-kube-vip"))
    assert written["cilium_cni_exclusive"] is False
    assert written["cilium_enable_bpf_masquerade"] is False
    assert written["cilium_extra_values"] == {
        "routingMode": "native",
        "enableLBIPAM": False,
        "defaultLBServiceIPAM": "none",
        "socketLB": {"hostNamespaceOnly": True, "enabled": True},
        "MTU": 9000,
    }
    alone = variables(golden_spec("one-node-cilium"))
    assert alone["cilium_operator_replicas"] == 1
    announced = variables(spec_of(load_balancer={"kind": "cilium-l2"}))
    assert announced["cilium_l2announcements"] is True
    assert "enableLBIPAM" not in announced["cilium_extra_values"]


def test_a_network_of_ones_own_and_kube_router() -> None:
    assert variables(spec_of(network={"cni": "none"}))["kube_network_plugin"] == "cni"
    assert variables(spec_of(network={"cni": "kube-router"}))["kube_network_plugin"] == "kube-router"
    with pytest.raises(RenderError, match="kindnet"):
        inventory_files(spec_of(network={"cni": "kindnet"}))


def test_a_small_node_range_lowers_the_number_of_pods_but_not_for_calico() -> None:
    assert variables(spec_of(network={"node_prefix": 26}))["kubelet_max_pods"] == 62
    assert "kubelet_max_pods" not in variables(spec_of(network={"node_prefix": 25}))
    calico = {"cni": "calico", "node_prefix": 26}
    assert "kubelet_max_pods" not in variables(spec_of(network=calico))


def test_a_cluster_of_ipv6_alone() -> None:
    ranges = {"pods": "fd00:1::/104", "services": "fd00:2::/112", "cni": "calico"}
    written = variables(spec_of(network=ranges))
    assert (written["ipv4_stack"], written["ipv6_stack"]) == (False, True)
    assert written["kube_pods_subnet_ipv6"] == "fd00:1::/104"
    assert "kube_pods_subnet" not in written


@pytest.mark.parametrize("runtime", ["containerd", "crio", "docker"])
def test_an_insecure_registry_is_told_to_the_runtime_that_pulls(runtime: str) -> None:
    mirrors = {"registry": "r.lan:5000/all", "registry_insecure": True}
    written = variables(spec_of(kubernetes={"runtime": runtime}, mirrors=mirrors))
    assert written["quay_image_repo"] == "r.lan:5000/all"
    told = [name for name in written if "insecure" in name or name == "containerd_registries_mirrors"]
    expected = {
        "containerd": "containerd_registries_mirrors",
        "crio": "crio_insecure_registries",
        "docker": "docker_insecure_registries",
    }
    assert told == [expected[runtime]]
    assert "r.lan:5000" in str(written[told[0]])
    assert "/all" not in str(written[told[0]])


def test_extra_variables_are_read_last_and_win() -> None:
    spec = spec_of(kubespray_vars={"kube_proxy_mode": "iptables", "additional_sysctl": [{"name": "a"}]})
    assert max(inventory_files(spec)) == "inventory/hosts.yaml"
    group = [name for name in inventory_files(spec) if "group_vars" in name]
    assert max(group).endswith("/zz-extra.yml")
    assert variables(spec)["kube_proxy_mode"] == "iptables"
    assert variables(spec)["additional_sysctl"] == [{"name": "a"}]


@pytest.mark.parametrize(
    "answers",
    [
        {"nodes": []},
        {"endpoint": {"kind": "kube-vip"}},
        {"endpoint": {"kind": "external"}},
        {"network": {"pods_v6": "fd00::/104"}},
    ],
)
def test_what_kubespray_cannot_do_without_is_named(answers: dict[str, Any]) -> None:
    with pytest.raises(RenderError, match=r"nodes|endpoint\.address|network\.services_v6"):
        inventory_files(spec_of(**answers))


@pytest.mark.parametrize("mark", ["{{ lookup('pipe', 'id') }}", "{% raw %}", "{# x #}"])
def test_no_text_becomes_a_template(mark: str) -> None:
    for extra in ({"a": mark}, {"a": {"b": ["ok", mark]}}, {"a": {mark: 1}}):
        with pytest.raises((RenderError, ValidationError)):
            inventory_files(spec_of(kubespray_vars=extra))
    with pytest.raises((RenderError, ValidationError)):
        inventory_files(spec_of(access={"key_file": mark}))


PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.from_regex(r"\Ax_[a-z0-9_]{1,12}\Z"), VALUES, max_size=4))
def test_whatever_is_written_is_read_back_as_the_same_data_or_refused(extra: dict[str, Any]) -> None:
    try:
        spec = spec_of(kubespray_vars=extra)
        files = inventory_files(spec)
    except (RenderError, ValidationError):
        return
    assert not any(mark in text for text in files.values() for mark in ("{{", "{%", "{#"))
    written = variables(spec)
    assert {name: written[name] for name in extra} == spec.kubespray_vars


def test_the_same_answers_give_the_same_bytes() -> None:
    spec = golden_spec("five-nodes-calico")
    assert inventory_files(spec) == inventory_files(ClusterSpec.model_validate(spec_data(spec)))
