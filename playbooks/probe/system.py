"""The operating system: init, time, security, the kernel's settings."""

import ctypes
import gzip
import importlib.util
import os
import sys

from probe.base import lines, mount_of, mounts, names, nearest, number, read, rows, run, which

_WRITTEN = ("/usr/local/bin", "/etc", "/opt", "/var/lib")
_UNSYNCHRONIZED = 0x0040  # STA_UNSYNC of adjtimex(2)
_SERVICES = (
    *("docker", "containerd", "crio", "podman", "cri-docker"),
    *("k3s", "k3s-agent", "rke2-server", "rke2-agent", "kubelet", "snap.microk8s.daemon-kubelite"),
    *("chronyd", "chrony", "ntpd", "ntp", "ntpsec", "openntpd", "systemd-timesyncd"),
    *("iscsid", "open-iscsi", "multipathd", "zfs-import-scan", "zfs-import-cache", "lvm2-monitor"),
    *("systemd-networkd", "NetworkManager", "systemd-resolved", "firewalld", "ufw", "nftables", "iptables"),
    *("nm-cloud-setup", "nm-cloud-setup.timer"),
    *("unattended-upgrades", "dnf-automatic.timer", "apparmor", "etcd", "keepalived", "haproxy", "nginx"),
)
_RUNTIMES = ("docker", "containerd", "crio", "podman", "cri-docker")
_CLOCKS = ("chronyd", "chrony", "ntpd", "ntp", "ntpsec", "openntpd", "systemd-timesyncd")
_REMAINS = (
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/manifests/kube-apiserver.yaml",
    "/etc/kubernetes/kubelet.conf",
    "/var/lib/etcd/member",
    "/var/lib/kubelet/config.yaml",
    "/etc/cni/net.d/05-cilium.conflist",
    "/etc/cni/net.d/10-calico.conflist",
    "/etc/cni/net.d/10-flannel.conflist",
    "/etc/rancher/k3s/k3s.yaml",
    "/etc/rancher/rke2/rke2.yaml",
)


def look(params):
    """Return the fields about the system itself."""
    table = mounts()
    enforce = read("/sys/fs/selinux/enforce")
    version, memory, controllers = _cgroup()
    return {
        "uid": os.geteuid(),
        "kernel": os.uname().release,
        "python_version": "%d.%d.%d" % sys.version_info[:3],
        "python_selinux": importlib.util.find_spec("selinux") is not None,
        "selinux": {"1": "enforcing", "0": "permissive"}.get(enforce or "", ""),
        "apparmor": {
            "enabled": read("/sys/module/apparmor/parameters/enabled") == "Y",
            "parser": which("apparmor_parser"),
        },
        "cgroup_version": version,
        "cgroup_memory": memory,
        "cgroup_controllers": controllers,
        "tmp_noexec": "noexec" in _options("/tmp", table),
        "read_only": [path for path in _WRITTEN if "ro" in _options(path, table)],
        "noexec": [path for path in (*_WRITTEN, "/tmp") if "noexec" in _options(path, table)],
        "sysctls": {name: read(_sysctl(name)) for name in params["sysctls"] if _is_there(name)},
        "sysctls_settable": _settable(),
        "fips": read("/proc/sys/crypto/fips_enabled") == "1",
        "ipv6": read("/proc/sys/net/ipv6/conf/all/disable_ipv6") == "0",
        "timezone": _timezone(),
        "umask": _umask(),
        "home_writable": _home_writable(table),
        "commands_missing": [name for name in params["commands"] if not which(name)],
        "kernel_config": _kernel_config(params["kernel_config"]),
        "reboot_required": _reboot_required(),
        "remains": [path for path in _REMAINS if os.path.exists(path)],
        "swaps": [line.split()[0] for line in lines("/proc/swaps")[1:] if line.split()],
        "swap_at_boot": _swap_at_boot(),
    }


def look_systemd(_):
    """Return what systemd says: its state, failed units, and the services that matter here."""
    there = os.path.isdir("/run/systemd/system")
    found = {"systemd": there, "services": {}, "runtimes": [], "system_state": "", "failed_units": []}
    if there:
        found["system_state"] = run("systemctl", "is-system-running")[1].strip()
        failed = rows("systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager")
        found["failed_units"] = [row[0] for row in failed or ()]
        found["services"] = _services()
    services = found["services"]
    active = [name for name in _CLOCKS if services.get(name) == "active"]
    found["runtimes"] = [name for name in _RUNTIMES if services.get(name) == "active"]
    found["time_sync"] = {
        "service": active[0] if active else "",
        "active": bool(active),
        "synchronized": _synchronized(),
    }
    found["firewall"] = _firewall(services)
    return found


