"""Is each node's own network in order: address, routes, name servers, ports, firewall, proxy?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from wizards.provision.checks.judging import address_of, each, few, trouble
from wizards.provision.checks.model import Check, Group, NodeReport, Seen, Trouble, words
from wizards.setup.finding import Severity
from wizards.setup.spec import ClusterSpec, Cni, EndpointKind, Role

MAYASTOR_PORTS: Final = (10124, 8420, 4421)
_NAME_SERVERS: Final = 3
"""glibc and the kubelet take no more."""
_SEARCH_DOMAINS: Final = 28
"""The kubelet takes 32, and Kubernetes adds its own."""
_RESOLVED: Final = ("127.0.0.53", "127.0.0.54")
"""systemd-resolved's, behind which Kubespray finds the real ones."""


def _own_address(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    addresses, wanted = node.texts("addresses"), address_of(node.node.ip)
    if addresses is None or wanted is None or wanted in {address_of(one) for one in addresses}:
        return None
    listed = _listed(addresses)
    return trouble(f"{node.node.ip} is none of its addresses ({listed})", listed, node.node.ip)


def _listed(addresses: tuple[str, ...]) -> str:
    useful = [one for one in addresses if not one.startswith(("127.", "fe80:")) and one != "::1"]
    return few(useful) or "it has none beside loopback"


def _conflict(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = {words(ip): words(mac) for ip, mac in node.mapping("address_conflict").items() if mac}
    if not found:
        return None
    told = few(f"{ip} (by {mac})" for ip, mac in found.items())
    return trouble(f"another machine answers for its address {told}", told, "it alone answers")


def _default_route(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    if node.flag("default_route") is not False:
        return None
    return trouble("it has no default route", "none", "a default route")


def _dual_stack(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    addresses = node.texts("addresses")
    if not spec.network.pods_v6 or addresses is None or node.flag("ipv6") is False:
        return None
    found = [address for text in addresses if (address := address_of(text)) and address.version == 6]
    if any(not one.is_link_local and not one.is_loopback for one in found):
        return None
    message = "it has no IPv6 address beside link-local, and pods and Services have two families"
    return trouble(message, "none", "an IPv6 address")


def _name_server(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    if node.texts("name_servers") != () or spec.kubernetes.upstream_dns:
        return None
    return trouble("/etc/resolv.conf names no name server", "none", "a name server")


def _name_server_count(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.texts("name_servers") or ()
    if len(found) <= _NAME_SERVERS:
        return None
    message = (
        f"/etc/resolv.conf names {len(found)} name servers, and only the first {_NAME_SERVERS} are asked"
    )
    return trouble(message, f"{len(found)}", f"at most {_NAME_SERVERS}")


def _silent(node: NodeReport) -> tuple[list[str], bool]:
    """Return the name servers that do not answer, and whether that is all of them."""
    answers = {words(server): found for server, found in node.mapping("name_servers_answer").items()}
    silent = [server for server, found in answers.items() if found is False]
    return silent, bool(silent) and len(silent) == len(answers)


def _name_servers_silent(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        silent, every = _silent(node)
        # Without a way out they cannot answer, and that is a finding of its own.
        if not silent or node.flag("default_route") is False:
            continue
        message = f"{'none' if every else 'not all'} of its name servers answer: {few(silent)} say nothing"
        severity = Severity.BLOCK if every and not seen.spec.kubernetes.upstream_dns else Severity.WARN
        yield Trouble(node.name, message, severity=severity, measured=few(silent), required="an answer")


def _name_server_local(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    """Judge a name server on loopback: in a pod that address is the pod itself, and CoreDNS asks itself."""
    found = [one for one in node.texts("name_servers") or () if one not in _RESOLVED]
    addresses = [address for one in found if (address := address_of(one))]
    if not addresses or spec.kubernetes.upstream_dns or not all(one.is_loopback for one in addresses):
        return None
    named = few(found)
    return trouble(f"its only name server is on itself ({named})", named, "one that pods reach too")


def _names(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    failed = sorted(words(name) for name, found in node.mapping("resolves").items() if found is False)
    dark = node.texts("name_servers") == () or node.flag("default_route") is False or _silent(node)[1]
    if not failed or dark:
        return None
    return trouble(f"it cannot look up {few(failed)}", f"no answer for {few(failed, 1)}", "an address")


def _search(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.texts("search_domains") or ()
    if len(found) <= _SEARCH_DOMAINS:
        return None
    message = f"/etc/resolv.conf has {len(found)} search domains, and pods can have {_SEARCH_DOMAINS} of them"
    return trouble(message, f"{len(found)}", f"at most {_SEARCH_DOMAINS}")


def _wildcard(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    found = node.texts("wildcard_domains")
    if not found:
        return None
    message = f"every name ends somewhere in its search domain {few(found)}, even one that cannot exist"
    return trouble(message, f"*.{found[0]}", "no answer for a name that does not exist")


def taken_ports(node: NodeReport) -> dict[int, str]:
    """Return the ports that something listens on, and what; a plain number where only that is known."""
    found: dict[int, str] = {}
    taken = node.seen.get("ports_taken")
    for one in taken if isinstance(taken, list) else ():
        port, by = (one.get("port"), one.get("by")) if isinstance(one, dict) else (one, "")
        if isinstance(port, int) and not isinstance(port, bool):
            found[port] = words(by) if isinstance(by, str) else ""
    return found


def port_words(ports: dict[int, str]) -> str:
    """Return ports in words, each with what listens on it."""
    return few(f"{port} ({by})" if by else str(port) for port, by in ports.items())


def _ports(seen: Seen) -> Iterator[Trouble]:
    for node in seen.looked:
        taken = {port: by for port, by in taken_ports(node).items() if port not in MAYASTOR_PORTS}
        if not taken or node.settled:
            continue
        # What an interrupted run left behind will be taken over by the next one.
        severity = Severity.WARN if node.texts("remains") else Severity.BLOCK
        named = port_words(taken)
        message = f"something listens on port {named} already"
        yield Trouble(node.name, message, severity=severity, measured=named, required="nothing listens")


def _firewall(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    name = node.text("firewall")
    return trouble(f"the firewall {name} is on", name, "none, or one that lets nodes talk") if name else None


def _plain(url: Any) -> str:
    """Return a proxy as host and port, without what does not matter for comparing."""
    text = words(url) if isinstance(url, str) else ""
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
        return f"{parts.hostname or ''}:{parts.port or ''}".lower()
    except ValueError:
        return text.lower()


def _proxy(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    chosen = {"http_proxy": spec.proxy.http or "", "https_proxy": spec.proxy.https or ""}
    found = {str(name).lower(): value for name, value in node.mapping("proxies").items()}
    for name, wanted in chosen.items():
        value = found.get(name)
        if isinstance(value, str) and value.strip() and _plain(value) != _plain(wanted):
            shown = words(value)
            named = wanted or "none"
            return trouble(f"its own {name} is {shown}, and the answers have {named}", shown, named)
    return None


def _interface(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    there = {words(row.get("name")) for row in node.rows("links")}
    if not there:
        return None
    virtual = spec.endpoint.kind is EndpointKind.KUBE_VIP and node.node.has(Role.CONTROL_PLANE)
    name = spec.endpoint.interface if virtual else None
    if name and name not in there:
        message = f"it has no interface {name}, which is to carry the virtual IP"
        return trouble(message, few(sorted(there)), name, path="endpoint.interface")
    named = spec.load_balancer.interfaces
    if named and node.node.has(Role.WORKER) and not there & {*named}:
        message = f"it has none of the interfaces that answer for Services ({few(named)})"
        return trouble(message, few(sorted(there)), few(named), path="load_balancer.interfaces")
    return None


def _networkd(node: NodeReport, spec: ClusterSpec) -> Trouble | None:
    """Judge networkd where Cilium puts routes on the nodes' own links: with a tunnel it does not."""
    native = spec.network.cni is Cni.CILIUM and spec.network.cilium.routing == "native"
    if not native or not node.flag("networkd") or node.flag("networkd_foreign") is not False:
        return None
    message = "systemd-networkd removes routes that are not its own, and Cilium's are not"
    return trouble(message, "ManageForeignRoutes=yes", "ManageForeignRoutes=no")


def _cloud_setup(node: NodeReport, _: ClusterSpec) -> Trouble | None:
    services = node.mapping("services")
    if "active" not in (services.get("nm-cloud-setup"), services.get("nm-cloud-setup.timer")):
        return None
    return trouble("nm-cloud-setup runs on it and changes routes behind the pods' back", "active", "off")


CHECKS: Final = (
    Check(
        id="own-address",
        title="Address",
        wants="the address in the answers is one of the node's own",
        why="etcd and the kubelet bind to it; behind address translation it is another one.",
        remedy="Set the node's internal_address to the address it has itself.",
        severity=Severity.BLOCK,
        judge=each(_own_address),
        group=Group.NETWORK,
    ),
    Check(
        id="address-conflict",
        title="Address of its own",
        wants="no other machine answers for the node's address",
        why="Packets go to one or the other, and connections break at random.",
        remedy="Find the machine with that MAC address and give one of them another address.",
        severity=Severity.BLOCK,
        judge=each(_conflict),
        group=Group.NETWORK,
    ),
    Check(
        id="default-route",
        title="Default route",
        wants="a default route",
        why="kubeadm and the network plugin pick the node's address by it, even without internet.",
        remedy="Set a gateway, even one that leads nowhere.",
        severity=Severity.BLOCK,
        judge=each(_default_route),
        group=Group.NETWORK,
    ),
    Check(
        id="dual-stack-address",
        title="IPv6 address",
        wants="an IPv6 address on each node, where pods have two families",
        why="The kubelet tells Kubernetes both addresses, and pods reach IPv6 through the node's.",
        remedy="Give the node an IPv6 address, or leave out pods_v6 and services_v6.",
        severity=Severity.BLOCK,
        judge=each(_dual_stack),
        group=Group.NETWORK,
    ),
    Check(
        id="interface-there",
        title="Interfaces",
        wants="the interfaces that the answers name",
        why="Nothing answers for the address when the interface that should carry it is not there.",
        remedy="Correct the name ('ip -br link' lists them), or leave it out.",
        severity=Severity.BLOCK,
        judge=each(_interface),
        group=Group.NETWORK,
    ),
    Check(
        id="name-server",
        title="Name server",
        wants="a name server in /etc/resolv.conf",
        why="Kubespray refuses a node without; downloads need names.",
        remedy="Set one, or set kubernetes.upstream_dns.",
        severity=Severity.BLOCK,
        judge=each(_name_server),
        group=Group.NETWORK,
    ),
    Check(
        id="name-servers-answer",
        title="Answers of name servers",
        wants="each name server answers",
        why="Each look-up waits some seconds for one that does not, on the node and in all pods.",
        remedy="Remove it from the node's network settings, or let the node reach it (UDP and TCP 53).",
        severity=Severity.WARN,
        judge=_name_servers_silent,
        group=Group.NETWORK,
    ),
    Check(
        id="name-server-count",
        title="Number of name servers",
        wants=f"at most {_NAME_SERVERS} name servers",
        why="Pods get the first three only, with a warning at each start.",
        remedy="Leave the three that matter in /etc/resolv.conf.",
        severity=Severity.WARN,
        judge=each(_name_server_count),
        group=Group.NETWORK,
    ),
    Check(
        id="name-server-local",
        title="Name server for pods",
        wants="a name server that is not on loopback",
        why="In a pod loopback is the pod itself: CoreDNS would ask itself for ever, and stops.",
        remedy="Set kubernetes.upstream_dns to the name servers that the local one asks.",
        severity=Severity.WARN,
        judge=each(_name_server_local),
        group=Group.NETWORK,
    ),
    Check(
        id="names-resolve",
        title="Names",
        wants="the names of the download hosts, mirrors and proxies can be looked up",
        why="Every node downloads programs and images by name.",
        remedy="Check /etc/resolv.conf ('getent hosts NAME' tries a name), or set mirrors or a proxy.",
        severity=Severity.BLOCK,
        judge=each(_names),
        group=Group.NETWORK,
    ),
    Check(
        id="search-domains",
        title="Search domains",
        wants=f"at most {_SEARCH_DOMAINS} search domains",
        why="The kubelet cuts off the rest, and pods do not find what they should.",
        remedy="Shorten the line 'search' in /etc/resolv.conf.",
        severity=Severity.WARN,
        judge=each(_search),
        group=Group.NETWORK,
    ),
    Check(
        id="dns-wildcard",
        title="Names that do not exist",
        wants="no wildcard in the search domains",
        why="Pods try names with the search domains first, and a wildcard sends them to the wrong machine.",
        remedy="Remove the wildcard record, or that search domain from /etc/resolv.conf.",
        severity=Severity.WARN,
        judge=each(_wildcard),
        group=Group.NETWORK,
    ),
    Check(
        id="ports-free",
        title="Ports",
        wants="6443, 2379, 2380, 10250 and the others Kubernetes uses are free",
        why="A service that is already there keeps Kubernetes' own from starting.",
        remedy="Stop what listens there ('ss -ltnp' names it).",
        severity=Severity.BLOCK,
        judge=_ports,
        group=Group.NETWORK,
    ),
    Check(
        id="firewall",
        title="Firewall",
        wants="no firewall of the node's own, or one that lets the nodes talk to each other",
        why="Nodes reach each other on many ports; a firewall breaks pods in ways that are hard to find.",
        remedy="Turn it off, or allow all traffic between the nodes and the pod and Service ranges.",
        severity=Severity.WARN,
        judge=each(_firewall),
        group=Group.NETWORK,
    ),
    Check(
        id="proxy-differs",
        title="Proxy",
        wants="the proxy that the node uses itself is the one in the answers",
        why="Downloads then go another way than the one the node was set up for, and may be refused.",
        remedy="Set proxy.http and proxy.https to it, or remove it from /etc/environment.",
        severity=Severity.WARN,
        judge=each(_proxy),
        group=Group.NETWORK,
    ),
    Check(
        id="networkd-foreign-routes",
        title="systemd-networkd",
        wants="systemd-networkd leaves the routes of others alone, with Cilium's native routing",
        why="It removes Cilium's routes at its next restart, and pods on other nodes are gone.",
        remedy="Set ManageForeignRoutes=no and ManageForeignRoutingPolicyRules=no in networkd.conf.",
        severity=Severity.WARN,
        judge=each(_networkd),
        group=Group.NETWORK,
    ),
    Check(
        id="nm-cloud-setup",
        title="nm-cloud-setup",
        wants="NetworkManager's cloud set-up is off",
        why="It adds routing rules that lead the pods' packets astray.",
        remedy="Run 'systemctl disable --now nm-cloud-setup.service nm-cloud-setup.timer' and reboot.",
        severity=Severity.WARN,
        judge=each(_cloud_setup),
        group=Group.NETWORK,
    ),
)
