"""Read a cluster's health once."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wizards.health.client import PARALLEL, Api, Listing, Unreachable, gap
from wizards.health.judge import judge
from wizards.health.judge_workloads import is_settled
from wizards.health.kubeconfig import HealthError
from wizards.health.model import Health
from wizards.health.snapshot import Failed, Gap, Part, Readyz, Snapshot, items
from wizards.health.sources import Source, assemble, pods_of, readyz_of, sources, version_of
from wizards.setup.spec import ClusterSpec

__all__ = ["HealthError", "read_health", "read_part", "read_snapshot"]


def read_health(kubeconfig: Path, spec: ClusterSpec | None, *, context: str | None = None) -> Health:
    """Look at a cluster once and judge it.

    At most four requests run at once, each with time-outs of 5 s to connect and 15 s to be answered. Nothing
    in the cluster is changed.

    Args:
        kubeconfig: How to reach it.
        spec: The answers it was made from. Without them the components that are found are judged.
        context: The kubeconfig's context, where it is not the current one.

    Raises:
        HealthError: Nothing can be read at all: no kubeconfig, no answer, a certificate or credentials that
            are not accepted. Parts that alone cannot be read, or may not be, are told in `Health.unread`.
    """
    api = Api(kubeconfig, context)
    try:
        return judge(read_snapshot(api, spec), spec)
    finally:
        api.close()


def read_snapshot(api: Api, spec: ClusterSpec | None) -> Snapshot:
    """Read everything that `judge` looks at.

    Raises:
        HealthError: The API server cannot be reached, or does not accept the credentials.
    """
    version = version_of(api.read("/version"))
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="health") as pool:
        readyz = pool.submit(read_readyz, api)
        parts = _read_all(api, sources(spec), pool)
        short = [
            source
            for key, part in parts.items()
            if key.startswith("workloads/")
            for workload in items(part)
            if not is_settled(workload) and (source := pods_of(workload))
        ]
        parts |= _read_all(api, short, pool)
        at = time.time()
        return assemble(
            parts,
            at=at,
            leases_at=at + api.skew,
            skew=api.skew,
            server=api.server,
            version=version,
            readyz=readyz.result(),
        )


def _read_all(api: Api, wanted: Iterable[Source], pool: ThreadPoolExecutor) -> dict[str, Part]:
    waiting = {source.key: pool.submit(read_part, api, source) for source in wanted}
    return {key: future.result() for key, future in waiting.items()}


def read_part(api: Api, source: Source) -> Part:
    """Read one collection; what goes wrong on the way is the answer, except refused credentials.

    Raises:
        Unauthorized: The credentials are not accepted.
    """
    try:
        listing = api.list(source.path, source.keep, source.query, pages=source.pages)
    except Unreachable as error:
        return Failed(error.message)
    return listing.objects if isinstance(listing, Listing) else listing


def read_readyz(api: Api) -> Readyz | Gap:
    """Ask the API server whether it is ready.

    Raises:
        Unauthorized: The credentials are not accepted.
    """
    try:
        reply = api.get("/readyz", {"verbose": ""})
    except Unreachable as error:
        return Failed(error.message)
    return readyz_of(reply.status, reply.text, None if reply.status == 200 else gap(reply))
