#!/usr/bin/python
"""Looks at a server and tells what it sees. Changes nothing, needs nothing but Python's own library.

Runs on the nodes, so it keeps to Python 3.8. Every look that fails says so by ``None`` (not known), never by
an error: a judgement is made elsewhere, from the whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: slipway_probe
short_description: Look at a server before Kubernetes is installed on it
description:
  - Reads /proc, /sys and a few commands, and returns what it found. Changes nothing.
options:
  console_time: {description: The console's clock in seconds since the epoch, type: float, required: true}
  ports: {description: TCP ports that must be free, type: list, elements: int, default: []}
  modules: {description: Kernel modules that will be wanted, type: list, elements: str, default: []}
  paths: {description: Folders whose free space counts, type: list, elements: str, default: []}
  disks: {description: Block devices that storage will take, type: list, elements: str, default: []}
author: [Slipway]
"""
EXAMPLES = r"""
- slipway_probe:
    console_time: "{{ now(utc=true).timestamp() }}"
    ports: [6443, 10250]
"""
RETURN = r"""
probe: {description: What was seen, returned: always, type: dict}
"""

_SECONDS = 10  # no single look may hold up the rest
_REMAINS = (
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/manifests/kube-apiserver.yaml",
    "/var/lib/etcd/member",
    "/var/lib/kubelet/config.yaml",
    "/etc/cni/net.d/05-cilium.conflist",
    "/etc/cni/net.d/10-calico.conflist",
)
_ENV = dict(os.environ, LC_ALL="C", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")


def _read(path):
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _run(*command):
    """Return (exit code, output) of a command; (None, "") when it cannot be run."""
    try:
        done = subprocess.run(
            command,
            env=_ENV,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _os_release():
    """Return what the system calls itself: ID, ID_LIKE, VERSION_ID and the rest."""
    found = {}
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        for line in (_read(path) or "").splitlines():
            name, equals, value = line.partition("=")
            if equals:
                found.setdefault(name.strip(), value.strip().strip("\"'"))
    return found


def _memory():
    """Return /proc/meminfo: sizes in KiB, and plain counts."""
    found = {}
    for line in (_read("/proc/meminfo") or "").splitlines():
        name, _, rest = line.partition(":")
        number = rest.split()
        if number and number[0].isdigit():
            found[name] = int(number[0])
    return found


def _flags():
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        if line.startswith(("flags", "Features")):
            return line.partition(":")[2].split()
    return []


def _addresses():
    code, text = _run("ip", "-j", "address", "show")
    if code != 0:
        return None
    try:
        links = json.loads(text or "[]")
        return sorted({one["local"] for link in links for one in link.get("addr_info", ()) if "local" in one})
    except (ValueError, KeyError, TypeError):
        return None


def _default_route():
    """Tell whether there is a way out, by IPv4 or IPv6; None where the kernel does not say."""
    v4, v6 = _read("/proc/net/route"), _read("/proc/net/ipv6_route")
    if v4 is None and v6 is None:
        return None
    for line in (v4 or "").splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000":
            return True
    for line in (v6 or "").splitlines():
        fields = line.split()
        if len(fields) > 9 and set(fields[0]) == {"0"} and fields[1] == "00" and fields[9] != "lo":
            return True
    return False


def _name_servers():
    lines = (_read("/etc/resolv.conf") or "").splitlines()
    return [line.split()[1] for line in lines if line.startswith("nameserver") and len(line.split()) > 1]


def _free_mib(path):
    """Return the free space in MiB where `path` is, or would be."""
    place = Path(path)
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        found = os.statvfs(place)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize // (1024 * 1024)


def _mount_options(path):
    """Return the options of the mount that holds `path`."""
    best, options = "", []
    for line in (_read("/proc/self/mounts") or "").splitlines():
        fields = line.split()
        if len(fields) < 4:
            continue
        point = fields[1].replace("\\040", " ")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, options = point, fields[3].split(",")
    return options


def _listening(ports):
    """Return which of `ports` something listens on."""
    taken = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in (_read(table) or "").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == "0A":
                taken.add(int(fields[1].rpartition(":")[2], 16))
    return sorted(taken & set(ports))


def _cgroup():
    """Return the version, and whether the memory controller is there."""
    unified = _read("/sys/fs/cgroup/cgroup.controllers")
    if unified is not None:
        return 2, "memory" in unified.split()
    for line in (_read("/proc/cgroups") or "").splitlines():
        fields = line.split()
        if fields and fields[0] == "memory":
            return 1, fields[-1] == "1"
    return None, None


def _missing_modules(names):
    """Return the kernel modules that are neither loaded, built in, nor to be had."""
    builtin = _read(f"/lib/modules/{os.uname().release}/modules.builtin") or ""
    built = {Path(line).name.partition(".")[0].replace("-", "_") for line in builtin.splitlines()}
    missing = []
    for name in names:
        plain = name.replace("-", "_")
        if plain in built or Path("/sys/module", plain).is_dir():
            continue
        if _run("modprobe", "-n", "-q", name)[0] != 0:
            missing.append(name)
    return missing


def _words(*command):
    """Return the lines of a command's output, None when it could not tell."""
    code, text = _run(*command)
    return [line.strip() for line in text.splitlines() if line.strip()] if code == 0 else None


def _firewall():
    if _run("systemctl", "is-active", "--quiet", "firewalld")[0] == 0:
        return "firewalld"
    if "ENABLED=yes" in (_read("/etc/ufw/ufw.conf") or ""):
        return "ufw"
    return ""


def _disk(path):
    """Return whether a block device is there, and what is on it."""
    if not Path(path).exists():
        return {"there": False, "holds": None}
    code, text = _run("lsblk", "-J", "-o", "NAME,FSTYPE,MOUNTPOINT", os.path.realpath(path))
    if code != 0:
        return {"there": True, "holds": None}
    try:
        devices = json.loads(text)["blockdevices"]
    except (ValueError, KeyError):
        return {"there": True, "holds": None}
    holds = []
    for device in devices:
        parts = device.get("children") or []
        if parts:
            holds.append(f"{len(parts)} partitions or volumes")
        for one in (device, *parts):
            holds += [one[key] for key in ("fstype", "mountpoint") if one.get(key)]
    return {"there": True, "holds": ", ".join(holds)}


def probe(params):
    """Return everything that was seen, as JSON data."""
    memory = _memory()
    version, memory_cgroup = _cgroup()
    enforce = _read("/sys/fs/selinux/enforce")
    names = os.uname()
    release = _os_release()
    return {
        "uid": os.geteuid(),
        "os_id": release.get("ID"),
        "os_version": release.get("VERSION_ID"),
        "os_name": release.get("PRETTY_NAME"),
        "clock_offset": time.time() - params["console_time"],
        "node_name": names.nodename,
        "kernel": names.release,
        "architecture": names.machine,
        "machine_id": _read("/etc/machine-id"),
        "product_uuid": _read("/sys/class/dmi/id/product_uuid"),
        "systemd": Path("/run/systemd/system").is_dir(),
        "cpus": os.cpu_count(),
        "sse4_2": "sse4_2" in _flags(),
        "memory_mib": memory.get("MemTotal", 0) // 1024 or None,
        "swap_mib": memory.get("SwapTotal", 0) // 1024,
        "hugepages_free": memory.get("HugePages_Free"),
        "addresses": _addresses(),
        "default_route": _default_route(),
        "name_servers": _name_servers(),
        "free_mib": {path: _free_mib(path) for path in params["paths"]},
        "tmp_noexec": "noexec" in _mount_options("/tmp"),
        "selinux": {"1": "enforcing", "0": "permissive"}.get(enforce or "", ""),
        "firewall": _firewall(),
        "cgroup_version": version,
        "cgroup_memory": memory_cgroup,
        "ports_taken": _listening(params["ports"]),
        "remains": [path for path in _REMAINS if Path(path).exists()],
        "modules_missing": _missing_modules(params["modules"]),
        "iscsi_name": bool(_read("/etc/iscsi/initiatorname.iscsi")),
        "volume_groups": _words("vgs", "--noheadings", "-o", "vg_name"),
        "zfs_pools": _words("zpool", "list", "-H", "-o", "name"),
        "nvme_multipath": _read("/sys/module/nvme_core/parameters/multipath"),
        "disks": {path: _disk(path) for path in params["disks"]},
    }


def main():
    """Answer Ansible."""
    strings = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "console_time": {"type": "float", "required": True},
            "ports": {"type": "list", "elements": "int", "default": []},
            "modules": strings,
            "paths": strings,
            "disks": strings,
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, probe=probe(module.params))


if __name__ == "__main__":
    main()
