"""Machines for tests: systemd-nspawn containers on a bridge in a network namespace of their own.

Each boots its own systemd with an SSH server, on an overlay over one read-only root file system. Nothing of
them shows in this machine's network, and `Lab.stop` leaves no process, mount, namespace, cgroup or file
behind. What runs against them runs inside the fabric's namespace: ``ip netns exec``, see `Lab.inside`.

The root file system comes from outside: the folder that ``SLIPWAY_LAB_ROOTFS`` names, or the one that
``.ci/run`` made in the cache folder (Debian 12)::

    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,openssh-server,python3,python3-apt,\\
    sudo,iproute2,iputils-ping,iptables,procps,kmod,ca-certificates,udev,netbase,curl,apparmor,unzip,xfsprogs,\\
    apt-transport-https,bash-completion,conntrack,e2fsprogs,ebtables,gnupg,ipset,ipvsadm,mergerfs,openssl,\\
    rsync,socat,tar bookworm FOLDER
    chroot FOLDER apt-get install -y --no-install-recommends software-properties-common nftables
    rm FOLDER/etc/ssh/ssh_host_*

Each machine holds 7 inotify instances of the 128 a user has: not more than 15 at once.
"""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.lab_fabric import CONTROLLER, Fabric, Machine, lacks

__all__ = ["CONTROLLER", "ROOTFS_VARIABLE", "Lab", "Machine", "built_in", "missing", "rootfs"]

ROOTFS_VARIABLE = "SLIPWAY_LAB_ROOTFS"

_MODULES = {
    "overlay": "CONFIG_OVERLAY_FS",
    "br_netfilter": "CONFIG_BRIDGE_NETFILTER",
    "vxlan": "CONFIG_VXLAN",
    "ip_vs": "CONFIG_IP_VS",
    "dummy": "CONFIG_DUMMY",
    "nf_tables": "CONFIG_NF_TABLES",
    "nf_conntrack": "CONFIG_NF_CONNTRACK",
}

BOOT = r"""
set -eu
name=$1 folder=$2 low=$3 disk=$4
while IFS=: read -r id controllers path; do
  case $controllers in
    '') base=/sys/fs/cgroup/unified; [ -d "$base" ] || base=/sys/fs/cgroup;;
    name=*) base=/sys/fs/cgroup/${controllers#name=};;
    *) base=/sys/fs/cgroup/$controllers;;
  esac
  parent=$base${path%/}
  group=$parent/$name
  mkdir -p "$group"
  echo "$group" >> "$folder/cgroups"
  if [ "$controllers" = cpuset ]; then
    cat "$parent/cpuset.cpus" > "$group/cpuset.cpus"
    cat "$parent/cpuset.mems" > "$group/cpuset.mems"
  fi
  echo $$ > "$group/cgroup.procs"
done < <(cat /proc/$$/cgroup)  # read whole: moving this shell changes the file
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec setpriv --pdeathsig KILL unshare --mount --propagation private bash -c '
  top=$2
  if [ -n "$4" ]; then
    mount -t tmpfs -o "mode=755,size=$4" tmpfs "$2/disk"
    cp -a "$2/upper" "$2/work" "$2/disk"
    top=$2/disk
  fi
  mount -t overlay overlay -o "lowerdir=$3,upperdir=$top/upper,workdir=$top/work" "$2/root"
  exec systemd-nspawn -q --register=no --keep-unit --boot -D "$2/root" --machine="$1" \
    --network-namespace-path="/run/netns/$1" --resolv-conf=off --timezone=off --link-journal=no \
    --capability=all --system-call-filter="@keyring bpf" --console=pipe' boot "$name" "$folder" "$low" "$disk"
"""

SYSCTL = r"""#!/bin/sh
# kernel.*, vm.* and fs.* belong to the machine that hosts the containers and are read-only in them.
/usr/sbin/sysctl "$@" 2>/tmp/.sysctl.$$
grep -vE 'permission denied on key "(kernel|vm|fs)\.' /tmp/.sysctl.$$ >&2
rm -f /tmp/.sysctl.$$
exit 0
"""


@dataclass
class Lab(Fabric):
    """Machines ``node-1`` … on one network. Use as a context manager.

    Attributes:
        lower: The root file system they share; `rootfs` by default.
        disk: Size of a disk in memory for each, as mount writes it; empty for this machine's own disk.
    """

    lower: str = ""
    disk: str = ""

    def __enter__(self) -> Lab:
        super().__enter__()
        return self

    def furnish(self, machine: Machine) -> None:
        """Lay the files of one machine over the root file system."""
        upper = self.lay(
            machine,
            {
                f"usr/lib/modules/{os.uname().release}/modules.builtin": built_in(),
                # The package lists are those of the root file system, and as fresh as they can be here.
                "var/lib/apt/periodic/update-success-stamp": "",
                "usr/local/sbin/sysctl": SYSCTL,
            },
        )
        (upper / "usr/local/sbin/sysctl").chmod(0o755)

    def boot(self, machine: Machine) -> None:
        """Boot one machine's systemd."""
        self.spawn(machine, BOOT, self.lower or str(rootfs()), self.disk)

    def stop(self) -> None:
        """Take everything down, the machines' cgroups too."""
        groups = [
            Path(line)
            for machine in self.machines
            for file in [machine.folder / "cgroups"]
            if file.exists()
            for line in file.read_text().splitlines()
        ]
        super().stop()
        for group in groups:
            _remove_cgroup(group)


def rootfs() -> Path:
    """Return the root file system that machines are made from; it need not be there."""
    if named := os.environ.get(ROOTFS_VARIABLE):
        return Path(named).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "slipway-tests" / "bookworm"


def missing() -> str:
    """Return why there can be no lab on this machine; empty when there can."""
    if not (rootfs() / "usr/sbin/sshd").exists():
        return (
            f"there is no root file system with an SSH server at {rootfs()} ({ROOTFS_VARIABLE} names another)"
        )
    return lacks("systemd-nspawn")


def built_in() -> str:
    """Return modules.builtin of this kernel, which the machines share without its ``/lib/modules``."""
    config = Path("/proc/config.gz")
    if not config.exists():
        return ""
    switches = set(gzip.decompress(config.read_bytes()).decode().splitlines())
    return "".join(f"kernel/{name}.ko\n" for name, switch in _MODULES.items() if f"{switch}=y" in switches)


def _remove_cgroup(top: Path) -> None:
    """Remove a cgroup that a machine had, innermost first, as soon as the kernel has emptied it."""
    groups: Sequence[Path] = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True)
    for group in (*groups, top):
        deadline = time.monotonic() + 5
        while group.is_dir():
            try:
                group.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    break
