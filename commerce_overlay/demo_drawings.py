"""Draws the demo brand's product pictures with plain shapes: one light from the upper left, one table, one
palette. Knows shapes and colours only. Drawing takes seconds, so the results lie beside it in
`demo_pictures/`; `python -m commerce_overlay.demo_drawings` makes them anew."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

SIDE = 960
_S = 1600  # drawn larger and reduced, which is what smooths the edges
Colour = tuple[int, int, int]
Stops = Sequence[tuple[float, Colour]]
Shape = Callable[[ImageDraw.ImageDraw], None]
Box = tuple[float, float, float, float]


FOLDER = Path(__file__).parent / "demo_pictures"
POSTER = (1280, 720)


def main() -> None:
    """Draws everything into `FOLDER`."""
    FOLDER.mkdir(exist_ok=True)
    for name, drawing in DRAWINGS.items():
        picture = drawing().resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        picture.save(FOLDER / f"{name}.webp", "WEBP", quality=86, method=6)
    poster().save(FOLDER / "poster.webp", "WEBP", quality=86, method=6)


# ---- tools ----


def _ramp(stops: Stops, *, across: bool = False) -> Image.Image:
    """A gradient over the whole canvas, downwards or to the right."""
    line = Image.new("RGB", (256, 1))
    for x in range(256):
        at = x / 255
        low = max((stop for stop in stops if stop[0] <= at), key=lambda stop: stop[0], default=stops[0])
        high = min((stop for stop in stops if stop[0] >= at), key=lambda stop: stop[0], default=stops[-1])
        part = 0.0 if high[0] == low[0] else (at - low[0]) / (high[0] - low[0])
        line.putpixel((x, 0), _mix(low[1], high[1], part))
    return (line if across else line.rotate(-90, expand=True)).resize((_S, _S), Image.Resampling.BICUBIC)


def _mix(a: Colour, b: Colour, part: float) -> Colour:
    return (
        round(a[0] + (b[0] - a[0]) * part),
        round(a[1] + (b[1] - a[1]) * part),
        round(a[2] + (b[2] - a[2]) * part),
    )


def _within(box: Box, stops: Stops, *, across: bool = False) -> Image.Image:
    """A gradient that spans a box rather than the canvas."""
    first, last = (box[0], box[2]) if across else (box[1], box[3])
    return _ramp([((first + at * (last - first)) / _S, colour) for at, colour in stops], across=across)


def _mask(shape: Shape, blur: float = 0) -> Image.Image:
    mask = Image.new("L", (_S, _S), 0)
    shape(ImageDraw.Draw(mask))
    return mask.filter(ImageFilter.GaussianBlur(blur)) if blur else mask


def _fill(picture: Image.Image, shape: Shape, paint: Image.Image | Colour) -> None:
    source = paint if isinstance(paint, Image.Image) else Image.new("RGB", (_S, _S), paint)
    picture.paste(source, mask=_mask(shape))


def _glow(
    picture: Image.Image, shape: Shape, colour: Colour, strength: float, blur: float, inside: Shape | None = None
):
    """A soft light or shadow, kept inside another shape where one is given."""
    mask = _mask(shape, blur).point([round(value * strength) for value in range(256)])
    if inside is not None:
        mask = ImageChops.multiply(mask, _mask(inside))
    picture.paste(colour, mask=mask)


def _oval(box: Box) -> Shape:
    return lambda draw: draw.ellipse(box, fill=255)


def _round(box: Box, radius: float) -> Shape:
    return lambda draw: draw.rounded_rectangle(box, radius, fill=255)


def _poly(points: Sequence[tuple[float, float]]) -> Shape:
    return lambda draw: draw.polygon(points, fill=255)


def _both(*shapes: Shape) -> Shape:
    def draw(canvas: ImageDraw.ImageDraw) -> None:
        for shape in shapes:
            shape(canvas)

    return draw


def _curve(points: Sequence[tuple[float, float]], steps: int = 40) -> list[tuple[float, float]]:
    """A smooth line through points (Catmull-Rom)."""
    ends = [points[0], *points, points[-1]]
    line: list[tuple[float, float]] = []
    for i in range(1, len(ends) - 2):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = ends[i - 1 : i + 3]
        for step in range(steps + 1):
            t = step / steps
            x = 0.5 * (
                2 * x1 + (x2 - x0) * t + (2 * x0 - 5 * x1 + 4 * x2 - x3) * t**2 + (3 * x1 - x0 - 3 * x2 + x3) * t**3
            )
            y = 0.5 * (
                2 * y1 + (y2 - y0) * t + (2 * y0 - 5 * y1 + 4 * y2 - y3) * t**2 + (3 * y1 - y0 - 3 * y2 + y3) * t**3
            )
            line.append((x, y))
    return line


def _stroke(points: Sequence[tuple[float, float]], width: int) -> Shape:
    line = _curve(points)

    half = width / 2

    def draw(canvas: ImageDraw.ImageDraw) -> None:
        for (x0, y0), (x1, y1) in pairwise(line):
            # Discs close together: joints of a thick polyline would show.
            steps = max(1, round(math.hypot(x1 - x0, y1 - y0) / max(1.0, half / 6)))
            for step in range(steps + 1):
                x, y = x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps
                canvas.ellipse((x - half, y - half, x + half, y + half), fill=255)

    return draw


def _turned(half: Sequence[tuple[float, float]], middle: float) -> Shape:
    """A body turned on a wheel: its right outline (distance from the middle, height), mirrored."""
    right = _curve([(middle + x, y) for x, y in half])
    left = [(2 * middle - x, y) for x, y in reversed(right)]
    return _poly([*right, *left])


def _scene(wall: Colour, table: Colour) -> Image.Image:
    """Wall, table and the lamp's soft circle on the wall."""
    picture = _ramp([(0.0, _mix(wall, (255, 255, 255), 0.35)), (0.72, wall), (1.0, wall)])
    _glow(picture, _oval((180, 90, 1420, 1330)), (255, 255, 255), 0.45, 150)
    _fill(
        picture,
        _poly([(0, 1170), (_S, 1170), (_S, _S), (0, _S)]),
        _ramp([(0.73, _mix(table, (255, 255, 255), 0.3)), (1.0, table)]),
    )
    _glow(picture, _poly([(0, 1160), (_S, 1160), (_S, 1182), (0, 1182)]), _mix(table, (40, 30, 60), 0.5), 0.25, 8)
    return picture


