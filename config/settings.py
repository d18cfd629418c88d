"""Every setting with its type, unit, default and meaning in one place, and how they are loaded.

Later sources win: defaults < TOML file (`--config`) < environment (`STREAMSERVER_<NAME>`) < command line.
Knows nothing of the server; a wrong value raises `SettingsError` that names the setting and the source.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
from msgspec import Meta

ENV_PREFIX = "STREAMSERVER_"

Port = Annotated[int, Meta(ge=0, le=65535)]


class SettingsError(ValueError):
    """A setting that cannot be used. `key` names it, `source` says where it was read."""

    def __init__(self, key: str, source: str, problem: str) -> None:
        super().__init__(f"setting {key!r} from {source}: {problem}")
        self.key = key
        self.source = source
        self.problem = problem


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings. Names are the TOML keys, the upper-cased environment suffixes and the long flags."""

    host: Annotated[str, Meta(description="Address the HTTP server listens on; 0.0.0.0 for all.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        Port, Meta(description="TCP port of HTTP, WHIP, WHEP and WebSocket; 0 picks a free one.")
    ] = 8080
    udp_ports: Annotated[
        str,
        Meta(
            description="UDP ports media may use, A-B; the first free one is taken. 0-0 picks any.",
            pattern=r"^\d{1,5}-\d{1,5}$",
        ),
    ] = "7880-7899"
    announce: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses offered to peers as ICE candidates. Empty: those of this machine, and 127.0.0.1."
        ),
    ] = ()
    public_url: Annotated[
        str,
        Meta(description="The address people open, for links and cookies. Empty: http://HOST:PORT."),
    ] = ""
    data: Annotated[str, Meta(description="Folder of the database, images and recordings.")] = "data"
    demo: Annotated[
        bool, Meta(description="Seed a demo brand, its products and the room `demo` on first start.")
    ] = True
    demo_key: Annotated[str, Meta(description="Stream key of the demo room. Empty: made at first start.")] = (
        ""
    )
    demo_password: Annotated[
        str, Meta(description="Password of the demo brand. Empty: made at first start.")
    ] = ""
    log_level: Annotated[
        str, Meta(description="DEBUG, INFO, WARNING or ERROR.", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    ] = "INFO"
    log_format: Annotated[str, Meta(description="json or text.", pattern="^(json|text)$")] = "json"
    metrics_public: Annotated[
        bool, Meta(description="Answer /metrics to anybody. Off: only to loopback addresses.")
    ] = False
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(description="Addresses of proxies whose X-Forwarded-For is believed."),
    ] = ()
    drain_s: Annotated[
        float, Meta(ge=0, le=300, description="Seconds that SIGTERM waits for work to finish.")
    ] = 10.0
    idle_s: Annotated[
        float,
        Meta(ge=0.5, le=300, description="Seconds a connection may wait for a request before it is closed."),
    ] = 10.0
    resume_window_s: Annotated[
        float,
        Meta(ge=1, le=3600, description="Seconds a show waits for a dropped publisher before it ends."),
    ] = 120.0
    media_engine: Annotated[
        str,
        Meta(
            description="auto, aiortc or native. auto: native where it is installed, else aiortc.",
            pattern="^(auto|aiortc|native)$",
        ),
    ] = "auto"
    media_threads: Annotated[
        int,
        Meta(
            ge=0, le=62, description="Media threads (native engine). 0: one less than there are cores, at least one."
        ),
    ] = 0
    media_tcp_port: Annotated[
        int,
        Meta(
            ge=-1,
            le=65535,
            description="TCP port of media for networks that block UDP (native engine). "
            "0: the same number as the UDP port; -1: none.",
        ),
    ] = 0
    media_max_bitrate_kbps: Annotated[
        int, Meta(ge=100, le=50_000, description="Greatest bitrate asked of a publisher, kbit/s.")
    ] = 4000
    media_max_sessions: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description="Media sessions admitted before joins are refused with 503. "
            "0: what the engine is made for (native 20000, aiortc 2000).",
        ),
    ] = 0
    ice_servers: Annotated[
        tuple[str, ...], Meta(description="STUN or TURN URLs told to WHIP and WHEP clients.")
    ] = ()
    tick_ms: Annotated[
        int, Meta(ge=10, le=1000, description="Milliseconds between two coalesced room frames.")
    ] = 80
    history_events: Annotated[
        int, Meta(ge=10, le=1_000_000, description="Events of a room kept for resuming members.")
    ] = 2000
    history_s: Annotated[
        float, Meta(ge=1, le=86_400, description="Seconds that events are kept for resuming members.")
    ] = 300.0
    chat_words: Annotated[
        tuple[str, ...], Meta(description="Words that refuse a chat line (whole words, case folded).")
    ] = ()
    chat_links: Annotated[bool, Meta(description="Whether viewers may post links; staff always may.")] = False
    reservation_s: Annotated[
        int, Meta(ge=30, le=86_400, description="Seconds a placed order holds its stock.")
    ] = 900
    restock_on_refund: Annotated[
        bool, Meta(description="Whether a full refund puts the goods back in stock.")
    ] = False
    payment_provider: Annotated[
        str, Meta(description="Provider of new payments: sandbox.", pattern="^sandbox$")
    ] = "sandbox"
    attribution_window_h: Annotated[
        int, Meta(ge=1, le=24 * 90, description="Hours after a click in which an order counts for it.")
    ] = 24
    target_low: Annotated[
        float, Meta(gt=0, description="Lower edge of the target band: room over industry.")
    ] = 2.0
    target_high: Annotated[
        float, Meta(gt=0, description="Upper edge of the target band: room over industry.")
    ] = 3.0
    own_history_rooms: Annotated[
        int, Meta(ge=5, le=1000, description="Last rooms of the brand that make its own median.")
    ] = 20
    baselines: Annotated[str, Meta(description="CSV of industry baselines. Empty: the shipped one.")] = ""

    def base_url(self, port: int | None = None) -> str:
        """The address people open, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        if ":" in host:
            host = f"[{host}]"
        return f"http://{host}:{self.port if port is None else port}"

    def udp_range(self) -> tuple[int, int]:
        low, _, high = self.udp_ports.partition("-")
        return int(low), int(high)


def describe() -> list[tuple[str, str, Any, str]]:
    """(name, type, default, doc) of each setting, in order; the sample file and `--help` are made from it."""
    hints = get_type_hints(Settings, include_extras=True)
    out: list[tuple[str, str, Any, str]] = []
    for field in msgspec.structs.fields(Settings):
        kind, doc = _kind_and_doc(hints[field.name])
        out.append((field.name, kind, field.default, doc))
    return out


def _kind_and_doc(hint: Any) -> tuple[str, str]:
    """Type name and description of an annotation; an outer Meta carries the description."""
    doc = next((m.description for m in getattr(hint, "__metadata__", ()) if m.description), "")
    base = hint
    while hasattr(base, "__metadata__"):
        base = get_args(base)[0]
    return ("list of str" if base not in (str, int, float, bool) else base.__name__), doc


def load(
    *,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from the three sources. Raises `SettingsError` naming the key and the source."""
    names = {name: kind for name, kind, _, _ in describe()}
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}

    def take(key: str, value: Any, source: str) -> None:
        if key not in names:
            raise SettingsError(key, source, "no such setting")
        if names[key] == "list of str" and isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        values[key] = value
        origin[key] = source

    if file is not None:
        try:
            table = tomllib.loads(file.read_text("utf-8"))
        except OSError as exc:
            raise SettingsError("config", str(file), exc.strerror or str(exc)) from exc
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            raise SettingsError("config", str(file), f"not valid TOML: {exc}") from exc
        for key, value in table.items():
            take(key, value, str(file))
    for name in names:
        variable = ENV_PREFIX + name.upper()
        if environ and environ.get(variable):
            take(name, environ[variable], f"environment variable {variable}")
    for key, value in (flags or {}).items():
        if value is not None:
            take(key, value, f"flag --{key.replace('_', '-')}")

    for key, value in values.items():
        try:
            msgspec.convert({key: value}, Settings, strict=False)
        except msgspec.ValidationError as exc:
            raise SettingsError(key, origin[key], str(exc).split(" - at ")[0]) from exc
    settings = msgspec.convert(values, Settings, strict=False)
    low, high = settings.udp_range()
    if low > high or high > 65535:
        raise SettingsError("udp_ports", origin.get("udp_ports", "default"), "A-B needs A <= B <= 65535")
    if settings.target_low >= settings.target_high:
        raise SettingsError("target_low", origin.get("target_low", "default"), "must be below target_high")
    return settings


def sample() -> str:
    """The complete sample file: every setting commented out at its default."""
    lines = ["# streamserver settings; every line is at its default. Load with --config FILE.", ""]
    for name, kind, default, doc in describe():
        lines += [f"# {doc} ({kind})", f"# {name} = {_toml(default)}", ""]
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return str(value)
