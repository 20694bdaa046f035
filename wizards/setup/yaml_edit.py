"""Changing answers in a hand-written cluster.yaml and nothing else in it.

Only the characters of the answers that changed are replaced; comments, order, blank lines, quotes and
indentation stay as the person wrote them. Round-trip loaders tie a comment to the value before it, so that a
new entry lands below the heading of the next section; working on the text has no such surprise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from wizards.setup.yaml_dump import dump_block, dump_inline

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, SequenceNode


class CannotEdit(ValueError):
    """The text is written in a way that a change cannot be made in place."""


@dataclass(frozen=True, slots=True)
class Change:
    """Values of one part of the file, before and after.

    Attributes:
        old: All of it as it was read, defaults filled in.
        new: All of it as it shall be read, defaults filled in.
        written: Of `new`, what shall stand in the file: what differs from the defaults, and visible choices.
    """

    old: Any
    new: Any
    written: Any


def edit(text: str, change: Change) -> str:
    """Return `text`, the YAML of ``change.old``, so changed that it says ``change.new``.

    Raises:
        CannotEdit: Where the text shares parts by reference, or lays them out in a way not known here. What
            is returned should be read again and compared all the same.
    """
    import yaml

    root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if root is None:
        raise CannotEdit("nothing stands in the file")
    editor = _Editor(text)
    editor.value(root, change)
    return editor.result()


@dataclass(slots=True)
class _Editor:
    """Collects replacements of spans of the text. Spans never overlap; at one place they keep their order."""

    text: str
    edits: list[tuple[int, int, str]] = field(default_factory=list)

    def result(self) -> str:
        pieces: list[str] = []
        at = 0
        for start, end, replacement in sorted(self.edits, key=lambda edit: edit[:2]):
            if start < at:
                raise CannotEdit("two changes meet")
            pieces += [self.text[at:start], replacement]
            at = end
        return "".join(pieces) + self.text[at:]

    def value(self, node: Node, change: Change) -> None:
        """Change what stands at `node`."""
        before = len(self.edits)
        try:
            if _is_mapping(node) and isinstance(change.new, dict) and change.written:
                self._mapping(node, change)
            elif _is_sequence(node) and isinstance(change.new, list):
                self._sequence(node, change)
            else:
                raise CannotEdit("it stands on one line, or becomes something of another kind")
        except CannotEdit:
            del self.edits[before:]
            self._whole(node, change.written)

    def _whole(self, node: Node, data: Any) -> None:
        """Replace all that stands at `node`, in its own style where that can hold the data."""
        start, end = _start(node), self._end(node)
        if (_is_mapping(node) or _is_sequence(node)) and data and isinstance(data, dict | list):
            self._replace(start, end, dump_block(data, _column(node)).strip())
        else:
            self._replace(start, end, dump_inline(data))

    def _mapping(self, node: MappingNode, change: Change) -> None:
        ends: dict[str, int] = {}
        for key, value in node.value:
            if _start(value) < _stop(key):
                raise CannotEdit("a value is a reference to an earlier one")
            ends[key.value] = self._pair_end(key, value)
        for key, value in node.value:
            if key.value != "<<":
                self._entry(key, value, change)
        # A new entry goes below the one it follows in the specification's own order; one that would come
        # first goes below the first, because a dash or the file's heading may stand before that.
        end = next(iter(ends.values()))
        for name, data in change.written.items():
            if name in ends:
                end = ends[name]
            else:
                self._insert_after(end, dump_block({name: data}, _column(node)))

    def _entry(self, key: Node, value: Node, change: Change) -> None:
        name = key.value
        if name not in change.new:
            self._delete_lines(_start(key), self._pair_end(key, value))
            return
        old, new = change.old.get(name), change.new[name]
        if old == new and not _is_mapping(value):
            return
        if name not in change.written and (new is None or isinstance(new, dict | list)):
            self._delete_lines(_start(key), self._pair_end(key, value))
        elif self._end(value) == _start(value):
            colon = self._pair_end(key, value)
            self._replace(colon, colon, f" {dump_inline(change.written.get(name, new))}")
        else:
            self.value(value, Change(old, new, change.written.get(name, new)))

    def _pair_end(self, key: Node, value: Node) -> int:
        """Return where an entry ends; after its colon when it has no value."""
        end = self._end(value)
        return end if end > _start(value) else self.text.index(":", _stop(key)) + 1

    def _delete_lines(self, start: int, end: int) -> None:
        """Delete whole lines; what shares the first of them must not go with it."""
        self._replace(self._line_begin(start), self._line_end(end), "")

    def _sequence(self, node: SequenceNode, change: Change) -> None:
        plan = _plan(change.old, change.new)
        if plan is None or len(node.value) != len(change.old):
            raise CannotEdit("the entries change places")
        column = _column(node)
        end = 0
        for item in node.value:
            if _start(item) < max(end, _start(node)):
                raise CannotEdit("an entry is a reference")
            end = self._end(item)
        for index, target in enumerate(plan.kept):
            item = node.value[index]
            if target is None:
                self._delete_lines(self._dash(item), self._end(item))
            elif change.old[index] != change.new[target]:
                self.value(item, Change(change.old[index], change.new[target], change.written[target]))
        for after, target in plan.added:
            block = dump_block([change.written[target]], column)
            if after is None:
                self._insert_before(self._dash(node.value[0]), block)
            else:
                self._insert_after(self._end(node.value[after]), block)

    def _dash(self, item: Node) -> int:
        return self.text.rindex("-", 0, _start(item))

    def _end(self, node: Node) -> int:
        """Return where the last character of `node` stands, comments after it left out."""
        if _is_mapping(node):
            return max(self._pair_end(key, value) for key, value in node.value)
        if _is_sequence(node):
            return max(self._end(item) for item in node.value)
        start = _start(node)
        return start + len(self.text[start : _stop(node)].rstrip())

    def _insert_after(self, end: int, block: str) -> None:
        at = self._line_end(end)
        before = "" if self.text[:at].endswith("\n") else "\n"
        self._replace(at, at, before + block)

    def _insert_before(self, start: int, block: str) -> None:
        at = self._line_begin(start)
        self._replace(at, at, block)

    def _line_begin(self, start: int) -> int:
        """Return where the line begins on which `start` is the first thing that stands."""
        begin = self.text.rfind("\n", 0, start) + 1
        if self.text[begin:start].strip():
            raise CannotEdit("something else stands on the line")
        return begin

    def _line_end(self, at: int) -> int:
        """Return where the line after the one that holds the character before `at` begins."""
        found = self.text.find("\n", at)
        return len(self.text) if found < 0 else found + 1

    def _replace(self, start: int, end: int, replacement: str) -> None:
        newline = "\r\n" if "\r\n" in self.text else "\n"
        self.edits.append((start, end, replacement.replace("\n", newline)))


def _is_mapping(node: Node) -> TypeGuard[MappingNode]:
    """Tell whether `node` is a mapping laid out over lines, without brackets."""
    return getattr(node, "id", "") == "mapping" and not getattr(node, "flow_style", True)


def _is_sequence(node: Node) -> TypeGuard[SequenceNode]:
    """Tell whether `node` is a list laid out over lines, without brackets."""
    return getattr(node, "id", "") == "sequence" and not getattr(node, "flow_style", True)


def _start(node: Node) -> int:
    return node.start_mark.index if node.start_mark else 0


def _stop(node: Node) -> int:
    return node.end_mark.index if node.end_mark else 0


def _column(node: Node) -> int:
    return node.start_mark.column if node.start_mark else 0


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the entries of a list become those of another.

    Attributes:
        kept: For every old entry its new index, None when it goes; rising.
        added: For every entry that is added the index of the old one after which it goes, None for the front,
            and its new index.
    """

    kept: tuple[int | None, ...]
    added: tuple[tuple[int | None, int], ...]


def _plan(old: Sequence[Any], new: Sequence[Any]) -> _Plan | None:
    """Return how to come from `old` to `new` without moving an entry; None where that cannot be."""
    before, after = [_identity(item) for item in old], [_identity(item) for item in new]
    if len(before) == len(after):  # an entry that got another name is still the same entry
        before = [
            there if here != there and here not in after and there not in before else here
            for here, there in zip(before, after, strict=True)
        ]
    if len(set(before)) < len(before) or len(set(after)) < len(after):
        return None
    kept = tuple(after.index(one) if one in after else None for one in before)
    targets = [target for target in kept if target is not None]
    if targets != sorted(targets) or not targets:
        return None
    return _Plan(kept, tuple(_additions(kept, len(new))))


def _additions(kept: Sequence[int | None], count: int) -> Iterator[tuple[int | None, int]]:
    place = {target: index for index, target in enumerate(kept) if target is not None}
    last: int | None = None
    for target in range(count):
        if target in place:
            last = place[target]
        else:
            yield last, target


def _identity(item: Any) -> str:
    name = item.get("name") if isinstance(item, Mapping) else None
    return json.dumps(item if name is None else name, sort_keys=True)
