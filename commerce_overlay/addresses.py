"""Which network addresses a server may fetch from on a stranger's word.
Pure: it judges an address or a URL; resolving and connecting are the fetcher's part."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet: not loopback, private, link-local, shared, multicast,
    reserved, nor an IPv6 form that leads to such an IPv4 one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64_LOCAL:
            return False
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64 or int(ip) >> 32 == 0:  # ::a.b.c.d, deprecated and still parsed
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


def split_https(url: str) -> tuple[str, int]:
    """Host and port of an address that may be fetched. Raises ValueError with the reason otherwise."""
    if len(url) > 2000 or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("this is not a web address")
    parts = urlsplit(url)
    port = parts.port or 443
    if parts.scheme != "https":
        raise ValueError("only https addresses are fetched")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise ValueError("the address needs a host and no user name")
    if port != 443:
        raise ValueError("only the standard https port is fetched from")
    return parts.hostname, port
