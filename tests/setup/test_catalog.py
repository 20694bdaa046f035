"""The catalog: complete, in plain words, and in step with the format and with what the installers know."""

from __future__ import annotations

import copy
from enum import StrEnum
from importlib import resources
from typing import Any, get_args

import pytest
import yaml

from wizards.provision.kind import node_image
from wizards.setup.catalog import CatalogError, catalog, parse_catalog
from wizards.setup.questions import Option, QuestionKind
from wizards.setup.spec import ClusterSpec
from wizards.setup.spec_fields import field_at
from wizards.setup.steps import STEPS

ENTRIES = [(path, option) for path, options in catalog().choices.items() for option in options.values()]


@pytest.mark.parametrize(("path", "option"), ENTRIES, ids=[f"{path}={one.value}" for path, one in ENTRIES])
def test_every_choice_is_explained_in_a_few_words(path: str, option: Option) -> None:
    assert len(option.title) <= 30
    for words in (option.summary, option.otherwise):
        assert words.endswith(".")
        assert len(words) <= 140
    assert 0 < len(option.cost) <= 90
    assert not option.cost.endswith(".")
    assert option.blocked == ""


def _values(path: str) -> set[str]:
    """Return the values that the format allows at `path`."""
    field = field_at(path.split("."))
    assert field is not None, path
    pending: list[Any] = [field.annotation]
    values: set[str] = set()
    while pending:
        one = pending.pop()
        if isinstance(one, type) and issubclass(one, StrEnum):
            values |= {item.value for item in one}
        elif isinstance(one, str):
            values.add(one)
        else:
            pending.extend(get_args(one))
    return values


@pytest.mark.parametrize("path", list(catalog().choices))
def test_every_value_of_the_format_is_there_and_no_other(path: str) -> None:
    assert set(catalog().choices[path]) == _values(path)


def test_every_choice_of_the_wizard_has_words() -> None:
    computed = {"kubernetes.version", "storage.default_class"}
    asked = {
        question.path
        for step in STEPS
        for question in step.questions
        if question.kind in {QuestionKind.CHOICE, QuestionKind.CHOICES}
    }
    assert asked - computed == set(catalog().choices)


def test_a_reason_is_put_into_the_option_and_nowhere_else() -> None:
    blocked = catalog().options("mesh.kind", blocked={"istio-ambient": "Not now."})
    assert [option.blocked for option in blocked] == ["", "", "Not now."]
    assert [option.blocked for option in catalog().options("mesh.kind")] == ["", "", ""]


def test_versions_of_kubespray() -> None:
    assert catalog().kubespray_versions() == ("1.35.4", "1.34.7", "1.33.11")
    known = ["1.33.0", "1.33.11", "1.34.7", "1.35.0", "1.35.4"]
    unknown = ["1.32.9", "1.33.12", "1.34.8", "1.35.5", "1.36.0", "1.35", "1.35.x", "nonsense", ""]
    assert [version for version in known + unknown if catalog().in_kubespray(version)] == known


def test_versions_of_kind_are_those_that_there_are_images_of() -> None:
    for version in catalog().kind:
        spec = ClusterSpec.model_validate(
            {"name": "x", "target": "local", "kubernetes": {"version": version}}
        )
        assert f":v{version}@sha256:" in node_image(spec)
    assert catalog().kind_version("1.35.0") == "1.35.8"
    assert catalog().kind_version("1.33.0") is None


@pytest.fixture
def data() -> Any:
    text = resources.files("wizards.setup").joinpath("catalog.yaml").read_text(encoding="utf-8")
    return copy.deepcopy(yaml.safe_load(text))


@pytest.mark.parametrize("word", ["title", "summary", "otherwise", "cost"])
def test_a_missing_word_is_refused_by_name(data: Any, word: str) -> None:
    del data["choices"]["mesh.kind"]["none"][word]
    with pytest.raises(CatalogError, match=r"mesh\.kind: none"):
        parse_catalog(data)


def test_a_misspelt_word_or_group_is_refused(data: Any) -> None:
    data["choices"]["mesh.kind"]["none"]["costs"] = "much"
    with pytest.raises(CatalogError, match=r"mesh\.kind: none"):
        parse_catalog(data)
    with pytest.raises(CatalogError):
        parse_catalog({"choices": {}})
    with pytest.raises(CatalogError):
        parse_catalog({"choices": [], "kubernetes": {}})
