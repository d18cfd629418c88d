"""Every frame survives the wire, and nothing a client sends raises anything but BadFrame."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from streamserver import wire
from streamserver.positions import Position

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_INTEGERS = st.integers(-(2**53), 2**53)


def values(info: inspect.Type) -> st.SearchStrategy[Any]:
    """Anything of a type of the wire."""
    match info:
        case inspect.StrType():
            low, high = info.min_length or 0, info.max_length or 40
            return st.text(st.characters(exclude_categories=["Cs"]), min_size=low, max_size=min(high, low + 40))
        case inspect.IntType():
            return st.integers(info.ge if info.ge is not None else -(2**53), info.le if info.le is not None else 2**53)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.ListType():
            return st.lists(values(info.item_type), max_size=3)
        case inspect.TupleType():
            return st.tuples(*(values(item) for item in info.item_types))
        case inspect.UnionType():
            return st.one_of([values(one) for one in info.types])
        case inspect.NamedTupleType():
            return st.builds(Position, _TEXT, _INTEGERS)
        case inspect.StructType():
            return structs(info)
        case _:
            raise TypeError(info)


def structs(info: inspect.StructType) -> st.SearchStrategy[Any]:
    required = {field.name: values(field.type) for field in info.fields if field.required}
    optional = {field.name: values(field.type) for field in info.fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda fields: info.cls(**fields))


def frames(kind: type) -> st.SearchStrategy[Any]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return structs(info)


@pytest.mark.parametrize("kind", wire.CLIENT_FRAMES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_client_frame_survives_the_wire(kind: type, data: st.DataObject) -> None:
    frame = data.draw(frames(kind))
    assert wire.decode_client(wire.encode(frame)) == frame
    assert wire.decode_client(wire.encode(frame).decode()) == frame


@pytest.mark.parametrize("kind", wire.SERVER_FRAMES, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_a_server_frame_survives_the_wire(kind: type, data: st.DataObject) -> None:
    frame = data.draw(frames(kind))
    assert wire.decode_server(wire.encode(frame)) == frame
    plain = json.loads(wire.encode(frame))
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    assert plain["t"] == info.tag
    # A field that may be absent is absent when unset; one that may be null is there and null.
    unset = {name for name in kind.__struct_fields__ if getattr(frame, name) is wire.UNSET}  # type: ignore[attr-defined]
    assert set(plain) == {"t", *kind.__struct_fields__} - unset  # type: ignore[attr-defined]


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
_NEARLY = st.fixed_dictionaries(
    {"t": st.sampled_from(["hello", "chat", "name", "like", "watch", "impression", "moderate", "ping", "x"]) | _JSON},
    optional=dict.fromkeys(
        ("id", "text", "n", "v", "pos", "viewer", "playing", "via", "card", "showing", "action", "line"), _JSON
    ),
)


@given(st.binary() | st.text() | (_JSON | _NEARLY).map(json.dumps))
def test_whatever_arrives_is_a_frame_or_a_bad_frame(message: str | bytes) -> None:
    try:
        frame = wire.decode_client(message)
    except wire.BadFrame as exc:
        assert exc.detail
        assert exc.id is None or 1 <= len(exc.id) <= 64
    else:
        assert isinstance(frame, wire.CLIENT_FRAMES)
        assert wire.decode_client(wire.encode(frame)) == frame


@pytest.mark.parametrize(
    "message",
    [
        "[" * 60_000,
        '{"t":"chat","id":"a","text":"b","x":' + "[" * 60_000,
        '{"a":' * 30_000,
        '{"t":"like","n":' + "9" * 60_000 + "}",
        '{"t":"like","n":1e999}',
        '{"t":"like","n":NaN}',
        '{"t":"like","n":Infinity}',
        '{"t":"chat","id":"a","text":"\\ud800"}',
        '{"t":"chat","id":"a","text":"\x00"}',
        '{"t":"like","t":"nope","n":1}',
        '{"t":"like","n":1} {"t":"like","n":1}',
        "\ufeff{}",
        b"\xff\xfe",
        "",
        " ",
    ],
    ids=range(15),
)
def test_a_hostile_message_is_a_bad_frame(message: str | bytes) -> None:
    with pytest.raises(wire.BadFrame):
        wire.decode_client(message)


@given(frames(wire.TickFrame), st.builds(Position, _TEXT, _INTEGERS))
def test_an_event_is_delivered_with_its_position_and_otherwise_unchanged(
    event: wire.TickFrame, position: Position
) -> None:
    delivered = wire.at(event, position)
    assert delivered.pos == position
    assert msgspec.structs.replace(delivered, pos=event.pos) == event
