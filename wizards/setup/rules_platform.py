"""Rules about storage, and Kubernetes' version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wizards.setup.catalog import catalog
from wizards.setup.rules_nodes import is_bare_metal
from wizards.setup.ruling import Fault, block, fix, rules_in, warn
from wizards.setup.spec import (
    ClusterSpec,
    Engine,
    Role,
)
from wizards.setup.words import listing

_ARCHIVED: Final = (Engine.CSTOR, Engine.JIVA)
_SERVERS_ONLY: Final = (
    Engine.LVM,
    Engine.ZFS,
    Engine.MAYASTOR,
    Engine.CSTOR,
    Engine.JIVA,
    Engine.LOCAL_PATH,
)
_QUORUM: Final = 3
"""Mayastor's own etcd and NATS run three times, each on a node of its own."""


def engine_path(spec: ClusterSpec, engine: Engine) -> str:
    """Return the path of `engine` in the list of engines."""
    return f"storage.engines[{spec.storage.engines.index(engine)}]"


def class_names(spec: ClusterSpec) -> dict[Engine, tuple[str, str]]:
    """Return the StorageClass of each engine: path of its name, and the name."""
    storage = spec.storage
    named = {
        Engine.HOSTPATH: ("hostpath", storage.hostpath.class_name),
        Engine.LVM: ("lvm", storage.lvm.class_name),
        Engine.ZFS: ("zfs", storage.zfs.class_name),
        Engine.MAYASTOR: ("mayastor", storage.mayastor.class_name),
        Engine.JIVA: ("jiva", storage.jiva.class_name),
        Engine.CSTOR: ("cstor", storage.cstor.class_name),
    }
    names = {}
    for engine in storage.engines:
        if engine in named:
            key, name = named[engine]
            names[engine] = (f"storage.{key}.class_name", name)
        else:
            names[engine] = (engine_path(spec, engine), engine.value)
    return names


@block("duplicate-engine")
def duplicate_engine(spec: ClusterSpec) -> Iterator[Fault]:
    """Each engine is installed once."""
    engines = spec.storage.engines
    for index, engine in enumerate(engines):
        if engines.index(engine) != index:
            yield Fault(
                f"storage.engines[{index}]",
                f"The engine {engine.value} stands in the list twice.",
                "Name each engine once.",
                (f"storage.engines[{engines.index(engine)}]",),
            )


