"""What network, storage and mesh need of a node: kernel modules, volume groups, pools, tools."""

import os
import re

from probe.base import lines, mounts, read, rows, run


def look(params):
    """Return the fields about components, apart from those that ask the storage tools."""
    loaded = {line.split()[0] for line in lines("/proc/modules") if line.strip()}
    wanted = {name: name.replace("-", "_") for name in params["modules"]}
    here = {name for name, plain in wanted.items() if plain in loaded or _in_kernel(plain)}
    return {
        "modules_missing": _missing([name for name in wanted if name not in here]),
        "modules_loaded": sorted(here),
        "nvme_multipath": read("/sys/module/nvme_core/parameters/multipath"),
        "bpf_mounted": any(mount[1] == "/sys/fs/bpf" and mount[2] == "bpf" for mount in mounts()),
        "nft_version": _nft(),
    }


def look_storage(_):
    """Return the fields that ask the storage tools; none of them takes a lock or writes."""
    # LVM keeps its locks as files; --readonly takes none.
    command = ("vgs", "--readonly", "--noheadings", "--nosuffix", "--units", "g", "-o", "vg_name,vg_free")
    groups = rows(*command) if os.geteuid() == 0 else None
    pools = rows("zpool", "list", "-H", "-o", "name,health")
    return {
        "volume_groups": [row[0] for row in groups] if groups is not None else None,
        "volume_groups_free": {row[0]: _gib(row[-1]) for row in groups or ()},
        "zfs_pools": [row[0] for row in pools] if pools is not None else None,
        "zpool_health": {row[0]: row[-1] for row in pools or ()},
        "zfs_version": read("/sys/module/zfs/version") or "",
    }


def _in_kernel(plain):
    return os.path.isdir("/sys/module/" + plain)


def _missing(names):
    """Return the modules that are neither built in nor to be had; only those not found are asked for."""
    if not names:
        return []
    folder = "/lib/modules/" + os.uname().release
    known = set()
    for line in lines(folder + "/modules.builtin"):
        known.add(_plain(line))
    text = read(folder + "/modules.dep", 1 << 24) or ""
    for line in text.splitlines():
        known.add(_plain(line.partition(":")[0]))
    missing = [name for name in names if name.replace("-", "_") not in known]
    return [name for name in missing if run("modprobe", "-n", "-q", name)[0] != 0]


def _plain(path):
    return os.path.basename(path.strip()).partition(".ko")[0].replace("-", "_")


def _gib(text):
    try:
        return round(float(text.lstrip("<")), 1)
    except ValueError:
        return None


def _nft():
    code, text, _ = run("nft", "--version")
    found = re.search(r"v?(\d+(?:\.\d+)+)", text) if code == 0 else None
    return found.group(1) if found else ""
