"""The control plane: its endpoint, the version, what belongs to Kubernetes itself, proxy and mirrors."""

from __future__ import annotations

from typing import Final

from wizards.setup.answers import value_of
from wizards.setup.catalog import catalog
from wizards.setup.proposals import propose_virtual_ip
from wizards.setup.questions import Answers, Option, Question, QuestionKind, Step
from wizards.setup.ranges import pool_ranges
from wizards.setup.steps_network import POOLS, VIRTUAL_IP_PATH
from wizards.setup.steps_place import count_with, is_bare_metal, is_local, known_addresses

_VERSION_PATH: Final = "kubernetes.version"
_PORT_PATH: Final = "endpoint.port"
_LOCAL_DEFAULT: Final = "1.35.8"
"""On this machine the same minor version as on servers, so that what is learnt holds there."""


def _versions(answers: Answers) -> tuple[Option, ...]:
    known = tuple(catalog().kind) if is_local(answers) else catalog().kubespray_versions()
    given = answers.given.get(_VERSION_PATH)
    extra = (given,) if isinstance(given, str) and _fits(given, answers) and given not in known else ()
    return tuple(_version_option(version, answers) for version in (*known, *extra))


def _fits(version: str, answers: Answers) -> bool:
    return bool(catalog().kind_version(version)) if is_local(answers) else catalog().in_kubespray(version)


def _version_option(version: str, answers: Answers) -> Option:
    default = _default_version(answers)
    return Option(
        value=version,
        title=version,
        summary=(
            "The version that this release of Slipway was made and tested with."
            if version == default
            else "Another version that the installer knows."
        ),
        otherwise=(
            "Choose an older one only if an application asks for it."
            if version == default
            else f"Choose {default} if nothing asks for this one."
        ),
        cost="nothing more",
    )


def _default_version(answers: Answers) -> str:
    return _LOCAL_DEFAULT if is_local(answers) else catalog().kubespray_versions()[0]


VERSION = Question(
    path=_VERSION_PATH,
    title="Kubernetes version",
    kind=QuestionKind.CHOICE,
    help="The version to install. Upgrades go one minor version at a time, from 1.34 to 1.35 and so on.",
    default=_default_version,
    options=_versions,
)


def _endpoints(answers: Answers) -> tuple[Option, ...]:
    count = count_with("control-plane", answers)
    blocked = {}
    if count > 1:
        blocked["single"] = f"You have {count} control planes; with this only the first would be used."
    return catalog().options("endpoint.kind", blocked=blocked)


ENDPOINT = Question(
    path="endpoint.kind",
    title="Reach the control plane by",
    kind=QuestionKind.CHOICE,
    help="How nodes, and you, find a control plane that lives.",
    default=lambda answers: "single" if count_with("control-plane", answers) <= 1 else "local-proxy",
    options=_endpoints,
    when=is_bare_metal,
)


def _has_address(answers: Answers) -> bool:
    return is_bare_metal(answers) and value_of(ENDPOINT, answers) in {"kube-vip", "external"}


def _is_virtual(answers: Answers) -> bool:
    return is_bare_metal(answers) and value_of(ENDPOINT, answers) == "kube-vip"


def _proposed_address(answers: Answers) -> str | None:
    if not _is_virtual(answers):
        return None
    pools = pool_ranges(value_of(POOLS, answers))
    address = propose_virtual_ip(known_addresses(answers), pools)
    return None if address is None else str(address)


ENDPOINT_ADDRESS = Question(
    path=VIRTUAL_IP_PATH,
    title="Its address",
    kind=QuestionKind.TEXT,
    help=(
        "The virtual IP: free, beside the nodes and outside the pools. Or the address of your own "
        "load balancer."
    ),
    default=_proposed_address,
    when=_has_address,
    placeholder="10.0.0.239",
)


def _has_port(answers: Answers) -> bool:
    """A port of one's own is asked for where it is usual, and shown wherever a file gave one."""
    is_external = value_of(ENDPOINT, answers) == "external"
    return is_bare_metal(answers) and (is_external or _PORT_PATH in answers.given)


