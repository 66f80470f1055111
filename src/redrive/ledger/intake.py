"""Taking in failure occurrences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import AppId, EntryState, Failure, OperationId, Reason, Stamp
from redrive.ledger.counting import (
    Moves,
    add_activity,
    move_app_counts,
    move_outcome_counts,
    next_sequences,
    withdraw,
)
from redrive.ledger.database import Database, insert_or_ignore, upsert
from redrive.ledger.identities import add_identities, any_named
from redrive.ledger.outcomes import FAILED_AGAIN, Attribution, attribute
from redrive.ledger.payloads import payload_row
from redrive.ledger.schema import apps, entries, payloads
from redrive.ledger.settling import COMPLETED, FAILED_AFTER_MOVE, FAILED_BEFORE_MOVE


class Intake:
    """One transaction's worth of failures.

    The sequence is locked from the beginning, so that two followers take in one after the other
    and a bulk start never counts half of what is being taken in.
    """

    def __init__(self, database: Database, connection: AsyncConnection, now: datetime) -> None:
        self._database = database
        self._connection = connection
        self._now = now

    async def record(self, failures: Sequence[Failure]) -> list[Row[Any]]:
        """Record the occurrences that are new; returns operations whose outcomes moved."""
        latest = {failure.entry_id: failure for failure in failures}
        first_seq = await next_sequences(self._connection, len(latest))
        known = await self._known(list(latest))
        fresh = [failure for key, failure in latest.items() if key not in known]
        again = [
            (known[key], failure)
            for key, failure in latest.items()
            if key in known and _is_new(known[key], failure)
        ]
        if not fresh and not again:
            return []
        numbered = iter(range(first_seq, first_seq + len(latest)))
        await self._ensure_apps([*fresh, *(f for _, f in again if not f.event_only)])
        if fresh:
            rows = [self._new_row(failure, next(numbered)) for failure in fresh]
            await self._connection.execute(insert(entries), rows)
            await add_identities(self._connection, first_seq)
        if again:
            changes = [self._again_row(row, failure, next(numbered)) for row, failure in again]
            await self._connection.execute(_again_statement(), changes)
        await self._keep_payloads([*fresh, *(f for _, f in again if f.payload or f.stacktrace)])
        await self._count(fresh, again)
        return await self._attribute(again)

    async def _known(self, entry_ids: list[Any]) -> dict[str, Row[Any]]:
        found = await self._connection.execute(
            select(entries)
            .where(any_named(self._database, "ids"))
            .order_by(entries.c.id)
            .with_for_update(),
            {"ids": self._database.listed(entry_ids)},
        )
        return {row.entry_id: row for row in found.all()}

    def _new_row(self, failure: Failure, seq: int) -> dict[str, Any]:
        return _occurrence(failure, seq, self._now) | {
            "entry_id": failure.entry_id,
            "app_id": failure.app_id,
            "source": failure.source,
            "queue": failure.queue,
            "job_id": failure.job_id,
            "job_name": failure.job_name,
            "created_at": failure.created_at,
            "data_size": failure.data_size,
            "forgets": failure.forgets,
            "state": EntryState.FAILED,
            "failures": 1,
            "first_failed_at": failure.failed_at,
        }

    def _again_row(self, row: Row[Any], failure: Failure, seq: int) -> dict[str, Any]:
        """An entry's new occurrence. A claimed entry stays so until its batch is settled."""
        claimed = row.state == EntryState.CLAIMED
        told = _occurrence(failure, seq, self._now) | {
            "app_id": _app_after(row, failure),
            "job_name": row.job_name if failure.event_only else failure.job_name,
            "data_size": row.data_size if failure.event_only else failure.data_size,
            "forgets": row.forgets if failure.event_only else failure.forgets,
            "created_at": row.created_at if failure.event_only else failure.created_at,
        }
        early_outcome, early_at = _early(row, failure) if claimed else (None, None)
        return {f"new_{key}": value for key, value in told.items()} | {
            "pk": row.id,
            "new_state": EntryState.CLAIMED if claimed else EntryState.FAILED,
            "new_early_outcome": early_outcome,
            "new_early_at": early_at,
        }

    async def _ensure_apps(self, fresh: Sequence[Failure]) -> None:
        names = sorted({failure.app_id for failure in fresh})
        if names:
            await self._connection.execute(
                insert_or_ignore(self._connection, apps),
                [{"app_id": name, "first_seen_at": self._now} for name in names],
            )

    async def _keep_payloads(self, failures: Sequence[Failure]) -> None:
        rows = sorted((payload_row(failure) for failure in failures), key=lambda r: r["entry_id"])
        if rows:
            await self._connection.execute(upsert(self._connection, payloads, ["entry_id"]), rows)

    async def _count(
        self, fresh: Sequence[Failure], again: Sequence[tuple[Row[Any], Failure]]
    ) -> None:
        moves: Moves = Counter((failure.app_id, None, EntryState.FAILED) for failure in fresh)
        for row, failure in again:
            if row.state != EntryState.CLAIMED:
                moves[(row.app_id, EntryState(row.state), None)] += 1
                moves[(_app_after(row, failure), None, EntryState.FAILED)] += 1
        newest: dict[str, datetime] = {}
        for app_id, failure in [
            *((failure.app_id, failure) for failure in fresh),
            *((_app_after(row, failure), failure) for row, failure in again),
        ]:
            newest[app_id] = max(failure.failed_at, newest.get(app_id, failure.failed_at))
        await move_app_counts(self._connection, moves)
        for name in sorted(newest):
            await self._connection.execute(
                update(apps)
                .where(
                    apps.c.app_id == name,
                    (apps.c.last_failed_at.is_(None)) | (apps.c.last_failed_at < newest[name]),
                )
                .values(last_failed_at=newest[name])
            )
        await withdraw(
            self._connection,
            [row for row, _ in again if row.state != EntryState.CLAIMED],
            Reason.FAILED_AGAIN_BEFORE,
            self._now,
            to_state=EntryState.FAILED,
            new_occurrence=True,
        )
        happened = [failure.failed_at for failure in (*fresh, *(failure for _, failure in again))]
        await add_activity(self._connection, self._now, failed=happened)

    async def _attribute(self, again: Sequence[tuple[Row[Any], Failure]]) -> list[Row[Any]]:
        """Tie the new occurrences to the hand-overs that they came after."""
        found = [
            Attribution(
                entry_pk=row.id,
                operation_id=stamp.operation_id,
                generation=stamp.generation,
                outcome=FAILED_AGAIN,
            )
            for row, failure in again
            if row.state != EntryState.CLAIMED and (stamp := _hand_over(row, failure)) is not None
        ]
        moves = await attribute(self._database, self._connection, found)
        return await move_outcome_counts(self._connection, moves)


