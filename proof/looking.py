"""Reading the ledger and the engine from outside: while it goes on, and at the end."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any, cast

import redis
from sqlalchemy import and_, func, select

from proof.observed import AuditSeen, EntrySeen, ItemSeen, JobKey, OperationSeen, seconds
from proof.plan import Moment
from redrive.domain import (
    LIVE_STATES,
    OPEN_STATES,
    CanaryState,
    EntryState,
    OperationId,
    OperationState,
    Outcome,
)
from redrive.errors import LedgerUnavailable
from redrive.fingerprint import VERSION
from redrive.ledger import Database
from redrive.ledger.schema import audit, entries, items, operations
from redrive.ledger.schema_triage import groups, operation_activity, regroupings
from tests.support.counts import miscounts

_UNFINISHED = ("wait", "active", "delayed", "prioritized", "paused")


_OUTCOMES = operations.c.recovered + operations.c.failed_again + operations.c.vanished
_MOMENTS = {
    Moment.CANARY_WAITS: and_(
        operations.c.state == OperationState.RUNNING, operations.c.canary == CanaryState.WAITING
    ),
    Moment.PAUSED: operations.c.state == OperationState.PAUSED,
    Moment.OBSERVED: and_(
        operations.c.state == OperationState.COMPLETED, operations.c.requeued > _OUTCOMES
    ),
}


class LedgerView:
    """The ledger of one scenario. While its database is away, nothing is known: None."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    async def _one(self, statement: Any) -> Any:
        try:
            return (await self._database.rows(statement))[0][0]
        except LedgerUnavailable:
            return None

    async def failures(self) -> int | None:
        """How many entries the ledger knows."""
        found: int | None = await self._one(select(func.count()).select_from(entries))
        return found

    async def has_operations(self) -> bool:
        """Whether anything was started."""
        return bool(await self._one(select(func.count()).select_from(operations)))

    async def open_operations(self) -> list[tuple[OperationId, int]] | None:
        """The operations that are not over, each with its epoch."""
        try:
            rows = await self._database.rows(
                select(operations.c.operation_id, operations.c.runner_epoch)
                .where(operations.c.state.in_(OPEN_STATES))
                .order_by(operations.c.operation_id)
            )
        except LedgerUnavailable:
            return None
        return [(OperationId(row.operation_id), row.runner_epoch) for row in rows]

    async def in_state(self, state: OperationState) -> list[OperationId]:
        """The operations in a state; none while the database is away."""
        try:
            rows = await self._database.rows(
                select(operations.c.operation_id).where(operations.c.state == state)
            )
        except LedgerUnavailable:
            return []
        return [OperationId(row.operation_id) for row in rows]

    async def paused(self) -> list[tuple[OperationId, str]]:
        """The operations that rest, and by whom; none while the database is away."""
        try:
            rows = await self._database.rows(
                select(operations.c.operation_id, operations.c.paused_by).where(
                    operations.c.state == OperationState.PAUSED
                )
            )
        except LedgerUnavailable:
            return []
        return [(OperationId(row.operation_id), row.paused_by) for row in rows]

    async def at_moment(self, moment: Moment) -> bool:
        """Whether an operation is in that state right now."""
        found = await self._one(
            select(func.count()).select_from(operations).where(_MOMENTS[moment])
        )
        return bool(found)

    async def dismissed(self) -> list[EntrySeen]:
        return [entry for entry in await self.entries() if entry.state == EntryState.DISMISSED]

    async def unsettled(self) -> int | None:
        """How much the ledger still waits for: open claims, live entries, missing outcomes."""
        live = (*LIVE_STATES, EntryState.CLAIMED)
        found = await self._one(
            select(func.count()).select_from(entries).where(entries.c.state.in_(live))
        )
        waiting = await self._one(
            select(func.count()).select_from(items).where(items.c.outcome == Outcome.WAITING)
        )
        return None if found is None or waiting is None else found + waiting

    async def entries(self) -> list[EntrySeen]:
        rows = await self._database.rows(select(entries))
        return [
            EntrySeen(
                job=(row.queue, row.job_id),
                app_id=row.app_id,
                state=row.state,
                failed_at=seconds(row.failed_at),
                recovered_at=None if row.recovered_at is None else seconds(row.recovered_at),
            )
            for row in rows
        ]

    async def items(self) -> list[ItemSeen]:
        rows = await self._database.rows(
            select(
                items,
                entries.c.queue,
                entries.c.job_id,
                entries.c.moved_at,
                entries.c.generation.label("last"),
                operations.c.kind,
            )
            .join(entries, entries.c.id == items.c.entry_pk)
            .join(operations, operations.c.operation_id == items.c.operation_id)
        )
        return [
            ItemSeen(
                operation_id=row.operation_id,
                kind=row.kind,
                job=(row.queue, row.job_id),
                stamp=f"{row.operation_id}:{row.generation}",
                failed_at=seconds(row.failed_at),
                from_state=row.from_state,
                state=row.state,
                reason=row.reason,
                outcome=row.outcome,
                settled=None if row.settled_at is None else seconds(row.settled_at),
                moved=(
                    seconds(row.moved_at) if row.moved_at and row.last == row.generation else None
                ),
                same_way=row.same_way,
            )
            for row in rows
        ]

    async def operations(self) -> list[OperationSeen]:
        counted = ("requeued", "skipped", "errored", "released", "dismissed", "taken_back")
        outcomes = ("recovered", "failed_again", "failed_same", "vanished")
        minutes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for row in await self._database.rows(select(operation_activity)):
            minutes[row.operation_id]["recovered"] += row.recovered
            minutes[row.operation_id]["failed_again"] += row.failed_again
        rows = await self._database.rows(select(operations).order_by(operations.c.operation_id))
        return [
            OperationSeen(
                operation_id=row.operation_id,
                kind=row.kind,
                scope=row.scope,
                state=row.state,
                total=row.total,
                counts={name: getattr(row, name) for name in (*counted, *outcomes)},
                by_minute=dict(minutes[row.operation_id]),
                actor=row.actor,
                app_id=row.app_id,
                error=row.error,
                approved_by=row.approved_by,
                cancelled_by=row.cancelled_by,
                where=json.loads(row.filter or "{}"),
            )
            for row in rows
        ]

    async def audit(self) -> list[AuditSeen]:
        """The audit trail, oldest first."""
        return [
            AuditSeen(
                action=row.action,
                operation_id=row.operation_id,
                result=row.result,
                counts=json.loads(row.counts),
                actor=row.actor,
                before=None if row.before is None else json.loads(row.before),
            )
            for row in await self._database.rows(select(audit).order_by(audit.c.seq))
        ]

    async def miscounts(self) -> list[str]:
        """The counters of apps and groups that are not what a count says."""
        return await miscounts(self._database)

    async def regrouped(self) -> bool:
        """Whether every group that has entries is of the present version of the fingerprint."""
        left = select(func.count()).where(groups.c.version < VERSION, groups.c.entries > 0)
        tallied = select(func.count()).select_from(regroupings)
        return [await self._one(left), await self._one(tallied)] == [0, 0]

    async def close(self) -> None:
        await self._database.close()


class EngineView:
    """The queues of one scenario, read with plain commands. While Redis is away: None."""

    def __init__(self, port: int, queues: list[str]) -> None:
        self._client = redis.Redis(port=port, decode_responses=True)
        self._queues = queues

    def failed(self) -> dict[JobKey, float]:
        """The failed jobs with their finish times."""
        return {
            (queue, job_id): millis / 1000
            for queue in self._queues
            for job_id, millis in self._pairs(f"bull:{queue}:failed")
        }

    def failed_count(self) -> int | None:
        try:
            return len(self.failed())
        except redis.RedisError:
            return None

    def unfinished(self) -> int | None:
        """How many jobs a worker still has to do, or is doing."""
        try:
            return sum(
                self._length(f"bull:{q}:{name}") for q in self._queues for name in _UNFINISHED
            )
        except redis.RedisError:
            return None

    def close(self) -> None:
        self._client.close()

    def _pairs(self, key: str) -> list[tuple[str, float]]:
        return cast("list[tuple[str, float]]", self._client.zrange(key, 0, -1, withscores=True))

    def _length(self, key: str) -> int:
        kind = self._client.type(key)
        if kind == "list":
            return int(self._client.llen(key))
        return int(self._client.zcard(key)) if kind == "zset" else 0
