"""What a second host and a keyboard meet: who is on air is never in doubt, and Tab reaches everything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e import actors
from tests.support.browser import browser, context, open_page
from tests.support.process import server_process

pytestmark = pytest.mark.browser


async def test_a_second_studio_is_not_told_that_its_own_picture_is_live(tmp_path: Path, chromium: str) -> None:
    async with server_process(tmp_path) as server, browser(chromium) as launched:
        made = await context(launched)
        first = await made.new_page()
        await actors.sign_in(first, server.url, server.demo, "/studio/rooms/demo")
        await actors.go_live(first)

        second = await made.new_page()
        await second.goto(f"{server.url}/studio/rooms/demo")
        stage = second.get_by_role("region", name="Stage")
        await expect(stage.get_by_role("button", name="Take over the show")).to_be_visible()
        await expect(stage.get_by_text("Going live here takes over", exact=False)).to_be_visible()
        await expect(stage.get_by_text("Preview", exact=True)).to_be_visible()
        await expect(stage.get_by_text(re.compile("^LIVE"))).to_have_count(0)

        await stage.get_by_role("button", name="Take over the show").click()
        await expect(stage.get_by_text(re.compile("^LIVE"))).to_be_visible()
        await expect(first.get_by_role("button", name="Take over the show")).to_be_visible()


async def test_tab_goes_on_from_the_chat_to_the_bag_on_a_phone(tmp_path: Path, chromium: str) -> None:
    async with server_process(tmp_path) as server, browser(chromium) as launched:
        made = await context(launched, phone=True)
        page = (await open_page(made, f"{server.url}/r/demo")).page
        bag = page.get_by_role("button", name="Product bag")
        await expect(bag).to_be_visible()
        await page.get_by_placeholder("Say something…").focus()
        await page.keyboard.press("Tab")
        await expect(bag).to_be_focused()
        await expect(page.locator("nav.actions")).to_have_css("opacity", "1")
