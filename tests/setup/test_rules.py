"""Every rule between answers, both ways: it speaks where it should, and is silent just beside."""

from __future__ import annotations

from typing import Any

import pytest

from tests.setup.rule_cases_balancer import BGP_CASES, POOL_CASES
from tests.setup.rule_cases_cluster import NETWORK_CASES, NODE_CASES, RANGE_CASES
from tests.setup.rule_cases_platform import KUBESPRAY_CASES, PLATFORM_CASES
from tests.setup.rule_world import ALL, GOOD, LOCAL, VIP, Case, nodes, spec
from wizards.provision.group_vars import group_vars
from wizards.setup.finding import Finding, Severity
from wizards.setup.rules import RULES, check
from wizards.setup.rules_kubespray import OWNED, known_variables
from wizards.setup.spec import ClusterSpec

CASES = [
    *NODE_CASES,
    *RANGE_CASES,
    *NETWORK_CASES,
    *POOL_CASES,
    *BGP_CASES,
    *PLATFORM_CASES,
    *KUBESPRAY_CASES,
]


def found(spec: ClusterSpec, rule: str) -> list[Finding]:
    return [finding for finding in check(spec) if finding.id == rule]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}:{case.path}")
def test_rule_speaks_of_the_right_answer(case: Case) -> None:
    findings = found(case.fires, case.rule)
    assert case.path in [finding.path for finding in findings]
    for finding in findings:
        assert finding.message.endswith(".")
        assert finding.remedy.endswith((".", "?")) or finding.severity is Severity.FIX


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}:{case.path}")
def test_rule_is_silent_beside(case: Case) -> None:
    assert found(case.silent, case.rule) == []


def test_every_rule_has_a_case_and_an_id_of_its_own() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    assert set(ids) == {case.rule for case in CASES}


def test_good_answers_are_not_blamed() -> None:
    assert [finding for finding in check(spec()) if finding.severity is not Severity.FIX] == []
    assert [finding for finding in check(spec(LOCAL)) if finding.severity is not Severity.FIX] == []


def test_gravest_first() -> None:
    weights = [
        finding.severity for finding in check(spec(nodes=nodes(2, ALL, ALL), endpoint={"kind": "single"}))
    ]
    assert weights == sorted(weights, key=[Severity.BLOCK, Severity.WARN, Severity.FIX].index)
    assert set(weights) == set(Severity)


def test_two_servers_with_all_roles_give_one_sentence() -> None:
    findings = [one for one in check(spec(nodes=nodes(2, ALL, ALL))) if one.severity is Severity.BLOCK]
    assert [finding.message for finding in findings] == [
        "2 control planes with 2 etcd members survive no more losses than 1: etcd decides by majority."
    ]


def test_a_thousand_servers_with_one_address_are_judged() -> None:
    rows = [
        {"name": f"n-{number}", "address": f"10.0.{number // 200}.{number % 200 + 20}"}
        for number in range(1000)
    ]
    rows[999]["address"] = rows[0]["address"]
    assert [one.path for one in found(spec(nodes=rows), "duplicate-node-address")] == ["nodes[999].address"]


def test_every_owned_variable_is_kubespray_s_and_leads_to_an_answer() -> None:
    # Only the documentation speaks of node_labels; no default defines it.
    assert set(OWNED) - known_variables() == {"node_labels"}
    data = ClusterSpec.model_validate(GOOD).model_dump()
    for path in set(OWNED.values()):
        here: Any = data
        for part in path.replace("[0]", ".0").split("."):
            here = here[int(part)] if part.isdigit() else here[part]


FREE = {
    "cilium_extra_values",  # joined with what Slipway writes
    "cilium_operator_replicas",
    "containerd_registries_mirrors",
    "dl_k8s_io_url",
    "get_helm_url",
    "github_url",
    "kube_owner",
    "kube_router_run_service_proxy",
    "kubeconfig_localhost",
    "kubelet_max_pods",
    "storage_googleapis_url",
}
"""Written by Slipway, and still the user's to override: no answer speaks of them."""


def test_every_variable_that_slipway_writes_is_owned_or_free() -> None:
    specs = [
        spec(**VIP, proxy={"http": "http://p:1", "https": "http://p:1", "no_proxy": ["a"]}),
        spec(network={"cilium": {"routing": "native", "encryption": "wireguard"}}, nodes=nodes(1, ALL)),
        spec(network={"cni": "calico", "calico": {"mode": "bgp"}, "kube_proxy": "nftables"}),
        spec(network={"cni": "flannel", "node_prefix": 26}, storage={"engines": ["local-path"]}),
        spec(network={"cni": "kube-router"}, mesh={"kind": "istio-ambient"}),
        spec(network={"pods_v6": "fd01::/112", "services_v6": "fd02::/112"}, mesh={"kind": "istio-sidecar"}),
        spec(mirrors={"registry": "r:1", "registry_insecure": True, "files": "http://f"}),
        spec(kubernetes={"upstream_dns": ["9.9.9.9"]}, endpoint={"kind": "external", "address": "a.lan"}),
    ]
    written = {
        variable.name for one in specs for _, variables in group_vars(one).values() for variable in variables
    }
    assert "kube_vip_address" in written
    assert written - set(OWNED) - FREE == set()