def _services():
    """Return "active" or "inactive" for each service, "" for one that is not installed; one call for all."""
    code, text, _ = run(
        *("systemctl", "show", "--no-pager", "-p", "Id,LoadState,ActiveState"),
        *(name if "." in name else name + ".service" for name in _SERVICES),
    )
    found = {}
    for block in text.split("\n\n") if code is not None else ():
        fields = dict(line.partition("=")[::2] for line in block.splitlines())
        name = fields.get("Id", "")
        name = name[: -len(".service")] if name.endswith(".service") else name
        state = "active" if fields.get("ActiveState") in ("active", "reloading", "activating") else "inactive"
        found[name] = "" if fields.get("LoadState") in ("not-found", "masked") else state
    for name in _SERVICES if found else ():
        found.setdefault(name, "")
    return found


def _firewall(services):
    if services.get("firewalld") == "active":
        return "firewalld"
    if "ENABLED=yes" in (read("/etc/ufw/ufw.conf") or ""):
        return "ufw"
    return ""


def _options(path, table):
    mount = mount_of(nearest(path), table)
    return mount[3] if mount else []


def _sysctl(name):
    return "/proc/sys/" + name.replace(".", "/")


def _is_there(name):
    return os.path.exists(_sysctl(name))


def _settable():
    """Tell whether the kernel's settings may be written here; in a container they mostly may not."""
    wanted = ("net.ipv4.ip_forward", "vm.overcommit_memory", "kernel.panic")
    there = [_sysctl(name) for name in wanted if _is_there(name)]
    return all(os.access(path, os.W_OK) for path in there) if os.geteuid() == 0 and there else None


def _cgroup():
    """Return version (0: none is mounted), whether memory can be limited, and the controllers."""
    unified = read("/sys/fs/cgroup/cgroup.controllers")
    if unified is not None:
        return 2, "memory" in unified.split(), unified.split()
    found = [line.split() for line in lines("/proc/cgroups") if not line.startswith("#")]
    enabled = sorted(fields[0] for fields in found if len(fields) > 3 and fields[3] == "1")
    if found:
        return 1, "memory" in enabled, enabled
    return (None if os.path.isdir("/sys/fs/cgroup") else 0), None, []


def _synchronized():
    """Ask the kernel whether something keeps its clock right (adjtimex with nothing to set)."""

    # The fields up to `status` are: unsigned modes, long offset, freq, maxerror, esterror, int status.
    class Timex(ctypes.Structure):
        _fields_ = [
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("freq", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("esterror", ctypes.c_long),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_char * 256),
        ]

    try:
        answer = Timex()
        code = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(answer))
    except (OSError, AttributeError):
        return None
    return None if code < 0 else not answer.status & _UNSYNCHRONIZED


def _timezone():
    name = read("/etc/timezone")
    if name:
        return name.splitlines()[0]
    link = os.path.realpath("/etc/localtime")
    return link.partition("/zoneinfo/")[2] or "UTC"


def _umask():
    for line in lines("/proc/self/status"):
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return None


def _home_writable(table):
    home = os.path.expanduser("~")
    return os.path.isdir(home) and os.access(home, os.W_OK) and "ro" not in _options(home, table)


def _kernel_config(wanted):
    """Return y, m or n for each option, None where the kernel's configuration is nowhere to be read."""
    if not wanted:
        return {}
    release = os.uname().release
    text = None
    for path in ("/boot/config-" + release, "/lib/modules/" + release + "/config"):
        text = text or read(path)
    if not text:
        try:
            with gzip.open("/proc/config.gz", "rt") as file:
                text = file.read()
        except (OSError, EOFError):
            return None
    values = dict(line.partition("=")[::2] for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name: values[name] if values.get(name) in ("y", "m") else "n" for name in wanted}


def _reboot_required():
    """Tell whether the system waits for a restart: it says so, or its kernel's modules are gone."""
    if any(os.path.exists(path) for path in ("/run/reboot-required", "/run/reboot-needed")):
        return True
    there = names("/lib/modules")
    return (
        bool(there) and number("/proc/sys/kernel/modules_disabled") == 0 and os.uname().release not in there
    )


def _swap_at_boot():
    """Return what turns swap on when the machine starts: lines of fstab, units, zram."""
    found = []
    for line in lines("/etc/fstab"):
        fields = line.split()
        if len(fields) > 2 and fields[2] == "swap" and not fields[0].startswith("#"):
            found.append("/etc/fstab: " + fields[0])
    for folder in ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"):
        units = [name for name in names(folder) if name.endswith(".swap") and not _is_masked(name)]
        found += ["%s/%s" % (folder, name) for name in units if _is_wanted(name)]
    # The administrator's file counts instead of the one that a package brought.
    zram = "/etc/systemd/zram-generator.conf"
    if not os.path.exists(zram):
        zram = "/usr/lib" + zram[len("/etc") :]
    if read(zram):
        found.append(zram)
    if read("/etc/default/zramswap") and not _is_masked("zramswap.service"):
        found.append("/etc/default/zramswap")
    return found


def _is_masked(unit):
    return os.path.realpath("/etc/systemd/system/" + unit) == "/dev/null"


def _is_wanted(unit):
    """Tell whether something pulls a unit in when the machine starts."""
    for folder in ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"):
        for name in names(folder):
            if name.endswith((".wants", ".requires")) and unit in names("%s/%s" % (folder, name)):
                return True
    return False
