"""The columns of the server table: which of them fit, how wide, and what stands in their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

GAP: Final = 1
"""Empty columns after each cell."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the field it shows, its width in characters, and how wide it may grow."""

    field: str
    title: str
    width: int
    most: int
    help: str

    @property
    def is_text(self) -> bool:
        """Tell whether its cells are typed; roles are chosen."""
        return self.field != "roles"


_NAME: Final = Column("name", "Name", 12, 24, "The server's name in the cluster; it becomes its host name.")
_ADDRESS: Final = Column(
    "address",
    "Address",
    15,
    39,
    "Where SSH reaches it: an address or a host name, also as user@address:port. A range such as "
    "10.0.0.11-13 adds a server for each.",
)
_INTERNAL: Final = Column(
    "internal_address",
    "Internal",
    15,
    15,
    "The address the servers use between them, such as one of a network of their own. Leave it empty when it "
    "is the one SSH uses.",
)
_USER: Final = Column(
    "user", "User", 6, 16, "The SSH user on this server. Leave it empty to log in as on all the others."
)
_PORT: Final = Column("port", "Port", 5, 5, "The SSH port. Leave it empty for 22.")
_ROLES: Final = Column("roles", "Roles", 22, 24, "")
ALL: Final = (_NAME, _ADDRESS, _INTERNAL, _USER, _PORT, _ROLES)
FEWER: Final = (_NAME, _ADDRESS, _INTERNAL, _ROLES)
FEWEST: Final = (_NAME, _ADDRESS, _ROLES)
_GROWING: Final = (("address", 18), ("name", 18), ("user", 10), ("address", 39), ("name", 24), ("user", 16))


def columns_for(width: int) -> tuple[Column, ...]:
    """Return the columns for a table `width` characters wide: all where they fit, else what matters."""
    chosen = next((some for some in (ALL, FEWER) if _needed(some) <= width), FEWEST)
    spare = width - _needed(chosen)
    columns = {column.field: column for column in chosen}
    for field, upto in _GROWING:
        column = columns.get(field)
        if column is not None and spare > 0:
            more = max(0, min(spare, upto - column.width, column.most - column.width))
            columns[field] = replace(column, width=column.width + more)
            spare -= more
    return tuple(columns.values())


def _needed(columns: Sequence[Column]) -> int:
    return sum(column.width + GAP for column in columns)


def row_cells(row: Mapping[str, Any], columns: Sequence[Column]) -> tuple[str, ...]:
    """Return what the cells of a complete node mapping show, each cut to its column."""
    fields = {column.field for column in columns}
    return tuple(_cut(_shown(row, column.field, fields), column.width) for column in columns)


def _shown(row: Mapping[str, Any], field: str, fields: set[str]) -> str:
    if field == "roles":
        return roles_text(row["roles"])
    if field == "port":
        return str(row.get("port") or 22)
    text = str(row.get(field) or "")
    if field == "address" and "port" not in fields and row.get("port", 22) != 22:
        return f"[{text}]:{row['port']}" if ":" in text else f"{text}:{row['port']}"
    return text


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def roles_text(roles: Sequence[str]) -> str:
    """Return the roles in words that fit their column."""
    has = set(roles)
    if "control-plane" in has and "etcd" not in has:
        return "control+worker, no etcd" if "worker" in has else "control plane, no etcd"
    parts = ["control plane"] if "control-plane" in has else ["etcd"] if "etcd" in has else []
    return " + ".join([*parts, *(["worker"] if "worker" in has else [])])
