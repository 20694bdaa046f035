"""The server itself: TLS, tokens, its state file, its end."""

from __future__ import annotations

import asyncio
import json
import ssl
import stat
import threading
import urllib.request
from pathlib import Path

import kubernetes.client
import kubernetes.config
import pytest
import yaml

from tests.practice.api_world import QUICK, condition, eventually, nodes_named, practice
from wizards.practice.api import PracticeApi, UnreadableState, objects, serving


def test_only_the_authority_of_this_start_is_believed() -> None:
    with serving() as first, serving() as second:
        assert first.token != second.token
        assert first.ca_pem != second.ca_pem
        request = urllib.request.Request(
            f"{first.url}/version", headers={"Authorization": f"Bearer {first.token}"}
        )
        trusted = ssl.create_default_context(cadata=first.ca_pem)
        trusted.verify_flags |= ssl.VERIFY_X509_STRICT
        with urllib.request.urlopen(request, context=trusted) as answer:
            assert json.load(answer)["gitVersion"] == "v1.35.4"
        other = ssl.create_default_context(cadata=second.ca_pem)
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(request, context=other)


def test_the_kubeconfig_is_all_that_a_client_needs(tmp_path: Path) -> None:
    with serving(PracticeApi(version="v1.36.1")) as api:
        path = tmp_path / "kubeconfig"
        path.write_text(api.kubeconfig())
        client = kubernetes.config.new_client_from_config(str(path))
        try:
            assert kubernetes.client.VersionApi(client).get_code().git_version == "v1.36.1"
            typed = kubernetes.client.CoreV1Api(client).list_namespace()
            assert "kube-system" in {item.metadata.name for item in typed.items}
        finally:
            client.close()


async def test_start_and_stop_in_a_loop_of_ones_own() -> None:
    api = PracticeApi()
    await api.start(host="127.0.0.1", port=0)
    try:
        made = api.store.create(objects.namespace("mine"))
        assert made["metadata"]["uid"]
        context = ssl.create_default_context(cadata=api.ca_pem)
        host, port = api.url.removeprefix("https://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), ssl=context)
        writer.close()
    finally:
        await api.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_a_port_that_is_taken_is_said_so() -> None:
    first, second = PracticeApi(), PracticeApi()
    await first.start()
    try:
        with pytest.raises(OSError, match="in use"):
            await second.start(port=int(first.url.rpartition(":")[2]))
        await second.stop()
    finally:
        await first.stop()


def test_stop_ends_open_watches_at_once() -> None:
    ended = threading.Event()
    with practice() as world:
        headers = {"Authorization": f"Bearer {world.api.token}"}
        url = f"{world.api.url}/api/v1/pods?watch=1"
        pool = world.client.rest_client.pool_manager
        answer = pool.request("GET", url, headers=headers, preload_content=False, retries=False)

        def read() -> None:
            try:
                list(answer.stream())
            except Exception:
                ended.set()

        thread = threading.Thread(target=read)
        table = world.api.store.tables.table(("", "pods"))
        eventually(lambda: world.api.call(lambda: table.watchers) > 0)
        thread.start()
    assert ended.wait(10)
    thread.join(10)


def test_the_cluster_is_the_same_after_the_next_start(tmp_path: Path) -> None:
    state = tmp_path / "objects.json"
    with practice(PracticeApi(state, timing=QUICK)) as world:
        nodes_named(world, "node-1")
        world.create(objects.deployment("web", replicas=2))
        world.create(objects.definition("example.org", "Widget", "widgets"))
        eventually(lambda: not world.gone("/apis/example.org/v1/widgets"))
        widget = {
            "apiVersion": "example.org/v1",
            "kind": "Widget",
            "metadata": {"name": "w", "namespace": "default"},
        }
        world.create(widget)
        path = "/apis/apps/v1/namespaces/default/deployments/web"
        eventually(lambda: condition(world.get(path), "Available") == "True")
        before = world.get("/api/v1/namespaces/default/pods")
        authority = world.api.ca_pem
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["objects.json"]
    with practice(PracticeApi(state, timing=QUICK)) as world:
        after = world.get("/api/v1/namespaces/default/pods")
        assert [item["metadata"]["uid"] for item in after["items"]] == [
            item["metadata"]["uid"] for item in before["items"]
        ]
        assert int(after["metadata"]["resourceVersion"]) >= int(before["metadata"]["resourceVersion"])
        assert world.get("/apis/example.org/v1/namespaces/default/widgets/w")["kind"] == "Widget"
        since = before["metadata"]["resourceVersion"]
        reply = world.raw("GET", f"/api/v1/pods?watch=1&resourceVersion={int(since) - 5}&timeoutSeconds=1")
        assert json.loads(reply.data.splitlines()[0])["object"]["code"] == 410
        assert world.api.ca_pem != authority
        path = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt"
        eventually(lambda: world.get(path)["data"]["ca.crt"] == world.api.ca_pem)
        world.create(objects.pod("late"))
        late = "/api/v1/namespaces/default/pods/late"
        eventually(lambda: condition(world.get(late), "Ready") == "True")


def test_what_happened_survives_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wizards.practice.api.server.SAVE_SECONDS", 0.05)
    state = tmp_path / "objects.json"
    with practice(PracticeApi(state, timing=QUICK)) as world:
        world.post("/api/v1/namespaces", objects.namespace("kept"))
        eventually(lambda: state.exists() and '"kept"' in state.read_text())
        copy = tmp_path / "copy.json"
        copy.write_bytes(state.read_bytes())
    with practice(PracticeApi(copy, timing=QUICK)) as world:
        assert world.get("/api/v1/namespaces/kept")["status"]["phase"] == "Active"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "objects": [{}]}'])
async def test_a_damaged_state_file_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    state = tmp_path / "objects.json"
    state.write_text(text)
    api = PracticeApi(state)
    with pytest.raises(UnreadableState, match=r"objects\.json"):
        await api.start()
    await api.stop()
    assert state.read_text() == text


def test_the_private_key_and_the_token_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with serving(PracticeApi(tmp_path / "state.json")) as api:
        assert list(tmp_path.iterdir()) == []
        token, config = api.token, yaml.safe_load(api.kubeconfig())
    assert config["users"][0]["user"]["token"] == token
    saved = (tmp_path / "state.json").read_text()
    assert token not in saved
    assert "PRIVATE KEY" not in saved
