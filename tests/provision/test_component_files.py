"""Values, custom resources and rehearsals, read back from the text that is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from wizards.provision.components import (
    component_files,
    default_class,
    installs,
    rehearsal_files,
    storage_classes,
)
from wizards.setup.components import chosen_components
from wizards.setup.spec import ClusterSpec

POOL = {"addresses": ["10.0.0.240-10.0.0.250"]}
DEFAULT = "storageclass.kubernetes.io/is-default-class"
ENGINES = ["hostpath", "lvm", "zfs", "mayastor", "jiva", "local-path"]


def a_spec(count: int = 3, **more: Any) -> ClusterSpec:
    nodes = [{"name": f"node-{number}", "address": f"10.0.0.{number}"} for number in range(1, count + 1)]
    return ClusterSpec.model_validate(
        {"name": "demo", "nodes": nodes, "load_balancer": {"pools": [POOL]}} | more
    )


def a_local_spec(**more: Any) -> ClusterSpec:
    return ClusterSpec.model_validate({"name": "demo", "target": "local"} | more)


def data(files: dict[str, str], path: str) -> Any:
    return yaml.safe_load(files[path])


def objects(files: dict[str, str], path: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(files[path]) if one]


def by_kind(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in found if one["kind"] == kind]


SPECS = {
    "default": a_spec(),
    "one-node": a_spec(1),
    "bgp": a_spec(
        load_balancer={
            "kind": "metallb-bgp",
            "pools": [POOL],
            "peers": [{"name": "tor", "address": "10.0.0.254", "asn": 64500, "bfd": True, "hold_time": 90}],
        }
    ),
    "cilium-l2": a_spec(load_balancer={"kind": "cilium-l2", "pools": [POOL], "interfaces": ["eth0.5"]}),
    "cilium-bgp": a_spec(
        load_balancer={
            "kind": "cilium-bgp",
            "pools": [{**POOL, "auto_assign": False, "namespaces": ["shop"]}],
            "peers": [
                {"name": "one", "address": "10.0.0.253", "asn": 64500, "my_asn": 64512},
                {"name": "two", "address": "10.0.0.254", "asn": 64501, "my_asn": 64513},
            ],
            "advertisements": [{"peers": ["one"], "communities": ["64500:1", "large:1:2:3"]}],
        }
    ),
    "calico": a_spec(network={"cni": "calico"}),
    "flannel": a_spec(network={"cni": "flannel"}),
    "all-engines": a_spec(storage={"engines": ENGINES, "accept_archived": True}),
    "cstor": a_spec(storage={"engines": ["cstor"], "accept_archived": True}),
    "sidecar": a_spec(
        mesh={"kind": "istio-sidecar", "egress_gateway": True, "mtls": "strict", "namespaces": ["shop"]}
    ),
    "ambient": a_spec(mesh={"kind": "istio-ambient", "addons": ["prometheus", "jaeger", "grafana", "kiali"]}),
    "gateway-api": a_spec(kubernetes={"gateway_api": True}),
}
ALL = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


@ALL
def test_every_file_is_yaml_with_a_header_and_every_named_file_is_there(spec: ClusterSpec) -> None:
    files = component_files(spec)
    for path, text in files.items():
        assert path.startswith("components/")
        assert "Written by Slipway" in text.splitlines()[1]
        assert any(document is not None for document in yaml.safe_load_all(text))
    root = Path("/somewhere")
    everything = files | rehearsal_files(spec)
    for install in installs(spec):
        variables = install.variables(root)
        for name in ("values_file", "objects_file", "patches_file", "rehearsal_file"):
            if variables[name]:
                assert str(Path(variables[name]).relative_to(root)) in everything
        assert bool(variables["chart"]) == bool(variables["values_file"])
        assert not set(variables) & set(dir(dict))


@ALL
def test_a_rehearsal_has_every_workload_that_the_health_view_looks_for(spec: ClusterSpec) -> None:
    files = rehearsal_files(spec)
    found = [one for path in files for one in objects(files, path)]
    for part in chosen_components(spec):
        for workload in part.workloads:
            matches = [
                one
                for one in by_kind(found, workload.kind)
                if one["metadata"]["namespace"] == workload.namespace
                and workload.selects(one["spec"]["template"]["metadata"]["labels"])
            ]
            assert [one["metadata"]["name"] for one in matches] == [workload.name], workload
            if workload.kind != "DaemonSet":
                assert matches[0]["spec"]["replicas"] >= workload.minimum
    nodes = by_kind(found, "Node")
    assert [one["metadata"]["name"] for one in nodes] == [node.name for node in spec.nodes]
    assert nodes[0]["metadata"]["annotations"]["slipway.dev/address"] == spec.nodes[0].ip


@ALL
def test_a_rehearsal_defines_every_custom_resource_that_is_applied(spec: ClusterSpec) -> None:
    known = {
        (one["spec"]["group"], one["spec"]["names"]["kind"], version["name"])
        for text in rehearsal_files(spec).values()
        for one in yaml.safe_load_all(text)
        if one and one["kind"] == "CustomResourceDefinition"
        for version in one["spec"]["versions"]
    }
    builtin = {"v1", "storage.k8s.io/v1", "apps/v1"}
    for path, text in component_files(spec).items():
        if path.endswith("values.yaml"):
            continue
        for one in yaml.safe_load_all(text):
            if one["apiVersion"] not in builtin:
                group, _, version = one["apiVersion"].partition("/")
                assert (group, one["kind"], version) in known


def test_layer_2_is_light_and_tells_of_every_pool() -> None:
    files = component_files(a_spec())
    assert data(files, "components/metallb/values.yaml") == {
        "frrk8s": {"enabled": False},
        "speaker": {"frr": {"enabled": False}, "ignoreExcludeLB": True},
    }
    found = objects(files, "components/metallb/objects.yaml")
    assert [one["kind"] for one in found] == ["IPAddressPool", "L2Advertisement"]
    assert found[0]["spec"]["addresses"] == ["10.0.0.240-10.0.0.250"]
    assert found[1]["spec"] == {}
    assert {one["metadata"]["namespace"] for one in found} == {"metallb-system"}


def test_a_cluster_with_plain_workers_keeps_load_balancing_off_the_control_planes() -> None:
    spec = a_spec()
    nodes = [node.model_dump() for node in spec.nodes]
    nodes[2]["roles"] = ["worker"]
    files = component_files(ClusterSpec.model_validate(spec.model_dump() | {"nodes": nodes}))
    assert data(files, "components/metallb/values.yaml")["speaker"] == {"frr": {"enabled": False}}


def test_bgp_runs_frr_k8s_and_names_the_neighbour() -> None:
    files = component_files(SPECS["bgp"])
    assert data(files, "components/metallb/values.yaml")["frrk8s"] == {"enabled": True}
    found = objects(files, "components/metallb/objects.yaml")
    peer = by_kind(found, "BGPPeer")[0]
    assert peer["apiVersion"] == "metallb.io/v1beta2"
    assert peer["spec"] == {
        "myASN": 64512,
        "peerASN": 64500,
        "peerAddress": "10.0.0.254",
        "peerPort": 179,
        "holdTime": "90s",
        "bfdProfile": "slipway",
    }
    assert by_kind(found, "BFDProfile")[0]["metadata"]["name"] == "slipway"
    assert by_kind(found, "BGPAdvertisement")[0]["spec"] == {"aggregationLength": 32}
    assert by_kind(found, "L2Advertisement") == []


def test_ciliums_own_balancer_announces_its_pools() -> None:
    found = objects(component_files(SPECS["cilium-l2"]), "components/cilium-lb/objects.yaml")
    assert by_kind(found, "CiliumLoadBalancerIPPool")[0]["spec"]["blocks"] == [
        {"start": "10.0.0.240", "stop": "10.0.0.250"}
    ]
    assert by_kind(found, "CiliumL2AnnouncementPolicy")[0]["spec"]["interfaces"] == [r"^eth0\.5$"]


def test_cilium_bgp_has_an_instance_for_each_own_as_number_and_tells_only_the_peers_named() -> None:
    found = objects(component_files(SPECS["cilium-bgp"]), "components/cilium-lb/objects.yaml")
    instances = by_kind(found, "CiliumBGPClusterConfig")[0]["spec"]["bgpInstances"]
    assert [(one["localASN"], [peer["name"] for peer in one["peers"]]) for one in instances] == [
        (64512, ["one"]),
        (64513, ["two"]),
    ]
    advertisement = by_kind(found, "CiliumBGPAdvertisement")[0]
    assert advertisement["metadata"]["labels"] == {"peer.slipway.dev/one": "yes"}
    attributes = advertisement["spec"]["advertisements"][0]["attributes"]
    assert attributes["communities"] == {"standard": ["64500:1"], "large": ["1:2:3"]}
    selector = by_kind(found, "CiliumLoadBalancerIPPool")[0]["spec"]["serviceSelector"]
    assert selector["matchLabels"] == {"slipway.dev/pool": "default"}
    assert selector["matchExpressions"][0]["values"] == ["shop"]


@pytest.mark.parametrize("engine", ["hostpath", "lvm", "zfs", "mayastor"])
def test_openebs_says_every_engine_explicitly(engine: str) -> None:
    values = data(component_files(a_spec(storage={"engines": [engine]})), "components/openebs/values.yaml")
    local, replicated = values["engines"]["local"], values["engines"]["replicated"]
    assert local["rawfile"]["enabled"] is False
    assert local["lvm"]["enabled"] is (engine == "lvm")
    assert local["zfs"]["enabled"] is (engine == "zfs")
    assert replicated["mayastor"]["enabled"] is (engine == "mayastor")
    # Mayastor's etcd keeps its data on hostpath volumes.
    assert local["hostpath"]["enabled"] is (engine in {"hostpath", "mayastor"})
    assert values["localpv-provisioner"]["hostpathClass"]["enabled"] is (engine == "hostpath")
    assert values["loki"] == {"enabled": False, "localpvScConfig": {"enabled": False}}
    assert values["alloy"]["enabled"] is False
    assert values["localpv-provisioner"]["analytics"]["enabled"] is False
    assert values["mayastor"]["obs"]["callhome"]["enabled"] is False


@pytest.mark.parametrize("default", [None, "openebs-lvmpv", "mayastor-3", "openebs-jiva-csi-default"])
def test_exactly_one_class_is_the_default(default: str | None) -> None:
    spec = a_spec(
        storage={
            "engines": ["hostpath", "lvm", "zfs", "mayastor", "jiva"],
            "default_class": default,
            "accept_archived": True,
        }
    )
    files = component_files(spec)
    classes = by_kind(objects(files, "components/openebs/objects.yaml"), "StorageClass")
    marked = {one["metadata"]["name"]: one["metadata"]["annotations"][DEFAULT] == "true" for one in classes}
    hostpath = data(files, "components/openebs/values.yaml")["localpv-provisioner"]["hostpathClass"]
    jiva = data(files, "components/openebs-jiva/values.yaml")["storageClass"]
    marked |= {one["name"]: one["isDefaultClass"] for one in (hostpath, jiva)}
    assert set(marked) == set(storage_classes(spec))
    assert [name for name, is_default in marked.items() if is_default] == [default or "openebs-hostpath"]
    assert default_class(spec) == (default or "openebs-hostpath")


def test_storage_classes_carry_the_answers() -> None:
    storage = {
        "engines": ["lvm", "zfs", "mayastor"],
        "lvm": {"volume_group": "data", "fs_type": "xfs", "thin": True, "reclaim_policy": "Retain"},
        "zfs": {"pool": "tank/k8s", "compression": False},
        "mayastor": {"replicas": 2},
    }
    files = component_files(a_spec(storage=storage))
    found = by_kind(objects(files, "components/openebs/objects.yaml"), "StorageClass")
    lvm, zfs, mayastor = found
    assert lvm["parameters"] == {
        "storage": "lvm",
        "volgroup": "data",
        "fsType": "xfs",
        "thinProvision": "yes",
    }
    assert (lvm["reclaimPolicy"], lvm["volumeBindingMode"]) == ("Retain", "WaitForFirstConsumer")
    assert zfs["parameters"]["poolname"] == "tank/k8s"
    assert zfs["parameters"]["compression"] == "off"
    assert mayastor["parameters"]["repl"] == "2"
    # A Go API server refuses anything but text here.
    assert {type(value) for one in found for value in one["parameters"].values()} == {str}


def test_mayastor_gets_a_pool_for_each_disk_and_labels_on_the_nodes_that_have_one() -> None:
    spec = a_spec(storage={"engines": ["mayastor"]})
    nodes = [node.model_dump() for node in spec.nodes]
    nodes[0]["disks"] = ["/dev/disk/by-id/one", "/dev/disk/by-id/two"]
    files = component_files(ClusterSpec.model_validate(spec.model_dump() | {"nodes": nodes}))
    pools = by_kind(objects(files, "components/openebs/objects.yaml"), "DiskPool")
    assert [pool["spec"] for pool in pools] == [
        {"node": "node-1", "disks": ["aio:///dev/disk/by-id/one"]},
        {"node": "node-1", "disks": ["aio:///dev/disk/by-id/two"]},
    ]
    patched = objects(files, "components/openebs/patches.yaml")
    assert [one["metadata"]["name"] for one in patched] == ["node-1"]


def test_cstor_alone_brings_the_snapshot_definitions_and_beside_openebs_it_does_not() -> None:
    alone = component_files(a_spec(storage={"engines": ["cstor"], "accept_archived": True}))
    assert data(alone, "components/openebs-cstor/values.yaml")["crd"] == {"volumeSnapshot": True}
    beside = component_files(a_spec(storage={"engines": ["hostpath", "cstor"], "accept_archived": True}))
    assert data(beside, "components/openebs-cstor/values.yaml")["crd"] == {"volumeSnapshot": False}


def test_sidecar_mesh() -> None:
    spec = SPECS["sidecar"]
    files = component_files(spec)
    assert [one.id for one in installs(spec) if one.stage == "mesh"] == [
        "istio-base",
        "istiod",
        "istio-settings",
        "istio-ingressgateway",
        "istio-egressgateway",
    ]
    assert "profile" not in data(files, "components/istiod/values.yaml")
    assert data(files, "components/istio-egressgateway/values.yaml")["service"]["type"] == "ClusterIP"
    namespace, authentication = objects(files, "components/istio-settings/objects.yaml")
    assert namespace["metadata"]["labels"] == {"istio-injection": "enabled"}
    assert authentication["spec"] == {"mtls": {"mode": "STRICT"}}


def test_ambient_mesh_has_its_definitions_first_and_traces_to_jaeger() -> None:
    spec = SPECS["ambient"]
    files = component_files(spec)
    mesh = [one.id for one in installs(spec) if one.stage == "mesh"]
    assert mesh.index("gateway-api") < mesh.index("istiod") < mesh.index("istio-cni") < mesh.index("ztunnel")
    assert mesh[-4:] == ["prometheus", "jaeger", "grafana", "kiali"]
    assert data(files, "components/istio-cni/values.yaml") == {"profile": "ambient"}
    provider = data(files, "components/istiod/values.yaml")["meshConfig"]["extensionProviders"][0]
    telemetry = by_kind(objects(files, "components/istio-settings/objects.yaml"), "Telemetry")[0]
    assert telemetry["spec"]["tracing"][0]["providers"] == [{"name": provider["name"]}]


def test_a_gateway_without_a_load_balancer_opens_node_ports() -> None:
    spec = a_spec(load_balancer={"kind": "none"}, mesh={"kind": "istio-sidecar"})
    values = data(component_files(spec), "components/istio-ingressgateway/values.yaml")
    assert values["service"]["type"] == "NodePort"


def test_gateway_api_without_a_mesh_is_a_network_matter() -> None:
    assert [one.id for one in installs(SPECS["gateway-api"]) if one.stage == "network"] == ["gateway-api"]


def test_kind_gets_cilium_by_its_chart_with_what_the_other_choices_ask() -> None:
    spec = a_local_spec(
        network={"cilium": {"kube_proxy_replacement": True, "bpf_masquerade": True}},
        local={"control_planes": 3},
        load_balancer={"kind": "metallb-l2", "pools": [POOL]},
        mesh={"kind": "istio-ambient"},
    )
    assert installs(spec)[0].id == "cilium"
    values = data(component_files(spec), "components/cilium/values.yaml")
    assert values["ipam"] == {"mode": "kubernetes"}
    assert values["operator"] == {"replicas": 1}
    assert values["kubeProxyReplacement"] == "true"
    assert values["k8sServiceHost"] == "demo-external-load-balancer"
    assert values["enableLBIPAM"] is False
    assert values["cni"] == {"exclusive": False}
    assert values["socketLB"] == {"hostNamespaceOnly": True}
    assert values["bpf"] == {"masquerade": False}


def test_servers_get_cilium_from_kubespray_and_not_from_its_chart() -> None:
    assert "cilium" not in [one.id for one in installs(a_spec())]


def test_a_mirror_replaces_the_chart_repositories() -> None:
    spec = a_spec(mirrors={"charts": "http://mirror.lan/charts"})
    repos = {one.chart.repo_url for one in installs(spec) if one.chart}
    assert repos == {"http://mirror.lan/charts"}
