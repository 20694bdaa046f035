"""Do the nodes reach each other? Judged from real listeners on each node and real connects from each other.

A wall between two nodes is seen by both; what matters is which of them to mend. So a node that most others
cannot reach is named once, and so is a node that reaches nobody. Only what is left is told pair by pair.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wizards.provision.checks.judging import few, odd_ones
from wizards.provision.checks.model import (
    Check,
    Group,
    NodeReport,
    Seen,
    Trouble,
    as_number,
)
from wizards.provision.checks.reached import WRONG_HOST
from wizards.provision.wants_network import wanted_reach
from wizards.setup.finding import Severity
from wizards.setup.spec import Role

Pair = tuple[str, str]
"""Who tried, and whom it tried to reach."""
LATENCY_WARN: Final = 20.0
LATENCY_BLOCK: Final = 100.0
"""Milliseconds between etcd members: etcd's guide asks for tens at most, assisted-service refuses 100."""
LOSS_BLOCK: Final = 0.3
"""Share of lost packets at which etcd's members no longer agree; a single lost packet of ten only warns."""
_FEW_NODES: Final = 3
_MTU_VARIABLES: Final = ("cilium_mtu", "calico_mtu", "calico_veth_mtu", "flannel_mtu", "kube_router_mtu")


@dataclass(frozen=True, slots=True)
class Blame:
    """Who is to be mended.

    Attributes:
        host: The node; empty when it is all of them.
        into: Nodes that do not reach it.
        out: Nodes that it does not reach.
        what: What failed, such as ports and how.
    """

    host: str
    into: tuple[str, ...]
    out: tuple[str, ...]
    what: tuple[str, ...]

    def told(self, verb: str) -> str:
        """Return in words who does not reach whom; `verb` ends the sentence: ``on TCP``."""
        what = few(self.what)
        if not self.host:
            return f"most nodes do not reach each other {verb} {what}"
        parts = []
        if self.into:
            parts.append(f"{few(self.into)} cannot reach it {verb} {what}")
        if self.out:
            parts.append(f"it cannot reach {few(self.out)}" + ("" if self.into else f" {verb} {what}"))
        return ", and ".join(parts)


def _peers(node: NodeReport) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what `node` found about each other node."""
    for name, found in node.reach.peers.items():
        if isinstance(found, dict) and isinstance(name, str) and name != node.name:
            yield name, found


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked whom, worked out from the answers: of many nodes, those with nothing to tell tell nothing.

    Attributes:
        into: Node → how many asked it.
        out: Node → how many it asked.
    """

    into: Mapping[str, int]
    out: Mapping[str, int]


def blames(failed: Mapping[Pair, tuple[str, ...]], asked: Callable[[], Asked]) -> Iterator[Blame]:
    """Find out whom to name for failed pairs.

    Args:
        failed: What failed between two nodes.
        asked: Who asked the same; worked out only where something failed.
    """
    if not failed:
        return
    into, out, all_of = _by(failed, 1), _by(failed, 0), asked()
    deaf = {name for name, group in into.items() if _most(group, all_of.into.get(name, 0))}
    everyone = {name for name, count in all_of.into.items() if count}
    if len(everyone) >= _FEW_NODES and deaf >= everyone:
        yield Blame("", (), (), _what(failed, [*failed]))
        return
    mute = {name for name, group in out.items() if _most(group, all_of.out.get(name, 0))}
    # A node that only fails to reach those that nobody reaches is not at fault itself.
    mute = {name for name in mute if name in deaf or len({*out[name]} - deaf) > 1}
    for name in sorted(deaf | mute):
        sources = tuple(into[name]) if name in deaf else ()
        targets = tuple(one for one in out.get(name, ()) if one not in deaf) if name in mute else ()
        mine = [(source, name) for source in sources] + [(name, target) for target in targets]
        yield Blame(name, sources, targets, _what(failed, mine))
    for (source, target), what in failed.items():
        if target not in deaf and source not in mute:
            yield Blame(source, (), (target,), what)


def _most(group: list[str], asked: int) -> bool:
    """Tell whether `group` is more than one, and more than half of all that asked or were asked."""
    return len(group) > 1 and len(group) * 2 > asked


