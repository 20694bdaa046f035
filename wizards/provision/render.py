"""All files a run reads, made from the answers: what ``slipway render`` prints and the review screen shows.

`render_files` is pure; `write_files` puts its result into a folder, whole or not at all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from wizards.files import write_private
from wizards.setup.spec import ClusterSpec, Target

RENDERED: Final = ("inventory/hosts.yaml", "inventory/group_vars", "components", "kind.yaml")
"""What belongs to rendering within a cluster's folder, and may be removed when it is no longer rendered.

``inventory/credentials`` is Kubespray's own and holds the key that Secrets are encrypted with: never here.
"""


def render_files(spec: ClusterSpec) -> dict[str, str]:
    """Return relative path → text of everything a run reads: inventory, Helm values and custom resources.

    Raises:
        RenderError: An answer is missing that the files cannot do without.
    """
    from wizards.provision.components import component_files

    if spec.target is Target.LOCAL:
        from wizards.provision.kind import KIND_FILE, kind_config

        files = {KIND_FILE: kind_config(spec)}
    else:
        from wizards.provision.inventory import inventory_files

        files = inventory_files(spec)
    return dict(sorted((files | component_files(spec)).items()))


def write_files(files: Mapping[str, str], root: Path) -> tuple[Path, ...]:
    """Write `files` (0600) into `root` and remove rendered files that are no longer among them.

    Folders that are missing are made with mode 0700; one that is there already keeps its own. Every file is
    written beside its place first, and put there when all could be written: a full disk leaves the old files
    as they were. Files that hold the same text already are not touched.

    Args:
        files: Relative path → text, as `render_files` gives it.
        root: The cluster's folder, or any folder for ``slipway render --out``.

    Returns:
        The paths of the files, in order.

    Raises:
        OSError: A folder or file could not be written.
        ValueError: A path leads out of `root`.
    """
    places = {root / _inside(name): text for name, text in files.items()}
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=root, prefix=".rendering-"))
    try:
        moves = []
        for number, (place, text) in enumerate(places.items()):
            if _holds(place, text):
                continue
            ready = staging / str(number)
            write_private(ready, text)
            moves.append((ready, place))
        for folder in sorted({folder for place in places for folder in _folders(place, root)}):
            folder.mkdir(mode=0o700, exist_ok=True)
        for ready, place in moves:
            ready.replace(place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    _remove_stale(root, set(places))
    return tuple(places)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name!r} leads out of the folder")
    return path


def _folders(place: Path, root: Path) -> Iterator[Path]:
    """Give the folders between `root` and `place`, without `root` itself."""
    for folder in place.parents:
        if folder == root:
            return
        yield folder


def _holds(place: Path, text: str) -> bool:
    try:
        return place.stat().st_mode & 0o777 == 0o600 and place.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def _remove_stale(root: Path, wanted: set[Path]) -> None:
    for name in RENDERED:
        place = root / name
        if place.is_symlink() or not place.exists():
            continue
        files = [place] if place.is_file() else [path for path in place.rglob("*") if not path.is_dir()]
        for path in files:
            if path not in wanted:
                path.unlink()
        if place.is_dir():
            folders = sorted((path for path in place.rglob("*") if path.is_dir()), reverse=True)
            for folder in (*folders, place):
                if not any(folder.iterdir()):
                    folder.rmdir()
