"""The install role with a real Helm: a chart from a repository on loopback, onto the practice API.

Skipped where there is no Helm 3 (``SLIPWAY_HELM``, or in PATH).
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.playbooks.helm_proxy import translating
from wizards.practice.api import PracticeApi, serving
from wizards.provision.helm import HelmMissing, find_helm
from wizards.provision.stages import PACKAGE_ROOT, PLAYBOOKS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("helm-release")]

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: tiny, labels: {app: tiny}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: tiny}}
  template:
    metadata: {labels: {app: tiny}}
    spec: {containers: [{name: main, image: "registry.example/tiny:1"}]}
"""


@dataclass(frozen=True)
class Chart:
    """Where the chart ``tiny`` is, and the Helm that installs it."""

    helm: Path
    repository: str


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real Helm, told to install without the API's schema: the practice API publishes none."""
    try:
        real = find_helm(Path("/nonexistent")).path
    except HelmMissing as missing:
        pytest.skip(str(missing))
    wrapper = tmp_path_factory.mktemp("bin") / "helm"
    wrapper.write_text(
        "#!/bin/sh\nfor word; do\n"
        f'  [ "$word" = upgrade ] && exec {real} "$@" --disable-openapi-validation\n'
        f'done\nexec {real} "$@"\n'
    )
    wrapper.chmod(0o755)
    return wrapper


@pytest.fixture(scope="module")
def chart(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chart]:
    """A chart repository on loopback with one chart, ``tiny`` 1.0.0."""
    folder = tmp_path_factory.mktemp("repository")
    source = folder / "tiny"
    (source / "templates").mkdir(parents=True)
    (source / "Chart.yaml").write_text("apiVersion: v2\nname: tiny\nversion: 1.0.0\n")
    (source / "values.yaml").write_text("replicas: 1\n")
    (source / "templates/deployment.yaml").write_text(DEPLOYMENT)
    for command in (["package", str(source), "-d", str(folder)], ["repo", "index", str(folder)]):
        subprocess.run([helm, *command], check=True, capture_output=True, timeout=60)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Chart(helm, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[PracticeApi]:
    with serving() as made:
        made.call(lambda: made.store.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}))
        yield made


@pytest.fixture
def kubeconfig(api: PracticeApi) -> Iterator[str]:
    with translating(api.kubeconfig()) as text:
        yield text


def install(kubeconfig: str, chart: Chart, home: Path, *, replicas: int = 1) -> str:
    """Run the role as a stage does; return the output."""
    (home / "kubeconfig").write_text(kubeconfig)
    (home / "values.yaml").write_text(yaml.safe_dump({"replicas": replicas}))
    (home / "objects.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: tiny}\n"
    )
    workload = {
        "kind": "Deployment",
        "namespace": "tiny",
        "selector": "app=tiny",
        "name": "tiny",
        "minimum": 1,
    }
    part = {
        "id": "tiny",
        "title": "Tiny",
        "namespace": "tiny",
        "privileged": True,
        "chart": {"name": "tiny", "release": "tiny", "repo": chart.repository, "version": "1.0.0"},
        "manifest": "",
        "values_file": str(home / "values.yaml"),
        "objects_file": str(home / "objects.yaml"),
        "patches_file": "",
        "rehearsal_file": "",
        "workloads": [workload],
    }
    variables = {
        "slipway_practice": False,
        "slipway_home": str(home),
        "slipway_package": str(PACKAGE_ROOT),
        "slipway_helm": str(chart.helm),
        "slipway_proxy": {},
        "slipway_kubeconfig": str(home / "kubeconfig"),
        "slipway_installs": [part],
    }
    (home / "vars.json").write_text(json.dumps(variables))
    done = subprocess.run(
        ["ansible-playbook", "-i", "console.yml", "network.yml", "-e", f"@{home / 'vars.json'}"],
        cwd=PLAYBOOKS,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def releases(api: PracticeApi) -> list[dict[str, Any]]:
    """The revisions of the release as Helm stores them, oldest first."""
    found = api.call(lambda: [entry.obj for entry in api.store.entries(("", "secrets"))])
    decoded = [_decode(one) for one in found if one.get("type") == "helm.sh/release.v1"]
    return sorted(decoded, key=lambda release: release["version"])


def _decode(secret: dict[str, Any]) -> dict[str, Any]:
    release: dict[str, Any] = json.loads(
        gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"])))
    )
    return release


def interrupt(api: PracticeApi, status: str) -> None:
    """Leave the newest revision as a Helm does that was killed half-way."""
    newest = releases(api)[-1]
    newest["info"]["status"] = status
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(newest).encode()))).decode()

    def change(secret: dict[str, Any]) -> None:
        secret["data"]["release"] = packed
        secret["metadata"]["labels"]["status"] = status

    name = f"sh.helm.release.v1.tiny.v{newest['version']}"
    api.call(lambda: api.store.modify("v1", "Secret", name, change, "tiny"))


def test_a_chart_is_installed_awaited_and_not_touched_again(
    api: PracticeApi, kubeconfig: str, chart: Chart, tmp_path: Path
) -> None:
    first = install(kubeconfig, chart, tmp_path)
    assert "Install the chart tiny 1.0.0" in first
    assert [release["info"]["status"] for release in releases(api)] == ["deployed"]
    namespace = api.call(lambda: api.store.get("v1", "Namespace", "tiny"))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    assert api.call(lambda: api.store.get("v1", "ConfigMap", "settings", "tiny"))
    second = install(kubeconfig, chart, tmp_path)
    assert "changed=0 " in second[second.index("PLAY RECAP") :]
    third = install(kubeconfig, chart, tmp_path, replicas=2)
    assert "changed=1 " in third[third.index("PLAY RECAP") :]
    assert [release["info"]["status"] for release in releases(api)] == ["superseded", "deployed"]


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade"])
def test_a_release_that_a_killed_helm_left_pending_is_recovered(
    status: str, api: PracticeApi, kubeconfig: str, chart: Chart, tmp_path: Path
) -> None:
    install(kubeconfig, chart, tmp_path)
    if status == "pending-upgrade":
        install(kubeconfig, chart, tmp_path, replicas=3)
    interrupt(api, status)
    install(kubeconfig, chart, tmp_path, replicas=2)
    newest = releases(api)[-1]
    assert newest["info"]["status"] == "deployed"
    assert newest["config"] == {"replicas": 2}
