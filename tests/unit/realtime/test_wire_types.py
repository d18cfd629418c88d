"""The generated TypeScript is what the Python types say now."""

from __future__ import annotations

import re
from pathlib import Path

from streamserver import wire
from streamserver.wire_types import typescript

ROOT = Path(__file__).parents[3]
GENERATED = ROOT / "web/src/generated/wire.ts"
PROTOCOL = ROOT / "docs/protocol.md"


def test_the_committed_types_are_not_stale() -> None:
    assert GENERATED.read_text("utf-8") == typescript(), (
        "stale: run `python -m streamserver wire-types --write web/src/generated/wire.ts`"
    )


def test_every_frame_is_an_interface_with_its_tag() -> None:
    text = typescript()
    for kind in (*wire.CLIENT_FRAMES, *wire.SERVER_FRAMES):
        body = re.search(rf"^export interface {kind.__name__} \{{\n(.*?)^\}}", text, re.MULTILINE | re.DOTALL)
        assert body is not None
        assert f'  t: "{kind.__struct_config__.tag}";' in body[1]
        assert re.findall(r"^  (\w+)\??:", body[1], re.MULTILINE)[1:] == list(kind.__struct_fields__)


def test_what_may_be_absent_is_optional_and_what_may_be_null_is_not() -> None:
    text = typescript()
    assert "  reply_to?: string;\n" in text
    assert "  pinned: string | null;\n" in text
    assert "  gmv_minutes: [number, number][];\n" in text
    assert "undefined" not in text


def test_the_written_protocol_names_every_frame_field_and_close_code() -> None:
    protocol = PROTOCOL.read_text("utf-8")
    realtime = protocol[protocol.index("## Realtime") : protocol.index("## Mini-app bridge")]
    words = set(re.findall(r"\w+", realtime))
    for kind in (*wire.CLIENT_FRAMES, *wire.SERVER_FRAMES):
        assert f"| `{kind.__struct_config__.tag}` |" in realtime
        assert set(kind.__struct_fields__) - words == set(), kind
    codes = {value for name, value in vars(wire).items() if name.startswith("CLOSE_")}
    assert {code for code in codes if str(code) not in words} == set()
