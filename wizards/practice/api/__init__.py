"""The practice Kubernetes API: a server that real clients take for a cluster.

It speaks the part of the Kubernetes API that Slipway and its playbooks use, with versions, pages,
watches, patches and errors as in kube-apiserver, and has stand-ins for the controllers and kubelets
behind it, so that what is applied comes to life. Anonymous requests are refused everywhere, as with
`--anonymous-auth=false`.

What it leaves out: protobuf, OpenAPI schemas (no validation of custom resources beyond defaults),
admission webhooks of others, exec and port-forward, resource requests in scheduling, quotas.
"""

from __future__ import annotations

from wizards.practice.api.engine import Timing
from wizards.practice.api.faults import Faults
from wizards.practice.api.persistence import UnreadableState
from wizards.practice.api.server import PracticeApi
from wizards.practice.api.store import Deletion, Store
from wizards.practice.api.threaded import serving

__all__ = ["Deletion", "Faults", "PracticeApi", "Store", "Timing", "UnreadableState", "serving"]
