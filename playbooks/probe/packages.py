"""The package manager: which one, whether its records are whole, whether it is held. Takes no lock."""

import fcntl
import os
import struct

from probe.base import lines, names, read, run

_LOCKS = {
    "apt": ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock"),
    "dnf": ("/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock"),
}
_PIDS = ("/run/dnf.pid", "/run/yum.pid", "/run/zypp.pid")


def look(_):
    """Return the field about the package manager."""
    if os.path.exists("/usr/bin/apt-get"):
        return {"package_manager": _apt()}
    for name in ("dnf", "yum", "zypper"):
        if os.path.exists("/usr/bin/" + name):
            return {"package_manager": _rpm(name)}
    return {"package_manager": {"name": "", "works": None, "problem": "", "busy": False}}


def _apt():
    problem = ""
    if [name for name in names("/var/lib/dpkg/updates") if name.isdigit()]:
        problem = "dpkg was interrupted"
    elif not _apt_sources():
        problem = "it has no package sources"
    else:
        code, text, said = run("dpkg", "--audit")
        if code is None:
            return {"name": "apt", "works": None, "problem": "", "busy": _busy("apt")}
        if code != 0 or text.strip():
            problem = " ".join((text or said).split())[:200] or "dpkg's records are not whole"
    return {"name": "apt", "works": not problem, "problem": problem, "busy": _busy("apt")}


def _apt_sources():
    folder = "/etc/apt/sources.list.d"
    paths = ["/etc/apt/sources.list", *("%s/%s" % (folder, name) for name in names(folder))]
    return any(
        line.startswith(("deb ", "deb\t", "Types:", "deb [")) for path in paths for line in lines(path)
    )


def _rpm(name):
    code, _, said = run("rpm", "-q", "--quiet", "rpm")
    problem = ""
    if code not in (0, None):
        problem = " ".join(said.split())[:200] or "rpm's records are not whole"
    elif not _rpm_sources(name):
        problem = "it has no enabled repository"
    works = None if code is None else not problem
    return {"name": name, "works": works, "problem": problem, "busy": _busy("dnf")}


def _rpm_sources(name):
    folder = "/etc/zypp/repos.d" if name == "zypper" else "/etc/yum.repos.d"
    for file in names(folder):
        text = read("%s/%s" % (folder, file)) or ""
        for part in text.split("[")[1:]:
            plain = part.replace(" ", "")
            if "enabled=0" not in plain and (
                "baseurl=" in plain or "mirrorlist=" in plain or "metalink=" in plain
            ):
                return True
    return False


def _busy(kind):
    return any(_is_locked(path) for path in _LOCKS[kind]) or any(_is_alive(read(path)) for path in _PIDS)


def _is_locked(path):
    """Ask whether somebody holds the lock, without taking it."""
    try:
        with open(path, "rb") as file:
            asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = fcntl.fcntl(file, fcntl.F_GETLK, asked)
            return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK
    except (OSError, struct.error):
        return False


def _is_alive(pid):
    return bool(pid) and pid.split()[0].isdigit() and os.path.isdir("/proc/" + pid.split()[0])
