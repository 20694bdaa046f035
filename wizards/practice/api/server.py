"""The practice API server: HTTPS on loopback, a bearer token, and the routes."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hmac
import logging
import random
import secrets
import ssl
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import yaml
from aiohttp import web

from wizards.files import write_private
from wizards.practice.api import bootstrap, discovery, errors, persistence, requests, status, watch
from wizards.practice.api.answers import Answer, dumps, encode, renderer, text
from wizards.practice.api.engine import Controller, Engine, Timing
from wizards.practice.api.errors import ApiError
from wizards.practice.api.faults import Faults
from wizards.practice.api.jobs import Jobs
from wizards.practice.api.kubelet import Pods
from wizards.practice.api.lifecycle import ApiServices, Definitions, Garbage, Namespaces
from wizards.practice.api.loadbalancers import LoadBalancers
from wizards.practice.api.nodes import Nodes
from wizards.practice.api.recorder import Recorder
from wizards.practice.api.requests import Form
from wizards.practice.api.scheduler import Scheduler
from wizards.practice.api.services import Endpoints
from wizards.practice.api.sets import DaemonSets, StatefulSets
from wizards.practice.api.store import Store
from wizards.practice.api.tables import Change
from wizards.practice.api.tls import Identity, make_identity
from wizards.practice.api.values import Json
from wizards.practice.api.verbs import Call, Verbs, is_watch
from wizards.practice.api.volumes import Volumes
from wizards.practice.api.workloads import Deployments, ReplicaSets

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

LARGEST_BODY = 3 * 1024 * 1024
"""Bytes of the largest request body, as in kube-apiserver."""

COMPRESS_FROM = 128 * 1024
"""Bytes from which an answer is compressed for who can read that, as in kube-apiserver."""

SAVE_SECONDS = 10.0
"""How much of a practice cluster's life is lost at most when its process is killed."""

_RESTLESS = {persistence.NEVER_SAVED, ("coordination.k8s.io", "leases")}

_CONTROLLERS: tuple[type[Controller], ...] = (
    *(Garbage, Namespaces, Definitions, ApiServices),
    *(Nodes, Scheduler, Pods, ReplicaSets, Deployments, DaemonSets, StatefulSets, Jobs),
    *(Endpoints, LoadBalancers, Volumes),
)


