"""The way to the servers in the flow of screens: host keys, the login tried, a key installed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.app import SlipwayApp
    from tui.screens.access import AccessDone
    from wizards.clusters import Cluster
    from wizards.provision.launch import Secrets
    from wizards.setup.questions import Answers
    from wizards.setup.spec import ClusterSpec


async def first_look(
    app: SlipwayApp, home: Path, cluster: Cluster, spec: ClusterSpec, secrets: Secrets
) -> AccessDone | None:
    """Confirm host keys and, before a cluster's first run, try the logins; None where the user goes back.

    What an earlier trial from the wizard learned is taken over, and a key that is installed here goes into
    the cluster's answers. Practice and local clusters need none of it.

    Raises what `wizards.provision.begin.save_cluster` raises, and OSError.
    """
    from tui.screens.access import AccessDone, AccessScreen
    from tui.screens.host_keys import HostKeysScreen
    from wizards.provision.begin import save_cluster
    from wizards.provision.trial import take_over
    from wizards.setup.spec import Target

    done = AccessDone(spec, secrets)
    if spec.target is not Target.BARE_METAL or cluster.is_practice:
        return done
    spec = await asyncio.to_thread(take_over, home, cluster, spec)
    if not await app.push_screen_wait(HostKeysScreen(spec, cluster)):
        return None
    done = AccessDone(spec, secrets)
    if cluster.latest_run() is None:
        looked = await app.push_screen_wait(AccessScreen(spec, cluster, secrets, practice=False))
        if looked is None:
            return None
        done = looked
    if done.spec != cluster.read_spec():
        await asyncio.to_thread(save_cluster, home, done.spec)
    return done


async def still_the_same(app: SlipwayApp, cluster: Cluster) -> bool:
    """Ask the servers of a real cluster for their host keys again; False where the user goes back."""
    from tui.screens.host_keys import HostKeysScreen
    from wizards.setup.spec import Target

    spec = cluster.read_spec()
    if spec.target is not Target.BARE_METAL or cluster.is_practice:
        return True
    return await app.push_screen_wait(HostKeysScreen(spec, cluster))


async def try_from_wizard(
    app: SlipwayApp, home: Path, spec: ClusterSpec, secrets: Secrets, yard: Path | None
) -> AccessDone | None:
    """Try the logins of answers that are no cluster yet; host keys and a new key wait in a trial's folder."""
    from tui.screens.access import AccessScreen
    from tui.screens.host_keys import HostKeysScreen
    from wizards.provision.trial import trial_cluster

    if yard is not None:
        cluster = await asyncio.to_thread(_of_yard, yard)
    else:
        cluster = await asyncio.to_thread(trial_cluster, home, spec.name)
    if yard is None and not await app.push_screen_wait(HostKeysScreen(spec, cluster)):
        return None
    return await app.push_screen_wait(
        AccessScreen(spec, cluster, secrets, practice=yard is not None, then="go back to the wizard")
    )


def _of_yard(folder: Path) -> Cluster:
    """Return a practice cluster that knows the yard's host keys; its folder goes with the yard's."""
    from wizards.clusters import Cluster
    from wizards.files import private_folder, write_private
    from wizards.practice.client import known_hosts_lines, read_yard

    yard = read_yard(folder)
    cluster = Cluster(private_folder(folder / "trial"), is_practice=True)
    if yard is not None:
        write_private(cluster.known_hosts, known_hosts_lines(yard))
    return cluster


def with_access(answers: Answers, spec: ClusterSpec) -> Answers:
    """Return the answers with the login of `spec`: a key that was installed is no longer asked for."""
    access = spec.access
    answers = answers.with_answer("access.method", access.method.value)
    answers = answers.with_answer("access.key_file", access.key_file)
    rows = answers.given.get("nodes")
    if not isinstance(rows, list | tuple):
        return answers
    own = {node.name: node.key_file for node in spec.nodes}
    nodes = [
        {**row, "key_file": own.get(str(row.get("name")))} if row.get("key_file") else row for row in rows
    ]
    return answers.with_answer("nodes", nodes)
