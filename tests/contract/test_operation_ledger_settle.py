"""Settling claimed batches: one recorded reason each, whatever was heard meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    Answer,
    Batch,
    EntryState,
    ItemState,
    Operation,
    OperationKind,
    Reason,
    Settlement,
    Stamp,
)
from redrive.errors import StaleRunner
from tests.support.books import Books, named, results
from tests.support.factories import active, completed, dropped, failure, later

FAILED, QUEUED, ACTIVE = EntryState.FAILED, EntryState.QUEUED, EntryState.ACTIVE
RECOVERED, VANISHED = EntryState.RECOVERED, EntryState.VANISHED
MOVED_AT = 10.0
BEFORE, AFTER = 9.0, 11.0

SCANS = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'ix_entries_claimed'"

Early = Callable[[Books, Operation], Awaitable[object]]


async def nothing(books: Books, operation: Operation) -> None:
    """Nothing is heard before the settle."""


async def active_before(books: Books, operation: Operation) -> None:
    await books.hear(active("1", BEFORE))


async def active_after(books: Books, operation: Operation) -> None:
    await books.hear(active("1", AFTER))


async def completed_before(books: Books, operation: Operation) -> None:
    await books.hear(completed("1", BEFORE))


async def completed_after(books: Books, operation: Operation) -> None:
    await books.hear(active("1", AFTER), completed("1", AFTER))


async def failed_with_own_stamp(books: Books, operation: Operation) -> None:
    """By a worker whose clock is behind."""
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    await books.take_in(failure("1", at=BEFORE, stamp=stamp))


async def failed_without_stamp(books: Books, operation: Operation) -> None:
    await books.take_in(failure("1", at=BEFORE))


async def failed_without_stamp_by_a_clock_ahead(books: Books, operation: Operation) -> None:
    """A moved job carries the stamp, so that this is of a run before it."""
    await books.take_in(failure("1", at=AFTER))


async def dropped_after(books: Books, operation: Operation) -> None:
    """Its queue drops failed jobs at once: there is no stamp to read, only an event."""
    await books.take_in(dropped("1", at=AFTER))


async def completed_after_an_older_failure(books: Books, operation: Operation) -> None:
    await books.take_in(dropped("1", at=BEFORE))
    await books.hear(completed("1", AFTER))


async def completed_after_a_failure_told_late(books: Books, operation: Operation) -> None:
    await books.hear(completed("1", AFTER))
    await books.take_in(dropped("1", at=BEFORE))


ITEM = {
    Answer.REQUEUED: (ItemState.REQUEUED, Reason.REQUEUED),
    Answer.RECREATED: (ItemState.REQUEUED, Reason.RECREATED),
    Answer.ALREADY_LIVE: (ItemState.SKIPPED, Reason.ALREADY_LIVE),
    Answer.SUPERSEDED: (ItemState.SKIPPED, Reason.SUPERSEDED),
    Answer.NOT_FAILED: (ItemState.SKIPPED, Reason.NOT_FAILED),
    Answer.MISSING: (ItemState.SKIPPED, Reason.MISSING),
    Answer.ERROR: (ItemState.ERRORED, Reason.ERROR),
    Answer.WITHHELD: (ItemState.RELEASED, Reason.CANCELLED),
    Answer.DISMISSED: (ItemState.DISMISSED, Reason.DISMISSED),
}
"""What an answer says of the item, whatever was heard."""

_MOVED: dict[Early, EntryState] = {
    nothing: QUEUED,
    active_before: QUEUED,
    active_after: ACTIVE,
    completed_before: QUEUED,
    completed_after: RECOVERED,
    failed_with_own_stamp: FAILED,
    failed_without_stamp: QUEUED,
    failed_without_stamp_by_a_clock_ahead: QUEUED,
    dropped_after: FAILED,
    completed_after_an_older_failure: RECOVERED,
    completed_after_a_failure_told_late: RECOVERED,
}
_UNSTAMPED = (failed_without_stamp, failed_without_stamp_by_a_clock_ahead)
_COMPLETED = (
    completed_before,
    completed_after,
    completed_after_an_older_failure,
    completed_after_a_failure_told_late,
)
_UNMOVED: dict[Early, EntryState] = dict.fromkeys(_MOVED, FAILED)

STATES: dict[Answer, dict[Early, EntryState]] = {
    Answer.REQUEUED: _MOVED,
    Answer.RECREATED: _MOVED,
    Answer.ALREADY_LIVE: _MOVED | dict.fromkeys(_UNSTAMPED, FAILED),
    Answer.SUPERSEDED: _UNMOVED,
    Answer.NOT_FAILED: dict.fromkeys(_MOVED, RECOVERED)
    | dict.fromkeys((failed_with_own_stamp, *_UNSTAMPED, dropped_after), FAILED),
    Answer.MISSING: dict.fromkeys(_MOVED, VANISHED)
    | dict.fromkeys(_COMPLETED, RECOVERED)
    | dict.fromkeys((failed_with_own_stamp, *_UNSTAMPED, dropped_after), FAILED),
    Answer.ERROR: _UNMOVED | dict.fromkeys(_COMPLETED, RECOVERED),
    Answer.WITHHELD: _UNMOVED | dict.fromkeys(_COMPLETED, RECOVERED),
}
"""Where the entry is after the settle, by the engine's answer and by what was heard before."""

