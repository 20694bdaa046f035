"""What can be mended: a change for each fault that can be mended there, and none where it cannot."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.provision.healthy import Report, a_spec, healthy
from wizards.clusters import Cluster
from wizards.provision.mending import (
    KINDS,
    MAKERS,
    Change,
    UnknownChange,
    changes,
    prepare_variables,
    selected,
    task_count,
)
from wizards.provision.preflight import CHECKS, judge
from wizards.provision.stages import prepare_stage
from wizards.setup.finding import Finding, Severity
from wizards.setup.spec import ClusterSpec

STORAGE = {"engines": ["hostpath", "lvm", "zfs", "mayastor", "jiva"]}
FAULTS: dict[str, Any] = {
    "virtualization": "kvm",
    "swap_mib": 2048,
    "swaps": ["/dev/sda2"],
    "swap_at_boot": ["/etc/fstab: /dev/sda2", "/usr/lib/systemd/system/srv.swap"],
    "bpf_mounted": False,
    "services": {"chronyd": "", "systemd-timesyncd": ""},
    "tmp_noexec": True,
    "hugepages_free": 0,
    "hugepages_total": 0,
    "memory_available_mib": 6000,
    "networkd": True,
    "networkd_foreign": False,
    "time_sync": {"service": "", "active": False, "synchronized": False},
    "package_manager": {"name": "apt", "works": True, "problem": "", "busy": False},
    "volume_groups": None,
    "zfs_pools": None,
    "os_id": "ubuntu",
    "kernel": "6.8.0-45-generic",
    "modules_missing": ["nvme_tcp"],
    "iscsi_name": False,
    "sysctls_settable": True,
}
FOUND = (
    *(
        "swap",
        "tmp-noexec",
        "huge-pages",
        "networkd-foreign-routes",
        "clock-skew",
        "volume-group",
        "zfs-pool",
    ),
    *("kernel-modules", "iscsi", "bpf-mounted"),
)


def world(
    *hosts: str, found: tuple[str, ...] = FOUND, **seen: Any
) -> tuple[dict[str, Report], tuple[Finding, ...], ClusterSpec]:
    """Servers on `hosts` (by default the first two) of which all is wrong that can be mended."""
    spec = a_spec(storage=STORAGE)
    reports = copy.deepcopy(healthy(spec))
    faulty = hosts or ("node-1", "node-2")
    for host in faulty:
        reports[host]["seen"] |= FAULTS | seen
    findings = tuple(Finding(check, Severity.BLOCK, "", "", host=host) for host in faulty for check in found)
    return reports, findings, spec


def of_node(host: str = "node-1", **seen: Any) -> dict[str, Change]:
    return {one.id: one for one in changes(*world(host, **seen))}


def test_each_fault_that_can_be_mended_has_its_change_in_the_order_of_doing() -> None:
    found = changes(*world())
    ids = [one.id for one in found if one.host == "node-1"]
    assert ids == [
        "swap-off",
        "tmp-exec",
        "huge-pages",
        "networkd-routes",
        "bpf-mount",
        "time-sync",
        "package:lvm2",
        "package:zfsutils-linux",
        "modules:nvme_tcp",
        "iscsi",
    ]
    assert [one.host for one in found] == ["node-1"] * 10 + ["node-2"] * 10
    for one in found:
        assert one.title
        assert one.exact
        assert one.undo.endswith(".")
        assert one.kind in KINDS
        assert json.loads(json.dumps(one.to_json()))["host"] == one.host


def test_what_is_shown_is_what_is_done() -> None:
    found = of_node()
    assert found["swap-off"].exact == (
        "swapoff -a",
        "/etc/fstab: '# slipway: ' before each line of type swap (a copy is kept)",
        "systemctl mask --now srv.swap",
    )
    assert found["swap-off"].data == {
        "kind": "swap",
        "now": True,
        "fstab": True,
        "zram": False,
        "disable": [],
        "mask": ["srv.swap"],
    }
    assert (
        found["swap-off"].undo == "Remove '# slipway: ' in /etc/fstab; systemctl unmask srv.swap; swapon -a."
    )
    assert found["modules:nvme_tcp"].exact == (
        "apt-get update",
        "apt-get install linux-modules-extra-6.8.0-45-generic",
        "modprobe nvme_tcp",
        "/etc/modules-load.d/slipway.conf: nvme_tcp",
    )
    assert found["huge-pages"].exact == (
        "/etc/sysctl.d/90-slipway.conf: vm.nr_hugepages=1024",
        "sysctl -w vm.nr_hugepages=1024",
    )
    assert found["time-sync"].exact == (
        "apt-get update",
        "apt-get install systemd-timesyncd",
        "systemctl enable --now systemd-timesyncd.service",
        "systemctl restart systemd-timesyncd.service",
    )


def test_nothing_is_proposed_without_a_finding_or_for_another_node() -> None:
    reports, findings, spec = world()
    assert changes(reports, (), spec) == ()
    only = changes(reports, [one for one in findings if one.host == "node-2" and one.id == "swap"], spec)
    assert [(one.host, one.id, one.check) for one in only] == [("node-2", "swap-off", "swap")]
    cluster = Finding("swap", Severity.WARN, "", "", host="")
    assert changes(reports, [cluster], spec) == ()


def test_healthy_servers_need_nothing() -> None:
    spec = a_spec(storage=STORAGE)
    reports = healthy(spec)
    assert changes(reports, judge(reports, spec), spec) == ()


@pytest.mark.parametrize("seen", [{"uid": 1000}, {"systemd": False}, {"systemd": None}])
def test_without_root_or_systemd_nothing_can_be_mended(seen: dict[str, Any]) -> None:
    assert of_node(**seen) == {}


@pytest.mark.parametrize(
    ("seen", "gone"),
    [
        ({"memory_mib": 3000}, {"huge-pages"}),
        ({"memory_available_mib": 2500}, {"huge-pages"}),
        ({"architecture": "aarch64"}, {"huge-pages"}),
        ({"hugepages_free": None}, {"huge-pages"}),
        ({"networkd": False}, {"networkd-routes"}),
        ({"tmp_noexec": None}, {"tmp-exec"}),
        ({"time_sync": {"service": "chronyd", "active": True, "synchronized": True}}, {"time-sync"}),
        ({"time_sync": None}, {"time-sync"}),
        ({"os_id": "debian"}, {"package:zfsutils-linux", "modules:nvme_tcp"}),
        ({"kernel": "6.8.0; reboot"}, {"modules:nvme_tcp"}),
        ({"volume_groups": []}, {"package:lvm2"}),
        (
            {"package_manager": {"name": "apt", "works": False, "problem": "no route"}},
            {"package:lvm2", "package:zfsutils-linux", "modules:nvme_tcp", "iscsi", "time-sync"},
        ),
        (
            {"package_manager": {"name": "apt", "works": True, "busy": True}},
            {"package:lvm2", "package:zfsutils-linux", "modules:nvme_tcp", "iscsi", "time-sync"},
        ),
    ],
)
def test_what_is_not_possible_there_stays_with_the_checks_remedy(
    seen: dict[str, Any], gone: set[str]
) -> None:
    assert set(of_node()) - set(of_node(**seen)) == gone


def test_a_container_keeps_what_belongs_to_its_host() -> None:
    found = of_node(virtualization="systemd-nspawn")
    assert not {"huge-pages", "time-sync", "modules:nvme_tcp", "bpf-mount"} & set(found)
    # Swap is its host's too; what would turn it on at boot is not.
    assert found["swap-off"].data["now"] is False
    assert "swapoff -a" not in found["swap-off"].exact
    assert "swap-off" not in of_node(virtualization="lxc", swap_at_boot=[])


def test_each_distribution_has_its_own_names() -> None:
    seen: dict[str, Any] = {
        "os_id": "rocky",
        "kernel": "5.14.0-503.el9.x86_64",
        "package_manager": {"name": "dnf", "works": True},
    }
    found = of_node(**seen)
    assert found["iscsi"].exact[0] == "dnf install iscsi-initiator-utils"
    assert found["iscsi"].undo == "dnf remove iscsi-initiator-utils."
    assert found["time-sync"].exact == (
        "dnf install chrony",
        "systemctl enable --now chronyd.service",
        "chronyc waitsync 10 0 0 2",
        "chronyc makestep",
    )
    assert found["modules:nvme_tcp"].data["packages"] == [
        "kernel-modules-5.14.0-503.el9.x86_64",
        "kernel-modules-extra-5.14.0-503.el9.x86_64",
    ]
    assert "package:zfsutils-linux" not in found


def test_a_service_that_is_there_is_started_and_not_replaced() -> None:
    stopped = {"service": "chrony", "active": False, "synchronized": False}
    change = of_node(time_sync=stopped, package_manager={})["time-sync"]
    assert change.exact[0] == "systemctl enable --now chrony.service"
    assert change.undo == "systemctl disable --now chrony.service."
    assert change.data["packages"] == []


def test_a_time_service_that_is_installed_and_off_is_started() -> None:
    off = {"service": "", "active": False, "synchronized": False}
    services = {"systemd-timesyncd": "inactive", "chrony": "inactive", "ntp": ""}
    change = of_node(time_sync=off, services=services, package_manager={})["time-sync"]
    assert change.exact == (
        "systemctl enable --now chrony.service",
        "chronyc waitsync 10 0 0 2",
        "chronyc makestep",
    )


def test_each_way_in_which_swap_comes_back_is_closed() -> None:
    boot = [
        "/etc/systemd/system/mine.swap",
        "/usr/lib/systemd/system/theirs.swap",
        "/lib/systemd/system/theirs.swap",
        "/usr/lib/systemd/zram-generator.conf",
        "/etc/default/zramswap",
    ]
    change = of_node(found=("swap-at-boot",), swap_mib=0, swap_at_boot=boot)["swap-off"]
    assert change.title == "Turn swap off, at boot"
    assert change.exact == (
        "/etc/systemd/zram-generator.conf: empty (a copy of what was in it is kept)",
        "systemctl disable --now mine.swap",
        "systemctl mask --now theirs.swap",
        "systemctl mask --now zramswap.service",
    )
    assert of_node(found=("swap",), swap_at_boot=[])["swap-off"].title == "Turn swap off, now"


def test_every_change_mends_a_check_that_there_is() -> None:
    known = {check.id for check in CHECKS}
    assert {check for check, _ in MAKERS} <= known


def test_huge_pages_in_use_stay_in_use_and_a_running_kubelet_is_told_of() -> None:
    change = of_node(hugepages_total=512, hugepages_free=112, remains=["/var/lib/kubelet/config.yaml"])[
        "huge-pages"
    ]
    assert change.data["value"] == str(512 - 112 + 1024)
    assert "restart kubelet: not done" in change.exact[-1]
    assert "vm.nr_hugepages=512" in change.undo


HOSTILE = [
    "{{ lookup('pipe', 'id') }}.swap",
    "a b.swap",
    "-rf.swap",
    "$(id).service",
    "x\n.swap",
    "../x.swap",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_from_a_node_is_taken_only_where_it_is_plain(name: str) -> None:
    found = of_node(
        swap_at_boot=[f"/etc/systemd/system/{name}", f"/usr/lib/systemd/system/{name}", "/etc/fstab: x"],
        services={name: "inactive"},
        kernel=name,
        time_sync={"service": name, "active": False},
        modules_missing=[name, "nvme_tcp"],
    )
    text = json.dumps([dict(one.data) for one in found.values()])
    assert json.dumps(name)[1:-1] not in text
    assert "{{" not in text
    assert (found["swap-off"].data["mask"], found["swap-off"].data["disable"]) == ([], [])


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*FAULTS, "modules_loaded", "sysctls"]), ANYTHING))
def test_whatever_a_node_says_the_answer_is_data_without_templates(seen: dict[str, Any]) -> None:
    reports, findings, spec = world("node-1", **seen)
    for change in changes(reports, findings, spec):
        text = json.dumps(change.to_json())
        assert change.kind in KINDS
        assert "{{" not in text or "{{" not in json.dumps(dict(change.data))


def test_changes_are_chosen_by_id_or_by_what_stands_before_the_colon() -> None:
    found = changes(*world())
    assert selected(found, ()) == found
    assert {one.id for one in selected(found, ["swap-off"])} == {"swap-off"}
    assert {one.id for one in selected(found, ["package"])} == {"package:lvm2", "package:zfsutils-linux"}
    with pytest.raises(UnknownChange, match=r"--only swapoff: .* swap-off, tmp-exec"):
        selected(found, ["swapoff"])


def test_the_playbook_is_told_of_the_chosen_changes_and_runs_on_their_nodes(tmp_path: Path) -> None:
    reports, findings, spec = world()
    chosen = selected(changes(reports, findings, spec), ["swap-off", "package:lvm2"])
    variables = prepare_variables(chosen)
    assert list(variables["slipway_changes"]) == ["node-1", "node-2"]
    assert [one["kind"] for one in variables["slipway_changes"]["node-1"]] == ["swap", "packages"]
    stage = prepare_stage(spec, Cluster(tmp_path / "clusters" / "demo"), chosen)
    assert (stage.id, stage.playbook, stage.hosts) == ("prepare", "prepare.yml", ("node-1", "node-2"))
    assert stage.variables["slipway_hosts"] == ["node-1", "node-2"]
    assert json.loads(json.dumps(stage.variables))["slipway_changes"] == variables["slipway_changes"]
    assert stage.tasks == task_count(chosen) > 0


SYSCTLS: list[tuple[str, str, int, int]] = [
    ("inotify-limits", "fs.inotify.max_user_watches", 4096, 524288),
    ("inotify-limits", "fs.inotify.max_user_instances", 64, 8192),
    ("pid-max", "kernel.pid_max", 4096, 4194304),
    ("rp-filter", "net.ipv4.conf.all.rp_filter", 1, 2),
]


@pytest.mark.parametrize(("check", "name", "found", "wanted"), SYSCTLS)
def test_a_kernel_setting_is_set_now_and_at_boot(check: str, name: str, found: int, wanted: int) -> None:
    change = of_node(found=(check,), sysctls={name: f"{found}\n"})[f"sysctl:{name}"]
    assert change.exact == (f"/etc/sysctl.d/90-slipway.conf: {name}={wanted}", f"sysctl -w {name}={wanted}")
    assert change.data == {"kind": "sysctl", "name": name, "value": str(wanted)}
    assert change.undo.endswith(f"sysctl -w {name}={found}.")
    assert of_node(found=(check,), sysctls={name: str(wanted)}) == {}
    assert of_node(found=(check,), sysctls={name: str(found)}, sysctls_settable=False) == {}
    # In a container only the network's settings are its own.
    inside = of_node(found=(check,), sysctls={name: str(found)}, virtualization="lxc")
    assert bool(inside) is name.startswith("net.")


def test_missing_tools_are_installed_once_for_each_package() -> None:
    missing = ["useradd", "groupadd", "tar", "systemctl", "no-such-tool"]
    found = of_node(found=("commands",), commands_missing=missing)
    assert set(found) == {"package:passwd", "package:tar"}
    assert found["package:passwd"].title == "Install passwd, for useradd, groupadd"
    found = of_node(
        found=("commands", "volume-group"),
        commands_missing=["ip", "vgs", "thin_check"],
        package_manager={"name": "yum", "works": True},
    )
    assert set(found) == {"package:iproute", "package:lvm2"}
    found = of_node(found=("lvm-thin",), commands_missing=["ip", "thin_check"])
    assert set(found) == {"package:thin-provisioning-tools"}


def test_what_the_systems_own_guards_need_is_installed() -> None:
    found = of_node(found=("apparmor",), apparmor={"enabled": True, "parser": False})
    assert found["package:apparmor"].exact[-1] == "apt-get install apparmor"
    assert of_node(found=("apparmor",), apparmor={"enabled": False, "parser": False}) == {}
    rocky: dict[str, Any] = {"package_manager": {"name": "dnf", "works": True}, "selinux": "enforcing"}
    found = of_node(found=("selinux-python",), python_selinux=False, **rocky)
    assert set(found) == {"package:python3-libselinux"}