@block("engine-target")
def engine_target(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 23: node containers share this machine's kernel and disks."""
    for engine in dict.fromkeys(spec.storage.engines):
        if not is_bare_metal(spec) and engine in _SERVERS_ONLY:
            yield Fault(
                engine_path(spec, engine),
                f"{engine.value} is for servers: nodes on this machine have no disks of their own.",
                "Choose standard or hostpath.",
                ("target",),
            )
        elif is_bare_metal(spec) and engine is Engine.STANDARD:
            yield Fault(
                engine_path(spec, engine),
                "standard is part of kind and does not run on servers.",
                "Choose hostpath.",
                ("target",),
            )


@block("duplicate-class")
def duplicate_class(spec: ClusterSpec) -> Iterator[Fault]:
    """Each engine's StorageClass has a name of its own."""
    seen: dict[str, str] = {}
    for path, name in class_names(spec).values():
        if (first := seen.setdefault(name, path)) != path:
            yield Fault(
                path, f"Two engines would make the StorageClass {name}.", "Give one another name.", (first,)
            )


@block("default-class-unknown")
def default_class_unknown(spec: ClusterSpec) -> Iterator[Fault]:
    """The default class is one that an engine makes."""
    default = spec.storage.default_class
    names = [name for _, name in class_names(spec).values()]
    if default and default not in names:
        known = f"The engines make {listing(names)}." if names else "No engine is chosen."
        yield Fault(
            "storage.default_class",
            f"No engine makes the StorageClass {default}.",
            f"{known} Take one of these, or leave default_class out.",
            ("storage.engines",),
        )


@fix("one-default-class")
def one_default_class(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 21: kind makes its own class the default."""
    names = [name for _, name in class_names(spec).values()]
    default = spec.storage.default_class or next(iter(names), "")
    if not is_bare_metal(spec) and default in names and default != Engine.STANDARD.value:
        yield Fault(
            "storage.default_class",
            f"kind's class standard is no longer the default, because {default} is.",
            others=("target",),
        )


def _storage_nodes(spec: ClusterSpec) -> list[int]:
    return [index for index, node in enumerate(spec.nodes) if node.has(Role.WORKER)]


@block("mayastor-nodes")
def mayastor_nodes(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 16: Mayastor's own parts need three nodes."""
    count = len(_storage_nodes(spec))
    if is_bare_metal(spec) and Engine.MAYASTOR in spec.storage.engines and count < _QUORUM:
        yield Fault(
            engine_path(spec, Engine.MAYASTOR),
            f"Mayastor needs {_QUORUM} workers, and there {'is' if count == 1 else 'are'} {count}.",
            "Choose hostpath, or add workers.",
            ("nodes",),
        )


@block("mayastor-disks")
def mayastor_disks(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 16: each copy of a volume is on a disk of another node."""
    workers = _storage_nodes(spec)
    if not is_bare_metal(spec) or Engine.MAYASTOR not in spec.storage.engines or len(workers) < _QUORUM:
        return
    count, wanted = sum(bool(spec.nodes[index].disks) for index in workers), spec.storage.mayastor.replicas
    if count >= wanted:
        return
    bare = [index for index in workers if not spec.nodes[index].disks]
    if not bare:
        yield Fault(
            "storage.mayastor.replicas",
            f"Mayastor cannot keep {wanted} copies on {count} workers: each is on a node of its own.",
            f"Take at most {count} copies.",
            ("nodes",),
        )
        return
    yield Fault(
        f"nodes[{bare[0]}].disks",
        f"Mayastor keeps {wanted} copies, each on a disk of another node, and {count} workers have a disk.",
        "Name an empty disk of each worker by its /dev/disk/by-id path, or take fewer copies.",
        ("storage.mayastor.replicas", *(f"nodes[{index}].disks" for index in bare[1:4])),
    )


@block("mayastor-cstor")
def mayastor_cstor(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 17: both want the same disks; declared incompatible."""
    if {Engine.MAYASTOR, Engine.CSTOR} <= set(spec.storage.engines):
        yield Fault(
            engine_path(spec, Engine.CSTOR),
            "cStor and Mayastor cannot be in one cluster.",
            "Choose mayastor alone.",
            (engine_path(spec, Engine.MAYASTOR),),
        )


@fix("hostpath-below")
def hostpath_below(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 18, and Jiva's replicas: some engines keep data of theirs on local folders."""
    engines = spec.storage.engines
    for engine in (Engine.MAYASTOR, Engine.JIVA):
        if engine in engines and Engine.HOSTPATH not in engines:
            yield Fault(
                engine_path(spec, engine),
                f"OpenEBS local folders are installed too, because {engine.value} keeps data there.",
            )


@fix("one-hostpath")
def one_hostpath(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 20: Jiva brings local folders of its own."""
    if {Engine.JIVA, Engine.HOSTPATH} <= set(spec.storage.engines):
        yield Fault(
            engine_path(spec, Engine.JIVA),
            "Jiva's own local folders are left out, because OpenEBS brings them.",
            others=(engine_path(spec, Engine.HOSTPATH),),
        )


@block("archived-consent")
def archived_consent(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 19: an engine without fixes is chosen knowingly or not at all."""
    for engine in _ARCHIVED:
        if engine in spec.storage.engines and not spec.storage.accept_archived:
            yield Fault(
                engine_path(spec, engine),
                f"{engine.value} is archived: its last release is of 2023, and it gets no more fixes.",
                "Choose mayastor, or set storage.accept_archived to true.",
                ("storage.accept_archived",),
            )


@warn("archived")
def archived(spec: ClusterSpec) -> Iterator[Fault]:
    """Rule 19: and then it is still said."""
    for engine in _ARCHIVED:
        if engine in spec.storage.engines and spec.storage.accept_archived:
            yield Fault(
                engine_path(spec, engine),
                f"{engine.value} is archived and was last tried with Kubernetes 1.27.",
                "Try it with your version before you keep data on it; every node needs an iSCSI client.",
                ("storage.accept_archived",),
            )


@block("archived-replicas")
def archived_replicas(spec: ClusterSpec) -> Iterator[Fault]:
    """Each copy is on a node of its own."""
    copies = {Engine.JIVA: spec.storage.jiva.replicas, Engine.CSTOR: spec.storage.cstor.replicas}
    workers = len(_storage_nodes(spec))
    for engine, wanted in copies.items():
        if is_bare_metal(spec) and engine in spec.storage.engines and wanted > workers:
            yield Fault(
                f"storage.{engine.value}.replicas",
                f"{engine.value} keeps {wanted} copies, each on another worker, and there are {workers}.",
                f"Take at most {workers}." if workers else "Add workers.",
                ("nodes",),
            )


@block("kubernetes-version")
def kubernetes_version(spec: ClusterSpec) -> Iterator[Fault]:
    """The installer knows some versions only."""
    version, known = spec.kubernetes.version, catalog()
    if is_bare_metal(spec) and not known.in_kubespray(version):
        choices = ", ".join(
            f"{minor}.{patches[0]} to {minor}.{patches[-1]}" for minor, patches in known.kubespray.items()
        )
        yield Fault(
            "kubernetes.version",
            f"Kubespray v2.31.0 cannot install Kubernetes {version}.",
            f"It can install {choices}.",
            ("target",),
        )
    if not is_bare_metal(spec) and known.kind_version(version) is None:
        yield Fault(
            "kubernetes.version",
            f"kind has no node image of Kubernetes {version}.",
            f"It has {', '.join(known.kind)}.",
            ("target",),
        )


@fix("kind-version")
def kind_version(spec: ClusterSpec) -> Iterator[Fault]:
    """Kind has one patch of each minor version."""
    version = spec.kubernetes.version
    image = catalog().kind_version(version)
    if not is_bare_metal(spec) and image and image != version:
        yield Fault(
            "kubernetes.version",
            f"Kubernetes {image} is used: of this minor version kind has no other.",
            others=("target",),
        )


RULES: Final = rules_in(globals())
