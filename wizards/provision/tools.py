"""The programs a run needs on this machine, found or fetched, for the stage that prepares it.

Runs as ``python -m wizards.provision.tools kubespray HOME [NAMED]``, ``… helm HOME [NAMED]`` or
``… kind PROVIDER``, and prints one JSON object; what is missing is said on standard error, with exit code 1.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from wizards.provision.helm import HelmMissing
from wizards.provision.kind import KindMissing
from wizards.provision.kubespray import KubesprayMissing


def find_kubespray(home: str, named: str = "") -> dict[str, object]:
    """Return where Kubespray is, fetched when no copy is named; raises `KubesprayMissing`."""
    from wizards.provision import kubespray

    env = {kubespray.VARIABLE: named}
    copy = kubespray.locate(Path(home), env) if named else kubespray.fetch(Path(home))
    return {"path": str(copy.path), "verified": copy.verified, "note": copy.note}


def find_helm(home: str, named: str = "") -> dict[str, object]:
    """Return where helm is, fetched when there is none; raises `HelmMissing`."""
    from wizards.provision import helm

    if named:
        found = helm.find_helm(Path(home), {**os.environ, helm.VARIABLE: named})
    else:
        found = helm.fetch(Path(home))
    return {"path": str(found.path), "version": found.version}


def find_kind(provider: str) -> dict[str, object]:
    """Return where kind is and which container engine answers; raises `KindMissing`."""
    from wizards.provision import kind
    from wizards.setup.spec import Provider

    found = kind.find_kind()
    engine = kind.find_provider(Provider(provider))
    return {"path": str(found.path), "version": found.version, "provider": engine.value}


_TOOLS: Final[dict[str, Callable[..., dict[str, object]]]] = {
    "kubespray": find_kubespray,
    "helm": find_helm,
    "kind": find_kind,
}


def main(arguments: list[str]) -> int:
    """Find one tool. Return 0, 1 (it is not to be had) or 2 (wrong usage)."""
    if not 2 <= len(arguments) <= 3 or arguments[0] not in _TOOLS:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        found = _TOOLS[arguments[0]](*arguments[1:])
    except (KubesprayMissing, HelmMissing, KindMissing, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
