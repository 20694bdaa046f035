"""Ask a Kubernetes API: by the Kubernetes client's kubeconfig, credentials and TLS, and in plain JSON.

The client's typed objects are not used: making them takes a second for a thousand pods and holds the
interpreter meanwhile (facts: libraries.md section 2). Every request has time-outs; at most four run at once.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from wizards.health.kubeconfig import HealthError, open_client
from wizards.health.snapshot import Denied, Failed, Gap, Missing, Object
from wizards.health.transport import in_words
from wizards.sanitize import clean, one_line
from wizards.version import slipway_version

CONNECT: Final = 5.0
"""Seconds to reach the API server."""
READ: Final = 15.0
"""Seconds between two pieces of an answer."""
PARALLEL: Final = 4
"""Requests at once, besides watches: API priority and fairness counts them by user."""
PAGE: Final = 500
_PATIENCE: Final = 5.0
"""Seconds that a Retry-After may ask for and get."""


class Unreachable(HealthError):
    """The API server cannot be reached, or its certificate is not what the kubeconfig says."""


class Unauthorized(HealthError):
    """The API server does not accept the credentials (HTTP 401)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def text(self) -> str:
        """The body as clean text."""
        return clean(self.data.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Listing:
    """A list, all pages of it: the objects kept, and the version to watch from."""

    objects: tuple[Object, ...]
    version: str


Keep = Callable[[Object], Object | None]
"""Trims an object to what is wanted of it; None leaves it out."""


class Api:
    """A connection to one Kubernetes API. Safe to use from several threads."""

    def __init__(self, kubeconfig: Path, context: str | None = None) -> None:
        """Set up the connection; nothing is sent yet.

        Raises:
            BadKubeconfig: The kubeconfig cannot be used.
        """
        self._client = open_client(kubeconfig, context)
        self._kubeconfig = kubeconfig
        self._slots = threading.BoundedSemaphore(PARALLEL)
        self.server: str = self._client.configuration.host
        self.skew = 0.0
        """Seconds by which the server's clock is ahead of this machine's; 0 when it is about the same."""

    def close(self) -> None:
        """Close idle connections."""
        self._client.rest_client.pool_manager.clear()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Send GET `path` and return the answer, whatever its status, except 401.

        Raises:
            Unreachable: There was no answer.
            Unauthorized: The credentials are not accepted.
        """
        with self._slots:
            for last in (False, False, True):
                response = self._send(path, query, preload=True)
                reply = Reply(response.status, response.headers, response.data)
                wait = _retry_after(reply)
                if wait is None or last:
                    break
                time.sleep(wait)
        return reply

    def _send(self, path: str, query: Mapping[str, str] | None, *, preload: bool, read: float = READ) -> Any:
        import urllib3

        headers = {"Accept": "application/json", "User-Agent": f"slipway/{slipway_version()}"}
        if preload:
            headers["Accept-Encoding"] = "gzip"
        queries: list[tuple[str, str]] = list((query or {}).items())
        self._client.update_params_for_auth(headers, queries, ["BearerToken"])
        url = f"{self.server}{path}" + (f"?{urlencode(queries)}" if queries else "")
        before = time.time()
        try:
            response = self._client.rest_client.pool_manager.request(
                "GET",
                url,
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT, read=read),
                preload_content=preload,
                retries=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(*in_words(error, self.server, READ)) from error
        self._learn_clock(response.headers.get("Date"), (before + time.time()) / 2)
        if response.status == 401:
            response.drain_conn()
            raise Unauthorized(
                f"The API server does not accept the credentials in {self._kubeconfig} (401).",
                "They may have expired or belong to another cluster: fetch the kubeconfig anew.",
            )
        return response

    def _learn_clock(self, date: str | None, here: float) -> None:
        with suppress(TypeError, ValueError):
            there = parsedate_to_datetime(date or "").timestamp() + 0.5
            self.skew = there - here if abs(there - here) > 2 else 0.0

    def read(self, path: str, query: Mapping[str, str] | None = None) -> Object | Gap:
        """Return the JSON object at `path`, or why it is not to be had.

        Raises:
            Unreachable: The API server cannot be reached.
            Unauthorized: The credentials are not accepted.
        """
        reply = self.get(path, query)
        return parse(reply.data) if reply.status == 200 else gap(reply)

    def list(
        self, path: str, keep: Keep, query: Mapping[str, str] | None = None, *, pages: int = 400
    ) -> Listing | Gap:
        """Return all objects at `path`, page by page, so that no answer grows large.

        Args:
            path: The collection's path.
            keep: Trims each object as soon as its page is there.
            query: Selectors.
            pages: How many pages of 500 at most; what is behind them is left out.

        Raises:
            Unreachable: The API server cannot be reached.
            Unauthorized: The credentials are not accepted.
        """
        for _ in range(2):
            kept: list[Object] = []
            token = version = ""
            for _ in range(pages):
                more = {"limit": str(PAGE)} | ({"continue": token} if token else {})
                reply = self.get(path, {**(query or {}), **more})
                if reply.status != 200:
                    break
                body = parse(reply.data)
                kept.extend(it for it in map(keep, body.get("items") or ()) if it is not None)
                meta = body.get("metadata") or {}
                token, version = meta.get("continue") or "", meta.get("resourceVersion") or ""
                if not token:
                    break
            if reply.status == 200:
                return Listing(tuple(kept), version)
            if reply.status != 410:
                return gap(reply)
        return gap(reply)

    def watch(self, path: str, query: Mapping[str, str], *, seconds: int, silence: float) -> Stream:
        """Open a watch on `path`.

        Args:
            path: The collection's path.
            query: Selectors and ``resourceVersion``.
            seconds: After how long the server ends it.
            silence: Seconds without a byte after which it counts as dead; bookmarks come about once a minute.

        Raises:
            Unreachable: The API server cannot be reached.
            Unauthorized: The credentials are not accepted.
        """
        more = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        with self._slots:
            return Stream(self._send(path, {**query, **more}, preload=False, read=silence), self.server)


class Stream:
    """An open watch. Iterate it in one thread; `stop` ends it from another."""

    def __init__(self, response: Any, server: str) -> None:
        self._response = response
        self._server = server
        self.status: int = response.status
        """HTTP status; anything but 200 holds no events."""

    def events(self) -> Iterator[Object]:
        """Yield each event, ``{"type": ..., "object": ...}``, as it arrives, until the server ends the watch.

        Raises:
            Unreachable: The connection broke, or nothing came for too long.
        """
        import urllib3

        rest = b""
        try:
            for chunk in self._response.stream(65536, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield parse(line)
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            # The last two are what reading ends in when `stop` closed the connection under it.
            raise Unreachable(*in_words(error, self._server, READ)) from error
        finally:
            self.close()

    def gap(self) -> Gap:
        """Return why there are no events, where the status is not 200."""
        return gap(Reply(self.status, self._response.headers, self._response.read(65536)))

    def stop(self) -> None:
        """End the watch at once; a thread that waits for its next event wakes up."""
        with suppress(ValueError, OSError, AttributeError):
            self._response.shutdown()

    def close(self) -> None:
        """Give the connection up."""
        with suppress(OSError, ValueError):
            self._response.close()


_DIRTY: Final = re.compile(
    rb"\\u(?:00[01][0-9a-fA-F]|007[fF]|00[89][0-9a-fA-F]|20[0126][0-9a-fA-F])"  # escaped controls, directions
    rb"|\\[bfr]|\x7f|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]"  # and plain ones
)


def parse(data: bytes) -> Object:
    """Return `data` as a JSON object whose strings hold no control sequences.

    Cleaning every string of a thousand nodes would take longer than reading them; an answer without a single
    suspicious byte needs none.
    """
    try:
        body = json.loads(data)
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    cleaned: Object = _clean(body) if _DIRTY.search(data) else body
    return cleaned


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): _clean(item) for key, item in value.items()}
    return value


def gap(reply: Reply) -> Gap:
    """Return what an answer other than 200 means for the part that was asked for."""
    message = one_line(str(parse(reply.data).get("message") or reply.text), 200)
    if reply.status == 403:
        return Denied(_permission(message))
    if reply.status == 404:
        return Missing()
    if reply.status == 429:
        return Failed("the API server is busy (429)")
    return Failed(f"the API server answered {reply.status}{f': {message}' if message else ''}")


def _permission(message: str) -> str:
    """Shorten "nodes is forbidden: User "x" cannot list resource "nodes" in API group …" to its point."""
    match = re.search(r'cannot (\w+) (?:resource|path) "([^"]+)"', message)
    return f"no permission to {match[1]} {match[2]}" if match else "no permission"


def _retry_after(reply: Reply) -> float | None:
    if reply.status not in (429, 503):
        return None
    try:
        wait = float(reply.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return wait if 0 <= wait <= _PATIENCE else None
