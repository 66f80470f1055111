"""A settle meets what else is written to the ledger. PostgreSQL: on SQLite a writing transaction is
alone."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    Answer,
    AppId,
    EntryState,
    Failure,
    Operation,
    OperationKind,
    Scope,
    Stamp,
)
from redrive.errors import LedgerUnavailable, WrongState
from redrive.ledger import Database, early, settling
from redrive.ledger.counting import next_sequences, share_selection
from redrive.ledger.database import BeginAgainError
from redrive.ledger.schema import entries, sequences
from redrive.ledger.starting import start_single
from tests.support.books import Books, request, results
from tests.support.factories import completed, failure, id_of
from tests.support.ledgers import Backend
from tests.support.waiting import WAITING, eventually

SELECTABLE = entries.c.selectable_seq
BREAKS_A_DEADLOCK = text(
    "DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected'; END $$"
)


@pytest.fixture
def backend() -> Backend:
    return "postgresql"


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


def failed_again(operation: Operation) -> Failure:
    return failure("1", at=20, stamp=Stamp(operation_id=operation.operation_id, generation=1))


async def test_a_settle_keeps_the_order_of_locks_when_something_was_heard_of_early(
    books: Books,
) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    batch = await books.claim(operation)
    await books.take_in(failed_again(operation))
    shares, goes_on = asyncio.Event(), asyncio.Event()
    tries = 0

    async def single(connection: AsyncConnection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
        await share_selection(connection)
        shares.set()
        await goes_on.wait()
        wanted = request(Scope.of_entry(AppId("acme"), id_of("1")), OperationKind.RETRY)
        await start_single(books.database, connection, wanted, books.clock.now())

    other = asyncio.create_task(books.database.write(single))
    await shares.wait()
    settling_it = asyncio.create_task(
        books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    )

    async def waits() -> bool:
        return bool(await books.database.rows(WAITING))

    await eventually(waits, "the settle waits for the sequence")
    goes_on.set()
    with pytest.raises(WrongState):
        await other
    settled = await settling_it
    assert (settled.requeued, settled.failed_again, tries) == (2, 1, 1)
    assert await books.states() == {"1": EntryState.FAILED, "2": EntryState.QUEUED}
    await books.check_counts()


@pytest.mark.parametrize(
    ("ends", "state"), [("failed", EntryState.FAILED), ("completed", EntryState.RECOVERED)]
)
async def test_what_is_heard_of_while_a_settle_begins_is_settled_with_a_number(
    books: Books, monkeypatch: pytest.MonkeyPatch, ends: str, state: EntryState
) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    batch = await books.claim(operation)
    looks: list[bool] = []
    look: Any = early.something_ended_early

    async def heard_after_the_look(*given: Any) -> bool:
        looks.append(await look(*given))
        if len(looks) == 1:
            if ends == "failed":
                await books.take_in(failed_again(operation))
            else:
                await books.hear(completed("1", 20))
        return looks[-1]

    monkeypatch.setattr(settling, "something_ended_early", heard_after_the_look)
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    assert looks == [False, True]
    assert await books.states() == {"1": state, "2": EntryState.QUEUED}
    found = await books.database.rows(select(entries.c.job_id, SELECTABLE))
    numbers = {row.job_id: row.selectable_seq for row in found}
    newest = await books.database.rows(select(sequences.c.value))
    assert numbers["1"] == newest[0].value > numbers["2"]
    await books.check_counts()


async def test_a_deadlock_that_is_broken_again_and_again_is_a_ledger_that_cannot_be_had(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0
    longest: list[float] = []

    def no_pause(_least: float, most: float) -> float:
        longest.append(most)
        return 0

    async def work(connection: AsyncConnection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute(BREAKS_A_DEADLOCK)

    monkeypatch.setattr(random, "uniform", no_pause)
    with pytest.raises(LedgerUnavailable, match=r"deadlock detected .*Nothing was changed"):
        await books.database.write(work)
    assert tries == len(longest) + 1 > 2, "a pause between any two tries"
    assert longest == sorted(set(longest)), "pauses grow"


async def test_what_has_to_begin_anew_for_ever_ends_with_nothing_changed(books: Books) -> None:
    before = await books.database.rows(select(sequences.c.value))
    tries = 0

    async def work(connection: AsyncConnection) -> None:
        nonlocal tries
        tries += 1
        await next_sequences(connection, 1)
        raise BeginAgainError

    with pytest.raises(LedgerUnavailable, match="Nothing was changed"):
        await books.database.write(work)
    assert tries > 1
    assert await books.database.rows(select(sequences.c.value)) == before
