"""The TypeScript types of everything on the wire, written from the Python ones.

Pure: answers text. `python -m streamserver wire-types --write FILE` stores it; a test fails when it is stale.
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import inspect

from streamserver import wire, wire_shapes
from streamserver.positions import Position

_HEADER: Final = """\
// Everything on the wire as docs/protocol.md says it, generated from streamserver/wire.py and wire_shapes.py.
// Do not edit: run `python -m streamserver wire-types --write web/src/generated/wire.ts`.
"""


def typescript() -> str:
    """The whole file."""
    names = _literals()
    shapes = [kind for kind in _structs() if kind not in (*wire.CLIENT_FRAMES, *wire.SERVER_FRAMES)]
    parts = [_HEADER, "/** [epoch, offset] */\nexport type Position = [string, number];\n"]
    parts += [f"export type {name} = {_union(values)};\n" for values, name in names.items()]
    for kind in (*shapes, *wire.SERVER_FRAMES, *wire.CLIENT_FRAMES):
        parts.append(_interface(kind, names))
    parts.append(_any("AnyServerFrame", wire.SERVER_FRAMES))
    parts.append(_any("AnyClientFrame", wire.CLIENT_FRAMES))
    parts.append(_any("AnyRoomEvent", (wire.TickFrame, wire.CardsFrame, wire.RoomFrame, wire.PinnedLineFrame)))
    parts.append(_close_codes())
    return "\n".join(parts)


def _literals() -> dict[tuple[Any, ...], str]:
    """Named literal types by their values: `Role`, `RoomLife` and the like."""
    found: dict[tuple[Any, ...], str] = {}
    for module in (wire_shapes, wire):
        for name, value in sorted(vars(module).items()):
            if get_origin(value) is Literal:
                found.setdefault(_sorted(get_args(value)), name)
    return found


def _structs() -> list[type[msgspec.Struct]]:
    """Every struct of the wire that is sent or received, in the order of the source."""
    bases = {wire_shapes.Shape, wire_shapes.Body, wire.ClientFrame, wire.ServerFrame, wire.RoomEvent}
    return [
        value
        for module in (wire_shapes, wire)
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and value.__module__ == module.__name__
        and value not in bases
        and not name.startswith("_")
    ]


def _interface(kind: type[msgspec.Struct], names: dict[tuple[Any, ...], str]) -> str:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    lines = [f"export interface {kind.__name__} {{"]
    if info.tag is not None:
        lines.append(f'  {info.tag_field}: "{info.tag}";')
    for field in info.fields:
        optional = "" if field.required else "?"
        lines.append(f"  {field.encode_name}{optional}: {_type(field.type, names)};")
    doc = _doc(kind)
    return f"{doc}{chr(10).join(lines)}\n}}\n"


def _doc(kind: type) -> str:
    text = kind.__dict__.get("__doc__")
    if not text:
        return ""
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) == 1:
        return f"/** {lines[0]} */\n"
    return "/**\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


def _type(info: inspect.Type, names: dict[tuple[Any, ...], str]) -> str:
    match info:
        case inspect.StrType():
            return "string"
        case inspect.IntType() | inspect.FloatType():
            return "number"
        case inspect.BoolType():
            return "boolean"
        case inspect.NoneType():
            return "null"
        case inspect.LiteralType(values=values):
            values = _sorted(values)
            return names.get(values) or _union(values)
        case inspect.ListType(item_type=item):
            inner = _type(item, names)
            return f"({inner})[]" if " | " in inner else f"{inner}[]"
        case inspect.TupleType(item_types=items):
            return f"[{', '.join(_type(item, names) for item in items)}]"
        case inspect.UnionType(types=types):
            return " | ".join(_type(one, names) for one in types)
        case inspect.NamedTupleType() if info.cls is Position:
            return "Position"
        case inspect.StructType():
            return info.cls.__name__
        case _:
            raise TypeError(f"no TypeScript is known for {info}")


def _union(values: tuple[Any, ...]) -> str:
    return " | ".join(msgspec.json.encode(value).decode() for value in values)


def _sorted(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(values, key=str))


def _any(name: str, kinds: tuple[type, ...]) -> str:
    return f"export type {name} =\n" + "\n".join(f"  | {kind.__name__}" for kind in kinds) + ";\n"


def _close_codes() -> str:
    codes = {
        name.removeprefix("CLOSE_").lower(): value for name, value in vars(wire).items() if name.startswith("CLOSE_")
    }
    lines = "\n".join(f"  {name}: {code}," for name, code in sorted(codes.items(), key=lambda item: item[1]))
    return f"export const CLOSE = {{\n{lines}\n}} as const;\n\nexport const VERSION = {wire.VERSION};\n"
