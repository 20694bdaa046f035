"""The objects of a practice cluster on disk, so that it is the same one after the next start."""

from __future__ import annotations

import json
from pathlib import Path

from wizards.practice.api.store import Store
from wizards.practice.api.tables import Entry

_FORMAT = 1


class UnreadableState(Exception):
    """The state file is damaged, or of another version."""


NEVER_SAVED = ("", "events")
"""Events speak of a time that is over."""


def dump(store: Store) -> str:
    """All objects but events, and the version counter, as text."""
    head = json.dumps({"format": _FORMAT, "resourceVersion": store.tables.rv})
    objects = (
        f'{{"storage":{json.dumps(storage)},"object":{_text(entry)}}}'
        for storage, entry in store.tables.everything()
        if storage != NEVER_SAVED
    )
    return f'{head[:-1]}, "objects": [{",".join(objects)}]}}'


def _text(entry: Entry) -> str:
    return entry.full(entry.obj["apiVersion"], entry.obj["kind"]).decode()


def load(store: Store, path: Path) -> bool:
    """Fill an empty store from a file that holds what `dump` has made.

    Returns:
        Whether there was such a file.

    Raises:
        UnreadableState: It is damaged.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise UnreadableState(f"{path}: {error}") from error
    try:
        if document["format"] != _FORMAT:
            raise UnreadableState(f"{path}: format {document['format']}, not {_FORMAT}")
        objects = [((item["storage"][0], item["storage"][1]), item["object"]) for item in document["objects"]]
        store.tables.restore(int(document["resourceVersion"]), objects)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise UnreadableState(f"{path}: {error!r}") from error
    store.count = len(objects)
    return True
