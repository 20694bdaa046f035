"""YAML as the components' files hold it: data only, with a header that says where it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from wizards.version import slipway_version

Data = dict[str, Any]


class _Dumper(yaml.SafeDumper):
    """Writes equal values twice instead of as an anchor and an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def values_text(values: Mapping[str, Any], about: str) -> str:
    """Return the text of a Helm values file; `about` is its first line, for a reader."""
    return _header(about) + _dump(dict(values))


def objects_text(objects: Iterable[Mapping[str, Any]], about: str) -> str:
    """Return the text of a file of Kubernetes objects, one document each."""
    return _header(about) + "".join(f"---\n{_dump(dict(one))}" for one in objects)


def _header(about: str) -> str:
    return (
        f"# {about}\n# Written by Slipway {slipway_version()} from cluster.yaml; "
        "change the answers there, not this file.\n"
    )


def _dump(data: Data) -> str:
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def kube_object(
    api_version: str,
    kind: str,
    name: str,
    *,
    namespace: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **content: Any,
) -> Data:
    """Return a Kubernetes object; parts of the metadata that hold nothing are left out."""
    metadata: Data = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}
