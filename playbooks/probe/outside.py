"""What the answers name outside the cluster: does it answer? And do names that cannot exist get an answer?"""

import os
import socket
import threading
import time

from probe.network import resolver

_SECONDS = 3.0
_DOMAINS = 3


def look(params):
    """Return what a load balancer and routers say to a connect, and domains in which every name exists."""
    wanted = params["outside"]
    balancer, routers, domains = wanted.get("endpoint"), wanted.get("bgp") or [], []
    if params["hosts"]:
        domains = [one.strip(".") for one in resolver()[1] if one.strip(".")][:_DOMAINS]
    tries = {("endpoint", "") if balancer else None: balancer}
    tries.update({("bgp", address): (address, port) for address, port in routers})
    tries.pop(None, None)
    found = _all({key: lambda place=place: _connect(*place) for key, place in tries.items()})
    exist = _all({name: lambda name=name: _resolves(name) for name in domains})
    return {
        "endpoint_answers": found.get(("endpoint", ""), "no answer in time") if balancer else None,
        "bgp_peers": {address: found.get(("bgp", address), "no answer in time") for address, _ in routers},
        # A resolver that says nothing in time has not said that the name exists.
        "wildcard_domains": [name for name in domains if exist.get(name)],
    }


def _all(jobs):
    """Do all jobs at once; return what those found that ended in time."""
    found = {}

    def work(key):
        found[key] = jobs[key]()

    threads = [threading.Thread(target=work, args=(key,), daemon=True) for key in jobs]
    for thread in threads:
        thread.start()
    end = time.monotonic() + _SECONDS + 0.5
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(found)


def _connect(host, port):
    """Return an empty text where something answers, else in words why not."""
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except ConnectionRefusedError:
        return "refused"
    except socket.timeout:
        return "timeout"
    except OSError as error:
        return (error.strerror or "unreachable").lower()
    return ""


def _resolves(domain):
    name = "slipway-%s.%s." % (os.urandom(6).hex(), domain)
    try:
        return bool(socket.getaddrinfo(name, None))
    except (OSError, UnicodeError):
        return False
