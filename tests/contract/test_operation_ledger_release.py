"""Giving claimed batches back (``redrive.ports.OperationLedger.release``, ``release_loose``)."""

from __future__ import annotations

import pytest

from redrive.domain import EntryState, OperationKind, OperationState, Reason
from redrive.errors import StaleRunner
from tests.support.books import Books, app_scope, job_ids, named
from tests.support.factories import ADA, completed, failure, later

FAILED, RECOVERED = EntryState.FAILED, EntryState.RECOVERED
RESYNC = OperationKind.RESYNC


@pytest.mark.parametrize(
    ("engine_away", "reason"), [(True, Reason.ENGINE_AWAY), (False, Reason.CANCELLED)]
)
async def test_a_released_batch_is_as_it_was_with_its_errors_intact(
    books: Books, engine_away: bool, reason: Reason
) -> None:
    await books.fail("1", "2")
    before = [await books.entry(job_id) for job_id in "12"]
    operation = await books.begin()
    batch = await books.claim(operation)
    books.clock.advance(seconds=3)
    released = await books.operations.release(operation, batch, engine_away)
    assert (released.released, released.completed) == (2, 0)
    assert await books.operation(operation) == released
    for old in before:
        new = await books.entry(old.job_id)
        assert (new.state, new.error_message, new.failed_at) == (
            FAILED,
            old.error_message,
            old.failed_at,
        )
        assert new.failure_seq == old.failure_seq
    for item in await books.items(operation):
        assert (item.state, item.reason, item.outcome) == ("released", reason, None)
        assert item.settled_at == later(3)
    await books.check_counts()


async def test_a_release_puts_a_resynced_entry_back_where_it_came_from(books: Books) -> None:
    await books.make(RECOVERED, "1")
    await books.fail("2")
    before = await books.entry("1")
    operation = await books.begin(kind=RESYNC)
    await books.operations.release(operation, await books.claim(operation), engine_away=True)
    assert await books.states() == {"1": RECOVERED, "2": FAILED}
    assert (await books.entry("1")).recovered_at == before.recovered_at
    await books.check_counts()


async def test_an_entry_that_failed_anew_while_it_was_claimed_is_released_as_failed(
    books: Books,
) -> None:
    await books.make(RECOVERED, "1")
    operation = await books.begin(kind=RESYNC)
    batch = await books.claim(operation)
    await books.take_in(failure("1", at=50, error_message="anew"))
    assert (await books.entry("1")).state is EntryState.CLAIMED
    await books.operations.release(operation, batch, engine_away=False)
    entry = await books.entry("1")
    assert (entry.state, entry.error_message, entry.failures) == (FAILED, "anew", 2)
    await books.check_counts()


async def test_what_was_heard_of_a_released_entry_does_not_reach_its_next_operation(
    books: Books,
) -> None:
    await books.fail("1")
    operation = await books.begin()
    batch = await books.claim(operation)
    await books.hear(completed("1", 20))
    await books.operations.release(operation, batch, engine_away=False)
    assert (await books.entry("1")).state is FAILED
    await books.operations.finish(operation, OperationState.FAILED, None)
    await books.requeue_one("1", at=15)
    assert (await books.entry("1")).state is EntryState.QUEUED


async def test_releasing_twice_changes_nothing(books: Books) -> None:
    await books.fail("1")
    operation = await books.begin()
    batch = await books.claim(operation)
    once = await books.operations.release(operation, batch, engine_away=True)
    before = await books.rows()
    assert await books.operations.release(operation, batch, engine_away=False) == once
    assert await books.rows() == before


async def test_a_release_of_a_stale_runner_changes_nothing(books: Books) -> None:
    await books.fail("1")
    operation = await books.begin()
    batch = await books.claim(operation)
    await books.take_over(operation.operation_id)
    before = await books.rows()
    with pytest.raises(StaleRunner):
        await books.operations.release(operation, batch, engine_away=True)
    assert await books.rows() == before


async def test_a_released_entry_can_be_retried_by_another_operation(books: Books) -> None:
    await books.fail("1")
    operation, batch = await books.single("1")
    await books.operations.release(operation, batch, engine_away=True)
    await books.operations.finish(operation, OperationState.FAILED, "away")
    again, batch = await books.single("1")
    assert batch.entries[0].generation == 2
    assert named(await books.items(again)) == {"1": ("claimed", None, None)}


@pytest.mark.parametrize("state", [FAILED, RECOVERED])
async def test_a_claim_of_an_unknown_operation_is_loose_and_given_back(
    books: Books, state: EntryState
) -> None:
    await books.make(state, "1")
    await books.single("1", RESYNC)
    await books.lose_operation_of("1")
    assert await books.operations.release_loose() == 1
    entry = await books.entry("1")
    assert (entry.state, entry.state_reason) == (state, "given back: its operation is over")
    await books.check_counts()
    assert await books.operations.release_loose() == 0


async def test_a_loose_claim_of_what_failed_anew_meanwhile_is_given_back_failed(
    books: Books,
) -> None:
    await books.make(RECOVERED, "1")
    await books.single("1", RESYNC)
    await books.take_in(failure("1", at=50, error_message="anew"))
    await books.lose_operation_of("1")
    assert await books.operations.release_loose() == 1
    entry = await books.entry("1")
    assert (entry.state, entry.error_message) == (FAILED, "anew")
    await books.check_counts()


async def test_a_claim_of_an_operation_that_is_over_is_loose_and_given_back(books: Books) -> None:
    await books.fail("1")
    operation, _ = await books.single("1")
    await books.end_by_force(operation, OperationState.COMPLETED)
    assert await books.operations.release_loose() == 1
    assert (await books.entry("1")).state is FAILED


async def test_claims_of_open_operations_are_not_loose(books: Books) -> None:
    await books.fail("1", app="acme")
    await books.fail("2", app="globex")
    await books.fail("3", app="globex")
    running = await books.begin(app_scope("acme"))
    await books.claim(running)
    cancelling = await books.begin(app_scope("globex"))
    await books.claim(cancelling, 1)
    await books.operations.request_cancel(cancelling.operation_id, ADA)
    before = await books.rows()
    assert await books.operations.release_loose() == 0
    assert await books.rows() == before


async def test_what_was_loose_is_not_swept_up_by_an_operation_that_was_running_then(
    books: Books,
) -> None:
    await books.fail("1", "2")
    await books.single("1")
    await books.lose_operation_of("1")
    bulk = await books.begin()
    await books.operations.release_loose()
    assert job_ids(await books.claim(bulk)) == ["2"]
