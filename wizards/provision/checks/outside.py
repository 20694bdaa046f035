"""Do the nodes reach what is outside the cluster: downloads, registries, a load balancer, routers?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from wizards.provision.checks.judging import few
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble, words
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec, EndpointKind, LoadBalancerKind

_REGISTRY_PATH: Final = "/v2"
_ANSWERED: Final = ("", "refused", "connection refused")
"""A refusal is an answer too: nothing runs behind the address yet, or it knows only its neighbours."""
_BGP: Final = (LoadBalancerKind.METALLB_BGP, LoadBalancerKind.CILIUM_BGP)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _failed(node: NodeReport, spec: ClusterSpec, *, registries: bool) -> dict[str, str]:
    """Return host → why, for what could not be fetched; what another check explains is left out."""
    proxied = bool(spec.proxy.http or spec.proxy.https)
    servers = node.mapping("name_servers_answer").values()
    silent = bool(servers) and not any(found is not False for found in servers)
    dark = node.texts("name_servers") == () or node.flag("default_route") is False or silent
    if (dark and not proxied) or (not registries and spec.kubespray_vars.get("download_run_once") is True):
        return {}
    unknown = {words(name) for name, found in node.mapping("resolves").items() if found is False}
    failed: dict[str, str] = {}
    for url, why in node.mapping("downloads").items():
        text = words(url)
        if not isinstance(why, str) or not why.strip() or _host(text) in unknown:
            continue
        if _path(text).rstrip("/").endswith(_REGISTRY_PATH) is registries:
            failed[_host(text)] = words(why)
    return failed


def _downloads(seen: Seen) -> Iterator[Trouble]:
    yield from _unfetched(seen, registries=False, verb="download from")


def _registry(seen: Seen) -> Iterator[Trouble]:
    yield from _unfetched(seen, registries=True, verb="fetch images from")


def _unfetched(seen: Seen, *, registries: bool, verb: str) -> Iterator[Trouble]:
    for node in seen.looked:
        failed = _failed(node, seen.spec, registries=registries)
        if failed:
            told = few(f"{host} ({why})" for host, why in failed.items())
            yield Trouble(node.name, f"it cannot {verb} {told}", measured=told, required="an answer")


def _endpoint(seen: Seen) -> Iterator[Trouble]:
    endpoint = seen.spec.endpoint
    for node in seen.looked if endpoint.kind is EndpointKind.EXTERNAL else ():
        why = node.text("endpoint_answers")
        if why.lower() not in _ANSWERED:
            message = f"it cannot reach the load balancer {endpoint.address} port {endpoint.port}: {why}"
            yield Trouble(node.name, message, path="endpoint.address", measured=why, required="an answer")


def _bgp_peers(seen: Seen) -> Iterator[Trouble]:
    """Name each router once, with the nodes that do not reach it."""
    failed: dict[str, dict[str, str]] = defaultdict(dict)
    for node in seen.looked if seen.spec.load_balancer.kind in _BGP else ():
        for peer, why in node.mapping("bgp_peers").items():
            if isinstance(why, str) and words(why).lower() not in _ANSWERED:
                failed[words(peer)][node.name] = words(why)
    for peer, nodes in failed.items():
        why = next(iter(nodes.values()))
        host = next(iter(nodes)) if len(nodes) == 1 else ""
        who = "it does" if host else f"{few(nodes)} do"
        message = f"{who} not reach the router {peer}: {why}"
        yield Trouble(host, message, path="load_balancer.peers", measured=why, required="an answer")


CHECKS: Final = (
    Check(
        id="downloads",
        title="Downloads",
        wants="the places that programs are downloaded from can be reached, or the mirror",
        why="Every node downloads Kubernetes, the container runtime and etcd.",
        remedy="Open the way out, set proxy.http and proxy.https, or set mirrors.files.",
        severity=Severity.BLOCK,
        judge=_downloads,
        group=Group.NETWORK,
    ),
    Check(
        id="registry",
        title="Image registries",
        wants="the image registries can be reached, or the mirror",
        why="Every node fetches the images of all that runs on it.",
        remedy="Open the way out, set proxy.http and proxy.https, or set mirrors.registry.",
        severity=Severity.BLOCK,
        judge=_registry,
        group=Group.NETWORK,
    ),
    Check(
        id="endpoint-external",
        title="Load balancer of your own",
        wants="the load balancer in front of the API server can be reached",
        why="Nodes join through it, and everything else talks to the API server through it.",
        remedy="Check its address and port, and the firewalls between; a refusal is fine until nodes are up.",
        severity=Severity.BLOCK,
        judge=_endpoint,
        group=Group.NETWORK,
    ),
    Check(
        id="bgp-peer",
        title="BGP routers",
        wants="each router in the answers can be reached on its port",
        why="Without a session the router learns no addresses, and Services are reached by nobody.",
        remedy="Check address and port, and let the router know the nodes as neighbours.",
        severity=Severity.WARN,
        judge=_bgp_peers,
        group=Group.NETWORK,
    ),
)
