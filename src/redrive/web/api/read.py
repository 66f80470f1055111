"""Reading: what failed, what was done about it, what the queues hold."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from redrive import wire
from redrive.domain import (
    AppId,
    AuditFilter,
    EntryId,
    EntryState,
    OperationId,
)
from redrive.web.api.params import (
    AppIdPath,
    AuditQuery,
    EntriesQuery,
    EntryIdPath,
    ItemsQuery,
    OperationIdPath,
    OperationsQuery,
    PageQuery,
)
from redrive.web.context import ConsoleOf, answer, answer_page
from redrive.web.openapi import problems

router = APIRouter(tags=["reading"])

_ONE = problems(401, 404, 422, 503)
_LIST = problems(401, 422, 503)


@router.get(
    "/admin/api/overview",
    response_model=wire.Envelope[wire.Overview],
    responses=problems(401, 503),
)
async def overview(console: ConsoleOf) -> Response:
    """Everything in one look."""
    reading = console.services.overview
    summary = await reading.summary()
    now = console.services.clock.now()
    return answer(
        wire.Overview(
            failed=summary.standing.failed,
            failing_since=summary.failing_since,
            totals={state: summary.standing.totals.get(state, 0) for state in EntryState},
            recovered_24h=summary.recovered_24h,
            apps=[wire.App.model_validate(app) for app in summary.apps],
            operations=[
                wire.Operation.of(one, now, reading.observe_for)
                for one in summary.standing.operations
            ],
            followers=[wire.Follower.model_validate(one) for one in summary.standing.followers],
        )
    )


@router.get(
    "/admin/api/apps",
    response_model=wire.Envelope[wire.Page[wire.App]],
    responses=_LIST,
)
async def apps(query: Annotated[PageQuery, Query()], console: ConsoleOf) -> Response:
    """Apps, those with the most failed entries first."""
    found = await console.services.overview.apps(query.cursor, query.limit)
    return answer_page(wire.App, found.items, found.next_cursor)


@router.get(
    "/admin/api/apps/{app_id:path}",
    response_model=wire.Envelope[wire.App],
    responses=_ONE,
)
async def app(app_id: AppIdPath, console: ConsoleOf) -> Response:
    """One app."""
    found = await console.services.overview.app(AppId(app_id))
    return answer(wire.App.model_validate(found))


@router.get(
    "/admin/api/entries",
    response_model=wire.Envelope[wire.Page[wire.Entry]],
    responses=_LIST,
)
async def entries(query: Annotated[EntriesQuery, Query()], console: ConsoleOf) -> Response:
    """Entries, newest failure first unless asked otherwise."""
    found = await console.services.overview.entries(
        query.meant(), query.cursor, query.limit, query.order == "oldest"
    )
    return answer_page(wire.Entry, found.items, found.next_cursor)


@router.get(
    "/admin/api/entries/{entry_id}",
    response_model=wire.Envelope[wire.EntryDetail],
    responses=_ONE,
)
async def entry(entry_id: EntryIdPath, console: ConsoleOf) -> Response:
    """One entry with its error, payload and history, and where its job is now."""
    detail = await console.services.overview.entry(EntryId(entry_id))
    job = await console.services.overview.job_status(detail.entry)
    payload = console.masker.shown(detail.payload) if detail.payload else None
    return answer(wire.EntryDetail.of(detail, payload, job))


@router.get(
    "/admin/api/operations",
    response_model=wire.Envelope[wire.Page[wire.Operation]],
    responses=_LIST,
)
async def operations(query: Annotated[OperationsQuery, Query()], console: ConsoleOf) -> Response:
    """Operations, newest first."""
    reading = console.services.overview
    app_id = AppId(query.app_id) if query.app_id else None
    found = await reading.operations(query.state, app_id, query.cursor, query.limit)
    now = console.services.clock.now()
    shown = [wire.Operation.of(one, now, reading.observe_for) for one in found.items]
    return answer_page(wire.Operation, shown, found.next_cursor)


@router.get(
    "/admin/api/operations/{operation_id}",
    response_model=wire.Envelope[wire.Operation],
    responses=_ONE,
)
async def operation(operation_id: OperationIdPath, console: ConsoleOf) -> Response:
    """One operation with its counts."""
    reading = console.services.overview
    found = await reading.operation(OperationId(operation_id))
    pace, now = await reading.pace(found), console.services.clock.now()
    return answer(wire.Operation.of(found, now, reading.observe_for, pace))


@router.get(
    "/admin/api/operations/{operation_id}/items",
    response_model=wire.Envelope[wire.Page[wire.Item]],
    responses=_ONE,
)
async def items(
    operation_id: OperationIdPath, query: Annotated[ItemsQuery, Query()], console: ConsoleOf
) -> Response:
    """What became of each entry of an operation, in hand-over order."""
    found = await console.services.overview.items(
        OperationId(operation_id),
        query.state,
        query.cursor,
        query.limit,
        query.outcome,
        query.same_way,
    )
    return answer_page(wire.Item, found.items, found.next_cursor)


@router.get(
    "/admin/api/audit",
    response_model=wire.Envelope[wire.Page[wire.AuditEntry]],
    responses=_LIST,
)
async def audit(query: Annotated[AuditQuery, Query()], console: ConsoleOf) -> Response:
    """Who did what, newest first."""
    wanted = AuditFilter(
        actor=query.actor or None,
        action=query.action or None,
        app_id=AppId(query.app_id) if query.app_id else None,
    )
    found = await console.services.overview.audit_trail(query.cursor, query.limit, wanted)
    return answer_page(wire.AuditEntry, found.items, found.next_cursor)
