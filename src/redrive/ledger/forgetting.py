"""The statements that remove finished operations, and entries that are over."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Delete,
    Row,
    Select,
    delete,
    exists,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    OVER_STATES,
    TERMINAL_STATES,
    EntryState,
    Prunable,
    PrunedBatch,
    from_millis,
    to_millis,
)
from redrive.ledger.counting import freeze_selection
from redrive.ledger.cursors import decode, encode
from redrive.ledger.database import Database, upsert
from redrive.ledger.filters import one_of
from redrive.ledger.moves import Moves, move_counts
from redrive.ledger.schema import (
    Millis,
    entries,
    identities,
    items,
    operations,
    payloads,
    pruned_operations,
)
from redrive.ledger.schema_triage import (
    group_activity,
    groups,
    operation_activity,
    regroupings,
)

_KIND = "prunable-entries"
_SUMMED = (
    *("requeued", "skipped", "errored", "dismissed"),
    *("recovered", "failed_again", "failed_same", "vanished", "taken_back"),
)


async def forget_operations(
    database: Database, connection: AsyncConnection, before: datetime, limit: int
) -> PrunedBatch:
    """Remove operations that finished by ``before``, oldest first, as far as ``limit`` items go.

    One with more items than that loses them over several batches, and its row with the last.
    """
    found = (await connection.execute(_finished(before, limit))).all()
    if not found:
        return PrunedBatch(removed={}, more=False)
    ids = _that_fit(found, limit)
    if ids:
        statement = delete(items).where(database.any_of(items.c.operation_id, "ids"))
        removed = await _rows_of(connection, statement, {"ids": database.listed(ids)})
    else:
        ids = [found[0].operation_id]
        own = items.c.operation_id == ids[0]
        first = select(items.c.failure_seq).where(own).order_by(items.c.failure_seq).limit(limit)
        removed = await forget_rows(database, connection, items.c.failure_seq, first, own)
    gone = await connection.execute(
        delete(operations)
        .where(
            database.any_of(operations.c.operation_id, "ids"),
            ~exists().where(items.c.operation_id == operations.c.operation_id),
        )
        .returning(operations),
        {"ids": database.listed(ids)},
    )
    rows = gone.all()
    if rows:
        await connection.execute(
            delete(operation_activity).where(
                database.any_of(operation_activity.c.operation_id, "ids")
            ),
            {"ids": database.listed(row.operation_id for row in rows)},
        )
    await _keep_sums(connection, rows)
    return PrunedBatch(
        removed={Prunable.ITEMS: removed, Prunable.OPERATIONS: len(rows)},
        more=bool(removed or rows) and (len(found) > len(rows) or len(found) == limit),
    )


async def forget_rows(
    database: Database,
    connection: AsyncConnection,
    key: Column[Any],
    chosen: Select[Any],
    *of: ColumnElement[bool],
) -> int:
    """Remove the rows whose keys are ``chosen``, as far as nobody else has them in hand.

    Chosen in a statement of its own: within the removing one, PostgreSQL may evaluate a limited
    choice again and again, and so remove everything.
    """
    keys = (await connection.execute(chosen.with_for_update(skip_locked=True))).scalars().all()
    statement = delete(key.table).where(database.any_of(key, "keys"), *of)
    return await _rows_of(connection, statement, {"keys": database.listed(keys)}) if keys else 0


async def _rows_of(connection: AsyncConnection, statement: Delete, given: dict[str, Any]) -> int:
    return (await connection.execute(statement, given)).rowcount


def _finished(before: datetime, limit: int) -> Select[Any]:
    """Ids sort by the time of creation, so the walk ends where nothing can be old enough. They stay
    finished until this transaction ends: an undo would open one again."""
    return (
        select(operations.c.operation_id, operations.c.total)
        .where(
            operations.c.operation_id < f"op_{to_millis(before) + 1:012x}",
            operations.c.state.in_(TERMINAL_STATES),
            operations.c.finished_at <= before,
        )
        .order_by(operations.c.operation_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _that_fit(found: Sequence[Row[Any]], limit: int) -> list[str]:
    """The first operations that have no more than ``limit`` items together."""
    fitting = []
    for row in found:
        limit -= row.total
        if limit < 0:
            break
        fitting.append(row.operation_id)
    return fitting


async def _keep_sums(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> None:
    sums: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts = sums[row.kind, row.state]
        counts["operations"] += 1
        if row.started_at is not None:
            counts["millis"] += to_millis(row.finished_at) - to_millis(row.started_at)
        for name in _SUMMED:
            counts[name] += row._mapping[name]
    names = ("operations", "millis", *_SUMMED)
    if sums:
        await connection.execute(
            upsert(connection, pruned_operations, ["kind", "state"], add=names),
            [
                {"kind": kind, "state": state} | {name: counts[name] for name in names}
                for (kind, state), counts in sorted(sums.items())
            ],
        )


def over_statement(before: datetime, limit: int, position: str | None) -> Select[Any]:
    """Entries that are over, longest first, and whether an item still names them."""
    order = (entries.c.heard_at, entries.c.id)
    job = (entries.c.source, entries.c.queue, entries.c.job_id)
    statement = select(*order, *job).where(
        one_of(entries.c.state, OVER_STATES), entries.c.heard_at <= before
    )
    if position is not None:
        heard, pk = decode(_KIND, position, int, int)
        after = (literal(from_millis(int(heard)), Millis()), literal(pk))
        statement = statement.where(tuple_(*order) > tuple_(*after))
    oldest = statement.order_by(*order).limit(limit).subquery()
    named = exists().where(items.c.entry_pk == oldest.c.id).label("named")
    return select(oldest, named).order_by(oldest.c.heard_at, oldest.c.id)


def position_of(row: Row[Any]) -> str:
    """Where a walk along :func:`over_statement` goes on."""
    return encode(_KIND, to_millis(row.heard_at), row.id)


async def forget_entries(
    database: Database, connection: AsyncConnection, ids: Sequence[int], before: datetime
) -> int:
    """Remove those of the entries that are still over and unnamed, with their ids and payloads.

    Locked first and asked about afterwards: what was taken, failed or was handed over meanwhile
    stays.
    """
    locked = await connection.execute(
        select(entries.c.id)
        .where(
            database.any_of(entries.c.id, "ids"),
            one_of(entries.c.state, OVER_STATES),
            entries.c.heard_at <= before,
        )
        .order_by(entries.c.id)
        .with_for_update(skip_locked=True),
        {"ids": database.listed(ids)},
    )
    gone = await connection.execute(
        delete(entries)
        .where(
            database.any_of(entries.c.id, "ids"),
            ~exists().where(items.c.entry_pk == entries.c.id),
        )
        .returning(entries.c.entry_id, entries.c.app_id, entries.c.group_pk, entries.c.state),
        {"ids": database.listed(locked.scalars())},
    )
    rows = gone.all()
    if rows:
        await connection.execute(
            delete(payloads).where(database.any_of(payloads.c.entry_id, "ids")),
            {"ids": database.listed(row.entry_id for row in rows)},
        )
        await connection.execute(
            delete(identities).where(database.any_of(identities.c.entry_id, "ids")),
            {"ids": database.listed(row.entry_id for row in rows)},
        )
    moves: Moves = Counter((row.app_id, row.group_pk, EntryState(row.state), None) for row in rows)
    await move_counts(connection, moves)
    return len(rows)


async def forget_group_activity(connection: AsyncConnection, before: int, limit: int) -> int:
    """Remove minutes of the charts of groups, oldest first."""
    key = (group_activity.c.group_pk, group_activity.c.minute)
    chosen = (
        select(*key)
        .where(group_activity.c.minute <= before)
        .order_by(group_activity.c.minute)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = [tuple(row) for row in (await connection.execute(chosen)).all()]
    statement = delete(group_activity).where(tuple_(*key).in_(rows))
    return await _rows_of(connection, statement, {}) if rows else 0


async def forget_groups(
    database: Database, connection: AsyncConnection, before: datetime, limit: int
) -> int:
    """Remove groups that no entry belongs to and in which nothing failed since ``before``, unless
    somebody left a note; what they took over goes with them. Returns how many went.

    Nothing is taken in meanwhile, so that no new entry finds its group gone.
    """
    await freeze_selection(connection)
    over = (
        select(groups.c.group_pk)
        .where(
            groups.c.failed == 0,
            groups.c.entries == 0,
            groups.c.last_failed_at <= before,
            or_(groups.c.note == "", groups.c.merged_into.is_not(None)),
            groups.c.group_pk.not_in(select(regroupings.c.old_pk)),
            groups.c.group_pk.not_in(select(regroupings.c.new_pk)),
        )
        .order_by(groups.c.group_pk)
        .limit(limit)
    )
    ids = (await connection.execute(over)).scalars().all()
    named = database.any_of(groups.c.group_pk, "ids")
    heirs = database.any_of(groups.c.merged_into, "ids")
    statement = delete(groups).where(or_(named, heirs))
    return await _rows_of(connection, statement, {"ids": database.listed(ids)}) if ids else 0
