"""Counting what became of hand-overs: per operation, and per minute of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import Operation, OperationId, Outcome
from redrive.ledger.counting import minute_of
from redrive.ledger.database import upsert
from redrive.ledger.schema import items, operations
from redrive.ledger.schema_triage import operation_activity

FAILED_SAME = "failed_same"


@dataclass(kw_only=True, slots=True)
class CountMoves:
    """How an operation's counts move, and when the outcomes among them came."""

    counts: Counter[str] = field(default_factory=Counter)
    times: list[tuple[Outcome, datetime]] = field(default_factory=list)

    def add(self, outcome: Outcome, at: datetime, same_way: bool | None = None) -> None:
        self.counts[outcome.value] += 1
        if same_way:
            self.counts[FAILED_SAME] += 1
        if outcome is not Outcome.VANISHED:
            self.times.append((outcome, at))


OutcomeMoves = Mapping[OperationId, CountMoves]


async def move_outcome_counts(
    connection: AsyncConnection, moves: OutcomeMoves, now: datetime
) -> list[Row[Any]]:
    """Add outcomes to their operations' counters; returns the operations' rows after it."""
    changed: list[Row[Any]] = []
    for operation_id in sorted(moves):
        changes = {name: number for name, number in moves[operation_id].counts.items() if number}
        if changes:
            result = await connection.execute(
                update(operations)
                .where(operations.c.operation_id == operation_id)
                .values({name: operations.c[name] + n for name, n in changes.items()})
                .returning(operations)
            )
            changed += result.all()
    await add_operation_activity(
        connection, [(row, moves[OperationId(row.operation_id)]) for row in changed], now
    )
    return changed


async def add_operation_activity(
    connection: AsyncConnection,
    moved: Iterable[tuple[Operation | Row[Any], CountMoves]],
    now: datetime,
) -> None:
    """Count outcomes in the minutes of their operation in which they came, in one round trip.

    The operations' rows are locked by this transaction, so that nobody else counts there. Times
    come from workers' clocks: none lies before its operation or in the future.
    """
    minutes: Counter[tuple[str, int, Outcome]] = Counter(
        (operation.operation_id, minute_of(min(max(at, operation.created_at), now)), outcome)
        for operation, moves in moved
        for outcome, at in moves.times
    )
    if minutes:
        await connection.execute(
            upsert(
                connection,
                operation_activity,
                ["operation_id", "minute"],
                add=["recovered", "failed_again"],
            ),
            [
                {
                    "operation_id": operation_id,
                    "minute": minute,
                    "recovered": minutes[operation_id, minute, Outcome.RECOVERED],
                    "failed_again": minutes[operation_id, minute, Outcome.FAILED_AGAIN],
                }
                for operation_id, minute in sorted({(key[0], key[1]) for key in minutes})
            ],
        )


EarlyOutcome = tuple[int, Outcome, bool | None]
"""What was heard of an entry's hand-over before its settle, and whether it failed as before."""


async def set_outcomes(
    connection: AsyncConnection, operation_id: OperationId, outcomes: Sequence[EarlyOutcome]
) -> None:
    """Give an operation's items the outcomes that came early, in one round trip."""
    if outcomes:
        await connection.execute(
            update(items)
            .where(items.c.operation_id == operation_id, items.c.entry_pk == bindparam("pk"))
            .values(
                outcome=bindparam("new_outcome"),
                same_way=bindparam("new_same_way", type_=items.c.same_way.type),
            ),
            [
                {"pk": entry_pk, "new_outcome": outcome.value, "new_same_way": same_way}
                for entry_pk, outcome, same_way in outcomes
            ],
        )
