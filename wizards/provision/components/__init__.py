"""What Slipway installs on a cluster that is up: charts, their values and their custom resources.

Charts, versions and expected workloads stand in `wizards.setup.components`; here is what is told to them
(facts: components.md, sections 1 to 5 and the rules of section 8). Everything is data: YAML that Helm and the
API read as it is.
"""

from __future__ import annotations

from wizards.provision.components.installs import (
    Install,
    component_files,
    default_class,
    installs,
    rehearsal_files,
    retained_classes,
    storage_classes,
)

__all__ = [
    "Install",
    "component_files",
    "default_class",
    "installs",
    "rehearsal_files",
    "retained_classes",
    "storage_classes",
]
