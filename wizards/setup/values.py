"""The small types of cluster.yaml: names, addresses, ranges. Each refusal says what would be right."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HOSTNAME: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")
_QUALIFIED: Final = re.compile(
    r"(?:(?=.{1,253}/)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_TAINT: Final = re.compile(
    r"(?P<key>[^=:]+)(?:=(?P<value>[^:]*))?:(?P<effect>NoSchedule|PreferNoSchedule|NoExecute)"
)
_ABSOLUTE: Final = re.compile(r"/[A-Za-z0-9._/+:@-]*")


def _dns_label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{text!r} is not a DNS label: use a-z, 0-9 and '-' (not at either end), at most 63")
    return text


def _domain(text: str) -> str:
    if not _HOSTNAME.fullmatch(text) or text != text.lower():
        raise ValueError(
            f"{text!r} is not a domain name: use lower-case labels joined by dots, such as cluster.local"
        )
    return text


def _host(text: str) -> str:
    """Accept an IPv4 or IPv6 address or a host name; a dotted number that is no address is refused."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    if re.fullmatch(r"[0-9.]+", text) or ":" in text or not _HOSTNAME.fullmatch(text):
        raise ValueError(f"{text!r} is neither an IP address nor a host name, such as 10.0.0.11 or node1.lan")
    return text


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address, such as 10.0.0.11") from None


def _ip6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv6 address, such as fd00:10::11") from None


def _cidr(text: str) -> str:
    if "/" not in text:
        raise ValueError(f"{text!r} is not a range with a prefix length, such as 10.233.64.0/18")
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        if "has host bits set" in str(error):
            right = ipaddress.ip_network(text, strict=False)
            raise ValueError(
                f"{text!r} does not start at its network's first address; {right} would"
            ) from None
        raise ValueError(f"{text!r} is not a range, such as 10.233.64.0/18") from None


def _address_range(text: str) -> str:
    """Accept what MetalLB accepts (facts: components.md section 1): ``CIDR`` or ``first-last``."""
    parse_range(text)
    return text.replace(" ", "")


def parse_range(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    """Return the first and the last address of ``CIDR`` or ``first-last``.

    Raises:
        ValueError: In words, when `text` is neither.
    """
    compact = text.replace(" ", "")
    if "/" in compact:
        network = ipaddress.ip_network(_cidr(compact))
        return network[0], network[-1]
    first_text, dash, last_text = compact.partition("-")
    try:
        first, last = (
            ipaddress.ip_address(first_text),
            ipaddress.ip_address(last_text if dash else first_text),
        )
    except ValueError:
        raise ValueError(f"{text!r} is not a range, such as 10.0.0.240-10.0.0.250 or 10.0.0.240/28") from None
    if not dash:
        raise ValueError(
            f"{text!r} is a lone address; write {first}/{first.max_prefixlen}, or a range first-last"
        )
    if first.version != last.version:
        raise ValueError(f"{text!r} mixes IPv4 and IPv6; both ends of a range are of one family")
    if int(first) > int(last):
        raise ValueError(f"{text!r} ends before it starts; {last}-{first} would be right")
    return first, last


def _user(text: str) -> str:
    if not _USER.fullmatch(text):
        raise ValueError(f"{text!r} is not a login name, such as root or ubuntu")
    return text


def _label_key(text: str) -> str:
    if not _QUALIFIED.fullmatch(text):
        raise ValueError(f"{text!r} is not a label key, such as tier or example.com/tier")
    return text


def _label_value(text: str) -> str:
    if not _LABEL_VALUE.fullmatch(text):
        raise ValueError(f"{text!r} is not a label value: at most 63 letters, digits, '-', '_' and '.'")
    return text


def _taint(text: str) -> str:
    match = _TAINT.fullmatch(text)
    if (
        match is None
        or not _QUALIFIED.fullmatch(match["key"])
        or not _LABEL_VALUE.fullmatch(match["value"] or "")
    ):
        raise ValueError(
            f"{text!r} is not a taint: write key=value:NoSchedule, PreferNoSchedule or NoExecute"
        )
    return text


def _absolute(text: str) -> str:
    if not _ABSOLUTE.fullmatch(text) or "/../" in f"{text}/":
        raise ValueError(f"{text!r} is not an absolute path of plain characters, such as /var/openebs/local")
    return text


def _disk(text: str) -> str:
    if not _ABSOLUTE.fullmatch(text) or "/../" in f"{text}/" or not text.startswith("/dev/"):
        raise ValueError(f"{text!r} is not a block device, such as /dev/disk/by-id/wwn-0x5000c500a0b1c2d3")
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/:@]+(?::[0-9]{1,5})?(?:/\S*)?", text):
        if "@" in text:
            raise ValueError("a URL with a user or a password in it is not kept in cluster.yaml")
        raise ValueError(f"{text!r} is not an http or https URL, such as http://proxy.lan:3128")
    return text


def _registry(text: str) -> str:
    host, _, port = text.partition(":")
    path_free = host.split("/", 1)[0]
    if not _HOSTNAME.fullmatch(path_free) or (port and not re.fullmatch(r"[0-9]{1,5}(?:/\S*)?", port)):
        raise ValueError(f"{text!r} is not a registry, such as registry.lan:5000")
    return text


Name = Annotated[str, AfterValidator(_dns_label), Field(max_length=63)]
ClusterName = Annotated[str, AfterValidator(_dns_label), Field(max_length=32)]
"""At most 32 characters: Cilium's limit for ``cluster.name`` (facts: components.md section 2)."""
Domain = Annotated[str, AfterValidator(_domain)]
Host = Annotated[str, AfterValidator(_host)]
Ip = Annotated[str, AfterValidator(_ip)]
Ip6 = Annotated[str, AfterValidator(_ip6)]
Cidr = Annotated[str, AfterValidator(_cidr)]
AddressRange = Annotated[str, AfterValidator(_address_range)]
User = Annotated[str, AfterValidator(_user)]
LabelKey = Annotated[str, AfterValidator(_label_key)]
LabelValue = Annotated[str, AfterValidator(_label_value)]
Taint = Annotated[str, AfterValidator(_taint)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
Disk = Annotated[str, AfterValidator(_disk)]
Url = Annotated[str, AfterValidator(_url)]
Registry = Annotated[str, AfterValidator(_registry)]
Port = Annotated[int, Field(ge=1, le=65535)]
Asn = Annotated[int, Field(ge=1, le=4294967295)]
