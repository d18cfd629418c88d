"""What every store guarantees (see `streamserver/store/store.py`); SQLite now, PostgreSQL through the same factory."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from streamserver.errors import Unavailable
from streamserver.store import Store, insert_ignore, open_store, upsert
from streamserver.store.sqlite import SqliteStore
from streamserver.store.tables import metadata
from streamserver.store.tables.platform import sellers


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await open_store(tmp_path)
    yield opened
    await opened.close()


def add(id: str, name: str = "x") -> object:
    return lambda conn: conn.execute(sellers.insert().values(id=id, name=name, created_ms=1)) and None


async def ids(store: Store) -> set[str]:
    return await store.read(lambda conn: set(conn.scalars(sa.select(sellers.c.id))))


async def test_what_a_write_did_is_seen_by_the_next_read(store: SqliteStore) -> None:
    await store.write(add("a"))  # type: ignore[arg-type]
    assert await ids(store) == {"a"}


async def test_a_unit_that_raises_is_undone_alone(store: SqliteStore) -> None:
    def half(conn: sa.Connection) -> None:
        conn.execute(sellers.insert().values(id="half", name="x", created_ms=1))
        raise ZeroDivisionError

    results = await asyncio.gather(
        store.write(add("a")), store.write(half), store.write(add("b")), return_exceptions=True  # type: ignore[arg-type]
    )
    assert [type(result) for result in results] == [type(None), ZeroDivisionError, type(None)]
    assert await ids(store) == {"a", "b"}


async def test_units_see_one_another_in_order(store: SqliteStore) -> None:
    def count(conn: sa.Connection) -> int:
        conn.execute(sa.update(sellers).values(created_ms=sellers.c.created_ms + 1))
        return conn.scalar(sa.select(sellers.c.created_ms)) or 0

    await store.write(add("a"))  # type: ignore[arg-type]
    assert await asyncio.gather(*(store.write(count) for _ in range(500))) == list(range(2, 502))
    assert store.groups < 300  # many units share a commit


async def test_a_reader_cannot_write(store: SqliteStore) -> None:
    with pytest.raises((Unavailable, sa.exc.OperationalError)):
        await store.read(add("a"))  # type: ignore[arg-type]
    assert await ids(store) == set()


async def test_closing_finishes_what_was_taken_and_then_refuses(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    writes = [asyncio.ensure_future(store.write(add(str(n)))) for n in range(300)]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writes)
    with pytest.raises(Unavailable):
        await store.write(add("late"))  # type: ignore[arg-type]
    again = await open_store(tmp_path)
    assert len(await ids(again)) == 300
    await again.close()


async def test_insert_ignore_and_upsert(store: SqliteStore) -> None:
    def unit(conn: sa.Connection) -> tuple[bool, bool, str | None]:
        row = {"id": "a", "name": "one", "created_ms": 1}
        first = insert_ignore(conn, sellers, row)
        second = insert_ignore(conn, sellers, row | {"name": "two"})
        upsert(conn, sellers, row | {"name": "three"}, ["id"], ["name"])
        return first, second, conn.scalar(sa.select(sellers.c.name))

    assert await store.write(unit) == (True, False, "three")


async def test_a_full_disk_refuses_and_changes_nothing(store: SqliteStore) -> None:
    await store.write(add("a"))  # type: ignore[arg-type]

    def limit(conn: sa.Connection) -> None:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar()
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    await store.write(limit)
    with pytest.raises(Unavailable) as caught:
        await store.write(lambda conn: conn.execute(sellers.insert(), [
            {"id": f"big{n}", "name": "y" * 120, "created_ms": 1} for n in range(2000)
        ]))
    assert caught.value.status == 503
    assert await ids(store) == {"a"}
    await store.write(lambda conn: conn.exec_driver_sql("PRAGMA max_page_count=1000000"))
    await store.write(add("b"))  # type: ignore[arg-type]
    assert await ids(store) == {"a", "b"}


async def test_a_disk_that_fills_up_in_a_group_acknowledges_nothing_that_is_gone(store: SqliteStore) -> None:
    """SQLite gives the whole transaction up when the disk is full, the units before and after included."""

    def limit(conn: sa.Connection) -> None:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages + 1}")

    await store.write(limit)
    row = {"name": "y" * 120, "created_ms": 1}
    big = [{"id": f"big{n}", **row} for n in range(2000)]
    gate = threading.Event()  # the writer takes all of these at once
    asyncio.get_running_loop().call_later(0.05, gate.set)
    _, *results = await asyncio.gather(
        store.write(lambda _conn: gate.wait(30) and None),
        *(store.write(add(f"before{n}")) for n in range(5)),  # type: ignore[arg-type]
        store.write(lambda conn: [conn.execute(sellers.insert().values(**each)) for each in big] and None),
        *(store.write(add(f"after{n}")) for n in range(5)),  # type: ignore[arg-type]
        return_exceptions=True,
    )
    names = [*(f"before{n}" for n in range(5)), "big", *(f"after{n}" for n in range(5))]
    told = {name for name, result in zip(names, results, strict=True) if result is None}
    assert isinstance(results[5], Unavailable) and "full" in str(results[5])
    assert all(isinstance(result, Unavailable) for result in results if result is not None)
    assert await ids(store) == told
    await store.write(lambda conn: conn.exec_driver_sql("PRAGMA max_page_count=1000000"))
    await store.write(add("later"))  # type: ignore[arg-type]
    assert await ids(store) == told | {"later"}


_WRITER = """
import asyncio, sys
from pathlib import Path
from streamserver.store import open_store
from streamserver.store.tables import metadata
from streamserver.store.tables.platform import sellers

async def main():
    store = await open_store(Path(sys.argv[1]))
    async def one(n):
        row = {"id": str(n), "name": "x", "created_ms": 1}
        await store.write(lambda conn: conn.execute(sellers.insert().values(**row)) and None)
        print(n, flush=True)
    for start in range(0, 1_000_000, 50):
        await asyncio.gather(*(one(n) for n in range(start, start + 50)))

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    acknowledged = {(await process.stdout.readline()).decode().strip() for _ in range(777)}
    os.kill(process.pid, signal.SIGKILL)
    acknowledged |= {line.decode().strip() for line in (await process.stdout.read()).splitlines()[:-1]}
    await process.wait()
    store = await open_store(tmp_path)
    assert len(acknowledged) >= 777
    assert acknowledged <= await ids(store)
    assert await store.read(lambda conn: conn.exec_driver_sql("PRAGMA integrity_check").scalar()) == "ok"
    await store.close()


async def test_migrations_make_exactly_the_tables_that_the_code_knows(store: SqliteStore) -> None:
    def difference(conn: sa.Connection) -> list[object]:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "target_metadata": metadata})
        return list(compare_metadata(context, metadata))

    assert await store.read(difference) == []


async def test_a_database_newer_than_the_code_is_refused(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await store.write(lambda conn: conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'") and None)
    await store.close()
    with pytest.raises(OSError, match="9999"):
        await open_store(tmp_path)
