"""The one place that chooses the media engine: native where its wheel is installed, else aiortc.

Knows settings and names; whoever starts the server says which one serves.
"""

from __future__ import annotations

import importlib
import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from config.settings import Settings, SettingsError
from streamserver.clock import Clock
from streamserver.media.aiortc_engine import AiortcEngine
from streamserver.media.engine import EngineConfig
from streamserver.media.udp import local_addresses

if TYPE_CHECKING:
    from streamserver.media.engine import MediaEngine

NATIVE_MODULE: Final = "streamserver_native"
MAX_ANNOUNCED: Final = 8


def engine_config(settings: Settings) -> EngineConfig:
    """The engine's part of the settings. Raises SettingsError for an announced name that is no address."""
    announced: list[str] = []
    for address in settings.announce or local_addresses()[-MAX_ANNOUNCED:]:
        try:
            announced.append(str(ipaddress.ip_address(address)))
        except ValueError:
            raise SettingsError("announce", "settings", f"{address!r} is not an IP address") from None
    return EngineConfig(
        announce=tuple(dict.fromkeys(announced)),
        udp_ports=settings.udp_range(),
        max_video_bps=settings.media_max_bitrate_kbps * 1000,
        max_sessions=settings.media_max_sessions,
        resume_s=settings.resume_window_s,
    )


def _native_factory() -> Callable[[EngineConfig, Clock], MediaEngine] | None:
    """`make_engine` of the native wheel, or None where it is not installed."""
    try:
        module = importlib.import_module(NATIVE_MODULE)
    except ModuleNotFoundError:
        return None
    return cast("Callable[[EngineConfig, Clock], MediaEngine]", module.make_engine)


def choose_engine(settings: Settings, clock: Clock) -> tuple[MediaEngine, str]:
    """The engine and one line that says which it is and why.

    Raises SettingsError when `media_engine` asks for one that is not installed.
    """
    config = engine_config(settings)
    if settings.media_engine != "aiortc":
        factory = _native_factory()
        if factory is not None:
            return factory(config, clock), "media engine: native"
        if settings.media_engine == "native":
            raise SettingsError("media_engine", "settings", f"the package {NATIVE_MODULE} is not installed")
    return AiortcEngine(config, clock), f"media engine: aiortc ({NATIVE_MODULE} is not installed)"
