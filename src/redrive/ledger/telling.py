"""What a plan tells of its frozen selection."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Select, case, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger

from redrive.domain import (
    DATA_UNREADABLE,
    OPTIONS_UNREADABLE,
    Breakdown,
    Entry,
    OperationKind,
    OperationState,
    Part,
)
from redrive.ledger.rows import entry_of, select_entries
from redrive.ledger.schema import entries, operations
from redrive.ledger.schema_triage import groups, selections

_TOP = 20
_SAMPLES = 10
_RECENT = 50
_TOLD_FROM = 1000  # the rate of a smaller operation says nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """How many selected entries each app, group and queue has, and how many no worker can read."""

    by_app: Counter[str]
    by_group: Counter[int | None]
    by_queue: Counter[tuple[str, str]]
    unreadable: int


async def look_at(connection: AsyncConnection, plan_id: str) -> Look:
    """Count a selection in one go."""
    apart = (entries.c.app_id, entries.c.group_pk, entries.c.source, entries.c.queue)
    is_unreadable = entries.c.defect.in_((DATA_UNREADABLE, OPTIONS_UNREADABLE))
    found = await connection.execute(
        select(*apart, func.count(), func.sum(case((is_unreadable, 1), else_=0)))
        .select_from(_selected())
        .where(selections.c.plan_id == plan_id)
        .group_by(*apart)
    )
    by_app: Counter[str] = Counter()
    by_group: Counter[int | None] = Counter()
    by_queue: Counter[tuple[str, str]] = Counter()
    unreadable = 0
    for app_id, group_pk, source, queue, number, unread in found.all():
        by_app[app_id] += number
        by_group[group_pk] += number
        by_queue[source, queue] += number
        unreadable += int(unread)
    return Look(by_app=by_app, by_group=by_group, by_queue=by_queue, unreadable=unreadable)


def apps_of(look: Look) -> Breakdown:
    """A selection by app."""
    return _breakdown(look.by_app, lambda app_id, number: Part(key=app_id, entries=number))


def queues_of(look: Look) -> Breakdown:
    """A selection by queue."""
    return _breakdown(
        look.by_queue, lambda key, number: Part(key=key[1], entries=number, source=key[0])
    )


async def groups_of(connection: AsyncConnection, look: Look) -> Breakdown:
    """A selection by group, each with its title."""
    top = [key for key, _ in _ranked(look.by_group)[:_TOP] if key is not None]
    found = await connection.execute(
        select(groups.c.group_pk, groups.c.group_id, groups.c.title).where(
            groups.c.group_pk.in_(top)
        )
    )
    named = {row.group_pk: row for row in found.all()}

    def part(key: int | None, number: int) -> Part:
        row = named.get(key)
        if row is None:
            return Part(key=None, entries=number)
        return Part(key=row.group_id, entries=number, title=row.title)

    return _breakdown(look.by_group, part)


async def samples(connection: AsyncConnection, plan_id: str, total: int) -> tuple[Entry, ...]:
    """Ten entries, spread over the selection from its oldest failure to its newest."""
    if not total:
        return ()
    seq = selections.c.failure_seq
    own = selections.c.plan_id == plan_id
    first = int((await connection.execute(select(func.min(seq)).where(own))).scalar_one())
    last = int((await connection.execute(select(func.max(seq)).where(own))).scalar_one())
    chosen: list[int] = []
    for number in range(_SAMPLES):
        wanted = first + (last - first) * number // max(_SAMPLES - 1, 1)
        after = max(wanted, chosen[-1] + 1) if chosen else wanted
        found = await connection.execute(
            select(seq).where(own, seq >= after).order_by(seq).limit(1)
        )
        chosen += found.scalars().all()
    if len(chosen) < min(total, _SAMPLES):
        begin = await connection.execute(select(seq).where(own).order_by(seq).limit(2 * _SAMPLES))
        more = [one for one in begin.scalars() if one not in chosen]
        chosen += more[: _SAMPLES - len(chosen)]
    rows = await connection.execute(
        select_entries()
        .select_from(_selected())
        .where(own, seq.in_(chosen))
        .order_by(selections.c.failure_seq)
    )
    return tuple(entry_of(row) for row in rows.all())


async def typical_rate(connection: AsyncConnection, kind: OperationKind) -> float | None:
    """Entries per second of the larger ones among the newest operations of this kind that went as
    fast as they could, if any."""
    newest: Select[Any] = (
        select(operations.c.kind, operations.c.state, operations.c.total)
        .add_columns(operations.c.controls, operations.c.turn, operations.c.approved_by)
        .add_columns(*(type_coerce(operations.c[name], BigInteger) for name in _ENDS))
        .order_by(operations.c.operation_id.desc())
        .limit(_RECENT)
    )
    told = [row for row in (await connection.execute(newest)).all() if _tells(row, kind)]
    millis = sum(row.finished_at - row.started_at for row in told)
    settled = sum(row.total for row in told)
    return settled / timedelta(milliseconds=millis).total_seconds() if millis else None


_ENDS = ("started_at", "finished_at")


def _tells(row: Row[Any], kind: OperationKind) -> bool:
    """Of an operation that had a limit, or that was paused once it had begun, the time says
    nothing. An approval is a turn of its own, before it began."""
    completed = row.kind == kind and row.state == OperationState.COMPLETED
    at_full_speed = row.controls is None and row.turn == int(row.approved_by is not None)
    is_measured = row.total >= _TOLD_FROM and row.started_at is not None
    return completed and at_full_speed and is_measured


def _selected() -> Any:
    return selections.join(entries, entries.c.id == selections.c.entry_pk)


def _breakdown(counts: Counter[Any], part: Any) -> Breakdown:
    ranked = _ranked(counts)
    rest = ranked[_TOP:]
    return Breakdown(
        parts=tuple(part(key, number) for key, number in ranked[:_TOP]),
        others=len(rest),
        other_entries=sum(number for _, number in rest),
    )


def _ranked(counts: Counter[Any]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
