"""The native engine's tables: which rooms and peers there are, as far as Python must know.

The media threads decide (who replaces whom, when a room is given up); these tables follow their events, so that a
question is answered without asking a thread. Knows no threads, no loop and no SDP text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from streamserver.ids import RoomId, SessionId
from streamserver.media.abilities import Role
from streamserver.media.codecs import H264
from streamserver.media.engine import (
    EngineEvent,
    PublisherStarted,
    PublisherStopped,
    ViewerConnected,
    ViewerLeft,
)
from streamserver.media.negotiation import Offer
from streamserver.media.sessions import Credentials

SHARD_LETTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""A ufrag's first character names the shard that owns the peer (`shard_char` in crate sfu)."""

SlotNumbers = tuple[int, int, int, int]
"""SSRC, SSRC of retransmissions, first sequence number, first timestamp."""


@dataclass(eq=False, slots=True)
class Peer:
    """One session, until its end is reported."""

    id: SessionId
    number: int
    role: Role
    room: Room
    shard: int
    offer: Offer | None
    """None for a pull, where the offer was ours."""
    video_codec: str | None
    """A publisher's negotiated one."""
    credentials: Credentials
    remote_ufrag: str
    connected: bool = False
    closing: bool = False
    """Ended by us; only the report of its end is still to come."""


@dataclass(eq=False, slots=True)
class Room:
    """A room as its viewers know it: the numbers in their answers outlive every publisher."""

    id: RoomId
    number: int
    home: int
    audio: SlotNumbers
    video: SlotNumbers
    cname: str
    publisher: Peer | None = None
    pending: Peer | None = None
    """Admitted, but its handshake is not done; it takes over when it is."""
    away: bool = False
    """It had a publisher, and waits for the next."""
    codec: str = H264
    """The video codec that was published last."""
    viewers: int = 0
    """Those whose handshake is done."""
    peers: set[Peer] = field(default_factory=set[Peer])

    @property
    def alive(self) -> bool:
        return self.publisher is not None or self.pending is not None or self.away

    def published(self) -> str | None:
        """What a viewer must be able to decode, if anything."""
        source = self.publisher or self.pending
        if source is not None:
            return source.video_codec
        return self.codec if self.away else None

    def ssrcs(self) -> dict[str, tuple[int, int]]:
        return {"audio": self.audio[:2], "video": self.video[:2]}


class Tables:
    """Rooms and peers by name and by number. Numbers are never used twice."""

    def __init__(self, emit: Callable[[EngineEvent], None]) -> None:
        self.rooms: dict[RoomId, Room] = {}
        self.sessions: dict[SessionId, Peer] = {}
        self.pending = 0
        self._emit = emit
        self._rooms: dict[int, Room] = {}
        self._peers: dict[int, Peer] = {}
        self._rooms_of: list[int] = []
        self._peers_of: list[int] = []
        self._last_room = 0
        self._last_peer = 0

    def begin(self, shards: int) -> None:
        """Call once it is known how many media threads there are."""
        self._rooms_of = [0] * shards
        self._peers_of = [0] * shards

    # by our own doing ------------------------------------------------------------------------------------

    def home_of(self, id: RoomId) -> int:
        """Where the room is, or would be if it were opened now: the shard with the fewest rooms."""
        room = self.rooms.get(id)
        return room.home if room is not None and room.alive else self._rooms_of.index(min(self._rooms_of))

    def open_room(self, id: RoomId, rand: Callable[[int], int], home: int | None = None) -> Room:
        """The room to publish to: the one there is while anything keeps it, else a new one (at `home`, if given)."""
        room = self.rooms.get(id)
        if room is not None and room.alive:
            return room
        self._last_room += 1
        home = self.home_of(id) if home is None else home
        cname = f"{rand(64):016x}"  # one for both: players keep lips and voice together by it
        room = Room(id, self._last_room, home, _slot(rand), _slot(rand), cname)
        self.rooms[id] = self._rooms[room.number] = room
        self._rooms_of[home] += 1
        return room

    def shard_for(self, room: Room, role: Role) -> int:
        """Publishers live where the room does, viewers where there are the fewest sessions."""
        return room.home if role is Role.PUBLISHER else self._peers_of.index(min(self._peers_of))

    def new_number(self) -> int:
        self._last_peer += 1
        return self._last_peer

    def add(self, peer: Peer) -> None:
        self.sessions[peer.id] = self._peers[peer.number] = peer
        self._peers_of[peer.shard] += 1
        self.pending += 1
        peer.room.peers.add(peer)
        if peer.role is Role.PUBLISHER:
            peer.room.pending = peer  # one that was pending before is ended by its thread

    def close(self, peer: Peer) -> None:
        """It is gone for whoever asks; its end is reported when the thread has done it."""
        if not peer.closing:
            peer.closing = True
            self.sessions.pop(peer.id, None)
            self._leave(peer)

    def close_room(self, room: Room) -> None:
        """Likewise with all its peers."""
        for peer in list(room.peers):
            self.close(peer)
        if self.rooms.get(room.id) is room:
            del self.rooms[room.id]

    # as the threads report -------------------------------------------------------------------------------

    def connected(self, number: int, join_s: float) -> None:
        peer = self._peers.get(number)
        if peer is None:
            return
        room = peer.room
        if not peer.closing:
            self.pending -= 1
            peer.connected = True
            if peer.role is Role.VIEWER:
                room.viewers += 1
            else:
                room.publisher, room.away = peer, False
                if room.pending is peer:
                    room.pending = None
        if peer.role is Role.PUBLISHER:
            room.codec = peer.video_codec or room.codec
            self._emit(PublisherStarted(room.id, peer.id))
        else:
            self._emit(ViewerConnected(room.id, peer.id, join_s * 1000))

    def ended(self, number: int, connected: bool, reason: str) -> str | None:
        """The session's id when it was known."""
        peer = self._peers.pop(number, None)
        if peer is None:
            return None
        self._peers_of[peer.shard] -= 1
        self.close(peer)
        peer.room.peers.discard(peer)
        if connected:
            event = PublisherStopped if peer.role is Role.PUBLISHER else ViewerLeft
            self._emit(event(peer.room.id, peer.id, reason))
        return peer.id

    def room_gone(self, number: int) -> None:
        room = self._rooms.get(number)
        if room is None:
            return
        room.publisher, room.away = None, False
        if room.pending is not None:
            return  # it was given up in the moment in which somebody came back; the newcomer made it anew
        del self._rooms[number]
        self._rooms_of[room.home] -= 1
        if self.rooms.get(room.id) is room:
            del self.rooms[room.id]

    def find(self, number: int) -> Peer | None:
        return self._peers.get(number)

    def room(self, number: int) -> Room | None:
        return self._rooms.get(number)

    def live_rooms(self) -> Iterable[Room]:
        return (room for room in self.rooms.values() if room.publisher is not None)

    def everyone(self) -> list[Peer]:
        return list(self._peers.values())

    def _leave(self, peer: Peer) -> None:
        room = peer.room
        if not peer.connected:
            self.pending -= 1
        elif peer.role is Role.VIEWER:
            room.viewers -= 1
        if room.pending is peer:
            room.pending = None
        elif room.publisher is peer:
            room.publisher, room.away = None, True


def _slot(rand: Callable[[int], int]) -> SlotNumbers:
    """The first number is below 2**15: libsrtp as a receiver guesses the rollover counter wrong close to a wrap."""
    ssrc = rand(32) or 1
    return ssrc, (ssrc ^ 0x5A5A5A5A) or 1, rand(15), rand(32)
