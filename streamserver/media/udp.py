"""The UDP sockets of the media plane: bound once, shared by every peer.

Knows addresses and the kernel's segmentation offload, and nothing of what the datagrams mean.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any, Final

import ifaddr

Address = tuple[Any, ...]
SOCKET_BUFFER: Final = 4 << 20
UDP_SEGMENT: Final = 103  # linux/udp.h; the socket module has no name for it
MAX_SEGMENTS: Final = 64  # UDP_MAX_SEGMENTS of older kernels
MAX_TRAIN_BYTES: Final = 60_000


class UdpPort:
    """One bound, non-blocking socket. `peers` routes validated addresses; whoever owns the port fills it."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.family = sock.family
        self.port: int = sock.getsockname()[1]
        self.peers: dict[Address, Any] = {}
        self.segments = _can_segment(sock)

    def send(self, data: bytes, address: Address) -> bool:
        """One datagram now or not at all."""
        try:
            self.socket.sendto(data, address)
        except OSError:
            return False  # the send buffer is full, or the path is gone; ICE notices the latter
        return True

    def close(self) -> None:
        self.peers.clear()
        self.socket.close()


def bind(hosts: Iterable[str], low: int, high: int) -> list[UdpPort]:
    """One socket per host on the same port: the first of `low`…`high` that is free on all (0-0: any).

    Raises OSError that names the range, or ValueError for a host that is no address.
    """
    wanted = [ipaddress.ip_address(host) for host in dict.fromkeys(hosts)]
    problem: OSError | None = None
    for port in range(low, high + 1) if high else [0] * 8:
        sockets: list[socket.socket] = []
        try:
            for host in wanted:
                chosen = port or (sockets[0].getsockname()[1] if sockets else 0)
                sockets.append(_bind_one(host, chosen))
        except OSError as error:
            problem = error
            for sock in sockets:
                sock.close()
            continue
        return [UdpPort(sock) for sock in sockets]
    raise OSError(f"no UDP port of {low}-{high} is free on {', '.join(map(str, wanted))}: {problem}")


def _bind_one(host: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> socket.socket:
    family = socket.AF_INET if host.version == 4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
        sock.bind((str(host), port))
    except OSError:
        sock.close()
        raise
    return sock


def _can_segment(sock: socket.socket) -> bool:
    """Whether the kernel cuts one large send into datagrams (Linux 4.18 and later)."""
    try:
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1200)
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
    except OSError:
        return False
    return True


def local_addresses() -> list[str]:
    """This machine's addresses that a peer could reach, IPv4 first, loopback last, link-local ones left out."""
    found: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            if not address.is_link_local and not address.is_multicast:
                found.append(address)
    loopback = ipaddress.ip_address("127.0.0.1")
    outer = [address for address in dict.fromkeys(found) if not address.is_loopback]
    return [str(address) for address in [*sorted(outer, key=lambda a: a.version), loopback]]
