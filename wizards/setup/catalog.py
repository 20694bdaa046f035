"""The catalog: every choice that the wizard offers, with its words and its cost, read from ``catalog.yaml``.

Choices are data. Which of them can be chosen now is decided by the steps, and what goes together by the
rules; here is only what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final

from wizards.setup.questions import Option

_WORDS: Final = ("title", "summary", "otherwise", "cost")


class CatalogError(ValueError):
    """``catalog.yaml`` is not what this module expects; the message names the entry."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """All choices, by path of cluster.yaml and value.

    Attributes:
        choices: Path to (value to option), values in the order in which they are shown.
        kubespray: Kubernetes minors that the pinned Kubespray installs, newest first, each with its patch
            numbers from the oldest to the newest (source: Kubespray v2.31.0's checksums).
        kind: Kubernetes versions that kind has node images for, newest first (source: release notes of
            kind v0.33.0; the images themselves: `wizards.provision.kind`).
    """

    choices: Mapping[str, Mapping[str, Option]]
    kubespray: Mapping[str, range]
    kind: tuple[str, ...]

    def option(self, path: str, value: str) -> Option:
        """Return the option `value` at `path`.

        Raises:
            KeyError: When the catalog does not have it.
        """
        return self.choices[path][value]

    def options(
        self, path: str, values: Iterable[str] | None = None, *, blocked: Mapping[str, str] | None = None
    ) -> tuple[Option, ...]:
        """Return the options at `path`, all or those of `values`, with the reasons of `blocked` filled in.

        Raises:
            KeyError: When the catalog does not have one of them.
        """
        reasons = blocked or {}
        known = self.choices[path]
        return tuple(
            replace(known[value], blocked=reasons.get(value, ""))
            for value in (known if values is None else values)
        )

    def title(self, path: str, value: str) -> str:
        """Return the title of a choice, or the value itself where the catalog does not know it."""
        option = self.choices.get(path, {}).get(value)
        return option.title if option else value

    def kubespray_versions(self) -> tuple[str, ...]:
        """Return the newest patch of each minor that Kubespray installs, newest first."""
        return tuple(f"{minor}.{patches[-1]}" for minor, patches in self.kubespray.items())

    def in_kubespray(self, version: str) -> bool:
        """Tell whether the pinned Kubespray can install `version`."""
        minor, _, patch = version.rpartition(".")
        return patch.isdecimal() and int(patch) in self.kubespray.get(minor, range(0))

    def kind_version(self, version: str) -> str | None:
        """Return the version that kind has an image for: `version` itself, or another patch of its minor."""
        if version in self.kind:
            return version
        minor = version.rpartition(".")[0]
        return next((known for known in self.kind if known.rpartition(".")[0] == minor), None)


def _option(path: str, value: str, entry: object) -> Option:
    if not isinstance(entry, dict) or sorted(entry) != sorted(_WORDS):
        raise CatalogError(f"{path}: {value} wants exactly {', '.join(_WORDS)}")
    words: dict[str, str] = {}
    for word in _WORDS:
        text = entry[word]
        if not isinstance(text, str) or not text.strip():
            raise CatalogError(f"{path}: {value}: {word} is not a text")
        words[word] = text
    return Option(value=value, **words)


def parse_catalog(data: Any) -> Catalog:
    """Return the catalog that `data` (the parsed YAML) describes.

    Raises:
        CatalogError: When an entry is missing, misspelt or of the wrong type.
    """
    if not isinstance(data, dict) or sorted(data) != ["choices", "kubernetes"]:
        raise CatalogError("wants exactly choices and kubernetes")
    try:
        choices = {
            path: {value: _option(path, value, entry) for value, entry in entries.items()}
            for path, entries in data["choices"].items()
        }
        versions = data["kubernetes"]
        kubespray = {
            minor: range(int(patches["oldest"]), int(patches["newest"]) + 1)
            for minor, patches in versions["kubespray"].items()
        }
        kind = tuple(str(version) for version in versions["kind"])
    except (AttributeError, KeyError, TypeError) as error:
        raise CatalogError(f"not a catalog: {error!r}") from error
    return Catalog(choices, kubespray, kind)


@cache
def catalog() -> Catalog:
    """Return the catalog that comes with this version of Slipway; read once per process."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = resources.files("wizards.setup").joinpath("catalog.yaml").read_text(encoding="utf-8")
    return parse_catalog(yaml.load(text, Loader=loader))  # noqa: S506 - a safe loader, in C where there is one
