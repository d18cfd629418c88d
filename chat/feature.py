"""Sets up the chat on a server: frames, what joiners get, background work."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from streamserver.plaintext import Words
from streamserver.server import Server
from streamserver.wire import ChatFrame, LikeFrame, ModerateFrame, NameFrame

from .moderator import Moderator
from .service import ChatService


def setup(server: Server) -> None:
    chat = ChatService(
        server.bus,
        server.store,
        server.clock,
        server.new_id,
        lambda: server.members,
        words=Words(server.settings.chat_words),
        links=server.settings.chat_links,
    )
    moderator = Moderator(chat, server.bus, server.store, server.clock, lambda: server.members)
    server.frames.on(ChatFrame, chat.post)
    server.frames.on(NameFrame, chat.rename)
    server.frames.on(LikeFrame, chat.like)
    server.frames.on(ModerateFrame, moderator.moderate)
    server.frames.on_entry(chat.check_entry)
    server.state.provide("chat", chat.lines)
    server.state.provide("pinned_line", chat.pinned)
    server.state.provide("likes", chat.likes)

    async def running(_app: web.Application) -> AsyncIterator[None]:
        server.spawn(chat.tell_likes(), name="chat-likes")
        server.spawn(chat.keep(), name="chat-keep")
        yield
        await chat.finish()

    server.app.cleanup_ctx.append(running)
