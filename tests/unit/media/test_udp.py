"""Sockets of the media plane: the port range is honoured, and candidates name what was bound."""

from __future__ import annotations

import socket

import pytest

from config.settings import Settings, SettingsError
from streamserver.clock import SystemClock
from streamserver.media.aiortc_engine import AiortcEngine
from streamserver.media.choose import choose_engine, engine_config
from streamserver.media.engine import EngineConfig
from streamserver.media.udp import bind, local_addresses


def free_range(size: int) -> int:
    """First of `size` neighbouring ports that were all free a moment ago."""
    for low in range(20_000, 60_000, size):
        socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(size)]
        try:
            for offset, sock in enumerate(socks):
                sock.bind(("127.0.0.1", low + offset))
            return low
        except OSError:
            continue
        finally:
            for sock in socks:
                sock.close()
    raise AssertionError("no free range")


def test_the_first_free_port_of_the_range_is_taken() -> None:
    low = free_range(3)
    ports = [bind(["127.0.0.1"], low, low + 2)[0] for _ in range(3)]
    try:
        assert [port.port for port in ports] == [low, low + 1, low + 2]
        with pytest.raises(OSError, match=f"{low}-{low + 2}"):
            bind(["127.0.0.1"], low, low + 2)
    finally:
        for port in ports:
            port.close()


def test_all_hosts_share_one_port() -> None:
    ports = bind(["127.0.0.1", "127.0.0.2"], 0, 0)
    try:
        assert len({port.port for port in ports}) == 1
    finally:
        for port in ports:
            port.close()


async def test_an_announced_ipv6_address_gets_a_socket() -> None:
    engine = AiortcEngine(EngineConfig(announce=("::1", "127.0.0.1")))
    try:
        await engine.start()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    try:
        assert [host for host, _ in engine.candidates] == ["::1", "127.0.0.1"]
        assert len({port for _, port in engine.candidates}) == 1
    finally:
        await engine.stop()


def test_loopback_is_announced_last() -> None:
    addresses = local_addresses()
    assert addresses[-1] == "127.0.0.1"
    assert len(set(addresses)) == len(addresses)


def test_settings_become_the_engines_bounds() -> None:
    settings = Settings(
        announce=("192.0.2.7", "2001:db8::1", "192.0.2.7"),
        udp_ports="7000-7010",
        media_max_bitrate_kbps=2500,
        media_max_sessions=5,
        resume_window_s=40,
    )
    config = engine_config(settings)
    assert config.announce == ("192.0.2.7", "2001:db8::1")
    assert config.udp_ports == (7000, 7010)
    assert (config.max_video_bps, config.max_sessions, config.resume_s) == (2_500_000, 5, 40)
    assert "127.0.0.1" in engine_config(Settings()).announce


def test_a_name_that_is_no_address_is_named() -> None:
    with pytest.raises(SettingsError, match=r"media\.example"):
        engine_config(Settings(announce=("media.example",)))


def test_the_engine_is_chosen_and_said() -> None:
    engine, line = choose_engine(Settings(media_engine="aiortc"), SystemClock())
    assert engine.name == "aiortc"
    assert "aiortc" in line
