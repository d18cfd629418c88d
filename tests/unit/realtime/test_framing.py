"""Server frames as another implementation reads them: the sans-IO client of `websockets`."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from signaling import framing


def received(data: bytes) -> list[Frame]:
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    events = client.events_received()
    assert client.parser_exc is None
    return [event for event in events if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_text_of_any_size(size: int) -> None:
    payload = b"x" * size
    (frame,) = received(framing.text(payload))
    assert (frame.opcode, bytes(frame.data), frame.fin) == (Opcode.TEXT, payload, True)


def test_frames_joined_are_frames_apart() -> None:
    joined = framing.text(b"a" * 200) + framing.ping(b"alive") + framing.pong(b"yes") + framing.text(b"")
    assert [frame.opcode for frame in received(joined)] == [Opcode.TEXT, Opcode.PING, Opcode.PONG, Opcode.TEXT]


@pytest.mark.parametrize("reason", ["", "slow", "r" * 500, "原因" * 100])
def test_a_close_reason_is_cut_at_a_character(reason: str) -> None:
    data = framing.close(4000, reason)
    assert len(data) <= 127
    close = Close.parse(data[2:])
    assert close.code == 4000
    assert reason.startswith(close.reason)
    assert len(close.reason.encode()) >= min(len(reason.encode()), 121)


def test_a_control_frame_holds_125_bytes() -> None:
    framing.ping(b"x" * 125)
    with pytest.raises(ValueError, match="125"):
        framing.ping(b"x" * 126)
