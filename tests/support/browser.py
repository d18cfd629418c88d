"""A real Chromium with its fake camera, driven by Playwright; works without any network but loopback."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright, expect

# How long a page may take on two busy cores before it counts as not happening.
WAIT_MS = 20_000
expect.set_options(timeout=WAIT_MS)

FLAGS = (
    "--allow-loopback-in-peer-connection",
    # One --disable-features: a second one would replace the first.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
    "--auto-select-desktop-capture-source=Entire screen",
    "--autoplay-policy=no-user-gesture-required",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

RESULTS = Path(__file__).parents[2] / "test-results"

PHONE = {"width": 390, "height": 844}
LAPTOP = {"width": 1280, "height": 800}


@asynccontextmanager
async def browser(executable: str, *flags: str) -> AsyncIterator[Browser]:
    """A Chromium for the length of the block. A first launch on a busy machine may time out: it is tried once more."""
    async with async_playwright() as play:
        options = {"executable_path": executable, "args": [*FLAGS, *flags]}
        try:
            launched = await play.chromium.launch(**options)  # type: ignore[arg-type]
        except Error:
            launched = await play.chromium.launch(**options)  # type: ignore[arg-type]
        try:
            yield launched
        except BaseException:
            await _keep_pictures(launched)
            raise
        finally:
            await launched.close()


async def _keep_pictures(launched: Browser) -> None:
    """What every page looked like when a test failed, in test-results/."""
    RESULTS.mkdir(exist_ok=True)
    test = re.sub(r"\W+", "-", os.environ.get("PYTEST_CURRENT_TEST", "test").split(" ")[0])[-80:]
    pages = [page for made in launched.contexts for page in made.pages]
    for number, page in enumerate(pages):
        with contextlib.suppress(Error):
            await page.screenshot(path=RESULTS / f"{test}-{number}.png", timeout=5000)


class Watched:
    """A page and everything that went wrong on it: script errors and refusals by the content policy."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("console", self._console)

    def _console(self, message: object) -> None:
        text = str(getattr(message, "text", ""))
        if "Content Security Policy" in text or "Refused to" in text:
            self.problems.append(text)


async def context(
    launched: Browser, *, phone: bool = False, language: str = "en-US", dark: bool = False
) -> BrowserContext:
    made = await launched.new_context(
        viewport=PHONE if phone else LAPTOP,  # type: ignore[arg-type]
        locale=language,
        has_touch=phone,
        is_mobile=phone,
        color_scheme="dark" if dark else "light",
        permissions=["camera", "microphone"],
    )
    made.set_default_timeout(WAIT_MS)
    return made


async def open_page(made: BrowserContext, url: str) -> Watched:
    watched = Watched(await made.new_page())
    await watched.page.goto(url)
    return watched


async def video_facts(page: Page) -> dict[str, float]:
    """{frames, width, height, time, muted} of the page's video, in or out of shadow roots."""
    return await page.evaluate(
        """() => {
          const find = (root) => {
            for (const el of root.querySelectorAll('*')) {
              if (el.tagName === 'VIDEO') return el;
              if (el.shadowRoot) { const got = find(el.shadowRoot); if (got) return got; }
            }
            return null;
          };
          const v = find(document);
          if (!v) return {frames: 0, width: 0, height: 0, time: 0, muted: 1};
          const q = v.getVideoPlaybackQuality();
          return {frames: q.totalVideoFrames, width: v.videoWidth, height: v.videoHeight,
                  time: v.currentTime, muted: v.muted ? 1 : 0};
        }"""
    )
