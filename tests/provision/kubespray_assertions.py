"""Which rule or check of ours covers which assertion of Kubespray v2.31.0: one row for each, as data.

A row names a task of Kubespray's that stops a set-up, what of ours says so before, and a violation: the
answers or the facts that break it. `tests/provision/test_kubespray_assertions.py` tries our side of each row,
`tests/e2e/test_kubespray_validation_real.py` Kubespray's own, and that no task is missing here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from tests.setup.rule_world import ALL, CONTROL, WORKER, nodes

INVENTORY: Final = "roles/validate_inventory/tasks/main.yml"
SETTINGS: Final = "roles/kubernetes/preinstall/tasks/0040-verify-settings.yml"
CILIUM: Final = "roles/network_plugin/cilium/tasks/check.yml"
TYPE: Final = "type"
"""Stands for an id where a value cannot even be written: the type of the answer refuses it."""


@dataclass(frozen=True)
class Row:
    """One assertion of Kubespray's.

    Attributes:
        file: The file of tasks in Kubespray.
        task: The task's name there.
        ours: Ids of the rules and checks that find it first; empty where it cannot happen.
        never: Why it cannot happen.
        answers: Answers that break it, beside good ones.
        seen: What the look at the first node brings back where it is broken.
        theirs: Variables and facts that break it in Kubespray, where rendering the answers does not.
        rename: Name of the first host in Kubespray's inventory.
        under: Command in front of ansible-playbook that makes it so.
        staged: Whether Kubespray's side can be tried without servers.
    """

    file: str
    task: str
    ours: tuple[str, ...] = ()
    never: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)
    rename: str = ""
    under: tuple[str, ...] = ()
    staged: bool = True

    @property
    def id(self) -> str:
        """A name for the test."""
        what = next(iter(self.answers.get("kubespray_vars", {})), "")
        return f"{self.file.split('/')[-3]}:{self.task}" + (f":{what}" if what else "")


def _variables(file: str, task: str, answers: dict[str, Any] | None = None, /, **values: Any) -> Row:
    """Return a row that is broken by further variables."""
    return Row(file, task, ("variable-refused",), answers={**(answers or {}), "kubespray_vars": values})


def _inventory(task: str, *ours: str, **more: Any) -> Row:
    return Row(INVENTORY, task, ours, **more)


def _settings(task: str, *ours: str, **more: Any) -> Row:
    return Row(SETTINGS, task, ours, **more)


_DUAL: Final = {"pods_v6": "fd00:10:244::/104", "services_v6": "fd00:10:96::/112"}
_V6_NODES: Final = nodes(4, ALL, ALL, ALL)
_DOCKER: Final = {"kubernetes": {"runtime": "docker"}}
_NO_SYS: Final = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /sys && exec "$@"', "sh")
_OPTIONS: Final = "Stop if unsupported options selected"

VALIDATE_INVENTORY: Final = (
    _variables(INVENTORY, "Fail if removed variables are used", kubelet_static_pod_path="/etc/x"),
    _inventory(
        "Stop if kube_control_plane group is empty",
        "no-control-plane",
        answers={"nodes": nodes(3, ["etcd"])},
    ),
    _inventory(
        "Stop if etcd group is empty in external etcd mode",
        "no-etcd",
        answers={"nodes": nodes(3, ["control-plane"])},
    ),
    _inventory(
        "Stop if unsupported version of Kubernetes",
        "kubernetes-version",
        answers={"kubernetes": {"version": "1.30.2"}},
    ),
    *(
        _variables(
            INVENTORY,
            "Stop if known booleans are set as strings (Use JSON format on CLI: -e \"{'key': true }\")",
            None,
            **{name: "true"},
        )
        for name in (
            "download_run_once",
            "download_always_pull",
            "helm_enabled",
            "openstack_lbaas_enabled",
        )
    ),
    _inventory(
        "Stop if even number of etcd hosts",
        "etcd-even",
        answers={"nodes": nodes(4, CONTROL, CONTROL)},
    ),
    _variables(
        INVENTORY,
        "Guarantee that enough network address space is available for all pods",
        kubelet_max_pods=255,
    ),
    _variables(INVENTORY, "Check cloud_provider value", cloud_provider="aws"),
    _variables(
        INVENTORY,
        "Check external_cloud_provider value",
        cloud_provider="external",
        external_cloud_provider="aws",
    ),
    _inventory(
        "Check that kube_service_addresses is a network range",
        TYPE,
        answers={"network": {"services": "10.233.0.1/18"}},
        theirs={"kube_service_addresses": "10.233.0.1/18"},
    ),
    _inventory(
        "Check that kube_pods_subnet is a network range",
        TYPE,
        answers={"network": {"pods": "10.233.64.1/18"}},
        theirs={"kube_pods_subnet": "10.233.64.1/18"},
    ),
    _inventory(
        "Check that kube_pods_subnet does not collide with kube_service_addresses",
        "ranges-overlap",
        answers={"network": {"pods": "10.233.0.0/19", "services": "10.233.0.0/18"}},
    ),
    _inventory(
        "Check that ipv4 IP range is enough for the nodes",
        "pods-too-few",
        answers={"network": {"cni": "flannel", "pods": "10.233.64.0/23", "node_prefix": 24}},
    ),
    _inventory(
        "Check that kube_service_addresses_ipv6 is a network range",
        TYPE,
        answers={"network": {**_DUAL, "services_v6": "fd00:10:96::1/112"}},
        theirs={"kube_service_addresses_ipv6": "fd00:10:96::1/112", "ipv6_stack": True},
    ),
    _inventory(
        "Check that kube_pods_subnet_ipv6 is a network range",
        TYPE,
        answers={"network": {**_DUAL, "pods_v6": "fd00:10:244::1/104"}},
        theirs={"kube_pods_subnet_ipv6": "fd00:10:244::1/104", "ipv6_stack": True},
    ),
    _inventory(
        "Check that kube_pods_subnet_ipv6 does not collide with kube_service_addresses_ipv6",
        "ranges-overlap",
        answers={"network": {"pods_v6": "fd00:10:96::/112", "services_v6": "fd00:10:96::/104"}},
    ),
    _inventory(
        "Check that ipv6 IP range is enough for the nodes",
        "pods-too-few",
        answers={"network": {**_DUAL, "cni": "flannel", "pods_v6": "fd00:10:244::/119"}},
    ),
    _variables(INVENTORY, _OPTIONS, dns_mode="kubedns"),
    _variables(INVENTORY, _OPTIONS, cert_management="vault"),
    _variables(INVENTORY, _OPTIONS, resolvconf_mode="systemd"),
    _variables(INVENTORY, _OPTIONS, etcd_deployment_type="rkt"),
    # The second line about etcd: docker only where Docker is.
    _variables(INVENTORY, _OPTIONS, etcd_deployment_type="docker"),
    _inventory(
        _OPTIONS,
        TYPE,
        answers={"network": {"cni": "weave"}},
        theirs={"kube_network_plugin": "weave"},
    ),
    _inventory(
        _OPTIONS,
        TYPE,
        answers={"network": {"kube_proxy": "userspace"}},
        theirs={"kube_proxy_mode": "userspace"},
    ),
    _inventory(
        _OPTIONS,
        TYPE,
        answers={"kubernetes": {"runtime": "rkt"}},
        theirs={"container_manager": "rkt"},
    ),
    _variables(
        INVENTORY,
        "Stop if download_localhost is enabled but download_run_once is not",
        download_localhost=True,
    ),
    _variables(
        INVENTORY,
        "Stop if kata_containers_enabled is enabled when container_manager is docker",
        _DOCKER,
        kata_containers_enabled=True,
    ),
    _variables(
        INVENTORY,
        "Stop if gvisor_enabled is enabled when container_manager is not containerd",
        {"kubernetes": {"runtime": "crio"}},
        gvisor_enabled=True,
    ),
    _variables(INVENTORY, "Ensure minimum containerd version", containerd_version="1.3.6"),
    _variables(
        INVENTORY,
        "Stop if auto_renew_certificates is enabled when certificates are managed externally"
        " (kube_external_ca_mode is true)",
        kube_external_ca_mode=True,
    ),
    _inventory(
        "Download_file | Check if requested Kubernetes are supported",
        "kubernetes-version",
        answers={"kubernetes": {"version": "1.35.99"}},
    ),
)

PREINSTALL: Final = (
    _settings(
        "Stop if any host not in '--limit' does not have a fact cache",
        never="Setting up works on all nodes: no run of ours that founds a cluster has a limit.",
        theirs={"ansible_limit": "node-1"},
    ),
    _settings(
        "Stop if non systemd OS type",
        "systemd",
        seen={"systemd": False},
        theirs={"ansible_service_mgr": "sysvinit"},
    ),
    _settings(
        "Stop if the os does not support",
        "os-supported",
        seen={"os_id": "alpine", "os_name": "Alpine"},
        theirs={"ansible_distribution": "Alpine"},
    ),
    _settings(
        "Stop if memory is too small for control plane nodes",
        "memory",
        seen={"memory_mib": 1499},
        theirs={"ansible_memtotal_mb": 1499},
    ),
    _settings(
        "Stop if memory is too small for nodes",
        "memory",
        answers={"nodes": nodes(2, WORKER, ALL)},
        seen={"memory_mib": 1023},
        theirs={"ansible_memtotal_mb": 1023},
    ),
    *(
        _settings(
            task,
            "memory-asked",
            answers={"kubespray_vars": {name: 4097}},
            seen={"memory_mib": 4096},
            theirs={"ansible_memtotal_mb": 4096},
        )
        for task, name in (
            ("Stop if memory is too small for control plane nodes", "minimal_master_memory_mb"),
            ("Stop if memory is too small for nodes", "minimal_node_memory_mb"),
        )
    ),
    _settings(
        "Stop if cgroups are not enabled on nodes",
        "cgroups-mounted",
        seen={"cgroup_version": 0, "cgroup_memory": None},
        under=_NO_SYS,
    ),
    _settings(
        "Stop if ip var does not match local ips",
        "own-address",
        seen={"addresses": ["127.0.0.1", "10.0.0.200"]},
        theirs={"ansible_all_ipv4_addresses": ["127.0.0.1", "10.0.0.200"]},
    ),
    _settings(
        # A node asks itself: the address it is to have must be its own.
        "Stop if access_ip is not pingable",
        "own-address",
        seen={"addresses": ["127.0.0.1", "10.0.0.200"]},
        theirs={"main_access_ip": "0.0.0.1", "ping_access_ip": True},
    ),
    _settings(
        "Stop if kernel version is too low for cilium",
        "kernel",
        seen={"kernel": "4.9.16-1-amd64"},
        theirs={"ansible_kernel": "4.9.16-1-amd64"},
    ),
    _settings(
        "Stop if kernel version is too low for nftables",
        "kernel",
        answers={"network": {"kube_proxy": "nftables"}},
        seen={"kernel": "5.12.19-1-amd64"},
        theirs={"ansible_kernel": "5.12.19-1-amd64"},
    ),
    _settings(
        "Stop if bad hostname",
        TYPE,
        answers={"nodes": [{"name": "Node_1", "address": "10.0.0.11"}]},
        rename="Node_1",
    ),
    _settings(
        "Stop if /etc/resolv.conf has no configured nameservers",
        "name-server",
        seen={"name_servers": []},
        theirs={"configured_nameservers": []},
    ),
    _settings(
        "Stop if download_localhost is enabled for Flatcar Container Linux",
        "flatcar-download",
        answers={"kubespray_vars": {"download_run_once": True}},
        seen={"os_id": "flatcar", "os_name": "Flatcar Container Linux"},
        theirs={"ansible_os_family": "Flatcar", "ansible_distribution": "Flatcar"},
    ),
)

CILIUM_CHECKS: Final = (
    Row(
        CILIUM,
        "Cilium | Check Cilium encryption `cilium_ipsec_key` for ipsec",
        ("ipsec-key",),
        answers={"network": {"cilium": {"encryption": "ipsec"}}},
    ),
    Row(
        CILIUM,
        "Stop if `cilium_ipsec_enabled` is defined and `cilium_encryption_type` is not `ipsec`",
        ("variable-refused",),
        answers={
            "network": {"cilium": {"encryption": "wireguard"}},
            "kubespray_vars": {"cilium_ipsec_enabled": True},
        },
    ),
    Row(
        CILIUM,
        "Stop if kernel version is too low for Cilium Wireguard encryption",
        ("kernel-wireguard",),
        answers={"network": {"cilium": {"encryption": "wireguard"}}},
        seen={"kernel": "5.5.19-1-amd64"},
        theirs={"ansible_kernel": "5.5.19-1-amd64"},
    ),
    _variables(CILIUM, "Stop if bad Cilium identity allocation mode", cilium_identity_allocation_mode="etcd"),
    _variables(CILIUM, "Stop if bad Cilium Cluster ID", cilium_cluster_id=256),
    Row(
        CILIUM,
        "Stop if bad encryption type",
        (TYPE,),
        answers={"network": {"cilium": {"encryption": "rot13"}}},
        theirs={"cilium_encryption_enabled": True, "cilium_encryption_type": "rot13"},
    ),
    _variables(
        CILIUM, "Stop if cilium_version is < {{ cilium_min_version_required }}", cilium_version="1.14.9"
    ),
    _variables(
        CILIUM,
        "Stop if cilium_hubble_event_buffer_capacity is not a power of 2 minus 1"
        " and is not between 1 and 65535",
        cilium_hubble_event_buffer_capacity=64,
    ),
)


def _later(file: str, task: str, *ours: str, **more: Any) -> Row:
    """Return a row whose other side needs servers, or a cluster that is there already."""
    return Row(file, task, ours, staged=False, **more)


_CALICO: Final = "roles/network_plugin/calico/tasks/check.yml"
_CALICO_INSTALL: Final = "roles/network_plugin/calico/tasks/install.yml"
_FLANNEL: Final = "roles/network_plugin/flannel/tasks/main.yml"
_KUBE_VIP: Final = "roles/kubernetes/node/tasks/loadbalancer/kube-vip.yml"
_DOCKER_DNS: Final = "roles/container-engine/docker/tasks/set_facts_dns.yml"
_ANSIBLE: Final = "playbooks/ansible_version.yml"
_WITH_CALICO: Final = {"network": {"cni": "calico"}}
_FOUNDED: Final = "It compares with a Calico that is there already; a set-up finds none."
_WRITTEN: Final = "Slipway writes the variable from network.calico.mode, always with a value that fits."
_NO_REFLECTOR: Final = "The inventory has no group calico_rr, and the variable for it is refused."
_DEPENDS: Final = "Slipway brings this version with itself: it is pinned in requirements.lock."


def _calico(task: str, /, **values: Any) -> Row:
    answers = {**_WITH_CALICO, "kubespray_vars": values}
    return _later(_CALICO, task, "variable-refused", answers=answers)


REST: Final = (
    _calico("Stop if legacy encapsulation variables are detected (ipip)", ipip=True),
    _calico("Stop if legacy encapsulation variables are detected (ipip_mode)", ipip_mode="Always"),
    _calico(
        "Stop if legacy encapsulation variables are detected (calcio_ipam_autoallocateblocks)",
        calcio_ipam_autoallocateblocks=True,
    ),
    _calico("Stop if supported Calico versions", calico_version="3.20.0"),
    _later(_CALICO, "Assert that current calico version is enough for upgrade", never=_FOUNDED),
    _calico(
        "Check that cluster_id is set and a valid IPv4 address if calico_rr enabled", peer_with_calico_rr=True
    ),
    _later(_CALICO, "Check that calico_rr nodes are in k8s_cluster group", never=_NO_REFLECTOR),
    _calico("Check vars defined correctly", calico_pool_name="no spaces"),
    _later(_CALICO, "Check calico network backend defined correctly", never=_WRITTEN),
    _later(_CALICO, "Check ipip and vxlan mode defined correctly", never=_WRITTEN),
    _later(_CALICO, "Check ipip and vxlan mode if simultaneously enabled", never=_WRITTEN),
    _later(_CALICO, "Check if inventory match current cluster configuration", never=_FOUNDED),
    _later(_CALICO, "Check if ipv6 inventory match current cluster configuration", never=_FOUNDED),
    _calico(
        "Check kdd calico_datastore if calico_apiserver_enabled",
        calico_apiserver_enabled=True,
        calico_datastore="etcd",
    ),
    _calico("Check kdd calico_datastore if typha_enabled", typha_enabled=True, calico_datastore="etcd"),
    _calico("Check ipip mode is Never for calico ipv6", calico_ipip_mode_ipv6="Always"),
    *(
        _later(
            _CALICO_INSTALL,
            f"Calico | Ensure that calico_pool_cidr{suffix} is within kube_pods_subnet{suffix} when defined",
            "variable-refused",
            answers={**_WITH_CALICO, "kubespray_vars": {f"calico_pool_cidr{suffix}": outside}},
        )
        for suffix, outside in (("", "192.0.2.0/24"), ("_ipv6", "2001:db8::/64"))
    ),
    _later(
        _FLANNEL,
        "Flannel | Stop if kernel version is too low for Flannel Wireguard encryption",
        "kernel-wireguard",
        answers={"network": {"cni": "flannel", "flannel": {"backend": "wireguard"}}},
        seen={"kernel": "5.5.19-1-amd64"},
    ),
    _later(
        _KUBE_VIP,
        "Kube-vip  | Check cluster settings for kube-vip",
        never="Slipway writes kube_proxy_strict_arp with kube-vip, and refuses another value.",
    ),
    _later(
        _KUBE_VIP,
        "Kube-vip | Check mutually exclusive BGP source settings",
        "variable-refused",
        answers={
            "kubespray_vars": {
                "kube_vip_bgp_enabled": True,
                "kube_vip_bgp_sourceip": "10.0.0.1",
                "kube_vip_bgp_sourceif": "eth0",
            }
        },
    ),
    _later(
        "roles/download/tasks/prep_download.yml",
        "Prep_download | Check that local user is in group or can become root",
        never="It concerns download_localhost, which its own rule and Kubespray's documentation cover.",
    ),
    _later(
        "roles/download/tasks/check_pull_required.yml",
        "Check_pull_required | Check that the local digest sha256 corresponds to the given image tag",
        never="It concerns images that are on the node already; after a pull the digest is right.",
    ),
    _later(
        "roles/download/tasks/download_container.yml",
        "Stop if image not in cache on ansible host when download_force_cache=true",
        "variable-refused",
        answers={"kubespray_vars": {"download_force_cache": True}},
    ),
    _later(
        "roles/etcd/tasks/clean_v2_store.yml",
        "Ensure etcd version is >=3.5.26",
        never="It concerns the upgrade of an etcd that is there; the check remains finds one.",
    ),
    _later(
        "roles/bootstrap-os/tasks/main.yml",
        "Warn for usage of deprecated role",
        never="Nothing uses the role by its old name, and its error is ignored.",
    ),
    *(
        _later(_ANSIBLE, task, never=_DEPENDS)
        for task in (
            "Check {{ minimal_ansible_version }} <= Ansible version < {{ maximal_ansible_version }}",
            "Check that python netaddr is installed",
            "Check that jinja is not too old (install via pip)",
        )
    ),
    _later(
        _DOCKER_DNS,
        "Check number of nameservers",
        "docker-dns",
        answers=_DOCKER,
        seen={"name_servers": ["10.0.0.251", "10.0.0.252", "10.0.0.253", "10.0.0.254"]},
    ),
    _later(
        _DOCKER_DNS,
        "Check number of search domains",
        "docker-dns",
        answers=_DOCKER,
        seen={"search_domains": [f"d{number}.lan" for number in range(7)]},
    ),
    _later(
        _DOCKER_DNS,
        "Check length of search domains",
        "docker-dns",
        answers=_DOCKER,
        seen={"search_domains": [f"{'d' * 60}{number}.lan" for number in range(4)]},
    ),
)
"""Other tasks that can stop a first set-up: their side needs servers with half a cluster on them."""

TRIED: Final = (*VALIDATE_INVENTORY, *PREINSTALL, *CILIUM_CHECKS)
"""Rows of files that are complete, and tried on both sides."""
ROWS: Final = (*TRIED, *REST)
