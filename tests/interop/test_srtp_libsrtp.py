"""The native engine's SRTP against libsrtp, both ways, for both profiles: what one seals the other opens."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Final

import pytest
from pylibsrtp import Error, Policy, Session

from tests.support.native_example import Pipe, build

KEY: Final = bytes(range(16))
SSRC: Final = 0xCAFE_BABE
WRAP: Final = 1 << 16
PROFILES: Final = {
    "gcm": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, bytes(range(100, 112))),
    "cm": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, bytes(range(100, 114))),
}


@pytest.fixture(scope="module")
def program() -> Path:
    return build("srtp_pipe")


def session(profile: str, direction: int) -> Session:
    number, salt = PROFILES[profile]
    policy = Policy(key=KEY + salt, ssrc_type=direction, srtp_profile=number)
    policy.window_size = 1024
    return Session(policy)


def pipe(program: Path, operation: str, profile: str) -> Pipe:
    return Pipe(program, operation, profile, KEY.hex(), PROFILES[profile][1].hex())


def rtp(index: int) -> bytes:
    """Packets of all shapes: with CSRCs, with an extension, with both, and of every length."""
    dice = random.Random(index)
    csrcs, extension = dice.randrange(4), dice.randrange(2)
    head = struct.pack("!BBHII", 0x80 | extension << 4 | csrcs, 96, index % WRAP, index * 960 & 0xFFFFFFFF, SSRC)
    head += dice.randbytes(4 * csrcs)
    if extension:
        words = dice.randrange(4)
        head += struct.pack("!HH", 0xBEDE, words) + dice.randbytes(4 * words)
    return head + dice.randbytes(dice.randrange(1200))


def rtcp(number: int) -> bytes:
    """A receiver report and a PLI."""
    report = struct.pack("!BBHI", 0x80, 201, 1, SSRC)
    return report + struct.pack("!BBHII", 0x81, 206, 2, SSRC, number)


# Two wraps of the sequence number, and on both sides of them each packet.
INDEXES: Final = sorted(
    {*range(WRAP - 40, WRAP + 40), *range(2 * WRAP - 40, 2 * WRAP + 40), *range(WRAP - 40, 2 * WRAP + 40, 997)}
)


@pytest.mark.parametrize("profile", PROFILES)
def test_libsrtp_opens_what_we_seal(program: Path, profile: str) -> None:
    receiver = session(profile, Policy.SSRC_ANY_INBOUND)
    with pipe(program, "seal", profile) as sealer:
        for index in INDEXES:
            sealed = bytes.fromhex(sealer.ask(f"{index} {rtp(index).hex()}"))
            assert receiver.unprotect(sealed) == rtp(index)


@pytest.mark.parametrize("profile", PROFILES)
def test_we_open_what_libsrtp_seals(program: Path, profile: str) -> None:
    sender = session(profile, Policy.SSRC_ANY_OUTBOUND)
    sealed = [(index, sender.protect(rtp(index))) for index in INDEXES]
    # Neighbours change places: late packets, some of them from before a wrap.
    for at in range(1, len(sealed), 3):
        sealed[at - 1], sealed[at] = sealed[at], sealed[at - 1]
    with pipe(program, "open", profile) as opener:
        for index, packet in sealed:
            assert opener.ask(packet.hex()) == rtp(index).hex()
            assert opener.ask(packet.hex()) == "! replay"
        forged = bytearray(sender.protect(rtp(INDEXES[-1] + 1)))
        forged[-1] ^= 1
        assert opener.ask(forged.hex()) == "! auth"


@pytest.mark.parametrize("profile", PROFILES)
def test_rtcp_both_ways(program: Path, profile: str) -> None:
    receiver = session(profile, Policy.SSRC_ANY_INBOUND)
    sender = session(profile, Policy.SSRC_ANY_OUTBOUND)
    with pipe(program, "seal_rtcp", profile) as sealer, pipe(program, "open_rtcp", profile) as opener:
        for number in range(300):
            sealed = bytes.fromhex(sealer.ask(rtcp(number).hex()))
            assert receiver.unprotect_rtcp(sealed) == rtcp(number)
            with pytest.raises(Error):
                receiver.unprotect_rtcp(sealed)
            sealed = sender.protect_rtcp(rtcp(number))
            assert opener.ask(sealed.hex()) == rtcp(number).hex()
            assert opener.ask(sealed.hex()) == "! replay"
