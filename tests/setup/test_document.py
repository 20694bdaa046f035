from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tui.plain import finding_line
from wizards.setup import rules
from wizards.setup.document import (
    InvalidDocument,
    InvalidSpec,
    line_of,
    read_document,
    validate_data,
    with_lines,
)
from wizards.setup.faults import EXAMPLES, PATTERNS
from wizards.setup.finding import Finding, Severity
from wizards.setup.paths import parts_of, path_of
from wizards.setup.spec import json_schema
from wizards.setup.spec_fields import field_at, field_places

BROKEN = Path(__file__).with_name("broken")
FILES = sorted(BROKEN.glob("*.yaml"))
JARGON = re.compile(
    r"input should|field required|extra inputs|value error|valid (?:string|tuple|dictionary)|pydantic"
    r"|traceback|validation|NoneType|<class",
    re.IGNORECASE,
)


def faults(path: Path) -> list[str]:
    """Return what `slipway check` says against a file, one line each."""
    try:
        document = read_document(path)
    except InvalidDocument as invalid:
        return [finding_line(finding, Path(path.name)) for finding in invalid.findings]
    found = with_lines(rules.check(document.spec), document.lines)
    return [finding_line(finding, Path(path.name)) for finding in found if finding.severity is Severity.BLOCK]


def expected() -> dict[str, list[str]]:
    blocks: dict[str, list[str]] = {}
    for line in (BROKEN / "expected.txt").read_text().splitlines():
        if line:
            blocks.setdefault(re.split(r":\d+: |: ", line)[0], []).append(line)
    return blocks


def test_there_are_thirty_broken_files_and_more() -> None:
    assert len(FILES) >= 30
    assert {file.name for file in FILES} == set(expected())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_broken_file_gets_the_sentences_a_colleague_would_say(path: Path) -> None:
    found = faults(path)
    assert found == expected()[path.name]
    assert not any(JARGON.search(line) for line in found)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def only_fault(path: Path) -> str:
    (line,) = faults(path)
    return line


def test_a_ten_megabyte_file_is_refused_without_reading_it_all(tmp_path: Path) -> None:
    path = write(tmp_path / "cluster.yaml", b"# " + b"x" * (10 * 1024 * 1024))
    assert only_fault(path) == (
        "cluster.yaml: The file is larger than 1 MiB (10.0 MiB), which no cluster.yaml is. "
        "Check that this is the file you meant."
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"\x7fELF\x02\x01\n\x00\x00",
            "2: This is not a text file: it holds a NUL byte. Name the cluster.yaml itself.",
        ),
        (
            "name: demo\n# Königsberg\n".encode("latin-1"),
            "2: The byte 0xf6 on this line is not UTF-8. Save the file as UTF-8.",
        ),
        ("name: demo\n".encode("utf-16"), "1: The file is written in UTF-16. Save it as UTF-8."),
        (b"name: demo\nx: a\x1b[31m\n", "2: This line holds the control character U+001B. Delete it."),
    ],
    ids=["binary", "latin-1", "utf-16", "escape"],
)  # fmt: skip
def test_what_is_not_utf8_text_is_named_by_its_line(tmp_path: Path, content: bytes, sentence: str) -> None:
    assert only_fault(write(tmp_path / "f.yaml", content)) == f"f.yaml:{sentence}"


def test_a_byte_order_mark_is_nobodys_fault(tmp_path: Path) -> None:
    path = write(tmp_path / "f.yaml", b"\xef\xbb\xbfname: demo\r\ntarget: local\r\n")
    assert read_document(path).spec.name == "demo"


def test_what_is_no_readable_file_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    assert only_fault(tmp_path / "none.yaml") == (
        "none.yaml: There is no such file. Check the name; 'slipway new' makes one."
    )
    assert "This is a folder, not a file." in only_fault(tmp_path)
    assert "This is not a regular file." in only_fault(tmp_path / "pipe")
    assert "The file cannot be read: too many levels of symbolic links." in only_fault(tmp_path / "loop")
    assert "This is not the name of a file." in only_fault(tmp_path / "nul\0name")
    assert "The file cannot be read: file name too long." in only_fault(tmp_path / ("x" * 300))


@pytest.mark.parametrize("opening", ["[", "- ", "{a: "])
def test_depth_is_bounded_before_anything_is_built(tmp_path: Path, opening: str) -> None:
    assert "nested more than 32 levels deep" in only_fault(
        write(tmp_path / "f.yaml", opening.encode() * 200_000)
    )


def test_a_file_may_share_parts_by_reference(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.yaml",
        b"name: demo\n"
        b"nodes:\n"
        b"  - &first {name: n1, address: 10.0.0.1, labels: &labels {tier: a}}\n"
        b"  - {<<: *first, name: n2, address: 10.0.0.2, roles: [worker]}\n",
    )
    first, second = read_document(path).spec.nodes
    assert (second.name, second.labels) == ("n2", {"tier": "a"})
    assert (first.name, first.labels) == ("n1", {"tier": "a"})