def _app_after(row: Row[Any], failure: Failure) -> AppId:
    """The app of an entry that failed again: another one if its job id was used anew. A claimed
    entry keeps its app, under which its operation counts it; an event does not tell the app."""
    keeps = failure.event_only or row.state == EntryState.CLAIMED
    return AppId(row.app_id) if keeps else failure.app_id


def _is_new(row: Row[Any], failure: Failure) -> bool:
    """Whether a known entry's failure is another occurrence.

    Finish times come from workers' clocks, so a later run may carry an earlier time: any other
    time is another run. The time of an event is not a finish time: it is compared with the
    hand-over instead, and says nothing new about an entry that is failed already.
    """
    if failure.event_only:
        moved_before = row.moved_at is None or failure.failed_at >= row.moved_at
        return row.state != EntryState.FAILED and moved_before
    return bool(row.failed_at != failure.failed_at)


def _hand_over(row: Row[Any], failure: Failure) -> Stamp | None:
    """The hand-over that a job's stamp names. An event has none; it is only taken in if it is
    younger than the entry's last hand-over, so it belongs to that one."""
    if failure.event_only and row.operation_id is not None:
        return Stamp(operation_id=OperationId(row.operation_id), generation=row.generation)
    return failure.stamp


def _early(row: Row[Any], failure: Failure) -> tuple[str, datetime]:
    """What is known of a claimed entry's job now: whether it failed after the hand-over of this
    very claim, or that it has completed since, where the failure was only announced late."""
    if failure.event_only and row.early_outcome == COMPLETED and row.early_at > failure.failed_at:
        return row.early_outcome, row.early_at
    stamp = failure.stamp
    moved = stamp is not None and (stamp.operation_id, stamp.generation) == (
        row.operation_id,
        row.generation,
    )
    return (FAILED_AFTER_MOVE if moved else FAILED_BEFORE_MOVE), failure.failed_at


def _occurrence(failure: Failure, seq: int, now: datetime) -> dict[str, Any]:
    """What every occurrence brings anew."""
    return {
        "failure_seq": seq,
        "selectable_seq": seq,
        "failed_at": failure.failed_at,
        "heard_at": now,
        "started_at": failure.started_at,
        "error_type": failure.error_type,
        "error_message": failure.error_message,
        "attempts_made": failure.attempts_made,
        "defect": failure.defect,
    }


def _again_statement() -> Any:
    columns = (
        "failure_seq",
        "selectable_seq",
        "failed_at",
        "heard_at",
        "started_at",
        "error_type",
        "error_message",
        "attempts_made",
        "defect",
        "app_id",
        "job_name",
        "data_size",
        "forgets",
        "created_at",
        "state",
        "early_outcome",
        "early_at",
    )
    return (
        update(entries)
        .where(entries.c.id == bindparam("pk"))
        .values(
            {name: bindparam(f"new_{name}", type_=entries.c[name].type) for name in columns}
            | {"failures": entries.c.failures + 1, "recovered_at": None, "state_reason": ""}
        )
    )
