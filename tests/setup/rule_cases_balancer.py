"""Cases of the rules about address pools and BGP."""

from __future__ import annotations

from tests.setup.rule_world import ROUTER, VIP, bgp, changed, local, pools, two_pools, with_node

POOL_CASES = [
    changed("pool-missing", "load_balancer.pools", {"load_balancer": {"pools": []}}),
    local(
        "pool-from-kind",
        "load_balancer.pools",
        {},
        {"load_balancer": {"pools": [{"addresses": ["172.18.255.200-172.18.255.250"]}]}},
    ),
    changed("pools-unused", "load_balancer.pools", {"load_balancer": {"kind": "none"}}),
    changed(
        "duplicate-pool-name",
        "load_balancer.pools[1].name",
        two_pools("10.0.0.240/29", "10.0.0.248/30", "first"),
        two_pools("10.0.0.240/29", "10.0.0.248/30"),
    ),
    changed(
        "pools-overlap",
        "load_balancer.pools[1].addresses[0]",
        two_pools("10.0.0.200-10.0.0.240", "10.0.0.240-10.0.0.250"),
        two_pools("10.0.0.200-10.0.0.239", "10.0.0.240-10.0.0.250"),
    ),
    changed(
        "pools-overlap",
        "load_balancer.pools[0].addresses[2]",
        # The third lies inside the first, with the second between them in order of their beginnings.
        pools("10.0.0.100-10.0.0.200", "10.0.0.210/32", "10.0.0.150/32"),
    ),
    changed("pool-over-node", "load_balancer.pools[0].addresses[0]", pools("10.0.0.10-10.0.0.12")),
    changed(
        "pool-over-node",
        "load_balancer.pools[0].addresses[0]",
        {**with_node(0, internal_address="10.0.0.245"), **pools("10.0.0.240/29")},
    ),
    changed(
        "pool-over-endpoint",
        "load_balancer.pools[0].addresses[0]",
        {"endpoint": {"kind": "kube-vip", "address": "10.0.0.245"}},
        VIP,
    ),
    changed("pool-over-range", "load_balancer.pools[0].addresses[0]", pools("10.233.64.0/28")),
    changed(
        "pool-over-peer",
        "load_balancer.pools[0].addresses[0]",
        bgp({**ROUTER, "address": "10.0.0.241"}),
        bgp(ROUTER),
    ),
    changed("pool-unusable", "load_balancer.pools[0].addresses[0]", pools("224.0.0.0/28")),
    changed("pool-unusable", "load_balancer.pools[0].addresses[0]", pools("127.0.0.240/29")),
    changed(
        "pool-outside-subnet",
        "load_balancer.pools[0].addresses[0]",
        pools("10.9.0.240/29"),
        {
            **bgp(ROUTER),
            "load_balancer": {**bgp(ROUTER)["load_balancer"], **pools("10.9.0.240/29")["load_balancer"]},
        },
    ),
    changed("pool-over-gateway", "load_balancer.pools[0].addresses[0]", pools("10.0.0.240/28")),
    changed(
        "pool-family",
        "load_balancer.pools[0].addresses[1]",
        pools("10.0.0.240/29", "fd00::f000/120"),
        {
            **pools("10.0.0.240/29", "fd00::f000/120"),
            "network": {"pods_v6": "fd01::/112", "services_v6": "fd02::/112"},
        },
    ),
    changed(
        "no-automatic-pool",
        "load_balancer.pools[0].auto_assign",
        {"load_balancer": {"pools": [{"addresses": ["10.0.0.240/29"], "auto_assign": False}]}},
    ),
]

TWO = two_pools("10.0.0.240/30", "10.0.0.248/30")
BGP_CASES = [
    changed("peer-missing", "load_balancer.peers", bgp(), bgp(ROUTER)),
    changed("peers-unused", "load_balancer.peers", {"load_balancer": {"peers": [ROUTER]}}, bgp(ROUTER)),
    changed("peers-unused", "load_balancer.advertisements", {"load_balancer": {"advertisements": [{}]}}),
    changed(
        "interfaces-unused",
        "load_balancer.interfaces",
        bgp(ROUTER, interfaces=["eth0"]),
        {"load_balancer": {"interfaces": ["eth0"]}},
    ),
    changed(
        "duplicate-peer",
        "load_balancer.peers[1].name",
        bgp(ROUTER, {**ROUTER, "address": "10.0.0.2"}),
        bgp(ROUTER, {**ROUTER, "address": "10.0.0.2", "name": "other"}),
    ),
    changed("duplicate-peer", "load_balancer.peers[1].address", bgp(ROUTER, {**ROUTER, "name": "other"})),
    changed(
        "peer-my-asn",
        "load_balancer.peers[1].my_asn",
        bgp(ROUTER, {**ROUTER, "name": "other", "address": "10.0.0.2", "my_asn": 65000}),
        bgp({**ROUTER, "my_asn": 65000}, {**ROUTER, "name": "other", "address": "10.0.0.2", "my_asn": 65000}),
    ),
    changed(
        "peer-multihop",
        "load_balancer.peers[0].ebgp_multihop",
        bgp({**ROUTER, "asn": 64512, "ebgp_multihop": True}),
        bgp({**ROUTER, "ebgp_multihop": True}),
    ),
    changed(
        "peer-is-node", "load_balancer.peers[0].address", bgp({**ROUTER, "address": "10.0.0.11"}), bgp(ROUTER)
    ),
    changed(
        "advertisement-unknown",
        "load_balancer.advertisements[0].pools[0]",
        bgp(ROUTER, advertisements=[{"pools": ["nowhere"]}]),
        bgp(ROUTER, advertisements=[{"pools": ["default"], "peers": ["router"]}]),
    ),
    changed(
        "aggregation-length",
        "load_balancer.advertisements[0].aggregation_length",
        bgp(ROUTER, advertisements=[{"aggregation_length": 24}], **pools("10.0.0.240/29")["load_balancer"]),
        # MetalLB compares with the largest network of a range: 10.0.0.240-250 begins with a /29.
        bgp(ROUTER, advertisements=[{"aggregation_length": 29}]),
    ),
    changed(
        "pool-not-advertised",
        "load_balancer.pools[1].name",
        bgp(
            ROUTER,
            advertisements=[{"pools": ["first"]}],
            **two_pools("10.0.0.240/30", "10.0.0.248/30")["load_balancer"],
        ),
        bgp(ROUTER, advertisements=[{}], **TWO["load_balancer"]),
    ),
]