ENDPOINT_PORT = Question(
    path=_PORT_PATH,
    title="Its port",
    kind=QuestionKind.NUMBER,
    help="The port at which the control planes, or your load balancer for them, take connections.",
    default=lambda _answers: 6443,
    when=_has_port,
)
INTERFACE = Question(
    path="endpoint.interface",
    title="Network interface",
    kind=QuestionKind.TEXT,
    help="The interface that carries the virtual IP. Leave it empty to let kube-vip find it.",
    default=lambda _answers: None,
    when=_is_virtual,
    optional=True,
    placeholder="eth0",
    advanced=True,
)
METRICS = Question(
    path="kubernetes.metrics_server",
    title="Metrics server",
    kind=QuestionKind.SWITCH,
    help=(
        "CPU and memory figures of nodes and pods, for kubectl top and for scaling by load. About 50 "
        "MiB memory."
    ),
    default=lambda _answers: True,
    when=is_bare_metal,
)
RUNTIME = Question(
    path="kubernetes.runtime",
    title="Container runtime",
    kind=QuestionKind.CHOICE,
    help="The program on each node that runs the containers.",
    default=lambda _answers: "containerd",
    options=lambda _answers: catalog().options("kubernetes.runtime"),
    when=is_bare_metal,
    advanced=True,
)
DOMAIN = Question(
    path="kubernetes.domain",
    title="DNS domain inside",
    kind=QuestionKind.TEXT,
    help="The domain under which Services find each other. Hardly ever changed.",
    default=lambda _answers: "cluster.local",
    placeholder="cluster.local",
    when=is_bare_metal,
    advanced=True,
)
NODE_LOCAL_DNS = Question(
    path="kubernetes.node_local_dns",
    title="DNS cache on each node",
    kind=QuestionKind.SWITCH,
    help="Answers names faster and takes load from the cluster's DNS. About 20 MiB memory per node.",
    default=lambda _answers: True,
    when=is_bare_metal,
    advanced=True,
)
AUTO_RENEW = Question(
    path="kubernetes.auto_renew_certificates",
    title="Renew certificates",
    kind=QuestionKind.SWITCH,
    help="Certificates of the control plane end after a year. With this they are renewed every month.",
    default=lambda _answers: True,
    when=is_bare_metal,
    advanced=True,
)
NTP = Question(
    path="kubernetes.ntp",
    title="Time service",
    kind=QuestionKind.SWITCH,
    help="Installs a time service on the nodes. Leave it off where their clocks are kept right already.",
    default=lambda _answers: False,
    when=is_bare_metal,
    advanced=True,
)
HTTP_PROXY = Question(
    path="proxy.http",
    title="HTTP proxy",
    kind=QuestionKind.TEXT,
    help="Where the nodes reach the internet only through a proxy. Leave it empty otherwise.",
    default=lambda _answers: None,
    when=is_bare_metal,
    optional=True,
    placeholder="http://proxy.lan:3128",
    advanced=True,
)
HTTPS_PROXY = Question(
    path="proxy.https",
    title="HTTPS proxy",
    kind=QuestionKind.TEXT,
    help="The proxy for https addresses; usually the same.",
    default=lambda answers: value_of(HTTP_PROXY, answers),
    when=is_bare_metal,
    optional=True,
    placeholder="http://proxy.lan:3128",
    advanced=True,
)
NO_PROXY = Question(
    path="proxy.no_proxy",
    title="Without the proxy",
    kind=QuestionKind.LIST,
    help="Hosts and domains that are reached directly. The cluster's own addresses are added by themselves.",
    default=lambda _answers: [],
    when=lambda answers: (
        is_bare_metal(answers) and bool(value_of(HTTP_PROXY, answers) or value_of(HTTPS_PROXY, answers))
    ),
    optional=True,
    placeholder="registry.lan, .example.com",
    advanced=True,
)
REGISTRY = Question(
    path="mirrors.registry",
    title="Image registry",
    kind=QuestionKind.TEXT,
    help="A registry of yours that holds all images, for rooms without internet. Leave it empty otherwise.",
    default=lambda _answers: None,
    optional=True,
    placeholder="registry.lan:5000",
    advanced=True,
)
FILES = Question(
    path="mirrors.files",
    title="File mirror",
    kind=QuestionKind.TEXT,
    help="A web server of yours that holds the programs Kubespray fetches. Leave it empty otherwise.",
    default=lambda _answers: None,
    when=is_bare_metal,
    optional=True,
    placeholder="http://files.lan/kubespray",
    advanced=True,
)
CHARTS = Question(
    path="mirrors.charts",
    title="Chart mirror",
    kind=QuestionKind.TEXT,
    help="A web server of yours that holds the Helm charts. Leave it empty otherwise.",
    default=lambda _answers: None,
    optional=True,
    placeholder="http://files.lan/charts",
    advanced=True,
)

CONTROL_STEP = Step(
    id="control-plane",
    title="Control plane",
    intro=(
        "The control plane is the brain of the cluster: it keeps what shall be, and sees to it that "
        "it is. Here is how it is reached and which version of Kubernetes runs. If you are not sure, "
        "take what is proposed; the version can be raised later, step by step."
    ),
    questions=(
        VERSION,
        ENDPOINT,
        ENDPOINT_ADDRESS,
        ENDPOINT_PORT,
        INTERFACE,
        METRICS,
        RUNTIME,
        DOMAIN,
        NODE_LOCAL_DNS,
        AUTO_RENEW,
        NTP,
        HTTP_PROXY,
        HTTPS_PROXY,
        NO_PROXY,
        REGISTRY,
        FILES,
        CHARTS,
    ),
)
