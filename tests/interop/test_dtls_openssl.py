"""The native engine's DTLS against OpenSSL as the client: certificates of both kinds, and who is turned away."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from tests.support.native_example import Pipe, build

DTLS_1_2: Final = 0xFEFD
LIMIT_S: Final = 10.0
LABEL: Final = b"EXTRACTOR-dtls_srtp"
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KEYS: Final[dict[str, PrivateKey]] = {
    "P-256, as browsers show": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "RSA, as GStreamer shows": rsa.generate_private_key(65537, 2048),
}
GCM, CM, GCM_256 = b"SRTP_AEAD_AES_128_GCM", b"SRTP_AES128_CM_SHA1_80", b"SRTP_AEAD_AES_256_GCM"


@pytest.fixture(scope="module")
def program() -> Path:
    return build("dtls_pipe")


def certificate(key: PrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    return builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())


class Client:
    """OpenSSL's end, and the datagrams between it and the program."""

    def __init__(
        self,
        program: Path,
        key: PrivateKey,
        *,
        profiles: Sequence[bytes] = (GCM, CM),
        fingerprint: str | None = None,
        shows: bool = True,
        version: int = DTLS_1_2,
    ) -> None:
        own = certificate(key)
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        if shows:
            context.use_certificate(own)
            context.use_privatekey(key)
        if profiles:
            context.set_tlsext_use_srtp(b":".join(profiles))
        self.ssl = SSL.Connection(context, None)
        self.ssl.set_connect_state()
        self.ssl.set_ciphertext_mtu(1200)
        expected = fingerprint or hashlib.sha256(own.public_bytes(Encoding.DER)).hexdigest()
        self.pipe = Pipe(program, expected)
        self.fingerprint = self.pipe.read()
        self.statuses: list[str] = []

    def shake(self) -> str:
        """The handshake, as far as it goes; gives the program's last word."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            try:
                self.ssl.do_handshake()
                done = True
            except SSL.WantReadError:
                done = False
            self.carry()
            if done or (self.statuses and self.statuses[-1].startswith("failed")):
                return self.statuses[-1]
        raise AssertionError(f"neither done nor failed: {self.statuses}")

    def carry(self) -> None:
        try:
            datagram = self.ssl.bio_read(65536)
        except SSL.WantReadError:
            datagram = b""
            self.ssl.DTLSv1_handle_timeout()
        # One write of OpenSSL's memory buffer may be a whole flight; each record is a datagram of its own here.
        for record in records(datagram) or [b""]:
            line = self.pipe.ask(record.hex())
            while line.startswith("> "):
                self.ssl.bio_write(bytes.fromhex(line[2:]))
                line = self.pipe.read()
            self.statuses.append(line.removeprefix("= "))


def records(datagram: bytes) -> list[bytes]:
    found: list[bytes] = []
    while len(datagram) >= 13:
        size = 13 + int.from_bytes(datagram[11:13])
        found.append(datagram[:size])
        datagram = datagram[size:]
    return found


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize(("offered", "chosen"), [([GCM, CM], GCM), ([GCM_256, CM, GCM], GCM), ([GCM_256, CM], CM)])
def test_keys_meet(program: Path, kind: str, offered: list[bytes], chosen: bytes) -> None:
    client = Client(program, KEYS[kind], profiles=offered)
    with client.pipe:
        client.shake()
        words = next(s for s in client.statuses if s.startswith("connected")).split()
        assert client.ssl.get_selected_srtp_profile() == chosen
        assert words[1] == {GCM: "AeadAes128Gcm", CM: "Aes128CmSha1_80"}[chosen]
        salt = {GCM: 12, CM: 14}[chosen]
        exported = client.ssl.export_keying_material(LABEL, 2 * (16 + salt))
        client_key, server_key = exported[:16], exported[16:32]
        client_salt, server_salt = exported[32 : 32 + salt], exported[32 + salt :]
        assert words[2:] == [part.hex() for part in (server_key, server_salt, client_key, client_salt)]
        shown = client.ssl.get_peer_certificate()
        assert shown is not None
        assert client.fingerprint == f"sha-256 {shown.digest('sha256').decode()}"
        client.ssl.shutdown()
        client.carry()
        assert client.statuses[-1] == "closed"


@pytest.mark.parametrize("kind", KEYS)
def test_another_certificate_is_turned_away(program: Path, kind: str) -> None:
    client = Client(program, KEYS[kind], fingerprint="00" * 32)
    with client.pipe:
        assert client.shake() == "failed fingerprint"


def test_no_certificate_is_turned_away(program: Path) -> None:
    client = Client(program, KEYS["P-256, as browsers show"], shows=False)
    with client.pipe:
        try:
            client.shake()
        except SSL.Error:
            pass  # the program's alert
        assert client.statuses[-1] == "failed no_certificate"


@pytest.mark.parametrize("profiles", [[], [GCM_256]])
def test_without_a_common_srtp_profile_there_is_no_association(program: Path, profiles: list[bytes]) -> None:
    client = Client(program, KEYS["P-256, as browsers show"], profiles=profiles)
    with client.pipe:
        assert client.shake() == "failed no_srtp_profile"
