"""Cases of the rules about servers, ranges and the network."""

from __future__ import annotations

from tests.setup.rule_world import (
    ALL,
    CONTROL,
    NO_NETWORK,
    ROUTER,
    VIP,
    bgp,
    changed,
    local,
    nodes,
    pools,
    twice,
    with_node,
)

NODE_CASES = [
    changed("no-nodes", "nodes", {"nodes": []}),
    local("nodes-on-local", "nodes", {"nodes": nodes(1, ALL)}),
    changed("duplicate-node-name", "nodes[2].name", {"nodes": twice("name", "same")}),
    changed(
        "duplicate-node-address",
        "nodes[2].address",
        {"nodes": twice("address", "10.0.0.50")},
        with_node(1, port=2222),
    ),
    changed(
        "duplicate-internal-address",
        "nodes[2].internal_address",
        {"nodes": twice("internal_address", "192.168.7.1")},
        # In practice all nodes are on loopback, told apart by their ports.
        {
            "nodes": [
                {"name": f"n-{port}", "address": "127.0.0.1", "port": port, "roles": ALL}
                for port in (4001, 4002, 4003)
            ],
            **pools("127.0.0.240-127.0.0.250"),
        },
    ),
    changed("reserved-node-name", "nodes[3].name", with_node(3, name="etcd"), with_node(3, name="etcd-1")),
    changed(
        "mixed-families", "nodes[3].address", with_node(3, address="fd00::14"), with_node(3, address="n.lan")
    ),
    changed("no-control-plane", "nodes", {"nodes": nodes(3, ["etcd", "worker"])}),
    changed("no-etcd", "nodes", {"nodes": nodes(3, ["control-plane", "worker"])}),
    changed("etcd-even", "nodes[1].roles", {"nodes": nodes(3, ALL, ALL)}, {"nodes": nodes(3, ALL)}),
    changed("etcd-many", "nodes", {"nodes": nodes(9, *[ALL] * 9)}, {"nodes": nodes(9, *[ALL] * 7)}),
    changed(
        "two-control-planes",
        "nodes[1].roles",
        {"nodes": nodes(3, ALL, ["control-plane", "worker"])},
        {"nodes": nodes(3, ALL, ["control-plane", "etcd"], ["etcd", "worker"])},
    ),
    local(
        "local-control-planes-even",
        "local.control_planes",
        {"local": {"control_planes": 2}},
        {"local": {"control_planes": 3}},
    ),
    changed("no-worker", "nodes", {"nodes": nodes(3, CONTROL, CONTROL, CONTROL)}),
    changed(
        "workers-tainted",
        "nodes[0].taints",
        {"nodes": [{**node, "taints": ["only=batch:NoSchedule"]} for node in nodes(3, ALL)]},
        with_node(0, taints=["only=batch:NoSchedule"]),
    ),
    changed(
        "duplicate-disk",
        "nodes[1].disks[1]",
        with_node(1, disks=["/dev/sdb", "/dev/sdb"]),
        with_node(1, disks=["/dev/sdb", "/dev/sdc"]),
    ),
    changed(
        "not-root",
        "access.become",
        {"access": {"user": "ubuntu", "become": "none"}},
        {"access": {"user": "root", "become": "none"}},
    ),
]

