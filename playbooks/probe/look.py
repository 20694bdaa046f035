"""The look: all parts at once, each with its own time, and whatever is known at the end goes back."""

import os
import threading
import time

from probe import (
    arp,
    components,
    disks,
    downloads,
    hardware,
    identity,
    listener,
    network,
    outside,
    packages,
    system,
)
from probe.tcp_table import listening

PARTS = {
    "hardware": hardware.look,
    "identity": identity.look,
    "system": system.look,
    "systemd": system.look_systemd,
    "packages": packages.look,
    "network": network.look,
    "names and downloads": downloads.look,
    "arp": arp.look,
    "outside": outside.look,
    "disks": disks.look,
    "etcd": disks.look_etcd,
    "components": components.look,
    "storage": components.look_storage,
}


def look(params):
    """Return {"seen": .., "listening": .., "late": .., "missed": [parts], "faults": {part: text}}."""
    ends = time.monotonic() + params["seconds"]
    # Before there are threads, of which a fork would take only one; and before it has ports itself.
    params["taken"] = listening(set(params["ports"]))
    heard = listener.start(params["listen"]) if params["listen"] else None
    seen, faults, lock = {}, {}, threading.Lock()

    def work(name):
        try:
            found = PARTS[name](params)
        except Exception as error:  # a part that fails leaves its fields unknown, and says so
            with lock:
                faults[name] = "%s: %s" % (type(error).__name__, error)
            return
        with lock:
            seen.update(found)
            waiting.discard(name)

    waiting = set(PARTS)
    threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in PARTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    with lock:
        missed = sorted(waiting - set(faults))
        return {
            "seen": dict(seen, uid=os.geteuid()),
            "listening": heard,
            "late": bool(missed),
            "missed": missed,
            "faults": dict(faults),
        }
