"""Where the cluster runs: this machine or servers, which servers, and how to log in to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wizards.setup.answers import value_of
from wizards.setup.catalog import catalog
from wizards.setup.proposals import Address, complete_nodes, node_addresses
from wizards.setup.questions import Answers, Question, QuestionKind, Step

TARGET = Question(
    path="target",
    title="Where it runs",
    kind=QuestionKind.CHOICE,
    help=(
        "Servers are machines you log in to over SSH. This machine is for trying things out, in containers."
    ),
    default=lambda _answers: "bare-metal",
    options=lambda _answers: catalog().options("target"),
)

NAME = Question(
    path="name",
    title="Name of the cluster",
    kind=QuestionKind.TEXT,
    help=(
        "At most 32 lower-case letters, digits and '-'. It names the folder in which Slipway keeps "
        "all it needs."
    ),
    default=lambda _answers: "cluster-1",
    placeholder="cluster-1",
)


def is_local(answers: Answers) -> bool:
    """Tell whether the cluster runs on this machine."""
    return bool(value_of(TARGET, answers) == "local")


def is_bare_metal(answers: Answers) -> bool:
    """Tell whether the cluster runs on servers."""
    return not is_local(answers)


NODES = Question(
    path="nodes",
    title="Servers",
    kind=QuestionKind.NODES,
    help="One line for each server: its name in the cluster and the address SSH reaches it at.",
    default=lambda _answers: [],
    placeholder="node-1 10.0.0.11",
)

CONTROL_PLANES = Question(
    path="local.control_planes",
    title="Control planes",
    kind=QuestionKind.NUMBER,
    help=(
        "Nodes that run Kubernetes itself. One is right on one machine; three show how a cluster "
        "survives a loss."
    ),
    default=lambda _answers: 1,
)
WORKERS = Question(
    path="local.workers",
    title="Workers",
    kind=QuestionKind.NUMBER,
    help="Nodes that run your applications. With none, the control plane runs them.",
    default=lambda _answers: 2,
)
PROVIDER = Question(
    path="local.provider",
    title="Container engine",
    kind=QuestionKind.CHOICE,
    help="What runs the containers that play the nodes.",
    default=lambda _answers: "auto",
    options=lambda _answers: catalog().options("local.provider"),
)
API_PORT = Question(
    path="local.api_port",
    title="API port",
    kind=QuestionKind.NUMBER,
    help="Port of this machine at which the Kubernetes API answers. 0 lets kind choose a free one.",
    default=lambda _answers: 0,
    advanced=True,
)


def node_rows(answers: Answers) -> list[dict[str, Any]]:
    """Return the servers with names and roles filled in; none for a local cluster."""
    rows = value_of(NODES, answers) if is_bare_metal(answers) else []
    if not isinstance(rows, list | tuple):
        return []
    return complete_nodes(row for row in rows if isinstance(row, Mapping))


def known_addresses(answers: Answers) -> list[Address]:
    """Return the addresses the servers use between them, as far as they are IP addresses."""
    return node_addresses(node_rows(answers))


def count_with(role: str, answers: Answers) -> int:
    """Return how many nodes have `role`, on servers or on this machine."""
    if is_local(answers):
        control, workers = (_number(value_of(question, answers)) for question in (CONTROL_PLANES, WORKERS))
        return (workers or control) if role == "worker" else control
    return sum(role in row["roles"] for row in node_rows(answers))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


USER = Question(
    path="access.user",
    title="SSH user",
    kind=QuestionKind.TEXT,
    help="The login name on the servers. It is root, or a user who may become root by sudo.",
    default=lambda _answers: "root",
    placeholder="root",
)
METHOD = Question(
    path="access.method",
    title="Log in with",
    kind=QuestionKind.CHOICE,
    help="How SSH proves who you are. No password is ever written to disk.",
    default=lambda _answers: "key",
    options=lambda _answers: catalog().options("access.method"),
)
KEY_FILE = Question(
    path="access.key_file",
    title="Key file",
    kind=QuestionKind.TEXT,
    help="Path of the private key on this machine. Leave it empty to let SSH try your usual keys in ~/.ssh.",
    default=lambda _answers: None,
    when=lambda answers: value_of(METHOD, answers) == "key",
    optional=True,
    placeholder="~/.ssh/id_ed25519",
)
BECOME = Question(
    path="access.become",
    title="Become root by",
    kind=QuestionKind.CHOICE,
    help="Installing Kubernetes needs root on every server.",
    default=lambda answers: "none" if value_of(USER, answers) == "root" else "sudo",
    options=lambda _answers: catalog().options("access.become"),
)
JUMP_HOST = Question(
    path="access.jump.host",
    title="Jump host",
    kind=QuestionKind.TEXT,
    help=(
        "A machine through which the servers are reached, also called a bastion. Leave it empty when "
        "there is none."
    ),
    default=lambda _answers: None,
    optional=True,
    placeholder="bastion.example.com",
)


def _has_jump(answers: Answers) -> bool:
    return bool(value_of(JUMP_HOST, answers))


JUMP_USER = Question(
    path="access.jump.user",
    title="User on the jump host",
    kind=QuestionKind.TEXT,
    help="The login name there, where it differs from the one on the servers.",
    default=lambda _answers: None,
    when=_has_jump,
    optional=True,
)
JUMP_PORT = Question(
    path="access.jump.port",
    title="Port of the jump host",
    kind=QuestionKind.NUMBER,
    help="The SSH port there.",
    default=lambda _answers: 22,
    when=_has_jump,
)

WHERE_STEP = Step(
    id="where",
    title="Where",
    intro=(
        "A Kubernetes cluster is a group of machines, called nodes, that run your applications in "
        "containers and replace what fails. Slipway can build one on servers of yours, or a small one "
        "on this machine to learn with. Every question here has an answer already; Enter takes it."
    ),
    questions=(TARGET, NAME),
)
NODES_STEP = Step(
    id="nodes",
    title="Nodes",
    intro=(
        "List the servers. Control planes run Kubernetes itself and keep its memory (etcd); workers run "
        "your applications. Slipway proposes the roles."
    ),
    questions=(NODES,),
    when=is_bare_metal,
)
LOCAL_STEP = Step(
    id="local",
    title="Nodes",
    intro=(
        "On this machine each node is a container. Control planes run Kubernetes itself; workers run "
        "your applications. One control plane and two workers show most of what a real cluster does, "
        "in about 3 GiB of memory."
    ),
    questions=(CONTROL_PLANES, WORKERS, PROVIDER, API_PORT),
    when=is_local,
)
ACCESS_STEP = Step(
    id="access",
    title="Access",
    intro=(
        "Slipway works on the servers over SSH, as you would by hand. It needs a login that is the "
        "same on all of them and may become root. Keys are the safe way; a password is asked for when "
        "a run starts, and is forgotten when it ends."
    ),
    questions=(USER, METHOD, KEY_FILE, BECOME, JUMP_HOST, JUMP_USER, JUMP_PORT),
    when=is_bare_metal,
)
