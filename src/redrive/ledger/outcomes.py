"""Tying what happened to jobs to their entries, and to the operation that moved them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    DROPPED_AT_ONCE,
    EntryId,
    EntryState,
    ItemState,
    JobOutcome,
    OperationId,
    Outcome,
    OutcomeKind,
    Reason,
)
from redrive.ledger.counting import (
    add_recoveries,
    next_sequences,
    withdraw,
)
from redrive.ledger.database import Database
from redrive.ledger.early import note_early
from redrive.ledger.identities import any_named
from redrive.ledger.judging import CountMoves, OutcomeMoves, move_outcome_counts
from redrive.ledger.moves import Moves, move_counts
from redrive.ledger.schema import entries, items

RECOVERED, FAILED_AGAIN, VANISHED = Outcome.RECOVERED, Outcome.FAILED_AGAIN, Outcome.VANISHED

_FOLLOWED = (EntryState.CLAIMED, EntryState.QUEUED, EntryState.ACTIVE, EntryState.VANISHED)

_TARGET = {
    OutcomeKind.ACTIVE: EntryState.ACTIVE,
    OutcomeKind.COMPLETED: EntryState.RECOVERED,
}

AWAITS = and_(
    entries.c.moved_at.is_not(None),
    exists().where(
        items.c.entry_pk == entries.c.id,
        items.c.operation_id == entries.c.operation_id,
        items.c.generation == entries.c.generation,
        items.c.outcome == Outcome.WAITING.value,
    ),
)
"""Whether the last hand-over of an entry has no outcome yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribution:
    """An outcome of the hand-over that an operation and a generation name. One that ``revises``
    also counts where the hand-over was thought vanished.

    ``same_way`` says of a failure whether it is as the one at ``failed_before``; None: not known.
    """

    entry_pk: int
    operation_id: OperationId
    generation: int
    outcome: Outcome
    at: datetime
    revises: bool = True
    same_way: bool | None = None
    failed_before: datetime | None = None


async def attribute(
    database: Database, connection: AsyncConnection, found: Sequence[Attribution]
) -> OutcomeMoves:
    """Set the outcomes of requeued items that are still waiting (or were thought vanished).

    Returns how the operations' outcome counters move. An item that has its verdict keeps it: a
    later failure of the same job is not the doing of that operation. Whether it failed the same
    way is only known where the failure before it is the one that was handed over.
    """
    moves: defaultdict[OperationId, CountMoves] = defaultdict(CountMoves)
    if not found:
        return moves
    waiting = await connection.execute(
        select(
            items.c.entry_pk,
            items.c.operation_id,
            items.c.generation,
            items.c.failure_seq,
            items.c.failed_at,
            items.c.outcome,
        )
        .where(
            database.any_of(items.c.entry_pk, "ids"),
            items.c.state == ItemState.REQUEUED,
            items.c.outcome.in_((Outcome.WAITING, Outcome.VANISHED)),
        )
        .with_for_update(),
        {"ids": database.listed({attribution.entry_pk for attribution in found})},
    )
    rows = {(row.entry_pk, row.operation_id, row.generation): row for row in waiting.all()}
    changes = []
    known = [attribution for attribution in found if _key(attribution) in rows]
    for attribution in [*known, *_outlived(known, rows.values())]:
        row = rows[_key(attribution)]
        thought_vanished = row.outcome == Outcome.VANISHED
        if row.outcome == attribution.outcome or (thought_vanished and not attribution.revises):
            continue
        same_way = attribution.same_way if attribution.failed_before == row.failed_at else None
        changes.append(
            {
                "op": row.operation_id,
                "seq": row.failure_seq,
                "new_outcome": attribution.outcome.value,
                "new_same_way": same_way,
            }
        )
        moves[attribution.operation_id].add(attribution.outcome, attribution.at, same_way)
        if thought_vanished:
            moves[attribution.operation_id].counts[Outcome.VANISHED.value] -= 1
    if changes:
        await connection.execute(
            update(items)
            .where(items.c.operation_id == bindparam("op"), items.c.failure_seq == bindparam("seq"))
            .values(
                outcome=bindparam("new_outcome"),
                same_way=bindparam("new_same_way", type_=items.c.same_way.type),
            ),
            changes,
        )
    return moves


def _key(attribution: Attribution) -> tuple[int, OperationId, int]:
    return attribution.entry_pk, attribution.operation_id, attribution.generation


def _outlived(found: Sequence[Attribution], rows: Iterable[Any]) -> list[Attribution]:
    """The hand-overs that still wait although one of the same entry after them has its outcome:
    nothing is left of them, their queue's store has lost them together with what came of them."""
    newest: dict[int, Attribution] = {}
    for attribution in sorted(found, key=lambda one: one.generation):
        newest[attribution.entry_pk] = attribution
    return [
        Attribution(
            entry_pk=row.entry_pk,
            operation_id=OperationId(row.operation_id),
            generation=row.generation,
            outcome=VANISHED,
            at=after.at,
        )
        for row in rows
        if row.outcome == Outcome.WAITING
        and (after := newest.get(row.entry_pk)) is not None
        and row.generation < after.generation
    ]


