"""From a camera in a browser to a paid order in the report, in real Chromium against a server process."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import expect

from tests.e2e import actors
from tests.support import engines
from tests.support.browser import browser, context, open_page
from tests.support.process import server_process
from tests.support.server import sign_in

pytestmark = pytest.mark.browser

LAMP = "Moon Lamp"


@pytest.mark.parametrize("engine", engines.NAMES)
async def test_from_camera_to_paid_order_in_the_report(tmp_path: Path, chromium: str, engine: str) -> None:
    flags = ("--media-engine", engines.need(engine))
    async with server_process(tmp_path, *flags) as server, browser(chromium) as launched:
        studio_context = await context(launched)
        await actors.keep_peers(studio_context)
        studio = await open_page(studio_context, f"{server.url}/")
        await actors.sign_in(studio.page, server.url, server.demo, "/studio/rooms/demo")
        await actors.go_live(studio.page)

        # Two viewers decode moving frames of the right size.
        phone = await open_page(await context(launched, phone=True), f"{server.url}/r/demo")
        laptop = await open_page(await context(launched), f"{server.url}/r/demo")
        for viewer in (phone, laptop):
            facts = await actors.frames_grow(viewer.page)
            assert facts["width"] > 0 and facts["width"] * 9 == facts["height"] * 16
            assert facts["muted"] == 1
            # More than the smallest of the studio's encodings, whether or not the engine takes them all.
            await actors.width_reaches(viewer.page, 480)
        sent = await actors.encodings(studio.page)
        assert len([width for width in sent.values() if width]) == (3 if engine == "native" else 1), sent

        # Chat crosses, to the studio too, and stays text.
        await actors.say(phone.page, "Hello <b>everyone</b>", "Mei")
        await expect(laptop.page.get_by_role("log").get_by_text("Hello <b>everyone</b>")).to_be_visible()
        await actors.say(laptop.page, "Hi Mei", "Tom")
        await expect(phone.page.get_by_role("log").get_by_text("Hi Mei")).to_be_visible()

        # The card is there within a second of the pin.
        assert await actors.pin_and_time(studio.page, phone.page, LAMP) < 1000

        # The card opens the mini-app; order and payment happen without leaving.
        app = await actors.open_card(phone.page, LAMP)
        await actors.order(app)
        await actors.pay(phone.page, "4242 4242 4242 4242")
        await expect(app.get_by_text("Thank you!")).to_be_visible()
        await actors.frames_grow(phone.page, 10)  # the show went on in the corner

        # The studio sees it live.
        await expect(studio.page.get_by_text("1 paid of 1 placed")).to_be_visible()

        # The report shows exactly that order.
        async with await sign_in(server.url, server.demo.email, server.demo.password) as brand:
            async with brand.get("/api/rooms/demo/report") as answer:
                report = await answer.json()
            async with brand.get("/api/orders?room=demo") as answer:
                orders = (await answer.json())["orders"]
        assert [order["state"] for order in orders] == ["paid"]
        assert report["money"]["gmv_paid"]["minor"] == orders[0]["subtotal"]["minor"] == 2900
        await studio.page.goto(f"{server.url}/studio/rooms/demo/report")
        await expect(studio.page.get_by_text("$29.00").first).to_be_visible()
        assert studio.problems == phone.problems == laptop.problems == []


async def test_three_d_secure_a_decline_and_a_real_number(tmp_path: Path, chromium: str) -> None:
    async with server_process(tmp_path) as server, browser(chromium) as launched:
        bodies: list[str] = []
        made = await context(launched, phone=True)
        made.on("request", lambda request: bodies.append(request.post_data or "") if request.method == "POST" else None)
        viewer = await open_page(made, f"{server.url}/r/demo")
        app = await actors.open_from_bag(viewer.page, LAMP)
        await actors.order(app)

        # A number that is not a test number is refused in the browser and never sent.
        await actors.pay(viewer.page, "4111 1111 1111 1111")
        frame = actors.pay_frame(viewer.page)
        await expect(frame.get_by_text("Real cards are not taken here", exact=False)).to_be_visible()
        assert not any("4111" in body for body in bodies)

        await actors.pay(viewer.page, "4000 0000 0000 0002")
        await expect(frame.get_by_text("The bank declined this card", exact=False)).to_be_visible()

        await actors.pay(viewer.page, "4000 0000 0000 3220")
        await frame.get_by_role("button", name="Approve payment").click()
        await expect(app.get_by_text("Thank you!")).to_be_visible()
        assert not any("3220" in body for body in bodies)


async def test_kill_9_in_the_middle(tmp_path: Path, chromium: str) -> None:
    """Everything acknowledged is there after the restart, and viewers and studio come back by themselves."""
    async with server_process(tmp_path) as server, browser(chromium) as launched:
        studio = await open_page(await context(launched), f"{server.url}/")
        await actors.sign_in(studio.page, server.url, server.demo, "/studio/rooms/demo")
        await actors.go_live(studio.page)
        viewer = await open_page(await context(launched, phone=True), f"{server.url}/r/demo")
        await actors.frames_grow(viewer.page)
        await actors.say(viewer.page, "before the crash", "Mei")
        app = await actors.open_from_bag(viewer.page, LAMP)
        await actors.order(app)
        await actors.pay(viewer.page, "5555 5555 5555 4444")
        await expect(app.get_by_text("Thank you!")).to_be_visible()
        show = await _show(server.url)

        await server.kill()
        await server.start()

        brand = await sign_in(server.url, server.demo.email, server.demo.password)
        async with brand, brand.get("/api/orders?room=demo") as answer:
            assert [order["state"] for order in (await answer.json())["orders"]] == ["paid"]
        # Nobody touches a page: video, chat and cards are back.
        await actors.frames_grow(viewer.page, 60)
        late = await open_page(await context(launched), f"{server.url}/r/demo")
        await actors.frames_grow(late.page)
        await expect(late.page.get_by_role("log").get_by_text("before the crash")).to_be_visible()
        await actors.say(late.page, "after the crash", "Tom")
        await actors.back_to_the_show(viewer.page)
        log = viewer.page.get_by_role("log")
        await expect(log.get_by_text("after the crash")).to_have_count(1)
        await expect(log.get_by_text("before the crash")).to_have_count(1)
        assert await _show(server.url) == show, "a short crash does not end the show"


async def _show(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/rooms/demo") as answer:
        return (await answer.json())["show"]["id"]