RANGE_CASES = [
    changed(
        "ranges-overlap",
        "network.services",
        {"network": {"pods": "10.233.0.0/16", "services": "10.233.0.0/18"}},
    ),
    changed(
        "ranges-overlap",
        "network.services_v6",
        {"network": {"pods_v6": "fd01::/64", "services_v6": "fd01::/112"}},
        {"network": {"pods_v6": "fd01::/112", "services_v6": "fd02::/112"}},
    ),
    changed(
        "range-over-nodes",
        "network.pods",
        {"network": {"pods": "10.0.0.0/16"}},
        {"network": {"pods": "10.1.0.0/16"}},
    ),
    changed(
        "range-over-dns",
        "network.services",
        {"kubernetes": {"upstream_dns": ["9.9.9.9", "10.233.0.53"]}},
        {"kubernetes": {"upstream_dns": ["9.9.9.9"]}},
    ),
    changed("range-unusable", "network.pods", {"network": {"pods": "169.254.0.0/16"}}),
    changed("range-family", "network.services", {"network": {"services": "fd02::/112"}}),
    changed(
        "range-family",
        "network.pods_v6",
        {"network": {"pods_v6": "10.9.0.0/16", "services_v6": "fd02::/112"}},
        {"network": {"pods_v6": "fd01::/112", "services_v6": "fd02::/112"}},
    ),
    changed("half-dual-stack", "network.services_v6", {"network": {"pods_v6": "fd01::/112"}}),
    changed(
        "family-of-nodes",
        "network.pods",
        {"nodes": nodes(3, ALL, ALL, ALL, network="fd00::"), **pools("fd00::f000-fd00::f0ff")},
        {
            "nodes": nodes(3, ALL, ALL, ALL, network="fd00::"),
            **pools("fd00::f000-fd00::f0ff"),
            "network": {"pods": "fd01::/112", "services": "fd02::/112"},
        },
    ),
    changed("node-prefix", "network.node_prefix", {"network": {"pods": "10.233.64.0/24", "node_prefix": 23}}),
    changed(
        "pods-too-few",
        "network.pods",
        {"network": {"pods": "10.233.64.0/23"}},
        {"network": {"pods": "10.233.64.0/22"}},
    ),
    local(
        "pods-too-few",
        "network.pods",
        {"network": {"pods": "10.244.0.0/23"}},
        {"network": {"pods": "10.244.0.0/22"}},
    ),
    changed(
        "node-prefix-far",
        "network.node_prefix",
        {"nodes": nodes(3, ALL, network="192.168.1."), **pools("192.168.1.240/29")}
        | {"network": {"pods": "10.0.0.0/9", "node_prefix": 26}},
        {"nodes": nodes(3, ALL, network="192.168.1."), **pools("192.168.1.240/29")}
        | {"network": {"pods": "10.0.0.0/9", "node_prefix": 25}},
    ),
    changed(
        "node-prefix-small",
        "network.node_prefix",
        {"network": {"node_prefix": 28}},
        {"network": {"node_prefix": 26}},
    ),
    changed("services-size", "network.services", {"network": {"services": "11.0.0.0/11"}}),
    changed(
        "services-size",
        "network.services",
        {"network": {"services": "10.233.0.0/30"}},
        {"network": {"services": "10.233.0.0/24"}},
    ),
    local("range-over-engine", "network.pods", {"network": {"pods": "172.18.0.0/16"}}),
]

