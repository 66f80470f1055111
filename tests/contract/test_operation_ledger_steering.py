"""Pausing, resuming, limits and canary (``redrive.ports.SteeringLedger``)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redrive.domain import (
    NO_CONTROLS,
    TERMINAL_STATES,
    Actor,
    Answer,
    Canary,
    CanaryState,
    Controls,
    Guard,
    Operation,
    OperationId,
    OperationState,
    Stamp,
)
from redrive.errors import (
    BadControls,
    CannotPause,
    NotPaused,
    OperationFinished,
    OperationNotFound,
    StaleRunner,
)
from redrive.ports import Tried
from tests.support.books import Books, results
from tests.support.factories import ADA, BOB, completed, failure, later

QUEUED, RUNNING = OperationState.QUEUED, OperationState.RUNNING
PAUSED, CANCELLING = OperationState.PAUSED, OperationState.CANCELLING
NOBODY = OperationId("op_nobody")
CANARY = Controls(canary=Canary(entries=2))
EVE = Actor(name="eve", origin="10.0.0.9")


async def _begin(books: Books, controls: Controls = NO_CONTROLS) -> Operation:
    """A running operation over four entries, one of them handed over."""
    await books.fail("1", "2", "3", "4")
    started = await books.start(controls=controls)
    operation = await books.take_over(started.operation_id)
    batch = await books.claim(operation, 1)
    return await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))


async def _paused_by(books: Books, by: str) -> Operation:
    operation = await _begin(books, CANARY)
    return await books.operations.pause(operation, by, f"{by}: why")


async def test_a_queued_operation_pauses_at_once(books: Books) -> None:
    await books.fail("1")
    operation = await books.start()
    paused = await books.operations.request_pause(operation.operation_id, BOB, "lunch")
    assert (paused.state, paused.paused_by, paused.pause_reason) == (PAUSED, "bob", "lunch")
    assert (paused.turn, paused.pause_wanted) == (1, False)
    assert (await books.audited())[0] == (
        *("operation.pause", "bob", "lunch"),
        "queued -> paused by bob",
    )
    assert await books.changed() == (
        {"state": "queued", "paused_by": None},
        {"state": "paused", "paused_by": "bob"},
    )


async def test_a_running_operation_is_asked_and_nothing_more_is_claimed(books: Books) -> None:
    operation = await _begin(books)
    batch = await books.claim(operation, 1)
    asked = await books.operations.request_pause(operation.operation_id, BOB, "lunch")
    assert (asked.state, asked.pause_wanted) == (RUNNING, True)
    assert await books.operations.claim(operation, 9) is None
    settled = await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    assert settled.requeued == 2
    paused = await books.operations.pause(operation, None, "")
    assert (paused.state, paused.paused_by, paused.pause_reason) == (PAUSED, "bob", "lunch")
    assert await books.operations.claim(operation, 9) is None
    assert [row[0] for row in await books.audited()].count("operation.pause") == 1


@pytest.mark.parametrize(("by", "canary"), [("canary", "stopped"), ("guard", "waiting")])
async def test_a_canary_that_pauses_says_that_it_stopped_it(
    books: Books, by: str, canary: str
) -> None:
    operation = await _begin(books, Controls(canary=Canary(entries=1)))
    await books.operations.move_canary(operation, CanaryState.WAITING, later(60))
    paused = await books.operations.pause(operation, by, f"{by}: why")
    assert (paused.canary, await books.operation(paused)) == (CanaryState(canary), paused)
    resumed = await books.operations.resume(operation.operation_id, BOB)
    assert resumed.canary is CanaryState.PENDING


@pytest.mark.parametrize("asked_first", [True, False])
async def test_a_second_pause_changes_nothing(books: Books, asked_first: bool) -> None:
    operation = await _begin(books)
    if asked_first:
        await books.operations.request_pause(operation.operation_id, ADA, "")
    else:
        await books.operations.pause(operation, "guard", "guard: why")
    before = await books.rows()
    await books.operations.request_pause(operation.operation_id, BOB, "again")
    assert await books.rows() == before


async def test_a_pause_that_was_taken_back_does_not_happen(books: Books) -> None:
    operation = await _begin(books)
    await books.operations.request_pause(operation.operation_id, BOB, "")
    back = await books.operations.resume(operation.operation_id, BOB)
    assert (back.state, back.pause_wanted, back.turn) == (RUNNING, False, operation.turn + 1)
    after = await books.operations.pause(operation, None, "")
    assert after.state is RUNNING
    assert await books.operations.claim(operation, 9) is not None


async def test_a_cancel_comes_before_a_pause(books: Books) -> None:
    operation = await _begin(books)
    await books.operations.request_cancel(operation.operation_id, ADA)
    after = await books.operations.pause(operation, "guard", "guard: why")
    assert (after.state, after.paused_by) == (CANCELLING, None)
    with pytest.raises(CannotPause, match="is cancelling and cannot be paused"):
        await books.operations.request_pause(operation.operation_id, ADA, "")


async def test_a_single_retry_cannot_be_paused(books: Books) -> None:
    await books.fail("1")
    operation, _ = await books.single("1")
    with pytest.raises(CannotPause):
        await books.operations.request_pause(operation.operation_id, ADA, "")


async def test_a_paused_operation_is_in_nobody_s_hands(books: Books) -> None:
    paused = await _paused_by(books, "guard")
    assert await books.operations.take_over(paused.operation_id) is None
    assert [one.operation_id for one in await books.operations.open_operations()] == [
        paused.operation_id
    ]
    assert await books.operation(paused) == paused


async def test_the_runner_that_did_not_hear_of_its_pause_may_pause_again(books: Books) -> None:
    paused = await _paused_by(books, "guard")
    before = await books.rows()
    assert await books.operations.pause(paused, "guard", "guard: why") == paused
    assert await books.rows() == before


@pytest.mark.parametrize("call", ["pause", "move_canary"])
async def test_a_stale_runner_steers_nothing(books: Books, call: str) -> None:
    operation = await _begin(books, CANARY)
    await books.take_over(operation.operation_id)
    before = await books.rows()
    arguments = ("guard", "why") if call == "pause" else (CanaryState.PASSED,)
    with pytest.raises(StaleRunner):
        await getattr(books.operations, call)(operation, *arguments)
    assert await books.rows() == before


async def test_a_pause_by_itself_is_audited_with_its_figures(books: Books) -> None:
    await _paused_by(books, "canary")
    assert (await books.audited())[0] == (
        *("operation.pause", "canary", "canary: why"),
        "running -> paused by canary",
    )
    assert await books.changed() == (
        {"state": "running", "paused_by": None, "canary_state": "pending"},
        {"state": "paused", "paused_by": "canary", "canary_state": "stopped"},
    )


@pytest.mark.parametrize("by", ["canary", "guard"])
async def test_after_a_pause_by_itself_the_next_run_begins_with_a_canary(
    books: Books, by: str
) -> None:
    operation = await _begin(books, CANARY)
    await books.operations.move_canary(operation, CanaryState.PASSED)
    await books.operations.pause(operation, by, "why")
    resumed = await books.operations.resume(operation.operation_id, BOB)
    assert (resumed.state, resumed.canary, resumed.canary_begun) == (
        QUEUED,
        CanaryState.PENDING,
        False,
    )
    assert (resumed.paused_by, resumed.pause_reason) == (None, None)
    assert (await books.take_over(operation.operation_id)).state is RUNNING


async def test_after_a_pause_by_hand_the_canary_is_where_it_was(books: Books) -> None:
    operation = await _begin(books, CANARY)
    await books.operations.move_canary(operation, CanaryState.PENDING)
    await books.operations.move_canary(operation, CanaryState.WAITING, later(60))
    await books.operations.request_pause(operation.operation_id, ADA, "")
    await books.operations.pause(operation, None, "")
    resumed = await books.operations.resume(operation.operation_id, ADA)
    assert (resumed.canary, resumed.canary_until, resumed.canary_begun) == (
        CanaryState.WAITING,
        later(60),
        True,
    )
    assert (await books.audited())[0] == (
        *("operation.resume", "ada", ""),
        "paused by ada -> queued",
    )
    assert await books.changed() == (
        {"state": "paused", "paused_by": "ada"},
        {"state": "queued", "paused_by": None},
    )


async def test_a_resume_remembers_what_was_heard_before_it(books: Books) -> None:
    operation = await _begin(books)
    await books.hear(completed("1", 12))
    await books.operations.pause(operation, "guard", "why")
    resumed = await books.operations.resume(operation.operation_id, ADA)
    assert (resumed.heard_before, resumed.failed_before) == (1, 0)


@pytest.mark.parametrize("state", [QUEUED, RUNNING, CANCELLING])
async def test_what_is_not_paused_cannot_be_resumed(books: Books, state: OperationState) -> None:
    await books.fail("1", "2")
    operation = await books.start()
    if state is not QUEUED:
        await books.take_over(operation.operation_id)
    if state is CANCELLING:
        await books.operations.request_cancel(operation.operation_id, ADA)
    with pytest.raises(NotPaused, match=f"is {state} and not paused"):
        await books.operations.resume(operation.operation_id, ADA)


@pytest.mark.parametrize("state", TERMINAL_STATES)
async def test_a_finished_operation_cannot_be_steered(books: Books, state: OperationState) -> None:
    operation = await _begin(books)
    await books.operations.request_pause(operation.operation_id, ADA, "")
    if state is OperationState.CANCELLED:
        await books.operations.request_cancel(operation.operation_id, ADA)
    finished = await books.operations.finish(operation, state, None)
    assert finished.pause_wanted is False
    for call in _calls(books, operation.operation_id):
        with pytest.raises(OperationFinished, match="keeps its counts"):
            await call
    with pytest.raises(StaleRunner):
        await books.operations.pause(operation, "guard", "")


async def test_an_unknown_operation_cannot_be_steered(books: Books) -> None:
    for call in _calls(books, NOBODY):
        with pytest.raises(OperationNotFound, match=NOBODY):
            await call


def _calls(books: Books, operation_id: OperationId) -> list[Any]:
    return [
        books.operations.request_pause(operation_id, ADA, ""),
        books.operations.resume(operation_id, ADA),
        books.operations.change_controls(operation_id, ADA, {"rate": 5.0}),
    ]


async def test_a_cancel_of_a_paused_operation_cancels_at_once(books: Books) -> None:
    paused = await _paused_by(books, "guard")
    books.clock.advance(seconds=5)
    cancelled = await books.operations.request_cancel(paused.operation_id, BOB)
    assert cancelled.state is OperationState.CANCELLED
    assert (cancelled.finished_at, cancelled.cancelled_by) == (later(5), "bob")
    assert cancelled.requeued == 1


async def test_of_a_resume_and_a_cancel_at_once_one_comes_first(
    books: Books, second: Books
) -> None:
    paused = await _paused_by(books, "guard")
    resumed, cancelled = await asyncio.gather(
        books.operations.resume(paused.operation_id, ADA),
        second.operations.request_cancel(paused.operation_id, BOB),
        return_exceptions=True,
    )
    assert isinstance(cancelled, Operation)
    assert isinstance(resumed, Operation | OperationFinished)
    assert (await books.operation(paused)).state is OperationState.CANCELLED


async def test_controls_come_with_the_start(books: Books) -> None:
    controls = Controls(rate=5.0, floor=1.0, canary=Canary(entries=2), guard=Guard(percent=10.0))
    await books.fail("1")
    operation = await books.start(controls=controls)
    assert operation.controls == controls
    assert (operation.canary, operation.canary_begun) == (CanaryState.PENDING, False)
    assert await books.operation(operation) == operation


async def test_controls_are_changed_one_by_one_and_audited_before_and_after(books: Books) -> None:
    operation = await _begin(books, Controls(rate=5.0, guard=Guard(percent=10.0)))
    changed = await books.operations.change_controls(
        operation.operation_id, BOB, {"rate": None, "low_priority": True}
    )
    assert changed.controls == Controls(guard=Guard(percent=10.0), low_priority=True)
    assert (await books.audited())[0] == (
        *("operation.pace", "bob", ""),
        "rate 5/s; guard 10 % of 100 -> guard 10 % of 100; low priority",
    )
    assert await books.changed() == (
        {"rate": 5.0, "low_priority": False},
        {"rate": None, "low_priority": True},
    )


async def test_a_change_to_what_is_so_already_changes_nothing(books: Books) -> None:
    operation = await _begin(books, Controls(rate=5.0))
    before = await books.rows()
    await books.operations.change_controls(operation.operation_id, BOB, {"rate": 5.0})
    assert await books.rows() == before


async def test_limits_that_do_not_fit_what_is_set_are_refused(books: Books) -> None:
    operation = await _begin(books, Controls(rate=5.0))
    before = await books.rows()
    with pytest.raises(BadControls, match=r"floor: 9 is over the rate of 5\. Nothing"):
        await books.operations.change_controls(operation.operation_id, BOB, {"floor": 9.0})
    assert await books.rows() == before


@pytest.mark.parametrize("canary", [None, Canary(entries=3)])
async def test_another_canary_begins_anew(books: Books, canary: Canary | None) -> None:
    operation = await _begin(books, CANARY)
    await books.operations.move_canary(operation, CanaryState.PENDING)
    changed = await books.operations.change_controls(
        operation.operation_id, BOB, {"canary": canary}
    )
    assert changed.canary is (None if canary is None else CanaryState.PENDING)
    assert not changed.canary_begun


async def test_a_canary_counts_what_was_handed_over_since_it_began(books: Books) -> None:
    operation = await _begin(books, CANARY)
    assert await books.operations.tried(operation) == Tried()
    begun = await books.operations.move_canary(operation, CanaryState.PENDING)
    assert begun.canary_begun
    assert await books.operations.tried(operation) == Tried()
    batch = await books.claim(operation, 2)
    assert await books.operations.tried(operation) == Tried()
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    await books.hear(completed("1", 12), completed("2", 12))
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    await books.take_in(failure("3", at=20, stamp=stamp))
    assert await books.operations.tried(operation) == Tried(
        handed_over=2, recovered=1, failed_again=1
    )


async def test_a_canary_waits_and_passes(books: Books) -> None:
    operation = await _begin(books, CANARY)
    waiting = await books.operations.move_canary(operation, CanaryState.WAITING, later(300))
    assert (waiting.canary, waiting.canary_until) == (CanaryState.WAITING, later(300))
    passed = await books.operations.move_canary(operation, CanaryState.PASSED)
    assert (passed.canary, passed.canary_until) == (CanaryState.PASSED, None)


async def test_a_canary_that_passes_is_audited_once_with_its_figures(books: Books) -> None:
    operation = await _begin(books, CANARY)
    await books.operations.move_canary(operation, CanaryState.PENDING)
    batch = await books.claim(operation, 2)
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    await books.hear(completed("2", 12), completed("3", 12))
    await books.operations.move_canary(operation, CanaryState.WAITING, later(300))
    for _ in range(2):
        await books.operations.move_canary(operation, CanaryState.PASSED)
    row, older = (await books.accounts.audit_trail(None, 2)).items
    assert (row.actor, row.action, row.result) == ("canary", "operation.canary", "passed")
    assert row.counts == {"requeued": 2, "recovered": 2, "failed_again": 0}
    assert (row.before, row.after) == ({"canary_state": "waiting"}, {"canary_state": "passed"})
    assert older.action == "retry.start"
