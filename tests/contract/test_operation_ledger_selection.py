"""Entries that leave the selection of an open bulk operation: one skipped item each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from redrive.domain import (
    Answer,
    EntryState,
    Operation,
    OperationKind,
    OperationState,
    Reason,
    Scope,
)
from tests.support.books import ALL, Books, app_scope, job_ids, named, results
from tests.support.factories import failure
from tests.support.rig import check_adds_up

RETRY, RESYNC = OperationKind.RETRY, OperationKind.RESYNC
Leave = Callable[[Books, str], Awaitable[object]]


async def by_a_single_retry(books: Books, job_id: str) -> None:
    await books.single(job_id)


async def by_a_single_resync(books: Books, job_id: str) -> None:
    await books.single(job_id, RESYNC)


async def by_failing_again(books: Books, job_id: str) -> None:
    await books.take_in(failure(job_id, at=77))


async def by_being_retried_elsewhere(books: Books, job_id: str) -> None:
    await books.drift(job_id, EntryState.QUEUED)


async def by_being_taken_up_elsewhere(books: Books, job_id: str) -> None:
    await books.drift(job_id, EntryState.ACTIVE)


async def by_vanishing(books: Books, job_id: str) -> None:
    await books.drift(job_id, EntryState.VANISHED)


async def by_being_completed_elsewhere(books: Books, job_id: str) -> None:
    await books.drift(job_id, EntryState.RECOVERED)


LEAVING: list[tuple[Leave, Reason]] = [
    (by_a_single_retry, Reason.TAKEN_BY_ANOTHER),
    (by_a_single_resync, Reason.TAKEN_BY_ANOTHER),
    (by_failing_again, Reason.FAILED_AGAIN_BEFORE),
    (by_being_retried_elsewhere, Reason.RESOLVED_ELSEWHERE),
    (by_being_taken_up_elsewhere, Reason.RESOLVED_ELSEWHERE),
    (by_vanishing, Reason.RESOLVED_ELSEWHERE),
]
WAYS = [leave for leave, _ in LEAVING]


async def _carry_out(books: Books, operation: Operation, answer: Answer) -> Operation:
    """Claim, settle and finish whatever the operation still selects."""
    while (batch := await books.operations.claim(operation, 2)) is not None:
        await books.operations.settle(operation, batch, results(batch, answer))
    finished = await books.operations.finish(operation, OperationState.COMPLETED, None)
    check_adds_up(finished, await books.items(operation))
    await books.check_counts()
    return finished


@pytest.mark.parametrize(
    ("leave", "reason"),
    [*LEAVING, (by_being_completed_elsewhere, Reason.RESOLVED_ELSEWHERE)],
)
@pytest.mark.parametrize("scope", [ALL, app_scope("acme")], ids=str)
async def test_an_entry_that_leaves_a_retrys_selection_is_one_skipped_item(
    books: Books, leave: Leave, reason: Reason, scope: Scope
) -> None:
    await books.fail("1", "2", "3")
    operation = await books.begin(scope)
    await leave(books, "2")
    assert (await books.operation(operation)).skipped == 1
    item = await books.item(operation, "2")
    assert (item.state, item.reason, item.outcome) == ("skipped", reason, None)
    assert item.settled_at == books.clock.now()
    finished = await _carry_out(books, operation, Answer.REQUEUED)
    assert (finished.requeued, finished.skipped, finished.total) == (2, 1, 3)


@pytest.mark.parametrize(
    ("state", "leave", "reason"),
    [
        (state, leave, reason)
        for state in (EntryState.FAILED, EntryState.RECOVERED)
        for leave, reason in LEAVING
        if leave is not by_a_single_retry or state is EntryState.FAILED
    ],
)
async def test_an_entry_that_leaves_a_resyncs_selection_is_one_skipped_item(
    books: Books, state: EntryState, leave: Leave, reason: Reason
) -> None:
    await books.make(state, "1")
    await books.fail("2")
    operation = await books.begin(kind=RESYNC)
    await leave(books, "1")
    finished = await _carry_out(books, operation, Answer.REQUEUED)
    assert (finished.requeued, finished.skipped, finished.total) == (1, 1, 2)
    assert named(await books.items(operation))["1"][:2] == ("skipped", reason)


async def test_a_failed_entry_found_completed_stays_in_a_resyncs_selection(books: Books) -> None:
    await books.fail("1", "2")
    operation = await books.begin(kind=RESYNC)
    await by_being_completed_elsewhere(books, "1")
    assert (await books.operation(operation)).skipped == 0
    finished = await _carry_out(books, operation, Answer.REQUEUED)
    assert (finished.requeued, finished.skipped) == (2, 0)


@pytest.mark.parametrize("leave", WAYS)
async def test_an_entry_that_leaves_while_the_operation_is_still_queued_is_skipped_too(
    books: Books, leave: Leave
) -> None:
    await books.fail("1", "2")
    queued = await books.start()
    await leave(books, "1")
    operation = await books.take_over(queued.operation_id)
    finished = await _carry_out(books, operation, Answer.REQUEUED)
    assert (finished.requeued, finished.skipped) == (1, 1)


@pytest.mark.parametrize("leave", WAYS)
async def test_an_entry_outside_of_the_selection_leaves_no_item(books: Books, leave: Leave) -> None:
    await books.fail("1", app="globex")
    await books.fail("2", app="acme")
    operation = await books.begin(app_scope("globex"))
    await leave(books, "2")
    assert await books.items(operation) == []
    assert (await books.operation(operation)).skipped == 0


@pytest.mark.parametrize("leave", WAYS)
async def test_an_entry_that_failed_after_the_freeze_leaves_no_item(
    books: Books, leave: Leave
) -> None:
    await books.fail("1")
    operation = await books.begin()
    await books.fail("2")
    await leave(books, "2")
    assert await books.items(operation) == []


async def test_of_entries_that_leave_together_only_the_selected_ones_are_skipped(
    books: Books,
) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    await books.fail("late")
    await books.take_in(failure("1", at=60), failure("late", at=61), failure("new", at=62))
    assert list(named(await books.items(operation))) == ["1"]
    finished = await _carry_out(books, operation, Answer.REQUEUED)
    assert (finished.requeued, finished.skipped) == (1, 1)


@pytest.mark.parametrize("leave", WAYS)
async def test_an_entry_that_was_claimed_at_the_freeze_and_given_back_leaves_no_item(
    books: Books, leave: Leave
) -> None:
    await books.fail("1", "2")
    single, batch = await books.single("1")
    operation = await books.begin()
    await books.operations.release(single, batch, engine_away=True)
    await books.operations.finish(single, OperationState.FAILED, "away")
    await leave(books, "1")
    assert operation.total == 1
    assert await books.items(operation) == []


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize("answer", [Answer.ERROR, Answer.SUPERSEDED, Answer.WITHHELD])
async def test_an_entry_that_came_back_unmoved_keeps_the_one_item_it_has(
    books: Books, leave: Leave, answer: Answer
) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    batch = await books.claim(operation, 1)
    before = await books.operations.settle(operation, batch, results(batch, answer))
    await leave(books, "1")
    assert len(await books.items(operation)) == 1
    assert (await books.operation(operation)).skipped == before.skipped


@pytest.mark.parametrize("answer", [Answer.REQUEUED, Answer.ERROR])
async def test_an_entry_that_leaves_twice_is_skipped_once(books: Books, answer: Answer) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    single, batch = await books.single("1")
    await books.complete(single, batch, answer)
    await books.take_in(failure("1", at=60))
    await books.single("1")
    assert (await books.operation(operation)).skipped == 1
    finished = await _carry_out(books, operation, Answer.REQUEUED)
    assert (finished.requeued, finished.skipped) == (1, 1)


async def test_an_entry_claimed_and_given_back_by_a_single_retry_is_skipped_once(
    books: Books,
) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    single, batch = await books.single("1")
    await books.operations.release(single, batch, engine_away=True)
    await books.operations.finish(single, OperationState.FAILED, "away")
    assert job_ids(await books.claim(operation)) == ["2"]
    assert named(await books.items(operation))["1"][:2] == ("skipped", Reason.TAKEN_BY_ANOTHER)


async def test_an_entry_can_leave_two_operations_of_two_apps_each_its_own(books: Books) -> None:
    await books.fail("1", app="acme")
    await books.fail("2", app="globex")
    first = await books.begin(app_scope("acme"))
    other = await books.begin(app_scope("globex"))
    await books.take_in(failure("1", "acme", at=60), failure("2", "globex", at=61))
    assert list(named(await books.items(first))) == ["1"]
    assert list(named(await books.items(other))) == ["2"]
