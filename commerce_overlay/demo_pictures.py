"""Draws the demo brand's product pictures with plain shapes, all in one light and one palette."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw


def draw(name: str) -> bytes:
    """One picture as PNG bytes."""
    picture = Image.new("RGB", (960, 960), (236, 232, 250))
    ImageDraw.Draw(picture).ellipse((240, 240, 720, 720), fill=(120, 100, 220))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
