"""The installations of a cluster in their order, and the files they read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wizards.provision.components import cilium, istio, metallb, openebs
from wizards.provision.components.text import Data, objects_text, values_text
from wizards.setup.components import Chart, Component, Manifest, Workload, chosen_components
from wizards.setup.spec import ClusterSpec, Engine, MeshKind

STAGES: Final = ("network", "load-balancer", "storage", "mesh")
"""Stages that install something, in their order."""
_FOLDER: Final = "components"


@dataclass(frozen=True, slots=True)
class Install:
    """One thing a stage installs: a chart, a file that a project publishes, or objects alone.

    Attributes:
        id: Stable name, and the name of its folder: the Helm release, where there is one.
        title: What the screen calls it.
        stage: The stage it belongs to.
        namespace: Where it goes; empty for definitions that have none.
        privileged: The namespace must carry Pod Security's ``privileged`` level.
        chart: The chart, where it is one.
        manifest: The published file, where it is one.
        values: The chart's values, data.
        objects: What is applied once the workloads are ready: custom resources, StorageClasses.
        patches: Objects that are there already and get these labels, before anything else.
        workloads: What must be ready.
    """

    id: str
    title: str
    stage: str
    namespace: str = ""
    privileged: bool = False
    chart: Chart | None = None
    manifest: Manifest | None = None
    values: Data | None = None
    objects: tuple[Data, ...] = ()
    patches: tuple[Data, ...] = ()
    workloads: tuple[Workload, ...] = ()

    @property
    def is_software(self) -> bool:
        """Whether something is installed, and not only settings applied."""
        return self.chart is not None or self.manifest is not None

    @property
    def files(self) -> dict[str, str]:
        """Path, relative to the cluster's folder, → text of what it reads."""
        about = {
            "values": f"{self.title}: the values of its Helm chart.",
            "objects": f"{self.title}: applied once it runs.",
            "patches": f"{self.title}: labels on objects that are there already.",
        }
        files = {}
        if self.values is not None:
            files[self._path("values")] = values_text(self.values, about["values"])
        if self.objects:
            files[self._path("objects")] = objects_text(self.objects, about["objects"])
        if self.patches:
            files[self._path("patches")] = objects_text(self.patches, about["patches"])
        return files

    def _path(self, what: str) -> str:
        return f"{_FOLDER}/{self.id}/{what}.yaml"

    def variables(self, root: Path) -> dict[str, Any]:
        """Return what the playbooks need to know of it, as JSON data; files by their path below `root`.

        No key may be called as a method of a dictionary is: a template would get the method.
        """
        files = self.files

        def path(what: str) -> str:
            return str(root / self._path(what)) if self._path(what) in files else ""

        return {
            "id": self.id,
            "title": self.title,
            "namespace": self.namespace,
            "privileged": self.privileged,
            "chart": self.chart
            and {
                "name": self.chart.name,
                "release": self.chart.release,
                "repo": self.chart.repo_url,
                "version": self.chart.version,
            },
            "manifest": self.manifest.url if self.manifest else "",
            "values_file": path("values"),
            "objects_file": path("objects"),
            "patches_file": path("patches"),
            "rehearsal_file": str(root / rehearsal_path(self.id)) if self.is_software else "",
            "workloads": [
                {
                    "kind": one.kind,
                    "namespace": one.namespace,
                    "selector": one.selector,
                    "name": one.name,
                    "minimum": one.minimum,
                }
                for one in self.workloads
            ],
        }


def rehearsal_path(install_id: str) -> str:
    """Return where the objects stand that rehearse an installation, relative to the cluster's folder."""
    return f"{_FOLDER}/{install_id}/rehearsal.yaml"


def installs(spec: ClusterSpec) -> tuple[Install, ...]:
    """Return what is installed on a cluster made from `spec` once it is up, in order."""
    chosen = {part.id: part for part in chosen_components(spec)}
    found = (*_network(spec, chosen), *_balancer(spec, chosen), *_storage(spec, chosen), *_mesh(spec, chosen))
    return tuple(sorted(found, key=lambda one: STAGES.index(one.stage)))


def component_files(spec: ClusterSpec) -> dict[str, str]:
    """Return path, relative to the cluster's folder, → text of all values and objects. Pure."""
    return {path: text for one in installs(spec) for path, text in one.files.items()}


def rehearsal_files(spec: ClusterSpec) -> dict[str, str]:
    """Return path → text of what stands in for Kubespray and the charts on a practice cluster. Pure.

    The objects carry the names and labels that the real ones have, so that whatever looks for them, finds
    them; they go to the practice API alone.
    """
    from wizards.provision.components import rehearsal

    files = rehearsal.cluster_files(spec, {part.id: part for part in chosen_components(spec)})
    default = default_class(spec)
    for one in (install for install in installs(spec) if install.is_software):
        objects = rehearsal.install_objects(one.id, one.workloads, one.values, spec, default)
        about = f"REHEARSAL: what stands in for {one.title} on a practice cluster."
        files[rehearsal_path(one.id)] = objects_text(objects, about)
    return files


