"""The demo show's picture and tone, drawn by the project itself: a shelf, a ball, a clock, a beep a second.

Knows colours and samples, no network. The scene is painted once in planar YUV; a frame is a copy of it with a few
small sprites, so that showing it costs an encoder and next to nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Plane = NDArray[np.uint8]
SAMPLE_HZ: Final = 48_000
_INK: Final = (250, 247, 240)
_ACCENT: Final = (255, 122, 89)
_BARS: Final = ((242, 239, 233), (240, 196, 83), (92, 187, 178), (126, 184, 110), (196, 124, 178), (222, 92, 82))
_PRODUCTS: Final = ((0.10, (240, 196, 83)), (0.30, (92, 187, 178)), (0.50, (222, 92, 82)), (0.70, (196, 124, 178)))


@dataclass(frozen=True, slots=True)
class Sprite:
    """A small picture in YUV with its opacity, ready to be laid on a frame. Width and height are even."""

    y: NDArray[np.int16]
    u: NDArray[np.int16]
    v: NDArray[np.int16]
    alpha: NDArray[np.int16]
    alpha_half: NDArray[np.int16]

    @property
    def size(self) -> tuple[int, int]:
        return self.y.shape[1], self.y.shape[0]


class Scene:
    """A moving test picture of even width and height."""

    def __init__(self, width: int, height: int) -> None:
        if width % 2 or height % 2 or width < 160 or height < 90:
            raise ValueError(f"a picture of {width}x{height}: even sizes from 160x90 on are needed")
        self.width, self.height = width, height
        painted = _paint(width, height)
        self._base = _planar(painted)
        self._radius = max(8, height // 12) // 2 * 2
        self._ball = _sprite(_paint_ball(self._radius))
        clock, small = _font(height / 6.2), _font(height / 18)
        self._clock = {char: _glyph(char, clock, "0123456789") for char in "0123456789:."}
        self._small = {char: _glyph(char, small, "0123456789") for char in "0123456789#"}

    def frame(self, number: int, wall_s: float) -> Plane:
        """The picture as a yuv420p array of (height * 3 / 2, width); `wall_s` is what the clock shows (UTC)."""
        out = self._base.copy()
        milliseconds = int(wall_s * 1000)
        seconds = milliseconds // 1000
        text = f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds % 1000:03}"
        self._write(out, text, self._clock, round(self.width * 0.05), round(self.height * 0.20))
        self._write(out, f"#{number}", self._small, round(self.width * 0.05), round(self.height * 0.40))
        self._lay(out, self._ball, *self._ball_at(wall_s))
        self._sweep(out, milliseconds % 1000 / 1000)
        return out

    def _ball_at(self, wall_s: float) -> tuple[int, int]:
        """It swings from side to side in 8 s and bounces once a second, touching ground on the full second."""
        across = (1 - math.cos(wall_s * math.tau / 8)) / 2
        bounce = abs(math.sin(wall_s * math.pi))
        left = round(across * (self.width - 2 * self._radius))
        top = round(self.height * (0.56 - 0.30 * bounce) - self._radius + self.height * 0.08)
        return left, top

    def _sweep(self, out: Plane, part: float) -> None:
        top, bottom = self.height - max(2, self.height // 45) // 2 * 2, self.height
        out[top:bottom, : round(part * self.width)] = 235

    def _write(self, out: Plane, text: str, glyphs: dict[str, Sprite], left: int, top: int) -> None:
        for char in text:
            self._lay(out, glyphs[char], left, top)
            left += glyphs[char].size[0]

    def _lay(self, out: Plane, sprite: Sprite, left: int, top: int) -> None:
        width, height = sprite.size
        left, top = min(max(0, left), self.width - width) & ~1, min(max(0, top), self.height - height) & ~1
        _blend(out[top : top + height, left : left + width], sprite.y, sprite.alpha)
        half_w, half_h, row = width // 2, height // 2, top // 2
        chroma = out[self.height :].reshape(2, self.height // 2, self.width // 2)
        columns = slice(left // 2, left // 2 + half_w)
        _blend(chroma[0, row : row + half_h, columns], sprite.u, sprite.alpha_half)
        _blend(chroma[1, row : row + half_h, columns], sprite.v, sprite.alpha_half)


class Tone:
    """A soft chord with a beep on each full second; 16-bit mono at 48 kHz."""

    def __init__(self) -> None:
        time = np.arange(SAMPLE_HZ) / SAMPLE_HZ
        # Whole numbers of periods in a second, so that the loop has no click.
        pad = 0.030 * (np.sin(time * math.tau * 220) + np.sin(time * math.tau * 277) + np.sin(time * math.tau * 330))
        pad *= 0.75 + 0.25 * np.cos(time * math.tau)
        envelope = np.exp(-time * 14) * np.minimum(1, time * 400)
        beep = 0.20 * np.sin(time * math.tau * 880) * envelope
        self._second = ((pad + beep) * 32767).astype(np.int16)

    def samples(self, first: int, count: int) -> NDArray[np.int16]:
        """`count` samples from sample `first` since a full second of the wall clock."""
        return self._second.take(range(first, first + count), mode="wrap")


def _font(size: float) -> Any:
    return ImageFont.load_default(max(10, round(size)))


def _paint(width: int, height: int) -> Image.Image:
    """The still part: an evening gradient, a shelf of wrapped goods, colour bars, a title."""
    rows = np.linspace(0, 1, height)[:, None]
    columns = np.linspace(0, 1, width)[None, :]
    top, bottom, glow = np.array((38, 34, 74)), np.array((18, 62, 82)), np.array((214, 96, 96))
    mix = top * (1 - rows[..., None]) + bottom * rows[..., None]
    light = np.exp(-(((columns - 0.78) / 0.35) ** 2 + ((rows - 0.30) / 0.45) ** 2))[..., None]
    image = Image.fromarray((mix * (1 - 0.55 * light) + glow * 0.55 * light).clip(0, 255).astype(np.uint8), "RGB")
    draw = ImageDraw.Draw(image)
    draw.text((width * 0.05, height * 0.07), "streamserver demo show", font=_font(height / 15), fill=_INK)
    shelf = height * 0.80
    for left, colour in _PRODUCTS:
        size = height * 0.15
        box = (width * left, shelf - size, width * left + size * 1.25, shelf)
        draw.rounded_rectangle(box, radius=height * 0.015, fill=colour)
        middle = (box[0] + box[2]) / 2
        ribbon = height * 0.012
        draw.rectangle((middle - ribbon, box[1], middle + ribbon, box[3]), fill=_INK)
        for side in (-1, 1):
            bow = (middle, box[1], middle + side * height * 0.045, box[1] - height * 0.035)
            draw.ellipse((min(bow[0], bow[2]), bow[3], max(bow[0], bow[2]), bow[1]), fill=_INK)
    draw.rectangle((0, shelf, width, shelf + height * 0.018), fill=(122, 84, 66))
    step = width / len(_BARS)
    for index, colour in enumerate(_BARS):
        draw.rectangle((index * step, height * 0.90, (index + 1) * step, height), fill=colour)
    return image


def _paint_ball(radius: int) -> Image.Image:
    scale = 4
    size = 2 * radius
    image = Image.new("RGBA", (size * scale, size * scale), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, size * scale - 1, size * scale - 1), fill=(*_ACCENT, 255))
    shine = size * scale
    draw.ellipse((shine * 0.20, shine * 0.16, shine * 0.46, shine * 0.42), fill=(255, 214, 190, 255))
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _glyph(char: str, font: Any, widest: str) -> Sprite:
    """One character; digits share a width so that the clock does not dance."""
    advance = max(font.getlength(c) for c in widest) if char in widest else font.getlength(char)
    ascent, descent = font.getmetrics()
    width, height = (math.ceil(advance) + 2) // 2 * 2, (ascent + descent + 1) // 2 * 2
    image = Image.new("RGBA", (width, height), (*_INK, 0))
    draw = ImageDraw.Draw(image)
    draw.text(((width - font.getlength(char)) / 2, 0), char, font=font, fill=(*_INK, 255))
    return _sprite(image)


def _sprite(image: Image.Image) -> Sprite:
    rgba = np.asarray(image)
    y, u, v = _yuv(rgba[..., :3].astype(np.float32))
    alpha = rgba[..., 3].astype(np.int16)
    return Sprite(y, _half(u), _half(v), alpha, _half(alpha))


def _planar(image: Image.Image) -> Plane:
    y, u, v = _yuv(np.asarray(image).astype(np.float32))
    flat = np.concatenate((y.ravel(), _half(u).ravel(), _half(v).ravel()))
    return flat.astype(np.uint8).reshape(image.height * 3 // 2, image.width)


def _yuv(rgb: NDArray[np.float32]) -> tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.int16]]:
    """BT.601 in the limited range, as WebRTC encoders expect."""
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    u = 128 - 0.148 * r - 0.291 * g + 0.439 * b
    v = 128 + 0.439 * r - 0.368 * g - 0.071 * b
    return y.astype(np.int16), u.astype(np.int16), v.astype(np.int16)


def _half(plane: NDArray[np.int16]) -> NDArray[np.int16]:
    height, width = plane.shape
    return plane.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)).astype(np.int16)


def _blend(target: Plane, colour: NDArray[np.int16], alpha: NDArray[np.int16]) -> None:
    under = target.astype(np.int16)
    target[...] = under + ((colour - under).astype(np.int32) * alpha // 255)
