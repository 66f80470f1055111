"""Starting what a plan selected, and forgetting plans that are over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    TERMINAL_STATES,
    Controls,
    Operation,
    OperationKind,
    PlanStart,
    Scope,
    StartRequest,
    controls_from_text,
)
from redrive.errors import (
    BadControls,
    IdempotencyMismatch,
    PlanExpired,
    PlanNotFound,
    PlanOfAnother,
    PlanUsed,
)
from redrive.ledger.counting import freeze_selection
from redrive.ledger.database import Database
from redrive.ledger.forgetting import forget_rows
from redrive.ledger.limits import refuse_limits_of_dismissal
from redrive.ledger.overlapping import refuse_overlap_of_plan
from redrive.ledger.rows import operation_of
from redrive.ledger.schema import operations
from redrive.ledger.schema_triage import plan_apps, plans, selections
from redrive.ledger.starting import (
    how_it_begins,
    insert_operation,
    new_operation_id,
    started_by_key,
)

_CLOCKS_DIFFER = timedelta(minutes=1)
"""A plan that one process finds expired may be started by another whose clock is behind."""


async def start_planned(
    connection: AsyncConnection, start: PlanStart, now: datetime, approval_over: int
) -> tuple[Operation, bool]:
    """See :meth:`redrive.ports.TriageLedger.start_plan`."""
    await freeze_selection(connection)
    earlier = await started_by_key(connection, start.actor, start.idempotency_key)
    if earlier is not None:
        if earlier.plan_id != start.plan_token:
            raise IdempotencyMismatch(operation_id=earlier.operation_id)
        return earlier, False
    plan = await _usable_plan(connection, start, now)
    controls = _controls(plan, start)
    await refuse_overlap_of_plan(connection, plan.plan_id)
    operation_id = new_operation_id(now)
    await connection.execute(
        update(plans).where(plans.c.plan_id == plan.plan_id).values(operation_id=operation_id)
    )
    request = StartRequest(
        kind=OperationKind(plan.kind),
        scope=Scope.selection(),
        actor=start.actor,
        reason=start.reason,
        idempotency_key=start.idempotency_key,
    )
    row = await insert_operation(
        connection,
        request,
        now,
        operation_id=operation_id,
        cutoff_seq=plan.cutoff_seq,
        total=plan.total,
        plan_id=plan.plan_id,
        filter=plan.filter,
        **how_it_begins(controls, plan.total, approval_over),
    )
    return operation_of(row), True


def _controls(plan: Row[Any], start: PlanStart) -> Controls:
    """The plan's limits, but for what the start says itself. Raises BadControls,
    LimitsOfDismissal."""
    try:
        controls = controls_from_text(plan.controls).changed(start.limits)
    except ValueError as error:
        raise BadControls(problem=str(error)) from None
    refuse_limits_of_dismissal(OperationKind(plan.kind), controls)
    return controls


async def _usable_plan(connection: AsyncConnection, start: PlanStart, now: datetime) -> Row[Any]:
    own = plans.c.plan_id == start.plan_token
    plan = (await connection.execute(select(plans).where(own).with_for_update())).first()
    if plan is None:
        await _refuse_used(connection, start)
        raise PlanNotFound
    if plan.actor != start.actor.name:
        raise PlanOfAnother
    if plan.operation_id is not None:
        raise PlanUsed(operation_id=plan.operation_id)
    if plan.expires_at <= now:
        raise PlanExpired(expires_at=plan.expires_at.isoformat(timespec="seconds"))
    return plan


async def _refuse_used(connection: AsyncConnection, start: PlanStart) -> None:
    """A plan whose operation is over is forgotten before its operation is."""
    found = await connection.execute(
        select(operations.c.operation_id, operations.c.actor).where(
            operations.c.plan_id == start.plan_token
        )
    )
    row = found.first()
    if row is not None:
        if row.actor != start.actor.name:
            raise PlanOfAnother
        raise PlanUsed(operation_id=row.operation_id)


async def forget_plans(
    database: Database, connection: AsyncConnection, limit: int, now: datetime
) -> int:
    """See :meth:`redrive.ports.TriageLedger.forget_plans`."""
    finished = and_(
        plans.c.operation_id.is_not(None),
        ~exists().where(
            operations.c.operation_id == plans.c.operation_id,
            operations.c.state.not_in(TERMINAL_STATES),
        ),
    )
    expired = and_(plans.c.operation_id.is_(None), plans.c.expires_at <= now - _CLOCKS_DIFFER)
    over = select(plans.c.plan_id).where(or_(finished, expired)).order_by(plans.c.expires_at)
    locked = await connection.execute(over.limit(1).with_for_update(skip_locked=True))
    plan_id = locked.scalar()
    if plan_id is None:
        return 0
    own = selections.c.plan_id == plan_id
    first = select(selections.c.failure_seq).where(own).order_by(selections.c.failure_seq)
    removed = await forget_rows(
        database, connection, selections.c.failure_seq, first.limit(limit), own
    )
    if removed < limit:
        await connection.execute(delete(plan_apps).where(plan_apps.c.plan_id == plan_id))
        await connection.execute(delete(plans).where(plans.c.plan_id == plan_id))
    return removed + 1
