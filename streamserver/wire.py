"""The realtime frames of docs/protocol.md, their strict decoding and their one encoding.

Pure. Knows the shapes only: not who may send a frame, what it does, or how it reaches anybody.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streamserver import wire_shapes
from streamserver.positions import Position
from streamserver.wire_shapes import *  # noqa: F403 - one name for everything that is on the wire
from streamserver.wire_shapes import Bought, Card, CardNumbers, Line, Money, Role, RoomState, State, Via

VERSION: Final = 1
SUBPROTOCOL: Final = "streamserver.v1"
MAX_MESSAGE_BYTES: Final = 64 * 1024

FrameId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
LineText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=500)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=24)]
Purpose: TypeAlias = Literal["view", "studio", "loadtest"]
ModerateAction: TypeAlias = Literal["delete", "mute", "unmute", "ban", "unban", "pin", "unpin"]
CloseCode: TypeAlias = int

# Close codes: the range tells the client what to do (docs/protocol.md).
CLOSE_SLOW: Final[CloseCode] = 4000
CLOSE_DRAINING: Final[CloseCode] = 4001
CLOSE_NO_PONG: Final[CloseCode] = 4002
CLOSE_SERVER_ERROR: Final[CloseCode] = 4003
CLOSE_BUSY: Final[CloseCode] = 4004
CLOSE_HISTORY_LOST: Final[CloseCode] = 4100
CLOSE_BAD_FRAMES: Final[CloseCode] = 4400
CLOSE_BAD_TOKEN: Final[CloseCode] = 4401
CLOSE_BANNED: Final[CloseCode] = 4403
CLOSE_UNKNOWN_ROOM: Final[CloseCode] = 4404
CLOSE_NO_HELLO: Final[CloseCode] = 4408
CLOSE_TOO_LARGE: Final[CloseCode] = 4413
CLOSE_VERSION: Final[CloseCode] = 4426


# ---- from the client ----


class ClientFrame(Struct, frozen=True, kw_only=True, tag_field="t"):
    """Base of what a client sends. An optional field may be absent or null; an unknown one is ignored."""


class HelloFrame(ClientFrame, frozen=True, kw_only=True, tag="hello"):
    v: int
    pos: Position | None = None
    viewer: Annotated[str, Meta(max_length=512)] | None = None
    name: Annotated[str, Meta(max_length=200)] | None = None
    locale: Annotated[str, Meta(max_length=35)] | None = None
    purpose: Purpose = "view"


class ChatFrame(ClientFrame, frozen=True, kw_only=True, tag="chat"):
    id: FrameId
    text: LineText
    reply_to: Id | None = None


class NameFrame(ClientFrame, frozen=True, kw_only=True, tag="name"):
    id: FrameId
    name: Name


class LikeFrame(ClientFrame, frozen=True, kw_only=True, tag="like"):
    n: Annotated[int, Meta(ge=1, le=50)]


class WatchFrame(ClientFrame, frozen=True, kw_only=True, tag="watch"):
    playing: bool
    via: Via


class ImpressionFrame(ClientFrame, frozen=True, kw_only=True, tag="impression"):
    card: Id
    showing: Id


class ModerateFrame(ClientFrame, frozen=True, kw_only=True, tag="moderate"):
    id: FrameId
    action: ModerateAction
    line: Id | None = None
    viewer: Id | None = None
    seconds: Annotated[int, Meta(ge=1, le=366 * 86_400)] | None = None


class PingFrame(ClientFrame, frozen=True, kw_only=True, tag="ping"):
    id: FrameId


AnyClientFrame: TypeAlias = (
    HelloFrame | ChatFrame | NameFrame | LikeFrame | WatchFrame | ImpressionFrame | ModerateFrame | PingFrame
)
CLIENT_FRAMES: Final[tuple[type[ClientFrame], ...]] = (
    HelloFrame, ChatFrame, NameFrame, LikeFrame, WatchFrame, ImpressionFrame, ModerateFrame, PingFrame,
)  # fmt: skip


# ---- from the server ----


class ServerFrame(Struct, frozen=True, kw_only=True, tag_field="t"):
    """Base of what the server sends."""


class You(Struct, frozen=True, kw_only=True):
    """What the server takes the member for."""

    viewer: str
    name: str
    role: Role
    staff: bool


class WelcomeFrame(ServerFrame, frozen=True, kw_only=True, tag="welcome"):
    """`pos` is where the following frames continue: of `state`, or the client's own when recovered."""

    v: int
    room: RoomState
    you: You
    token: str
    pos: Position
    recovered: bool
    now_ms: int
    state: State | None


class RoomEvent(ServerFrame, frozen=True, kw_only=True):
    """Base of the frames that are events of a room. Published without `pos`; delivered with it."""

    pos: Position | UnsetType = UNSET


class TickFrame(RoomEvent, frozen=True, kw_only=True, tag="tick"):
    """Apply `chat`, then `deleted`. `likes` and `viewers` are totals, so the latest one is enough."""

    chat: list[Line] | UnsetType = UNSET
    deleted: list[str] | UnsetType = UNSET
    likes: int | UnsetType = UNSET
    viewers: int | UnsetType = UNSET
    bought: list[Bought] | UnsetType = UNSET


