"""From answers to a plan: which stages, with what, and that a plan survives being written and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wizards.clusters import Cluster
from wizards.provision.components import component_files
from wizards.provision.outline import stage_outline
from wizards.provision.plan import Plan
from wizards.provision.stages import PLAYBOOKS, UnknownFault, create_plan
from wizards.setup.spec import ClusterSpec

POOL: dict[str, Any] = {"pools": [{"addresses": ["10.0.0.240-10.0.0.250"]}]}


def a_spec(count: int = 3, **more: Any) -> ClusterSpec:
    nodes = [{"name": f"node-{number}", "address": f"10.0.0.{number}"} for number in range(1, count + 1)]
    return ClusterSpec.model_validate({"name": "demo", "nodes": nodes, "load_balancer": POOL} | more)


def a_cluster(home: Path) -> Cluster:
    return Cluster(root=home / "clusters" / "demo")


BARE: dict[str, Any] = {"load_balancer": {"kind": "none"}, "storage": {"engines": []}}
SERVERS = ["tools", "preflight", "kubernetes", "kubeconfig"]
LOCAL = ["tools", "cluster"]
OUTLINES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, [*SERVERS, "load-balancer", "storage", "verify"]),
    (BARE, [*SERVERS, "verify"]),
    ({"mesh": {"kind": "istio-sidecar"}}, [*SERVERS, "load-balancer", "storage", "mesh", "verify"]),
    (BARE | {"kubernetes": {"gateway_api": True}}, [*SERVERS, "network", "verify"]),
    (BARE | {"storage": {"engines": ["local-path"]}}, [*SERVERS, "storage", "verify"]),
    (
        {"target": "local", "load_balancer": {"kind": "none"}, "storage": {"engines": ["standard"]}},
        [*LOCAL, "network", "storage", "verify"],
    ),
    (
        {"target": "local", "network": {"cni": "kindnet"}, "load_balancer": {"kind": "cloud-provider-kind"}},
        [*LOCAL, "load-balancer", "storage", "verify"],
    ),
]


@pytest.mark.parametrize(("more", "expected"), OUTLINES)
def test_stages_follow_the_answers(more: dict[str, Any], expected: list[str], tmp_path: Path) -> None:
    spec = a_spec(**more)
    outline = stage_outline(spec)
    assert [one.id for one in outline] == expected
    for one in outline:
        assert one.title
        assert one.summary.endswith(".")
        assert "{" not in one.summary
    plan = create_plan(spec, a_cluster(tmp_path))
    assert [(one.id, one.title, one.summary) for one in plan.stages] == [
        (one.id, one.title, one.summary) for one in outline
    ]


def test_the_review_is_told_when_it_is_only_a_rehearsal() -> None:
    kubernetes = stage_outline(a_spec(), practice=True)[2]
    assert "rehearsal" in kubernetes.summary.lower()


def test_a_plan_is_data_that_writes_nothing(tmp_path: Path) -> None:
    plan = create_plan(a_spec(mesh={"kind": "istio-ambient", "addons": ["kiali"]}), a_cluster(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert Plan.from_json(plan.to_json()) == plan
    assert json.loads(json.dumps([stage.variables for stage in plan.stages]))


def test_every_stage_has_its_playbook_and_the_nodes_it_works_on(tmp_path: Path) -> None:
    plan = create_plan(a_spec(mesh={"kind": "istio-sidecar"}), a_cluster(tmp_path))
    nodes = ("node-1", "node-2", "node-3")
    for stage in plan.stages:
        assert Path(stage.directory).is_absolute()
        assert Path(stage.inventory).is_absolute()
        assert stage.env["ANSIBLE_HOST_KEY_CHECKING"] == "True"
        assert stage.tasks > 0
        if stage.id != "kubernetes":
            assert (Path(stage.directory) / stage.playbook).is_file()
            assert stage.directory == str(PLAYBOOKS)
    assert plan.stage("preflight").hosts == nodes
    assert plan.stage("preflight").after == "preflight"
    assert plan.stage("kubernetes").hosts == nodes
    assert plan.stage("kubeconfig").hosts == ("node-1",)
    assert plan.stage("storage").hosts == ("localhost",)


def test_kubespray_is_the_copy_that_was_named_or_the_one_that_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLIPWAY_KUBESPRAY", raising=False)
    plan = create_plan(a_spec(), a_cluster(tmp_path))
    assert Path(plan.stage("kubernetes").directory).is_relative_to(tmp_path)
    assert plan.stage("kubernetes").playbook == "cluster.yml"
    assert plan.stage("tools").variables["slipway_wants_kubespray"] is True
    monkeypatch.setenv("SLIPWAY_KUBESPRAY", str(tmp_path / "mine"))
    plan = create_plan(a_spec(), a_cluster(tmp_path))
    assert plan.stage("kubernetes").directory == str(tmp_path / "mine")
    assert plan.stage("tools").variables["slipway_kubespray_named"] == str(tmp_path / "mine")


def test_only_what_is_needed_is_brought(tmp_path: Path) -> None:
    bare = create_plan(a_spec(**BARE), a_cluster(tmp_path)).stage("tools").variables
    assert (bare["slipway_wants_helm"], bare["slipway_wants_kind"]) == (False, False)
    local = create_plan(a_spec(target="local"), a_cluster(tmp_path)).stage("tools").variables
    assert (local["slipway_wants_kubespray"], local["slipway_wants_kind"]) == (False, True)


def test_the_files_a_stage_names_are_those_that_are_rendered(tmp_path: Path) -> None:
    spec = a_spec(mesh={"kind": "istio-ambient"}, storage={"engines": ["mayastor"]})
    cluster = a_cluster(tmp_path)
    rendered = {str(cluster.root / path) for path in component_files(spec)}
    named = {
        part[what]
        for stage in create_plan(spec, cluster).stages
        for part in stage.variables.get("slipway_installs", ())
        for what in ("values_file", "objects_file", "patches_file")
        if part[what]
    }
    assert named == rendered


ENDPOINTS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "https://192.0.2.1:6443", "kubernetes"),
    ({"endpoint": {"kind": "single", "port": 7443}}, "https://192.0.2.1:7443", "kubernetes"),
    ({"endpoint": {"kind": "kube-vip", "address": "10.0.0.200"}}, "https://10.0.0.200:6443", ""),
    ({"endpoint": {"kind": "external", "address": "fd00::5"}}, "https://[fd00::5]:6443", ""),
]


@pytest.mark.parametrize(("more", "server", "name"), ENDPOINTS)
def test_the_kubeconfig_leads_where_this_machine_can_reach(
    more: dict[str, Any], server: str, name: str, tmp_path: Path
) -> None:
    """The SSH address need not stand in the certificate; a name that always does is checked instead."""
    spec = a_spec()
    nodes = [node.model_dump() for node in spec.nodes]
    nodes[0] |= {"address": "192.0.2.1", "internal_address": "10.0.0.1"}
    spec = ClusterSpec.model_validate(spec.model_dump() | {"nodes": nodes} | more)
    variables = create_plan(spec, a_cluster(tmp_path)).stage("kubeconfig").variables
    assert variables["slipway_endpoint"] == {"server": server, "tls_server_name": name}


def test_downloads_go_through_the_proxy_and_the_nodes_do_not(tmp_path: Path) -> None:
    spec = a_spec(proxy={"https": "http://proxy.lan:3128", "no_proxy": [".lan"]})
    proxy = create_plan(spec, a_cluster(tmp_path)).stage("storage").variables["slipway_proxy"]
    assert proxy["https_proxy"] == "http://proxy.lan:3128"
    assert {"10.0.0.1", "localhost", ".lan"} <= set(proxy["no_proxy"].split(","))


def test_retained_volumes_are_named_so_that_the_trial_can_remove_its_own(tmp_path: Path) -> None:
    storage = {"engines": ["hostpath", "lvm"], "lvm": {"reclaim_policy": "Retain"}}
    variables = create_plan(a_spec(storage=storage), a_cluster(tmp_path)).stage("verify").variables
    assert variables["slipway_classes"] == ["openebs-hostpath", "openebs-lvmpv"]
    assert variables["slipway_retained"] == ["openebs-lvmpv"]


def test_a_pool_that_only_hands_out_on_request_is_not_tried(tmp_path: Path) -> None:
    pools = {"pools": [POOL["pools"][0] | {"auto_assign": False}]}
    variables = create_plan(a_spec(load_balancer=pools), a_cluster(tmp_path)).stage("verify").variables
    assert variables["slipway_try_address"] is False


def test_faults_are_for_practice_only(tmp_path: Path) -> None:
    with pytest.raises(UnknownFault, match="practice cluster only"):
        create_plan(a_spec(), a_cluster(tmp_path), fail="node-2:kubernetes")