def _install(part: Component, stage: str, **more: Any) -> Install:
    return Install(
        id=part.chart.release if part.chart else part.id,
        title=part.title,
        stage=stage,
        namespace=part.namespace,
        privileged=part.privileged,
        chart=part.chart,
        manifest=part.manifest,
        **{"workloads": part.workloads, **more},
    )


def _release(parts: list[Component], stage: str, title: str, **more: Any) -> Install:
    """Return one Helm release that several components share."""
    workloads = tuple(workload for part in parts for workload in part.workloads)
    privileged = any(part.privileged for part in parts)
    first = parts[0]
    return Install(
        id=first.chart.release if first.chart else first.id,
        title=title,
        stage=stage,
        namespace=first.namespace,
        privileged=privileged,
        chart=first.chart,
        workloads=workloads,
        **more,
    )


def _network(spec: ClusterSpec, chosen: dict[str, Component]) -> Iterator[Install]:
    shared = [part for part in chosen.values() if part.chart and part.chart.release == "cilium"]
    if shared:
        yield _release(shared, "network", "Cilium", values=cilium.values(spec))
    if "gateway-api" in chosen:
        # With a mesh it is that mesh's; its version goes by Istio's (rule 14).
        stage = "network" if spec.mesh.kind is MeshKind.NONE else "mesh"
        yield _install(chosen["gateway-api"], stage)


def _balancer(spec: ClusterSpec, chosen: dict[str, Component]) -> Iterator[Install]:
    if shared := [chosen[part] for part in ("metallb", "metallb-frr") if part in chosen]:
        objects = tuple(metallb.objects(spec))
        yield _release(shared, "load-balancer", "MetalLB", values=metallb.values(spec), objects=objects)
    if pools := cilium.objects(spec):
        yield Install("cilium-lb", "Cilium's address pools", "load-balancer", objects=tuple(pools))


def _storage(spec: ClusterSpec, chosen: dict[str, Component]) -> Iterator[Install]:
    default = default_class(spec)
    classes = {one["metadata"]["name"]: one for one in openebs.storage_class_objects(spec, default)}
    cstor_class = classes.pop(spec.storage.cstor.class_name, None)
    if shared := [part for part in chosen.values() if part.chart and part.chart.release == "openebs"]:
        replicated = Engine.MAYASTOR in spec.storage.engines
        pools = openebs.disk_pools(spec) if replicated else []
        yield _release(
            shared,
            "storage",
            "OpenEBS",
            values=openebs.values(spec, default),
            objects=(*classes.values(), *pools),
            patches=tuple(openebs.engine_nodes(spec)) if replicated else (),
        )
    if "openebs-jiva" in chosen:
        yield _install(chosen["openebs-jiva"], "storage", values=openebs.jiva_values(spec, default))
    if "openebs-cstor" in chosen:
        yield _install(
            chosen["openebs-cstor"],
            "storage",
            values=openebs.cstor_values(spec),
            objects=(cstor_class,) if cstor_class else (),
        )


def _mesh(spec: ClusterSpec, chosen: dict[str, Component]) -> Iterator[Install]:
    for part_id, values in istio.chart_values(spec).items():
        yield _install(chosen[part_id], "mesh", values=values)
        if part_id == "istiod":
            # After istiod, whose webhook checks them, and before anything is injected.
            settings = (*istio.namespaces(spec), *istio.objects(spec))
            yield Install("istio-settings", "The mesh's settings", "mesh", "istio-system", objects=settings)
    for addon in spec.mesh.addons:
        if addon.value in chosen:
            yield _install(chosen[addon.value], "mesh")


_CLASS_OF: Final = {Engine.LOCAL_PATH: "local-path", Engine.STANDARD: "standard"}


def storage_classes(spec: ClusterSpec) -> tuple[str, ...]:
    """Return the names of the StorageClasses that the chosen engines bring, in the order of the engines."""
    storage = spec.storage
    named = {
        Engine.HOSTPATH: storage.hostpath.class_name,
        Engine.LVM: storage.lvm.class_name,
        Engine.ZFS: storage.zfs.class_name,
        Engine.MAYASTOR: storage.mayastor.class_name,
        Engine.JIVA: storage.jiva.class_name,
        Engine.CSTOR: storage.cstor.class_name,
        **_CLASS_OF,
    }
    return tuple(named[engine] for engine in storage.engines)


def retained_classes(spec: ClusterSpec) -> tuple[str, ...]:
    """Return the StorageClasses whose volumes outlive their claims."""
    storage = spec.storage
    policies = {
        storage.hostpath.class_name: storage.hostpath.reclaim_policy,
        storage.lvm.class_name: storage.lvm.reclaim_policy,
        storage.zfs.class_name: storage.zfs.reclaim_policy,
        storage.mayastor.class_name: storage.mayastor.reclaim_policy,
    }
    return tuple(name for name in storage_classes(spec) if policies.get(name) == "Retain")


def default_class(spec: ClusterSpec) -> str:
    """Return the StorageClass that claims get which name none; empty where there is no storage."""
    if not spec.storage.engines:
        return ""
    return spec.storage.default_class or storage_classes(spec)[0]
