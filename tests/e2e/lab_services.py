"""What a room without internet has for its nodes: a registry and a web server, on the fabric's own address.

They answer every request with an empty success: enough for a look that asks whether they are there.
Run inside the fabric's namespace: ``python lab_services.py ADDRESS PORT...``.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILES, REGISTRY = 8080, 5000


class Answer(BaseHTTPRequestHandler):
    """Says yes to everything, and nothing to the log."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Length", "2")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"{}")

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    """Serve on each port until killed."""
    address, *ports = sys.argv[1:]
    servers = [ThreadingHTTPServer((address, int(port)), Answer) for port in ports]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    main()
