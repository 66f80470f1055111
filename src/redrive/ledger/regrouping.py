"""Moving entries to the groups of a newer version of the fingerprint, a little at a time.

First all entries are walked along, and those whose group is of an older version, or that have
none, move to the group that the newer version gives them; where they came from is tallied. Then
each old group hands over what it has to the group that most of its entries went to. The place of
the walk is a cursor that moves with what it covers, so that any crash is gone on from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, case, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import DROPPED_AT_ONCE, EntryState, RegroupedBatch
from redrive.faultpoints import Step, reach
from redrive.ledger.counting import an_operation_is_at_work, freeze_selection
from redrive.ledger.database import Database, upsert
from redrive.ledger.grouping import CURRENT, Fingerprints, Told, group_pks
from redrive.ledger.moves import GroupNews, Moves, move_group_counts
from redrive.ledger.rows import unpack
from redrive.ledger.schema import cursors, entries, payloads
from redrive.ledger.schema_triage import groups, regroupings
from redrive.ledger.takeover import take_over_next

_KIND = "regrouping"
_END = "end"
_OWN = {"source": "", "queue": "", "kind": _KIND}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """How far the walk of a version has come; ``value`` is the cursor as it was read."""

    value: str
    version: int
    after_pk: int | None
    """None: at its end."""


class SqlRegroupingLedger:
    """:class:`redrive.ports.RegroupingLedger` in SQL."""

    def __init__(self, database: Database, fingerprints: Fingerprints = CURRENT) -> None:
        self._database = database
        self._fingerprints = fingerprints

    async def regroup(self, limit: int) -> RegroupedBatch | None:
        place = await self._place()
        if place.version > self._fingerprints.version:
            return RegroupedBatch(moved=0, merged=0, more=False)
        if place.after_pk is None:
            return await self._merge(place, limit)
        return await self._move(place, place.after_pk, limit)

    async def _place(self) -> _Place:
        rows = await self._database.rows(
            select(cursors.c.value).where(*(cursors.c[name] == _OWN[name] for name in _OWN))
        )
        value = rows[0].value if rows else ""
        version, _, after = value.partition(":")
        if value and int(version) >= self._fingerprints.version:
            at = None if after == _END else int(after)
            return _Place(value=value, version=int(version), after_pk=at)
        return _Place(value=value, version=self._fingerprints.version, after_pk=0)

    async def _move(self, place: _Place, after_pk: int, limit: int) -> RegroupedBatch | None:
        """Fingerprints are computed before the transaction begins: it only writes."""
        rows = await self._database.rows(_walk(after_pk, limit))
        last = rows[-1].id if len(rows) == limit else None
        seen = {row.id: row for row in rows if self._is_old(row)}
        traces = await self._traces(seen.values())
        told = {pk: _told(row, traces.get(row.entry_id, "")) for pk, row in seen.items()}
        found = {pk: (self._fingerprints.key_of(one), one) for pk, one in told.items()}

        async def work(connection: AsyncConnection) -> RegroupedBatch | None:
            await freeze_selection(connection)
            if await an_operation_is_at_work(connection):
                return None
            locked = await self._locked(connection, seen) if seen else []
            if locked is None or not await self._go_on(connection, place, last):
                return RegroupedBatch(moved=0, merged=0, more=True)
            moved = await self._move_entries(connection, locked, found) if locked else 0
            reach(Step.REGROUP_WRITTEN)
            return RegroupedBatch(moved=moved, merged=0, more=True)

        return await self._database.write(work)

    def _is_old(self, row: Row[Any]) -> bool:
        return row.version is None or row.version < self._fingerprints.version

    async def _traces(self, rows: Iterable[Row[Any]]) -> Mapping[str, str]:
        """What was only announced came without a trace: one that is kept is of a failure before."""
        told = [row.entry_id for row in rows if row.defect != DROPPED_AT_ONCE]
        kept = await self._database.rows(
            select(payloads.c.entry_id, payloads.c.stacktrace).where(
                self._database.any_of(payloads.c.entry_id, "ids")
            ),
            {"ids": self._database.listed(told)},
        )
        return {row.entry_id: unpack(row.stacktrace).decode() for row in kept}

    async def _go_on(self, connection: AsyncConnection, place: _Place, last: int | None) -> bool:
        """Move the cursor, unless another has moved it since it was read."""
        held = await connection.execute(
            select(cursors.c.value)
            .where(*(cursors.c[name] == _OWN[name] for name in _OWN))
            .with_for_update()
        )
        if (held.scalar() or "") != place.value:
            return False
        value = f"{place.version}:{_END if last is None else last}"
        await connection.execute(
            upsert(connection, cursors, ["source", "queue", "kind"]), _OWN | {"value": value}
        )
        return True

    async def _locked(
        self, connection: AsyncConnection, seen: dict[int, Row[Any]]
    ) -> Sequence[Row[Any]] | None:
        """The entries as they were read; None if one of them is another by now: it is to be read
        again before the walk goes past it."""
        locked = await connection.execute(
            select(entries)
            .where(self._database.any_of(entries.c.id, "ids"))
            .order_by(entries.c.id)
            .with_for_update(),
            {"ids": self._database.listed(seen)},
        )
        rows = locked.all()
        as_read = [(row.id, row.failure_seq, row.group_pk) for row in rows]
        wanted = [(pk, seen[pk].failure_seq, seen[pk].group_pk) for pk in sorted(seen)]
        return rows if as_read == wanted else None

    async def _move_entries(
        self,
        connection: AsyncConnection,
        rows: Sequence[Row[Any]],
        found: dict[int, tuple[str, Told]],
    ) -> int:
        keys = {row.id: found[row.id][0] for row in rows}
        wanted = {keys[row.id]: (found[row.id][1], row.failed_at) for row in rows}
        pks = await group_pks(self._database, connection, self._fingerprints, wanted)
        going = [(row, pks[keys[row.id]]) for row in rows]
        await connection.execute(
            _MOVE, [{"pk": row.id, "new_group": group_pk} for row, group_pk in going]
        )
        await _count(connection, going)
        return len(going)

    async def _merge(self, place: _Place, limit: int) -> RegroupedBatch | None:
        """Let one old group hand over, or a part of what it has. Where failures were taken in under
        an older version meanwhile, the next pass begins anew."""
        left = select(groups.c.group_pk).where(
            groups.c.version < self._fingerprints.version, groups.c.entries > 0
        )
        tallied = select(regroupings.c.old_pk)
        if not (
            await self._database.rows(left.limit(1)) or await self._database.rows(tallied.limit(1))
        ):
            return RegroupedBatch(moved=0, merged=0, more=False)

        async def work(connection: AsyncConnection) -> RegroupedBatch | None:
            await freeze_selection(connection)
            if await an_operation_is_at_work(connection):
                return None
            merged = await take_over_next(self._database, connection, limit)
            if merged is not None:
                reach(Step.MERGE_WRITTEN)
                return RegroupedBatch(moved=0, merged=merged, more=True)
            if (await connection.execute(left.limit(1))).first() is not None:
                await self._go_on(connection, place, 0)
            return RegroupedBatch(moved=0, merged=0, more=False)

        return await self._database.write(work)


def _told(row: Row[Any], stacktrace: str) -> Told:
    return Told(row.source, row.queue, row.job_name, row.error_type, row.error_message, stacktrace)


def _walk(after_pk: int, limit: int) -> Select[Any]:
    """The next entries, with what tells their groups."""
    return (
        select(
            entries.c.id,
            entries.c.entry_id,
            entries.c.failure_seq,
            entries.c.group_pk,
            entries.c.source,
            entries.c.queue,
            entries.c.job_name,
            entries.c.error_type,
            entries.c.error_message,
            entries.c.failed_at,
            entries.c.defect,
            groups.c.version,
        )
        .outerjoin(groups, groups.c.group_pk == entries.c.group_pk)
        .where(entries.c.id > after_pk)
        .order_by(entries.c.id)
        .limit(limit)
    )


_MOVE = (
    update(entries)
    .where(entries.c.id == bindparam("pk"))
    .values(
        group_pk=bindparam("new_group"),
        # What failed the same way before did so under the newer version, too.
        previous_group_pk=case(
            (entries.c.previous_group_pk == entries.c.group_pk, bindparam("new_group")),
            else_=entries.c.previous_group_pk,
        ),
    )
)


async def _count(connection: AsyncConnection, going: Sequence[tuple[Row[Any], int]]) -> None:
    """Each entry takes its newest failure along."""
    moves: Moves = Counter()
    tally: Counter[tuple[int, int]] = Counter()
    failures: Counter[int] = Counter()
    for row, group_pk in going:
        moves[row.app_id, row.group_pk, EntryState(row.state), None] += 1
        moves[row.app_id, group_pk, None, EntryState(row.state)] += 1
        failures[group_pk] += 1
        if row.group_pk is not None:
            tally[row.group_pk, group_pk] += 1
            failures[row.group_pk] -= 1
    newest = {pk: max(of_group, key=_when) for pk, of_group in _by_group(going).items()}
    oldest = {pk: min(of_group, key=_when) for pk, of_group in _by_group(going).items()}
    news = {
        pk: GroupNews(
            failures=number,
            first_at=oldest[pk].failed_at if pk in oldest else None,
            last_at=newest[pk].failed_at if pk in newest else None,
            newest_seq=newest[pk].failure_seq if pk in newest else None,
        )
        for pk, number in failures.items()
    }
    await move_group_counts(connection, moves, news)
    rows = [
        {"old_pk": old, "new_pk": new, "entries": tally[old, new]} for old, new in sorted(tally)
    ]
    if rows:
        await connection.execute(
            upsert(connection, regroupings, ["old_pk", "new_pk"], add=["entries"]), rows
        )


def _by_group(going: Sequence[tuple[Row[Any], int]]) -> dict[int, list[Row[Any]]]:
    found: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row, group_pk in going:
        found[group_pk].append(row)
    return found


def _when(row: Row[Any]) -> tuple[datetime, int]:
    return row.failed_at, row.failure_seq
