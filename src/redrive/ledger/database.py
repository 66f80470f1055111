"""Connections and transactions, and the few places where the two databases differ."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Insert,
    Result,
    Row,
    Select,
    String,
    TextClause,
    bindparam,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import BigInteger

from redrive.errors import LedgerUnavailable

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]
Reading = Select[Any] | CompoundSelect[Any] | TextClause
"""A statement that writes nothing and locks nothing."""

BUSY_TIMEOUT_SECONDS = 5
_WAL_PAUSE_SECONDS = 0.01
_DEADLOCK_STATES = frozenset({"40001", "40P01"})
_MOST_TRIES = 8
_LONGEST_PAUSE_SECONDS = 0.05
_SLEEP_SECONDS = 15
_CACHE_KIB = 16 * 1024
"""SQLite's pages in memory, for each connection: a writer and the readers of one process."""


class BeginAgainError(Exception):
    """A transaction found out too late what it has to lock first: it is begun anew."""


class Database:
    """A ledger database: PostgreSQL, or SQLite with one writer and several readers.

    SQLite keeps to a single writing connection per process, so that writers queue here and not
    in the file's busy handler; other processes wait for the lock up to five seconds.
    """

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            path = url.replace("sqlite:///", "sqlite+aiosqlite:///", 1)
            self._writer = _sqlite_engine(path, begin="BEGIN IMMEDIATE", connections=1)
            self._reader = _sqlite_engine(path, begin="BEGIN", connections=4)
            self._lone_reader = self._reader
        else:
            scheme, rest = url.split("://", 1)
            del scheme
            self._writer = create_async_engine(
                f"postgresql+asyncpg://{rest}",
                pool_size=8,
                max_overflow=8,
                pool_timeout=BUSY_TIMEOUT_SECONDS,
                pool_pre_ping=False,
                pool_recycle=1800,
            )
            _end_sleeping_sessions(self._writer)
            # One view for a whole reading transaction, as SQLite's readers have by nature. One
            # statement has one view anyhow, and needs no round trips to begin and to end.
            self._reader = self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self._lone_reader = self._writer.execution_options(isolation_level="AUTOCOMMIT")

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in one transaction; again if the database broke a deadlock by it, or if it
        raises BeginAgainError.

        Raises LedgerUnavailable when the database cannot be reached or stays locked. If it went
        away while it was asked to commit, the change may have been made, and the error says so.
        """
        return await _whole(self._run(self._writer, work))

    async def read(self, work: Work[T]) -> T:
        """Run ``work``, which writes nothing, on one consistent view."""
        return await _whole(self._run(self._reader, work))

    async def rows(
        self,
        statement: Reading,
        parameters: Mapping[str, Any] | None = None,
    ) -> Sequence[Row[Any]]:
        """The rows of one reading statement."""

        async def work(connection: AsyncConnection) -> Sequence[Row[Any]]:
            found: Result[Any] = await connection.execute(statement, parameters)
            return found.all()

        return await _whole(self._run(self._lone_reader, work))

    async def _run(self, engine: AsyncEngine, work: Work[T]) -> T:
        for tries in range(1, _MOST_TRIES + 1):
            in_doubt = False
            try:
                async with engine.begin() as connection:
                    result = await work(connection)
                    in_doubt = engine is self._writer
                    return result
            except BeginAgainError:
                continue
            except DBAPIError as error:
                if _sqlstate(error) not in _DEADLOCK_STATES or tries == _MOST_TRIES:
                    raise _translated(error, engine, in_doubt) from error
                # Those whose deadlock was broken would meet again at once.
                await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS * tries))  # noqa: S311 - only apart
            except (OSError, PoolTimeout) as error:
                raise _away(error, engine, in_doubt) from error
        raise LedgerUnavailable

    def any_of(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """``column`` is one of the values given to the parameter ``name`` (see :meth:`listed`).

        One parameter whatever the number of values: the statement's text stays the same, so it
        is prepared once, and no limit on the number of parameters is met.
        """
        return any_of(column, name, on_sqlite=self.is_sqlite)

    def listed(self, values: Iterable[object]) -> object:
        """The value of a parameter of :meth:`any_of`."""
        return json.dumps(list(values)) if self.is_sqlite else list(values)

    async def close(self) -> None:
        """Close all connections."""
        await self._writer.dispose()
        if self.is_sqlite:
            await self._reader.dispose()


def any_of(column: ColumnElement[Any], name: str, *, on_sqlite: bool) -> ColumnElement[bool]:
    """See :meth:`Database.any_of`; for statements that are kept for every database of a kind."""
    if on_sqlite:
        values = func.json_each(bindparam(name, type_=String)).table_valued("value")
        return column.in_(select(values.c.value))
    textual = isinstance(column.type, String)
    array: ColumnElement[Any] = bindparam(name, type_=ARRAY(String if textual else BigInteger))
    return column == func.any(array)


async def _whole(running: Coroutine[Any, Any, T]) -> T:
    """Await a transaction to its end even when the caller is cancelled meanwhile.

    A transaction that is cancelled in the middle leaves its connection behind, on SQLite together
    with the lock on the file, until the garbage collector comes by.
    """
    task = asyncio.ensure_future(running)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


def _end_sleeping_sessions(engine: AsyncEngine) -> None:
    """A process that is put to sleep in the middle of a transaction (a paused machine) keeps no
    locks on PostgreSQL from those who take its work over. Said by a statement, because proxies
    refuse connections that bring settings which they do not know."""

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{_SLEEP_SECONDS}s'")
        cursor.close()
        connection.commit()


def _sqlite_engine(url: str, *, begin: str, connections: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None},
    )

    @event.listens_for(engine.sync_engine, "do_connect")
    def before_connect(*_: object) -> None:
        _probe(engine.url.database or "")

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        _turn_on_wal(connection, cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA wal_autocheckpoint=4000")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _probe(path: str) -> None:
    """Raises for a file that cannot be opened, or is no database, before the driver tries: its
    thread would outlive the failure, and complain on stderr once the event loop is closed."""
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        try:
            connection.execute("PRAGMA schema_version")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN:
                raise


def _turn_on_wal(connection: Any, cursor: Any) -> None:
    """Two processes that open a new file at the same instant both turn it to WAL; the second is
    told at once that the file is locked, without the busy timeout's wait."""
    deadline = monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            connection.run_async(lambda _: asyncio.sleep(_WAL_PAUSE_SECONDS))
        else:
            return


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _translated(error: DBAPIError, engine: AsyncEngine, in_doubt: bool) -> Exception:
    """LedgerUnavailable for lost, refused or locked databases; anything else as it is."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_ERROR:
        return error  # a statement that does not fit the schema, which waiting does not mend
    state = _sqlstate(error) or ""
    lost = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    lost = lost or code == sqlite3.SQLITE_NOTADB
    # PostgreSQL: 08 connection, 53 resources, 55 lock not available, 57 shutting down.
    if lost or state in _DEADLOCK_STATES or state[:2] in ("08", "53", "55", "57"):
        return _away(error.orig or error, engine, in_doubt)
    return error


def _away(reason: BaseException, engine: AsyncEngine, in_doubt: bool) -> LedgerUnavailable:
    """The error with what the database said, and which one it is, never its password."""
    said = (str(reason).splitlines() or [""])[0] or type(reason).__name__
    url = engine.url
    place = f"{url.host}:{url.port or 5432}/{url.database}" if url.host else url.database
    detail = f"{said} ({place})"
    if in_doubt:
        message = (
            f"The ledger went away before it confirmed the change: {detail}. The change may have "
            "been made: look when the ledger is back. Asking again is safe."
        )
    else:
        message = f"The ledger cannot be reached: {detail}. Nothing was changed."
    return LedgerUnavailable(message, detail=detail)


def insert_or_ignore(connection: AsyncConnection, table: Any) -> Insert:
    """An INSERT that leaves existing rows alone."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def upsert(
    connection: AsyncConnection, table: Any, keys: Sequence[str], add: Sequence[str] = ()
) -> Insert:
    """An INSERT that replaces the other columns of an existing row; those of ``add`` are added."""
    on_sqlite = connection.dialect.name == "sqlite"
    statement: Any = sqlite.insert(table) if on_sqlite else postgresql.insert(table)
    changes = {
        column.name: (
            column + statement.excluded[column.name]
            if column.name in add
            else statement.excluded[column.name]
        )
        for column in table.columns
        if column.name not in keys
    }
    replacing: Insert = statement.on_conflict_do_update(index_elements=list(keys), set_=changes)
    return replacing
