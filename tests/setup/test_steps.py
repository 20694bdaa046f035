"""The steps: what is asked, what is proposed, and the way to a specification and back."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wizards.setup.answers import offered, value_of
from wizards.setup.document import InvalidSpec
from wizards.setup.finding import Severity, blocks
from wizards.setup.questions import Answers, Question, QuestionKind, Step
from wizards.setup.spec import ClusterSpec
from wizards.setup.steps import (
    STEPS,
    build,
    effective,
    findings,
    from_spec,
    question_at,
    step_of,
    visible_questions,
    visible_steps,
)

CONTROL = ["control-plane", "etcd"]
QUESTIONS = [question for step in STEPS for question in step.questions]


def servers(count: int, **more: Any) -> Answers:
    rows = [{"address": f"192.168.7.{10 + number}"} for number in range(1, count + 1)]
    return Answers({"nodes": rows, **more})


def asked(answers: Answers, *, advanced: bool = False) -> dict[str, list[str]]:
    return {
        step.id: [question.path for question in visible_questions(step, answers, advanced=advanced)]
        for step in visible_steps(answers)
    }


# -- words --


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.id)
def test_words_fit_a_small_terminal(step: Step) -> None:
    assert 0 < len(step.intro) <= 350
    for question in step.questions:
        assert 0 < len(question.title) <= 30, question.path
        assert 0 < len(question.help) <= 200, question.path


def test_every_question_stands_at_a_place_of_the_format() -> None:
    known = ClusterSpec.model_json_schema()["$defs"]
    sample = ClusterSpec.model_validate(
        {
            "name": "demo",
            "access": {"jump": {"host": "j.lan"}},
            "load_balancer": {"peers": [{"name": "r", "address": "10.0.0.1", "asn": 1}]},
        }
    ).model_dump(mode="json")
    assert known
    paths = [question.path for question in QUESTIONS]
    assert len(paths) == len(set(paths))
    for path in paths:
        here: Any = sample
        for part in path.replace("[0]", ".0").split("."):
            here = here[int(part)] if part.isdigit() else here[part]


# -- what is asked --


def test_the_steps_for_servers_and_for_this_machine() -> None:
    later = ["network", "load-balancer", "storage", "mesh", "control-plane", "review"]
    assert list(asked(servers(3))) == ["where", "nodes", "access", *later]
    assert list(asked(Answers({"target": "local"}))) == ["where", "local", *later]


def test_questions_follow_earlier_answers() -> None:
    network = asked(servers(3, **{"network.cni": "calico"}))["network"]
    assert network == ["network.cni", "network.calico.mode", "network.kube_proxy"]
    assert "network.cilium.hubble_ui" in asked(servers(3))["network"]
    assert "network.cilium.hubble_ui" not in asked(servers(3, **{"network.cilium.hubble": False}))["network"]
    replaced = asked(servers(3, **{"network.cilium.kube_proxy_replacement": True}))["network"]
    assert "network.kube_proxy" not in replaced
    assert asked(servers(3, **{"load_balancer.kind": "metallb-bgp"}))["load-balancer"] == [
        "load_balancer.kind",
        "load_balancer.pools",
        "load_balancer.peers[0].address",
        "load_balancer.peers[0].asn",
        "load_balancer.peers[0].my_asn",
    ]


def test_a_hidden_answer_takes_no_part_and_comes_back() -> None:
    answers = servers(3, **{"load_balancer.kind": "metallb-bgp", "load_balancer.peers[0].asn": 65000})
    before = effective(answers)
    layer_2 = answers.with_answer("load_balancer.kind", "metallb-l2")
    assert "peers" not in effective(layer_2)["load_balancer"]
    assert effective(layer_2.with_answer("load_balancer.kind", "metallb-bgp")) == before


def test_the_other_target_and_back_loses_nothing() -> None:
    answers = servers(
        5, **{"network.cni": "flannel", "storage.engines": ["lvm"], "mesh.kind": "istio-sidecar"}
    )
    local = answers.with_answer("target", "local")
    assert "nodes" not in effective(local)
    assert effective(local)["network"]["cni"] == "kindnet"
    assert effective(local)["mesh"]["kind"] == "istio-sidecar"
    assert effective(local.with_answer("target", "bare-metal")) == effective(answers)


def test_a_choice_that_cannot_be_made_says_why() -> None:
    engines = question_at("storage.engines")
    assert engines is not None
    assert "3 nodes" in offered(engines, servers(2))["mayastor"].blocked
    assert offered(engines, servers(3))["mayastor"].blocked == ""
    endpoint = question_at("endpoint.kind")
    assert endpoint is not None
    assert "3 control planes" in offered(endpoint, servers(3))["single"].blocked


# -- what is proposed --


@pytest.mark.parametrize("count", range(1, 8))
def test_the_defaults_are_never_blocked(count: int) -> None:
    for answers in (servers(count), Answers({"target": "local", "local.workers": count - 1})):
        assert [finding for finding in findings(answers) if finding.severity is not Severity.FIX] == []
        for step in visible_steps(answers):
            for question in visible_questions(step, answers, advanced=True):
                options, value = offered(question, answers), value_of(question, answers)
                chosen = value if isinstance(value, list) else [value]
                if options:
                    assert [options[one].blocked for one in chosen] == [""] * len(chosen), question.path


def test_the_recommended_cluster() -> None:
    spec = build(servers(3))
    assert spec.network.cni == "cilium"
    assert spec.network.cilium.hubble
    assert not spec.network.cilium.kube_proxy_replacement
    assert spec.load_balancer.kind == "metallb-l2"
    assert [pool.addresses for pool in spec.load_balancer.pools] == [("192.168.7.240-192.168.7.250",)]
    assert spec.storage.engines == ("hostpath",)
    assert spec.mesh.kind == "none"
    assert spec.kubernetes.version == "1.35.4"
    assert [node.name for node in spec.nodes] == ["node-1", "node-2", "node-3"]


def test_defaults_follow_the_number_of_servers() -> None:
    assert build(servers(1)).endpoint.kind == "single"
    assert build(servers(3)).endpoint.kind == "local-proxy"
    assert build(servers(65)).network.pods == "10.236.0.0/14"
    assert blocks(findings(servers(65))) == ()


def test_the_virtual_ip_and_the_pool_keep_apart() -> None:
    vip = servers(3, **{"endpoint.kind": "kube-vip"})
    assert build(vip).endpoint.address == "192.168.7.239"
    taken = vip.with_answer("endpoint.address", "192.168.7.245")
    assert build(taken).load_balancer.pools[0].addresses == ("192.168.7.224-192.168.7.239",)
    assert blocks(findings(taken)) == ()


def test_servers_where_the_pod_range_would_be() -> None:
    answers = Answers({"nodes": [{"address": "10.233.70.1"}]})
    assert build(answers).network.pods == "10.213.64.0/18"
    assert blocks(findings(answers)) == ()


def test_servers_with_ipv6_only() -> None:
    answers = Answers({"nodes": [{"address": f"fd00:1::{number}"} for number in (1, 2, 3)]})
    assert blocks(findings(answers)) == ()
    assert build(answers).load_balancer.pools[0].addresses == ("fd00:1::f000-fd00:1::f0ff",)


# -- findings --


def test_nothing_answered_yet() -> None:
    assert [finding.id for finding in blocks(findings(Answers()))] == ["no-nodes"]


def test_a_required_answer_without_a_default() -> None:
    found = blocks(findings(servers(3, **{"load_balancer.kind": "metallb-bgp"})))
    assert [(finding.id, finding.path) for finding in found] == [
        ("answer-missing", "load_balancer.peers[0].asn")
    ]


def test_a_wrong_value_is_a_finding_at_its_answer() -> None:
    found = findings(servers(3, **{"network.pods": "10.0.0.1/8"}))
    assert [(finding.path, finding.severity) for finding in found] == [("network.pods", Severity.BLOCK)]
    assert "10.0.0.0/8" in found[0].message + found[0].remedy


def test_template_braces_are_refused_wherever_they_came_from() -> None:
    found = findings(servers(1, **{"access.key_file": "/tmp/{{ lookup('env', 'HOME') }}"}))
    assert [finding.path for finding in blocks(found)] == ["access.key_file"]


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("load_balancer.pools[0].addresses[1]", "load-balancer"),
        ("nodes[3].roles", "nodes"),
        ("network.cilium.l7_policies", "network"),
        ("kubernetes.gateway_api", "control-plane"),
        ("kubespray_vars.kube_version", None),
        ("network", "network"),
        ("access", "access"),
        ("", None),
    ],
)
def test_a_finding_leads_to_its_step(path: str, step: str | None) -> None:
    found = step_of(path)
    assert (found.id if found else None) == step


# -- from a specification, and back --


def test_what_no_question_asks_for_is_kept() -> None:
    data = {
        "name": "demo",
        "nodes": [
            {
                "name": "a",
                "address": "10.0.0.1",
                "labels": {"x.io/y": "z"},
                "roles": ["control-plane", "etcd"],
            },
            {"name": "b", "address": "10.0.0.2", "roles": ["worker"], "taints": ["k=v:NoSchedule"]},
        ],
        "load_balancer": {
            "kind": "metallb-bgp",
            "pools": [{"name": "p", "addresses": ["10.0.0.64/28"], "namespaces": ["shop"]}],
            "peers": [
                {"name": "r1", "address": "10.0.0.3", "asn": 65001, "bfd": True},
                {"name": "r2", "address": "10.0.0.4", "asn": 65001, "hold_time": 90},
            ],
            "advertisements": [{"pools": ["p"], "communities": ["1:2"]}],
        },
        "storage": {"engines": []},
        "kubernetes": {"version": "1.34.3", "upstream_dns": ["9.9.9.9"]},
        "kubespray_vars": {"kubelet_max_pods": 200},
    }
    spec = ClusterSpec.model_validate(data)
    assert build(from_spec(spec)) == spec


@pytest.mark.parametrize(
    "data",
    [
        {"endpoint": {"kind": "local-proxy", "port": 8443}},
        {
            "network": {"cilium": {"kube_proxy_replacement": True}},
            "load_balancer": {"kind": "cilium-l2", "pools": [{"addresses": ["10.0.0.64/28"]}]},
        },
        {
            "storage": {
                "engines": ["jiva", "cstor"],
                "default_class": "old",
                "jiva": {"class_name": "old", "replicas": 2},
                "hostpath": {"base_path": "/data"},
                "accept_archived": True,
            }
        },
        {"storage": {"engines": ["lvm", "hostpath"], "default_class": "openebs-lvmpv"}},
        {"kubernetes": {"version": "1.33.2", "gateway_api": True}},
    ],
    ids=["port", "cilium-l2", "archived", "order", "version"],
)
def test_what_a_file_may_say_beyond_the_wizard_is_kept(data: dict[str, Any]) -> None:
    rows = [
        {"name": f"node-{number}", "address": f"10.0.0.{number}", "roles": roles}
        for number, roles in ((1, CONTROL), (2, ["worker"]))
    ]
    base = {"load_balancer": {"kind": "none"}, "storage": {"engines": []}}
    spec = ClusterSpec.model_validate({"name": "demo", "nodes": rows, **base, **data})
    assert build(from_spec(spec)) == spec


def test_what_equals_a_proposal_stays_a_proposal() -> None:
    answers = from_spec(build(servers(3)))
    assert set(answers.given) == {"nodes"}


NUMBERS = {
    "local.control_planes": [1, 3],
    "local.workers": [0, 1, 4],
    "local.api_port": [0, 6443],
    "access.jump.port": [22, 2222],
    "network.node_prefix": [24, 25, 26],
    "storage.mayastor.replicas": [1, 2, 3],
    "load_balancer.peers[0].asn": [64513, 65000],
}
TEXTS = {
    "name": ["lab", "cluster-1"],
    "access.user": ["root", "ubuntu"],
    "access.key_file": ["~/.ssh/id_ed25519"],
    "access.jump.host": ["bastion.lan"],
    "network.pods": ["10.244.0.0/16", "10.233.64.0/18"],
    "network.services": ["10.96.0.0/16"],
    "network.cilium.native_cidr": ["10.0.0.0/8"],
    "endpoint.address": ["192.168.7.5", "192.168.7.245", "api.lan"],
    "storage.hostpath.base_path": ["/data"],
    "proxy.http": ["http://proxy.lan:3128"],
    "mirrors.registry": ["registry.lan:5000"],
}


def answer_to(question: Question, answers: Answers) -> st.SearchStrategy[Any]:
    """Return what somebody might answer to `question` now."""
    free = [option.value for option in offered(question, answers).values() if not option.blocked]
    match question.kind:
        case QuestionKind.CHOICE if free:
            return st.sampled_from(free)
        case QuestionKind.CHOICES:
            return st.lists(st.sampled_from(free), unique=True) if free else st.just([])
        case QuestionKind.SWITCH:
            return st.booleans()
        case QuestionKind.NUMBER if question.path in NUMBERS:
            return st.sampled_from(NUMBERS[question.path])
        case QuestionKind.TEXT if question.path in TEXTS:
            return st.sampled_from(TEXTS[question.path])
        case QuestionKind.LIST:
            return st.lists(st.sampled_from(["shop", "blog"]), unique=True)
    return st.just(value_of(question, answers))


@st.composite
def wizard_answers(draw: st.DrawFn) -> Answers:
    """Answers as the wizard makes them: step by step, only what is asked, only what can be chosen."""
    answers = servers(draw(st.integers(1, 7)))
    for step in STEPS:
        for question in step.questions:
            is_asked = step.when(answers) and question.when(answers) and question.path != "nodes"
            if is_asked and draw(st.booleans()):
                answers = answers.with_answer(question.path, draw(answer_to(question, answers)))
    return answers


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wizard_answers())
def test_whatever_is_chosen_makes_a_cluster_or_is_explained(answers: Answers) -> None:
    found = findings(answers)
    try:
        spec = build(answers)
    except InvalidSpec:
        assert blocks(found)
        return
    assert build(from_spec(spec)) == spec
    for finding in found:
        assert finding.message
        assert finding.remedy or finding.severity is Severity.FIX
        # Each leads to a step that is shown, where it can be mended.
        step = step_of(finding.path)
        assert step is None or step.when(answers)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wizard_answers(), st.sampled_from(["target", "network.cni", "load_balancer.kind", "mesh.kind"]))
def test_changing_an_early_answer_and_changing_it_back_loses_nothing(answers: Answers, path: str) -> None:
    question = question_at(path)
    assert question is not None
    before = effective(answers)
    for value in offered(question, answers):
        changed = answers.with_answer(path, value)
        findings(changed)
        back = changed.without(path)
        if path in answers.given:
            back = changed.with_answer(path, answers.given[path])
        assert effective(back) == before


# -- cost --


def test_the_steps_are_there_without_pydantic() -> None:
    code = "import sys, wizards.setup.steps as s; assert s.STEPS; print('pydantic' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
