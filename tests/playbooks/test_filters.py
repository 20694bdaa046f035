"""The filters of the playbooks."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest

from wizards.provision.stages import PLAYBOOKS

LINK = "/dev/disk/by-id/wwn-1"


@pytest.fixture(scope="module")
def filters() -> ModuleType:
    spec = importlib.util.spec_from_file_location("slipway_filters", PLAYBOOKS / "filter_plugins/slipway.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def a_device(name: str, node: str, *, claim: str = "Unclaimed") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {
            "path": "/dev/sdb",
            "nodeAttributes": {"nodeName": node},
            "devlinks": [{"kind": "by-id", "links": [LINK]}],
        },
        "status": {"claimState": claim},
    }


def test_cstor_takes_the_disks_of_the_answers_and_no_other(filters: ModuleType) -> None:
    devices = [a_device("bd-1", "node-1"), a_device("bd-2", "node-2"), a_device("bd-3", "node-3")]
    disks = {"node-1": [LINK], "node-2": ["/dev/sdb"]}
    assert filters.cstor_missing(devices, disks) == []
    pools = filters.cstor_cluster(devices, "cstor", disks)["spec"]["pools"]
    assert [
        (one["nodeSelector"]["kubernetes.io/hostname"], one["dataRaidGroups"][0]["blockDevices"])
        for one in pools
    ] == [("node-1", [{"blockDeviceName": "bd-1"}]), ("node-2", [{"blockDeviceName": "bd-2"}])]


def test_a_disk_that_is_taken_or_not_there_is_missing(filters: ModuleType) -> None:
    devices = [a_device("bd-1", "node-1", claim="Claimed")]
    assert filters.cstor_missing(devices, {"node-1": [LINK], "node-2": [LINK]}) == [
        f"node-1:{LINK}",
        f"node-2:{LINK}",
    ]


def test_a_pod_mounts_the_claim_of_its_name(filters: ModuleType) -> None:
    spec = {"containers": [{"name": "pause", "image": "pause"}], "securityContext": {"runAsNonRoot": True}}
    with_claim = filters.pod("try-a", "trial", {}, spec, ["try-a"])["spec"]
    assert with_claim["volumes"][0]["persistentVolumeClaim"] == {"claimName": "try-a"}
    assert with_claim["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]
    assert with_claim["securityContext"] == {"runAsNonRoot": True}
    assert "volumes" not in filters.pod("try-address", "trial", {}, spec, ["try-a"])["spec"]
