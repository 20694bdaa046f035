"""``slipway access``: whether the servers can be used, host keys at first contact, and installing a key."""

from __future__ import annotations

import getpass
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tui.codes import BLOCKED, DONE, FAILED
from tui.errors import UsageProblem
from tui.plain import print_json, say, tell
from wizards.clusters import Cluster, slipway_home

if TYPE_CHECKING:
    from wizards.provision.host_keys import HostKeyChanged
    from wizards.provision.key_install import Installed
    from wizards.provision.login import LoginResult
    from wizards.setup.spec import ClusterSpec


def access(
    target: str, *, yes: bool, as_json: bool, install: bool, key: str | None, replace_key: str | None
) -> int:
    """Try the login on every server and print a line for each; install a key where that is asked for."""
    from tui.commands.runs import ask_secrets, cluster_of
    from wizards.provision.begin import awake
    from wizards.provision.login import try_logins
    from wizards.setup.spec import Target

    if key and not install:
        raise UsageProblem("--key names the key to install: use it together with --install-key.")
    cluster = cluster_of(target)
    spec = cluster.read_spec()
    if spec.target is not Target.BARE_METAL:
        raise UsageProblem(f"{spec.name} runs on this machine: there is no login to try.")
    show = _say_result if not as_json else _nothing
    with ExitStack() as holds:
        if replace_key:
            _replace(cluster, spec, replace_key)
        holds.enter_context(awake(cluster))
        if not cluster.is_practice:
            agree(cluster, spec, yes=yes)
        if install:
            installed = _install(cluster, spec, key, show)
            return _end(spec, installed.results, as_json=as_json, installed=installed, file=target)
        results = try_logins(spec, cluster, ask_secrets(spec), on_result=show)
        return _end(spec, results, as_json=as_json)


def agree(cluster: Cluster, spec: ClusterSpec, *, yes: bool, stops: bool = True) -> dict[str, str]:
    """Show unknown host keys and keep them when the user agrees, once for all.

    Returns:
        The servers that are still unknown, with the reason in words.

    Raises:
        SystemExit: A key has changed, and that `stops` the command; exit code 3, after both fingerprints and
            what to do were told.
    """
    from tui.commands.runs import confirm
    from wizards.provision.first_contact import meet, unknown_hosts
    from wizards.provision.host_keys import write_known_hosts

    # Behind a jump host the nodes can be asked only once the jump host is trusted: hence the loop.
    while True:
        contact = meet(spec, cluster)
        if contact.changed:
            _tell_changes(contact.changed, cluster.name)
            if stops:
                raise SystemExit(BLOCKED)
        if contact.new:
            for key in contact.new:
                tell(f"{key.node:<16} {key.type:<12} {key.fingerprint}")
            if not yes:
                confirm("First contact. Are these your servers' host keys?")
            write_known_hosts(cluster, contact.new)
        if not (contact.new and contact.behind):
            break
    strangers = set(unknown_hosts(cluster, spec))
    return {name: why for name, why in contact.problems.items() if name in strangers}


def _tell_changes(changes: tuple[HostKeyChanged, ...], name: str) -> None:
    for change in changes:
        tell(f"{change}.")
        tell(
            "  Compare with what the machine itself shows: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n"
            f"  Take the new key only then: slipway access {name} --replace-key '{change.seen.node}'"
        )


def _replace(cluster: Cluster, spec: ClusterSpec, node: str) -> None:
    """Take the new host key of one server, which is named: that is the question and its answer."""
    from wizards.provision.access import places
    from wizards.provision.first_contact import meet
    from wizards.provision.host_keys import HostsUnreachable, write_known_hosts

    names = [one.name for one in places(spec)]
    if node not in names:
        raise UsageProblem(f"{spec.name} has no server called {node}; there are: {', '.join(names)}.")
    contact = meet(spec, cluster, only=(node,))
    if node in contact.problems:
        raise HostsUnreachable({node: contact.problems[node]})
    change = next((one for one in contact.changed if one.seen.node == node), None)
    if change is None:
        raise UsageProblem(f"The host key of {node} has not changed: there is nothing to replace.")
    write_known_hosts(cluster, [change.seen], replace=True)
    tell(f"{node}: {change.known.fingerprint} was replaced by {change.seen.fingerprint}.")


def _install(cluster: Cluster, spec: ClusterSpec, key: str | None, show: Any) -> Installed:
    from wizards.provision.begin import save_cluster
    from wizards.provision.key_files import own_key, private_of
    from wizards.provision.key_install import install_key
    from wizards.provision.launch import Secrets
    from wizards.setup.spec import Become

    key_file = private_of(key) if key else ""
    if not sys.stdin.isatty():
        raise UsageProblem("A password is needed to install a key, and there is no terminal to ask at.")
    ssh = getpass.getpass(f"SSH password of {spec.access.user} (empty: log in as now): ") or None
    sudo = None
    if spec.access.become is Become.SUDO_PASSWORD:
        sudo = getpass.getpass("sudo password: ")
    if not key_file:
        key_file = str(own_key(cluster.root, f"slipway {spec.name}"))
    secrets = Secrets(ssh_password=ssh, become_password=sudo)
    installed = install_key(spec, cluster, key_file, secrets, on_result=show)
    if installed.spec is not None:
        save_cluster(slipway_home(), installed.spec, practice=cluster.is_practice)
    return installed


def _nothing(_result: LoginResult) -> None:
    return


def _say_result(result: LoginResult) -> None:
    if result.ok:
        say(f"✓ {result.node:<16} can be used ({result.seconds:.1f} s)")
    else:
        say(f"✗ {result.node:<16} {result.reason}")
    for warning in result.warnings:
        say(f"! {result.node:<16} {warning}")


def _end(
    spec: ClusterSpec,
    results: tuple[LoginResult, ...],
    *,
    as_json: bool,
    installed: Installed | None = None,
    file: str = "",
) -> int:
    good = all(one.ok for one in results)
    if as_json:
        document: dict[str, Any] = {
            "cluster": spec.name,
            "ok": good,
            "nodes": [_row(one) for one in results],
        }
        if installed is not None:
            document["key_file"] = installed.spec and installed.spec.access.key_file
            document["added"] = list(installed.added)
        print_json(document)
    else:
        _sum_up(spec, results, installed, file)
    return DONE if good else FAILED


def _row(result: LoginResult) -> dict[str, Any]:
    return {
        "node": result.node,
        "ok": result.ok,
        "problem": result.problem,
        "reason": result.reason,
        "warnings": list(result.warnings),
        "seconds": result.seconds,
    }


def _sum_up(
    spec: ClusterSpec, results: tuple[LoginResult, ...], installed: Installed | None, file: str
) -> None:
    bad = sum(not one.ok for one in results)
    if installed is None:
        say(f"{bad} of {len(results)} servers cannot be used yet." if bad else "All servers can be used.")
    elif installed.spec is None:
        say(f"The key does not open {bad} of {len(results)} servers yet; do it again when that is mended.")
    else:
        key_file = installed.spec.access.key_file
        say(f"The key {key_file} opens all servers; {spec.name} uses it from now on, and no SSH password.")
        if file != spec.name:
            say(f"Write it into {file} as well: access: {{method: key, key_file: {key_file}}}")