MATRIX = [
    pytest.param(answer, early, state, id=f"{answer}-{early.__name__}-{state}")
    for answer, by_early in STATES.items()
    for early, state in by_early.items()
]


async def _claimed(books: Books) -> tuple[Operation, Batch]:
    await books.fail("1")
    operation = await books.begin()
    return operation, await books.claim(operation)


def test_every_answer_has_its_row() -> None:
    """A dismissal is no answer of a queue: what is heard beside it has tests of its own."""
    assert set(STATES) | {Answer.DISMISSED} == set(ITEM) == set(Answer)


@pytest.mark.parametrize(("answer", "early", "state"), MATRIX)
async def test_a_settle_puts_entry_item_and_counts_where_the_answer_says(
    books: Books, answer: Answer, early: Early, state: EntryState
) -> None:
    operation, batch = await _claimed(books)
    await early(books, operation)
    books.clock.advance(seconds=20)
    settled = await books.operations.settle(
        operation, batch, results(batch, answer, MOVED_AT, "so it was")
    )
    entry = await books.entry("1")
    assert entry.state is state
    assert (entry.recovered_at is not None) == (state is RECOVERED)
    assert await books.totals() == {state: 1}
    await books.check_counts()
    item = await books.item(operation, "1")
    assert (item.state, item.reason) == ITEM[answer]
    assert (item.detail, item.settled_at) == ("so it was", later(20))
    outcome = {FAILED: "failed_again", RECOVERED: "recovered"}.get(state, "waiting")
    assert item.outcome == (outcome if answer.moved else None)
    counts = {"requeued", "skipped", "errored", "released"}
    assert {name for name in counts if getattr(settled, name)} == {item.state}
    assert {name: getattr(settled, name) for name in ("recovered", "failed_again", "vanished")} == {
        "recovered": int(item.outcome == "recovered"),
        "failed_again": int(item.outcome == "failed_again"),
        "vanished": 0,
    }
    assert await books.operation(operation) == settled


@pytest.mark.parametrize("answer", Answer)
async def test_settling_twice_changes_nothing(books: Books, answer: Answer) -> None:
    operation, batch = await _claimed(books)
    once = await books.operations.settle(operation, batch, results(batch, answer))
    before = await books.rows()
    for again in Answer:
        assert await books.operations.settle(operation, batch, results(batch, again)) == once
    assert await books.rows() == before


@pytest.mark.parametrize("answer", Answer)
async def test_a_settle_of_a_stale_runner_changes_nothing(books: Books, answer: Answer) -> None:
    operation, batch = await _claimed(books)
    await books.take_over(operation.operation_id)
    before = await books.rows()
    with pytest.raises(StaleRunner):
        await books.operations.settle(operation, batch, results(batch, answer))
    assert await books.rows() == before


