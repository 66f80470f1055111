"""Reading the ledger: keyset pages, bounded cost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    App,
    AppId,
    Entry,
    EntryDetail,
    EntryFilter,
    EntryId,
    EntryState,
    Item,
    ItemState,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    OperationTally,
    Outcome,
    Prunable,
    to_millis,
)
from redrive.errors import LedgerUnavailable, SchemaOutdated
from redrive.ledger.cursors import decode, decode_ints, encode
from redrive.ledger.filters import Position, Walk, conditions_of, order_of, position_of
from redrive.ledger.groups import SqlGroupInsight
from redrive.ledger.identities import named
from redrive.ledger.insight import SqlInsightLedger
from redrive.ledger.migrations import require_current_schema
from redrive.ledger.payloads import read_payload
from redrive.ledger.rows import (
    app_of,
    chapter_of,
    entry_of,
    item_of,
    operation_of,
    operations_of,
    select_apps,
    select_entries,
    select_open_operations,
)
from redrive.ledger.schema import (
    activity,
    apps,
    entries,
    items,
    operations,
    pruned,
    pruned_operations,
)
from redrive.ledger.snapshot import Snapshot
from redrive.ports import Page, ReadingLedger

T = TypeVar("T")

_CHAPTERS = 100
_TALLIED = (
    *("requeued", "skipped", "errored", "dismissed"),
    *("recovered", "failed_again", "failed_same", "vanished", "taken_back"),
)


class SqlReadingLedger(SqlInsightLedger, SqlGroupInsight):
    """:class:`redrive.ports.ReadingLedger` in SQL."""

    async def snapshot(self, ask: Callable[[ReadingLedger], Awaitable[T]]) -> T:
        async def work(connection: AsyncConnection) -> T:
            return await ask(SqlReadingLedger(Snapshot(self._database, connection)))

        return await self._database.read(work)

    async def open_operations(self) -> list[Operation]:
        return operations_of(await self._database.rows(select_open_operations()))

    async def totals(self) -> Mapping[EntryState, int]:
        sums = [func.coalesce(func.sum(apps.c[state.value]), 0) for state in EntryState]
        (row,) = await self._database.rows(select(*sums))
        return {state: int(value) for state, value in zip(EntryState, row, strict=True)}

    async def recovered_since(self, since: datetime) -> int:
        (row,) = await self._database.rows(
            select(func.coalesce(func.sum(activity.c.recovered), 0)).where(
                activity.c.minute >= to_millis(since)
            )
        )
        return int(row[0])

    async def apps(self, cursor: str | None, limit: int) -> Page[App]:
        statement = select_apps().order_by(apps.c.failed.desc(), apps.c.app_id).limit(limit + 1)
        if cursor is not None:
            failed, app_id = decode("apps", cursor, int, str)
            statement = statement.where(
                or_(
                    apps.c.failed < failed,
                    (apps.c.failed == failed) & (apps.c.app_id > app_id),
                )
            )
        rows = await self._database.rows(statement)
        found = [app_of(row) for row in rows[:limit]]
        last = found[-1] if len(rows) > limit else None
        return Page(
            items=found,
            next_cursor=None if last is None else encode("apps", last.failed, last.app_id),
        )

    async def app(self, app_id: AppId) -> App | None:
        rows = await self._database.rows(select_apps().where(apps.c.app_id == app_id))
        return app_of(rows[0]) if rows else None

    async def entries(
        self, entry_filter: EntryFilter, cursor: str | None, limit: int, oldest_first: bool
    ) -> Page[Entry]:
        order = order_of(entry_filter)
        name = "failed" if entry_filter.is_by_time else "entries"
        kind = f"{name}-up" if oldest_first else f"{name}-down"
        after = None if cursor is None else decode_ints(kind, cursor, len(order))
        walk = Walk(*order, oldest_first=oldest_first, after=after)
        last_looked = None
        if entry_filter != entry_filter.indexed:
            last_looked = await self._end_of_look(walk, conditions_of(entry_filter.indexed))
        statement = walk.bounded(select_entries().where(*conditions_of(entry_filter)), last_looked)
        rows = await self._database.rows(statement.limit(limit + 1))
        found = [position_of(entry_filter, row) for row in rows]
        position = walk.position_after(found, limit, last_looked)
        return Page(
            items=[entry_of(row) for row in rows[:limit]],
            next_cursor=None if position is None else encode(kind, *position),
        )

    async def _end_of_look(
        self, walk: Walk, conditions: Sequence[ColumnElement[bool]]
    ) -> Position | None:
        """Where a page stops looking; None if the list ends before."""
        rows = await self._database.rows(walk.end_of_look(conditions))
        return tuple(rows[0]) if rows else None

    async def entry(self, entry_id: EntryId) -> EntryDetail | None:
        async def work(connection: AsyncConnection) -> EntryDetail | None:
            row = (await connection.execute(select_entries().where(named(entry_id)))).first()
            if row is None:
                return None
            kept = await read_payload(connection, entry_id)
            story = (await connection.execute(_story(row.id))).all()
            return EntryDetail(
                entry=entry_of(row),
                stacktrace=kept.stacktrace,
                payload=kept.payload,
                story=tuple(chapter_of(item) for item in story[:_CHAPTERS]),
                has_older=len(story) > _CHAPTERS,
            )

        return await self._database.read(work)

    async def operations(
        self,
        state: OperationState | None,
        app_id: AppId | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Operation]:
        statement = select(operations).order_by(operations.c.operation_id.desc()).limit(limit + 1)
        if state is not None:
            statement = statement.where(operations.c.state == state)
        if app_id is not None:
            statement = statement.where(operations.c.app_id == app_id)
        if cursor is not None:
            (after,) = decode("operations", cursor, str)
            statement = statement.where(operations.c.operation_id < after)
        rows = await self._database.rows(statement)
        found = [operation_of(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(
            items=found,
            next_cursor=encode("operations", found[-1].operation_id) if more else None,
        )

    async def items(
        self,
        operation_id: OperationId,
        state: ItemState | None,
        cursor: str | None,
        limit: int,
        outcome: Outcome | None = None,
        same_way: bool | None = None,
    ) -> Page[Item]:
        after = None if cursor is None else decode_ints("items", cursor)
        walk = Walk(items.c.failure_seq, oldest_first=True, after=after)
        of_operation = items.c.operation_id == operation_id
        wanted = _conditions_of_items(state, outcome, same_way)
        last_looked = await self._end_of_look(walk, [of_operation]) if wanted else None
        statement = _items().where(of_operation, *wanted)
        rows = await self._database.rows(walk.bounded(statement, last_looked).limit(limit + 1))
        found = [(row.failure_seq,) for row in rows]
        position = walk.position_after(found, limit, last_looked)
        return Page(
            items=[item_of(row) for row in rows[:limit]],
            next_cursor=None if position is None else encode("items", *position),
        )

    async def tallies(self) -> list[OperationTally]:
        started = type_coerce(operations.c.started_at, BigInteger)
        finished = type_coerce(operations.c.finished_at, BigInteger)
        kept = select(
            operations.c.kind,
            operations.c.state,
            literal_column("1").label("operations"),
            func.coalesce(finished - started, 0).label("millis"),
            *(operations.c[name] for name in _TALLIED),
        )
        sums_of = ("kind", "state", "operations", "millis", *_TALLIED)
        removed = select(*(pruned_operations.c[name] for name in sums_of))
        all_time = kept.union_all(removed).subquery()
        sums = [
            func.sum(all_time.c[name]).label(name) for name in ("operations", "millis", *_TALLIED)
        ]
        statement = select(all_time.c.kind, all_time.c.state, *sums).group_by(
            all_time.c.kind, all_time.c.state
        )
        return [
            OperationTally(
                kind=OperationKind(row.kind),
                state=OperationState(row.state),
                operations=int(row.operations),
                seconds=int(row.millis) / 1000,
                **{name: int(row._mapping[name]) for name in _TALLIED},
            )
            for row in await self._database.rows(statement)
        ]

    async def pruned(self) -> Mapping[Prunable, int]:
        rows = await self._database.rows(select(pruned))
        removed = {row.what: int(row.removed) for row in rows}
        return {what: removed.get(what.value, 0) for what in Prunable}

    async def reachable(self) -> bool:
        try:
            await require_current_schema(self._database)
        except (LedgerUnavailable, SchemaOutdated):
            return False
        return True


def _story(entry_pk: int) -> Select[Any]:
    """An entry's newest items with their operations, one more than are shown."""
    of_operation = (
        operations.c.kind,
        operations.c.actor,
        operations.c.reason.label("why"),
        operations.c.created_at.label("begun_at"),
    )
    return (
        _items()
        .add_columns(*of_operation)
        .join(operations, operations.c.operation_id == items.c.operation_id)
        .where(items.c.entry_pk == entry_pk)
        .order_by(items.c.operation_id.desc())
        .limit(_CHAPTERS + 1)
    )


def _conditions_of_items(
    state: ItemState | None, outcome: Outcome | None, same_way: bool | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if state is not None:
        conditions.append(items.c.state == state)
    if outcome is not None:
        conditions.append(items.c.outcome == outcome)
    if same_way is not None:
        same = items.c.same_way.is_(True) if same_way else items.c.same_way.is_not(True)
        conditions += [items.c.outcome == Outcome.FAILED_AGAIN, same]
    return conditions


def _items() -> Select[Any]:
    return select(
        items, entries.c.entry_id, entries.c.app_id, entries.c.job_id, entries.c.queue
    ).join(entries, entries.c.id == items.c.entry_pk)
