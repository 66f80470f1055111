"""Undo: entries that were moved go back to where they were, if nobody has started their jobs.

While an undo has an entry in hand the entry is claimed and its item is still requeued: so the
follower only notes what it hears of the job, as before the settle of a hand-over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    Actor,
    Answer,
    Batch,
    EntryState,
    ItemState,
    MovedEntry,
    Operation,
    OperationState,
    Outcome,
    Reason,
    Settlement,
    TakeBackResult,
    TakenBack,
    UndoBatch,
    scope_in_words,
)
from redrive.errors import NothingToTakeBack, StaleRunner
from redrive.faultpoints import Step, reach
from redrive.ledger import settling
from redrive.ledger.auditing import add_audit
from redrive.ledger.counting import move_own_counts
from redrive.ledger.database import Database
from redrive.ledger.judging import add_operation_activity
from redrive.ledger.moves import Moves, move_counts
from redrive.ledger.rows import claimed_columns, claimed_of, operation_of
from redrive.ledger.schema import entries, items, operations, payloads
from redrive.ports import Clock


async def request_undo(
    connection: AsyncConnection, operation: Operation, actor: Actor, now: datetime
) -> Operation:
    """Ask for the undo of an operation that has moved something; one that is over is opened again.

    Raises NothingToTakeBack. The operation's row is locked by this transaction.
    """
    if operation.state.terminal and operation.waiting <= 0:
        raise NothingToTakeBack(operation_id=operation.operation_id, state=operation.state)
    if operation.undo_wanted and not operation.state.terminal:
        return operation
    changed = await connection.execute(
        update(operations)
        .where(operations.c.operation_id == operation.operation_id)
        .values(
            state=OperationState.CANCELLING,
            undo_wanted=True,
            cancelled_by=func.coalesce(operations.c.cancelled_by, actor.name),
            finished_at=None,
            # Its job of the turn before may not have ended yet.
            turn=operations.c.turn + (1 if operation.state.terminal else 0),
        )
        .returning(operations)
    )
    after = operation_of(changed.one())
    await add_audit(
        connection,
        now,
        actor,
        "operation.undo",
        scope_in_words(str(operation.scope), operation.filter),
        app_id=operation.scope.app_id,
        result=after.state,
        operation_id=operation.operation_id,
        counts={
            "requeued": operation.requeued,
            "released": operation.released,
            "waiting": operation.waiting,
        },
        before={"state": operation.state, "undo_wanted": operation.undo_wanted},
        after={"state": after.state, "undo_wanted": after.undo_wanted},
    )
    return after


class SqlUndoLedger:
    """:class:`redrive.ports.UndoLedger` in SQL."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def claim_moved(
        self, operation: Operation, before_seq: int | None, limit: int
    ) -> UndoBatch | None:
        async def work(connection: AsyncConnection) -> UndoBatch | None:
            in_hand = (await connection.execute(_in_hand(operation))).all()
            if in_hand:
                number = await _own_number(connection, operation, next_one=False)
                return _batch_of(operation, number, in_hand)
            batch = await self._claim(connection, operation, before_seq, limit)
            reach(Step.UNDO_CLAIM_WRITTEN)
            return batch

        return await self._database.write(work)

    async def _claim(
        self, connection: AsyncConnection, operation: Operation, before_seq: int | None, limit: int
    ) -> UndoBatch | None:
        position = before_seq
        while True:
            found = await connection.execute(_waiting(operation, position, limit))
            rows = found.all()
            if not rows:
                await _own_number(connection, operation, next_one=False)
                return None
            newest = [row for row in rows if row.batch_number == rows[0].batch_number]
            position = newest[-1].failure_seq
            taken = await self._take(connection, operation, newest)
            if taken:
                number = await _own_number(connection, operation, next_one=True)
                return _batch_of(operation, number, taken)

    async def _take(
        self, connection: AsyncConnection, operation: Operation, rows: Sequence[Row[Any]]
    ) -> list[Row[Any]]:
        """Claim those of the entries that are still queued by this operation; what then stays
        moved is counted as handed over by its settle again."""
        result = await connection.execute(
            update(entries)
            .where(
                self._database.any_of(entries.c.id, "ids"),
                entries.c.state == EntryState.QUEUED.value,
                entries.c.operation_id == operation.operation_id,
            )
            .values(
                state=EntryState.CLAIMED,
                retried=entries.c.retried - 1,
                early_outcome=None,
                early_at=None,
                early_same_way=None,
            )
            .returning(entries.c.id),
            {"ids": self._database.listed(row.id for row in rows)},
        )
        claimed = set(result.scalars())
        taken = [row for row in rows if row.id in claimed]
        moves: Moves = Counter(
            (row.app_id, row.group_pk, EntryState.QUEUED, EntryState.CLAIMED) for row in taken
        )
        await move_counts(connection, moves)
        return taken

    async def settle_moved(
        self, operation: Operation, batch: UndoBatch, results: Mapping[int, TakeBackResult]
    ) -> Operation:
        async def work(connection: AsyncConnection) -> Operation:
            now = self._clock.now()
            settled = await settling.settle(
                self._database,
                connection,
                operation,
                _as_claimed(batch),
                _settlements(batch, results),
                now,
            )
            # Those that stay moved were counted when they were moved; the others are so no more.
            settled.counts["requeued"] = -settled.counts["released"]
            settled.counts["taken_back"] = settled.counts["released"]
            after = await move_own_counts(connection, operation, settled.counts)
            await add_operation_activity(connection, [(after, settled)], now)
            await self._release_items(connection, operation, batch, results, now)
            reach(Step.UNDO_WRITTEN)
            return after

        return await self._database.write(work)

    async def _release_items(
        self,
        connection: AsyncConnection,
        operation: Operation,
        batch: UndoBatch,
        results: Mapping[int, TakeBackResult],
        now: datetime,
    ) -> None:
        details: dict[str, list[int]] = {}
        for entry_pk, result in results.items():
            if result.answer is TakenBack.TAKEN_BACK:
                details.setdefault(result.detail, []).append(entry_pk)
        for detail, ids in details.items():
            await connection.execute(
                update(items)
                .where(
                    items.c.operation_id == operation.operation_id,
                    items.c.batch_number == batch.moved_as,
                    items.c.state == ItemState.REQUEUED.value,
                    self._database.any_of(items.c.entry_pk, "ids"),
                )
                .values(
                    state=ItemState.RELEASED,
                    reason=Reason.TAKEN_BACK,
                    detail=detail,
                    outcome=None,
                    settled_at=now,
                ),
                {"ids": self._database.listed(ids)},
            )


