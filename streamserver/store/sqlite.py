"""SQLite behind the `Store` interface: one writer thread that commits in groups, and a few readers.

The writer's connection is the only one that writes or checkpoints: SQLite before 3.51.3 can corrupt its WAL when two
connections reset it at once. `synchronous=FULL`, so that an acknowledged unit survives a power cut; one fsync serves
every unit that waited for it.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from ..errors import Unavailable
from .migrate import migrate
from .store import Unit

T = TypeVar("T")
log = logging.getLogger(__name__)

WRITE_QUEUE = 20_000
"""Units waiting for the writer before more are refused."""
READ_QUEUE = 5_000
GROUP = 256
"""Units in one commit: bounds how long the first of them waits for the last."""
READERS = 3


class _Job:
    __slots__ = ("error", "future", "result", "unit")

    def __init__(self, unit: Unit[Any], future: asyncio.Future[Any]) -> None:
        self.unit = unit
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


def _engine(path: Path, *, reader: bool) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}",
        pool_size=READERS if reader else 1,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": 10},
        query_cache_size=2000,
    )

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver shall not begin transactions by itself
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "mmap_size=0",
            "cache_size=-16000",
            *(("wal_autocheckpoint=0", "query_only=ON") if reader else ("wal_autocheckpoint=2000",)),
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(conn: sa.Connection) -> None:
        conn.exec_driver_sql("BEGIN" if reader else "BEGIN IMMEDIATE")

    return engine


def _told(exc: BaseException) -> BaseException:
    """A database that cannot be used becomes 503; everything else stays what it is."""
    if isinstance(exc, OperationalError):
        error = Unavailable(f"the database refused: {exc.orig}", code="storage", retry_after=2)
        error.__cause__ = exc
        return error
    return exc


class SqliteStore:
    """See `Store` for the guarantees."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._writer = _engine(path, reader=False)
        self._readers = _engine(path, reader=True)
        self._queue: queue.Queue[_Job | None] = queue.Queue(maxsize=WRITE_QUEUE)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._reading = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-write", daemon=True)
        self._thread.start()
        self.groups = 0
        self.units = 0

    async def write(self, unit: Unit[T]) -> T:
        job = _Job(unit, self._loop.create_future())
        if self._closed:
            raise Unavailable("the store is closed", code="storage", retry_after=2)
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            raise Unavailable("too many writes are waiting", code="busy", retry_after=1) from None
        return await job.future

    async def read(self, unit: Unit[T]) -> T:
        if self._closed or self._reading >= READ_QUEUE:
            raise Unavailable("too many reads are waiting", code="busy", retry_after=1)
        self._reading += 1
        try:
            return await self._loop.run_in_executor(self._pool, self._read, unit)
        finally:
            self._reading -= 1

    async def writable(self) -> str | None:
        def unit(conn: sa.Connection) -> None:
            conn.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")

        try:
            await asyncio.wait_for(self.write(unit), 2)
        except Unavailable as exc:
            return exc.detail
        except TimeoutError:
            return "no write finished in 2 s"
        return None

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._loop.run_in_executor(None, self._queue.put, None)
        await self._loop.run_in_executor(None, self._thread.join)
        self._pool.shutdown(wait=True)
        self._readers.dispose()
        self._writer.dispose()

    def _read(self, unit: Unit[T]) -> T:
        try:
            with self._readers.connect() as conn, conn.begin():
                return unit(conn)
        except OperationalError as exc:
            raise _told(exc) from exc

    def _run(self) -> None:
        """The writer thread: take what waits, run it in one transaction, commit, answer."""
        stop = False
        while not stop:
            job = self._queue.get()
            jobs: list[_Job] = []
            while job is not None:
                jobs.append(job)
                if len(jobs) == GROUP:
                    break
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
            stop = job is None
            if jobs:
                self._commit(jobs)
                self._loop.call_soon_threadsafe(_answer, jobs)

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            with self._writer.connect() as conn, conn.begin():
                for job in jobs:
                    try:
                        with conn.begin_nested():
                            _try(job, conn)
                    except Exception as exc:
                        job.error = job.error or _told(exc)
                        driver = conn.connection.dbapi_connection
                        if driver is None or not driver.in_transaction:
                            # A full or failing disk makes SQLite roll the whole transaction back, the earlier
                            # units included; a later one would run outside any transaction.
                            raise job.error from exc
        except Exception as exc:
            # The transaction was lost or its commit failed: none of the units happened, whatever they returned.
            log.error("commit_failed", extra={"units": len(jobs)}, exc_info=exc)
            for job in jobs:
                job.error = _told(exc)
        self.groups += 1
        self.units += len(jobs)


def _try(job: _Job, conn: sa.Connection) -> None:
    """Runs one unit and keeps what it raised: undoing it may raise something that says less."""
    try:
        job.result = job.unit(conn)
    except Exception as exc:
        job.error = _told(exc)
        raise


def _answer(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


async def open_store(data: Path, *, progress: Callable[[str], None] = lambda _text: None) -> SqliteStore:
    """Opens (and migrates) `streamserver.db` in the data folder. Raises OSError when the folder cannot be used."""
    await asyncio.to_thread(data.mkdir, parents=True, exist_ok=True)
    path = data / "streamserver.db"
    engine = _engine(path, reader=False)
    try:
        await asyncio.get_running_loop().run_in_executor(None, migrate, engine, progress)
    finally:
        engine.dispose()
    return SqliteStore(path)
