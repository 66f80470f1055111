"""What waits for a second person (``redrive.ports.SteeringLedger``)."""

from __future__ import annotations

import pytest

from redrive.domain import (
    NO_CONTROLS,
    Actor,
    Canary,
    Controls,
    OperationId,
    OperationState,
)
from redrive.errors import (
    ApprovalNeeded,
    WaitsForApproval,
)
from redrive.ledger import SqlOperationLedger
from tests.support.books import ALL, Books, request
from tests.support.factories import ADA, BOB

QUEUED, RUNNING = OperationState.QUEUED, OperationState.RUNNING
PAUSED, CANCELLING = OperationState.PAUSED, OperationState.CANCELLING
NOBODY = OperationId("op_nobody")
CANARY = Controls(canary=Canary(entries=2))
EVE = Actor(name="eve", origin="10.0.0.9")


def _approving(books: Books, over: int) -> SqlOperationLedger:
    return SqlOperationLedger(books.database, books.clock, over)


@pytest.mark.parametrize(("over", "state"), [(0, QUEUED), (2, QUEUED), (1, PAUSED)])
async def test_over_a_set_size_an_operation_waits_for_approval(
    books: Books, over: int, state: OperationState
) -> None:
    await books.fail("1", "2")
    operation, _ = await _approving(books, over).start_bulk(request(ALL))
    assert operation.state is state
    if state is PAUSED:
        assert operation.paused_by == "approval"
        assert operation.pause_reason == "over 1 entries: another user has to approve it"
        assert (await books.audited())[0][3] == "waits for approval"
        assert await books.operations.take_over(operation.operation_id) is None


async def test_another_user_approves_by_resuming(books: Books) -> None:
    await books.fail("1", "2")
    operation, _ = await _approving(books, 1).start_bulk(request(ALL))
    approved = await books.operations.resume(operation.operation_id, EVE)
    assert (approved.state, approved.approved_by, approved.paused_by) == (QUEUED, "eve", None)
    assert (await books.audited())[0][:2] == ("operation.approve", "eve")
    assert await books.changed() == (
        {"state": "paused", "paused_by": "approval", "approved_by": None},
        {"state": "queued", "paused_by": None, "approved_by": "eve"},
    )


@pytest.mark.parametrize("actor", [ADA, BOB, Actor(name="ada", origin="cli")])
async def test_who_started_it_or_is_not_signed_in_cannot_approve(
    books: Books, actor: Actor
) -> None:
    await books.fail("1", "2")
    operation, _ = await _approving(books, 1).start_bulk(request(ALL))
    before = await books.rows()
    with pytest.raises(ApprovalNeeded, match="another user than ada"):
        await books.operations.resume(operation.operation_id, actor)
    assert await books.rows() == before


@pytest.mark.parametrize("actor", [ADA, EVE])
async def test_what_waits_for_approval_keeps_its_limits(books: Books, actor: Actor) -> None:
    await books.fail("1", "2")
    ledger = _approving(books, 1)
    operation, _ = await ledger.start_bulk(request(ALL, controls=CANARY))
    before = await books.rows()
    with pytest.raises(WaitsForApproval) as refused:
        await ledger.change_controls(operation.operation_id, actor, {"canary": None})
    assert str(refused.value) == (
        f"Operation {operation.operation_id} of ada on all apps (canary 2, 80 % within 300 s) "
        "waits for approval, and is approved as it was started: cancel it and start it anew with "
        "other limits. Nothing was changed."
    )
    assert await books.rows() == before
    await ledger.resume(operation.operation_id, EVE)
    changed = await ledger.change_controls(operation.operation_id, actor, {"canary": None})
    assert changed.controls == NO_CONTROLS


async def test_who_started_it_may_cancel_it_unapproved(books: Books) -> None:
    await books.fail("1", "2")
    operation, _ = await _approving(books, 1).start_bulk(request(ALL))
    cancelled = await books.operations.request_cancel(operation.operation_id, ADA)
    assert cancelled.state is OperationState.CANCELLED
