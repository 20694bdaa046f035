"""Label and field selectors."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wizards.practice.api.errors import ApiError
from wizards.practice.api.resources import Registry
from wizards.practice.api.selectors import from_object, parse_fields, parse_labels, select

NAMES = st.from_regex(re.compile(r"[a-z]([-a-z0-9_.]{0,6}[a-z0-9])?", re.ASCII), fullmatch=True).filter(
    lambda name: name not in {"in", "notin"}
)
LABELS = st.dictionaries(NAMES, NAMES, max_size=4)


def matches(text: str, labels: dict[str, str]) -> bool:
    return select(parse_labels(text), labels)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web", True),
        ("app!=web", False),
        ("app=db", False),
        ("missing!=web", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("app in (db, web)", True),
        ("app in (db)", False),
        ("app notin (db)", True),
        ("missing notin (db)", True),
        ("app notin (web,db)", False),
        ("empty=", True),
        ("app=web,tier!=back,size>3", True),
        ("app=web,size<3", False),
        ("app.kubernetes.io/name=shop", True),
        ("in=x", False),
    ],
)
def test_label_selectors_mean_what_kubernetes_documents(text: str, *, expected: bool) -> None:
    labels = {"app": "web", "tier": "front", "size": "5", "empty": "", "app.kubernetes.io/name": "shop"}
    assert matches(text, labels) is expected


@pytest.mark.parametrize(
    "text", ["=web", "app in", "app in ()x", "app,", ",app", "a b", "app=web;x", "app=a=b"]
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_labels(text)
    assert caught.value.code == 400


@settings(deadline=None)
@given(LABELS, NAMES, st.lists(NAMES, min_size=1, max_size=3))
def test_in_and_notin_are_opposites(labels: dict[str, str], key: str, values: list[str]) -> None:
    listed = ",".join(values)
    assert matches(f"{key} in ({listed})", labels) is not matches(f"{key} notin ({listed})", labels)
    assert matches(f"{key} in ({listed})", labels) is (labels.get(key) in values)


@settings(deadline=None)
@given(LABELS, LABELS)
def test_a_selector_written_out_and_as_an_object_agree(
    labels: dict[str, str], wanted: dict[str, str]
) -> None:
    written = ",".join(f"{key}={value}" for key, value in wanted.items())
    as_object = select(from_object({"matchLabels": wanted}), labels)
    assert matches(written, labels) is as_object is (wanted.items() <= labels.items())


def test_no_selector_object_selects_nothing_and_an_empty_one_all() -> None:
    assert select(from_object(None), {"a": "b"}) is False
    assert select(from_object({}), {"a": "b"}) is True


def fields_match(text: str, obj: dict[str, Any], resource: str = "pods") -> bool:
    rtype = Registry().find("", "v1", resource)
    assert rtype is not None
    return all(term.matches(obj) for term in parse_fields(text, rtype))


POD = {
    "metadata": {"name": "web-1", "namespace": "shop"},
    "spec": {"nodeName": "node-1"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metadata.name=web-1", True),
        ("metadata.name==web-1,metadata.namespace=shop", True),
        ("status.phase!=Running,status.phase!=Succeeded", False),
        ("spec.nodeName=node-1,status.phase!=Pending", True),
        ("spec.nodeName=", False),
        ("status.podIP=", True),
        ("spec.hostNetwork=false", True),
    ],
)
def test_field_selectors_compare_fields_as_text(text: str, *, expected: bool) -> None:
    assert fields_match(text, POD) is expected


def test_the_source_of_an_event_is_its_component() -> None:
    event = {"metadata": {"name": "e"}, "source": {"component": "kubelet"}, "involvedObject": {"kind": "Pod"}}
    assert fields_match("source=kubelet,involvedObject.kind=Pod,type!=Warning", event, "events")


@pytest.mark.parametrize("text", ["spec.image=x", "status.phase", "metadata.labels.app=web", "=x"])
def test_fields_that_cannot_be_selected_are_refused(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        fields_match(text, POD)
    assert caught.value.code == 400
