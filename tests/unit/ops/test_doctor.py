"""The doctor finds what is wrong on this very machine, and calls the rest fine."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from streamserver import doctor
from streamserver.doctor import Finding, Level, examine, judge_announce, run_doctor

PUBLIC, OTHER_PUBLIC, PRIVATE = "8.8.4.4", "8.8.8.8", "192.168.7.2"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=str(tmp_path / "data"), port=0, udp_ports="0-0")


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    for page in doctor.PAGES:
        (folder / page).touch()
    monkeypatch.setattr(doctor, "find_dist", lambda: folder)
    return folder


def only(found: list[Finding], check: str) -> Finding:
    one = [finding for finding in found if finding.check == check]
    assert len(one) == 1, one
    return one[0]


def changed(settings: Settings, **values: Any) -> Settings:
    return Settings(**({name: getattr(settings, name) for name in settings.__struct_fields__} | values))


def test_a_sound_machine_passes_and_nothing_is_left_behind(
    settings: Settings, dist: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    found = examine(settings)
    assert [finding for finding in found if finding.level is Level.FAIL] == []
    assert sorted(tmp_path.rglob("*")) == before


def test_json_says_the_same_and_the_exit_code_tells(
    settings: Settings, dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_doctor(settings, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    (dist / "room.html").unlink()
    assert run_doctor(settings, as_json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert [one["check"] for one in report["findings"] if one["level"] == "fail"] == ["web"]
    assert run_doctor(settings) == 1
    assert "room.html" in capsys.readouterr().out


def test_a_missing_build_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_dist", lambda: None)
    assert only(examine(settings), "web").level is Level.FAIL


def test_the_engine_is_named_and_a_missing_one_is_found(settings: Settings) -> None:
    finding = only(examine(changed(settings, media_engine="aiortc")), "engine")
    assert finding.level is Level.OK
    assert "aiortc" in finding.said
    if importlib.util.find_spec("streamserver_native") is None:
        assert only(examine(changed(settings, media_engine="native")), "engine").level is Level.FAIL


@pytest.fixture
def taken_tcp() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_port_held_by_something_else_is_found(settings: Settings, taken_tcp: int) -> None:
    finding = only(examine(changed(settings, port=taken_tcp)), "port")
    assert finding.level is Level.FAIL
    assert str(taken_tcp) in finding.said


def test_udp_ports_that_are_all_taken_are_found(settings: Settings) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("0.0.0.0", 0))
        port = holder.getsockname()[1]
        finding = only(examine(changed(settings, udp_ports=f"{port}-{port}")), "udp")
    assert finding.level is Level.FAIL
    assert str(port) in finding.said


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that even root cannot write")
def test_a_data_folder_that_cannot_be_written_is_found(settings: Settings) -> None:
    assert only(examine(changed(settings, data="/proc/data")), "data").level is Level.FAIL


def test_a_data_folder_on_a_network_file_system_is_told(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"dev / ext4 rw 0 0\nnas:/x {tmp_path}/with\\040space nfs4 rw 0 0\n", encoding="utf-8")
    assert doctor._file_system(tmp_path / "with space" / "data", mounts) == "nfs4"
    assert doctor._file_system(tmp_path / "elsewhere", mounts) == "ext4"
    assert doctor._file_system(tmp_path, tmp_path / "none") is None


def test_a_clock_that_went_back_is_found(settings: Settings) -> None:
    folder = Path(settings.data)
    folder.mkdir()
    database = folder / doctor.DATABASE
    database.touch()
    assert only(examine(settings), "clock").level is Level.OK
    ahead = database.stat().st_mtime + 3 * 3600
    os.utime(database, (ahead, ahead))
    finding = only(examine(settings), "clock")
    assert finding.level is Level.FAIL
    assert "3.0 h" in finding.said


def test_too_few_open_files_are_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: (256, 256))
    assert only(examine(settings), "files").level is Level.FAIL
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: (2048, 2048))
    assert only(examine(settings), "files").level is Level.WARN
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: (doctor.resource.RLIM_INFINITY,) * 2)
    assert only(examine(settings), "files").level is Level.OK


def test_a_check_that_breaks_is_a_finding(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> tuple[int, int]:
        raise RuntimeError("no limits here")

    monkeypatch.setattr(doctor.resource, "getrlimit", broken)
    finding = only(examine(settings), "files")
    assert finding.level is Level.FAIL
    assert "no limits here" in finding.said


@pytest.mark.parametrize(
    ("host", "announced", "own", "levels"),
    [
        ("localhost", (), ("127.0.0.1",), ["ok"]),
        ("127.0.0.1", (), (PRIVATE, "127.0.0.1"), ["ok"]),
        (PRIVATE, (PRIVATE,), (PRIVATE, "127.0.0.1"), ["ok"]),
        (PUBLIC, (PUBLIC,), (PUBLIC, "127.0.0.1"), ["ok"]),
        # Behind a NAT: right, but worth a look.
        (PUBLIC, (PUBLIC,), (PRIVATE, "127.0.0.1"), ["ok", "warn"]),
        # People open an address whose media they cannot reach.
        (PUBLIC, (), (PRIVATE, "127.0.0.1"), ["fail"]),
        (PUBLIC, (PRIVATE,), (PRIVATE, "127.0.0.1"), ["fail"]),
        (PRIVATE, ("127.0.0.1",), (PRIVATE, "127.0.0.1"), ["fail"]),
        ("shop.example", ("127.0.0.1",), (PRIVATE, "127.0.0.1"), ["fail"]),
        # A name may belong to a private network.
        ("shop.example", (), (PRIVATE, "127.0.0.1"), ["warn"]),
        (PUBLIC, ("0.0.0.0",), (PUBLIC,), ["fail"]),
        (PUBLIC, ("shop.example",), (PUBLIC,), ["fail"]),
        (PUBLIC, (OTHER_PUBLIC,), (PUBLIC,), ["ok", "warn"]),
    ],
)
def test_announced_addresses(
    host: str, announced: tuple[str, ...], own: tuple[str, ...], levels: list[str]
) -> None:
    assert [level.value for level, _, _ in judge_announce(host, announced, own) if level] == levels


@pytest.mark.parametrize(
    ("values", "level"),
    [
        ({}, Level.OK),
        ({"public_url": "http://localhost:9"}, Level.OK),
        ({"public_url": "https://shop.example", "trusted_proxies": ("127.0.0.1",)}, Level.OK),
        ({"public_url": "https://shop.example", "host": "0.0.0.0"}, Level.WARN),
        ({"public_url": "http://shop.example", "host": "0.0.0.0"}, Level.WARN),
        ({"public_url": "http://shop.example", "trusted_proxies": ("127.0.0.1",)}, Level.WARN),
    ],
)
def test_a_camera_needs_https(settings: Settings, values: dict[str, Any], level: Level) -> None:
    assert only(examine(changed(settings, **values)), "https").level is level
