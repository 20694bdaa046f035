"""Does another machine answer for an address? Asked as arping -D does, by ARP with no sender's address."""

import fcntl
import os
import select
import socket
import struct
import time
from ipaddress import ip_address, ip_interface

from probe.network import links

_ARP = 0x0806
_ROUNDS = (0.0, 0.25, 0.5)
_SECONDS = 0.8


def look(params):
    """Return who answers for the wanted addresses and, beside this machine, for its own. As root only."""
    if os.geteuid() != 0 or not params["network"]:
        return {}
    usable = [link for link in links() or () if link["mac"] and link["up"] and _is_plain(link)]
    answers, conflicts = {}, {}
    for link in usable:
        networks = [ip_interface(one) for one in link["addresses"] if ":" not in one]
        own = [str(one.ip) for one in networks]
        wanted = [
            one
            for one in params["arp"]
            if one not in own and any(ip_address(one) in network.network for network in networks)
        ]
        if not own:
            continue
        found = _ask(link, wanted + own)
        if found is None:
            continue
        answers.update({one: found.get(one, answers.get(one, "")) for one in wanted})
        conflicts.update({one: found[one] for one in own if one in found})
    return {"arp": answers, "address_conflict": conflicts}


def _is_plain(link):
    """Leave out what a container runtime or an earlier cluster made: bridges of its own, tunnels."""
    return link["kind"] in ("", "veth", "bond", "vlan", "bridge", "team", "macvlan", "ipvlan")


def _ask(link, addresses):
    """Return the hardware address that answered for each address; None where nothing can be sent."""
    try:
        connection = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP))
    except (OSError, AttributeError):
        return None
    try:
        connection.bind((link["name"], _ARP))
        own = _mac(connection, link["name"])
        return _listen(connection, own, {socket.inet_aton(one): one for one in addresses})
    except OSError:
        return None
    finally:
        connection.close()


def _mac(connection, name):
    answer = fcntl.ioctl(connection, 0x8927, struct.pack("256s", name.encode()[:15]))  # SIOCGIFHWADDR
    return answer[18:24]


def _listen(connection, own, wanted):
    """Ask in rounds and note who answers, for as long as it takes."""
    found = {}
    started, asked = time.monotonic(), 0
    while len(found) < len(wanted):
        passed = time.monotonic() - started
        if passed > _SECONDS:
            break
        if asked < len(_ROUNDS) and passed >= _ROUNDS[asked]:
            asked += 1
            for address in wanted:
                if wanted[address] not in found:
                    connection.send(_question(own, address))
        due = _ROUNDS[asked] if asked < len(_ROUNDS) else _SECONDS
        if select.select([connection], [], [], max(0.0, started + due - time.monotonic()))[0]:
            _note(connection.recv(2048), own, wanted, found)
    return found


def _question(own, address):
    head = b"\xff" * 6 + own + struct.pack("!H", _ARP)
    return head + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + own + b"\0" * 4 + b"\0" * 6 + address


def _note(packet, own, wanted, found):
    """Take an answer, or somebody else's question of the same kind, for what it says about the sender."""
    if len(packet) < 42 or packet[12:14] != struct.pack("!H", _ARP):
        return
    sender, address = packet[22:28], packet[28:32]
    if sender != own and address in wanted:
        found.setdefault(wanted[address], ":".join("%02x" % byte for byte in sender))
