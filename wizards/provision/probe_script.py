"""What is sent to a node for the look, and how its answer is read. No node and no Ansible is needed here.

The probe goes over one SSH connection as one script on standard input: a constant shell command finds a
Python, and that reads the script, its modules (``playbooks/probe``) and its parameters packed in it. Nothing
is copied to the node.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

Phase = Literal["look", "reach"]

_FOLDER: Final = Path(__file__).resolve().parents[2] / "playbooks" / "probe"
_MODULES: Final[dict[Phase, tuple[str, ...]]] = {
    "look": (
        *("base", "tcp_table", "listener", "network", "hardware", "identity", "system", "packages"),
        *("disks", "components", "arp", "lookups", "downloads", "outside", "look"),
    ),
    "reach": ("base", "tcp_table", "listener", "network", "tries", "datagrams", "reach"),
}
"""In the order in which they need each other."""
_HERE: Final = "SLIPWAY-HERE"
_NO_PYTHON: Final = "SLIPWAY-NO-PYTHON"
_ANSWER: Final = "SLIPWAY-ANSWER "
# The order is ansible-core 2.18's own, so that the version that is told is the one Kubespray will meet. Each
# is tried first, because a version manager's shim is there and does not run. -B: an import as root must not
# write compiled files; -I: nothing of the user's own is imported.
_PYTHONS: Final = (
    *(f"python3.{minor}" for minor in range(13, 7, -1)),
    *("/usr/bin/python3", "python3", "/usr/libexec/platform-python", "python3.7", "python3.6"),
)
COMMAND: Final = (
    f"echo {_HERE}; for p in {' '.join(_PYTHONS)}; do "
    '"$p" -I -B -S -c "" </dev/null >/dev/null 2>&1 && exec "$p" -I -B -; '
    f"done; echo {_NO_PYTHON}; exit 0"
)
"""The shell command that runs what comes on its standard input; POSIX, without any variable part."""
MEASURE_PORT: Final = 10250
"""UDP port for measuring between nodes that need none: the number is free for UDP and known to firewalls."""
_START: Final = """\
import base64, json, os, sys, time, types, zlib
_started = time.time()
_packed = json.loads(zlib.decompress(base64.b64decode("%s")).decode())
sys.modules["probe"] = types.ModuleType("probe")
for _name, _text in _packed["modules"]:
    _module = types.ModuleType("probe." + _name)
    sys.modules["probe." + _name] = _module
    setattr(sys.modules["probe"], _name, _module)
    exec(compile(_text, "probe/" + _name + ".py", "exec"), _module.__dict__)
_answer = getattr(_module, _packed["phase"])(_packed["params"])
_answer["clock"] = [_started, time.time()]
sys.stdout.write("\\n%s" + json.dumps(_answer) + "\\n")
sys.stdout.flush()
os._exit(0)  # threads that still wait for an answer are not waited for
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        here: The command began: the login works, and becoming root, where that was asked for.
        python: A Python was found.
        data: What the probe returned; None where it returned nothing that can be read.
    """

    here: bool
    python: bool
    data: dict[str, Any] | None


def probe_script(phase: Phase, params: Mapping[str, Any]) -> str:
    """Return the script for `COMMAND`: the probe's modules for `phase`, and its parameters. Pure ASCII."""
    packed = json.dumps({"modules": _modules(phase), "phase": phase, "params": params})
    return _START % (base64.b64encode(zlib.compress(packed.encode())).decode(), _ANSWER)


@cache
def _modules(phase: Phase) -> list[tuple[str, str]]:
    return [(name, (_FOLDER / f"{name}.py").read_text(encoding="utf-8")) for name in _MODULES[phase]]


def read_answer(output: str) -> Answer:
    """Read what `COMMAND` printed; logins may have printed something of their own around it."""
    lines = [line.strip("\r") for line in output.split("\n")]
    data = None
    for line in lines:
        if line.startswith(_ANSWER):
            try:
                found = json.loads(line[len(_ANSWER) :])
            except ValueError:
                continue
            data = found if isinstance(found, dict) else None
    return Answer(here=_HERE in lines or data is not None, python=_NO_PYTHON not in lines, data=data)


