"""Applying what the drift check found: the engine knows better where a job is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import LIVE_STATES, EntryState, OperationId, Reason
from redrive.ledger.counting import (
    add_recoveries,
    next_sequences,
    withdraw,
)
from redrive.ledger.database import Database
from redrive.ledger.judging import move_outcome_counts
from redrive.ledger.moves import Moves, move_counts
from redrive.ledger.outcomes import RECOVERED, VANISHED, Attribution, attribute
from redrive.ledger.schema import entries
from redrive.ports import DriftVerdict


async def apply_verdicts(
    database: Database,
    connection: AsyncConnection,
    verdicts: Sequence[DriftVerdict],
    now: datetime,
) -> list[Row[Any]]:
    """Move entries that are still as the check saw them; returns operations with new outcomes."""
    seq = await next_sequences(connection, len(verdicts))
    found = await connection.execute(
        select(entries)
        .where(database.any_of(entries.c.id, "ids"))
        .order_by(entries.c.id)
        .with_for_update(),
        {"ids": database.listed(verdict.entry_pk for verdict in verdicts)},
    )
    by_pk = {row.id: row for row in found.all()}
    valid = [
        (by_pk[verdict.entry_pk], verdict)
        for verdict in verdicts
        if verdict.entry_pk in by_pk
        and by_pk[verdict.entry_pk].state == verdict.from_state
        and by_pk[verdict.entry_pk].failure_seq == verdict.failure_seq
        and by_pk[verdict.entry_pk].generation == verdict.generation
    ]
    if not valid:
        return []
    await connection.execute(_statement(), _changes(valid, seq, now))
    moves: Moves = Counter(
        (row.app_id, row.group_pk, verdict.from_state, verdict.to_state) for row, verdict in valid
    )
    await move_counts(connection, moves)
    for to_state in sorted({verdict.to_state for _, verdict in valid}):
        leaving = [row for row, verdict in valid if verdict.to_state is to_state]
        await withdraw(connection, leaving, Reason.RESOLVED_ELSEWHERE, now, to_state=to_state)
    recovered = sum(verdict.to_state is EntryState.RECOVERED for _, verdict in valid)
    await add_recoveries(connection, now, [now] * recovered)
    attributed = await attribute(database, connection, _attributions(valid, now))
    return await move_outcome_counts(connection, attributed, now)


def _statement() -> Any:
    names = (
        *("state", "state_reason", "recovered_at", "heard_at"),
        *("failure_seq", "selectable_seq"),
    )
    return (
        update(entries)
        .where(entries.c.id == bindparam("pk"))
        .values({name: bindparam(f"new_{name}", type_=entries.c[name].type) for name in names})
    )


def _changes(
    valid: Sequence[tuple[Row[Any], DriftVerdict]], first_seq: int, now: datetime
) -> list[dict[str, Any]]:
    """Back to failed means that a hand-over was lost: that counts as a new place in the order,
    so that no running operation sweeps the entry up a second time. One that is failed already
    keeps its place."""
    return [
        {
            "pk": row.id,
            "new_state": verdict.to_state.value,
            "new_state_reason": verdict.reason,
            "new_recovered_at": (
                now if verdict.to_state is EntryState.RECOVERED else row.recovered_at
            ),
            "new_heard_at": now,
            "new_failure_seq": (first_seq + index if verdict.comes_back else row.failure_seq),
            # A failed entry found completed stays in the selection of a running resync.
            "new_selectable_seq": (
                row.selectable_seq
                if row.state == EntryState.FAILED
                and verdict.to_state in (EntryState.RECOVERED, EntryState.FAILED)
                else first_seq + index
            ),
        }
        for index, (row, verdict) in enumerate(valid)
    ]


def _attributions(
    valid: Sequence[tuple[Row[Any], DriftVerdict]], now: datetime
) -> list[Attribution]:
    outcome_of = {
        EntryState.RECOVERED: RECOVERED,
        EntryState.VANISHED: VANISHED,
        EntryState.FAILED: VANISHED,
    }
    return [
        Attribution(
            entry_pk=row.id,
            operation_id=OperationId(row.operation_id),
            generation=row.generation,
            outcome=outcome_of[verdict.to_state],
            at=now,
            revises=verdict.from_state in LIVE_STATES,
        )
        for row, verdict in valid
        if row.operation_id is not None and verdict.to_state in outcome_of
    ]
