"""The database itself refuses what must never be."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError

from redrive.domain import Answer, EntryState, ItemState, OperationState
from redrive.ledger import Database
from redrive.ledger.schema import apps, entries, identities, items, operations
from tests.support.books import Books, results


async def refused(database: Database, statement: Any) -> None:
    """Assert that the statement breaks a constraint."""
    with pytest.raises(IntegrityError):
        await database.write(lambda connection: connection.execute(statement))


@pytest.fixture
async def books(database: Database) -> Books:
    """A ledger in which every table that has states has a row."""
    books = Books(database)
    await books.fail("1", "2")
    operation = await books.begin()
    batch = await books.claim(operation, 1)
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    return books


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (entries, "state"),
        (operations, "state"),
        (operations, "kind"),
        (operations, "scope"),
        (items, "state"),
        (items, "outcome"),
    ],
    ids=str,
)
async def test_a_state_that_does_not_exist_is_refused(
    books: Books, table: Any, column: str
) -> None:
    await refused(books.database, update(table).values({column: "nonsense"}))


@pytest.mark.parametrize("state", EntryState)
async def test_every_entry_state_can_be_stored(books: Books, state: EntryState) -> None:
    await books.database.write(lambda c: c.execute(update(entries).values(state=state)))


@pytest.mark.parametrize("state", OperationState)
async def test_every_operation_state_can_be_stored(books: Books, state: OperationState) -> None:
    await books.database.write(lambda c: c.execute(update(operations).values(state=state)))


@pytest.mark.parametrize("state", ItemState)
async def test_every_item_state_can_be_stored(books: Books, state: ItemState) -> None:
    await books.database.write(lambda c: c.execute(update(items).values(state=state)))


@pytest.mark.parametrize("state", EntryState)
async def test_no_count_of_an_app_goes_below_zero(books: Books, state: EntryState) -> None:
    await refused(books.database, update(apps).values({state.value: -1}))


async def test_an_operation_cannot_settle_more_than_its_total(books: Books) -> None:
    await refused(books.database, update(operations).values(errored=2))


async def test_an_occurrence_is_in_an_operation_once(books: Books) -> None:
    rows = await books.database.rows(select(items))
    await refused(books.database, insert(items).values(**rows[0]._mapping))


async def test_a_sequence_number_is_there_once(books: Books) -> None:
    value = text("(SELECT min(failure_seq) FROM entries)")
    await refused(books.database, update(entries).values(failure_seq=value))


async def test_an_entry_is_there_once(books: Books) -> None:
    (row, *_) = await books.database.rows(select(entries))
    await refused(books.database, insert(identities).values(entry_id=row.entry_id, entry_pk=99))
