"""Ansible inventories, read by the real ansible-inventory; and its listing → servers, many times over."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.entry.strategies import DOMAIN, FAIR, KEY, LABEL, PORT, ROLES, USER, V4, V6, check_rows, rows
from wizards.entry import EntryError, Source, read_file, read_text
from wizards.entry.inventory_rows import read_listing
from wizards.provision.inventory import HOSTS, hosts, inventory_files
from wizards.setup.spec import ClusterSpec

FEW = settings(FAIR, max_examples=3, phases=(Phase.explicit, Phase.generate))

INI = """\
# An inventory of Kubespray's, as people have it
[all]
node1 ansible_host=95.54.0.12 ip=10.3.0.1 etcd_member_name=etcd1
node[2:3].example.com ansible_user=ubuntu ansible_port=2222
gone ansible_host="{{ lookup('pipe', 'touch TRAP') }}"
localhost ansible_connection=local
lb ansible_host=10.0.0.9

[kube-master]
node1

[etcd:children]
kube-master

[kube_node]
node[2:3].example.com
gone

[k8s_cluster:children]
kube-master
kube_node

[all:vars]
ansible_ssh_private_key_file=~/.ssh/lab
ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p -q hop@bastion.lan -p 2200" -o ServerAliveInterval=5'
"""

YAML = """\
all:
  vars: {ansible_user: ops}
  hosts:
    n1: {ansible_host: 10.0.0.1, node_labels: {tier: db, gpu: true}, node_taints: ["a=b:NoSchedule"]}
    n2: {ansible_host: 10.0.0.2, ip6: "fd00::2", secret: !vault "x", ansible_ssh_private_key_file: ~/.ssh/n2}
    bastion: {ansible_host: b.lan, ansible_user: hop}
  children:
    control_plane: {hosts: {n1: }}
    workers: {hosts: {n2: }}
    bastion: {hosts: {bastion: }}
