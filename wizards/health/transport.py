"""Say in words why a server did not answer."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Final

_REASONS: Final = {
    errno.ECONNREFUSED: ("connection refused", "Is the API server running, and is this its address?"),
    errno.EHOSTUNREACH: ("no route to host", "Is the server up, and is this machine on its network?"),
    errno.ENETUNREACH: ("network unreachable", "Is this machine on the server's network?"),
    errno.ECONNRESET: ("connection reset", "Is something else listening there, or is it restarting?"),
    errno.EPIPE: ("connection closed", "Is it restarting?"),
}


def in_words(error: BaseException, server: str, patience: float) -> tuple[str, str]:
    """Return what went wrong, and what to look at, each as one sentence."""
    cause, remedy = _cause(error, patience)
    return f"The API server at {server} does not answer: {cause}.", remedy


def _cause(error: BaseException, patience: float) -> tuple[str, str]:
    # The innermost tells most: urllib3 files a refused connection under time-outs.
    for item in reversed(list(_chain(error))):
        if found := _os_cause(item):
            return found
    return next(filter(None, (_http_cause(item, patience) for item in _chain(error))), ("it broke off", ""))


def _os_cause(item: BaseException) -> tuple[str, str] | None:
    if isinstance(item, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted: {_plain(item.verify_message)}",
            "The kubeconfig may belong to another cluster, or a certificate has expired.",
        )
    if isinstance(item, ssl.SSLError):
        return f"TLS failed: {_plain(item.reason or 'no common ground')}", "Is this port the API's?"
    if isinstance(item, socket.gaierror):
        return "its name is not known", "Check the name in the kubeconfig, and this machine's DNS."
    return _REASONS.get(item.errno or 0) if isinstance(item, OSError) else None


def _http_cause(item: BaseException, patience: float) -> tuple[str, str] | None:
    from urllib3 import exceptions

    if isinstance(item, exceptions.NameResolutionError):
        return "its name is not known", "Check the name in the kubeconfig, and this machine's DNS."
    if isinstance(item, exceptions.ConnectTimeoutError):
        return "no answer to the connection", "Is a firewall between this machine and the server?"
    if isinstance(item, exceptions.ReadTimeoutError | TimeoutError):
        return f"nothing came for {patience:.0f} s", "It may be overloaded."
    if isinstance(item, exceptions.LocationValueError):
        return "its address is not a URL", "Check the server's address in the kubeconfig."
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield `error` and what it stands for, the innermost last."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        item = todo.pop(0)
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            yield item
            todo += [getattr(item, "reason", None), item.__cause__, item.__context__, *item.args]


def _plain(text: str) -> str:
    return text.replace("_", " ").lower()
