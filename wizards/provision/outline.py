"""The stages that a set-up has, in words: what each is called and what it does to the machines. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wizards.provision.components import installs
from wizards.setup.spec import ClusterSpec, LoadBalancerKind, Target


@dataclass(frozen=True, slots=True)
class StageOutline:
    """A stage as the review shows it: what it is called and, in a sentence, what it does to the machines."""

    id: str
    title: str
    summary: str


_TEXTS: Final = {
    "tools": (
        "Prepare this machine",
        "Brings the tools the run needs to this machine. The servers are not touched.",
    ),
    "preflight": (
        "Check the nodes",
        "Logs in to every node and looks at what Kubernetes needs. Nothing is changed.",
    ),
    "prepare": (
        "Prepare the nodes",
        "Makes the changes that you chose, and no other. No disk is touched.",
    ),
    "kubernetes": (
        "Install Kubernetes",
        "Kubespray installs the container runtime, etcd, Kubernetes and the pod network on the nodes.",
    ),
    "cluster": (
        "Make the local cluster",
        "kind starts the nodes as containers on this machine and sets Kubernetes up in them.",
    ),
    "kubeconfig": (
        "Fetch the credentials",
        "Copies the administrator's kubeconfig into the cluster's private folder on this machine.",
    ),
    "network": ("Set up the network", "Installs {what} through the cluster's API."),
    "load-balancer": (
        "Set up the load balancer",
        "Installs {what}, so that Services get addresses from your pools.",
    ),
    "storage": ("Set up storage", "Installs {what} and makes the StorageClasses that volumes come from."),
    "mesh": ("Set up the service mesh", "Installs {what} through the cluster's API."),
    "verify": (
        "Prove that it works",
        "Waits until all is ready, then tries an address and a volume in a namespace that is removed again.",
    ),
}
_REHEARSAL: Final = (
    "Rehearse Kubernetes",
    "A rehearsal: same hosts and order as Kubespray, writing to the practice nodes' folders only.",
)
_LOCAL: Final = ("tools", "cluster")
_SERVERS: Final = ("tools", "preflight", "kubernetes", "kubeconfig")
_INSTALLING: Final = ("network", "load-balancer", "storage", "mesh")


def stage_outline(spec: ClusterSpec, *, practice: bool = False) -> tuple[StageOutline, ...]:
    """Return the stages that setting up `spec` takes, in order. Pure."""
    return tuple(outline(stage, spec, practice=practice) for stage in stage_ids(spec))


def stage_ids(spec: ClusterSpec) -> tuple[str, ...]:
    """Return the ids of the stages that setting up `spec` takes, in order."""
    wanted = {install.stage for install in installs(spec)}
    if spec.storage.engines:
        # Even where kind or Kubespray brought the class: one, and only one, becomes the default.
        wanted.add("storage")
    if spec.load_balancer.kind is LoadBalancerKind.CLOUD_PROVIDER_KIND:
        wanted.add("load-balancer")
    first = _LOCAL if spec.target is Target.LOCAL else _SERVERS
    return (*first, *(stage for stage in _INSTALLING if stage in wanted), "verify")


def outline(stage: str, spec: ClusterSpec, *, practice: bool) -> StageOutline:
    """Return one stage in words; a stage of another job (``prepare``) as well."""
    title, summary = _REHEARSAL if practice and stage == "kubernetes" else _TEXTS[stage]
    return StageOutline(stage, title, summary.format(what=_what(stage, spec)))


def _what(stage: str, spec: ClusterSpec) -> str:
    titles = [one.title for one in installs(spec) if one.stage == stage and one.is_software]
    if not titles and spec.load_balancer.kind is LoadBalancerKind.CLOUD_PROVIDER_KIND:
        titles = ["cloud-provider-kind"]
    if not titles:
        return "what was chosen"
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"
