"""The README's pictures, taken from the running product: `python -m tests.support.screenshots`.

Starts a server and a studio whose camera plays the demo show's picture, lets a crowd of real clients chat and buy, and
writes docs/images.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

from loadtest.picture import Scene
from tests.e2e import actors
from tests.support.browser import LAPTOP, browser, context, open_page
from tests.support.process import ROOT, ServerProcess, server_process
from tests.support.server import client_session
from tests.support.shop import Shopper

IMAGES = ROOT / "docs" / "images"
BUYERS = 44
WIDTH, HEIGHT, RATE = 1280, 720, 15
CHAT = (
    ("Mei", "So pretty! How long does the lamp last?"),
    ("Tom", "Just ordered two"),
    ("阿月", "月光灯好漂亮，有暖光吗？"),
    ("Sam", "Does it ship this week?"),
)


async def crowd(server: ServerProcess) -> None:
    """Shoppers who watch, click and mostly pay."""
    rng = random.Random(3)

    async def one(number: int) -> None:
        async with client_session(server.url) as http, http.ws_connect("/ws/demo") as socket:
            await socket.send_json({"t": "hello", "v": 1, "name": f"Guest {number}"})
            await socket.send_json({"t": "watch", "playing": True, "via": "webrtc"})
            who = Shopper(http)
            card = rng.choice((await who.cards())[:5])
            await asyncio.sleep(4)  # a view is three seconds
            if rng.random() < 0.85:
                await who.buy(card["sku"], rng.choice((1, 1, 1, 2)))
            else:
                await who.click(card["sku"])

    for start in range(0, BUYERS, 11):
        await asyncio.gather(*(one(number) for number in range(start, start + 11)))


def write_camera(path: Path, seconds: int = 20) -> None:
    """The demo show's picture as a y4m file, which Chromium's fake camera plays in a loop."""
    scene = Scene(WIDTH, HEIGHT)
    began = datetime.now().astimezone()
    midnight = began.hour * 3600 + began.minute * 60 + began.second
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(seconds * RATE):
            file.write(b"FRAME\n" + scene.frame(number, midnight + number / RATE).tobytes())


async def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    chromium = os.environ.get("STREAMSERVER_CHROMIUM") or shutil.which("chromium") or "chromium"
    with tempfile.TemporaryDirectory() as folder:
        camera = Path(folder) / "camera.y4m"
        write_camera(camera)
        flag = f"--use-file-for-fake-video-capture={camera}"
        async with server_process(Path(folder)) as server, browser(chromium, flag) as launched:
            studio = await open_page(await context(launched), f"{server.url}/")
            await actors.sign_in(studio.page, server.url, server.demo, "/studio/rooms/demo")
            await actors.go_live(studio.page)
            phone = await open_page(await context(launched, phone=True), f"{server.url}/r/demo")
            await actors.frames_grow(phone.page)
            await actors.pin_and_time(studio.page, phone.page, "Moon Lamp")
            await crowd(server)
            for name, text in CHAT:
                guest = await open_page(await context(launched), f"{server.url}/r/demo")
                await actors.say(guest.page, text, name)
                await guest.page.context.close()
            await phone.page.wait_for_timeout(1500)
            await phone.page.screenshot(path=IMAGES / "room.png")
            await studio.page.wait_for_timeout(1500)
            await studio.page.screenshot(path=IMAGES / "studio.png")
            await studio.page.set_viewport_size(LAPTOP | {"height": 1000})  # type: ignore[arg-type]
            await studio.page.goto(f"{server.url}/studio/rooms/demo/report")
            await studio.page.wait_for_timeout(2500)
            await studio.page.screenshot(path=IMAGES / "report.png")


if __name__ == "__main__":
    asyncio.run(main())
