"""Freezing what a filter selects: counted, told apart and kept, in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, insert, literal, literal_column, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    BULK_TAKES,
    PLAN_LASTS,
    REPEATED_AT,
    EntryFilter,
    EntryState,
    LeftOut,
    OperationKind,
    Plan,
    PlanRequest,
    PlanWarning,
    filter_json,
)
from redrive.ledger import telling
from redrive.ledger.filters import conditions_of, one_of
from redrive.ledger.overlapping import overlapping_operations
from redrive.ledger.schema import FAILURE_SEQ, entries, identities, sequences
from redrive.ledger.schema_triage import plan_apps, plans, selections

Conditions = Sequence[ColumnElement[bool]]

_REPEATED = and_(
    entries.c.state == literal_column("'failed'"),
    entries.c.same_failures >= literal_column(str(REPEATED_AT)),
)


async def make_plan(connection: AsyncConnection, request: PlanRequest, now: datetime) -> Plan:
    """See :meth:`redrive.ports.TriageLedger.plan`."""
    cutoff = await _newest_sequence(connection)
    fitting: Conditions = [
        one_of(entries.c.state, BULK_TAKES[request.kind]),
        *conditions_of(request.entry_filter),
    ]
    wanted = fitting if request.takes_repeated else [*fitting, not_(_REPEATED)]
    plan_id = f"plan_{secrets.token_hex(12)}"
    total = await _freeze(connection, plan_id, request.entry_filter, wanted)
    look = await telling.look_at(connection, plan_id)
    if total:
        await _keep(connection, plan_id, request, cutoff, look, now)
    left_out = await _left_out(connection, request, fitting)
    return Plan(
        plan_token=plan_id if total else None,
        kind=request.kind,
        filter=filter_json(request.entry_filter),
        cutoff_seq=cutoff,
        total=total,
        created_at=now,
        expires_at=now + PLAN_LASTS,
        apps=telling.apps_of(look),
        groups=await telling.groups_of(connection, look),
        queues=telling.queues_of(look),
        samples=await telling.samples(connection, plan_id, total),
        left_out=tuple(left_out),
        warnings=(
            *_warnings(request, left_out, look.unreadable),
            *await _overlaps(connection, plan_id),
        ),
        typical_rate=await telling.typical_rate(connection, request.kind),
    )


async def _newest_sequence(connection: AsyncConnection) -> int:
    row = await connection.execute(select(sequences.c.value).where(sequences.c.name == FAILURE_SEQ))
    return int(row.scalar_one())


async def _freeze(
    connection: AsyncConnection, plan_id: str, entry_filter: EntryFilter, wanted: Conditions
) -> int:
    """Write the selection, in the order in which it is kept; returns how many entries it has.

    Where times narrow it, their index is worth more than the order, and is nearly in it.
    """
    chosen = select(literal(plan_id), entries.c.failure_seq, entries.c.id).where(*wanted)
    if entry_filter.failed_from is None and entry_filter.failed_before is None:
        chosen = chosen.order_by(entries.c.failure_seq)
    written = await connection.execute(
        insert(selections).from_select(["plan_id", "failure_seq", "entry_pk"], chosen)
    )
    return written.rowcount


async def _keep(
    connection: AsyncConnection,
    plan_id: str,
    request: PlanRequest,
    cutoff: int,
    look: telling.Look,
    now: datetime,
) -> None:
    await connection.execute(
        insert(plan_apps),
        [
            {"plan_id": plan_id, "app_id": app_id, "entries": number}
            for app_id, number in look.by_app.items()
        ],
    )
    await connection.execute(
        insert(plans),
        {
            "plan_id": plan_id,
            "actor": request.actor.name,
            "kind": request.kind,
            "filter": filter_json(request.entry_filter),
            "cutoff_seq": cutoff,
            "total": look.by_app.total(),
            "created_at": now,
            "expires_at": now + PLAN_LASTS,
        },
    )


async def _left_out(
    connection: AsyncConnection, request: PlanRequest, fitting: Conditions
) -> list[LeftOut]:
    """What fits and was not selected. Only entries that are named by hand are looked for in other
    states: elsewhere nobody expects them."""
    left: list[LeftOut] = []
    if not request.takes_repeated:
        repeated = select(func.count()).select_from(entries).where(_REPEATED, *fitting)
        number = int((await connection.execute(repeated)).scalar_one())
        left += [LeftOut(reason="repeated", entries=number)] if number else []
    by_hand = request.entry_filter.entry_ids
    if not by_hand:
        return left
    states = [state for state in EntryState if state not in BULK_TAKES[request.kind]]
    found = await connection.execute(
        select(entries.c.state, func.count())
        .where(one_of(entries.c.state, states), *conditions_of(request.entry_filter))
        .group_by(entries.c.state)
        .order_by(entries.c.state)
    )
    left += [LeftOut(reason=state, entries=int(number)) for state, number in found.all()]
    known = select(func.count()).where(identities.c.entry_id.in_(by_hand))
    unknown = len(set(by_hand)) - int((await connection.execute(known)).scalar_one())
    return left + ([LeftOut(reason="unknown", entries=unknown)] if unknown else [])


def _warnings(
    request: PlanRequest, left_out: Sequence[LeftOut], unreadable: int
) -> list[PlanWarning]:
    repeated = sum(left.entries for left in left_out if left.reason == "repeated")
    warnings = []
    if repeated:
        message = (
            f"{repeated:,} of these failed the same way {REPEATED_AT} times or more after they "
            "were put back; they are left out unless you say otherwise."
        )
        warnings.append(PlanWarning(code="repeated", message=message, entries=repeated))
    if unreadable and request.kind is not OperationKind.DISMISS:
        message = (
            f"{unreadable:,} of these cannot be handed over, because no worker could read their "
            "jobs; each will be counted as failed, with the reason."
        )
        warnings.append(PlanWarning(code="unreadable", message=message, entries=unreadable))
    return warnings


async def _overlaps(connection: AsyncConnection, plan_id: str) -> list[PlanWarning]:
    return [
        PlanWarning(
            code="overlap",
            message=f"Operation {operation.operation_id} of {operation.actor} is working on "
            f"{operation.scope}: this can be started when that one is over.",
            operation_id=operation.operation_id,
        )
        for operation in await overlapping_operations(connection, plan_id)
    ]
