"""Writing cluster.yaml: the comments and the order of a file that is there already are kept.

Only what differs from the defaults is written, plus the choices that a reader looks for first; so a file
written by hand stays as short as its author made it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizards.files import write_private
from wizards.setup.spec import ClusterSpec
from wizards.version import slipway_version

if TYPE_CHECKING:
    from ruamel.yaml import YAML

_TEXT_TAG = "tag:yaml.org,2002:str"
HEADER = "# A Kubernetes cluster, as Slipway {version} wrote it. Change it by hand or in the wizard.\n"


def spec_data(spec: ClusterSpec) -> dict[str, Any]:
    """Return what cluster.yaml holds: what differs from the defaults, and the main choices in any case."""
    data = spec.model_dump(mode="json", exclude_defaults=True)
    shown: dict[str, Any] = {
        "api_version": spec.api_version,
        "name": spec.name,
        "target": spec.target.value,
        "kubernetes": {"version": spec.kubernetes.version},
        "network": {"cni": spec.network.cni.value},
        "load_balancer": {"kind": spec.load_balancer.kind.value},
        "storage": {"engines": [one.value for one in spec.storage.engines]},
        "mesh": {"kind": spec.mesh.kind.value},
    }
    merged = _over(shown, data)
    order = [name for name in type(spec).model_fields if name in merged]
    return {name: merged[name] for name in order}


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with the entries of `above` put over it, mapping by mapping."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if both else value
    return merged


def dump_spec(spec: ClusterSpec) -> str:
    """Return `spec` as the text of a new cluster.yaml."""
    return HEADER.format(version=slipway_version()) + _text(_yaml(), _quoted(spec_data(spec)))


def write_spec(spec: ClusterSpec, path: Path) -> None:
    """Write `spec` to `path`, mode 0600, at once or not at all.

    Where the file holds a mapping already, its comments, its order and the defaults that it spells out are
    kept; only what changed is changed.

    Raises:
        OSError: It could not be written; what was there is untouched.
    """
    write_private(path, merged_text(spec, _present_text(path)))


def _present_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def merged_text(spec: ClusterSpec, present: str) -> str:
    """Return the text of a file that said `present` and now says `spec`."""
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError

    yaml = _yaml()
    try:
        document = yaml.load(present) if present.strip() else None
    except YAMLError:
        document = None
    if not isinstance(document, CommentedMap):
        return dump_spec(spec)
    # What the file says in more words than needed (a default spelled out) stays as its author wrote it.
    whole = spec.model_dump(mode="json")
    _update(document, spec_data(spec), whole)
    return _text(yaml, document)


def _update(document: dict[str, Any], wanted: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
    """Make `document` say `wanted`, touching only what differs; `whole` has the defaults too."""
    for key in list(document):
        if key not in whole or (key not in wanted and not _says(document[key], whole[key])):
            del document[key]
    for key, value in wanted.items():
        present = document.get(key)
        if isinstance(present, dict) and isinstance(value, dict) and isinstance(whole[key], dict):
            inside = whole[key] if whole[key] else value
            _update(present, value, inside)
        elif isinstance(present, list) and isinstance(value, list):
            _update_list(present, value, whole[key])
        elif key not in document or present != value:
            document[key] = _quoted(value)


def _update_list(present: list[Any], wanted: list[Any], whole: list[Any]) -> None:
    """Make a list say `wanted`: entries that are there keep their comments."""
    del present[len(wanted) :]
    for index, value in enumerate(wanted):
        if index >= len(present):
            present.append(_quoted(value))
        elif isinstance(present[index], dict) and isinstance(value, dict):
            _update(present[index], value, whole[index])
        elif present[index] != value:
            present[index] = _quoted(value)


def _says(present: Any, value: Any) -> bool:
    """Tell whether what stands in the file says `value`; a mapping may leave defaults out."""
    if isinstance(present, dict) and isinstance(value, dict):
        return all(key in value and _says(present[key], value[key]) for key in present)
    if isinstance(present, list) and isinstance(value, list):
        return len(present) == len(value) and all(map(_says, present, value))
    return bool(present == value)


def _quoted(value: Any) -> Any:
    """Return `value` with every text quoted that YAML 1.1, which Ansible reads, would take for no text."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString
    from yaml.nodes import ScalarNode
    from yaml.resolver import Resolver

    if isinstance(value, dict):
        return {key: _quoted(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_quoted(one) for one in value]
    if isinstance(value, str):
        tag: str = Resolver().resolve(ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
        return value if tag == _TEXT_TAG else DoubleQuotedScalarString(value)
    return value


def _yaml() -> YAML:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096  # a long value is never folded: line and answer belong together
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _text(yaml: YAML, data: Any) -> str:
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()
