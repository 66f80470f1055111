"""Claiming what a plan froze: the next rows of its selection, and what has left it meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from redrive.domain import (
    BATCH_BYTES,
    BULK_TAKES,
    EntryState,
    ItemState,
    Operation,
    OperationKind,
    Reason,
)
from redrive.ledger.database import Database, any_of
from redrive.ledger.rows import claimed_columns
from redrive.ledger.schema import entries, items
from redrive.ledger.schema_triage import selections
from redrive.ledger.starting import claim_values

_SELECTED = selections.outerjoin(entries, entries.c.id == selections.c.entry_pk)
_FIRST = (
    select(selections.c.failure_seq, selections.c.entry_pk)
    .where(selections.c.plan_id == bindparam("plan"), selections.c.failure_seq > bindparam("after"))
    .order_by(selections.c.failure_seq)
    .limit(bindparam("most"))
    .subquery()
)
_NEXT = (
    select(_FIRST.c.failure_seq, func.coalesce(entries.c.data_size, 0).label("data_size"))
    .select_from(_FIRST.outerjoin(entries, entries.c.id == _FIRST.c.entry_pk))
    .order_by(_FIRST.c.failure_seq)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What one claim took, up to which position, and what it found gone from the selection."""

    rows: list[Row[Any]]
    through: int
    gone: list[dict[str, Any]]


async def take_selected(
    database: Database,
    connection: AsyncConnection,
    operation: Operation,
    after: int,
    limit: int,
    now: datetime,
) -> Taken | None:
    """Take the next selected entries that are still in the very failure that was selected; None
    at the end of the selection.

    An entry that another transaction holds is waited for, and looked at again as that one left it.
    """
    wanted = _that_fit(await _next_rows(connection, operation, after, limit))
    if not wanted:
        return None
    seqs = [row.failure_seq for row in wanted]
    claimed = await connection.execute(
        _claims_selected(operation.kind, database.is_sqlite),
        {"seqs": database.listed(seqs), "holder": operation.operation_id},
    )
    rows = sorted(claimed.all(), key=lambda row: int(row.failure_seq))
    taken = {row.failure_seq for row in rows}
    gone = [seq for seq in seqs if seq not in taken]
    return Taken(
        rows=rows,
        through=seqs[-1],
        gone=await _gone(database, connection, operation, gone, now),
    )


@cache
def _claims_selected(kind: OperationKind, on_sqlite: bool) -> ReturningUpdate[Any]:
    """By the numbers alone: PostgreSQL, which knows little of entries that came a moment ago, would
    look through the indexes of failed entries otherwise."""
    return (
        update(entries)
        .where(
            any_of(entries.c.failure_seq, "seqs", on_sqlite=on_sqlite),
            entries.c.state.concat("").in_([state.value for state in BULK_TAKES[kind]]),
        )
        .values(claim_values())
        .returning(*claimed_columns(), entries.c.group_pk)
    )


async def insert_gone(connection: AsyncConnection, taken: Taken) -> None:
    """Give what left the selection before its turn its item, with the one reason."""
    if taken.gone:
        await connection.execute(insert(items), taken.gone)


async def _next_rows(
    connection: AsyncConnection, operation: Operation, after: int, limit: int
) -> Sequence[Any]:
    found = await connection.execute(
        _NEXT, {"plan": operation.plan_id, "after": after, "most": limit}
    )
    return found.all()


def _that_fit(rows: Sequence[Any]) -> list[Any]:
    """The first rows, up to the one whose data brings them to BATCH_BYTES."""
    fitting = []
    size = 0
    for row in rows:
        if size >= BATCH_BYTES:
            break
        size += row.data_size
        fitting.append(row)
    return fitting


async def _gone(
    database: Database,
    connection: AsyncConnection,
    operation: Operation,
    seqs: Sequence[int],
    now: datetime,
) -> list[dict[str, Any]]:
    """The items of selected entries that could not be taken."""
    if not seqs:
        return []
    found = await connection.execute(
        select(
            selections.c.failure_seq,
            selections.c.entry_pk,
            entries.c.failure_seq.label("newest_seq"),
            func.coalesce(entries.c.state, EntryState.VANISHED.value).label("state"),
            func.coalesce(entries.c.generation, 0).label("generation"),
            entries.c.failed_at,
            (entries.c.generation > selections.c.generation).label("taken"),
        )
        .select_from(_SELECTED)
        .where(
            selections.c.plan_id == operation.plan_id,
            database.any_of(selections.c.failure_seq, "seqs"),
        ),
        {"seqs": database.listed(seqs)},
    )
    return [
        {
            "operation_id": operation.operation_id,
            "failure_seq": row.failure_seq,
            "entry_pk": row.entry_pk,
            "batch_number": 0,
            "generation": row.generation,
            "failed_at": row.failed_at or now,
            "from_state": row.state,
            "state": ItemState.SKIPPED,
            "reason": _reason(row),
            "settled_at": now,
        }
        for row in found.all()
    ]


def _reason(row: Row[Any]) -> Reason:
    """One that is failed again with nothing new was in another's hands just now. One of which the
    ledger knows nothing any more was over, and was pruned."""
    if row.newest_seq is not None and row.newest_seq != row.failure_seq:
        return Reason.FAILED_AGAIN_BEFORE
    by_another = row.taken or row.state == EntryState.FAILED
    return Reason.TAKEN_BY_ANOTHER if by_another else Reason.RESOLVED_ELSEWHERE
