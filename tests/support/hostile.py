"""Peers that mean harm, in a process of their own so that their work costs the server's tests no turn of the loop.

`python -m tests.support.hostile PORT SECONDS`: prints the offers of a viewer and of a publisher as JSON, reads their
answers as JSON, says `ready`, waits for a line, and then for so long: strangers send garbage, the viewer sends
forgeries and replays, the publisher sends 50 times what it should and replays. Ends with what was sent, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from loadtest.light import LightPeer, SyntheticVideo
from streamserver.media import rtp

NORMAL_PER_S = 300
FLOOD = 50
STRANGERS = 8
STRANGE_PER_S = 2000
FORGED_PER_S = 1000
_TURN_S = 0.02

CLIENT_HELLO = (
    bytes.fromhex("16feff0000000000000000")
    + (120).to_bytes(2, "big")
    + bytes.fromhex("0100006c00000000000000 6cfefd".replace(" ", ""))
    + bytes(107)
)


def garbage(dice: random.Random) -> bytes:
    """Something that no peer of ours would send: STUN, DTLS, RTP and RTCP by their first bytes, and noise."""
    kind = dice.randrange(6)
    noise = dice.randbytes(dice.randrange(20, 1200))
    if kind == 0:
        body = dice.randbytes(4 * dice.randrange(0, 40))
        return b"\x00\x01" + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + dice.randbytes(12) + body
    if kind == 1:
        return CLIENT_HELLO
    if kind == 2:
        return bytes((dice.choice((20, 21, 22, 23, 25, 47)), 0xFE, 0xFD)) + noise
    if kind == 3:
        return b"\x80" + bytes((dice.choice((96, 102, 111)),)) + noise
    if kind == 4:
        return b"\x81" + bytes((dice.choice((200, 201, 205, 206)),)) + noise
    return noise


async def paced(per_s: float, seconds: float, act: Callable[[], None]) -> int:
    """Do it so often, in turns of 20 ms; how often it was."""
    began, done = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        for _ in range(min(int(elapsed * per_s) - done, int(per_s * 0.1))):
            act()
            done += 1
        await asyncio.sleep(_TURN_S)
    return done


def strange(port: int, dice: random.Random) -> Callable[[], None]:
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(STRANGERS)]
    for each in sockets:
        each.setblocking(False)

    def act() -> None:
        try:
            dice.choice(sockets).sendto(garbage(dice), ("127.0.0.1", port))
        except OSError:
            return  # a full buffer or a refusal: nothing to the attacker

    return act


def forge(viewer: LightPeer, dice: random.Random) -> Callable[[], None]:
    assert viewer._dtls is not None
    srtp = viewer._dtls._tx_srtp
    valid = [srtp.protect_rtcp(rtp.write_receiver_report(1, ())) for _ in range(8)]

    def act() -> None:
        datagram = bytearray(dice.choice(valid))
        if dice.random() < 0.5:
            datagram[dice.randrange(8, len(datagram))] ^= 1 << dice.randrange(8)
        viewer.send_raw(bytes(datagram))

    return act


def flood(publisher: LightPeer, dice: random.Random) -> Callable[[], None]:
    assert publisher._dtls is not None
    srtp = publisher._dtls._tx_srtp
    video = SyntheticVideo(publisher.ssrcs["video"])
    packets: list[bytes] = []
    sent: list[bytes] = []

    def act() -> None:
        if dice.random() < 0.05 and sent:
            publisher.send_raw(dice.choice(sent))
            return
        if not packets:
            packets.extend(video.frame())
        datagram = srtp.protect(packets.pop(0))
        if len(sent) < 100:
            sent.append(datagram)
        if dice.random() < 0.02:
            datagram = datagram[:-1] + bytes((datagram[-1] ^ 1,))
        publisher.send_raw(datagram)

    return act


async def _main(port: int, seconds: float) -> None:
    dice = random.Random(1)
    viewer, publisher = LightPeer("recvonly", ("H264",)), LightPeer("sendonly", ("H264",))
    print(json.dumps([viewer.offer, publisher.offer]), flush=True)
    answers = json.loads(await asyncio.to_thread(sys.stdin.readline))
    await asyncio.gather(viewer.connect(answers[0]), publisher.connect(answers[1]))
    print("ready", flush=True)
    waiting = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    while not waiting.done():
        viewer.check()
        publisher.check()
        await asyncio.wait({waiting}, timeout=1)

    async def live() -> None:
        while True:
            viewer.check()
            publisher.check()
            await asyncio.sleep(1)

    alive = asyncio.create_task(live())
    counts = await asyncio.gather(
        paced(STRANGE_PER_S, seconds, strange(port, dice)),
        paced(FORGED_PER_S, seconds, forge(viewer, dice)),
        paced(NORMAL_PER_S * FLOOD, seconds, flood(publisher, dice)),
    )
    alive.cancel()
    print(json.dumps({"strange": counts[0], "forged": counts[1], "flood": counts[2]}), flush=True)


@dataclass
class Hostile:
    """The process: `attack` lets it loose and returns what it sent."""

    process: asyncio.subprocess.Process

    async def attack(self) -> dict[str, int]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(b"go\n")
        return json.loads(await self.process.stdout.readline())


@asynccontextmanager
async def hostile(
    port: int, seconds: float, admit: Callable[[str, str], Awaitable[tuple[str, str]]]
) -> AsyncIterator[Hostile]:
    """Started and connected; `admit` turns the offers of its viewer and its publisher into answers."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.hostile", str(port), str(seconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
        preexec_fn=lambda: os.nice(10) and None,
    )
    try:
        assert process.stdin is not None and process.stdout is not None
        offers: Any = json.loads(await process.stdout.readline())
        process.stdin.write(json.dumps(await admit(*offers)).encode() + b"\n")
        assert (await process.stdout.readline()).strip() == b"ready"
        yield Hostile(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2])))
