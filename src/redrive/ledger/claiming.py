"""Claiming: the ledger says what is about to be done, before it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, false, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from redrive.domain import (
    BATCH_BYTES,
    BULK_TAKES,
    Batch,
    EntryState,
    ItemState,
    Operation,
    OperationKind,
    OperationState,
    ScopeKind,
)
from redrive.errors import StaleRunner
from redrive.ledger.database import Database
from redrive.ledger.moves import Moves, move_counts
from redrive.ledger.rows import claimed_columns, claimed_of
from redrive.ledger.schema import entries, items, operations
from redrive.ledger.selecting import Taken, insert_gone, take_selected
from redrive.ledger.starting import claim_values, insert_items


class NotRunningError(Exception):
    """The operation is not running any more: leave the transaction without a change."""


async def claim(
    database: Database,
    connection: AsyncConnection,
    operation: Operation,
    limit: int,
    now: datetime,
) -> Batch | None:
    """See :meth:`redrive.ports.OperationLedger.claim`. Raises NotRunningError, StaleRunner.

    The operation's row is changed last, so that claims and settles of one operation overlap. A
    batch without entries says that all that was looked at had left the plan's selection: the
    operation has moved on, and the next claim goes on from there.
    """
    own = {"holder": operation.operation_id}
    position = (await connection.execute(_POSITION, own)).scalar()
    if position is None:
        raise StaleRunner(operation_id=operation.operation_id)
    if operation.scope.kind is ScopeKind.FILTER:
        found = await take_selected(database, connection, operation, position, limit, now)
    else:
        found = await _take_next(connection, operation, position, limit)
    if found is None:
        await _require_epoch(connection, operation)
        return None
    taken = tuple(claimed_of(row) for row in found.rows)
    moves: Moves = Counter(
        (entry.app_id, row.group_pk, entry.from_state, EntryState.CLAIMED)
        for entry, row in zip(taken, found.rows, strict=True)
    )
    await move_counts(connection, moves)
    moved_on = await connection.execute(
        _MOVES_ON,
        own | {"epoch": operation.runner_epoch, "through": found.through, "gone": len(found.gone)},
    )
    next_batch = moved_on.scalar()
    if next_batch is None:
        await _require_epoch(connection, operation)
        raise NotRunningError
    number = int(next_batch) - 1
    if taken:
        await insert_items(database, connection, number, (entry.entry_pk for entry in taken))
    await insert_gone(connection, found)
    return Batch(operation_id=operation.operation_id, number=number, entries=taken)


_OWN = operations.c.operation_id == bindparam("holder")
_POSITION = select(operations.c.claimed_through).where(_OWN)
_MOVES_ON = (
    update(operations)
    .where(
        _OWN,
        operations.c.runner_epoch == bindparam("epoch"),
        operations.c.state == OperationState.RUNNING,
        operations.c.pause_wanted.is_(false()),
    )
    .values(
        claimed_through=bindparam("through"),
        next_batch=operations.c.next_batch + 1,
        skipped=operations.c.skipped + bindparam("gone"),
    )
    .returning(operations.c.next_batch)
)


async def _take_next(
    connection: AsyncConnection, operation: Operation, after: int, limit: int
) -> Taken | None:
    where: dict[str, object] = {
        "after": after,
        "most": limit,
        "cutoff": operation.cutoff_seq,
        "app": operation.scope.app_id,
        "holder": operation.operation_id,
    }
    rows = await _take(connection, operation, where)
    # None also when others took every candidate meanwhile; the next ones are looked for then.
    while not rows and await _anything_left(connection, operation, where):
        rows = await _take(connection, operation, where)
    return Taken(rows=rows, through=rows[-1].failure_seq, gone=[]) if rows else None


async def _take(
    connection: AsyncConnection, operation: Operation, where: dict[str, object]
) -> list[Row[Any]]:
    claimed = await connection.execute(
        _claim_statement(operation.kind, operation.scope.kind), where
    )
    return sorted(claimed.all(), key=lambda row: int(row.failure_seq))


async def _anything_left(
    connection: AsyncConnection, operation: Operation, where: dict[str, object]
) -> bool:
    candidates = _candidates(operation.kind, operation.scope.kind)
    left = select(candidates.subquery().c.failure_seq).limit(1)
    return (await connection.execute(left, where)).first() is not None


@cache
def _claim_statement(kind: OperationKind, scope: ScopeKind) -> ReturningUpdate[Any]:
    """Take the oldest entries after a position, as many as wanted or as their data allows.

    The entries lie side by side in the order of the selection, so that one range names them. An
    entry that another transaction holds is waited for, and looked at again as that one left it.
    """
    oldest = _candidates(kind, scope).subquery()
    up_to_here = func.sum(oldest.c.data_size).over(order_by=oldest.c.failure_seq)
    measured = select(
        oldest.c.failure_seq, (up_to_here - oldest.c.data_size).label("bytes_before")
    ).subquery()
    last = (
        select(func.max(measured.c.failure_seq))
        .where(measured.c.bytes_before < BATCH_BYTES)
        .scalar_subquery()
    )
    return (
        update(entries)
        .where(_selectable(kind, scope), entries.c.failure_seq <= last)
        .values(claim_values())
        .returning(*claimed_columns(), entries.c.group_pk)
    )


def _candidates(kind: OperationKind, scope: ScopeKind) -> Select[Any]:
    return (
        select(entries.c.failure_seq, entries.c.data_size)
        .where(_selectable(kind, scope), entries.c.failure_seq <= bindparam("cutoff"))
        .order_by(entries.c.failure_seq)
        .limit(bindparam("most"))
    )


def _selectable(kind: OperationKind, scope: ScopeKind) -> ColumnElement[bool]:
    takes = BULK_TAKES[kind]
    state = entries.c.state
    wanted = and_(
        state == takes[0].value if len(takes) == 1 else state.in_(takes),
        entries.c.failure_seq > bindparam("after"),
        entries.c.selectable_seq <= bindparam("cutoff"),
    )
    if scope is ScopeKind.APP:
        return and_(wanted, entries.c.app_id == bindparam("app"))
    return wanted


async def _require_epoch(connection: AsyncConnection, operation: Operation) -> None:
    row = (
        await connection.execute(
            select(operations.c.runner_epoch, operations.c.state).where(
                operations.c.operation_id == operation.operation_id
            )
        )
    ).first()
    if (
        row is None
        or row.runner_epoch != operation.runner_epoch
        or OperationState(row.state).terminal
    ):
        raise StaleRunner(operation_id=operation.operation_id)


def unsettled_statement(operation: Operation) -> Select[Any]:
    """The claimed items of an operation, with what an engine needs, in hand-over order."""
    return (
        select(
            *claimed_columns(
                failure_seq=items.c.failure_seq,
                failed_at=items.c.failed_at,
                generation=items.c.generation,
                from_state=items.c.from_state,
                defect=items.c.detail,
            ),
            items.c.batch_number,
        )
        .join(entries, entries.c.id == items.c.entry_pk)
        .where(
            entries.c.operation_id == operation.operation_id,
            entries.c.state == EntryState.CLAIMED.value,
            items.c.operation_id == operation.operation_id,
            items.c.state == ItemState.CLAIMED.value,
        )
        .order_by(items.c.batch_number, items.c.failure_seq)
    )


def batches_of(operation: Operation, rows: Sequence[Row[Any]]) -> list[Batch]:
    """The rows of :func:`unsettled_statement` as batches, each under its own number."""
    batches: dict[int, list[Any]] = {}
    for row in rows:
        batches.setdefault(row.batch_number, []).append(claimed_of(row))
    return [
        Batch(operation_id=operation.operation_id, number=number, entries=tuple(claimed))
        for number, claimed in batches.items()
    ]
