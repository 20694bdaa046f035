"""Links, addresses, routes, names, and who listens where."""

import os
import re

from probe.base import lines, names, read, run_json, settings
from probe.listener import NAME
from probe.tcp_table import programs


def look(params):
    """Return the fields about links, routes and settings."""
    found = links()
    ways = routes()
    servers, domains = resolver()
    addresses = [one.partition("/")[0] for link in found or () for one in link["addresses"]]
    return {
        "links": found,
        "addresses": sorted(set(addresses)) if found is not None else None,
        "macs": _macs(found, ways),
        "routes": ways,
        "gateways": sorted({way["via"] for way in ways or () if way["to"] == "default" and way["via"]}),
        "default_route": _default_route(),
        "name_servers": servers,
        "search_domains": domains,
        "ports_taken": [one for one in programs(params["taken"]) if one["by"] != NAME],
        "proxies": _proxies(),
        "networkd_foreign": _networkd_keeps_foreign(),
        "networkd": os.path.isdir("/run/systemd/netif/links"),
    }


def links():
    """Return every link but the loopback, None where the kernel's tool cannot tell."""
    data = run_json("ip", "-j", "-d", "address", "show")
    if data is None:
        return None
    found = []
    for one in data:
        flags = one.get("flags") or []
        if not one.get("ifname"):
            continue
        found.append(
            {
                "name": one["ifname"],
                "mac": (one.get("address") or "") if one.get("link_type") == "ether" else "",
                "mtu": one.get("mtu"),
                "up": "UP" in flags and "LOWER_UP" in flags,
                "addresses": [
                    "%s/%s" % (address["local"], address.get("prefixlen"))
                    for address in one.get("addr_info") or ()
                    if address.get("local")
                ],
                "kind": "loopback"
                if "LOOPBACK" in flags
                else (one.get("linkinfo") or {}).get("info_kind") or "",
            }
        )
    return found


def routes():
    """Return the main routes of both families, None where the kernel's tool cannot tell."""
    first, second = run_json("ip", "-j", "route", "show"), run_json("ip", "-j", "-6", "route", "show")
    if first is None:
        return None
    return [
        {"to": way.get("dst") or "", "via": way.get("gateway") or "", "dev": way.get("dev") or ""}
        for way in (*first, *(second or ()))
    ]


def _macs(found, ways):
    """Return the hardware addresses of real links: bridges, tunnels and the like make theirs up.

    In a container the link that leads out has the kind ``veth``: the default route says which.
    """
    out = {way["dev"] for way in ways or () if way["to"] == "default"}
    return {
        link["name"]: link["mac"]
        for link in found or ()
        if link["mac"] and (not link["kind"] or (link["kind"] == "veth" and link["name"] in out))
    }


def _default_route():
    """Tell whether there is a way out, by IPv4 or IPv6; None where the kernel does not say."""
    v4, v6 = read("/proc/net/route"), read("/proc/net/ipv6_route")
    if v4 is None and v6 is None:
        return None
    for line in (v4 or "").splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000":
            return True
    for line in (v6 or "").splitlines():
        fields = line.split()
        if len(fields) > 9 and set(fields[0]) == {"0"} and fields[1] == "00" and fields[9] != "lo":
            return True
    return False


def resolver():
    """Return the name servers and the search domains."""
    servers, domains = [], []
    for line in lines("/etc/resolv.conf"):
        fields = line.split()
        if len(fields) > 1 and fields[0] == "nameserver":
            servers.append(fields[1])
        elif len(fields) > 1 and fields[0] in ("search", "domain"):
            domains = fields[1:]
    return servers, domains


def _proxies():
    """Return the proxy settings of logins, without what follows a user's name in them."""
    found = settings("/etc/environment")
    found.update(os.environ)
    wanted = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
    return {
        name: re.sub(r"(://)[^/@]*@", r"\1", value)
        for name, value in found.items()
        if name.lower() in wanted and value
    }


def _networkd_keeps_foreign():
    """Tell whether systemd-networkd is told to leave the routes of others alone, as Cilium needs."""
    paths = ["/etc/systemd/networkd.conf"]
    for folder in ("/usr/lib/systemd/networkd.conf.d", "/etc/systemd/networkd.conf.d"):
        paths += ["%s/%s" % (folder, name) for name in names(folder) if name.endswith(".conf")]
    value = ""
    for path in paths:
        value = settings(path).get("ManageForeignRoutes", value)
    return value.lower() in ("no", "false", "0", "off")
