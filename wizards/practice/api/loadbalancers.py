"""MetalLB's controller: addresses for Services of type LoadBalancer, out of IPAddressPools.

The rules are those of MetalLB 0.16's allocator as far as they can be seen through the API; see its
documentation on `IPAddressPool`. Nothing answers on the addresses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from wizards.practice.api import podstatus, selectors
from wizards.practice.api.addresses import Ranges
from wizards.practice.api.engine import Controller, Watches
from wizards.practice.api.resources import Storage
from wizards.practice.api.tables import Change, Key
from wizards.practice.api.values import Json, dig, random_suffix

_SERVICES: Storage = ("", "services")
_POOLS: Storage = ("metallb.io", "ipaddresspools")
_L2: Storage = ("metallb.io", "l2advertisements")
_BGP: Storage = ("metallb.io", "bgpadvertisements")
_L2_STATUS: Storage = ("metallb.io", "servicel2statuses")
FROM_POOL = "metallb.io/ip-allocated-from-pool"
_ALL: Key = ("", "all")
_EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"


@dataclass(frozen=True, slots=True)
class Pool:
    """One IPAddressPool."""

    name: str
    ranges: Ranges
    auto: bool
    allocation: Json

    @classmethod
    def read(cls, obj: Json) -> Pool:
        """Take what matters from the object."""
        spec = obj.get("spec") or {}
        ranges = Ranges.parse(spec.get("addresses") or (), avoid_buggy=bool(spec.get("avoidBuggyIPs")))
        auto = spec.get("autoAssign", True) is not False
        return cls(obj["metadata"]["name"], ranges, auto, spec.get("serviceAllocation") or {})

    @property
    def order(self) -> tuple[int, str]:
        """Pools with a priority come first, the lowest number before the others."""
        return (int(self.allocation.get("priority") or 2**31), self.name)


def _annotation(service: Json, name: str) -> str | None:
    notes = service["metadata"].get("annotations") or {}
    return notes.get(f"metallb.io/{name}") or notes.get(f"metallb.universe.tf/{name}")


def _addresses(service: Json) -> list[str]:
    ingress = dig(service, "status", "loadBalancer", "ingress") or ()
    return [item["ip"] for item in ingress if item.get("ip")]


class LoadBalancers(Controller):
    """Gives every LoadBalancer Service addresses, keeps them where allowed, and counts them."""

    name: ClassVar[str] = "metallb-controller"
    settle: ClassVar[bool] = True

    def watches(self) -> Watches:
        """Services and MetalLB's objects; all are settled in one pass."""
        every = dict.fromkeys((_POOLS, _L2, _BGP), lambda _: [_ALL])
        return {**every, _SERVICES: self._on_service, ("", "nodes"): self._on_node}

    def _on_service(self, change: Change) -> list[Key]:
        seen = (change.entry, change.previous)
        return [_ALL] if any(e and dig(e.obj, "spec", "type") == "LoadBalancer" for e in seen) else []

    def _on_node(self, change: Change) -> list[Key]:
        before = change.previous.obj if change.previous else {}
        same = podstatus.node_ready(before) == podstatus.node_ready(change.entry.obj)
        return [] if same and change.type == "MODIFIED" else [_ALL]

    def reconcile(self, key: Key) -> float | None:
        """Settle all Services against all pools."""
        if self.store.registry.by_storage(_POOLS) is None:
            return None
        pools = sorted((Pool.read(e.obj) for e in self.store.entries(_POOLS)), key=lambda pool: pool.order)
        services = [entry.obj for entry in self.store.tables.table(_SERVICES).ordered(None)]
        mine = [obj for obj in services if dig(obj, "spec", "type") == "LoadBalancer" and not _foreign(obj)]
        mine.sort(key=lambda obj: (not _addresses(obj), obj["metadata"]["creationTimestamp"], _name(obj)))
        for obj in services:
            if dig(obj, "spec", "type") != "LoadBalancer" and _addresses(obj):
                self._write(obj, [], None)
        taken: dict[str, list[Json]] = {}
        for service in mine:
            for address in _addresses(service):
                taken.setdefault(address, []).append(service)
        for service in mine:
            self._settle(service, pools, taken)
        self._count(pools, taken)
        self._announce(taken)
        return None

    def _settle(self, service: Json, pools: list[Pool], taken: dict[str, list[Json]]) -> None:
        held = _addresses(service)
        if held:
            home = self._allowed(service, held, pools)
            if home is not None:
                self._write(service, held, home)
                return
            text = (
                f"current IP for {_quoted(service)} not allowed by config, will attempt for new IP assignment"
            )
            self.events.record(service, "ClearAssignment", text, component=self.name)
            for address in held:
                taken[address] = [other for other in taken[address] if other is not service]
                if not taken[address]:
                    del taken[address]
        try:
            home, chosen = self._choose(service, pools, taken)
        except ValueError as error:
            text = f"Failed to allocate IP for {_quoted(service)}: {error}"
            self.events.record(service, "AllocationFailed", text, warning=True, component=self.name)
            if held:
                self._write(service, [], None)
            return
        for address in chosen:
            taken.setdefault(address, []).append(service)
        self._write(service, chosen, home)
        text = f"Assigned IP {json.dumps(chosen)}"
        self.events.record(service, "IPAllocated", text, component=self.name)

    def _allowed(self, service: Json, held: list[str], pools: list[Pool]) -> Pool | None:
        """The pool in which present addresses may stay, or None."""
        wanted = _wanted(service)
        if wanted and sorted(wanted) != sorted(held):
            return None
        name = _annotation(service, "address-pool")
        for pool in pools:
            if all(address in pool.ranges for address in held):
                return pool if (not name or name == pool.name) and self._serves(pool, service) else None
        return None

    def _choose(
        self, service: Json, pools: list[Pool], taken: dict[str, list[Json]]
    ) -> tuple[Pool, list[str]]:
        """New addresses and the pool that they come from.

        Raises:
            ValueError: There are none; the message says why.
        """
        wanted = _wanted(service)
        name = _annotation(service, "address-pool")
        if name and all(pool.name != name for pool in pools):
            raise ValueError(f'unknown pool "{name}"')
        fitting = [pool for pool in pools if pool.name == name] if name else pools
        if wanted:
            home = next((p for p in fitting if all(address in p.ranges for address in wanted)), None)
            if home is None:
                raise ValueError(f"{wanted} is not allowed in config")
            busy = next((address for address in wanted if not _free(address, service, taken)), None)
            if busy:
                raise ValueError(f"can't change sharing key for {_quoted(service)}, address {busy} is in use")
            return home, wanted
        families = dig(service, "spec", "ipFamilies") or ["IPv4"]
        for pool in fitting:
            if (name or pool.auto) and self._serves(pool, service):
                found = [_first_free(pool, family, service, taken) for family in families]
                if all(found):
                    return pool, [address for address in found if address]
        raise ValueError(f'no available IPs in pool "{name}"' if name else "no available IPs")

    def _serves(self, pool: Pool, service: Json) -> bool:
        rules = pool.allocation
        names, by_label = rules.get("namespaces"), rules.get("namespaceSelectors")
        if names or by_label:
            namespace = service["metadata"]["namespace"]
            home = self.store.tables.get(("", "namespaces"), ("", namespace))
            labels = home.obj["metadata"].get("labels") if home else {}
            by_selector = any(selectors.select(selectors.from_object(s), labels) for s in by_label or ())
            if namespace not in (names or ()) and not by_selector:
                return False
        wanted = rules.get("serviceSelectors")
        labels = service["metadata"].get("labels")
        return not wanted or any(selectors.select(selectors.from_object(s), labels) for s in wanted)

    def _write(self, service: Json, addresses: list[str], pool: Pool | None) -> None:
        def write(new: Json) -> None:
            balancer = new.setdefault("status", {}).setdefault("loadBalancer", {})
            notes = new["metadata"].setdefault("annotations", {})
            balancer.pop("ingress", None)
            notes.pop(FROM_POOL, None)
            if addresses:
                balancer["ingress"] = [{"ip": address, "ipMode": "VIP"} for address in addresses]
            if pool is not None:
                notes[FROM_POOL] = pool.name
            if not notes:
                del new["metadata"]["annotations"]

        metadata = service["metadata"]
        self.store.modify("v1", "Service", metadata["name"], write, metadata["namespace"])

    def _count(self, pools: list[Pool], taken: dict[str, list[Json]]) -> None:
        by_name = {pool.name: pool for pool in pools}
        for entry in list(self.store.entries(_POOLS)):
            pool = by_name[entry.key[1]]
            status: Json = {}
            for family in ("IPv4", "IPv6"):
                used = sum((":" in a) == (family == "IPv6") and a in pool.ranges for a in taken)
                status[f"assigned{family}"] = used
                status[f"available{family}"] = pool.ranges.size(family) - used
            obj = entry.obj
            self.store.modify(
                obj["apiVersion"],
                obj["kind"],
                entry.key[1],
                lambda new, status=status: new.update(status=status),  # type: ignore[misc]
                entry.key[0],
            )

    def _announce(self, taken: dict[str, list[Json]]) -> None:
        """Say on which node each layer-2 address is answered for (ServiceL2Status)."""
        rtype = self.store.registry.by_storage(_L2_STATUS)
        if rtype is None:
            return
        advertised = _advertised(entry.obj for entry in self.store.entries(_L2))
        served = {_name(s): s for found in taken.values() for s in found}
        nodes = sorted(
            entry.key[1]
            for entry in self.store.entries(("", "nodes"))
            if podstatus.node_ready(entry.obj)
            and _EXCLUDED not in (entry.obj["metadata"].get("labels") or {})
        )
        present = {_name_of_status(e.obj): e.obj for e in self.store.entries(_L2_STATUS)}
        for name, service in served.items():
            pool = dig(self._fresh(service), "metadata", "annotations", FROM_POOL)
            node = nodes[hash_of(name) % len(nodes)] if nodes else None
            held = present.pop(name, None)
            if node is None or (advertised is not None and pool not in advertised):
                if held is not None:
                    self._drop(held)
                continue
            self._announce_one(rtype.api_version, service, node, held)
        for held in present.values():
            self._drop(held)

    def _fresh(self, service: Json) -> Json:
        metadata = service["metadata"]
        entry = self.store.tables.get(_SERVICES, (metadata["namespace"], metadata["name"]))
        return entry.obj if entry else service

    def _announce_one(self, api_version: str, service: Json, node: str, held: Json | None) -> None:
        namespace = next((e.key[0] for e in self.store.entries(_POOLS)), "metallb-system")
        if held is not None and dig(held, "status", "node") == node:
            return
        if held is not None:
            self._drop(held)
        metadata = service["metadata"]
        labels = {
            "metallb.io/node": node,
            "metallb.io/service-name": metadata["name"],
            "metallb.io/service-namespace": metadata["namespace"],
        }
        status = {
            "node": node,
            "serviceName": metadata["name"],
            "serviceNamespace": metadata["namespace"],
            "interfaces": [{"name": "eth0"}],
        }
        self.store.add(
            {
                "apiVersion": api_version,
                "kind": "ServiceL2Status",
                "metadata": {"name": f"l2-{random_suffix()}", "namespace": namespace, "labels": labels},
                "spec": {},
                "status": status,
            },
            keep_status=True,
        )

    def _drop(self, held: Json) -> None:
        metadata = held["metadata"]
        self.store.delete(held["apiVersion"], held["kind"], metadata["name"], metadata["namespace"])


