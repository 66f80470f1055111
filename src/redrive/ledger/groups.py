"""Reading groups, at a bounded cost."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Row,
    Select,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
)

from redrive.domain import (
    AppId,
    EntryId,
    EntryState,
    Group,
    GroupDetail,
    GroupFilter,
    GroupFrame,
    GroupId,
    GroupPoint,
    MatchCount,
    from_millis,
    to_millis,
)
from redrive.ledger.cursors import decode_ints, encode
from redrive.ledger.filters import Walk, group_pk_of, one_of
from redrive.ledger.rows import entry_of, select_entries
from redrive.ledger.schema import entries
from redrive.ledger.schema_triage import group_activity, groups
from redrive.ledger.snapshot import Readable
from redrive.ports import Page

_KIND = "groups"
_GROUPS_PER_LOOK = 2_000
_MOST_APPS_LISTED, _MOST_APPS = 100, 1_000
_MOST_NAMED = 20
_IS_FAILED = one_of(entries.c.state, [EntryState.FAILED])


class SqlGroupInsight:
    """:class:`redrive.ports.GroupInsight` in SQL."""

    def __init__(self, database: Readable) -> None:
        self._database = database

    async def groups(
        self,
        group_filter: GroupFilter,
        since: datetime,
        step: timedelta,
        cursor: str | None,
        limit: int,
    ) -> Page[Group]:
        after = None if cursor is None else decode_ints(_KIND, cursor, 2)
        walk = Walk(groups.c.failed, groups.c.group_pk, oldest_first=False, after=after)
        shown: list[ColumnElement[bool]] = [groups.c.merged_into.is_(None)]
        if not group_filter.with_quiet:
            shown.append(groups.c.failed > 0)
        wanted = _conditions(group_filter)
        last_looked = None
        if wanted:
            end = await self._database.rows(walk.end_of_look(shown, _GROUPS_PER_LOOK))
            last_looked = tuple(end[0]) if end else None
        statement = walk.bounded(_select_groups().where(*shown, *wanted), last_looked)
        rows = await self._database.rows(statement.limit(limit + 1))
        found = [(int(row.failed), int(row.group_pk)) for row in rows]
        position = walk.position_after(found, limit, last_looked)
        return Page(
            items=await self._groups_of(rows[:limit], since, step, _MOST_APPS_LISTED),
            next_cursor=None if position is None else encode(_KIND, *position),
        )

    async def group(
        self, group_id: GroupId, since: datetime, step: timedelta
    ) -> GroupDetail | None:
        rows = await self._database.rows(
            _select_groups().where(groups.c.group_pk == group_pk_of(group_id))
        )
        if not rows:
            return None
        (group,) = await self._groups_of(rows, since, step, _MOST_APPS)
        example = await self._database.rows(select_entries().where(entries.c.id == rows[0].example))
        return GroupDetail(
            group=group,
            example=entry_of(example[0]) if example else None,
            touched=await self._first_apps(int(rows[0].group_pk)),
        )

    async def group_titles(self, group_ids: Sequence[GroupId]) -> Mapping[GroupId, str]:
        heir = groups.alias()
        heir_pk = func.coalesce(groups.c.merged_into, groups.c.group_pk)
        rows = await self._database.rows(
            select(groups.c.group_id, heir.c.title)
            .join(heir, heir.c.group_pk == heir_pk)
            .where(self._database.any_of(groups.c.group_id, "ids")),
            {"ids": self._database.listed(group_ids)},
        )
        return {GroupId(row.group_id): row.title for row in rows}

    async def failing_groups(self) -> int:
        (row,) = await self._database.rows(select(func.count()).where(groups.c.failed > 0))
        return int(row[0])

    async def _groups_of(
        self, rows: Sequence[Row[Any]], since: datetime, step: timedelta, most_apps: int
    ) -> list[Group]:
        pks = [int(row.group_pk) for row in rows]
        if not pks:
            return []
        charts = await self._charts(pks, since, step)
        touched = await self._apps(pks, most_apps)
        ids = await self._entry_ids([row.example for row in rows if row.example is not None])
        return [
            _group_of(row, touched[row.group_pk], charts[row.group_pk], ids.get(row.example))
            for row in rows
        ]

    async def _entry_ids(self, pks: Sequence[int]) -> Mapping[int, EntryId]:
        rows = await self._database.rows(
            select(entries.c.id, entries.c.entry_id).where(
                self._database.any_of(entries.c.id, "pks")
            ),
            {"pks": self._database.listed(pks)},
        )
        return {row.id: EntryId(row.entry_id) for row in rows}

    async def _charts(
        self, pks: Sequence[int], since: datetime, step: timedelta
    ) -> Mapping[int, tuple[GroupPoint, ...]]:
        millis = int(step.total_seconds() * 1000)
        begin = group_activity.c.minute - group_activity.c.minute % millis
        rows = await self._database.rows(
            select(
                group_activity.c.group_pk,
                begin.label("at"),
                func.sum(group_activity.c.failed).label("failed"),
            )
            .where(
                self._database.any_of(group_activity.c.group_pk, "pks"),
                group_activity.c.minute >= to_millis(since),
            )
            .group_by(group_activity.c.group_pk, begin)
            .order_by(begin),
            {"pks": self._database.listed(pks)},
        )
        charts: defaultdict[int, tuple[GroupPoint, ...]] = defaultdict(tuple)
        for row in rows:
            point = GroupPoint(at=from_millis(row.at), failed=int(row.failed))
            charts[row.group_pk] += (point,)
        return charts

    async def _apps(self, pks: Sequence[int], most: int) -> Mapping[int, MatchCount]:
        """How many apps have failed entries of each group, counted up to ``most``."""
        touched = self._touched()
        rows = await self._database.rows(
            select(touched.c.group_pk, func.count(touched.c.app_id).label("apps")).group_by(
                touched.c.group_pk
            ),
            {"pks": self._database.listed(pks), "most": most},
        )
        return {
            row.group_pk: MatchCount(found=min(row.apps, most), is_bounded=row.apps > most)
            for row in rows
        }

    async def _first_apps(self, group_pk: int) -> tuple[AppId, ...]:
        """The first apps with failed entries of a group, by name."""
        touched = self._touched()
        rows = await self._database.rows(
            select(touched.c.app_id)
            .where(touched.c.app_id.is_not(None))
            .order_by(touched.c.place)
            .limit(_MOST_NAMED),
            {"pks": self._database.listed([group_pk]), "most": _MOST_NAMED},
        )
        return tuple(AppId(row.app_id) for row in rows)

    def _touched(self) -> CTE:
        """The apps with failed entries of groups, by name.

        One look into the index per app, from each app to the next one: a group's entries are not
        counted, however many they are.
        """
        next_app = select(func.min(entries.c.app_id)).where(_IS_FAILED)
        first = next_app.where(entries.c.group_pk == groups.c.group_pk).correlate(groups)
        touched = (
            select(
                groups.c.group_pk,
                first.scalar_subquery().label("app_id"),
                literal(1).label("place"),
            )
            .where(self._database.any_of(groups.c.group_pk, "pks"))
            .cte("touched", recursive=True)
        )
        following = next_app.where(
            entries.c.group_pk == touched.c.group_pk, entries.c.app_id > touched.c.app_id
        ).correlate(touched)
        return touched.union_all(
            select(touched.c.group_pk, following.scalar_subquery(), touched.c.place + 1).where(
                touched.c.app_id.is_not(None), touched.c.place <= bindparam("most")
            )
        )


def _select_groups() -> Select[Any]:
    """Selects what :func:`_group_of` reads. The example is the entry that failed last, unless it
    has failed in another way since, or is gone: then the newest one that is failed now."""
    kept = select(entries.c.id).where(
        entries.c.id == groups.c.example_pk, entries.c.group_pk == groups.c.group_pk
    )
    newest = (
        select(entries.c.id)
        .where(entries.c.group_pk == groups.c.group_pk, _IS_FAILED)
        .order_by(entries.c.failed_at.desc(), entries.c.failure_seq.desc())
        .limit(1)
    )
    found = (kept.correlate(groups).scalar_subquery(), newest.correlate(groups).scalar_subquery())
    return select(groups, func.coalesce(*found).label("example"))


def _conditions(group_filter: GroupFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if group_filter.app_id is not None:
        conditions.append(
            exists()
            .where(
                entries.c.group_pk == groups.c.group_pk,
                entries.c.app_id == group_filter.app_id,
                _IS_FAILED,
            )
            .correlate(groups)
        )
    if group_filter.queue is not None:
        conditions.append(groups.c.queue == group_filter.queue)
    if group_filter.query:
        wanted = group_filter.query
        texts = (groups.c.title, groups.c.error_type, groups.c.job_name, groups.c.note)
        found = [column.icontains(wanted, autoescape=True) for column in texts]
        conditions.append(or_(*found, groups.c.group_pk == group_pk_of(wanted)))
    return conditions


def _group_of(
    row: Row[Any], touched: MatchCount, chart: tuple[GroupPoint, ...], example: EntryId | None
) -> Group:
    return Group(
        group_id=GroupId(row.group_id),
        source=row.source,
        queue=row.queue,
        job_name=row.job_name,
        error_type=row.error_type,
        title=row.title,
        basis=row.basis,
        frames=tuple(
            GroupFrame(module=module, function=function, is_own=is_own)
            for module, function, is_own in json.loads(row.frames)
        ),
        failed=row.failed,
        entries=row.entries,
        failures=row.failures,
        apps=touched,
        first_seen_at=row.first_seen_at,
        last_failed_at=row.last_failed_at,
        chart=chart,
        example_entry_id=example,
        note=row.note,
        noted_by=row.noted_by,
        noted_at=row.noted_at,
    )
