"""The demo show: `python -m loadtest.show --url http://HOST:PORT --room demo --key KEY` publishes until it is ended.

It comes back by itself when the server restarts. It leaves on SIGTERM, when the process that started it is gone, and
for good when a person takes the stage or ends the show: a demo never competes with the one it is shown to.

With the demo brand's e-mail address and password in the environment it also puts the first product on screen.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import signal
import sys
from urllib.parse import quote

import aiohttp

from loadtest.publisher import Publisher
from loadtest.viewer import SignallingRefused

log = logging.getLogger("loadtest.show")

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 10.0
_STEADY_S = 10.0  # a session this long was a good one: the next wait is short again
_PARENT_CHECK_S = 1.0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.show", description=__doc__)
    parser.add_argument("--url", required=True, help="address of the server, such as http://127.0.0.1:8080")
    parser.add_argument("--room", default="demo")
    parser.add_argument("--key", default=os.environ.get("STREAMSERVER_DEMO_KEY", ""), help="the room's stream key")
    parser.add_argument("--size", default="640x360", help="WIDTHxHEIGHT, even numbers")
    parser.add_argument("--rate", type=int, default=24, help="frames per second")
    parser.add_argument("--codec", choices=("h264", "vp8"), help="offer only this video codec")
    arguments = parser.parse_args(argv)
    width, _, height = arguments.size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        parser.error(f"--size {arguments.size!r}: expected WIDTHxHEIGHT")
    if not 1 <= arguments.rate <= 60:
        parser.error(f"--rate {arguments.rate}: expected 1 to 60")
    if not arguments.key:
        parser.error("--key or STREAMSERVER_DEMO_KEY is required")
    arguments.width, arguments.height = int(width), int(height)
    return arguments


async def _publish_once(arguments: argparse.Namespace, ended: asyncio.Event) -> None:
    url = f"{arguments.url.rstrip('/')}/whip/{quote(arguments.room, safe='')}"
    async with Publisher(
        url,
        arguments.key,
        width=arguments.width,
        height=arguments.height,
        rate=arguments.rate,
        codec=arguments.codec,
    ) as publisher:
        log.info("publishing to %s", url)
        await _show_a_product(arguments)
        waits = [asyncio.create_task(event.wait()) for event in (ended, publisher.ended)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


async def _stage_is_taken(arguments: argparse.Namespace) -> bool:
    """After our session ended: whether the room is live without us, or over. An unreachable server is neither."""
    try:
        async with _client(arguments) as client, client.get(f"/api/rooms/{quote(arguments.room, safe='')}") as answer:
            return answer.status == 200 and (await answer.json())["state"] in ("live", "ended")
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def _show_a_product(arguments: argparse.Namespace) -> None:
    """Pins the first card through the studio's API where nothing is on screen yet."""
    email, password = (os.environ.get(f"STREAMSERVER_DEMO_{name}", "") for name in ("EMAIL", "PASSWORD"))
    if not (email and password):
        return
    cards = f"/api/rooms/{quote(arguments.room, safe='')}/cards"
    try:
        async with _client(arguments) as client:
            async with client.post("/api/auth/sign-in", json={"email": email, "password": password}) as answer:
                answer.raise_for_status()
            async with client.get(cards) as answer:
                shown = (await answer.json())["cards"]
            if shown and not any(card["showing"] for card in shown):
                async with client.post(f"{cards}/{shown[0]['id']}/pin") as answer:
                    answer.raise_for_status()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        log.warning("no product was put on screen: %s", error)


def _client(arguments: argparse.Namespace) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        arguments.url.rstrip("/"),
        timeout=aiohttp.ClientTimeout(total=10),
        cookie_jar=aiohttp.CookieJar(unsafe=True),  # cookies of a server named by its address
    )


async def _watch_parent(ended: asyncio.Event) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110  a parent's death raises no event
        await asyncio.sleep(_PARENT_CHECK_S)
    log.info("the process that started the show is gone")
    ended.set()


async def run(arguments: argparse.Namespace) -> int:
    """Publish until SIGTERM, SIGINT or the parent's end. Returns the exit status: 2 when the key is refused."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, ended.set)
    watcher = asyncio.create_task(_watch_parent(ended))
    wait = _FIRST_WAIT_S
    try:
        while not ended.is_set():
            began = loop.time()
            try:
                await _publish_once(arguments, ended)
            except SignallingRefused as refused:
                if refused.status in (401, 403, 404):
                    log.error("the server refuses this key or room: %s", refused)
                    return 2
                log.warning("refused for now: %s", refused)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("no server yet: %s", error)
            if not ended.is_set() and await _stage_is_taken(arguments):
                log.info("somebody else is live, or the show was ended: leaving")
                return 0
            if loop.time() - began > _STEADY_S:
                wait = _FIRST_WAIT_S
            try:
                # Full jitter, so that many shows of one machine do not come back in step.
                await asyncio.wait_for(ended.wait(), random.uniform(_FIRST_WAIT_S, wait))
            except TimeoutError:
                wait = min(_LONGEST_WAIT_S, wait * 2)
    finally:
        watcher.cancel()
    return 0


def main(argv: list[str] | None = None) -> int:
    arguments = _arguments(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    for chatty in ("aiortc", "aioice", "libav"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return asyncio.run(run(arguments))


if __name__ == "__main__":
    sys.exit(main())
