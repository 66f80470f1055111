"""What an operator asks in an incident, read from the ledger at a bounded cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, literal_column, or_, select

from redrive.domain import (
    ActivityPoint,
    App,
    AppId,
    Entry,
    EntryFilter,
    EntryState,
    ItemState,
    JobId,
    MatchCount,
    OperationId,
    OutcomePoint,
    Reason,
    ReasonCount,
    entry_id_of,
    from_millis,
    to_millis,
)
from redrive.ledger.filters import Walk, conditions_of, one_of, order_of
from redrive.ledger.identities import any_named
from redrive.ledger.rows import (
    app_of,
    entry_of,
    select_apps,
    select_entries,
    select_failing_since,
)
from redrive.ledger.schema import activity, apps, cursors, entries, items
from redrive.ledger.schema_triage import operation_activity, plan_apps
from redrive.ledger.snapshot import Readable

_MOST_QUEUES = 1000


class SqlInsightLedger:
    """:class:`redrive.ports.InsightLedger` in SQL."""

    def __init__(self, database: Readable) -> None:
        self._database = database

    async def activity(self, since: datetime, step: timedelta) -> list[ActivityPoint]:
        millis = int(step.total_seconds() * 1000)
        begin = activity.c.minute - activity.c.minute % millis
        rows = await self._database.rows(
            select(
                begin.label("at"),
                func.sum(activity.c.failed).label("failed"),
                func.sum(activity.c.recovered).label("recovered"),
            )
            .where(activity.c.minute >= to_millis(since))
            .group_by(begin)
            .order_by(begin)
        )
        return [
            ActivityPoint(
                at=from_millis(row.at), failed=int(row.failed), recovered=int(row.recovered)
            )
            for row in rows
        ]

    async def first_activity(self) -> datetime | None:
        (row,) = await self._database.rows(select(func.min(activity.c.minute)))
        return None if row[0] is None else from_millis(row[0])

    async def failing_since(self) -> datetime | None:
        (row,) = await self._database.rows(select_failing_since())
        since: datetime | None = row[0]
        return since

    async def count(self, entry_filter: EntryFilter, most: int, looked_at: int) -> MatchCount:
        walk = Walk(*order_of(entry_filter), oldest_first=False, after=None)
        end = await self._database.rows(
            walk.end_of_look(conditions_of(entry_filter.indexed), looked_at)
        )
        last = tuple(end[0]) if end else None
        fitting = walk.bounded(select(entries.c.failure_seq), last)
        fitting = fitting.where(*conditions_of(entry_filter)).limit(most + 1)
        (row,) = await self._database.rows(select(func.count()).select_from(fitting.subquery()))
        found = int(row[0])
        return MatchCount(found=min(found, most), is_bounded=found > most or last is not None)

    async def in_hand(self, operation_id: OperationId) -> int:
        (row,) = await self._database.rows(
            select(func.count())
            .select_from(entries)
            .where(
                entries.c.operation_id == operation_id,
                entries.c.state == literal_column("'claimed'"),
            )
        )
        return int(row[0])

    async def apps_of_plans(
        self, plan_ids: Sequence[str], most: int
    ) -> Mapping[str, frozenset[AppId]]:
        found: dict[str, frozenset[AppId]] = {}
        for plan_id in plan_ids:
            rows = await self._database.rows(
                select(plan_apps.c.app_id).where(plan_apps.c.plan_id == plan_id).limit(most + 1)
            )
            if 0 < len(rows) <= most:
                found[plan_id] = frozenset(AppId(row.app_id) for row in rows)
        return found

    async def entries_of_jobs(
        self, source: str, queue: str, job_ids: Sequence[JobId]
    ) -> Mapping[JobId, Entry]:
        ids = [entry_id_of(source, queue, job_id) for job_id in job_ids]
        rows = await self._database.rows(
            select_entries().where(any_named(self._database, "ids")),
            {"ids": self._database.listed(ids)},
        )
        return {found.job_id: found for found in map(entry_of, rows)}

    async def apps_named(self, query: str, limit: int) -> list[App]:
        rows = await self._database.rows(
            select_apps()
            .where(
                or_(
                    apps.c.app_id.icontains(query, autoescape=True),
                    apps.c.display_name.icontains(query, autoescape=True),
                )
            )
            .order_by(apps.c.failed.desc(), apps.c.app_id)
            .limit(limit)
        )
        return [app_of(row) for row in rows]

    async def failing_apps(self) -> int:
        (row,) = await self._database.rows(select(func.count()).where(apps.c.failed > 0))
        return int(row[0])

    async def failed_again(self, app_ids: Sequence[AppId], most: int) -> Mapping[AppId, int]:
        again = (
            select(entries.c.app_id)
            .where(
                entries.c.app_id == apps.c.app_id,
                one_of(entries.c.state, [EntryState.FAILED]),
                # Every time: said like this, no index but its own seems to do as well.
                entries.c.moved_at > literal_column("0"),
            )
            .correlate(apps)
            .limit(most)
        )
        number = select(func.count()).select_from(again.subquery()).scalar_subquery()
        rows = await self._database.rows(
            select(apps.c.app_id, number.label("again")).where(
                self._database.any_of(apps.c.app_id, "ids")
            ),
            {"ids": self._database.listed(app_ids)},
        )
        return {AppId(row.app_id): int(row.again) for row in rows}

    async def entries_of_job(self, job_id: JobId) -> list[Entry]:
        followed = await self._database.rows(
            select(cursors.c.source, cursors.c.queue).distinct().limit(_MOST_QUEUES)
        )
        ids = [entry_id_of(row.source, row.queue, job_id) for row in followed]
        rows = await self._database.rows(
            select_entries().where(any_named(self._database, "ids")),
            {"ids": self._database.listed(ids)},
        )
        return [entry_of(row) for row in rows]

    async def outcomes(self, operation_id: OperationId, step: timedelta) -> list[OutcomePoint]:
        minute = operation_activity.c.minute
        begin = minute - minute % int(step.total_seconds() * 1000)
        rows = await self._database.rows(
            select(
                begin.label("at"),
                func.sum(operation_activity.c.recovered).label("recovered"),
                func.sum(operation_activity.c.failed_again).label("failed_again"),
            )
            .where(operation_activity.c.operation_id == operation_id)
            .group_by(begin)
            .order_by(begin)
        )
        return [
            OutcomePoint(
                at=from_millis(row.at),
                recovered=int(row.recovered),
                failed_again=int(row.failed_again),
            )
            for row in rows
        ]

    async def last_outcome(self, operation_id: OperationId) -> datetime | None:
        (row,) = await self._database.rows(
            select(func.max(operation_activity.c.minute)).where(
                operation_activity.c.operation_id == operation_id
            )
        )
        return None if row[0] is None else from_millis(row[0])

    async def reasons(self, operation_id: OperationId, limit: int) -> list[ReasonCount]:
        first = (
            select(items.c.state, items.c.reason)
            .where(items.c.operation_id == operation_id)
            .order_by(items.c.failure_seq)
            .limit(limit)
            .subquery()
        )
        rows = await self._database.rows(
            select(first.c.state, first.c.reason, func.count().label("items"))
            .group_by(first.c.state, first.c.reason)
            .order_by(func.count().desc())
        )
        return [
            ReasonCount(
                state=ItemState(row.state),
                reason=None if row.reason is None else Reason(row.reason),
                items=int(row.items),
            )
            for row in rows
        ]
