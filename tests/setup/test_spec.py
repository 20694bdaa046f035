"""Every field goes to cluster.yaml and back, and an edit leaves the rest of a file alone."""

from __future__ import annotations

import difflib
import enum
import stat
import types
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator
from pydantic.fields import FieldInfo

from wizards.setup.document import read_document, validate_data
from wizards.setup.spec import ClusterSpec, Model, Node
from wizards.setup.writing import dump_spec, merged_text, spec_data, write_spec

OCTET = st.integers(0, 255)
IPV4 = st.ip_addresses(v=4).map(str)
IP = st.ip_addresses().map(str)
CIDR = st.sampled_from(["10.233.64.0/18", "fd00:1234::/108", "0.0.0.0/0", "192.168.7.8/32"])
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
TRAPS = st.sampled_from(
    ["no", "on", "y", "null", "1.35", "0x1f", "12:30", "true", "010", "1e3", "2026-01-01", "0o17", "1_0"]
)
HOST = st.one_of(IP, LABEL.filter(lambda text: not text.isdigit()), st.just("node1.lan"))


@cache
def by_validator() -> dict[str, st.SearchStrategy[Any]]:
    """What each of the small types of `values` accepts, by its validator's name."""
    return {
        "_dns_label": LABEL,
        "_domain": st.just("cluster.local") | LABEL,
        "_host": HOST,
        "_ip": IP,
        "_ip6": st.ip_addresses(v=6).map(str),
        "_cidr": CIDR,
        "_address_range": CIDR
        | st.lists(st.ip_addresses(v=4), min_size=2, max_size=2).map(lambda ends: f"{min(ends)}-{max(ends)}"),
        "_user": st.sampled_from(["root", "ubuntu", "no", "a_b-c.d$"]),
        "_label_key": st.sampled_from(["tier", "example.com/tier", "no", "1", "topology.kubernetes.io/zone"]),
        "_label_value": st.one_of(TRAPS.filter(lambda text: ":" not in text), LABEL, st.just("")),
        "_taint": st.sampled_from(["dedicated=db:NoSchedule", "k:NoExecute", "a/b=1:PreferNoSchedule"]),
        "_absolute": st.sampled_from(["/", "/var/openebs/local", "/1:2"]),
        "_disk": st.sampled_from(["/dev/sda", "/dev/disk/by-id/wwn-0x5000c500a0b1c2d3"]),
        "_url": st.sampled_from(["http://proxy.lan:3128", "https://mirror.lan/a/b"]),
        "_registry": st.sampled_from(["registry.lan:5000", "registry.lan"]),
    }


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda text: "{" not in text)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | TRAPS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | TRAPS, inner, max_size=3),
    max_leaves=6,
)


