"""Hosts for tests that need no root file system of their own: namespaces with an SSH server.

Their root is this machine's, seen through a layer that hides what is private to it (`masks`): only programs,
libraries and the package database show. What a host writes goes to a disk in memory that ends with it. So
the tests need openssh-server, iproute2 and util-linux only, and fifty hosts are up in seconds. They have no
systemd: `OwnRootLab` boots one on the same root, where systemd-nspawn is installed.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.lab import Lab, built_in
from tests.e2e.lab_fabric import Fabric, Machine, lacks

DISK = "40g"
"""Size of a host's disk. It is a limit: memory is taken by what is written."""
_SHOWN = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "var")
_EMPTY = ("boot", "dev", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp")
"""What a root has, and what is in it is nobody's business; what a root need not have does not show at all."""
_SHOWN_VAR_LIB = ("apt", "dbus", "dpkg", "pam", "polkit-1", "systemd", "ucf")
_HIDDEN_ETC = (
    *("apt/apt.conf.d", "apt/auth.conf.d", "cron.d", "environment.d", "fstab.d", "init.d", "modprobe.d"),
    *("modules-load.d", "profile.d", "rc2.d", "rc3.d", "rc5.d", "rcS.d", "ssh", "ssl/private", "sudoers.d"),
    *("sysctl.d", "systemd/network", "systemd/system", "systemd/user", "kubernetes", "NetworkManager"),
)
_HIDDEN_ETC_FILES = ("apt/auth.conf", "gitconfig", "gshadow", "npmrc", "pip.conf", "shadow", "wgetrc")
_OPAQUE = "trusted.overlay.opaque"
_SHARED_MEMORY = Path("/dev/shm")

SSHD = """\
PermitRootLogin prohibit-password
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
MaxStartups 100
Subsystem sftp /usr/lib/openssh/sftp-server
"""
SUDOERS = "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"

BOOT = r"""
set -eu
exec setpriv --pdeathsig KILL ip netns exec "$1" unshare --mount --uts --pid --ipc --fork --kill-child \
  --propagation private bash -c '
  set -eu
  hostname "$5"
  mount -t tmpfs -o "mode=755,size=$4" tmpfs "$2/disk"
  cp -a "$2/upper" "$2/work" "$2/disk"
  mount -t overlay overlay -o "lowerdir=$3,upperdir=$2/disk/upper,workdir=$2/disk/work" "$2/root"
  cd "$2/root"
  mkdir -p proc sys dev run tmp .old
  mount -t proc proc proc
  # kernel.*, vm.* and fs.* are those of the machine all hosts share: only net.* is a host'"'"'s own.
  mount --bind proc/sys proc/sys
  mount -o remount,bind,ro proc/sys
  mount --bind proc/sys/net proc/sys/net
  mount -o remount,bind,rw proc/sys/net
  [ ! -e proc/sysrq-trigger ] || mount --bind /dev/null proc/sysrq-trigger
  mount -t sysfs -o ro sysfs sys
  mount -t tmpfs -o mode=755 tmpfs dev
  for one in null zero full random urandom tty; do
    touch "dev/$one"
    mount --bind "/dev/$one" "dev/$one"
  done
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  mount -t tmpfs -o mode=755 tmpfs run
  mount -t tmpfs -o mode=1777 tmpfs tmp
  mkdir -p run/sshd run/lock
  pivot_root . .old
  exec chroot . /bin/sh -c "umount -l /.old; rmdir /.old; exec /usr/sbin/sshd -D -e"
  ' boot "$@"
"""


@dataclass
class Hosts(Fabric):
    """Up to 250 hosts ``node-1`` … without systemd. Use as a context manager.

    Attributes:
        disks: Sizes of the disks of single hosts, as mount writes them; the others have `DISK`.
    """

    disks: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Hosts:
        super().__enter__()
        return self

    def start(self) -> None:
        """Hide what is private to this machine, then start the hosts."""
        self.mask = masks()
        super().start()

    def furnish(self, machine: Machine) -> None:
        """Lay the files of one host over the root file system."""
        self.lay(machine, own_files())

    def boot(self, machine: Machine) -> None:
        """Start one host: its SSH server is its first process."""
        size = self.disks.get(machine.name, DISK)
        self.spawn(machine, BOOT, f"{self.mask}:/", size, machine.name)

    def stop(self) -> None:
        """Take everything down, the layer that hides this machine too."""
        super().stop()
        if mask := getattr(self, "mask", None):
            shutil.rmtree(mask, ignore_errors=True)


@dataclass
class OwnRootLab(Lab):
    """Machines with systemd whose root is this machine's own, as the hosts' is."""

    def __enter__(self) -> OwnRootLab:
        super().__enter__()
        return self

    def start(self) -> None:
        """Hide what is private to this machine, then boot the machines."""
        self.mask = masks()
        self.lower, self.disk = f"{self.mask}:/", DISK
        super().start()

    def furnish(self, machine: Machine) -> None:
        """Lay the files of one machine over the root file system, and let SSH be started."""
        upper = self.lay(machine, own_files() | {"var/lib/apt/periodic/update-success-stamp": ""})
        wants = upper / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(parents=True)
        (wants / "ssh.service").symlink_to("/lib/systemd/system/ssh.service")

    def stop(self) -> None:
        """Take everything down, the layer that hides this machine too."""
        super().stop()
        if mask := getattr(self, "mask", None):
            shutil.rmtree(mask, ignore_errors=True)


def own_files() -> dict[str, str]:
    """Return path → text of what stands in for this machine's own settings."""
    users = [line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines() if line]
    return {
        "etc/shadow": "".join(f"{user}:*:19000:0:99999:7:::\n" for user in users),
        "etc/ssh/sshd_config": SSHD,
        "etc/sudoers": SUDOERS,
        "etc/fstab": "",
        "etc/environment": "",
        f"usr/lib/modules/{os.uname().release}/modules.builtin": built_in(),
    }


def masks() -> Path:
    """Make the layer that hides what is private to this machine; whoever asked for it removes it.

    It lies in memory, because a layer may not lie inside another one.
    """
    mask = Path(tempfile.mkdtemp(prefix="slipway-mask-", dir=_SHARED_MEMORY))
    mask.chmod(0o755)
    for path in Path("/").iterdir():
        if path.name not in (*_SHOWN, *_EMPTY):
            _whiteout(mask / path.name)
        elif path.name in _EMPTY:
            _hide(mask, path)
    _hide_others(mask, Path("/var"), ("lib",))
    _hide_others(mask, Path("/var/lib"), _SHOWN_VAR_LIB)
    for name in (*_HIDDEN_ETC, *_HIDDEN_ETC_FILES):
        _hide(mask, Path("/etc", name))
    _hide(mask, Path("/usr/local"))
    for name in ("bin", "sbin", "lib"):
        (mask / "usr/local" / name).mkdir()
    return mask


def _hide_others(mask: Path, folder: Path, shown: tuple[str, ...]) -> None:
    for path in folder.iterdir():
        if path.name not in shown:
            _hide(mask, path)


def _hide(mask: Path, path: Path) -> None:
    """Hide one file, or all that is in one folder."""
    if path.is_symlink() or not path.exists():
        return
    place = mask / path.relative_to("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_dir():
        _whiteout(place)
        return
    place.mkdir(exist_ok=True)
    place.chmod(stat.S_IMODE(path.stat().st_mode))
    os.setxattr(place, _OPAQUE, b"y")


def _whiteout(place: Path) -> None:
    os.mknod(place, stat.S_IFCHR, os.makedev(0, 0))


def missing() -> str:
    """Return why there can be no hosts on this machine; empty when there can."""
    if why := lacks("sshd", "hostname"):
        return why
    if not Path("/usr/bin/python3").exists():
        return "there is no /usr/bin/python3 for the hosts"
    if not _SHARED_MEMORY.is_dir():
        return "there is no /dev/shm"
    return ""


def missing_systemd() -> str:
    """Return why there can be no machines with systemd on this machine's root; empty when there can."""
    if why := missing() or lacks("systemd-nspawn"):
        return why
    return "" if Path("/lib/systemd/systemd").exists() else "systemd is not installed"
