"""One DTLS handshake as a machine: datagrams in, datagrams out, SRTP keys at the end (RFC 5764, RFC 8842).

Knows OpenSSL and no sockets. The process has one P-256 certificate and one context per role, so a join costs a
handshake and nothing more. The certificate is aiortc's; the transport is not, because that one takes a task, a
context and a queue per peer.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AES128_CM_SHA1_80,
    SRTP_PROFILES,
    RTCCertificate,
    SRTPProtectionProfile,
    certificate_digest,
)
from OpenSSL import SSL

MTU: Final = 1200
DTLS_1_2: Final = 0xFEFD
_MAX_FLIGHT: Final = 64 * 1024
_CIPHERS: Final = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384"
PROFILES: Final = tuple(p for p in (SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80) if p in SRTP_PROFILES)


class State(enum.Enum):
    HANDSHAKING = "handshaking"
    CONNECTED = "connected"
    CLOSED = "closed"  # the peer said goodbye
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Master keys with salts, and the libsrtp profile that both directions use."""

    profile: int
    tag: int
    send: bytes
    receive: bytes


class Identity:
    """The certificate that this process shows to every peer."""

    def __init__(self, certificate: RTCCertificate | None = None) -> None:
        self._certificate = certificate or RTCCertificate.generateCertificate()
        self.context = self._make_context()

    @property
    def fingerprint(self) -> str:
        """As it stands in an answer: `sha-256 AB:CD:…`."""
        found = next(f for f in self._certificate.getFingerprints() if f.algorithm == "sha-256")
        return f"{found.algorithm} {found.value}"

    def _make_context(self) -> SSL.Context:
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(DTLS_1_2)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU)
        # The chain proves nothing here; the fingerprint in the signalled offer does, and is checked below.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(self._certificate._cert)
        context.use_privatekey(self._certificate._key)
        context.set_cipher_list(_CIPHERS)
        context.set_tlsext_use_srtp(b":".join(profile.openssl_profile for profile in PROFILES))
        return context


class Endpoint:
    """Our end of one association. `fingerprints` are the offer's; all that we can compute must match."""

    def __init__(self, identity: Identity, *, client: bool, fingerprints: Sequence[tuple[str, str]]) -> None:
        self._connection = SSL.Connection(identity.context, None)
        self._connection.set_ciphertext_mtu(MTU)
        self._client = client
        self._fingerprints = fingerprints
        self.state = State.HANDSHAKING
        self.keys: SrtpKeys | None = None
        self.failure = ""
        if client:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()

    def start(self) -> list[bytes]:
        """The first flight of the client role; nothing for the server role."""
        if not self._client:
            return []
        self._handshake()
        return self._outgoing()

    def receive(self, datagram: bytes) -> list[bytes]:
        """Feed one datagram; send what comes back and look at `state`."""
        if self.state in (State.FAILED, State.CLOSED):
            return []
        try:
            self._connection.bio_write(datagram)
            if self.state is State.HANDSHAKING:
                self._handshake()
            else:
                self._read()
        except SSL.Error as error:
            self._fail(_reason(error))
        return self._outgoing()

    def timeout(self) -> list[bytes]:
        """Call every 100 ms or so until connected: lost flights are sent again when due."""
        if self.state is not State.HANDSHAKING or self._connection.DTLSv1_get_timeout() != 0:
            return []
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(_reason(error))
        return self._outgoing()

    def close(self) -> list[bytes]:
        """Say goodbye (close_notify)."""
        if self.state is State.CONNECTED:
            self.state = State.CLOSED
            try:
                self._connection.shutdown()
            except SSL.Error:
                return []  # the association is broken already; there is nobody to tell
        return self._outgoing()

    def _handshake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self._fail(_reason(error))
            return
        problem = self._check_peer() or self._take_keys()
        if problem:
            self._fail(problem)
        else:
            self.state = State.CONNECTED

    def _read(self) -> None:
        try:
            self._connection.recv(2048)  # data channels are not offered; whatever was sent is dropped
        except SSL.WantReadError:
            return
        except SSL.ZeroReturnError:
            self.state = State.CLOSED

    def _check_peer(self) -> str:
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            return "no certificate"
        for algorithm, value in self._fingerprints:
            if certificate_digest(certificate, algorithm) != value:
                return "fingerprint"
        return ""

    def _take_keys(self) -> str:
        selected = self._connection.get_selected_srtp_profile()
        profile = next((p for p in PROFILES if p.openssl_profile == selected), None)
        if profile is None:
            return "no SRTP profile"
        size = 2 * (profile.key_length + profile.salt_length)
        material = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", size)
        client, server = profile.get_key_and_salt(material, 0), profile.get_key_and_salt(material, 1)
        send, receive = (client, server) if self._client else (server, client)
        self.keys = SrtpKeys(profile.libsrtp_profile, _tag_bytes(profile), send, receive)
        return ""

    def _fail(self, why: str) -> None:
        self.state = State.FAILED
        self.failure = why

    def _outgoing(self) -> list[bytes]:
        try:
            flight = self._connection.bio_read(_MAX_FLIGHT)
        except SSL.WantReadError:
            return []
        return split_flight(flight, MTU)


def split_flight(flight: bytes, mtu: int) -> list[bytes]:
    """Cut a run of DTLS records into datagrams: OpenSSL's memory buffer loses the bounds of its writes."""
    datagrams: list[bytes] = []
    begin = position = 0
    while position < len(flight):
        end = min(len(flight), position + _record_bytes(flight, position))
        if end - begin > mtu and position > begin:
            datagrams.append(flight[begin:position])
            begin = position
        position = end
    if begin < len(flight):
        datagrams.append(flight[begin:])
    return datagrams


def _record_bytes(flight: bytes, position: int) -> int:
    first = flight[position]
    if first & 0xE0 == 0x20:  # DTLS 1.3 ciphertext, RFC 9147 section 4: 001CSLEE
        head = 1 + (2 if first & 0x08 else 1)
        if not first & 0x04:
            return len(flight) - position
        return head + 2 + int.from_bytes(flight[position + head : position + head + 2], "big")
    return 13 + int.from_bytes(flight[position + 11 : position + 13], "big")


def _tag_bytes(profile: SRTPProtectionProfile) -> int:
    return 10 if profile is SRTP_AES128_CM_SHA1_80 else 16


def _reason(error: SSL.Error) -> str:
    try:
        return str(error.args[0][0][2]) or "handshake"
    except (IndexError, TypeError):
        return "handshake"