def _shadow(picture: Image.Image, middle: float, ground: float, half: float) -> None:
    box = (middle - half * 0.9, ground - half * 0.13, middle + half * 1.35, ground + half * 0.16)
    _glow(picture, _oval(box), (48, 38, 72), 0.42, 34)
    tight = (middle - half * 0.92, ground - half * 0.07, middle + half * 0.95, ground + half * 0.07)
    _glow(picture, _oval(tight), (38, 30, 58), 0.5, 12)


# ---- the goods ----

INK = (52, 44, 92)
CELADON: Stops = ((0.0, (226, 240, 228)), (0.28, (190, 218, 200)), (0.7, (132, 176, 156)), (1.0, (92, 138, 124)))
WOOD: Stops = ((0.0, (214, 170, 124)), (0.5, (186, 136, 92)), (1.0, (132, 90, 58)))


def lamp() -> Image.Image:
    picture = _scene((61, 56, 108), (43, 38, 80))
    _glow(picture, _oval((250, 160, 1350, 1260)), (255, 214, 140), 0.6, 170)
    _shadow(picture, 800, 1290, 330)
    _fill(
        picture,
        _poly([(560, 1120), (1040, 1120), (1090, 1290), (510, 1290)]),
        _within((510, 0, 1090, 0), WOOD, across=True),
    )
    globe = (410, 330, 1190, 1110)
    ball = _oval(globe)
    _fill(picture, ball, _within(globe, ((0.0, (255, 250, 232)), (0.55, (255, 232, 180)), (1.0, (246, 190, 112)))))
    for x, y, r, dark in (
        (640, 560, 92, 0.3),
        (900, 480, 60, 0.22),
        (980, 760, 120, 0.32),
        (700, 880, 80, 0.28),
        (560, 740, 48, 0.2),
        (850, 670, 44, 0.18),
    ):
        _glow(picture, _oval((x - r, y - r, x + r, y + r)), (226, 158, 82), dark, 12, ball)
        _glow(picture, _oval((x - r + 12, y - r + 16, x + r + 8, y + r + 10)), (255, 236, 190), 0.25, 16, ball)
    _glow(picture, _oval((470, 370, 820, 680)), (255, 255, 255), 0.75, 70, ball)
    _glow(picture, _both(_poly([(0, 0), (_S, 0), (_S, _S), (0, _S)])), (255, 205, 130), 0.06, 0)
    for x, y, r in ((230, 260, 7), (1380, 220, 9), (1290, 420, 5), (180, 620, 5), (1440, 720, 6), (330, 440, 4)):
        _glow(picture, _oval((x - r, y - r, x + r, y + r)), (255, 244, 214), 0.9, 2)
    return picture


