"""Reading a cluster once: the real Kubernetes client, over TLS, from the practice API."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.health.cluster import Cluster, manifest, service, storage_class
from tests.health.health_objects import spec, wanted
from wizards.health.client import Api, Listing, Unauthorized, Unreachable, parse
from wizards.health.kubeconfig import BadKubeconfig, HealthError
from wizards.health.model import ComponentHealth, Health
from wizards.health.reader import read_health
from wizards.health.state import State

SPEC = spec()


@pytest.fixture
def filled(cluster: Cluster) -> Cluster:
    """A practice cluster that is healthy."""
    cluster.fill(SPEC)
    cluster.until(lambda: settled(cluster))
    return cluster


def settled(cluster: Cluster) -> bool:
    """Tell whether every DaemonSet and Deployment has its pods."""
    sets = cluster.api.store.objects("apps/v1", "DaemonSet")
    wide = [obj.get("status", {}) for obj in sets]
    deep = [obj.get("status", {}) for obj in cluster.api.store.objects("apps/v1", "Deployment")]
    return all(s.get("numberAvailable", 0) == 3 for s in wide) and all(
        s.get("availableReplicas", 0) >= 1 for s in deep
    )


def component(health: Health, component_id: str) -> ComponentHealth:
    return next(part for part in health.components if part.id == component_id)


def test_a_healthy_cluster(filled: Cluster) -> None:
    filled.create(service("shop"))
    filled.until(
        lambda: bool(filled.api.store.get("v1", "Service", "shop", "default")["status"]["loadBalancer"])
    )
    health = read_health(filled.kubeconfig, SPEC)
    assert health.sentence == "Healthy: 3 of 3 nodes ready, 8 of 8 components healthy."
    assert health.unread == ()
    assert health.control_plane.version == "v1.35.4"
    assert len(health.control_plane.checks) > 20
    assert all(check.ok for check in health.control_plane.checks)
    assert health.addresses.services[0].addresses == ("10.0.0.240",)
    assert health.addresses.services[0].pool == "default"
    assert (health.addresses.pools[0].assigned, health.addresses.pools[0].advertised) == (1, True)
    assert [item.name for item in health.storage.classes if item.default] == ["openebs-hostpath"]
    assert all(node.heard is not None for node in health.nodes)
    assert [node.address for node in health.nodes] == ["10.0.0.11", "10.0.0.12", "10.0.0.13"]


def test_a_node_that_is_not_ready(filled: Cluster) -> None:
    filled.break_node("node-2")
    filled.until(lambda: "False" in ready_of(filled, "node-2"))
    health = read_health(filled.kubeconfig, SPEC)
    assert health.nodes[0].name == "node-2"
    assert health.nodes[0].ready is False
    assert "container runtime is down" in health.nodes[0].reason
    assert "2 of 3 nodes ready" in health.sentence


def ready_of(cluster: Cluster, name: str) -> list[str]:
    status = cluster.api.store.get("v1", "Node", name)["status"]
    return [item["status"] for item in status["conditions"] if item["type"] == "Ready"]


def replaced(cluster: Cluster, name: str, **how: Any) -> None:
    """Take a workload away and apply it anew, as `how` says."""
    expected = wanted(SPEC, name)
    store = cluster.api.store
    cluster.do(lambda: store.delete("apps/v1", expected.kind, name, expected.namespace))
    cluster.until(
        lambda: name not in [o["metadata"]["name"] for o in store.objects("apps/v1", expected.kind)]
    )
    cluster.create(manifest(expected, **how))


def test_a_deployment_whose_image_cannot_be_pulled(filled: Cluster) -> None:
    replaced(filled, "metallb-controller", fault="ImagePullBackOff")
    filled.until(lambda: waits(filled, "metallb-system", "ImagePullBackOff"))
    metallb = component(read_health(filled.kubeconfig, SPEC), "metallb")
    assert metallb.state is State.BROKEN
    assert "ImagePullBackOff" in metallb.reason
    assert metallb.workloads[0].pods[0].node.startswith("node-")


def test_a_deployment_that_crashes(filled: Cluster) -> None:
    replaced(filled, "hubble-relay", fault="CrashLoopBackOff")
    filled.until(lambda: waits(filled, "kube-system", "CrashLoopBackOff"))
    health = read_health(filled.kubeconfig, SPEC)
    assert component(health, "hubble-relay").state is State.BROKEN
    assert "keeps crashing" in component(health, "hubble-relay").reason
    assert any(group.reason == "BackOff" and group.kind == "Pod" for group in health.warnings)


def waits(cluster: Cluster, space: str, reason: str) -> bool:
    pods = cluster.api.store.objects("v1", "Pod", space)
    states = [s["state"] for p in pods for s in p["status"].get("containerStatuses", ())]
    return any(state.get("waiting", {}).get("reason") == reason for state in states)


def test_a_daemonset_that_wants_no_node(filled: Cluster) -> None:
    replaced(filled, "metallb-speaker", node_selector={"no-such": "label"})
    filled.until(
        lambda: (
            "observedGeneration"
            in filled.api.store.get("apps/v1", "DaemonSet", "metallb-speaker", "metallb-system").get(
                "status", {}
            )
        )
    )
    # The nodes of this cluster joined a moment ago; the same, said of nodes that are there for long.
    for name in ("node-1", "node-2", "node-3"):
        filled.change(
            "v1", "Node", name, lambda o: o["metadata"].update(creationTimestamp="2026-01-01T00:00:00Z")
        )
    metallb = component(read_health(filled.kubeconfig, SPEC), "metallb")
    assert metallb.state is State.BROKEN
    assert "it runs on no node" in metallb.reason


def test_warnings_of_events(filled: Cluster) -> None:
    about = {"kind": "Pod", "namespace": "default", "name": "shop-1", "apiVersion": "v1"}
    moment = "2999-01-01T00:00:00Z"
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "shop-1.1", "namespace": "default"},
        "involvedObject": about,
        "reason": "FailedMount",
        "type": "Warning",
        "count": 7,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "message": "MountVolume failed \x1b]0;owned\x07 for volume \u202edata",
    }
    filled.create(event, {**event, "type": "Normal", "metadata": {"name": "b", "namespace": "default"}})
    health = read_health(filled.kubeconfig, SPEC)
    assert [(group.reason, group.count) for group in health.warnings] == [("FailedMount", 7)]
    assert health.warnings[0].message == "MountVolume failed for volume data"


def test_a_claim_of_an_unknown_class(filled: Cluster) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {
            "storageClassName": "gold",
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    filled.create(claim, storage_class("second"))
    health = read_health(filled.kubeconfig, SPEC)
    assert health.storage.claims[0].reason == "there is no StorageClass gold"
    assert "2 StorageClasses are default" in health.storage.reason
    assert health.verdict is State.DEGRADED


def test_failing_readiness_is_broken(filled: Cluster) -> None:
    filled.do(lambda: filled.api.faults.fail_check("etcd"))
    health = read_health(filled.kubeconfig, SPEC)
    assert health.verdict is State.BROKEN
    assert health.control_plane.reason == "etcd does not answer"


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/readyz", "Readiness of the control plane"),
        ("/api/v1/services", "Services"),
        ("/api/v1/events", "Events"),
        ("/api/v1/persistentvolumeclaims", "PersistentVolumeClaims"),
        ("/apis/storage.k8s.io", "StorageClasses"),
        ("/apis/apiregistration.k8s.io", "APIServices"),
        ("/apis/coordination.k8s.io", "Heartbeats of the nodes"),
        ("/apis/metallb.io/v1beta1/ipaddresspools", "ipaddresspools.metallb.io"),
    ],
)
def test_a_part_that_may_not_be_read_is_told_and_not_red(filled: Cluster, path: str, what: str) -> None:
    filled.do(lambda: filled.api.faults.forbid(path))
    health = read_health(filled.kubeconfig, SPEC)
    assert health.verdict is State.HEALTHY
    assert [(item.what, item.denied) for item in health.unread] == [(what, True)]
    assert "no permission" in health.unread[0].reason


def test_workloads_that_may_not_be_read_are_unknown(filled: Cluster) -> None:
    filled.do(lambda: filled.api.faults.forbid("/apis/apps/v1"))
    health = read_health(filled.kubeconfig, SPEC)
    assert {part.state for part in health.components} == {State.UNKNOWN}
    assert health.verdict is State.UNKNOWN
    assert health.problems == ()


def test_everything_forbidden_is_still_an_answer(filled: Cluster) -> None:
    for path in ("/api", "/readyz"):
        filled.do(lambda path=path: filled.api.faults.forbid(path))  # type: ignore[misc]
    health = read_health(filled.kubeconfig, SPEC)
    assert health.verdict is State.UNKNOWN
    assert health.nodes == ()


def test_a_busy_server_is_asked_again(filled: Cluster) -> None:
    filled.do(lambda: filled.api.faults.throttle_next(2, retry_after=0))
    assert read_health(filled.kubeconfig, SPEC).verdict is State.HEALTHY


def test_a_part_that_fails_is_told(filled: Cluster) -> None:
    api = Api(filled.kubeconfig)
    filled.do(lambda: filled.api.faults.fail_next(1))
    part = api.list("/api/v1/nodes", lambda obj: obj)
    api.close()
    assert not isinstance(part, Listing)
    assert part.reason.startswith("the API server answered 500")


def test_a_cluster_slipway_did_not_make(filled: Cluster) -> None:
    health = read_health(filled.kubeconfig, None)
    assert {part.id for part in health.components} == {
        *("cilium", "coredns", "hubble-relay", "kube-proxy", "metallb", "metrics-server", "node-local-dns"),
        "openebs-hostpath",
    }
    assert health.verdict is State.HEALTHY
    assert health.cluster == ""


def test_five_thousand_pods_come_in_pages(cluster: Cluster) -> None:
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{n}", "namespace": "default"},
            "spec": {"containers": [{"name": "c", "image": "i"}], "schedulerName": "nobody"},
        }
        for n in range(5000)
    ]
    cluster.do(lambda: [cluster.api.store.create(pod) for pod in pods])
    api = Api(cluster.kubeconfig)
    sizes: list[int] = []
    get = api.get

    def counting(path: str, query: Any = None) -> Any:
        reply = get(path, query)
        sizes.append(len(parse(reply.data)["items"]))
        return reply

    api.get = counting  # type: ignore[method-assign]
    names = api.list("/api/v1/pods", lambda obj: {"name": obj["metadata"]["name"]})
    some = api.list("/api/v1/pods", lambda obj: obj, pages=2)
    api.close()
    assert isinstance(names, Listing)
    assert len({obj["name"] for obj in names.objects}) == 5000
    assert sizes[:10] == [500] * 10
    assert isinstance(some, Listing)
    assert len(some.objects) == 1000


# What makes reading impossible is told in words.


def kubeconfig(path: Path, server: str, **more: Any) -> Path:
    data = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **more.get("cluster", {})}}],
        "users": [{"name": "u", "user": more.get("user", {"token": "secret-token-1"})}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": more.get("current", "x"),
    }
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_connection_refused(tmp_path: Path) -> None:
    with closed_port() as port, pytest.raises(Unreachable) as caught:
        read_health(kubeconfig(tmp_path / "k", f"https://127.0.0.1:{port}"), SPEC)
    assert caught.value.message == (
        f"The API server at https://127.0.0.1:{port} does not answer: connection refused."
    )
    assert "Is the API server running" in caught.value.remedy


def test_a_name_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="its name is not known"):
        read_health(kubeconfig(tmp_path / "k", "https://no-such-host.invalid:6443"), SPEC)


def test_a_certificate_of_another_authority(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="its certificate is not accepted"):
        read_health(kubeconfig(tmp_path / "k", cluster.api.url), SPEC)


def test_a_certificate_for_another_name(cluster: Cluster, tmp_path: Path) -> None:
    data = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    data["clusters"][0]["cluster"]["tls-server-name"] = "elsewhere.lan"
    path = tmp_path / "k"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(Unreachable, match="its certificate is not accepted: hostname mismatch"):
        read_health(path, SPEC)


def test_no_verification_where_the_kubeconfig_says_so(
    cluster: Cluster, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    insecure = {"cluster": {"insecure-skip-tls-verify": True}, "user": {"token": cluster.api.token}}
    health = read_health(kubeconfig(tmp_path / "k", cluster.api.url, **insecure), None)
    assert health.control_plane.version == "v1.35.4"
    assert list(recwarn) == []


def test_refused_credentials(cluster: Cluster, tmp_path: Path) -> None:
    data = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    data["users"][0]["user"]["token"] = "stale-token-2"
    path = tmp_path / "k"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(Unauthorized) as caught:
        read_health(path, SPEC)
    assert "(401)" in caught.value.message
    assert "stale-token-2" not in str(caught.value)


def test_a_port_that_speaks_something_else(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def greet() -> None:
            with contextlib.suppress(OSError):
                peer, _ = server.accept()
                with peer:
                    peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                    peer.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(Unreachable, match="TLS failed: wrong version number"):
            read_health(kubeconfig(tmp_path / "k", f"https://127.0.0.1:{server.getsockname()[1]}"), SPEC)
        thread.join(10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a kubeconfig: it names no cluster"),
        ("- a\n- b\n", "is not a kubeconfig"),
        ("clusters: []\n", "it names no cluster"),
        ("a: [\ntoken: secret-token-3\n", "is not valid YAML, line"),
        ("\x00\x01", "is not valid YAML"),
        ("clusters: [{name: c, cluster: {server: 'https://h'}}]\n", "names no current context"),
        (
            "clusters: [{name: c}]\ncurrent-context: y\ncontexts: [{name: x, context: {cluster: c}}]\n",
            "has no context y",
        ),
        (
            "clusters: [{name: c, cluster: {}}]\n"
            "current-context: x\ncontexts: [{name: x, context: {cluster: z}}]\n",
            "does not say how to reach the cluster",
        ),
        (
            "clusters: [{name: c, cluster: {server: 'https://h', certificate-authority-data: '%%'}}]\n"
            "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n",
            "does not say how to reach|cannot be used",
        ),
        (
            "clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: gone.crt}}]\n"
            "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n",
            "File does not exist",
        ),
    ],
)
def test_a_kubeconfig_that_is_none(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "k"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadKubeconfig, match=words) as caught:
        read_health(path, SPEC)
    assert "secret" not in str(caught.value)


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadKubeconfig, match="There is no kubeconfig at"):
        read_health(tmp_path / "k", SPEC)
    with pytest.raises(BadKubeconfig, match="is a folder"):
        read_health(tmp_path, SPEC)


def test_another_context(cluster: Cluster) -> None:
    assert read_health(cluster.kubeconfig, None, context="practice").control_plane.version
    with pytest.raises(HealthError, match="has no context other") as caught:
        read_health(cluster.kubeconfig, None, context="other")
    assert caught.value.remedy == "It has: practice."


def test_no_secret_stays_in_the_temporary_folder(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    data = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    api = Api(cluster.kubeconfig)
    assert api.read("/version")
    assert data["clusters"][0]["cluster"]["certificate-authority-data"]
    assert list(scratch.rglob("*")) == []
    api.close()


def test_the_kubernetes_client_is_imported_only_when_it_is_needed() -> None:
    code = (
        "import sys, wizards.health.watch, wizards.health.reader, wizards.health.text;"
        "print([m for m in ('kubernetes', 'urllib3', 'requests', 'textual') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert found.stdout.strip() == "[]"


def test_answers_that_are_no_objects() -> None:
    assert parse(b"<html>") == {}
    assert parse(b"[1]") == {}
    assert parse(b'{"a": ["\\u001b[31mred\\u001b[0m", {"\\u202eb": 1}]}') == {"a": ["red", {"b": 1}]}
    assert parse('{"a": "\u009b31mx", "b": "it’s"}'.encode()) == {"a": "x", "b": "it’s"}


def test_python_can_check_certificates_without_key_identifiers(cluster: Cluster) -> None:
    api = Api(cluster.kubeconfig)
    pool = api._client.rest_client.pool_manager
    tls: ssl.SSLContext = pool.connection_pool_kw["ssl_context"]
    api.close()
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.check_hostname
    assert not tls.verify_flags & ssl.VERIFY_X509_STRICT
