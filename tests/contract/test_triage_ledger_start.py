"""Starting and forgetting plans (``redrive.ports.TriageLedger``)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from redrive.domain import (
    NO_CONTROLS,
    Actor,
    Canary,
    CanaryState,
    Controls,
    EntryState,
    OperationKind,
    OperationState,
    PlanStart,
    Prunable,
    Scope,
    ScopeKind,
)
from redrive.errors import (
    BadControls,
    IdempotencyMismatch,
    LimitsOfDismissal,
    OperationOverlap,
    PlanExpired,
    PlanNotFound,
    PlanOfAnother,
    PlanUsed,
)
from redrive.ledger.schema_triage import plan_apps, plans, selections
from tests.support.books import ALL, Books, app_scope, request
from tests.support.factories import ADA, BOB
from tests.support.pruning import prune_batch


def start_of(token: str | None, actor: Actor = ADA, **values: Any) -> PlanStart:
    assert token is not None
    return PlanStart(plan_token=token, actor=actor, **values)


async def test_a_start_is_an_operation_over_exactly_the_plan(books: Books) -> None:
    await books.fail("1", "2")
    plan = await books.plan(app_id="acme")
    await books.fail("late")
    operation = await books.start_plan(plan, reason="fixed")
    assert (operation.kind, operation.scope.kind) == (OperationKind.RETRY, ScopeKind.FILTER)
    assert (operation.total, operation.cutoff_seq) == (2, plan.cutoff_seq)
    assert (operation.plan_id, operation.filter) == (plan.plan_token, '{"app_id": "acme"}')
    assert (operation.state, operation.reason) == (OperationState.QUEUED, "fixed")
    assert await books.operation(operation) == operation


async def test_a_start_writes_one_audit_row_that_carries_the_filter(books: Books) -> None:
    await books.fail("1")
    plan = await books.plan(queue="mail", attempts_min=2)
    operation = await books.start_plan(plan, reason="because")
    (row,) = (await books.accounts.audit_trail(None, 10)).items
    assert (row.action, row.reason) == ("retry.start", "because")
    assert row.scope == "a selection: queue=mail, attempts>=2"
    assert (row.operation_id, row.counts) == (operation.operation_id, {"total": 1})


CAREFUL = Controls(rate=50.0, floor=5.0, canary=Canary(entries=20))


@pytest.mark.parametrize(
    ("limits", "controls"),
    [
        ({}, CAREFUL),
        ({"rate": 10.0}, CAREFUL.changed({"rate": 10.0})),
        ({"canary": None}, CAREFUL.changed({"canary": None})),
        (NO_CONTROLS.said(), NO_CONTROLS),
    ],
    ids=str,
)
async def test_a_start_takes_the_plans_limits_but_for_those_that_it_says(
    books: Books, limits: dict[str, object], controls: Controls
) -> None:
    await books.fail("1")
    plan = await books.plan(controls=CAREFUL)
    assert plan.controls == CAREFUL
    operation = await books.start_plan(plan, limits=limits)
    assert operation.controls == controls
    assert operation.canary is (CanaryState.PENDING if controls.canary else None)


async def test_limits_that_do_not_fit_the_plans_start_nothing(books: Books) -> None:
    await books.fail("1")
    plan = await books.plan(controls=CAREFUL)
    before = await books.rows()
    with pytest.raises(BadControls, match="floor: 5 is over the rate of 2"):
        await books.triage.start_plan(start_of(plan.plan_token, limits={"rate": 2.0}))
    assert await books.rows() == before


async def test_a_dismissal_takes_no_limits(books: Books) -> None:
    await books.fail("1")
    plan = await books.plan(OperationKind.DISMISS)
    before = await books.rows()
    with pytest.raises(LimitsOfDismissal, match=r"no limits \(rate 1/s\).* Nothing was changed"):
        await books.triage.start_plan(start_of(plan.plan_token, limits={"rate": 1.0}))
    with pytest.raises(LimitsOfDismissal):
        await books.plan(OperationKind.DISMISS, controls=CAREFUL)
    assert await books.rows() == before
    operation = await books.start_plan(plan, limits=NO_CONTROLS.said())
    with pytest.raises(LimitsOfDismissal):
        await books.operations.change_controls(operation.operation_id, ADA, {"low_priority": True})
    assert await books.operation(operation) == operation


async def test_an_unknown_plan_cannot_be_started(books: Books) -> None:
    with pytest.raises(PlanNotFound, match="Nothing was changed"):
        await books.triage.start_plan(start_of("plan_unknown"))


async def test_another_users_plan_cannot_be_started(books: Books) -> None:
    await books.fail("1")
    plan = await books.plan(actor=ADA)
    before = await books.rows()
    with pytest.raises(PlanOfAnother):
        await books.triage.start_plan(start_of(plan.plan_token, BOB))
    assert await books.rows() == before
    assert (await books.start_plan(plan)).total == 1


@pytest.mark.parametrize(("seconds", "is_good"), [(599, True), (600, False)])
async def test_a_plan_is_good_for_ten_minutes(books: Books, seconds: int, is_good: bool) -> None:
    await books.fail("1")
    plan = await books.plan()
    books.clock.advance(seconds=seconds)
    if is_good:
        assert (await books.start_plan(plan)).total == 1
        return
    before = await books.rows()
    with pytest.raises(PlanExpired, match="2026-01-01T12:10:00"):
        await books.triage.start_plan(start_of(plan.plan_token))
    assert await books.rows() == before


async def test_a_plan_is_started_once(books: Books) -> None:
    await books.fail("1")
    plan = await books.plan()
    first = await books.start_plan(plan)
    with pytest.raises(PlanUsed) as refused:
        await books.triage.start_plan(start_of(plan.plan_token))
    assert refused.value.fields["operation_id"] == first.operation_id


async def test_a_used_plan_is_known_after_its_selection_was_forgotten(books: Books) -> None:
    await books.fail("1")
    plan = await books.plan()
    first = await books.start_plan(plan)
    await books.operations.request_cancel(first.operation_id, ADA)
    while await books.triage.forget_plans(100):
        pass
    with pytest.raises(PlanUsed) as refused:
        await books.triage.start_plan(start_of(plan.plan_token))
    assert refused.value.fields["operation_id"] == first.operation_id
    with pytest.raises(PlanOfAnother):
        await books.triage.start_plan(start_of(plan.plan_token, BOB))


async def test_of_two_starts_of_one_plan_at_once_one_wins(books: Books, second: Books) -> None:
    await books.fail("1")
    plan = await books.plan()
    answers = await asyncio.gather(
        *(side.triage.start_plan(start_of(plan.plan_token)) for side in (books, second) * 3),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, tuple) for answer in answers) == 1
    assert sum(isinstance(answer, PlanUsed) for answer in answers) == 5


async def test_the_same_token_and_key_answer_with_the_operation_they_started(
    books: Books,
) -> None:
    await books.fail("1")
    plan, other = await books.plan(), await books.plan()
    first = await books.start_plan(plan, idempotency_key="k1")
    books.clock.advance(minutes=20)
    again, new = await books.triage.start_plan(start_of(plan.plan_token, idempotency_key="k1"))
    assert (again, new) == (first, False)
    for token in (other.plan_token, "plan_unknown", ""):
        with pytest.raises(IdempotencyMismatch) as refused:
            await books.triage.start_plan(start_of(token, idempotency_key="k1"))
        assert refused.value.fields["operation_id"] == first.operation_id
    with pytest.raises(IdempotencyMismatch):
        await books.operations.start_bulk(request(ALL, idempotency_key="k1"))


@pytest.mark.parametrize("first", [ALL, app_scope("acme")], ids=str)
async def test_a_plan_is_refused_while_an_operation_works_on_its_entries(
    books: Books, first: Scope
) -> None:
    await books.fail("1", app="acme")
    await books.fail("2", app="globex")
    plan = await books.plan(queue="mail")
    running = await books.start(first, actor=BOB)
    before = await books.rows()
    with pytest.raises(OperationOverlap) as refused:
        await books.triage.start_plan(start_of(plan.plan_token))
    assert refused.value.fields == {
        "operation_id": running.operation_id,
        "scope": str(first),
        "actor": "bob",
    }
    assert await books.rows() == before
    await books.operations.request_cancel(running.operation_id, ADA)
    assert (await books.start_plan(plan)).total == 2


async def test_a_plan_and_another_apps_operation_do_not_overlap(books: Books) -> None:
    await books.fail("1", app="acme")
    await books.fail("2", app="globex")
    plan = await books.plan(app_id="acme")
    await books.start(app_scope("globex"))
    assert (await books.start_plan(plan)).total == 1


@pytest.mark.parametrize("scope", [ALL, app_scope("acme")], ids=str)
async def test_an_operation_is_refused_while_a_plan_works_on_its_entries(
    books: Books, scope: Scope
) -> None:
    await books.fail("1", "2", app="acme")
    await books.fail("3", app="globex")
    planned = await books.start_plan(await books.plan(app_id="acme", actor=BOB), BOB)
    with pytest.raises(OperationOverlap) as refused:
        await books.start(scope)
    assert refused.value.fields == {
        "operation_id": planned.operation_id,
        "scope": "a selection: app=acme",
        "actor": "bob",
    }
    assert (await books.start(app_scope("globex"))).total == 1


async def test_plans_that_share_an_entry_overlap(books: Books) -> None:
    await books.fail("1", "2", job_name="a")
    await books.fail("3", "4", job_name="b")
    a, b, both = (
        await books.plan(job_name="a"),
        await books.plan(job_name="b"),
        await books.plan(queue="mail"),
    )
    running = await books.start_plan(a)
    with pytest.raises(OperationOverlap) as refused:
        await books.triage.start_plan(start_of(both.plan_token))
    assert refused.value.fields["operation_id"] == running.operation_id
    assert (await books.start_plan(b)).total == 2


async def rows_kept(books: Books) -> tuple[int, int, int]:
    numbers = []
    for table in (plans, selections, plan_apps):
        (row,) = await books.database.rows(select(func.count()).select_from(table))
        numbers.append(int(row[0]))
    return numbers[0], numbers[1], numbers[2]


async def test_a_plan_that_nobody_started_is_forgotten_in_small_batches(books: Books) -> None:
    await books.fail("1", "2", "3", "4", "5")
    await books.plan()
    books.clock.advance(minutes=10)
    assert await books.triage.forget_plans(2) == 0, "another process's clock may be behind"
    books.clock.advance(minutes=1)
    left = []
    while await books.triage.forget_plans(2):
        left.append(await rows_kept(books))
    assert left == [(1, 3, 1), (1, 1, 1), (0, 0, 0)]


async def test_an_open_operations_selection_is_kept_however_long_it_takes(books: Books) -> None:
    await books.fail("1", "2")
    operation = await books.begin_plan()
    books.clock.advance(days=2)
    assert await books.triage.forget_plans(100) == 0
    await books.operations.request_cancel(operation.operation_id, ADA)
    assert await books.triage.forget_plans(100) == 0
    await books.operations.finish(operation, OperationState.CANCELLED, None)
    while await books.triage.forget_plans(100):
        pass
    assert await rows_kept(books) == (0, 0, 0)


async def test_a_waiting_resync_keeps_its_recovered_entries_from_being_pruned(
    books: Books,
) -> None:
    await books.fail("1")
    await books.drift("1", EntryState.RECOVERED)
    books.clock.advance(days=40)
    plan = await books.plan(OperationKind.RESYNC)
    assert plan.total == 1
    assert await prune_batch(books, Prunable.ENTRIES) is None
    books.clock.advance(minutes=11)
    while await books.triage.forget_plans(100):
        pass
    assert await prune_batch(books, Prunable.ENTRIES) is not None
