"""Cancelling and finishing (``redrive.ports.OperationLedger``)."""

from __future__ import annotations

import asyncio

import pytest

from redrive.domain import (
    TERMINAL_STATES,
    Answer,
    Operation,
    OperationId,
    OperationState,
)
from redrive.errors import OperationFinished, OperationNotFound, StaleRunner
from tests.support.books import Books, results
from tests.support.factories import ADA, BOB, later

QUEUED, RUNNING = OperationState.QUEUED, OperationState.RUNNING
CANCELLING, CANCELLED = OperationState.CANCELLING, OperationState.CANCELLED
COMPLETED, FAILED = OperationState.COMPLETED, OperationState.FAILED


async def _in_state(books: Books, state: OperationState) -> Operation:
    """A bulk operation over three entries, one of them handed over unless it is queued."""
    await books.fail("1", "2", "3")
    operation = await books.start()
    if state is not QUEUED:
        operation = await books.take_over(operation.operation_id)
        batch = await books.claim(operation, 1)
        operation = await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    if state in (CANCELLING, CANCELLED):
        await books.operations.request_cancel(operation.operation_id, ADA)
    if state.terminal:
        await books.operations.finish(operation, state, None)
    operation = await books.operation(operation)
    assert operation.state is state
    return operation


@pytest.mark.parametrize(("state", "after"), [(QUEUED, CANCELLED), (RUNNING, CANCELLING)])
async def test_a_cancel_stops_an_operation_at_once_or_asks_its_runner_to(
    books: Books, state: OperationState, after: OperationState
) -> None:
    operation = await _in_state(books, state)
    books.clock.advance(seconds=9)
    answer = await books.operations.request_cancel(operation.operation_id, BOB)
    assert (answer.state, answer.cancelled_by) == (after, "bob")
    assert answer.finished_at == (later(9) if after is CANCELLED else None)
    assert answer.completed == operation.completed
    assert await books.operation(operation) == answer


@pytest.mark.parametrize(("state", "after"), [(QUEUED, CANCELLED), (RUNNING, CANCELLING)])
async def test_a_cancel_writes_one_audit_row(
    books: Books, state: OperationState, after: OperationState
) -> None:
    operation = await _in_state(books, state)
    await books.operations.request_cancel(operation.operation_id, BOB)
    rows = (await books.accounts.audit_trail(None, 10)).items
    assert [row.action for row in rows] == ["operation.cancel", "retry.start"]
    assert (rows[0].actor, rows[0].origin, rows[0].scope) == ("bob", "cli", "all apps")
    assert (rows[0].result, rows[0].operation_id) == (after, operation.operation_id)
    assert rows[0].counts == {"total": 3, "completed": operation.completed}
    assert rows[0].before == {"state": state, "completed": operation.completed}
    assert rows[0].after == {"state": after, "completed": operation.completed}


async def test_a_second_cancel_of_a_running_operation_changes_nothing(books: Books) -> None:
    operation = await _in_state(books, CANCELLING)
    before = await books.rows()
    assert await books.operations.request_cancel(operation.operation_id, BOB) == operation
    assert await books.rows() == before


@pytest.mark.parametrize("state", TERMINAL_STATES)
async def test_a_finished_operation_cannot_be_cancelled(
    books: Books, state: OperationState
) -> None:
    operation = await _in_state(books, state)
    before = await books.rows()
    with pytest.raises(OperationFinished, match="keeps its counts") as refused:
        await books.operations.request_cancel(operation.operation_id, ADA)
    assert refused.value.fields == {"operation_id": operation.operation_id, "state": state}
    assert await books.rows() == before


async def test_an_unknown_operation_cannot_be_cancelled(books: Books) -> None:
    with pytest.raises(OperationNotFound, match="op_nobody"):
        await books.operations.request_cancel(OperationId("op_nobody"), ADA)
    assert await books.operations.operation(OperationId("op_nobody")) is None