class CardsFrame(RoomEvent, frozen=True, kw_only=True, tag="cards"):
    ver: int
    pinned: str | None
    cards: list[Card]
    sync: Literal["media", "now"]
    t_capture_ms: int | UnsetType = UNSET


class RoomFrame(RoomEvent, frozen=True, kw_only=True, tag="room"):
    room: RoomState


class PinnedLineFrame(RoomEvent, frozen=True, kw_only=True, tag="pinned_line"):
    line: Line | None


class NumbersFrame(ServerFrame, frozen=True, kw_only=True, tag="numbers"):
    """Staff only; no position, the latest one is enough. `gmv_minutes`: [minute_ms, minor] pairs."""

    viewers: int
    peak: int
    likes: int
    clicks: int
    orders_placed: int
    orders_paid: int
    gmv_paid: Money
    gmv_minutes: list[tuple[int, int]]
    products: list[CardNumbers]


class OrderFrame(ServerFrame, frozen=True, kw_only=True, tag="order"):
    """Only to the buying viewer."""

    order: str
    state: wire_shapes.OrderLife
    trade_no: str


class AckFrame(ServerFrame, frozen=True, kw_only=True, tag="ack"):
    id: str
    line: str | UnsetType = UNSET


class RefusedFrame(ServerFrame, frozen=True, kw_only=True, tag="refused"):
    code: str
    detail: str
    id: str | UnsetType = UNSET
    where: str | UnsetType = UNSET
    retry_ms: int | UnsetType = UNSET


class PongFrame(ServerFrame, frozen=True, kw_only=True, tag="pong"):
    id: str
    now_ms: int


AnyRoomEvent: TypeAlias = TickFrame | CardsFrame | RoomFrame | PinnedLineFrame
AnyServerFrame: TypeAlias = (
    WelcomeFrame | TickFrame | CardsFrame | RoomFrame | PinnedLineFrame
    | NumbersFrame | OrderFrame | AckFrame | RefusedFrame | PongFrame
)  # fmt: skip
SERVER_FRAMES: Final[tuple[type[ServerFrame], ...]] = (
    WelcomeFrame, TickFrame, CardsFrame, RoomFrame, PinnedLineFrame,
    NumbersFrame, OrderFrame, AckFrame, RefusedFrame, PongFrame,
)  # fmt: skip


# ---- coding ----


class BadFrame(ValueError):
    """A client frame that is not one of the protocol's.

    `where` is the path of the wrong field (`text`, `pos[1]`; empty for the whole message),
    `id` the frame's own id if it could still be read, so that the client knows what was refused.
    """

    def __init__(self, detail: str, *, where: str = "", id: str | None = None) -> None:
        super().__init__(f"{detail} (at {where})" if where else detail)
        self.detail = detail
        self.where = where
        self.id = id


class _OnlyId(Struct):
    id: str | None = None


_encoder = msgspec.json.Encoder()
_client_decoder: msgspec.json.Decoder[AnyClientFrame] = msgspec.json.Decoder(AnyClientFrame)
_server_decoder: msgspec.json.Decoder[AnyServerFrame] = msgspec.json.Decoder(AnyServerFrame)
_id_decoder = msgspec.json.Decoder(_OnlyId)
_MISSING = re.compile(r"missing required field `(?P<field>.+)`$")
_PATH = re.compile(r" - at `\$\.?(?P<path>.*)`$", re.DOTALL)


def decode_client(data: str | bytes) -> AnyClientFrame:
    """The frame in one text message.

    Raises BadFrame and nothing else, whatever the bytes are: depth and size of numbers included.
    """
    try:
        return _client_decoder.decode(data)
    except msgspec.ValidationError as exc:
        detail, where = _explain(str(exc))
        raise BadFrame(detail, where=where, id=_id_of(data)) from None
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise BadFrame(f"not JSON: {exc}") from None
    except RecursionError:
        raise BadFrame("nested too deeply") from None


def decode_server(data: str | bytes) -> AnyServerFrame:
    """The frame as a client of this server reads it. Raises msgspec.DecodeError."""
    return _server_decoder.decode(data)


def encode(frame: ServerFrame | ClientFrame | Struct) -> bytes:
    """Compact JSON. Encode a room's frame once and share the bytes."""
    return _encoder.encode(frame)


def at(event: AnyRoomEvent, position: Position) -> AnyRoomEvent:
    """The event as the frame that is delivered for it."""
    return msgspec.structs.replace(event, pos=position)


def _explain(message: str) -> tuple[str, str]:
    """msgspec's message without its path, and the path; a missing field is named as if it were there."""
    found = _PATH.search(message)
    path = found["path"] if found else ""
    detail = message[: found.start()] if found else message
    if (missing := _MISSING.search(detail)) is not None:
        path = f"{path}.{missing['field']}" if path else missing["field"]
    return detail, path


def _id_of(data: str | bytes) -> str | None:
    try:
        return (_id_decoder.decode(data).id or "")[:64] or None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