def _by(pairs: Mapping[Pair, Any], end: int) -> dict[str, list[str]]:
    """Group pairs by one end: 1 by whom they tried to reach, 0 by who tried."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for pair in sorted(pairs):
        grouped[pair[end]].append(pair[1 - end])
    return grouped


def _what(failed: Mapping[Pair, tuple[str, ...]], pairs: list[Pair]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for pair in pairs for text in failed.get(pair, ())))


def _failures(seen: Seen, protocol: str, *, wrong: bool) -> dict[Pair, dict[str, str]]:
    """Return the ports on which one node did not reach another that listened, and why.

    A node that did not tell on what its listener waited is not judged: perhaps it never came so far.
    """
    listens = {node.name: node.reach.listening.get(protocol, frozenset()) for node in seen.looked}
    found: dict[Pair, dict[str, str]] = {}
    for node in seen.looked:
        for peer, failures in node.reach.failed.get(protocol, {}).items():
            ports = listens.get(peer, frozenset()) if peer != node.name else frozenset()
            mine = {
                port: why for port, why in failures.items() if port in ports and (why == WRONG_HOST) is wrong
            }
            if mine:
                found[node.name, peer] = mine
    return found


def _asked(seen: Seen, protocol: str, failed: Mapping[Pair, dict[str, str]]) -> Asked:
    """Count who asked on the ports that failed there, by the rules of who must reach whom."""
    rules = [
        (rule["from"], rule["to"], {str(port) for port in rule[protocol]})
        for rule in wanted_reach(seen.spec).get("rules", ())
    ]
    asking = [node for node in seen.looked if node.reach.listening]
    kinds = {node.name: frozenset({"node", *node.node.roles}) for node in asking}
    sorts = Counter(kinds.values())
    faults: dict[str, set[str]] = defaultdict(set)
    for (source, target), ports in failed.items():
        faults[f"from {source}"] |= {*ports}
        faults[f"to {target}"] |= {*ports}
        faults[""] |= {*ports}

    def count(name: str, way: str) -> int:
        """Count the others that `name` asked, or that asked it, on ports that failed there."""
        ports = faults.get(f"{way} {name}", faults[""])
        mine, theirs = (1, 0) if way == "to" else (0, 1)
        peers = {rule[theirs] for rule in rules if ports & rule[2] and rule[mine] in kinds[name]}
        found = sum(number for sort, number in sorts.items() if sort & peers)
        return found - bool(kinds[name] & peers)

    return Asked(
        {node.name: count(node.name, "to") for node in asking},
        {node.name: count(node.name, "from") for node in asking},
    )


def _reach(protocol: str) -> Callable[[Seen], Iterator[Trouble]]:
    name = protocol.upper()

    def judge(seen: Seen) -> Iterator[Trouble]:
        failed = _failures(seen, protocol, wrong=False)
        told = {
            pair: tuple(f"{port} ({why or 'no answer'})" for port, why in ports.items())
            for pair, ports in failed.items()
        }
        for blame in blames(told, lambda: _asked(seen, protocol, failed)):
            measured = f"{name} {few(blame.what)}"
            yield Trouble(blame.host, blame.told(f"on {name}"), measured=measured, required="an answer")

    return judge


def _wrong_host(seen: Seen) -> Iterator[Trouble]:
    """Find addresses that another machine answers for: named at the node that should have answered."""
    sources: dict[str, list[str]] = defaultdict(list)
    for protocol in ("tcp", "udp"):
        for source, target in _failures(seen, protocol, wrong=True):
            sources[target].append(source)
    address = {node.name: node.ip for node in seen.spec.nodes}
    for target, names in sources.items():
        others = few(dict.fromkeys(names))
        message = f"another machine answers for its address {address.get(target, '')}, asked from {others}"
        yield Trouble(target, message, measured="another machine", required=target)


def _path_mtu(seen: Seen) -> Iterator[Trouble]:
    if any(name in seen.spec.kubespray_vars for name in _MTU_VARIABLES):
        return
    known = {node.name for node in seen.nodes}
    failed = {
        (node.name, peer): (f"more than {largest:.0f} of {link:.0f} bytes",)
        for node in seen.looked
        for peer, (largest, link) in node.reach.narrow.items()
        if peer in known and peer != node.name
    }
    for blame in blames(failed, lambda: _all_asked(seen.looked)):
        message = blame.told("with packets of")
        yield Trouble(
            blame.host, message, measured=few(blame.what), required="packets as large as the link's MTU"
        )


def _all_asked(nodes: Iterable[NodeReport]) -> Asked:
    """Count as if each of `nodes` had asked each other: packets go to all."""
    names = [node.name for node in nodes if node.reach.listening]
    counts = dict.fromkeys(names, len(names) - 1)
    return Asked(counts, counts)


def _mixed_mtu(seen: Seen) -> Iterator[Trouble]:
    found: dict[str, str] = {}
    for node in seen.looked:
        for link in node.rows("links"):
            addresses = link.get("addresses")
            mine = isinstance(addresses, list) and any(
                str(one).partition("/")[0] == node.node.ip for one in addresses
            )
            mtu = as_number(link.get("mtu"))
            if mine and mtu:
                found[node.name] = f"{mtu:.0f}"
    usual, odd = odd_ones(found)
    for name, size in odd.items():
        message = f"its network's MTU is {size}, and most nodes have {usual}"
        yield Trouble(name, message, measured=size, required=usual)


def _between_members(
    seen: Seen, judge: Callable[[Mapping[str, Any]], tuple[str, bool] | None]
) -> Iterator[tuple[Blame, Severity]]:
    """Judge the links between etcd members by what `judge` says: in words, and whether that blocks."""
    members = {node.name: node for node in seen.looked if node.node.has(Role.ETCD)}
    failed: dict[Pair, tuple[str, ...]] = {}
    hard: set[str] = set()
    for name, node in members.items():
        for peer, result in _peers(node):
            found = judge(result) if peer in members else None
            if found:
                failed[name, peer] = (found[0],)
                hard |= {name, peer} if found[1] else set()
    for blame in blames(failed, lambda: _all_asked(members.values())):
        blocks = bool(hard) if not blame.host else blame.host in hard
        yield blame, Severity.BLOCK if blocks else Severity.WARN


def _slow(result: Mapping[str, Any]) -> tuple[str, bool] | None:
    found = as_number(result.get("rtt_ms"))
    if found is None or found < LATENCY_WARN:
        return None
    return f"{found:.0f} ms", found >= LATENCY_BLOCK


def _latency(seen: Seen) -> Iterator[Trouble]:
    for blame, severity in _between_members(seen, _slow):
        others = few(dict.fromkeys((*blame.into, *blame.out)))
        between = f"and {others} take" if blame.host else "between etcd's members take"
        message = (
            f"packets between it {between} {few(blame.what)}" if blame.host else f"packets {between} long"
        )
        required = f"less than {LATENCY_WARN:.0f} ms"
        yield Trouble(blame.host, message, severity=severity, measured=few(blame.what), required=required)


def _lossy(result: Mapping[str, Any]) -> tuple[str, bool] | None:
    found = as_number(result.get("loss"))
    if found is None or not 0 < found <= 1:
        return None
    return f"{found * 100:.0f} %", found >= LOSS_BLOCK


def _loss(seen: Seen) -> Iterator[Trouble]:
    for blame, severity in _between_members(seen, _lossy):
        others = few(dict.fromkeys((*blame.into, *blame.out)))
        where = f"between it and {others}" if blame.host else "between etcd's members"
        message = f"of the packets {where}, {few(blame.what)} are lost"
        yield Trouble(blame.host, message, severity=severity, measured=few(blame.what), required="none lost")


CHECKS: Final = (
    Check(
        id="reach-wrong-host",
        title="The right machine answers",
        wants="each node's address leads to that node",
        why="Another machine with the same address takes its traffic, now and then or always.",
        remedy="Find the other machine by its MAC address ('ip neigh') and give one of them another address.",
        severity=Severity.BLOCK,
        judge=_wrong_host,
        group=Group.NETWORK,
    ),
    Check(
        id="reach-tcp",
        title="TCP between nodes",
        wants="nodes reach each other on the TCP ports that Kubernetes uses",
        why="Nodes do not join, etcd finds no majority, or logs and metrics stay empty.",
        remedy="Open them between the nodes: in their firewalls, the switch, the cloud's security group.",
        severity=Severity.BLOCK,
        judge=_reach("tcp"),
        group=Group.NETWORK,
    ),
    Check(
        id="reach-udp",
        title="UDP between nodes",
        wants="nodes reach each other on the UDP ports of tunnels and of MetalLB",
        why="Pods on different nodes then do not reach each other, though all nodes look ready.",
        remedy="Open them between the nodes: in their firewalls, the switch, the cloud's security group.",
        severity=Severity.BLOCK,
        judge=_reach("udp"),
        group=Group.NETWORK,
    ),
    Check(
        id="mtu-path",
        title="Large packets",
        wants="packets as large as the link allows get from node to node",
        why="Small requests work and large answers vanish: pods hang in ways that are hard to find.",
        remedy="Lower the MTU of the nodes' link to what gets through, or let switches pass larger frames.",
        severity=Severity.BLOCK,
        judge=_path_mtu,
        group=Group.NETWORK,
    ),
    Check(
        id="mtu-mixed",
        title="One MTU",
        wants="the same MTU on all nodes",
        why="What a node with a large MTU sends is dropped at one with a small MTU.",
        remedy="Set the same MTU on the links of all nodes.",
        severity=Severity.WARN,
        judge=_mixed_mtu,
        group=Group.NETWORK,
    ),
    Check(
        id="latency-etcd",
        title="Way between etcd members",
        wants=f"less than {LATENCY_WARN:.0f} ms there and back between etcd members",
        why="Every change waits for a majority of them; too slow, and they keep electing a new leader.",
        remedy="Keep the members in one place, or raise etcd's heartbeat (etcd_heartbeat_interval).",
        severity=Severity.WARN,
        judge=_latency,
        group=Group.NETWORK,
    ),
    Check(
        id="loss-etcd",
        title="Lost packets between etcd members",
        wants="no packets lost between etcd members",
        why="A lost heartbeat makes them elect a new leader, and all changes wait.",
        remedy="Look for a bad cable, a full link or a duplex mismatch ('ip -s link', 'ethtool').",
        severity=Severity.WARN,
        judge=_loss,
        group=Group.NETWORK,
    ),
)
