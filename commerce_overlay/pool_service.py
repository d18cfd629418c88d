"""A seller's product pool: create, change, delete, import. Decides by `catalog.py`, saves, and lets the
rooms that show a product know. Knows no image bytes; pictures come and go through `images.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from streamserver.auth import Account
from streamserver.errors import BadRequest, Conflict, NotFound
from streamserver.store.tables.commerce import products
from streamserver.wire_shapes import ImportProblem, ImportResult, Product, ProductInput, ProductPage

from . import cards, store_cards, store_products
from .bodies import ProductPatch
from .card_service import CardService
from .cards import CardAction
from .catalog import Draft, check
from .catalog_csv import MAX_PROBLEMS, read_csv
from .images import Images

if TYPE_CHECKING:
    from streamserver.server import Server

SAMPLE = 5


class PoolService:
    def __init__(self, server: Server, cards: CardService, images: Images) -> None:
        self._server = server
        self._cards = cards
        self._images = images

    async def page(self, account: Account, search: str, after: str | None, limit: int) -> ProductPage:
        seller = account.seller_id
        rows, more = await self._server.store.read(lambda conn: store_products.page(conn, seller, search, after, limit))
        return ProductPage(products=[store_products.product_of(row) for row in rows], next=more)

    async def create(self, account: Account, given: ProductInput) -> Product:
        """Raises BadRequest naming the field, Conflict `sku_taken`."""
        draft = _checked(given)
        seller = _seller(account)
        product_id = self._server.new_id()
        now = self._server.clock.now_ms()

        def unit(conn: sa.Connection) -> Any:
            _own_image(conn, seller, draft)
            known = store_products.by_skus(conn, seller, [draft.sku]).get(draft.sku)
            values = store_products.draft_values(draft, now)
            if known is None:
                conn.execute(products.insert().values(id=product_id, seller_id=seller, created_ms=now, **values))
                return store_products.find(conn, product_id, seller)
            if known.deleted_ms is None:
                raise _sku_taken()
            # A deleted SKU comes back as the product it was: its orders and clicks still name it.
            if not store_products.set_values(conn, known.id, {**values, "deleted_ms": None}):
                raise _reserved()
            return store_products.find(conn, known.id, seller)

        row = await self._server.store.write(unit)
        self._wake(draft)
        return store_products.product_of(row)

    async def change(self, account: Account, product_id: str, patch: ProductPatch) -> Product:
        """Lays the given fields over the product and judges the whole. Raises NotFound, BadRequest,
        Conflict."""
        now = self._server.clock.now_ms()
        given = {
            field: value for field in patch.__struct_fields__ if (value := getattr(patch, field)) is not msgspec.UNSET
        }

        def unit(conn: sa.Connection) -> tuple[Any, Draft, set[str]]:
            row = store_products.find(conn, product_id, account.seller_id)
            if row is None:
                raise _unknown()
            draft = _checked(msgspec.structs.replace(store_products.input_of(row), **given))
            _own_image(conn, row.seller_id, draft)
            values = store_products.draft_values(draft, now)
            if "image_link" not in given:
                # What the picture is, or where it is being fetched from, stays as it is.
                for name in store_products.PICTURE:
                    del values[name]
            if draft.sku != row.sku and store_products.by_skus(conn, row.seller_id, [draft.sku]):
                raise _sku_taken()
            if draft.price.currency != row.currency and store_products.rooms_showing(conn, [product_id]):
                detail = "the product is in a room; its currency cannot change"
                raise Conflict(detail, code="currency_mismatch", where="price")
            if "stock" not in given:
                del values["on_hand"]  # it may have moved since the form was opened
            if not store_products.set_values(conn, product_id, values):
                raise _reserved()
            rooms = store_products.rooms_showing(conn, [product_id])
            return store_products.find(conn, product_id, None), draft, rooms

        row, draft, rooms = await self._server.store.write(unit)
        self._wake(draft)
        self._cards.stock_moved(rooms)
        return store_products.product_of(row)

    async def delete(self, account: Account, product_id: str) -> None:
        """Takes a product out of the pool and off every room's bag; orders keep naming it. Raises
        NotFound."""
        now = self._server.clock.now_ms()
        new_id = self._server.new_id

        def unit(conn: sa.Connection) -> set[str]:
            row = store_products.find(conn, product_id, account.seller_id)
            if row is None:
                raise _unknown()
            conn.execute(products.update().where(products.c.id == product_id).values(deleted_ms=now, updated_ms=now))
            rooms = store_products.rooms_showing(conn, [product_id])
            for room_id in rooms:
                ver = store_cards.bump(conn, room_id)
                for card in store_cards.bag(conn, room_id, now).cards:
                    if card.product == product_id:
                        known = store_cards.card_rows(conn, room_id)
                        after, changes = cards.act(known, card.id, CardAction.REMOVE, "")
                        store_cards.save(conn, room_id, None, after, changes, [new_id()], account.id, ver, now)
            return rooms

        self._cards.stock_moved(await self._server.store.write(unit))

    async def import_csv(self, account: Account, text: str, *, commit: bool) -> ImportResult:
        """Judges a file, and with `commit` stores its valid rows in one transaction. Again-safe by SKU."""
        seller = _seller(account)
        # Ten thousand rows take most of a second, which the event loop does not have.
        found = await asyncio.to_thread(read_csv, text)
        now = self._server.clock.now_ms()
        ids = [self._server.new_id() for _ in found.drafts]
        skus = [draft.sku for _, draft in found.drafts]

        def judge(conn: sa.Connection) -> tuple[dict[str, Any], list[ImportProblem], list[tuple[str, Draft]]]:
            known = store_products.by_skus(conn, seller, skus)
            shown = store_products.shown(conn, [row.id for row in known.values()])
            problems: list[ImportProblem] = []
            good: list[tuple[str, Draft]] = []
            for new_id, (row_number, draft) in zip(ids, found.drafts, strict=True):
                problem = _row_problem(conn, seller, draft, known.get(draft.sku), shown)
                if problem is None:
                    good.append((new_id, draft))
                else:
                    column, code, message = problem
                    problems.append(ImportProblem(row=row_number, column=column, code=code, message=message))
            return known, problems, good

        def unit(conn: sa.Connection) -> tuple[dict[str, Any], list[ImportProblem], list[tuple[str, Draft]], set[str]]:
            known, problems, good = judge(conn)
            fresh: list[dict[str, Any]] = []
            changed: list[dict[str, Any]] = []
            for new_id, draft in good:
                row = known.get(draft.sku)
                if row is None:
                    values = store_products.draft_values(draft, now)
                    fresh.append({"id": new_id, "seller_id": seller, "created_ms": now, **values})
                    continue
                values = store_products.named_values(draft, now, found.fields)
                if draft.price.currency != row.currency and "sale_price" not in found.fields:
                    values["sale_minor"] = None  # it was an amount of the old currency
                if draft.image_source is not None and draft.image_source == row.image_source:
                    for name in store_products.PICTURE:
                        del values[name]  # the same file again fetches nothing again
                changed.append({**values, "id": row.id, "deleted_ms": None})
            store_products.set_many(conn, changed)
            touched = [row["id"] for row in changed]
            if fresh:
                conn.execute(products.insert(), fresh)
            rooms: set[str] = set()
            for start in range(0, len(touched), 500):
                rooms |= store_products.rooms_showing(conn, touched[start : start + 500])
            return known, problems, good, rooms

        if commit:
            known, problems, good, rooms = await self._server.store.write(unit)
            self._cards.stock_moved(rooms)
            self._images.wake()
        else:
            known, problems, good = await self._server.store.read(judge)
        fresh = sum(1 for _, draft in good if draft.sku not in known)
        everything = sorted([*found.problems, *problems], key=lambda each: each.row)
        return ImportResult(
            rows=found.rows,
            valid=len(good),
            created=fresh,
            updated=len(good) - fresh,
            errors=everything[:MAX_PROBLEMS],
            sample=list(found.inputs[:SAMPLE]),
        )

    def _wake(self, draft: Draft) -> None:
        if draft.image_source is not None:
            self._images.wake()


def _row_problem(
    conn: sa.Connection, seller: str, draft: Draft, row: Any, shown: Set[str]
) -> tuple[str, str, str] | None:
    """What only the pool can say about a row of a file."""
    if draft.image is not None and not store_products.owns_image(conn, seller, draft.image):
        return "image_link", "unknown_image", "this picture is not one of yours"
    if row is None:
        return None
    if draft.stock < row.reserved:
        return "stock", "stock_reserved", f"placed orders hold {row.reserved}"
    if draft.price.currency != row.currency and row.id in shown:
        return "price", "currency_mismatch", f"the product is in a room that sells in {row.currency}"
    return None


def _checked(given: ProductInput) -> Draft:
    result = check(given)
    if isinstance(result, list):
        first = result[0]
        raise BadRequest(first.message, code=first.code, where=first.column)
    return result


def _own_image(conn: sa.Connection, seller: str, draft: Draft) -> None:
    if draft.image is not None and not store_products.owns_image(conn, seller, draft.image):
        raise BadRequest("this picture is not one of yours", code="unknown_image", where="image_link")


def _seller(account: Account) -> str:
    if account.seller_id is None:
        raise BadRequest("an operator has no pool; sign in as the brand", code="needs_seller")
    return account.seller_id


def _sku_taken() -> Conflict:
    return Conflict("the pool has a product with this id", code=store_products.SKU_TAKEN, where="id")


def _reserved() -> Conflict:
    return Conflict("placed orders hold more than that", code="stock_reserved", where="stock")


def _unknown() -> NotFound:
    return NotFound("no such product", code="unknown_product", where="product")
