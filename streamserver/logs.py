"""Logs: one event is one line of JSON (or of plain text for a terminal), safe whatever a stranger typed.

It knows the standard library's logging and nothing of the server. Fields go in by `extra=`; a field whose
name tells a secret, a secret that was registered, and a token in a URL or header never come out.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO, cast

import orjson

FIELD_LIMIT = 4_096
"""Characters kept of one text. A line stays small enough for journald whatever a client sent."""

_ITEM_LIMIT = 64
_DEPTH_LIMIT = 6
_HIDDEN = "[hidden]"

_SECRET_NAMES = re.compile(
    r"(^|[_-])(secret|token|password|passwd|authorization|cookie|bearer|stream[_-]?key|api[_-]?key|sig|signature)"
    r"s?($|[_-])",
    re.IGNORECASE,
)
# In free text: an Authorization value, and the query parameters that carry a right.
_SECRET_TEXT = re.compile(
    r"(?P<keep>\b(?:Bearer|Basic)\s+|[?&](?:token|key|sig|secret|password|access_token)=)[^\s&\"'<>]+",
    re.IGNORECASE,
)
# What ends a line or drives a terminal somewhere: C0 and C1 controls, and Unicode's own line ends.
# orjson escapes C0 by itself and leaves the rest.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Right-to-left overrides make a line read as something else; they are no part of any language's text.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")

_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_secrets: set[str] = set()


def hide(secret: str) -> None:
    """Registers a secret that this process holds: its text is never written, wherever it turns up.

    Values under eight characters are ignored; hiding them would eat ordinary words.
    """
    if len(secret) >= 8:
        _secrets.add(secret)


def setup_logs(*, level: str = "INFO", form: str = "json", stream: TextIO | None = None) -> None:
    """Makes the root logger write to `stream` (stderr), in place of whatever it wrote to before.

    `form` is "json" or "text". Raises ValueError naming an unknown level or form.
    """
    if form not in {"json", "text"}:
        raise ValueError(f"log form: {form!r} is neither 'json' nor 'text'")
    numbers = logging.getLevelNamesMapping()
    if level.upper() not in numbers:
        raise ValueError(f"log level: {level!r} is none of {', '.join(sorted(numbers))}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(numbers[level.upper()])
    # aiohttp's access log says per request what the metrics say in sum.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """`{"t": RFC 3339 UTC, "level", "logger", "event", …fields, "error", "stack"}` on one line.

    Never raises: a value that JSON cannot hold becomes its text.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "t": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _text(_message(record)),
        }
        for name, value in _fields(record).items():
            line.setdefault(name, value)
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["error"] = _text(f"{type(error).__name__}: {_string_of(error)}")
            line["stack"] = _text("".join(traceback.format_exception(error, limit=20)), keep_end=True)
        return _escape(orjson.dumps(line).decode())


class TextFormatter(logging.Formatter):
    """`07:15:00.123 info logger: event  name=value …` for a person at a terminal; still one line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={_plain(value)}" for name, value in _fields(record).items())
        line = f"{_time(record)[11:23]} {record.levelname.lower()} {record.name}: {_text(_message(record))}"
        line += f" {fields}" if fields else ""
        if record.exc_info and record.exc_info[1] is not None:
            stack = "".join(traceback.format_exception(record.exc_info[1], limit=20))
            line += f" | {_text(stack, keep_end=True)}"
        return _escape(line)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # a wrong %-argument must not lose the event, nor raise inside logging
        return f"{record.msg} {record.args}"


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {
        name: _HIDDEN if _SECRET_NAMES.search(name) else _value(value, _DEPTH_LIMIT)
        for name, value in vars(record).items()
        if name not in _RECORD_FIELDS
    }


def _value(value: object, depth: int) -> object:
    """`value` as something that orjson takes, bounded in depth, items and text."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)[:40]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if depth > 0 and isinstance(value, Mapping):
        items = list(cast("Mapping[object, object]", value).items())[:_ITEM_LIMIT]
        return {
            _text(str(name)): _HIDDEN if _SECRET_NAMES.search(str(name)) else _value(item, depth - 1)
            for name, item in items
        }
    if depth > 0 and isinstance(value, Sequence | set | frozenset):
        return [_value(item, depth - 1) for item in list(cast("Sequence[object]", value))[:_ITEM_LIMIT]]
    return _text(_string_of(value))


def _string_of(value: object) -> str:
    try:
        return str(value)
    except Exception:  # an object whose own __str__ fails is named, not passed on
        return f"<{type(value).__name__}>"


def _text(text: str, *, keep_end: bool = False) -> str:
    for secret in _secrets:
        text = text.replace(secret, _HIDDEN)
    text = _SECRET_TEXT.sub(rf"\g<keep>{_HIDDEN}", text)
    if len(text) > FIELD_LIMIT:
        kept = text[-FIELD_LIMIT:] if keep_end else text[:FIELD_LIMIT]
        text = f"{kept}… ({len(text)} characters)"
    # A lone surrogate (from os.fsdecode, say) has no UTF-8 and would stop the encoder.
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _escape(line: str) -> str:
    return _BIDI.sub(_code, _UNSAFE.sub(_code, line))


def _code(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
