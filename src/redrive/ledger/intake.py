"""Taking in failure occurrences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import EntryState, Failure, Reason
from redrive.ledger.counting import (
    add_failures,
    next_sequences,
    withdraw,
)
from redrive.ledger.database import Database, insert_or_ignore, upsert
from redrive.ledger.grouping import Fingerprints, Told, group_pks
from redrive.ledger.identities import add_identities, any_named
from redrive.ledger.judging import move_outcome_counts
from redrive.ledger.moves import Moves, move_counts
from redrive.ledger.occurrences import (
    Occurrence,
    app_after,
    brought_anew,
    early,
    early_same_way,
    is_new,
    is_outdated,
    job_name_of,
    news_of_groups,
    same_failures,
    verdict_of,
)
from redrive.ledger.outcomes import attribute
from redrive.ledger.payloads import payload_row
from redrive.ledger.schema import apps, entries, payloads
from redrive.ports import Seen


class Intake:
    """One transaction's worth of failures.

    The sequence is locked from the beginning, so that two followers take in one after the other
    and a bulk start never counts half of what is being taken in.
    """

    def __init__(
        self,
        database: Database,
        connection: AsyncConnection,
        now: datetime,
        fingerprints: Fingerprints,
    ) -> None:
        self._database = database
        self._connection = connection
        self._now = now
        self._fingerprints = fingerprints

    async def record(self, failures: Sequence[Failure], seen: Seen | None) -> list[Row[Any]]:
        """Record the occurrences that are new and not outdated; returns operations whose outcomes
        moved."""
        latest = {failure.entry_id: failure for failure in failures}
        first_seq = await next_sequences(self._connection, len(latest))
        known = await self._known(list(latest))
        fresh: list[tuple[Row[Any] | None, Failure]] = [
            (None, failure) for key, failure in latest.items() if key not in known
        ]
        again: list[tuple[Row[Any] | None, Failure]] = [
            (known[key], failure)
            for key, failure in latest.items()
            if key in known
            and is_new(known[key], failure)
            and not is_outdated(known[key], failure, seen)
        ]
        if not fresh and not again:
            return []
        occurrences = await self._numbered([*fresh, *again], first_seq)
        await self._ensure_apps(
            [failure for row, failure in (*fresh, *again) if row is None or not failure.event_only]
        )
        await self._write_entries(occurrences, first_seq)
        await self._keep_payloads(
            [
                one.failure
                for one in occurrences
                if one.row is None or one.failure.payload or one.failure.stacktrace
            ]
        )
        await self._count(occurrences)
        return await self._attribute(occurrences)

    async def _numbered(
        self, found: Sequence[tuple[Row[Any] | None, Failure]], first_seq: int
    ) -> list[Occurrence]:
        told = [(_told(row, failure), failure.failed_at) for row, failure in found]
        keys = [self._fingerprints.key_of(one) for one, _ in told]
        wanted = dict(zip(keys, told, strict=True))
        pks = await group_pks(self._database, self._connection, self._fingerprints, wanted)
        return [
            Occurrence(failure=failure, seq=first_seq + number, group_pk=pks[key], row=row)
            for number, ((row, failure), key) in enumerate(zip(found, keys, strict=True))
        ]

    async def _write_entries(self, occurrences: Sequence[Occurrence], first_seq: int) -> None:
        rows = [self._new_row(one) for one in occurrences if one.row is None]
        if rows:
            await self._connection.execute(insert(entries), rows)
            await add_identities(self._connection, first_seq)
        changes = [self._again_row(one.row, one) for one in occurrences if one.row is not None]
        if changes:
            await self._connection.execute(_again_statement(), changes)

    async def _known(self, entry_ids: list[Any]) -> dict[str, Row[Any]]:
        found = await self._connection.execute(
            select(entries)
            .where(any_named(self._database, "ids"))
            .order_by(entries.c.id)
            .with_for_update(),
            {"ids": self._database.listed(entry_ids)},
        )
        return {row.entry_id: row for row in found.all()}

    def _new_row(self, one: Occurrence) -> dict[str, Any]:
        failure = one.failure
        return brought_anew(one, self._now) | {
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

    def _again_row(self, row: Row[Any], one: Occurrence) -> dict[str, Any]:
        """An entry's new occurrence. A claimed entry stays so until its batch is settled."""
        failure, claimed = one.failure, one.is_claimed
        told = brought_anew(one, self._now) | {
            "app_id": app_after(row, failure),
            "job_name": job_name_of(row, failure),
            "data_size": row.data_size if failure.event_only else failure.data_size,
            "forgets": row.forgets if failure.event_only else failure.forgets,
            "created_at": row.created_at if failure.event_only else failure.created_at,
            "previous_group_pk": row.group_pk,
            "same_failures": same_failures(row, one),
        }
        early_outcome, early_at = early(row, failure) if claimed else (None, None)
        return {f"new_{key}": value for key, value in told.items()} | {
            "pk": row.id,
            "new_state": EntryState.CLAIMED if claimed else EntryState.FAILED,
            "new_early_outcome": early_outcome,
            "new_early_at": early_at,
            "new_early_same_way": early_same_way(row, one) if claimed else None,
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

    async def _count(self, occurrences: Sequence[Occurrence]) -> None:
        moves: Moves = Counter()
        newest: dict[str, datetime] = {}
        for one in occurrences:
            app_id, state = one.failure.app_id, EntryState.FAILED
            if one.row is not None:
                app_id = app_after(one.row, one.failure)
                state = EntryState.CLAIMED if one.is_claimed else EntryState.FAILED
                moves[one.row.app_id, one.row.group_pk, EntryState(one.row.state), None] += 1
            moves[app_id, one.group_pk, None, state] += 1
            newest[app_id] = max(one.failure.failed_at, newest.get(app_id, one.failure.failed_at))
        await move_counts(self._connection, moves, news_of_groups(occurrences), newest)
        again = [one.row for one in occurrences if one.row is not None and not one.is_claimed]
        await withdraw(
            self._connection,
            again,
            Reason.FAILED_AGAIN_BEFORE,
            self._now,
            to_state=EntryState.FAILED,
            new_occurrence=True,
        )
        happened = [(one.group_pk, one.failure.failed_at) for one in occurrences]
        await add_failures(self._connection, self._now, happened)

    async def _attribute(self, occurrences: Sequence[Occurrence]) -> list[Row[Any]]:
        """Tie the new occurrences to the hand-overs that they came after."""
        found = [
            verdict
            for one in occurrences
            if one.row is not None
            and not one.is_claimed
            and (verdict := verdict_of(one.row, one)) is not None
        ]
        moves = await attribute(self._database, self._connection, found)
        return await move_outcome_counts(self._connection, moves, self._now)


def _told(row: Row[Any] | None, failure: Failure) -> Told:
    return Told(
        failure.source,
        failure.queue,
        job_name_of(row, failure),
        failure.error_type,
        failure.error_message,
        failure.stacktrace,
    )


def _again_statement() -> Any:
    columns = (
        "failure_seq",
        "selectable_seq",
        "group_pk",
        "previous_group_pk",
        "same_failures",
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
        "early_same_way",
        "group_pk",
        "previous_group_pk",
    )
    return (
        update(entries)
        .where(entries.c.id == bindparam("pk"))
        .values(
            {name: bindparam(f"new_{name}", type_=entries.c[name].type) for name in columns}
            | {"failures": entries.c.failures + 1, "recovered_at": None, "state_reason": ""}
        )
    )
