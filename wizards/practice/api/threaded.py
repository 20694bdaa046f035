"""The practice API beside blocking code: in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from wizards.practice.api.server import PracticeApi


@contextmanager
def serving(api: PracticeApi | None = None, *, host: str = "127.0.0.1") -> Iterator[PracticeApi]:
    """Serve a practice API while the block runs.

    Inside the block its `store` belongs to that other thread: use `api.call(lambda: …)` to reach it.

    Args:
        api: The server; a new one unless given.
        host: The address to listen on.

    Raises:
        OSError: It cannot listen.
        UnreadableState: Its state file is damaged.
    """
    api = api or PracticeApi()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="practice-api", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(api.start(host), loop).result()
        try:
            yield api
        finally:
            asyncio.run_coroutine_threadsafe(api.stop(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