"""


def test_an_ini_inventory_becomes_servers_with_roles_and_runs_nothing(tmp_path: Path) -> None:
    file, trap = tmp_path / "inventory.ini", tmp_path / "trap"
    file.write_text(INI.replace("TRAP", str(trap)))
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "ansible.cfg").write_text("[defaults]\ninventory_plugins = .\n")
    entered = read_file(file)
    assert entered.source is Source.INVENTORY
    assert list(entered.rows) == [
        {
            "name": "node1",
            "address": "95.54.0.12",
            "internal_address": "10.3.0.1",
            "roles": ["control-plane", "etcd"],
        },
        *(
            {
                "name": f"node{n}",
                "address": f"node{n}.example.com",
                "port": 2222,
                "user": "ubuntu",
                "roles": ["worker"],
            }
            for n in (2, 3)
        ),
    ]
    assert entered.access == {
        "key_file": "~/.ssh/lab",
        "jump": {"host": "bastion.lan", "user": "hop", "port": 2200},
    }
    notes = " ".join(entered.notes)
    for said in (
        "template or no address: gone",
        "this machine: localhost",
        "no group of Kubernetes: lb",
        "group_vars",
    ):
        assert said in notes
    assert not trap.exists()


def test_a_yaml_inventory_becomes_servers_with_roles() -> None:
    entered = read_text(YAML)
    assert list(entered.rows) == [
        {
            "name": "n1",
            "address": "10.0.0.1",
            "labels": {"tier": "db", "gpu": "true"},
            "taints": ["a=b:NoSchedule"],
            "roles": ["control-plane", "etcd"],
        },
        {
            "name": "n2",
            "address": "10.0.0.2",
            "internal_address_v6": "fd00::2",
            "key_file": "~/.ssh/n2",
            "roles": ["worker"],
        },
    ]
    assert entered.access == {"user": "ops", "jump": {"host": "b.lan", "user": "hop"}}


def test_a_saved_listing_is_read_without_ansible() -> None:
    listing = {"_meta": {"hostvars": {"a": {"ansible_host": "10.0.0.1"}}}, "masters": {"hosts": ["a"]}}
    entered = read_text(json.dumps(listing))
    assert entered.rows == ({"name": "a", "address": "10.0.0.1", "roles": ["control-plane", "etcd"]},)


@pytest.mark.parametrize(
    "text",
    [
        "[a:children]\nb\n[b:children]\nc\n[c:children]\na\n[a]\nh1\n",
        "[a:children]\na\n",
        "all:\n  children:\n    a: &a\n      children:\n        b: *a\n",
        "all: {children: {a: {children: {b: {children: {a: {hosts: {h1: }}}}}}}}\n",
        json.dumps({"_meta": {}, "a": {"children": ["b"]}, "b": {"children": ["a"]}}),
    ],
)
def test_a_cyclic_inventory_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(EntryError) as refused:
        read_text(text)
    cyclic = "A group of this inventory is, through others, a child of itself"
    assert str(refused.value) == f"{cyclic}; take it out of one of its own children."


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[a]\nn[1:99999999]\n", "99,999,999 servers"),
        ("[a]\nn[1:99][1:99][1:9999]\n", "servers"),
        ("all:\n  hosts:\n    n[0001:9999]:\n", "9,999 servers"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
            ),
            "more than 100,000 values",
        ),
        ("all:\n  hosts: [\n", "Line"),
        ("- a\n- b: c\n---\nx: y\n", "Line"),
        ("---\n- 10.0.0.1\n", "begin with a group"),
    ],
)
def test_what_would_be_heavy_work_is_refused_before_it(text: str, hint: str) -> None:
    begun = time.process_time()
    with pytest.raises(EntryError, match=re.escape(hint)) as refused:
        read_text(text)
    assert time.process_time() - begun < 1
    assert str(refused.value).endswith(".")


def test_what_ansible_cannot_read_is_said_with_its_line() -> None:
    with pytest.raises(EntryError, match="Line 2: Ansible cannot read this inventory: Expected key=value"):
        read_text("[a]\nhost one two\n")
    with pytest.raises(EntryError, match="undefined group"):
        read_text("[a]\nh\n[b:children]\nnowhere\n")


def test_jump_hosts_that_differ_are_not_guessed() -> None:
    listing = {
        "_meta": {
            "hostvars": {
                "a": {"ansible_ssh_common_args": "-J b1.lan"},
                "b": {"ansible_ssh_common_args": "-o ProxyJump=b2.lan"},
                "c": {"ansible_ssh_common_args": "-o ProxyCommand='nc %h %p'", "ansible_connection": "winrm"},
            }
        }
    }
    found = read_listing(listing)
    assert found.jump is None
    assert any("same jump host" in note for note in found.notes)
    assert any("not reached by SSH: c" in note for note in found.notes)


NODES = rows(
    {
        "user": USER,
        "port": PORT,
        "internal_address": V4,
        "internal_address_v6": V6,
        "key_file": KEY,
        "labels": st.dictionaries(LABEL, LABEL, max_size=2),
        "taints": st.just(["k:NoExecute"]),
    },
    most=30,
)


def spec_of(servers: list[dict[str, Any]], roles: list[list[str]], jump: bool) -> ClusterSpec:
    """Return a cluster of `servers`; only those with an address of their own inside may have a host name."""
    nodes = [
        {**row, "roles": role}
        | (
            {}
            if re.fullmatch(r"[\d.]+", row["address"]) or "internal_address" in row
            else {"address": "10.1.1.1"}
        )
        for row, role in zip(servers, [["control-plane", "etcd"], *roles], strict=False)
    ]
    access = {"user": "ops", "jump": {"host": "b.lan", "port": 22, "user": "hop"} if jump else None}
    return ClusterSpec.model_validate({"name": "x", "nodes": nodes, "access": access})


def same(found: Any, spec: ClusterSpec) -> None:
    """Check that what was read makes the same nodes, in any order, with the same way in."""
    user = found.access.get("user")
    again = ClusterSpec.model_validate(
        {
            "name": "x",
            "nodes": [{"user": user, "key_file": found.access.get("key_file"), **row} for row in found.rows],
            "access": {"user": "ops", "jump": found.access.get("jump")},
        }
    )
    wanted = {node.name: node.model_copy(update={"user": node.user or "ops"}) for node in spec.nodes}
    for node in again.nodes:
        one = wanted.pop(node.name)
        if node.internal_address is None and one.internal_address == node.address:
            one = one.model_copy(update={"internal_address": None})
        order = tuple(role for role in ("control-plane", "etcd", "worker") if role in node.roles)
        assert node == one.model_copy(update={"roles": order}), (node, one)
    assert not wanted
    assert again.access.jump == spec.access.jump


@given(NODES, st.lists(ROLES, min_size=29, max_size=29), st.booleans())
@FEW
@pytest.mark.slow
def test_what_slipway_writes_for_kubespray_is_read_as_the_same_nodes(
    servers: list[dict[str, Any]], roles: list[list[str]], jump: bool
) -> None:
    spec = spec_of(servers, roles, jump)
    same(read_text(inventory_files(spec)[HOSTS]), spec)


@given(NODES, st.lists(ROLES, min_size=29, max_size=29), st.booleans())
@FEW
@pytest.mark.slow
def test_the_same_in_ini(servers: list[dict[str, Any]], roles: list[list[str]], jump: bool) -> None:
    plain = [{key: value for key, value in row.items() if key not in {"labels", "taints"}} for row in servers]
    spec = spec_of(plain, roles, jump)
    inventory = hosts(spec)["all"]
    lines = [
        f"{name} " + " ".join(f"{key}={json.dumps(value)}" for key, value in said.items())
        for name, said in inventory["hosts"].items()
    ]
    for group in ("kube_control_plane", "etcd", "kube_node"):
        lines += [f"[{group}]", *inventory["children"][group]["hosts"]]
    if common := inventory.get("vars"):
        lines += ["[all:vars]", f"ansible_ssh_common_args='{common['ansible_ssh_common_args']}'"]
    same(read_text("\n".join(["[all]", *lines])), spec)


@given(NODES, st.lists(ROLES, min_size=29, max_size=29))
@FAIR
def test_a_listing_is_read_as_the_same_nodes(servers: list[dict[str, Any]], roles: list[list[str]]) -> None:
    spec = spec_of(servers, roles, jump=False)
    inventory = hosts(spec)["all"]
    listing = {"_meta": {"hostvars": inventory["hosts"]}, "all": {"children": list(inventory["children"])}}
    listing |= {
        name: {key: list(value) for key, value in group.items()}
        for name, group in inventory["children"].items()
    }
    same(read_text(json.dumps(listing)), spec)


NAMES = st.sampled_from(["a", "b", "kube_node", "etcd", "all", "bastion", "localhost"]) | DOMAIN
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | V4 | V6,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
VARS = st.dictionaries(
    st.sampled_from(
        [
            "ansible_host",
            "ansible_port",
            "ansible_user",
            "ansible_connection",
            "ip",
            "access_ip",
            "ip6",
            "ansible_ssh_common_args",
            "ansible_ssh_private_key_file",
            "node_labels",
            "node_taints",
        ]
    ),
    VALUES | st.sampled_from(["-J a", "-o ProxyJump=me@b:22", "{{ x }}", "ssh"]),
    max_size=4,
)
LISTING = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {}, optional={"hosts": st.lists(NAMES, max_size=3) | VALUES, "children": st.lists(NAMES, max_size=2)}
    )
    | VALUES,
    max_size=5,
)


@given(LISTING, st.dictionaries(NAMES, VARS | VALUES, max_size=4) | VALUES)
@settings(FAIR, max_examples=200)
def test_any_listing_gives_servers_or_a_refusal(listing: dict[str, Any], hostvars: Any) -> None:
    try:
        entered = read_text(json.dumps({**listing, "_meta": {"hostvars": hostvars}}))
    except EntryError:
        return
    check_rows(entered.rows)
    ClusterSpec.model_validate({"name": "x", "access": dict(entered.access)})


@given(
    st.lists(
        st.sampled_from(
            [
                "[",
                "]",
                "a",
                "b",
                ":children",
                ":vars",
                "\n",
                " ",
                "=",
                "x=1",
                "all:",
                "  hosts:",
                "{",
                "&a",
                "*a",
                "'",
            ]
        ),
        max_size=14,
    ).map("".join)
)
@FEW
@pytest.mark.slow
def test_any_inventory_gives_servers_or_a_refusal(text: str) -> None:
    from wizards.entry.inventory import read_inventory

    try:
        found = read_inventory(text)
    except EntryError:
        return
    check_rows([{key: value for key, value in row.items() if key != "name"} for row in found.rows])


def test_what_is_yaml_for_others_is_yaml_here() -> None:
    nested = yaml.safe_dump({"all": {"children": {"k": {"hosts": {"n1": {"ansible_host": "10.0.0.1"}}}}}})
    assert read_text(nested).rows == ({"name": "n1", "address": "10.0.0.1"},)
