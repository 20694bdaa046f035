"""What the makers of changes share: the node they look at, what is possible there, and what they propose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wizards.provision.checks.model import NodeReport
from wizards.setup.spec import ClusterSpec

SYSCTL_FILE: Final = "/etc/sysctl.d/90-slipway.conf"
MODULES_FILE: Final = "/etc/modules-load.d/slipway.conf"
NETWORKD_FILE: Final = "/etc/systemd/networkd.conf.d/90-slipway.conf"
FSTAB_MARK: Final = "# slipway: "
ZRAM_FILE: Final = "/etc/systemd/zram-generator.conf"
_CONTAINERS: Final = re.compile(
    r"(openvz|lxc|lxc-libvirt|systemd-nspawn|docker|podman|rkt|wsl|proot|pouch|container.*)"
)
"""What systemd-detect-virt calls a machine without a kernel of its own."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9@:._\\+~-]{0,200}")
"""What a name must look like to be taken from a node: no space, no quote, nothing a template reads."""
_INSTALL: Final = {
    "apt": "apt-get install",
    "dnf": "dnf install",
    "yum": "yum install",
    "zypper": "zypper install",
}
_REMOVE: Final = {name: command.replace("install", "remove") for name, command in _INSTALL.items()}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change before it has a node and a check; the attributes are those of `mending.Change`."""

    id: str
    kind: str
    title: str
    exact: tuple[str, ...]
    undo: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """A node and the answers."""

    node: NodeReport
    spec: ClusterSpec

    @property
    def possible(self) -> bool:
        """Whether anything can be changed there at all: root was had, and systemd is its init."""
        return self.node.root and self.node.flag("systemd") is True

    @property
    def own_kernel(self) -> bool:
        """Whether the kernel is the node's own; a container's clock, modules and swap are its host's."""
        return _CONTAINERS.fullmatch(self.node.text("virtualization").lower()) is None

    @property
    def packages(self) -> str:
        """The package manager that can be used: apt, dnf, yum or zypper; empty where none can."""
        found = self.node.mapping("package_manager")
        name = found.get("name")
        stopped = found.get("works") is False or found.get("busy") is True
        return name if isinstance(name, str) and name in _INSTALL and not stopped else ""

    def install(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the commands that install the packages `names`, as they are shown."""
        if not names:
            return ()
        refresh = ("apt-get update",) if self.packages == "apt" else ()
        return (*refresh, f"{_INSTALL[self.packages]} {' '.join(names)}")

    def software(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return `names` as data for the playbook."""
        return {"packages": list(names), "manager": self.packages if names else ""}

    def remove(self, names: tuple[str, ...]) -> str:
        """Return the command that removes the packages `names`."""
        return f"{_REMOVE[self.packages]} {' '.join(names)}"


def plain(name: object) -> bool:
    """Tell whether a name that came from a node may be handed to a command."""
    return isinstance(name, str) and _PLAIN.fullmatch(name) is not None