class PracticeApi:
    """A Kubernetes API server with stand-ins for controllers and kubelets behind it.

    Attributes:
        store: The objects, for use in the same event loop.
        faults: What is to go wrong.
        events: To note events on objects.
        url: Where it is served, once started.
        token: The bearer token of this start.
        ca_pem: The certificate authority of this start.
    """

    def __init__(
        self, state_file: Path | None = None, *, version: str = "v1.35.4", timing: Timing | None = None
    ) -> None:
        """Prepare a server; nothing happens before `start`.

        Args:
            state_file: Where the objects are kept between runs; None to forget them.
            version: The Kubernetes version to claim, until a kubeadm ConfigMap names another.
            timing: How long pods and nodes take.
        """
        self.store = Store()
        self.faults = Faults()
        self.url = self.token = self.ca_pem = ""
        self._state_file = state_file
        self._version = version
        self._timing = timing or Timing()
        self._verbs = Verbs(self.store, self.faults)
        self.events = Recorder(self.store)
        self._saving: asyncio.Task[None] | None = None
        self._unsaved = False
        self.store.tables.listen(self._on_change)
        self._runner: web.AppRunner | None = None
        self._engine: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- life ------------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Serve, with a fresh certificate authority and a fresh token.

        Args:
            host: The address to listen on.
            port: The port; 0 for a free one.

        Raises:
            OSError: The port cannot be had.
            UnreadableState: The state file is damaged.
        """
        self._loop = asyncio.get_running_loop()
        if self._state_file is not None:
            persistence.load(self.store, self._state_file)
        identity = make_identity(host)
        self.ca_pem, self.token = identity.ca_pem, secrets.token_urlsafe(32)
        port = await self._listen(identity.server_context(), host, port)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"https://{shown}:{port}"
        bootstrap.prepare(self.store, host, port)
        self._engine = self._make_engine(identity)
        self.store.graceful = True
        self._engine.start()
        if self._state_file is not None:
            self._saving = asyncio.create_task(self._keep_saving(), name="practice-save")

    async def _listen(self, context: ssl.SSLContext, host: str, port: int) -> int:
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # handler_cancellation: a quiet watch would not notice that its client has gone.
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=1.0,
            keepalive_timeout=75.0,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=context, backlog=512)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        return int(self._runner.addresses[0][1])

    def _make_engine(self, identity: Identity) -> Engine:
        engine = Engine(self.store, self._timing)
        for kind in _CONTROLLERS:
            controller = kind(self.store, self._timing, self.events)
            if isinstance(controller, Nodes):
                controller.version = self.version
            if isinstance(controller, Namespaces):
                controller.ca_pem = identity.ca_pem
            engine.add(controller)
        return engine

    async def stop(self) -> None:
        """End all connections, and keep the objects in the state file."""
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.gather(self._saving, return_exceptions=True)
            self._saving = None
        if self._engine is not None:
            await self._engine.stop()
            self._engine = None
        self.store.graceful = False
        self.faults.drop_watches()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            self.save()

    def save(self) -> None:
        """Write the objects to the state file now, in one step, mode 0600; nothing without one.

        It also happens by itself: at the end, and every `SAVE_SECONDS` when something has changed.

        Raises:
            OSError: The file cannot be written.
        """
        if self._state_file is not None:
            self._unsaved = False
            write_private(self._state_file, persistence.dump(self.store))

    def _on_change(self, change: Change) -> None:
        if change.storage not in _RESTLESS:
            self._unsaved = True

    async def _keep_saving(self) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            if self._unsaved:
                try:
                    self.save()
                except OSError as error:
                    _log.warning("the practice cluster could not be saved: %s", error)

    def call(self, function: Callable[[], _T]) -> _T:
        """Run a function in the server's event loop, from another thread, and return what it returns."""
        if self._loop is None:
            raise RuntimeError("the practice API is not started")

        async def run() -> _T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    @property
    def version(self) -> str:
        """The Kubernetes version that the server claims now."""
        return status.server_version(self.store, self._version)

    def kubeconfig(self) -> str:
        """A kubeconfig for this start: server, authority and token, all inside."""
        authority = base64.b64encode(self.ca_pem.encode()).decode()
        cluster = {"server": self.url, "certificate-authority-data": authority}
        context = {"cluster": "practice", "user": "practice-admin"}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "practice", "cluster": cluster}],
            "users": [{"name": "practice-admin", "user": {"token": self.token}}],
            "contexts": [{"name": "practice", "context": context}],
            "current-context": "practice",
        }
        return yaml.safe_dump(document, sort_keys=False)

    # -- requests --------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            self._authenticate(request)
            await self.faults.on_request(request.method, request.path)
            return await self._route(request)
        except ApiError as error:
            return await _send(request, Answer(error.code, dumps(error.status()), headers=error.headers))
        except web.HTTPRequestEntityTooLarge:
            message = f"Request entity too large: limit is {LARGEST_BODY}"
            refusal = ApiError(413, "RequestEntityTooLarge", message)
            return await _send(request, Answer(413, dumps(refusal.status())))
        except (web.HTTPException, ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            _log.exception("practice API: %s %s", request.method, request.path)
            return await _send(request, Answer(500, dumps(errors.internal(type(error).__name__).status())))

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self.token.encode())
        if scheme.lower() != "bearer" or not right:
            raise errors.unauthorized()

    async def _route(self, request: web.Request) -> web.StreamResponse:
        target = requests.read_path(self.store.registry, request.path)
        if target is None:
            return await _send(request, self._other(request))
        call = Call(
            method=request.method,
            target=target,
            query=dict(request.query),
            form=Form() if target.subresource == "log" else _form(request),
            content_type=request.headers.get("Content-Type", "").partition(";")[0].strip(),
            body=await request.read(),
            agent=request.headers.get("User-Agent", "").partition("/")[0],
        )
        if is_watch(call):
            return await self._watch(request, call)
        return await _send(request, self._verbs.answer(call))

    def _other(self, request: web.Request) -> Answer:
        """Everything that is no resource: discovery, version, health."""
        if request.method not in {"GET", "HEAD"}:
            return text("404 page not found\n", 404)
        parts = request.path.strip("/").split("/")
        if parts[0] in status.CHECKS:
            verbose = "verbose" in request.query
            exclude = request.query.getall("exclude", [])
            check = "/".join(parts[1:])
            found = status.health(parts[0], check, self.faults, verbose=verbose, exclude=exclude)
            return text(found[1], found[0]) if found else text("404 page not found\n", 404)
        document = self._document(parts)
        if document is None:
            return text("404 page not found\n", 404)
        return encode(Form(yaml=_form(request).yaml), document)

    def _document(self, parts: list[str]) -> Json | None:
        registry = self.store.registry
        match parts:
            case ["version"]:
                return status.version(self.version)
            case ["api"]:
                return discovery.core_versions(self.url.removeprefix("https://"))
            case ["apis"]:
                return discovery.group_list(registry)
            case ["apis", group]:
                return discovery.group(registry, group)
            case ["api", "v1"]:
                return discovery.resource_list(registry, "", "v1")
            case ["apis", group, version]:
                return discovery.resource_list(registry, group, version)
            case ["openapi", "v2"]:
                info = {"title": "Kubernetes", "version": self.version}
                return {"swagger": "2.0", "info": info, "paths": {}, "definitions": {}}
            case ["openapi", "v3"]:
                return {"paths": {}}
            case [""]:
                return {"paths": ["/api", "/apis", "/healthz", "/livez", "/readyz", "/version"]}
        return None

    async def _watch(self, request: web.Request, call: Call) -> web.StreamResponse:
        tables = self.store.tables
        wanted = requests.read_filter(call.target, call.query)
        timeout = random.uniform(1800, 3600)  # noqa: S311 - spreads clients, as kube-apiserver does
        options = watch.read_options(call.query, wanted, tables, timeout)
        stream = watch.Watch(tables, call.target.rtype, options, renderer(call.form, call.target.rtype))
        response = web.StreamResponse(headers=_headers())
        response.content_type = "application/json"
        response.enable_chunked_encoding()
        await response.prepare(request)
        dropped = self.faults.dropped
        sending = asyncio.ensure_future(_pump(response, stream))
        cut = asyncio.ensure_future(dropped.wait())
        try:
            await asyncio.wait({sending, cut}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            cut.cancel()
            if not sending.done():
                sending.cancel()
            await asyncio.gather(sending, cut, return_exceptions=True)
        if dropped.is_set() and request.transport is not None:
            request.transport.abort()
        return response


async def _pump(response: web.StreamResponse, stream: watch.Watch) -> None:
    try:
        async for lines in stream.lines():
            await response.write(lines)
        await response.write_eof()
    except ConnectionError:
        return  # the client has gone


def _form(request: web.Request) -> Form:
    return requests.read_accept(request.headers.get("Accept", ""))


def _headers() -> dict[str, str]:
    return {"Audit-Id": str(uuid.uuid4()), "Cache-Control": "no-cache, private"}


async def _send(request: web.Request, answer: Answer) -> web.Response:
    headers = {**_headers(), **answer.headers, "Content-Type": answer.content_type}
    body = answer.body
    if len(body) >= COMPRESS_FROM and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = await asyncio.to_thread(gzip.compress, body, 1)
        headers.update({"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
    return web.Response(status=answer.code, body=body, headers=headers)