async def test_of_two_cancels_at_once_one_is_written_down(books: Books, second: Books) -> None:
    operation = await _in_state(books, RUNNING)
    answers = await asyncio.gather(
        books.operations.request_cancel(operation.operation_id, ADA),
        second.operations.request_cancel(operation.operation_id, BOB),
    )
    assert answers[0] == answers[1]
    rows = (await books.accounts.audit_trail(None, 10)).items
    assert [row.action for row in rows].count("operation.cancel") == 1


@pytest.mark.parametrize("state", [COMPLETED, FAILED])
async def test_a_finished_operation_keeps_its_counts(books: Books, state: OperationState) -> None:
    operation = await _in_state(books, RUNNING)
    books.clock.advance(seconds=9)
    finished = await books.operations.finish(operation, state, "why not")
    assert (finished.state, finished.error) == (state, "why not")
    assert (finished.finished_at, finished.requeued, finished.total) == (later(9), 1, 3)
    assert await books.operation(operation) == finished


@pytest.mark.parametrize("state", [COMPLETED, FAILED])
async def test_a_cancelling_operation_ends_as_cancelled(
    books: Books, state: OperationState
) -> None:
    operation = await _in_state(books, CANCELLING)
    finished = await books.operations.finish(operation, state, None)
    assert (finished.state, finished.cancelled_by) == (CANCELLED, "ada")
    assert finished.completed == 1


async def test_the_end_writes_an_audit_row_with_the_counts(books: Books) -> None:
    operation = await _in_state(books, RUNNING)
    batch = await books.claim(operation)
    await books.operations.settle(operation, batch, results(batch, Answer.ERROR))
    await books.operations.finish(operation, COMPLETED, None)
    row = (await books.accounts.audit_trail(None, 1)).items[0]
    assert (row.action, row.actor, row.result) == ("retry.end", "ada", "completed")
    assert row.operation_id == operation.operation_id
    assert row.counts == {"total": 3, "requeued": 1, "skipped": 0, "errored": 2, "released": 0}
    assert row.before == {"state": "running"}
    assert row.after == {"state": "completed", "completed": 3}


async def test_the_end_of_a_cancelled_operation_was_cancelling_before(books: Books) -> None:
    operation = await _in_state(books, CANCELLING)
    await books.operations.finish(operation, COMPLETED, None)
    row = (await books.accounts.audit_trail(None, 1)).items[0]
    assert row.before == {"state": "cancelling"}
    assert row.after == {"state": "cancelled", "completed": 1}


@pytest.mark.parametrize("state", TERMINAL_STATES)
async def test_an_operation_finishes_once(books: Books, state: OperationState) -> None:
    operation = await _in_state(books, state)
    before = await books.rows()
    again = await books.operations.finish(operation, COMPLETED, None)
    assert again == await books.operation(operation)
    assert again.state is state
    assert await books.rows() == before


async def test_a_stale_runner_cannot_finish_an_operation(books: Books) -> None:
    operation = await _in_state(books, RUNNING)
    await books.take_over(operation.operation_id)
    before = await books.rows()
    with pytest.raises(StaleRunner, match="taken over"):
        await books.operations.finish(operation, COMPLETED, None)
    assert await books.rows() == before


@pytest.mark.parametrize("state", [RUNNING, CANCELLING])
async def test_an_operation_does_not_end_while_something_of_it_is_claimed(
    books: Books, state: OperationState
) -> None:
    operation = await _in_state(books, RUNNING)
    batch = await books.claim(operation)
    if state is CANCELLING:
        await books.operations.request_cancel(operation.operation_id, ADA)
    before = await books.rows()
    answer = await books.operations.finish(operation, FAILED, "stopped")
    assert (answer.state, answer.error) == (state, None)
    assert await books.rows() == before
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    assert (await books.operations.finish(operation, COMPLETED, None)).state.terminal


async def test_a_batch_cannot_be_settled_or_given_back_after_the_end(books: Books) -> None:
    operation = await _in_state(books, RUNNING)
    batch = await books.claim(operation)
    await books.end_by_force(operation, FAILED)
    before = await books.rows()
    with pytest.raises(StaleRunner):
        await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    with pytest.raises(StaleRunner):
        await books.operations.release(operation, batch, engine_away=False)
    assert await books.rows() == before
