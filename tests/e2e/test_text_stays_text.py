"""HTML in every text field a person can fill in: pages show it as text, and no script of it ever runs."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from tests.e2e import actors
from tests.support.browser import browser, context, open_page
from tests.support.process import server_process
from tests.support.server import sign_in

pytestmark = pytest.mark.browser

# Each would call `ran` if it were ever taken for markup, an attribute, a URL or a script's text.
EVIL = "<img src=x onerror=ran(1)>\"'><script>ran(2)</script>"
CHAT = "<b onmouseover=ran(3)>hi</b> {{ran(4)}} ${ran(5)} javascript:ran(6)"
NICKNAME = "<svg onload=ran(7)>"

RAN = "window.ranCount = 0; window.ran = () => { window.ranCount += 1; };"


async def fill_everything(server_url: str, email: str, password: str) -> str:
    """A room and a product whose every text is hostile; the room's id."""
    async with await sign_in(server_url, email, password) as brand:

        async def post(path: str, body: object, status: int = 201) -> dict[str, object]:
            async with brand.post(path, json=body) as answer:
                assert answer.status == status, await answer.text()
                return await answer.json()

        made = await post("/api/rooms", {"title": EVIL, "description": EVIL})
        room = str(made["room"]["id"])  # type: ignore[index]
        product = await post(
            "/api/pool/products",
            {
                "id": "EVIL-1<i>",
                "title": EVIL,
                "description": EVIL,
                "price": "5.00 USD",
                "stock": 9,
                "brand": EVIL[:60],
                "color": NICKNAME,
                "size": NICKNAME,
            },
        )
        card = await post(f"/api/rooms/{room}/cards", {"product": product["id"]})
        await post(f"/api/rooms/{room}/cards/{card['id']}/pin", {}, 200)
        return room


async def nothing_ran(page: Page) -> None:
    assert await page.evaluate("window.ranCount") == 0
    for frame in page.frames[1:]:
        assert await frame.evaluate("window.ranCount ?? 0") == 0


async def test_hostile_text_on_every_page(tmp_path: Path, chromium: str) -> None:
    async with server_process(tmp_path) as server, browser(chromium) as launched:
        room = await fill_everything(server.url, server.demo.email, server.demo.password)
        made = await context(launched)
        await made.add_init_script(RAN)

        viewer = await open_page(made, f"{server.url}/r/{room}")
        await expect(viewer.page.get_by_text(EVIL).first).to_be_visible()
        await actors.say(viewer.page, CHAT, NICKNAME)
        await expect(viewer.page.get_by_role("log").get_by_text(NICKNAME)).to_be_visible()
        app = await actors.open_from_bag(viewer.page, EVIL)
        await expect(app.get_by_text(EVIL).first).to_be_visible()
        await actors.order(app, name=EVIL[:60])
        await expect(actors.pay_frame(viewer.page).get_by_label("Card number")).to_be_visible()
        await nothing_ran(viewer.page)

        brand = await open_page(made, f"{server.url}/signin")
        await actors.sign_in(brand.page, server.url, server.demo, "/studio")
        for path in ("/studio", f"/studio/rooms/{room}", "/studio/pool", "/studio/orders"):
            await brand.page.goto(f"{server.url}{path}")
            await expect(brand.page.get_by_text(EVIL[:60]).locator("visible=true").first).to_be_visible()
            await nothing_ran(brand.page)
        for path in (f"/studio/rooms/{room}/report", "/"):
            await brand.page.goto(f"{server.url}{path}")
            await expect(brand.page.get_by_text(EVIL[:20]).locator("visible=true").first).to_be_visible()
            await nothing_ran(brand.page)
        # Nothing was even tried: the content policy had nothing to refuse.
        assert viewer.problems == brand.problems == []


async def test_structured_data_cannot_be_broken_out_of(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        room = await fill_everything(server.url, server.demo.email, server.demo.password)
        async with aiohttp.ClientSession() as session, session.get(f"{server.url}/r/{room}") as answer:
            text = await answer.text()
        assert "<script>ran" not in text
        assert "<img src=x" not in text
        assert "\\u003cscript" in text  # the title is there, as JSON-LD
