"""Starting operations: the selection is frozen, counted and recorded in one transaction."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Insert,
    Integer,
    Row,
    String,
    bindparam,
    cast,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    APPROVAL,
    BULK_TAKES,
    NO_CONTROLS,
    SINGLE_TAKES,
    Actor,
    Batch,
    Controls,
    EntryState,
    ItemState,
    Operation,
    OperationId,
    OperationState,
    Reason,
    ScopeKind,
    StartRequest,
    controls_as_text,
    scope_in_words,
    to_millis,
)
from redrive.errors import (
    AppNotFound,
    EntryNotFound,
    IdempotencyMismatch,
    NothingToDo,
    WrongState,
)
from redrive.ledger.auditing import add_audit
from redrive.ledger.counting import (
    freeze_selection,
    share_selection,
    withdraw,
)
from redrive.ledger.database import Database, any_of
from redrive.ledger.identities import named
from redrive.ledger.moves import Moves, move_counts
from redrive.ledger.overlapping import refuse_overlap
from redrive.ledger.rows import claimed_columns, claimed_of, operation_of
from redrive.ledger.schema import apps, entries, items, operations
from redrive.ledger.steering import first_canary


def new_operation_id(now: datetime) -> OperationId:
    """An id that sorts by time: ``op_``, 48 bits of milliseconds, 48 random bits, in hex."""
    return OperationId(f"op_{to_millis(now):012x}{secrets.token_hex(6)}")


async def start_bulk(
    connection: AsyncConnection, request: StartRequest, now: datetime, approval_over: int = 0
) -> tuple[Operation, bool]:
    """See :meth:`redrive.ports.OperationLedger.start_bulk`."""
    cutoff = await freeze_selection(connection)
    earlier = await _started_before(connection, request)
    if earlier is not None:
        return earlier, False
    await refuse_overlap(connection, request.scope)
    total = await _count_selection(connection, request)
    if total == 0:
        raise NothingToDo(scope=str(request.scope))
    row = await insert_operation(
        connection,
        request,
        now,
        cutoff_seq=cutoff,
        total=total,
        **how_it_begins(request.controls, total, approval_over),
    )
    return operation_of(row), True


async def start_single(
    database: Database, connection: AsyncConnection, request: StartRequest, now: datetime
) -> tuple[Operation, Batch]:
    """See :meth:`redrive.ports.OperationLedger.start_single`."""
    scope = request.scope
    await share_selection(connection)
    found = await connection.execute(
        select(entries)
        .where(named(scope.entry_id), entries.c.app_id == scope.app_id)
        .with_for_update()
    )
    entry = found.first()
    if entry is None:
        raise EntryNotFound(entry_id=scope.entry_id, app_id=scope.app_id)
    allowed = SINGLE_TAKES[request.kind]
    if EntryState(entry.state) not in allowed:
        raise WrongState(entry_id=scope.entry_id, state=entry.state, allowed=", ".join(allowed))
    operation_id = new_operation_id(now)
    claimed = await connection.execute(
        update(entries)
        .where(entries.c.id == entry.id)
        .values(claim_values())
        .returning(*claimed_columns()),
        {"holder": operation_id},
    )
    before = EntryState(entry.state)
    moves: Moves = Counter({(entry.app_id, entry.group_pk, before, EntryState.CLAIMED): 1})
    await move_counts(connection, moves)
    await withdraw(connection, [entry], Reason.TAKEN_BY_ANOTHER, now, to_state=EntryState.CLAIMED)
    row = await insert_operation(
        connection,
        request,
        now,
        idempotency_key=None,
        operation_id=operation_id,
        cutoff_seq=entry.failure_seq,
        claimed_through=entry.failure_seq,
        next_batch=2,
        runner_epoch=1,
        state=OperationState.RUNNING,
        started_at=now,
        total=1,
    )
    batch = Batch(operation_id=operation_id, number=1, entries=(claimed_of(claimed.one()),))
    await insert_items(database, connection, 1, [entry.id])
    return operation_of(row), batch


def how_it_begins(controls: Controls, total: int, approval_over: int) -> dict[str, Any]:
    """The limits of a new bulk operation; over a set size it waits for approval."""
    kept = None if controls == NO_CONTROLS else controls_as_text(controls)
    values = {"controls": kept, **first_canary(controls)}
    if 0 < approval_over < total:
        values |= {
            "state": OperationState.PAUSED,
            "paused_by": APPROVAL,
            "pause_reason": f"over {approval_over:,} entries: another user has to approve it",
        }
    return values


def claim_values() -> dict[str, Any]:
    """What claiming for the parameter ``holder`` changes in an entry; its error is kept until it is
    settled."""
    return {
        "previous_state": entries.c.state,
        "state": EntryState.CLAIMED,
        "generation": entries.c.generation + 1,
        "operation_id": bindparam("holder"),
        "early_outcome": None,
        "early_at": None,
        "early_same_way": None,
    }


async def insert_items(
    database: Database, connection: AsyncConnection, number: int, pks: Iterable[int]
) -> None:
    """Insert the items of freshly claimed entries."""
    await connection.execute(
        _inserts_items(database.is_sqlite), {"ids": database.listed(pks), "number": number}
    )


@cache
def _inserts_items(on_sqlite: bool) -> Insert:
    columns = {
        "operation_id": entries.c.operation_id,
        "failure_seq": entries.c.failure_seq,
        "entry_pk": entries.c.id,
        "generation": entries.c.generation,
        "failed_at": entries.c.failed_at,
        "from_state": entries.c.previous_state,
        # As it is now: a batch that is repeated has to consist of the same jobs.
        "detail": func.coalesce(entries.c.defect, ""),
    }
    source = (
        select(*columns.values())
        .where(any_of(entries.c.id, "ids", on_sqlite=on_sqlite))
        .add_columns(
            cast(bindparam("number", type_=Integer()), Integer).label("batch_number"),
            cast(literal(ItemState.CLAIMED.value), String).label("state"),
        )
    )
    return insert(items).from_select([*columns, "batch_number", "state"], source)


async def started_by_key(
    connection: AsyncConnection, actor: Actor, idempotency_key: str | None
) -> Operation | None:
    """The operation that this key of this user has started before."""
    if idempotency_key is None:
        return None
    found = await connection.execute(
        select(operations).where(
            operations.c.actor == actor.name,
            operations.c.idempotency_key == idempotency_key,
        )
    )
    row = found.first()
    return None if row is None else operation_of(row)


async def _started_before(connection: AsyncConnection, request: StartRequest) -> Operation | None:
    earlier = await started_by_key(connection, request.actor, request.idempotency_key)
    if earlier is None:
        return None
    if earlier.kind is not request.kind or earlier.scope != request.scope:
        raise IdempotencyMismatch(operation_id=earlier.operation_id)
    return earlier


async def _count_selection(connection: AsyncConnection, request: StartRequest) -> int:
    """The size of the selection, from the counters that every transaction keeps."""
    of_an_app = sum((apps.c[state] for state in BULK_TAKES[request.kind]), literal(0))
    statement = select(func.sum(of_an_app), func.count()).select_from(apps)
    if request.scope.kind is ScopeKind.APP:
        statement = statement.where(apps.c.app_id == request.scope.app_id)
    total, known = (await connection.execute(statement)).one()
    if request.scope.kind is ScopeKind.APP and not known:
        raise AppNotFound(app_id=request.scope.app_id)
    return int(total or 0)


async def insert_operation(
    connection: AsyncConnection, request: StartRequest, now: datetime, **values: Any
) -> Row[Any]:
    """Insert an operation, and its audit row: with ``filter``, that says what was selected."""
    fields = {
        "operation_id": new_operation_id(now),
        "kind": request.kind,
        "scope": request.scope.kind,
        "app_id": request.scope.app_id,
        "entry_id": request.scope.entry_id,
        "state": OperationState.QUEUED,
        "actor": request.actor.name,
        "origin": request.actor.origin,
        "reason": request.reason,
        "idempotency_key": request.idempotency_key,
        "created_at": now,
    } | values
    row: Row[Any] = (
        await connection.execute(insert(operations).returning(operations), fields)
    ).one()
    await add_audit(
        connection,
        now,
        request.actor,
        f"{request.kind}.start",
        scope_in_words(str(request.scope), row.filter),
        app_id=request.scope.app_id,
        reason=request.reason,
        result="waits for approval" if row.state == OperationState.PAUSED else "started",
        operation_id=row.operation_id,
        counts={"total": row.total},
        after={"state": row.state, "total": row.total},
    )
    return row
