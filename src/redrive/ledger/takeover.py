"""What a group takes over from the group of an older version that its entries were in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, case, delete, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.ledger.database import Database, upsert
from redrive.ledger.schema import Millis
from redrive.ledger.schema_triage import group_activity, groups, regroupings


async def take_over_next(database: Database, connection: AsyncConnection, limit: int) -> int | None:
    """Let the next old group hand over; returns 1, or 0 if there is more of its history than
    ``limit`` minutes. None when no old group is left, and the tally is gone."""
    waiting = (
        select(regroupings.c.old_pk)
        .join(groups, groups.c.group_pk == regroupings.c.old_pk)
        .where(groups.c.merged_into.is_(None))
        .order_by(regroupings.c.old_pk)
        .limit(1)
    )
    old_pk = (await connection.execute(waiting)).scalar()
    if old_pk is None:
        await connection.execute(delete(regroupings))
        return None
    tallies = await connection.execute(
        select(regroupings)
        .where(regroupings.c.old_pk == old_pk)
        .order_by(regroupings.c.entries.desc(), regroupings.c.new_pk)
    )
    heirs = [int(row.new_pk) for row in tallies.all()]
    locked = await connection.execute(
        select(groups)
        .where(database.any_of(groups.c.group_pk, "pks"))
        .order_by(groups.c.group_pk)
        .with_for_update(),
        {"pks": database.listed([old_pk, *heirs])},
    )
    rows = {int(row.group_pk): row for row in locked.all()}
    if await _hand_over_activity(database, connection, old_pk, heirs[0], limit):
        return 0
    await _hand_over_note(connection, rows, old_pk, heirs)
    await _hand_over_rest(connection, rows[old_pk], heirs[0])
    return 1


async def _hand_over_activity(
    database: Database, connection: AsyncConnection, old_pk: int, heir: int, limit: int
) -> bool:
    """Move minutes of the chart, oldest first; returns whether there may be more."""
    own = group_activity.c.group_pk == old_pk
    first = select(group_activity).where(own).order_by(group_activity.c.minute).limit(limit)
    rows = (await connection.execute(first)).all()
    if rows:
        await connection.execute(
            upsert(connection, group_activity, ["group_pk", "minute"], add=["failed"]),
            [{"group_pk": heir, "minute": row.minute, "failed": row.failed} for row in rows],
        )
        minutes = {"minutes": database.listed(row.minute for row in rows)}
        await connection.execute(
            delete(group_activity).where(own, database.any_of(group_activity.c.minute, "minutes")),
            minutes,
        )
    return len(rows) == limit


async def _hand_over_note(
    connection: AsyncConnection, rows: dict[int, Row[Any]], old_pk: int, heirs: Sequence[int]
) -> None:
    """The note and the first sight go to every group most of whose entries were in this one. The
    heir has the note in any case, unless that group's own or its main old group's comes first."""
    old = rows[old_pk]
    for pk in heirs:
        main = (await connection.execute(_main_old(pk))).one()
        is_main = main.group_pk == old_pk
        values: dict[str, Any] = {}
        if old.note and not rows[pk].note and (is_main or (pk == heirs[0] and not main.note)):
            values = {"note": old.note, "noted_by": old.noted_by, "noted_at": old.noted_at}
        if (is_main or pk == heirs[0]) and old.first_seen_at < rows[pk].first_seen_at:
            values["first_seen_at"] = old.first_seen_at
        if values:
            await connection.execute(update(groups).where(groups.c.group_pk == pk).values(values))


def _main_old(pk: int) -> Select[Any]:
    """The old group that most of a group's entries were in."""
    return (
        select(groups.c.group_pk, groups.c.note)
        .join(regroupings, regroupings.c.old_pk == groups.c.group_pk)
        .where(regroupings.c.new_pk == pk)
        .order_by(regroupings.c.entries.desc(), regroupings.c.old_pk)
        .limit(1)
    )


async def _hand_over_rest(connection: AsyncConnection, old: Row[Any], heir: int) -> None:
    """The failures of before, which no entry took along; and from now on the old id names the
    heir."""
    last = literal(old.last_failed_at, Millis())
    await connection.execute(
        update(groups)
        .where(groups.c.group_pk == heir)
        .values(
            failures=groups.c.failures + old.failures,
            last_failed_at=case(
                (groups.c.last_failed_at < last, last), else_=groups.c.last_failed_at
            ),
        )
    )
    await connection.execute(
        update(groups).where(groups.c.group_pk == old.group_pk).values(merged_into=heir, failures=0)
    )
    await connection.execute(
        update(groups).where(groups.c.merged_into == old.group_pk).values(merged_into=heir)
    )
