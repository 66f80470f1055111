"""Settling claimed batches: every item gets its one reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, assert_never

from sqlalchemy import (
    Row,
    Update,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from redrive.domain import (
    OVER_STATES,
    Answer,
    Batch,
    EntryState,
    ItemState,
    Operation,
    Outcome,
    Reason,
    Settlement,
)
from redrive.ledger.counting import add_recoveries, next_sequences
from redrive.ledger.database import BeginAgainError, Database, any_of
from redrive.ledger.holding import batch_of, claimed_by, claimed_entries, claimed_items
from redrive.ledger.judging import CountMoves, EarlyOutcome, set_outcomes
from redrive.ledger.moves import Moves, move_counts
from redrive.ledger.schema import Millis, entries, items

FAILED_AFTER_MOVE = "failed"
FAILED_BEFORE_MOVE = "refailed"
FAILED_AS_ANNOUNCED = "announced"
COMPLETED = "completed"
ACTIVE = "active"
FAILED_EARLY = (FAILED_AFTER_MOVE, FAILED_BEFORE_MOVE, FAILED_AS_ANNOUNCED)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Verdict:
    """What an answer means for the item and, if nothing came early, for the entry."""

    item: ItemState
    count: str
    entry: EntryState | None  # None: the state before the claim
    note: str = ""


def _verdict(answer: Answer) -> _Verdict:
    match answer:
        case Answer.REQUEUED | Answer.RECREATED:
            return _Verdict(item=ItemState.REQUEUED, count="requeued", entry=EntryState.QUEUED)
        case Answer.ALREADY_LIVE:
            return _Verdict(
                item=ItemState.SKIPPED,
                count="skipped",
                entry=EntryState.QUEUED,
                note="was in its queue already",
            )
        case Answer.SUPERSEDED:
            return _Verdict(item=ItemState.SKIPPED, count="skipped", entry=EntryState.FAILED)
        case Answer.NOT_FAILED:
            return _Verdict(
                item=ItemState.SKIPPED,
                count="skipped",
                entry=EntryState.RECOVERED,
                note="completed elsewhere",
            )
        case Answer.MISSING:
            return _Verdict(
                item=ItemState.SKIPPED,
                count="skipped",
                entry=EntryState.VANISHED,
                note="its queue does not know the job any more",
            )
        case Answer.ERROR:
            return _Verdict(item=ItemState.ERRORED, count="errored", entry=None)
        case Answer.DISMISSED:
            return _Verdict(item=ItemState.DISMISSED, count="dismissed", entry=EntryState.DISMISSED)
        case Answer.WITHHELD:
            return _Verdict(item=ItemState.RELEASED, count="released", entry=None)
        case _:
            assert_never(answer)


def _note(operation: Operation, answer: Answer) -> str:
    """What an entry says of its new state."""
    if answer is not Answer.DISMISSED:
        return _verdict(answer).note
    why = f": {operation.reason}" if operation.reason else ""
    return f"dismissed by {operation.actor}{why}"


async def settle(
    database: Database,
    connection: AsyncConnection,
    operation: Operation,
    batch: Batch,
    settlements: Sequence[Settlement],
    now: datetime,
) -> CountMoves:
    """Write results of a batch; returns how the operation's counts move.

    Entries that are not claimed by this operation any more are left alone with their items.
    """
    groups: defaultdict[tuple[Answer, str, datetime], list[int]] = defaultdict(list)
    for settlement in settlements:
        key = (settlement.answer, settlement.detail, settlement.at)
        groups[key].append(settlement.entry_pk)
    all_moved = all(answer.moved for answer, _, _ in groups)
    takes_a_number = not all_moved or await _something_ended_early(connection, operation)
    seq = await next_sequences(connection, 1) if takes_a_number else 0
    claimed = {entry.entry_pk: entry for entry in batch.entries}
    moved = CountMoves()
    moves: Moves = Counter()
    outcomes: list[EarlyOutcome] = []
    settled: defaultdict[tuple[Answer, str], list[int]] = defaultdict(list)
    recoveries: list[datetime] = []
    for key, ids in groups.items():
        quiet = await _settle_entries(database, connection, operation, key, ids, seq, now)
        entry_state = _verdict(key[0]).entry
        done = {
            pk: (claimed[pk].app_id, group_pk, entry_state or claimed[pk].from_state)
            for pk, group_pk in quiet
        }
        if entry_state is EntryState.RECOVERED:
            recoveries += [key[2]] * len(quiet)
        late = [pk for pk in ids if pk not in done]
        for row in await _still_claimed(database, connection, operation, late):
            state = await _settle_early(connection, operation, key, row, seq, now)
            done[row.id] = (row.app_id, row.group_pk, state)
            if state is EntryState.RECOVERED and entry_state is not None:
                recoveries.append(_recovered_at(row, key[2]))
            if key[0].moved and state in (EntryState.RECOVERED, EntryState.FAILED):
                outcome, heard_at, same_way = _early_verdict(row, state, key[2])
                outcomes.append((row.id, outcome, same_way))
                moved.add(outcome, heard_at, same_way)
        for app_id, group_pk, state in done.values():
            moves[(app_id, group_pk, EntryState.CLAIMED, state)] += 1
        moved.counts[_verdict(key[0]).count] += len(done)
        settled[key[:2]] += done
    await move_counts(connection, moves)
    for (answer, detail), ids in settled.items():
        await _settle_items(database, connection, operation, batch, answer, detail, ids, now)
    await set_outcomes(connection, operation.operation_id, outcomes)
    await add_recoveries(connection, now, recoveries)
    return moved


async def _something_ended_early(connection: AsyncConnection, operation: Operation) -> bool:
    """Whether a job of the operation has ended before its settle: its entry then leaves the
    selections that were frozen before, by a number of its own."""
    own = {"holder": operation.operation_id}
    return (await connection.execute(_ENDED_EARLY, own)).first() is not None


_ENDED_EARLY = (
    select(entries.c.id)
    .where(
        entries.c.operation_id == bindparam("holder"),
        entries.c.early_outcome.is_not(None),
        entries.c.early_outcome != ACTIVE,
    )
    .limit(1)
)


async def _settle_entries(
    database: Database,
    connection: AsyncConnection,
    operation: Operation,
    key: tuple[Answer, str, datetime],
    ids: Sequence[int],
    seq: int,
    now: datetime,
) -> Sequence[Row[int, int | None]]:
    """Move the entries about which nothing came early; returns them with their groups."""
    answer, _, at = key
    result = await connection.execute(
        _settles_entries(answer, database.is_sqlite),
        {"note": _note(operation, answer), "at": at, "seq": seq, "now": now}
        | claimed_by(database, operation, ids),
    )
    return result.all()


@cache
def _settles_entries(answer: Answer, on_sqlite: bool) -> ReturningUpdate[int, int | None]:
    verdict = _verdict(answer)
    at, now = bindparam("at", type_=Millis()), bindparam("now", type_=Millis())
    values: dict[str, Any] = {
        "state": verdict.entry or func.coalesce(entries.c.previous_state, EntryState.FAILED.value),
        "state_reason": bindparam("note"),
    }
    if verdict.entry is EntryState.QUEUED:
        values["moved_at"] = at
    if answer.moved:
        values["retried"] = entries.c.retried + 1
    if verdict.entry is not EntryState.QUEUED:
        values["selectable_seq"] = bindparam("seq")
    if verdict.entry is EntryState.RECOVERED:
        values["recovered_at"] = at
    if verdict.entry in OVER_STATES:
        values["heard_at"] = now
    return (
        update(entries)
        .where(claimed_entries(on_sqlite), entries.c.early_outcome.is_(None))
        .values(values)
        .returning(entries.c.id, entries.c.group_pk)
    )


async def _still_claimed(
    database: Database, connection: AsyncConnection, operation: Operation, ids: Sequence[int]
) -> Sequence[Row[Any]]:
    if not ids:
        return ()
    found = await connection.execute(
        select(entries).where(claimed_entries(database.is_sqlite)).with_for_update(),
        claimed_by(database, operation, ids),
    )
    return found.all()


async def _settle_early(
    connection: AsyncConnection,
    operation: Operation,
    key: tuple[Answer, str, datetime],
    row: Row[Any],
    seq: int,
    now: datetime,
) -> EntryState:
    """Settle an entry whose job was heard of before its settle; returns its new state."""
    answer, _, at = key
    verdict = _verdict(answer)
    state = _heard_state(answer, row, at)
    values: dict[str, Any] = {"state_reason": verdict.note}
    if state is EntryState.DISMISSED:
        values["state_reason"] = _note(operation, answer)
    if verdict.entry is EntryState.QUEUED:
        values["moved_at"] = at
    if answer.moved:
        values["retried"] = entries.c.retried + 1
    if state is EntryState.RECOVERED and verdict.entry is not None:
        values["recovered_at"] = _recovered_at(row, at)
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


def _early_verdict(
    row: Row[Any], state: EntryState, at: datetime
) -> tuple[Outcome, datetime, bool | None]:
    """What became of a hand-over that was heard of before its settle, when, and whether a failure
    was the same way as before."""
    if state is EntryState.RECOVERED:
        return Outcome.RECOVERED, _recovered_at(row, at), None
    return Outcome.FAILED_AGAIN, row.early_at, row.early_same_way


def _recovered_at(row: Row[Any], at: datetime) -> datetime:
    """When an entry recovered whose job was heard of before its settle."""
    heard: datetime = row.early_at if row.early_outcome == COMPLETED else at
    return heard


def _heard_state(answer: Answer, row: Row[Any], at: datetime) -> EntryState:
    """Where an answer and what was heard before its settle leave an entry.

    Of a job that its queue drops when it fails, only the event is left to read: its failure is the
    moved job's if it is younger than the hand-over. One that was read, and did not carry the stamp
    of the hand-over, came before it, whatever the worker's clock says.
    """
    entry = _verdict(answer).entry
    heard_after = row.early_at is not None and row.early_at >= at
    live_then = entry is EntryState.QUEUED and heard_after
    if row.early_outcome in FAILED_EARLY:
        announced_after = row.early_outcome == FAILED_AS_ANNOUNCED and heard_after
        if not answer.moved or announced_after or row.early_outcome == FAILED_AFTER_MOVE:
            return EntryState.FAILED
    elif row.early_outcome == COMPLETED and (live_then or answer is Answer.MISSING):
        return EntryState.RECOVERED
    elif row.early_outcome == ACTIVE and live_then:
        return EntryState.ACTIVE
    return entry or EntryState(row.previous_state or EntryState.FAILED)


async def _settle_items(
    database: Database,
    connection: AsyncConnection,
    operation: Operation,
    batch: Batch,
    answer: Answer,
    detail: str,
    ids: Sequence[int],
    now: datetime,
) -> None:
    parameters = batch_of(operation, batch) | {"what": detail, "now": now}
    is_part = len(ids) < len(batch.entries)
    if is_part:
        parameters["ids"] = database.listed(ids)
    await connection.execute(_settles_items(answer, is_part, database.is_sqlite), parameters)


@cache
def _settles_items(answer: Answer, is_part: bool, on_sqlite: bool) -> Update:
    statement = update(items).where(claimed_items())
    if is_part:
        statement = statement.where(any_of(items.c.entry_pk, "ids", on_sqlite=on_sqlite))
    return statement.values(
        state=_verdict(answer).item,
        reason=Reason.CANCELLED if answer is Answer.WITHHELD else Reason(answer.value),
        detail=bindparam("what"),
        outcome=Outcome.WAITING if answer.moved else None,
        settled_at=bindparam("now", type_=Millis()),
    )
