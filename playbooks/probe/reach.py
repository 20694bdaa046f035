"""The second look: from this node to every other, on every port that will be needed between them."""

import threading
import time

from probe.datagrams import Datagrams, say_done
from probe.tries import Try, connect_all

_MANY = 50
"""With more peers than that, those about which there is nothing to say are left out of the answer."""


def reach(params):
    """Return what was found about each peer: {"peers": {..}, "late": whether there was too little time}."""
    ends = time.monotonic() + params["seconds"]
    peers = params["peers"]
    tries = [Try(peer, port) for peer in peers for port in peer["tcp"]]
    datagrams = Datagrams(params, peers)
    outcome = {}

    def connect():
        outcome["all"] = connect_all(tries, ends)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    datagrams.run(ends)
    thread.join(max(0.0, ends + 1 - time.monotonic()))
    say_done(params, peers)
    found = _by_peer(peers, tries, datagrams)
    if len(peers) > _MANY:
        found = {name: one for name, one in found.items() if _is_news(one)}
    return {"peers": found, "late": not outcome.get("all", False)}


def _by_peer(peers, tries, datagrams):
    by_name = {}
    for one in tries:
        by_name.setdefault(one.peer["name"], []).append(one)
    measured = datagrams.results()
    return {
        peer["name"]: _peer(peer, by_name.get(peer["name"], []), measured[peer["name"]], datagrams.link_mtu)
        for peer in peers
    }


def _peer(peer, tries, measured, link_mtu):
    listens = next((found for found in map(Try.listens, tries) if found is not None), None)
    times = sorted(measured["times"])
    connects = [one.took for one in tries if one.took is not None]
    rtt = times[len(times) // 2] if times else min(connects) if connects else None
    return {
        "tcp_failed": {
            str(one.port): one.result
            for one in tries
            # A port that the peer could not listen on refuses, and says nothing about the way.
            if one.result and not (one.result == "refused" and listens and one.port not in listens["tcp"])
        },
        "udp_failed": {
            str(port): "no answer"
            for port in sorted(measured["tried"] - measured["ports"])
            if listens is None or port in listens["udp"]
        },
        "rtt_ms": round(rtt * 1000, 2) if rtt is not None else None,
        "loss": round(1 - len(times) / measured["echoes"], 2) if times and measured["echoes"] else None,
        "mtu": measured["mtu"],
        "link_mtu": link_mtu,
        "etcd": peer["etcd"],
    }


def _is_news(one):
    smaller = one["mtu"] is not None and one["link_mtu"] is not None and one["mtu"] < one["link_mtu"]
    return bool(one["tcp_failed"] or one["udp_failed"] or one["loss"] or one["etcd"] or smaller)
