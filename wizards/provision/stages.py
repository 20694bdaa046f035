"""From answers to a plan: what each playbook is told, with the paths of one cluster's folder.

Nothing here writes or reaches anything. Which stages there are, and their words, is in `outline`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wizards.provision.components import Install, default_class, installs, retained_classes, storage_classes
from wizards.provision.inventory import HOSTS
from wizards.provision.outline import outline, stage_ids
from wizards.provision.plan import Plan, Stage
from wizards.setup.components import chosen_components
from wizards.setup.spec import ClusterSpec, Cni, EndpointKind, Engine, LoadBalancerKind, Role, Target

if TYPE_CHECKING:
    from wizards.clusters import Cluster
    from wizards.provision.mending import Change

PACKAGE_ROOT: Final = Path(__file__).resolve().parents[2]
"""The folder that holds ``wizards`` and ``playbooks``: the checkout, or where the package is installed."""
PLAYBOOKS: Final = PACKAGE_ROOT / "playbooks"
CONSOLE: Final = "localhost"
"""The host name of stages that work from this machine through the cluster's API."""
KUBESPRAY_TASKS: Final = 714
"""What cluster.yml lists for three nodes with Cilium (facts: kubespray.md); includes add to it."""


class UnknownFault(ValueError):
    """A fault was ordered for a node or a stage that this plan does not have; the text names those it has."""


def create_plan(spec: ClusterSpec, cluster: Cluster, *, fail: str | None = None) -> Plan:
    """Return the plan that sets `spec` up. Writes nothing, reaches nothing.

    Args:
        spec: The answers; their files are expected in the cluster's folder (`render.write_files`).
        cluster: The cluster's folder.
        fail: ``NODE:STAGE``: on a practice cluster that stage fails there once. The stages that work from
            this machine have the one node ``localhost``.

    Raises:
        UnknownFault: `fail` names no node or stage of this plan, or this is no practice cluster.
        RuntimeError: This is a practice cluster and its yard is not running.
    """
    maker = _Maker(spec, cluster)
    stages = tuple(maker.stage(stage) for stage in stage_ids(spec))
    plan = Plan("create", spec.name, practice=cluster.is_practice, stages=stages)
    return _with_fault(plan, fail, cluster.practice_dir) if fail else plan


def prepare_stage(spec: ClusterSpec, cluster: Cluster, chosen: Sequence[Change]) -> Stage:
    """Return the stage that makes the `chosen` changes on their nodes. Writes nothing, reaches nothing."""
    return _Maker(spec, cluster).mending(chosen)


def mending_plan(spec: ClusterSpec, cluster: Cluster, chosen: Sequence[Change]) -> Plan:
    """Return the plan that makes the `chosen` changes and then looks at their nodes again."""
    prepare = prepare_stage(spec, cluster, chosen)
    look = limited(_Maker(spec, cluster).stage("preflight"), prepare.hosts)
    return Plan("mend", spec.name, practice=cluster.is_practice, stages=(prepare, look))