def hash_of(text: str) -> int:
    """A number from a text that is the same in every process."""
    return int.from_bytes(text.encode()) % 1_000_003


def _foreign(service: Json) -> bool:
    return bool(dig(service, "spec", "loadBalancerClass"))


def _name(service: Json) -> str:
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"


def _quoted(service: Json) -> str:
    return f'"{_name(service)}"'


def _name_of_status(obj: Json) -> str:
    return f"{dig(obj, 'status', 'serviceNamespace')}/{dig(obj, 'status', 'serviceName')}"


def _wanted(service: Json) -> list[str]:
    text = _annotation(service, "loadBalancerIPs") or dig(service, "spec", "loadBalancerIP") or ""
    return [part.strip() for part in str(text).split(",") if part.strip()]


def _free(address: str, service: Json, taken: dict[str, list[Json]]) -> bool:
    others = [other for other in taken.get(address, ()) if other is not service]
    if not others:
        return True
    key = _annotation(service, "allow-shared-ip")
    ports = _ports(service)
    return bool(key) and all(
        _annotation(other, "allow-shared-ip") == key and not ports & _ports(other) for other in others
    )


def _ports(service: Json) -> set[tuple[str, int]]:
    return {(port.get("protocol", "TCP"), port["port"]) for port in dig(service, "spec", "ports") or ()}


def _first_free(pool: Pool, family: str, service: Json, taken: dict[str, list[Json]]) -> str | None:
    return next((a for a in pool.ranges.of_family(family) if _free(a, service, taken)), None)


def _advertised(advertisements: Iterator[Json]) -> set[str] | None:
    """The pools that are announced by layer 2; None for all."""
    names: set[str] = set()
    for obj in advertisements:
        listed = dig(obj, "spec", "ipAddressPools") or ()
        if not listed and not dig(obj, "spec", "ipAddressPoolSelectors"):
            return None
        names.update(listed)
    return names
