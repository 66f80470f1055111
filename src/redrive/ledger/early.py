"""What is heard of a job between the claim and the settle of its entry, and what it means then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, String, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import OVER_STATES, Answer, EntryState, JobOutcome, Operation, Outcome
from redrive.ledger.answers import meaning_of, note_of
from redrive.ledger.database import BeginAgainError
from redrive.ledger.rows import failed_since
from redrive.ledger.schema import entries

FAILED_AFTER_MOVE = "failed"
FAILED_BEFORE_MOVE = "refailed"
FAILED_AS_ANNOUNCED = "announced"
COMPLETED = "completed"
ACTIVE = "active"
FAILED_EARLY = (FAILED_AFTER_MOVE, FAILED_BEFORE_MOVE, FAILED_AS_ANNOUNCED)


async def note_early(
    connection: AsyncConnection, early: Sequence[tuple[Row[Any], JobOutcome]]
) -> None:
    """Keep what came before the settle on the entry; the settle decides what it means."""
    if early:
        # A failure that came early says more than an event: it stays, but for a completion after
        # one from before the hand-over.
        weaker = or_(
            entries.c.early_outcome.is_(None),
            entries.c.early_outcome == ACTIVE,
            entries.c.early_outcome == COMPLETED,
            and_(
                or_(
                    entries.c.early_outcome == FAILED_BEFORE_MOVE,
                    entries.c.early_outcome == FAILED_AS_ANNOUNCED,
                ),
                bindparam("new_outcome", type_=String) == COMPLETED,
                entries.c.early_at < bindparam("new_at", type_=entries.c.early_at.type),
            ),
        )
        await connection.execute(
            update(entries)
            .where(and_(entries.c.id == bindparam("pk"), weaker))
            .values(
                early_outcome=bindparam("new_outcome"),
                early_at=bindparam("new_at", type_=entries.c.early_at.type),
            ),
            [
                {"pk": row.id, "new_outcome": outcome.kind.value, "new_at": outcome.at}
                for row, outcome in early
            ],
        )


_ENDED_EARLY = (
    select(entries.c.id)
    .where(
        entries.c.operation_id == bindparam("holder"),
        entries.c.early_outcome.is_not(None),
        entries.c.early_outcome != ACTIVE,
    )
    .limit(1)
)


async def something_ended_early(connection: AsyncConnection, operation: Operation) -> bool:
    """Whether a job of the operation has ended before its settle: its entry then leaves the
    selections that were frozen before, by a number of its own."""
    own = {"holder": operation.operation_id}
    return (await connection.execute(_ENDED_EARLY, own)).first() is not None


async def settle_early(
    connection: AsyncConnection,
    operation: Operation,
    key: tuple[Answer, str, datetime],
    row: Row[Any],
    seq: int,
    now: datetime,
) -> EntryState:
    """Settle an entry whose job was heard of before its settle; returns its new state."""
    answer, _, at = key
    meaning = meaning_of(answer)
    state = _heard_state(answer, row, at)
    values: dict[str, Any] = {"state_reason": meaning.note}
    if state is EntryState.DISMISSED:
        values["state_reason"] = note_of(operation, answer)
    if meaning.entry is EntryState.QUEUED:
        values["moved_at"] = at
    if answer.moved:
        values["retried"] = entries.c.retried + 1
    if state is EntryState.RECOVERED and (meaning.entry is not None or was_done(row)):
        values["recovered_at"] = recovered_at(row, at)
        values["state_reason"] = "" if answer.moved else "completed elsewhere"
    if state in OVER_STATES:
        values["heard_at"] = now
    if answer.moved and state is EntryState.FAILED and row.early_outcome == FAILED_AS_ANNOUNCED:
        # Only now it is known that the failure came after the hand-over.
        same = row.group_pk is not None and row.group_pk == row.previous_group_pk
        values["same_failures"] = row.same_failures + 1 if same else 0
    if state not in (EntryState.QUEUED, EntryState.ACTIVE):
        if seq == 0:
            # It came after the look for it; the sequence is locked before any entry.
            raise BeginAgainError
        values["selectable_seq"] = seq
    await connection.execute(
        update(entries)
        .where(entries.c.id == row.id)
        .values(
            values
            | {"state": state, "early_outcome": None, "early_at": None, "early_same_way": None}
        )
    )
    return state


def early_outcome_of(
    row: Row[Any], state: EntryState, at: datetime
) -> tuple[Outcome, datetime, bool | None]:
    """What became of a hand-over that was heard of before its settle, when, and whether a failure
    was the same way as before."""
    if state is EntryState.RECOVERED:
        return Outcome.RECOVERED, recovered_at(row, at), None
    return Outcome.FAILED_AGAIN, row.early_at, row.early_same_way


def recovered_at(row: Row[Any], at: datetime) -> datetime:
    """When an entry recovered whose job was heard of before its settle."""
    heard: datetime = row.early_at if row.early_outcome == COMPLETED else at
    return heard


def was_done(row: Row[Any]) -> bool:
    """Whether another tool had a failed entry's job done while it was claimed."""
    return row.previous_state in (None, EntryState.FAILED) and _completed_since(row)


def _completed_since(row: Row[Any]) -> bool:
    """Whether the completion that was heard of is of a run after the failure."""
    return bool(row.early_outcome == COMPLETED and row.early_at > failed_since(row))


def _heard_state(answer: Answer, row: Row[Any], at: datetime) -> EntryState:
    """Where an answer and what was heard before its settle leave an entry.

    Of a job that its queue drops when it fails, only the event is left to read: its failure is the
    moved job's if it is younger than the hand-over. One that was read, and did not carry the stamp
    of the hand-over, came before it, whatever the worker's clock says.
    """
    entry = meaning_of(answer).entry
    heard_after = row.early_at is not None and row.early_at >= at
    live_then = entry is EntryState.QUEUED and heard_after
    if row.early_outcome in FAILED_EARLY:
        announced_after = row.early_outcome == FAILED_AS_ANNOUNCED and heard_after
        if not answer.moved or announced_after or row.early_outcome == FAILED_AFTER_MOVE:
            return EntryState.FAILED
    elif (row.early_outcome == COMPLETED and (live_then or answer is Answer.MISSING)) or (
        entry is None and was_done(row)
    ):
        return EntryState.RECOVERED
    elif row.early_outcome == ACTIVE and live_then:
        return EntryState.ACTIVE
    gone_since = answer is Answer.MISSING and _completed_since(row)
    if gone_since or (entry is None and was_done(row)):
        return EntryState.RECOVERED
    return entry or EntryState(row.previous_state or EntryState.FAILED)
