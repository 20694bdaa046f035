"""Plain data as YAML text that every tool reads the same way.

Text that YAML 1.1 or YAML 1.2 would take for a number, a switch or nothing is put in quotes.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from wizards.setup.yaml_reader import Ambiguous, resolve

_ENDLESS: Final = 1 << 30
_NOT_PLAIN: Final = re.compile(r"[^\x20-\x7e]")


def dump_block(data: Any, indent: int = 0) -> str:
    """Return `data` as lines in block style, each indented by `indent` columns and ended by a newline."""
    margin = " " * indent
    return "".join(f"{margin}{line}\n" for line in _dump(data, flow=False).splitlines())


def dump_inline(data: Any) -> str:
    """Return `data` on one line: a scalar as it is, lists and mappings in brackets."""
    return _dump(data, flow=True).removesuffix("...\n").strip()


def _dump(data: Any, *, flow: bool) -> str:
    import yaml

    text: str = yaml.dump(
        data,
        Dumper=_dumper(),
        default_flow_style=flow,
        sort_keys=False,
        width=_ENDLESS,
        allow_unicode=True,
    )
    return text


@cache
def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Indents lists below their key, writes no anchors, and quotes what could be misread."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
            del indentless
            return super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:
            del data
            return True

    def text(dumper: Any, value: str) -> Any:
        style = '"' if _wants_quotes(value) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return Dumper


def _wants_quotes(text: str) -> bool:
    """Tell whether our own reader would not read `text` back, or the line would not be one line."""
    if _NOT_PLAIN.search(text):
        return True
    try:
        return not isinstance(resolve(text), str)
    except Ambiguous:
        return True