def strategy_for(annotation: Any, marks: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Return what can stand in a field of type `annotation`, as JSON data."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return strategy_for(inner, (*marks, *flat(more)))
    if origin in {Union, types.UnionType}:
        kinds = [one for one in get_args(annotation) if one is not type(None)]
        return st.none() | strategy_for(kinds[0], marks)
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin is tuple:
        least = next((mark.min_length for mark in marks if hasattr(mark, "min_length")), 0)
        return st.lists(strategy_for(get_args(annotation)[0]), min_size=least, max_size=3)
    if origin is dict:
        key, value = (strategy_for(one) for one in get_args(annotation))
        return st.dictionaries(key, value, max_size=3)
    if not isinstance(annotation, type):  # JsonValue, a named alias
        return JSON
    return of_class(annotation, marks)


def of_class(kind: type[Any], marks: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if issubclass(kind, Model):
        return data_of(kind)
    if issubclass(kind, enum.Enum):
        return st.sampled_from([member.value for member in kind])
    if kind is bool:
        return st.booleans()
    if kind is int:
        low = next((mark.ge for mark in marks if hasattr(mark, "ge")), None)
        high = next((mark.le for mark in marks if hasattr(mark, "le")), None)
        return st.integers(low, high)
    assert kind is str, kind
    for mark in marks:
        if isinstance(mark, AfterValidator):
            return by_validator()[getattr(mark.func, "__name__", "")]
    pattern = next((mark.pattern for mark in marks if getattr(mark, "pattern", None)), None)
    if pattern is not None:
        return st.from_regex(pattern.removeprefix("^").removesuffix("$"), fullmatch=True).filter(str.isascii)
    return st.sampled_from(["~/.ssh/id_ed25519", "/srv/data", "no", "a: b # c", "- x"])


def flat(marks: Any) -> tuple[Any, ...]:
    found: list[Any] = []
    for mark in marks:
        found += mark.metadata if isinstance(mark, FieldInfo) else [mark]
    return tuple(found)


def data_of(model: type[Model]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {
        name: strategy_for(info.annotation, flat(info.metadata)) for name, info in model.model_fields.items()
    }
    required = {name for name, info in model.model_fields.items() if info.is_required()}
    return st.fixed_dictionaries(
        {name: fields[name] for name in fields if name in required},
        optional={name: fields[name] for name in fields if name not in required},
    )


SPEC = data_of(ClusterSpec).map(validate_data)
THOROUGH = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


def reread(text: str, path: Path) -> ClusterSpec:
    path.write_text(text, encoding="utf-8", newline="")
    return read_document(path).spec


@given(spec=SPEC)
@THOROUGH
def test_every_field_goes_to_yaml_and_back(spec: ClusterSpec, tmp_path: Path) -> None:
    text = dump_spec(spec)
    assert reread(text, tmp_path / "f.yaml") == spec


@given(spec=SPEC)
@THOROUGH
def test_other_yaml_tools_read_the_same(spec: ClusterSpec) -> None:
    assert yaml.safe_load(dump_spec(spec)) == spec_data(spec)


@given(before=SPEC, after=SPEC, crlf=st.booleans())
@THOROUGH
def test_an_edit_says_the_new_answers_and_keeps_every_heading(
    before: ClusterSpec, after: ClusterSpec, crlf: bool, tmp_path: Path
) -> None:
    lines = dump_spec(before).splitlines()
    commented = "\n".join(
        f"# About {line.split(':')[0]}\n\n{line}  # {number}" if line[0].isalpha() else line
        for number, line in enumerate(lines)
    )
    present = commented.replace("\n", "\r\n") if crlf else commented
    assert reread(present, tmp_path / "f.yaml") == before
    text = merged_text(after, present)
    assert reread(text, tmp_path / "f.yaml") == after
    headings = [line for line in commented.splitlines() if line.startswith("#")]
    assert [line for line in text.splitlines() if line.startswith("#")] == headings
    assert (text == present) == (spec_data(after) == spec_data(before))


HAND_WRITTEN = """\
# Our first cluster, ask Kim before changing it.
name: lab   # short
target: bare-metal

nodes:  # three old servers
  # the one with the noisy fan
  - name: alpha
    address: "10.0.0.11"
    labels: {rack: a}   # by the window
  - {name: beta, address: 10.0.0.12, roles: [worker]}

  - name: gamma
    address: 10.0.0.13     # DHCP reservation
    roles:
    - worker

# The network is given by the building.
network:
    kube_proxy: ipvs   # spelled out on purpose
    pods: 10.100.0.0/16
load_balancer:
  pools:
    - addresses:
        - 10.0.0.240/29  # floor 1
        - 10.0.0.248/29  # floor 2
# The end.
"""


def with_data(spec: ClusterSpec, change: Callable[[dict[str, Any]], object]) -> ClusterSpec:
    data = spec.model_dump(mode="json")
    change(data)
    return validate_data(data)


def changed_lines(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


def delta() -> dict[str, Any]:
    return Node(name="delta", address="10.0.0.14").model_dump(mode="json")


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], list[str]]] = {
    "a name": (
        lambda d: d.update(name="lab2"),
        ["- name: lab   # short", "+ name: lab2   # short"],
    ),
    "a node more": (
        lambda d: d["nodes"].append(delta()),
        ["+   - name: delta", "+     address: 10.0.0.14"],
    ),
    "a node in front": (
        lambda d: d["nodes"].insert(0, delta()),
        ["+   - name: delta", "+     address: 10.0.0.14"],
    ),
    "a node less": (
        lambda d: d["nodes"].pop(1),
        ["-   - {name: beta, address: 10.0.0.12, roles: [worker]}"],
    ),
    "another address": (
        lambda d: d["nodes"][2].update(address="10.0.0.23"),
        [
            "-     address: 10.0.0.13     # DHCP reservation",
            "+     address: 10.0.0.23     # DHCP reservation",
        ],
    ),
    "a node renamed, with a port": (
        lambda d: d["nodes"][0].update(name="omega", port=2222),
        ["-   - name: alpha", "+   - name: omega", "+     port: 2222"],
    ),
    "a default spelled out changes and stays": (
        lambda d: d["network"].update(kube_proxy="nftables"),
        [
            "-     kube_proxy: ipvs   # spelled out on purpose",
            "+     kube_proxy: nftables   # spelled out on purpose",
        ],
    ),
    "back to the default": (
        lambda d: d["network"].update(pods="10.233.64.0/18"),
        ["-     pods: 10.100.0.0/16", "+     pods: 10.233.64.0/18"],
    ),
    "one range": (
        lambda d: d["load_balancer"]["pools"][0].update(addresses=["10.0.0.240/29", "10.0.0.250/31"]),
        ["-         - 10.0.0.248/29  # floor 2", "+         - 10.0.0.250/31  # floor 2"],
    ),
    "labels in brackets": (
        lambda d: d["nodes"][0].update(labels={"rack": "b", "on": "no"}),
        [
            "-     labels: {rack: a}   # by the window",
            '+     labels: {rack: b, "on": "no"}   # by the window',
        ],
    ),
    "labels taken away": (
        lambda d: d["nodes"][0].update(labels={}),
        ["-     labels: {rack: a}   # by the window"],
    ),
    "roles back to all": (
        lambda d: d["nodes"][2].update(roles=["control-plane", "etcd", "worker"]),
        ["-     roles:", "-     - worker"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_touches_the_answer_and_nothing_else(name: str, tmp_path: Path) -> None:
    change, expected = EDITS[name]
    spec = reread(HAND_WRITTEN, tmp_path / "f.yaml")
    after = with_data(spec, change)
    complete = merged_text(spec, HAND_WRITTEN)
    text = merged_text(after, complete)
    assert reread(text, tmp_path / "f.yaml") == after
    assert changed_lines(complete, text) == expected
    assert merged_text(after, text) == text


def test_the_choices_a_reader_looks_for_are_added_where_they_belong(tmp_path: Path) -> None:
    spec = reread(HAND_WRITTEN, tmp_path / "f.yaml")
    assert changed_lines(HAND_WRITTEN, merged_text(spec, HAND_WRITTEN)) == [
        "+ api_version: slipway/v1",
        "+ kubernetes:",
        "+   version: 1.35.4",
        "+     cni: cilium",
        "+   kind: metallb-l2",
        "+ storage:",
        "+   engines:",
        "+     - hostpath",
        "+ mesh:",
        "+   kind: none",
    ]


def test_shared_parts_do_not_change_together(tmp_path: Path) -> None:
    present = (
        "# Kept.\nname: lab\nnodes:\n"
        "  - {name: n1, address: 10.0.0.1, labels: &l {tier: a}}\n"
        "  - {name: n2, address: 10.0.0.2, labels: *l}\n"
    )
    spec = reread(present, tmp_path / "f.yaml")
    after = with_data(spec, lambda d: d["nodes"][0].update(labels={"tier": "b"}))
    text = merged_text(after, present)
    assert reread(text, tmp_path / "f.yaml") == after
    assert text.startswith("# Kept.\n")


def test_a_written_file_is_its_owners_alone_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(HAND_WRITTEN)
    path.chmod(0o644)
    spec = with_data(read_document(path).spec, lambda d: d.update(name="lab2"))
    write_spec(spec, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["cluster.yaml"]
    assert read_document(path).spec == spec
    assert path.read_text().startswith("# Our first cluster")


@pytest.mark.parametrize("rubbish", [b"", b"- a\n", b"name: 1\n", b"\xff\xfe", b'{"name": "lab"}'])
def test_a_file_that_holds_no_specification_is_replaced(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_bytes(rubbish)
    spec = validate_data({"name": "new", "target": "local", "kubespray_vars": {"a": {"b": None}}})
    write_spec(spec, path)
    assert read_document(path).spec == spec
