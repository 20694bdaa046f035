"""Processor, memory, and what kind of machine this is."""

import os

from probe.base import lines, read, run


def look(_):
    """Return the fields about hardware."""
    memory = _memory()
    flags, model = _processor()
    return {
        "architecture": os.uname().machine,
        "cpus": os.cpu_count(),
        "cpu_model": model,
        "sse4_2": "sse4_2" in flags,
        "memory_mib": memory.get("MemTotal", 0) // 1024 or None,
        "memory_available_mib": memory["MemAvailable"] // 1024 if "MemAvailable" in memory else None,
        "swap_mib": memory.get("SwapTotal", 0) // 1024,
        "hugepages_free": memory.get("HugePages_Free"),
        "hugepages_total": memory.get("HugePages_Total"),
        "virtualization": _virtualization(flags),
        "steal_percent": _steal(),
        "load_per_cpu": round(os.getloadavg()[1] / (os.cpu_count() or 1), 2),
    }


def _memory():
    """Return /proc/meminfo: sizes in KiB, and plain counts."""
    found = {}
    for line in lines("/proc/meminfo"):
        name, _, rest = line.partition(":")
        value = rest.split()
        if value and value[0].isdigit():
            found[name] = int(value[0])
    return found


def _processor():
    """Return the flags and the name of the first processor."""
    flags, model = [], ""
    for line in lines("/proc/cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features") and not flags:
            flags = value.split()
        elif name.strip() == "model name" and not model:
            model = value.strip()
    return flags, model


def _virtualization(flags):
    """Return what systemd calls this kind of machine; a guess from the kernel's files without it."""
    code, text, _ = run("systemd-detect-virt")
    if code is not None and text.strip():
        return text.strip()
    if os.path.exists("/.dockerenv"):
        return "docker"
    if os.path.isdir("/proc/vz") and not os.path.isdir("/proc/bc"):
        return "openvz"
    if "microsoft" in (read("/proc/version") or "").lower():
        return "wsl"
    environment = read("/proc/1/environ") or ""
    for entry in environment.split("\0"):
        if entry.startswith("container="):
            return entry.partition("=")[2] or "container"
    return "vm-other" if "hypervisor" in flags else "none"


def _steal():
    """Return which part of the processors' time since the start others took, in percent."""
    for line in lines("/proc/stat"):
        fields = line.split()
        if fields and fields[0] == "cpu" and len(fields) > 8:
            # guest time, the ninth and tenth, is within user time already
            total = sum(int(value) for value in fields[1:9])
            return round(100.0 * int(fields[8]) / total, 1) if total else None
    return None
