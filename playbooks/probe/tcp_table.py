"""Who listens on which TCP port, read from the kernel's tables."""

import os

from probe.base import lines, names, read

_LISTEN = "0A"


def listening(ports):
    """Return the socket numbers (inodes) of those who listen, by port, for the ports of interest."""
    taken = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in lines(table)[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTEN:
                port = int(fields[1].rpartition(":")[2], 16)
                if port in ports:
                    taken.setdefault(port, set()).add(fields[9])
    return taken


def programs(taken):
    """Return the ports with the program that listens on each; "" where only root could tell."""
    owners = _owners({inode for inodes in taken.values() for inode in inodes}) if taken else {}
    return [
        {"port": port, "by": next((owners[inode] for inode in sorted(inodes) if inode in owners), "")}
        for port, inodes in sorted(taken.items())
    ]


def _owners(inodes):
    """Return the name of the program that holds each socket."""
    wanted = {"socket:[%s]" % inode: inode for inode in inodes}
    found = {}
    for pid in names("/proc"):
        if not pid.isdigit():
            continue
        folder = "/proc/%s/fd" % pid
        for descriptor in names(folder):
            try:
                target = os.readlink("%s/%s" % (folder, descriptor))
            except OSError:
                continue
            if target in wanted:
                found[wanted[target]] = read("/proc/%s/comm" % pid) or ""
    return found
