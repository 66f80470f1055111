"""Whether what failed again did so the same way, on every way in which that is heard."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    DROPPED_AT_ONCE,
    Answer,
    EntryState,
    Failure,
    Operation,
    OperationKind,
    Stamp,
)
from redrive.ledger.schema import entries
from redrive.ledger.schema_triage import groups
from tests.support.books import Books, results
from tests.support.factories import completed, dropped, failure

ANOTHER: dict[str, Any] = {
    "error_type": "ValueError",
    "error_message": "no such mailbox",
    "stacktrace": "",
}
MOVED_AT = 10.0

ways = pytest.mark.parametrize(
    ("error", "same"), [({}, True), (ANOTHER, False)], ids=["the same way", "another way"]
)


def again(operation: Operation, at: float, generation: int = 1, **values: Any) -> Failure:
    """The moved job fails once more."""
    stamp = Stamp(operation_id=operation.operation_id, generation=generation)
    return failure("1", at=at, stamp=stamp, **values)


async def judged(books: Books, operation: Operation) -> tuple[str | None, bool | None, int, int]:
    """The item's outcome and way, and what the operation counts."""
    await books.check_counts()
    item = await books.item(operation, "1")
    now = await books.operation(operation)
    return item.outcome, item.same_way, now.failed_again, now.failed_same


@ways
async def test_a_failure_after_the_settle_is_compared_with_the_one_that_was_handed_over(
    books: Books, error: dict[str, Any], same: bool
) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1", at=MOVED_AT)
    (changed,) = await books.take_in(again(operation, 20, **error))
    assert changed.failed_same == int(same)
    assert await judged(books, operation) == ("failed_again", same, 1, int(same))


@ways
async def test_a_failure_before_the_settle_is_compared_too(
    books: Books, error: dict[str, Any], same: bool
) -> None:
    await books.fail("1")
    operation = await books.begin()
    batch = await books.claim(operation)
    await books.take_in(again(operation, 20, **error))
    settled = await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    assert (settled.failed_again, settled.failed_same) == (1, int(same))
    assert await judged(books, operation) == ("failed_again", same, 1, int(same))


@ways
async def test_of_two_failures_before_the_settle_the_first_is_compared(
    books: Books, error: dict[str, Any], same: bool
) -> None:
    await books.fail("1")
    operation = await books.begin()
    batch = await books.claim(operation)
    await books.take_in(again(operation, 20, **error))
    await books.take_in(again(operation, 30, **({} if error else ANOTHER)))
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    assert await judged(books, operation) == ("failed_again", same, 1, int(same))


async def test_what_a_claim_that_was_given_back_heard_says_nothing_of_the_next_one(
    books: Books,
) -> None:
    await books.fail("1")
    first = await books.begin()
    batch = await books.claim(first)
    await books.take_in(again(first, 5, **ANOTHER))
    await books.operations.release(first, batch, engine_away=False)
    second, batch = await books.single("1")
    await books.take_in(again(second, 20, generation=2, **ANOTHER))
    await books.complete(second, batch, Answer.REQUEUED)
    assert await judged(books, second) == ("failed_again", True, 1, 1)


