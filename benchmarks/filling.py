"""Writing a history into an empty ledger as fast as each database takes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.history import COLUMNS, History, Row
from redrive.ledger import Database, migrate
from redrive.ledger.schema import entries, items


async def fill(url: str, history: History) -> None:
    """Migrate the database at ``url`` and write the history; indexes are built at the end."""
    database = Database(url)
    await migrate(database)
    await database.write(lambda connection: connection.run_sync(_drop_indexes))
    rows_of = {table: getattr(history, table)() for table in COLUMNS}
    if database.is_sqlite:
        _fill_sqlite(url, rows_of)
    else:
        await _fill_postgresql(url, rows_of)
    await database.write(lambda connection: connection.run_sync(_create_indexes))
    await database.write(
        lambda connection: connection.execute(
            text("UPDATE sequences SET value = :last"), {"last": history.count}
        )
    )
    if not database.is_sqlite:
        for table, key in (("entries", "id"), ("groups", "group_pk")):
            last = f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), :last)"
            await database.write(partial(_execute, last, history.count))
        await database.write(lambda connection: connection.execute(text("ANALYZE")))
    await database.close()


async def _execute(statement: str, last: int, connection: AsyncConnection) -> None:
    await connection.execute(text(statement), {"last": last})


def _fill_sqlite(url: str, rows_of: dict[str, Iterator[Row]]) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as ledger:
        ledger.execute("PRAGMA synchronous=OFF")
        ledger.execute("PRAGMA cache_size=-400000")
        for table, rows in rows_of.items():
            columns = COLUMNS[table]
            marks = ", ".join("?" * len(columns))
            ledger.execute("BEGIN")
            ledger.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
            ledger.execute("COMMIT")
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _fill_postgresql(url: str, rows_of: dict[str, Iterator[Row]]) -> None:
    connection = await asyncpg.connect(url)
    for table, rows in rows_of.items():
        await connection.copy_records_to_table(table, records=rows, columns=COLUMNS[table])
    await connection.close()


def _drop_indexes(connection: Connection) -> None:
    for table in (entries, items):
        for index in table.indexes:
            index.drop(connection)


def _create_indexes(connection: Connection) -> None:
    for table in (entries, items):
        for index in table.indexes:
            index.create(connection)
