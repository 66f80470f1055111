"""Pruning in bounded batches: interrupted, doubled, and beside operations."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from redrive.domain import Answer, EntryState, Operation, OperationKind, Prunable, PrunedBatch
from redrive.errors import EntryNotFound, NothingToDo
from redrive.ledger import SqlRetentionLedger
from redrive.ledger.forgetting import forget_entries
from redrive.ledger.schema import activity, apps, entries, identities, items, payloads
from redrive.testing import Crash, Faults, When
from tests.support.books import Books
from tests.support.factories import ADA, completed, failure
from tests.support.pruning import prune, prune_batch, pruner

before_and_after = pytest.mark.parametrize("when", ["before", "after"])


async def recovered(books: Books, count: int) -> Operation:
    """One operation over ``count`` entries that have recovered, all of it long ago."""
    await books.take_in(*(failure(str(number)) for number in range(count)))
    running = await books.begin()
    finished = await books.complete(running, await books.claim(running), Answer.REQUEUED)
    await books.hear(*(completed(str(number), 20) for number in range(count)))
    books.clock.advance(days=31)
    return finished


async def number_of(books: Books, table: Table) -> int:
    rows = await books.database.rows(select(func.count()).select_from(table))
    return int(rows[0][0])


async def test_an_operation_with_many_items_goes_over_several_batches(books: Books) -> None:
    operation = await recovered(books, 7)
    removed = []
    more = True
    while more:
        batch = await prune_batch(books, Prunable.OPERATIONS, limit=3)
        assert batch is not None
        removed.append((batch.removed[Prunable.ITEMS], batch.removed[Prunable.OPERATIONS]))
        more = batch.more
    assert removed == [(3, 0), (3, 0), (1, 1)]
    assert await books.operations.operation(operation.operation_id) is None


async def test_small_operations_share_a_batch(books: Books) -> None:
    for number in range(5):
        await books.make(EntryState.RECOVERED, str(number))
    books.clock.advance(days=31)
    batches = [await prune_batch(books, Prunable.OPERATIONS, limit=3) for _ in range(2)]
    assert [batch and batch.removed[Prunable.OPERATIONS] for batch in batches] == [3, 2]
    assert [batch and batch.more for batch in batches] == [True, False]


async def test_entries_go_batch_by_batch_past_those_that_an_item_still_names(
    books: Books,
) -> None:
    for number in range(6):
        await books.fail(str(number))
        if number % 2:
            await books.drift(str(number), EntryState.VANISHED)
    books.clock.advance(days=31)
    running = await books.begin()
    await books.complete(running, await books.claim(running), Answer.MISSING)
    removed = []
    more, position = True, None
    while more:
        batch = await prune_batch(books, Prunable.ENTRIES, 2, position)
        assert batch is not None
        removed.append(batch.removed[Prunable.ENTRIES])
        more, position = batch.more, batch.position
    assert len(removed) > 1
    assert max(removed) <= 2
    assert sum(removed) == 3
    assert set(await books.states()) == {"0", "2", "4"}


async def test_audit_rows_and_activity_go_in_batches(books: Books) -> None:
    for _ in range(5):
        await books.accounts.audit(ADA, "login", "console")
    minutes = [{"minute": number * 60_000, "failed": 1, "recovered": 0} for number in range(5)]
    await books.database.write(lambda connection: connection.execute(insert(activity), minutes))
    books.clock.advance(days=31)
    for what in (Prunable.AUDIT, Prunable.ACTIVITY):
        batches = [await prune_batch(books, what, limit=2) for _ in range(3)]
        assert [batch and (batch.removed[what], batch.more) for batch in batches] == [
            (2, True),
            (2, True),
            (1, False),
        ]


async def test_an_operation_that_has_lost_a_part_of_its_items_still_reads(books: Books) -> None:
    operation = await recovered(books, 5)
    before = await books.operation(operation)
    first = await books.reading.items(operation.operation_id, None, None, 2)
    await prune_batch(books, Prunable.OPERATIONS, limit=4)
    assert await books.operation(operation) == before
    rest = await books.reading.items(operation.operation_id, None, first.next_cursor, 10)
    assert len(rest.items) == 1
    assert sum(count.items for count in await books.reading.reasons(operation.operation_id, 9)) == 1


@before_and_after
@pytest.mark.parametrize("nth", [1, 2, 3, 5, 7])
async def test_a_pruner_that_dies_between_batches_loses_nothing(
    books: Books, nth: int, when: When
) -> None:
    await recovered(books, 5)
    (before,) = await books.reading.tallies()
    faults = Faults("retention", "prune", nth, when)
    dying = faults.wrap("retention", SqlRetentionLedger(books.database))
    with pytest.raises(Crash):
        await pruner(books, ledger=dying, batch_rows=2).prune()
    await books.check_counts()
    assert await books.reading.tallies() == [before]
    await prune(books, batch_rows=2)
    for table in (items, entries, identities, payloads):
        assert await number_of(books, table) == 0
    pruned = await books.reading.pruned()
    assert (pruned[Prunable.ITEMS], pruned[Prunable.ENTRIES]) == (5, 5)
    assert await books.reading.tallies() == [before]
    await books.check_counts()


async def test_a_batch_that_breaks_in_the_middle_changes_nothing(books: Books) -> None:
    await recovered(books, 3)
    await prune_batch(books, Prunable.OPERATIONS)
    await set_recovered_count(books, 1)
    before = await books.rows()
    with pytest.raises(IntegrityError):
        await prune_batch(books, Prunable.ENTRIES)
    assert await books.rows() == before
    await set_recovered_count(books, 3)
    assert (await prune(books))[Prunable.ENTRIES] == 3


async def set_recovered_count(books: Books, number: int) -> None:
    """A counter that is too low refuses to go below zero, after the rows were removed."""
    statement = update(apps).values(recovered=number)
    await books.database.write(lambda connection: connection.execute(statement))


async def test_an_entry_that_an_item_named_after_the_look_stays(books: Books) -> None:
    await recovered(books, 1)
    pk, now = await books.pk("0"), books.clock.now()
    removed = await books.database.write(
        lambda connection: forget_entries(books.database, connection, [pk], now)
    )
    assert removed == 0
    assert (await books.entry("0")).state is EntryState.RECOVERED


async def test_an_entry_that_failed_after_the_look_stays(books: Books) -> None:
    await recovered(books, 1)
    await prune_batch(books, Prunable.OPERATIONS)
    pk, now = await books.pk("0"), books.clock.now()
    await books.fail("0", at=1000)
    removed = await books.database.write(
        lambda connection: forget_entries(books.database, connection, [pk], now)
    )
    assert removed == 0
    assert (await books.entry("0")).state is EntryState.FAILED


async def test_two_pruners_at_once_count_each_row_once(books: Books, second: Books) -> None:
    await recovered(books, 60)
    second.clock.set(books.clock.now())
    removed: Counter[Prunable] = Counter()
    for result in await asyncio.gather(
        *(prune(side, batch_rows=7) for side in (books, second, books))
    ):
        removed.update(result)
    removed.update(await prune(books))
    assert (removed[Prunable.ITEMS], removed[Prunable.ENTRIES]) == (60, 60)
    assert await books.reading.pruned() == {what: removed[what] for what in Prunable}
    await books.check_counts()


async def test_a_bulk_start_beside_pruning_counts_what_it_can_take(
    books: Books, second: Books
) -> None:
    await recovered(books, 40)
    await prune_batch(books, Prunable.OPERATIONS)
    second.clock.set(books.clock.now())
    _, started = await asyncio.gather(
        prune_some(second), books.start(kind=OperationKind.RESYNC), return_exceptions=True
    )
    if isinstance(started, NothingToDo):
        return
    assert isinstance(started, Operation)
    running = await books.take_over(started.operation_id)
    batch = await books.operations.claim(running, 100)
    assert batch is not None
    finished = await books.complete(running, batch, Answer.REQUEUED)
    assert finished.total == finished.requeued > 0
    await books.check_counts()


async def prune_some(books: Books) -> None:
    """Batches of one entry until there is nothing left or an operation is open."""
    while (batch := await prune_batch(books, Prunable.ENTRIES, limit=1)) is not None and batch.more:
        pass


async def test_a_resync_by_hand_beside_pruning_takes_the_entry_or_finds_none(
    books: Books, second: Books
) -> None:
    await recovered(books, 12)
    await prune_batch(books, Prunable.OPERATIONS)
    second.clock.set(books.clock.now())
    pruning = asyncio.create_task(prune_some(second))
    singles = [books.single(str(number), OperationKind.RESYNC) for number in range(11, 0, -1)]
    taken = await asyncio.gather(*singles, return_exceptions=True)
    await pruning
    for answer in taken:
        if isinstance(answer, BaseException):
            assert isinstance(answer, EntryNotFound)
            continue
        operation, batch = answer
        finished = await books.complete(operation, batch, Answer.REQUEUED)
        assert finished.requeued == 1
        assert len(await books.items(operation)) == 1
    await books.check_counts()


async def test_a_stopped_pruner_ends_after_the_batch_in_hand(books: Books) -> None:
    await recovered(books, 5)
    stop = asyncio.Event()
    running = pruner(books, stop=stop)
    stop.set()
    async with asyncio.timeout(20):
        await running.run()
    assert await number_of(books, entries) == 5


async def test_a_pruner_waits_for_an_open_operation_and_goes_on(books: Books) -> None:
    await recovered(books, 3)
    await books.fail("new")
    operation = await books.begin()
    ledger = _Noting(SqlRetentionLedger(books.database))
    waiting = asyncio.create_task(pruner(books, ledger=ledger, while_at_work_seconds=0.01).prune())
    async with asyncio.timeout(20):
        await ledger.refused.wait()
        assert await number_of(books, items) == 3
        await books.complete(operation, await books.claim(operation), Answer.REQUEUED)
        removed = await waiting
    assert (removed[Prunable.ITEMS], removed[Prunable.ENTRIES]) == (3, 3)


class _Noting:
    """A ledger that says when it was asked in vain."""

    def __init__(self, real: SqlRetentionLedger) -> None:
        self._real = real
        self.refused = asyncio.Event()

    async def prune(self, *given: Any) -> PrunedBatch | None:
        batch = await self._real.prune(*given)
        if batch is None:
            self.refused.set()
        return batch
