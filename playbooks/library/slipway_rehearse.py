#!/usr/bin/python
"""Writes files on a practice node, below its own folder, and refuses to run anywhere else."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: slipway_rehearse
short_description: Write files and folders on a practice node
description:
  - Stands in for the tasks that would install Kubernetes. Only a practice node has the mark that lets it run.
options:
  files: {description: Path below the node's folder to text, type: dict, default: {}}
  folders: {description: Folders to make, type: list, elements: str, default: []}
author: [Slipway]
"""
EXAMPLES = r"""
- slipway_rehearse:
    files: {etc/hostname: "node-1\n"}
"""
RETURN = r"""
written: {description: Paths whose text changed, returned: always, type: list}
"""


def inside(root, name):
    """Return the place of `name` below `root`; raises ValueError where it leads out."""
    place = (root / name.lstrip("/")).resolve()
    if root not in place.parents and place != root:
        raise ValueError(f"{name} leads out of the practice node's folder")
    return place


def write(root, files, folders):
    """Make the folders and files that are not there yet as wanted; return what changed."""
    changed = []
    for name in folders:
        place = inside(root, name)
        if not place.is_dir():
            place.mkdir(parents=True)
            changed.append(name)
    for name, text in files.items():
        place = inside(root, name)
        if place.is_file() and place.read_text(encoding="utf-8") == text:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(place.name + ".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(place)
        changed.append(name)
    return changed


def main():
    """Answer Ansible."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "dict", "default": {}},
            "folders": {"type": "list", "elements": "str", "default": []},
        }
    )
    if not os.environ.get("SLIPWAY_PRACTICE_NODE"):
        module.fail_json(msg="this is no practice node: a rehearsal never writes on a real server")
    root = Path(os.environ["HOME"]).resolve()
    try:
        texts = {name: str(text) for name, text in module.params["files"].items()}
        changed = write(root, texts, module.params["folders"])
    except (OSError, ValueError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=bool(changed), written=changed)


if __name__ == "__main__":
    main()
