"""cluster.yaml out and in again: nothing is lost, and a hand-written file stays its author's."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from wizards.setup.document import read_document
from wizards.setup.spec import ClusterSpec
from wizards.setup.writing import dump_spec, merged_text, write_spec

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]", fullmatch=True)
OCTET = st.integers(1, 254)
ADDRESS = st.builds(lambda a, b, c: f"10.{a}.{b}.{c}", OCTET, OCTET, OCTET)
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="{}"), max_size=12
)
WORDS = st.sampled_from(
    ["no", "yes", "on", "null", "~", "1.35", "0x1f", "12:30", "true", "010", "2026-01-01", ""]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
NODE = st.fixed_dictionaries(
    {"name": NAMES, "address": ADDRESS},
    optional={
        "port": st.integers(1, 65535),
        "internal_address": ADDRESS,
        "labels": st.dictionaries(NAMES, WORDS.filter(lambda word: word.isalnum()), max_size=2),
        "taints": st.lists(st.just("dedicated=db:NoSchedule"), max_size=1),
        "roles": st.lists(
            st.sampled_from(["control-plane", "etcd", "worker"]), min_size=1, max_size=3, unique=True
        ),
    },
)
DATA = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "nodes": st.lists(NODE, max_size=4),
        "network": st.fixed_dictionaries(
            {},
            optional={
                "cni": st.sampled_from(["calico", "cilium"]),
                "cilium": st.fixed_dictionaries({"hubble": st.booleans()}),
            },
        ),
        "kubespray_vars": st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), JSON, max_size=3),
        "proxy": st.fixed_dictionaries({"no_proxy": st.lists(st.just("10.0.0.0/8"), max_size=2)}),
        "storage": st.fixed_dictionaries(
            {"engines": st.lists(st.sampled_from(["lvm", "hostpath"]), unique=True)}
        ),
    },
)


def spec_of(data: dict[str, Any]) -> ClusterSpec:
    return ClusterSpec.model_validate(data)


def reread(text: str, folder: Path) -> ClusterSpec:
    path = folder / "again.yaml"
    path.write_text(text, encoding="utf-8")
    return read_document(path).spec


@given(data=DATA)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_back_the_same(data: dict[str, Any], tmp_path_factory: Any) -> None:
    spec = spec_of(data)
    assert reread(dump_spec(spec), tmp_path_factory.getbasetemp()) == spec


@given(before=DATA, after=DATA)
@settings(max_examples=150, deadline=None)
def test_an_edited_file_says_what_it_should(
    before: dict[str, Any], after: dict[str, Any], tmp_path_factory: Any
) -> None:
    text = dump_spec(spec_of(before))
    spec = spec_of(after)
    assert reread(merged_text(spec, text), tmp_path_factory.getbasetemp()) == spec


BY_HAND = """\
# Our first cluster.
name: lab   # short
target: bare-metal
nodes:
  # the big one
  - name: alpha
    address: "10.0.0.11"
  - {name: beta, address: 10.0.0.12}
network:
  kube_proxy: ipvs   # spelled out on purpose
"""


def test_comments_order_and_spelled_out_defaults_stay(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(BY_HAND)
    spec = read_document(path).spec
    changed = spec.model_copy(update={"name": "lab2", "nodes": spec.nodes[:1]})
    write_spec(changed, path)
    text = path.read_text()
    for kept in (
        "# Our first cluster.",
        "# short",
        "# the big one",
        '"10.0.0.11"',
        "# spelled out on purpose",
    ):
        assert kept in text
    assert "beta" not in text
    assert read_document(path).spec == changed


def test_a_written_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    write_spec(spec_of({"name": "lab"}), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["cluster.yaml"]
