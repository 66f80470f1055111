"""Taking over and claiming (``redrive.ports.OperationLedger``)."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete

from redrive.domain import (
    BATCH_BYTES,
    Answer,
    EntryState,
    OperationId,
    OperationKind,
    OperationState,
)
from redrive.errors import StaleRunner
from redrive.ledger.schema import operations
from tests.support.books import Books, app_scope, job_ids, results
from tests.support.factories import ADA, later

RESYNC = OperationKind.RESYNC
SWEPT = [
    (OperationKind.RETRY, EntryState.FAILED),
    (RESYNC, EntryState.FAILED),
    (RESYNC, EntryState.RECOVERED),
    (OperationKind.DISMISS, EntryState.FAILED),
]
LEFT = [
    (kind, state) for kind in OperationKind for state in EntryState if (kind, state) not in SWEPT
]


async def test_entries_are_claimed_in_the_order_in_which_their_failures_were_recorded(
    books: Books,
) -> None:
    await books.fail("c", at=30)
    await books.fail("a", at=10)
    await books.fail("b", at=20)
    assert job_ids(await books.claim(await books.begin())) == ["c", "a", "b"]


async def test_batches_hold_at_most_the_limit_and_are_numbered_from_1(books: Books) -> None:
    await books.fail(*"12345")
    operation = await books.begin()
    batches = [await books.claim(operation, 2) for _ in range(3)]
    assert [(batch.number, job_ids(batch)) for batch in batches] == [
        (1, ["1", "2"]),
        (2, ["3", "4"]),
        (3, ["5"]),
    ]
    assert await books.operations.claim(operation, 2) is None


async def test_a_claim_keeps_the_error_and_raises_the_generation(books: Books) -> None:
    await books.fail("1")
    before = await books.entry("1")
    operation = await books.begin()
    (entry,) = (await books.claim(operation)).entries
    assert (entry.generation, entry.failed_at) == (1, before.failed_at)
    after = await books.entry("1")
    assert (after.state, after.generation) == (EntryState.CLAIMED, 1)
    assert (after.error_type, after.error_message) == (before.error_type, before.error_message)
    assert after.operation_id == operation.operation_id
    await books.check_counts()


@pytest.mark.parametrize(("kind", "state"), SWEPT)
async def test_a_bulk_operation_sweeps_up_its_states(
    books: Books, kind: OperationKind, state: EntryState
) -> None:
    await books.make(state, "1")
    (entry,) = (await books.claim(await books.begin(kind=kind))).entries
    assert entry.from_state is state


@pytest.mark.parametrize(("kind", "state"), LEFT)
async def test_a_bulk_operation_leaves_other_states_alone(
    books: Books, kind: OperationKind, state: EntryState
) -> None:
    await books.make(state, "1")
    await books.fail("2")
    assert job_ids(await books.claim(await books.begin(kind=kind))) == ["2"]
    assert (await books.entry("1")).state is state


async def test_an_app_operation_claims_that_apps_entries_only(books: Books) -> None:
    await books.fail("1", "3", app="acme")
    await books.fail("2", app="globex")
    operation = await books.begin(app_scope("acme"))
    assert job_ids(await books.claim(operation, 1)) == ["1"]
    assert job_ids(await books.claim(operation, 1)) == ["3"]
    assert await books.operations.claim(operation, 1) is None
    assert (await books.entry("2")).state is EntryState.FAILED


async def test_what_failed_again_after_its_hand_over_is_not_claimed_a_second_time(
    books: Books,
) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    batch = await books.claim(operation, 1)
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    await books.fail("1", at=60)
    assert job_ids(await books.claim(operation, 10)) == ["2"]
    assert await books.operations.claim(operation, 10) is None


@pytest.mark.parametrize("answer", [Answer.ERROR, Answer.WITHHELD, Answer.SUPERSEDED])
async def test_what_came_back_unmoved_is_not_claimed_a_second_time(
    books: Books, answer: Answer
) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    batch = await books.claim(operation, 1)
    await books.operations.settle(operation, batch, results(batch, answer))
    assert (await books.entry("1")).state is EntryState.FAILED
    assert job_ids(await books.claim(operation, 10)) == ["2"]


async def test_a_cancelling_operation_claims_nothing(books: Books) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    await books.claim(operation, 1)
    await books.operations.request_cancel(operation.operation_id, ADA)
    before = await books.rows()
    assert await books.operations.claim(operation, 1) is None
    assert await books.rows() == before


async def test_a_takeover_raises_the_epoch_and_starts_a_queued_operation(books: Books) -> None:
    await books.fail("1")
    queued = await books.start()
    books.clock.advance(seconds=5)
    taken = await books.take_over(queued.operation_id)
    assert (taken.state, taken.runner_epoch) == (OperationState.RUNNING, 1)
    assert taken.started_at == later(5)
    books.clock.advance(seconds=5)
    again = await books.take_over(queued.operation_id)
    assert (again.state, again.runner_epoch) == (OperationState.RUNNING, 2)
    assert again.started_at == later(5)


async def test_a_takeover_leaves_a_cancelling_operation_cancelling(books: Books) -> None:
    await books.fail("1")
    operation = await books.begin()
    await books.operations.request_cancel(operation.operation_id, ADA)
    assert (await books.take_over(operation.operation_id)).state is OperationState.CANCELLING


@pytest.mark.parametrize("state", [OperationState.COMPLETED, OperationState.FAILED])
async def test_a_finished_operation_cannot_be_taken_over(
    books: Books, state: OperationState
) -> None:
    await books.fail("1")
    operation = await books.begin()
    await books.operations.finish(operation, state, None)
    before = await books.rows()
    assert await books.operations.take_over(operation.operation_id) is None
    assert await books.rows() == before


async def test_an_unknown_operation_cannot_be_taken_over(books: Books) -> None:
    assert await books.operations.take_over(OperationId("op_nobody")) is None


@pytest.mark.parametrize("left", [0, 1], ids=["nothing left", "something left"])
async def test_a_claim_of_a_stale_runner_changes_nothing(books: Books, left: int) -> None:
    await books.fail("1", "2")
    asleep = await books.begin()
    taker = await books.take_over(asleep.operation_id)
    await books.claim(taker, 2 - left)
    before = await books.rows()
    with pytest.raises(StaleRunner, match=asleep.operation_id):
        await books.operations.claim(asleep, 1)
    assert await books.rows() == before


async def test_a_claim_after_the_end_of_the_operation_changes_nothing(books: Books) -> None:
    await books.fail("1")
    operation = await books.begin()
    await books.operations.finish(operation, OperationState.FAILED, "stopped")
    before = await books.rows()
    with pytest.raises(StaleRunner):
        await books.operations.claim(operation, 1)
    assert await books.rows() == before


async def test_of_two_claims_at_once_each_entry_is_in_one(books: Books, second: Books) -> None:
    await books.fail(*"123456")
    asleep = await books.begin()
    taker = await second.take_over(asleep.operation_id)
    old, new = await asyncio.gather(
        books.operations.claim(asleep, 3),
        second.operations.claim(taker, 3),
        return_exceptions=True,
    )
    assert isinstance(old, StaleRunner)
    assert not isinstance(new, BaseException)
    assert job_ids(new) == ["1", "2", "3"]


async def test_a_batch_ends_where_its_data_becomes_large(books: Books) -> None:
    half, whole = BATCH_BYTES // 2, BATCH_BYTES
    await books.fail("1", "2", "3", data_size=half)
    await books.fail("4", data_size=10 * whole, at=10)
    await books.fail("5", "6", data_size=0, at=20)
    operation = await books.begin()
    claimed = [job_ids(await books.claim(operation)) for _ in range(3)]
    assert claimed == [["1", "2"], ["3", "4"], ["5", "6"]]
    assert await books.operations.claim(operation, 100) is None


async def test_unsettled_batches_come_back_each_under_its_own_number(books: Books) -> None:
    await books.fail(*"12345")
    operation = await books.begin()
    first, middle, last = [await books.claim(operation, 2) for _ in range(3)]
    await books.operations.settle(operation, middle, results(middle, Answer.REQUEUED))
    taker = await books.take_over(operation.operation_id)
    assert await books.operations.unsettled(taker) == [first, last]


async def test_unsettled_names_the_occurrence_that_was_claimed(books: Books) -> None:
    await books.fail("1")
    operation = await books.begin()
    batch = await books.claim(operation)
    await books.fail("1", at=99)
    assert await books.operations.unsettled(operation) == [batch]


async def test_open_operations_are_listed_oldest_first(books: Books) -> None:
    await books.fail("1", app="acme")
    await books.fail("2", app="globex")
    queued = await books.start(app_scope("acme"))
    books.clock.advance(seconds=1)
    running = await books.begin(app_scope("globex"))
    assert await books.operations.open_operations() == [queued, running]
    await books.operations.request_cancel(running.operation_id, ADA)
    await books.operations.request_cancel(queued.operation_id, ADA)
    assert [found.state for found in await books.operations.open_operations()] == ["cancelling"]


async def test_a_runner_that_slept_until_its_operation_was_forgotten_claims_nothing(
    books: Books,
) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    await books.database.write(lambda connection: connection.execute(delete(operations)))
    with pytest.raises(StaleRunner):
        await books.operations.claim(operation, 1)
    assert set((await books.states()).values()) == {EntryState.FAILED}
