"""The STUN that an ICE-lite agent needs: read a Binding request, check it, answer it (RFC 8489, RFC 8445).

Pure. Knows no sockets and no sessions. An agent that is lite never sends a request, so nothing else is here.
Unauthenticated requests get no reply at all, so this server cannot be used to amplify anything.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from struct import Struct
from typing import Final

COOKIE: Final = 0x2112A442
BINDING_REQUEST: Final = 0x0001
BINDING_SUCCESS: Final = 0x0101
BINDING_ERROR: Final = 0x0111
MAX_ATTRIBUTES: Final = 32

_USERNAME: Final = 0x0006
_MESSAGE_INTEGRITY: Final = 0x0008
_ERROR_CODE: Final = 0x0009
_UNKNOWN_ATTRIBUTES: Final = 0x000A
_XOR_MAPPED_ADDRESS: Final = 0x0020
_PRIORITY: Final = 0x0024
_USE_CANDIDATE: Final = 0x0025
_FINGERPRINT: Final = 0x8028
_ICE_CONTROLLED: Final = 0x8029
_KNOWN: Final = frozenset((_USERNAME, _MESSAGE_INTEGRITY, _PRIORITY, _USE_CANDIDATE))
_FINGERPRINT_XOR: Final = 0x5354554E

_HEAD: Final = Struct("!HHI12s")
_ATTRIBUTE: Final = Struct("!HH")
_U32: Final = Struct("!I")


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A connectivity check as it came in; its integrity is checked by `verify`, once the password is known."""

    transaction: bytes
    local_ufrag: str
    remote_ufrag: str
    nominates: bool  # USE-CANDIDATE
    claims_controlled: bool  # wrong against a lite agent, which is always the controlled one
    unknown: tuple[int, ...]  # comprehension-required attributes we do not know
    signed: bytes  # what MESSAGE-INTEGRITY covers, with the length already set
    signature: bytes


def is_stun(datagram: bytes) -> bool:
    return len(datagram) >= 20 and datagram[0] < 4 and datagram[4:8] == b"\x21\x12\xa4\x42"


def read_binding_request(datagram: bytes) -> BindingRequest | None:
    """Read a Binding request; None for anything else, malformed or unsigned ones included."""
    if len(datagram) < 20:
        return None
    kind, length, cookie, transaction = _HEAD.unpack_from(datagram)
    if kind != BINDING_REQUEST or cookie != COOKIE or length != len(datagram) - 20 or length % 4:
        return None
    username: bytes | None = None
    signature = signed = b""
    nominates = claims_controlled = printed = False
    unknown: list[int] = []
    position = 20
    for _ in range(MAX_ATTRIBUTES):
        if position == len(datagram):
            break
        if position + 4 > len(datagram):
            return None
        name, size = _ATTRIBUTE.unpack_from(datagram, position)
        value = datagram[position + 4 : position + 4 + size]
        if len(value) != size:
            return None
        if name == _FINGERPRINT:
            if size != 4 or _U32.unpack(value)[0] != _fingerprint(datagram, position):
                return None
            printed = True
        elif signature:
            pass  # RFC 8489 section 14.5: what follows the signature, the fingerprint excepted, is ignored
        elif name == _MESSAGE_INTEGRITY:
            if size != 20:
                return None
            signature, signed = value, _resized(datagram[:position], position - 20 + 24)
        elif name == _USERNAME:
            username = value
        elif name == _USE_CANDIDATE:
            nominates = True
        elif name == _ICE_CONTROLLED:
            claims_controlled = True
        elif name < 0x8000 and name not in _KNOWN:
            unknown.append(name)
        position += 4 + size + (-size % 4)
    else:
        return None
    # ICE checks carry it (RFC 8445 section 7.1); without it nothing vouches for the bytes after the signature.
    if username is None or not signature or not printed:
        return None
    local, colon, remote = username.partition(b":")
    if not colon or not local.isascii() or not remote.isascii():
        return None
    return BindingRequest(
        transaction, local.decode(), remote.decode(), nominates, claims_controlled, tuple(unknown), signed, signature
    )


def verify(request: BindingRequest, password: bytes) -> bool:
    """Whether the request was signed with our password (RFC 8489 section 14.5); constant time."""
    return hmac.compare_digest(request.signature, hmac.digest(password, request.signed, hashlib.sha1))


def write_success(request: BindingRequest, host: str, port: int, password: bytes) -> bytes:
    """The reply that validates the path: it tells the peer the address we saw."""
    address = ipaddress.ip_address(host)
    mask = _U32.pack(COOKIE) + request.transaction
    masked = bytes(a ^ b for a, b in zip(address.packed, mask, strict=False))
    family = 1 if address.version == 4 else 2
    value = bytes((0, family)) + (port ^ COOKIE >> 16).to_bytes(2, "big") + masked
    return _sign(BINDING_SUCCESS, request.transaction, _attribute(_XOR_MAPPED_ADDRESS, value), password)


def write_error(request: BindingRequest, code: int, reason: str, password: bytes) -> bytes:
    """An authenticated refusal: 487 role conflict, 420 unknown attribute."""
    value = bytes((0, 0, code // 100, code % 100)) + reason.encode()
    body = _attribute(_ERROR_CODE, value)
    if code == 420:
        body += _attribute(_UNKNOWN_ATTRIBUTES, b"".join(name.to_bytes(2, "big") for name in request.unknown))
    return _sign(BINDING_ERROR, request.transaction, body, password)


def write_request(
    transaction: bytes, username: str, password: bytes, *, nominates: bool = False, controlled: bool = False
) -> bytes:
    """A connectivity check as a full agent sends it; the clients of the tests and of the bench use it."""
    body = _attribute(_USERNAME, username.encode()) + _attribute(_PRIORITY, _U32.pack(0x7E0000FF))
    body += _attribute(_ICE_CONTROLLED if controlled else 0x802A, transaction[:8])
    if nominates:
        body += _attribute(_USE_CANDIDATE, b"")
    return _sign(BINDING_REQUEST, transaction, body, password)


def _attribute(name: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4)


def _resized(message: bytes, length: int) -> bytes:
    return message[:2] + length.to_bytes(2, "big") + message[4:]


def _fingerprint(datagram: bytes, position: int) -> int:
    return binascii.crc32(_resized(datagram[:position], position - 20 + 8)) ^ _FINGERPRINT_XOR


def _sign(kind: int, transaction: bytes, body: bytes, password: bytes) -> bytes:
    message = _HEAD.pack(kind, len(body) + 24, COOKIE, transaction) + body
    message += _attribute(_MESSAGE_INTEGRITY, hmac.digest(password, message, hashlib.sha1))
    return _resized(message, len(body) + 32) + _attribute(
        _FINGERPRINT, _U32.pack(binascii.crc32(_resized(message, len(body) + 32)) ^ _FINGERPRINT_XOR)
    )
