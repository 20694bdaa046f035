"""Writing cluster.yaml: the comments, the order and the layout of a file that is there already are kept.

Only what differs from the defaults is written, plus the choices that a reader looks for first; so a file
written by hand stays as short as its author made it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wizards.files import write_private
from wizards.setup.spec import ClusterSpec
from wizards.setup.yaml_dump import dump_block
from wizards.setup.yaml_edit import CannotEdit, Change, edit
from wizards.setup.yaml_reader import YamlFault, read_yaml
from wizards.version import slipway_version

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
    return HEADER.format(version=slipway_version()) + dump_block(spec_data(spec))


def write_spec(spec: ClusterSpec, path: Path) -> None:
    """Write `spec` to `path`, mode 0600, at once or not at all.

    Where the file holds a specification already, only what changed is changed in it. Anything else that the
    file holds is replaced.

    Raises:
        OSError: It could not be written; what was there is untouched.
    """
    write_private(path, merged_text(spec, _present_text(path)))


def _present_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def merged_text(spec: ClusterSpec, present: str) -> str:
    """Return the text of a file that said `present` and now says `spec`.

    Where `present` cannot be edited in place (it says a thing once and refers to it elsewhere), its leading
    comment is kept and the rest is written anew. What is returned was read again and found to say `spec`.
    """
    from wizards.setup.document import InvalidSpec, validate_parsed

    try:
        old = validate_parsed(read_yaml(present))
    except (InvalidSpec, YamlFault):
        return dump_spec(spec)
    change = Change(old.model_dump(mode="json"), spec.model_dump(mode="json"), spec_data(spec))
    try:
        text = edit(present, change)
        if validate_parsed(read_yaml(text)) == spec:
            return text
    except (CannotEdit, InvalidSpec, YamlFault):
        pass
    return _leading_comment(present) + dump_block(spec_data(spec))


def _leading_comment(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(itertools.takewhile(lambda line: line.startswith("#") or not line.strip(), lines))
