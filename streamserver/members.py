"""Who is in a room right now, as the platform and the features see it.

Interfaces and two registries. Knows nothing of sockets: `signaling` makes the members and counts them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from streamserver.ids import RoomId, ViewerId
from streamserver.wire import ClientFrame, CloseCode, Role, ServerFrame

if TYPE_CHECKING:
    from streamserver.auth import Account

F = TypeVar("F", bound=ClientFrame)


class Member(Protocol):
    """One realtime connection of a viewer, from its `welcome` until it is gone."""

    @property
    def room_id(self) -> RoomId: ...

    @property
    def viewer_id(self) -> ViewerId: ...

    @property
    def account(self) -> Account | None:
        """The signed-in person, whatever their rights in this room."""
        ...

    @property
    def name(self) -> str: ...

    @property
    def role(self) -> Role:
        """The account's role where it is staff of this room, else `viewer`."""
        ...

    @property
    def staff(self) -> bool:
        """May moderate this room: staff of its seller, or an operator."""
        ...

    @property
    def excluded(self) -> str:
        """Why this traffic is left out of reports (`staff`, `loadtest`, `test`), or empty."""
        ...

    def send(self, frame: ServerFrame) -> None:
        """A private frame. Never waits and never drops; a member that does not read is closed as slow."""
        ...


class Members(Protocol):
    """The members on this node."""

    def of(self, room_id: RoomId, viewer_id: ViewerId) -> Sequence[Member]: ...

    def rename(self, room_id: RoomId, viewer_id: ViewerId, name: str) -> None:
        """Every member of the viewer is called `name` from now on."""
        ...

    def close(self, room_id: RoomId, viewer_id: ViewerId, code: CloseCode, reason: str) -> int:
        """Closes every member of the viewer; answers how many there were."""
        ...


class Presence(Protocol):
    """Exact counts of distinct viewers: one with several tabs counts once, an excluded one does not count."""

    def viewers(self, room_id: RoomId) -> int: ...

    def peak(self, room_id: RoomId) -> int:
        """Greatest number at once since this process started counting the room's current show."""
        ...


class NoMembers:
    """Where nobody is connected, as before the gateway is set up."""

    def of(self, room_id: RoomId, viewer_id: ViewerId) -> Sequence[Member]:
        return ()

    def rename(self, room_id: RoomId, viewer_id: ViewerId, name: str) -> None:
        """Nobody to rename."""

    def close(self, room_id: RoomId, viewer_id: ViewerId, code: CloseCode, reason: str) -> int:
        return 0


class NoPresence:
    """Where nobody is counted, as before the gateway is set up: every room is empty."""

    def viewers(self, room_id: RoomId) -> int:
        return 0

    def peak(self, room_id: RoomId) -> int:
        return 0


class Refusal(Exception):
    """A frame that is not accepted. The gateway answers it with `refused`; nothing was changed.

    `code` names a message in the page's catalogue, `detail` is English for developers,
    `retry_ms` says when trying again can succeed.
    """

    def __init__(
        self, code: str, detail: str, *, where: str | None = None, retry_ms: int | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.where = where
        self.retry_ms = retry_ms


class Turned(Exception):
    """A member that may not enter; raised by an entry check. The socket closes with `code`."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


Handler = Callable[[Member, Any], Awaitable[None]]
EntryCheck = Callable[[RoomId, ViewerId, "Account | None"], Awaitable[None]]
Provider = Callable[[RoomId], Awaitable[Any]]


class FrameRegistry:
    """Which feature handles which client frame, and who may enter.

    A handler gets a member's frames one after the other; it raises Refusal (or StreamServerError) to refuse.
    An entry check runs before `welcome` and raises Turned to keep somebody out.
    """

    def __init__(self) -> None:
        self._handlers: dict[type[ClientFrame], Handler] = {}
        self._entry_checks: list[EntryCheck] = []

    def on(self, frame: type[F], handler: Callable[[Member, F], Awaitable[None]]) -> None:
        """Raises ValueError when the frame already has a handler."""
        if frame in self._handlers:
            raise ValueError(f"{frame.__name__} already has a handler")
        self._handlers[frame] = handler

    def handler(self, frame: type[ClientFrame]) -> Handler | None:
        return self._handlers.get(frame)

    def on_entry(self, check: EntryCheck) -> None:
        self._entry_checks.append(check)

    async def check_entry(self, room_id: RoomId, viewer_id: ViewerId, account: Account | None) -> None:
        for check in self._entry_checks:
            await check(room_id, viewer_id, account)


class StateRegistry:
    """Who answers which field of `wire.State` for a joiner.

    A provider's answer includes at least everything published before it was asked; what is published
    meanwhile reaches the joiner as a frame as well, so every field must bear being told twice.
    """

    def __init__(self) -> None:
        self._providers: dict[str, Provider] = {}

    def provide(self, field: str, provider: Provider) -> None:
        """Raises ValueError when the field already has a provider."""
        if field in self._providers:
            raise ValueError(f"state {field!r} already has a provider")
        self._providers[field] = provider

    async def collect(self, room_id: RoomId) -> dict[str, Any]:
        return {field: await provider(room_id) for field, provider in self._providers.items()}

    async def answer(self, field: str, room_id: RoomId) -> Any:
        """One provider's answer, None where nobody provides the field."""
        provider = self._providers.get(field)
        return None if provider is None else await provider(room_id)
