"""Datagrams to the peers: do tunnels' ports answer, how fast, how many are lost, how large may they be?"""

import select
import socket
import time

from probe.base import number
from probe.listener import HELLO
from probe.network import links

_LADDER = (1500, 1450, 1400, 1280)
_HEADERS = {socket.AF_INET: 28, socket.AF_INET6: 48}  # of IP and UDP, in bytes
_SPACING = 0.05  # seconds between two echoes to one peer
_WAIT = 1.5  # seconds for the last answer
_STAGGER = 0.002  # seconds between two peers, so that nobody's buffer runs over
_BUFFER = 4 << 20


class Datagrams:
    """All datagrams of one node, sent by a timetable and answered in any order."""

    def __init__(self, own, peers):
        self.family = socket.AF_INET6 if ":" in own["address"] else socket.AF_INET
        self.link_mtu = _link_mtu(own["address"])
        self.peers = peers
        self.plan = []  # (when, kind, peer, port, size)
        self.sent = {}  # number -> (kind, peer name, port or size, when)
        self.answers = {}  # number -> seconds
        for place, peer in enumerate(peers):
            self._schedule(peer, place * _STAGGER)
        self.plan.sort(key=lambda one: one[0])

    def _schedule(self, peer, start):
        port = measured_port(peer)
        for turn in range(10 if peer["etcd"] else 3):
            self.plan.append((start + turn * _SPACING, "echo", peer, port, 0))
        for turn in range(3):
            for one in peer["udp"]:
                self.plan.append((start + turn * 0.4, "port", peer, one, 0))
        for turn in range(2):
            for size in self._sizes():
                self.plan.append((start + 0.1 + turn * 0.3, "size", peer, port, size))

    def _sizes(self):
        largest = self.link_mtu or _LADDER[0]
        return sorted({largest, *(size for size in _LADDER if size < largest)})

    def run(self, ends):
        """Send and listen until all is answered or `ends`."""
        opened = socket.socket(self.family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            _forbid_pieces(opened, self.family)
            self._exchange(opened, ends)
        finally:
            opened.close()

    def _exchange(self, opened, ends):
        started, place = time.monotonic(), 0
        last = started + (self.plan[-1][0] if self.plan else 0.0) + _WAIT
        while time.monotonic() < min(last, ends):
            now = time.monotonic() - started
            while place < len(self.plan) and self.plan[place][0] <= now:
                self._send(opened, place)
                place += 1
            if place == len(self.plan) and len(self.answers) >= len(self.sent):
                return
            due = self.plan[place][0] - now if place < len(self.plan) else 0.1
            if select.select([opened], [], [], min(max(due, 0.0), 0.1))[0]:
                self._receive(opened)

    def _send(self, opened, place):
        _, kind, peer, port, size = self.plan[place]
        head = b" ".join((HELLO, b"who", str(place).encode(), b""))
        data = head.ljust(max(200, size - _HEADERS[self.family]) if size else 200, b".")
        self.sent[place] = (kind, peer["name"], size or port, time.monotonic())
        for _ in range(2):
            try:
                opened.sendto(data, (peer["address"], port))
            except BlockingIOError:
                select.select([], [opened], [], 0.05)
                continue
            except OSError:
                pass  # larger than the link, or no way there: there will be no answer
            return

    def _receive(self, opened):
        for _ in range(256):
            try:
                data = opened.recvfrom(512)[0]
            except OSError:
                return
            words = data.split()
            if len(words) > 3 and words[0] == HELLO and words[2].isdigit() and int(words[2]) in self.sent:
                place = int(words[2])
                if words[1].decode("ascii", "replace") == self.sent[place][1]:
                    self.answers.setdefault(place, time.monotonic() - self.sent[place][3])

    def results(self):
        """Return by peer: failed ports, round trip in ms, loss, and the largest packet that got through."""
        found = {
            peer["name"]: {"ports": set(), "tried": set(), "times": [], "echoes": 0, "mtu": None}
            for peer in self.peers
        }
        for place, (kind, name, what, _) in self.sent.items():
            one, took = found[name], self.answers.get(place)
            if kind == "echo":
                one["echoes"] += 1
                one["times"] += [took] if took is not None else []
            elif kind == "port":
                one["tried"].add(what)
                one["ports"] |= {what} if took is not None else set()
            elif took is not None:
                one["mtu"] = max(one["mtu"] or 0, what)
        return found


def measured_port(peer):
    """Return the port for measuring: one that is needed, so that a firewall does not make it up."""
    return peer["udp"][0] if peer["udp"] else peer["measure"]


def say_done(own, peers):
    """Tell this node's listener and those of the peers that this node has finished."""
    everybody = [*peers, dict(own, udp=own["udp"], measure=own["measure"])]
    for peer in everybody:
        opened = socket.socket(
            socket.AF_INET6 if ":" in peer["address"] else socket.AF_INET, socket.SOCK_DGRAM
        )
        try:
            data = b" ".join((HELLO, b"done", own["token"].encode(), own["name"].encode()))
            for port in sorted({*peer["udp"], peer["measure"]}):
                opened.sendto(data, (peer["address"], port))
        except OSError:
            continue
        finally:
            opened.close()


def _forbid_pieces(opened, family):
    """Send whole packets or none, whatever the kernel believes the way can carry (IP_PMTUDISC_PROBE)."""
    if family == socket.AF_INET:
        opened.setsockopt(socket.IPPROTO_IP, 10, 3)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, 23, 3)


def _link_mtu(address):
    """Return the MTU of the link that has `address`."""
    for link in links() or ():
        if address in [one.partition("/")[0] for one in link["addresses"]]:
            return link["mtu"] or number("/sys/class/net/%s/mtu" % link["name"])
    return None
