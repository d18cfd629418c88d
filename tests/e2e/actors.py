"""What people do on the pages, by what they see: roles and names, never class names or test ids."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import BrowserContext, FrameLocator, Locator, Page, expect

from streamserver.demo import DemoSecrets
from tests.support.browser import video_facts


async def sign_in(page: Page, url: str, demo: DemoSecrets, then: str) -> None:
    await page.goto(f"{url}/signin?next={then}")
    await page.get_by_label("Email").fill(demo.email)
    await page.get_by_label("Password", exact=True).fill(demo.password)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{url}{then}")


async def go_live(page: Page) -> None:
    """On a room's control page: camera on, live, and the stage says so."""
    # Where camera and microphone were allowed before, as in these contexts, the preview opens by itself.
    await expect(page.get_by_text("Preview", exact=True)).to_be_visible()
    await page.get_by_role("button", name=re.compile("Go live|Resume the show|Take over the show")).click()
    await expect(page.get_by_text("LIVE", exact=False).first).to_be_visible()


async def frames_grow(page: Page, by: int = 30) -> dict[str, float]:
    """Waits until the page's video has decoded `by` more frames; the facts then."""
    before = (await video_facts(page))["frames"]
    facts = await video_facts(page)
    for _ in range(200):
        facts = await video_facts(page)
        if facts["frames"] >= before + by:
            return facts
        await page.wait_for_timeout(100)  # the page's own clock: there is no event for a decoded frame
    raise AssertionError(f"the picture stands still: {facts}")


async def keep_peers(made: BrowserContext) -> None:
    """The peer connections of pages opened from now on can be asked."""
    await made.add_init_script(
        """window.peers = [];
        window.RTCPeerConnection = class extends RTCPeerConnection {
          constructor(...all) { super(...all); window.peers.push(this); }
        };"""
    )


async def encodings(page: Page) -> dict[str, int]:
    """Width of the newest frame of each encoding that the page's newest connection sends, 0 for none, by its RID."""
    return await page.evaluate(
        """async () => {
          const all = [...(await window.peers.at(-1).getStats()).values()];
          const video = all.filter((one) => one.type === 'outbound-rtp' && one.kind === 'video');
          return Object.fromEntries(video.map((one) => [one.rid ?? '', one.framesSent ? one.frameWidth ?? 0 : 0]));
        }"""
    )


async def width_reaches(page: Page, width: int) -> None:
    """Waits until the page's video is at least that wide."""
    facts = await video_facts(page)
    for _ in range(200):
        if facts["width"] >= width:
            return
        await page.wait_for_timeout(100)
        facts = await video_facts(page)
    raise AssertionError(f"the picture stays small: {facts}")


async def say(page: Page, text: str, nickname: str) -> None:
    """Writes a chat line in the room; chooses a nickname where the page asks for one."""
    box = page.get_by_placeholder("Say something…")
    await box.fill(text)
    await box.press("Enter")
    label = page.get_by_label("Nickname")
    line = page.get_by_role("log").get_by_text(text)
    await expect(label.or_(line).first).to_be_visible()
    if await label.is_visible():
        await label.fill(nickname)
        await page.get_by_role("button", name="Join the chat").click()
    # The draft and the line stand there together for the moment between the line and its acknowledgement.
    await expect(line).to_have_count(1)
    await expect(line).to_be_visible()
    await box.blur()  # while somebody types on a phone, the row of buttons makes room for the text


def card_button(page: Page, title: str) -> Locator:
    """The card over the picture, not the product's row in the bag."""
    return page.get_by_role("button", name=re.compile(f"(Featured|Showing now).*{title}"))


async def back_to_the_show(page: Page) -> None:
    await page.get_by_role("button", name=re.compile("Back to the show")).first.click()


async def open_card(page: Page, title: str) -> FrameLocator:
    """Taps the card at the bottom right; the mini-app's frame."""
    await card_button(page, title).click()
    return page.frame_locator("iframe").first


async def open_from_bag(page: Page, title: str) -> FrameLocator:
    """Opens the product bag and taps a product there; the mini-app's frame."""
    await page.get_by_role("button", name=re.compile("Product bag")).first.click()
    await page.get_by_role("listitem").filter(has_text=title).get_by_role("button").click()
    return page.frame_locator("iframe").first


async def order(app: FrameLocator, name: str = "Lin Yue", email: str = "lin@example.com") -> None:
    """From the mini-app's product page to the payment."""
    await app.get_by_role("button", name="Buy now").click()
    await app.get_by_label("Full name").fill(name)
    await app.get_by_label("Email").fill(email)
    address = app.get_by_label("Delivery address")
    if await address.count():
        await address.fill("1 Moon Road, Hangzhou")
    await app.get_by_role("button", name=re.compile("^(Place order and pay|Pay )")).click()


def pay_frame(page: Page) -> FrameLocator:
    return page.frame_locator('iframe[src*="/pay/"]')


async def pay(page: Page, number: str) -> None:
    """Fills the provider's page with a card number and pays."""
    frame = pay_frame(page)
    await frame.get_by_label("Card number").fill(number)
    await frame.get_by_label("Expiry").fill("12 / 34")
    await frame.get_by_label("Security code").fill("123")
    await frame.get_by_label("Name on card").fill("Lin Yue")
    await frame.get_by_role("button", name=re.compile("^Pay ")).click()


_CARD_SHOWN = """(title) => new Promise((resolve) => {
  const deep = function* (root) {
    for (const el of root.querySelectorAll('*')) { yield el; if (el.shadowRoot) yield* deep(el.shadowRoot); }
  };
  const look = () => {
    for (const el of deep(document)) {
      if (el.tagName !== 'BUTTON' || !el.textContent.includes(title)) continue;
      const box = el.getBoundingClientRect();
      // Bottom right, and whole.
      if (box.width && box.x > innerWidth / 2 - 40 && box.right <= innerWidth && box.bottom > innerHeight / 2)
        return resolve(Date.now());
    }
    requestAnimationFrame(look);
  };
  look();
})"""


async def pin_and_time(studio: Page, viewer: Page, title: str) -> float:
    """Pins a product that is not on screen; milliseconds from the click to the card at the viewer's bottom right.

    Both times are taken inside the pages, on the one clock of this machine: Playwright's own polling is not counted.
    """
    shown = asyncio.ensure_future(viewer.evaluate(_CARD_SHOWN, title))
    await studio.evaluate(
        "addEventListener('click', () => (window.clickedAt = Date.now()), {capture: true, once: true})"
    )
    row = studio.get_by_role("listitem").filter(has_text=title)
    await row.get_by_role("button", name="Pin", exact=True).first.click()
    return await asyncio.wait_for(shown, 20) - await studio.evaluate("window.clickedAt")
