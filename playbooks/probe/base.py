"""How the probe reads files and runs commands: every answer may be missing, and nothing waits for ever.

All of ``probe`` runs on the nodes, so it keeps to Python 3.6 and its own library, and changes nothing.
"""

import json
import os
import subprocess

SECONDS = 8  # no single command may hold up the rest
ENV = dict(os.environ, LC_ALL="C", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")


def read(path, limit=1 << 20):
    """Return a file's text without the space around it, None where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(limit).decode("utf-8", "replace").strip("\0 \t\r\n")
    except (OSError, ValueError):
        return None


def number(path):
    """Return the number a file holds, None where it holds none."""
    try:
        return int(read(path) or "")
    except ValueError:
        return None


def lines(path):
    """Return the lines of a file, none where it cannot be read."""
    return (read(path) or "").splitlines()


def names(folder):
    """Return the names in a folder, sorted; none where it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def run(*command, seconds=SECONDS):
    """Return (exit code, output, complaint) of a command; (None, "", "") where it cannot be run or hangs."""
    try:
        done = subprocess.run(
            command,
            env=ENV,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=seconds,
            check=False,
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None, "", ""
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def run_json(*command):
    """Return the JSON data a command prints, None where it does not."""
    code, text, _ = run(*command)
    if code != 0:
        return None
    try:
        return json.loads(text or "[]")
    except ValueError:
        return None


def rows(*command):
    """Return the words of each line a command prints; None where it could not tell."""
    code, text, _ = run(*command)
    return [line.split() for line in text.splitlines() if line.strip()] if code == 0 else None


def which(name):
    """Tell whether a command is there."""
    return any(os.access(os.path.join(folder, name), os.X_OK) for folder in ENV["PATH"].split(":"))


def settings(path):
    """Return NAME=VALUE lines of a file as a dictionary, quotes removed."""
    found = {}
    for line in lines(path):
        name, equals, value = line.partition("=")
        if equals and not name.lstrip().startswith("#"):
            found.setdefault(name.strip(), value.strip().strip("\"'"))
    return found


def mounts():
    """Return what is mounted: (device, mount point, type, options), in order."""
    found = []
    for line in lines("/proc/self/mounts"):
        fields = line.split()
        if len(fields) > 3:
            point = fields[1].replace("\\040", " ").replace("\\011", "\t")
            found.append((fields[0], point, fields[2], fields[3].split(",")))
    return found


def mount_of(path, table):
    """Return the mount of `table` that holds `path`, None where there is none."""
    best = None
    for mount in table:
        point = mount[1]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and (best is None or len(point) >= len(best[1])):
            best = mount
    return best


def nearest(path):
    """Return `path`, or the nearest folder above it that is there."""
    while not os.path.exists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path
