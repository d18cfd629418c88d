"""Running a server in this process: settings from flags, signals, the start-up text, and the demo show beside it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from config.settings import ENV_PREFIX, Settings, SettingsError, describe, load

from .logs import hide, setup_logs
from .server import Server, Setup

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting; a list takes the flag several times, a switch has a `--no-` form."""
    parser.add_argument("--config", type=Path, help="TOML file of settings")
    for name, kind, default, doc in describe():
        flag = "--" + name.replace("_", "-")
        text = doc.replace("%", "%%") + (f" [{default}]" if default not in ("", (), None) else "")
        if kind == "bool":
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=doc)
        elif kind == "list of str":
            parser.add_argument(flag, action="append", default=None, help=text, metavar="X")
        else:
            number = {"int": int, "float": float}.get(kind, str)
            parser.add_argument(flag, type=number, default=None, help=text, metavar=name.upper())


def settings_of(args: argparse.Namespace) -> Settings:
    """Raises SettingsError."""
    names = {name for name, _, _, _ in describe()}
    flags: dict[str, Any] = {key: value for key, value in vars(args).items() if key in names}
    return load(file=args.config, environ=os.environ, flags=flags)


def serve(args: argparse.Namespace, features: Sequence[Setup], *, show: bool) -> int:
    """Runs until SIGTERM or SIGINT. Returns the exit status."""
    try:
        settings = settings_of(args)
    except SettingsError as exc:
        print(f"streamserver: {exc}", file=sys.stderr)
        return 2
    interactive = sys.stderr.isatty() and f"{ENV_PREFIX}LOG_FORMAT" not in os.environ
    setup_logs(level=settings.log_level, form="text" if interactive else settings.log_format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, features, show=show))


async def _serve(settings: Settings, features: Sequence[Setup], *, show: bool) -> int:
    def progress(text: str) -> None:
        print(f"  {text} ...", file=sys.stderr, flush=True)

    try:
        server = await Server.create(settings, features, progress=progress)
        await server.start()
    except (OSError, SettingsError) as exc:
        print(f"streamserver: cannot start: {exc}", file=sys.stderr)
        return 1
    if server.demo.hint is not None:
        hide(server.demo.hint.stream_key)
        hide(server.demo.hint.password)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    log.info(
        "started",
        extra={"url": server.base_url(), "engine": server.engine_choice, "sqlite": sqlite3.sqlite_version},
    )
    player = None
    if show and server.demo.hint is not None:
        player = await _start_show(server)
    print(start_text(server, show=player is not None), flush=True)
    await stopping.wait()
    await server.drain()
    if player is not None:
        await _stop_show(player)
    await server.stop()
    log.info("stopped")
    return 0


def start_text(server: Server, *, show: bool) -> str:
    """What a person who started the server wants to see."""
    url = server.base_url()
    lines = ["", f"  streamserver is running at {url}", f"  {server.engine_choice}"]
    if (demo := server.demo.hint) is not None:
        lines += [
            "",
            f"  watch         {url}/r/{demo.room}" + ("   (the demo show is on)" if show else ""),
            f"  studio        {url}/studio",
            f"  sign in       {demo.email}  /  {demo.password}",
            f"  encoder       {url}/whip/{demo.room}   stream key {demo.stream_key}",
        ]
    else:
        lines += [
            "",
            f"  studio        {url}/studio",
            "  accounts      python -m streamserver account add --help",
        ]
    return "\n".join([*lines, "", "  Ctrl-C stops it.", ""])


async def _start_show(server: Server) -> asyncio.subprocess.Process:
    """The built-in publisher is a client like any other, in a process of its own."""
    assert server.demo.hint is not None
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "loadtest.show",
        "--url",
        server.base_url() if not server.settings.public_url else f"http://127.0.0.1:{server.port}",
        "--room",
        server.demo.hint.room,
        # In the environment and not in the command line, which every user of the machine can read.
        env={
            **os.environ,
            "STREAMSERVER_DEMO_KEY": server.demo.hint.stream_key,
            "STREAMSERVER_DEMO_EMAIL": server.demo.hint.email,
            "STREAMSERVER_DEMO_PASSWORD": server.demo.hint.password,
        },
        cwd=Path(__file__).parent.parent,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )


async def _stop_show(player: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        player.terminate()
    try:
        await asyncio.wait_for(player.wait(), 5)
    except TimeoutError:
        player.kill()
        await player.wait()
