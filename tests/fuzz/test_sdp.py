"""Session descriptions that nobody would write: the documented errors, in time, and nothing else.

`FUZZ_SECONDS` is the time per target (2 by default), `FUZZ_SEED` begins another run than the last one. A crash is
another exception, or more than a second for one text; the text is kept in `native/fuzz/crashes/sdp`.
The texts that it begins with are the recorded offers and answers of `tests/unit/media`.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamserver.media import native_sdp
from streamserver.media.errors import BadAnswer, BadOffer, NoCommonCodec
from streamserver.media.negotiation import Role, read_fragment, read_offer, read_pull_answer, write_answer
from streamserver.media.sdp import read_description
from tests.property.test_negotiation import ALL, LOCAL, bend

ROOT = Path(__file__).parents[2]
CRASHES = ROOT / "native/fuzz/crashes/sdp"
SECONDS = float(os.environ.get("FUZZ_SECONDS", "2"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
SLOW_S = 1.0
MAGIC = (
    "\x00",
    "\x7f",
    "\ud800",
    "\u2028",
    "a=",
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
    ":" * 300,
    "9" * 5000,
    "\r\n\r\n",
)
FRAGMENT = (
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\n"
)


def corpus() -> list[str]:
    folder = ROOT / "tests/unit/media"
    paths = [path for kind in ("offers", "answers") for path in sorted((folder / kind).glob("*.sdp"))]
    return [path.read_text().replace("\n", "\r\n") for path in paths]


def mutate(texts: list[str], rng: random.Random) -> str:
    text = rng.choice(texts)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(7)
        if kind < 3:
            text = bend(text, rng)
        elif kind == 3:
            text = text[:at] + rng.choice(MAGIC) + text[at:]
        elif kind == 4:
            text = text[:at] + chr(rng.randrange(0x500)) + text[at + 1 :]
        elif kind == 5:
            other = rng.choice(texts)
            text = text[:at] + other[rng.randrange(len(other)) :]
        else:
            end = rng.randrange(at, len(text) + 1)
            text = text[:end] + text[at:end] * rng.choice((1, 1, 2, 40)) + text[end:]
    return text


def whole_negotiation(text: str) -> None:
    for role in (Role.PUBLISHER, Role.VIEWER):
        try:
            offer = read_offer(text, role, ALL)
        except (BadOffer, NoCommonCodec):
            continue
        answer = write_answer(offer, LOCAL)
        # One section for each of the offer, in a description that reads back.
        assert len(read_description(answer).media) == len(offer.sections)
        native_sdp.fingerprints(offer.fingerprints)
        for kind, mid, payload_types, extensions, ssrcs, rids, *_ in native_sdp.specs(offer.sections):
            assert kind in {"audio", "video"}
            assert 1 <= len(mid) <= 64
            assert len(rids) <= 3
            assert all(0 <= number <= 127 for number, _, _ in payload_types)
            assert all(0 <= number <= 255 for number in extensions)
            assert all(0 <= ssrc < 1 << 32 for ssrc in ssrcs)


def pull_answer(text: str) -> None:
    try:
        read_pull_answer(text, ALL)
    except BadAnswer:
        pass


def fragment(text: str) -> None:
    try:
        read_fragment(text)
    except BadOffer:
        pass


def problem(target: Callable[[str], None], text: str) -> str | None:
    """What is wrong with how a text is taken, if anything."""
    began = time.process_time()
    try:
        target(text)
    except Exception as error:  # whatever it is, it is not documented
        return repr(error)
    took = time.process_time() - began
    return f"{took:.1f} s" if took > SLOW_S else None


@pytest.mark.parametrize(
    ("target", "texts"),
    [(whole_negotiation, corpus()), (pull_answer, corpus()), (fragment, [FRAGMENT])],
    ids=["negotiation", "pull_answer", "fragment"],
)
def test_no_text_is_too_much(target: Callable[[str], None], texts: list[str]) -> None:
    rng = random.Random(SEED)
    crashes: list[str] = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and len(crashes) < 5:
        text = mutate(texts, rng)
        found = problem(target, text)
        if found is not None:
            data = text.encode("utf-8", "surrogatepass")
            CRASHES.mkdir(parents=True, exist_ok=True)
            (CRASHES / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
            crashes.append(f"{found}: {data.hex()}")
    assert not crashes, "\n".join(crashes)