def limited(stage: Stage, hosts: tuple[str, ...]) -> Stage:
    """Return a stage that works on `hosts` alone.

    Nodes that are looked at alone are not asked about each other: the others do not listen for them.
    """
    variables = {**stage.variables, "slipway_hosts": list(hosts)}
    if wants := variables.get("slipway_wants"):
        variables["slipway_wants"] = {**wants, "reach": {}}
    return replace(stage, hosts=tuple(host for host in stage.hosts if host in hosts), variables=variables)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the stages of one plan."""

    spec: ClusterSpec
    cluster: Cluster

    def stage(self, stage: str) -> Stage:
        words = outline(stage, self.spec, practice=self.cluster.is_practice)
        makers: dict[str, Callable[[], Stage]] = {
            "tools": self._tools,
            "preflight": self._preflight,
            "kubernetes": self._rehearsal if self.cluster.is_practice else self._kubespray,
            "cluster": self._kind,
            "kubeconfig": self._kubeconfig,
            "verify": self._verify,
        }
        made = makers[stage]() if stage in makers else self._installing(stage)
        return replace(made, id=stage, title=words.title, summary=words.summary)

    def _common(self) -> dict[str, Any]:
        return {
            "slipway_cluster": self.spec.name,
            "slipway_practice": self.cluster.is_practice,
            "slipway_home": str(self._home),
            "slipway_kubeconfig": str(self.cluster.kubeconfig),
            "slipway_package": str(PACKAGE_ROOT),
            "slipway_helm": os.environ.get("SLIPWAY_HELM", ""),
            "slipway_proxy": _proxy(self.spec),
        }

    @property
    def _home(self) -> Path:
        return self.cluster.root.parent.parent

    @property
    def _inventory(self) -> Path:
        """The file and not its folder: Kubespray keeps keys beside it, which Ansible would take for hosts."""
        return self.cluster.root / HOSTS

    def _console(self, playbook: str, tasks: int, **variables: Any) -> Stage:
        """Return a stage that works from this machine."""
        return self._made(playbook, PLAYBOOKS / "console.yml", (CONSOLE,), tasks, variables)

    def _nodes(self, playbook: str, tasks: int, **variables: Any) -> Stage:
        """Return a stage that works on the nodes over SSH."""
        names = tuple(node.name for node in self.spec.nodes)
        return self._made(playbook, self._inventory, names, tasks, variables)

    def _made(
        self, playbook: str, inventory: Path, hosts: tuple[str, ...], tasks: int, more: dict[str, Any]
    ) -> Stage:
        from wizards.provision.ansible_env import ansible_env

        return Stage(
            id="",
            title="",
            playbook=playbook,
            directory=str(PLAYBOOKS),
            inventory=str(inventory),
            hosts=hosts,
            tasks=tasks,
            variables=self._common() | more,
            # By name, because Ansible ignores an ansible.cfg in a folder that others may write.
            env=ansible_env(self.spec, self.cluster) | {"ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg")},
        )

    def _tools(self) -> Stage:
        charts = any(install.chart for install in installs(self.spec))
        local = self.spec.target is Target.LOCAL
        real = not self.cluster.is_practice
        wants = {
            "slipway_wants_kubespray": real and not local,
            "slipway_wants_helm": real and charts,
            "slipway_wants_kind": real and local,
        }
        return self._console(
            "tools.yml",
            5 + 2 * sum(wants.values()),
            **wants,
            slipway_provider=self.spec.local.provider.value,
            slipway_kubespray_named=os.environ.get("SLIPWAY_KUBESPRAY", ""),
        )

    def _preflight(self) -> Stage:
        from wizards.provision.preflight import probe_wants

        wants = probe_wants(self.spec, practice=self.cluster.is_practice)
        stage = self._nodes("preflight.yml", 2, slipway_wants=wants)
        return replace(stage, after="preflight")

    def mending(self, chosen: Sequence[Change]) -> Stage:
        """Return the stage that makes the chosen changes, on the nodes that have any."""
        from wizards.provision.mending import prepare_variables, task_count

        words = outline("prepare", self.spec, practice=self.cluster.is_practice)
        hosts = tuple(dict.fromkeys(change.host for change in chosen))
        stage = self._nodes(
            "prepare.yml", task_count(chosen), slipway_hosts=list(hosts), **prepare_variables(chosen)
        )
        # What could not be changed is seen best by the look that follows.
        return replace(
            stage, id=words.id, title=words.title, summary=words.summary, hosts=hosts, goes_on=True
        )

    def _kubespray(self) -> Stage:
        from wizards.provision.ansible_env import kubespray_env
        from wizards.provision.kubespray import kubespray_folder

        named = os.environ.get("SLIPWAY_KUBESPRAY", "")
        folder = Path(named).expanduser().absolute() if named else kubespray_folder(self._home)
        return Stage(
            id="",
            title="",
            playbook="cluster.yml",
            directory=str(folder),
            inventory=str(self._inventory),
            hosts=tuple(node.name for node in self.spec.nodes),
            tasks=KUBESPRAY_TASKS,
            env=kubespray_env(self.spec, self.cluster),
        )

    def _rehearsal(self) -> Stage:
        rehearsal = self.cluster.root / "components" / "kubernetes"
        return self._nodes(
            "practice/kubernetes.yml",
            28,
            slipway_yard_kubeconfig=self._yard_kubeconfig(),
            slipway_rehearsal=str(rehearsal),
            slipway_version=self.spec.kubernetes.version,
            slipway_runtime=self.spec.kubernetes.runtime.value,
            slipway_cni=self.spec.network.cni.value,
            slipway_endpoint=_endpoint(self.spec),
            slipway_pods=self.spec.network.pods,
            slipway_services=self.spec.network.services,
            slipway_domain=self.spec.kubernetes.domain,
        )

    def _yard_kubeconfig(self) -> str:
        from wizards.practice.client import read_yard

        yard = read_yard(self.cluster.practice_dir)
        if yard is None:
            raise RuntimeError(f"the practice yard of {self.spec.name} is not running")
        return str(yard.kubeconfig)

    def _kind(self) -> Stage:
        replaced = self.spec.network.cni is not Cni.KINDNET
        return self._console(
            "kind.yml",
            7,
            slipway_provider=self.spec.local.provider.value,
            slipway_kind_config=str(self.cluster.root / "kind.yaml"),
            # Without a network plugin the nodes cannot become ready, and kind would wait in vain (rule 31).
            slipway_kind_waits=not replaced,
        )

    def _kubeconfig(self) -> Stage:
        first = self.spec.with_role(Role.CONTROL_PLANE)[0].name
        variables = {"slipway_endpoint": _endpoint(self.spec), "slipway_control_plane": first}
        if self.cluster.is_practice:
            variables["slipway_yard_kubeconfig"] = self._yard_kubeconfig()
            return self._console("kubeconfig.yml", 3, **variables)
        return replace(self._nodes("kubeconfig.yml", 3, **variables), hosts=(first,))

    def _installing(self, stage: str) -> Stage:
        parts = [install for install in installs(self.spec) if install.stage == stage]
        kind = self.spec.load_balancer.kind
        return self._console(
            f"{stage.replace('-', '_')}.yml",
            _task_count(parts, stage, practice=self.cluster.is_practice),
            slipway_installs=[part.variables(self.cluster.root) for part in parts],
            slipway_default_class=default_class(self.spec) if stage == "storage" else "",
            slipway_cstor=self._cstor() if stage == "storage" else {},
            slipway_find_pool=self._finds_pool() if stage == "load-balancer" else False,
            slipway_cloud_provider=stage == "load-balancer" and kind is LoadBalancerKind.CLOUD_PROVIDER_KIND,
            slipway_provider=self.spec.local.provider.value,
        )

    def _cstor(self) -> dict[str, Any]:
        """Return the disks that cStor may take; none in practice, where nothing would see them."""
        if Engine.CSTOR not in self.spec.storage.engines or self.cluster.is_practice:
            return {}
        disks = {node.name: list(node.disks) for node in self.spec.nodes if node.disks}
        return {"pool": self.spec.storage.cstor.pool_name, "disks": disks}

    def _finds_pool(self) -> bool:
        """Tell whether the pool must be found in kind's own network, which is there only after kind ran."""
        kinds = (LoadBalancerKind.METALLB_L2, LoadBalancerKind.CILIUM_L2)
        balancer = self.spec.load_balancer
        return self.spec.target is Target.LOCAL and balancer.kind in kinds and not balancer.pools

    def _verify(self) -> Stage:
        spec = self.spec
        workloads = [
            {
                "component": part.title,
                "kind": one.kind,
                "namespace": one.namespace,
                "selector": one.selector,
                "minimum": one.minimum,
            }
            for part in chosen_components(spec)
            for one in part.workloads
        ]
        balanced = spec.load_balancer.kind is not LoadBalancerKind.NONE
        automatic = not spec.load_balancer.pools or any(pool.auto_assign for pool in spec.load_balancer.pools)
        return self._console(
            "verify.yml",
            6,
            slipway_nodes=[node.name for node in spec.nodes],
            slipway_node_count=_node_count(spec),
            slipway_workloads=workloads,
            slipway_classes=list(storage_classes(spec)),
            slipway_retained=list(retained_classes(spec)),
            slipway_try_address=balanced and automatic,
            slipway_pause_image=f"{spec.mirrors.registry or 'registry.k8s.io'}/pause:3.10",
        )