def poster() -> Image.Image:
    """The room's cover: the lamp close up, in the shape of a screen."""
    return lamp().crop((0, 300, _S, 300 + _S * 9 // 16)).resize(POSTER, Image.Resampling.LANCZOS)


def teapot() -> Image.Image:
    picture = _scene((226, 221, 240), (198, 188, 216))
    _shadow(picture, 790, 1280, 440)
    handle = _stroke([(1080, 690), (1320, 640), (1400, 840), (1270, 1040), (1080, 1060)], 62)
    _fill(picture, handle, _within((1080, 620, 1420, 1080), CELADON))
    spout = _poly(
        [
            *_curve([(470, 960), (380, 840), (340, 720), (262, 640)]),
            *_curve([(340, 592), (420, 660), (500, 740), (560, 800)]),
        ]
    )
    _fill(picture, spout, _within((260, 600, 560, 1000), CELADON))
    body = _turned([(0, 590), (200, 600), (352, 720), (392, 900), (330, 1120), (230, 1270), (0, 1280)], 790)
    _fill(picture, body, _within((398, 0, 1182, 0), CELADON, across=True))
    _glow(picture, _oval((420, 1060, 1240, 1420)), (58, 104, 92), 0.5, 70, body)
    _glow(picture, _oval((480, 680, 640, 960)), (255, 255, 255), 0.75, 42, body)
    lid = _turned([(0, 500), (120, 512), (236, 570), (250, 612), (0, 640)], 790)
    _fill(picture, lid, _within((540, 0, 1040, 0), CELADON, across=True))
    _glow(picture, _oval((540, 596, 1040, 660)), (70, 116, 104), 0.45, 10, _both(body, lid))
    _fill(picture, _oval((728, 410, 852, 526)), _within((728, 410, 852, 526), CELADON))
    _glow(picture, _oval((742, 422, 800, 470)), (255, 255, 255), 0.8, 14)
    return picture


def cup() -> Image.Image:
    picture = _scene((229, 236, 232), (196, 208, 200))

    def one(middle: float, ground: float, size: float) -> None:
        _shadow(picture, middle, ground, 190 * size)
        half = 186 * size
        top = ground - 290 * size
        body = _turned(
            [
                (half, top),
                (half * 0.98, top + 90 * size),
                (half * 0.78, ground - 70 * size),
                (half * 0.5, ground - 12 * size),
                (half * 0.5, ground),
                (0, ground + 6 * size),
            ],
            middle,
        )
        _fill(picture, body, _within((middle - half, 0, middle + half, 0), CELADON, across=True))
        _glow(
            picture,
            _oval((middle - half * 0.8, top + 60 * size, middle - half * 0.45, ground - 90 * size)),
            (255, 255, 255),
            0.7,
            26 * size,
            body,
        )
        rim = 46 * size
        _fill(picture, _oval((middle - half, top - rim, middle + half, top + rim)), (214, 234, 222))
        inner = (middle - half * 0.92, top - rim * 0.82, middle + half * 0.92, top + rim * 0.86)
        _fill(picture, _oval(inner), _within(inner, ((0.0, (112, 154, 138)), (1.0, (168, 202, 184)))))
        tea = (middle - half * 0.8, top - rim * 0.3, middle + half * 0.8, top + rim * 0.86)
        _fill(picture, _oval(tea), _within(tea, ((0.0, (196, 140, 60)), (1.0, (226, 178, 92)))))

    one(500, 1130, 0.9)
    one(1090, 1150, 0.95)
    one(430, 1360, 1.1)
    one(980, 1390, 1.2)
    for x in (940, 1010):
        _glow(picture, _stroke([(x, 960), (x + 30, 860), (x - 24, 760), (x + 20, 640)], 18), (255, 255, 255), 0.75, 14)
    return picture


def candle() -> Image.Image:
    picture = _scene((250, 226, 204), (230, 190, 158))
    _glow(picture, _oval((430, 120, 1170, 900)), (255, 224, 150), 0.75, 130)
    _shadow(picture, 800, 1300, 320)
    glass = (500, 640, 1100, 1310)
    jar = _round(glass, 70)
    amber: Stops = ((0.0, (206, 128, 62)), (0.22, (236, 172, 96)), (0.6, (190, 108, 48)), (1.0, (120, 62, 28)))
    _fill(picture, jar, _within(glass, amber, across=True))
    _fill(picture, _oval((500, 590, 1100, 700)), (244, 196, 128))
    wax = (528, 604, 1072, 690)
    _fill(picture, _oval(wax), _within(wax, ((0.0, (255, 240, 212)), (1.0, (255, 226, 176)))))
    _glow(picture, _oval((690, 610, 910, 680)), (255, 250, 224), 0.9, 20)
    _fill(picture, _round((792, 520, 808, 650), 8), (74, 50, 40))
    flame = _poly(_curve([(800, 270), (868, 420), (852, 520), (800, 552), (748, 520), (732, 420), (800, 270)]))
    _fill(picture, flame, _ramp([(0.16, (255, 236, 150)), (0.28, (255, 200, 80)), (0.35, (250, 140, 60))]))
    _glow(picture, _oval((764, 420, 836, 540)), (255, 255, 240), 0.95, 16, flame)
    _fill(picture, _round((610, 850, 990, 1150), 18), (255, 250, 240))
    for i, (x, y) in enumerate(((800, 930), (742, 966), (858, 966), (768, 1034), (832, 1034))):
        _fill(picture, _oval((x - 34, y - 34, x + 34, y + 34)), (242, 172, 62) if i else (246, 190, 84))
    _fill(picture, _oval((782, 968, 818, 1004)), (206, 120, 40))
    _fill(picture, _round((690, 1092, 910, 1104), 6), (206, 160, 112))
    _glow(picture, _round((536, 720, 576, 1240), 20), (255, 240, 214), 0.6, 12, jar)
    return picture


def scarf() -> Image.Image:
    picture = _scene((216, 226, 246), (184, 196, 226))
    _glow(picture, _oval((330, 1170, 1330, 1400)), (38, 40, 84), 0.4, 46)
    silk = _poly(
        _curve(
            [
                (330, 470),
                (560, 372),
                (830, 420),
                (1080, 360),
                (1290, 470),
                (1246, 760),
                (1320, 1040),
                (1180, 1300),
                (900, 1236),
                (640, 1318),
                (370, 1230),
                (300, 930),
                (372, 690),
                (330, 470),
            ]
        )
    )
    _fill(picture, silk, _ramp([(0.2, (92, 112, 206)), (0.5, (58, 66, 158)), (0.85, (36, 38, 104))]))
    for i in range(9):
        y = 520 + i * 92
        wave = [(260 + step * 110, y + 44 * math.sin(step * 0.9 + i * 0.7)) for step in range(12)]
        light = (236, 240, 255) if i % 3 == 0 else (150, 172, 240) if i % 3 == 1 else (250, 196, 150)
        _glow(picture, _stroke(wave, 12 if i % 3 else 20), light, 0.85, 1.5, silk)
    for start, end, bright in ((470, 620, 0.5), (800, 700, 0.4), (1120, 1010, 0.45)):
        _glow(
            picture,
            _stroke([(start, 380), (start + 70, 760), (end, 1290)], 90),
            (255, 255, 255),
            bright * 0.5,
            44,
            silk,
        )
        _glow(
            picture,
            _stroke([(start + 120, 390), (start + 180, 780), (end + 120, 1290)], 90),
            (14, 14, 60),
            bright * 0.7,
            44,
            silk,
        )
    ring = (640, 700, 960, 900)
    _glow(picture, _oval((620, 730, 1000, 940)), (16, 16, 60), 0.5, 24, silk)
    _fill(
        picture,
        _round(ring, 96),
        _within(ring, ((0.0, (250, 226, 170)), (0.5, (222, 176, 100)), (1.0, (160, 112, 52)))),
    )
    _fill(
        picture,
        _round((676, 742, 924, 852), 54),
        _within((676, 742, 924, 852), ((0.0, (70, 78, 176)), (1.0, (40, 44, 116)))),
    )
    return picture


def bag() -> Image.Image:
    picture = _scene((236, 228, 216), (206, 192, 172))
    _shadow(picture, 800, 1330, 430)
    leather: Stops = ((0.0, (168, 104, 66)), (1.0, (110, 62, 38)))
    for x, dark in ((640, 1.0), (690, 0.0)):
        arch = _stroke([(x - 110, 720), (x - 90, 420), (x + 130, 270), (x + 350, 420), (x + 370, 720)], 36)
        _fill(
            picture,
            arch,
            _within((0, 260, 0, 720), ((0.0, _mix(leather[0][1], (60, 30, 20), 0.45 * dark)), (1.0, leather[1][1]))),
        )
    body = _poly([(400, 640), (1200, 640), (1256, 1330), (344, 1330)])
    _fill(
        picture,
        body,
        _within(
            (344, 0, 1256, 0), ((0.0, (252, 246, 232)), (0.35, (244, 234, 212)), (1.0, (212, 196, 164))), across=True
        ),
    )
    _fill(picture, _poly([(400, 640), (1200, 640), (1206, 706), (394, 706)]), (230, 216, 188))
    pocket = _round((540, 880, 1060, 1240), 26)
    _glow(picture, _round((548, 894, 1072, 1256), 26), (150, 128, 92), 0.4, 14, body)
    _fill(picture, pocket, _within((540, 880, 1060, 1240), ((0.0, (246, 238, 218)), (1.0, (228, 214, 186)))))
    _fill(picture, _oval((690, 950, 910, 1170)), INK)
    _fill(picture, _oval((752, 930, 942, 1120)), (240, 230, 206))
    for x in (420, 1180):
        for y in range(740, 1310, 46):
            at = (y - 640) / 690 * (56 if x > 800 else -56)
            _glow(picture, _round((x + at - 4, y, x + at + 4, y + 24), 4), (186, 164, 124), 0.9, 1)
    for x in (532, 1008, 584, 1062):
        _fill(picture, _oval((x - 15, 658, x + 15, 688)), (202, 162, 96))
    _glow(picture, _poly([(400, 706), (620, 706), (520, 1330), (344, 1330)]), (255, 255, 255), 0.35, 40, body)
    return picture


def speaker() -> Image.Image:
    picture = _scene((216, 214, 228), (180, 176, 200))
    _shadow(picture, 800, 1290, 440)
    pebble = _poly(
        _curve(
            [
                (800, 520),
                (1110, 570),
                (1262, 860),
                (1200, 1170),
                (980, 1290),
                (620, 1290),
                (400, 1170),
                (338, 860),
                (490, 570),
                (800, 520),
            ]
        )
    )
    _fill(picture, pebble, _ramp([(0.3, (112, 108, 132)), (0.55, (70, 66, 90)), (0.82, (36, 33, 52))]))
    for row in range(24):
        for column in range(30):
            x = 372 + column * 30 + (15 if row % 2 else 0)
            y = 720 + row * 23
            if (x - 800) ** 2 / 400**2 + (y - 960) ** 2 / 270**2 < 1:
                _dot(picture, x, y)
    _glow(picture, _oval((470, 560, 900, 760)), (255, 255, 255), 0.4, 52, pebble)
    _fill(picture, _oval((690, 592, 910, 664)), (48, 44, 66))
    _fill(picture, _stroke([(740, 628), (780, 628)], 8), (222, 216, 240))
    _fill(picture, _both(_stroke([(830, 628), (866, 628)], 8), _stroke([(848, 612), (848, 646)], 8)), (222, 216, 240))
    _glow(picture, _oval((786, 682, 814, 700)), (140, 240, 200), 1.0, 3)
    strap = _stroke([(1196, 700), (1330, 760), (1370, 900), (1300, 1010)], 34)
    _fill(picture, strap, _within((1190, 690, 1390, 1020), ((0.0, (224, 128, 92)), (1.0, (160, 76, 52)))))
    return picture


def _dot(picture: Image.Image, x: float, y: float) -> None:
    ImageDraw.Draw(picture).ellipse((x - 7, y - 7, x + 7, y + 7), fill=(28, 26, 42))


def serum() -> Image.Image:
    picture = _scene((248, 226, 226), (232, 198, 200))
    _glow(picture, _oval((980, 1010, 1420, 1330)), (96, 50, 70), 0.3, 40)
    _shadow(picture, 740, 1320, 300)
    cap = (650, 300, 830, 610)
    _fill(
        picture, _oval((640, 190, 840, 390)), _within((640, 190, 840, 390), ((0.0, (92, 72, 104)), (1.0, (48, 34, 62))))
    )
    _fill(
        picture,
        _round(cap, 24),
        _within(cap, ((0.0, (244, 214, 168)), (0.3, (255, 242, 214)), (1.0, (176, 128, 76))), across=True),
    )
    for x in range(664, 824, 20):
        _glow(picture, _round((x, 420, x + 5, 600), 2), (150, 104, 58), 0.45, 1)
    glass = (500, 600, 980, 1330)
    bottle = _round(glass, 92)
    _fill(
        picture,
        bottle,
        _within(
            glass,
            ((0.0, (250, 214, 208)), (0.3, (255, 238, 232)), (0.75, (236, 178, 172)), (1.0, (198, 128, 130))),
            across=True,
        ),
    )
    liquid = _round((526, 760, 954, 1304), 72)
    _fill(
        picture,
        liquid,
        _within(
            (526, 0, 954, 0), ((0.0, (246, 196, 172)), (0.3, (255, 226, 206)), (1.0, (214, 136, 120))), across=True
        ),
    )
    _fill(picture, _oval((526, 736, 954, 786)), (255, 234, 220))
    _fill(picture, _round((728, 600, 752, 1120), 10), (255, 250, 246))
    _fill(picture, _round((580, 860, 900, 1180), 22), (255, 252, 250))
    for i, angle in enumerate((-40, -14, 14, 40)):
        x = 740 + math.sin(math.radians(angle)) * 92
        y = 1030 - math.cos(math.radians(angle)) * 92
        _fill(picture, _stroke([(740, 1076), ((740 + x) / 2 + 4, (1040 + y) / 2), (x, y)], 7), (150, 132, 84))
        _fill(picture, _oval((x - 20, y - 34, x + 20, y + 26)), (222, 194, 128) if i % 2 else (236, 212, 150))
    _fill(picture, _round((660, 1116, 820, 1126), 5), (196, 150, 140))
    _glow(picture, _round((530, 660, 572, 1260), 20), (255, 255, 255), 0.85, 12, bottle)
    _fill(
        picture,
        _poly(
            _curve([(1190, 1010), (1270, 1130), (1262, 1216), (1190, 1256), (1118, 1216), (1110, 1130), (1190, 1010)])
        ),
        _within((1110, 1000, 1270, 1260), ((0.0, (255, 238, 226)), (1.0, (226, 150, 134)))),
    )
    _glow(picture, _oval((1136, 1130, 1180, 1210)), (255, 255, 255), 0.9, 10)
    return picture


DRAWINGS: dict[str, Callable[[], Image.Image]] = {
    "lamp": lamp,
    "teapot": teapot,
    "cup": cup,
    "candle": candle,
    "scarf": scarf,
    "bag": bag,
    "speaker": speaker,
    "serum": serum,
}

if __name__ == "__main__":
    main()
