"""What operators decide about entries: plans, and dismissals that are taken back."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    Entry,
    EntryState,
    Operation,
    Plan,
    PlanRequest,
    PlanStart,
    StartRequest,
)
from redrive.errors import EntryNotFound, WrongState
from redrive.faultpoints import Step, reach
from redrive.ledger.auditing import add_audit
from redrive.ledger.counting import next_sequences
from redrive.ledger.database import Database
from redrive.ledger.identities import named
from redrive.ledger.moves import move_counts
from redrive.ledger.planned import forget_plans, start_planned
from redrive.ledger.planning import freeze, keep_apps, tell
from redrive.ledger.rows import entry_of, select_entries
from redrive.ledger.schema import entries
from redrive.ports import Clock


class SqlTriageLedger:
    """:class:`redrive.ports.TriageLedger` in SQL."""

    def __init__(self, database: Database, clock: Clock, approval_over: int = 0) -> None:
        self._database = database
        self._clock = clock
        self._approval_over = approval_over

    async def plan(self, request: PlanRequest) -> Plan:
        frozen = await self._database.write(
            lambda connection: freeze(connection, request, self._clock.now())
        )
        reach(Step.PLAN_COMMITTED)
        plan, look = await self._database.read(lambda connection: tell(connection, request, frozen))
        return await self._database.write(lambda connection: keep_apps(connection, plan, look))

    async def start_plan(self, start: PlanStart) -> tuple[Operation, bool]:
        async def work(connection: AsyncConnection) -> tuple[Operation, bool]:
            started = await start_planned(connection, start, self._clock.now(), self._approval_over)
            reach(Step.PLANNED_START_WRITTEN)
            return started

        return await self._database.write(work)

    async def forget_plans(self, limit: int) -> int:
        async def work(connection: AsyncConnection) -> int:
            return await forget_plans(self._database, connection, limit, self._clock.now())

        return await self._database.write(work)

    async def restore(self, request: StartRequest) -> Entry:
        async def work(connection: AsyncConnection) -> Entry:
            restored = await _restore(connection, request, self._clock.now())
            reach(Step.RESTORE_WRITTEN)
            return restored

        return await self._database.write(work)


async def _restore(connection: AsyncConnection, request: StartRequest, now: datetime) -> Entry:
    """A new place on the sequence keeps the entry out of selections that were frozen before."""
    scope = request.scope
    seq = await next_sequences(connection, 1)
    found = await connection.execute(
        select(entries)
        .where(named(scope.entry_id), entries.c.app_id == scope.app_id)
        .with_for_update()
    )
    row = found.first()
    if row is None:
        raise EntryNotFound(entry_id=scope.entry_id, app_id=scope.app_id)
    if row.state != EntryState.DISMISSED:
        raise WrongState(
            entry_id=scope.entry_id, state=row.state, allowed=EntryState.DISMISSED.value
        )
    await connection.execute(
        update(entries)
        .where(entries.c.id == row.id)
        .values(state=EntryState.FAILED, state_reason="", selectable_seq=seq, heard_at=now)
    )
    changed = await connection.execute(select_entries().where(entries.c.id == row.id))
    restored = entry_of(changed.one())
    await move_counts(
        connection,
        Counter({(row.app_id, row.group_pk, EntryState.DISMISSED, EntryState.FAILED): 1}),
    )
    await add_audit(
        connection,
        now,
        request.actor,
        "restore",
        str(scope),
        app_id=scope.app_id,
        reason=request.reason,
        result="restored",
        before={"state": EntryState(row.state)},
        after={"state": restored.state},
    )
    return restored
