"""The one place that chooses the media engine: native where its wheel is installed, else aiortc.

Knows settings and names; whoever starts the server says which one serves.
"""

from __future__ import annotations

import importlib
import ipaddress
from typing import TYPE_CHECKING, Final

from config.settings import Settings, SettingsError
from streamserver.clock import Clock
from streamserver.media.engine import EngineConfig
from streamserver.media.udp import local_addresses

if TYPE_CHECKING:
    from streamserver.media.engine import MediaEngine

NATIVE_MODULE: Final = "streamserver_native"
ABI: Final = 1
"""Of the calls into NATIVE_MODULE; counted up, here and in crate `binding`, whenever one of them changes."""
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
        tcp_port=settings.media_tcp_port,
        threads=settings.media_threads,
        max_video_bps=settings.media_max_bitrate_kbps * 1000,
        max_sessions=settings.media_max_sessions,
        resume_s=settings.resume_window_s,
    )


def native_problem() -> str | None:
    """Why the native engine cannot serve, or None when it can."""
    try:
        module = importlib.import_module(NATIVE_MODULE)
    except ModuleNotFoundError:
        return f"{NATIVE_MODULE} is not installed"
    except ImportError as error:
        return f"{NATIVE_MODULE} cannot be loaded: {error}"
    built = getattr(module, "ABI", 0)
    if built != ABI:
        version = getattr(module, "__version__", "of unknown age")
        return f"{NATIVE_MODULE} {version} was built for another version of this tree (ABI {built}, not {ABI})"
    return None


def choose_engine(settings: Settings, clock: Clock) -> tuple[MediaEngine, str]:
    """The engine and one line that says which it is and why.

    Raises SettingsError when `media_engine` asks for one that cannot serve.
    """
    config = engine_config(settings)
    why = "as `media_engine` asks"
    if settings.media_engine != "aiortc":
        problem = native_problem()
        if problem is None:
            from streamserver.media.native_engine import NativeEngine

            return NativeEngine(config, clock), "media engine: native"
        if settings.media_engine == "native":
            raise SettingsError("media_engine", "settings", problem)
        why = problem
    # Here and not above: where native serves, aiortc's libraries need not be loaded.
    from streamserver.media.aiortc_engine import AiortcEngine

    return AiortcEngine(config, clock), f"media engine: aiortc ({why})"
