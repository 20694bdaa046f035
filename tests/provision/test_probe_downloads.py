"""The probe tries what will be downloaded: directly, by proxy, and where nobody trusts the certificate."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.provision.test_probe_script import a_spec, look
from wizards.practice.api.tls import make_identity

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nodes are Linux")


class Server(ThreadingHTTPServer):
    """Answers every question with one code, and remembers what was asked."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_response(self.server.code)
        self.end_headers()

    def do_CONNECT(self) -> None:
        self.do_HEAD()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(code: int, context: ssl.SSLContext | None = None) -> Iterator[tuple[Server, str]]:
    server = Server(code)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server, f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def downloads(*urls: str, **proxy: str) -> dict[str, str]:
    seen = look(a_spec(), urls=list(urls), proxy=proxy)["seen"]
    assert set(seen["downloads"]) == {*urls}
    found: dict[str, str] = seen["downloads"]
    return found


def test_any_answer_shows_that_the_way_is_open_and_none_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        shut = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with serving(401) as (_, registry), serving(503) as (_, broken):
        found = downloads(f"{registry}/v2/", broken, shut)
    assert found == {f"{registry}/v2/": "", broken: "it answers 503", shut: "connection refused"}


def test_a_certificate_that_nobody_trusts_is_told_from_no_answer() -> None:
    with serving(200, make_identity("127.0.0.1").server_context()) as (_, url):
        assert "its certificate is not trusted" in downloads(url)[url]


def test_downloads_go_through_the_proxy_but_for_what_it_is_not_for() -> None:
    with serving(200) as (proxy, address), serving(200) as (direct, near):
        found = downloads("http://elsewhere.invalid/file", near, http_proxy=address, no_proxy="127.0.0.1")
        assert found == {"http://elsewhere.invalid/file": "", near: ""}
        assert proxy.asked == ["HEAD http://elsewhere.invalid/file"]
        assert direct.asked == ["HEAD /"]
    with serving(407) as (proxy, address):
        url = "https://elsewhere.invalid/"
        assert "407" in downloads(url, https_proxy=address)[url]
        assert proxy.asked == ["CONNECT elsewhere.invalid:443"]


def test_a_name_that_cannot_be_looked_up_is_said_so() -> None:
    url = "https://elsewhere.invalid/"
    seen = look(a_spec(), urls=[url], hosts=["elsewhere.invalid", "localhost"])["seen"]
    assert seen["resolves"] == {"elsewhere.invalid": False, "localhost": True}
    assert seen["downloads"] == {url: "its name cannot be looked up"}