def _moved(operation: Operation) -> Select[Any]:
    """The moved items of an operation with their entries, the newest first."""
    return (
        select(
            *claimed_columns(failure_seq=items.c.failure_seq),
            items.c.batch_number,
            items.c.reason,
            entries.c.moved_at,
            entries.c.group_pk,
            payloads.c.data.is_not(None).label("is_kept"),
        )
        .join(entries, entries.c.id == items.c.entry_pk)
        .outerjoin(payloads, payloads.c.entry_id == entries.c.entry_id)
        .where(
            items.c.operation_id == operation.operation_id,
            items.c.state == ItemState.REQUEUED.value,
            entries.c.operation_id == operation.operation_id,
            entries.c.generation == items.c.generation,
        )
        .order_by(items.c.failure_seq.desc())
    )


def _in_hand(operation: Operation) -> Select[Any]:
    return _moved(operation).where(entries.c.state == EntryState.CLAIMED.value)


def _waiting(operation: Operation, before_seq: int | None, limit: int) -> Select[Any]:
    waiting = and_(
        items.c.outcome == Outcome.WAITING.value, entries.c.state == EntryState.QUEUED.value
    )
    if before_seq is not None:
        waiting = and_(waiting, items.c.failure_seq < before_seq)
    return _moved(operation).where(waiting).limit(limit)


async def _own_number(connection: AsyncConnection, operation: Operation, *, next_one: bool) -> int:
    """The number of the batch in hand, or the next one: while an undo goes on nothing else takes
    numbers, so that the last one taken is the one in hand. Raises StaleRunner."""
    found = await connection.execute(
        update(operations)
        .where(
            operations.c.operation_id == operation.operation_id,
            operations.c.runner_epoch == operation.runner_epoch,
            operations.c.state == OperationState.CANCELLING,
        )
        .values(next_batch=operations.c.next_batch + int(next_one))
        .returning(operations.c.next_batch)
    )
    next_batch = found.scalar()
    if next_batch is None:
        raise StaleRunner(operation_id=operation.operation_id)
    return int(next_batch) - 1


def _batch_of(operation: Operation, number: int, rows: Sequence[Row[Any]]) -> UndoBatch:
    return UndoBatch(
        operation_id=operation.operation_id,
        number=number,
        moved_as=rows[0].batch_number,
        entries=tuple(
            MovedEntry(
                claimed=claimed_of(row),
                moved_at=row.moved_at,
                removable=bool(row.reason == Reason.RECREATED and row.forgets and row.is_kept),
            )
            for row in rows
        ),
    )


def _as_claimed(batch: UndoBatch) -> Batch:
    return Batch(
        operation_id=batch.operation_id,
        number=batch.number,
        entries=tuple(moved.claimed for moved in batch.entries),
    )


def _settlements(batch: UndoBatch, results: Mapping[int, TakeBackResult]) -> list[Settlement]:
    """In the words of a hand-over: what was taken back was never moved, the rest was moved when
    it was."""
    return [
        Settlement(
            entry_pk=moved.claimed.entry_pk,
            answer=Answer.WITHHELD
            if results[moved.claimed.entry_pk].answer is TakenBack.TAKEN_BACK
            else Answer.REQUEUED,
            at=moved.moved_at,
        )
        for moved in batch.entries
    ]
