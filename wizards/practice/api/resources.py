"""Which resources the practice API serves: the built-in table, and those that CRDs add."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from wizards.practice.api.values import Json, dig

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
"""The verbs of an ordinary resource, in the order in which discovery names them."""

Storage = tuple[str, str]
"""Where objects are kept: group and plural. Several served versions may share one."""

_ALWAYS = ("metadata.name", "metadata.namespace")
_EVENT_FIELDS = (
    *(f"involvedObject.{part}" for part in ("kind", "namespace", "name", "uid", "apiVersion")),
    *("involvedObject.resourceVersion", "involvedObject.fieldPath"),
    *("reason", "reportingComponent", "source", "type"),
)
_FIELDS: dict[Storage, tuple[str, ...]] = {
    ("", "pods"): (
        *("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName"),
        *("spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName"),
    ),
    ("", "nodes"): ("spec.unschedulable",),
    ("", "namespaces"): ("status.phase",),
    ("", "secrets"): ("type",),
    ("", "services"): ("spec.clusterIP", "spec.type"),
    ("", "events"): _EVENT_FIELDS,
    ("apps", "replicasets"): ("status.replicas",),
    ("batch", "jobs"): ("status.successful",),
    ("certificates.k8s.io", "certificatesigningrequests"): ("spec.signerName",),
}

# apiVersion plural Kind short-names scope subresources flags
# scope: ns or cluster; flags: gen = counts metadata.generation, review = can only be created.
_BUILTIN = """
v1 namespaces Namespace ns cluster status,finalize -
v1 nodes Node no cluster status -
v1 pods Pod po ns status,log,eviction gen
v1 services Service svc ns status -
v1 endpoints Endpoints ep ns - -
v1 configmaps ConfigMap cm ns - -
v1 secrets Secret - ns - -
v1 serviceaccounts ServiceAccount sa ns - -
v1 persistentvolumes PersistentVolume pv cluster status -
v1 persistentvolumeclaims PersistentVolumeClaim pvc ns status -
v1 events Event ev ns - -
v1 resourcequotas ResourceQuota quota ns status -
v1 limitranges LimitRange limits ns - -
v1 replicationcontrollers ReplicationController rc ns status,scale gen
apiregistration.k8s.io/v1 apiservices APIService - cluster status -
apps/v1 deployments Deployment deploy ns status,scale gen
apps/v1 replicasets ReplicaSet rs ns status,scale gen
apps/v1 statefulsets StatefulSet sts ns status,scale gen
apps/v1 daemonsets DaemonSet ds ns status gen
apps/v1 controllerrevisions ControllerRevision - ns - -
events.k8s.io/v1 events Event ev ns - -
authentication.k8s.io/v1 selfsubjectreviews SelfSubjectReview - cluster - review
authorization.k8s.io/v1 selfsubjectaccessreviews SelfSubjectAccessReview - cluster - review
authorization.k8s.io/v1 selfsubjectrulesreviews SelfSubjectRulesReview - cluster - review
authorization.k8s.io/v1 subjectaccessreviews SubjectAccessReview - cluster - review
autoscaling/v2 horizontalpodautoscalers HorizontalPodAutoscaler hpa ns status -
batch/v1 jobs Job - ns status gen
batch/v1 cronjobs CronJob cj ns status gen
certificates.k8s.io/v1 certificatesigningrequests CertificateSigningRequest csr cluster status,approval -
networking.k8s.io/v1 networkpolicies NetworkPolicy netpol ns - gen
networking.k8s.io/v1 ingresses Ingress ing ns status gen
networking.k8s.io/v1 ingressclasses IngressClass - cluster - gen
policy/v1 poddisruptionbudgets PodDisruptionBudget pdb ns status gen
rbac.authorization.k8s.io/v1 clusterroles ClusterRole - cluster - -
rbac.authorization.k8s.io/v1 clusterrolebindings ClusterRoleBinding - cluster - -
rbac.authorization.k8s.io/v1 roles Role - ns - -
rbac.authorization.k8s.io/v1 rolebindings RoleBinding - ns - -
storage.k8s.io/v1 storageclasses StorageClass sc cluster - -
storage.k8s.io/v1 csidrivers CSIDriver - cluster - -
storage.k8s.io/v1 csinodes CSINode - cluster - -
storage.k8s.io/v1 csistoragecapacities CSIStorageCapacity - ns - -
storage.k8s.io/v1 volumeattachments VolumeAttachment - cluster status -
admissionregistration.k8s.io/v1 mutatingwebhookconfigurations MutatingWebhookConfiguration - cluster - gen
admissionregistration.k8s.io/v1 validatingwebhookconfigurations ValidatingWebhookConfiguration - cluster - gen
apiextensions.k8s.io/v1 customresourcedefinitions CustomResourceDefinition crd,crds cluster status gen
scheduling.k8s.io/v1 priorityclasses PriorityClass pc cluster - gen
node.k8s.io/v1 runtimeclasses RuntimeClass - cluster - -
coordination.k8s.io/v1 leases Lease - ns - -
discovery.k8s.io/v1 endpointslices EndpointSlice - ns - gen
"""


@dataclass(frozen=True, slots=True, eq=False)
class ResourceType:
    """One resource in one version, as discovery describes it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    list_kind: str = ""
    verbs: tuple[str, ...] = VERBS
    subresources: tuple[str, ...] = ()
    counts_generation: bool = False
    fields: tuple[str, ...] = ()
    schema: Json | None = field(default=None, repr=False)
    custom: bool = False

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def storage(self) -> Storage:
        """Where its objects are kept. Both event APIs are two views on the same objects."""
        if self.group == "events.k8s.io":
            return ("", "events")
        return (self.group, self.plural)

    @property
    def review(self) -> bool:
        """Whether it is only a question that is answered by creating it."""
        return self.verbs == ("create",)

    @property
    def selectable_fields(self) -> tuple[str, ...]:
        """The field paths that a fieldSelector may name."""
        return (*_ALWAYS, *_FIELDS.get(self.storage, self.fields))


