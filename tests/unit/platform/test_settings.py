"""Settings: sources in order, and an error that names key and source."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import Settings, SettingsError, describe, load, sample


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('port = 1\nhost = "0.0.0.0"\nannounce = ["192.0.2.1"]\n')
    got = load(
        file=file,
        environ={"STREAMSERVER_PORT": "2", "STREAMSERVER_ANNOUNCE": "192.0.2.2, 192.0.2.3"},
        flags={"port": 3, "demo": None},
    )
    assert (got.port, got.host, got.announce, got.demo) == (3, "0.0.0.0", ("192.0.2.2", "192.0.2.3"), True)


@pytest.mark.parametrize(
    ("text", "environ", "flags", "key", "source"),
    [
        ("nope = 1", {}, {}, "nope", "s.toml"),
        ("port = 'x'", {}, {}, "port", "s.toml"),
        ("port = 70000", {}, {}, "port", "s.toml"),
        ("= 3", {}, {}, "config", "s.toml"),
        ("", {"STREAMSERVER_PORT": "many"}, {}, "port", "STREAMSERVER_PORT"),
        ("", {"STREAMSERVER_DEMO": "perhaps"}, {}, "demo", "STREAMSERVER_DEMO"),
        ("", {}, {"udp_ports": "9-3"}, "udp_ports", "--udp-ports"),
        ("", {}, {"udp_ports": "all"}, "udp_ports", "--udp-ports"),
        ("", {}, {"target_low": 5.0}, "target_low", "--target-low"),
        ("", {}, {"log_level": "LOUD"}, "log_level", "--log-level"),
    ],
)
def test_a_wrong_setting_is_named(
    tmp_path: Path, text: str, environ: dict[str, str], flags: dict[str, object], key: str, source: str
) -> None:
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(file=file, environ=environ, flags=flags)
    assert caught.value.key == key
    assert source in caught.value.source


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load(file=tmp_path / "missing.toml")


def test_the_sample_is_complete_current_and_loads_as_the_defaults(tmp_path: Path) -> None:
    text = sample()
    assert (Path(__file__).parents[3] / "config" / "sample.toml").read_text("utf-8") == text
    uncommented = "\n".join(
        line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ") and " = " in line
    )
    file = tmp_path / "s.toml"
    file.write_text(uncommented)
    assert load(file=file) == Settings()
    assert all(doc for _, _, _, doc in describe())


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(), "http://127.0.0.1:8080"),
        (Settings(host="0.0.0.0", port=90), "http://127.0.0.1:90"),
        (Settings(host="::1"), "http://[::1]:8080"),
        (Settings(public_url="https://live.example/"), "https://live.example"),
    ],
)
def test_base_url(settings: Settings, url: str) -> None:
    assert settings.base_url() == url
