"""Takes pictures in (upload or URL), has them re-encoded by a bounded child process, stores and serves them.
Whatever comes out is a WebP this project's encoder wrote; no byte of the original is ever served."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from streamserver.clock import Clock
from streamserver.errors import BadRequest, NotFound, TooLarge, Unavailable, UnsupportedType
from streamserver.ids import new_id
from streamserver.store import Store
from streamserver.store.tables.commerce import images, products
from streamserver.wire_shapes import Image

from . import image_fetch

log = logging.getLogger(__name__)

CHILD = Path(__file__).with_name("image_child.py")
MAX_BYTES = image_fetch.MAX_BYTES
DECODE_S = 30.0
WAITING = 8
"""Pictures that may wait for the one decoder; more are refused with 503."""
TRIES = 5
RETRY_MS = (0, 60_000, 600_000, 3_600_000, 21_600_000)
IDLE_S = 3.0

_STATUS = {"too_many_pixels": TooLarge, "not_an_image": UnsupportedType, "broken_image": BadRequest}


class Images:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._decoder = asyncio.Semaphore(1)
        self._waiting = 0
        self._woken = asyncio.Event()

    async def add(self, seller_id: str, raw: bytes) -> Image:
        """Raises TooLarge, UnsupportedType, BadRequest `broken_image`, Unavailable."""
        if len(raw) > MAX_BYTES:
            raise TooLarge(f"a picture has at most {MAX_BYTES} bytes", where="image")
        return await self.keep(seller_id, *await self._encode(raw))

    async def add_by_url(self, seller_id: str, url: str) -> Image:
        """The same for an https address."""
        return await self.add(seller_id, await image_fetch.fetch(url))

    async def keep(self, seller_id: str, width: int, height: int, webp: bytes) -> Image:
        """Stores a WebP that this project made."""
        now = self._clock.now_ms()
        image_id = new_id(now, os.urandom(10))
        row = {"seller_id": seller_id, "width": width, "height": height, "webp": webp, "created_ms": now}
        await self._store.write(lambda conn: conn.execute(images.insert().values(id=image_id, **row)))
        return Image(image=f"/images/{image_id}.webp", width=width, height=height)

    async def get(self, image_id: str) -> bytes:
        """Raises NotFound."""
        webp = await self._store.read(lambda conn: conn.scalar(sa.select(images.c.webp).where(images.c.id == image_id)))
        if webp is None:
            raise NotFound("no such image", where="image")
        return bytes(webp)

    async def _encode(self, raw: bytes) -> tuple[int, int, bytes]:
        if self._waiting >= WAITING:
            raise Unavailable("too many pictures are waiting", code="busy", retry_after=5)
        self._waiting += 1
        try:
            async with self._decoder:
                return await _in_child(raw)
        finally:
            self._waiting -= 1

    # ---- pictures named by URL in products ----

    def wake(self) -> None:
        """A product was stored whose picture has to be fetched."""
        self._woken.set()

    async def run(self) -> None:
        """Fetches the pictures of products one by one, until cancelled; a failure is tried again ever more
        rarely."""
        while True:
            self._woken.clear()
            try:
                found = await self.fetch_one()
            except Unavailable as exc:
                log.warning("images_postponed", extra={"reason": exc.detail})
                found = False
            if not found:
                try:
                    await asyncio.wait_for(self._woken.wait(), IDLE_S)
                except TimeoutError:
                    pass

    async def fetch_one(self) -> bool:
        """Fetches one picture that is due; False when there is none."""
        now = self._clock.now_ms()

        def due(conn: sa.Connection) -> Any:
            query = (
                sa.select(
                    products.c.id, products.c.seller_id, products.c.image_source.label("source"), products.c.image_tries
                )
                .where(products.c.image_due_ms <= now, products.c.deleted_ms.is_(None))
                .order_by(products.c.image_due_ms)
                .limit(1)
            )
            return conn.execute(query).first()

        row = await self._store.read(due)
        if row is None:
            return False
        product_id, seller_id, source, tries = row
        values: dict[str, object] = {"image_tries": tries + 1, "image_due_ms": None}
        try:
            values["image"] = (await self.add_by_url(seller_id, source)).image
        except (BadRequest, TooLarge, UnsupportedType, Unavailable) as exc:
            log.info("image_not_fetched", extra={"product": product_id, "reason": exc.code, "tries": tries + 1})
            if tries + 1 < TRIES:
                values["image_due_ms"] = self._clock.now_ms() + RETRY_MS[tries + 1]

        def done(conn: sa.Connection) -> None:
            # Unless the product was given another address meanwhile.
            mine = (products.c.id == product_id) & (products.c.image_source == source)
            conn.execute(products.update().where(mine).values(**values))

        await self._store.write(done)
        return True


async def _in_child(raw: bytes) -> tuple[int, int, bytes]:
    pipe = asyncio.subprocess.PIPE
    try:
        # -I: nothing but the interpreter's own packages can be imported there.
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-I", str(CHILD), stdin=pipe, stdout=pipe, stderr=pipe
        )
    except OSError as exc:
        raise Unavailable(f"no process for decoding: {exc.strerror}", code="busy", retry_after=5) from None
    try:
        out, told = await asyncio.wait_for(child.communicate(raw), DECODE_S)
    except TimeoutError:
        raise BadRequest("the picture takes too long to decode", code="broken_image", where="image") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode == 3:
        code, _, reason = told.decode("utf-8", "replace").partition(": ")
        raise _STATUS.get(code, BadRequest)(reason, code=code, where="image")
    if child.returncode != 0:
        # Killed by a limit or by its own decoder.
        raise BadRequest("the picture cannot be decoded", code="broken_image", where="image")
    head, _, webp = out.partition(b"\n")
    width, height = (int(number) for number in head.split())
    return width, height, webp