async def apply_outcomes(
    database: Database,
    connection: AsyncConnection,
    last: Mapping[EntryId, JobOutcome],
    now: datetime,
) -> list[Row[Any]]:
    """Apply the last outcome of each job; returns operations whose outcome counts moved.

    Failures are not applied here: they come with their error through the intake. A failed entry
    is left to the drift check, because an event from before its failure may arrive late; but not
    one whose failure was itself only announced, and so is on the same clock. Where the last
    hand-over of a failed entry waits for its outcome, a completion is that outcome: its failure is
    from before the hand-over and was told late, or of a job that was added anew since.
    """
    wanted = {
        key: outcome for key, outcome in last.items() if outcome.kind is not OutcomeKind.FAILED
    }
    followed = or_(
        entries.c.state.in_(_FOLLOWED),
        and_(
            entries.c.state == EntryState.FAILED,
            or_(entries.c.defect == DROPPED_AT_ONCE, AWAITS),
        ),
    )
    seen = select(entries.c.id).where(any_named(database, "ids"), followed)
    ids = (await connection.execute(seen, {"ids": database.listed(wanted)})).scalars().all()
    if not ids:
        return []
    seq = await next_sequences(connection, 1)
    found = await connection.execute(
        select(entries, AWAITS.label("awaits"))
        .where(database.any_of(entries.c.id, "ids"), followed)
        .order_by(entries.c.id)
        .with_for_update(),
        {"ids": database.listed(ids)},
    )
    rows = [(row, wanted[row.entry_id]) for row in found.all()]
    await note_early(connection, [(r, o) for r, o in rows if r.state == EntryState.CLAIMED])
    valid = [
        (row, outcome)
        for row, outcome in rows
        if row.state != EntryState.CLAIMED and _is_news(row, outcome)
    ]
    return await _apply(database, connection, valid, seq, now)


def _is_news(row: Row[Any], outcome: JobOutcome) -> bool:
    if row.state == EntryState.FAILED:
        after = row.moved_at if row.awaits else row.failed_at
        return outcome.kind is OutcomeKind.COMPLETED and bool(outcome.at > after)
    return bool(row.moved_at is None or outcome.at >= row.moved_at)


async def _apply(
    database: Database,
    connection: AsyncConnection,
    rows: Sequence[tuple[Row[Any], JobOutcome]],
    seq: int,
    now: datetime,
) -> list[Row[Any]]:
    changed = [
        (row, outcome)
        for row, outcome in rows
        if _TARGET[outcome.kind] != row.state and not _stays_failed(row)
    ]
    if changed:
        await _change(connection, changed, seq, now)
    completed = [(row, outcome) for row, outcome in rows if outcome.kind is OutcomeKind.COMPLETED]
    attributed = await attribute(
        database,
        connection,
        [
            Attribution(
                entry_pk=row.id,
                operation_id=OperationId(row.operation_id),
                generation=row.generation,
                outcome=RECOVERED,
                at=outcome.at,
            )
            for row, outcome in completed
            if row.operation_id is not None
        ],
    )
    return await move_outcome_counts(connection, attributed, now)


def _stays_failed(row: Row[Any]) -> bool:
    return bool(row.state == EntryState.FAILED and row.defect != DROPPED_AT_ONCE)


async def _change(
    connection: AsyncConnection,
    changed: Sequence[tuple[Row[Any], JobOutcome]],
    seq: int,
    now: datetime,
) -> None:
    """Move the entries, and everything that counts them."""
    await connection.execute(
        update(entries)
        .where(entries.c.id == bindparam("pk"))
        .values(
            state=bindparam("new_state"),
            recovered_at=bindparam("new_recovered_at", type_=entries.c.recovered_at.type),
            heard_at=now,
            selectable_seq=seq,
            state_reason="",
        ),
        [
            {
                "pk": row.id,
                "new_state": _TARGET[outcome.kind].value,
                "new_recovered_at": (
                    outcome.at if outcome.kind is OutcomeKind.COMPLETED else row.recovered_at
                ),
            }
            for row, outcome in changed
        ],
    )
    moves: Moves = Counter(
        (row.app_id, row.group_pk, EntryState(row.state), _TARGET[outcome.kind])
        for row, outcome in changed
    )
    await move_counts(connection, moves)
    recovered = [
        (row, outcome) for row, outcome in changed if outcome.kind is OutcomeKind.COMPLETED
    ]
    await withdraw(
        connection,
        [row for row, _ in recovered if row.state == EntryState.FAILED],
        Reason.RESOLVED_ELSEWHERE,
        now,
        to_state=EntryState.ACTIVE,
    )
    await add_recoveries(connection, now, [outcome.at for _, outcome in recovered])
