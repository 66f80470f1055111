"""Bulk operations whose entries overlap: the second one is refused, and told who is first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import OPEN_STATES, Operation, Scope, ScopeKind, scope_in_words
from redrive.errors import OperationOverlap
from redrive.ledger.filters import one_of
from redrive.ledger.rows import operation_of
from redrive.ledger.schema import operations
from redrive.ledger.schema_triage import plan_apps, selections


async def refuse_overlap(connection: AsyncConnection, scope: Scope) -> None:
    """Raises OperationOverlap if an open bulk operation works on the scope's entries."""
    statement = _open_ones()
    if scope.kind is ScopeKind.APP:
        planned = exists().where(
            plan_apps.c.plan_id == operations.c.plan_id, plan_apps.c.app_id == scope.app_id
        )
        statement = statement.where(
            or_(
                operations.c.scope == ScopeKind.ALL,
                operations.c.app_id == scope.app_id,
                and_(operations.c.scope == ScopeKind.FILTER, planned),
            )
        )
    row = (await connection.execute(statement.limit(1))).first()
    if row is not None:
        raise _overlap(operation_of(row))


async def refuse_overlap_of_plan(connection: AsyncConnection, plan_id: str) -> None:
    """Raises OperationOverlap if an open bulk operation works on entries of the plan."""
    for other in await overlapping_operations(connection, plan_id):
        raise _overlap(other)


async def overlapping_operations(connection: AsyncConnection, plan_id: str) -> list[Operation]:
    """The open bulk operations that work on entries of the plan, oldest first. A plan without a
    selection shares nothing but with an operation on everything."""
    found = (await connection.execute(_open_ones())).all()
    return [operation_of(row) for row in found if await _shares(connection, plan_id, row)]


async def _shares(connection: AsyncConnection, plan_id: str, row: Row[Any]) -> bool:
    if row.scope == ScopeKind.ALL:
        return True
    if row.scope == ScopeKind.APP:
        return await _any(
            connection, plan_apps.c.plan_id == plan_id, plan_apps.c.app_id == row.app_id
        )
    other_apps = plan_apps.alias()
    if not await _any(
        connection,
        plan_apps.c.plan_id == plan_id,
        other_apps.c.plan_id == row.plan_id,
        other_apps.c.app_id == plan_apps.c.app_id,
    ):
        return False
    others = selections.alias()
    return await _any(
        connection,
        selections.c.plan_id == plan_id,
        selections.c.failure_seq > row.claimed_through,
        others.c.plan_id == row.plan_id,
        others.c.failure_seq == selections.c.failure_seq,
    )


async def _any(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> bool:
    return (await connection.execute(select(1).where(*conditions).limit(1))).first() is not None


def _open_ones() -> Any:
    return (
        select(operations)
        .where(one_of(operations.c.state, OPEN_STATES), operations.c.scope != ScopeKind.ENTRY)
        .order_by(operations.c.operation_id)
    )


def _overlap(other: Operation) -> OperationOverlap:
    return OperationOverlap(
        operation_id=other.operation_id,
        scope=scope_in_words(str(other.scope), other.filter),
        actor=other.actor,
    )
