"""A light WebRTC peer: real ICE, DTLS and SRTP on its own socket, no codec and no jitter buffer.

Hundreds fit on one core, so it is what a bench counts with and what a test looks at packets through. It shares no
code with the server: STUN is aioice's, DTLS is aiortc's.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
from collections.abc import Callable
from typing import Final

from aioice import stun
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from pylibsrtp import Error as SrtpError

RETRY_S: Final = 0.1
TRIES: Final = 50
SOCKET_BUFFER: Final = 1 << 20
H264: Final = ("H264/90000", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")
VP8: Final = ("VP8/90000", "")
PAYLOAD_TYPES: Final = {"opus": 111, "H264": 102, "H264-rtx": 103, "VP8": 96, "VP8-rtx": 97}


class ConnectFailed(Exception):
    """ICE got no answer, or DTLS ended before there were keys."""


class _Wire:
    """What aiortc's DTLS transport needs of an ICE transport."""

    role = "controlling"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=64)
        self._put = send

    async def _recv(self) -> bytes:
        return await self.queue.get()

    async def _send(self, data: bytes) -> None:
        self._put(data)


class LightPeer:
    """One session. Make it, post `offer`, hand the answer to `connect`; then RTP goes both ways.

    `packets` and `bytes` count datagrams of media; `on_rtp` and `on_rtcp`, when set, are called with each packet in
    clear. Without `on_rtp` nothing is decrypted, which is what makes it light; `sample` then checks one.
    """

    certificate: RTCCertificate | None = None  # one for all peers of a process, as a browser has one per page

    def __init__(self, direction: str, codecs: tuple[str, ...] = ("H264", "VP8"), host: str = "127.0.0.1") -> None:
        self.direction = direction
        self.codecs = codecs
        self.ufrag = secrets.token_hex(4)
        self.password = secrets.token_hex(16)
        self.ssrcs = {"audio": secrets.randbits(31) + 1, "video": secrets.randbits(31) + 1}
        self.packets = 0
        self.bytes = 0
        self.on_rtp: Callable[[bytes], None] | None = None
        self.on_rtcp: Callable[[bytes], None] | None = None
        self.last_datagram = b""
        self.answer = ""
        self._socket = self._open(host)
        self._remote: tuple[str, int] = ("", 0)
        self._remote_ufrag = ""
        self._remote_password = b""
        self._wire = _Wire(self._send)
        self._dtls: RTCDtlsTransport | None = None
        self._answered = asyncio.Event()
        self.checks_passed = 0

    @staticmethod
    def _open(host: str) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        sock.bind((host, 0))
        sock.setblocking(False)
        return sock

    # signalling ------------------------------------------------------------------------------------------

    @classmethod
    def own_certificate(cls) -> RTCCertificate:
        if cls.certificate is None:
            cls.certificate = RTCCertificate.generateCertificate()
        return cls.certificate

    @property
    def offer(self) -> str:
        prints = self.own_certificate().getFingerprints()
        fingerprint = next(f for f in prints if f.algorithm == "sha-256")
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
        lines += self._section("audio", "0", ["111"], ["a=rtpmap:111 opus/48000/2"], fingerprint)
        formats: list[str] = []
        maps: list[str] = []
        for codec in self.codecs:
            name, fmtp = H264 if codec == "H264" else VP8
            main, rtx = PAYLOAD_TYPES[codec], PAYLOAD_TYPES[f"{codec}-rtx"]
            formats += [str(main), str(rtx)]
            maps += [f"a=rtpmap:{main} {name}", f"a=rtpmap:{rtx} rtx/90000", f"a=fmtp:{rtx} apt={main}"]
            maps += [f"a=rtcp-fb:{main} {item}" for item in ("nack", "nack pli", "ccm fir", "goog-remb")]
            if fmtp:
                maps.append(f"a=fmtp:{main} {fmtp}")
        lines += self._section("video", "1", formats, maps, fingerprint)
        return "\r\n".join(lines) + "\r\n"

    def _section(
        self, kind: str, mid: str, formats: list[str], maps: list[str], fingerprint: RTCDtlsFingerprint
    ) -> list[str]:
        lines = [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {' '.join(formats)}",
            "c=IN IP4 0.0.0.0",
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.password}",
            f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}",
            "a=setup:actpass",
            f"a=mid:{mid}",
            f"a={self.direction}",
            "a=rtcp-mux",
            *maps,
        ]
        if self.direction == "sendonly":
            lines.append(f"a=ssrc:{self.ssrcs[kind]} cname:light")
        return lines

    def answered_ssrc(self, kind: str) -> tuple[int, int]:
        """The SSRCs (media, retransmission) by which the server said it will send."""
        section = self.answer.partition(f"m={kind} ")[2].partition("\r\nm=")[0]
        found = [int(ssrc) for ssrc in re.findall(r"a=ssrc:(\d+) cname", section)]
        return found[0], found[-1]

    # connecting ------------------------------------------------------------------------------------------

    async def connect(self, answer: str) -> None:
        """ICE, then DTLS as the client. Raises ConnectFailed."""
        self.use_answer(answer)
        asyncio.get_running_loop().add_reader(self._socket, self._readable)
        for _ in range(TRIES):
            self.check()
            try:
                await asyncio.wait_for(self._answered.wait(), RETRY_S)
                break
            except TimeoutError:
                continue
        else:
            raise ConnectFailed("no answer to connectivity checks")
        await self.handshake(answer)

    def use_answer(self, answer: str) -> None:
        """Take address and credentials of an answer, or of the body that answers an ICE restart."""
        self.answer = self.answer or answer
        self._remote_ufrag = _value(answer, "ice-ufrag")
        self._remote_password = _value(answer, "ice-pwd").encode()
        candidates = re.findall(r"a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host", answer)
        hosts = {host: int(port) for host, port in candidates}
        host = "127.0.0.1" if "127.0.0.1" in hosts else next(iter(hosts))
        self._remote = (host, hosts[host])
        self._answered.clear()

    async def handshake(self, answer: str, fingerprint: str | None = None) -> None:
        algorithm, _, value = _value(answer, "fingerprint").partition(" ")
        self._dtls = RTCDtlsTransport(self._wire, [self.own_certificate()])  # type: ignore[arg-type]
        self._dtls._set_role("client")
        fingerprints = [RTCDtlsFingerprint(algorithm, fingerprint or value)]
        await self._dtls.start(RTCDtlsParameters(fingerprints=fingerprints))
        if self._dtls.state != "connected":
            raise ConnectFailed(f"DTLS is {self._dtls.state}")
        if self._dtls._task is not None:
            self._dtls._task.cancel()  # media is read from the socket, not through its queue

    def check(self, *, nominate: bool = True, password: bytes | None = None) -> None:
        """Send one connectivity check; the same renews consent."""
        message = stun.Message(
            stun.Method.BINDING,
            stun.Class.REQUEST,
            attributes={
                "USERNAME": f"{self._remote_ufrag}:{self.ufrag}",
                "PRIORITY": 1,
                "ICE-CONTROLLING": 1,
                **({"USE-CANDIDATE": None} if nominate else {}),
            },
        )
        message.add_message_integrity(self._remote_password if password is None else password)
        self._send(bytes(message))

    def rebind(self, host: str = "127.0.0.1") -> None:
        """Go on from another port, as after a NAT lost its mapping; the next `check` tells the server."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        self._socket.close()
        self._socket = self._open(host)
        loop.add_reader(self._socket, self._readable)

    # media -----------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._dtls is not None and self._dtls.state == "connected"

    def send_rtp(self, packet: bytes) -> None:
        assert self._dtls is not None
        self._send(self._dtls._tx_srtp.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        assert self._dtls is not None
        self._send(self._dtls._tx_srtp.protect_rtcp(packet))

    def send_raw(self, datagram: bytes) -> None:
        """Bytes as they are, on the path of the session."""
        self._send(datagram)

    def sample(self) -> bytes | None:
        """The last media datagram in clear, or None when it does not open."""
        assert self._dtls is not None
        try:
            return self._dtls._rx_srtp.unprotect(self.last_datagram)
        except SrtpError:
            return None

    def close(self) -> None:
        """Fall silent."""
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendto(data, self._remote)
        except BlockingIOError:
            return  # a full buffer: lost, as on any network

    def _readable(self) -> None:
        receive = self._socket.recv
        try:
            while True:
                data = receive(2048)
                if 128 <= data[0] < 192:
                    if 192 <= data[1] <= 223:
                        self._control(data)
                        continue
                    self.packets += 1
                    self.bytes += len(data)
                    self.last_datagram = data
                    if self.on_rtp is not None:
                        self._media(data)
                else:
                    self._other(data)
        except (BlockingIOError, ConnectionError):
            return

    def _media(self, data: bytes) -> None:
        assert self._dtls is not None and self.on_rtp is not None
        try:
            packet = self._dtls._rx_srtp.unprotect(data)
        except SrtpError:
            return
        self.on_rtp(packet)

    def _control(self, data: bytes) -> None:
        if self.on_rtcp is not None and self._dtls is not None and self._dtls._rx_srtp is not None:
            try:
                packet = self._dtls._rx_srtp.unprotect_rtcp(data)
            except SrtpError:
                return
            self.on_rtcp(packet)

    def _other(self, data: bytes) -> None:
        if data[0] < 4:
            try:
                message = stun.parse_message(data)
            except ValueError:
                return
            if message.message_class is stun.Class.RESPONSE and message.check_message_integrity(self._remote_password):
                self.checks_passed += 1
                self._answered.set()
        elif not self._wire.queue.full():
            self._wire.queue.put_nowait(data)


class SyntheticVideo:
    """RTP that looks like an encoder's: frames cut into equal packets, a keyframe when asked or every few seconds."""

    def __init__(
        self, ssrc: int, *, payload_type: int = 102, rate: int = 30, packets: int = 9, size: int = 1200
    ) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.rate = rate
        self.packets = packets
        self._filler = os.urandom(size)
        self.seq = secrets.randbits(14)
        self.timestamp = secrets.randbits(31)
        self.keyframe_next = True

    def frame(self) -> list[bytes]:
        """The packets of the next frame, H.264 in FU-A fragments."""
        nal = 5 if self.keyframe_next else 1
        self.keyframe_next = False
        out: list[bytes] = []
        for index in range(self.packets):
            last = index == self.packets - 1
            fu = nal | (0x80 if index == 0 else 0) | (0x40 if last else 0)
            head = bytes((0x80, self.payload_type | (0x80 if last else 0)))
            head += self.seq.to_bytes(2, "big") + self.timestamp.to_bytes(4, "big") + self.ssrc.to_bytes(4, "big")
            out.append(head + bytes((0x7C, fu)) + self._filler[: len(self._filler) - 14])
            self.seq = (self.seq + 1) & 0xFFFF
        self.timestamp = (self.timestamp + 90_000 // self.rate) & 0xFFFFFFFF
        return out


def _value(sdp: str, name: str) -> str:
    found = re.search(rf"^a={name}:(.+?)\r?$", sdp, re.MULTILINE)
    if found is None:
        raise ConnectFailed(f"the answer has no {name}")
    return found[1]
