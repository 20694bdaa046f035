"""The install facts and the choice of components from a specification."""

from __future__ import annotations

from typing import Any

import pytest

from wizards.setup.components import (
    CATEGORIES,
    Component,
    Workload,
    all_components,
    chosen_components,
    component,
)
from wizards.setup.spec import ClusterSpec


def spec(**parts: Any) -> ClusterSpec:
    return ClusterSpec.model_validate({"name": "demo", **parts})


def ids(**parts: Any) -> list[str]:
    return [part.id for part in chosen_components(spec(**parts))]


def test_defaults_on_servers() -> None:
    assert ids() == [
        "coredns",
        "node-local-dns",
        "kube-proxy",
        "metrics-server",
        "cilium",
        "hubble-relay",
        "metallb",
        "openebs-hostpath",
    ]


def test_a_local_cluster_has_what_kind_brings() -> None:
    chosen = ids(
        target="local",
        network={"cni": "kindnet"},
        load_balancer={"kind": "cloud-provider-kind"},
        storage={"engines": ["standard"]},
    )
    assert chosen == ["coredns", "kube-proxy", "kindnet", "local-path"]


def test_cilium_is_helms_on_this_machine_and_kubesprays_on_servers() -> None:
    local = {part.id: part for part in chosen_components(spec(target="local"))}
    servers = {part.id: part for part in chosen_components(spec())}
    assert local["cilium"].chart is not None
    assert local["cilium"].chart.release == "cilium"
    assert servers["cilium"].chart is None
    assert servers["hubble-relay"].chart is None
    assert servers["metallb"].chart is not None


def test_cilium_without_kube_proxy() -> None:
    chosen = ids(network={"cilium": {"kube_proxy_replacement": True, "hubble": True, "hubble_ui": True}})
    assert "kube-proxy" not in chosen
    assert "hubble-ui" in chosen


def test_hubble_ui_needs_hubble() -> None:
    assert "hubble-ui" not in ids(network={"cilium": {"hubble": False, "hubble_ui": True}})


@pytest.mark.parametrize("cni", ["calico", "flannel", "kube-router"])
def test_other_network_plugins(cni: str) -> None:
    chosen = ids(network={"cni": cni})
    assert cni in chosen
    assert "kube-proxy" in chosen
    assert "cilium" not in chosen
    assert "hubble-relay" not in chosen


def test_no_network_plugin() -> None:
    assert set(ids(network={"cni": "none"})) & {"cilium", "calico", "flannel", "kube-router"} == set()


def test_bgp_brings_its_daemon() -> None:
    assert "metallb-frr" in ids(load_balancer={"kind": "metallb-bgp"})
    assert "metallb-frr" not in ids(load_balancer={"kind": "metallb-l2"})
    assert "metallb" not in ids(load_balancer={"kind": "cilium-l2"})


def test_engines_that_stand_on_hostpath_bring_it() -> None:
    assert ids(storage={"engines": ["mayastor"]})[-2:] == ["openebs-hostpath", "openebs-mayastor"]
    assert ids(storage={"engines": ["jiva"]})[-2:] == ["openebs-hostpath", "openebs-jiva"]
    assert "openebs-hostpath" not in ids(storage={"engines": ["lvm"]})
    assert [part for part in ids(storage={"engines": []}) if part.startswith("openebs")] == []


def test_io_engines_are_wanted_as_often_as_replicas() -> None:
    parts = chosen_components(spec(storage={"engines": ["mayastor"], "mayastor": {"replicas": 5}}))
    mayastor = next(part for part in parts if part.id == "openebs-mayastor")
    wanted = {workload.name: workload.minimum for workload in mayastor.workloads}
    assert wanted["openebs-io-engine"] == 5
    assert wanted["openebs-csi-node"] == 1


def test_sidecar_and_ambient_mesh() -> None:
    sidecar = ids(mesh={"kind": "istio-sidecar", "addons": ["kiali", "prometheus"]})
    assert sidecar[-5:] == ["istio-base", "istiod", "istio-ingressgateway", "prometheus", "kiali"]
    ambient = ids(mesh={"kind": "istio-ambient", "ingress_gateway": False, "egress_gateway": True})
    assert ambient[-5:] == ["istio-base", "istiod", "istio-cni", "ztunnel", "istio-egressgateway"]
    assert "gateway-api" in ambient
    assert "gateway-api" not in sidecar


def test_chart_mirror_replaces_every_repository() -> None:
    mirrored = chosen_components(
        spec(mirrors={"charts": "http://mirror.lan/charts"}, mesh={"kind": "istio-sidecar"})
    )
    urls = {part.chart.repo_url for part in mirrored if part.chart}
    assert urls == {"http://mirror.lan/charts"}


def test_unknown_component() -> None:
    with pytest.raises(KeyError):
        component("nothing")


@pytest.mark.parametrize("part", all_components(), ids=lambda part: part.id)
def test_every_entry_is_whole(part: Component) -> None:
    assert part.title
    assert part.category in CATEGORIES
    assert component(part.id) is part
    assert bool(part.chart) + bool(part.manifest) < 2
    if part.chart:
        assert part.chart.repo_url.startswith("https://")
        assert part.chart.version[0].isdigit()
    if part.manifest:
        assert part.manifest.version in part.manifest.url
    for workload in part.workloads:
        assert workload.kind in {"Deployment", "DaemonSet", "StatefulSet"}
        assert workload.namespace == part.namespace
        assert workload.labels
        assert workload.minimum >= 1


def test_no_two_workloads_answer_to_the_same_selector() -> None:
    seen: dict[tuple[str, str, str], str] = {}
    for part in all_components():
        for workload in part.workloads:
            key = (workload.kind, workload.namespace, workload.selector)
            assert seen.setdefault(key, part.id) == part.id


def test_a_selector_wants_all_its_labels() -> None:
    workload = Workload("Deployment", "kube-system", "a=1,b=2", "x")
    assert workload.selects({"a": "1", "b": "2", "c": "3"})
    assert not workload.selects({"a": "1"})
    assert not workload.selects({"a": "1", "b": "3"})


def test_plain_manifests_carry_other_labels() -> None:
    controller = component("metallb").workloads[0]
    assert controller.selects({"app": "metallb", "component": "controller"})
    assert not controller.selects({"app": "metallb", "component": "speaker"})
    assert controller.labels == {
        "app.kubernetes.io/name": "metallb",
        "app.kubernetes.io/component": "controller",
    }
