"""The operation protocol's transactions. One method, one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, false, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    OPEN_STATES,
    TERMINAL_STATES,
    Actor,
    Batch,
    Operation,
    OperationId,
    OperationState,
    Payload,
    Reason,
    Settlement,
    StartRequest,
    scope_in_words,
)
from redrive.errors import StaleRunner
from redrive.faultpoints import Step, reach
from redrive.ledger import claiming, releasing, settling, starting
from redrive.ledger.auditing import add_audit
from redrive.ledger.counting import move_own_counts
from redrive.ledger.database import Database
from redrive.ledger.judging import add_operation_activity
from redrive.ledger.payloads import read_payload
from redrive.ledger.rows import failed_since, operation_of, operations_of, select_open_operations
from redrive.ledger.schema import Millis, entries, operations
from redrive.ledger.steering import (
    SqlSteeringLedger,
    locked_operation,
    open_operation,
    own_operation,
)
from redrive.ledger.undoing import request_undo
from redrive.ports import Clock


class SqlOperationLedger(SqlSteeringLedger):
    """:class:`redrive.ports.OperationLedger` in SQL.

    Bulk operations over more than ``approval_over`` entries wait for approval; 0: none does.
    """

    def __init__(self, database: Database, clock: Clock, approval_over: int = 0) -> None:
        super().__init__(database, clock)
        self._approval_over = approval_over

    async def start_bulk(self, request: StartRequest) -> tuple[Operation, bool]:
        async def work(connection: AsyncConnection) -> tuple[Operation, bool]:
            started = await starting.start_bulk(
                connection, request, self._clock.now(), self._approval_over
            )
            reach(Step.START_WRITTEN)
            return started

        return await self._database.write(work)

    async def start_single(self, request: StartRequest) -> tuple[Operation, Batch]:
        async def work(connection: AsyncConnection) -> tuple[Operation, Batch]:
            started = await starting.start_single(
                self._database, connection, request, self._clock.now()
            )
            reach(Step.SINGLE_WRITTEN)
            return started

        return await self._database.write(work)

    async def take_over(self, operation_id: OperationId) -> Operation | None:
        async def work(connection: AsyncConnection) -> Operation | None:
            result = await connection.execute(
                update(operations)
                .where(
                    operations.c.operation_id == operation_id,
                    operations.c.state.in_(OPEN_STATES),
                    operations.c.state != OperationState.PAUSED,
                )
                .values(
                    runner_epoch=operations.c.runner_epoch + 1,
                    state=case(
                        (operations.c.state == OperationState.QUEUED, OperationState.RUNNING.value),
                        else_=operations.c.state,
                    ),
                    started_at=func.coalesce(
                        operations.c.started_at, literal(self._clock.now(), Millis())
                    ),
                )
                .returning(operations)
            )
            row = result.first()
            reach(Step.TAKEOVER_WRITTEN)
            return None if row is None else operation_of(row)

        return await self._database.write(work)

    async def claim(self, operation: Operation, limit: int) -> Batch | None:
        async def work(connection: AsyncConnection) -> Batch | None:
            now = self._clock.now()
            batch = await claiming.claim(self._database, connection, operation, limit, now)
            if batch is not None:
                reach(Step.CLAIM_WRITTEN)
            return batch

        try:
            batch = await self._database.write(work)
            while batch is not None and not batch.entries:
                batch = await self._database.write(work)
        except claiming.NotRunningError:
            return None
        return batch

    async def unsettled(self, operation: Operation) -> list[Batch]:
        return claiming.batches_of(
            operation, await self._database.rows(claiming.unsettled_statement(operation))
        )

    async def payload(self, entry_pk: int) -> tuple[str, Payload | None]:
        async def work(connection: AsyncConnection) -> tuple[str, Payload | None]:
            row = (
                await connection.execute(
                    select(entries.c.entry_id, entries.c.job_name).where(entries.c.id == entry_pk)
                )
            ).one()
            kept = await read_payload(connection, row.entry_id)
            return row.job_name, kept.payload

        return await self._database.read(work)

    async def failed_since(self, entry_pk: int) -> datetime:
        rows = await self._database.rows(
            select(entries.c.failed_at, entries.c.heard_at).where(entries.c.id == entry_pk)
        )
        return failed_since(rows[0])

    async def settle(
        self, operation: Operation, batch: Batch, settlements: Sequence[Settlement]
    ) -> Operation:
        async def work(connection: AsyncConnection) -> Operation:
            now = self._clock.now()
            settled = await settling.settle(
                self._database, connection, operation, batch, settlements, now
            )
            counted = await move_own_counts(connection, operation, settled.counts)
            await add_operation_activity(connection, [(counted, settled)], now)
            reach(Step.SETTLE_WRITTEN)
            return counted

        return await self._database.write(work)

    async def release(self, operation: Operation, batch: Batch, engine_away: bool) -> Operation:
        reason = Reason.ENGINE_AWAY if engine_away else Reason.CANCELLED

        async def work(connection: AsyncConnection) -> Operation:
            released = await releasing.release(
                self._database, connection, operation, batch, reason, self._clock.now()
            )
            counted = await move_own_counts(connection, operation, Counter({"released": released}))
            reach(Step.RELEASE_WRITTEN)
            return counted

        return await self._database.write(work)

    async def finish(
        self, operation: Operation, state: OperationState, error: str | None
    ) -> Operation:
        async def work(connection: AsyncConnection) -> Operation:
            now = self._clock.now()
            before = await _state_of(connection, operation.operation_id)
            if await _something_is_claimed(connection, operation):
                return await own_operation(connection, operation)
            cancelling = operations.c.state == OperationState.CANCELLING
            result = await connection.execute(
                update(operations)
                .where(
                    operations.c.operation_id == operation.operation_id,
                    operations.c.runner_epoch == operation.runner_epoch,
                    operations.c.state.in_(OPEN_STATES),
                    operations.c.undo_wanted == operation.undo_wanted,
                )
                .values(
                    state=case((cancelling, OperationState.CANCELLED.value), else_=state.value),
                    finished_at=now,
                    error=error,
                    pause_wanted=False,
                )
                .returning(operations)
            )
            row = result.first()
            if row is None:
                return await _finished_before(connection, operation)
            finished = operation_of(row)
            await _audit_end(connection, finished, before, now)
            reach(Step.FINISH_WRITTEN)
            return finished

        return await self._database.write(work)

    async def request_cancel(
        self, operation_id: OperationId, actor: Actor, *, undo: bool = False
    ) -> Operation:
        async def work(connection: AsyncConnection) -> Operation:
            now = self._clock.now()
            if undo:
                row = await locked_operation(connection, operation_id)
                if row.state is not OperationState.QUEUED:
                    after = await request_undo(connection, row, actor, now)
                    reach(Step.CANCEL_WRITTEN)
                    return after
            operation = await open_operation(connection, operation_id)
            if operation.state is OperationState.CANCELLING:
                return operation
            values: dict[str, Any] = {"cancelled_by": actor.name}
            if operation.state in (OperationState.QUEUED, OperationState.PAUSED):
                values |= {"state": OperationState.CANCELLED, "finished_at": now}
            else:
                values |= {"state": OperationState.CANCELLING}
            after = await self._change(connection, operation_id, values)
            await add_audit(
                connection,
                now,
                actor,
                "operation.cancel",
                scope_in_words(str(operation.scope), operation.filter),
                app_id=operation.scope.app_id,
                result=after.state,
                operation_id=operation_id,
                counts={"total": after.total, "completed": after.completed},
                before={"state": operation.state, "completed": operation.completed},
                after={"state": after.state, "completed": after.completed},
            )
            reach(Step.CANCEL_WRITTEN)
            return after

        return await self._database.write(work)

    async def operation(self, operation_id: OperationId) -> Operation | None:
        rows = await self._database.rows(
            select(operations).where(operations.c.operation_id == operation_id)
        )
        return operation_of(rows[0]) if rows else None

    async def open_operations(self) -> list[Operation]:
        return operations_of(await self._database.rows(select_open_operations()))

    async def release_loose(self) -> int:
        """Give back entries that are claimed by an operation which is over or unknown.

        There are none unless the ledger was restored from a backup; returns how many.
        """

        return await self._database.write(releasing.release_loose)


async def _something_is_claimed(connection: AsyncConnection, operation: Operation) -> bool:
    unsettled = await connection.execute(claiming.unsettled_statement(operation).limit(1))
    return unsettled.first() is not None


async def _finished_before(connection: AsyncConnection, operation: Operation) -> Operation:
    """The operation as the same runner finished it, who did not hear that it did; or as it is, if
    an undo is wanted of which that runner does not know yet."""
    undo_is_news = not operation.undo_wanted
    found = await connection.execute(
        select(operations).where(
            operations.c.operation_id == operation.operation_id,
            operations.c.runner_epoch == operation.runner_epoch,
            or_(
                operations.c.state.in_(TERMINAL_STATES),
                operations.c.undo_wanted.is_(True) if undo_is_news else false(),
            ),
        )
    )
    row = found.first()
    if row is None:
        raise StaleRunner(operation_id=operation.operation_id)
    return operation_of(row)


async def _state_of(connection: AsyncConnection, operation_id: OperationId) -> str | None:
    """The state of an operation, which stays until this transaction ends."""
    found = await connection.execute(
        select(operations.c.state)
        .where(operations.c.operation_id == operation_id)
        .with_for_update()
    )
    state: str | None = found.scalar_one_or_none()
    return state


async def _audit_end(
    connection: AsyncConnection, operation: Operation, before: str | None, at: datetime
) -> None:
    await add_audit(
        connection,
        at,
        Actor(name=operation.actor, origin=operation.origin),
        f"{operation.kind}.end",
        scope_in_words(str(operation.scope), operation.filter),
        app_id=operation.scope.app_id,
        reason=operation.reason,
        result=operation.state,
        operation_id=operation.operation_id,
        counts={
            "total": operation.total,
            "requeued": operation.requeued,
            "skipped": operation.skipped,
            "errored": operation.errored,
            "released": operation.released,
        }
        | ({"dismissed": operation.dismissed} if operation.dismissed else {}),
        before={"state": before},
        after={"state": operation.state, "completed": operation.completed},
    )