async def test_a_batch_can_be_settled_with_a_different_answer_for_each_entry(
    books: Books,
) -> None:
    await books.fail(*(answer.value for answer in Answer))
    operation = await books.begin()
    batch = await books.claim(operation)
    settlements = [
        Settlement(
            entry_pk=entry.entry_pk,
            answer=Answer(entry.job_id),
            at=later(MOVED_AT + number),
            detail=f"detail of {entry.job_id}",
        )
        for number, entry in enumerate(batch.entries)
    ]
    settled = await books.operations.settle(operation, batch, settlements)
    assert (settled.requeued, settled.skipped, settled.errored, settled.released) == (2, 4, 1, 1)
    assert (settled.dismissed, settled.completed) == (1, 8)
    for item in await books.items(operation):
        assert (item.state, item.reason) == ITEM[Answer(item.job_id)]
        assert item.detail == f"detail of {item.job_id}"
    assert await books.operations.unsettled(operation) == []
    await books.check_counts()


async def test_half_a_settled_batch_leaves_the_other_half_claimed(books: Books) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    batch = await books.claim(operation)
    settled = await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED)[:1])
    assert settled.requeued == 1
    assert named(await books.items(operation)) == {
        "1": ("requeued", "requeued", "waiting"),
        "2": ("claimed", None, None),
    }
    assert (await books.operation(operation)).completed == 1


@pytest.mark.parametrize("answer", [Answer.ERROR, Answer.WITHHELD])
async def test_a_recovered_entry_that_was_not_resynced_after_all_is_recovered_still(
    books: Books, answer: Answer
) -> None:
    await books.make(RECOVERED, "1")
    before = await books.entry("1")
    operation = await books.begin(kind=OperationKind.RESYNC)
    batch = await books.claim(operation)
    await books.operations.settle(operation, batch, results(batch, answer))
    after = await books.entry("1")
    assert (after.state, after.recovered_at) == (RECOVERED, before.recovered_at)
    await books.check_counts()


async def test_all_that_is_heard_in_one_turn_before_the_settle_is_kept(books: Books) -> None:
    await books.fail("1", "2", "3")
    operation = await books.begin()
    batch = await books.claim(operation)
    await books.take_in(dropped("2", at=BEFORE))
    await books.hear(active("1", AFTER), completed("2", AFTER), completed("3", AFTER))
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED, MOVED_AT))
    assert await books.states() == {"1": ACTIVE, "2": RECOVERED, "3": RECOVERED}
    await books.check_counts()


async def test_an_errored_entry_keeps_its_error(books: Books) -> None:
    operation, batch = await _claimed(books)
    before = await books.entry("1")
    await books.operations.settle(operation, batch, results(batch, Answer.ERROR))
    after = await books.entry("1")
    assert (after.error_type, after.error_message, after.failed_at, after.failure_seq) == (
        before.error_type,
        before.error_message,
        before.failed_at,
        before.failure_seq,
    )


async def test_an_entry_that_left_its_operation_is_not_settled_by_it(books: Books) -> None:
    operation, batch = await _claimed(books)
    await books.lose_operation_of("1")
    settled = await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    assert settled.completed == 0
    assert (await books.entry("1")).state is EntryState.CLAIMED
    await books.check_counts()


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_a_settle_looks_its_entries_up_by_their_ids(books: Books) -> None:
    """The index of claimed entries holds what was claimed and is settled until the next vacuum."""
    size, batches = 20, 10
    await books.fail(*(str(number) for number in range(size * batches)))
    operation = await books.begin()

    async def scans() -> int:
        async def work(connection: AsyncConnection) -> int:
            await connection.execute(text("SELECT pg_stat_force_next_flush()"))
            found = await connection.execute(text(SCANS))
            return int(found.scalar_one())

        await books.database.write(work)
        return await books.database.write(work)

    before = await scans()
    for _ in range(batches):
        batch = await books.claim(operation, size)
        await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    assert (await books.operation(operation)).requeued == size * batches
    assert await scans() == before
