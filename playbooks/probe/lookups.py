"""Names: can this machine look them up? Bounded, whatever the resolver's own patience."""

import os
import select
import socket
import struct
import threading
import time

from probe.network import resolver

_SECONDS = 8.0
_SERVER_SECONDS = 2.0
_ASKED_AT = (0.0, 0.6, 1.2)


def look(params):
    """Return which of the wanted names can be looked up, who answers at all, and what the own name means."""
    own = os.uname().nodename
    found = dict.fromkeys([own, *params["hosts"]])
    threads = [threading.Thread(target=_look_up, args=(name, found), daemon=True) for name in found]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    servers = _answering(resolver()[0]) if params["hosts"] else {}
    # Where no server says anything, what is not known by now, from /etc/hosts perhaps, will never be.
    patience = _SECONDS if any(servers.values()) or not servers else _SERVER_SECONDS + 0.5
    for thread in threads:
        thread.join(max(0.0, started + patience - time.monotonic()))
    return {
        "hostname_resolves": sorted(found[own] or ()),
        "resolves": {name: bool(found[name]) for name in params["hosts"]},
        "name_servers_answer": servers,
    }


def _look_up(name, found):
    try:
        found[name] = {one[4][0] for one in socket.getaddrinfo(name, 443, 0, socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        found[name] = set()


def _answering(servers):
    """Return for each name server whether it answers a question for the root, with whatever."""
    sockets, answered = {}, dict.fromkeys(servers, False)
    for server in answered:
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        try:
            opened = socket.socket(family, socket.SOCK_DGRAM)
            opened.connect((server, 53))
            sockets[opened] = server
        except OSError:
            continue
    started = time.monotonic()
    for due in (*_ASKED_AT[1:], _SERVER_SECONDS):
        for opened in sockets:
            _ask(opened)
        while not all(answered.values()):
            left = started + due - time.monotonic()
            ready = select.select(
                [one for one in sockets if not answered[sockets[one]]], [], [], max(left, 0)
            )[0]
            if not ready:
                break
            for opened in ready:
                answered[sockets[opened]] = _has_answer(opened) or answered[sockets[opened]]
        if all(answered.values()):
            break
    for opened in sockets:
        opened.close()
    return answered


def _ask(opened):
    question = struct.pack("!HHHHHH", 0x5157, 0x0100, 1, 0, 0, 0) + b"\0" + struct.pack("!HH", 2, 1)
    try:
        opened.send(question)
    except OSError:
        return


def _has_answer(opened):
    try:
        return opened.recv(4096)[:2] == struct.pack("!H", 0x5157)
    except OSError:
        return False
