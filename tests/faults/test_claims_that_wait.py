"""A claim meets entries that another transaction has in hand. PostgreSQL: on SQLite a writing
transaction is alone."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import AppId, EntryState, OperationKind, Scope
from redrive.ledger import Database
from redrive.ledger.starting import start_single
from tests.support.books import Books, request
from tests.support.factories import id_of
from tests.support.ledgers import Backend
from tests.support.waiting import WAITING, eventually

APP = AppId("acme")


class _RollBackError(Exception):
    pass


@pytest.fixture
def backend() -> Backend:
    return "postgresql"


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


async def claim_beside_a_single_retry_of(books: Books, job_id: str, *, goes_on: bool) -> list[str]:
    """The job ids of a claim of one that began while a retry of ``job_id`` was under way."""
    operation = await books.begin()
    taken, end = asyncio.Event(), asyncio.Event()

    async def single(connection: AsyncConnection) -> None:
        scope = Scope.of_entry(APP, id_of(job_id))
        wanted = request(scope, OperationKind.RETRY)
        await start_single(books.database, connection, wanted, books.clock.now())
        taken.set()
        await end.wait()
        if not goes_on:
            raise _RollBackError

    other = asyncio.create_task(books.database.write(single))
    await taken.wait()
    claiming = asyncio.create_task(books.operations.claim(operation, 1))

    async def waits() -> bool:
        return bool(await books.database.rows(WAITING))

    await eventually(waits, "the claim waits for the entry")
    end.set()
    await asyncio.gather(other, return_exceptions=True)
    batch = await claiming
    return [] if batch is None else [entry.job_id for entry in batch.entries]


async def test_a_claim_goes_on_to_what_is_left_when_all_it_waited_for_was_taken(
    books: Books,
) -> None:
    await books.fail("1", "2")
    assert await claim_beside_a_single_retry_of(books, "1", goes_on=True) == ["2"]


async def test_a_claim_is_at_its_end_when_the_last_entry_was_taken(books: Books) -> None:
    await books.fail("1")
    assert await claim_beside_a_single_retry_of(books, "1", goes_on=True) == []


async def test_a_claim_takes_an_entry_whose_single_retry_is_undone(books: Books) -> None:
    await books.fail("1", "2")
    assert await claim_beside_a_single_retry_of(books, "1", goes_on=False) == ["1"]
    assert (await books.entry("2")).state is EntryState.FAILED
