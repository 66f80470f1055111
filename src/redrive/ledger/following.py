"""The follower's transactions: cursors move with what they cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import false, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    DROPPED_AT_ONCE,
    LIVE_STATES,
    EntryState,
    Failure,
    JobId,
    JobOutcome,
    JobStatus,
    Operation,
    OutcomeKind,
    entry_id_of,
)
from redrive.faultpoints import Step, reach
from redrive.ledger.counting import NEWEST_SEQUENCE
from redrive.ledger.database import Database, insert_or_ignore
from redrive.ledger.drift import apply_verdicts
from redrive.ledger.filters import one_of
from redrive.ledger.grouping import CURRENT, Fingerprints
from redrive.ledger.identities import any_named
from redrive.ledger.intake import Intake
from redrive.ledger.occurrences import version_of
from redrive.ledger.outcomes import AWAITS, apply_outcomes
from redrive.ledger.rows import failed_since, operations_of
from redrive.ledger.schema import cursors, entries
from redrive.ports import Clock, DriftVerdict, EntryVersion, LedgerEntry, Seen

FAILURES, OUTCOMES = "failures", "outcomes"


class _CursorMovedError(Exception):
    """Another follower has recorded this already."""


class SqlFollowerLedger:
    """:class:`redrive.ports.FollowerLedger` in SQL."""

    def __init__(
        self, database: Database, clock: Clock, fingerprints: Fingerprints = CURRENT
    ) -> None:
        self._database = database
        self._clock = clock
        self._fingerprints = fingerprints

    async def cursors(self, source: str, kind: str) -> dict[str, str]:
        rows = await self._database.rows(
            select(cursors.c.queue, cursors.c.value).where(
                cursors.c.source == source, cursors.c.kind == kind
            )
        )
        return {row.queue: row.value for row in rows}

    async def record_failures(
        self,
        source: str,
        queue: str,
        failures: Sequence[Failure],
        cursor: tuple[str, str] | None,
        seen: Seen | None = None,
    ) -> list[Operation] | None:
        async def work(connection: AsyncConnection) -> list[Operation]:
            if cursor is not None:
                await _move_cursor(connection, source, queue, FAILURES, *cursor)
            if not failures:
                return []
            now = self._clock.now()
            intake = Intake(self._database, connection, now, self._fingerprints)
            changed = operations_of(await intake.record(failures, seen))
            reach(Step.FAILURES_WRITTEN)
            return changed

        return await self._write(work)

    async def newest_failure(self) -> int:
        (row,) = await self._database.rows(NEWEST_SEQUENCE)
        return int(row.value)

    async def versions(
        self, source: str, queue: str, job_ids: Sequence[JobId]
    ) -> dict[JobId, EntryVersion]:
        wanted = [entry_id_of(source, queue, job_id) for job_id in job_ids]
        columns = (entries.c.job_id, *(entries.c[name] for name in EntryVersion._fields))
        rows = await self._database.rows(
            select(*columns).where(any_named(self._database, "ids")),
            {"ids": self._database.listed(wanted)},
        )
        return {JobId(row.job_id): version_of(row) for row in rows}

    async def record_outcomes(
        self,
        source: str,
        queue: str,
        outcomes: Sequence[JobOutcome],
        cursor: tuple[str, str] | None,
    ) -> list[Operation] | None:
        async def work(connection: AsyncConnection) -> list[Operation]:
            if cursor is not None:
                await _move_cursor(connection, source, queue, OUTCOMES, *cursor)
            if not outcomes:
                return []
            last = {
                entry_id_of(source, queue, outcome.job_id): outcome
                for outcome in outcomes
                if outcome.kind is not OutcomeKind.REMOVED
            }
            now: datetime = self._clock.now()
            changed = operations_of(await apply_outcomes(self._database, connection, last, now))
            reach(Step.OUTCOMES_WRITTEN)
            return changed

        return await self._write(work)

    async def failed_to_check(self, source: str, after_seq: int, limit: int) -> list[LedgerEntry]:
        statement = (
            _to_check(source)
            .add_columns(AWAITS.label("awaits"))
            .where(entries.c.state == EntryState.FAILED.value, entries.c.failure_seq > after_seq)
            .order_by(entries.c.failure_seq)
            .limit(limit)
        )
        return await self._entries(statement)

    async def failed_among(
        self, source: str, queue: str, job_ids: Sequence[JobId]
    ) -> list[LedgerEntry]:
        statement = (
            _to_check(source)
            .add_columns(AWAITS.label("awaits"))
            .where(
                any_named(self._database, "ids"),
                entries.c.state == EntryState.FAILED.value,
                or_(entries.c.defect.is_(None), entries.c.defect != DROPPED_AT_ONCE),
            )
        )
        ids = [entry_id_of(source, queue, job_id) for job_id in job_ids]
        return await self._entries(statement, {"ids": self._database.listed(ids)})

    async def live_to_check(self, source: str, after_pk: int, limit: int) -> list[LedgerEntry]:
        statement = (
            _to_check(source)
            .add_columns(false().label("awaits"))
            .where(
                one_of(entries.c.state, LIVE_STATES),
                entries.c.id > after_pk,
            )
            .order_by(entries.c.id)
            .limit(limit)
        )
        return await self._entries(statement)

    async def _entries(
        self, statement: Any, given: Mapping[str, Any] | None = None
    ) -> list[LedgerEntry]:
        rows = await self._database.rows(statement, given)
        return [
            LedgerEntry(
                entry_pk=row.id,
                queue=row.queue,
                job_id=JobId(row.job_id),
                state=EntryState(row.state),
                failure_seq=row.failure_seq,
                failed_at=row.failed_at,
                failed_since=failed_since(row),
                moved_at=row.moved_at,
                generation=row.generation,
                forgets=row.forgets,
                awaits=bool(row.awaits),
            )
            for row in rows
        ]

    async def unrecorded(self, source: str, queue: str, failed: Sequence[JobStatus]) -> list[JobId]:
        wanted = {entry_id_of(source, queue, status.job_id): status for status in failed}
        rows = await self._database.rows(
            select(entries.c.entry_id, entries.c.failed_at).where(
                any_named(self._database, "ids"), entries.c.state != EntryState.VANISHED.value
            ),
            {"ids": self._database.listed(wanted)},
        )
        known = {row.entry_id: row.failed_at for row in rows}
        return [
            status.job_id
            for entry_id, status in wanted.items()
            if known.get(entry_id) != status.finished_at
        ]

    async def vanished_among(
        self, source: str, queue: str, failed: Sequence[JobStatus]
    ) -> list[LedgerEntry]:
        finished_at = {status.job_id: status.finished_at for status in failed}
        ids = [entry_id_of(source, queue, job_id) for job_id in finished_at]
        found = await self._entries(
            _to_check(source)
            .add_columns(false().label("awaits"))
            .where(any_named(self._database, "ids"), entries.c.state == EntryState.VANISHED.value),
            {"ids": self._database.listed(ids)},
        )
        return [entry for entry in found if entry.failed_at == finished_at[entry.job_id]]

    async def record_drift(self, verdicts: Sequence[DriftVerdict]) -> list[Operation]:
        async def work(connection: AsyncConnection) -> list[Operation]:
            now = self._clock.now()
            changed = operations_of(await apply_verdicts(self._database, connection, verdicts, now))
            reach(Step.DRIFT_WRITTEN)
            return changed

        return await self._database.write(work) if verdicts else []

    async def _write(self, work: Any) -> list[Operation] | None:
        try:
            changed: list[Operation] = await self._database.write(work)
        except _CursorMovedError:
            return None
        return changed


def _to_check(source: str) -> Any:
    return select(
        entries.c.id,
        entries.c.queue,
        entries.c.job_id,
        entries.c.state,
        entries.c.failure_seq,
        entries.c.failed_at,
        entries.c.heard_at,
        entries.c.moved_at,
        entries.c.generation,
        entries.c.forgets,
    ).where(entries.c.source == source)


async def _move_cursor(
    connection: AsyncConnection, source: str, queue: str, kind: str, before: str, after: str
) -> None:
    """Compare and set. Raises _CursorMovedError if the saved value is not ``before``."""
    key = {"source": source, "queue": queue, "kind": kind}
    if before == "":
        created = await connection.execute(
            insert_or_ignore(connection, cursors).returning(cursors.c.value),
            key | {"value": after},
        )
        if created.first() is None:
            raise _CursorMovedError
        return
    moved = await connection.execute(
        update(cursors)
        .where(*(cursors.c[name] == value for name, value in key.items()))
        .where(cursors.c.value == before)
        .values(value=after)
        .returning(cursors.c.value)
    )
    if moved.first() is None:
        raise _CursorMovedError
