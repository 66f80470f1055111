"""Operations, and one operation as it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from redrive.domain import AppId, OperationId, OperationState, progress_of
from redrive.web.api.params import OperationIdPath
from redrive.web.context import Console, ConsoleOf
from redrive.web.pages.judging import rate_line, verdict_chart
from redrive.web.pages.params import PAGE, ItemsQuery, OperationsQuery
from redrive.web.pages.patience import in_time
from redrive.web.pages.rendering import show

router = APIRouter(include_in_schema=False)


@router.get("/admin/operations")
async def operations(
    request: Request, query: Annotated[OperationsQuery, Query()], console: ConsoleOf
) -> Response:
    """Operations, newest first."""
    app_id = AppId(query.app_id) if query.app_id else None
    page = await console.services.overview.operations(query.state, app_id, query.cursor, PAGE)
    apps = (await console.services.overview.apps(None, PAGE)).items
    context = {"page": page, "query": query, "states": list(OperationState), "apps": apps}
    kept = [one.filter for one in page.items]
    return await show(request, "operations.html", context, section="operations", kept=kept)


@router.get("/admin/operations/{operation_id}")
async def operation(
    request: Request,
    operation_id: OperationIdPath,
    query: Annotated[ItemsQuery, Query()],
    console: ConsoleOf,
) -> Response:
    """One operation: progress, outcome, items."""
    context = await operation_context(console, OperationId(operation_id), query)
    kept = [context["operation"].filter]
    return await show(request, "operation.html", context, section="operations", kept=kept)


async def operation_context(
    console: Console, operation_id: OperationId, query: ItemsQuery
) -> Mapping[str, Any]:
    """One operation. Raises OperationNotFound.

    The counts are the ledger's own, which only grow: the fast view in Redis, which is asked for the
    pace alone, can be behind it, and a bar would go backwards.
    """
    reading = console.services.overview
    judgement = await reading.judgement(operation_id)
    found = judgement.operation
    chart = verdict_chart(judgement) if judgement.points else None
    pace = await in_time(reading.pace(found))
    return {
        "operation": found,
        "verdict": judgement.verdict,
        "chart": chart,
        "rates": None if chart is None else rate_line(judgement, chart),
        "follow_ups": judgement.follow_ups,
        "pace": pace,
        "tried": await reading.tried(found),
        "progress": progress_of(found, console.services.clock.now(), pace),
        "in_hand": 0 if found.state.terminal else await reading.in_hand(operation_id),
        "reasons": await reading.reasons(operation_id) if found.state.terminal else [],
        "query": query,
        "page": await reading.items(
            operation_id, query.state, query.cursor, PAGE, query.outcome, query.same_way
        ),
    }
