"""What `ClusterSpec` expects at a path: its fields by name, their bounds and descriptions.

Read from the models themselves, so that what a fault says cannot drift from what is checked.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from wizards.setup.paths import Part
from wizards.setup.spec import ClusterSpec, Model


def model_at(parts: Sequence[Part]) -> type[Model] | None:
    """Return the model whose fields stand at the path `parts`; None where there is none."""
    return _model(_annotation_at(parts))


def field_at(parts: Sequence[Part]) -> FieldInfo | None:
    """Return the field at `parts`; for an entry of a list or a mapping, the field that holds it."""
    for length in range(len(parts), 0, -1):
        owner, name = model_at(parts[: length - 1]), parts[length - 1]
        if owner is not None and isinstance(name, str):
            return owner.model_fields.get(name)
    return None


def bounds_at(parts: Sequence[Part]) -> tuple[int | None, int | None]:
    """Return the least and the greatest number allowed at `parts`; None where there is no bound."""
    field = field_at(parts)
    marks = [*(field.metadata if field else ()), *_marks(field.annotation if field else None)]
    low = next((mark.ge for mark in marks if isinstance(mark, Ge)), None)
    high = next((mark.le for mark in marks if isinstance(mark, Le)), None)
    return (low if isinstance(low, int) else None, high if isinstance(high, int) else None)


def default_at(parts: Sequence[Part]) -> Any:
    """Return the default of the answer at `parts`, as it stands in cluster.yaml; None where it has none."""
    field = field_at(parts)
    if field is None or field.is_required():
        return None
    value = field.get_default(call_default_factory=True, validated_data={})
    return value if isinstance(value, str | int | float) else None


def required_fields(model: type[Model]) -> tuple[str, ...]:
    """Return the names of the fields of `model` that have no default."""
    return tuple(name for name, info in model.model_fields.items() if info.is_required())


@cache
def field_places() -> dict[str, tuple[str, ...]]:
    """Return for every field name where in cluster.yaml such fields stand, for example ``nodes[].labels``."""
    places: dict[str, tuple[str, ...]] = {}
    for name, place in _places(ClusterSpec, ""):
        places[name] = (*places.get(name, ()), place)
    return places


def _places(model: type[Model], prefix: str) -> Iterator[tuple[str, str]]:
    for name, info in model.model_fields.items():
        place = f"{prefix}{name}"
        yield name, place
        annotation = _bare(info.annotation)
        if get_origin(annotation) is tuple and (inner := _model(get_args(annotation)[0])):
            yield from _places(inner, f"{place}[].")
        elif inner := _model(annotation):
            yield from _places(inner, f"{place}.")


def _annotation_at(parts: Sequence[Part]) -> Any:
    annotation: Any = ClusterSpec
    for part in parts:
        annotation = _bare(annotation)
        if isinstance(part, int):
            annotation = get_args(annotation)[0] if get_origin(annotation) is tuple else None
        elif model := _model(annotation):
            info = model.model_fields.get(part)
            annotation = info.annotation if info else None
        elif get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        else:
            return None
    return annotation


def _bare(annotation: Any) -> Any:
    """Return the annotation without `Annotated` and without the None of an optional one."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        inner = [one for one in get_args(annotation) if one is not type(None)]
        return _bare(inner[0]) if len(inner) == 1 else annotation
    return annotation


def _marks(annotation: Any) -> Iterator[Any]:
    """Yield the constraints inside an annotation, those of an optional value and of a list's entries too."""
    if get_origin(annotation) is Annotated:
        for mark in get_args(annotation)[1:]:
            yield mark
            yield from getattr(mark, "metadata", ())
    for inner in get_args(annotation):
        if get_origin(inner) is not None:
            yield from _marks(inner)


def _model(annotation: Any) -> type[Model] | None:
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, Model) else None
