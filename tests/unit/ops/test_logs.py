"""One line per event whatever was typed, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamserver import logs
from streamserver.logs import FIELD_LIMIT, JsonFormatter, TextFormatter

CANARY = "canary-4f1c9e-secret"


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_secrets", set())


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = handlers, level


def record(message: str = "order paid", **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "name": "chat", "levelname": "INFO"})
    made.created = 1_700_000_000.5
    vars(made).update(fields)
    return made


def as_json(made: logging.LogRecord) -> dict[str, object]:
    line = JsonFormatter().format(made)
    assert len(line.splitlines()) == 1
    return json.loads(line)


def test_a_line_holds_time_level_logger_event_and_fields() -> None:
    assert as_json(record(room="demo", paid_minor=1299)) == {
        "t": "2023-11-14T22:13:20.500Z",
        "level": "info",
        "logger": "chat",
        "event": "order paid",
        "room": "demo",
        "paid_minor": 1299,
    }


def test_a_field_cannot_take_the_place_of_the_level() -> None:
    assert as_json(record(**{"level": "forged"}))["level"] == "info"


@given(st.text(), st.text())
def test_one_event_is_one_line_without_controls(message: str, field: str) -> None:
    for formatter in (JsonFormatter(), TextFormatter()):
        line = formatter.format(record(message.replace("%", ""), said=field))
        assert len(line.splitlines()) == 1
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line)


@pytest.mark.parametrize(
    "attack",
    ["a\r\n{\"level\":\"info\"}", "\x1b[2J\x1b[31mred", "\x9b31m", "a\u2028b\u2029c\u0085d", "\u202egpj.exe"],
)
def test_what_a_stranger_typed_stays_inside_its_field(attack: str) -> None:
    line = JsonFormatter().format(record(nick=attack))
    assert json.loads(line)["nick"] == attack
    assert len(line.splitlines()) == 1
    assert not set("\r\n\x1b\x9b\u2028\u2029\u0085\u202e") & set(line)
    assert not set("\r\n\x1b\x9b\u2028\u2029\u0085\u202e") & set(TextFormatter().format(record(nick=attack)))


@pytest.mark.parametrize(
    "fields",
    [
        {"token": CANARY},
        {"stream_key": CANARY},
        {"headers": {"Authorization": f"Bearer {CANARY}"}},
        {"header": f"Authorization: Bearer {CANARY}"},
        {"path": f"/m/shop/item?sku=1&sig={CANARY}&exp=2"},
        {"rows": [{"Set-Cookie": CANARY}, {"cookie": CANARY}]},
        {"webhook_signature": CANARY},
    ],
)
def test_a_secret_by_name_or_place_is_hidden(fields: dict[str, object]) -> None:
    for formatter in (JsonFormatter(), TextFormatter()):
        assert CANARY not in formatter.format(record(**fields))


def test_a_registered_secret_is_hidden_everywhere() -> None:
    logs.hide(CANARY)
    try:
        raise ValueError(f"refused {CANARY}")
    except ValueError as error:
        made = record(f"key {CANARY}", note=f"<{CANARY}>", deep=[{"x": CANARY}])
        made.exc_info = (type(error), error, error.__traceback__)
    for formatter in (JsonFormatter(), TextFormatter()):
        assert CANARY not in formatter.format(made)


def test_a_short_secret_does_not_eat_ordinary_words() -> None:
    logs.hide("demo")
    assert as_json(record(room="demo"))["room"] == "demo"


class _Rude:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_nothing_that_is_logged_can_break_the_log() -> None:
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    line = as_json(
        record(
            big=10**400, nan=float("nan"), rude=_Rude(), deep=deep, lone="\ud800", raw=b"\x00\xff",
            ids={3}, keys={1: 2, None: 3}, many=list(range(10_000)),
        )
    )  # fmt: skip
    assert line["nan"] is None
    assert line["rude"] == "<_Rude>"
    assert line["raw"] == "2 bytes"
    assert line["keys"] == {"1": 2, "None": 3}
    assert len(JsonFormatter().format(record(many=list(range(10_000))))) < 1_000


def test_a_wrong_argument_keeps_the_event() -> None:
    made = record("paid %d")
    made.args = ("twelve",)
    assert "paid %d" in str(as_json(made)["event"])


def test_a_long_text_is_cut_and_says_so() -> None:
    said = str(as_json(record(said="x" * (FIELD_LIMIT * 3)))["said"])
    assert said.startswith("x" * FIELD_LIMIT)
    assert said.endswith(f"({FIELD_LIMIT * 3} characters)")


def test_an_error_brings_its_stack_on_the_same_line() -> None:
    try:
        raise KeyError("room")
    except KeyError as error:
        made = record()
        made.exc_info = (type(error), error, error.__traceback__)
    line = as_json(made)
    assert line["error"] == "KeyError: 'room'"
    assert "test_logs.py" in str(line["stack"])


def test_setup_replaces_the_handlers_and_writes_json(root_logger: logging.Logger) -> None:
    out = io.StringIO()
    logs.setup_logs(level="debug", stream=out)
    logs.setup_logs(level="debug", stream=out)
    logging.getLogger("x").debug("once", extra={"room": "demo"})
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["once"]


@pytest.mark.parametrize(("level", "form", "named"), [("LOUD", "json", "LOUD"), ("INFO", "xml", "xml")])
def test_a_wrong_setting_is_named(root_logger: logging.Logger, level: str, form: str, named: str) -> None:
    before = root_logger.handlers[:]
    with pytest.raises(ValueError, match=named):
        logs.setup_logs(level=level, form=form)
    assert root_logger.handlers == before
