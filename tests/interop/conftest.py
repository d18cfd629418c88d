"""What the interoperability tests share: the engine under test, a server with it, a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext

from tests.interop.chrome import LIMIT_S, PAGE
from tests.support import engines
from tests.support.browser import browser
from tests.support.whip_server import WhipServer, whip_server


@pytest.fixture(params=engines.NAMES)
def engine(request: pytest.FixtureRequest) -> str:
    return engines.need(request.param)


@pytest.fixture
def native() -> str:
    """For what the aiortc engine does not do."""
    return engines.need("native")


@pytest.fixture
async def server(engine: str) -> AsyncIterator[WhipServer]:
    async with whip_server(PAGE, engine) as running:
        yield running


@pytest.fixture
async def native_server(native: str) -> AsyncIterator[WhipServer]:
    async with whip_server(PAGE, native) as running:
        yield running


@pytest.fixture
async def context(chromium: str) -> AsyncIterator[BrowserContext]:
    async with browser(chromium) as launched:
        made = await launched.new_context(permissions=["camera", "microphone"], bypass_csp=True)
        made.set_default_timeout(LIMIT_S * 1000)
        yield made
