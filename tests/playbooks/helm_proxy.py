"""What stands between a real Helm and the practice API: one writes releases as protobuf, one reads JSON.

Only Secrets are translated, for Helm writes nothing else that way; it takes answers in JSON.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

PROTOBUF = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _BYTES = 0, 2


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Give number and value of each field of a message; only the wire types that a Secret has."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            yield number, varint()
        elif wire == _BYTES:
            length = varint()
            yield number, data[at : at + length]
            at += length
        else:
            raise ValueError(f"wire type {wire}")


def _messages(data: bytes) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    for number, value in _fields(data):
        if isinstance(value, bytes):
            found.setdefault(number, []).append(value)
    return found


def _map(entries: list[bytes]) -> dict[str, bytes]:
    pairs = [_messages(entry) for entry in entries]
    return {pair[1][0].decode(): pair.get(2, [b""])[0] for pair in pairs}


def secret_from_protobuf(body: bytes) -> dict[str, Any]:
    """Return the Secret that `body` holds (k8s.io/api/core/v1 generated.proto)."""
    unknown = _messages(body.removeprefix(_MAGIC))
    secret = _messages(unknown[2][0])
    meta = _messages(secret[1][0])
    texts = {"name": 1, "namespace": 3, "uid": 5, "resourceVersion": 6}
    metadata: dict[str, Any] = {
        key: meta[number][0].decode() for key, number in texts.items() if number in meta
    }
    metadata = {key: value for key, value in metadata.items() if value}
    metadata["labels"] = {key: value.decode() for key, value in _map(meta.get(11, [])).items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": secret[3][0].decode(),
        "data": {key: base64.b64encode(value).decode() for key, value in _map(secret.get(2, [])).items()},
    }


@contextmanager
def translating(kubeconfig: str) -> Iterator[str]:
    """Serve a proxy in front of the API of `kubeconfig`; give a kubeconfig that leads to it."""
    data = yaml.safe_load(kubeconfig)
    cluster, user = data["clusters"][0]["cluster"], data["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    trust = ssl.create_default_context(cadata=authority)

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            kind = self.headers.get("Content-Type", "")
            if kind == PROTOBUF:
                # Beside Secrets there are only the options of a deletion, and the defaults do.
                plain = secret_from_protobuf(body) if body and self.command != "DELETE" else {}
                body, kind = json.dumps(plain).encode(), "application/json"
            headers = {
                "Authorization": f"Bearer {user['token']}",
                "Accept": self.headers.get("Accept", "*/*"),
            }
            if kind:
                headers["Content-Type"] = kind
            request = urllib.request.Request(
                cluster["server"] + self.path, data=body, headers=headers, method=self.command
            )
            try:
                with urllib.request.urlopen(request, context=trust, timeout=60) as answer:
                    self._answer(answer.status, answer.headers.get("Content-Type", ""), answer.read())
            except urllib.error.HTTPError as refused:
                self._answer(refused.code, refused.headers.get("Content-Type", ""), refused.read())

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815 - http.server's names

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        data["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{server.server_port}"}
        yield yaml.safe_dump(data)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
