"""A practice API and the real Kubernetes client in front of it, for the tests of this folder."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import kubernetes.client
import kubernetes.config
import kubernetes.dynamic
import yaml

from wizards.practice.api import PracticeApi, Timing, serving

T = TypeVar("T")
Json = dict[str, Any]
QUICK = Timing(pod_start=(0.02, 0.05), pod_stop=0.02, job_run=0.05, node_register=0.02, settle=0.01)
_numbers = itertools.count(1)


def eventually(look: Callable[[], T], *, within: float = 20.0) -> T:
    """Look again and again until something true is seen; the last look's answer is shown when time is up."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not within {within} s; last seen: {seen!r}"
        time.sleep(0.02)


@dataclass
class Reply:
    """An HTTP answer."""

    status: int
    headers: Any
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)


@dataclass
class World:
    """The server, and clients that are logged in to it."""

    api: PracticeApi
    client: kubernetes.client.ApiClient
    cache: Path
    _dynamic: list[Any] = field(default_factory=list)

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """One request through the client's own connection pool, whatever the answer."""
        sent = {
            "Authorization": f"Bearer {self.api.token}",
            "Accept": accept,
            "Content-Type": content_type,
            **(headers or {}),
        }
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        pool = self.client.rest_client.pool_manager
        answer = pool.request(method, self.api.url + path, body=data, headers=sent, retries=False)
        return Reply(answer.status, answer.headers, answer.data)

    def merge(self, path: str, patch: Any) -> Reply:
        """A JSON merge patch, whatever the answer."""
        return self.raw("PATCH", path, patch, content_type="application/merge-patch+json")

    def strategic(self, path: str, patch: Any) -> Reply:
        """A strategic merge patch, whatever the answer."""
        return self.raw("PATCH", path, patch, content_type="application/strategic-merge-patch+json")

    def get(self, path: str) -> Any:
        """A GET that must succeed."""
        reply = self.raw("GET", path)
        assert reply.status == 200, reply.data
        return reply.json

    def post(self, path: str, body: Json) -> Any:
        """A POST that must succeed."""
        reply = self.raw("POST", path, body)
        assert reply.status == 201, reply.data
        return reply.json

    def delete(self, path: str, body: Json | None = None) -> Any:
        """A DELETE that must succeed."""
        reply = self.raw("DELETE", path, body)
        assert reply.status == 200, reply.data
        return reply.json

    def gone(self, path: str) -> bool:
        """Whether there is nothing (any more)."""
        return self.raw("GET", path).status == 404

    @property
    def dynamic(self) -> Any:
        """The dynamic client, with a discovery cache of its own."""
        if not self._dynamic:
            made = kubernetes.dynamic.DynamicClient(
                self.client, cache_file=str(self.cache / "discovery.json")
            )
            self._dynamic.append(made)
        return self._dynamic[0]

    def resource(self, api_version: str, kind: str) -> Any:
        """A resource of the dynamic client."""
        return self.dynamic.resources.get(api_version=api_version, kind=kind)

    def namespace(self) -> str:
        """A fresh namespace."""
        name = f"test-{next(_numbers)}"
        self.post("/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def create(self, obj: Json) -> Json:
        """Create any object through the dynamic client."""
        resource = self.resource(obj["apiVersion"], obj["kind"])
        namespace = obj["metadata"].get("namespace")
        made: Json = resource.create(body=obj, namespace=namespace).to_dict()
        return made


def nodes_named(world: World, *names: str) -> None:
    """Create nodes and wait until they are ready."""
    from wizards.practice.api import objects

    for index, name in enumerate(names):
        world.create(objects.node(name, f"10.0.0.{index + 11}"))
    eventually(lambda: all(condition(world.get(f"/api/v1/nodes/{n}"), "Ready") == "True" for n in names))


def condition(obj: Json, kind: str) -> str | None:
    """The status of one condition of an object."""
    found = [item for item in obj.get("status", {}).get("conditions", []) if item["type"] == kind]
    return str(found[0]["status"]) if found else None


@contextmanager
def practice(api: PracticeApi | None = None) -> Iterator[World]:
    """A served practice API and clients."""
    with TemporaryDirectory() as folder, serving(api or PracticeApi(timing=QUICK)) as served:
        config = yaml.safe_load(served.kubeconfig())
        client = kubernetes.config.new_client_from_config_dict(config)
        try:
            yield World(served, client, Path(folder))
        finally:
            client.close()
