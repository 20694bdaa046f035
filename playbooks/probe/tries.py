"""Many TCP connections at once: does each peer answer on each port, and is it the right one?"""

import errno
import selectors
import socket
import time

from probe.listener import HELLO

_SECONDS = 2.0
_AT_ONCE = 256
_WORDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EPERM: "not permitted",
    errno.EACCES: "not permitted",
}


class Try:
    """One connection to one port of one peer."""

    def __init__(self, peer, port):
        self.peer = peer
        self.port = port
        self.socket = None
        self.started = self.due = 0.0
        self.took = None
        self.hello = b""
        self.result = "timeout"

    def begin(self):
        """Begin to connect; return False where it failed at once."""
        address = self.peer["address"]
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.started = time.monotonic()
        self.due = self.started + _SECONDS
        code = self.socket.connect_ex((address, self.port))
        if code in (0, errno.EINPROGRESS):
            return True
        self._end(code)
        return False

    def connected(self):
        """Take the end of connecting; return whether to go on and listen."""
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._end(code)
            return False
        self.took = time.monotonic() - self.started
        # Reached. Who says nothing is something else that listens there, a cluster perhaps.
        self.result = ""
        self.due = time.monotonic() + _SECONDS
        return True

    def heard(self):
        """Take what the other side says; return whether there may be more."""
        try:
            data = self.socket.recv(4096)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.hello += data
        if data and b"\n" not in self.hello and len(self.hello) < 4096 and self.hello.startswith(HELLO[:4]):
            return True
        words = self.hello.split()
        if len(words) > 1 and words[0] == HELLO and words[1].decode("ascii", "replace") != self.peer["name"]:
            self.result = "wrong host"
        return False

    def _end(self, code):
        self.result = _WORDS.get(code) or (errno.errorcode.get(code, "failed")).lower()

    def listens(self):
        """Return what the peer says it listens on: {"tcp": {..}, "udp": {..}}; None where it said nothing."""
        words = self.hello.split()
        if len(words) < 4 or words[0] != HELLO or self.result:
            return None
        found = {}
        for word in words[2:4]:
            kind, _, ports = word.decode("ascii", "replace").partition("=")
            found[kind] = {int(port) for port in ports.split(",") if port.isdigit()}
        return found


def connect_all(tries, ends):
    """Carry all tries out, so many at once, until `ends`; return whether there was time for all."""
    selector = selectors.DefaultSelector()
    waiting, running = list(reversed(tries)), set()
    while (waiting or running) and time.monotonic() < ends:
        while waiting and len(running) < _AT_ONCE:
            one = waiting.pop()
            try:
                begun = one.begin()
            except OSError as error:
                one.result, begun = (error.strerror or "failed").lower(), False
            if begun:
                running.add(one)
                selector.register(one.socket, selectors.EVENT_WRITE, one)
            elif one.socket is not None:
                one.socket.close()
        for key, mask in selector.select(0.2):
            _advance(selector, key.data, mask, running)
        now = time.monotonic()
        for one in [one for one in running if now > one.due]:
            _finish(selector, one, running)
    for one in waiting:
        one.result = ""  # not tried: not known
    for one in list(running):
        _finish(selector, one, running)
    return not waiting


def _advance(selector, one, mask, running):
    if mask & selectors.EVENT_WRITE:
        if one.connected():
            selector.modify(one.socket, selectors.EVENT_READ, one)
        else:
            _finish(selector, one, running)
    elif not one.heard():
        _finish(selector, one, running)


def _finish(selector, one, running):
    selector.unregister(one.socket)
    one.socket.close()
    running.discard(one)