FAR = with_node(3, address="10.9.0.4")
NETWORK_CASES = [
    changed("cni-target", "network.cni", {"network": {"cni": "kindnet"}}),
    local("cni-target", "network.cni", {"network": {"cni": "flannel"}}, {"network": {"cni": "cilium"}}),
    changed("needs-network", "mesh.kind", {**NO_NETWORK, "mesh": {"kind": "istio-sidecar"}}, NO_NETWORK),
    changed("needs-network", "load_balancer.kind", {"network": {"cni": "none"}}),
    changed(
        "hubble-ui-alone",
        "network.cilium.hubble_ui",
        {"network": {"cilium": {"hubble": False, "hubble_ui": True}}},
        {"network": {"cilium": {"hubble": True, "hubble_ui": True}}},
    ),
    changed(
        "ipsec-key",
        "network.cilium.encryption",
        {"network": {"cilium": {"encryption": "ipsec"}}},
        {"network": {"cilium": {"encryption": "wireguard"}}},
    ),
    changed(
        "native-cidr",
        "network.cilium.native_cidr",
        {"network": {"cilium": {"routing": "native"}}},
        {"network": {"cilium": {"routing": "native", "native_cidr": "10.233.64.0/18"}}},
    ),
    changed(
        "native-segments",
        "network.flannel.backend",
        {
            **with_node(3, address="10.9.0.4"),
            "network": {"cni": "flannel", "flannel": {"backend": "host-gw"}},
        },
        {**FAR, "network": {"cni": "flannel"}},
    ),
    changed("strict-arp", "network.kube_proxy", {}, {"network": {"kube_proxy": "iptables"}}),
    changed(
        "strict-arp",
        "network.kube_proxy",
        {**VIP, "load_balancer": {"kind": "none", "pools": []}},
        {"load_balancer": {"kind": "none", "pools": []}},
    ),
    local(
        "strict-arp-local",
        "network.kube_proxy",
        {"network": {"kube_proxy": "ipvs"}},
        {"network": {"kube_proxy": "ipvs"}, "load_balancer": {"kind": "none"}},
    ),
    changed(
        "kube-proxy-replaced",
        "network.cilium.kube_proxy_replacement",
        {"network": {"cilium": {"kube_proxy_replacement": True}}},
        {"network": {"cni": "calico", "cilium": {"kube_proxy_replacement": True}}},
    ),
    changed("one-balancer", "load_balancer.kind", {}, {"network": {"cni": "calico"}}),
    changed(
        "cilium-balancer",
        "load_balancer.kind",
        {"load_balancer": {"kind": "cilium-bgp", "peers": [ROUTER]}, "network": {"cni": "calico"}},
        {"load_balancer": {"kind": "cilium-bgp", "peers": [ROUTER]}},
    ),
    changed(
        "cilium-balancer",
        "load_balancer.kind",
        {"load_balancer": {"kind": "cilium-l2"}},
        {
            "load_balancer": {"kind": "cilium-l2"},
            "network": {"cilium": {"kube_proxy_replacement": True}},
        },
    ),
    changed("balancer-target", "load_balancer.kind", {"load_balancer": {"kind": "cloud-provider-kind"}}),
    local(
        "balancer-target",
        "load_balancer.kind",
        bgp(ROUTER),
        {"load_balancer": {"kind": "cloud-provider-kind"}},
    ),
    changed("excluded-from-balancing", "load_balancer.kind", {"nodes": nodes(1, ALL)}),
    changed("one-operator", "network.cni", {"nodes": nodes(1, ALL)}),
    local("waits-for-network", "network.cni", {"network": {"cni": "cilium"}}),
    changed("endpoint-address", "endpoint.address", {"endpoint": {"kind": "external"}}, VIP),
    changed(
        "endpoint-address",
        "endpoint.address",
        {"endpoint": {"kind": "kube-vip", "address": "api.lan"}},
        {"endpoint": {"kind": "external", "address": "api.lan"}},
    ),
    changed(
        "endpoint-is-node", "endpoint.address", {"endpoint": {**VIP["endpoint"], "address": "10.0.0.12"}}, VIP
    ),
    changed(
        "endpoint-in-range",
        "endpoint.address",
        {"endpoint": {**VIP["endpoint"], "address": "10.233.64.9"}},
        VIP,
    ),
    changed(
        "endpoint-outside-subnet",
        "endpoint.address",
        {"endpoint": {**VIP["endpoint"], "address": "10.9.0.239"}},
        VIP,
    ),
    changed("endpoint-unused", "endpoint.address", {"endpoint": {"address": "10.0.0.239"}}, VIP),
    changed(
        "endpoint-single",
        "endpoint.kind",
        {"endpoint": {"kind": "single"}},
        {"endpoint": {"kind": "single"}, "nodes": nodes(3, ALL)},
    ),
    changed(
        "l7-and-mesh",
        "network.cilium.l7_policies",
        {"network": {"cilium": {"l7_policies": True}}, "mesh": {"kind": "istio-sidecar"}},
        {"network": {"cilium": {"l7_policies": True}}},
    ),
]
