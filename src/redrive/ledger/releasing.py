"""Giving claims back: entries are as they were, their error intact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import OPEN_STATES, Batch, EntryState, ItemState, Operation, Reason
from redrive.faultpoints import Step, reach
from redrive.ledger.counting import next_sequences
from redrive.ledger.database import Database
from redrive.ledger.early import FAILED_EARLY
from redrive.ledger.holding import batch_of, claimed_by, claimed_entries, claimed_items
from redrive.ledger.moves import Moves, move_counts
from redrive.ledger.schema import entries, items, operations


async def release(
    database: Database,
    connection: AsyncConnection,
    operation: Operation,
    batch: Batch,
    reason: Reason,
    now: datetime,
) -> int:
    """Give a claimed batch back as it was; returns how many entries that were."""
    seq = await next_sequences(connection, 1)
    result = await connection.execute(
        update(entries)
        .where(claimed_entries(database.is_sqlite))
        .values(_as_before(seq))
        .returning(entries.c.app_id, entries.c.group_pk, entries.c.state),
        claimed_by(database, operation, (entry.entry_pk for entry in batch.entries)),
    )
    rows = result.all()
    await move_counts(connection, _given_back(rows))
    await connection.execute(
        update(items)
        .where(claimed_items())
        .values(state=ItemState.RELEASED, reason=reason, settled_at=now),
        batch_of(operation, batch),
    )
    return len(rows)


def _given_back(rows: Sequence[Row[Any]]) -> Moves:
    return Counter(
        (row.app_id, row.group_pk, EntryState.CLAIMED, EntryState(row.state)) for row in rows
    )


def _as_before(seq: int) -> dict[str, Any]:
    """An entry as it was before the claim; failed if it failed anew while it was claimed."""
    failed_anew = entries.c.early_outcome.in_(FAILED_EARLY)
    before = func.coalesce(entries.c.previous_state, EntryState.FAILED.value)
    return {
        "state": case((failed_anew, EntryState.FAILED.value), else_=before),
        "selectable_seq": seq,
        "early_outcome": None,
        "early_at": None,
        "early_same_way": None,
    }


async def release_loose(connection: AsyncConnection) -> int:
    """See :meth:`redrive.ports.OperationLedger.release_loose`."""
    seq = await next_sequences(connection, 1)
    alive = select(operations.c.operation_id).where(operations.c.state.in_(OPEN_STATES))
    loose = await connection.execute(
        update(entries)
        .where(
            entries.c.state == EntryState.CLAIMED.value,
            or_(entries.c.operation_id.is_(None), entries.c.operation_id.not_in(alive)),
        )
        .values(_as_before(seq) | {"state_reason": "given back: its operation is over"})
        .returning(entries.c.app_id, entries.c.group_pk, entries.c.state)
    )
    moves = _given_back(loose.all())
    await move_counts(connection, moves)
    reach(Step.LOOSE_WRITTEN)
    return sum(moves.values())
