"""Steering operations: pause, resume, limits and canary. One method, one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    OPEN_STATES,
    Actor,
    CanaryState,
    Controls,
    ItemState,
    Operation,
    OperationId,
    OperationState,
    Outcome,
    ScopeKind,
    controls_as_text,
    scope_in_words,
)
from redrive.errors import (
    ApprovalNeeded,
    BadControls,
    CannotPause,
    NotPaused,
    OperationFinished,
    OperationNotFound,
    StaleRunner,
    WaitsForApproval,
)
from redrive.faultpoints import Step, reach
from redrive.ledger.auditing import add_audit, that_differ
from redrive.ledger.database import Database
from redrive.ledger.limits import refuse_limits_of_dismissal
from redrive.ledger.rows import operation_of
from redrive.ledger.schema import items, operations
from redrive.ports import Clock, Tried

RUNNER = "runner"
_BY_ITSELF = ("canary", "guard")
_PAUSED = OperationState.PAUSED


class SqlSteeringLedger:
    """:class:`redrive.ports.SteeringLedger` in SQL."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def request_pause(
        self, operation_id: OperationId, actor: Actor, reason: str
    ) -> Operation:
        async def work(connection: AsyncConnection) -> Operation:
            before = await open_operation(connection, operation_id)
            if before.state is _PAUSED or before.pause_wanted:
                return before
            single = before.scope.kind is ScopeKind.ENTRY
            if single or before.state is OperationState.CANCELLING:
                raise CannotPause(operation_id=operation_id, state=before.state)
            values: dict[str, Any] = {"paused_by": actor.name, "pause_reason": reason}
            if before.state is OperationState.QUEUED:
                values |= {"state": _PAUSED, "turn": operations.c.turn + 1}
            else:
                values |= {"pause_wanted": True}
            after = await self._change(connection, operation_id, values)
            await self._audit(connection, actor, "operation.pause", before, after, reason)
            reach(Step.PAUSE_WRITTEN)
            return after

        return await self._database.write(work)

    async def pause(self, operation: Operation, by: str | None, reason: str) -> Operation:
        async def work(connection: AsyncConnection) -> Operation:
            before = await own_operation(connection, operation)
            withdrawn = by is None and not before.pause_wanted
            if before.state is not OperationState.RUNNING or withdrawn:
                return before
            values: dict[str, Any] = {
                "state": _PAUSED,
                "pause_wanted": False,
                "turn": operations.c.turn + 1,
            }
            if by is not None:
                values |= {"paused_by": by, "pause_reason": reason}
            if by == "canary":
                values |= {"canary": CanaryState.STOPPED, "canary_until": None}
            after = await self._change(connection, operation.operation_id, values)
            if by is not None:
                actor = Actor(name=by, origin=RUNNER)
                await self._audit(connection, actor, "operation.pause", before, after, reason)
            reach(Step.HALT_WRITTEN)
            return after

        return await self._database.write(work)

    async def resume(self, operation_id: OperationId, actor: Actor) -> Operation:
        async def work(connection: AsyncConnection) -> Operation:
            before = await open_operation(connection, operation_id)
            if before.state is not _PAUSED and not before.pause_wanted:
                raise NotPaused(operation_id=operation_id, state=before.state)
            values = _resumed(before)
            action = "operation.resume"
            if before.awaits_approval:
                if actor.name == before.actor or not actor.signed_in:
                    raise ApprovalNeeded(operation_id=operation_id, actor=before.actor)
                values |= {"approved_by": actor.name}
                action = "operation.approve"
            after = await self._change(connection, operation_id, values)
            await self._audit(connection, actor, action, before, after)
            approved = before.awaits_approval
            reach(Step.APPROVAL_WRITTEN if approved else Step.RESUME_WRITTEN)
            return after

        return await self._database.write(work)

    async def change_controls(
        self, operation_id: OperationId, actor: Actor, changes: Mapping[str, Any]
    ) -> Operation:
        async def work(connection: AsyncConnection) -> Operation:
            before = await open_operation(connection, operation_id)
            try:
                controls = before.controls.changed(changes)
            except ValueError as error:
                raise BadControls(problem=str(error)) from None
            refuse_limits_of_dismissal(before.kind, controls)
            if controls == before.controls:
                return before
            if before.awaits_approval:
                raise WaitsForApproval(
                    operation_id=operation_id,
                    actor=before.actor,
                    scope=scope_in_words(str(before.scope), before.filter),
                    limits=str(before.controls),
                )
            values: dict[str, Any] = {"controls": controls_as_text(controls)}
            if controls.canary != before.controls.canary:
                values |= first_canary(controls)
            after = await self._change(connection, operation_id, values)
            change = f"{before.controls} -> {after.controls}"
            await self._audit(connection, actor, "operation.pace", before, after, result=change)
            reach(Step.CONTROLS_WRITTEN)
            return after

        return await self._database.write(work)

    async def move_canary(
        self, operation: Operation, to: CanaryState, until: datetime | None = None
    ) -> Operation:
        async def work(connection: AsyncConnection) -> Operation:
            before = await own_operation(connection, operation)
            values: dict[str, Any] = {"canary": to, "canary_until": until}
            if to is CanaryState.PENDING:
                values |= {"canary_after": operations.c.claimed_through}
            after = await self._change(connection, operation.operation_id, values)
            if to is CanaryState.PASSED and before.canary is not to:
                await self._audit_canary(connection, before, after)
            reach(Step.CANARY_WRITTEN)
            return after

        return await self._database.write(work)

    async def tried(self, operation: Operation) -> Tried:
        return _tried_of(await self._database.rows(_tried(operation)))

    async def _change(
        self, connection: AsyncConnection, operation_id: OperationId, values: Mapping[str, Any]
    ) -> Operation:
        changed = await connection.execute(
            update(operations)
            .where(operations.c.operation_id == operation_id)
            .values(dict(values))
            .returning(operations)
        )
        return operation_of(changed.one())

    async def _audit_canary(
        self, connection: AsyncConnection, before: Operation, after: Operation
    ) -> None:
        tried = _tried_of((await connection.execute(_tried(after))).all())
        await self._audit(
            connection,
            Actor(name="canary", origin=RUNNER),
            "operation.canary",
            before,
            after,
            result="passed",
            counts={
                "requeued": tried.handed_over,
                "recovered": tried.recovered,
                "failed_again": tried.failed_again,
            },
        )

    async def _audit(
        self,
        connection: AsyncConnection,
        actor: Actor,
        action: str,
        before: Operation,
        after: Operation,
        reason: str = "",
        result: str = "",
        counts: Mapping[str, int] | None = None,
    ) -> None:
        was, now = that_differ(_told(before), _told(after))
        await add_audit(
            connection,
            self._clock.now(),
            actor,
            action,
            scope_in_words(str(after.scope), after.filter),
            app_id=after.scope.app_id,
            reason=reason,
            result=result or f"{_standing(before)} -> {_standing(after)}",
            operation_id=after.operation_id,
            counts=counts or {"total": after.total, "completed": after.completed},
            before=was,
            after=now,
        )


