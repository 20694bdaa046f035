"""`ClusterSpec` → the inventory Kubespray v2.31.0 reads: ``hosts.yaml`` and ``group_vars``. Pure.

Everything is data: no value may hold a template (`{{`, `{%`, `{#`), because Ansible would carry it out. The
order is that of the answers, so that two renderings of the same answers are the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from wizards.provision.group_vars import RenderError, Variable, group_vars
from wizards.setup.proposals import is_ip
from wizards.setup.spec import AccessMethod, Become, ClusterSpec, Jump, Node, Role
from wizards.version import slipway_version

HOSTS: Final = "inventory/hosts.yaml"
"""The inventory file, relative to the cluster's folder; ``group_vars`` lies beside it."""
KUBESPRAY_VERSION: Final = "2.31.0"
_GROUPS: Final = {
    "kube_control_plane": Role.CONTROL_PLANE,
    "etcd": Role.ETCD,
    "kube_node": Role.WORKER,
}
_TEMPLATE_MARKS: Final = ("{{", "{%", "{#")

_HOSTS_HELP: Final = """\
ansible_host is where SSH reaches the node; ip and access_ip are the address the cluster itself uses.
etcd_member_name carries the node's name, so that it stays the same when other nodes come and go.
New control planes go to the end of kube_control_plane: Kubespray founds the cluster on the first."""


def inventory_files(spec: ClusterSpec) -> dict[str, str]:
    """Return path (relative to the cluster's folder) → text of every inventory file.

    Raises:
        RenderError: An answer that Kubespray cannot do without is missing, or a text holds a template.
    """
    files = {HOSTS: _header(spec, _HOSTS_HELP) + _dump(hosts(spec))}
    for name, (about, variables) in group_vars(spec).items():
        files[f"inventory/group_vars/all/{name}"] = _header(spec, about) + _variables(variables)
    return files


def hosts(spec: ClusterSpec) -> dict[str, Any]:
    """Return the inventory as data: all hosts with their variables, and the groups Kubespray looks for.

    Raises:
        RenderError: There is no node.
    """
    if not spec.nodes:
        raise RenderError("nodes: at least one server is needed")
    children: dict[str, Any] = {
        group: {"hosts": {node.name: None for node in spec.with_role(role)}}
        for group, role in _GROUPS.items()
    }
    children["k8s_cluster"] = {"children": {"kube_control_plane": None, "kube_node": None}}
    everything: dict[str, Any] = {"hosts": {node.name: _host(node, spec) for node in spec.nodes}}
    if spec.access.jump:
        everything["vars"] = {"ansible_ssh_common_args": f"-o ProxyJump={jump_target(spec.access.jump)}"}
    return {"all": everything | {"children": children}}


def jump_target(jump: Jump) -> str:
    """Return the jump host as ssh's ProxyJump writes it: ``[user@]host:port``, IPv6 in brackets."""
    host = f"[{jump.host}]" if ":" in jump.host else jump.host
    return (f"{jump.user}@" if jump.user else "") + f"{host}:{jump.port}"


def _host(node: Node, spec: ClusterSpec) -> dict[str, Any]:
    """Return a host's variables.

    Login and privilege stand at each host and not in the group ``all``: that group counts for the implicit
    localhost as well, where Kubespray delegates tasks that must stay without privileges.
    """
    access = spec.access
    host: dict[str, Any] = {"ansible_host": node.address}
    if node.port != 22:
        host["ansible_port"] = node.port
    host["ansible_user"] = node.user or access.user
    host["ansible_become"] = access.become is not Become.NONE
    if access.method is AccessMethod.KEY and (key_file := node.key_file or access.key_file):
        host["ansible_ssh_private_key_file"] = key_file
        if not access.key_file:
            # Where some nodes name no key, this cannot stand in the arguments of all of them.
            host["ansible_ssh_extra_args"] = "-o IdentitiesOnly=yes"
    host |= _addresses(node)
    if node.has(Role.ETCD):
        host["etcd_member_name"] = f"etcd-{node.name}"
    if node.labels:
        host["node_labels"] = dict(node.labels)
    if node.taints:
        host["node_taints"] = list(node.taints)
    return host


def _addresses(node: Node) -> dict[str, str]:
    """Return the addresses between nodes as Kubespray's role network_facts reads them, one of each family."""
    variables: dict[str, str] = {}
    for address in (node.ip, node.internal_address_v6):
        if address and is_ip(address):
            suffix = "6" if ":" in address else ""
            variables |= {f"ip{suffix}": address, f"access_ip{suffix}": address}
    return variables


def _header(spec: ClusterSpec, about: str) -> str:
    lines = (
        f"Cluster {spec.name}. Written by Slipway {slipway_version()} from cluster.yaml for Kubespray"
        f" v{KUBESPRAY_VERSION}.",
        "Change cluster.yaml instead: the next run writes this file anew.",
        "",
        *about.splitlines(),
    )
    return "---\n" + _comment(lines) + "\n"


def _variables(variables: Iterable[Variable]) -> str:
    return "\n".join(
        (_comment((item.why,)) if item.why else "") + _dump({item.name: item.value}) for item in variables
    )


def _comment(lines: Iterable[str]) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _dump(data: Mapping[str, Any]) -> str:
    import yaml

    refuse_templates(data)
    text = yaml.dump(
        data, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )
    return str(text)


def _dumper() -> Any:
    """Return PyYAML's safe dumper, with empty members as ``node-1:`` and lists set in."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    Dumper.add_representer(
        type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "")
    )
    return Dumper


def refuse_templates(data: object, path: str = "") -> None:
    """Check that no text in `data` could be taken for a template by Ansible.

    Raises:
        RenderError: One could; the message names it. cluster.yaml refuses such texts already: this is the
            second lock on the same door.
    """
    if isinstance(data, str):
        if any(mark in data for mark in _TEMPLATE_MARKS):
            raise RenderError(f"{path or 'a value'}: {{{{, {{% and {{# are not allowed in a value")
    elif isinstance(data, Mapping):
        for key, value in data.items():
            refuse_templates(key, path)
            refuse_templates(value, f"{path}.{key}".lstrip("."))
    elif isinstance(data, (list, tuple)):
        for number, value in enumerate(data):
            refuse_templates(value, f"{path}[{number}]")
