"""Which operation a new failure belongs to: the one whose stamp the job carries."""

from __future__ import annotations

import pytest

from redrive.domain import (
    Answer,
    EntryState,
    JobId,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Stamp,
)
from tests.support.books import Books, named, results
from tests.support.factories import QUEUE, SOURCE, completed, dropped, failure


def stamp(operation: Operation, generation: int = 1) -> Stamp:
    return Stamp(operation_id=operation.operation_id, generation=generation)


async def _outcomes(books: Books, operation: Operation) -> tuple[int, int, int]:
    now = await books.operation(operation)
    items = await books.items(operation)
    counted = tuple(
        sum(item.outcome == name for item in items)
        for name in ("recovered", "failed_again", "vanished")
    )
    assert counted == (now.recovered, now.failed_again, now.vanished)
    return now.recovered, now.failed_again, now.vanished


async def test_a_failure_with_the_stamp_of_a_hand_over_is_failed_again(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    (changed,) = await books.take_in(failure("1", at=20, stamp=stamp(operation)))
    assert changed == await books.operation(operation)
    assert await _outcomes(books, operation) == (0, 1, 0)
    assert named(await books.items(operation)) == {"1": ("requeued", "requeued", "failed_again")}


async def test_a_bulk_operation_hears_of_each_of_its_entries(books: Books) -> None:
    await books.fail("1", "2", "3")
    operation = await books.begin()
    batch = await books.claim(operation)
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    (changed,) = await books.take_in(
        failure("1", at=20, stamp=stamp(operation)), failure("2", at=21, stamp=stamp(operation))
    )
    assert changed.failed_again == 2
    await books.hear(completed("3", 22))
    assert await _outcomes(books, operation) == (1, 2, 0)


async def test_one_record_can_move_the_counts_of_several_operations(books: Books) -> None:
    await books.fail("1", "2")
    one, two = [await books.requeue_one(job_id) for job_id in ("1", "2")]
    changed = await books.take_in(
        failure("1", at=20, stamp=stamp(one)), failure("2", at=21, stamp=stamp(two))
    )
    assert {operation.operation_id for operation in changed} == {
        one.operation_id,
        two.operation_id,
    }
    assert all(operation.failed_again == 1 for operation in changed)


async def test_a_failure_without_a_stamp_is_nobodys_doing(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    assert await books.take_in(failure("1", at=20)) == []
    assert await _outcomes(books, operation) == (0, 0, 0)
    assert (await books.entry("1")).state is EntryState.FAILED


@pytest.mark.parametrize(
    "wrong",
    [Stamp(operation_id=OperationId("op_other"), generation=1), None],
    ids=["another operation", "another generation"],
)
async def test_a_stale_stamp_is_nobodys_doing(books: Books, wrong: Stamp | None) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    given = wrong or stamp(operation, generation=7)
    assert await books.take_in(failure("1", at=20, stamp=given)) == []
    assert await _outcomes(books, operation) == (0, 0, 0)


async def test_a_verdict_stays_when_the_job_fails_once_more_with_the_same_stamp(
    books: Books,
) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.take_in(failure("1", at=20, stamp=stamp(operation)))
    assert await books.take_in(failure("1", at=40, stamp=stamp(operation))) == []
    assert await _outcomes(books, operation) == (0, 1, 0)
    assert (await books.entry("1")).failures == 3


async def test_a_recovery_stays_when_the_job_fails_much_later_with_the_same_stamp(
    books: Books,
) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.hear(completed("1", 12))
    assert await books.take_in(failure("1", at=90, stamp=stamp(operation))) == []
    assert await _outcomes(books, operation) == (1, 0, 0)


async def test_a_stamp_names_the_hand_over_even_if_another_came_after_it(books: Books) -> None:
    await books.fail("1")
    first = await books.requeue_one("1", at=10)
    await books.take_in(failure("1", at=20, stamp=stamp(first)))
    second = await books.requeue_one("1", at=30)
    assert await books.take_in(failure("1", at=20.5, stamp=stamp(first))) == []
    await books.take_in(failure("1", at=40, stamp=stamp(second, generation=2)))
    assert await _outcomes(books, first) == (0, 1, 0)
    assert await _outcomes(books, second) == (0, 1, 0)


async def test_a_job_that_was_thought_vanished_and_failed_is_failed_again(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.drift("1", EntryState.VANISHED)
    (changed,) = await books.take_in(failure("1", at=30, stamp=stamp(operation)))
    assert (changed.failed_again, changed.vanished) == (1, 0)
    assert await _outcomes(books, operation) == (0, 1, 0)


async def test_an_outcome_is_attributed_after_the_operation_has_ended(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    assert operation.state is OperationState.COMPLETED
    (changed,) = await books.take_in(failure("1", at=20, stamp=stamp(operation)))
    assert (changed.state, changed.failed_again) == (OperationState.COMPLETED, 1)


@pytest.mark.parametrize("answer", [Answer.ALREADY_LIVE, Answer.ERROR, Answer.MISSING])
async def test_an_item_that_was_not_moved_has_no_outcome(books: Books, answer: Answer) -> None:
    await books.fail("1")
    operation, batch = await books.single("1")
    await books.complete(operation, batch, answer)
    assert await books.take_in(failure("1", at=20, stamp=stamp(operation))) == []
    await books.hear(completed("1", 30))
    assert await _outcomes(books, operation) == (0, 0, 0)


async def test_a_resync_hears_of_its_entries_as_a_retry_does(books: Books) -> None:
    await books.make(EntryState.RECOVERED, "1")
    operation, batch = await books.single("1", OperationKind.RESYNC)
    await books.complete(operation, batch, Answer.REQUEUED, at=20)
    await books.take_in(failure("1", at=30, stamp=stamp(operation, generation=2)))
    assert await _outcomes(books, operation) == (0, 1, 0)


@pytest.mark.parametrize("state", [EntryState.QUEUED, EntryState.ACTIVE, EntryState.VANISHED])
async def test_an_announced_failure_belongs_to_the_hand_over_it_came_after(
    books: Books, state: EntryState
) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    if state is not EntryState.QUEUED:
        await books.drift("1", state)
    (changed,) = await books.take_in(dropped("1", at=20))
    assert changed.failed_again == 1
    assert await _outcomes(books, operation) == (0, 1, 0)


async def test_an_announced_failure_of_a_job_retried_elsewhere_is_nobodys_doing(
    books: Books,
) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.take_in(failure("1", at=20, stamp=stamp(operation)))
    await books.drift("1", EntryState.QUEUED, "retried elsewhere")
    assert await books.take_in(dropped("1", at=40)) == []
    assert await _outcomes(books, operation) == (0, 1, 0)


async def told_late(books: Books) -> Operation:
    """A hand-over, and after it a failure from before it: another tool had retried the job."""
    await books.fail("1")
    operation = await books.requeue_one("1", at=30)
    await books.take_in(failure("1", at=20))
    assert (await books.entry("1")).state is EntryState.FAILED
    return operation


async def test_a_completion_counts_for_a_hand_over_before_which_a_failure_was_told_late(
    books: Books,
) -> None:
    operation = await told_late(books)
    assert await books.hear(completed("1", 29)) == []
    (changed,) = await books.hear(completed("1", 40))
    assert changed.recovered == 1
    assert await _outcomes(books, operation) == (1, 0, 0)
    # It may be of a job of that name that was added since: the engine is asked.
    assert (await books.entry("1")).state is EntryState.FAILED
    (asked,) = await books.following.failed_among(SOURCE, QUEUE, [JobId("1")])
    assert not asked.awaits
    await books.check_counts()


@pytest.mark.parametrize(
    ("to_state", "outcomes"),
    [(EntryState.RECOVERED, (1, 0, 0)), (EntryState.VANISHED, (0, 0, 1))],
)
async def test_what_the_queue_says_counts_for_a_hand_over_before_which_a_failure_was_told_late(
    books: Books, to_state: EntryState, outcomes: tuple[int, int, int]
) -> None:
    operation = await told_late(books)
    await books.drift("1", to_state)
    assert await _outcomes(books, operation) == outcomes


async def test_a_job_completed_elsewhere_does_not_raise_a_hand_over_that_was_lost(
    books: Books,
) -> None:
    operation = await told_late(books)
    await books.drift("1", EntryState.FAILED)
    await books.drift("1", EntryState.RECOVERED)
    assert await _outcomes(books, operation) == (0, 0, 1)


async def test_a_completion_is_left_to_the_check_once_the_verdict_is_in(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1", at=10)
    await books.take_in(failure("1", at=20, stamp=stamp(operation)))
    assert await books.hear(completed("1", 40)) == []
    assert (await books.entry("1")).state is EntryState.FAILED