def first_canary(controls: Controls) -> dict[str, Any]:
    """What the columns of a canary are before it has begun."""
    return {
        "canary": None if controls.canary is None else CanaryState.PENDING,
        "canary_after": None,
        "canary_until": None,
    }


async def open_operation(connection: AsyncConnection, operation_id: OperationId) -> Operation:
    """An open operation, locked. Raises OperationNotFound, OperationFinished."""
    operation = await locked_operation(connection, operation_id)
    if operation.state.terminal:
        raise OperationFinished(operation_id=operation_id, state=operation.state)
    return operation


async def locked_operation(connection: AsyncConnection, operation_id: OperationId) -> Operation:
    """Any operation, locked. Raises OperationNotFound."""
    found = await connection.execute(
        select(operations).where(operations.c.operation_id == operation_id).with_for_update()
    )
    row = found.first()
    if row is None:
        raise OperationNotFound(operation_id=operation_id)
    return operation_of(row)


async def own_operation(connection: AsyncConnection, operation: Operation) -> Operation:
    """The operation of a runner as it is now, locked. Raises StaleRunner."""
    found = await connection.execute(
        select(operations)
        .where(
            operations.c.operation_id == operation.operation_id,
            operations.c.runner_epoch == operation.runner_epoch,
            operations.c.state.in_(OPEN_STATES),
        )
        .with_for_update()
    )
    row: Row[Any] | None = found.first()
    if row is None:
        raise StaleRunner(operation_id=operation.operation_id)
    return operation_of(row)


def _resumed(before: Operation) -> dict[str, Any]:
    values: dict[str, Any] = {
        "pause_wanted": False,
        "paused_by": None,
        "pause_reason": None,
        "turn": operations.c.turn + 1,
    }
    if before.state is _PAUSED:
        values |= {
            "state": OperationState.QUEUED,
            "heard_before": before.heard,
            "failed_before": before.failed_again,
        }
        if before.paused_by in _BY_ITSELF:
            values |= first_canary(before.controls)
    return values


def _tried(operation: Operation) -> Select[Any]:
    """How many the canary handed over, by what became of them."""
    return (
        select(items.c.outcome, func.count().label("number"))
        .join(operations, operations.c.operation_id == items.c.operation_id)
        .where(
            items.c.operation_id == operation.operation_id,
            items.c.failure_seq > operations.c.canary_after,
            items.c.failure_seq <= operations.c.claimed_through,
            items.c.state == ItemState.REQUEUED,
        )
        .group_by(items.c.outcome)
    )


def _tried_of(rows: Sequence[Row[Any]]) -> Tried:
    numbers = {row.outcome: int(row.number) for row in rows}
    return Tried(
        handed_over=sum(numbers.values()),
        recovered=numbers.get(Outcome.RECOVERED, 0),
        failed_again=numbers.get(Outcome.FAILED_AGAIN, 0),
    )


def _told(operation: Operation) -> Mapping[str, Any]:
    """What steering can change, for the audit trail."""
    return {
        "state": operation.state,
        "pause_wanted": operation.pause_wanted,
        "paused_by": operation.paused_by,
        "approved_by": operation.approved_by,
        **asdict(operation.controls),
        "canary_state": operation.canary,
    }


def _standing(operation: Operation) -> str:
    wanted = ", pause wanted" if operation.pause_wanted else ""
    by = f" by {operation.paused_by}" if operation.state is _PAUSED else ""
    return f"{operation.state}{wanted}{by}"
