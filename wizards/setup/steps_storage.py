"""Where volumes come from, and the service mesh."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wizards.setup.answers import value_of
from wizards.setup.catalog import catalog
from wizards.setup.questions import Answers, Option, Question, QuestionKind, Step
from wizards.setup.steps_network import cni_of
from wizards.setup.steps_place import count_with, is_bare_metal, is_local

_SERVER_ENGINES: Final = ("hostpath", "lvm", "zfs", "mayastor", "local-path")
_LOCAL_ENGINES: Final = ("standard", "hostpath")
_ARCHIVED: Final = ("cstor", "jiva")
_ENGINES_PATH: Final = "storage.engines"
_MAYASTOR_NODES: Final = 3
_NO_NETWORK: Final = "It cannot start before your own pod network is there."


def _on_offer(answers: Answers) -> tuple[str, ...]:
    """Return the engines for the target; archived ones are not proposed, but a file may ask for them."""
    if is_local(answers):
        return _LOCAL_ENGINES
    given = answers.given.get(_ENGINES_PATH)
    extra = tuple(engine for engine in _ARCHIVED if isinstance(given, list | tuple) and engine in given)
    return (*_SERVER_ENGINES, *extra)


def _engines(answers: Answers) -> tuple[Option, ...]:
    names = _on_offer(answers)
    blocked = {}
    if is_bare_metal(answers) and cni_of(answers) == "none":
        blocked = dict.fromkeys(names, _NO_NETWORK)
    elif (workers := count_with("worker", answers)) < _MAYASTOR_NODES:
        blocked["mayastor"] = f"It keeps data on 3 nodes that run applications; you have {workers}."
    return catalog().options(_ENGINES_PATH, names, blocked=blocked)


def _default_engines(answers: Answers) -> list[str]:
    if is_local(answers):
        return ["standard"]
    return [] if cni_of(answers) == "none" else ["hostpath"]


ENGINES = Question(
    path=_ENGINES_PATH,
    title="Storage engines",
    kind=QuestionKind.CHOICES,
    help=(
        "An engine makes a volume when an application asks for one. One is enough; several can live "
        "side by side."
    ),
    default=_default_engines,
    options=_engines,
)


def engines_of(answers: Answers) -> list[str]:
    """Return the storage engines that are chosen, in the order in which they were."""
    names = _on_offer(answers)
    return [engine for engine in value_of(ENGINES, answers) or [] if engine in names]


def _with(*engines: str) -> Callable[[Answers], bool]:
    return lambda answers: any(engine in engines_of(answers) for engine in engines)


_ON_HOSTPATH: Final = ("hostpath", "mayastor", "jiva")
"""Engines that keep data on local folders: the folders themselves, and two that build on them."""


def _class_question(key: str, name: str, default: str) -> Question:
    return Question(
        path=f"storage.{key}.class_name",
        title=f"Class for {name}",
        kind=QuestionKind.TEXT,
        help="Name of the StorageClass. Applications ask for a volume of this class by that name.",
        default=lambda _answers: default,
        when=_with(*_ON_HOSTPATH) if key == "hostpath" else _with(key),
        advanced=True,
    )


_CLASS_QUESTIONS: Final = {
    key: _class_question(key, name, default)
    for key, name, default in (
        ("hostpath", "local folders", "openebs-hostpath"),
        ("lvm", "LVM", "openebs-lvmpv"),
        ("zfs", "ZFS", "openebs-zfspv"),
        ("mayastor", "Mayastor", "mayastor-3"),
        ("cstor", "cStor", "openebs-cstor"),
        ("jiva", "Jiva", "openebs-jiva-csi-default"),
    )
}


def _class_of(engine: str, answers: Answers) -> str:
    question = _CLASS_QUESTIONS.get(engine)
    return str(value_of(question, answers)) if question else engine


def _classes(answers: Answers) -> tuple[Option, ...]:
    options = []
    for engine in engines_of(answers):
        described = catalog().option("storage.engines", engine)
        options.append(
            Option(
                value=_class_of(engine, answers),
                title=f"{_class_of(engine, answers)} ({described.title})",
                summary=described.summary,
                otherwise=described.otherwise,
                cost=described.cost,
            )
        )
    return tuple(options)


def _first_class(answers: Answers) -> str | None:
    return next((option.value for option in _classes(answers)), None)


DEFAULT_CLASS = Question(
    path="storage.default_class",
    title="Default class",
    kind=QuestionKind.CHOICE,
    help="What an application gets that asks for a volume and names no class.",
    default=_first_class,
    options=_classes,
    when=lambda answers: bool(engines_of(answers)),
)
BASE_PATH = Question(
    path="storage.hostpath.base_path",
    title="Folder for volumes",
    kind=QuestionKind.TEXT,
    help="The folder on each node in which volumes are made. Take one on the disk with the most room.",
    default=lambda _answers: "/var/openebs/local",
    when=_with(*_ON_HOSTPATH),
    placeholder="/var/openebs/local",
)
VOLUME_GROUP = Question(
    path="storage.lvm.volume_group",
    title="LVM volume group",
    kind=QuestionKind.TEXT,
    help=(
        "Name of a volume group that exists on the nodes, as vgs shows it. Slipway does not make it for you."
    ),
    default=lambda _answers: "slipway",
    when=_with("lvm"),
)
LVM_FS = Question(
    path="storage.lvm.fs_type",
    title="File system on LVM",
    kind=QuestionKind.CHOICE,
    help="What new volumes are formatted with.",
    default=lambda _answers: "ext4",
    options=lambda _answers: catalog().options("storage.lvm.fs_type"),
    when=_with("lvm"),
    advanced=True,
)
LVM_THIN = Question(
    path="storage.lvm.thin",
    title="Thin volumes on LVM",
    kind=QuestionKind.SWITCH,
    help="Volumes take disk space only as they fill. More fits on a disk, but it can run full unexpectedly.",
    default=lambda _answers: False,
    when=_with("lvm"),
    advanced=True,
)
ZFS_POOL = Question(
    path="storage.zfs.pool",
    title="ZFS pool",
    kind=QuestionKind.TEXT,
    help=(
        "Name of a pool that exists on the nodes, as zpool list shows it. Slipway does not make it for you."
    ),
    default=lambda _answers: "slipway",
    when=_with("zfs"),
)
ZFS_FS = Question(
    path="storage.zfs.fs_type",
    title="File system on ZFS",
    kind=QuestionKind.CHOICE,
    help="What new volumes are: datasets of ZFS itself, or another file system on a block volume.",
    default=lambda _answers: "zfs",
    options=lambda _answers: catalog().options("storage.zfs.fs_type"),
    when=_with("zfs"),
    advanced=True,
)
REPLICAS = Question(
    path="storage.mayastor.replicas",
    title="Copies of each volume",
    kind=QuestionKind.NUMBER,
    help="On how many nodes Mayastor keeps each volume. Three survive the loss of one node and still agree.",
    default=lambda _answers: 3,
    when=_with("mayastor"),
)
MAYASTOR_FS = Question(
    path="storage.mayastor.fs_type",
    title="File system on Mayastor",
    kind=QuestionKind.CHOICE,
    help="What new volumes are formatted with.",
    default=lambda _answers: "ext4",
    options=lambda _answers: catalog().options("storage.mayastor.fs_type"),
    when=_with("mayastor"),
    advanced=True,
)

STORAGE_STEP = Step(
    id="storage",
    title="Storage",
    intro=(
        "Containers forget their files when they restart. What shall be kept lives on a volume. Local "
        "volumes are fast and stay on one node: right for databases that copy their data themselves. "
        "Replicated volumes are kept on several nodes and survive the loss of one."
    ),
    questions=(
        ENGINES,
        DEFAULT_CLASS,
        BASE_PATH,
        VOLUME_GROUP,
        LVM_FS,
        LVM_THIN,
        ZFS_POOL,
        ZFS_FS,
        REPLICAS,
        MAYASTOR_FS,
        *_CLASS_QUESTIONS.values(),
    ),
)


def _meshes(answers: Answers) -> tuple[Option, ...]:
    meshes = ("istio-sidecar", "istio-ambient")
    blocked = dict.fromkeys(meshes, _NO_NETWORK) if cni_of(answers) == "none" else {}
    return catalog().options("mesh.kind", blocked=blocked)


MESH = Question(
    path="mesh.kind",
    title="Service mesh",
    kind=QuestionKind.CHOICE,
    help="Carries the traffic between your services, encrypts it and measures it.",
    default=lambda _answers: "none",
    options=_meshes,
)


def mesh_of(answers: Answers) -> str:
    """Return the service mesh that is chosen."""
    return str(value_of(MESH, answers))


def _has_mesh(answers: Answers) -> bool:
    return mesh_of(answers) != "none"


INGRESS = Question(
    path="mesh.ingress_gateway",
    title="Ingress gateway",
    kind=QuestionKind.SWITCH,
    help="The door for traffic into the mesh: one address from the load balancer for all your applications.",
    default=lambda _answers: True,
    when=_has_mesh,
)
EGRESS = Question(
    path="mesh.egress_gateway",
    title="Egress gateway",
    kind=QuestionKind.SWITCH,
    help=(
        "A door for traffic out of the mesh, so that all of it leaves in one place and can be limited there."
    ),
    default=lambda _answers: False,
    when=_has_mesh,
)
ADDONS = Question(
    path="mesh.addons",
    title="Dashboards",
    kind=QuestionKind.CHOICES,
    help=(
        "Istio's sample dashboards. They keep nothing across a restart; good for learning, not for "
        "the long run."
    ),
    default=lambda _answers: ["prometheus", "kiali"],
    options=lambda _answers: catalog().options("mesh.addons"),
    when=_has_mesh,
)
MTLS = Question(
    path="mesh.mtls",
    title="Encrypted traffic",
    kind=QuestionKind.CHOICE,
    help="Whether services in the mesh still take traffic that is not encrypted (mutual TLS).",
    default=lambda _answers: "permissive",
    options=lambda _answers: catalog().options("mesh.mtls"),
    when=_has_mesh,
)
NAMESPACES = Question(
    path="mesh.namespaces",
    title="Namespaces in the mesh",
    kind=QuestionKind.LIST,
    help=(
        "Namespaces that take part from the start, such as default. You can add others at any time by "
        "a label."
    ),
    default=lambda _answers: [],
    when=_has_mesh,
    optional=True,
    placeholder="default, shop",
    advanced=True,
)

MESH_STEP = Step(
    id="mesh",
    title="Service mesh",
    intro=(
        "A service mesh puts small proxies between your services. They encrypt traffic, measure it, "
        "retry, and split it between versions, without a change to the applications. It costs memory "
        "and is one more thing to understand; it can be added at any time."
    ),
    questions=(MESH, INGRESS, EGRESS, ADDONS, MTLS, NAMESPACES),
)