async def test_a_second_failure_with_the_same_stamp_changes_no_verdict(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.take_in(again(operation, 20, **ANOTHER))
    await books.take_in(again(operation, 30, **ANOTHER))
    assert await judged(books, operation) == ("failed_again", False, 1, 0)


@ways
async def test_each_operation_is_judged_by_the_failure_that_it_handed_over(
    books: Books, error: dict[str, Any], same: bool
) -> None:
    await books.fail("1")
    first = await books.requeue_one("1", at=10)
    await books.take_in(again(first, 20, **error))
    second = await books.requeue_one("1", at=30)
    await books.take_in(again(second, 40, generation=2, **error))
    assert await judged(books, first) == ("failed_again", same, 1, int(same))
    assert await judged(books, second) == ("failed_again", True, 1, 1)


@ways
async def test_a_job_that_was_thought_vanished_is_compared_when_it_fails(
    books: Books, error: dict[str, Any], same: bool
) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.drift("1", EntryState.VANISHED)
    assert await judged(books, operation) == ("vanished", None, 0, 0)
    await books.take_in(again(operation, 30, **error))
    assert await judged(books, operation) == ("failed_again", same, 1, int(same))
    assert (await books.operation(operation)).vanished == 0


@ways
async def test_a_resync_is_compared_with_the_failure_before_the_recovery(
    books: Books, error: dict[str, Any], same: bool
) -> None:
    await books.make(EntryState.RECOVERED, "1")
    operation, batch = await books.single("1", OperationKind.RESYNC)
    await books.complete(operation, batch, Answer.REQUEUED, at=20)
    await books.take_in(again(operation, 30, generation=2, **error))
    assert await judged(books, operation) == ("failed_again", same, 1, int(same))


async def test_where_another_failure_lies_between_the_way_is_not_known(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.take_in(failure("1", at=20, **ANOTHER))
    assert await judged(books, operation) == ("waiting", None, 0, 0)
    await books.take_in(again(operation, 30, **ANOTHER))
    assert await judged(books, operation) == ("failed_again", None, 1, 0)


async def test_a_failure_of_which_the_group_is_not_known_is_not_compared(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")

    async def forget(connection: AsyncConnection) -> None:
        await connection.execute(update(entries).values(group_pk=None))
        await connection.execute(update(groups).values(failed=0, entries=0))

    await books.database.write(forget)
    await books.take_in(again(operation, 20))
    assert await judged(books, operation) == ("failed_again", None, 1, 0)


async def test_an_announced_failure_is_not_compared_with_one_that_was_read(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.take_in(dropped("1", at=20, defect=DROPPED_AT_ONCE))
    assert await judged(books, operation) == ("failed_again", None, 1, 0)


@ways
async def test_announced_failures_are_compared_with_each_other(
    books: Books, error: dict[str, Any], same: bool
) -> None:
    await books.take_in(dropped("1", defect=DROPPED_AT_ONCE))
    operation, batch = await books.single("1")
    await books.complete(operation, batch, Answer.RECREATED)
    values = {name: value for name, value in error.items() if name != "stacktrace"}
    await books.take_in(dropped("1", at=20, defect=DROPPED_AT_ONCE, **values))
    assert await judged(books, operation) == ("failed_again", same, 1, int(same))


@ways
async def test_an_announced_failure_before_the_settle_is_compared_with_its_like(
    books: Books, error: dict[str, Any], same: bool
) -> None:
    await books.take_in(dropped("1", defect=DROPPED_AT_ONCE))
    operation, batch = await books.single("1")
    values = {name: value for name, value in error.items() if name != "stacktrace"}
    await books.take_in(dropped("1", at=20, defect=DROPPED_AT_ONCE, **values))
    await books.complete(operation, batch, Answer.RECREATED)
    assert await judged(books, operation) == ("failed_again", same, 1, int(same))


async def test_a_recovery_has_no_way(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.hear(completed("1", 20))
    assert await judged(books, operation) == ("recovered", None, 0, 0)


async def test_an_entry_keeps_its_group_and_the_one_before(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    (before,) = await books.database.rows(select(entries.c.group_pk))
    await books.take_in(again(operation, 20, **ANOTHER))
    (after,) = await books.database.rows(select(entries.c.group_pk, entries.c.previous_group_pk))
    assert after.previous_group_pk == before.group_pk != after.group_pk


async def test_items_are_narrowed_by_the_way_and_what_cannot_be_compared_is_not_the_same(
    books: Books,
) -> None:
    await books.fail("1", "2", "3", "4")
    operation = await books.begin()
    await books.complete(operation, await books.claim(operation), Answer.REQUEUED)
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    await books.take_in(
        failure("1", at=20, stamp=stamp),
        failure("2", at=20, stamp=stamp, **ANOTHER),
        dropped("3", at=20, defect=DROPPED_AT_ONCE),
    )
    await books.hear(completed("4", 20))

    async def narrowed(same_way: bool) -> set[str]:
        page = await books.reading.items(operation.operation_id, None, None, 50, same_way=same_way)
        return {item.job_id for item in page.items}

    assert await narrowed(True) == {"1"}
    assert await narrowed(False) == {"2", "3"}
