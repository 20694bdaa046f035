"""Disks and file systems: what is free, what is on them, and how fast etcd's may be written."""

import os
import time

from probe.base import mount_of, mounts, names, nearest, read, rows, run_json

_GIB = 1024.0**3
_BLOCK = 8192  # bytes of one write, about one of etcd's
_WRITES = 60
_FSYNC_SECONDS = 3.0


def look(params):
    """Return the fields about disks and file systems."""
    table = mounts()
    devices = (run_json("lsblk", "-J", "-b", "-o", _COLUMNS) or {}).get("blockdevices")
    flat = _flat(devices or [])
    fine = devices is not None
    return {
        "free_mib": {path: _free_mib(path) for path in params["paths"]},
        "total_mib": {path: _total_mib(path) for path in params["paths"]},
        "free_inodes_percent": {path: _free_inodes(path) for path in params["paths"]},
        "fs": {path: _file_system(path, table) for path in params["paths"]},
        "block": [_block(one) for one in flat if one.get("type") not in ("loop", "rom")] if fine else None,
        "disks": {path: _disk(path, flat if fine else None) for path in params["disks"]},
    }


def look_etcd(params):
    """Return how long a write of etcd's takes to be safe: the 99th percentile in ms. As root only."""
    folder = nearest(params["etcd"]) if params["etcd"] else ""
    if not folder or os.geteuid() != 0:
        return {}
    return {"etcd_fsync_ms": _fsync(folder), "etcd_rotational": _rotational(folder)}


_COLUMNS = "NAME,KNAME,TYPE,SIZE,FSTYPE,MOUNTPOINT,SERIAL,ROTA,RO,PARTTYPE"


def _flat(devices, parent=None):
    found = []
    for device in devices:
        if not any(one["kname"] == device.get("kname") for one in found) and device.get("kname"):
            found.append(dict(device, parent=parent))
            found += _flat(device.get("children") or [], device["kname"])
    return found


def _true(value):
    return value in (True, 1, "1")


def _size(value):
    try:
        return round(int(value) / _GIB, 1)
    except (TypeError, ValueError):
        return None


def _stable_names():
    """Return the lasting name of each device: the by-id link that names what it is rather than its number."""
    folder, found = "/dev/disk/by-id", {}
    for name in names(folder):
        device = os.path.basename(os.path.realpath(os.path.join(folder, name)))
        dull = name.startswith(("wwn-", "nvme-eui.", "nvme-nvme.", "dm-uuid-", "lvm-pv-uuid-"))
        if device not in found or not dull:
            found[device] = os.path.join(folder, name)
    return found


def _block(device):
    kname = device["kname"]
    below = device.get("children") or []
    points = [one.get("mountpoint") for one in (device, *_flat(below)) if one.get("mountpoint")]
    return {
        "path": _stable_names().get(kname) or "/dev/" + kname,
        "name": "/dev/" + kname,
        "size_gib": _size(device.get("size")),
        "fstype": device.get("fstype") or "",
        "mounts": sorted(set(points)),
        "holders": len(names("/sys/class/block/%s/holders" % kname)) + len(below),
        "ro": _true(device.get("ro")),
        "rotational": _true(device.get("rota")),
        "serial": device.get("serial") or "",
        "kind": device.get("type") or "",
        "parent": device.get("parent") or "",
    }


def _disk(path, flat):
    """Return whether a block device is there, and what is on it."""
    if not os.path.exists(path):
        return {"there": False, "holds": None, "size_gib": None, "serial": ""}
    kname = os.path.basename(os.path.realpath(path))
    for device in flat or ():
        if device["kname"] == kname:
            return {
                "there": True,
                "holds": _holds(device),
                "size_gib": _size(device.get("size")),
                "serial": device.get("serial") or "",
                "ro": _true(device.get("ro")),
            }
    return {"there": True, "holds": None, "size_gib": None, "serial": ""}


def _holds(device):
    holds, parts = [], device.get("children") or []
    if parts:
        holds.append("%d partitions or volumes" % len(parts))
    for one in (device, *parts):
        holds += [one[key] for key in ("fstype", "mountpoint") if one.get(key)]
    return ", ".join(holds)


def _total_mib(path):
    """Return the size in MiB of the file system where `path` is, or would be."""
    try:
        found = os.statvfs(nearest(path))
    except OSError:
        return None
    return found.f_blocks * found.f_frsize // (1024 * 1024)


def _free_mib(path):
    """Return the free space in MiB where `path` is, or would be."""
    try:
        found = os.statvfs(nearest(path))
    except OSError:
        return None
    return found.f_bavail * found.f_frsize // (1024 * 1024)


def _free_inodes(path):
    """Return the free part of the inodes; None for file systems that have no fixed number."""
    try:
        found = os.statvfs(nearest(path))
    except OSError:
        return None
    return round(100.0 * found.f_favail / found.f_files, 1) if found.f_files else None


def _file_system(path, table):
    mount = mount_of(os.path.realpath(nearest(path)), table)
    if mount is None:
        return {"type": "", "ftype": None}
    ftype = None
    if mount[2] == "xfs":
        for row in rows("xfs_info", mount[1]) or ():
            ftype = True if "ftype=1" in row else False if "ftype=0" in row else ftype
    return {"type": mount[2], "ftype": ftype}


def _fsync(folder):
    """Write as etcd's log does, into a file that has no name any more, so that nothing of it can stay."""
    descriptor = None
    try:
        descriptor = os.open(folder, os.O_RDWR | getattr(os, "O_TMPFILE", 0o20200000), 0o600)
    except OSError:
        descriptor = _nameless(folder)
    if descriptor is None:
        return None
    try:
        took, block, end = [], b"\0" * _BLOCK, time.monotonic() + _FSYNC_SECONDS
        while len(took) < _WRITES and time.monotonic() < end:
            started = time.monotonic()
            os.write(descriptor, block)
            os.fdatasync(descriptor)
            took.append((time.monotonic() - started) * 1000)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return round(sorted(took)[min(len(took) - 1, int(len(took) * 0.99))], 2) if took else None


def _nameless(folder):
    """Make a file and take its name away at once, on file systems that cannot make one without."""
    path = os.path.join(folder, ".slipway-%d-%d" % (os.getpid(), int(time.time() * 1000)))
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return None
    os.unlink(path)
    return descriptor


def _rotational(folder):
    """Tell whether the disk under `folder` turns; None where there is no one disk under it."""
    device = os.stat(folder).st_dev
    place = "/sys/dev/block/%d:%d" % (os.major(device), os.minor(device))
    for path in (place + "/queue/rotational", place + "/../queue/rotational"):
        value = read(path)
        if value in ("0", "1"):
            return value == "1"
    return None
