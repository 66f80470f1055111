"""From rows to values."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, literal_column, select

from redrive.domain import (
    OPEN_STATES,
    App,
    AppId,
    CanaryState,
    Chapter,
    ClaimedEntry,
    Entry,
    EntryId,
    EntryState,
    GroupId,
    Item,
    ItemState,
    JobId,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Outcome,
    Reason,
    Scope,
    ScopeKind,
    controls_from_text,
)
from redrive.ledger.filters import one_of
from redrive.ledger.schema import apps, entries, operations
from redrive.ledger.schema_triage import groups

_WORTH_COMPRESSING = 512
_PLAIN, _DEFLATED = b"\x00", b"\x01"


def pack(value: bytes) -> bytes:
    """Compressed where that pays; the first byte says whether it is."""
    if len(value) >= _WORTH_COMPRESSING:
        return _DEFLATED + zlib.compress(value, 1)
    return _PLAIN + value


def unpack(value: bytes) -> bytes:
    """What :func:`pack` was given."""
    return zlib.decompress(value[1:]) if value[:1] == _DEFLATED else value[1:]


def operation_of(row: Row[Any]) -> Operation:
    return Operation(
        operation_id=OperationId(row.operation_id),
        kind=OperationKind(row.kind),
        scope=Scope(
            kind=ScopeKind(row.scope),
            app_id=None if row.app_id is None else AppId(row.app_id),
            entry_id=None if row.entry_id is None else EntryId(row.entry_id),
        ),
        state=OperationState(row.state),
        cutoff_seq=row.cutoff_seq,
        total=row.total,
        requeued=row.requeued,
        skipped=row.skipped,
        errored=row.errored,
        released=row.released,
        recovered=row.recovered,
        failed_again=row.failed_again,
        vanished=row.vanished,
        runner_epoch=row.runner_epoch,
        actor=row.actor,
        origin=row.origin,
        reason=row.reason,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        cancelled_by=row.cancelled_by,
        error=row.error,
        dismissed=row.dismissed,
        failed_same=row.failed_same,
        taken_back=row.taken_back,
        plan_id=row.plan_id,
        pause_wanted=row.pause_wanted,
        undo_wanted=row.undo_wanted,
        paused_by=row.paused_by,
        pause_reason=row.pause_reason,
        approved_by=row.approved_by,
        filter=row.filter,
        controls=controls_from_text(row.controls),
        canary=None if row.canary is None else CanaryState(row.canary),
        canary_until=row.canary_until,
        canary_begun=row.canary_after is not None,
        turn=row.turn,
        heard_before=row.heard_before,
        failed_before=row.failed_before,
    )


def select_open_operations() -> Select[Any]:
    """Selects the operations that are not terminal, oldest first."""
    return (
        select(operations)
        .where(one_of(operations.c.state, OPEN_STATES))
        .order_by(operations.c.operation_id)
    )


def operations_of(rows: Sequence[Row[Any]]) -> list[Operation]:
    return [operation_of(row) for row in rows]


_STATES = {state.value: state for state in EntryState}

_CLAIMED: Mapping[str, ColumnElement[Any]] = {
    "entry_pk": entries.c.id,
    "failure_seq": entries.c.failure_seq,
    "entry_id": entries.c.entry_id,
    "app_id": entries.c.app_id,
    "source": entries.c.source,
    "queue": entries.c.queue,
    "job_id": entries.c.job_id,
    "failed_at": entries.c.failed_at,
    "generation": entries.c.generation,
    "forgets": entries.c.forgets,
    "from_state": entries.c.previous_state,
    "defect": entries.c.defect,
}


def claimed_columns(**instead: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """The columns from which :func:`claimed_of` makes a value, in the order of its fields; fields
    that are named come from elsewhere than the entry."""
    columns = {**_CLAIMED, **instead}
    return [columns[field] for field in ClaimedEntry._fields]


def claimed_of(row: Any) -> ClaimedEntry:
    """From a row that begins with :func:`claimed_columns`."""
    return ClaimedEntry._make((*row[:10], _STATES[row[10]], row[11] or None))


_FAILING_SINCE = (
    select(func.min(entries.c.failed_at))
    .where(entries.c.app_id == apps.c.app_id, entries.c.state == literal_column("'failed'"))
    .correlate(apps)
    .scalar_subquery()
)
"""By the index on an app's failed entries, which a bound value would not always meet."""


def select_apps() -> Select[Any]:
    """Selects what :func:`app_of` reads."""
    return select(apps, _FAILING_SINCE.label("failing_since"))


def select_failing_since() -> Select[Any]:
    """Selects when the oldest of all failed entries failed: one look into the index per app."""
    return select(func.min(_FAILING_SINCE)).select_from(apps).where(apps.c.failed > 0)


def app_of(row: Row[Any]) -> App:
    return App(
        app_id=AppId(row.app_id),
        display_name=row.display_name or row.app_id,
        counts={state: getattr(row, state.value) for state in EntryState},
        first_seen_at=row.first_seen_at,
        last_failed_at=row.last_failed_at,
        failing_since=row.failing_since,
    )


_GROUP_ID = (
    select(groups.c.group_id)
    .where(groups.c.group_pk == entries.c.group_pk)
    .correlate(entries)
    .scalar_subquery()
)


def select_entries() -> Select[Any]:
    """Selects what :func:`entry_of` reads."""
    return select(entries, _GROUP_ID.label("group_id"))


def entry_of(row: Row[Any]) -> Entry:
    return Entry(
        entry_id=EntryId(row.entry_id),
        app_id=AppId(row.app_id),
        source=row.source,
        queue=row.queue,
        job_id=JobId(row.job_id),
        job_name=row.job_name,
        state=EntryState(row.state),
        state_reason=row.state_reason,
        failure_seq=row.failure_seq,
        failures=row.failures,
        generation=row.generation,
        failed_at=row.failed_at,
        first_failed_at=row.first_failed_at,
        created_at=row.created_at,
        started_at=row.started_at,
        recovered_at=row.recovered_at,
        error_type=row.error_type,
        error_message=row.error_message,
        attempts_made=row.attempts_made,
        data_size=row.data_size,
        forgets=row.forgets,
        defect=row.defect,
        operation_id=None if row.operation_id is None else OperationId(row.operation_id),
        group_id=None if row.group_id is None else GroupId(row.group_id),
        same_failures=row.same_failures,
    )


def item_of(row: Row[Any]) -> Item:
    return Item(
        operation_id=OperationId(row.operation_id),
        entry_id=EntryId(row.entry_id),
        app_id=AppId(row.app_id),
        job_id=JobId(row.job_id),
        queue=row.queue,
        batch_number=row.batch_number,
        state=ItemState(row.state),
        reason=None if row.reason is None else Reason(row.reason),
        detail=row.detail,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        failed_at=row.failed_at,
        settled_at=row.settled_at,
        same_way=row.same_way,
    )


def chapter_of(row: Row[Any]) -> Chapter:
    """From an item's row with its operation's ``kind``, ``actor``, ``why`` and ``begun_at``."""
    return Chapter(
        item=item_of(row),
        kind=OperationKind(row.kind),
        actor=row.actor,
        why=row.why,
        started_at=row.begun_at,
    )


def failed_since(row: Row[Any]) -> datetime:
    """When the job of an entry's row had surely failed; see
    :meth:`redrive.ports.OperationLedger.failed_since`."""
    failed_at: datetime = row.failed_at
    return failed_at if row.heard_at is None else min(failed_at, row.heard_at)