def _proxy(spec: ClusterSpec) -> dict[str, str]:
    """Return the environment for downloads on this machine; nodes are always reached directly."""
    proxy = spec.proxy
    chosen = {"http_proxy": proxy.http, "https_proxy": proxy.https}
    found = {name: url for name, url in chosen.items() if url}
    if not found:
        return {}
    direct = ["localhost", "127.0.0.1", *(node.address for node in spec.nodes)]
    if spec.endpoint.address:
        direct.append(spec.endpoint.address)
    return found | {"no_proxy": ",".join((*direct, *proxy.no_proxy))}


def _node_count(spec: ClusterSpec) -> int:
    if spec.target is Target.LOCAL:
        return spec.local.control_planes + spec.local.workers
    return len(spec.nodes)


def _task_count(parts: list[Install], stage: str, *, practice: bool) -> int:
    """Return how many tasks an installing stage reports, those that are left out included.

    The role ``install`` has seven; a chart takes five more (and the first of a stage two to find Helm), a
    published file two, a rehearsal one; waiting and settings one each.
    """
    count = 1 + {"load-balancer": 2, "storage": 4}.get(stage, 0)
    for part in parts:
        way = 1 if practice else 5 if part.chart else 2
        count += 7 + (way if part.is_software else 0) + bool(part.workloads) + bool(part.objects)
    return count + (2 if not practice and any(part.chart for part in parts) else 0)


