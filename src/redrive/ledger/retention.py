"""Removing what is over, in short transactions.

An operation's items go first and its row last, so that an interrupted batch leaves an operation
that the next one finds again. An entry goes when no item names it any more: a page of an operation
never shows an item without its entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    OPEN_STATES,
    JobId,
    OperationKind,
    OverEntry,
    Prunable,
    PrunedBatch,
    to_millis,
)
from redrive.ledger import forgetting
from redrive.ledger.counting import an_operation_is_at_work, share_selection
from redrive.ledger.database import Database, upsert
from redrive.ledger.filters import one_of
from redrive.ledger.schema import activity, audit, operations, pruned
from redrive.ledger.schema_triage import plans
from redrive.ports import Held

_MINUTE = timedelta(minutes=1)
_PLANNED_AT_MOST = timedelta(hours=1)
"""Before its start an operation was planned at most so long: more than a plan is good for, and than
clocks differ."""


class SqlRetentionLedger:
    """:class:`redrive.ports.RetentionLedger` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prune(
        self,
        what: Prunable,
        before: datetime,
        limit: int,
        position: str | None,
        held: Held,
    ) -> PrunedBatch | None:
        if what is Prunable.ENTRIES:
            return await self._prune_entries(before, limit, position, held)

        async def work(connection: AsyncConnection) -> PrunedBatch | None:
            if await an_operation_is_at_work(connection):
                return None
            return await self._prune(connection, what, before, limit)

        return await self._database.write(work)

    async def _prune(
        self, connection: AsyncConnection, what: Prunable, before: datetime, limit: int
    ) -> PrunedBatch:
        if what is Prunable.OPERATIONS:
            batch = await forgetting.forget_operations(self._database, connection, before, limit)
        elif what is Prunable.AUDIT:
            # Rows are nearly in the order of their times, so none is looked for further back.
            first = select(audit.c.seq).order_by(audit.c.seq).limit(limit).subquery()
            chosen = select(audit.c.seq).where(audit.c.seq.in_(select(first)))
            batch = await self._forget(
                connection, what, audit.c.seq, chosen.where(audit.c.at <= before), limit
            )
        elif what is Prunable.GROUPS:
            removed = await forgetting.forget_groups(self._database, connection, before, limit)
            batch = PrunedBatch(removed={what: removed}, more=removed >= limit)
        else:
            batch = await self._prune_activity(connection, to_millis(before - _MINUTE), limit)
        await _count(connection, batch.removed)
        return batch

    async def _prune_activity(
        self, connection: AsyncConnection, before: int, limit: int
    ) -> PrunedBatch:
        """The charts of groups, and then the chart of everything."""
        removed = await forgetting.forget_group_activity(connection, before, limit)
        if removed < limit:
            minute = activity.c.minute
            old = select(minute).where(minute <= before).order_by(minute).limit(limit - removed)
            removed += await forgetting.forget_rows(self._database, connection, minute, old)
        return PrunedBatch(removed={Prunable.ACTIVITY: removed}, more=removed == limit)

    async def _forget(
        self,
        connection: AsyncConnection,
        what: Prunable,
        key: Column[Any],
        chosen: Select[Any],
        limit: int,
    ) -> PrunedBatch:
        removed = await forgetting.forget_rows(self._database, connection, key, chosen)
        return PrunedBatch(removed={what: removed}, more=removed == limit)

    async def _prune_entries(
        self, before: datetime, limit: int, position: str | None, held: Held
    ) -> PrunedBatch | None:
        """What still has items or is held is passed over without a lock."""
        looked = await self._database.rows(forgetting.over_statement(before, limit, position))
        unnamed = [
            OverEntry(entry_pk=row.id, source=row.source, queue=row.queue, job_id=JobId(row.job_id))
            for row in looked
            if not row.named
        ]
        staying = await held(unnamed) if unnamed else ()
        free = [entry.entry_pk for entry in unnamed if entry.entry_pk not in staying]

        async def work(connection: AsyncConnection) -> int | None:
            await share_selection(connection)
            if await an_operation_is_at_work(connection) or await _a_plan_holds(connection):
                return None
            unselected = await _over_before_all(connection, before)
            if unselected is None:
                return 0
            removed = await forgetting.forget_entries(self._database, connection, free, unselected)
            await _count(connection, {Prunable.ENTRIES: removed})
            return removed

        removed = await self._database.write(work) if free else 0
        if removed is None:
            return None
        return PrunedBatch(
            removed={Prunable.ENTRIES: removed},
            more=len(looked) == limit,
            position=forgetting.position_of(looked[-1]) if looked else None,
        )


async def _a_plan_holds(connection: AsyncConnection) -> bool:
    """A plan of a resync selects entries that are over, and may be started any moment."""
    found = await connection.execute(
        select(plans.c.plan_id)
        .where(plans.c.kind == OperationKind.RESYNC, plans.c.operation_id.is_(None))
        .limit(1)
    )
    return found.first() is not None


async def _over_before_all(connection: AsyncConnection, before: datetime) -> datetime | None:
    """When an entry has to have been over to be in the selection of no paused operation: those
    take what was failed when they were planned. None: one is a resync, which takes recovered ones.
    """
    found = await connection.execute(
        select(operations.c.kind, operations.c.created_at).where(
            one_of(operations.c.state, OPEN_STATES)
        )
    )
    paused = found.all()
    if any(row.kind == OperationKind.RESYNC for row in paused):
        return None
    planned_at: list[datetime] = [row.created_at - _PLANNED_AT_MOST for row in paused]
    return min([before, *planned_at])


async def _count(connection: AsyncConnection, removed: Mapping[Prunable, int]) -> None:
    """Add to the counters that outlive the rows."""
    rows = [{"what": what.value, "removed": removed[what]} for what in sorted(removed)]
    rows = [row for row in rows if row["removed"]]
    if rows:
        await connection.execute(upsert(connection, pruned, ["what"], add=["removed"]), rows)
