"""Settling claimed batches: every item gets its one reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

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
    Operation,
    Outcome,
    Reason,
    Settlement,
)
from redrive.ledger.answers import meaning_of, note_of
from redrive.ledger.counting import add_recoveries, next_sequences
from redrive.ledger.database import Database, any_of
from redrive.ledger.early import (
    early_outcome_of,
    recovered_at,
    settle_early,
    something_ended_early,
    was_done,
)
from redrive.ledger.holding import batch_of, claimed_by, claimed_entries, claimed_items
from redrive.ledger.judging import CountMoves, EarlyOutcome, set_outcomes
from redrive.ledger.moves import Moves, move_counts
from redrive.ledger.schema import Millis, entries, items


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
    takes_a_number = not all_moved or await something_ended_early(connection, operation)
    seq = await next_sequences(connection, 1) if takes_a_number else 0
    claimed = {entry.entry_pk: entry for entry in batch.entries}
    moved = CountMoves()
    moves: Moves = Counter()
    outcomes: list[EarlyOutcome] = []
    settled: defaultdict[tuple[Answer, str], list[int]] = defaultdict(list)
    recoveries: list[datetime] = []
    for key, ids in groups.items():
        quiet = await _settle_entries(database, connection, operation, key, ids, seq, now)
        entry_state = meaning_of(key[0]).entry
        done = {
            pk: (claimed[pk].app_id, group_pk, entry_state or claimed[pk].from_state)
            for pk, group_pk in quiet
        }
        if entry_state is EntryState.RECOVERED:
            recoveries += [key[2]] * len(quiet)
        late = [pk for pk in ids if pk not in done]
        for row in await _still_claimed(database, connection, operation, late):
            state = await settle_early(connection, operation, key, row, seq, now)
            done[row.id] = (row.app_id, row.group_pk, state)
            if state is EntryState.RECOVERED and (entry_state is not None or was_done(row)):
                recoveries.append(recovered_at(row, key[2]))
            if key[0].moved and state in (EntryState.RECOVERED, EntryState.FAILED):
                outcome, heard_at, same_way = early_outcome_of(row, state, key[2])
                outcomes.append((row.id, outcome, same_way))
                moved.add(outcome, heard_at, same_way)
        for app_id, group_pk, state in done.values():
            moves[(app_id, group_pk, EntryState.CLAIMED, state)] += 1
        moved.counts[meaning_of(key[0]).count] += len(done)
        settled[key[:2]] += done
    await move_counts(connection, moves)
    for (answer, detail), ids in settled.items():
        await _settle_items(database, connection, operation, batch, answer, detail, ids, now)
    await set_outcomes(connection, operation.operation_id, outcomes)
    await add_recoveries(connection, now, recoveries)
    return moved


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
        {"note": note_of(operation, answer), "at": at, "seq": seq, "now": now}
        | claimed_by(database, operation, ids),
    )
    return result.all()


@cache
def _settles_entries(answer: Answer, on_sqlite: bool) -> ReturningUpdate[int, int | None]:
    meaning = meaning_of(answer)
    at, now = bindparam("at", type_=Millis()), bindparam("now", type_=Millis())
    values: dict[str, Any] = {
        "state": meaning.entry or func.coalesce(entries.c.previous_state, EntryState.FAILED.value),
        "state_reason": bindparam("note"),
    }
    if meaning.entry is EntryState.QUEUED:
        values["moved_at"] = at
    if answer.moved:
        values["retried"] = entries.c.retried + 1
    if meaning.entry is not EntryState.QUEUED:
        values["selectable_seq"] = bindparam("seq")
    if meaning.entry is EntryState.RECOVERED:
        values["recovered_at"] = at
    if meaning.entry in OVER_STATES:
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
        state=meaning_of(answer).item,
        reason=Reason.CANCELLED if answer is Answer.WITHHELD else Reason(answer.value),
        detail=bindparam("what"),
        outcome=Outcome.WAITING if answer.moved else None,
        settled_at=bindparam("now", type_=Millis()),
    )
