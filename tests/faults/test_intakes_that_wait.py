"""An intake meets what else counts the same entries. PostgreSQL: on SQLite a writing transaction is
alone."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.ledger import Database
from redrive.ledger.schema import apps
from redrive.ledger.schema_triage import groups
from tests.support.books import Books
from tests.support.factories import failure
from tests.support.ledgers import Backend
from tests.support.waiting import WAITING, eventually


@pytest.fixture
def backend() -> Backend:
    return "postgresql"


async def test_an_intake_locks_apps_before_groups_also_where_only_their_newest_failure_changes(
    database: Database,
) -> None:
    books = Books(database)
    await books.fail("1")
    held, goes_on = asyncio.Event(), asyncio.Event()

    async def other(connection: AsyncConnection) -> None:
        await connection.execute(select(apps).with_for_update())
        held.set()
        await goes_on.wait()
        await connection.execute(select(groups).with_for_update(nowait=True))

    counting = asyncio.create_task(database.write(other))
    await held.wait()
    taking_in = asyncio.create_task(books.take_in(failure("1", at=20)))

    async def waits() -> bool:
        return bool(await database.rows(WAITING))

    await eventually(waits, "the intake waits for the app")
    goes_on.set()
    await counting
    await taking_in
    assert (await books.entry("1")).failures == 2
    await books.check_counts()
