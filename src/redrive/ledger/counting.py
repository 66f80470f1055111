"""Counters of activity and operations, and what holds off those who would count wrongly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from redrive.domain import (
    BULK_TAKES,
    OPEN_STATES,
    EntryState,
    ItemState,
    Operation,
    OperationKind,
    OperationState,
    Reason,
    ScopeKind,
    to_millis,
)
from redrive.errors import StaleRunner
from redrive.ledger.database import insert_or_ignore, upsert
from redrive.ledger.filters import one_of
from redrive.ledger.rows import operation_of
from redrive.ledger.schema import FAILURE_SEQ, activity, items, operations, sequences
from redrive.ledger.schema_triage import group_activity


async def add_recoveries(
    connection: AsyncConnection, now: datetime, recovered: Iterable[datetime]
) -> None:
    """Count recoveries in the minutes in which they happened, minutes in order.

    Times come from workers' clocks: one that lies in the future counts as now.
    """
    recoveries = Counter(minute_of(min(at, now)) for at in recovered)
    if recoveries:
        await connection.execute(
            upsert(connection, activity, ["minute"], add=["failed", "recovered"]),
            [
                {"minute": minute, "failed": 0, "recovered": recoveries[minute]}
                for minute in sorted(recoveries)
            ],
        )


async def add_failures(
    connection: AsyncConnection, now: datetime, failed: Iterable[tuple[int, datetime]]
) -> None:
    """Count failures in the minutes in which they happened, as
    :func:`add_recoveries` does, and those of each group, groups in order."""
    failures = Counter((group_pk, minute_of(min(at, now))) for group_pk, at in failed)
    of_all: Counter[int] = Counter()
    for (_, minute), number in failures.items():
        of_all[minute] += number
    await connection.execute(
        upsert(connection, activity, ["minute"], add=["failed", "recovered"]),
        [{"minute": minute, "failed": of_all[minute], "recovered": 0} for minute in sorted(of_all)],
    )
    await connection.execute(
        upsert(connection, group_activity, ["group_pk", "minute"], add=["failed"]),
        [
            {"group_pk": group_pk, "minute": minute, "failed": failures[group_pk, minute]}
            for group_pk, minute in sorted(failures)
        ],
    )


def minute_of(at: datetime) -> int:
    """The beginning of a time's minute, in milliseconds since 1970."""
    return to_millis(at) // 60_000 * 60_000


NEWEST_SEQUENCE = select(sequences.c.value).where(sequences.c.name == FAILURE_SEQ)
"""The newest failure sequence number that is visible. Numbers become visible in their order."""


async def freeze_selection(connection: AsyncConnection) -> int:
    """Hold off everything that enters or leaves selections; returns the newest sequence number."""
    row = await connection.execute(NEWEST_SEQUENCE.with_for_update())
    return int(row.scalar_one())


async def share_selection(connection: AsyncConnection) -> None:
    """Keep bulk starts out until this transaction ends, beside others that do the same.

    A bulk start counts its selection; what leaves the selection afterwards has to find the
    operation. Without this, an entry could leave between the count and the operation's insert.
    """
    if connection.dialect.name == "sqlite":
        return  # a writing transaction is alone there
    await connection.execute(NEWEST_SEQUENCE.with_for_update(read=True))


async def an_operation_is_at_work(connection: AsyncConnection) -> bool:
    """Whether an operation may be at work: what can wait lets it be. One that is paused has nothing
    in hand, and may be so for days."""
    found = await connection.execute(
        select(operations.c.operation_id)
        .where(
            one_of(operations.c.state, OPEN_STATES),
            operations.c.state != OperationState.PAUSED.value,
        )
        .limit(1)
    )
    return found.first() is not None


async def next_sequences(connection: AsyncConnection, number: int) -> int:
    """Take ``number`` failure sequence numbers; returns the first.

    Holds off other takers and bulk starts until the transaction ends, so that numbers become
    visible in their order.
    """
    last = await connection.execute(
        update(sequences)
        .where(sequences.c.name == FAILURE_SEQ)
        .values(value=sequences.c.value + number)
        .returning(sequences.c.value)
    )
    return int(last.scalar_one()) - number + 1


async def withdraw(
    connection: AsyncConnection,
    leaving: Sequence[Row[Any]],
    reason: Reason,
    now: datetime,
    *,
    to_state: EntryState,
    new_occurrence: bool = False,
) -> None:
    """Give entries that leave an open bulk operation's selection their one recorded reason.

    A plan's operation has its selection row by row: it finds out by itself, when it comes to them.
    ``leaving`` are entry rows as they were before, locked by this transaction. An entry that an
    operation has claimed before has its item already and is left alone; so is one whose operation
    takes nothing any more but only undoes what it did.
    """
    if not leaving:
        return
    found = await connection.execute(
        select(operations)
        .where(
            one_of(operations.c.state, OPEN_STATES),
            operations.c.scope.in_((ScopeKind.APP, ScopeKind.ALL)),
            operations.c.undo_wanted.is_(False),
            operations.c.cutoff_seq >= min(row.failure_seq for row in leaving),
        )
        .order_by(operations.c.operation_id)
        .with_for_update()
    )
    for operation in found.all():
        takes = BULK_TAKES[OperationKind(operation.kind)]
        stays = to_state in takes and not new_occurrence
        lost = [
            row
            for row in leaving
            if EntryState(row.state) in takes
            and not stays
            and max(row.failure_seq, row.selectable_seq) <= operation.cutoff_seq
            and (operation.scope == ScopeKind.ALL or operation.app_id == row.app_id)
        ]
        if not lost:
            continue
        added = await connection.execute(
            insert_or_ignore(connection, items).returning(items.c.entry_pk),
            [
                {
                    "operation_id": operation.operation_id,
                    "failure_seq": row.failure_seq,
                    "entry_pk": row.id,
                    "batch_number": 0,
                    "generation": row.generation,
                    "failed_at": row.failed_at,
                    "from_state": row.state,
                    "state": ItemState.SKIPPED,
                    "reason": reason,
                    "settled_at": now,
                }
                for row in lost
            ],
        )
        await connection.execute(
            update(operations)
            .where(operations.c.operation_id == operation.operation_id)
            .values(skipped=operations.c.skipped + len(added.all()))
        )


async def move_own_counts(
    connection: AsyncConnection, operation: Operation, counts: Counter[str]
) -> Operation:
    """Add to the counts of the operation that its runner has in hand. Raises StaleRunner."""
    result = await connection.execute(
        _moves_own_counts(tuple(sorted(counts))),
        {"holder": operation.operation_id, "epoch": operation.runner_epoch}
        | {f"{name}_by": number for name, number in counts.items()},
    )
    row = result.first()
    if row is None:
        raise StaleRunner(operation_id=operation.operation_id)
    return operation_of(row)


@cache
def _moves_own_counts(names: tuple[str, ...]) -> ReturningUpdate[Any]:
    moved: dict[str, Any] = {name: operations.c[name] + bindparam(f"{name}_by") for name in names}
    return (
        update(operations)
        .where(
            operations.c.operation_id == bindparam("holder"),
            operations.c.runner_epoch == bindparam("epoch"),
            one_of(operations.c.state, OPEN_STATES),
        )
        .values(moved or {"error": None})
        .returning(operations)
    )
