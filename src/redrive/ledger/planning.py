"""Freezing what a filter selects, and telling it.

The selection is written by one statement, of one moment. It is told afterwards, by reading alone:
a look at a million entries takes seconds, for which SQLite's only writer is not held.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    and_,
    func,
    insert,
    literal,
    literal_column,
    not_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    BULK_TAKES,
    PLAN_LASTS,
    REPEATED_AT,
    EntryState,
    LeftOut,
    OperationKind,
    Plan,
    PlanRequest,
    PlanWarning,
    controls_as_text,
    filter_json,
    scope_in_words,
)
from redrive.faultpoints import Step, reach
from redrive.ledger import telling
from redrive.ledger.counting import NEWEST_SEQUENCE
from redrive.ledger.filters import conditions_of, one_of
from redrive.ledger.limits import refuse_limits_of_dismissal
from redrive.ledger.overlapping import overlapping_operations
from redrive.ledger.schema import entries, identities
from redrive.ledger.schema_triage import plan_apps, plans, selections

_UNKNOWN_AT_MOST = 2_000
"""Rows that a selection may have without PostgreSQL's being told of them."""

_REPEATED = and_(
    entries.c.state == literal_column("'failed'"),
    entries.c.same_failures >= literal_column(str(REPEATED_AT)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frozen:
    """A selection that was written, and the newest failure that it could know of."""

    plan_id: str
    cutoff_seq: int
    total: int
    created_at: datetime


async def freeze(connection: AsyncConnection, request: PlanRequest, now: datetime) -> Frozen:
    """Write what the filter selects, in the order in which it is kept, and its plan.

    Raises LimitsOfDismissal.
    """
    refuse_limits_of_dismissal(request.kind, request.controls)
    plan_id = f"plan_{secrets.token_hex(12)}"
    cutoff = int((await connection.execute(NEWEST_SEQUENCE)).scalar_one())
    total = await _write_selection(connection, plan_id, request)
    if total:
        await connection.execute(
            insert(plans),
            {
                "plan_id": plan_id,
                "actor": request.actor.name,
                "kind": request.kind,
                "filter": filter_json(request.entry_filter),
                "cutoff_seq": cutoff,
                "total": total,
                "created_at": now,
                "expires_at": now + PLAN_LASTS,
                "controls": controls_as_text(request.controls),
            },
        )
    reach(Step.PLAN_WRITTEN)
    return Frozen(plan_id=plan_id, cutoff_seq=cutoff, total=total, created_at=now)


async def tell(
    connection: AsyncConnection, request: PlanRequest, frozen: Frozen
) -> tuple[Plan, telling.Look]:
    """What is to be said of a frozen selection; reads only."""
    look = await telling.look_at(connection, frozen.plan_id)
    left_out = await _left_out(connection, request)
    plan = Plan(
        plan_token=frozen.plan_id if frozen.total else None,
        kind=request.kind,
        filter=filter_json(request.entry_filter),
        cutoff_seq=frozen.cutoff_seq,
        total=frozen.total,
        created_at=frozen.created_at,
        expires_at=frozen.created_at + PLAN_LASTS,
        apps=telling.apps_of(look),
        groups=await telling.groups_of(connection, look),
        queues=telling.queues_of(look),
        samples=await telling.samples(connection, frozen.plan_id, frozen.total),
        left_out=tuple(left_out),
        warnings=_warnings(request, left_out, look.unreadable),
        typical_rate=await telling.typical_rate(connection, request.kind),
        controls=request.controls,
    )
    return plan, look


async def keep_apps(connection: AsyncConnection, plan: Plan, look: telling.Look) -> Plan:
    """Keep which apps a plan touches, and tell what is in its way. Its token is told only after
    this, so that no plan is started without."""
    if plan.plan_token is None:
        return plan
    await connection.execute(
        insert(plan_apps),
        [
            {"plan_id": plan.plan_token, "app_id": app_id, "entries": number}
            for app_id, number in look.by_app.items()
        ],
    )
    overlaps = await _overlaps(connection, plan.plan_token)
    reach(Step.PLAN_APPS_WRITTEN)
    return replace(plan, warnings=(*plan.warnings, *overlaps))


async def _write_selection(connection: AsyncConnection, plan_id: str, request: PlanRequest) -> int:
    """Returns how many entries it has. Where times narrow it, their index is worth more than the
    order, and is nearly in it.

    PostgreSQL is told of many rows at once: until it looks by itself, a minute later, it takes them
    for a few, and reads and sorts all that is left of them for each claim.
    """
    narrowed = request.entry_filter
    wanted = _fitting(request)
    if not request.takes_repeated:
        wanted.append(not_(_REPEATED))
    frozen = (entries.c.failure_seq, entries.c.id, entries.c.generation)
    chosen = select(literal(plan_id), *frozen).where(*wanted)
    if narrowed.failed_from is None and narrowed.failed_before is None:
        chosen = chosen.order_by(entries.c.failure_seq)
    written = await connection.execute(
        insert(selections).from_select(["plan_id", "failure_seq", "entry_pk", "generation"], chosen)
    )
    if written.rowcount > _UNKNOWN_AT_MOST and connection.dialect.name == "postgresql":
        await connection.execute(text("ANALYZE selections"))
    return written.rowcount


def _fitting(request: PlanRequest) -> list[ColumnElement[bool]]:
    takeable = one_of(entries.c.state, BULK_TAKES[request.kind])
    return [takeable, *conditions_of(request.entry_filter)]


async def _left_out(connection: AsyncConnection, request: PlanRequest) -> list[LeftOut]:
    """What fits and was not selected. Only entries that are named by hand are looked for in other
    states: elsewhere nobody expects them."""
    left: list[LeftOut] = []
    if not request.takes_repeated:
        repeated = select(func.count()).select_from(entries).where(_REPEATED, *_fitting(request))
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
) -> tuple[PlanWarning, ...]:
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
    return tuple(warnings)


async def _overlaps(connection: AsyncConnection, plan_id: str) -> list[PlanWarning]:
    return [
        PlanWarning(
            code="overlap",
            message=f"Operation {operation.operation_id} of {operation.actor} is working on "
            f"{scope_in_words(str(operation.scope), operation.filter)}. This can be started when "
            "that one is over.",
            operation_id=operation.operation_id,
        )
        for operation in await overlapping_operations(connection, plan_id)
    ]