def _builtin(line: str) -> ResourceType:
    api_version, plural, kind, short, scope, subresources, flag = line.split()
    group, _, version = api_version.rpartition("/")
    return ResourceType(
        group=group,
        version=version,
        plural=plural,
        kind=kind,
        namespaced=scope == "ns",
        singular=kind.lower(),
        short_names=() if short == "-" else tuple(short.split(",")),
        categories=("all",) if kind in _CATEGORY_ALL else (),
        list_kind="" if flag == "review" else f"{kind}List",
        verbs=("create",) if flag == "review" else VERBS,
        subresources=() if subresources == "-" else tuple(subresources.split(",")),
        counts_generation=flag == "gen",
    )


_CATEGORY_ALL = {
    *("Pod", "Service", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"),
    *("HorizontalPodAutoscaler", "ReplicationController"),
}


def from_definition(crd: Json) -> list[ResourceType]:
    """The resources that a CustomResourceDefinition adds: one for each served version."""
    spec = crd["spec"]
    names = spec["names"]
    base = ResourceType(
        group=spec["group"],
        version="",
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec.get("scope") == "Namespaced",
        singular=names.get("singular") or names["kind"].lower(),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        list_kind=names.get("listKind") or f"{names['kind']}List",
        counts_generation=True,
        custom=True,
    )
    found = []
    for version in spec.get("versions") or ():
        if not version.get("served", True):
            continue
        subresources = tuple(
            name for name in ("status", "scale") if name in (version.get("subresources") or {})
        )
        selectable = tuple(item["jsonPath"].lstrip(".") for item in version.get("selectableFields") or ())
        found.append(
            replace(
                base,
                version=version["name"],
                subresources=tuple(name for name in subresources if name == "status"),
                fields=selectable,
                schema=dig(version, "schema", "openAPIV3Schema"),
            )
        )
    return found


_KUBE_VERSION = re.compile(r"^v(\d+)(?:(alpha|beta)(\d+))?$")


def version_order(version: str) -> tuple[int, int, int, str]:
    """Sort key that puts the preferred API version first: v2, v1, v1beta2, v1alpha1, others by name."""
    match = _KUBE_VERSION.match(version)
    if match is None:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0), version)


class Registry:
    """The resources served now."""

    def __init__(self) -> None:
        self._types: dict[tuple[str, str, str], ResourceType] = {}
        self._kinds: dict[tuple[str, str], ResourceType] = {}
        for line in _BUILTIN.strip().splitlines():
            self.add(_builtin(line))

    def add(self, rtype: ResourceType) -> None:
        """Serve a resource, or serve it differently from now on."""
        self._types[rtype.group, rtype.version, rtype.plural] = rtype
        self._kinds[rtype.api_version, rtype.kind] = rtype

    def remove(self, group: str, plural: str) -> None:
        """Stop serving a resource in all its versions."""
        for key, rtype in list(self._types.items()):
            if (rtype.group, rtype.plural) == (group, plural):
                del self._types[key]
                del self._kinds[rtype.api_version, rtype.kind]

    def find(self, group: str, version: str, plural: str) -> ResourceType | None:
        """The resource behind a URL path, or None."""
        return self._types.get((group, version, plural))

    def by_kind(self, api_version: str, kind: str) -> ResourceType | None:
        """The resource that an object with these two fields belongs to, or None."""
        return self._kinds.get((api_version, kind))

    def by_storage(self, storage: Storage) -> ResourceType | None:
        """The resource of the preferred version that keeps its objects there, or None."""
        found = [rtype for rtype in self._types.values() if (rtype.group, rtype.plural) == storage]
        return min(found, key=lambda rtype: version_order(rtype.version), default=None)

    def groups(self) -> dict[str, list[str]]:
        """The named API groups with their versions, the preferred one first."""
        found: dict[str, list[str]] = {}
        for rtype in self._types.values():
            versions = found.setdefault(rtype.group, [])
            if rtype.group and rtype.version not in versions:
                versions.append(rtype.version)
        found.pop("", None)
        return {group: sorted(versions, key=version_order) for group, versions in found.items()}

    def of_version(self, group: str, version: str) -> Iterator[ResourceType]:
        """The resources of one group and version, by name."""
        for key in sorted(self._types):
            if key[:2] == (group, version):
                yield self._types[key]
