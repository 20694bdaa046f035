"""Faults that can be ordered: to practise recovery, and to test clients against a server that fails."""

from __future__ import annotations

import asyncio

from wizards.practice.api.errors import ApiError, internal, too_many_requests


class Faults:
    """What goes wrong in the practice API, until told otherwise.

    Attributes:
        latency: Seconds that every answer is held back.
    """

    def __init__(self) -> None:
        self.latency = 0.0
        self._throttled = 0
        self._retry_after = 1
        self._failing = 0
        self._code = 500
        self._forbidden: set[tuple[str, str]] = set()
        self._checks: set[str] = set()
        self._drop = asyncio.Event()

    def throttle_next(self, requests: int, *, retry_after: int = 1) -> None:
        """Answer that many requests with 429 and a Retry-After of so many seconds."""
        self._throttled, self._retry_after = requests, retry_after

    def fail_next(self, requests: int, *, code: int = 500) -> None:
        """Answer that many requests with an internal error (or another code)."""
        self._failing, self._code = requests, code

    def forbid(self, prefix: str, *, method: str = "") -> None:
        """Refuse all paths that begin so with 403, for one HTTP method or for all."""
        self._forbidden.add((prefix, method))

    def allow(self, prefix: str) -> None:
        """Take back `forbid`."""
        self._forbidden = {item for item in self._forbidden if item[0] != prefix}

    def fail_check(self, name: str) -> None:
        """Let a health check such as `etcd` fail."""
        self._checks.add(name)

    def heal_check(self, name: str) -> None:
        """Take back `fail_check`."""
        self._checks.discard(name)

    def fails(self, check: str) -> bool:
        """Whether that health check is to fail."""
        return check in self._checks

    def drop_watches(self) -> None:
        """Cut all watch connections that are open now, without a word."""
        self._drop.set()
        self._drop = asyncio.Event()

    @property
    def dropped(self) -> asyncio.Event:
        """Set when the watches that are open now are to be cut."""
        return self._drop

    def clear(self) -> None:
        """No faults any more."""
        self.latency = 0.0
        self._throttled = self._failing = 0
        self._forbidden.clear()
        self._checks.clear()

    def refuses(self, method: str, path: str) -> bool:
        """Whether a request is forbidden."""
        return any(path.startswith(prefix) and wanted in {"", method} for prefix, wanted in self._forbidden)

    async def on_request(self, method: str, path: str) -> None:
        """Let a request suffer.

        Raises:
            ApiError: 403, 429 or 500, as ordered.
        """
        if self.latency > 0:
            await asyncio.sleep(self.latency)
        if self._throttled > 0:
            self._throttled -= 1
            raise too_many_requests(self._retry_after)
        if self._failing > 0:
            self._failing -= 1
            if self._code == 500:
                raise internal("practice fault")
            raise ApiError(self._code, "ServiceUnavailable", "practice fault")
        if self.refuses(method, path):
            raise ApiError(403, "Forbidden", f'User "practice-admin" cannot {method.lower()} path "{path}"')
