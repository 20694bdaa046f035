"""Stands in for what Kubernetes will listen on, so that the other nodes can try to reach it.

A process of its own, which ends when every peer is done with it, when nobody has come for a while after this
node's own tries, and in any case after its time. It listens on the node's internal address only, and leaves
alone every port that somebody has already. It says who it is to whoever connects, and nothing else.
"""

import os
import selectors
import signal
import socket
import time

NAME = "slipway-listen"
"""What the process is called; a later look takes it for nobody."""
HELLO = b"slipway"
_IDLE_SECONDS = 30.0
_END_SECONDS = 2.0
_CONNECTION_SECONDS = 4.0
_CONNECTIONS = 400
_DATAGRAM = 65535


def start(want):
    """Listen as `want` says, and return the ports that could be had: {"tcp": [..], "udp": [..]}."""
    family = socket.AF_INET6 if ":" in want["address"] else socket.AF_INET
    control = _take_over(want["address"])
    tcp = _open(family, socket.SOCK_STREAM, want["address"], want["tcp"])
    udp = _open(family, socket.SOCK_DGRAM, want["address"], want["udp"])
    ports = {"tcp": sorted(tcp), "udp": sorted(udp)}
    sockets = [*tcp.values(), *udp.values(), *([control] if control else [])]
    if (tcp or udp) and os.fork() == 0:
        _detach(sockets)
        try:
            _Listener(want, tcp, udp, control).serve()
        finally:
            os._exit(0)
    for one in sockets:
        one.close()
    return ports


def _take_over(address):
    """Return a socket by which the next look ends this listener, once that of a look before has ended.

    Its name is this machine's alone and no firewall's matter. The other one would else go in the midst of
    this look. None where it does not go.
    """
    name = "\0%s %s" % (NAME, address)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    control.setblocking(False)
    due = time.monotonic() + _END_SECONDS
    while time.monotonic() < due:
        try:
            control.bind(name)
            return control
        except OSError:
            _ask_to_end(name)
            time.sleep(0.02)
    control.close()
    return None


def _ask_to_end(name):
    asking = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        asking.setblocking(False)
        asking.sendto(b"end", name)
    except OSError:
        return  # it has just gone
    finally:
        asking.close()


def _open(family, kind, address, ports):
    found = {}
    for port in ports:
        opened = socket.socket(family, kind)
        try:
            if kind == socket.SOCK_STREAM:
                # Else the connections of a look just before would keep the port for a minute.
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((address, port))
            if kind == socket.SOCK_STREAM:
                opened.listen(128)
            opened.setblocking(False)
        except OSError:
            opened.close()
            continue
        found[port] = opened
    return found


def _detach(sockets):
    """Leave the login behind: its terminal, its files, its parent."""
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    kept = {one.fileno() for one in sockets}
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                continue  # the descriptor of the listing itself
    try:
        with open("/proc/self/comm", "w") as file:
            file.write(NAME)
    except OSError:
        return


class _Listener:
    """What one listening process knows."""

    def __init__(self, want, tcp, udp, control):
        self.token = want["token"].encode()
        self.own = want["name"].encode()
        ports = [",".join(map(str, sorted(one))) for one in (tcp, udp)]
        self.hello = b" ".join((HELLO, self.own, ("tcp=%s udp=%s" % tuple(ports)).encode())) + b"\n"
        self.waiting = {name.encode() for name in want["expected"]}
        self.ends = time.monotonic() + want["seconds"]
        self.idle_ends = None
        self.selector = selectors.DefaultSelector()
        self.open = {}
        if control is not None:
            self.selector.register(control, selectors.EVENT_READ, self._end)
        for one in tcp.values():
            self.selector.register(one, selectors.EVENT_READ, self._accept)
        for one in udp.values():
            self.selector.register(one, selectors.EVENT_READ, self._answer)

    def serve(self):
        """Answer until it is over."""
        while not self._is_over():
            for key, _ in self.selector.select(1.0):
                key.data(key.fileobj)
            self._close_old()

    def _is_over(self):
        now = time.monotonic()
        return not self.waiting or now > self.ends or (self.idle_ends is not None and now > self.idle_ends)

    def _end(self, _):
        """The next look has begun here."""
        self.ends = 0.0

    def _came(self):
        if self.idle_ends is not None:
            self.idle_ends = time.monotonic() + _IDLE_SECONDS

    def _accept(self, listening):
        try:
            connection = listening.accept()[0]
        except OSError:
            return
        self._came()
        try:
            connection.setblocking(False)
            connection.send(self.hello)
        except OSError:
            connection.close()
            return
        self.open[connection] = time.monotonic() + _CONNECTION_SECONDS
        self.selector.register(connection, selectors.EVENT_READ, self._hear)

    def _hear(self, connection):
        """Wait for the other side to close first, so that no used-up connection stays on this one's port."""
        try:
            if connection.recv(64):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._close(connection)

    def _close(self, connection):
        self.open.pop(connection, None)
        self.selector.unregister(connection)
        connection.close()

    def _close_old(self):
        now = time.monotonic()
        for connection, due in list(self.open.items()):
            if now > due or len(self.open) > _CONNECTIONS:
                self._close(connection)

    def _answer(self, opened):
        """Answer a datagram with who this is, its number and its length; never with more than came."""
        for _ in range(256):
            try:
                data, sender = opened.recvfrom(_DATAGRAM)
            except OSError:
                return
            words = data[:200].split(b" ", 3)
            if len(words) < 4 or words[0] != HELLO:
                continue
            if words[1] == b"done":
                self._done(words)
                continue
            self._came()
            answer = b" ".join((HELLO, self.own, words[2], str(len(data)).encode()))
            if len(answer) <= len(data):
                try:
                    opened.sendto(answer, sender)
                except OSError:
                    continue

    def _done(self, words):
        """A peer, or this node itself, has finished its tries."""
        name = words[3].strip()
        if words[2] != self.token:
            return
        if name == self.own:
            self.idle_ends = time.monotonic() + _IDLE_SECONDS
        self.waiting.discard(name)