def test_every_answer_is_found_by_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.yaml",
        b"# a comment\nname: demo\n\nnodes:\n  - name: n1\n    address: 10.0.0.1\n    labels:\n"
        b'      example.com/tier: "a"\n  - {name: n2, address: 10.0.0.2}\n',
    )
    document = read_document(path)
    lines = {
        path: line_of(document, path)
        for path in (
            "name", "nodes[0]", "nodes[0].address", 'nodes[0].labels["example.com/tier"]',
            "nodes[1].address", "nodes[1].user", "storage.engines",
        )
    }  # fmt: skip
    assert list(lines.values()) == [2, 5, 6, 8, 9, 9, 2]


def test_every_pattern_and_every_required_field_has_words_of_its_own() -> None:
    def patterns(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            if isinstance(found := schema.get("pattern"), str):
                yield found
            for key, value in schema.items():
                if key == "patternProperties":
                    yield from value
                yield from patterns(value)
        elif isinstance(schema, list):
            for value in schema:
                yield from patterns(value)

    assert set(patterns(json_schema())) == set(PATTERNS)
    places = {place for several in field_places().values() for place in several}
    required = set()
    for place in places:
        field = field_at([0 if part == "[]" else part for part in re.findall(r"\[\]|[^.\[\]]+", place)])
        assert field is not None, place
        if field.is_required():
            required.add(place.replace("[]", ""))
    assert required == set(EXAMPLES)


def test_templates_are_refused_in_data_that_comes_from_no_file() -> None:
    with pytest.raises(InvalidSpec) as invalid:
        validate_data({"name": "demo", "kubespray_vars": {"a": ["{{ x }}"], "b": {"{%": 1}}})
    assert [finding.path for finding in invalid.value.findings] == [
        "kubespray_vars.a[0]",
        'kubespray_vars.b["{%"]',
    ]


GOOD: dict[str, Any] = {
    "name": "demo",
    "target": "bare-metal",
    "kubernetes": {"version": "1.35.4", "ntp": True, "upstream_dns": ["1.1.1.1"]},
    "nodes": [
        {"name": "n1", "address": "10.0.0.1", "port": 22, "roles": ["worker"], "labels": {"a": "b"}},
    ],
    "access": {"jump": {"host": "bastion.lan", "port": 22}},
    "network": {"pods": "10.233.64.0/18", "node_prefix": 24, "cilium": {"hubble": True}},
    "load_balancer": {
        "kind": "metallb-bgp",
        "pools": [{"name": "p", "addresses": ["10.0.0.240/28"]}],
        "peers": [{"name": "tor", "address": "10.0.0.254", "asn": 64513, "hold_time": 90}],
        "advertisements": [{"pools": ["p"], "communities": ["65000:1"], "local_pref": 10}],
    },
    "storage": {"engines": ["hostpath"], "zfs": {"pool": "tank"}},
    "local": {"mounts": [{"host_path": "/a", "container_path": "/b"}]},
    "mirrors": {"registry": "registry.lan:5000"},
    "kubespray_vars": {"some": {"thing": 1}},
}  # fmt: skip


def spots(data: Any, parts: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield parts
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from spots(value, (*parts, key))


def replaced(data: Any, parts: tuple[str | int, ...], change: Callable[[Any], Any]) -> Any:
    if not parts:
        return change(data)
    copy: Any = dict(data) if isinstance(data, dict) else list(data)
    copy[parts[0]] = replaced(data[parts[0]], parts[1:], change)
    return copy


BAD_TEXTS = ["", "x" * 5000, "{{ x }}", "é\n"]
BAD_VALUES = st.one_of(
    st.sampled_from([None, True, 0, -1, 70_000, 1.5, 2**70, [], {}, ["a"], {"a": 1}, *BAD_TEXTS]),
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=8), st.none() | st.integers(), max_size=2),
)


def complaints(data: Any) -> tuple[Finding, ...]:
    try:
        validate_data(data)
    except InvalidSpec as invalid:
        return invalid.findings
    return ()


@given(spot=st.sampled_from(list(spots(GOOD))), value=BAD_VALUES, add=st.booleans())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_stands_where_it_should_not_is_said_in_plain_words(
    spot: tuple[str | int, ...], value: Any, add: bool
) -> None:
    def change(old: Any) -> Any:
        return {**old, "surplus": value} if add and isinstance(old, dict) else value

    for finding in complaints(replaced(GOOD, spot, change)):
        line = finding_line(finding)
        assert not JARGON.search(line.replace(repr(value), "")), line
        assert finding.message.endswith((".", "?"))
        assert "cannot stand here" not in line, "a kind of error without a sentence of its own"
        assert len(line) < 600
        assert path_of(parts_of(finding.path)) == finding.path


YAML_PIECES = [
    '"',
    "'",
    "- ",
    "a: ",
    "\n",
    "  ",
    "\t",
    "[",
    "}",
    "{{",
    "#",
    "&a ",
    "*a",
    "|",
    "!x ",
    "? ",
    "---\n",
]


@given(st.text(max_size=200) | st.lists(st.sampled_from(YAML_PIECES), max_size=40).map("".join))
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_text_at_all_brings_the_reader_down(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "f.yaml", text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InvalidDocument) as invalid:
        read_document(path)
    last = max(1, len(text.splitlines())) + 1
    assert all(finding.message and (finding.line or 1) <= last for finding in invalid.value.findings)
    json.dumps([finding.to_json() for finding in invalid.value.findings])