def look_params(
    wants: Mapping[str, Any], node: str, *, token: str, hosts: Iterable[str], seconds: float, stays: float
) -> dict[str, Any]:
    """Return what the look at `node` is told.

    Args:
        wants: What `wants.probe_wants` returned.
        node: The node's name.
        token: Known to the nodes of this run only: ends the listeners.
        hosts: The nodes of this run.
        seconds: Time for the look.
        stays: Time for the listener, at most.
    """
    own = peers_of(wants.get("reach") or {}, node, hosts)
    return {
        "ports": wants["ports"].get(node, []),
        "disks": wants["disks"].get(node, []),
        "arp": wants["arp"].get(node, []),
        "etcd": wants["etcd"].get(node, ""),
        "network": bool(wants["urls"] or wants["reach"] or wants["arp"]),
        "seconds": seconds,
        "listen": listen_of(wants["reach"], node, token, hosts, stays) if own else None,
        **{
            name: wants[name]
            for name in (
                *("modules", "paths", "sysctls", "commands", "kernel_config"),
                *("hosts", "urls", "proxy", "interfaces", "outside"),
            )
        },
    }


def reach_params(
    wants: Mapping[str, Any], node: str, *, token: str, hosts: Iterable[str], seconds: float
) -> dict[str, Any] | None:
    """Return what the second look from `node` is told; None where it has nobody to reach."""
    reach = wants.get("reach") or {}
    peers = peers_of(reach, node, hosts)
    if not peers:
        return None
    return {
        "name": node,
        "address": reach["nodes"][node]["address"],
        "token": token,
        "peers": peers,
        "udp": _listening(reach, node)[1],
        "measure": MEASURE_PORT,
        "seconds": seconds,
    }


def peers_of(reach: Mapping[str, Any], node: str, hosts: Iterable[str]) -> list[dict[str, Any]]:
    """Return what `node` must reach: the other `hosts`, each with its ports, in the order of the answers."""
    if not reach or node not in reach["nodes"]:
        return []
    own, playing = reach["nodes"][node]["kinds"], {*hosts}
    others = [name for name in reach["nodes"] if name != node and name in playing]
    found = []
    for name in others:
        rules = [
            rule
            for rule in reach["rules"]
            if rule["from"] in own and rule["to"] in reach["nodes"][name]["kinds"]
        ]
        found.append(
            {
                "name": name,
                "address": reach["nodes"][name]["address"],
                "tcp": sorted({port for rule in rules for port in rule["tcp"]}),
                "udp": sorted({port for rule in rules for port in rule["udp"]}),
                "etcd": any(rule.get("etcd") for rule in rules),
                "measure": MEASURE_PORT,
            }
        )
    return found


def _listening(reach: Mapping[str, Any], node: str) -> tuple[list[int], list[int]]:
    """Return the TCP and UDP ports on which others will want to reach `node`."""
    rules = [rule for rule in reach["rules"] if rule["to"] in reach["nodes"][node]["kinds"]]
    tcp = sorted({port for rule in rules for port in rule["tcp"]})
    return tcp, sorted({port for rule in rules for port in rule["udp"]})


def listen_of(
    reach: Mapping[str, Any], node: str, token: str, hosts: Iterable[str], stays: float
) -> dict[str, Any]:
    """Return what the listener on `node` is told."""
    tcp, udp = _listening(reach, node)
    playing = {*hosts}
    return {
        "name": node,
        "address": reach["nodes"][node]["address"],
        "tcp": tcp,
        # Measuring goes to a port that is needed; only where there is none, to this one.
        "udp": udp or [MEASURE_PORT],
        "token": token,
        "expected": [name for name in reach["nodes"] if name in playing],
        "seconds": stays,
    }


def clock_offset(node: tuple[float, float], console: tuple[float, float]) -> float:
    """Return how far a node's clock is off this machine's, in seconds; positive is ahead.

    Args:
        node: Its clock when the probe began and when it ended.
        console: This machine's clock before the login and after the answer: the truth lies between, and what
            is nearest to zero is returned, so that a slow line is not taken for a wrong clock.
    """
    least, most = node[1] - console[1], node[0] - console[0]
    return 0.0 if least <= 0.0 <= most else least if least > 0 else most