def _endpoint(spec: ClusterSpec) -> dict[str, str]:
    """Return how this machine reaches the API server: its URL, and the name its certificate is checked for.

    Where the nodes have no common address, the first control plane is asked by the address SSH uses. That one
    need not stand in the certificate; the name ``kubernetes`` always does (Kubespray's apiserver_sans).
    """
    endpoint = spec.endpoint
    if endpoint.kind in (EndpointKind.KUBE_VIP, EndpointKind.EXTERNAL) and endpoint.address:
        return {"server": _url(endpoint.address, endpoint.port), "tls_server_name": ""}
    first = spec.with_role(Role.CONTROL_PLANE)[0]
    return {"server": _url(first.address, endpoint.port), "tls_server_name": "kubernetes"}


def _url(host: str, port: int) -> str:
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def _with_fault(plan: Plan, fail: str, yard: Path) -> Plan:
    """Return `plan` with a fault that fires once: the marker of having fired is a file beside the yard."""
    node, _, stage_id = fail.partition(":")
    if not plan.practice:
        raise UnknownFault("faults can be ordered on a practice cluster only")
    stages = {stage.id: stage for stage in plan.stages}
    if stage_id not in stages:
        raise UnknownFault(f"--fail {fail}: there is no stage {stage_id!r}; there are {', '.join(stages)}")
    stage = stages[stage_id]
    if node not in stage.hosts:
        raise UnknownFault(
            f"--fail {fail}: the stage {stage_id} does not work on {node!r}, but on {', '.join(stage.hosts)}"
        )
    marker = yard / "faults" / f"{node}-{stage_id}-{secrets.token_hex(4)}"
    fault = {"slipway_fault": {"host": node, "marker": str(marker), "playbook": stage.playbook}}
    # The rehearsal has a place of its own for it, half-way; any other stage fails before it begins.
    playbook = stage.playbook if stage_id == "kubernetes" else "practice/fault.yml"
    changed = replace(stage, variables=stage.variables | fault, playbook=playbook)
    return replace(plan, stages=tuple(changed if one is stage else one for one in plan.stages))
