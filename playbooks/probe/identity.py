"""Who this machine is: names and numbers that no two nodes may share."""

import base64
import hashlib
import os
import re

from probe.base import read, settings


def look(_):
    """Return the fields about identity."""
    release = settings("/usr/lib/os-release")
    release.update(settings("/etc/os-release"))
    return {
        "os_id": release.get("ID"),
        "os_version": release.get("VERSION_ID"),
        "os_name": release.get("PRETTY_NAME"),
        "node_name": os.uname().nodename,
        "machine_id": read("/etc/machine-id"),
        "product_uuid": read("/sys/class/dmi/id/product_uuid"),
        "ssh_host_key": _host_key(),
        "iscsi_initiator": _initiator(),
        "iscsi_name": bool(read("/etc/iscsi/initiatorname.iscsi")),
    }


def _host_key():
    """Return the fingerprint of the server's own key; clones of one image share it."""
    for kind in ("ed25519", "ecdsa", "rsa"):
        fields = (read("/etc/ssh/ssh_host_%s_key.pub" % kind) or "").split()
        if len(fields) > 1:
            try:
                digest = hashlib.sha256(base64.b64decode(fields[1])).digest()
            except ValueError:
                continue
            return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
    return ""


def _initiator():
    found = re.search(r"^\s*InitiatorName=(\S+)", read("/etc/iscsi/initiatorname.iscsi") or "", re.MULTILINE)
    return found.group(1) if found else ""
